/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log: segments of a run, each the events of one flush. Bodies are
 * never looked into. meta.events_bytes follows the size of all of it, so that
 * nobody has to count.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRE_RUNS 64
#define TORN_US (10 * INT64_C(1000000)) /* longer than events wait for the store */

bool store_events_settle(store_t *s, struct err *err)
{
    int64_t bytes = s->events_bytes;
    s->events_bytes = 0;
    return bytes == 0 || store_query_run(s, err,
                                         "UPDATE meta SET value = value + $1"
                                         " WHERE name = 'events_bytes'",
                                         "i", bytes);
}

/* *changed by the next settle: 0 when it was there before. */
static bool append(store_t *s, const struct store_segment *seg,
                   int64_t *changed, struct err *err)
{
    must(seg->first_seq > 0 && seg->last_seq >= seg->first_seq);
    struct store_query q = {.s = s, .err = err};
    return store_query_send(
        &q, changed,
        "INSERT INTO events (run_id, first_seq, last_seq, attempt, ms,"
        " ended, bytes, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (run_id, first_seq) DO NOTHING",
        "diiiiiix", &seg->run_id, (int64_t)seg->first_seq,
        (int64_t)seg->last_seq, (int64_t)seg->attempt, (int64_t)seg->ms,
        (int64_t)seg->ended, (int64_t)seg->body_bytes, seg->body,
        seg->body_bytes);
}

static bool append_all(store_t *s, const struct store_segment *list, size_t n,
                       struct err *err)
{
    int64_t *changed = base_zalloc((n + 1) * sizeof *changed);
    int64_t bytes = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = append(s, &list[i], &changed[i], err);
    }
    /* Always: what is on its way is told into `changed`. */
    struct err late = ERR_INIT;
    if (!store_query_settle(s, ok ? err : &late)) {
        ok = false;
    }
    for (size_t i = 0; i < n; i++) {
        bytes += changed[i] > 0 ? (int64_t)list[i].body_bytes : 0;
    }
    free(changed);
    s->events_bytes += ok ? bytes : 0;
    return ok;
}

bool store_events_append(store_t *s, const struct store_segment *list, size_t n,
                         struct err *err)
{
    must(!s->remote);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, append_all(s, list, n, err), err);
}

bool store_events_end(store_t *s, const struct id *run_id, uint64_t last_seq,
                      struct err *err)
{
    must(!s->remote);
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "UPDATE events SET ended = 1"
                              " WHERE run_id = $1 AND last_seq = $2",
                              "di", run_id, (int64_t)last_seq);
    return store_write_end(s, ok, err);
}

bool store_events_read(store_t *s, const struct id *run_id, uint64_t from_seq,
                       const struct store_reader *reader, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_query q = {.s = s, .err = err};
    bool more = store_query_open(&q,
                                 "SELECT first_seq, last_seq, attempt, ms,"
                                 " ended, body FROM events WHERE run_id = $1"
                                 " AND last_seq >= $2 ORDER BY first_seq",
                                 "di", run_id, (int64_t)from_seq);
    while (more && store_query_next(&q)) {
        struct store_segment seg = {
            .run_id = *run_id,
            .first_seq = store_query_uint(&q, 0),
            .last_seq = store_query_uint(&q, 1),
            .attempt = (uint16_t)store_query_int(&q, 2),
            .ms = store_query_uint(&q, 3),
            .ended = store_query_int(&q, 4) != 0,
        };
        seg.body = s->sql->get_bytes(q.stmt, 5, &seg.body_bytes);
        more = reader->take(reader->arg, &seg);
    }
    return store_query_close(&q);
}

/* What was committed last before a broker died is what it can have kept. */
bool store_events_torn(store_t *s, int64_t before_us, struct store_run **list,
                       size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_rows rows = {0};
    struct store_query q = {.s = s, .err = err};
    bool more = store_query_open(
        &q,
        "SELECT run_id, thread_id, attempt, ms, status, last_seq FROM runs r"
        " WHERE logged = 1 AND ended_at > 0 AND ended_at < $1 AND last_seq > 0"
        " AND ended_at >= $2 + (SELECT COALESCE(MAX(ended_at), 0) FROM runs"
        " WHERE logged = 1 AND ended_at > 0 AND ended_at < $1)"
        " AND NOT EXISTS (SELECT 1 FROM events e WHERE e.run_id = r.run_id"
        " AND e.ended = 1) LIMIT 10000",
        "ii", before_us, -(int64_t)TORN_US);
    while (more && store_query_next(&q)) {
        struct store_run *run = store_rows_add(&rows, sizeof *run);
        store_query_id(&q, 0, &run->run_id);
        store_query_id(&q, 1, &run->thread_id);
        run->attempt = (uint16_t)store_query_int(&q, 2);
        run->ms = store_query_uint(&q, 3);
        store_query_copy(&q, 4, run->status, sizeof run->status);
        run->last_seq = store_query_uint(&q, 5);
    }
    *list = rows.rows;
    *n = rows.n;
    return store_query_close(&q);
}

bool store_events_extent(store_t *s, const struct id *run_id,
                         struct store_log *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT MIN(first_seq), MAX(last_seq),"
                          " CAST(SUM(bytes) AS BIGINT), MAX(ended)"
                          " FROM events WHERE run_id = $1",
                          "d", run_id)) {
        return false;
    }
    if (store_query_next(&q)) { /* all NULL, read as 0, when there is none */
        out->first_seq = store_query_uint(&q, 0);
        out->last_seq = store_query_uint(&q, 1);
        out->body_bytes = store_query_uint(&q, 2);
        out->ended = store_query_int(&q, 3) != 0;
    }
    return store_query_close(&q);
}

bool store_events_total(store_t *s, uint64_t *bytes, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    int64_t n = 0;
    bool ok = store_query_number(
        STORE_QUERY(s, err), &n,
        "SELECT value FROM meta WHERE name = 'events_bytes'", "");
    *bytes = n < 0 ? 0 : (uint64_t)n;
    return ok;
}

/* ---- dropping -------------------------------------------------------------
 */

/* Deletes and counts in one statement: the journal may add a row at any time. */
static bool drop_rows(struct store_query *q, bool opened, uint64_t *freed)
{
    int64_t bytes = 0;
    while (opened && store_query_next(q)) {
        bytes += store_query_int(q, 0);
    }
    if (!store_query_close(q)) {
        return false;
    }
    q->s->events_bytes -= bytes;
    if (freed != NULL) {
        *freed += (uint64_t)bytes;
    }
    return true;
}

static bool drop_below(store_t *s, const struct id *run_id, int64_t seq,
                       uint64_t *freed, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool opened = store_query_open(&q,
                                   "DELETE FROM events WHERE run_id = $1"
                                   " AND last_seq < $2 RETURNING bytes",
                                   "di", run_id, seq);
    return drop_rows(&q, opened, freed);
}

bool store_events_drop(store_t *s, const struct id *run_id, uint64_t *freed,
                       struct err *err)
{
    return drop_below(s, run_id, INT64_MAX, freed, err);
}

bool store_events_drop_thread(store_t *s, const struct id *thread_id,
                              struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool opened = store_query_open(&q,
                                   "DELETE FROM events WHERE run_id IN"
                                   " (SELECT run_id FROM runs"
                                   " WHERE thread_id = $1) RETURNING bytes",
                                   "d", thread_id);
    return drop_rows(&q, opened, NULL);
}

/* The first sequence of the newest segments that make up `keep` bytes. */
static bool find_cut(store_t *s, const struct id *run_id, uint64_t keep,
                     int64_t *cut, struct err *err)
{
    uint64_t kept = 0;
    *cut = INT64_MAX;
    struct store_query q = {.s = s, .err = err};
    bool more = store_query_open(&q,
                                 "SELECT first_seq, bytes FROM events"
                                 " WHERE run_id = $1 ORDER BY first_seq DESC",
                                 "d", run_id);
    while (more && store_query_next(&q)) {
        kept += store_query_uint(&q, 1);
        more = kept <= keep || *cut == INT64_MAX;
        if (more) {
            *cut = store_query_int(&q, 0);
        }
    }
    return store_query_close(&q);
}

static bool trim(store_t *s, const struct id *run_id, uint64_t keep,
                 uint64_t *freed, struct err *err)
{
    int64_t cut = INT64_MAX;
    return (keep == 0 || find_cut(s, run_id, keep, &cut, err)) &&
           drop_below(s, run_id, cut, freed, err);
}

bool store_events_trim(store_t *s, const struct id *run_id, uint64_t keep,
                       uint64_t *freed, struct err *err)
{
    must(!s->remote);
    *freed = 0;
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, trim(s, run_id, keep, freed, err), err);
}

/* Ended runs that may still have a log, oldest end first. */
static bool oldest(store_t *s, struct id ids[EXPIRE_RUNS],
                   int64_t ended[EXPIRE_RUNS], size_t *n, struct err *err)
{
    *n = 0;
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT run_id, ended_at FROM runs"
                          " WHERE logged = 1 AND ended_at > 0"
                          " ORDER BY ended_at LIMIT $1",
                          "i", (int64_t)EXPIRE_RUNS)) {
        return false;
    }
    while (*n < EXPIRE_RUNS && store_query_next(&q)) {
        store_query_id(&q, 0, &ids[*n]);
        ended[*n] = store_query_int(&q, 1);
        *n += 1;
    }
    return store_query_close(&q);
}

static bool expire(store_t *s, int64_t ended_us, uint64_t bytes,
                   uint64_t *freed, struct err *err)
{
    struct id ids[EXPIRE_RUNS];
    int64_t ended[EXPIRE_RUNS];
    size_t n = 0;
    if (!oldest(s, ids, ended, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (ended[i] >= ended_us && *freed >= bytes) {
            break;
        }
        if (!store_events_drop(s, &ids[i], freed, err) ||
            !store_query_run(s, err,
                             "UPDATE runs SET logged = 0 WHERE run_id = $1",
                             "d", &ids[i])) {
            return false;
        }
    }
    return true;
}

bool store_events_expire(store_t *s, int64_t ended_us, uint64_t bytes,
                         uint64_t *freed, struct err *err)
{
    must(!s->remote);
    *freed = 0;
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, expire(s, ended_us, bytes, freed, err), err);
}
