/* SPDX-License-Identifier: Apache-2.0 */
/* emit.c: one node that writes input.n custom events of some 50 bytes. */
#include <leat/graph.h>

static leat_value *emit_all(leat_context *ctx, leat_view state)
{
    int64_t n = leat_int(leat_get(state, "n"), 0);
    for (int64_t i = 0; i < n; i++) {
        if (i % 1024 == 0 && leat_cancelled(ctx)) {
            return NULL;
        }
        leat_emit(ctx, leat_pack("{s:I, s:s}", "i", i, "pad",
                                 "abcdefghijklmnopqrstuvwxyz0123456789"));
    }
    return leat_pack("{s:I}", "done", n);
}

static void emit(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "n", LEAT_LAST_VALUE);
    leat_add_channel(g, "done", LEAT_LAST_VALUE);
    leat_add_node(g, "emit", emit_all);
    leat_add_edge(g, LEAT_START, "emit");
    leat_add_edge(g, "emit", LEAT_END);
}

LEAT_GRAPHS({"emit", emit, false})
