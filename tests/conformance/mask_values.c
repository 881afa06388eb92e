/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_values.c: the rows about the payloads of updates and values.
 */
#include "tests/conformance/mask.h"

#include <stdlib.h>
#include <string.h>

static bool null_updates(struct mask_event *e)
{
    if (e->debug || strcmp(e->mode, "updates") != 0) {
        return false;
    }
    for (size_t i = 0; i < e->payload->count; i++) {
        tree *update = e->payload->items[i];
        if (update->type == TREE_OBJECT && update->count == 0) {
            tree_replace(update, tree_null());
        }
    }
    return false;
}

void mask_empty_update(struct mask *m, tree *results)
{
    mask_events(m, results, null_updates);
}

static bool in_list(const tree *list, const char *text)
{
    for (size_t i = 0; i < tree_count(list); i++) {
        if (tree_is(tree_at(list, i), text)) {
            return true;
        }
    }
    return false;
}

/* Removes the keys that are not in `keys`; true when any is left. */
static bool keep_keys(tree *object, const tree *keys)
{
    for (size_t i = tree_count(object); i > 0; i--) {
        const char *key = object->keys[i - 1];
        if (!in_list(keys, key) && strcmp(key, "__interrupt__") != 0) {
            tree_drop(object, key);
        }
    }
    return tree_count(object) > 0;
}

static bool has_any(const tree *update, const tree *keys)
{
    for (size_t i = 0; i < tree_count(update); i++) {
        if (update->type == TREE_OBJECT && in_list(keys, update->keys[i])) {
            return true;
        }
    }
    return false;
}

/* Do the two states differ in one of these keys? */
static bool differ_in(const tree *a, const tree *b, const tree *keys)
{
    for (size_t i = 0; i < tree_count(keys); i++) {
        const char *key = tree_string(tree_at(keys, i));
        if (!tree_equal(tree_get(a, key), tree_get(b, key))) {
            return true;
        }
    }
    return false;
}

/* Was an output key written since the last `checkpoints` of the namespace?
 * Without one in between it is the state that a resume begins with. */
static bool writes_output(const struct mask_event *e, const tree *keys)
{
    for (size_t i = e->index; i > 0; i--) {
        const tree *other = tree_at(e->events, i - 1);
        const tree *payload = tree_at(other, 2);
        if (!mask_same_ns(tree_at(other, 0), tree_at(e->event, 0))) {
            continue;
        }
        for (size_t k = 0; tree_is(tree_at(other, 1), "updates") &&
                           k < tree_count(payload); k++) {
            if (has_any(tree_at(payload, k), keys)) {
                return true;
            }
        }
        if (tree_is(tree_at(other, 1), "checkpoints")) { /* the input's? */
            return differ_in(tree_get(payload, "values"), e->payload, keys);
        }
    }
    return true;
}

/* Of tasks that a loaded checkpoint remembers. */
static void limit_results(tree *tasks, const tree *keys)
{
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *result = tree_get(tree_at(tasks, i), "result");
        if (result != NULL && !keep_keys(result, keys)) {
            tree_drop(tree_at(tasks, i), "result");
        }
    }
}

static bool limit_to_output(struct mask_event *e)
{
    const tree *graph = mask_graph_of(e->mask, tree_at(e->event, 0));
    const tree *keys = tree_get(graph, "output");
    if (keys != NULL && strcmp(e->mode, "checkpoints") == 0) {
        limit_results(tree_get(e->payload, "tasks"), keys);
    }
    if (keys == NULL || e->debug) {
        return false;
    }
    if (strcmp(e->mode, "values") == 0) {
        bool written = writes_output(e, keys);
        keep_keys(e->payload, keys);
        return !written &&
               tree_get(e->payload, "__interrupt__") == NULL;
    }
    for (size_t i = 0; strcmp(e->mode, "updates") == 0 &&
                       i < e->payload->count; i++) {
        tree *update = e->payload->items[i];
        if (update->type == TREE_OBJECT && update->count > 0 &&
            e->payload->keys[i][0] != '_' && !keep_keys(update, keys)) {
            tree_replace(update, tree_null());
        }
    }
    return false;
}

void mask_output_schema(struct mask *m, tree *results)
{
    mask_events(m, results, limit_to_output);
}

/* The last state shown in this namespace: `values`, else a checkpoint's. */
static const tree *last_state(const struct mask_event *e)
{
    for (size_t i = e->index; i > 0; i--) {
        const tree *other = tree_at(e->events, i - 1);
        const tree *payload = tree_at(other, 2);
        if (!mask_same_ns(tree_at(other, 0), tree_at(e->event, 0))) {
            continue;
        }
        if (tree_is(tree_at(other, 1), "values") &&
            tree_get(payload, "__interrupt__") == NULL) {
            return payload;
        }
        if (tree_is(tree_at(other, 1), "checkpoints")) {
            const tree *values = tree_get(payload, "values");
            return values;
        }
    }
    return NULL;
}

static bool add_state(struct mask_event *e)
{
    const tree *state;
    if (strcmp(e->mode, "values") != 0 || e->payload->count != 1 ||
        tree_count(tree_get(e->payload, "__interrupt__")) == 0 ||
        (state = last_state(e)) == NULL) {
        return false;
    }
    const tree *graph = mask_graph_of(e->mask, tree_at(e->event, 0));
    tree *full = tree_copy(state);
    if (tree_get(graph, "output") != NULL) {
        keep_keys(full, tree_get(graph, "output"));
    }
    tree_set(full, "__interrupt__", tree_take(e->payload, "__interrupt__"));
    tree_replace(e->payload, full);
    return false;
}

void mask_interrupt_values(struct mask *m, tree *results)
{
    mask_events(m, results, add_state);
}
