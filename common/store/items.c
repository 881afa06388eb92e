/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The items table: what nodes and clients keep beside threads, one item at a
 * time. What has expired is not there for any reader; the sweep takes it out
 * later.
 */
#include "common/store/items.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* Both are in one index, whose rows PostgreSQL limits to a third of a page. */
#define SPACE_BYTES_MAX 1024
#define KEY_BYTES_MAX 1024
#define SWEEP_ROWS "1000"
/* A use that would lengthen a life by less than this part of it is not
 * written down: an item that is read all the time costs few writes. */
#define REFRESH_PART 100

/* ---- namespaces -----------------------------------------------------------
 */

static bool add_label(struct buf *b, leat_view label)
{
    leat_text text = leat_string(label);
    return text.ptr != NULL && text.len > 0 &&
           memchr(text.ptr, '.', text.len) == NULL &&
           memchr(text.ptr, '\0', text.len) == NULL &&
           buf_append(b, text.ptr, text.len) && buf_putc(b, '.');
}

bool store_items_space_text(leat_view space, bool empty_ok, char **out,
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
                       "dots, of %d bytes in all",
                       SPACE_BYTES_MAX);
    }
    return true;
}

bool store_items_check_space(leat_view space, struct err *err)
{
    char *text = NULL;
    bool ok = store_items_space_text(space, false, &text, err);
    free(text);
    return ok;
}

leat_value *store_items_space_value(const char *text, size_t depth)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    size_t n = 0;
    for (const char *dot = strchr(text, '.');
         dot != NULL && (depth == 0 || n < depth);
         text = dot + 1, dot = strchr(text, '.')) {
        leat_write_string_n(w, text, (size_t)(dot - text));
        n++;
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* ---- put ------------------------------------------------------------------
 */

static bool put(store_t *s, const struct store_item_key *k,
                const leat_value *value, int64_t ttl_us, struct err *err)
{
    char *space = NULL;
    if (!store_items_space_text(k->space, false, &space, err)) {
        return false;
    }
    if (strlen(k->key) > KEY_BYTES_MAX) {
        free(space);
        return err_set(err, ERR_INVALID, "a key is at most %d bytes long",
                       KEY_BYTES_MAX);
    }
    int64_t now = clock_wall_us();
    int64_t ttl = ttl_us == 0 ? s->item_ttl_us : max_i64(ttl_us, 0);
    /* one that has expired and is still there was not there */
    bool ok = store_query_run(
        s, err,
        "INSERT INTO items (" STORE_ITEMS_COLUMNS ")"
        " VALUES ($1, $2, $3, $4, $4, $5, $6, $7)"
        " ON CONFLICT (namespace, key, owner) DO UPDATE SET"
        " created_at = CASE WHEN items.expires_at > 0"
        " AND items.expires_at <= excluded.updated_at"
        " THEN excluded.created_at ELSE items.created_at END,"
        " updated_at = excluded.updated_at, ttl = excluded.ttl,"
        " expires_at = excluded.expires_at, value = excluded.value",
        "sssiiip", store_maker(s, k->owner), space, k->key, now, ttl,
        ttl == 0 ? 0 : now + ttl, value);
    free(space);
    return ok;
}

bool store_items_put(store_t *s, const struct store_item_key *k,
                     const leat_value *value, int64_t ttl_us, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(k->key != NULL && value != NULL);
    if (s->remote) {
        return store_remote_items_put(s, k, value, ttl_us, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, put(s, k, value, ttl_us, err), err);
}

/* ---- get ------------------------------------------------------------------
 */

void store_items_read_row(struct store_query *q, struct store_item *i)
{
    char *space = store_query_text(q, 1);
    i->owner = store_query_text(q, 0);
    i->space = store_items_space_value(space, 0);
    free(space);
    i->key = store_query_text(q, 2);
    i->created_us = store_query_int(q, 3);
    i->updated_us = store_query_int(q, 4);
    i->ttl_us = store_query_int(q, 5);
    i->expires_us = store_query_int(q, 6);
    i->value = store_query_value(q, 7);
}

static bool find(store_t *s, const struct store_item_key *k,
                 struct store_item *out, bool *found, struct err *err)
{
    char *space = NULL;
    if (!store_items_space_text(k->space, false, &space, err)) {
        return false;
    }
    struct store_query q = {.s = s, .err = err};
    if (store_query_open(&q,
                         "SELECT " STORE_ITEMS_COLUMNS " FROM items"
                         " WHERE namespace = $1 AND key = $2"
                         " AND (owner = $3 OR $3 IS NULL)"
                         " AND " STORE_ITEMS_ALIVE("$4")
                         " ORDER BY owner LIMIT 1",
                         "sssi", space, k->key, store_viewer(s, k->owner),
                         clock_wall_us()) &&
        store_query_next(&q)) {
        *found = true;
        store_items_read_row(&q, out);
    }
    bool ok = store_query_close(&q);
    free(space);
    return ok;
}

bool store_items_get(store_t *s, const struct store_item_key *k,
                     struct store_item *out, bool *found, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(k->key != NULL);
    memset(out, 0, sizeof *out);
    *found = false;
    bool ok = find(s, k, out, found, err) &&
              (!*found || store_items_used(s, out, 1, k->refresh, err));
    if (!ok) {
        store_item_fini(out);
    }
    return ok;
}

/* ---- delete ---------------------------------------------------------------
 */

static bool delete_row(store_t *s, const struct store_item_key *k,
                       struct err *err)
{
    char *space = NULL;
    if (!store_items_space_text(k->space, false, &space, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "DELETE FROM items WHERE namespace = $1"
                              " AND key = $2 AND owner = $3",
                              "sss", space, k->key, k->owner);
    free(space);
    return ok;
}

/* By its owner's name, which is known. */
static bool delete_owned(store_t *s, const struct store_item_key *k,
                         struct err *err)
{
    if (s->remote) {
        return store_remote_items_delete(s, k, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, delete_row(s, k, err), err);
}

bool store_items_delete(store_t *s, const struct store_item_key *k,
                        struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(k->key != NULL);
    struct store_item_key owned = *k;
    owned.owner = store_viewer(s, k->owner);
    if (owned.owner != NULL) {
        return delete_owned(s, &owned, err);
    }
    struct store_item item = {.key = NULL};
    bool found = false;
    bool ok = find(s, k, &item, &found, err);
    owned.owner = item.owner;
    ok = ok && (!found || delete_owned(s, &owned, err));
    store_item_fini(&item);
    return ok;
}

/* ---- time to live ---------------------------------------------------------
 */

static bool refresh_rows(store_t *s, const struct store_item *list, size_t n,
                         struct err *err)
{
    int64_t now = clock_wall_us();
    for (size_t i = 0; i < n; i++) {
        char *space = NULL;
        bool ok = store_items_space_text(leat_view_of(list[i].space), false,
                                         &space, err) &&
                  store_query_run(s, err,
                                  "UPDATE items SET expires_at = $4 + ttl"
                                  " WHERE namespace = $1 AND key = $2"
                                  " AND owner = $3 AND ttl > 0",
                                  "sssi", space, list[i].key, list[i].owner,
                                  now);
        free(space);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool store_items_refresh(store_t *s, const struct store_item *list, size_t n,
                         struct err *err)
{
    check_magic(s, STORE_MAGIC);
    if (s->remote) {
        return store_remote_items_refresh(s, list, n, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, refresh_rows(s, list, n, err), err);
}

static bool is_due(const struct store_item *i, int64_t now)
{
    return i->ttl_us > 0 &&
           now + i->ttl_us - i->expires_us > i->ttl_us / REFRESH_PART;
}

bool store_items_used(store_t *s, const struct store_item *list, size_t n,
                      enum store_refresh refresh, struct err *err)
{
    bool wanted = refresh == STORE_REFRESH_DEFAULT
                      ? !s->item_ttl_fixed
                      : refresh == STORE_REFRESH_YES;
    if (!wanted || (s->remote && s->call == NULL)) {
        return true;
    }
    int64_t now = clock_wall_us();
    struct store_item *due = base_zalloc((n + 1) * sizeof *due);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_due(&list[i], now)) {
            due[count++] = list[i]; /* borrowed */
        }
    }
    bool ok = count == 0 || store_items_refresh(s, due, count, err);
    free(due);
    return ok;
}

static bool sweep(store_t *s, int64_t now_us, size_t *n, struct err *err)
{
    bool ok = store_query_run(
        s, err,
        "DELETE FROM items WHERE (namespace, key, owner) IN"
        " (SELECT namespace, key, owner FROM items"
        " WHERE expires_at > 0 AND expires_at <= $1 LIMIT " SWEEP_ROWS ")",
        "i", now_us);
    *n = ok ? (size_t)store_query_changes(s) : 0;
    return ok;
}

bool store_items_sweep(store_t *s, int64_t now_us, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(!s->remote && n != NULL);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, sweep(s, now_us, n, err), err);
}

/* ---- freeing --------------------------------------------------------------
 */

void store_item_fini(struct store_item *i)
{
    free(i->owner);
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
