/* SPDX-License-Identifier: Apache-2.0 */
/*
 * property.h: what must hold for any graph. A property is a function of one
 * case: a graph and what is done to a thread of it, run by run, either at
 * random or, for what was found once, by a script; it prints what it found
 * and says whether the property held.
 *
 * A run as data: {
 *   "input"?: an expression without state,
 *   "command"?: {...}, "answers"?: [answer to the i-th open question or null],
 *   "checkpoint"?: the place in the history where it begins, 0 the newest,
 *   "before"?, "after"?: where it stops, "limit"?: of its steps,
 *   "durability"?: "sync" or "exit",
 *   "edit"?: {"as_node", "values", "checkpoint"?}: update_state before it }
 */
#ifndef PROPERTY_PROPERTY_H
#define PROPERTY_PROPERTY_H

#include "tests/property/world.h"

/* Numbers drawn from a seed: the same for the same. */
struct dice {
    uint64_t state;
};
uint64_t dice_next(struct dice *d);
/* 0 to n - 1. */
size_t dice_below(struct dice *d, size_t n);
bool dice_chance(struct dice *d, unsigned percent);

#define TRIAL_RUNS 4      /* of a random case */
#define TRIAL_RUNS_MAX 16

struct trial {
    char name[96];
    struct graph *graph;
    leat_view inputs, names;           /* of a random case */
    leat_view runs;                    /* of a script; else missing */
    struct dice dice;
    bool verbose;
    size_t begun;                      /* runs, in the attempt at hand */
    leat_value *told[TRIAL_RUNS_MAX];  /* as data */
};

/* What the next run of the thread is asked to do; false: there is none. Edits
 * the state first where the run says so. */
bool trial_next(struct trial *t, struct world *w, struct ask *out);
/* Prints the runs so far, as a script. */
void trial_tell(const struct trial *t);
/* The next run is the first again. */
void trial_forget(struct trial *t);
/* A run of a random case, from where the thread stands; one reference. */
leat_value *plot_run(struct trial *t, struct world *w, size_t n);

/* Prints what differs; true when nothing does. Both are used up. */
bool same(const struct trial *t, const char *what, tree *want, tree *got);

/* The ids that are made from now on are those of the number. */
void chance_fix(uint64_t seed);

bool property_kill(struct trial *t);
bool property_ids(struct trial *t);
bool property_finish(struct trial *t);
bool property_replay(struct trial *t);
bool property_sequence(struct trial *t);

#endif
