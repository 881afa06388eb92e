/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tools.h: nodes that run tool calls (leat_tool_node), for our own code:
 * the agent and JSON descriptions make theirs of the same parts.
 */
#ifndef GRAPH_TOOLS_H
#define GRAPH_TOOLS_H

#include "worker/graph/graph.h"

struct graph_tool {
    char *name;
    char *description; /* or NULL */
    leat_value *schema; /* or NULL: any arguments */
    leat_tool_fn run;
    void *data;
    bool direct;
};

struct graph_tools {
    struct graph_tool *at;
    size_t count;
    enum leat_tool_errors errors;
    char *error_text;
    char *key;     /* of the messages */
    bool in_order; /* one call after the other */
};

/* A copy of what the author gave; mistakes are noted in `g`. */
struct graph_tools *graph_tools_new(leat_graph *g,
                                    const struct leat_tools *spec);
void graph_tools_destroy(void *tools);

/* The node's function; leat_node_data() are its tools. */
leat_value *graph_tools_run(leat_context *ctx, leat_view state);
/* [{"name", "description", "parameters"}] for a model. */
leat_value *graph_tools_shown(const struct graph_tools *tools);
/* As Python's repr shows it, a text. */
leat_value *graph_tools_repr(leat_view v);
/* NULL when there is none of that name. */
const struct graph_tool *graph_tools_get(const struct graph_tools *tools,
                                         leat_text name);

#endif
