/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/writer.h: the way from a node's result to writes.
 */
#ifndef GRAPH_WRITER_H
#define GRAPH_WRITER_H

#include "worker/graph/channel.h"
#include "worker/graph/task.h"

/*
 * Runs the writers of `node` on `result` (spec/engine.md 1.2): state update,
 * goto, edges, waiting edges, branches. `ctx` is what routes are called with
 * (graph_context_detached() outside a run). TASK_PARENT: `*parent` is the
 * command, one reference. Never adds the no-writes mark.
 */
struct task_writer {
    const struct graph *graph;
    const struct graph_node *node;
    const struct channels *channels; /* as the step sees them */
    leat_context *ctx;
};
enum task_end graph_writer_run(const struct task_writer *w, leat_view result,
                               struct writes *out, leat_value **parent,
                               struct fault *f);

#endif
