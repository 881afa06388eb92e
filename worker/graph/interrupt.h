/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/interrupt.h: questions that wait for an answer, and static interrupts.
 */
#ifndef GRAPH_INTERRUPT_H
#define GRAPH_INTERRUPT_H

#include "worker/graph/plan.h"

/* Of a task's namespace; all questions of one task share it. */
void graph_interrupt_id(const char *task_ns, char out[33]);

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
