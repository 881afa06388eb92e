/* SPDX-License-Identifier: Apache-2.0 */
/* error.c: a node that fails after a second, with a class of its own. */
#include <leat/graph.h>

static leat_value *error_node(leat_context *ctx, leat_view state)
{
    (void)state;
    if (!leat_sleep_ms(ctx, 1000)) {
        return NULL;
    }
    return leat_fail(ctx, "CustomError", "Boo!");
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "error_node", error_node);
    leat_add_edge(g, LEAT_START, "error_node");
    leat_add_edge(g, "error_node", LEAT_END);
}

LEAT_GRAPHS({"error", build, false})
