/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_order.c: the order of the tasks of a checkpoint that was loaded: as
 * the nodes are declared in JS, by name in Python. Both sides are put in the
 * order that live steps have: sends first, then nodes by name.
 */
#include "tests/conformance/mask.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists of tasks -------------------------------------------------------- */

static bool is_send(const tree *task)
{
    return tree_is(tree_at(tree_get(task, "path"), 0), "__pregel_push") ||
           tree_is(tree_at(tree_get(task, "triggers"), 0), "__pregel_push");
}

/* Does `b` come before `a`? Sends stay as they are. */
static bool is_after(const tree *a, const tree *b)
{
    const char *x = tree_string(tree_get(a, "name"));
    const char *y = tree_string(tree_get(b, "name"));
    if (is_send(a) || is_send(b)) {
        return !is_send(a) && is_send(b);
    }
    return x != NULL && y != NULL && strcmp(x, y) > 0;
}

/* Insertion: equal ones stay as they are. */
static void sort_tasks(tree *tasks)
{
    for (size_t i = 1; i < tree_count(tasks); i++) {
        for (size_t k = i; k > 0 && is_after(tasks->items[k - 1],
                                             tasks->items[k]);
             k--) {
            tree *swap = tasks->items[k];
            tasks->items[k] = tasks->items[k - 1];
            tasks->items[k - 1] = swap;
        }
    }
}

static size_t place_of(const tree *tasks, const tree *name)
{
    size_t i = 0;
    while (i < tree_count(tasks) &&
           !tree_equal(tree_get(tasks->items[i], "name"), name)) {
        i++;
    }
    return i;
}

/* Names in the order of the tasks. */
static void sort_names(tree *names, const tree *tasks)
{
    for (size_t i = 1; i < tree_count(names); i++) {
        for (size_t k = i; k > 0 && place_of(tasks, names->items[k - 1]) >
                                        place_of(tasks, names->items[k]);
             k--) {
            tree *swap = names->items[k];
            names->items[k] = names->items[k - 1];
            names->items[k - 1] = swap;
        }
    }
}

static void sort_state(struct mask *m, tree *state)
{
    (void)m;
    tree *tasks = tree_get(state, "tasks");
    sort_tasks(tasks);
    sort_names(tree_get(state, "next"), tasks);
    if (tree_get(state, "interrupts") == NULL) {
        return;
    }
    tree *all = tree_list(); /* they follow their tasks */
    for (size_t i = 0; i < tree_count(tasks); i++) {
        const tree *own = tree_get(tasks->items[i], "interrupts");
        for (size_t k = 0; k < tree_count(own); k++) {
            tree_push(all, tree_copy(own->items[k]));
        }
    }
    tree_set(state, "interrupts", all);
}

/* ---- the first step of a run that continues -------------------------------- */

/* The step's events of one namespace: starts with their debug twins, and
 * cached updates, each with the name it is sorted by. */
struct moved {
    tree *event, *twin;
    const tree *task;  /* of a start */
    const char *name;  /* of a cached update's node */
};

static const char *cached_name(const tree *event)
{
    const tree *payload = tree_at(event, 2);
    bool cached = tree_is(tree_at(event, 1), "updates") &&
                  tree_get(tree_get(payload, "__metadata__"), "cached");
    return cached && payload->count > 0 ? payload->keys[0] : NULL;
}

static bool goes_after(const struct moved *a, const struct moved *b)
{
    if (a->task != NULL && b->task != NULL) {
        return is_after(a->task, b->task);
    }
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) > 0;
}

/* Takes out the starts and cached updates from `from` to the namespace's next
 * checkpoint, and puts them back sorted where the first of them was. */
static void sort_step(tree *events, size_t from)
{
    tree *ns = tree_copy(tree_at(tree_at(events, from), 0));
    struct moved *all = base_zalloc((events->count + 1) * sizeof *all);
    size_t n = 0, at = SIZE_MAX;
    for (size_t i = from + 1; i < events->count; i++) {
        tree *event = events->items[i];
        const tree *task = tree_at(event, 2);
        if (!mask_same_ns(tree_at(event, 0), ns)) {
            continue;
        }
        if (tree_is(tree_at(event, 1), "checkpoints")) {
            break;
        }
        bool start = tree_is(tree_at(event, 1), "tasks") &&
                     tree_get(task, "result") == NULL;
        if (!start && cached_name(event) == NULL) {
            continue;
        }
        at = at == SIZE_MAX ? i : at;
        all[n] = (struct moved){.event = tree_take_at(events, i),
                                .task = start ? task : NULL,
                                .name = cached_name(event)};
        if (start && tree_is(tree_at(tree_at(events, i), 1), "debug")) {
            all[n].twin = tree_take_at(events, i);
        }
        n++;
        i--;
    }
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0 && goes_after(&all[k - 1], &all[k]); k--) {
            struct moved swap = all[k];
            all[k] = all[k - 1];
            all[k - 1] = swap;
        }
    }
    for (size_t i = 0; i < n; i++) {
        tree_insert(events, at++, all[i].event);
        if (all[i].twin != NULL) {
            tree_insert(events, at++, all[i].twin);
        }
    }
    free(all);
    tree_destroy(&ns);
}

/* The first checkpoint that its namespace shows in this run, if it was there
 * before: then it is no input's. */
static bool is_loaded(const struct mask_event *e)
{
    const tree *metadata = tree_get(e->payload, "metadata");
    if (e->debug || strcmp(e->mode, "checkpoints") != 0 ||
        tree_is(tree_get(metadata, "source"), "input")) {
        return false;
    }
    for (size_t i = 0; i < e->index; i++) {
        const tree *other = tree_at(e->events, i);
        if (tree_is(tree_at(other, 1), "checkpoints") &&
            mask_same_ns(tree_at(other, 0), tree_at(e->event, 0))) {
            return false;
        }
    }
    return true;
}

static void sort_payload(tree *payload)
{
    sort_tasks(tree_get(payload, "tasks"));
    sort_names(tree_get(payload, "next"), tree_get(payload, "tasks"));
}

static bool sort_loaded(struct mask_event *e)
{
    if (is_loaded(e)) {
        tree *twin = tree_at(tree_at(e->events, e->index + 1), 2);
        sort_payload(e->payload);
        if (tree_get(twin, "payload") != NULL) {
            sort_payload(tree_get(twin, "payload"));
        }
        sort_step(e->events, e->index);
    }
    return false;
}

void mask_reload_order(struct mask *m, tree *results)
{
    mask_states(m, results, sort_state);
    mask_events(m, results, sort_loaded);
}

/* ---- steps that only restore ------------------------------------------------- */

/* Does nothing run in the step after this checkpoint, though it has tasks? */
static bool only_restores(const struct mask_event *e)
{
    size_t cached = 0;
    for (size_t i = e->index + 1; i < tree_count(e->events); i++) {
        const tree *event = tree_at(e->events, i);
        if (!mask_same_ns(tree_at(event, 0), tree_at(e->event, 0))) {
            continue;
        }
        if (tree_is(tree_at(event, 1), "checkpoints")) {
            break;
        }
        if (tree_is(tree_at(event, 1), "updates") &&
            cached_name(event) == NULL) {
            return false;
        }
        if (tree_is(tree_at(event, 1), "tasks") &&
            tree_get(tree_at(event, 2), "result") != NULL) {
            return false;
        }
        cached += cached_name(event) != NULL ? 1 : 0;
    }
    return cached > 0 &&
           cached == tree_count(tree_get(e->payload, "tasks"));
}

static bool drop_starts(struct mask_event *e)
{
    if (!is_loaded(e) || !only_restores(e)) {
        return false;
    }
    for (size_t i = e->index + 1; i < tree_count(e->events);) {
        const tree *event = tree_at(e->events, i);
        bool here = mask_same_ns(tree_at(event, 0), tree_at(e->event, 0));
        if (here && tree_is(tree_at(event, 1), "checkpoints")) {
            break;
        }
        bool start = here && tree_is(tree_at(event, 1), "tasks");
        bool twin = here && tree_is(tree_get(tree_at(event, 2), "type"),
                                    "task");
        if (start || twin) {
            tree_drop_at(e->events, i);
        } else {
            i++;
        }
    }
    return false;
}

void mask_restored_starts(struct mask *m, tree *results)
{
    mask_events(m, results, drop_starts);
}
