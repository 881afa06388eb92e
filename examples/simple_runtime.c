/* SPDX-License-Identifier: Apache-2.0 */
/* simple_runtime.c: reads the run's context and answers with its model. */
#include <leat/graph.h>

static leat_value *use_context(leat_context *ctx, leat_view state)
{
    (void)state;
    return leat_pack("{s:v}", "model",
                     leat_get(leat_runtime_context(ctx), "model"));
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "message", LEAT_LAST_VALUE);
    leat_add_channel(g, "model", LEAT_LAST_VALUE);
    leat_add_node(g, "use_context", use_context);
    leat_add_edge(g, LEAT_START, "use_context");
    leat_add_edge(g, "use_context", LEAT_END);
    leat_set_schema(g, "context",
                    "{\"type\":\"object\",\"properties\":{\"model\":{\"enum\":"
                    "[\"openai\",\"anthropic\",\"unknown\"]}}}");
}

LEAT_GRAPHS({"simple_runtime", build, false})
