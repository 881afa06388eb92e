/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/pool.h: threads for the tasks of a step. The thread that runs the
 * step works through them in order; others help as soon as one of them waits
 * (graph_pool_waiting) or when the step has taken a millisecond. So tasks
 * that only compute cost no thread at all and end in their order, and tasks
 * that block run side by side.
 */
#ifndef GRAPH_POOL_H
#define GRAPH_POOL_H

#include "worker/graph/engine.h"

/* run(arg, i) for i from 0 to count - 1, each once, on this thread and
 * others; returns when all have returned. */
void graph_pool_run(void (*run)(void *arg, size_t i), void *arg,
                    size_t count);
/* This thread is about to wait: others shall go on with what is left. */
void graph_pool_waiting(void);
/* Most threads of the process; the highest that was asked for counts. */
void graph_pool_limit(unsigned threads);
/* For tests: without threads the tasks of a step run one after the other, in
 * their order, whatever the machine does meanwhile. */
void graph_pool_alone(bool alone);
/* For tests, and without threads only: the next task of a step is the
 * pick(left)-th of those that are left, from 0. NULL: the first. */
void graph_pool_pick(size_t (*pick)(size_t left));
/* Threads there are now. */
unsigned graph_pool_threads(void);
/* graph_pool_stop() is in engine.h. */

#endif
