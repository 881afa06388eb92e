/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h: a graph and one thread of it, whose store can be taken back to any
 * moment. Every call that writes a checkpoint is noted; the store after the
 * first n of them is what a process that died there has left behind, and a
 * world can be made of it in which another process goes on.
 */
#ifndef PROPERTY_WORLD_H
#define PROPERTY_WORLD_H

#include "common/id.h"
#include "tests/conformance/tree.h"
#include "worker/graph/memory.h"
#include <stdio.h>

/* What a run is asked to do. The same for all its attempts. */
struct ask {
    char run_id[ID_TEXT_SIZE];
    char checkpoint_id[ID_TEXT_SIZE]; /* "" the latest */
    leat_value *input, *command, *before, *after;
    enum graph_durability durability;
    unsigned recursion_limit;         /* 0: the default */
};
void ask_fini(struct ask *a);

struct journal; /* the writes of checkpoints, one after the other */

struct world {
    const struct graph *graph;
    struct journal *journal;
    graph_memory_t *memory;
    struct graph_saver saver;    /* notes and hands on to the memory */
    struct graph_result result;  /* of the last run */
    struct graph_cancel *cancel;
    size_t executed;             /* nodes */
    bool grew;                   /* beyond what is worth trying */
    unsigned modes;              /* events wanted, and who takes them */
    void (*emit)(void *arg, const struct graph_event *ev);
    void *arg;
};

void world_init(struct world *w, const struct graph *g);
/* What the first n writes of `from` have left. */
void world_branch(struct world *w, const struct world *from, size_t n);
void world_fini(struct world *w);
/* How many writes there were. */
size_t world_writes(const struct world *w);
/* All of them, in full. */
void world_write(const struct world *w, FILE *f);
/* Prints those from the n-th on, one line each. */
void world_print(const struct world *w, size_t from);

/* One attempt at a run, from 1. A later one goes on as workers do: with null
 * input where the latest checkpoint is the run's own. */
void world_run(struct world *w, const struct ask *a, int attempt);
/* update_state with one object of values; false: refused. */
bool world_update(struct world *w, const struct ask *a, leat_view values,
                  const char *as_node);

/* get_state of the latest or the named checkpoint; NULL: it failed. */
leat_value *world_state(struct world *w, const char *checkpoint_id);
/* The history, newest first. */
leat_value *world_history(struct world *w);

/* All that anybody can see: the result of the last run, the state with those
 * of nested graphs, and the history; ids by first appearance. */
tree *world_look(struct world *w);

#endif
