/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap.h: a binary heap of nodes that live inside other structs, smallest key
 * first, the lower tie first among equals. Each node knows its place, so that
 * any of them can be taken out. Used for timers and for ready queues.
 */
#ifndef BROKER_HEAP_H
#define BROKER_HEAP_H

#include "common/base.h"

struct brk_node {
    int64_t key;
    uint64_t tie;
    size_t at; /* place in the heap, from 1; 0: in none */
};

struct brk_heap {
    struct brk_node **nodes; /* nodes[1..count] */
    size_t count;
    size_t room;
};

void brk_heap_fini(struct brk_heap *h);
/* The node must be in no heap. */
void brk_heap_put(struct brk_heap *h, struct brk_node *n);
/* Takes the node out; does nothing when it is in none. */
void brk_heap_take(struct brk_heap *h, struct brk_node *n);
/* The first one, or NULL. */
struct brk_node *brk_heap_first(const struct brk_heap *h);
bool brk_heap_has(const struct brk_node *n);

#endif
