/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynamic.c: a factory: the graph is built for each run, here with a node that
 * is named as the run's configuration says.
 */
#include <leat/graph.h>
#include <string.h>

static leat_value *say_name(leat_context *ctx, leat_view state)
{
    (void)state;
    const char *name = leat_node_name(ctx);
    return leat_pack("{s:s, s:[s]}", "node", name, "messages", name);
}

static void build(leat_graph *g, leat_view config)
{
    char name[128] = "default";
    leat_text wanted = leat_string(
        leat_get(leat_get(config, "configurable"), "nodeName"));
    if (wanted.ptr != NULL && wanted.len > 0 && wanted.len < sizeof name) {
        memcpy(name, wanted.ptr, wanted.len);
        name[wanted.len] = '\0';
    }
    leat_add_channel(g, "node", LEAT_LAST_VALUE);
    leat_add_channel(g, "messages", LEAT_APPEND);
    leat_add_node(g, name, say_name);
    leat_add_edge(g, LEAT_START, name);
    leat_add_edge(g, name, LEAT_END);
}

LEAT_GRAPHS({"dynamic", build, true})
