/* SPDX-License-Identifier: Apache-2.0 */
/* Runs from end to end: parallel nodes, routing, limits, errors, retries. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"
#include "worker/graph/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <poll.h>
#include <unistd.h>

static leat_value *log_of(const char *text)
{
    return leat_pack("{s:[s]}", "log", text);
}

static leat_value *node_a(leat_context *ctx, leat_view state)
{
    (void)state;
    return log_of(leat_node_name(ctx));
}

static void add_log(leat_graph *g)
{
    leat_add_channel(g, "log", LEAT_APPEND);
}

/* ---- parallel ----------------------------------------------------------- */

/* b waits until c's update is out: only side by side do both end. */
static int gate = -1;

static leat_value *node_waits(leat_context *ctx, leat_view state)
{
    (void)state;
    EXPECT_EQ(leat_wait_fd(ctx, gate, POLLIN, -1), 1);
    return log_of("b");
}

static void open_gate(struct rig *r, const struct graph_event *ev)
{
    uint64_t one = 1;
    (void)r;
    leat_view c = leat_get(leat_view_of(ev->payload), "c");
    if (leat_type_of(c) != LEAT_MISSING) {
        EXPECT_EQ(write(gate, &one, sizeof one), sizeof one);
    }
}

static void build_parallel(leat_graph *g, leat_view config)
{
    static const char *const both[] = {"b", "c", NULL};
    (void)config;
    add_log(g);
    leat_add_node(g, "b", node_waits);
    leat_add_node(g, "c", node_a);
    leat_add_node(g, "d", node_a);
    leat_add_edge(g, LEAT_START, "b");
    leat_add_edge(g, LEAT_START, "c");
    leat_add_join(g, both, "d");
}

TEST(step_runs_nodes_side_by_side)
{
    struct rig r;
    gate = eventfd(0, EFD_CLOEXEC);
    rig_init(&r, build_parallel, GRAPH_MODE_UPDATES);
    r.on_event = open_gate;
    rig_run(&r, "{\"log\":[]}");
    /* Shown as they end, applied in the order of their names. */
    EXPECT_STR(rig_log(&r), "updates {\"c\":{\"log\":[\"c\"]}}\n"
                            "updates {\"b\":{\"log\":[\"b\"]}}\n"
                            "updates {\"d\":{\"log\":[\"d\"]}}\n");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"b\",\"c\",\"d\"]}");
    rig_fini(&r);
    close(gate);
}

static leat_value *node_one(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:i}", "x", 1);
}

static void build_conflict(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_node(g, "p", node_one);
    leat_add_node(g, "q", node_one);
    leat_add_edge(g, LEAT_START, "p");
    leat_add_edge(g, LEAT_START, "q");
}

TEST(step_two_writes_to_one_value_fail)
{
    struct rig r;
    rig_init(&r, build_conflict, GRAPH_MODE_VALUES | GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"x\":0}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "InvalidUpdateError");
    EXPECT_HAS(r.result.error_text, "INVALID_CONCURRENT_GRAPH_UPDATE");
    /* Whoever finishes first is told first. */
    const char *log = rig_log(&r);
    EXPECT_HAS(log, "values {\"x\":0}\n");
    EXPECT_HAS(log, "updates {\"p\":{\"x\":1}}\n");
    EXPECT_HAS(log, "updates {\"q\":{\"x\":1}}\n");
    EXPECT_STR(rig_values(&r), "{\"x\":0}");
    EXPECT(r.result.next);
    rig_fini(&r);
}

/* ---- routing ------------------------------------------------------------ */

static leat_value *route_sends(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("[V,V]", leat_send("w", leat_new_int(1)),
                     leat_send("w", leat_new_int(2)));
}

static leat_value *node_worker(leat_context *ctx, leat_view arg)
{
    (void)ctx;
    return leat_pack("{s:[i]}", "log", (int)leat_int(arg, -1) * 10);
}

static void build_sends(leat_graph *g, leat_view config)
{
    static const char *const targets[] = {"w", NULL};
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_node(g, "w", node_worker);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", route_sends, targets);
}

TEST(step_sends_make_tasks)
{
    struct rig r;
    rig_init(&r, build_sends, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"a\",10,20]}");
    EXPECT_HAS(rig_log(&r), "task \"w\" 1\ntask \"w\" 2\n");
    rig_fini(&r);
}

static leat_value *node_command(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_command(log_of("cmd"), leat_new_string("far"));
}

static leat_value *route_bad(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_new_string("nowhere");
}

static void build_command(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    static const char *const ends[] = {"far", NULL};
    leat_add_node_with(g, "cmd", &(struct leat_node){.run = node_command,
                                                     .ends = ends});
    leat_add_node(g, "near", node_a);
    leat_add_node(g, "far", node_a);
    leat_add_edge(g, LEAT_START, "cmd");
    leat_add_edge(g, "cmd", "near");
}

TEST(step_command_goes_besides_edges)
{
    struct rig r;
    rig_init(&r, build_command, GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"cmd\",\"far\",\"near\"]}");
    rig_fini(&r);
}

static void build_open_route(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", route_bad, NULL);
}

static void build_closed_route(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", route_bad, (const char *const[]){"a", NULL});
}

TEST(step_route_to_no_node_ends)
{
    struct rig r;
    rig_init(&r, build_open_route, GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"a\"]}");
    rig_fini(&r);
}

TEST(step_route_past_its_targets_fails)
{
    struct rig r;
    rig_init(&r, build_closed_route, GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(r.result.error_type, "KeyError");
    EXPECT_STR(r.result.error_text, "'nowhere'");
    /* Its update was made before the edge failed: both libraries show it. */
    EXPECT_STR(rig_log(&r), "updates {\"a\":{\"log\":[\"a\"]}}\n");
    rig_fini(&r);
}

static leat_value *route_self(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_new_string(leat_count(leat_get(state, "log")) < 3 ? "a"
                                                                  : LEAT_END);
}

static void build_loop(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", route_self, NULL);
}

TEST(step_branch_sees_own_writes)
{
    struct rig r;
    rig_init(&r, build_loop, 0);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"a\",\"a\",\"a\"]}");
    rig_fini(&r);
}

TEST(step_limit_counts_start)
{
    struct rig r;
    rig_init(&r, build_loop, GRAPH_MODE_VALUES);
    r.req.recursion_limit = 3;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "GraphRecursionError");
    EXPECT_HAS(r.result.error_text, "Recursion limit of 3 reached");
    EXPECT_STR(rig_values(&r), "{\"log\":[\"a\",\"a\",\"a\"]}");
    r.req.recursion_limit = 4;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    rig_fini(&r);
}

/* ---- errors and retries ------------------------------------------------- */

static int failures_left;

static leat_value *node_fails(leat_context *ctx, leat_view state)
{
    (void)state;
    if (failures_left > 0) {
        failures_left--;
        return leat_fail(ctx, "ServerError", "no %s", "luck");
    }
    return leat_pack("{s:[s,i]}", "log", "done", leat_attempt(ctx));
}

static void build_retry(leat_graph *g, leat_view config)
{
    static const struct leat_node spec = {
        .run = node_fails,
        .retry = {.max_attempts = 3, .initial_ms = 1, .no_jitter = true},
    };
    (void)config;
    add_log(g);
    leat_add_node_with(g, "f", &spec);
    leat_add_edge(g, LEAT_START, "f");
}

TEST(step_retries_until_it_works)
{
    struct rig r;
    failures_left = 2;
    rig_init(&r, build_retry, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_log(&r), "task \"f\" {\"log\":[]}\n"
                            "result \"f\" {\"log\":[\"done\",3]}\n");
    rig_fini(&r);
}

TEST(step_gives_up_after_the_last_attempt)
{
    struct rig r;
    failures_left = 3;
    rig_init(&r, build_retry, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "ServerError");
    EXPECT_STR(r.result.error_text, "no luck");
    EXPECT_STR(rig_log(&r), "task \"f\" {\"log\":[]}\n"
                            "result \"f\" {} \"ServerError('no luck')\"\n");
    EXPECT_EQ(failures_left, 0);
    /* Null input tries the same task again. */
    rig_run(&r, NULL);
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_output(&r), "{\"log\":[\"done\",1]}");
    rig_fini(&r);
}

static bool if_it_says_so(const char *type, const char *message)
{
    return strcmp(type, "ServerError") == 0 ? strcmp(message, "no luck") != 0
                                            : true;
}

static leat_value *node_refuses(leat_context *ctx, leat_view state)
{
    (void)state;
    if (failures_left > 0) {
        failures_left--;
        return leat_fail(ctx, "ValueError", "not yet");
    }
    return leat_pack("{s:[i]}", "log", leat_attempt(ctx));
}

static void build_choosy(leat_graph *g, leat_view config)
{
    build_retry(g, config);
    leat_set_retry_on(g, "f", if_it_says_so);
    leat_add_node_with(g, "v", &(struct leat_node){
        .run = node_refuses,
        .retry = {.max_attempts = 3, .initial_ms = 1, .no_jitter = true}});
    leat_set_retry_on(g, "v", if_it_says_so);
    leat_add_edge(g, "f", "v");
}

TEST(step_retries_what_the_author_says)
{
    struct rig r;
    failures_left = 1;
    rig_init(&r, build_choosy, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_text, "no luck");
    rig_fini(&r);
    rig_init(&r, build_choosy, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"done\",1,1]}");
    rig_fini(&r);
}

static void build_picky(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node_with(g, "v", &(struct leat_node){
        .run = node_refuses,
        .retry = {.max_attempts = 3, .initial_ms = 1, .no_jitter = true}});
    leat_set_retry_on(g, "v", if_it_says_so);
    leat_add_edge(g, LEAT_START, "v");
}

TEST(step_retries_a_value_error_if_asked_to)
{
    struct rig r;
    failures_left = 2;
    rig_init(&r, build_picky, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[3]}");
    rig_fini(&r);
}

static leat_value *node_bad(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_new_string("text");
}

static void build_bad(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "n", node_bad);
    leat_add_edge(g, LEAT_START, "n");
}

TEST(step_result_must_be_an_object)
{
    struct rig r;
    rig_init(&r, build_bad, 0);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(r.result.error_type, "InvalidUpdateError");
    EXPECT_HAS(r.result.error_text, "Expected dict, got text\n");
    EXPECT_HAS(r.result.error_text, "INVALID_GRAPH_NODE_RETURN_VALUE");
    rig_fini(&r);
}

TEST(step_needs_input)
{
    struct rig r;
    rig_init(&r, build_bad, 0);
    rig_run(&r, NULL);
    EXPECT_STR(r.result.error_type, "EmptyInputError");
    EXPECT(r.result.values == NULL);
    rig_fini(&r);
}

/* One fails while the other waits for ever: the wait ends. */
static leat_value *node_never(leat_context *ctx, leat_view state)
{
    (void)state;
    EXPECT(!leat_sleep_ms(ctx, INT64_MAX));
    EXPECT(leat_cancelled(ctx));
    return NULL;
}

static leat_value *node_throws(leat_context *ctx, leat_view state)
{
    (void)state;
    return leat_fail(ctx, "ValueError", "boom");
}

static void build_one_fails(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "good", node_a);
    leat_add_node(g, "never", node_never);
    leat_add_node(g, "throws", node_throws);
    leat_add_edge(g, LEAT_START, "good");
    leat_add_edge(g, LEAT_START, "never");
    leat_add_edge(g, LEAT_START, "throws");
}

TEST(step_error_stops_siblings_and_keeps_what_is_done)
{
    struct rig r;
    rig_init(&r, build_one_fails, GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "ValueError");
    EXPECT_STR(rig_log(&r), "updates {\"good\":{\"log\":[\"good\"]}}\n");
    EXPECT_STR(rig_values(&r), "{\"log\":[]}");
    EXPECT_STR(rig_view(&r, "values"), "{\"log\":[\"good\"]}");
    EXPECT_STR(rig_view(&r, "applied_next"), "[\"never\",\"throws\"]");
    EXPECT_STR(rig_view(&r, "next"), "[\"good\",\"never\",\"throws\"]");
    rig_fini(&r);
}

/* ---- cancel ------------------------------------------------------------- */

static atomic_bool running;

static void *cancel_when_running(void *arg)
{
    struct rig *r = arg;
    EXPECT_SOON(atomic_load(&running));
    graph_cancel_set(r->cancel);
    return NULL;
}

static leat_value *node_sleeps(leat_context *ctx, leat_view state)
{
    (void)state;
    atomic_store(&running, true);
    EXPECT(!leat_sleep_ms(ctx, 3600 * 1000));
    return NULL;
}

static leat_value *node_polls(leat_context *ctx, leat_view state)
{
    (void)state;
    atomic_store(&running, true);
    int fd = eventfd(0, EFD_CLOEXEC);
    EXPECT_EQ(leat_wait_fd(ctx, fd, POLLIN, 3600 * 1000), -1);
    close(fd);
    return NULL;
}

static void build_sleeps(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "s", node_sleeps);
    leat_add_edge(g, LEAT_START, "s");
}

static void build_polls(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_subgraph(g, "inner", build_sleeps);
    leat_add_node(g, "p", node_polls);
    leat_add_edge(g, LEAT_START, "p");
    leat_add_edge(g, LEAT_START, "inner");
}

static void expect_cancelled(leat_build_fn build)
{
    struct rig r;
    pthread_t thread;
    rig_init(&r, build, GRAPH_MODE_UPDATES);
    EXPECT_EQ(pthread_create(&thread, NULL, cancel_when_running, &r), 0);
    rig_run(&r, "{\"log\":[1]}");
    pthread_join(thread, NULL);
    EXPECT_EQ(r.result.status, GRAPH_CANCELLED);
    EXPECT_STR(rig_values(&r), "{\"log\":[1]}");
    EXPECT(r.result.next);
    rig_fini(&r);
}

TEST(step_cancel_wakes_a_sleep)
{
    expect_cancelled(build_sleeps);
}

TEST(step_cancel_wakes_polls_and_nested_sleeps)
{
    expect_cancelled(build_polls);
}

/* ---- saving ------------------------------------------------------------- */

static void build_ab(leat_graph *g, leat_view config)
{
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_node(g, "b", node_a);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "a", "b");
}

static void build_abc(leat_graph *g, leat_view config)
{
    build_ab(g, config);
    leat_add_node(g, "c", node_a);
    leat_add_edge(g, "b", "c");
}

static void expect_saves(enum graph_durability d, const char *want)
{
    struct rig r;
    rig_init(&r, d == GRAPH_DURABILITY_ASYNC ? build_abc : build_ab,
             GRAPH_MODE_VALUES);
    r.saver_log = true;
    r.req.durability = d;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_log(&r), want);
    rig_fini(&r);
}

TEST(step_sync_waits_for_each_checkpoint)
{
    expect_saves(GRAPH_DURABILITY_SYNC,
                 "put -1\nflush\n"
                 "writes 2\nput 0\nflush\nvalues {\"log\":[]}\n"
                 "writes 2\nput 1\nflush\nvalues {\"log\":[\"a\"]}\n"
                 "writes 1\nput 2\nflush\n"
                 "values {\"log\":[\"a\",\"b\"]}\n");
}

TEST(step_async_is_one_step_ahead)
{
    expect_saves(GRAPH_DURABILITY_ASYNC,
                 "put -1\n"
                 "writes 2\nput 0\nvalues {\"log\":[]}\n"
                 "writes 2\nput 1\nvalues {\"log\":[\"a\"]}\n"
                 "writes 2\nflush\nput 2\n"
                 "values {\"log\":[\"a\",\"b\"]}\n"
                 "writes 1\nput 3\n"
                 "flush\nvalues {\"log\":[\"a\",\"b\",\"c\"]}\n");
}

TEST(step_exit_saves_once)
{
    expect_saves(GRAPH_DURABILITY_EXIT,
                 "values {\"log\":[]}\nvalues {\"log\":[\"a\"]}\n"
                 "put 2\nflush\nvalues {\"log\":[\"a\",\"b\"]}\n");
}

TEST(step_fenced_run_stops_without_a_word)
{
    struct rig r;
    rig_init(&r, build_ab, GRAPH_MODE_VALUES);
    r.saver_log = true;
    r.fail_put = 2;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FENCED);
    EXPECT_STR(rig_log(&r), "put -1\nwrites 2\n");
    rig_fini(&r);
}

TEST(step_continued_attempt_goes_on)
{
    struct rig r;
    rig_init(&r, build_ab, GRAPH_MODE_VALUES | GRAPH_MODE_TASKS);
    r.req.recursion_limit = 1; /* stands for a crash after a's step */
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    r.req.recursion_limit = 25;
    r.req.continued = true;
    rig_run(&r, "{\"log\":[\"ignored\"]}");
    EXPECT_STR(rig_log(&r), "values {\"log\":[\"a\"]}\n"
                            "task \"b\" {\"log\":[\"a\"]}\n"
                            "result \"b\" {\"log\":[\"b\"]}\n"
                            "values {\"log\":[\"a\",\"b\"]}\n");
    rig_fini(&r);
}

TEST(step_multi_turn_keeps_the_state)
{
    struct rig r;
    rig_init(&r, build_ab, 0);
    rig_run(&r, "{\"log\":[1]}");
    rig_run(&r, "{\"log\":[2]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[1,\"a\",\"b\",2,\"a\",\"b\"]}");
    EXPECT_EQ(graph_memory_count(r.memory), 8);
    EXPECT(!r.result.next);
    rig_fini(&r);
}

/* ---- the cache ---------------------------------------------------------- */

static atomic_int cached_runs;

static leat_value *node_counted(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    cached_runs++;
    return leat_pack("{s:i}", "y", 7);
}

static void build_cached(leat_graph *g, leat_view config)
{
    static const struct leat_node spec = {
        .run = node_counted,
        .cache_ttl_s = -1,
    };
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "y", LEAT_LAST_VALUE);
    leat_add_node_with(g, "n", &spec);
    leat_add_edge(g, LEAT_START, "n");
}

TEST(step_cache_hit_runs_nothing)
{
    struct rig r;
    rig_init(&r, build_cached, GRAPH_MODE_TASKS | GRAPH_MODE_UPDATES);
    r.host.saver = NULL;
    rig_run(&r, "{\"x\":1}");
    rig_run(&r, "{\"x\":1}");
    EXPECT_STR(rig_log(&r),
               "task \"n\" {\"x\":1}\n"
               "updates {\"n\":{\"y\":7},\"__metadata__\":{\"cached\":true}}\n");
    EXPECT_EQ(cached_runs, 1);
    rig_run(&r, "{\"x\":2}");
    EXPECT_EQ(cached_runs, 2);
    graph_cache_clear();
    rig_run(&r, "{\"x\":1}");
    EXPECT_EQ(cached_runs, 3);
    graph_cache_clear();
    rig_fini(&r);
}

static leat_value *route_twice(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("[V,V]", leat_send("n", leat_new_int(1)),
                     leat_send("n", leat_new_int(1)));
}

static void build_twice_alike(leat_graph *g, leat_view config)
{
    static const struct leat_node spec = {
        .run = node_counted,
        .cache_ttl_s = -1,
    };
    static const char *const targets[] = {"n", NULL};
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "y", LEAT_APPEND);
    leat_add_node_with(g, "n", &spec);
    leat_add_branch(g, LEAT_START, route_twice, targets);
}

/* Of two that ask for the same the last one gets it, the other runs. */
TEST(step_cache_hit_is_one_tasks)
{
    struct rig r;
    cached_runs = 0;
    graph_cache_clear();
    rig_init(&r, build_twice_alike, GRAPH_MODE_TASKS);
    r.host.saver = NULL;
    rig_run(&r, "{\"x\":1}");
    EXPECT_EQ(cached_runs, 2);
    rig_run(&r, "{\"x\":1}");
    EXPECT_EQ(cached_runs, 3);
    graph_cache_clear();
    rig_fini(&r);
}

/* By whether x is even; below zero there is no key. */
static leat_value *evenness(leat_view input)
{
    int64_t x = leat_int(leat_get(input, "x"), 0);
    return x < 0 ? NULL : leat_new_bool(x % 2 == 0);
}

static void build_keyed(leat_graph *g, leat_view config)
{
    build_cached(g, config);
    leat_set_cache_key(g, "n", evenness);
}

TEST(step_cache_goes_by_the_authors_key)
{
    struct rig r;
    cached_runs = 0;
    graph_cache_clear();
    rig_init(&r, build_keyed, GRAPH_MODE_UPDATES);
    r.host.saver = NULL;
    static const struct {
        const char *input;
        int runs;
    } turns[] = {{"{\"x\":2}", 1},  {"{\"x\":4}", 1},  {"{\"x\":3}", 2},
                 {"{\"x\":5}", 2},  {"{\"x\":6}", 2},  {"{\"x\":-1}", 3},
                 {"{\"x\":-1}", 4}};
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        rig_run(&r, turns[i].input);
        EXPECT_EQ(cached_runs, turns[i].runs);
    }
    graph_cache_clear();
    rig_fini(&r);
}

/* ---- defer -------------------------------------------------------------- */

static void build_defer(leat_graph *g, leat_view config)
{
    static const struct leat_node late = {.run = node_a, .defer = true};
    (void)config;
    add_log(g);
    leat_add_node(g, "a", node_a);
    leat_add_node(g, "a2", node_a);
    leat_add_node_with(g, "late", &late);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, LEAT_START, "late");
    leat_add_edge(g, "a", "a2");
}

TEST(step_deferred_node_runs_last)
{
    struct rig r;
    rig_init(&r, build_defer, 0);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"a\",\"a2\",\"late\"]}");
    rig_fini(&r);
}

static leat_value *node_steps(leat_context *ctx, leat_view state)
{
    EXPECT_EQ(leat_int(leat_get(state, "left"), -1),
              leat_remaining_steps(ctx));
    return leat_pack("{s:[v, v]}", "log", leat_get(state, "left"),
                     leat_get(state, "last"));
}

static leat_value *while_steps(leat_context *ctx, leat_view state)
{
    (void)ctx;
    bool last = leat_bool(leat_get(state, "last"), false);
    return leat_new_string(last ? LEAT_END : "a");
}

static void build_steps(leat_graph *g, leat_view config)
{
    static const char *const targets[] = {"a", LEAT_END, NULL};
    (void)config;
    add_log(g);
    leat_add_channel(g, "left", LEAT_REMAINING_STEPS);
    leat_add_channel(g, "last", LEAT_IS_LAST_STEP);
    leat_add_node(g, "a", node_steps);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", while_steps, targets);
}

TEST(step_shows_the_steps_that_are_left)
{
    struct rig r;
    rig_init(&r, build_steps, 0);
    r.req.recursion_limit = 3;
    rig_run(&r, "{\"log\":[],\"left\":99}"); /* not to be written */
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_output(&r), "{\"log\":[2,false,1,true]}");
    rig_fini(&r);
}
