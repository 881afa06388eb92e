/* SPDX-License-Identifier: Apache-2.0 */
/* trivial.c: one node that adds 1. */
#include <leat/graph.h>

static leat_value *inc(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_pack("{s:I}", "x", leat_int(leat_get(state, "x"), 0) + 1);
}

static void trivial(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_node(g, "inc", inc);
    leat_add_edge(g, LEAT_START, "inc");
    leat_add_edge(g, "inc", LEAT_END);
}

LEAT_GRAPHS({"trivial", trivial, false})
