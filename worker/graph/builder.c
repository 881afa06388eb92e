/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/builder.c: the public calls that describe a graph. They copy what
 * they are given and note mistakes; nothing is resolved here, so that nodes,
 * edges and keys may come in any order.
 */
#include "worker/graph/builder.h"

#include <stdlib.h>
#include <string.h>

#define BUILDER_MAGIC LEAT_MAGIC(0x6b1d0001)
#define MISTAKES_MAX 16384

/* ---- memory ------------------------------------------------------------- */

leat_graph *graph_builder_new(void)
{
    leat_graph *g = base_zalloc(sizeof *g);
    g->magic = BUILDER_MAGIC;
    buf_init(&g->mistakes, MISTAKES_MAX);
    return g;
}

static void free_nodes(leat_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        struct build_node *n = &g->nodes[i];
        free(n->name);
        leat_drop(n->spec.metadata);
        char **ends = (char **)(uintptr_t)n->spec.ends;
        graph_names_free(&ends);
        graph_builder_destroy(&n->child);
    }
    free(g->nodes);
}

static void free_routes(leat_graph *g)
{
    for (size_t i = 0; i < g->edge_count; i++) {
        free(g->edges[i].from);
        free(g->edges[i].to);
    }
    for (size_t i = 0; i < g->join_count; i++) {
        graph_names_free(&g->joins[i].from);
        free(g->joins[i].to);
    }
    for (size_t i = 0; i < g->branch_count; i++) {
        free(g->branches[i].from);
        free(g->branches[i].branch.name);
        graph_names_free(&g->branches[i].branch.targets);
        graph_names_free(&g->branches[i].branch.labels);
    }
    for (size_t i = 0; i < g->callable_count; i++) {
        free(g->callables[i].name);
        graph_builder_destroy(&g->callables[i].child);
    }
    free(g->edges);
    free(g->joins);
    free(g->branches);
    free(g->callables);
}

static void free_keys(leat_graph *g)
{
    for (size_t i = 0; i < g->key_count; i++) {
        free(g->keys[i].name);
        leat_drop(g->keys[i].initial);
        leat_drop(g->keys[i].schema);
    }
    free(g->keys);
    for (size_t i = 0; i < g->managed_count; i++) {
        free(g->managed[i].name);
    }
    free(g->managed);
}

void graph_builder_destroy(leat_graph **b)
{
    leat_graph *g = *b;
    if (g == NULL) {
        return;
    }
    check_magic(g, BUILDER_MAGIC);
    *b = NULL;
    g->magic = 0;
    free_nodes(g);
    free_routes(g);
    free_keys(g);
    graph_names_free(&g->input);
    graph_names_free(&g->output);
    graph_names_free(&g->before);
    graph_names_free(&g->after);
    leat_drop(g->schemas);
    graph_kept_destroy(&g->kept);
    buf_fini(&g->mistakes);
    free(g->name);
    free(g);
}

/* One more element at the end of an array of `size` bytes each, zeroed. */
static void *add_one(void *array, size_t *count, size_t size)
{
    char **at = array;
    *at = base_realloc(*at, (*count + 1) * size);
    char *item = *at + *count * size;
    memset(item, 0, size);
    *count += 1;
    return item;
}

static char **copy_names(const char *const names[])
{
    size_t n = 0;
    while (names != NULL && names[n] != NULL) {
        n++;
    }
    char **out = base_zalloc((n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i] = base_strdup(names[i]);
    }
    return out;
}

static size_t count_names(char *const *names)
{
    size_t n = 0;
    while (names != NULL && names[n] != NULL) {
        n++;
    }
    return n;
}

static void replace_names(char ***to, const char *const names[])
{
    graph_names_free(to);
    *to = copy_names(names);
}

void graph_builder_mistake(leat_graph *g, const char *fmt, ...)
{
    check_magic(g, BUILDER_MAGIC);
    va_list ap;
    va_start(ap, fmt);
    /* At the cap the first reasons are kept: they say enough. */
    bool room = g->mistakes.len == 0 || buf_puts(&g->mistakes, "; ");
    room = room && buf_vprintf(&g->mistakes, fmt, ap);
    (void)room;
    va_end(ap);
}

static leat_value *parse_schema(leat_graph *g, const char *what,
                                const char *json)
{
    char why[128];
    leat_value *v = leat_from_json(json, strlen(json), why, sizeof why);
    if (v == NULL) {
        graph_builder_mistake(g, "the schema of '%s' is not JSON: %s", what,
                              why);
    }
    return v;
}

/* ---- state keys --------------------------------------------------------- */

static const enum channel_kind kinds[] = {
    [LEAT_LAST_VALUE] = CHANNEL_LAST,   [LEAT_APPEND] = CHANNEL_APPEND,
    [LEAT_SUM] = CHANNEL_SUM,           [LEAT_MESSAGES] = CHANNEL_MESSAGES,
    [LEAT_REDUCE] = CHANNEL_REDUCE,     [LEAT_TOPIC] = CHANNEL_TOPIC,
    [LEAT_EPHEMERAL] = CHANNEL_EPHEMERAL, [LEAT_ANY_VALUE] = CHANNEL_ANY,
    [LEAT_UNTRACKED] = CHANNEL_UNTRACKED,
};

void leat_add_channel(leat_graph *g, const char *key,
                      enum leat_channel_kind kind)
{
    leat_add_channel_with(g, key, &(struct leat_channel){.kind = kind});
}

/* The value a key has before anything was written. */
static leat_value *initial_of(const struct leat_channel *spec)
{
    switch (spec->kind) {
    case LEAT_APPEND:
    case LEAT_MESSAGES:
        return spec->no_default ? NULL : leat_new_list(0, NULL);
    case LEAT_SUM:
        return spec->no_default ? NULL : leat_new_int(0);
    case LEAT_REDUCE:
        return spec->initial;
    default:
        leat_drop(spec->initial);
        return NULL;
    }
}

static void add_managed(leat_graph *g, const char *key, bool last)
{
    struct graph_managed *m =
        add_one(&g->managed, &g->managed_count, sizeof *m);
    m->name = base_strdup(key);
    m->last = last;
}

void leat_add_channel_with(leat_graph *g, const char *key,
                           const struct leat_channel *spec)
{
    check_magic(g, BUILDER_MAGIC);
    must(key != NULL && spec != NULL);
    if (spec->kind == LEAT_REMAINING_STEPS || spec->kind == LEAT_IS_LAST_STEP) {
        leat_drop(spec->initial);
        add_managed(g, key, spec->kind == LEAT_IS_LAST_STEP);
        return;
    }
    struct graph_channel *c =
        add_one(&g->keys, &g->key_count, sizeof *g->keys);
    c->name = base_strdup(key);
    if ((unsigned)spec->kind >= COUNT_OF(kinds)) {
        graph_builder_mistake(g, "'%s' has no kind of channel we know", key);
        return;
    }
    c->kind = kinds[spec->kind];
    c->reduce = spec->reduce;
    c->initial = initial_of(spec);
    c->accumulate = spec->accumulate;
    c->guard = true;
    if (spec->kind == LEAT_REDUCE && spec->reduce == NULL) {
        graph_builder_mistake(g, "'%s' has no reducer", key);
    }
    if (spec->schema != NULL) {
        c->schema = parse_schema(g, key, spec->schema);
    }
}

void leat_input_keys(leat_graph *g, const char *const keys[])
{
    check_magic(g, BUILDER_MAGIC);
    replace_names(&g->input, keys);
}

void leat_output_keys(leat_graph *g, const char *const keys[])
{
    check_magic(g, BUILDER_MAGIC);
    replace_names(&g->output, keys);
}

/* ---- nodes -------------------------------------------------------------- */

void leat_add_node(leat_graph *g, const char *name, leat_node_fn run)
{
    leat_add_node_with(g, name, &(struct leat_node){.run = run});
}

static struct build_node *add_node(leat_graph *g, const char *name,
                                   const struct leat_node *spec)
{
    check_magic(g, BUILDER_MAGIC);
    must(name != NULL && spec != NULL);
    struct build_node *n = add_one(&g->nodes, &g->node_count, sizeof *n);
    n->name = base_strdup(name);
    n->spec = *spec;
    if (spec->ends != NULL) {
        n->spec.ends = (const char *const *)(uintptr_t)copy_names(spec->ends);
    }
    if (spec->metadata != NULL &&
        leat_type_of(leat_view_of(spec->metadata)) != LEAT_OBJECT) {
        graph_builder_mistake(g, "the metadata of '%s' is not an object",
                              name);
    }
    return n;
}

void leat_add_node_with(leat_graph *g, const char *name,
                        const struct leat_node *spec)
{
    add_node(g, name, spec);
    if (spec->run == NULL) {
        graph_builder_mistake(g, "node '%s' has no function", name);
    }
}

/* Builds a child with its own build function, within the depth allowed. */
static leat_graph *build_child(leat_graph *g, const char *name,
                               leat_build_fn build)
{
    check_magic(g, BUILDER_MAGIC);
    leat_graph *child = graph_builder_new();
    child->depth = g->depth + 1;
    if (build == NULL) {
        graph_builder_mistake(g, "'%s' has no build function", name);
    } else if (child->depth >= GRAPH_DEPTH_MAX) {
        graph_builder_mistake(g, "'%s' is nested too deep", name);
    } else {
        build(child, (leat_view){0});
    }
    return child;
}

void leat_add_subgraph(leat_graph *g, const char *name, leat_build_fn build)
{
    graph_builder_subgraph(g, name, build_child(g, name, build));
}

void leat_add_subgraph_with(leat_graph *g, const char *name,
                            leat_build_fn build, const struct leat_node *spec)
{
    graph_builder_subgraph_with(g, name, build_child(g, name, build), spec);
}

void leat_add_callable(leat_graph *g, const char *name, leat_build_fn build)
{
    graph_builder_callable(g, name, build_child(g, name, build));
}

void graph_builder_subgraph(leat_graph *g, const char *name, leat_graph *child)
{
    graph_builder_subgraph_with(g, name, child, &(struct leat_node){0});
}

void graph_builder_subgraph_with(leat_graph *g, const char *name,
                                 leat_graph *child,
                                 const struct leat_node *spec)
{
    check_magic(child, BUILDER_MAGIC);
    add_node(g, name, spec)->child = child;
}

void graph_builder_callable(leat_graph *g, const char *name, leat_graph *child)
{
    check_magic(g, BUILDER_MAGIC);
    check_magic(child, BUILDER_MAGIC);
    struct build_callable *c =
        add_one(&g->callables, &g->callable_count, sizeof *c);
    c->name = base_strdup(name);
    c->child = child;
}

void leat_set_memory(leat_graph *g, enum leat_memory memory)
{
    check_magic(g, BUILDER_MAGIC);
    if ((unsigned)memory > LEAT_MEMORY_OWN) {
        graph_builder_mistake(g, "no such memory: %d", (int)memory);
        return;
    }
    g->memory = memory;
}

/* ---- edges -------------------------------------------------------------- */

void leat_add_edge(leat_graph *g, const char *from, const char *to)
{
    check_magic(g, BUILDER_MAGIC);
    must(from != NULL && to != NULL);
    struct build_edge *e = add_one(&g->edges, &g->edge_count, sizeof *e);
    e->from = base_strdup(from);
    e->to = base_strdup(to);
}

void leat_add_join(leat_graph *g, const char *const from[], const char *to)
{
    check_magic(g, BUILDER_MAGIC);
    must(from != NULL && to != NULL);
    struct build_join *j = add_one(&g->joins, &g->join_count, sizeof *j);
    j->from = copy_names(from);
    j->to = base_strdup(to);
    if (j->from[0] == NULL) {
        graph_builder_mistake(g, "a waiting edge to '%s' waits for nothing",
                              to);
    }
}

void leat_add_branch(leat_graph *g, const char *from, leat_route_fn route,
                     const char *const targets[])
{
    struct graph_branch b = {
        .route = route,
        .targets = (char **)(uintptr_t)targets,
    };
    graph_builder_branch(g, from, &b);
}

void leat_add_branch_with(leat_graph *g, const char *from,
                          const struct leat_branch *spec)
{
    must(spec != NULL);
    struct graph_branch b = {
        .route = spec->route,
        .data = spec->data,
        .name = (char *)(uintptr_t)spec->name,
        .targets = (char **)(uintptr_t)spec->targets,
        .labels = (char **)(uintptr_t)spec->labels,
    };
    graph_builder_branch(g, from, &b);
}

void graph_builder_branch(leat_graph *g, const char *from,
                          const struct graph_branch *branch)
{
    check_magic(g, BUILDER_MAGIC);
    must(from != NULL && branch != NULL);
    struct build_branch *b =
        add_one(&g->branches, &g->branch_count, sizeof *b);
    b->from = base_strdup(from);
    b->branch.route = branch->route;
    b->branch.data = branch->data;
    b->branch.name = base_strdup(
        branch->name != NULL ? branch->name : "RunnableLambda");
    if (branch->targets != NULL) {
        b->branch.targets =
            copy_names((const char *const *)(uintptr_t)branch->targets);
    }
    if (branch->labels != NULL) {
        b->branch.labels =
            copy_names((const char *const *)(uintptr_t)branch->labels);
        if (count_names(b->branch.labels) != count_names(b->branch.targets)) {
            graph_builder_mistake(g, "a branch from '%s' has not as many "
                                  "labels as targets", from);
        }
    }
    if (branch->route == NULL) {
        graph_builder_mistake(g, "a branch from '%s' has no function", from);
    }
}

/* ---- the rest ----------------------------------------------------------- */

/* NULL, and a mistake noted, when there is none. */
static struct build_node *find_node(leat_graph *g, const char *name,
                                    const char *what)
{
    check_magic(g, BUILDER_MAGIC);
    must(name != NULL);
    for (size_t i = 0; i < g->node_count; i++) {
        if (strcmp(g->nodes[i].name, name) == 0) {
            return &g->nodes[i];
        }
    }
    graph_builder_mistake(g, "a %s for '%s', which is no node", what, name);
    return NULL;
}

void leat_set_retry_on(leat_graph *g, const char *node, leat_retry_fn retried)
{
    struct build_node *n = find_node(g, node, "retry rule");
    if (n != NULL) {
        n->retry_on = retried;
    }
}

void leat_set_cache_key(leat_graph *g, const char *node, leat_cache_key_fn key)
{
    struct build_node *n = find_node(g, node, "cache key");
    if (n != NULL) {
        n->cache_key = key;
    }
}

void leat_interrupt_before(leat_graph *g, const char *const nodes[])
{
    check_magic(g, BUILDER_MAGIC);
    replace_names(&g->before, nodes);
}

void leat_interrupt_after(leat_graph *g, const char *const nodes[])
{
    check_magic(g, BUILDER_MAGIC);
    replace_names(&g->after, nodes);
}

void leat_set_name(leat_graph *g, const char *name)
{
    check_magic(g, BUILDER_MAGIC);
    must(name != NULL);
    free(g->name);
    g->name = base_strdup(name);
}

void leat_set_schema(leat_graph *g, const char *which, const char *json)
{
    check_magic(g, BUILDER_MAGIC);
    static const char *const known[] = {"input", "output", "state", "config",
                                        "context"};
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        found = found || strcmp(which, known[i]) == 0;
    }
    leat_value *v = found ? parse_schema(g, which, json) : NULL;
    if (!found) {
        graph_builder_mistake(g, "no such schema: '%s'", which);
    }
    if (v != NULL) {
        leat_value *base =
            g->schemas != NULL ? g->schemas : leat_new_object(0, NULL, NULL);
        g->schemas = leat_with(leat_view_of(base), which, v);
        leat_drop(base);
    }
}

void graph_builder_keep(leat_graph *g, void *data, void (*destroy)(void *))
{
    check_magic(g, BUILDER_MAGIC);
    must(destroy != NULL);
    struct graph_kept *k = base_zalloc(sizeof *k);
    k->data = data;
    k->destroy = destroy;
    k->next = g->kept;
    g->kept = k;
}
