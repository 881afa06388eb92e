/* SPDX-License-Identifier: Apache-2.0 */
/* delay.c: sleeps as many milliseconds as the state says, then tells so. */
#include <leat/graph.h>

static leat_value *long_running(leat_context *ctx, leat_view state)
{
    int64_t ms = leat_int(leat_get(state, "delay"), 0);
    if (!leat_sleep_ms(ctx, ms)) {
        return NULL;
    }
    return leat_pack("{s:[V]}", "messages",
                     leat_new_format("finished after %lldms", (long long)ms));
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "delay", LEAT_LAST_VALUE);
    leat_add_node(g, "long_running", long_running);
    leat_add_edge(g, LEAT_START, "long_running");
    leat_add_edge(g, "long_running", LEAT_END);
}

LEAT_GRAPHS({"delay", build, false})
