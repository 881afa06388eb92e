/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items table: what nodes and clients keep beside threads. A namespace is
 * stored as its labels with a dot behind each, so that everything below a
 * prefix is one range of texts.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define SPACE_BYTES_MAX 4096

static bool add_label(struct buf *b, leat_view label)
{
    leat_text text = leat_string(label);
    return text.ptr != NULL && text.len > 0 &&
           memchr(text.ptr, '.', text.len) == NULL &&
           memchr(text.ptr, '\0', text.len) == NULL &&
           buf_append(b, text.ptr, text.len) && buf_putc(b, '.');
}

/* ["a", "b"] as "a.b."; the caller frees it. */
static bool space_text(leat_view space, bool empty_ok, char **out,
                       struct err *err)
{
    struct buf b;
    buf_init(&b, SPACE_BYTES_MAX);
    bool ok = empty_ok || leat_count(space) > 0;
    ok = ok && (leat_type_of(space) == LEAT_LIST ||
                (empty_ok && leat_count(space) == 0));
    if (ok && leat_type_of(space) == LEAT_LIST) {
        for (leat_iter it = leat_iter_of(space); ok && leat_next(&it);) {
            ok = add_label(&b, it.item);
        }
    }
    size_t len = 0;
    *out = buf_take(&b, &len);
    if (!ok) {
        free(*out);
        *out = NULL;
        return err_set(err, ERR_INVALID,
                       "a namespace is a list of labels, not empty, without "
                       "dots");
    }
    return true;
}

/* "a.b." as ["a", "b"]. */
static leat_value *space_value(const char *text)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (const char *dot = strchr(text, '.'); dot != NULL;
         text = dot + 1, dot = strchr(text, '.')) {
        leat_write_string_n(w, text, (size_t)(dot - text));
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static const char *owner_of(const char *owner)
{
    return owner == NULL ? "" : owner;
}

/* ---- one item -------------------------------------------------------------
 */

static bool put(store_t *s, const struct store_item_key *k,
                const leat_value *value, struct err *err)
{
    char *space = NULL;
    if (!space_text(k->space, false, &space, err)) {
        return false;
    }
    bool ok = store_query_run(
        s, err,
        "INSERT INTO items (owner, namespace, key, created_at, updated_at,"
        " value) VALUES ($1, $2, $3, $4, $4, $5)"
        " ON CONFLICT (owner, namespace, key) DO UPDATE SET"
        " updated_at = excluded.updated_at, value = excluded.value",
        "sssip", owner_of(k->owner), space, k->key, clock_wall_us(), value);
    free(space);
    return ok;
}

bool store_items_put(store_t *s, const struct store_item_key *k,
                     const leat_value *value, struct err *err)
{
    must(k->key != NULL && value != NULL);
    if (s->remote) {
        return store_remote_items_put(s, k, value, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, put(s, k, value, err), err);
}

#define COLUMNS "namespace, key, created_at, updated_at, value"

static void read_row(struct store_query *q, struct store_item *i)
{
    char *space = store_query_text(q, 0);
    i->space = space_value(space);
    free(space);
    i->key = store_query_text(q, 1);
    i->created_us = store_query_int(q, 2);
    i->updated_us = store_query_int(q, 3);
    i->value = store_query_value(q, 4);
}

bool store_items_get(store_t *s, const struct store_item_key *k,
                     struct store_item *out, bool *found, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    *found = false;
    char *space = NULL;
    if (!space_text(k->space, false, &space, err)) {
        return false;
    }
    struct store_query q = {.s = s, .err = err};
    if (store_query_open(&q,
                         "SELECT " COLUMNS " FROM items WHERE owner = $1"
                         " AND namespace = $2 AND key = $3",
                         "sss", owner_of(k->owner), space, k->key) &&
        store_query_next(&q)) {
        *found = true;
        read_row(&q, out);
    }
    bool ok = store_query_close(&q);
    free(space);
    if (!ok) {
        store_item_fini(out);
    }
    return ok;
}

static bool delete_row(store_t *s, const struct store_item_key *k,
                       struct err *err)
{
    char *space = NULL;
    if (!space_text(k->space, false, &space, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "DELETE FROM items WHERE owner = $1"
                              " AND namespace = $2 AND key = $3",
                              "sss", owner_of(k->owner), space, k->key);
    free(space);
    return ok;
}

bool store_items_delete(store_t *s, const struct store_item_key *k,
                        struct err *err)
{
    must(k->key != NULL);
    if (s->remote) {
        return store_remote_items_delete(s, k, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, delete_row(s, k, err), err);
}

/* ---- many -----------------------------------------------------------------
 */

/* The first text above all that begin with "a.b.": "a.b/", for '/' follows
 * '.'. Without a prefix there is none, and it is not looked at. */
static char *range_end(const char *prefix)
{
    char *end = base_strdup(prefix);
    if (*end != '\0') {
        end[strlen(end) - 1] = '/';
    }
    return end;
}

#define BELOW_PREFIX                                                           \
    " FROM items WHERE owner = $1 AND namespace >= $2"                         \
    " AND ($2 = '' OR namespace < $3)"

static void consider(struct store_query *row, const struct store_items_query *q,
                     struct store_rows *page, size_t *skip)
{
    struct store_item i;
    memset(&i, 0, sizeof i);
    read_row(row, &i);
    bool take = !row->failed &&
                (q->match == NULL || q->match(q->arg, leat_view_of(i.value)));
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

bool store_items_search(store_t *s, const struct store_items_query *q,
                        struct store_item **list, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    *list = NULL;
    *n = 0;
    char *prefix = NULL;
    if (!space_text(q->prefix, true, &prefix, err)) {
        return false;
    }
    char *end = range_end(prefix);
    struct store_rows page = {NULL, 0, 0};
    size_t skip = q->offset;
    struct store_query row = {.s = s, .err = err};
    bool ok = store_query_open(&row,
                               "SELECT " COLUMNS BELOW_PREFIX
                               " ORDER BY updated_at DESC, namespace, key",
                               "sss", owner_of(q->owner), prefix, end);
    while (ok && (q->limit == 0 || page.n < q->limit) &&
           store_query_next(&row)) {
        consider(&row, q, &page, &skip);
    }
    ok = store_query_close(&row);
    free(prefix);
    free(end);
    *list = page.rows;
    *n = page.n;
    if (!ok) {
        store_items_free(list, *n);
        *n = 0;
    }
    return ok;
}

bool store_items_spaces(store_t *s, const char *owner, leat_view prefix,
                        leat_value **spaces, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    *spaces = NULL;
    char *begin = NULL;
    if (!space_text(prefix, true, &begin, err)) {
        return false;
    }
    char *end = range_end(begin);
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    struct store_query row = {.s = s, .err = err};
    bool ok = store_query_open(
        &row, "SELECT DISTINCT namespace" BELOW_PREFIX " ORDER BY namespace",
        "sss", owner_of(owner), begin, end);
    while (ok && store_query_next(&row)) {
        char *text = store_query_text(&row, 0);
        leat_value *space = space_value(text);
        leat_write_view(w, leat_view_of(space));
        leat_drop(space);
        free(text);
    }
    ok = store_query_close(&row);
    leat_write_end(w);
    leat_value *all = leat_writer_finish(&w);
    if (ok) {
        *spaces = all;
    } else {
        leat_drop(all);
    }
    free(begin);
    free(end);
    return ok;
}

void store_item_fini(struct store_item *i)
{
    leat_drop(i->space);
    free(i->key);
    leat_drop(i->value);
    memset(i, 0, sizeof *i);
}

void store_items_free(struct store_item **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_item_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
