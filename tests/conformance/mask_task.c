/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_task.c: the rows about tasks as they start and end, and about what
 * they ask.
 */
#include "tests/conformance/mask.h"

#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

static bool drop_no_interrupts(struct mask_event *e)
{
    if (mask_is_start(e) &&
        tree_is_empty(tree_get(e->payload, "interrupts"))) {
        tree_drop(e->payload, "interrupts");
    }
    return false;
}

void mask_task_interrupts(struct mask *m, tree *results)
{
    mask_events(m, results, drop_no_interrupts);
}

static bool drop_integration(struct mask_event *e)
{
    tree *metadata = tree_get(e->payload, "metadata");
    if (mask_is_start(e) &&
        tree_is(tree_get(metadata, "ls_integration"), "langgraph")) {
        tree_drop(metadata, "ls_integration");
        if (tree_is_empty(metadata)) {
            tree_drop(e->payload, "metadata");
        }
    }
    return false;
}

void mask_task_integration(struct mask *m, tree *results)
{
    mask_events(m, results, drop_integration);
}

/* Did `updates` of this task, or its interrupt, come before the result? */
static bool has_output(const struct mask_event *e)
{
    const char *name = tree_string(tree_get(e->payload, "name"));
    if (!tree_is_empty(tree_get(e->payload, "interrupts"))) {
        return true;
    }
    for (size_t i = e->index; i > 0; i--) {
        const tree *other = tree_at(e->events, i - 1);
        if (!mask_same_ns(tree_at(other, 0), tree_at(e->event, 0)) ||
            tree_is(tree_at(other, 1), "debug")) {
            continue;
        }
        if (tree_is(tree_at(other, 1), "tasks") &&
            tree_equal(tree_get(tree_at(other, 2), "id"),
                       tree_get(e->payload, "id"))) {
            if (tree_get(tree_at(other, 2), "result") == NULL) {
                return false; /* its start */
            }
            continue; /* the result that this is the twin of */
        }
        return tree_is(tree_at(other, 1), "updates") &&
               tree_get(tree_at(other, 2), name) != NULL;
    }
    return false;
}

/* The result that holds this step. */
static const tree *run_error(const struct mask_event *e, const tree *results)
{
    for (size_t i = 0; i < tree_count(results); i++) {
        if (tree_get(tree_at(results, i), "step") == e->step) {
            return tree_get(tree_at(results, i), "error");
        }
    }
    return NULL;
}

/* Is it an error of no task: found when a step's writes were applied, or
 * when there was no step left? */
static bool is_of_the_run(const tree *error)
{
    static const char *const heads[] = {
        "Recursion limit of", "At key '", "Can receive only one Overwrite",
        "Attempting to delete a message", "Unexpected message type",
    };
    const char *text = tree_string(tree_get(error, "message"));
    for (size_t i = 0; text != NULL && i < COUNT_OF(heads); i++) {
        if (strncmp(text, heads[i], strlen(heads[i])) == 0) {
            return true;
        }
    }
    return text == NULL;
}

/* Is there a result without output before or after this one in its run? */
static bool is_last_result(const struct mask_event *e)
{
    for (size_t i = e->index + 1; i < tree_count(e->events); i++) {
        const tree *event = tree_at(e->events, i);
        if (tree_is(tree_at(event, 1), "tasks") ||
            tree_is(tree_at(event, 1), "checkpoints")) {
            return false;
        }
    }
    return true;
}

/* What the node's first `throw` throws, where the description says it. */
static tree *thrown_by(const struct mask *m, const tree *t, int depth)
{
    const tree *child = NULL;
    const char *name = tree_string(tree_get(t, "name"));
    const char *message = tree_string(tree_get(t, "message"));
    if (tree_is(tree_get(t, "op"), "throw") && message != NULL) {
        tree *error = tree_object();
        tree_set(error, "name", tree_text(name == NULL ? "Error" : name));
        tree_set(error, "message", tree_text(message));
        return error;
    }
    if (tree_string(tree_get(t, "graph")) != NULL) {
        child = tree_get(m->graphs, tree_string(tree_get(t, "graph")));
    }
    tree *found = child == NULL || depth > 32
                      ? NULL
                      : thrown_by(m, child, depth + 1);
    for (size_t i = 0; found == NULL && i < tree_count(t) && depth <= 32;
         i++) {
        found = thrown_by(m, tree_at(t, i), depth + 1);
    }
    return found;
}

/* 1.4 does not show which task failed: the one without output, or else the
 * last one that ended; in a run that went on, one that was tried again. */
static tree *guess_error(const struct mask_event *e)
{
    const tree *failure = run_error(e, e->mask->recorded);
    const tree *graph = mask_graph_of(e->mask, tree_at(e->event, 0));
    const char *name = tree_string(tree_get(e->payload, "name"));
    bool bare = !has_output(e);
    if (failure != NULL && !is_of_the_run(failure) &&
        (bare || is_last_result(e))) {
        return mask_repr(failure);
    }
    if (failure != NULL || !bare || name == NULL) {
        return tree_null();
    }
    tree *thrown = thrown_by(e->mask, tree_get(tree_get(graph, "nodes"), name),
                             0);
    tree *repr = thrown == NULL ? tree_null() : mask_repr(thrown);
    tree_destroy(&thrown);
    return repr;
}

static bool python_error(struct mask_event *e)
{
    tree *error = tree_get(e->payload, "error");
    if (!mask_is_result(e)) {
        return false;
    }
    if (tree_get(error, "message") != NULL) {
        tree_replace(error, mask_repr(error));
    } else if (error == NULL) {
        tree_set(e->payload, "error", guess_error(e));
    }
    return false;
}

void mask_task_error(struct mask *m, tree *results)
{
    mask_events(m, results, python_error);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(tree_string(*(tree *const *)a),
                  tree_string(*(tree *const *)b));
}

/* All triggers of a node, sorted, from the description. */
static tree *triggers_of(const tree *graph, const char *node)
{
    tree *list = tree_list();
    const tree *edges = tree_get(graph, "edges");
    struct buf name;
    buf_init(&name, 65536);
    bool ok = buf_printf(&name, "branch:to:%s", node);
    tree_push(list, tree_text(buf_text(&name)));
    for (size_t i = 0; i < tree_count(edges); i++) {
        const tree *from = tree_at(tree_at(edges, i), 0);
        if (from->type != TREE_LIST ||
            !tree_is(tree_at(tree_at(edges, i), 1), node)) {
            continue;
        }
        buf_reset(&name);
        ok = ok && buf_puts(&name, "join:");
        for (size_t k = 0; ok && k < tree_count(from); k++) {
            ok = buf_printf(&name, "%s%s", k == 0 ? "" : "+",
                            tree_string(tree_at(from, k)));
        }
        ok = ok && buf_printf(&name, ":%s", node);
        tree_push(list, tree_text(buf_text(&name)));
    }
    must(ok);
    buf_fini(&name);
    qsort(list->items, list->count, sizeof(tree *), by_text);
    return list;
}

/* The one that fired first becomes all of the node's, if it is one of them. */
static void all_triggers(tree *triggers, const tree *graph, const char *node)
{
    if (graph == NULL || node == NULL || tree_count(triggers) != 1 ||
        tree_is(tree_at(triggers, 0), "__pregel_push")) {
        return;
    }
    tree *all = triggers_of(graph, node);
    for (size_t i = 0; i < all->count; i++) {
        if (tree_equal(all->items[i], tree_at(triggers, 0))) {
            tree_replace(triggers, all);
            return;
        }
    }
    tree_destroy(&all);
}

static bool name_triggers(struct mask_event *e)
{
    const tree *graph = mask_graph_of(e->mask, tree_at(e->event, 0));
    const tree *metadata = tree_at(e->payload, 1);
    if (mask_is_start(e)) {
        all_triggers(tree_get(e->payload, "triggers"), graph,
                     tree_string(tree_get(e->payload, "name")));
    } else if (strcmp(e->mode, "messages") == 0) {
        all_triggers(tree_get(metadata, "langgraph_triggers"), graph,
                     tree_string(tree_get(metadata, "langgraph_node")));
    }
    return false;
}

void mask_triggers(struct mask *m, tree *results)
{
    mask_events(m, results, name_triggers);
}

static void shorten_path(tree *t, void *arg)
{
    (void)arg;
    const tree *third = tree_at(t, 2);
    if (t->type == TREE_LIST && t->count == 3 &&
        tree_is(tree_at(t, 0), "__pregel_push") &&
        third->type == TREE_BOOL && !third->flag) {
        tree_drop_at(t, 2);
    }
}

void mask_send_path(struct mask *m, tree *results)
{
    (void)m;
    mask_all(results, shorten_path, NULL);
}

/* ---- interrupt ids --------------------------------------------------------- */

/* The task that asks is where an id appears first: graphs around it repeat
 * it later. Its first id becomes that of its later ones. */
struct first_ids {
    tree *asked;   /* {interrupt id: task id} */
    tree *first;   /* {task id: interrupt id} */
    tree *renamed; /* {interrupt id: first one} */
};

static void note_ids(tree *t, void *arg)
{
    struct first_ids *ids = arg;
    const tree *interrupts = tree_get(t, "interrupts");
    const char *task = tree_string(tree_get(t, "id"));
    for (size_t i = 0; task != NULL && i < tree_count(interrupts); i++) {
        const char *id = tree_string(
            tree_get(tree_at(interrupts, i), "id"));
        if (id == NULL || tree_get(ids->asked, id) != NULL) {
            continue;
        }
        const tree *first = tree_get(ids->first, task);
        tree_set(ids->asked, id, tree_text(task));
        if (first == NULL) {
            tree_set(ids->first, task, tree_text(id));
        } else {
            tree_set(ids->renamed, id, tree_copy(first));
        }
    }
}

static void rename_ids(tree *t, void *arg)
{
    const struct first_ids *ids = arg;
    const char *text = tree_string(t);
    const tree *first = text == NULL ? NULL : tree_get(ids->renamed, text);
    if (first != NULL) {
        tree_set_text(t, tree_string(first));
    }
}

void mask_interrupt_ids(struct mask *m, tree *results)
{
    (void)m;
    struct first_ids ids = {tree_object(), tree_object(), tree_object()};
    mask_all(results, note_ids, &ids);
    mask_all(results, rename_ids, &ids);
    tree_destroy(&ids.asked);
    tree_destroy(&ids.first);
    tree_destroy(&ids.renamed);
}

/* ---- interrupts ---------------------------------------------------------- */

static char *question_of(const tree *interrupt)
{
    return tree_to_json(tree_get(interrupt, "value"));
}

static void order_interrupts(tree *t, void *arg)
{
    (void)arg;
    if (t->type != TREE_OBJECT) {
        return;
    }
    tree_sort(tree_get(t, "interrupts"), question_of);
    tree_sort(tree_get(t, "__interrupt__"), question_of);
}

void mask_interrupt_order(struct mask *m, tree *results)
{
    (void)m;
    mask_all(results, order_interrupts, NULL);
}
