/* SPDX-License-Identifier: Apache-2.0 */
/* sleeper.c: one custom event, then sleeps input.ms milliseconds. */
#include <leat/graph.h>

static leat_value *sleep_ms(leat_context *ctx, leat_view state)
{
    leat_emit(ctx, leat_pack("{s:b}", "started", 1));
    if (!leat_sleep_ms(ctx, leat_int(leat_get(state, "ms"), 0))) {
        return NULL;
    }
    return leat_pack("{}");
}

static void sleeper(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "ms", LEAT_LAST_VALUE);
    leat_add_node(g, "sleep", sleep_ms);
    leat_add_edge(g, LEAT_START, "sleep");
    leat_add_edge(g, "sleep", LEAT_END);
}

LEAT_GRAPHS({"sleeper", sleeper, false})
