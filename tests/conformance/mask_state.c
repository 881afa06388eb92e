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

/* Takes the keys that live for one step out of `values`. */
static void drop_transient(const struct mask *m, tree *values)
{
    for (size_t g = 0; g < tree_count(m->graphs); g++) {
        const tree *keys = tree_get(tree_at(m->graphs, g), "state");
        for (size_t i = 0; i < tree_count(keys); i++) {
            if (tree_is(keys->items[i], "topic") ||
                tree_is(keys->items[i], "any") ||
                tree_is(keys->items[i], "ephemeral")) {
                tree_drop(values, keys->keys[i]);
            }
        }
    }
}

static void sort_by_text(tree *list)
{
    for (size_t i = 1; i < tree_count(list); i++) {
        for (size_t k = i; k > 0; k--) {
            char *a = tree_to_json(list->items[k - 1]);
            char *b = tree_to_json(list->items[k]);
            if (strcmp(a, b) > 0) {
                tree *swap = list->items[k];
                list->items[k] = list->items[k - 1];
                list->items[k - 1] = swap;
            }
            free(a);
            free(b);
        }
    }
}

/* Of a state or a checkpoint's event. */
static void sort_results(struct mask *m, tree *state)
{
    (void)m;
    const tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        const tree *result = tree_get(tree_at(tasks, i), "result");
        for (size_t k = 0; k < tree_count(result); k++) {
            sort_by_text(tree_get(tree_at(result, k), "$writes"));
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

static void durable_values(struct mask *m, tree *state)
{
    drop_transient(m, tree_get(state, "values"));
}

void mask_state_transient(struct mask *m, tree *results)
{
    for (size_t r = 0; r < tree_count(results); r++) {
        tree *state = tree_take(tree_at(results, r), "state");
        if (state != NULL) { /* as the only one, without the histories */
            tree *one = tree_object(), *list = tree_list();
            tree_set(one, "state", state);
            tree_push(list, one);
            mask_states(m, list, durable_values);
            tree_set(tree_at(results, r), "state", tree_take(one, "state"));
            tree_destroy(&list);
        }
    }
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

/* ---- errors ------------------------------------------------------------- */

#define DOCS "https://docs.langchain.com/oss/python/langgraph/errors/"
#define VISIT "\nFor troubleshooting, visit: " DOCS

/*
 * What JS says and what Python says: `%` in the first takes the text up to
 * what follows it, and stands where `%` is in the second. The type changes
 * with it; NULL: it stays.
 */
static const struct wording {
    const char *js, *python, *type;
} wordings[] = {
    {"Recursion limit of % reached without hitting a stop condition. You can "
     "increase the limit by setting the \"recursionLimit\" config key.\n\n"
     "Troubleshooting URL: https://docs.langchain.com/oss/javascript/"
     "langgraph/GRAPH_RECURSION_LIMIT/\n",
     "Recursion limit of % reached without hitting a stop condition. You can "
     "increase the limit by setting the `recursion_limit` config key." VISIT
     "GRAPH_RECURSION_LIMIT",
     NULL},
    {"Invalid update for channel \"%\" with values *: LastValue can only "
     "receive one value per step.\n\nTroubleshooting URL: "
     "https://docs.langchain.com/oss/javascript/langgraph/"
     "INVALID_CONCURRENT_GRAPH_UPDATE/\n",
     "At key '%': Can receive only one value per step. Use an Annotated key "
     "to handle multiple values." VISIT "INVALID_CONCURRENT_GRAPH_UPDATE",
     NULL},
    {"Attempting to delete a message with an ID that doesn't exist ('%')",
     "Attempting to delete a message with an ID that doesn't exist ('%')",
     "ValueError"},
    {"Received no input writes for \"__start__\"",
     "Received no input for __start__", NULL},
    {"Node \"%\" does not exist", "Node % does not exist", NULL},
    {"Ambiguous update, specify \"asNode\"",
     "Ambiguous update, specify as_node", NULL},
    {"No checkpointer set\n\nTroubleshooting URL: https://docs.langchain.com/"
     "oss/javascript/langgraph/MISSING_CHECKPOINTER/\n",
     "No checkpointer set" VISIT "MISSING_CHECKPOINTER", NULL},
    {"Invalid node name \"%\" in Send packet",
     "Invalid node name % in packet", NULL},
    {"Branch condition returned unknown or null destination",
     "Branch did not return a valid destination", "ValueError"},
    {"Invalid update for channel \"%\" with values *: Can receive only one "
     "Overwrite value per step.",
     "Can receive only one Overwrite value per super-step." VISIT
     "INVALID_CONCURRENT_GRAPH_UPDATE",
     NULL},
    {"Unable to coerce message from array: only human, AI, system, developer, "
     "or tool message coercion is currently supported.\n\nReceived: {\n  "
     "\"type\": \"%\",*",
     "Unexpected message type: '%'. Use one of 'human', 'user', 'ai', "
     "'assistant', 'function', 'tool', 'system', or 'developer'.\nFor "
     "troubleshooting, visit: https://docs.langchain.com/oss/python/langchain/"
     "errors/MESSAGE_COERCION_FAILURE ",
     "ValueError"},
};

/* Does `text` follow the pattern? `%` and `*` take any text; *taken is what
 * `%` took. */
static bool follows(const char *text, const char *pattern, const char **taken,
                    size_t *len)
{
    size_t lead = strcspn(pattern, "%*");
    if (strncmp(text, pattern, lead) != 0) {
        return false;
    }
    if (pattern[lead] == '\0') {
        return text[lead] == '\0';
    }
    const char *rest = pattern + lead + 1;
    char *until = base_memdup(rest, strcspn(rest, "%*"));
    const char *end = until[0] == '\0' ? text + strlen(text)
                                       : strstr(text + lead, until);
    free(until);
    if (end == NULL) {
        return false;
    }
    if (pattern[lead] == '%') {
        *taken = text + lead;
        *len = (size_t)(end - *taken);
    }
    return follows(end, rest, taken, len);
}

static char *fill_in(const char *python, const char *taken, size_t len)
{
    struct buf out;
    buf_init(&out, 65536);
    const char *hole = strchr(python, '%');
    bool ok = hole == NULL
                  ? buf_puts(&out, python)
                  : buf_append(&out, python, (size_t)(hole - python)) &&
                        buf_append(&out, taken, len) &&
                        buf_puts(&out, hole + 1);
    must(ok);
    return buf_take(&out, &len);
}

/* The value that a node of the description returns, as Python shows it. */
static char *returned_by(const struct mask *m, const char *name, size_t len)
{
    char *node = base_memdup(name, len), *text = NULL;
    for (size_t g = 0; g < tree_count(m->graphs) && text == NULL; g++) {
        const tree *nodes = tree_get(tree_at(m->graphs, g), "nodes");
        const tree *ops = tree_get(tree_get(nodes, node), "do");
        for (size_t i = 0; i < tree_count(ops) && text == NULL; i++) {
            const tree *value = tree_get(tree_at(ops, i), "value");
            if (!tree_is(tree_get(tree_at(ops, i), "op"), "return")) {
                continue;
            }
            text = tree_string(value) != NULL ? base_strdup(tree_string(value))
                                              : tree_to_json(value);
        }
    }
    free(node);
    return text != NULL ? text : base_strdup("?");
}

static char *bad_return(const struct mask *m, const char *message)
{
    static const char js[] =
        "Expected node \"%\" to return an object or an array containing at "
        "least one Command object, received *";
    const char *node = NULL;
    size_t len = 0;
    if (!follows(message, js, &node, &len)) {
        return NULL;
    }
    char *value = returned_by(m, node, len);
    char *text = fill_in("Expected dict, got %" VISIT
                         "INVALID_GRAPH_NODE_RETURN_VALUE",
                         value, strlen(value));
    free(value);
    return text;
}

/* May a branch of these graphs only lead to what it names? */
static bool names_targets(const tree *graphs)
{
    for (size_t g = 0; g < tree_count(graphs); g++) {
        const tree *branches = tree_get(tree_at(graphs, g), "conditional");
        for (size_t i = 0; i < tree_count(branches); i++) {
            const tree *b = tree_at(branches, i);
            if (tree_count(tree_get(b, "map")) > 0 ||
                tree_count(tree_get(b, "targets")) > 0) {
                return true;
            }
        }
    }
    return false;
}

/* The label that was looked for, which JS does not tell; NULL: there is no
 * KeyError on the other side. */
static const char *missing_label(const struct mask *m)
{
    for (size_t i = 0; i < tree_count(m->ours); i++) {
        const tree *error = tree_get(tree_at(m->ours, i), "error");
        if (tree_is(tree_get(error, "name"), "KeyError")) {
            return tree_string(tree_get(error, "message"));
        }
    }
    return NULL;
}

/* An error of a branch that leads nowhere: a failed look-up in Python when the
 * branch names its targets. */
static bool lost_label(const struct mask *m, tree *error)
{
    static const char js[] =
        "Branch condition returned unknown or null destination";
    const char *label = missing_label(m);
    if (!tree_is(tree_get(error, "message"), js) || label == NULL ||
        !names_targets(m->graphs)) {
        return false;
    }
    tree_set(error, "name", tree_text("KeyError"));
    tree_set(error, "message", tree_text(label));
    return true;
}

/* {name, message} of an error, wherever it is. */
static void python_wording(tree *t, void *arg)
{
    tree *message = t->type == TREE_OBJECT ? tree_get(t, "message") : NULL;
    const char *text = tree_string(message);
    if (text == NULL || tree_string(tree_get(t, "name")) == NULL ||
        lost_label(arg, t)) {
        return;
    }
    char *python = bad_return(arg, text);
    for (size_t i = 0; python == NULL && i < COUNT_OF(wordings); i++) {
        const char *taken = "";
        size_t len = 0;
        if (!follows(text, wordings[i].js, &taken, &len)) {
            continue;
        }
        python = fill_in(wordings[i].python, taken, len);
        if (wordings[i].type != NULL) {
            tree_set(t, "name", tree_text(wordings[i].type));
        }
    }
    if (python != NULL) {
        tree_set_text(message, python);
    }
    free(python);
}

void mask_error_text(struct mask *m, tree *results)
{
    mask_all(results, python_wording, m);
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
