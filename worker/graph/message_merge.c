/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_merge.c: adding up the parts of two chunks. Owns the rules of
 * LangChain's merges; where Python raises an error because types differ, the
 * newer value stands. Recursion ends where values end: they nest no deeper
 * than VALUE_DEPTH_HARD.
 */
#include "worker/graph/message_merge.h"

#include "common/base.h"
#include "common/buf.h"
#include "common/value.h"
#include <stdlib.h>
#include <string.h>

static bool is_set(leat_view v)
{
    enum leat_type type = leat_type_of(v);
    return type != LEAT_MISSING && type != LEAT_NULL;
}

static leat_value *join_texts(leat_text a, leat_text b)
{
    must(a.len <= SIZE_MAX / 2 && b.len <= SIZE_MAX / 2);
    char *text = base_realloc(NULL, a.len + b.len + 1);
    memcpy(text, a.ptr, a.len);
    memcpy(text + a.len, b.ptr, b.len);
    leat_value *v = leat_new_string_n(text, a.len + b.len);
    free(text);
    return v;
}

static leat_value *add_numbers(leat_view a, leat_view b)
{
    int64_t sum;
    bool whole = leat_type_of(a) == LEAT_INT && leat_type_of(b) == LEAT_INT;
    if (whole && !__builtin_add_overflow(leat_int(a, 0), leat_int(b, 0),
                                         &sum)) {
        return leat_new_int(sum);
    }
    return leat_new_double(leat_double(a, 0) + leat_double(b, 0));
}

static bool key_in(leat_text key, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (key.len == strlen(names[i]) &&
            memcmp(key.ptr, names[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- lists by index ------------------------------------------------------ */

/* What elements are matched by: a whole number, or a text that LangChain
 * made ("lc_..."). */
static bool has_index(leat_view item)
{
    leat_view index = leat_get(item, "index");
    leat_text text = leat_string(index);
    return leat_type_of(index) == LEAT_INT ||
           (text.len >= 3 && memcmp(text.ptr, "lc_", 3) == 0);
}

static bool same_place(leat_view a, leat_view b)
{
    leat_text ia = leat_string(leat_get(a, "id"));
    leat_text ib = leat_string(leat_get(b, "id"));
    return has_index(a) &&
           leat_equal(leat_get(a, "index"), leat_get(b, "index")) &&
           (ia.len == 0 || ib.len == 0 ||
            leat_equal(leat_get(a, "id"), leat_get(b, "id")));
}

typedef leat_value *merge_fn(leat_view a, leat_view b);

/* All of a, then of b what has no place in it. */
static leat_value *merge_lists(leat_view a, leat_view b, merge_fn *merge)
{
    size_t n = 0, room = leat_count(a) + leat_count(b);
    leat_value **items = base_zalloc(room * sizeof(*items));
    for (leat_iter it = leat_iter_of(a); leat_next(&it);) {
        items[n++] = leat_value_of(it.item);
    }
    for (leat_iter it = leat_iter_of(b); leat_next(&it);) {
        size_t i = has_index(it.item) ? 0 : n;
        while (i < n && !same_place(leat_view_of(items[i]), it.item)) {
            i++;
        }
        if (i == n) {
            items[n++] = leat_value_of(it.item);
        } else {
            leat_value *one = merge(leat_view_of(items[i]), it.item);
            leat_drop(items[i]);
            items[i] = one;
        }
    }
    leat_value *composed = leat_new_list(n, items);
    leat_value *packed = value_packed(composed);
    leat_drop(composed);
    free(items);
    return packed;
}

/* ---- objects ------------------------------------------------------------- */

static leat_value *merge_elements(leat_view a, leat_view b);

/* Two values of one key, both set. */
static leat_value *merge_values(leat_text key, leat_view a, leat_view b)
{
    /* These say what something is, so the same twice is the same. */
    static const char *const names[] = {"id", "type", "output_version",
                                        "model_provider", "index", NULL};
    static const char *const latest[] = {"index", "created", "timestamp",
                                         NULL};
    enum leat_type type = leat_type_of(a);
    if (type != leat_type_of(b)) {
        return leat_value_of(b);
    }
    bool equal = leat_equal(a, b);
    switch (type) {
    case LEAT_STRING:
        return equal && key_in(key, names)
                   ? leat_value_of(a)
                   : join_texts(leat_string(a), leat_string(b));
    case LEAT_OBJECT:
        return graph_message_merge_objects(a, b);
    case LEAT_LIST:
        return merge_lists(a, b, merge_elements);
    case LEAT_INT:
        return equal || key_in(key, latest) ? leat_value_of(b)
                                            : add_numbers(a, b);
    default:
        return leat_value_of(b);
    }
}

static void write_value(leat_writer *w, leat_value *v)
{
    leat_write_view(w, leat_view_of(v));
    leat_drop(v);
}

typedef leat_value *merge_key_fn(leat_text key, leat_view a, leat_view b);

static leat_value *merge_keys(leat_view a, leat_view b, merge_key_fn *merge)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(a); leat_next(&it);) {
        leat_view other = leat_get_n(b, it.key.ptr, it.key.len);
        leat_write_key_n(w, it.key.ptr, it.key.len);
        if (!is_set(other)) {
            leat_write_view(w, it.item);
        } else if (!is_set(it.item)) {
            leat_write_view(w, other);
        } else {
            write_value(w, merge(it.key, it.item, other));
        }
    }
    for (leat_iter it = leat_iter_of(b); leat_next(&it);) {
        leat_view other = leat_get_n(a, it.key.ptr, it.key.len);
        if (leat_type_of(other) == LEAT_MISSING) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

leat_value *graph_message_merge_objects(leat_view a, leat_view b)
{
    return merge_keys(a, b, merge_values);
}

/* A list's elements: the type that the first one has stays. */
static leat_value *merge_elements(leat_view a, leat_view b)
{
    leat_view type = leat_get(a, "type");
    if (!is_set(type)) {
        return graph_message_merge_objects(a, b);
    }
    leat_value *without = leat_with(b, "type", NULL);
    leat_value *merged = graph_message_merge_objects(a, leat_view_of(without));
    leat_drop(without);
    return merged;
}

static leat_value *merge_counts(leat_text key, leat_view a, leat_view b)
{
    (void)key;
    if (leat_type_of(a) == LEAT_OBJECT && leat_type_of(b) == LEAT_OBJECT) {
        return merge_keys(a, b, merge_counts);
    }
    return add_numbers(a, b);
}

leat_value *graph_message_merge_usage(leat_view a, leat_view b)
{
    if (!is_set(a) || !is_set(b)) {
        return leat_value_of(is_set(a) ? a : b);
    }
    return merge_keys(a, b, merge_counts);
}

/* ---- content ------------------------------------------------------------- */

/* A list and more text: the text continues a text at its end. */
static leat_value *append_text(leat_view list, leat_view text)
{
    leat_view last = leat_at(list, -1);
    if (leat_count(text) == 0) {
        return leat_value_of(list);
    }
    if (leat_type_of(last) != LEAT_STRING) {
        leat_value *item = leat_value_of(text);
        return leat_append(list, 1, &item);
    }
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (leat_iter it = leat_iter_of(list); it.left > 1 && leat_next(&it);) {
        leat_write_view(w, it.item);
    }
    write_value(w, join_texts(leat_string(last), leat_string(text)));
    leat_write_end(w);
    return leat_writer_finish(&w);
}

leat_value *graph_message_merge_content(leat_view a, leat_view b)
{
    if (!is_set(a) || !is_set(b)) {
        return is_set(a) || is_set(b) ? leat_value_of(is_set(a) ? a : b)
                                      : leat_new_string("");
    }
    bool text_a = leat_type_of(a) == LEAT_STRING;
    bool text_b = leat_type_of(b) == LEAT_STRING;
    if (text_a && text_b) {
        return join_texts(leat_string(a), leat_string(b));
    }
    if (text_b) {
        return append_text(a, b);
    }
    if (!text_a) {
        return merge_lists(a, b, merge_elements);
    }
    if (leat_count(a) == 0) {
        return leat_value_of(b); /* as if there had been no text yet */
    }
    leat_value *first = leat_value_of(a);
    leat_value *list = leat_append(leat_view_of(NULL), 1, &first);
    leat_value *merged = merge_lists(leat_view_of(list), b, merge_elements);
    leat_drop(list);
    return merged;
}

/* ---- tool calls ---------------------------------------------------------- */

static leat_view first_text(leat_view a, leat_view b)
{
    return leat_count(a) > 0 || !is_set(b) ? a : b;
}

static leat_value *merge_call(leat_view a, leat_view b)
{
    leat_text first = leat_string(leat_get(a, "args"));
    leat_text second = leat_string(leat_get(b, "args"));
    leat_value *args = NULL;
    if (first.ptr != NULL && second.ptr != NULL) {
        args = join_texts(first, second);
    } else {
        args = leat_value_of(leat_get(first.ptr != NULL ? a : b, "args"));
    }
    return leat_pack("{s:v,s:V,s:v,s:v,s:s}", "name",
                     first_text(leat_get(a, "name"), leat_get(b, "name")),
                     "args", args, "id",
                     first_text(leat_get(a, "id"), leat_get(b, "id")),
                     "index", leat_get(a, "index"), "type",
                     "tool_call_chunk");
}

leat_value *graph_message_merge_calls(leat_view a, leat_view b)
{
    return merge_lists(a, b, merge_call);
}
