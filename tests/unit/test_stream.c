/* SPDX-License-Identifier: Apache-2.0 */
/* What each mode says for START -> a -> b, and in which order. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

static leat_value *node_a(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:[s]}", "log", "a");
}

static leat_value *node_b(leat_context *ctx, leat_view state)
{
    leat_emit(ctx, leat_new_int((int64_t)leat_count(leat_get(state, "log"))));
    return leat_pack("{s:[s]}", "log", "b");
}

static void build_ab(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "a", node_a);
    leat_add_node(g, "b", node_b);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "a", "b");
    leat_add_edge(g, "b", LEAT_END);
}

static void expect_log(leat_build_fn build, unsigned modes, const char *want)
{
    struct rig r;
    rig_init(&r, build, modes);
    rig_run(&r, "{\"log\":[\"in\"]}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_log(&r), want);
    rig_fini(&r);
}

TEST(stream_all_in_order)
{
    expect_log(build_ab,
               GRAPH_MODE_CHECKPOINTS | GRAPH_MODE_TASKS | GRAPH_MODE_UPDATES |
                   GRAPH_MODE_VALUES | GRAPH_MODE_CUSTOM,
               "checkpoint -1 \"input\" [\"__start__\"]\n"
               "values {\"log\":[\"in\"]}\n"
               "checkpoint 0 \"loop\" [\"a\"]\n"
               "task \"a\" {\"log\":[\"in\"]}\n"
               "updates {\"a\":{\"log\":[\"a\"]}}\n"
               "result \"a\" {\"log\":[\"a\"]}\n"
               "values {\"log\":[\"in\",\"a\"]}\n"
               "checkpoint 1 \"loop\" [\"b\"]\n"
               "task \"b\" {\"log\":[\"in\",\"a\"]}\n"
               "custom 2\n"
               "updates {\"b\":{\"log\":[\"b\"]}}\n"
               "result \"b\" {\"log\":[\"b\"]}\n"
               "values {\"log\":[\"in\",\"a\",\"b\"]}\n"
               "checkpoint 2 \"loop\" []\n");
}

TEST(stream_values)
{
    expect_log(build_ab, GRAPH_MODE_VALUES,
               "values {\"log\":[\"in\"]}\n"
               "values {\"log\":[\"in\",\"a\"]}\n"
               "values {\"log\":[\"in\",\"a\",\"b\"]}\n");
}

TEST(stream_updates)
{
    expect_log(build_ab, GRAPH_MODE_UPDATES,
               "updates {\"a\":{\"log\":[\"a\"]}}\n"
               "updates {\"b\":{\"log\":[\"b\"]}}\n");
}

TEST(stream_custom)
{
    expect_log(build_ab, GRAPH_MODE_CUSTOM, "custom 2\n");
}

TEST(stream_tasks)
{
    expect_log(build_ab, GRAPH_MODE_TASKS,
               "task \"a\" {\"log\":[\"in\"]}\n"
               "result \"a\" {\"log\":[\"a\"]}\n"
               "task \"b\" {\"log\":[\"in\",\"a\"]}\n"
               "result \"b\" {\"log\":[\"b\"]}\n");
}

TEST(stream_checkpoints)
{
    expect_log(build_ab, GRAPH_MODE_CHECKPOINTS,
               "checkpoint -1 \"input\" [\"__start__\"]\n"
               "checkpoint 0 \"loop\" [\"a\"]\n"
               "checkpoint 1 \"loop\" [\"b\"]\n"
               "checkpoint 2 \"loop\" []\n");
}

TEST(stream_debug_follows_its_twin)
{
    expect_log(build_ab, GRAPH_MODE_DEBUG | GRAPH_MODE_TASKS,
               "debug -1 \"checkpoint\"\n"
               "debug 0 \"checkpoint\"\n"
               "task \"a\" {\"log\":[\"in\"]}\n"
               "debug 1 \"task\"\n"
               "result \"a\" {\"log\":[\"a\"]}\n"
               "debug 1 \"task_result\"\n"
               "debug 1 \"checkpoint\"\n"
               "task \"b\" {\"log\":[\"in\",\"a\"]}\n"
               "debug 2 \"task\"\n"
               "result \"b\" {\"log\":[\"b\"]}\n"
               "debug 2 \"task_result\"\n"
               "debug 2 \"checkpoint\"\n");
}

TEST(stream_events)
{
    expect_log(build_ab, GRAPH_MODE_EVENTS,
               "\"on_chain_start\" \"LangGraph\" 0\n"
               "\"on_chain_start\" \"a\" 1\n"
               "\"on_chain_end\" \"a\" 1\n"
               "\"on_chain_start\" \"b\" 1\n"
               "\"on_chain_end\" \"b\" 1\n"
               "\"on_chain_end\" \"LangGraph\" 0\n");
}

TEST(stream_without_saver_has_no_checkpoints)
{
    struct rig r;
    rig_init(&r, build_ab, GRAPH_MODE_CHECKPOINTS | GRAPH_MODE_CUSTOM);
    r.host.saver = NULL;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_log(&r), "custom 1\n");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"a\",\"b\"]}");
    rig_fini(&r);
}

/* ---- payloads ----------------------------------------------------------- */

static void keep_payload(struct rig *r, const struct graph_event *ev)
{
    leat_value **at = r->arg;
    leat_drop(*at);
    *at = leat_hold(ev->payload);
}

TEST(stream_checkpoint_names_its_configs)
{
    struct rig r;
    leat_value *last = NULL;
    rig_init(&r, build_ab, GRAPH_MODE_CHECKPOINTS);
    r.on_event = keep_payload;
    r.arg = &last;
    leat_value *config =
        leat_pack("{s:{s:s, s:s}}", "configurable", "user", "u1", "__secret",
                  "no");
    r.req.config = leat_view_of(config);
    rig_run(&r, "{\"log\":[]}");
    leat_view v = leat_view_of(last);
    leat_view own = leat_get(leat_get(v, "config"), "configurable");
    leat_view parent = leat_get(leat_get(v, "parent_config"), "configurable");
    EXPECT(leat_is(leat_get(own, "thread_id"), "t1"));
    EXPECT(leat_is(leat_get(own, "checkpoint_ns"), ""));
    EXPECT(leat_is(leat_get(own, "user"), "u1"));
    EXPECT_EQ(leat_type_of(leat_get(own, "__secret")), LEAT_MISSING);
    EXPECT_EQ(leat_type_of(leat_get(parent, "checkpoint_id")), LEAT_STRING);
    EXPECT(!leat_equal(leat_get(parent, "checkpoint_id"),
                       leat_get(own, "checkpoint_id")));
    leat_drop(last);
    leat_drop(config);
    rig_fini(&r);
}

/* ---- messages ----------------------------------------------------------- */

static leat_value *node_talk(leat_context *ctx, leat_view state)
{
    (void)state;
    static const char *const quiet[] = {"nostream", NULL};
    leat_model *m = leat_model_begin(
        ctx, &(struct leat_model_spec){.name = "m", .id = "ai-1"});
    EXPECT(leat_model_text(m, "be", 2));
    EXPECT(leat_model_text(m, "gin", 3));
    leat_value *first = leat_model_end(m);
    m = leat_model_begin(ctx, &(struct leat_model_spec){.tags = quiet});
    EXPECT(leat_model_text(m, "hidden", 6));
    leat_value *second = leat_model_end(m);
    return leat_pack("{s:[V,V,V]}", "messages", first, second,
                     leat_tool_message("ok", "call", "tool"));
}

static void build_talk(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "talk", node_talk);
    leat_add_edge(g, LEAT_START, "talk");
}

TEST(stream_messages_once_each)
{
    struct rig r;
    rig_init(&r, build_talk, GRAPH_MODE_MESSAGES | GRAPH_MODE_MESSAGE_ENDS);
    rig_run(&r, "{\"messages\":[\"hi\"]}");
    EXPECT_STR(rig_log(&r),
               "message \"AIMessageChunk\" \"be\" \"talk\"\n"
               "message \"AIMessageChunk\" \"gin\" \"talk\"\n"
               "message-end \"ai\" \"begin\" \"talk\" final\n"
               "message \"ai\" \"hidden\" \"talk\" final\n"
               "message \"tool\" \"ok\" \"talk\" final\n");
    rig_run(&r, "{\"messages\":[]}");
    /* Nothing of the first run is said again. */
    EXPECT_HAS(rig_log(&r), "\"hidden\"");
    EXPECT(strstr(rig_log(&r), "\"hi\"") == NULL);
    rig_fini(&r);
}

static leat_value *node_unnamed(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:[V]}", "messages", leat_ai_message("one"));
}

static void build_unnamed(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "n", node_unnamed);
    leat_add_edge(g, LEAT_START, "n");
}

static void keep_id(struct rig *r, const struct graph_event *ev)
{
    leat_value **at = r->arg;
    leat_drop(*at);
    *at = leat_value_of(
        leat_get(leat_at(leat_view_of(ev->payload), 0), "id"));
}

TEST(stream_message_id_is_the_one_in_the_state)
{
    struct rig r;
    leat_value *id = NULL;
    rig_init(&r, build_unnamed, GRAPH_MODE_MESSAGES);
    r.on_event = keep_id;
    r.arg = &id;
    rig_run(&r, "{\"messages\":[]}");
    leat_view list = leat_get(leat_view_of(r.result.output), "messages");
    EXPECT_EQ(leat_type_of(leat_view_of(id)), LEAT_STRING);
    EXPECT(leat_equal(leat_get(leat_at(list, 0), "id"), leat_view_of(id)));
    leat_drop(id);
    rig_fini(&r);
}

/* ---- nested graphs ------------------------------------------------------ */

static void build_nested(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_subgraph(g, "sub", build_ab);
    leat_add_edge(g, LEAT_START, "sub");
}

TEST(stream_nested_only_when_asked)
{
    struct rig r;
    rig_init(&r, build_nested, GRAPH_MODE_VALUES | GRAPH_MODE_CUSTOM);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_log(&r), "values {\"log\":[]}\n"
                            "values {\"log\":[\"a\",\"b\"]}\n");
    r.req.subgraphs = true;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(rig_log(&r),
               "values {\"log\":[\"a\",\"b\"]}\n"
               "sub values {\"log\":[\"a\",\"b\"]}\n"
               "sub values {\"log\":[\"a\",\"b\",\"a\"]}\n"
               "sub custom 3\n"
               "sub values {\"log\":[\"a\",\"b\",\"a\",\"b\"]}\n"
               "values {\"log\":[\"a\",\"b\",\"a\",\"b\",\"a\",\"b\"]}\n");
    rig_fini(&r);
}
