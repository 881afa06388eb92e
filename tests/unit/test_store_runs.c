/* SPDX-License-Identifier: Apache-2.0 */
/* Runs, what they do to their thread, and their logs. */
#include "tests/unit/store_rig.h"

static void expect_thread(struct rig *r, const struct id *id,
                          const char *status, const char *values)
{
    struct store_thread t;
    OK(r, store_threads_get(r->s, id, &t, &r->err));
    EXPECT_STR(t.status, status);
    if (values == NULL) {
        EXPECT(t.values == NULL);
    } else {
        EXPECT_VALUE(t.values, values);
    }
    store_thread_fini(&t);
}

static void expect_status(struct rig *r, const struct id *id,
                          const char *status)
{
    struct store_run run;
    OK(r, store_runs_get(r->s, id, &run, &r->err));
    EXPECT_STR(run.status, status);
    store_run_fini(&run);
}

/* ---- inserting ------------------------------------------------------------
 */

TEST(store_runs_insert_tells_the_thread)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct store_run run = {.run_id = rig_id('r', 1),
                            .thread_id = t,
                            .assistant_id = rig_id('a', 1),
                            .graph_id = (char *)(uintptr_t) "agent",
                            .strategy = "enqueue",
                            .kwargs = J("{\"input\":1}"),
                            .metadata = J("{\"m\":1}"),
                            .created_us = 7,
                            .due_us = 9};
    struct store_run_thread how = {.config =
                                       JV("{\"configurable\":{\"k\":1}}")};
    struct store_run_inserted out;
    OK(&r, store_runs_insert(r.s, &run, &how, &out, &r.err));
    EXPECT(out.inserted);
    EXPECT_STR(out.status, "pending");
    EXPECT_EQ(out.thread_last_ms, 0);
    struct store_run got;
    OK(&r, store_runs_get(r.s, &run.run_id, &got, &r.err));
    EXPECT_STR(got.status, "pending");
    EXPECT_STR(got.strategy, "enqueue");
    EXPECT_STR(got.graph_id, "agent");
    EXPECT_VALUE(got.kwargs, "{\"input\":1}");
    EXPECT_VALUE(got.metadata, "{\"m\":1}");
    EXPECT(got.error == NULL && !got.temporary);
    EXPECT_EQ(got.created_us, 7);
    EXPECT_EQ(got.due_us, 9);
    store_run_fini(&got);
    struct store_thread thread;
    OK(&r, store_threads_get(r.s, &t, &thread, &r.err));
    EXPECT_STR(thread.status, "busy");
    EXPECT_VALUE(thread.config, "{\"configurable\":{\"k\":1}}");
    EXPECT(
        leat_is(leat_get(leat_view_of(thread.metadata), "graph_id"), "agent"));
    EXPECT(leat_is(leat_get(leat_view_of(thread.metadata), "assistant_id"),
                   ID_TEXT(&run.assistant_id)));
    store_thread_fini(&thread);
    rig_fini(&r);
}

TEST(store_runs_insert_twice_is_once)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct id id = rig_running(&r, 1, &t);
    rig_finish(&r, &id, "idle");
    struct store_run run = {
        .run_id = id, .thread_id = t, .graph_id = (char *)(uintptr_t) "agent"};
    struct store_run_thread how = {.make = false};
    struct store_run_inserted out;
    OK(&r, store_runs_insert(r.s, &run, &how, &out, &r.err));
    EXPECT(!out.inserted);
    EXPECT_STR(out.status, "success");
    EXPECT_EQ(out.thread_last_ms, 100);
    expect_thread(&r, &t, "idle", NULL);
    rig_fini(&r);
}

static void insert_with(struct rig *r, unsigned n, const struct id *thread,
                        const char *config)
{
    struct store_run run = {.run_id = rig_id('r', n),
                            .thread_id = *thread,
                            .graph_id = (char *)(uintptr_t) "agent"};
    const struct store_run_thread how = {.make = true, .config = JV(config)};
    struct store_run_inserted out;
    OK(r, store_runs_insert(r->s, &run, &how, &out, &r->err));
    EXPECT(out.inserted);
}

/* What was read ahead is used once: the next one sees what the last wrote. */
TEST(store_runs_expect_reads_threads_ahead)
{
    struct rig r;
    rig_init(&r, false);
    struct id ids[20];
    struct store_thread t;
    for (unsigned n = 0; n < 19; n++) {
        ids[n] = rig_thread(&r, n + 1);
    }
    ids[19] = rig_id('t', 20); /* made by its run */
    OK(&r, store_begin_fast(r.s, &r.err));
    OK(&r, store_runs_expect(r.s, ids, COUNT_OF(ids), &r.err));
    insert_with(&r, 1, &ids[0], "{\"configurable\":{\"a\":1}}");
    insert_with(&r, 2, &ids[18], "{\"configurable\":{\"a\":2}}");
    insert_with(&r, 3, &ids[0], "{\"configurable\":{\"b\":3}}");
    insert_with(&r, 4, &ids[19], "{\"configurable\":{\"c\":4}}");
    OK(&r, store_commit(r.s, &r.err));
    OK(&r, store_threads_get(r.s, &ids[0], &t, &r.err));
    EXPECT_VALUE(t.config, "{\"configurable\":{\"a\":1,\"b\":3}}");
    store_thread_fini(&t);
    OK(&r, store_threads_get(r.s, &ids[18], &t, &r.err));
    EXPECT_VALUE(t.config, "{\"configurable\":{\"a\":2}}");
    store_thread_fini(&t);
    OK(&r, store_threads_look(r.s, &ids[19], &t, &r.err));
    EXPECT_VALUE(t.config, "{\"configurable\":{\"c\":4}}");
    EXPECT(t.values == NULL && t.interrupts == NULL);
    store_thread_fini(&t);
    rig_fini(&r);
}

TEST(store_runs_insert_needs_or_makes_a_thread)
{
    struct rig r;
    rig_init(&r, false);
    struct store_run run = {.run_id = rig_id('r', 1),
                            .thread_id = rig_id('t', 1),
                            .graph_id = (char *)(uintptr_t) "agent",
                            .temporary = true};
    struct store_run_thread how = {.make = false};
    struct store_run_inserted out;
    FAILS(&r, store_runs_insert(r.s, &run, &how, &out, &r.err), ERR_NOT_FOUND);
    how.make = true;
    OK(&r, store_runs_insert(r.s, &run, &how, &out, &r.err));
    EXPECT(out.inserted);
    expect_thread(&r, &run.thread_id, "busy", NULL);
    rig_fini(&r);
}

/* ---- states ---------------------------------------------------------------
 */

TEST(store_runs_start_fences_lower_attempts)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct id id = rig_running(&r, 1, &t);
    struct store_run_start start = {.run_id = id, .attempt = 1, .ms = 100};
    OK(&r, store_runs_start(r.s, &start, &r.err)); /* the same again */
    start.ms = 101;
    FAILS(&r, store_runs_start(r.s, &start, &r.err), ERR_CONFLICT);
    start = (struct store_run_start){
        .run_id = id, .attempt = 2, .failures = 1, .ms = 50, .first_seq = 8};
    OK(&r, store_runs_start(r.s, &start, &r.err));
    struct store_run run;
    OK(&r, store_runs_get(r.s, &id, &run, &r.err));
    EXPECT_EQ(run.attempt, 2);
    EXPECT_EQ(run.failures, 1);
    EXPECT_EQ(run.ms, 50);
    EXPECT_EQ(run.first_seq, 8);
    EXPECT_EQ(run.thread_last_ms, 100); /* never goes back */
    EXPECT(run.started_us > 0);
    store_run_fini(&run);
    struct store_run_end end = {.run_id = id,
                                .attempt = 1,
                                .status = "success",
                                .thread_status = "idle"};
    FAILS(&r, store_runs_finish(r.s, &end, &r.err), ERR_FENCED);
    expect_status(&r, &id, "running");
    rig_fini(&r);
}

TEST(store_runs_requeue_and_cancel)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct id id = rig_running(&r, 1, &t);
    OK(&r, store_runs_requeue(r.s, &id, 12, &r.err));
    OK(&r, store_runs_cancel(r.s, &id, "rollback", &r.err));
    struct store_run run;
    OK(&r, store_runs_get(r.s, &id, &run, &r.err));
    EXPECT_STR(run.status, "pending");
    EXPECT_STR(run.cancel, "rollback");
    EXPECT_EQ(run.attempt, 1);
    EXPECT_EQ(run.last_seq, 12);
    store_run_fini(&run);
    struct id missing = rig_id('r', 9);
    FAILS(&r, store_runs_cancel(r.s, &missing, "interrupt", &r.err),
          ERR_NOT_FOUND);
    FAILS(&r, store_runs_requeue(r.s, &missing, 0, &r.err), ERR_NOT_FOUND);
    rig_fini(&r);
}

TEST(store_runs_finish_sets_the_thread)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct id one = rig_running(&r, 1, &t);
    struct id two = rig_pending(&r, 2, &t);
    struct store_run_end end = {.run_id = one,
                                .attempt = 1,
                                .status = "success",
                                .last_seq = 5,
                                .thread_status = "idle",
                                .values = JV("{\"x\":1}"),
                                .interrupts = JV("{\"task\":[{\"value\":1}]}")};
    OK(&r, store_runs_finish(r.s, &end, &r.err));
    expect_thread(&r, &t, "busy", "{\"x\":1}"); /* the other one waits */
    struct store_run_start start = {.run_id = two, .attempt = 1, .ms = 101};
    OK(&r, store_runs_start(r.s, &start, &r.err));
    end = (struct store_run_end){.run_id = two,
                                 .attempt = 1,
                                 .status = "error",
                                 .error = JV("{\"error\":\"E\"}"),
                                 .thread_status = "error"};
    OK(&r, store_runs_finish(r.s, &end, &r.err));
    OK(&r, store_runs_finish(r.s, &end, &r.err)); /* repeated */
    struct store_thread thread;
    OK(&r, store_threads_get(r.s, &t, &thread, &r.err));
    EXPECT_STR(thread.status, "error");
    EXPECT_VALUE(thread.error, "{\"error\":\"E\"}");
    EXPECT_VALUE(thread.values, "{\"x\":1}");
    EXPECT_VALUE(thread.interrupts, "{}");
    EXPECT_EQ(thread.last_ms, 101);
    store_thread_fini(&thread);
    struct store_run run;
    OK(&r, store_runs_get(r.s, &two, &run, &r.err));
    EXPECT_STR(run.status, "error");
    EXPECT_VALUE(run.error, "{\"error\":\"E\"}");
    EXPECT(run.ended_us > 0);
    store_run_fini(&run);
    rig_fini(&r);
}

TEST(store_runs_cancelled_while_pending_leave_interrupts)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct store_thread_state state = {.interrupts = JV("{\"task\":[1]}")};
    OK(&r, store_threads_set(r.s, &t, &state, &r.err));
    struct id id = rig_pending(&r, 1, &t);
    struct store_run_end end = {
        .run_id = id, .status = "interrupted", .thread_status = "idle"};
    OK(&r, store_runs_finish(r.s, &end, &r.err));
    struct store_thread thread;
    OK(&r, store_threads_get(r.s, &t, &thread, &r.err));
    EXPECT_STR(thread.status, "idle");
    EXPECT_VALUE(thread.interrupts, "{\"task\":[1]}");
    store_thread_fini(&thread);
    rig_fini(&r);
}

/* ---- reading --------------------------------------------------------------
 */

TEST(store_runs_list_and_load_open)
{
    struct rig r;
    rig_init(&r, true);
    struct id t = rig_thread(&r, 1);
    struct id one = rig_running(&r, 1, &t);
    rig_finish(&r, &one, "idle");
    (void)rig_pending(&r, 2, &t);
    (void)rig_running(&r, 3, &t);
    struct id other = rig_thread(&r, 2);
    (void)rig_pending(&r, 4, &other);
    struct store_run *list = NULL;
    size_t n = 0;
    struct store_runs_query q = {.thread_id = &t};
    OK(&r, store_runs_list(r.s, &q, &list, &n, &r.err));
    EXPECT_EQ(n, 3);
    EXPECT_EQ(list[0].created_us, 1003); /* newest first */
    EXPECT_EQ(list[2].created_us, 1001);
    store_runs_free(&list, n);
    q = (struct store_runs_query){
        .thread_id = &t, .status = "open", .limit = 1, .offset = 1};
    OK(&r, store_runs_list(r.s, &q, &list, &n, &r.err));
    EXPECT_EQ(n, 1);
    EXPECT_EQ(list[0].created_us, 1002);
    store_runs_free(&list, n);
    q = (struct store_runs_query){.status = "pending"};
    OK(&r, store_runs_list(r.s, &q, &list, &n, &r.err));
    EXPECT_EQ(n, 2);
    store_runs_free(&list, n);
    OK(&r, store_runs_load_open(r.s, &list, &n, &r.err));
    EXPECT_EQ(n, 3);
    EXPECT_EQ(list[0].created_us, 1002); /* oldest first */
    EXPECT_EQ(list[0].thread_last_ms, 100);
    store_runs_free(&list, n);
    uint64_t count = 0;
    OK(&r, store_runs_count(r.s, "open", &count, &r.err));
    EXPECT_EQ(count, 3);
    OK(&r, store_runs_count(r.s, "running", &count, &r.err));
    EXPECT_EQ(count, 1);
    OK(&r, store_runs_count(r.s, "success", &count, &r.err));
    EXPECT_EQ(count, 1);
    rig_fini(&r);
}

BOTH(store_runs_delete_only_ended_ones)
{
    struct id t = rig_thread(r, 1);
    struct id id = rig_running(r, 1, &t);
    FAILS(r, store_runs_delete(r->s, &id, &r->err), ERR_CONFLICT);
    rig_finish(r, &id, "idle");
    OK(r, store_runs_delete(r->s, &id, &r->err));
    FAILS(r, store_runs_delete(r->s, &id, &r->err), ERR_NOT_FOUND);
}

/* ---- the log --------------------------------------------------------------
 */

static void append(struct rig *r, const struct id *run, uint64_t first,
                   uint64_t last, const char *body)
{
    struct store_segment seg = {.run_id = *run,
                                .first_seq = first,
                                .last_seq = last,
                                .attempt = 1,
                                .ms = 100,
                                .body = body,
                                .body_bytes = strlen(body)};
    OK(r, store_events_append(r->owner, &seg, 1, &r->err));
}

struct taken {
    char text[256];
    uint64_t last;
    unsigned stop_after;
    unsigned n;
};

static bool take(void *arg, const struct store_segment *seg)
{
    struct taken *t = arg;
    size_t at = strlen(t->text);
    memcpy(t->text + at, seg->body, seg->body_bytes);
    t->text[at + seg->body_bytes] = '\0';
    t->last = seg->last_seq;
    EXPECT_EQ(seg->ms, 100);
    return ++t->n != t->stop_after;
}

TEST(store_events_append_read_and_end)
{
    struct rig r;
    rig_init(&r, true);
    struct id t = rig_thread(&r, 1);
    struct id run = rig_running(&r, 1, &t);
    append(&r, &run, 1, 3, "abc");
    append(&r, &run, 1, 3, "abc"); /* repeated: skipped */
    append(&r, &run, 4, 4, "d");
    append(&r, &run, 5, 6, "ef");
    struct taken got = {.text = ""};
    const struct store_reader all = {take, &got};
    OK(&r, store_events_read(r.s, &run, 1, &all, &r.err));
    EXPECT_STR(got.text, "abcdef");
    got = (struct taken){.text = ""};
    OK(&r, store_events_read(r.s, &run, 3, &all, &r.err));
    EXPECT_STR(got.text, "abcdef"); /* whole segments */
    got = (struct taken){.text = "", .stop_after = 1};
    OK(&r, store_events_read(r.s, &run, 4, &all, &r.err));
    EXPECT_STR(got.text, "d");
    struct store_log log;
    OK(&r, store_events_extent(r.s, &run, &log, &r.err));
    EXPECT_EQ(log.first_seq, 1);
    EXPECT_EQ(log.last_seq, 6);
    EXPECT_EQ(log.body_bytes, 6);
    EXPECT(!log.ended);
    OK(&r, store_events_end(r.owner, &run, 6, &r.err));
    OK(&r, store_events_extent(r.s, &run, &log, &r.err));
    EXPECT(log.ended);
    struct id none = rig_id('r', 9);
    OK(&r, store_events_extent(r.s, &none, &log, &r.err));
    EXPECT_EQ(log.first_seq, 0);
    EXPECT_EQ(log.last_seq, 0);
    rig_fini(&r);
}

static uint64_t total(struct rig *r)
{
    uint64_t bytes = 0;
    OK(r, store_events_total(r->owner, &bytes, &r->err));
    return bytes;
}

TEST(store_events_trim_and_total)
{
    struct rig r;
    rig_init(&r, false);
    struct id t = rig_thread(&r, 1);
    struct id run = rig_running(&r, 1, &t);
    append(&r, &run, 1, 3, "abc");
    append(&r, &run, 4, 5, "de");
    append(&r, &run, 6, 6, "f");
    EXPECT_EQ(total(&r), 6);
    uint64_t freed = 0;
    OK(&r, store_events_trim(r.s, &run, 6, &freed, &r.err));
    EXPECT_EQ(freed, 0);
    OK(&r, store_events_trim(r.s, &run, 5, &freed, &r.err));
    EXPECT_EQ(freed, 3);
    struct store_log log;
    OK(&r, store_events_extent(r.s, &run, &log, &r.err));
    EXPECT_EQ(log.first_seq, 4);
    append(&r, &run, 7, 7, "long one");
    OK(&r, store_events_trim(r.s, &run, 4, &freed, &r.err));
    EXPECT_EQ(freed, 3); /* the newest stays, however long */
    OK(&r, store_events_trim(r.s, &run, 0, &freed, &r.err));
    EXPECT_EQ(freed, 8);
    EXPECT_EQ(total(&r), 0);
    rig_fini(&r);
}

TEST(store_events_expire_by_time_and_bytes)
{
    struct rig r;
    rig_init(&r, false);
    fake_clock();
    struct id t = rig_thread(&r, 1);
    struct id runs[3];
    for (unsigned i = 0; i < 3; i++) {
        runs[i] = rig_running(&r, i, &t);
        append(&r, &runs[i], 1, 2, "xy");
        if (i < 2) {
            rig_finish(&r, &runs[i], "idle");
        }
        fake_clock_advance_ms(1000);
    }
    uint64_t freed = 0;
    int64_t start_us = FAKE_WALL_US;
    OK(&r, store_events_expire(r.s, start_us, 0, &freed, &r.err));
    EXPECT_EQ(freed, 0);
    OK(&r, store_events_expire(r.s, start_us + 1, 0, &freed, &r.err));
    EXPECT_EQ(freed, 2); /* the first one only */
    struct store_log log;
    OK(&r, store_events_extent(r.s, &runs[1], &log, &r.err));
    EXPECT_EQ(log.last_seq, 2);
    OK(&r, store_events_expire(r.s, 0, 100, &freed, &r.err));
    EXPECT_EQ(freed, 2); /* the second; the third has not ended */
    OK(&r, store_events_extent(r.s, &runs[2], &log, &r.err));
    EXPECT_EQ(log.last_seq, 2);
    EXPECT_EQ(total(&r), 2);
    OK(&r, store_threads_delete(r.s, &t, &r.err));
    EXPECT_EQ(total(&r), 0);
    rig_fini(&r);
}
