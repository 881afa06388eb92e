/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nested.c: graphs in graphs, three levels deep. Each plain node says that it
 * was entered; what a nested graph gives is its whole list, so the words of
 * the outer ones stand in it again.
 */
#include <leat/graph.h>

static leat_value *entered(leat_context *ctx, leat_view state)
{
    (void)state;
    return leat_pack("{s:[V]}", "messages",
                     leat_new_format("Entered %s node", leat_node_name(ctx)));
}

static void add_messages(leat_graph *g)
{
    struct leat_channel list = {LEAT_APPEND, NULL, NULL, true, false, NULL};
    leat_add_channel_with(g, "messages", &list);
}

static void add_line(leat_graph *g, const char *first, const char *second)
{
    leat_add_edge(g, LEAT_START, first);
    leat_add_edge(g, first, second);
    leat_add_edge(g, second, LEAT_END);
}

static void add_word(leat_graph *g, const char *key, const char *schema)
{
    struct leat_channel word = {LEAT_LAST_VALUE, NULL, NULL, false, false,
                                schema};
    leat_add_channel_with(g, key, &word);
}

static void child(leat_graph *g, leat_view config)
{
    (void)config;
    add_messages(g);
    add_word(g, "child",
             "{\"type\":\"string\",\"enum\":[\"child_one\",\"child_two\"]}");
    leat_add_node(g, "c_one", entered);
    leat_add_node(g, "c_two", entered);
    add_line(g, "c_one", "c_two");
}

static void parent(leat_graph *g, leat_view config)
{
    (void)config;
    add_messages(g);
    add_word(g, "parent",
             "{\"type\":\"string\",\"enum\":[\"parent_one\",\"parent_two\"]}");
    leat_add_node(g, "p_one", entered);
    leat_add_subgraph(g, "p_two", child);
    add_line(g, "p_one", "p_two");
}

static void grandparent(leat_graph *g, leat_view config)
{
    (void)config;
    add_messages(g);
    leat_add_node(g, "gp_one", entered);
    leat_add_subgraph(g, "gp_two", parent);
    add_line(g, "gp_one", "gp_two");
}

LEAT_GRAPHS({"nested", grandparent, false})
