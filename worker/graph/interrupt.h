/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/interrupt.h: questions and their answers: static interrupts, what a
 * Command as input turns into, and which answer belongs to which task.
 */
#ifndef GRAPH_INTERRUPT_H
#define GRAPH_INTERRUPT_H

#include "worker/graph/plan.h"

/* A Command given as input, taken apart (spec/engine.md 7.3). */
struct command {
    struct writes writes; /* of the NULL task */
    leat_value *resume_map; /* {interrupt id: value}, or NULL */
    bool resumes;         /* a resume value or map came with it */
};

/* False: the command breaks a rule, told in f. */
MUST_USE bool graph_command_parse(const struct graph *g, leat_view command,
                                  struct command *out, struct fault *f);
void graph_command_fini(struct command *c);

/* Interrupts that wait for an answer of their own. */
size_t graph_interrupts_open(const struct pendings *p);

/* Must the step stop before / after these tasks? `named` (missing: compiled
 * ones) is "*" or a list of names. */
bool graph_interrupt_static(const struct checkpoint *cp,
                            const struct tasks *tasks,
                            const struct graph_stops *compiled,
                            leat_view named);

/* Marks every channel's version as seen by `__interrupt__`. */
void graph_interrupt_seen(struct checkpoint *cp);

#endif
