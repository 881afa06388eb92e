/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_equal.c: when two values are the same. Owns the rules (1 is 1.0, key
 * order and tags do not matter, of duplicate keys the last counts) and that
 * comparing costs no more than reading both, however they nest.
 */
#include "common/value_node.h"

#include <math.h>
#include <stdlib.h>

static bool equal(leat_view a, leat_view b, unsigned depth);

bool leat_equal(leat_view a, leat_view b)
{
    return equal(a, b, 0);
}

static bool whole_equals_double(struct value_number whole, double d)
{
    if (d != floor(d)) { /* NaN too */
        return false;
    }
    if (whole.kind == NUMBER_INT) {
        return d >= -VALUE_TWO_63 && d < VALUE_TWO_63 && (int64_t)d == whole.i;
    }
    return d >= VALUE_TWO_63 && d < VALUE_TWO_64 && (uint64_t)d == whole.u;
}

static bool numbers_equal(struct value_number a, struct value_number b)
{
    if (a.kind == NUMBER_DOUBLE && b.kind != NUMBER_DOUBLE) {
        return whole_equals_double(b, a.d);
    }
    if (b.kind == NUMBER_DOUBLE && a.kind != NUMBER_DOUBLE) {
        return whole_equals_double(a, b.d);
    }
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case NUMBER_INT:
        return a.i == b.i;
    case NUMBER_UINT:
        return a.u == b.u;
    default:
        return a.d == b.d;
    }
}

static bool lists_equal(leat_view a, leat_view b, unsigned depth)
{
    leat_iter ia = leat_iter_of(a), ib = leat_iter_of(b);
    while (leat_next(&ia) && leat_next(&ib)) {
        if (!equal(ia.item, ib.item, depth)) {
            return false;
        }
    }
    return true;
}

static bool same_text(leat_text a, leat_text b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

struct pair {
    leat_text key;
    leat_view item;
    size_t index;
};

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->key.len != b->key.len) {
        return a->key.len < b->key.len ? -1 : 1;
    }
    int order = memcmp(a->key.ptr, b->key.ptr, a->key.len);
    if (order != 0) {
        return order;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The pairs by key, of duplicates only the last; *n is how many. */
static struct pair *sorted_pairs(leat_view object, size_t *n)
{
    struct pair *pairs =
        base_realloc(NULL, leat_count(object) * sizeof(*pairs));
    size_t all = 0;
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        pairs[all++] = (struct pair){it.key, it.item, it.index};
    }
    if (all > 0) {
        qsort(pairs, all, sizeof(*pairs), compare_pairs);
    }
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        if (*n > 0 && same_text(pairs[*n - 1].key, pairs[i].key)) {
            (*n)--;
        }
        pairs[(*n)++] = pairs[i];
    }
    return pairs;
}

static bool objects_equal_sorted(leat_view a, leat_view b, unsigned depth)
{
    size_t na, nb;
    struct pair *pa = sorted_pairs(a, &na), *pb = sorted_pairs(b, &nb);
    bool same = na == nb;
    for (size_t i = 0; same && i < na; i++) {
        same = same_text(pa[i].key, pb[i].key) &&
               equal(pa[i].item, pb[i].item, depth);
    }
    free(pa);
    free(pb);
    return same;
}

static bool same_keys_in_order(leat_view a, leat_view b)
{
    leat_iter ia = leat_iter_of(a), ib = leat_iter_of(b);
    for (;;) {
        bool more_a = leat_next(&ia), more_b = leat_next(&ib);
        if (!more_a && !more_b) {
            return true;
        }
        if (more_a != more_b || !same_text(ia.key, ib.key)) {
            return false;
        }
    }
}

/* Nearly always the keys stand in the same order; only else they are sorted,
 * which keeps a large object from costing its square. Each value is compared
 * once, so that nesting does not multiply the work. */
static bool objects_equal(leat_view a, leat_view b, unsigned depth)
{
    if (!same_keys_in_order(a, b)) {
        return objects_equal_sorted(a, b, depth);
    }
    leat_iter ia = leat_iter_of(a), ib = leat_iter_of(b);
    while (leat_next(&ia) && leat_next(&ib)) {
        if (equal(ia.item, ib.item, depth)) {
            continue;
        }
        leat_view last = leat_get_n(a, ia.key.ptr, ia.key.len);
        if (last.at == ia.item.at && last.node == ia.item.node) {
            return false; /* else a duplicate that a later one hides */
        }
    }
    return true;
}

static struct value_number number_of(leat_view v)
{
    const unsigned char *at = value_node_at(v);
    return value_bytes_number(at + value_bytes_tag_head(at));
}

static bool equal(leat_view a, leat_view b, unsigned depth)
{
    must(depth <= VALUE_DEPTH_HARD);
    enum leat_type ta = leat_type_of(a), tb = leat_type_of(b);
    if ((ta == LEAT_INT || ta == LEAT_DOUBLE) &&
        (tb == LEAT_INT || tb == LEAT_DOUBLE)) {
        return numbers_equal(number_of(a), number_of(b));
    }
    if (ta != tb) {
        return false;
    }
    switch (ta) {
    case LEAT_BOOL:
        return leat_bool(a, false) == leat_bool(b, false);
    case LEAT_STRING:
        return same_text(leat_string(a), leat_string(b));
    case LEAT_BYTES:
        return same_text(leat_bytes(a), leat_bytes(b));
    case LEAT_LIST:
        return leat_count(a) == leat_count(b) && lists_equal(a, b, depth + 1);
    case LEAT_OBJECT:
        return objects_equal(a, b, depth + 1);
    default:
        return true;
    }
}
