/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints, their blobs and writes, and how a run is taken back. */
#include "tests/unit/store_rig.h"

/* More than stays in a row. */
static leat_value *large(const char *seed)
{
    char text[1000];
    memset(text, seed[0], sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return leat_new_string(text);
}

static struct store_place place(struct rig *r, const struct id *thread)
{
    return (struct store_place){
        .thread_id = *thread, .ns = "", .fence = r->fence};
}

/* A checkpoint with a small channel and, when given, a large one. */
static struct store_checkpoint checkpoint(struct rig *r, const char *id,
                                          const char *parent, leat_value *big)
{
    struct store_checkpoint c = {
        .ts = (char *)(uintptr_t) "2026-01-01T00:00:00Z",
        .run_id = r->fence.run,
        .values = keep(leat_pack("{s:s,s:?V}", "small", id, "big", big)),
        .versions = J("{\"small\":1,\"big\":1}"),
        .seen = J("{\"node\":{\"small\":1}}"),
        .metadata = keep(leat_pack("{s:s,s:i}", "source", "loop", "step", 1)),
        .view = J("{\"keys\":[\"big\",\"small\",\"none\"],\"next\":[],"
                  "\"tasks\":[]}")};
    (void)base_copy(c.id, sizeof c.id, id);
    (void)base_copy(c.parent_id, sizeof c.parent_id, parent);
    return c;
}

static void put(struct rig *r, const struct id *thread, const char *id,
                const char *parent, const char *big)
{
    struct store_place at = place(r, thread);
    struct store_checkpoint c =
        checkpoint(r, id, parent, big == NULL ? NULL : large(big));
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
}

static bool load(struct rig *r, const struct id *thread, const char *id,
                 struct store_checkpoint *c)
{
    bool found = false;
    const struct store_checkpoint_key k = {.thread_id = *thread, .id = id};
    OK(r, store_checkpoints_load(r->s, &k, c, &found, &r->err));
    return found;
}

static int64_t rows(struct rig *r, const char *sql)
{
    int64_t n = 0;
    OK(r, store_query_number(STORE_QUERY(r->owner, &r->err), &n, sql, ""));
    return n;
}

BOTH(store_checkpoints_put_and_load)
{
    struct id t = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &t);
    struct store_checkpoint c;
    EXPECT(!load(r, &t, NULL, &c));
    put(r, &t, "c1", "", "x");
    put(r, &t, "c2", "c1", "y");
    put(r, &t, "c2", "c1", "y"); /* repeated */
    EXPECT(load(r, &t, NULL, &c));
    EXPECT_STR(c.id, "c2");
    EXPECT_STR(c.parent_id, "c1");
    EXPECT_STR(c.ns, "");
    EXPECT_STR(c.ts, "2026-01-01T00:00:00Z");
    EXPECT(id_eq(&c.run_id, &run));
    leat_value *y = keep(large("y"));
    EXPECT(
        leat_equal(leat_get(leat_view_of(c.values), "big"), leat_view_of(y)));
    EXPECT(leat_is(leat_get(leat_view_of(c.values), "small"), "c2"));
    EXPECT_VALUE(c.refs, "{\"big\":\"c2\"}");
    EXPECT_VALUE(c.versions, "{\"small\":1,\"big\":1}");
    EXPECT_VALUE(c.seen, "{\"node\":{\"small\":1}}");
    EXPECT_VALUE(c.metadata, "{\"source\":\"loop\",\"step\":1}");
    EXPECT_EQ(c.write_count, 0);
    leat_value *shown = keep(store_checkpoint_values(&c));
    EXPECT_EQ(leat_count(leat_view_of(shown)), 2);
    EXPECT(!store_checkpoint_has_next(&c));
    store_checkpoint_fini(&c);
    EXPECT(load(r, &t, "c1", &c));
    EXPECT_VALUE(c.refs, "{\"big\":\"c1\"}");
    store_checkpoint_fini(&c);
    EXPECT(!load(r, &t, "c3", &c));
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM blobs"), 2);
}

BOTH(store_checkpoints_refer_to_unchanged_values)
{
    struct id t = rig_thread(r, 1);
    (void)rig_running(r, 1, &t);
    put(r, &t, "c1", "", "x");
    struct store_place at = place(r, &t);
    struct store_checkpoint c = checkpoint(r, "c2", "c1", NULL);
    c.values = J("{\"small\":2,\"big\":null}");
    c.refs = J("{\"big\":\"c1\"}");
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
    struct store_checkpoint got;
    EXPECT(load(r, &t, NULL, &got));
    EXPECT_VALUE(got.refs, "{\"big\":\"c1\"}");
    leat_value *x = keep(large("x"));
    EXPECT(
        leat_equal(leat_get(leat_view_of(got.values), "big"), leat_view_of(x)));
    store_checkpoint_fini(&got);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM blobs"), 1);
    /* A put that names a value that is not there must not become a checkpoint
     * that cannot be read. */
    struct store_checkpoint bad = checkpoint(r, "c3", "c2", NULL);
    bad.values = J("{\"big\":null}");
    bad.refs = J("{\"big\":\"c2\"}");
    FAILS(r, store_checkpoints_put(r->s, &at, &bad, &r->err), ERR_CONFLICT);
    EXPECT(!load(r, &t, "c3", &got));
}

static struct store_write write_of(const char *task, int64_t index,
                                   const char *channel, const char *json)
{
    struct store_write w = {.index = index,
                            .channel = (char *)(uintptr_t)channel,
                            .value = J(json)};
    (void)base_copy(w.task_id, sizeof w.task_id, task);
    return w;
}

static void put_write(struct rig *r, const struct id *thread, const char *id,
                      struct store_write w)
{
    struct store_place at = place(r, thread);
    const struct store_writes all = {&w, 1};
    OK(r, store_checkpoints_put_writes(r->s, &at, id, &all, &r->err));
}

BOTH(store_checkpoints_writes_keep_or_replace)
{
    struct id t = rig_thread(r, 1);
    (void)rig_running(r, 1, &t);
    put(r, &t, "c1", "", NULL);
    put_write(r, &t, "c1", write_of("b", 0, "x", "1"));
    put_write(r, &t, "c1", write_of("b", 0, "x", "2"));
    put_write(r, &t, "c1", write_of("a", -3, "__interrupt__", "[1]"));
    put_write(r, &t, "c1", write_of("a", -3, "__interrupt__", "[2]"));
    put_write(r, &t, "c1", write_of("b", 1, "y", "null"));
    struct store_checkpoint c;
    EXPECT(load(r, &t, "c1", &c));
    EXPECT_EQ(c.write_count, 3);
    EXPECT_STR(c.writes[0].task_id, "a");
    EXPECT_EQ(c.writes[0].index, -3);
    EXPECT_VALUE(c.writes[0].value, "[2]");
    EXPECT_STR(c.writes[1].channel, "x");
    EXPECT_VALUE(c.writes[1].value, "1");
    EXPECT_STR(c.writes[2].channel, "y");
    EXPECT_VALUE(c.writes[2].value, "null");
    leat_value *interrupts = store_checkpoint_interrupts(&c);
    EXPECT_VALUE(interrupts, "{\"a\":[2]}");
    leat_drop(interrupts);
    store_checkpoint_fini(&c);
    put_write(r, &t, "c1", write_of("a", 0, "x", "3")); /* it went on */
    EXPECT(load(r, &t, "c1", &c));
    interrupts = store_checkpoint_interrupts(&c);
    EXPECT_VALUE(interrupts, "{}");
    leat_drop(interrupts);
    store_checkpoint_fini(&c);
}

BOTH(store_checkpoints_list_filters)
{
    struct id t = rig_thread(r, 1);
    (void)rig_running(r, 1, &t);
    const char *ids[] = {"c1", "c2", "c3", "c4"};
    for (unsigned i = 0; i < 4; i++) {
        struct store_place at = place(r, &t);
        struct store_checkpoint c = checkpoint(r, ids[i], "", large("x"));
        c.metadata =
            keep(leat_pack("{s:i,s:s}", "odd", (int)(i % 2), "source", "loop"));
        OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
    }
    struct store_place inner = place(r, &t);
    inner.ns = "node:1";
    struct store_checkpoint sub = checkpoint(r, "d1", "", NULL);
    OK(r, store_checkpoints_put(r->s, &inner, &sub, &r->err));
    put_write(r, &t, "c2", write_of("a", 0, "x", "1"));
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    struct store_checkpoints_query q = {
        .thread_id = t, .before = "c4", .limit = 2};
    OK(r, store_checkpoints_list(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 2);
    EXPECT_STR(list[0].id, "c3");
    EXPECT_STR(list[1].id, "c2");
    EXPECT_EQ(list[1].write_count, 1);
    store_checkpoints_free(&list, n);
    q = (struct store_checkpoints_query){.thread_id = t,
                                         .metadata = JV("{\"odd\":1}")};
    OK(r, store_checkpoints_list(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 2);
    EXPECT_STR(list[0].id, "c4");
    store_checkpoints_free(&list, n);
    q = (struct store_checkpoints_query){.thread_id = t, .ns = "node:1"};
    OK(r, store_checkpoints_list(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(list[0].ns, "node:1");
    store_checkpoints_free(&list, n);
    q = (struct store_checkpoints_query){.thread_id = t, .id = "c2"};
    OK(r, store_checkpoints_list(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    store_checkpoints_free(&list, n);
}

/* ---- the fence ------------------------------------------------------------
 */

BOTH(store_checkpoints_fence_stops_a_lost_attempt)
{
    struct id t = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &t);
    put(r, &t, "c1", "", NULL);
    struct store_run_start again = {.run_id = run, .attempt = 2, .ms = 101};
    OK(r, store_runs_start(r->owner, &again, &r->err));
    struct store_place at = place(r, &t); /* attempt 1 wakes up */
    struct store_checkpoint c = checkpoint(r, "c2", "c1", large("x"));
    struct store_write w = write_of("a", 0, "x", "1");
    FAILS(r, store_checkpoints_put(r->s, &at, &c, &r->err), ERR_FENCED);
    const struct store_writes all = {&w, 1};
    FAILS(r, store_checkpoints_put_writes(r->s, &at, "c1", &all, &r->err),
          ERR_FENCED);
    FAILS(r, store_checkpoints_put_view(r->s, &at, "c1", c.view, &r->err),
          ERR_FENCED);
    struct store_checkpoint got;
    EXPECT(!load(r, &t, "c2", &got));
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM blobs"), 0);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM writes"), 0);
    r->fence.attempt = 2;
    put(r, &t, "c2", "c1", NULL);
    struct store_run_end end = {.run_id = run,
                                .attempt = 2,
                                .status = "success",
                                .thread_status = "idle"};
    OK(r, store_runs_finish(r->owner, &end, &r->err));
    at = place(r, &t);
    FAILS(r, store_checkpoints_put_view(r->s, &at, "c1", c.view, &r->err),
          ERR_FENCED); /* it has ended */
}

BOTH(store_checkpoints_state_updates_need_a_thread)
{
    struct id t = rig_id('t', 1);
    struct store_place at = place(r, &t);
    struct store_checkpoint c = checkpoint(r, "c1", "", NULL);
    FAILS(r, store_checkpoints_put(r->s, &at, &c, &r->err), ERR_NOT_FOUND);
    (void)rig_thread(r, 1);
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
}

/* ---- taking a run back ----------------------------------------------------
 */

static void set_view(struct rig *r, const struct id *t, const char *id,
                     const char *view)
{
    struct store_place at = place(r, t);
    OK(r, store_checkpoints_put_view(r->s, &at, id, J(view), &r->err));
}

BOTH(store_runs_rollback_brings_back_what_was)
{
    struct id t = rig_thread(r, 1);
    struct id one = rig_running(r, 1, &t);
    put(r, &t, "c1", "", "x");
    put_write(r, &t, "c1", write_of("a", -3, "__interrupt__", "[1]"));
    set_view(r, &t, "c1",
             "{\"keys\":[\"small\"],\"next\":[\"n\"],"
             "\"tasks\":[]}");
    rig_finish(r, &one, "interrupted");
    struct id two = rig_running(r, 2, &t);
    put_write(r, &t, "c1", write_of("a", -3, "__interrupt__", "[2]"));
    put_write(r, &t, "c1", write_of("a", -4, "__resume__", "[1]"));
    set_view(r, &t, "c1", "{\"keys\":[],\"next\":[],\"tasks\":[]}");
    set_view(r, &t, "c1", "{\"keys\":[],\"next\":[],\"tasks\":[1]}");
    put(r, &t, "c2", "c1", "y");
    struct store_segment seg = {.run_id = two,
                                .first_seq = 1,
                                .last_seq = 1,
                                .body = "e",
                                .body_bytes = 1};
    OK(r, store_events_append(r->owner, &seg, 1, &r->err));
    OK(r, store_runs_rollback(r->owner, &two, false, &r->err));
    struct store_checkpoint c;
    EXPECT(load(r, &t, NULL, &c));
    EXPECT_STR(c.id, "c1");
    EXPECT_EQ(c.write_count, 1);
    EXPECT_VALUE(c.writes[0].value, "[1]");
    EXPECT(store_checkpoint_has_next(&c));
    store_checkpoint_fini(&c);
    struct store_thread thread;
    OK(r, store_threads_get(r->s, &t, &thread, &r->err));
    EXPECT_STR(thread.status, "interrupted");
    EXPECT_VALUE(thread.values, "{\"small\":\"c1\"}");
    EXPECT_VALUE(thread.interrupts, "{\"a\":[1]}");
    store_thread_fini(&thread);
    struct store_run run;
    FAILS(r, store_runs_get(r->s, &two, &run, &r->err), ERR_NOT_FOUND);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM events"), 0);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM blobs"), 1);
    OK(r, store_runs_rollback(r->owner, &one, true, &r->err));
    OK(r, store_threads_get(r->s, &t, &thread, &r->err));
    EXPECT_STR(thread.status, "busy"); /* as the desk said */
    EXPECT(thread.values == NULL);
    store_thread_fini(&thread);
}

BOTH(store_runs_delete_keeps_values_that_others_refer_to)
{
    struct id t = rig_thread(r, 1);
    struct id one = rig_running(r, 1, &t);
    put(r, &t, "c1", "", "x");
    rig_finish(r, &one, "idle");
    struct id two = rig_running(r, 2, &t);
    struct store_place at = place(r, &t);
    struct store_checkpoint c = checkpoint(r, "c2", "c1", NULL);
    c.values = J("{\"big\":null}");
    c.refs = J("{\"big\":\"c1\"}");
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
    rig_finish(r, &two, "idle");
    OK(r, store_runs_delete(r->s, &one, &r->err));
    struct store_checkpoint got;
    EXPECT(!load(r, &t, "c1", &got));
    EXPECT(load(r, &t, "c2", &got));
    EXPECT_VALUE(got.refs, "{\"big\":\"c1\"}");
    store_checkpoint_fini(&got);
}

/* ---- whole threads --------------------------------------------------------
 */

BOTH(store_threads_copy_and_delete)
{
    struct id t = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &t);
    struct store_place at = place(r, &t);
    struct store_checkpoint c = checkpoint(r, "c1", "", large("x"));
    c.metadata =
        keep(leat_pack("{s:s,s:i}", "thread_id", ID_TEXT(&t), "step", 1));
    c.view = J("{\"keys\":[\"small\"],\"next\":[\"n\"],\"tasks\":[]}");
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
    put_write(r, &t, "c1", write_of("a", -3, "__interrupt__", "[1]"));
    rig_finish(r, &run, "interrupted");
    struct id to = rig_id('t', 2);
    OK(r, store_threads_copy(r->s, &t, &to, &r->err));
    FAILS(r, store_threads_copy(r->s, &t, &to, &r->err), ERR_CONFLICT);
    struct id missing = rig_id('t', 8);
    struct id other = rig_id('t', 9);
    FAILS(r, store_threads_copy(r->s, &missing, &other, &r->err),
          ERR_NOT_FOUND);
    OK(r, store_threads_delete(r->s, &t, &r->err));
    FAILS(r, store_threads_delete(r->s, &t, &r->err), ERR_NOT_FOUND);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM checkpoints"), 1);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM runs"), 0);
    struct store_checkpoint got;
    EXPECT(load(r, &to, NULL, &got));
    EXPECT(leat_is(leat_get(leat_view_of(got.metadata), "thread_id"),
                   ID_TEXT(&to)));
    EXPECT_VALUE(got.refs, "{\"big\":\"c1\"}");
    EXPECT_EQ(got.write_count, 1);
    store_checkpoint_fini(&got);
    struct store_thread thread;
    OK(r, store_threads_get(r->s, &to, &thread, &r->err));
    EXPECT_STR(thread.status, "interrupted");
    EXPECT_VALUE(thread.values, "{\"small\":\"c1\"}");
    EXPECT_VALUE(thread.interrupts, "{\"a\":[1]}");
    EXPECT(leat_is(leat_get(leat_view_of(thread.metadata), "thread_id"),
                   ID_TEXT(&to)));
    store_thread_fini(&thread);
}

BOTH(store_threads_prune_keeps_the_latest)
{
    struct id t = rig_thread(r, 1);
    struct id run = rig_running(r, 1, &t);
    put(r, &t, "c1", "", "x");
    put(r, &t, "c2", "c1", "y");
    struct store_place at = place(r, &t);
    struct store_checkpoint c = checkpoint(r, "c3", "c2", NULL);
    c.values = J("{\"big\":null}");
    c.refs = J("{\"big\":\"c1\"}");
    OK(r, store_checkpoints_put(r->s, &at, &c, &r->err));
    put_write(r, &t, "c2", write_of("a", 0, "x", "1"));
    FAILS(r, store_threads_prune(r->s, &t, &r->err), ERR_CONFLICT);
    rig_finish(r, &run, "idle");
    OK(r, store_threads_prune(r->s, &t, &r->err));
    struct store_checkpoint got;
    EXPECT(load(r, &t, NULL, &got));
    EXPECT_STR(got.id, "c3");
    leat_value *x = keep(large("x"));
    EXPECT(
        leat_equal(leat_get(leat_view_of(got.values), "big"), leat_view_of(x)));
    store_checkpoint_fini(&got);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM checkpoints"), 1);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM blobs"), 1);
    EXPECT_EQ(rows(r, "SELECT COUNT(*) FROM writes"), 0);
}

/* ---- reads through the vault, for workers without the database ------------
 */

static leat_value *ask(struct rig *r, const char *op, const char *args)
{
    leat_value *result = NULL;
    leat_value *packed = J(args);
    OK(r, rig_call(r, op, packed, &result, &r->err));
    return keep(result);
}

TEST(store_ops_serve_reads)
{
    struct rig r;
    rig_init(&r, true);
    struct id t = rig_thread(&r, 1);
    (void)rig_running(&r, 1, &t);
    put(&r, &t, "c1", "", NULL);
    put_write(&r, &t, "c1", write_of("a", 0, "x", "1"));
    char args[200];
    (void)snprintf(args, sizeof args, "{\"thread_id\":\"%s\",\"ns\":\"\"}",
                   ID_TEXT(&t));
    leat_view c =
        leat_get(leat_view_of(ask(&r, "checkpoints_load", args)), "checkpoint");
    EXPECT(leat_is(leat_get(c, "id"), "c1"));
    EXPECT_JSON(leat_get(c, "writes"), "[[\"a\",0,\"x\",1]]");
    leat_view list = leat_get(leat_view_of(ask(&r, "checkpoints_list", args)),
                              "checkpoints");
    EXPECT_EQ(leat_count(list), 1);
    struct store_item_key k = {.space = JV("[\"s\"]"), .key = "k"};
    OK(&r, store_items_put(r.s, &k, J("{\"v\":1}"), 0, &r.err));
    leat_view item = leat_get(
        leat_view_of(ask(&r, "items_get", "{\"space\":[\"s\"],\"key\":\"k\"}")),
        "item");
    EXPECT_JSON(leat_get(item, "value"), "{\"v\":1}");
    EXPECT_EQ(leat_count(leat_get(leat_view_of(ask(&r, "items_search", "{}")),
                                  "items")),
              1);
    EXPECT_JSON(leat_get(leat_view_of(ask(&r, "items_spaces", "{}")), "spaces"),
                "[[\"s\"]]");
    rig_fini(&r);
}

TEST(store_ops_refuse_what_is_wrong)
{
    struct rig r;
    rig_init(&r, true);
    leat_value *result = NULL;
    FAILS(&r, rig_call(&r, "no_such_op", J("{}"), &result, &r.err),
          ERR_UNSUPPORTED);
#define STORE_OP(name, fenced, args, result_text)                              \
    if (strcmp(#name, "items_search") != 0 &&                                  \
        strcmp(#name, "items_spaces") != 0 &&                                  \
        strcmp(#name, "truncate") != 0) {                                      \
        FAILS(&r,                                                              \
              rig_call(&r, #name, J("{\"thread_id\":1,\"writes\":[[]]}"),      \
                       &result, &r.err),                                       \
              ERR_INVALID);                                                    \
        FAILS(&r, rig_call(&r, #name, J("[1]"), &result, &r.err),              \
              ERR_INVALID);                                                    \
    }
#include "common/store/ops.tbl.h"
#undef STORE_OP
    rig_fini(&r);
}
