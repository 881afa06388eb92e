/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/context.h: what a node can ask of the engine while it runs
 * (leat_context), for our own code: routes, and contexts outside a run.
 */
#ifndef GRAPH_CONTEXT_H
#define GRAPH_CONTEXT_H

#include "worker/graph/task.h"

/* A context for routes that are asked outside a run (update_state): knows
 * the request, cannot interrupt, emit, or call graphs. */
leat_context *graph_context_detached(const struct graph_request *req,
                                     const struct graph_host *host);
void graph_context_destroy(leat_context **ctx);
/* Sets whose data leat_node_data() gives. */
void graph_context_set_data(leat_context *ctx, void *data, const char *node);

/* A chain inside the node as `events` shows it, under `parent` (NULL: the
 * node itself); NULL while nobody listens. */
struct event_run *graph_context_chain(leat_context *ctx, const char *name,
                                      struct event_run *parent,
                                      leat_view input);
/* Asks a branch where to go; NULL or missing: see graph_context_end(). */
leat_value *graph_context_route(leat_context *ctx,
                                const struct graph_branch *branch,
                                leat_view state);
/* TASK_DONE while nothing made the node stop; else how it ended, with the
 * reason moved to `f` when it failed. */
enum task_end graph_context_end(leat_context *ctx, struct fault *f);

/* Steps before the recursion limit, this one not counted; 0 outside a run. */
int graph_context_steps_left(const leat_context *ctx);

/* Has the node to stop (failed, interrupted, cancelled)? For interpreters. */
bool graph_context_stopped(const leat_context *ctx);

#endif
