/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c: one order for events that parallel tasks may send in any.
 */
#include "tests/conformance/compare.h"

#include "tests/conformance/mask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The events of one run, and which of them already have their place. */
struct sorter {
    tree *from;
    bool *done;
    tree *to;
};

static const tree *ns_of(const tree *event)
{
    return tree_at(event, 0);
}

/* Does the event's namespace begin with `ns`? */
static bool below(const tree *event, const tree *ns)
{
    const tree *own = ns_of(event);
    if (tree_count(own) < tree_count(ns)) {
        return false;
    }
    for (size_t i = 0; i < tree_count(ns); i++) {
        if (!tree_equal(tree_at(own, i), tree_at(ns, i))) {
            return false;
        }
    }
    return true;
}

static void place(struct sorter *s, size_t i)
{
    s->done[i] = true;
    tree_push(s->to, tree_copy(tree_at(s->from, i)));
}

/* The namespace segment of the task that a start event is of, or NULL. A
 * graph with memory of its own leaves the id out. */
static char *segment_of(const tree *event, bool id)
{
    const tree *payload = tree_at(event, 2);
    if (tree_is(tree_at(event, 1), "debug")) {
        payload = tree_is(tree_get(payload, "type"), "task")
                      ? tree_get(payload, "payload")
                      : NULL;
    } else if (!tree_is(tree_at(event, 1), "tasks")) {
        return NULL;
    }
    const char *name = tree_string(tree_get(payload, "name"));
    const char *own = tree_string(tree_get(payload, "id"));
    if (name == NULL || own == NULL || tree_get(payload, "result") != NULL) {
        return NULL;
    }
    size_t size = strlen(name) + strlen(own) + 2;
    char *text = base_zalloc(size);
    (void)snprintf(text, size, "%s%s%s", name, id ? ":" : "", id ? own : "");
    return text;
}

static void place_ns(struct sorter *s, const tree *ns, size_t from,
                     size_t to);

static tree *ns_with(const tree *ns, const char *segment)
{
    tree *deeper = tree_list();
    for (size_t i = 0; i < tree_count(ns); i++) {
        tree_push(deeper, tree_copy(tree_at(ns, i)));
    }
    tree_push(deeper, tree_text(segment));
    return deeper;
}

/* Where the task that starts at `i` ends in its namespace. */
static size_t end_of(const struct sorter *s, size_t i, size_t to)
{
    const tree *start = tree_at(s->from, i);
    const tree *id = tree_get(tree_at(start, 2), "id");
    for (size_t k = i + 1; k < to; k++) {
        const tree *event = tree_at(s->from, k);
        const tree *payload = tree_at(event, 2);
        if (mask_same_ns(ns_of(event), ns_of(start)) &&
            tree_is(tree_at(event, 1), "tasks") &&
            tree_get(payload, "result") != NULL &&
            tree_equal(tree_get(payload, "id"), id)) {
            return k;
        }
    }
    return to;
}

/* What happened in the graphs of the task that started at `i`. */
static void place_task(struct sorter *s, size_t i, size_t to)
{
    size_t end = end_of(s, i, to);
    for (int id = 1; id >= 0; id--) {
        char *segment = segment_of(tree_at(s->from, i), id == 1);
        if (segment != NULL) {
            tree *ns = ns_with(ns_of(tree_at(s->from, i)), segment);
            place_ns(s, ns, i, end);
            tree_destroy(&ns);
        }
        free(segment);
    }
}

/* The events of a namespace in their order, nested ones behind their start.
 * Repeated calls of a graph ("|1") have no start of their own: they follow. */
static void place_ns(struct sorter *s, const tree *ns, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const tree *event = tree_at(s->from, i);
        if (s->done[i] || !mask_same_ns(ns_of(event), ns)) {
            continue;
        }
        place(s, i);
        const tree *next = tree_at(s->from, i + 1);
        bool plain = tree_is(tree_at(event, 1), "tasks");
        if (plain && tree_is(tree_at(next, 1), "debug") &&
            !s->done[i + 1] && mask_same_ns(ns_of(next), ns)) {
            place(s, i + 1);
        }
        if (plain) {
            place_task(s, i, to);
        }
    }
    for (size_t i = from; i < to; i++) {
        if (!s->done[i] && below(tree_at(s->from, i), ns) &&
            tree_count(ns_of(tree_at(s->from, i))) > tree_count(ns)) {
            const char *segment = tree_string(
                tree_at(ns_of(tree_at(s->from, i)), tree_count(ns)));
            if (strspn(segment, "0123456789") == strlen(segment)) {
                tree *deeper = ns_with(ns, segment);
                place_ns(s, deeper, i, to);
                tree_destroy(&deeper);
            }
        }
    }
}

static void order_events(tree *events)
{
    struct sorter s = {.from = events, .to = tree_list()};
    tree *root = tree_list();
    s.done = base_zalloc((tree_count(events) + 1) * sizeof *s.done);
    place_ns(&s, root, 0, tree_count(events));
    for (size_t i = 0; i < tree_count(events); i++) {
        if (!s.done[i]) { /* of no task that was seen: shown as it came */
            place(&s, i);
        }
    }
    free(s.done);
    tree_destroy(&root);
    tree_replace(events, s.to);
}

void compare_order(const tree *graphs, tree *results)
{
    (void)graphs;
    for (size_t i = 0; i < tree_count(results); i++) {
        tree *events = tree_get(tree_at(results, i), "events");
        if (events != NULL) {
            order_events(events);
        }
    }
}
