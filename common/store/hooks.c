/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks table: what webhooks are still to be told. A row is made with its
 * run and completed in the transaction that ends the run, so that no end is
 * forgotten; whoever claims a row pushes its time ahead, so that only one
 * sends it, and another takes over when that one is lost.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

bool store_hooks_make(store_t *s, const struct id *run_id, const char *url,
                      struct err *err)
{
    return store_query_run(s, err,
                           "INSERT INTO hooks (run_id, due_at, tries, url,"
                           " body) VALUES ($1, 0, 0, $2, NULL)"
                           " ON CONFLICT DO NOTHING",
                           "ds", run_id, url);
}

/* ---- the end of a run -----------------------------------------------------
 */

static leat_value *time_of(int64_t us)
{
    char text[CLOCK_ISO_SIZE];
    return us == 0 ? NULL : leat_new_string(clock_to_iso(us, text));
}

static leat_value *object_of(const leat_value *v)
{
    return v != NULL ? leat_hold(v) : leat_new_object(0, NULL, NULL);
}

/* The run as the API shows it, and how it ended. A run that was taken back
 * has no values: what it did is undone. */
static leat_value *body_of(const struct store_run *r,
                           const struct store_run_end *end,
                           const leat_value *values)
{
    const char *status = end == NULL ? "interrupted" : end->status;
    leat_view error = end == NULL ? (leat_view){NULL, NULL} : end->error;
    return leat_pack(
        "{s:s,s:s,s:s,s:V,s:V,s:s,s:V,s:V,s:s,s:?V,s:?V,s:?W,s:?v}", "run_id",
        ID_TEXT(&r->run_id), "thread_id", ID_TEXT(&r->thread_id),
        "assistant_id", ID_TEXT(&r->assistant_id), "created_at",
        time_of(r->created_us), "updated_at", time_of(r->updated_us), "status",
        status, "metadata", object_of(r->metadata), "kwargs",
        object_of(r->kwargs), "multitask_strategy", r->strategy,
        "run_started_at", time_of(r->started_us), "run_ended_at",
        time_of(clock_wall_us()), "values", values, "error", error);
}

static bool values_of(store_t *s, const struct store_run *r, leat_value **out,
                      struct err *err)
{
    struct store_thread t;
    if (!store_threads_get(s, &r->thread_id, &t, err)) {
        return false;
    }
    *out = leat_hold(t.values);
    store_thread_fini(&t);
    return true;
}

static bool complete(store_t *s, const struct id *run_id,
                     const struct store_run_end *end, struct err *err)
{
    struct store_run r;
    leat_value *values = NULL;
    if (!store_runs_get(s, run_id, &r, err)) {
        return false;
    }
    bool ok = end == NULL || r.temporary || values_of(s, &r, &values, err);
    if (ok) {
        leat_value *body = body_of(&r, end, values);
        ok = store_query_run(s, err,
                             "UPDATE hooks SET due_at = $2, body = $3"
                             " WHERE run_id = $1 AND due_at = 0",
                             "div", run_id, clock_wall_us(), body);
        leat_drop(body);
    }
    leat_drop(values);
    store_run_fini(&r);
    return ok;
}

bool store_hooks_complete(store_t *s, const struct id *run_id,
                          const struct store_run_end *end, struct err *err)
{
    int64_t there = 0;
    return store_query_number(STORE_QUERY(s, err), &there,
                              "SELECT 1 FROM hooks WHERE run_id = $1"
                              " AND due_at = 0",
                              "d", run_id) &&
           (there == 0 || complete(s, run_id, end, err));
}

bool store_hooks_drop(store_t *s, const struct id *run_id, struct err *err)
{
    return store_query_run(s, err,
                           "DELETE FROM hooks WHERE run_id = $1"
                           " AND due_at = 0",
                           "d", run_id);
}

bool store_hooks_drop_of_thread(store_t *s, const struct id *thread_id,
                                struct err *err)
{
    return store_query_run(s, err,
                           "DELETE FROM hooks WHERE due_at = 0 AND run_id IN"
                           " (SELECT run_id FROM runs WHERE thread_id = $1)",
                           "d", thread_id);
}

/* ---- sending --------------------------------------------------------------
 */

bool store_hooks_any(store_t *s, int64_t now_us, bool *any, struct err *err)
{
    int64_t there = 0;
    check_magic(s, STORE_MAGIC);
    bool ok = store_query_number(STORE_QUERY(s, err), &there,
                                 "SELECT 1 FROM hooks WHERE due_at > 0"
                                 " AND due_at <= $1 LIMIT 1",
                                 "i", now_us);
    *any = there != 0;
    return ok;
}

static void read_row(struct store_query *q, struct store_hook *h)
{
    store_query_id(q, 0, &h->run_id);
    h->tries = store_query_int(q, 1);
    h->url = store_query_text(q, 2);
    h->body = store_query_value(q, 3);
}

static bool read_due(store_t *s, const struct store_hooks_claim *c,
                     struct store_rows *out, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT run_id, tries, url, body FROM hooks"
                          " WHERE due_at > 0 AND due_at <= $1"
                          " ORDER BY due_at LIMIT $2",
                          "ii", c->now_us, (int64_t)c->limit)) {
        return store_query_close(&q);
    }
    while (store_query_next(&q)) {
        read_row(&q, store_rows_add(out, sizeof(struct store_hook)));
    }
    return store_query_close(&q);
}

/* Pushes the time of each ahead; those that another one was quicker with are
 * left out. */
static bool take(store_t *s, const struct store_hooks_claim *c,
                 struct store_rows *rows, struct err *err)
{
    struct store_hook *list = rows->rows;
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (!store_query_run(s, err,
                             "UPDATE hooks SET due_at = $3, tries = tries + 1"
                             " WHERE run_id = $1 AND tries = $2"
                             " AND due_at <= $4",
                             "diii", &list[i].run_id, list[i].tries,
                             c->until_us, c->now_us)) {
            return false;
        }
        struct store_hook h = list[i];
        list[i] = list[kept];
        if (store_query_changes(s) == 1) {
            list[kept++] = h;
        } else {
            list[i] = h;
        }
    }
    for (size_t i = kept; i < rows->n; i++) {
        free(list[i].url);
        leat_drop(list[i].body);
    }
    rows->n = kept;
    return true;
}

bool store_hooks_claim(store_t *s, const struct store_hooks_claim *c,
                       struct store_hook **list, size_t *n, struct err *err)
{
    *list = NULL;
    *n = 0;
    if (s->remote) {
        return store_remote_hooks_claim(s, c, list, n, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    struct store_rows rows = {NULL, 0, 0};
    bool ok = read_due(s, c, &rows, err) && take(s, c, &rows, err);
    ok = store_write_end(s, ok, err);
    *list = rows.rows;
    *n = rows.n;
    if (!ok) {
        store_hooks_free(list, *n);
        *n = 0;
    }
    return ok;
}

static bool tried(store_t *s, const struct id *run_id, int64_t again_us,
                  struct err *err)
{
    return again_us == 0
               ? store_query_run(s, err, "DELETE FROM hooks WHERE run_id = $1",
                                 "d", run_id)
               : store_query_run(s, err,
                                 "UPDATE hooks SET due_at = $2"
                                 " WHERE run_id = $1",
                                 "di", run_id, again_us);
}

bool store_hooks_tried(store_t *s, const struct id *run_id, int64_t again_us,
                       struct err *err)
{
    if (s->remote) {
        return store_remote_hooks_tried(s, run_id, again_us, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, tried(s, run_id, again_us, err), err);
}

void store_hooks_free(struct store_hook **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        free((*list)[i].url);
        leat_drop((*list)[i].body);
    }
    free(*list);
    *list = NULL;
}
