/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_error.c: the row about errors: JavaScript's texts and class names as
 * Python says them.
 */
#include "tests/conformance/mask.h"

#include "common/buf.h"

#include <stdlib.h>
#include <string.h>

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
    {"Invalid update for channel \"%\" with values *: UntrackedValue(guard=true) "
     "can receive only one value per step. Use guard=false if you want to "
     "store any one of multiple values.*",
     "At key '%': UntrackedValue(guard=True) can receive only one value per "
     "step. Use guard=False if you want to store any one of multiple values.",
     NULL},
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

/* Asked for a state that is kept nowhere, Python says no more. */
static void state_of_none(tree *result)
{
    static const char js[] = "No checkpointer set\n\nTroubleshooting URL";
    tree *error = tree_get(result, "error");
    const char *text = tree_string(tree_get(error, "message"));
    const tree *op = tree_get(tree_get(result, "step"), "op");
    if (text != NULL && strncmp(text, js, strlen(js)) == 0 &&
        !tree_is(op, "stream") && !tree_is(op, "invoke")) {
        tree_set(error, "name", tree_text("ValueError"));
        tree_set(error, "message", tree_text("No checkpointer set"));
    }
}

void mask_error_text(struct mask *m, tree *results)
{
    for (size_t i = 0; i < tree_count(results); i++) {
        state_of_none(tree_at(results, i));
    }
    mask_all(results, python_wording, m);
}
