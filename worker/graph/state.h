/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h: what reading and updating a thread's state have in common: which
 * graph a namespace is of, the checkpoint that is asked for, and the shapes
 * of configs. graph_state_get() and the other calls are in engine.h.
 */
#ifndef GRAPH_STATE_H
#define GRAPH_STATE_H

#include "worker/graph/plan.h"

/* Whose state: a graph of the request's and its namespace. */
struct graph_scene {
    const struct graph *graph;
    char ns[512];
};

/* Finds the graph of req->checkpoint_ns; false when there is none. */
MUST_USE bool graph_state_find(const struct graph *g,
                               const struct graph_request *req,
                               struct graph_scene *out, struct fault *f);

/* ns with the task ids and call numbers taken out: "a:1|b:2|1" -> "a|b". */
void graph_state_bare_ns(const char *ns, char out[512]);

/* A loaded checkpoint, ready to be worked on. */
struct graph_loaded {
    struct graph_saved saved;
    struct checkpoint cp;
    struct channels channels;
    struct pendings pending;
};
/* id NULL: the latest. saved.found false: nothing there, the rest is empty
 * but can be worked on. */
MUST_USE bool graph_state_load(const struct graph_scene *at,
                               const struct graph_host *host, const char *id,
                               struct graph_loaded *out, struct fault *f);
/* From what list gave; takes `saved`'s content. */
void graph_state_take(const struct graph *g, struct graph_saved *saved,
                      struct graph_loaded *out);
void graph_state_loaded_fini(struct graph_loaded *l);

/* Writes of finished tasks and of Commands; a task's resume counts. */
void graph_state_kept(const struct pendings *p, const char *task_id,
                      struct writes *out);

/* {"configurable": {thread_id, checkpoint_ns, checkpoint_id, checkpoint_map
 * where there are parents}}; `id` "" gives null. */
leat_value *graph_state_config(const char *thread_id, const char *ns,
                               const char *id, leat_view parents);

/* "Type: text" in err, from f. Returns false. */
bool graph_state_fail(const struct fault *f, struct err *err);

#endif
