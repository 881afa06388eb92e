/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting checkpoints with their blobs and writes: those of a run that is
 * taken back, of a thread, and all but the latest ones.
 */
#include <stdlib.h>
#include <string.h>

#include "common/store/checkpoints.h"

/* A run's blobs may be what later checkpoints of other runs refer to. Those
 * stay, and go with the thread. */
#define DROP_BLOBS                                                             \
    "DELETE FROM blobs WHERE thread_id = $1"                                   \
    " AND EXISTS (SELECT 1 FROM checkpoints c"                                 \
    " WHERE c.thread_id = $1 AND c.ns = blobs.ns"                              \
    " AND c.checkpoint_id = blobs.checkpoint_id AND c.run_id = $2)"            \
    " AND NOT EXISTS (SELECT 1 FROM checkpoints l"                             \
    " WHERE l.thread_id = $1 AND l.ns = blobs.ns"                              \
    " AND l.checkpoint_id > blobs.checkpoint_id AND l.run_id <> $2)"

#define DROP_WRITES                                                            \
    "DELETE FROM writes WHERE thread_id = $1 AND (run_id = $2"                 \
    " OR EXISTS (SELECT 1 FROM checkpoints c"                                  \
    " WHERE c.thread_id = $1 AND c.ns = writes.ns"                             \
    " AND c.checkpoint_id = writes.checkpoint_id AND c.run_id = $2))"

#define RESTORE_VIEWS                                                          \
    "UPDATE checkpoints SET view = view_before, view_run = run_id,"            \
    " view_before = NULL"                                                      \
    " WHERE thread_id = $1 AND view_run = $2 AND run_id <> $2"

/* What other runs made behind it goes on from what was before it: of each
 * child the first one up its line that stays. */
#define MEND_PARENTS                                                           \
    "WITH RECURSIVE up (ns, child, at) AS"                                     \
    " (SELECT c.ns, c.checkpoint_id, c.parent_id FROM checkpoints c"           \
    " JOIN checkpoints p ON p.thread_id = c.thread_id AND p.ns = c.ns"         \
    " AND p.checkpoint_id = c.parent_id"                                       \
    " WHERE c.thread_id = $1 AND c.run_id <> $2 AND p.run_id = $2"             \
    " UNION ALL SELECT u.ns, u.child, p.parent_id FROM up u"                   \
    " JOIN checkpoints p ON p.thread_id = $1 AND p.ns = u.ns"                  \
    " AND p.checkpoint_id = u.at AND p.run_id = $2)"                           \
    " UPDATE checkpoints SET parent_id = (SELECT u.at FROM up u"               \
    " WHERE u.ns = checkpoints.ns AND u.child = checkpoints.checkpoint_id"     \
    " AND NOT EXISTS (SELECT 1 FROM checkpoints p WHERE p.thread_id = $1"      \
    " AND p.ns = u.ns AND p.checkpoint_id = u.at AND p.run_id = $2) LIMIT 1)"  \
    " WHERE thread_id = $1 AND EXISTS (SELECT 1 FROM up u"                     \
    " WHERE u.ns = checkpoints.ns AND u.child = checkpoints.checkpoint_id)"

bool store_checkpoints_drop_run(store_t *s, const struct id *thread_id,
                                const struct id *run_id, struct err *err)
{
    must(!id_is_nil(run_id));
    return store_query_run(s, err, MEND_PARENTS, "dd", thread_id, run_id) &&
           store_query_run(s, err, RESTORE_VIEWS, "dd", thread_id, run_id) &&
           store_query_run(s, err, DROP_WRITES, "dd", thread_id, run_id) &&
           store_query_run(s, err, DROP_BLOBS, "dd", thread_id, run_id) &&
           store_query_run(s, err,
                           "DELETE FROM checkpoints WHERE thread_id = $1"
                           " AND run_id = $2",
                           "dd", thread_id, run_id);
}

static bool find_threads(store_t *s, const struct id *run_id,
                         struct store_rows *out, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT DISTINCT thread_id FROM checkpoints"
                               " WHERE run_id = $1",
                               "d", run_id);
    while (ok && store_query_next(&q)) {
        struct id *id = store_rows_add(out, sizeof *id);
        store_query_id(&q, 0, id);
    }
    return store_query_close(&q);
}

bool store_checkpoints_delete_run(store_t *s, const struct id *run_id,
                                  struct err *err)
{
    must(!s->remote && !id_is_nil(run_id));
    if (!store_write_begin(s, err)) {
        return false;
    }
    struct store_rows rows = {NULL, 0, 0};
    bool ok = find_threads(s, run_id, &rows, err);
    const struct id *threads = rows.rows;
    for (size_t i = 0; ok && i < rows.n; i++) {
        ok = store_checkpoints_drop_run(s, &threads[i], run_id, err);
    }
    free(rows.rows);
    return store_write_end(s, ok, err);
}

bool store_checkpoints_drop_thread(store_t *s, const struct id *thread_id,
                                   struct err *err)
{
    return store_query_run(s, err, "DELETE FROM writes WHERE thread_id = $1",
                           "d", thread_id) &&
           store_query_run(s, err, "DELETE FROM blobs WHERE thread_id = $1",
                           "d", thread_id) &&
           store_query_run(s, err,
                           "DELETE FROM checkpoints WHERE thread_id = $1", "d",
                           thread_id);
}

/* ---- all but the latest ---------------------------------------------------
 */

struct latest {
    char *ns;
    char *id;
};

static bool find_latest(store_t *s, const struct id *thread_id,
                        struct store_rows *out, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT ns, MAX(checkpoint_id)"
                               " FROM checkpoints WHERE thread_id = $1"
                               " GROUP BY ns",
                               "d", thread_id);
    while (ok && store_query_next(&q)) {
        struct latest *l = store_rows_add(out, sizeof *l);
        l->ns = store_query_text(&q, 0);
        l->id = store_query_text(&q, 1);
    }
    return store_query_close(&q);
}

struct blob {
    char *channel;
    char *id;
};

/* The blobs of a namespace that its latest checkpoint does not refer to. */
static bool find_unused(store_t *s, const struct id *thread_id,
                        const struct store_checkpoint *keep,
                        struct store_rows *out, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT channel, checkpoint_id FROM blobs"
                               " WHERE thread_id = $1 AND ns = $2",
                               "ds", thread_id, keep->ns);
    while (ok && store_query_next(&q)) {
        char *channel = store_query_text(&q, 0);
        char *id = store_query_text(&q, 1);
        if (leat_is(leat_get(leat_view_of(keep->refs), channel), id)) {
            free(channel);
            free(id);
            continue;
        }
        *(struct blob *)store_rows_add(out, sizeof(struct blob)) =
            (struct blob){channel, id};
    }
    return store_query_close(&q);
}

static bool drop_unused(store_t *s, const struct id *thread_id,
                        const struct store_checkpoint *keep, struct err *err)
{
    struct store_rows rows = {NULL, 0, 0};
    bool ok = find_unused(s, thread_id, keep, &rows, err);
    struct blob *blobs = rows.rows;
    for (size_t i = 0; i < rows.n; i++) {
        ok = ok && store_query_run(s, err,
                                   "DELETE FROM blobs WHERE thread_id = $1"
                                   " AND ns = $2 AND checkpoint_id = $3"
                                   " AND channel = $4",
                                   "dsss", thread_id, keep->ns, blobs[i].id,
                                   blobs[i].channel);
        free(blobs[i].channel);
        free(blobs[i].id);
    }
    free(blobs);
    return ok;
}

static bool drop_below(store_t *s, const struct id *thread_id,
                       const struct latest *l, struct err *err)
{
    const struct store_checkpoint_key key = {*thread_id, l->ns, l->id};
    struct store_checkpoint keep;
    bool found = false;
    bool ok = store_checkpoints_fetch(s, &key, &keep, &found, err) &&
              drop_unused(s, thread_id, &keep, err) &&
              store_query_run(s, err,
                              "DELETE FROM writes WHERE thread_id = $1"
                              " AND ns = $2 AND checkpoint_id < $3",
                              "dss", thread_id, l->ns, l->id) &&
              store_query_run(s, err,
                              "DELETE FROM checkpoints WHERE thread_id = $1"
                              " AND ns = $2 AND checkpoint_id < $3",
                              "dss", thread_id, l->ns, l->id);
    store_checkpoint_fini(&keep);
    return ok;
}

bool store_checkpoints_drop_older(store_t *s, const struct id *thread_id,
                                  struct err *err)
{
    struct store_rows rows = {NULL, 0, 0};
    bool ok = find_latest(s, thread_id, &rows, err);
    struct latest *list = rows.rows;
    for (size_t i = 0; i < rows.n; i++) {
        ok = ok && drop_below(s, thread_id, &list[i], err);
        free(list[i].ns);
        free(list[i].id);
    }
    free(list);
    return ok;
}
