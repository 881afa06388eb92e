/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads with an end. A row says when it is; who looks after them deletes
 * them or prunes them then.
 */
#include <string.h>

#include "common/clock.h"
#include "common/store/threads.h"

bool store_threads_drop_ttl(store_t *s, const struct id *thread_id,
                            struct err *err)
{
    return store_query_run(
        s, err, "DELETE FROM thread_ttls WHERE thread_id = $1", "d", thread_id);
}

/* Nothing is inserted while the default is 0. */
bool store_threads_take_default_ttl(store_t *s, const struct id *thread_id,
                                    struct err *err)
{
    return store_query_run(
        s, err,
        "INSERT INTO thread_ttls (thread_id, strategy, ttl_us, expires_at)"
        " SELECT $1, CASE WHEN k.value = 1 THEN 'keep_latest' ELSE 'delete' "
        "END,"
        " t.value, t.value + $2 FROM meta t, meta k"
        " WHERE t.name = 'thread_ttl_us' AND t.value > 0"
        " AND k.name = 'thread_ttl_keep'",
        "di", thread_id, clock_wall_us());
}

static bool set_ttl(store_t *s, const struct id *thread_id,
                    const struct store_ttl *ttl, struct err *err)
{
    int64_t there = 0;
    if (!store_query_number(STORE_QUERY(s, err), &there,
                            "SELECT 1 FROM threads WHERE thread_id = $1", "d",
                            thread_id)) {
        return false;
    }
    if (there != 1) {
        return err_set(err, ERR_NOT_FOUND, "no thread %s", ID_TEXT(thread_id));
    }
    if (ttl->strategy[0] == '\0') {
        return store_threads_drop_ttl(s, thread_id, err);
    }
    return store_query_run(
        s, err,
        "INSERT INTO thread_ttls (thread_id, strategy, ttl_us, expires_at)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (thread_id) DO UPDATE SET"
        " strategy = excluded.strategy, ttl_us = excluded.ttl_us,"
        " expires_at = excluded.expires_at",
        "dsii", thread_id, ttl->strategy, ttl->ttl_us,
        clock_wall_us() + ttl->ttl_us);
}

bool store_threads_set_ttl(store_t *s, const struct id *thread_id,
                           const struct store_ttl *ttl, struct err *err)
{
    if (ttl->ttl_us < 0 ||
        (ttl->strategy[0] != '\0' && strcmp(ttl->strategy, "delete") != 0 &&
         strcmp(ttl->strategy, "keep_latest") != 0)) {
        return err_set(err, ERR_INVALID, "a ttl is not what it should be");
    }
    if (s->remote) {
        return store_remote_threads_set_ttl(s, thread_id, ttl, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, set_ttl(s, thread_id, ttl, err), err);
}

bool store_threads_get_ttl(store_t *s, const struct id *thread_id,
                           struct store_ttl *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT strategy, ttl_us, expires_at"
                               " FROM thread_ttls WHERE thread_id = $1",
                               "d", thread_id);
    if (ok && store_query_next(&q)) {
        store_query_copy(&q, 0, out->strategy, sizeof out->strategy);
        out->ttl_us = store_query_int(&q, 1);
        out->expires_us = store_query_int(&q, 2);
    }
    return store_query_close(&q);
}

static bool default_ttl(store_t *s, const struct store_ttl *ttl,
                        struct err *err)
{
    bool keep = strcmp(ttl->strategy, "keep_latest") == 0;
    return store_query_run(s, err,
                           "UPDATE meta SET value = $1"
                           " WHERE name = 'thread_ttl_us'",
                           "i", ttl->strategy[0] == '\0' ? 0 : ttl->ttl_us) &&
           store_query_run(s, err,
                           "UPDATE meta SET value = $1"
                           " WHERE name = 'thread_ttl_keep'",
                           "i", (int64_t)keep);
}

bool store_threads_default_ttl(store_t *s, const struct store_ttl *ttl,
                               struct err *err)
{
    must(s->owner);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, default_ttl(s, ttl, err), err);
}

bool store_threads_expired(store_t *s, int64_t now_us, size_t limit,
                           struct store_expired_list *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(out != NULL);
    struct store_rows rows = {NULL, 0, 0};
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(
        &q,
        "SELECT thread_id, strategy FROM thread_ttls e WHERE expires_at <= $1"
        " AND NOT EXISTS (SELECT 1 FROM runs r"
        " WHERE r.thread_id = e.thread_id"
        " AND r.status IN ('pending', 'running'))"
        " ORDER BY expires_at LIMIT $2",
        "ii", now_us, (int64_t)limit);
    while (ok && store_query_next(&q)) {
        struct store_expired *e = store_rows_add(&rows, sizeof *e);
        char strategy[16];
        store_query_id(&q, 0, &e->thread_id);
        store_query_copy(&q, 1, strategy, sizeof strategy);
        e->keep_latest = strcmp(strategy, "keep_latest") == 0;
    }
    *out = (struct store_expired_list){rows.rows, rows.n};
    return store_query_close(&q);
}
