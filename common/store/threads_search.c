/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching threads. What SQL can tell (status, owner, order) it tells; the
 * rest (containment in metadata and values) is looked at here, row by row, in
 * a first pass that reads only what the filter needs. A second one reads the
 * rows of the page in full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/inner.h"
#include "common/store/threads.h"

static const char *sort_column(const char *sort_by)
{
    static const char *const columns[] = {"thread_id", "status", "created_at",
                                          "updated_at", "state_updated_at"};
    for (size_t i = 0; sort_by != NULL && i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i], sort_by) == 0) {
            return columns[i];
        }
    }
    return "created_at";
}

static bool given(leat_view filter)
{
    return leat_type_of(filter) == LEAT_OBJECT && leat_count(filter) > 0;
}

static bool among(const struct store_threads_query *q, const struct id *id)
{
    bool found = q->ids == NULL;
    for (size_t i = 0; !found && i < q->id_count; i++) {
        found = id_eq(&q->ids[i], id);
    }
    return found;
}

/* Columns: id, metadata, state_values (the last two only if filtered on). */
static bool matches(struct store_query *row,
                    const struct store_threads_query *q, struct id *id)
{
    store_query_id(row, 0, id);
    if (!among(q, id)) {
        return false;
    }
    leat_value *metadata = store_query_value(row, 1);
    leat_value *values = store_query_value(row, 2);
    bool yes =
        (!given(q->metadata) ||
         store_contains(leat_view_of(metadata), q->metadata)) &&
        (!given(q->values) || store_contains(leat_view_of(values), q->values));
    leat_drop(metadata);
    leat_drop(values);
    return yes;
}

static bool find(store_t *s, const struct store_threads_query *q,
                 struct store_rows *page, size_t *total, struct err *err)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT thread_id, %s, %s FROM threads"
                   " WHERE ($1 IS NULL OR status = $1)"
                   " AND ($2 IS NULL OR owner = $2)"
                   " ORDER BY %s %s, thread_id",
                   given(q->metadata) ? "metadata" : "NULL",
                   given(q->values) ? "state_values" : "NULL",
                   sort_column(q->sort_by), q->ascending ? "ASC" : "DESC");
    struct store_query row = {.s = s, .err = err};
    bool ok = store_query_open(&row, sql, "ss", q->status,
                               store_viewer(s, q->owner));
    while (ok && store_query_next(&row)) {
        struct id id;
        if (matches(&row, q, &id)) {
            *total += 1;
            if (*total > q->offset && page->n < q->limit) {
                *(struct id *)store_rows_add(page, sizeof id) = id;
            }
        }
    }
    return store_query_close(&row);
}

static bool fetch(store_t *s, const struct store_rows *page,
                  struct store_rows *out, struct err *err)
{
    const struct id *ids = page->rows;
    for (size_t i = 0; i < page->n; i++) {
        struct store_thread t;
        if (!store_threads_get(s, &ids[i], &t, err)) {
            return false;
        }
        *(struct store_thread *)store_rows_add(out, sizeof t) = t;
    }
    return true;
}

bool store_threads_search(store_t *s, const struct store_threads_query *q,
                          struct store_threads_page *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_rows page = {NULL, 0, 0};
    struct store_rows list = {NULL, 0, 0};
    memset(out, 0, sizeof *out);
    bool ok = store_read_begin(s, err);
    if (ok) {
        ok = find(s, q, &page, &out->total, err) && fetch(s, &page, &list, err);
        store_read_end(s);
    }
    free(page.rows);
    out->list = list.rows;
    out->n = list.n;
    if (!ok) {
        store_threads_free(&out->list, out->n);
        out->n = 0;
    }
    return ok;
}
