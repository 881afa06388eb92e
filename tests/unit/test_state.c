/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and changing a thread's state from outside. The recorded traces
 * cover the shapes; here are the rules that they do not reach. */
#include "tests/harness/harness.h"
#include "worker/graph/decl.h"
#include "worker/graph/memory.h"
#include "worker/graph/state.h"

#include <stdio.h>
#include <stdlib.h>

static leat_value *json(const char *text)
{
    char why[128];
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s: %s", text, why);
    return v;
}

/* A graph, a thread, and the call's shape. */
struct rig {
    struct graph *graph;
    graph_memory_t *memory;
    struct graph_host host;
    struct graph_request req;
    struct err err;
    char type[128];
};

static void rig_init(struct rig *r, const char *graphs)
{
    *r = (struct rig){.err = ERR_INIT};
    leat_value *v = json(graphs);
    EXPECT_MSG(graph_decl_compile(leat_view_of(v), &r->graph, &r->err), "%s",
               r->err.text);
    leat_drop(v);
    r->memory = graph_memory_new();
    r->host.saver = graph_memory_saver(r->memory);
    r->req.thread_id = "t";
    r->req.run_id = "22222222-2222-4222-8222-222222222222";
    r->req.attempt = 1;
    r->req.recursion_limit = 25;
}

static void rig_fini(struct rig *r)
{
    graph_drop(&r->graph);
    graph_memory_destroy(&r->memory);
}

static enum graph_status run(struct rig *r, const char *input)
{
    struct graph_result result;
    leat_value *v = json(input);
    r->req.input = leat_view_of(v);
    graph_run(r->graph, &r->req, &r->host, &result);
    enum graph_status status = result.status;
    graph_result_fini(&result);
    leat_drop(v);
    return status;
}

/* One field of the state as JSON; "! error". Static memory. */
static const char *state(struct rig *r, const char *field)
{
    static char text[1024];
    leat_value *v = NULL;
    const struct graph_asked a = {r->graph, &r->req, &r->host};
    if (!graph_state_get(&a, &v, &r->err)) {
        (void)snprintf(text, sizeof text, "! %s", r->err.text);
        return text;
    }
    char *shown = leat_to_json(leat_get(leat_view_of(v), field));
    (void)base_copy(text, sizeof text, shown);
    leat_free_text(shown);
    leat_drop(v);
    return text;
}

/* "" or "Type: text". Static memory. */
static const char *update(struct rig *r, const char *supersteps)
{
    static char text[1024];
    leat_value *v = json(supersteps);
    const struct graph_asked a = {r->graph, &r->req, &r->host};
    struct graph_updated u;
    bool ok = graph_state_update(&a, leat_view_of(v), &u, &r->err);
    (void)snprintf(text, sizeof text, "%s%s%s", ok ? "" : u.error_type,
                   ok ? "" : ": ", ok ? "" : r->err.text);
    EXPECT(ok == (u.config != NULL));
    leat_drop(u.config);
    leat_drop(v);
    return text;
}

#define LINE                                                                   \
    "{\"main\":{\"state\":{\"log\":\"append\",\"n\":\"last\"},\"nodes\":{"     \
    "\"a\":{\"do\":[{\"op\":\"return\",\"value\":{\"log\":[\"a\"]}}]},"        \
    "\"b\":{\"do\":[{\"op\":\"return\",\"value\":{\"log\":[\"b\"]}}]}},"       \
    "\"edges\":[[\"__start__\",\"a\"],[\"a\",\"b\"]],"                         \
    "\"interrupt_before\":[\"b\"]}}"
#define FORK                                                                   \
    "{\"main\":{\"state\":{\"log\":\"append\"},\"nodes\":{\"a\":{\"do\":[]},"  \
    "\"b\":{\"do\":[]},\"c\":{\"do\":[]}},\"edges\":[[\"__start__\",\"a\"],"   \
    "[\"__start__\",\"b\"],[\"a\",\"c\"],[\"b\",\"c\"]],"                      \
    "\"interrupt_before\":[\"c\"]}}"

TEST(state_of_nothing_is_empty)
{
    struct rig r;
    rig_init(&r, LINE);
    EXPECT_STR(state(&r, "values"), "{}");
    EXPECT_STR(state(&r, "next"), "[]");
    EXPECT_STR(state(&r, "metadata"), "null");
    EXPECT_STR(state(&r, "config"),
               "{\"configurable\":{\"thread_id\":\"t\","
               "\"checkpoint_ns\":\"\"}}");
    rig_fini(&r);
}

TEST(state_needs_a_saver)
{
    struct rig r;
    rig_init(&r, LINE);
    r.host.saver = NULL;
    EXPECT_STR(state(&r, "next"), "! ValueError: No checkpointer set");
    EXPECT_STR(update(&r, "[[{\"values\":{\"n\":1},\"as_node\":\"a\"}]]"),
               "ValueError: No checkpointer set");
    rig_fini(&r);
}

TEST(state_update_infers_the_last_node)
{
    struct rig r;
    rig_init(&r, LINE);
    EXPECT_EQ(run(&r, "{\"log\":[\"i\"]}"), GRAPH_INTERRUPTED);
    EXPECT_STR(state(&r, "next"), "[\"b\"]");
    EXPECT_STR(update(&r, "[[{\"values\":{\"n\":5}}]]"), "");
    EXPECT_STR(state(&r, "values"), "{\"log\":[\"i\",\"a\"],\"n\":5}");
    EXPECT_STR(state(&r, "next"), "[\"b\"]");
    rig_fini(&r);
}

TEST(state_update_of_a_fresh_thread_is_the_start)
{
    struct rig r;
    rig_init(&r, LINE);
    EXPECT_STR(update(&r, "[[{\"values\":{\"n\":5}}]]"), "");
    EXPECT_STR(state(&r, "next"), "[\"a\"]");
    rig_fini(&r);
}

TEST(state_update_refuses_what_is_ambiguous)
{
    struct rig r;
    rig_init(&r, FORK);
    EXPECT_EQ(run(&r, "{\"log\":[]}"), GRAPH_INTERRUPTED);
    EXPECT_STR(update(&r, "[[{\"values\":{\"log\":[1]}}]]"),
               "InvalidUpdateError: Ambiguous update, specify as_node");
    EXPECT_STR(update(&r, "[[{\"values\":{},\"as_node\":\"x\"}]]"),
               "InvalidUpdateError: Node x does not exist");
    EXPECT_STR(update(&r, "[[{\"values\":{},\"as_node\":\"a\"},"
                          "{\"values\":{}}]]"),
               "InvalidUpdateError: as_node is required when applying "
               "multiple updates");
    rig_fini(&r);
}

TEST(state_update_refuses_what_is_empty)
{
    struct rig r;
    rig_init(&r, LINE);
    EXPECT_STR(update(&r, "[]"), "ValueError: No supersteps provided");
    EXPECT_STR(update(&r, "[[]]"), "ValueError: No updates provided");
    EXPECT_STR(update(&r, "[[{\"values\":null,\"as_node\":\"__copy__\"}]]"),
               "InvalidUpdateError: Cannot copy a non-existent checkpoint");
    EXPECT_STR(update(&r, "[[{\"values\":null,\"as_node\":\"__input__\"}]]"),
               "InvalidUpdateError: Received no input writes for __start__");
    EXPECT_EQ(graph_memory_count(r.memory), 0);
    rig_fini(&r);
}

TEST(state_copy_can_update_in_one_go)
{
    struct rig r;
    rig_init(&r, LINE);
    EXPECT_EQ(run(&r, "{\"log\":[\"i\"]}"), GRAPH_INTERRUPTED);
    size_t before = graph_memory_count(r.memory);
    EXPECT_STR(update(&r, "[[{\"values\":[[{\"n\":9},\"a\"]],"
                          "\"as_node\":\"__copy__\"}]]"),
               "");
    EXPECT_EQ(graph_memory_count(r.memory), before + 2);
    EXPECT_STR(state(&r, "values"), "{\"log\":[\"i\",\"a\"],\"n\":9}");
    EXPECT_STR(state(&r, "next"), "[\"b\"]");
    rig_fini(&r);
}

TEST(state_of_an_unknown_namespace_is_refused)
{
    struct rig r;
    rig_init(&r, LINE);
    r.req.checkpoint_ns = "sub:1";
    EXPECT_STR(state(&r, "next"), "! ValueError: Subgraph sub:1 not found");
    rig_fini(&r);
}

#define NESTED                                                                 \
    "{\"main\":{\"state\":{\"log\":\"append\"},\"nodes\":{\"sub\":{\"graph\":" \
    "\"sub\"}},\"edges\":[[\"__start__\",\"sub\"]]},\"sub\":{\"state\":"       \
    "{\"log\":\"append\"},\"nodes\":{\"ask\":{\"do\":[{\"op\":\"interrupt\","  \
    "\"value\":\"q\",\"as\":\"v\"},{\"op\":\"return\",\"value\":{\"log\":"     \
    "[{\"$var\":\"v\"}]}}]}},\"edges\":[[\"__start__\",\"ask\"]]}}"

TEST(state_of_a_subgraph_is_read_and_changed_by_its_namespace)
{
    struct rig r;
    char ns[128];
    rig_init(&r, NESTED);
    EXPECT_EQ(run(&r, "{\"log\":[\"i\"]}"), GRAPH_INTERRUPTED);
    const char *tasks = state(&r, "tasks");
    EXPECT_HAS(tasks, "\"checkpoint_ns\":\"sub:");
    const char *at = strstr(tasks, "\"sub:") + 1;
    size_t len = strcspn(at, "\"");
    EXPECT(len < sizeof ns);
    memcpy(ns, at, len);
    ns[len] = '\0';
    r.req.checkpoint_ns = ns;
    EXPECT_STR(state(&r, "next"), "[\"ask\"]");
    EXPECT_HAS(state(&r, "config"), "\"checkpoint_map\":{\"\":");
    EXPECT_STR(update(&r, "[[{\"values\":{\"log\":[\"u\"]},"
                          "\"as_node\":\"ask\"}]]"),
               "");
    EXPECT_STR(state(&r, "values"), "{\"log\":[\"i\",\"u\"]}");
    EXPECT_STR(state(&r, "next"), "[]");
    r.req.checkpoint_ns = NULL;
    EXPECT_STR(state(&r, "values"), "{\"log\":[\"i\"]}");
    rig_fini(&r);
}

TEST(state_bare_namespaces)
{
    char out[512];
    graph_state_bare_ns("", out);
    EXPECT_STR(out, "");
    graph_state_bare_ns("a:1|b:2", out);
    EXPECT_STR(out, "a|b");
    graph_state_bare_ns("a:1|2|b:3|1", out);
    EXPECT_STR(out, "a|b");
}

TEST(state_history_stops_at_the_limit)
{
    struct rig r;
    leat_value *list = NULL;
    rig_init(&r, LINE);
    EXPECT_EQ(run(&r, "{\"log\":[\"i\"]}"), GRAPH_INTERRUPTED);
    struct graph_query q = {.limit = 2};
    const struct graph_asked a = {r.graph, &r.req, &r.host};
    EXPECT(graph_state_history(&a, &q, &list, &r.err));
    EXPECT_EQ(leat_count(leat_view_of(list)), 2);
    leat_view newest = leat_at(leat_view_of(list), 0);
    EXPECT_EQ(leat_int(leat_get(leat_get(newest, "metadata"), "step"), -9), 1);
    leat_drop(list);
    rig_fini(&r);
}
