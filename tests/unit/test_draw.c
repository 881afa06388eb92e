/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs as pictures and as schemas. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

#include <stdio.h>

static leat_value *node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return NULL;
}

static leat_value *route(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return NULL;
}

static void build_child(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "one", node);
    leat_add_node(g, "two", node);
    leat_add_edge(g, LEAT_START, "one");
    leat_add_edge(g, "one", "two");
}

static void build_middle(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "n", LEAT_SUM);
    leat_add_subgraph(g, "child", build_child);
    leat_add_edge(g, LEAT_START, "child");
    leat_add_edge(g, "child", LEAT_END);
}

static void build(leat_graph *g, leat_view config)
{
    static const char *const targets[] = {"b", LEAT_END, NULL};
    static const char *const in[] = {"n", NULL};
    (void)config;
    leat_add_channel(g, "n", LEAT_SUM);
    leat_add_channel_with(g, "s", &(struct leat_channel){
                                      .schema = "{\"type\":\"string\"}"});
    leat_input_keys(g, in);
    leat_set_schema(g, "context", "{\"type\":\"object\"}");
    leat_add_node(g, "a", node);
    leat_add_subgraph(g, "b", build_middle);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_branch(g, "a", route, targets);
}

/* "source>target" of all edges, "?" after conditional ones. */
static const char *edges(const leat_value *drawing)
{
    static char text[1024];
    size_t n = 0;
    text[0] = '\0';
    leat_iter it = leat_iter_of(leat_get(leat_view_of(drawing), "edges"));
    while (leat_next(&it)) {
        leat_text from = leat_string(leat_get(it.item, "source"));
        leat_text to = leat_string(leat_get(it.item, "target"));
        n += (size_t)snprintf(
            text + n, sizeof text - n, "%.*s>%.*s%s ", (int)from.len,
            from.ptr, (int)to.len, to.ptr,
            leat_bool(leat_get(it.item, "conditional"), false) ? "?" : "");
    }
    return text;
}

static void expect_edges(unsigned depth, const char *want)
{
    struct rig r;
    rig_init(&r, build, 0);
    leat_value *v = graph_draw(r.graph, depth);
    EXPECT_STR(edges(v), want);
    leat_drop(v);
    rig_fini(&r);
}

TEST(draw_edges_of_each_depth)
{
    expect_edges(0, "__start__>a b>__end__ a>b? a>__end__? ");
    expect_edges(1, "__start__>a b:child>__end__ a>b:child? a>__end__? ");
    expect_edges(9, "__start__>a b:child:two>__end__ a>b:child:one? "
                    "a>__end__? b:child:one>b:child:two ");
}

/* An agent goes back to where it began: no node is its only beginning. */
static void build_loop(leat_graph *g, leat_view config)
{
    static const char *const targets[] = {"tools", LEAT_END, NULL};
    (void)config;
    leat_add_channel(g, "n", LEAT_SUM);
    leat_add_node(g, "agent", node);
    leat_add_node(g, "tools", node);
    leat_add_edge(g, LEAT_START, "agent");
    leat_add_branch(g, "agent", route, targets);
    leat_add_edge(g, "tools", "agent");
}

static void build_around_loop(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "n", LEAT_SUM);
    leat_add_node(g, "before", node);
    leat_add_subgraph(g, "helper", build_loop);
    leat_add_edge(g, LEAT_START, "before");
    leat_add_edge(g, "before", "helper");
}

TEST(draw_keeps_ends_that_are_no_node)
{
    struct rig r;
    rig_init(&r, build_around_loop, 0);
    leat_value *v = graph_draw(r.graph, 1);
    EXPECT_STR(edges(v),
               "__start__>before before>helper:__start__ "
               "helper:__end__>__end__ helper:__start__>helper:agent "
               "helper:tools>helper:agent helper:agent>helper:tools? "
               "helper:agent>helper:__end__? ");
    leat_value *nodes = leat_value_of(leat_get(leat_view_of(v), "nodes"));
    EXPECT_HAS(rig_json(nodes), "{\"id\":\"helper:__start__\",\"type\":"
                                "\"schema\",\"data\":\"helper:__start__\"}");
    EXPECT_HAS(rig_json(nodes), "\"id\":\"helper:__end__\"");
    leat_drop(nodes);
    leat_drop(v);
    rig_fini(&r);
}

TEST(draw_nodes)
{
    struct rig r;
    rig_init(&r, build_middle, 0);
    leat_value *v = graph_draw(r.graph, 0);
    leat_value *nodes = leat_value_of(leat_get(leat_view_of(v), "nodes"));
    EXPECT_STR(rig_json(nodes),
               "[{\"id\":\"__start__\",\"type\":\"schema\",\"data\":"
               "\"__start__\"},{\"id\":\"child\",\"type\":\"runnable\","
               "\"data\":{\"id\":[\"langgraph\",\"CompiledStateGraph\"],"
               "\"name\":\"LangGraph\"}},{\"id\":\"__end__\",\"type\":"
               "\"schema\",\"data\":\"__end__\"}]");
    leat_drop(nodes);
    leat_drop(v);
    rig_fini(&r);
}

TEST(draw_schemas)
{
    struct rig r;
    rig_init(&r, build, 0);
    leat_value *v = graph_schema(r.graph);
    EXPECT_STR(rig_json(v),
               "{\"input_schema\":{\"title\":\"Input\",\"type\":\"object\","
               "\"properties\":{\"n\":{\"title\":\"N\",\"type\":\"number\"}}},"
               "\"output_schema\":{\"title\":\"State\",\"type\":"
               "\"object\",\"properties\":{\"n\":{\"title\":\"N\",\"type\":"
               "\"number\"},\"s\":{\"type\":\"string\"}}},"
               "\"state_schema\":{\"title\":\"State\",\"type\":"
               "\"object\",\"properties\":{\"n\":{\"title\":\"N\",\"type\":"
               "\"number\"},\"s\":{\"type\":\"string\"}}},\"config_schema\":{\"type\":"
               "\"object\",\"properties\":{}},\"context_schema\":{\"type\":"
               "\"object\"}}");
    leat_drop(v);
    rig_fini(&r);
}

/* Names of the namespaces that are listed. */
static const char *spaces(const struct rig *r, const char *ns, bool recurse)
{
    static char text[256];
    leat_value *v = graph_schema_subgraphs(r->graph, ns, recurse);
    text[0] = '\0';
    size_t n = 0;
    for (leat_iter it = leat_iter_of(leat_view_of(v)); leat_next(&it);) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ",
                              (int)it.key.len, it.key.ptr);
    }
    leat_drop(v);
    return text;
}

TEST(draw_lists_subgraphs)
{
    struct rig r;
    rig_init(&r, build, 0);
    EXPECT_STR(spaces(&r, NULL, false), "b ");
    EXPECT_STR(spaces(&r, NULL, true), "b b|child ");
    EXPECT_STR(spaces(&r, "b|child", false), "b|child ");
    EXPECT_STR(spaces(&r, "none", true), "");
    rig_fini(&r);
}
