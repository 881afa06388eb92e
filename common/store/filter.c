/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c: how items are filtered. Depth is that of the filter, which is
 * limited where it was read.
 */
#include "common/store/filter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PLACE_MAX 200

enum op { OP_EQ, OP_NE, OP_GT, OP_GTE, OP_LT, OP_LTE, OP_COUNT };

static const char *const op_names[OP_COUNT] = {
    [OP_EQ] = "$eq",   [OP_NE] = "$ne", [OP_GT] = "$gt",
    [OP_GTE] = "$gte", [OP_LT] = "$lt", [OP_LTE] = "$lte"};

static bool is_operator(leat_text key)
{
    return key.len > 0 && key.ptr[0] == '$';
}

static enum op op_of(leat_text key)
{
    for (int op = 0; op < OP_COUNT; op++) {
        if (strlen(op_names[op]) == key.len &&
            memcmp(op_names[op], key.ptr, key.len) == 0) {
            return (enum op)op;
        }
    }
    return OP_COUNT;
}

/* ---- is it a filter ---------------------------------------------------- */

/* A list cannot be put in order, nor can the other things. */
static bool is_ordered(leat_view v)
{
    enum leat_type type = leat_type_of(v);
    return type == LEAT_INT || type == LEAT_DOUBLE || type == LEAT_STRING;
}

static bool check_operator(leat_text key, leat_view operand, const char *place,
                           struct err *err)
{
    enum op op = op_of(key);
    if (op == OP_COUNT) {
        return err_set(err, ERR_INVALID,
                       "%s: must be one of $eq|$ne|$gt|$gte|$lt|$lte", place);
    }
    return op == OP_EQ || op == OP_NE || is_ordered(operand) ||
           err_set(err, ERR_INVALID, "%s: must be a number or a string", place);
}

static bool check_at(leat_view filter, const char *path, unsigned depth,
                     struct err *err)
{
    enum leat_type type = leat_type_of(filter);
    if ((type != LEAT_OBJECT && type != LEAT_LIST) || depth > LEAT_DEPTH_MAX) {
        return true;
    }
    for (leat_iter it = leat_iter_of(filter); leat_next(&it);) {
        char place[PLACE_MAX];
        bool key = type == LEAT_OBJECT;
        if (key) {
            (void)snprintf(place, sizeof place, "%.140s.%.*s", path,
                           (int)min_size(it.key.len, 50), it.key.ptr);
        } else {
            (void)snprintf(place, sizeof place, "%.140s[%zu]", path, it.index);
        }
        bool ok = key && is_operator(it.key)
                      ? check_operator(it.key, it.item, place, err)
                      : check_at(it.item, place, depth + 1, err);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool store_filter_check(leat_view filter, const char *path, struct err *err)
{
    must(path != NULL);
    enum leat_type type = leat_type_of(filter);
    if (type == LEAT_MISSING || type == LEAT_NULL) {
        return true;
    }
    if (type != LEAT_OBJECT) {
        return err_set(err, ERR_INVALID, "%s: must be an object", path);
    }
    return check_at(filter, path, 0, err);
}

/* ---- does it match ----------------------------------------------------- */

#define NO_ORDER 2

static int compare_texts(leat_text a, leat_text b)
{
    int c = memcmp(a.ptr, b.ptr, min_size(a.len, b.len));
    c = c != 0 ? c : (a.len > b.len) - (a.len < b.len);
    return (c > 0) - (c < 0);
}

static bool is_negative(leat_view whole)
{
    return leat_uint(whole, 0) != leat_uint(whole, 1);
}

/* Two different ones; as doubles, large ones would be the same. */
static int compare_whole(leat_view a, leat_view b)
{
    if (is_negative(a) != is_negative(b)) {
        return is_negative(a) ? -1 : 1;
    }
    bool less = is_negative(a) ? leat_int(a, 0) < leat_int(b, 0)
                               : leat_uint(a, 0) < leat_uint(b, 0);
    return less ? -1 : 1;
}

/* -1, 0, 1 or NO_ORDER. */
static int compare(leat_view a, leat_view b)
{
    leat_text ta = leat_string(a);
    leat_text tb = leat_string(b);
    if (ta.ptr != NULL && tb.ptr != NULL) {
        return compare_texts(ta, tb);
    }
    if (ta.ptr != NULL || tb.ptr != NULL || !is_ordered(a) || !is_ordered(b)) {
        return NO_ORDER;
    }
    if (leat_equal(a, b)) {
        return 0;
    }
    if (leat_type_of(a) == LEAT_INT && leat_type_of(b) == LEAT_INT) {
        return compare_whole(a, b);
    }
    double da = leat_double(a, 0);
    double db = leat_double(b, 0);
    return isnan(da) || isnan(db) ? NO_ORDER : da < db ? -1 : 1;
}

static bool holds(leat_view value, enum op op, leat_view operand)
{
    if (op == OP_EQ || op == OP_NE) {
        bool null = leat_type_of(value) == LEAT_MISSING &&
                    leat_type_of(operand) == LEAT_NULL;
        return (null || leat_equal(value, operand)) == (op == OP_EQ);
    }
    int c = compare(value, operand);
    switch (op) {
    case OP_GT:
        return c == 1;
    case OP_GTE:
        return c == 0 || c == 1;
    case OP_LT:
        return c == -1;
    default:
        return c == 0 || c == -1;
    }
}

static bool has_operators(leat_view filter)
{
    bool found = false;
    for (leat_iter it = leat_iter_of(filter); !found && leat_next(&it);) {
        found = is_operator(it.key);
    }
    return found;
}

static bool matches_at(leat_view value, leat_view filter, unsigned depth);

static bool object_matches(leat_view value, leat_view filter, unsigned depth)
{
    bool operators = has_operators(filter);
    if (!operators && leat_type_of(value) != LEAT_OBJECT) {
        return false;
    }
    for (leat_iter it = leat_iter_of(filter); leat_next(&it);) {
        bool ok;
        if (is_operator(it.key)) {
            ok = holds(value, op_of(it.key), it.item);
        } else {
            ok = matches_at(leat_get_n(value, it.key.ptr, it.key.len), it.item,
                            depth + 1);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool list_matches(leat_view value, leat_view filter, unsigned depth)
{
    if (leat_type_of(value) != LEAT_LIST ||
        leat_count(value) != leat_count(filter)) {
        return false;
    }
    leat_iter have = leat_iter_of(value);
    leat_iter want = leat_iter_of(filter);
    while (leat_next(&have) && leat_next(&want)) {
        if (!matches_at(have.item, want.item, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool matches_at(leat_view value, leat_view filter, unsigned depth)
{
    if (depth > LEAT_DEPTH_MAX) {
        return false;
    }
    switch (leat_type_of(filter)) {
    case LEAT_OBJECT:
        return object_matches(value, filter, depth);
    case LEAT_LIST:
        return list_matches(value, filter, depth);
    default:
        return holds(value, OP_EQ, filter);
    }
}

bool store_filter_matches(leat_view value, leat_view filter)
{
    enum leat_type type = leat_type_of(filter);
    return type == LEAT_MISSING || type == LEAT_NULL ||
           matches_at(value, filter, 0);
}
