/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/task.h: one execution of one node in one step: who it is, what it
 * reads, what it wrote, and how it ended.
 */
#ifndef GRAPH_TASK_H
#define GRAPH_TASK_H

#include "worker/graph/channel.h"
#include "worker/graph/write.h"

struct task {
    char id[37];
    const struct graph_node *node;
    bool push;            /* started by a send */
    uint32_t index;       /* push: position of the send */
    char *ns;             /* checkpoint_ns: "<graph's ns>|node:id" */
    leat_value *input;    /* what the node reads */
    struct writes writes;
    bool cached;          /* restored or from the cache: the body is not run */
};

struct tasks {
    struct task *at;
    size_t count;
};

void graph_tasks_fini(struct tasks *t);
/* The first with that id, or NULL. */
struct task *graph_tasks_get(const struct tasks *t, const char *id);
/* ["__pregel_pull", "name"] or ["__pregel_push", index, false]. */
leat_value *graph_task_path(const struct task *t);
/* Its triggers as payloads show them; borrowed. */
const leat_value *graph_task_triggers(const struct task *t);

/*
 * The task id of spec/engine.md 3: xxh3-128 over the checkpoint's id, ns,
 * step, name, and triggers or index.
 */
struct task_key {
    const char *checkpoint_id;
    const char *ns;       /* of the graph */
    int step;
    const struct graph_node *node;
    bool push;
    uint32_t index;
};
void graph_task_id(const struct task_key *k, char out[37]);

/* How a node came back besides with a result. */
enum task_end {
    TASK_DONE = 0,
    TASK_FAILED,       /* fault */
    TASK_INTERRUPTED,  /* by its own interrupt() or a nested one's */
    TASK_PARENT,       /* a Command for the graph around this one */
    TASK_CANCELLED,    /* the run, or the step because a sibling failed */
};

#endif
