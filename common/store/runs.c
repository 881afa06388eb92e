/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs table: rows as the ledger decides them, and how they are read.
 * The rules of what may follow what are the broker's; here only what must
 * never be written wrong is checked: an attempt that is no longer the run's,
 * an end that was written before.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store/checkpoints.h"
#include "common/store/threads.h"

#define COLUMNS                                                                \
    "r.run_id, r.thread_id, r.assistant_id, r.graph_id, r.status, r.strategy," \
    " r.cancel, r.attempt, r.failures, r.temporary, r.ms, r.first_seq,"        \
    " r.last_seq, r.created_at, r.updated_at, r.due_at, r.started_at,"         \
    " r.ended_at, r.metadata, r.error, r.kwargs"

#define OPEN "('pending', 'running')"

static bool no_run(const struct id *run_id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no run %s", ID_TEXT(run_id));
}

/* ---- a new run ------------------------------------------------------------
 */

static int64_t made_at(const struct store_run *r)
{
    return r->created_us == 0 ? clock_wall_us() : r->created_us;
}

/* q->refused: it is there already. */
static bool insert_row(struct store_query *q, const struct store_run *r)
{
    int64_t now = made_at(r);
    (void)err_set(&q->unless, ERR_CONFLICT, "run %s exists",
                  ID_TEXT(&r->run_id));
    return store_query_guard(
        q,
        "INSERT INTO runs (run_id, thread_id, assistant_id, graph_id, status,"
        " strategy, cancel, attempt, failures, temporary, ms, first_seq,"
        " last_seq, created_at, updated_at, due_at, started_at, ended_at,"
        " logged, metadata, error, kwargs)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
        " $15, $16, $17, $18, 1, $19, $20, $21)"
        " ON CONFLICT (run_id) DO NOTHING RETURNING 1",
        "dddssssiiiiiiiiiiiovo", &r->run_id, &r->thread_id, &r->assistant_id,
        r->graph_id, r->status[0] == '\0' ? "pending" : r->status, r->strategy,
        r->cancel, (int64_t)r->attempt, (int64_t)r->failures,
        (int64_t)r->temporary, (int64_t)r->ms, (int64_t)r->first_seq,
        (int64_t)r->last_seq, now, r->updated_us == 0 ? now : r->updated_us,
        r->due_us, r->started_us, r->ended_us, r->metadata, r->error,
        r->kwargs);
}

static bool no_thread(const struct store_run *r, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no thread %s", ID_TEXT(&r->thread_id));
}

/* Another owner's thread is as good as none, but cannot be made. */
static bool may_use_thread(const struct store_run *r,
                           const struct store_run_thread *t,
                           const struct store_thread_base *b, struct err *err)
{
    const char *owner = t->owner == NULL ? "" : t->owner;
    bool foreign = b->found && owner[0] != '\0' && strcmp(owner, b->owner) != 0;
    return (!foreign && (b->found || t->make)) || no_thread(r, err);
}

static bool make_thread(store_t *s, const struct store_run *r,
                        const char *owner, struct store_thread_base *b,
                        struct err *err)
{
    return store_threads_make(s, r, owner == NULL ? "" : owner, err) &&
           store_threads_read_base(s, b, err) &&
           (b->found || no_thread(r, err));
}

/* The thread, busy and with what its newest run says of it; made or found. */
static bool put_thread(store_t *s, const struct store_run *r,
                       const struct store_run_thread *t,
                       struct store_thread_base *b, struct err *err)
{
    char text[ID_TEXT_SIZE];
    leat_value *more =
        leat_pack("{s:s,s:s}", "graph_id", r->graph_id, "assistant_id",
                  id_print(&r->assistant_id, text));
    const struct store_thread_merge m = {
        .metadata = leat_view_of(more),
        .config = t->config,
        .busy = true,
        .last_ms = r->ms};
    bool ok = (b->found || make_thread(s, r, t->owner, b, err)) &&
              store_threads_write_base(s, b, &m, err);
    leat_drop(more);
    return ok;
}

/* Is the run there already? Then out says how it is. */
static bool look_up(store_t *s, const struct store_run *r,
                    struct store_run_inserted *out, bool *there,
                    struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT r.status, t.last_ms, r.last_seq FROM runs r"
                          " LEFT JOIN threads t ON t.thread_id = r.thread_id"
                          " WHERE r.run_id = $1",
                          "d", &r->run_id)) {
        return false;
    }
    *there = store_query_next(&q);
    if (*there) {
        store_query_copy(&q, 0, out->status, sizeof out->status);
        out->thread_last_ms = store_query_uint(&q, 1);
        out->last_seq = store_query_uint(&q, 2);
    }
    return store_query_close(&q);
}

static bool insert_more(store_t *s, const struct store_run *r,
                        const struct store_run_more *more, struct err *err)
{
    return more == NULL ||
           ((more->key == NULL ||
             store_keys_accept(s, more->key, &r->run_id, err)) &&
            (more->tick == NULL || store_crons_tick(s, more->tick, err)) &&
            (more->webhook == NULL ||
             store_hooks_make(s, &r->run_id, more->webhook, err)));
}

/* Why it could not be: true if it is there already. */
static bool was_inserted(store_t *s, const struct store_run *r,
                         struct store_run_inserted *out, struct err *err)
{
    bool there = false;
    struct err why = *err;
    memset(out, 0, sizeof *out);
    if (!look_up(s, r, out, &there, err)) {
        return false;
    }
    return there || err_set(err, why.code, "%s", why.text);
}

/* The row first: a run that is there already changes nothing. */
static bool insert(store_t *s, const struct store_run *r,
                   const struct store_run_thread *t,
                   struct store_run_inserted *out, struct err *err)
{
    struct store_thread_base b = {.thread_id = r->thread_id};
    struct store_query row = {.s = s, .err = err};
    bool ok =
        store_threads_read_base(s, &b, err) && may_use_thread(r, t, &b, err);
    if (ok) {
        ok = insert_row(&row, r) && put_thread(s, r, t, &b, err) &&
             insert_more(s, r, t->more, err);
        out->inserted = ok;
        out->thread_last_ms = b.last_ms;
        (void)base_copy(out->status, sizeof out->status,
                        r->status[0] == '\0' ? "pending" : r->status);
    }
    if (row.refused || (!ok && err->code == ERR_NOT_FOUND)) {
        ok = was_inserted(s, r, out, err);
    }
    store_thread_base_fini(&b);
    return ok;
}

bool store_runs_expect(store_t *s, const struct id *threads, size_t n,
                       struct err *err)
{
    must(!s->remote && s->group);
    return s->sql->one_writer || n < 2 ||
           store_threads_expect(s, threads, n, err);
}

bool store_runs_insert(store_t *s, const struct store_run *r,
                       const struct store_run_thread *t,
                       struct store_run_inserted *out, struct err *err)
{
    must(!s->remote && r->graph_id != NULL && t != NULL);
    memset(out, 0, sizeof *out);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, insert(s, r, t, out, err), err);
}

/* ---- its states -----------------------------------------------------------
 */

/* What a change of state looks at first. */
struct held {
    struct id thread_id;
    char status[16];
    uint16_t attempt;
    uint64_t ms;
    bool started;
};

static bool is_open(const struct held *h)
{
    return strcmp(h->status, "pending") == 0 ||
           strcmp(h->status, "running") == 0;
}

static bool look_at(store_t *s, const struct id *run_id, struct held *h,
                    struct err *err)
{
    memset(h, 0, sizeof *h);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT thread_id, status, attempt, ms, started_at"
                          " FROM runs WHERE run_id = $1 FOR UPDATE",
                          "d", run_id)) {
        return false;
    }
    bool found = store_query_next(&q);
    if (found) {
        store_query_id(&q, 0, &h->thread_id);
        store_query_copy(&q, 1, h->status, sizeof h->status);
        h->attempt = (uint16_t)store_query_int(&q, 2);
        h->ms = store_query_uint(&q, 3);
        h->started = store_query_int(&q, 4) != 0;
    }
    return store_query_close(&q) && (found || no_run(run_id, err));
}

/* Why it could not start: true if it has, in this very attempt. */
static bool has_started(store_t *s, const struct store_run_start *r,
                        struct err *err)
{
    struct held h;
    if (!look_at(s, &r->run_id, &h, err)) {
        return false;
    }
    bool same = strcmp(h.status, "running") == 0 && h.attempt == r->attempt &&
                h.ms == r->ms;
    return same || err_set(err, ERR_CONFLICT, "run %s is %s in attempt %u",
                           ID_TEXT(&r->run_id), h.status, (unsigned)h.attempt);
}

static bool start(store_t *s, const struct store_run_start *r, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    (void)err_set(&q.unless, ERR_CONFLICT, "run %s cannot start",
                  ID_TEXT(&r->run_id));
    if (!store_query_guard(
            &q,
            "UPDATE runs SET status = 'running', attempt = $2,"
            " failures = $3, ms = $4,"
            " first_seq = CASE WHEN $5 = 0 THEN first_seq ELSE $5 END,"
            " started_at = CASE WHEN started_at = 0 THEN $6"
            " ELSE started_at END, updated_at = $6 WHERE run_id = $1"
            " AND attempt < $2 AND status IN " OPEN " RETURNING 1",
            "diiiii", &r->run_id, (int64_t)r->attempt, (int64_t)r->failures,
            (int64_t)r->ms, (int64_t)r->first_seq, clock_wall_us())) {
        return q.refused && has_started(s, r, err);
    }
    return store_lanes_busy(s, &r->run_id, r->ms, err);
}

bool store_runs_start(store_t *s, const struct store_run_start *r,
                      struct err *err)
{
    must(!s->remote && r->attempt > 0);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, start(s, r, err), err);
}

static bool requeue(store_t *s, const struct id *run_id, uint64_t last_seq,
                    struct err *err)
{
    struct held h;
    if (!look_at(s, run_id, &h, err)) {
        return false;
    }
    if (!is_open(&h)) {
        return err_set(err, ERR_CONFLICT, "run %s is %s", ID_TEXT(run_id),
                       h.status);
    }
    return store_query_run(s, err,
                           "UPDATE runs SET status = 'pending',"
                           " last_seq = CASE WHEN $2 = 0 THEN last_seq"
                           " ELSE $2 END, updated_at = $3 WHERE run_id = $1",
                           "dii", run_id, (int64_t)last_seq, clock_wall_us());
}

bool store_runs_requeue(store_t *s, const struct id *run_id, uint64_t last_seq,
                        struct err *err)
{
    must(!s->remote);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, requeue(s, run_id, last_seq, err), err);
}

bool store_runs_cancel(store_t *s, const struct id *run_id, const char *action,
                       struct err *err)
{
    must(!s->remote && action != NULL);
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "UPDATE runs SET cancel = $2, updated_at = $3"
                              " WHERE run_id = $1",
                              "dsi", run_id, action, clock_wall_us());
    if (ok && store_query_changes(s) != 1) {
        ok = no_run(run_id, err);
    }
    return store_write_end(s, ok, err);
}

/* The ids of what comes on this thread must be higher. */
static bool note_ms(store_t *s, const struct store_run_end *r, struct err *err)
{
    return r->ms == 0 ||
           store_query_run(s, err,
                           "UPDATE threads SET last_ms = $2 WHERE thread_id ="
                           " (SELECT thread_id FROM runs WHERE run_id = $1)"
                           " AND last_ms < $2",
                           "di", &r->run_id, (int64_t)r->ms);
}

static bool end_lane(store_t *s, const struct store_run_end *r, struct err *err)
{
    if (r->thread_status == NULL || r->thread_status[0] == '\0') {
        return note_ms(s, r, err);
    }
    leat_value *none = leat_new_null();
    struct store_lane_end e = {
        .run_id = r->run_id,
        .status = r->thread_status,
        .last_ms = r->ms,
        .error = r->error,
        .values = r->values,
        .interrupts = r->interrupts,
    };
    if (r->attempt > 0 && leat_type_of(e.interrupts) == LEAT_MISSING) {
        e.interrupts = leat_view_of(none);
    }
    bool ok = store_lanes_end(s, &e, err);
    leat_drop(none);
    return ok;
}

/* Why it could not end: true if it has. */
static bool has_ended(store_t *s, const struct store_run_end *r,
                      struct err *err)
{
    struct held h;
    return look_at(s, &r->run_id, &h, err) &&
           (!is_open(&h) || err_set(err, ERR_FENCED, "run %s is in attempt %u",
                                    ID_TEXT(&r->run_id), (unsigned)h.attempt));
}

static bool finish(store_t *s, const struct store_run_end *r, struct err *err)
{
    leat_value *error = leat_value_of(r->error);
    struct store_query q = {.s = s, .err = err};
    (void)err_set(&q.unless, ERR_FENCED, "run %s is in another attempt",
                  ID_TEXT(&r->run_id));
    bool ok = store_query_guard(
        &q,
        "UPDATE runs SET status = $2, error = $3,"
        " last_seq = CASE WHEN $4 = 0 THEN last_seq ELSE $4 END,"
        " ms = CASE WHEN ms < $6 THEN $6 ELSE ms END,"
        " updated_at = $5, ended_at = $5 WHERE run_id = $1"
        " AND ($7 = 0 OR attempt = $7) AND status IN " OPEN " RETURNING 1",
        "dsviiii", &r->run_id, r->status, error, (int64_t)r->last_seq,
        clock_wall_us(), (int64_t)r->ms, (int64_t)r->attempt);
    leat_drop(error);
    if (!ok) {
        return q.refused && has_ended(s, r, err);
    }
    return end_lane(s, r, err) &&
           (r->no_webhook || store_hooks_complete(s, &r->run_id, r, err));
}

bool store_runs_finish(store_t *s, const struct store_run_end *r,
                       struct err *err)
{
    must(!s->remote && r->status != NULL);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, finish(s, r, err), err);
}

/* ---- as if it had never been ----------------------------------------------
 */

static bool drop(store_t *s, const struct id *run_id, bool only_ended,
                 bool busy, struct err *err)
{
    struct held h;
    s->fence.attempt = 0;
    if (!look_at(s, run_id, &h, err)) {
        return false;
    }
    if (only_ended && is_open(&h)) {
        return err_set(err, ERR_CONFLICT, "run %s is %s", ID_TEXT(run_id),
                       h.status);
    }
    /* Who takes several rows takes the thread's first: the ledger and gateways
     * would wait for each other otherwise. */
    if (!store_query_run(s, err,
                         "UPDATE threads SET updated_at = updated_at"
                         " WHERE thread_id = $1",
                         "d", &h.thread_id)) {
        return false;
    }
    /* Of a run that never began there is nothing to tell. */
    if (h.started ? !store_hooks_complete(s, run_id, NULL, err)
                  : !store_hooks_drop(s, run_id, err)) {
        return false;
    }
    return store_checkpoints_drop_run(s, &h.thread_id, run_id, err) &&
           store_events_drop(s, run_id, NULL, err) &&
           store_query_run(s, err, "DELETE FROM runs WHERE run_id = $1", "d",
                           run_id) &&
           store_lanes_restore(s, &h.thread_id, busy, err);
}

bool store_runs_rollback(store_t *s, const struct id *run_id, bool busy,
                         struct err *err)
{
    must(!s->remote);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, drop(s, run_id, false, busy, err), err);
}

bool store_runs_delete(store_t *s, const struct id *run_id, struct err *err)
{
    if (s->remote) {
        return store_remote_runs_delete(s, run_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, drop(s, run_id, true, false, err), err);
}

/* ---- reading --------------------------------------------------------------
 */

static void read_row(struct store_query *q, struct store_run *r)
{
    store_query_id(q, 0, &r->run_id);
    store_query_id(q, 1, &r->thread_id);
    store_query_id(q, 2, &r->assistant_id);
    r->graph_id = store_query_text(q, 3);
    store_query_copy(q, 4, r->status, sizeof r->status);
    store_query_copy(q, 5, r->strategy, sizeof r->strategy);
    store_query_copy(q, 6, r->cancel, sizeof r->cancel);
    r->attempt = (uint16_t)store_query_int(q, 7);
    r->failures = (uint16_t)store_query_int(q, 8);
    r->temporary = store_query_int(q, 9) != 0;
    r->ms = store_query_uint(q, 10);
    r->first_seq = store_query_uint(q, 11);
    r->last_seq = store_query_uint(q, 12);
    r->created_us = store_query_int(q, 13);
    r->updated_us = store_query_int(q, 14);
    r->due_us = store_query_int(q, 15);
    r->started_us = store_query_int(q, 16);
    r->ended_us = store_query_int(q, 17);
    r->metadata = store_query_value(q, 18);
    r->error = store_query_value(q, 19);
    r->kwargs = store_query_value(q, 20);
    r->thread_last_ms = store_query_uint(q, 21);
}

#define SELECT_RUNS                                                            \
    "SELECT " COLUMNS ", t.last_ms FROM runs r"                                \
    " LEFT JOIN threads t ON t.thread_id = r.thread_id"

bool store_runs_get(store_t *s, const struct id *run_id, struct store_run *out,
                    struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          SELECT_RUNS " WHERE r.run_id = $1"
                                      " AND (t.owner = $2 OR $2 IS NULL)",
                          "ds", run_id, store_viewer(s, NULL))) {
        return false;
    }
    bool found = store_query_next(&q);
    if (found) {
        read_row(&q, out);
    }
    if (!store_query_close(&q)) {
        store_run_fini(out);
        return false;
    }
    return found || no_run(run_id, err);
}

/* Takes rows until the limit; `skip` matching ones are passed over. */
static bool collect(struct store_query *rows, const struct store_runs_query *q,
                    struct store_run **list, size_t *n)
{
    struct store_rows out = {NULL, 0, 0};
    size_t skip = q->offset;
    while ((q->limit == 0 || out.n < q->limit) && store_query_next(rows)) {
        struct store_run r;
        memset(&r, 0, sizeof r);
        read_row(rows, &r);
        bool take = store_contains(leat_view_of(r.metadata), q->metadata);
        if (take && skip > 0) {
            skip--;
            take = false;
        }
        if (take) {
            *(struct store_run *)store_rows_add(&out, sizeof r) = r;
        } else {
            store_run_fini(&r);
        }
    }
    *list = out.rows;
    *n = out.n;
    if (!store_query_close(rows)) {
        store_runs_free(list, *n);
        *n = 0;
        return false;
    }
    return true;
}

bool store_runs_list(store_t *s, const struct store_runs_query *q,
                     struct store_run **list, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    bool open = q->status != NULL && strcmp(q->status, "open") == 0;
    const char *viewer = store_viewer(s, NULL);
    int64_t most = store_rows_wanted(q->metadata, q->limit, q->offset);
    struct store_query rows = {.s = s, .err = err};
    bool ok = q->thread_id != NULL
                  ? store_query_open(
                        &rows,
                        SELECT_RUNS " WHERE r.thread_id = $1"
                                    " AND ($2 IS NULL OR r.status = $2)"
                                    " AND ($3 = 0 OR r.status IN " OPEN ")"
                                    " AND (t.owner = $4 OR $4 IS NULL)"
                                    " ORDER BY r.created_at DESC,"
                                    " r.run_id DESC LIMIT $5",
                        "dsisi", q->thread_id, open ? NULL : q->status,
                        (int64_t)open, viewer, most)
                  : store_query_open(
                        &rows,
                        SELECT_RUNS " WHERE ($1 IS NULL OR r.status = $1)"
                                    " AND ($2 = 0 OR r.status IN " OPEN ")"
                                    " AND (t.owner = $3 OR $3 IS NULL)"
                                    " ORDER BY r.created_at DESC,"
                                    " r.run_id DESC LIMIT $4",
                        "sisi", open ? NULL : q->status, (int64_t)open, viewer,
                        most);
    *list = NULL;
    *n = 0;
    return ok ? collect(&rows, q, list, n) : store_query_close(&rows);
}

bool store_runs_ids(store_t *s, const struct store_ids_query *q,
                    struct store_run_ids *list, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_query rows = {.s = s, .err = err};
    *n = 0;
    if (!store_query_open(&rows,
                          "SELECT run_id, ms, first_seq FROM runs"
                          " WHERE thread_id = $1 AND ms > 0"
                          " AND (ms > $2 OR status = 'running')"
                          " ORDER BY ms LIMIT $3",
                          "dii", &q->thread_id, (int64_t)q->after_ms,
                          (int64_t)q->limit)) {
        return store_query_close(&rows);
    }
    for (; *n < q->limit && store_query_next(&rows); (*n)++) {
        store_query_id(&rows, 0, &list[*n].run_id);
        list[*n].ms = store_query_uint(&rows, 1);
        list[*n].first_seq = store_query_uint(&rows, 2);
    }
    return store_query_close(&rows);
}

bool store_runs_count(store_t *s, const char *status, uint64_t *n,
                      struct err *err)
{
    check_magic(s, STORE_MAGIC);
    bool open = strcmp(status, "open") == 0;
    int64_t count = 0;
    /* Open ones have an index of their own. */
    bool of_open = open || strcmp(status, "pending") == 0 ||
                   strcmp(status, "running") == 0;
    bool ok = store_query_number(
        STORE_QUERY(s, err), &count,
        of_open ? "SELECT COUNT(*) FROM runs WHERE status IN " OPEN
                  " AND ($1 IS NULL OR status = $1)"
                : "SELECT COUNT(*) FROM runs WHERE status = $1",
        "s", open ? NULL : status);
    *n = (uint64_t)count;
    return ok;
}

bool store_runs_load_open(store_t *s, struct store_run **list, size_t *n,
                          struct err *err)
{
    check_magic(s, STORE_MAGIC);
    static const struct store_runs_query all = {.limit = 0};
    struct store_query rows = {.s = s, .err = err};
    *list = NULL;
    *n = 0;
    return store_query_open(&rows,
                            SELECT_RUNS " WHERE r.status IN " OPEN
                                        " ORDER BY r.created_at, r.run_id",
                            "")
               ? collect(&rows, &all, list, n)
               : store_query_close(&rows);
}

void store_run_fini(struct store_run *r)
{
    free(r->graph_id);
    leat_drop(r->kwargs);
    leat_drop(r->metadata);
    leat_drop(r->error);
    memset(r, 0, sizeof *r);
}

void store_runs_free(struct store_run **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_run_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
