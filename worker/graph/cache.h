/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/cache.h: what nodes with a cache policy wrote for which input, for
 * all runs of the process. Bounded: a full set gives up its oldest entry.
 */
#ifndef GRAPH_CACHE_H
#define GRAPH_CACHE_H

#include "common/id.h"
#include "worker/graph/task.h"

/* By what the task's input is known. False: it is not to be kept. */
bool graph_cache_key(const struct task *t, char out[ID_HEX_SIZE]);
/* True: the task has the writes of an earlier one with this key. */
bool graph_cache_get(const struct graph *g, struct task *t,
                     const char key[ID_HEX_SIZE]);
/* Keeps what a task of a node with a cache policy wrote. */
void graph_cache_put(const struct graph *g, const struct task *t);
/* Forgets all, for tests and at the end. */
void graph_cache_clear(void);

#endif
