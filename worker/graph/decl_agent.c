/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl_agent.c: an agent as a graph of a description: the scripted model and
 * tools of the description, in the agent that the public API makes.
 */
#include "worker/graph/decl.h"

#include <stdlib.h>

static leat_value *run_model(leat_context *ctx, const struct leat_ask *ask)
{
    const struct decl_tool *agent = ask->data;
    return graph_decl_model_run(ctx, agent->spec, ask->messages);
}

static char *text_of(leat_view spec, const char *key)
{
    leat_text t = leat_string(leat_get(spec, key));
    return t.ptr != NULL ? base_memdup(t.ptr, t.len) : NULL;
}

void graph_decl_agent_read(struct decl *d, leat_graph *g, leat_view spec,
                           struct graph_place *at)
{
    size_t mark = graph_expr_place_key(at, (leat_text){"react_agent", 11});
    leat_view tools = leat_get(spec, "tools");
    graph_decl_model_check(g, spec, at);
    size_t inner = graph_expr_place_key(at, (leat_text){"tools", 5});
    graph_decl_tool_check(g, tools, at);
    graph_expr_place_back(at, inner);
    graph_expr_place_back(at, mark);
    struct decl_tool *model = base_zalloc(sizeof *model);
    *model = (struct decl_tool){.decl = d, .spec = spec, .next = d->tools};
    d->tools = model;
    char *prompt = text_of(spec, "prompt"), *name = text_of(spec, "name");
    struct leat_react agent = {
        .model = run_model,
        .model_data = model,
        .tools = graph_decl_tool_list(d, tools),
        .prompt = prompt,
        .name = name,
        .one_task = leat_is(leat_get(spec, "version"), "v1"),
    };
    if (leat_bool(leat_get(spec, "tool_errors"), false)) {
        agent.tools.errors = LEAT_TOOL_ERRORS_ANSWER;
    }
    leat_react_agent(g, &agent);
    graph_decl_tool_free(&agent.tools);
    free(prompt);
    free(name);
}
