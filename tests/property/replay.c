/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c: from any checkpoint that a run has made, going on gives what the
 * run gave from there: the same steps with the same tasks, states, questions
 * and errors, on a branch of their own, while all that was there stays.
 */
#include "tests/property/property.h"

#include "tests/conformance/compare.h"
#include <stdio.h>
#include <string.h>

#define TRIES 6 /* checkpoints of a run */

static const tree *metadata_of(const tree *state)
{
    return tree_get(state, "metadata");
}

static const char *id_of(const tree *state, const char *config)
{
    return tree_string(tree_get(
        tree_get(tree_get(state, config), "configurable"), "checkpoint_id"));
}

static tree *history_of(struct world *w)
{
    leat_value *history = world_history(w);
    tree *t = tree_from_view(leat_view_of(history));
    leat_drop(history);
    return t;
}

/* What a step is, whatever its number, its run and its place. */
static tree *essence_of(const tree *state)
{
    tree *t = tree_copy(state);
    tree_drop(t, "metadata");
    tree_drop(t, "config");
    tree_drop(t, "parent_config");
    tree_set(t, "source",
             tree_copy(tree_get(metadata_of(state), "source")));
    return t;
}

/* The newest n states of a history, oldest first, as essences. */
static tree *newest(const tree *history, size_t n)
{
    tree *out = tree_list();
    for (size_t i = n; i > 0; i--) {
        tree_push(out, essence_of(tree_at(history, i - 1)));
    }
    compare_renumber(out);
    return out;
}

/* Each state's parent is the one before it, the first one's is `root`. */
static bool is_branch(const tree *history, size_t n, const char *root)
{
    for (size_t i = 0; i < n; i++) {
        const char *want = i + 1 < n ? id_of(tree_at(history, i + 1), "config")
                                     : root;
        const char *have = id_of(tree_at(history, i), "parent_config");
        if (have == NULL || strcmp(have, want) != 0) {
            return false;
        }
    }
    return true;
}

/* Goes on from the at-th newest state, where the newest run's end is known. */
static bool replay(const struct trial *t, struct world *w, const tree *before,
                   size_t at)
{
    struct world again;
    struct ask a = {.run_id = "11111111-0000-4000-8000-0000000000ef"};
    const char *root = id_of(tree_at(before, at), "config");
    char what[80];
    must(base_copy(a.checkpoint_id, sizeof a.checkpoint_id, root));
    world_branch(&again, w, world_writes(w));
    world_run(&again, &a, 1);
    tree *after = history_of(&again);
    size_t fresh = tree_count(after) - tree_count(before);
    snprintf(what, sizeof what, "from checkpoint %zu of the history", at);
    bool fine = fresh == at + 1 && is_branch(after, fresh, root) &&
                tree_is(tree_get(metadata_of(tree_at(after, at)), "source"),
                        "fork");
    if (!fine && !again.grew) {
        printf("    %s: %s: %zu new states, %zu were expected\n", t->name,
               what, fresh, at + 1);
    }
    fine = again.grew ||
           (fine && same(t, what, newest(before, at), newest(after, at)));
    for (size_t i = fresh; fine && i < tree_count(after); i++) {
        fine = same(t, "what was there", tree_copy(tree_at(before, i - fresh)),
                    tree_copy(tree_at(after, i)));
    }
    tree_destroy(&after);
    world_fini(&again);
    return fine;
}

/* How many of the newest states the run has made, but its input. */
static size_t made_by(const tree *history, const char *run_id)
{
    size_t n = 0;
    while (n < tree_count(history)) {
        const tree *m = metadata_of(tree_at(history, n));
        if (!tree_is(tree_get(m, "run_id"), run_id) ||
            !tree_is(tree_get(m, "source"), "loop")) {
            break;
        }
        n++;
    }
    return n;
}

/* New input, to its end: what stops a run, or answers it, is no part of what
 * a checkpoint goes on with, nor is how many steps it may take. */
static bool is_plain(const struct ask *a, const struct world *w)
{
    return a->input != NULL && a->command == NULL && a->before == NULL &&
           a->after == NULL && a->recursion_limit == 0 &&
           a->durability != GRAPH_DURABILITY_EXIT && !w->grew &&
           strcmp(w->result.error_type, "GraphRecursionError") != 0;
}

static bool replay_all(struct trial *t, struct world *w, const struct ask *a)
{
    tree *before = history_of(w);
    size_t n = made_by(before, a->run_id);
    bool fine = true;
    for (size_t i = 0; fine && i < min_size(n, TRIES); i++) {
        size_t at = n > TRIES ? dice_below(&t->dice, n) : i;
        /* Behind the last one it would go on past a stop of the graph's. */
        fine = at == 0 || replay(t, w, before, at);
    }
    tree_destroy(&before);
    return fine;
}

bool property_replay(struct trial *t)
{
    struct world w;
    struct ask a;
    bool fine = true;
    world_init(&w, t->graph);
    while (fine && !w.grew && trial_next(t, &w, &a)) {
        world_run(&w, &a, 1);
        fine = !is_plain(&a, &w) || replay_all(t, &w, &a);
        if (!fine) {
            trial_tell(t);
        }
        ask_fini(&a);
    }
    world_fini(&w);
    return fine;
}
