/* SPDX-License-Identifier: Apache-2.0 */
/* Questions, answers, static stops, nested ones, commands as input. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"
#include "worker/graph/interrupt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static leat_value *log_of(const char *text)
{
    return leat_pack("{s:[s]}", "log", text);
}

static leat_value *node_named(leat_context *ctx, leat_view state)
{
    (void)state;
    return log_of(leat_node_name(ctx));
}

static leat_value *node_asks(leat_context *ctx, leat_view state)
{
    leat_view answer;
    (void)state;
    if (!leat_interrupt(ctx, leat_new_string(leat_node_name(ctx)), &answer)) {
        return NULL;
    }
    return leat_pack("{s:[v]}", "log", answer);
}

static leat_value *node_asks_twice(leat_context *ctx, leat_view state)
{
    leat_view first;
    leat_view second;
    (void)state;
    if (!leat_interrupt(ctx, leat_new_string("one"), &first) ||
        !leat_interrupt(ctx, leat_new_string("two"), &second)) {
        return NULL;
    }
    return leat_pack("{s:[v,v]}", "log", first, second);
}

static void build_asks(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "ask", node_asks);
    leat_add_node(g, "end", node_named);
    leat_add_edge(g, LEAT_START, "ask");
    leat_add_edge(g, "ask", "end");
}

#define ALL (GRAPH_MODE_VALUES | GRAPH_MODE_UPDATES | GRAPH_MODE_TASKS)

TEST(interrupt_and_resume)
{
    struct rig r;
    rig_init(&r, build_asks, ALL);
    r.saver_log = true;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT(r.result.next);
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 1);
    /* The question is stored before it is shown. */
    EXPECT_HAS(rig_log(&r), "writes 1\nflush\nupdates ! ?\"ask\"\n"
                            "values {\"log\":[]} ! ?\"ask\"\n"
                            "result \"ask\" {} ?\"ask\"\n");
    r.saver_log = false;
    rig_command(&r, "{\"resume\":false}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_log(&r), "values {\"log\":[]}\n"
                            "task \"ask\" {\"log\":[]}\n"
                            "updates {\"ask\":{\"log\":[false]}}\n"
                            "result \"ask\" {\"log\":[false]}\n"
                            "values {\"log\":[false]}\n"
                            "task \"end\" {\"log\":[false]}\n"
                            "updates {\"end\":{\"log\":[\"end\"]}}\n"
                            "result \"end\" {\"log\":[\"end\"]}\n"
                            "values {\"log\":[false,\"end\"]}\n");
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 0);
    rig_fini(&r);
}

TEST(interrupt_output_carries_the_question)
{
    struct rig r;
    rig_init(&r, build_asks, 0);
    rig_run(&r, "{\"log\":[]}");
    leat_view asked = leat_get(leat_view_of(r.result.output), "__interrupt__");
    EXPECT(leat_is(leat_get(leat_at(asked, 0), "value"), "ask"));
    EXPECT_EQ(leat_count(leat_get(leat_at(asked, 0), "id")), 32);
    rig_fini(&r);
}

TEST(interrupt_needs_a_saver)
{
    struct rig r;
    rig_init(&r, build_asks, 0);
    r.host.saver = NULL;
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(r.result.error_type, "GraphValueError");
    rig_fini(&r);
}

static void build_twice(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "ask", node_asks_twice);
    leat_add_edge(g, LEAT_START, "ask");
}

TEST(interrupt_twice_in_one_node)
{
    struct rig r;
    rig_init(&r, build_twice, 0);
    rig_run(&r, "{\"log\":[]}");
    rig_command(&r, "{\"resume\":1}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    rig_command(&r, "{\"resume\":0}");
    EXPECT_STR(rig_output(&r), "{\"log\":[1,0]}");
    rig_fini(&r);
}

TEST(interrupt_new_input_gives_up_the_question)
{
    struct rig r;
    rig_init(&r, build_asks, GRAPH_MODE_TASKS);
    rig_run(&r, "{\"log\":[1]}");
    rig_run(&r, "{\"log\":[2]}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_STR(rig_log(&r), "task \"ask\" {\"log\":[1,2]}\n"
                            "result \"ask\" {} ?\"ask\"\n");
    rig_fini(&r);
}

/* ---- several ------------------------------------------------------------ */

static void build_parallel(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "ok", node_named);
    leat_add_node(g, "p", node_asks);
    leat_add_node(g, "q", node_asks);
    leat_add_edge(g, LEAT_START, "ok");
    leat_add_edge(g, LEAT_START, "p");
    leat_add_edge(g, LEAT_START, "q");
}

/* {"resume": {id of the question `value`: answer}} */
static void answer(struct rig *r, const char *value, const char *with)
{
    char command[256] = "";
    leat_iter it = leat_iter_of(leat_view_of(r->result.interrupts));
    while (leat_next(&it)) {
        leat_view asked = leat_at(it.item, 0);
        leat_text id = leat_string(leat_get(asked, "id"));
        if (leat_is(leat_get(asked, "value"), value)) {
            snprintf(command, sizeof command,
                     "{\"resume\":{\"%.*s\":\"%s\"}}", (int)id.len, id.ptr,
                     with);
        }
    }
    EXPECT(command[0] != '\0');
    rig_command(r, command);
}

TEST(interrupt_answers_by_id)
{
    struct rig r;
    rig_init(&r, build_parallel, ALL);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 2);
    /* What the finished sibling wrote is shown at the end. */
    EXPECT_HAS(rig_log(&r), "\nvalues {\"log\":[\"ok\"]}\n");
    EXPECT_STR(rig_view(&r, "values"), "{\"log\":[\"ok\"]}");
    EXPECT_STR(rig_view(&r, "applied_next"), "[\"p\",\"q\"]");
    EXPECT_STR(rig_values(&r), "{\"log\":[]}");
    answer(&r, "q", "Q");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 1);
    EXPECT_HAS(rig_log(&r), "updates {\"ok\":{\"log\":[\"ok\"]},"
                            "\"__metadata__\":{\"cached\":true}}\n");
    answer(&r, "p", "P");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"ok\",\"P\",\"Q\"]}");
    rig_fini(&r);
}

TEST(interrupt_one_answer_for_many_is_refused)
{
    struct rig r;
    rig_init(&r, build_parallel, 0);
    rig_run(&r, "{\"log\":[]}");
    rig_command(&r, "{\"resume\":1}");
    EXPECT_STR(r.result.error_type, "RuntimeError");
    EXPECT_HAS(r.result.error_text, "multiple pending interrupts");
    /* and nothing is lost by it */
    EXPECT_STR(rig_view(&r, "applied_next"), "[\"p\",\"q\"]");
    rig_fini(&r);
}

/* ---- static ------------------------------------------------------------- */

static void build_static(leat_graph *g, leat_view config)
{
    static const char *const before[] = {"b", NULL};
    static const char *const after[] = {"b", NULL};
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "a", node_named);
    leat_add_node(g, "b", node_named);
    leat_add_node(g, "c", node_named);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "a", "b");
    leat_add_edge(g, "b", "c");
    leat_interrupt_before(g, before);
    leat_interrupt_after(g, after);
}

TEST(interrupt_static_stops_once_at_each_place)
{
    struct rig r;
    rig_init(&r, build_static, GRAPH_MODE_VALUES | GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_STR(rig_log(&r), "values {\"log\":[]}\n"
                            "updates {\"a\":{\"log\":[\"a\"]}}\n"
                            "values {\"log\":[\"a\"]}\n"
                            "updates !\n");
    rig_run(&r, NULL);
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_STR(rig_log(&r), "values {\"log\":[\"a\"]}\n"
                            "updates {\"b\":{\"log\":[\"b\"]}}\n"
                            "values {\"log\":[\"a\",\"b\"]}\n"
                            "updates !\n");
    EXPECT(r.result.next);
    rig_run(&r, NULL);
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    rig_fini(&r);
}

TEST(interrupt_named_by_the_run)
{
    struct rig r;
    leat_value *star = leat_new_string("*");
    rig_init(&r, build_asks, 0);
    r.req.interrupt_before = leat_view_of(star);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 0);
    rig_run(&r, NULL); /* now it asks */
    EXPECT_EQ(leat_count(leat_view_of(r.result.interrupts)), 1);
    leat_drop(star);
    rig_fini(&r);
}

/* ---- nested ------------------------------------------------------------- */

static void build_outer(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_subgraph(g, "sub", build_asks);
    leat_add_edge(g, LEAT_START, "sub");
}

TEST(interrupt_in_a_nested_graph)
{
    struct rig r;
    rig_init(&r, build_outer, GRAPH_MODE_TASKS);
    r.req.subgraphs = true;
    rig_run(&r, "{\"log\":[1]}");
    EXPECT_STR(rig_log(&r), "task \"sub\" {\"log\":[1]}\n"
                            "sub task \"ask\" {\"log\":[1]}\n"
                            "sub result \"ask\" {} ?\"ask\"\n"
                            "result \"sub\" {} ?\"ask\"\n");
    rig_command(&r, "{\"resume\":\"yes\"}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_output(&r), "{\"log\":[1,1,\"yes\",\"end\"]}");
    rig_fini(&r);
}

TEST(interrupt_at_exit_is_stored_before_it_is_shown)
{
    struct rig r;
    rig_init(&r, build_outer, GRAPH_MODE_UPDATES);
    r.req.durability = GRAPH_DURABILITY_EXIT;
    r.req.subgraphs = true;
    r.saver_log = true;
    rig_run(&r, "{\"log\":[1]}");
    EXPECT_STR(rig_log(&r), "sub put 0\nsub writes 2\nflush\n"
                            "sub updates ! ?\"ask\"\n"
                            "put 0\nwrites 2\nflush\n"
                            "updates ! ?\"ask\"\n");
    rig_command(&r, "{\"resume\":2}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_output(&r), "{\"log\":[1,1,2,\"end\"]}");
    EXPECT_EQ(graph_memory_count(r.memory), 3);
    rig_fini(&r);
}

static leat_value *node_calls(leat_context *ctx, leat_view state)
{
    (void)state;
    leat_value *one = leat_call_graph(ctx, "sub", log_of("x"));
    if (one == NULL) {
        return NULL;
    }
    leat_value *two = leat_call_graph(ctx, "sub", log_of("y"));
    if (two == NULL) {
        leat_drop(one);
        return NULL;
    }
    leat_value *out = leat_pack("{s:[v,v]}", "log",
                                leat_get(leat_view_of(one), "log"),
                                leat_get(leat_view_of(two), "log"));
    leat_drop(one);
    leat_drop(two);
    return out;
}

static void build_calls(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_callable(g, "sub", build_asks);
    leat_add_node(g, "n", node_calls);
    leat_add_edge(g, LEAT_START, "n");
}

TEST(interrupt_in_called_graphs)
{
    struct rig r;
    rig_init(&r, build_calls, 0);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    rig_command(&r, "{\"resume\":1}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    rig_command(&r, "{\"resume\":2}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(rig_output(&r),
               "{\"log\":[[\"x\",1,\"end\"],[\"y\",2,\"end\"]]}");
    rig_fini(&r);
}

static leat_value *node_parent(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_command_parent(log_of("up"), leat_new_string("last"));
}

static void build_climber(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "n", node_parent);
    leat_add_edge(g, LEAT_START, "n");
}

static void build_climbed(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    static const char *const ends[] = {"last", NULL};
    leat_add_subgraph_with(g, "sub", build_climber,
                           &(struct leat_node){.ends = ends});
    leat_add_node(g, "last", node_named);
    leat_add_edge(g, LEAT_START, "sub");
}

TEST(interrupt_command_for_the_parent)
{
    struct rig r;
    rig_init(&r, build_climbed, GRAPH_MODE_UPDATES);
    rig_run(&r, "{\"log\":[1]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[1,\"up\",\"last\"]}");
    rig_fini(&r);
    rig_init(&r, build_climber, 0);
    rig_run(&r, "{\"log\":[]}");
    EXPECT_STR(r.result.error_type, "InvalidUpdateError");
    EXPECT_STR(r.result.error_text, "There is no parent graph");
    rig_fini(&r);
}

static leat_value *node_keeps(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return log_of("kept");
}

static void build_own(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "n", node_keeps);
    leat_add_edge(g, LEAT_START, "n");
    leat_set_memory(g, LEAT_MEMORY_OWN);
}

static void build_owner(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_LAST_VALUE);
    leat_add_subgraph(g, "sub", build_own);
    leat_add_edge(g, LEAT_START, "sub");
}

TEST(interrupt_own_memory_stays)
{
    struct rig r;
    rig_init(&r, build_owner, 0);
    rig_run(&r, "{\"log\":[1]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[1,\"kept\"]}");
    rig_run(&r, "{\"log\":[2]}");
    EXPECT_STR(rig_output(&r), "{\"log\":[1,\"kept\",2,\"kept\"]}");
    rig_fini(&r);
}

/* ---- commands and forks ------------------------------------------------- */

static void build_line(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "a", node_named);
    leat_add_node(g, "b", node_named);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "a", "b");
}

TEST(interrupt_command_updates_and_goes)
{
    struct rig r;
    rig_init(&r, build_line, GRAPH_MODE_VALUES | GRAPH_MODE_CHECKPOINTS);
    rig_run(&r, "{\"log\":[]}");
    rig_command(&r, "{\"update\":{\"log\":[\"u\"]},\"goto\":\"b\"}");
    EXPECT_STR(rig_log(&r), "values {\"log\":[\"a\",\"b\",\"u\"]}\n"
                            "checkpoint 2 \"loop\" [\"b\"]\n"
                            "values {\"log\":[\"a\",\"b\",\"u\",\"b\"]}\n"
                            "checkpoint 3 \"loop\" []\n");
    rig_command(&r, "{}");
    EXPECT_STR(r.result.error_type, "EmptyInputError");
    rig_command(&r, "{\"graph\":\"__parent__\",\"goto\":\"a\"}");
    EXPECT_STR(r.result.error_text, "There is no parent graph");
    rig_fini(&r);
}

TEST(interrupt_command_shows_in_the_view)
{
    struct rig r;
    rig_init(&r, build_asks, 0);
    rig_run(&r, "{\"log\":[]}");
    rig_command(&r, "{\"update\":{\"log\":[\"u\"]}}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_STR(rig_view(&r, "base_values"), "{\"log\":[\"u\"]}");
    EXPECT_STR(rig_view(&r, "next"), "[\"ask\"]");
    EXPECT_STR(rig_values(&r), "{\"log\":[\"u\"]}");
    rig_fini(&r);
}

TEST(interrupt_commands_add_up_on_a_checkpoint)
{
    struct rig r;
    rig_init(&r, build_asks, GRAPH_MODE_VALUES);
    rig_run(&r, "{\"log\":[]}");
    rig_command(&r, "{\"update\":{\"log\":[\"u\"]}}");
    rig_command(&r, "{\"update\":{\"log\":[\"v\"]}}");
    EXPECT_STR(rig_values(&r), "{\"log\":[\"u\",\"v\"]}");
    rig_command(&r, "{\"resume\":1}");
    EXPECT_STR(rig_output(&r), "{\"log\":[\"u\",\"v\",1,\"end\"]}");
    rig_fini(&r);
}

static void checkpoint_at(struct rig *r, size_t index, char id[37])
{
    struct graph_saved *list;
    struct err err = ERR_INIT;
    size_t n;
    const struct graph_query q = {.ns = ""};
    EXPECT(r->saver.list(r->saver.self, &q, &list, &n, &err));
    EXPECT(index < n);
    memcpy(id, list[index].cp.id, 37);
    for (size_t i = 0; i < n; i++) {
        graph_saved_fini(&list[i]);
    }
    free(list);
}

TEST(interrupt_time_travel_forks)
{
    struct rig r;
    char id[37];
    rig_init(&r, build_line, GRAPH_MODE_CHECKPOINTS | GRAPH_MODE_VALUES);
    rig_run(&r, "{\"log\":[]}");
    checkpoint_at(&r, 1, id); /* before b */
    r.req.checkpoint_id = id;
    rig_run(&r, NULL);
    EXPECT_STR(rig_log(&r), "values {\"log\":[\"a\"]}\n"
                            "checkpoint 2 \"fork\" [\"b\"]\n"
                            "values {\"log\":[\"a\",\"b\"]}\n"
                            "checkpoint 3 \"loop\" []\n");
    rig_fini(&r);
}
