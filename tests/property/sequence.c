/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sequence.c: every event of a run has one place in one order. Its numbers
 * have no holes and go on over a death, and what readers of some modes see is
 * that order less the events of the other modes.
 */
#include "tests/property/listen.h"
#include "tests/property/property.h"

#include "tests/conformance/compare.h"
#include <stdio.h>

static bool is_dense(const struct trial *t, const tree *log, uint64_t first)
{
    for (size_t i = 0; i < tree_count(log); i++) {
        const tree *seq = tree_get(tree_at(log, i), "seq");
        if (seq->whole != (int64_t)(first + i)) {
            printf("    %s: event %zu has the number %lld\n", t->name, i,
                   (long long)seq->whole);
            return false;
        }
    }
    return true;
}

/* An attempt at what was asked, in what the first n writes have left. */
struct again {
    const struct world *from;
    size_t writes;
    const struct ask *ask;
    int attempt;
    unsigned modes;
    uint64_t first;
};

static tree *hear(const struct again *g)
{
    struct world w;
    struct listener l;
    world_branch(&w, g->from, g->writes);
    listen_begin(&l, &w, g->modes, g->first);
    tree *log = listen_run(&l, &w, g->ask, g->attempt);
    world_fini(&w);
    return log;
}

static bool is_projected(const struct trial *t, const struct again *g,
                         const tree *all)
{
    tree *some = hear(g);
    tree *want = listen_project(all, g->modes);
    tree *got = listen_project(some, g->modes);
    char what[80];
    bool fine = is_dense(t, some, g->first);
    tree_destroy(&some);
    compare_renumber(want);
    compare_renumber(got);
    snprintf(what, sizeof what, "modes %#x in attempt %d", g->modes,
             g->attempt);
    return same(t, what, want, got) && fine;
}

/* All of them have `messages`: for that mode messages get their ids the moment
 * a node returns them, as in the library, which other modes then show. */
static unsigned some_modes(struct trial *t)
{
    return (unsigned)dice_below(&t->dice, LISTEN_ALL) | LISTEN_MESSAGES;
}

static bool holds(struct trial *t, const struct world *w, size_t from,
                  const struct ask *a, const tree *all)
{
    struct again g = {.from = w, .writes = from, .ask = a, .attempt = 1,
                      .first = 1};
    g.modes = some_modes(t);
    if (!is_dense(t, all, 1) || !is_projected(t, &g, all)) {
        return false;
    }
    /* It dies; the relay has some of its events by then. */
    g.writes += dice_below(&t->dice, world_writes(w) - from + 1);
    g.first += dice_below(&t->dice, tree_count(all) + 1);
    g.attempt = 2;
    g.modes = LISTEN_ALL;
    tree *second = hear(&g);
    bool fine = is_dense(t, second, g.first);
    g.modes = some_modes(t);
    fine = fine && is_projected(t, &g, second);
    tree_destroy(&second);
    return fine;
}

bool property_sequence(struct trial *t)
{
    struct world w;
    struct ask a;
    bool fine = true;
    world_init(&w, t->graph);
    while (fine && !w.grew && trial_next(t, &w, &a)) {
        struct listener l;
        size_t from = world_writes(&w);
        listen_begin(&l, &w, LISTEN_ALL, 1);
        tree *all = listen_run(&l, &w, &a, 1);
        fine = w.grew || holds(t, &w, from, &a, all);
        if (!fine) {
            trial_tell(t);
        }
        tree_destroy(&all);
        ask_fini(&a);
    }
    world_fini(&w);
    return fine;
}
