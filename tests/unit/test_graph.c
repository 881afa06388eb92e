/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in a description, and the numbers a compiled graph has. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"
#include "worker/graph/graph.h"

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
    return leat_new_string(LEAT_END);
}

static void build_good(leat_graph *g, leat_view config)
{
    static const char *const in[] = {"x", NULL};
    static const char *const out[] = {"z", "y", NULL};
    static const char *const both[] = {"b", "a", NULL};
    static const char *const star[] = {"*", NULL};
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "y", LEAT_APPEND);
    leat_add_channel(g, "z", LEAT_UNTRACKED);
    leat_input_keys(g, in);
    leat_output_keys(g, out);
    leat_add_node(g, "b", node);
    leat_add_node(g, "a", node);
    leat_add_node(g, "c", node);
    leat_add_edge(g, LEAT_START, "b");
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "c", LEAT_END);
    leat_add_join(g, both, "c");
    leat_add_branch(g, "c", route, NULL);
    leat_interrupt_before(g, star);
    leat_set_name(g, "good");
    leat_set_schema(g, "input", "{\"type\":\"object\"}");
}

TEST(graph_numbers_everything)
{
    struct rig r;
    rig_init(&r, build_good, 0);
    const struct graph *g = r.graph;
    EXPECT_STR(g->name, "good");
    EXPECT_EQ(g->node_count, 4);
    EXPECT_STR(g->nodes[0].name, "__start__");
    EXPECT_EQ(graph_node_get(g, "a", 1)->number, 2);
    EXPECT(graph_node_get(g, "ab", 2) == NULL);
    EXPECT(graph_node_get(g, "abc", 1) == graph_node_get(g, "a", 1));
    EXPECT_EQ(graph_channel_number(g, "y", 1), CHANNEL_STATE + 1);
    EXPECT_EQ(graph_channel_number(g, "__resume__", 10), WRITE_RESUME);
    EXPECT_EQ(graph_channel_number(g, "none", 4), WRITE_UNKNOWN);
    EXPECT_STR(graph_channel_name(g, WRITE_ERROR), "__error__");
    EXPECT_EQ(g->input.count, 1);
    EXPECT_EQ(g->output.at[0], CHANNEL_STATE + 1);
    EXPECT_EQ(g->output.at[1], CHANNEL_STATE + 2);
    EXPECT(g->has_untracked);
    EXPECT(g->before.all && !g->after.all);
    const struct graph_node *c = graph_node_get(g, "c", 1);
    EXPECT(c->ends_here);
    EXPECT_EQ(c->trigger_count, 2);
    EXPECT_STR(rig_json(c->triggers_shown),
               "[\"branch:to:c\",\"join:b+a:c\"]");
    EXPECT_STR(rig_json(g->schemas), "{\"input\":{\"type\":\"object\"}}");
    rig_fini(&r);
}

static void build_many_mistakes(leat_graph *g, leat_view config)
{
    static const char *const nobody[] = {NULL};
    static const char *const ghost[] = {"ghost", NULL};
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_channel(g, "__input__", LEAT_LAST_VALUE);
    leat_add_channel(g, "r", LEAT_REDUCE);
    leat_add_node(g, "x", node);
    leat_add_node(g, "n", node);
    leat_add_node(g, "n", node);
    leat_add_node(g, "a|b", node);
    leat_add_node(g, "__end__", node);
    leat_add_node(g, "empty", NULL);
    leat_add_edge(g, "n", "unknown");
    leat_add_edge(g, "ghost", "n");
    leat_add_edge(g, LEAT_END, "n");
    leat_add_edge(g, "n", LEAT_START);
    leat_add_join(g, nobody, "n");
    leat_add_branch(g, "n", NULL, ghost);
    leat_interrupt_after(g, ghost);
    leat_output_keys(g, ghost);
    leat_set_schema(g, "wrong", "{}");
    leat_set_schema(g, "input", "{");
}

TEST(graph_reports_all_mistakes_at_once)
{
    const char *text = rig_mistakes(build_many_mistakes);
    EXPECT_HAS(text, "'r' has no reducer");
    EXPECT_HAS(text, "node 'empty' has no function");
    EXPECT_HAS(text, "no such schema: 'wrong'");
    EXPECT_HAS(text, "; ");
}

static void one_mistake(leat_graph *g, const char *from, const char *to)
{
    leat_add_channel(g, "k", LEAT_LAST_VALUE);
    leat_add_node(g, "n", node);
    leat_add_edge(g, LEAT_START, "n");
    leat_add_edge(g, from, to);
}

static void build_to_unknown(leat_graph *g, leat_view config)
{
    (void)config;
    one_mistake(g, "n", "unknown");
}

static void build_from_end(leat_graph *g, leat_view config)
{
    (void)config;
    one_mistake(g, LEAT_END, "n");
}

static void build_key_and_node(leat_graph *g, leat_view config)
{
    (void)config;
    one_mistake(g, "n", LEAT_END);
    leat_add_node(g, "k", node);
}

static void build_no_entry(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_node(g, "n", node);
}

static void build_colon(leat_graph *g, leat_view config)
{
    (void)config;
    one_mistake(g, "n", LEAT_END);
    leat_add_node(g, "a:b", node);
}

static void build_island(leat_graph *g, leat_view config)
{
    (void)config;
    one_mistake(g, "n", LEAT_END);
    leat_add_node(g, "x", node);
    leat_add_node(g, "y", node);
    leat_add_edge(g, "x", "y");
    leat_add_edge(g, "y", "x"); /* lead to each other, and nothing to them */
}

static leat_value *nowhere(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_new_string(LEAT_END);
}

static void build_anywhere(leat_graph *g, leat_view config)
{
    build_island(g, config);
    leat_add_branch(g, "n", nowhere, NULL);
}

static void build_ends(leat_graph *g, leat_view config)
{
    static const char *const ends[] = {"n", LEAT_END, NULL};
    (void)config;
    leat_add_node_with(g, "first", &(struct leat_node){.run = node,
                                                       .ends = ends});
    leat_add_node(g, "n", node);
    leat_add_edge(g, LEAT_START, "first");
}

TEST(graph_nodes_must_be_reachable)
{
    EXPECT_STR(rig_mistakes(build_island),
               "node 'x' cannot be reached (a node that goes there by a "
               "command names it in `ends`); node 'y' cannot be reached (a "
               "node that goes there by a command names it in `ends`)");
    EXPECT_STR(rig_mistakes(build_anywhere), "");
    EXPECT_STR(rig_mistakes(build_ends), "");
}

static void build_bad_labels(leat_graph *g, leat_view config)
{
    static const char *const targets[] = {"n", LEAT_END, NULL};
    static const char *const labels[] = {"more", NULL};
    (void)config;
    one_mistake(g, "n", LEAT_END);
    leat_add_branch_with(g, "n", &(struct leat_branch){.route = nowhere,
                                                       .targets = targets,
                                                       .labels = labels});
}

TEST(graph_names_each_mistake)
{
    EXPECT_STR(rig_mistakes(build_bad_labels),
               "a branch from 'n' has not as many labels as targets");
    EXPECT_STR(rig_mistakes(build_to_unknown),
               "an edge goes to 'unknown', which is no node");
    EXPECT_STR(rig_mistakes(build_from_end),
               "an edge cannot come from the end");
    EXPECT_STR(rig_mistakes(build_key_and_node),
               "'k' is a node and a key of the state");
    EXPECT_STR(rig_mistakes(build_no_entry),
               "no edge leads from the start to a node");
    EXPECT_STR(rig_mistakes(build_colon),
               "'|' and ':' cannot be in the node name 'a:b'");
}

static void build_bad_child(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_subgraph(g, "child", build_no_entry);
    leat_add_edge(g, LEAT_START, "child");
}

static void build_endless(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_subgraph(g, "again", build_endless);
    leat_add_edge(g, LEAT_START, "again");
}

TEST(graph_mistakes_of_children)
{
    EXPECT_STR(rig_mistakes(build_bad_child),
               "in 'child': no edge leads from the start to a node");
    EXPECT_HAS(rig_mistakes(build_endless), "nested too deep");
}

static int kept_alive;

static void on_destroy(void *data)
{
    EXPECT(data == &kept_alive);
    kept_alive--;
}

TEST(graph_keeps_data_until_it_dies)
{
    struct err err = ERR_INIT;
    struct graph *g;
    leat_graph *b = graph_builder_new();
    build_good(b, (leat_view){0});
    kept_alive = 1;
    graph_builder_keep(b, &kept_alive, on_destroy);
    EXPECT(graph_compile(&b, &g, &err));
    EXPECT(b == NULL);
    struct graph *second = graph_hold(g);
    graph_drop(&g);
    EXPECT_EQ(kept_alive, 1);
    graph_drop(&second);
    EXPECT_EQ(kept_alive, 0);
}

static void build_rules_of_nobody(leat_graph *g, leat_view config)
{
    (void)config;
    leat_set_retry_on(g, "later", NULL);
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_node(g, "later", node);
    leat_set_cache_key(g, "other", NULL);
    leat_add_edge(g, LEAT_START, "later");
}

TEST(graph_rules_are_for_nodes_that_are_there)
{
    const char *text = rig_mistakes(build_rules_of_nobody);
    EXPECT_HAS(text, "a retry rule for 'later', which is no node");
    EXPECT_HAS(text, "a cache key for 'other', which is no node");
}
