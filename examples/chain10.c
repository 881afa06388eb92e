/* SPDX-License-Identifier: Apache-2.0 */
/* chain10.c: ten nodes in a row that add 1 each. */
#include <leat/graph.h>
#include <stdio.h>

static leat_value *inc(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_pack("{s:I}", "x", leat_int(leat_get(state, "x"), 0) + 1);
}

static void chain10(leat_graph *g, leat_view config)
{
    (void)config;
    char name[8];
    char before[sizeof name];
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "n%d", i);
        snprintf(before, sizeof before, "n%d", i - 1);
        leat_add_node(g, name, inc);
        leat_add_edge(g, i == 0 ? LEAT_START : before, name);
    }
    leat_add_edge(g, "n9", LEAT_END);
}

LEAT_GRAPHS({"chain10", chain10, false})
