/* SPDX-License-Identifier: Apache-2.0 */
/*
 * property.h: what must hold for any graph. A property is a function of one
 * random case; it prints what it found and says whether the property held.
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

struct trial {
    uint64_t seed;
    struct graph *graph;
    leat_view inputs, names; /* of the case */
    struct dice dice;
    bool verbose;
};

/* Draws what the next run of a thread is asked to do, from where it stands;
 * n counts the runs. May edit the state first. */
void plot_next(struct trial *t, struct world *w, size_t n, struct ask *out);

/* Prints what differs; true when nothing does. Both are used up. */
bool same(const struct trial *t, const char *what, tree *want, tree *got);

bool property_kill(struct trial *t);

#endif
