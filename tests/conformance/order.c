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

/* A memory of its own is the same for all tasks, also of those around. */
static tree *ns_without_ids(const tree *ns)
{
    tree *bare = tree_list();
    for (size_t i = 0; i < tree_count(ns); i++) {
        const char *segment = tree_string(tree_at(ns, i));
        size_t name = strcspn(segment, ":");
        if (strspn(segment, "0123456789") < strlen(segment)) {
            char *text = base_memdup(segment, name);
            tree_push(bare, tree_text(text));
            free(text);
        }
    }
    return bare;
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
            tree *above = id == 1 ? tree_copy(ns_of(tree_at(s->from, i)))
                                  : ns_without_ids(ns_of(tree_at(s->from, i)));
            tree *ns = ns_with(above, segment);
            place_ns(s, ns, i, end);
            tree_destroy(&ns);
            tree_destroy(&above);
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

/* ---- tasks that end in any order ------------------------------------------ */

/* The events of one namespace in one step, from the starts to the values:
 * where they are, and how they fall into blocks of one task each. */
struct step {
    const tree *graph;
    tree *events;
    size_t *at;        /* positions in `events` */
    size_t count;
    tree *starts;      /* ids of the tasks, in their order */
};

static bool sleeps(const tree *graphs, const tree *t, int depth)
{
    const char *child = tree_string(tree_get(t, "graph"));
    if (tree_is(tree_get(t, "op"), "sleep") || depth > 32) {
        return true;
    }
    if (child != NULL && sleeps(graphs, tree_get(graphs, child), depth + 1)) {
        return true;
    }
    for (size_t i = 0; i < tree_count(t); i++) {
        if (sleeps(graphs, tree_at(t, i), depth + 1)) {
            return true;
        }
    }
    return false;
}

static const tree *result_in(const tree *event)
{
    const tree *payload = tree_at(event, 2);
    return tree_is(tree_at(event, 1), "tasks") &&
                   tree_get(payload, "result") != NULL
               ? payload
               : NULL;
}

static size_t start_index(const struct step *s, const tree *payload)
{
    size_t i = 0;
    while (i < tree_count(s->starts) &&
           !tree_equal(tree_at(s->starts, i), tree_get(payload, "id"))) {
        i++;
    }
    return i;
}

/* The block that begins at `from`: up to a result and its debug twin. */
static size_t block_end(const struct step *s, size_t from,
                        const tree **result)
{
    for (size_t i = from; i < s->count; i++) {
        *result = result_in(tree_at(s->events, s->at[i]));
        if (*result != NULL) {
            bool twin = i + 1 < s->count &&
                        tree_is(tree_at(tree_at(s->events, s->at[i + 1]), 1),
                                "debug");
            return i + (twin ? 2 : 1);
        }
    }
    *result = NULL;
    return s->count;
}

struct block {
    size_t from, to, order;
    bool moves; /* of a task that does not sleep */
};

/* Blocks that may move change places until they stand as their tasks began. */
static void sort_blocks(struct block *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            if (b[i].moves && b[k].moves && b[k].order < b[i].order) {
                struct block swap = b[i];
                b[i] = b[k];
                b[k] = swap;
            }
        }
    }
}

static void write_blocks(const struct step *s, const struct block *b,
                         size_t n, size_t end)
{
    tree **sorted = base_zalloc((s->count + 1) * sizeof(tree *));
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = b[i].from; k < b[i].to; k++) {
            sorted[to++] = s->events->items[s->at[k]];
        }
    }
    must(to == end);
    for (size_t i = 0; i < end; i++) {
        s->events->items[s->at[i]] = sorted[i];
    }
    free(sorted);
}

static void sort_step(const tree *graphs, const struct step *s)
{
    struct block *b = base_zalloc((s->count + 1) * sizeof *b);
    const tree *nodes = tree_get(s->graph, "nodes"), *result = NULL;
    size_t n = 0, from = 0;
    while (from < s->count) {
        size_t end = block_end(s, from, &result);
        if (result == NULL) {
            break; /* what is left belongs to no task that ended */
        }
        const char *name = tree_string(tree_get(result, "name"));
        const tree *node = name == NULL ? NULL : tree_get(nodes, name);
        b[n++] = (struct block){from, end, start_index(s, result),
                                node != NULL && !sleeps(graphs, node, 0)};
        from = end;
    }
    sort_blocks(b, n);
    write_blocks(s, b, n, from);
    free(b);
}

/* ---- what parallel tasks say while they run -------------------------------- */

/* Something that was said, and what it is sorted by. */
struct said {
    tree *event;
    size_t task; /* index of its start */
    char *text;  /* of what no task is known: a custom payload */
};

/* The task whose model or node sent this message, or the count of starts. */
static size_t speaker(const struct step *s, const tree *event)
{
    const tree *metadata = tree_at(tree_at(event, 2), 1);
    const char *ns = tree_string(tree_get(metadata,
                                          "langgraph_checkpoint_ns"));
    size_t n = tree_count(s->starts);
    for (size_t i = 0; ns != NULL && i < n; i++) {
        const char *id = tree_string(tree_at(s->starts, i));
        size_t len = strlen(id), all = strlen(ns);
        if (len <= all && strcmp(ns + all - len, id) == 0) {
            return i;
        }
    }
    return n;
}

static bool is_said(const struct step *s, tree *event, struct said *out)
{
    const tree *payload = tree_at(event, 2);
    *out = (struct said){.event = event, .task = tree_count(s->starts)};
    if (tree_is(tree_at(event, 1), "messages")) {
        out->task = speaker(s, event);
        return out->task < tree_count(s->starts);
    }
    if (tree_is(tree_at(event, 1), "custom") &&
        tree_get(payload, "from") != NULL) {
        out->text = tree_to_json(payload);
        return true;
    }
    return false;
}

static bool said_before(const struct said *a, const struct said *b)
{
    if (a->text != NULL && b->text != NULL) {
        return strcmp(a->text, b->text) < 0;
    }
    return a->task < b->task;
}

/* Insertion: equal ones stay as they are. */
static void sort_said(struct said *all, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0 && said_before(&all[k], &all[k - 1]); k--) {
            struct said swap = all[k];
            all[k] = all[k - 1];
            all[k - 1] = swap;
        }
    }
}

/* Messages and custom payloads that name their node ("from") come as they
 * come when several tasks run: they go first, ordered, and out of `s`. */
static void order_said(struct step *s)
{
    struct said *all = base_zalloc((s->count + 1) * sizeof *all);
    tree **others = base_zalloc((s->count + 1) * sizeof *others);
    size_t n = 0, rest = 0;
    for (size_t i = 0; i < s->count; i++) {
        tree *event = s->events->items[s->at[i]];
        if (is_said(s, event, &all[n])) {
            n++;
        } else {
            others[rest++] = event;
        }
    }
    sort_said(all, n);
    for (size_t i = 0; i < s->count; i++) {
        s->events->items[s->at[i]] = i < n ? all[i].event : others[i - n];
    }
    for (size_t i = 0; i < n; i++) {
        free(all[i].text);
    }
    free(all);
    free(others);
    memmove(s->at, s->at + n, rest * sizeof *s->at);
    s->count = rest;
}

/* Does a step of a namespace end with this event? */
static bool ends_step(const tree *event)
{
    return tree_is(tree_at(event, 1), "checkpoints") ||
           (tree_is(tree_at(event, 1), "values") &&
            tree_get(tree_at(event, 2), "__interrupt__") == NULL);
}

/* Of a task that does not run again: it has no result. */
static bool is_restored(const tree *event)
{
    const tree *mark = tree_get(tree_at(event, 2), "__metadata__");
    return tree_is(tree_at(event, 1), "updates") &&
           tree_get(mark, "cached") != NULL;
}

static bool is_start(const tree *event)
{
    char *segment = segment_of(event, true);
    free(segment);
    return segment != NULL;
}

/* Sorts the step whose first start is at `first`. */
static void sort_from(struct mask *m, tree *events, size_t first)
{
    const tree *ns = ns_of(tree_at(events, first));
    struct step s = {.graph = mask_graph_of(m, ns), .events = events,
                     .starts = tree_list()};
    s.at = base_zalloc((tree_count(events) + 1) * sizeof *s.at);
    for (size_t i = first; i < tree_count(events); i++) {
        const tree *event = tree_at(events, i);
        if (!mask_same_ns(ns_of(event), ns)) {
            continue;
        }
        if (ends_step(event)) {
            break;
        }
        if (!is_start(event) && !is_restored(event)) {
            s.at[s.count++] = i;
        } else if (tree_is(tree_at(event, 1), "tasks")) {
            tree_push(s.starts, tree_copy(tree_get(tree_at(event, 2), "id")));
        }
    }
    if (tree_count(s.starts) > 1) {
        order_said(&s);
    }
    sort_step(m->graphs, &s);
    tree_destroy(&s.starts);
    free(s.at);
}

/* The first start of a step: none of its namespace stands before it without
 * the end of a step between. */
static bool begins_step(const tree *events, size_t at)
{
    const tree *event = tree_at(events, at);
    if (!tree_is(tree_at(event, 1), "tasks") || !is_start(event)) {
        return false;
    }
    for (size_t i = at; i > 0; i--) {
        const tree *other = tree_at(events, i - 1);
        if (mask_same_ns(ns_of(other), ns_of(event))) {
            if (ends_step(other)) {
                return true;
            }
            if (is_start(other)) {
                return false;
            }
        }
    }
    return true;
}

void compare_order(const tree *graphs, tree *results)
{
    struct mask m = {.graphs = graphs};
    for (size_t i = 0; i < tree_count(results); i++) {
        tree *events = tree_get(tree_at(results, i), "events");
        if (events == NULL) {
            continue;
        }
        order_events(events);
        for (size_t k = 0; k < tree_count(events); k++) {
            if (begins_step(events, k)) {
                sort_from(&m, events, k);
            }
        }
    }
}
