/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/check.c: looks a description over before it is compiled and notes
 * every mistake there is: names that are taken, reserved or badly formed,
 * edges to nowhere, nodes that nothing leads to, keys that do not exist.
 */
#include "worker/graph/builder.h"

#include <stdlib.h>
#include <string.h>

#define NO_NODE UINT32_MAX

/* ---- names -------------------------------------------------------------- */

static bool reserved(const char *name)
{
    static const char *const names[] = {
        "__start__",     "__end__",       "__input__",      "__error__",
        "__interrupt__", "__resume__",    "__no_writes__",  "__return__",
        "__previous__",  "__scheduled__", "__pregel_tasks", "__pregel_push",
        "__pregel_pull", "__copy__",      "__metadata__",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_managed(const leat_graph *b, const char *name)
{
    for (size_t i = 0; i < b->managed_count; i++) {
        if (strcmp(b->managed[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_key(const leat_graph *b, const char *name)
{
    for (size_t i = 0; i < b->key_count; i++) {
        if (strcmp(b->keys[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Number of a node in the compiled graph; `__start__` is 0. */
static uint32_t find_node(const leat_graph *b, const char *name)
{
    if (strcmp(name, LEAT_START) == 0) {
        return 0;
    }
    for (size_t i = 0; i < b->node_count; i++) {
        if (strcmp(b->nodes[i].name, name) == 0) {
            return (uint32_t)i + 1;
        }
    }
    return NO_NODE;
}

static void check_keys(leat_graph *b)
{
    for (size_t i = 0; i < b->key_count; i++) {
        const char *name = b->keys[i].name;
        size_t len = strlen(name);
        if (reserved(name) || strncmp(name, "branch:to:", 10) == 0 ||
            strncmp(name, "join:", 5) == 0) {
            graph_builder_mistake(b, "the key name '%s' is reserved", name);
        } else if (len == 0 || len > GRAPH_NAME_MAX) {
            graph_builder_mistake(b, "a key's name is empty or too long");
        }
        bool twice = is_managed(b, name);
        for (size_t j = 0; j < i; j++) {
            twice = twice || strcmp(b->keys[j].name, name) == 0;
        }
        if (twice) {
            graph_builder_mistake(b, "there are two keys '%s'", name);
        }
    }
}

static void check_node_names(leat_graph *b)
{
    for (size_t i = 0; i < b->node_count; i++) {
        const char *name = b->nodes[i].name;
        size_t len = strlen(name);
        if (len == 0 || len > GRAPH_NAME_MAX) {
            graph_builder_mistake(b, "a node's name is empty or too long");
        } else if (reserved(name)) {
            graph_builder_mistake(b, "the node name '%s' is reserved", name);
        } else if (strpbrk(name, "|:") != NULL) {
            graph_builder_mistake(b, "'|' and ':' cannot be in the node name "
                                  "'%s'", name);
        } else if (is_key(b, name)) {
            graph_builder_mistake(b, "'%s' is a node and a key of the state",
                                  name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(b->nodes[j].name, name) == 0) {
                graph_builder_mistake(b, "there are two nodes '%s'", name);
            }
        }
    }
}

static void check_from(leat_graph *b, const char *from)
{
    if (strcmp(from, LEAT_END) == 0) {
        graph_builder_mistake(b, "an edge cannot come from the end");
    } else if (find_node(b, from) == NO_NODE) {
        graph_builder_mistake(b, "an edge comes from '%s', which is no node",
                              from);
    }
}

static void check_to(leat_graph *b, const char *to)
{
    if (strcmp(to, LEAT_START) == 0) {
        graph_builder_mistake(b, "an edge cannot go to the start");
    } else if (strcmp(to, LEAT_END) != 0 && find_node(b, to) == NO_NODE) {
        graph_builder_mistake(b, "an edge goes to '%s', which is no node", to);
    }
}

static void check_names_known(leat_graph *b, char *const *names,
                              const char *what)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, "*") != 0 && (find_node(b, *names) == NO_NODE)) {
            graph_builder_mistake(b, "%s names '%s', which is no node", what,
                                  *names);
        }
    }
}

static void check_keys_known(leat_graph *b, char *const *names,
                             const char *what)
{
    for (; names != NULL && *names != NULL; names++) {
        if (!is_key(b, *names)) {
            graph_builder_mistake(b, "%s names '%s', which is no key", what,
                                  *names);
        }
    }
}

static bool has_entry(const leat_graph *b)
{
    for (size_t i = 0; i < b->edge_count; i++) {
        if (strcmp(b->edges[i].from, LEAT_START) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < b->branch_count; i++) {
        if (strcmp(b->branches[i].from, LEAT_START) == 0) {
            return true;
        }
    }
    return false;
}

static void check_edges(leat_graph *b)
{
    for (size_t i = 0; i < b->edge_count; i++) {
        check_from(b, b->edges[i].from);
        check_to(b, b->edges[i].to);
    }
    for (size_t i = 0; i < b->join_count; i++) {
        for (char **f = b->joins[i].from; *f != NULL; f++) {
            check_from(b, *f);
        }
        check_to(b, b->joins[i].to);
    }
    for (size_t i = 0; i < b->branch_count; i++) {
        check_from(b, b->branches[i].from);
        char **t = b->branches[i].branch.targets;
        for (; t != NULL && *t != NULL; t++) {
            check_to(b, *t);
        }
    }
    if (!has_entry(b)) {
        graph_builder_mistake(b, "no edge leads from the start to a node");
    }
}

/* ---- can every node be reached? ------------------------------------------ */

struct reach {
    const leat_graph *b;
    bool *seen;      /* by node number */
    uint32_t *next;  /* numbers that were reached and not looked at */
    size_t n;
};

static void reach(struct reach *r, uint32_t node)
{
    if (node != NO_NODE && !r->seen[node]) {
        r->seen[node] = true;
        r->next[r->n++] = node;
    }
}

static void reach_names(struct reach *r, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        reach(r, find_node(r->b, *names));
    }
}

/* A branch that does not say where it goes may go anywhere. */
static void reach_by_branch(struct reach *r, const struct build_branch *from)
{
    const char *const *targets =
        (const char *const *)(uintptr_t)from->branch.targets;
    for (size_t i = 0; targets == NULL && i < r->b->node_count; i++) {
        reach(r, (uint32_t)i + 1);
    }
    reach_names(r, targets);
}

static void reach_from(struct reach *r, uint32_t node)
{
    const leat_graph *b = r->b;
    const char *name = node == 0 ? LEAT_START : b->nodes[node - 1].name;
    for (size_t i = 0; i < b->edge_count; i++) {
        if (strcmp(b->edges[i].from, name) == 0) {
            reach(r, find_node(b, b->edges[i].to));
        }
    }
    for (size_t i = 0; i < b->join_count; i++) {
        for (char **f = b->joins[i].from; *f != NULL; f++) {
            if (strcmp(*f, name) == 0) {
                reach(r, find_node(b, b->joins[i].to));
            }
        }
    }
    for (size_t i = 0; i < b->branch_count; i++) {
        if (strcmp(b->branches[i].from, name) == 0) {
            reach_by_branch(r, &b->branches[i]);
        }
    }
    if (node > 0) {
        reach_names(r, b->nodes[node - 1].spec.ends);
    }
}

static void check_reach(leat_graph *b)
{
    struct reach r = {
        .b = b,
        .seen = base_zalloc((b->node_count + 1) * sizeof *r.seen),
        .next = base_zalloc((b->node_count + 1) * sizeof *r.next),
    };
    reach(&r, 0);
    while (r.n > 0) {
        reach_from(&r, r.next[--r.n]);
    }
    for (size_t i = 0; i < b->node_count; i++) {
        if (!r.seen[i + 1]) {
            graph_builder_mistake(
                b, "node '%s' cannot be reached (a node that goes there by a "
                "command names it in `ends`)", b->nodes[i].name);
        }
    }
    free(r.seen);
    free(r.next);
}

void graph_check_all(leat_graph *b)
{
    check_keys(b);
    check_node_names(b);
    check_edges(b);
    check_names_known(b, b->before, "interrupt_before");
    check_names_known(b, b->after, "interrupt_after");
    check_keys_known(b, b->input, "the input");
    check_keys_known(b, b->output, "the output");
    if (b->mistakes.len == 0) { /* else it follows from those */
        check_reach(b);
    }
    if (b->depth >= GRAPH_DEPTH_MAX) {
        graph_builder_mistake(b, "graphs are nested too deep");
    }
}
