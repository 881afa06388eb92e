/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many items: below a namespace and by what is in them, and which namespaces
 * there are. What SQL can tell it tells (the range of the prefix, the owner,
 * what has expired); filters are looked at here, row by row.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store/filter.h"
#include "common/store/items.h"

/* A range of namespaces as they are stored. */
struct range {
    char *begin;
    char *end;
};

/* The first text above all that begin with "a.b.": "a.b/", for '/' follows
 * '.'. Without a prefix there is none, and it is not looked at. */
static bool range_of(leat_view prefix, struct range *out, struct err *err)
{
    *out = (struct range){NULL, NULL};
    if (!store_items_space_text(prefix, true, &out->begin, err)) {
        return false;
    }
    out->end = base_strdup(out->begin);
    if (*out->end != '\0') {
        out->end[strlen(out->end) - 1] = '/';
    }
    return true;
}

static void range_fini(struct range *r)
{
    free(r->begin);
    free(r->end);
}

#define BELOW_PREFIX                                                           \
    " FROM items WHERE namespace >= $1 AND ($1 = '' OR namespace < $2)"        \
    " AND (owner = $3 OR $3 IS NULL) AND " STORE_ITEMS_ALIVE("$4")

static bool open_below(struct store_query *row, const char *sql,
                       const struct range *range, const char *owner)
{
    return store_query_open(row, sql, "sssi", range->begin, range->end, owner,
                            clock_wall_us());
}

/* ---- items ----------------------------------------------------------------
 */

static void consider(struct store_query *row, const struct store_items_query *q,
                     struct store_rows *page, size_t *skip)
{
    struct store_item i;
    memset(&i, 0, sizeof i);
    store_items_read_row(row, &i);
    bool take = !row->failed &&
                store_filter_matches(leat_view_of(i.value), q->filter);
    if (take && *skip > 0) {
        *skip -= 1;
        take = false;
    }
    if (take) {
        *(struct store_item *)store_rows_add(page, sizeof i) = i;
    } else {
        store_item_fini(&i);
    }
}

static bool collect(store_t *s, const struct store_items_query *q,
                    const struct range *range, struct store_rows *page,
                    struct err *err)
{
    size_t skip = q->offset;
    struct store_query row = {.s = s, .err = err};
    bool ok = open_below(&row,
                         "SELECT " STORE_ITEMS_COLUMNS BELOW_PREFIX
                         " ORDER BY updated_at DESC, namespace, key, owner",
                         range, store_viewer(s, q->owner));
    while (ok && (q->limit == 0 || page->n < q->limit) &&
           store_query_next(&row)) {
        consider(&row, q, page, &skip);
    }
    return store_query_close(&row);
}

bool store_items_search(store_t *s, const struct store_items_query *q,
                        struct store_item **list, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    *list = NULL;
    *n = 0;
    struct range range;
    if (!range_of(q->prefix, &range, err)) {
        return false;
    }
    struct store_rows page = {NULL, 0, 0};
    bool ok = collect(s, q, &range, &page, err);
    range_fini(&range);
    *list = page.rows;
    *n = page.n;
    ok = ok && store_items_used(s, *list, *n, q->refresh, err);
    if (!ok) {
        store_items_free(list, *n);
        *n = 0;
    }
    return ok;
}

/* ---- namespaces -----------------------------------------------------------
 */

static bool same_label(leat_view have, leat_view want)
{
    return leat_is(want, "*") || leat_equal(have, want);
}

static bool fits(leat_view space, const struct store_spaces_query *q)
{
    size_t n = leat_count(space);
    size_t prefix = leat_count(q->prefix);
    size_t suffix = leat_count(q->suffix);
    bool ok = prefix <= n && suffix <= n;
    for (size_t i = 0; ok && i < prefix; i++) {
        ok = same_label(leat_at(space, (long)i), leat_at(q->prefix, (long)i));
    }
    for (size_t i = 0; ok && i < suffix; i++) {
        ok = same_label(leat_at(space, (long)(n - suffix + i)),
                        leat_at(q->suffix, (long)i));
    }
    return ok;
}

/* The range of the prefix as far as it names labels. */
static bool fixed_range(leat_view prefix, struct range *out, struct err *err)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (leat_iter it = leat_iter_of(prefix);
         leat_next(&it) && !leat_is(it.item, "*");) {
        leat_write_view(w, it.item);
    }
    leat_write_end(w);
    leat_value *fixed = leat_writer_finish(&w);
    bool ok = range_of(leat_view_of(fixed), out, err);
    leat_drop(fixed);
    return ok;
}

struct spaces {
    leat_writer *out;
    leat_value *last; /* what was counted last; its cut twins follow it */
    size_t seen;
    size_t written;
};

/* Those that are cut to the same stand together: they share a beginning. */
static void consider_space(const char *text, const struct store_spaces_query *q,
                           struct spaces *all)
{
    leat_value *whole = store_items_space_value(text, 0);
    bool ok = fits(leat_view_of(whole), q);
    leat_drop(whole);
    if (!ok) {
        return;
    }
    leat_value *cut = store_items_space_value(text, q->max_depth);
    if (leat_equal(leat_view_of(cut), leat_view_of(all->last))) {
        leat_drop(cut);
        return;
    }
    leat_drop(all->last);
    all->last = cut;
    all->seen++;
    if (all->seen > q->offset) {
        leat_write_view(all->out, leat_view_of(cut));
        all->written++;
    }
}

static bool collect_spaces(store_t *s, const struct store_spaces_query *q,
                           const struct range *range, struct spaces *all,
                           struct err *err)
{
    struct store_query row = {.s = s, .err = err};
    bool ok = open_below(
        &row, "SELECT DISTINCT namespace" BELOW_PREFIX " ORDER BY namespace",
        range, store_viewer(s, q->owner));
    while (ok && (q->limit == 0 || all->written < q->limit) &&
           store_query_next(&row)) {
        char *text = store_query_text(&row, 0);
        consider_space(text, q, all);
        free(text);
    }
    return store_query_close(&row);
}

bool store_items_spaces(store_t *s, const struct store_spaces_query *q,
                        leat_value **spaces, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    *spaces = NULL;
    struct range range;
    if (!fixed_range(q->prefix, &range, err)) {
        return false;
    }
    struct spaces all = {.out = leat_writer_new()};
    leat_write_list(all.out);
    bool ok = collect_spaces(s, q, &range, &all, err);
    leat_write_end(all.out);
    leat_drop(all.last);
    leat_value *list = leat_writer_finish(&all.out);
    if (ok) {
        *spaces = list;
    } else {
        leat_drop(list);
    }
    range_fini(&range);
    return ok;
}
