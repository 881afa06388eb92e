/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h: the checkpoints of one thread in memory: for runs whose thread
 * nobody will ask for later, and for tests. Values are kept by reference,
 * never copied. One thread at a time; limits are the run's (a step writes one
 * checkpoint), the memory goes when the saver does.
 */
#ifndef GRAPH_MEMORY_H
#define GRAPH_MEMORY_H

#include "worker/graph/engine.h"

typedef struct graph_memory graph_memory_t;

struct graph_memory *graph_memory_new(void);
void graph_memory_destroy(struct graph_memory **m);
/* Borrowed; good for as long as the memory lives. */
const struct graph_saver *graph_memory_saver(struct graph_memory *m);
/* Checkpoints kept, of all namespaces. */
size_t graph_memory_count(const struct graph_memory *m);

#endif
