/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_state.c: the rows about state snapshots and errors.
 */
#include "tests/conformance/mask.h"

#include "common/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- snapshots ---------------------------------------------------------- */

static void only_core(tree *metadata)
{
    for (size_t i = tree_count(metadata); i > 0; i--) {
        const char *key = metadata->keys[i - 1];
        if (strcmp(key, "source") != 0 && strcmp(key, "step") != 0 &&
            strcmp(key, "parents") != 0) {
            tree_drop(metadata, key);
        }
    }
}

static void core_metadata(struct mask *m, tree *state)
{
    (void)m;
    only_core(tree_get(state, "metadata"));
}

static bool core_event_metadata(struct mask_event *e)
{
    if (e->mask->library == PY && strcmp(e->mode, "checkpoints") == 0) {
        only_core(tree_get(e->payload, "metadata"));
    }
    return false;
}

void mask_state_metadata(struct mask *m, tree *results)
{
    mask_states(m, results, core_metadata);
    mask_events(m, results, core_event_metadata);
}

/* Of a state or a checkpoint's event. */
static void sort_results(struct mask *m, tree *state)
{
    (void)m;
    const tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        const tree *result = tree_get(tree_at(tasks, i), "result");
        for (size_t k = 0; k < tree_count(result); k++) {
            tree_sort(tree_get(tree_at(result, k), "$writes"), tree_to_json);
        }
    }
}

static bool sort_event_results(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        sort_results(e->mask, e->payload);
    }
    return false;
}

void mask_state_writes(struct mask *m, tree *results)
{
    mask_states(m, results, sort_results);
    mask_events(m, results, sort_event_results);
}

static void python_fields(struct mask *m, tree *state)
{
    (void)m;
    static const char *const nullable[] = {"parent_config", "metadata",
                                           "created_at"};
    tree *all = tree_list();
    const tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        const tree *own = tree_get(tree_at(tasks, i), "interrupts");
        for (size_t k = 0; k < tree_count(own); k++) {
            tree_push(all, tree_copy(tree_at(own, k)));
        }
    }
    tree_set(state, "interrupts", all);
    for (size_t i = 0; i < COUNT_OF(nullable); i++) {
        if (tree_get(state, nullable[i]) == NULL) {
            tree_set(state, nullable[i], tree_null());
        }
    }
}

void mask_state_fields(struct mask *m, tree *results)
{
    mask_states(m, results, python_fields);
}

static void repr_errors(struct mask *m, tree *state)
{
    (void)m;
    tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *error = tree_get(tree_at(tasks, i), "error");
        if (tree_get(error, "message") != NULL) {
            tree_replace(error, mask_repr(error));
        }
    }
}

void mask_state_error(struct mask *m, tree *results)
{
    mask_states(m, results, repr_errors);
}

/* A task with an error (or, if `interrupted`, interrupts) shows no `key`. */
static void hide(tree *tasks, const char *key, bool interrupted)
{
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *task = tree_at(tasks, i);
        bool asks = tree_count(tree_get(task, "interrupts")) > 0;
        if (tree_get(task, "error") != NULL || (interrupted && asks)) {
            tree_drop(task, key);
        }
    }
}

static void hide_results(struct mask *m, tree *state)
{
    (void)m;
    hide(tree_get(state, "tasks"), "result", true);
}

static bool hide_event_results(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        hide(tree_get(e->payload, "tasks"), "result", true);
    }
    return false;
}

void mask_state_result(struct mask *m, tree *results)
{
    mask_states(m, results, hide_results);
    mask_events(m, results, hide_event_results);
}

static void hide_states(struct mask *m, tree *state)
{
    (void)m;
    hide(tree_get(state, "tasks"), "state", false);
}

static bool hide_event_states(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        hide(tree_get(e->payload, "tasks"), "state", false);
    }
    return false;
}

void mask_state_of_failed(struct mask *m, tree *results)
{
    mask_states(m, results, hide_states);
    mask_events(m, results, hide_event_states);
}

static void drop_empty_results(struct mask *m, tree *state)
{
    (void)m;
    const tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *task = tree_at(tasks, i);
        if (tree_is_empty(tree_get(task, "result"))) {
            tree_drop(task, "result");
        }
    }
}

void mask_state_empty_result(struct mask *m, tree *results)
{
    mask_states(m, results, drop_empty_results);
}

/* ---- updates --------------------------------------------------------------- */

static const tree *id_in(const tree *config)
{
    return tree_get(tree_get(config, "configurable"), "checkpoint_id");
}

/* Is there an update in the history that was made on this state? */
static bool is_updated(const tree *history, const tree *state)
{
    const tree *id = id_in(tree_get(state, "config"));
    for (size_t i = 0; i < tree_count(history); i++) {
        const tree *other = tree_at(history, i);
        const tree *metadata = tree_get(other, "metadata");
        if (tree_is(tree_get(metadata, "source"), "update") &&
            tree_equal(id_in(tree_get(other, "parent_config")), id)) {
            return true;
        }
    }
    return false;
}

void mask_update_result(struct mask *m, tree *results)
{
    (void)m;
    for (size_t r = 0; r < tree_count(results); r++) {
        tree *history = tree_get(tree_at(results, r), "history");
        for (size_t i = 0; i < tree_count(history); i++) {
            tree *tasks = tree_get(tree_at(history, i), "tasks");
            bool updated = is_updated(history, tree_at(history, i));
            for (size_t k = 0; updated && k < tree_count(tasks); k++) {
                tree_drop(tree_at(tasks, k), "result");
            }
        }
    }
}

/* ---- times -------------------------------------------------------------- */

static void hide_time(tree *t, void *arg)
{
    static const char *const keys[] = {"timestamp", "created_at"};
    (void)arg;
    for (size_t i = 0; t->type == TREE_OBJECT && i < COUNT_OF(keys); i++) {
        tree *time = tree_get(t, keys[i]);
        if (tree_string(time) != NULL) {
            tree_set_text(time, "<ts>");
        }
    }
}

void mask_timestamps(struct mask *m, tree *results)
{
    (void)m;
    mask_all(results, hide_time, NULL);
}
