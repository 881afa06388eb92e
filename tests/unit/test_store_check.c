/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_rig.h"

static void put_checkpoint(struct rig *r, const struct id *thread,
                           const char *id, const char *parent)
{
    struct store_checkpoint c = {.metadata = J("{}"),
                                 .values = J("{}"),
                                 .versions = J("{}"),
                                 .seen = J("{}"),
                                 .run_id = r->fence.run};
    (void)base_copy(c.id, sizeof c.id, id);
    (void)base_copy(c.parent_id, sizeof c.parent_id, parent);
    const struct store_place at = {*thread, "", r->fence};
    OK(r, store_checkpoints_put(r->owner, &at, &c, &r->err));
}

/* A thread with a run that has ended, one that runs and one that waits. */
static struct id populate(struct rig *r)
{
    struct id thread = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &thread);
    put_checkpoint(r, &thread, "c1", "");
    put_checkpoint(r, &thread, "c2", "c1");
    put_checkpoint(r, &thread, "c3", "c2");
    const struct store_segment seg = {.run_id = run,
                                      .first_seq = 1,
                                      .last_seq = 2,
                                      .attempt = 1,
                                      .ms = 100,
                                      .body = "abc",
                                      .body_bytes = 3};
    OK(r, store_events_append(r->owner, &seg, 1, &r->err));
    rig_finish(r, &run, "idle");
    (void)rig_running(r, 2, &thread);
    (void)rig_pending(r, 3, &thread);
    return thread;
}

static void end_runs(struct rig *r)
{
    for (unsigned n = 2; n <= 3; n++) {
        struct store_run_end end = {.run_id = rig_id('r', n),
                                    .status = "interrupted",
                                    .thread_status = "idle"};
        OK(r, store_runs_finish(r->owner, &end, &r->err));
    }
}

/* The rules that are broken, by their words. */
static void expect_faults(struct rig *r, size_t want, const char *words)
{
    struct store_fault *list = NULL;
    size_t n = 0;
    OK(r, store_check(r->s, &list, &n, &r->err));
    EXPECT_EQ(n, want);
    bool found = want == 0;
    for (size_t i = 0; i < n; i++) {
        found = found || strcmp(list[i].rule, words) == 0;
        EXPECT(list[i].count > 0);
    }
    EXPECT_MSG(found, "%s", n == 0 ? "no fault" : list[0].rule);
    free(list);
}

static void spoil(struct rig *r, const char *sql)
{
    OK(r, store_query_run(r->owner, &r->err, sql, ""));
}

BOTH(store_check_finds_no_fault)
{
    expect_faults(r, 0, "");
    struct id thread = populate(r);
    expect_faults(r, 0, "");
    end_runs(r);
    OK(r, store_threads_prune(r->owner, &thread, &r->err));
    (void)rig_running(r, 4, &thread);
    put_checkpoint(r, &thread, "c4", "c3");
    expect_faults(r, 0, "");
    struct id last = rig_id('r', 4);
    rig_finish(r, &last, "idle");
    OK(r, store_threads_delete(r->owner, &thread, &r->err));
    expect_faults(r, 0, "");
}

BOTH(store_check_finds_each_fault)
{
    (void)populate(r);
    spoil(r, "UPDATE checkpoints SET parent_id = 'c0'"
             " WHERE checkpoint_id = 'c3'");
    expect_faults(r, 1, "the parent of a checkpoint is there");
    spoil(r, "UPDATE checkpoints SET parent_id = 'c2'"
             " WHERE checkpoint_id = 'c3'");
    spoil(r, "UPDATE meta SET value = 4 WHERE name = 'events_bytes'");
    expect_faults(r, 1, "the size of all events is known");
    spoil(r, "UPDATE meta SET value = 3 WHERE name = 'events_bytes'");
    spoil(r, "UPDATE threads SET last_ms = 99");
    expect_faults(r, 1, "event ids grow along a thread");
    spoil(r, "UPDATE threads SET last_ms = 100, status = 'idle'");
    expect_faults(r, 1, "the thread of an open run is there and busy");
    spoil(r, "UPDATE threads SET status = 'busy'");
    spoil(r, "UPDATE runs SET started_at = 0 WHERE status = 'running'");
    expect_faults(r, 1, "a running run has begun");
    spoil(r, "UPDATE runs SET started_at = 1, ended_at = 1"
             " WHERE status = 'running'");
    expect_faults(r, 1, "a run has an end when it has ended");
    spoil(r, "UPDATE runs SET ended_at = 0 WHERE status = 'running'");
    expect_faults(r, 0, "");
    spoil(r, "UPDATE runs SET status = 'error', ended_at = 1");
    expect_faults(r, 1, "a busy thread has an open run");
    spoil(r, "DELETE FROM threads");
    expect_faults(r, 2, "a checkpoint is of a thread");
}

static void expect_parent(struct rig *r, const struct id *thread,
                          const char *id, const char *parent)
{
    struct store_checkpoint c;
    bool found = false;
    const struct store_checkpoint_key key = {.thread_id = *thread, .id = id};
    OK(r, store_checkpoints_load(r->s, &key, &c, &found, &r->err));
    EXPECT(found);
    EXPECT_STR(c.parent_id, parent);
    store_checkpoint_fini(&c);
}

/* A run between others goes with its checkpoints; the line stays whole. */
TEST(store_check_holds_when_a_run_is_deleted)
{
    struct rig r;
    rig_init(&r, false);
    struct id thread = rig_thread(&r, 1);
    struct id runs[3];
    static const char *const made[3][3] = {
        {"c1", "c2", NULL}, {"c3", "c4", "c5"}, {"c6", "c7", NULL}};
    const char *last = "";
    for (unsigned n = 0; n < 3; n++) {
        runs[n] = rig_running(&r, n + 1, &thread);
        for (size_t i = 0; i < 3 && made[n][i] != NULL; i++) {
            put_checkpoint(&r, &thread, made[n][i], last);
            last = made[n][i];
        }
        rig_finish(&r, &runs[n], "idle");
    }
    OK(&r, store_runs_delete(r.owner, &runs[1], &r.err));
    expect_parent(&r, &thread, "c6", "c2");
    expect_parent(&r, &thread, "c7", "c6");
    expect_faults(&r, 0, NULL);
    OK(&r, store_runs_delete(r.owner, &runs[0], &r.err));
    expect_parent(&r, &thread, "c6", "");
    expect_faults(&r, 0, NULL);
    rig_fini(&r);
}
