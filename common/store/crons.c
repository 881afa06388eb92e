/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crons table. What a schedule means is not known here: callers say which
 * tick comes next. A tick is told apart by its time, so that it can be used
 * up once only, whoever notices that it has come.
 */
#include "common/store/inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define COLUMNS                                                                \
    "cron_id, owner, assistant_id, thread_id, version, enabled, next_at,"      \
    " end_at, created_at, updated_at, schedule, timezone, on_completed,"       \
    " metadata, payload"

static bool no_cron(const struct id *cron_id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no cron %s", ID_TEXT(cron_id));
}

/* ---- writing --------------------------------------------------------------
 */

static bool insert(store_t *s, const struct store_cron *c, struct err *err)
{
    int64_t now = c->created_us == 0 ? clock_wall_us() : c->created_us;
    return store_query_run(
        s, err,
        "INSERT INTO crons (" COLUMNS ")"
        " VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
        " $14) ON CONFLICT DO NOTHING",
        "dsddiiiiisssoo", &c->cron_id, store_maker(s, c->owner),
        &c->assistant_id, &c->thread_id, (int64_t)c->enabled, c->next_us,
        c->end_us, now, now, c->schedule, c->timezone, c->on_completed,
        c->metadata, c->payload);
}

bool store_crons_create(store_t *s, const struct store_cron *c, struct err *err)
{
    must(c->schedule != NULL);
    if (s->remote) {
        return store_remote_crons_put(s, "crons_create", c, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, insert(s, c, err), err);
}

/* Why nothing was changed: it is gone, or it is not what was read. */
static bool not_changed(store_t *s, const struct id *cron_id, struct err *err)
{
    int64_t there = 0;
    if (!store_query_number(STORE_QUERY(s, err), &there,
                            "SELECT 1 FROM crons WHERE cron_id = $1", "d",
                            cron_id)) {
        return false;
    }
    return there == 0 ? no_cron(cron_id, err)
                      : err_set(err, ERR_CONFLICT, "cron %s has changed",
                                ID_TEXT(cron_id));
}

static bool replace(store_t *s, const struct store_cron *c, struct err *err)
{
    if (!store_query_run(
            s, err,
            "UPDATE crons SET version = version + 1, enabled = $3,"
            " next_at = $4, end_at = $5, updated_at = $6, schedule = $7,"
            " timezone = $8, on_completed = $9, metadata = $10, payload = $11"
            " WHERE cron_id = $1 AND version = $2",
            "diiiiisssoo", &c->cron_id, c->version, (int64_t)c->enabled,
            c->next_us, c->end_us, clock_wall_us(), c->schedule, c->timezone,
            c->on_completed, c->metadata, c->payload)) {
        return false;
    }
    return store_query_changes(s) == 1 || not_changed(s, &c->cron_id, err);
}

bool store_crons_replace(store_t *s, const struct store_cron *c,
                         struct err *err)
{
    must(c->schedule != NULL);
    if (s->remote) {
        return store_remote_crons_put(s, "crons_replace", c, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, replace(s, c, err), err);
}

static bool delete_row(store_t *s, const struct id *cron_id, struct err *err)
{
    return store_query_run(s, err, "DELETE FROM crons WHERE cron_id = $1", "d",
                           cron_id) &&
           (store_query_changes(s) == 1 || no_cron(cron_id, err));
}

bool store_crons_delete(store_t *s, const struct id *cron_id, struct err *err)
{
    if (s->remote) {
        return store_remote_crons_delete(s, cron_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, delete_row(s, cron_id, err), err);
}

bool store_crons_tick(store_t *s, const struct store_tick *t, struct err *err)
{
    if (!store_query_run(s, err,
                         "UPDATE crons SET next_at = $3, version = version + 1"
                         " WHERE cron_id = $1 AND next_at = $2 AND enabled = 1",
                         "dii", &t->cron_id, t->due_us, t->next_us)) {
        return false;
    }
    return store_query_changes(s) == 1 || not_changed(s, &t->cron_id, err);
}

bool store_crons_advance(store_t *s, const struct store_tick *t,
                         struct err *err)
{
    must(t->due_us > 0 && t->next_us >= 0);
    if (s->remote) {
        return store_remote_crons_advance(s, t, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, store_crons_tick(s, t, err), err);
}

/* ---- reading --------------------------------------------------------------
 */

static void read_row(struct store_query *q, struct store_cron *c)
{
    store_query_id(q, 0, &c->cron_id);
    c->owner = store_query_text(q, 1);
    store_query_id(q, 2, &c->assistant_id);
    store_query_id(q, 3, &c->thread_id);
    c->version = store_query_int(q, 4);
    c->enabled = store_query_int(q, 5) != 0;
    c->next_us = store_query_int(q, 6);
    c->end_us = store_query_int(q, 7);
    c->created_us = store_query_int(q, 8);
    c->updated_us = store_query_int(q, 9);
    c->schedule = store_query_text(q, 10);
    c->timezone = store_query_text(q, 11);
    c->on_completed = store_query_text(q, 12);
    c->metadata = store_query_value(q, 13);
    c->payload = store_query_value(q, 14);
}

bool store_crons_get(store_t *s, const struct id *cron_id,
                     struct store_cron *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT " COLUMNS " FROM crons WHERE cron_id = $1",
                          "d", cron_id)) {
        return false;
    }
    bool found = store_query_next(&q);
    if (found) {
        read_row(&q, out);
    }
    bool ok = store_query_close(&q);
    bool seen = ok && found && store_sees(s, out->owner);
    if (!seen) {
        store_cron_fini(out);
    }
    return seen || (ok && no_cron(cron_id, err));
}

static const char *sort_column(const char *sort_by)
{
    static const char *const columns[][2] = {
        {"cron_id", "cron_id"},       {"assistant_id", "assistant_id"},
        {"thread_id", "thread_id"},   {"next_run_date", "next_at"},
        {"end_time", "end_at"},       {"created_at", "created_at"},
        {"updated_at", "updated_at"},
    };
    for (size_t i = 0; sort_by != NULL && i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i][0], sort_by) == 0) {
            return columns[i][1];
        }
    }
    return "created_at";
}

/* Takes the rows that match and whose turn it is; counts all that match. */
static bool collect(struct store_query *rows, const struct store_crons_query *q,
                    struct store_crons_page *out)
{
    struct store_rows page = {NULL, 0, 0};
    while (store_query_next(rows)) {
        struct store_cron c;
        memset(&c, 0, sizeof c);
        read_row(rows, &c);
        bool take = !rows->failed &&
                    store_contains(leat_view_of(c.metadata), q->metadata);
        if (take) {
            out->total++;
            take = out->total > q->offset && page.n < q->limit;
        }
        if (take) {
            *(struct store_cron *)store_rows_add(&page, sizeof c) = c;
        } else {
            store_cron_fini(&c);
        }
    }
    out->list = page.rows;
    out->n = page.n;
    if (store_query_close(rows)) {
        return true;
    }
    store_crons_free(&out->list, out->n);
    memset(out, 0, sizeof *out);
    return false;
}

bool store_crons_search(store_t *s, const struct store_crons_query *q,
                        struct store_crons_page *out, struct err *err)
{
    static const struct id nil;
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    char sql[640];
    (void)snprintf(sql, sizeof sql,
                   "SELECT " COLUMNS " FROM crons"
                   " WHERE ($1 IS NULL OR owner = $1)"
                   " AND ($2 = 0 OR assistant_id = $3)"
                   " AND ($4 = 0 OR thread_id = $5)"
                   " AND ($6 < 0 OR enabled = $6)"
                   " ORDER BY %s %s, cron_id",
                   sort_column(q->sort_by), q->ascending ? "ASC" : "DESC");
    struct store_query rows = {.s = s, .err = err};
    if (!store_query_open(&rows, sql, "sididi", store_viewer(s, q->owner),
                          (int64_t)(q->assistant_id != NULL),
                          q->assistant_id != NULL ? q->assistant_id : &nil,
                          (int64_t)(q->thread_id != NULL),
                          q->thread_id != NULL ? q->thread_id : &nil,
                          q->enabled == NULL ? (int64_t)-1
                                             : (int64_t)*q->enabled)) {
        return store_query_close(&rows);
    }
    return collect(&rows, q, out);
}

bool store_crons_due(store_t *s, int64_t now_us, size_t limit,
                     struct store_crons_page *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    const struct store_crons_query q = {.limit = limit};
    struct store_query rows = {.s = s, .err = err};
    if (!store_query_open(&rows,
                          "SELECT " COLUMNS " FROM crons WHERE enabled = 1"
                          " AND next_at > 0 AND next_at <= $1"
                          " ORDER BY next_at LIMIT $2",
                          "ii", now_us, (int64_t)limit)) {
        return store_query_close(&rows);
    }
    return collect(&rows, &q, out);
}

bool store_crons_drop_of_thread(store_t *s, const struct id *thread_id,
                                struct err *err)
{
    return store_query_run(s, err, "DELETE FROM crons WHERE thread_id = $1",
                           "d", thread_id);
}

bool store_crons_drop_of_assistant(store_t *s, const struct id *assistant_id,
                                   struct err *err)
{
    return store_query_run(s, err, "DELETE FROM crons WHERE assistant_id = $1",
                           "d", assistant_id);
}

void store_cron_fini(struct store_cron *c)
{
    free(c->owner);
    free(c->schedule);
    free(c->timezone);
    free(c->on_completed);
    leat_drop(c->metadata);
    leat_drop(c->payload);
    memset(c, 0, sizeof *c);
}

void store_crons_free(struct store_cron **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_cron_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
