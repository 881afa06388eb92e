/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The assistants table. Knows nothing of graphs but their names. A row is a
 * copy of its active version; assistant_versions.c has the versions.
 */
#include "common/store/assistants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

static bool insert(store_t *s, const struct store_assistant *a, bool *created,
                   struct err *err)
{
    int64_t now = a->created_us == 0 ? clock_wall_us() : a->created_us;
    int64_t version = a->version == 0 ? 1 : a->version;
    if (!store_query_run(
            s, err,
            "INSERT INTO assistants (" STORE_ASSISTANTS_COLUMNS ")"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            " ON CONFLICT (assistant_id) DO NOTHING",
            "dsssiiisooo", &a->assistant_id, store_maker(s, a->owner),
            a->graph_id, a->name == NULL ? a->graph_id : a->name, version, now,
            a->updated_us == 0 ? now : a->updated_us, a->description,
            a->metadata, a->config, a->context)) {
        return false;
    }
    *created = store_query_changes(s) == 1;
    return !*created || store_assistants_keep_version(s, &a->assistant_id, err);
}

bool store_assistants_create(store_t *s, const struct store_assistant *a,
                             bool *created, struct err *err)
{
    must(a->graph_id != NULL && created != NULL);
    *created = false;
    if (s->remote) {
        return store_remote_assistants_create(s, a, created, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, insert(s, a, created, err), err);
}

void store_assistants_read_row(struct store_query *q, struct store_assistant *a)
{
    store_query_id(q, 0, &a->assistant_id);
    a->owner = store_query_text(q, 1);
    a->graph_id = store_query_text(q, 2);
    a->name = store_query_text(q, 3);
    a->version = store_query_int(q, 4);
    a->created_us = store_query_int(q, 5);
    a->updated_us = store_query_int(q, 6);
    a->description = store_query_text(q, 7);
    a->metadata = store_query_value(q, 8);
    a->config = store_query_value(q, 9);
    a->context = store_query_value(q, 10);
}

bool store_assistants_get(store_t *s, const struct id *assistant_id,
                          struct store_assistant *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT " STORE_ASSISTANTS_COLUMNS " FROM assistants"
                          " WHERE assistant_id = $1",
                          "d", assistant_id)) {
        return false;
    }
    bool found = store_query_next(&q);
    if (found) {
        store_assistants_read_row(&q, out);
    }
    bool ok = store_query_close(&q);
    bool seen = ok && found && store_sees(s, out->owner);
    if (!seen) {
        store_assistant_fini(out);
    }
    return seen || (ok && err_set(err, ERR_NOT_FOUND, "no assistant %s",
                                  ID_TEXT(assistant_id)));
}

static bool delete_row(store_t *s, const struct id *assistant_id,
                       struct err *err)
{
    int64_t runs = 0;
    if (!store_query_number(STORE_QUERY(s, err), &runs,
                            "SELECT 1 FROM runs WHERE assistant_id = $1"
                            " LIMIT 1",
                            "d", assistant_id)) {
        return false;
    }
    if (runs != 0) {
        return err_set(err, ERR_CONFLICT, "assistant %s has runs",
                       ID_TEXT(assistant_id));
    }
    if (!store_query_run(s, err,
                         "DELETE FROM assistant_versions"
                         " WHERE assistant_id = $1",
                         "d", assistant_id) ||
        !store_crons_drop_of_assistant(s, assistant_id, err) ||
        !store_query_run(s, err,
                         "DELETE FROM assistants WHERE assistant_id = $1", "d",
                         assistant_id)) {
        return false;
    }
    return store_query_changes(s) == 1 ||
           err_set(err, ERR_NOT_FOUND, "no assistant %s",
                   ID_TEXT(assistant_id));
}

bool store_assistants_delete(store_t *s, const struct id *assistant_id,
                             struct err *err)
{
    if (s->remote) {
        return store_remote_assistants_delete(s, assistant_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, delete_row(s, assistant_id, err), err);
}

/* ---- searching ------------------------------------------------------------
 */

/* $1 graph_id, $2 part of the name, $3 owner; each may be SQL NULL. lower()
 * folds ASCII in both databases. */
#define WHERE                                                                  \
    " WHERE ($1 IS NULL OR graph_id = $1)"                                     \
    " AND ($2 IS NULL OR lower(name) LIKE lower($2) ESCAPE '\\')"              \
    " AND ($3 IS NULL OR owner = '" STORE_EVERYBODY "' OR owner = $3)"

static const char *sort_column(const char *sort_by)
{
    static const char *const columns[] = {"assistant_id", "graph_id", "name",
                                          "created_at", "updated_at"};
    for (size_t i = 0; sort_by != NULL && i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i], sort_by) == 0) {
            return columns[i];
        }
    }
    return "created_at";
}

/* "%part%" with LIKE's own signs taken literally; NULL for NULL. */
static char *like_text(const char *part)
{
    if (part == NULL) {
        return NULL;
    }
    struct buf b;
    buf_init(&b, 2 * strlen(part) + 4);
    bool fits = buf_putc(&b, '%');
    for (; *part != '\0'; part++) {
        if (strchr("%_\\", *part) != NULL) {
            fits = fits && buf_putc(&b, '\\');
        }
        fits = fits && buf_putc(&b, *part);
    }
    fits = fits && buf_putc(&b, '%');
    must(fits);
    size_t len = 0;
    return buf_take(&b, &len);
}

/* Takes the row into the page when it matches and is its turn. */
static void consider(struct store_query *rows,
                     const struct store_assistants_query *q,
                     struct store_rows *page, size_t *total)
{
    struct store_assistant a;
    memset(&a, 0, sizeof a);
    store_assistants_read_row(rows, &a);
    bool take =
        !rows->failed && store_contains(leat_view_of(a.metadata), q->metadata);
    if (take) {
        *total += 1;
        take = *total > q->offset && page->n < q->limit;
    }
    if (take) {
        *(struct store_assistant *)store_rows_add(page, sizeof a) = a;
    } else {
        store_assistant_fini(&a);
    }
}

bool store_assistants_search(store_t *s, const struct store_assistants_query *q,
                             struct store_assistants_page *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT " STORE_ASSISTANTS_COLUMNS " FROM assistants" WHERE
                   " ORDER BY %s %s, assistant_id",
                   sort_column(q->sort_by), q->ascending ? "ASC" : "DESC");
    struct store_rows page = {NULL, 0, 0};
    memset(out, 0, sizeof *out);
    char *like = like_text(q->name);
    struct store_query rows = {.s = s, .err = err};
    bool ok = store_query_open(&rows, sql, "sss", q->graph_id, like,
                               store_viewer(s, q->owner));
    while (ok && store_query_next(&rows)) {
        consider(&rows, q, &page, &out->total);
    }
    ok = store_query_close(&rows);
    free(like);
    out->list = page.rows;
    out->n = page.n;
    if (!ok) {
        store_assistants_free(&out->list, out->n);
        out->n = 0;
    }
    return ok;
}

void store_assistant_fini(struct store_assistant *a)
{
    free(a->owner);
    free(a->graph_id);
    free(a->name);
    free(a->description);
    leat_drop(a->metadata);
    leat_drop(a->config);
    leat_drop(a->context);
    memset(a, 0, sizeof *a);
}

void store_assistants_free(struct store_assistant **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_assistant_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
