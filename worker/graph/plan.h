/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/plan.h: which tasks run next, and what becomes of their writes. Pure:
 * works on the channels and the checkpoint it is given, starts nothing,
 * streams nothing, stores nothing.
 */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "worker/graph/checkpoint.h"
#include "worker/graph/task.h"

struct plan {
    const struct channels *channels;
    const struct checkpoint *checkpoint;
    const char *ns;      /* of the graph; "" root */
    int step;            /* that the tasks would be (metadata.step + 1) */
    int stop;            /* the step at which the recursion limit ends it */
    const bool *updated; /* by channel, from the last apply; NULL: unknown */
};

/* The next tasks: sends first, then nodes (by name when `updated` is known,
 * else as declared). Inputs are filled in. */
void graph_plan_next(const struct plan *p, struct tasks *out);

/* What takes part in apply: a task, or the pseudo task of an input. */
struct plan_writer {
    const struct task *task;     /* NULL: a pseudo task without triggers */
    const struct writes *writes; /* NULL: none */
    bool interrupt_trigger;      /* update_state: a real step whose trigger
                                    is `__interrupt__`, nothing consumed */
};

struct plan_writers {
    const struct plan_writer *at;
    size_t count;
};

/*
 * Applies the writes of one step (spec/engine.md 4.3). `updated` (by channel,
 * may be NULL) tells which channels changed and are available. False: a
 * channel refused, told in f; channels and versions are then half changed.
 */
MUST_USE bool graph_plan_apply(struct channels *c, struct checkpoint *cp,
                               struct plan_writers writers, bool *updated,
                               struct fault *f);

/* What a reader of the state sees of a step that is not done: what its tasks
 * wrote for one step only is gone again. */
void graph_plan_settle(struct channels *c);

/* graph_checkpoint.view (engine.h): what readers see without the graph. The
 * last four may be NULL. */
struct plan_view {
    const struct graph *graph;
    const struct tasks *next;       /* from the checkpoint and its Commands */
    const leat_value *base_values;  /* state with a Command's writes */
    const leat_value *values;       /* and with those of finished tasks */
    const struct tasks *applied;    /* the tasks, with what they wrote */
    const leat_value *run;          /* what a later attempt has to know */
};
leat_value *graph_plan_view(const struct plan_view *v);
/* ["a", "b"]: names of the tasks without writes (all: with them too). */
leat_value *graph_plan_names(const struct tasks *t, bool all);

#endif
