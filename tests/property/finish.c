/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish.c: it does not matter in which order the tasks of a step finish.
 * Each run is carried out again with its tasks in random orders: the result,
 * the state and the history are the same, and so are the events, but for
 * their order and for what depends on it: which of several nodes shows a
 * message first, what becomes of those beside one that fails, and who is the
 * first to take an answer that is for any of them.
 */
#include "tests/property/listen.h"
#include "tests/property/property.h"

#include "tests/conformance/compare.h"
#include "worker/graph/pool.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS 3 /* tried of each run */

static struct dice order;

static size_t pick(size_t left)
{
    return dice_below(&order, left);
}

static bool is_id(char c)
{
    return c == '-' || isxdigit((unsigned char)c);
}

/* Ids are made in the order of the tasks: all of them become the same. */
static char *without_ids(const tree *entry)
{
    char *text = tree_to_json(entry), *to = text;
    for (const char *at = text; *at != '\0';) {
        size_t n = 0;
        while (is_id(at[n])) {
            n++;
        }
        if (n >= ID_HEX_SIZE - 1) {
            *to++ = '#';
            at += n;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
    return text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A state that is told; questions are told by who asks. */
static bool is_state(const tree *entry)
{
    return tree_is(tree_get(entry, "name"), "values") &&
           tree_is(tree_get(entry, "ns"), "") &&
           tree_get(tree_get(entry, "payload"), "__interrupt__") == NULL;
}

/* The events without their order, but for that of the states. */
static tree *unordered(const tree *log)
{
    tree *all = listen_project(log, LISTEN_ALL & ~LISTEN_MESSAGES);
    char **texts = base_zalloc((tree_count(all) + 1) * sizeof *texts);
    size_t n = 0;
    tree *out = tree_list();
    for (size_t i = 0; i < tree_count(all); i++) {
        const tree *entry = tree_at(all, i);
        texts[n] = without_ids(entry);
        if (is_state(entry)) {
            tree_push(out, tree_text(texts[n]));
            free(texts[n]);
        } else {
            n++;
        }
    }
    qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 0; i < n; i++) {
        tree_push(out, tree_text(texts[i]));
        free(texts[i]);
    }
    free(texts);
    tree_destroy(&all);
    return out;
}

static bool is_anybodys(const struct ask *a)
{
    return leat_type_of(leat_get(leat_view_of(a->command), "resume")) !=
               LEAT_MISSING &&
           leat_type_of(leat_get(leat_view_of(a->command), "resume")) !=
               LEAT_OBJECT;
}

struct outcome {
    tree *look, *events;
};

static struct outcome carry_out(struct world *w, const struct ask *a)
{
    struct listener l;
    listen_begin(&l, w, LISTEN_ALL, 1);
    tree *log = listen_run(&l, w, a, 1);
    struct outcome o = {world_look(w), unordered(log)};
    tree_destroy(&log);
    return o;
}

static bool finish_otherwise(const struct trial *t, const struct world *from,
                             size_t at, const struct ask *a,
                             const struct outcome *want)
{
    struct world w;
    world_branch(&w, from, at);
    graph_pool_pick(pick);
    struct outcome got = carry_out(&w, a);
    graph_pool_pick(NULL);
    bool fine = same(t, "another order: what is left", tree_copy(want->look),
                     got.look);
    fine = same(t, "another order: events", tree_copy(want->events),
                got.events) && fine;
    world_fini(&w);
    return fine;
}

bool property_finish(struct trial *t)
{
    struct world w;
    struct ask a;
    bool fine = true, left = false;
    order = t->dice;
    world_init(&w, t->graph);
    while (fine && !w.grew && trial_next(t, &w, &a)) {
        size_t from = world_writes(&w);
        struct outcome want = carry_out(&w, &a);
        /* An answer for any may be left over for later runs. */
        left = left || is_anybodys(&a);
        bool tries = !left && !w.grew && w.result.status != GRAPH_FAILED;
        for (size_t i = 0; fine && tries && i < ORDERS; i++) {
            fine = finish_otherwise(t, &w, from, &a, &want);
        }
        if (!fine) {
            trial_tell(t);
        }
        tree_destroy(&want.look);
        tree_destroy(&want.events);
        ask_fini(&a);
    }
    world_fini(&w);
    return fine;
}
