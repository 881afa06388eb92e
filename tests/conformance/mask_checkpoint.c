/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_checkpoint.c: the rows about the payloads of checkpoints: configs, parents,
 * and the tasks they list.
 */
#include "tests/conformance/mask.h"

#include <stdlib.h>
#include <string.h>

static void only_configurable(tree *config)
{
    for (size_t i = tree_count(config); i > 0; i--) {
        if (config->type == TREE_OBJECT &&
            strcmp(config->keys[i - 1], "configurable") != 0) {
            tree_drop(config, config->keys[i - 1]);
        }
    }
}

static bool trim_configs(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        only_configurable(tree_get(e->payload, "config"));
        only_configurable(tree_get(e->payload, "parent_config"));
        only_configurable(tree_get(e->payload, "parentConfig"));
    }
    return false;
}

static void trim_state(struct mask *m, tree *state)
{
    tree *config = tree_get(state, "config");
    tree *configurable = tree_get(config, "configurable");
    only_configurable(config);
    if (m->library == PY && tree_is(tree_get(configurable, "checkpoint_ns"),
                                    "")) { /* of no checkpoint: as asked */
        tree_drop(configurable, "checkpoint_ns");
    }
}

void mask_checkpoint_config(struct mask *m, tree *results)
{
    mask_events(m, results, trim_configs);
    mask_states(m, results, trim_state);
}

static bool name_parent(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        tree_rename(e->payload, "parentConfig", "parent_config");
        if (tree_get(e->payload, "parent_config") == NULL) {
            tree_set(e->payload, "parent_config", tree_null());
        }
    }
    return false;
}

void mask_checkpoint_parent(struct mask *m, tree *results)
{
    mask_events(m, results, name_parent);
}

/* checkpoint_map = the parents and the checkpoint itself. */
static void complete_map(tree *config, const tree *parents)
{
    tree *c = tree_get(config, "configurable");
    const char *ns = tree_string(tree_get(c, "checkpoint_ns"));
    const tree *id = tree_get(c, "checkpoint_id");
    if (ns == NULL || ns[0] == '\0' || tree_count(parents) == 0 ||
        id == NULL) {
        return;
    }
    tree *map = tree_copy(parents);
    tree_set(map, ns, tree_copy(id));
    tree_set(c, "checkpoint_map", map);
}

static bool complete_event(struct mask_event *e)
{
    const tree *parents = tree_get(tree_get(e->payload, "metadata"),
                                   "parents");
    if (strcmp(e->mode, "checkpoints") == 0) {
        complete_map(tree_get(e->payload, "config"), parents);
        complete_map(tree_get(e->payload, "parent_config"), parents);
    }
    return false;
}

static void complete_state(struct mask *m, tree *state)
{
    (void)m;
    const tree *parents = tree_get(tree_get(state, "metadata"), "parents");
    complete_map(tree_get(state, "config"), parents);
    complete_map(tree_get(state, "parent_config"), parents);
}

void mask_checkpoint_map(struct mask *m, tree *results)
{
    mask_events(m, results, complete_event);
    mask_states(m, results, complete_state);
}

static bool python_tasks(struct mask_event *e)
{
    tree *tasks = tree_get(e->payload, "tasks");
    if (strcmp(e->mode, "checkpoints") != 0) {
        return false;
    }
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *task = tree_at(tasks, i);
        tree *error = tree_get(task, "error");
        tree_drop(task, "path");
        if (tree_get(task, "state") == NULL) {
            tree_set(task, "state", tree_null());
        }
        if (tree_get(error, "message") != NULL) {
            tree_replace(error, mask_repr(error));
            tree_drop(task, "interrupts");
        }
    }
    return false;
}

void mask_checkpoint_tasks(struct mask *m, tree *results)
{
    mask_events(m, results, python_tasks);
}

/* The graph that a task runs, or NULL. */
static const tree *graph_of_task(const struct mask *m, const tree *graph,
                                 const tree *task)
{
    const char *name = tree_string(tree_get(task, "name"));
    const tree *node = name == NULL
                           ? NULL
                           : tree_get(tree_get(graph, "nodes"), name);
    const char *child = tree_string(tree_get(node, "graph"));
    return child == NULL ? NULL : tree_get(m->graphs, child);
}

static void drop_no_memory(const struct mask *m, const tree *graph,
                           tree *tasks, bool null)
{
    for (size_t i = 0; i < tree_count(tasks); i++) {
        tree *task = tree_at(tasks, i);
        const tree *child = graph_of_task(m, graph, task);
        const tree *memory = tree_get(child, "subgraph_checkpointer");
        if (memory != NULL && memory->type == TREE_BOOL && !memory->flag) {
            tree_drop(task, "state");
            if (null) {
                tree_set(task, "state", tree_null());
            }
        }
    }
}

static bool no_memory_event(struct mask_event *e)
{
    if (strcmp(e->mode, "checkpoints") == 0) {
        drop_no_memory(e->mask, mask_graph_of(e->mask, tree_at(e->event, 0)),
                       tree_get(e->payload, "tasks"), true);
    }
    return false;
}

static void no_memory_state(struct mask *m, tree *state)
{
    drop_no_memory(m, tree_get(m->graphs, "main"), tree_get(state, "tasks"),
                   false);
}

void mask_no_memory_state(struct mask *m, tree *results)
{
    mask_events(m, results, no_memory_event);
    mask_states(m, results, no_memory_state);
}

static bool drop_exit_ids(struct mask_event *e)
{
    tree *c = tree_get(tree_get(e->payload, "config"), "configurable");
    const char *ns = tree_string(tree_get(c, "checkpoint_ns"));
    if (!tree_is(tree_get(e->step, "durability"), "exit") ||
        strcmp(e->mode, "checkpoints") != 0) {
        return false;
    }
    tree_drop(c, "checkpoint_id");
    if (ns != NULL && ns[0] != '\0') {
        tree_drop(tree_get(c, "checkpoint_map"), ns);
    }
    return false;
}

void mask_exit_config(struct mask *m, tree *results)
{
    mask_events(m, results, drop_exit_ids);
}
