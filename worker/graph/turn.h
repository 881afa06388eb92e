/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/turn.h: several tools of one node at a time, each with a context
 * of its own. What has to happen in one order in every run of the node (asking
 * a person, calling a graph) waits until the tools before have ended.
 */
#ifndef GRAPH_TURN_H
#define GRAPH_TURN_H

#include "worker/graph/inner.h"

struct tool_turns {
    leat_context *node;   /* the node's own context */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool *ended;          /* by tool */
    size_t first;         /* the first that has not ended */
    size_t stopped;       /* the first tool that made the node stop */
};

struct tool_turn {
    struct tool_turns *turns;
    size_t index;
};

void graph_turn_init(struct tool_turns *t, leat_context *node,
                           size_t count);
void graph_turn_fini(struct tool_turns *t);

/* A context for one tool; `turn` must live as long. */
void graph_turn_begin(leat_context *ctx, struct tool_turn *turn);
/* The tool has returned; `stops` when the node has to stop for it. */
void graph_turn_end(leat_context *ctx, bool stops);

/* Waits until it is this tool's turn. False: a tool before has stopped the
 * node, and so has this one now. True at once outside of tools. */
bool graph_turn_wait(leat_context *ctx);

#endif
