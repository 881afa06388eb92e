/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold in every store at any time, whoever was killed when. Each
 * rule is a query for what breaks it; all see the same state.
 */
#include "common/store/inner.h"

#include <stdlib.h>

#define OPEN "('pending', 'running')"
#define LOOKED_AT 1000 /* faults counted of one rule */

static const struct rule {
    const char *name;
    const char *sql; /* the id of a thread or run that breaks it */
} rules[] = {
    {"a busy thread has an open run",
     "SELECT thread_id FROM threads t WHERE status = 'busy' AND NOT EXISTS"
     " (SELECT 1 FROM runs r WHERE r.thread_id = t.thread_id"
     " AND r.status IN " OPEN ") LIMIT $1"},
    {"the thread of an open run is there and busy",
     "SELECT run_id FROM runs r WHERE status IN " OPEN " AND NOT EXISTS"
     " (SELECT 1 FROM threads t WHERE t.thread_id = r.thread_id"
     " AND t.status = 'busy') LIMIT $1"},
    {"a thread has one running run at most",
     "SELECT thread_id FROM runs WHERE status = 'running'"
     " GROUP BY thread_id HAVING COUNT(*) > 1 LIMIT $1"},
    {"a running run has begun",
     "SELECT run_id FROM runs WHERE status = 'running'"
     " AND (attempt = 0 OR started_at = 0 OR ms = 0) LIMIT $1"},
    {"a run has an end when it has ended",
     "SELECT run_id FROM runs WHERE (ended_at = 0) <> (status IN " OPEN ")"
     " LIMIT $1"},
    {"event ids grow along a thread",
     "SELECT r.run_id FROM runs r JOIN threads t ON t.thread_id = r.thread_id"
     " WHERE r.ms > t.last_ms LIMIT $1"},
    {"a run is of a thread",
     "SELECT run_id FROM runs r WHERE NOT EXISTS (SELECT 1 FROM threads t"
     " WHERE t.thread_id = r.thread_id) LIMIT $1"},
    {"a checkpoint is of a thread",
     "SELECT thread_id FROM checkpoints c WHERE NOT EXISTS (SELECT 1"
     " FROM threads t WHERE t.thread_id = c.thread_id) LIMIT $1"},
    /* The oldest one's may have been pruned. */
    {"the parent of a checkpoint is there",
     "SELECT thread_id FROM checkpoints c WHERE parent_id <> ''"
     " AND EXISTS (SELECT 1 FROM checkpoints o WHERE o.thread_id = c.thread_id"
     " AND o.ns = c.ns AND o.checkpoint_id < c.checkpoint_id)"
     " AND NOT EXISTS (SELECT 1 FROM checkpoints p"
     " WHERE p.thread_id = c.thread_id AND p.ns = c.ns"
     " AND p.checkpoint_id = c.parent_id) LIMIT $1"},
    {"a stored value is of a thread",
     "SELECT thread_id FROM blobs b WHERE NOT EXISTS (SELECT 1"
     " FROM threads t WHERE t.thread_id = b.thread_id) LIMIT $1"},
    {"a pending write is of a thread",
     "SELECT thread_id FROM writes w WHERE NOT EXISTS (SELECT 1"
     " FROM threads t WHERE t.thread_id = w.thread_id) LIMIT $1"},
    {"the size of all events is known",
     "SELECT run_id FROM (SELECT CAST(SUM(bytes) AS BIGINT) AS n FROM events) s"
     " JOIN meta m ON m.name = 'events_bytes' AND m.value <> COALESCE(s.n, 0)"
     " LEFT JOIN (SELECT run_id FROM events LIMIT 1) e ON 1 = 1 LIMIT $1"},
};

static bool look(store_t *s, const struct rule *rule, struct store_rows *faults,
                 struct err *err)
{
    struct store_fault *f = NULL;
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q, rule->sql, "i", (int64_t)LOOKED_AT);
    while (ok && store_query_next(&q)) {
        if (f == NULL) {
            f = store_rows_add(faults, sizeof *f);
            f->rule = rule->name;
            if (!s->sql->is_null(q.stmt, 0)) {
                store_query_id(&q, 0, &f->example);
            }
        }
        f->count++;
    }
    return store_query_close(&q);
}

bool store_check(store_t *s, struct store_fault **list, size_t *n,
                 struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_rows faults = {NULL, 0, 0};
    bool ok = store_read_begin(s, err);
    if (ok) {
        for (size_t i = 0; ok && i < COUNT_OF(rules); i++) {
            ok = look(s, &rules[i], &faults, err);
        }
        store_read_end(s);
    }
    if (!ok) {
        free(faults.rows);
        faults = (struct store_rows){NULL, 0, 0};
    }
    *list = faults.rows;
    *n = faults.n;
    return ok;
}
