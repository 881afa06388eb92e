/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill.c: a process that dies changes nothing. A run is carried out once as a
 * whole; then, for the moments between any two writes to the store, another
 * process takes the run up from what was stored by then, and its result, the
 * state and the history must be the same. Some of those die as well.
 */
#include "tests/property/property.h"

#include <stdio.h>

#define MOMENTS 16 /* of a run that has more, so many are drawn */
#define SECOND_PERCENT 25

/* Of a script every moment is tried, and every pair of them. */
static bool tries_all(const struct trial *t)
{
    return leat_type_of(t->runs) == LEAT_LIST;
}

static const char *kind_of(const struct ask *a)
{
    if (a->command != NULL) {
        return a->checkpoint_id[0] != '\0' ? "a command at a checkpoint"
                                           : "a command";
    }
    if (a->input != NULL) {
        return a->checkpoint_id[0] != '\0' ? "input at a checkpoint"
                                           : "input";
    }
    return a->checkpoint_id[0] != '\0' ? "a checkpoint" : "nothing";
}

/* A second death, in the second attempt. */
static bool die_at(const struct trial *t, const struct world *second,
                   const size_t at[2], const struct ask *a, const tree *want)
{
    struct world third;
    char what[160];
    world_branch(&third, second, at[1]);
    world_run(&third, a, 3);
    snprintf(what, sizeof what,
             "a run that began with %s, killed at write %zu and at %zu",
             kind_of(a), at[0], at[1]);
    bool fine = same(t, what, tree_copy(want), world_look(&third));
    world_fini(&third);
    return fine;
}

static bool die_again(struct trial *t, const struct world *second, size_t at,
                      const struct ask *a, const tree *want)
{
    size_t left = world_writes(second) - at + 1;
    if (!tries_all(t)) {
        bool dies = dice_chance(&t->dice, SECOND_PERCENT);
        size_t more = dies ? dice_below(&t->dice, left) : 0;
        return !dies ||
               die_at(t, second, (size_t[2]){at, at + more}, a, want);
    }
    bool fine = true;
    for (size_t i = 0; fine && i < left; i++) {
        fine = die_at(t, second, (size_t[2]){at, at + i}, a, want);
    }
    return fine;
}

static bool go_on(struct trial *t, const struct world *from, size_t at,
                  const struct ask *a, const tree *want)
{
    struct world second;
    char what[160];
    world_branch(&second, from, at);
    world_run(&second, a, 2);
    snprintf(what, sizeof what,
             "a run that began with %s, killed at write %zu of %zu",
             kind_of(a), at, world_writes(from));
    bool fine = same(t, what, tree_copy(want), world_look(&second));
    fine = fine && die_again(t, &second, at, a, want);
    world_fini(&second);
    return fine;
}

static bool kill_everywhere(struct trial *t, const struct world *w,
                            size_t from, const struct ask *a, tree *want)
{
    size_t moments = world_writes(w) - from + 1;
    size_t tries = tries_all(t) ? moments : min_size(moments, MOMENTS);
    bool fine = true;
    for (size_t i = 0; fine && i < tries; i++) {
        size_t at = moments > tries ? dice_below(&t->dice, moments) : i;
        fine = go_on(t, w, from + at, a, want);
    }
    if (!fine) {
        printf("    the run began at write %zu\n", from);
        trial_tell(t);
        world_print(w, t->verbose ? 0 : from);
    }
    return fine;
}

bool property_kill(struct trial *t)
{
    struct world w;
    bool fine = true;
    struct ask a;
    world_init(&w, t->graph);
    while (fine && !w.grew && trial_next(t, &w, &a)) {
        size_t from = world_writes(&w);
        world_run(&w, &a, 1);
        if (!w.grew) {
            tree *want = world_look(&w);
            fine = kill_everywhere(t, &w, from, &a, want);
            tree_destroy(&want);
        }
        ask_fini(&a);
    }
    world_fini(&w);
    return fine;
}
