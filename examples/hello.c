/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c: the smallest graph: one node that greets. Input: {"name": "..."}. */
#include <leat/graph.h>

static leat_value *greet(leat_context *ctx, leat_view state)
{
    (void)ctx;
    leat_text name = leat_string(leat_get(state, "name"));
    if (name.ptr == NULL) {
        return leat_pack("{s:s}", "greeting", "Hello!");
    }
    return leat_pack("{s:V}", "greeting",
                     leat_new_format("Hello, %.*s!", (int)name.len, name.ptr));
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "name", LEAT_LAST_VALUE);
    leat_add_channel(g, "greeting", LEAT_LAST_VALUE);
    leat_add_node(g, "greet", greet);
    leat_add_edge(g, LEAT_START, "greet");
    leat_add_edge(g, "greet", LEAT_END);
}

LEAT_GRAPHS({"hello", build, false})
