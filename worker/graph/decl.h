/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl.h: between the files that turn a JSON description of graphs into
 * compiled ones: what the nodes of a description find with leat_node_data().
 * graph_decl_compile() itself is in engine.h.
 */
#ifndef GRAPH_DECL_H
#define GRAPH_DECL_H

#include "worker/graph/expr.h"
#include "worker/graph/graph.h"

/* How often a node's body has begun, under the node's name: nodes of the
 * same name in different graphs of one description count together. */
struct decl_count {
    char *name;
    atomic_llong begun;
    struct decl_count *next;
};

/* One description, for as long as a graph made of it lives. */
struct decl {
    leat_value *graphs;       /* {"main": {...}, ...} */
    struct decl_count *counts;
    struct decl_node *nodes;  /* all that were made, to be freed */
    struct decl_route *routes;
    struct decl_tool *tools;
    unsigned graph_count;     /* graphs built so far */
};

struct decl_node {
    struct decl *decl;
    leat_view spec;           /* the node's own object */
    struct decl_count *count;
    struct decl_node *next;
};

/* One tool of a tool node or an agent. */
struct decl_tool {
    struct decl *decl;
    leat_view spec;
    struct decl_tool *next;
};

struct decl_route {
    struct decl *decl;
    leat_view to;             /* the expression */
    struct decl_route *next;
};

/* $calls: for struct graph_scope, `arg` is the decl. */
int64_t graph_decl_calls(void *decl, leat_text node);

/* A node of {"do": [...]}. */
leat_value *graph_decl_node_run(leat_context *ctx, leat_view state);

/* Notes a mistake with its place; the graph is then refused. */
void graph_decl_mistake(leat_graph *g, const struct graph_place *at,
                        const char *fmt, ...) PRINTF(3, 4);

/* Look for mistakes in the ops or tools of a node at `at`. */
void graph_decl_node_check(leat_graph *g, leat_view ops,
                          struct graph_place *at);
void graph_decl_tool_check(leat_graph *g, leat_view tools,
                            struct graph_place *at);
/* The tools of a list of them, as the public API takes them; free it. */
struct leat_tools graph_decl_tool_list(struct decl *d, leat_view tools);
void graph_decl_tool_free(struct leat_tools *tools);
/* An expression that must be there. */
void graph_decl_check_expr(leat_graph *g, leat_view object, const char *key,
                           struct graph_place *at);

/* Makes `g` the agent that {"react_agent": {...}} describes. */
void graph_decl_agent_read(struct decl *d, leat_graph *g, leat_view spec,
                           struct graph_place *at);

/* The `llm` op: lets the scripted model answer. NULL: the node must stop. */
leat_value *graph_decl_model_run(leat_context *ctx, leat_view op,
                                 leat_view messages);
void graph_decl_model_check(leat_graph *g, leat_view op,
                            struct graph_place *at);

#endif
