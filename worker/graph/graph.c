/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/graph.c: from a description to a compiled graph: numbers nodes,
 * channels and triggers, and reports all mistakes of the graph and its
 * children in one text.
 */
#include "worker/graph/graph.h"
#include "worker/graph/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPH_MAGIC LEAT_MAGIC(0x6c0a0001)
#define NO_NODE UINT32_MAX

/* ---- looking up --------------------------------------------------------- */

static int compare_text(const char *name, const char *key, size_t len)
{
    int order = strncmp(name, key, len);
    return order != 0 ? order : name[len] != '\0';
}

const struct graph_node *graph_node_get(const struct graph *g,
                                        const char *name, size_t len)
{
    size_t low = 0;
    size_t high = g->node_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct graph_node *n = &g->nodes[g->by_name[mid]];
        int order = compare_text(n->name, name, len);
        if (order == 0) {
            return n;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static const struct {
    const char *name;
    int number;
} specials[] = {
    {"__error__", WRITE_ERROR},         {"__scheduled__", WRITE_SCHEDULED},
    {"__interrupt__", WRITE_INTERRUPT}, {"__resume__", WRITE_RESUME},
    {"__no_writes__", WRITE_NONE},      {"__taken__", WRITE_TAKEN},
};

int graph_channel_number(const struct graph *g, const char *name, size_t len)
{
    size_t low = 0;
    size_t high = g->channel_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint32_t number = g->channels_by_name[mid];
        int order = compare_text(g->channels[number].name, name, len);
        if (order == 0) {
            return (int)number;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (size_t i = 0; i < COUNT_OF(specials); i++) {
        if (compare_text(specials[i].name, name, len) == 0) {
            return specials[i].number;
        }
    }
    return WRITE_UNKNOWN;
}

const char *graph_channel_name(const struct graph *g, int number)
{
    if (number >= 0) {
        must((size_t)number < g->channel_count);
        return g->channels[number].name;
    }
    for (size_t i = 0; i < COUNT_OF(specials); i++) {
        if (specials[i].number == number) {
            return specials[i].name;
        }
    }
    return "__unknown__";
}

const struct graph *graph_callable_get(const struct graph *g,
                                       const char *name)
{
    for (size_t i = 0; i < g->callable_count; i++) {
        if (strcmp(g->callables[i].name, name) == 0) {
            return g->callables[i].child;
        }
    }
    return NULL;
}

bool graph_keys_has(const struct graph_keys *k, int channel)
{
    for (size_t i = 0; i < k->count; i++) {
        if ((int)k->at[i] == channel) {
            return true;
        }
    }
    return false;
}

leat_value *graph_managed_add(const struct graph *g, leat_value *state,
                              int left)
{
    for (size_t i = 0; i < g->managed_count; i++) {
        const struct graph_managed *m = &g->managed[i];
        leat_value *more =
            leat_with(leat_view_of(state), m->name,
                      m->last ? leat_new_bool(left == 1)
                              : leat_new_int(left));
        leat_drop(state);
        state = more;
    }
    return state;
}

/* ---- references --------------------------------------------------------- */

struct graph *graph_hold(const struct graph *g)
{
    check_magic(g, GRAPH_MAGIC);
    struct graph *own = (struct graph *)(uintptr_t)g;
    atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
    return own;
}

static void free_node(struct graph_node *n)
{
    free(n->name);
    graph_drop(&n->child);
    leat_drop(n->metadata);
    leat_drop(n->triggers_shown);
    graph_names_free(&n->ends);
    free(n->triggers);
    free(n->edges);
    free(n->joins);
    for (size_t i = 0; i < n->branch_count; i++) {
        free(n->branches[i].name);
        graph_names_free(&n->branches[i].targets);
        graph_names_free(&n->branches[i].labels);
    }
    free(n->branches);
}

static void free_channel(struct graph_channel *c)
{
    free(c->name);
    leat_drop(c->initial);
    leat_drop(c->schema);
    free(c->waits);
    free(c->wakes);
}

static void free_graph(struct graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        free_node(&g->nodes[i]);
    }
    for (size_t i = 0; i < g->channel_count; i++) {
        free_channel(&g->channels[i]);
    }
    for (size_t i = 0; i < g->callable_count; i++) {
        free(g->callables[i].name);
        graph_drop(&g->callables[i].child);
    }
    graph_kept_destroy(&g->kept);
    leat_drop(g->schemas);
    leat_drop(g->keys_shown);
    free(g->name);
    free(g->channels);
    free(g->channels_by_name);
    free(g->nodes);
    free(g->by_name);
    for (size_t i = 0; i < g->managed_count; i++) {
        free(g->managed[i].name);
    }
    free(g->managed);
    free(g->state.at);
    free(g->input.at);
    free(g->output.at);
    free(g->before.nodes);
    free(g->after.nodes);
    free(g->callables);
    g->magic = 0;
    free(g);
}

void graph_drop(struct graph **g)
{
    struct graph *own = *g;
    if (own == NULL) {
        return;
    }
    check_magic(own, GRAPH_MAGIC);
    *g = NULL;
    if (atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) == 1) {
        free_graph(own);
    }
}

/* ---- numbering ---------------------------------------------------------- */

static char *join_name(const struct build_join *j)
{
    size_t len = sizeof "join::" + strlen(j->to);
    for (char **f = j->from; *f != NULL; f++) {
        len += strlen(*f) + 1;
    }
    char *out = base_zalloc(len);
    char *p = out + snprintf(out, len, "join:");
    for (char **f = j->from; *f != NULL; f++) {
        p += snprintf(p, len - (size_t)(p - out), "%s%s",
                      f == j->from ? "" : "+", *f);
    }
    snprintf(p, len - (size_t)(p - out), ":%s", j->to);
    return out;
}

static uint32_t add_channel(struct graph *g, char *name,
                            enum channel_kind kind)
{
    struct graph_channel *c = &g->channels[g->channel_count];
    c->name = name;
    c->kind = kind;
    return (uint32_t)g->channel_count++;
}

static void number_channels(struct graph *g, leat_graph *b)
{
    size_t most = CHANNEL_STATE + b->key_count + b->node_count + b->join_count;
    g->channels = base_zalloc(most * sizeof *g->channels);
    add_channel(g, base_strdup("__start__"), CHANNEL_EPHEMERAL);
    g->channels[CHANNEL_START].guard = true;
    add_channel(g, base_strdup("__pregel_tasks"), CHANNEL_TOPIC);
    for (size_t i = 0; i < b->key_count; i++) {
        g->channels[g->channel_count++] = b->keys[i];
        g->has_untracked |= b->keys[i].kind == CHANNEL_UNTRACKED;
    }
    free(b->keys); /* what it held is the graph's now */
    b->keys = NULL;
    b->key_count = 0;
}

static struct graph_keys key_list(const struct graph *g, size_t key_count,
                                  char *const *names)
{
    struct graph_keys k = {0};
    size_t n = key_count;
    for (n = 0; names != NULL && names[n] != NULL; n++) {
    }
    k.at = base_zalloc((max_size(n, key_count) + 1) * sizeof *k.at);
    if (names == NULL) {
        for (size_t i = 0; i < key_count; i++) {
            k.at[k.count++] = (uint32_t)(CHANNEL_STATE + i);
        }
        return k;
    }
    /* In the order of the schema, whatever order the names were given in. */
    for (size_t i = 0; i < key_count; i++) {
        for (size_t j = 0; j < n; j++) {
            if (strcmp(g->channels[CHANNEL_STATE + i].name, names[j]) == 0) {
                k.at[k.count++] = (uint32_t)(CHANNEL_STATE + i);
                break;
            }
        }
    }
    return k;
}

static void take_node(struct graph *g, struct build_node *from)
{
    struct graph_node *n = &g->nodes[g->node_count];
    n->number = (uint32_t)g->node_count++;
    n->name = from->name;
    n->run = from->spec.run;
    n->data = from->spec.data;
    n->retry = from->spec.retry;
    n->retry_on = from->retry_on;
    n->cache_ttl_s = from->spec.cache_ttl_s;
    n->cache_key = from->cache_key;
    n->defer = from->spec.defer;
    n->metadata = from->spec.metadata;
    n->ends = (char **)(uintptr_t)from->spec.ends;
    from->name = NULL;
    from->spec.metadata = NULL;
    from->spec.ends = NULL;
    char *name = NULL;
    must(asprintf(&name, "branch:to:%s", n->name) >= 0);
    n->branch_channel = add_channel(
        g, name, n->defer ? CHANNEL_LAST_FINISH : CHANNEL_EPHEMERAL);
}

static void append_number(uint32_t **list, size_t *count, uint32_t number)
{
    *list = base_realloc(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = number;
}

static void add_trigger(struct graph *g, struct graph_node *n,
                        uint32_t channel)
{
    append_number(&n->triggers, &n->trigger_count, channel);
    struct graph_channel *c = &g->channels[channel];
    append_number(&c->wakes, &c->wake_count, n->number);
}

static void number_nodes(struct graph *g, leat_graph *b)
{
    g->nodes = base_zalloc((b->node_count + 1) * sizeof *g->nodes);
    struct graph_node *start = &g->nodes[g->node_count++];
    start->name = base_strdup(LEAT_START);
    start->hidden = true;
    start->branch_channel = CHANNEL_START;
    add_trigger(g, start, CHANNEL_START);
    for (size_t i = 0; i < b->node_count; i++) {
        take_node(g, &b->nodes[i]);
        struct graph_node *n = &g->nodes[g->node_count - 1];
        add_trigger(g, n, n->branch_channel);
    }
}

static uint32_t node_number(const struct graph *g, const char *name)
{
    for (size_t i = 0; i < g->node_count; i++) {
        if (strcmp(g->nodes[i].name, name) == 0) {
            return (uint32_t)i;
        }
    }
    return NO_NODE;
}

static void take_joins(struct graph *g, leat_graph *b)
{
    for (size_t i = 0; i < b->join_count; i++) {
        const struct build_join *j = &b->joins[i];
        uint32_t to = node_number(g, j->to);
        if (to == NO_NODE) {
            continue; /* waits for nothing but the end */
        }
        struct graph_node *end = &g->nodes[to];
        uint32_t channel = add_channel(
            g, join_name(j),
            end->defer ? CHANNEL_BARRIER_FINISH : CHANNEL_BARRIER);
        add_trigger(g, end, channel);
        struct graph_channel *c = &g->channels[channel];
        for (char **f = j->from; *f != NULL; f++) {
            struct graph_node *n = &g->nodes[node_number(g, *f)];
            append_number(&c->waits, &c->wait_count, n->number);
            append_number(&n->joins, &n->join_count, channel);
        }
    }
}

static void take_edges(struct graph *g, leat_graph *b)
{
    for (size_t i = 0; i < b->edge_count; i++) {
        struct graph_node *n = &g->nodes[node_number(g, b->edges[i].from)];
        uint32_t to = node_number(g, b->edges[i].to);
        if (to == NO_NODE) {
            n->ends_here = true;
        } else {
            append_number(&n->edges, &n->edge_count, to);
        }
    }
    for (size_t i = 0; i < b->branch_count; i++) {
        struct build_branch *from = &b->branches[i];
        struct graph_node *n = &g->nodes[node_number(g, from->from)];
        n->branches = base_realloc(
            n->branches, (n->branch_count + 1) * sizeof *n->branches);
        n->branches[n->branch_count++] = from->branch;
        from->branch.name = NULL;
        from->branch.targets = NULL;
        from->branch.labels = NULL;
    }
}

/* ---- the indexes -------------------------------------------------------- */

static int by_node_name(const void *a, const void *b, void *graph)
{
    const struct graph *g = graph;
    return strcmp(g->nodes[*(const uint32_t *)a].name,
                  g->nodes[*(const uint32_t *)b].name);
}

static int by_channel_name(const void *a, const void *b, void *graph)
{
    const struct graph *g = graph;
    return strcmp(g->channels[*(const uint32_t *)a].name,
                  g->channels[*(const uint32_t *)b].name);
}

static uint32_t *sorted_numbers(size_t count,
                                int (*order)(const void *, const void *,
                                             void *),
                                struct graph *g)
{
    uint32_t *at = base_zalloc((count + 1) * sizeof *at);
    for (size_t i = 0; i < count; i++) {
        at[i] = (uint32_t)i;
    }
    qsort_r(at, count, sizeof *at, order, g);
    return at;
}

static leat_value *names_of(const struct graph *g, const uint32_t *channels,
                            size_t count)
{
    leat_value **items = base_zalloc((count + 1) * sizeof(leat_value *));
    for (size_t i = 0; i < count; i++) {
        items[i] = leat_new_string(g->channels[channels[i]].name);
    }
    leat_value *out = leat_new_list(count, items);
    free(items);
    return out;
}

static void index_all(struct graph *g)
{
    g->by_name = sorted_numbers(g->node_count, by_node_name, g);
    g->channels_by_name = sorted_numbers(g->channel_count, by_channel_name, g);
    for (size_t i = 0; i < g->node_count; i++) {
        struct graph_node *n = &g->nodes[i];
        n->seen_at = (uint32_t)g->seen_count;
        g->seen_count += n->trigger_count;
        uint32_t *order = base_zalloc(n->trigger_count * sizeof *order);
        memcpy(order, n->triggers, n->trigger_count * sizeof *order);
        qsort_r(order, n->trigger_count, sizeof *order, by_channel_name, g);
        n->triggers_shown = names_of(g, order, n->trigger_count);
        free(order);
    }
    g->keys_shown = names_of(g, g->state.at, g->state.count);
}

static struct graph_stops stops_of(const struct graph *g, char *const *names)
{
    struct graph_stops s = {0};
    if (names == NULL || names[0] == NULL) {
        return s;
    }
    s.nodes = base_zalloc(g->node_count * sizeof *s.nodes);
    for (; *names != NULL; names++) {
        if (strcmp(*names, "*") == 0) {
            s.all = true;
        } else {
            s.nodes[node_number(g, *names)] = true;
        }
    }
    return s;
}

/* ---- compiling ---------------------------------------------------------- */

static bool compile(leat_graph **b, unsigned depth, struct graph **out,
                    struct err *err);

/* A child's reasons become the parent's, with its name in front. */
static struct graph *compile_child(leat_graph *parent, const char *name,
                                   leat_graph **child, unsigned depth)
{
    struct graph *out = NULL;
    struct err err = ERR_INIT;
    if (!compile(child, depth, &out, &err)) {
        graph_builder_mistake(parent, "in '%s': %s", name, err.text);
    }
    return out;
}

struct children {
    struct graph **of_node, **callable;
};

static struct children compile_children(leat_graph *b, unsigned depth)
{
    struct children c = {
        .of_node = base_zalloc((b->node_count + 1) * sizeof(void *)),
        .callable = base_zalloc((b->callable_count + 1) * sizeof(void *)),
    };
    for (size_t i = 0; i < b->node_count; i++) {
        struct build_node *n = &b->nodes[i];
        if (n->child != NULL) {
            c.of_node[i] = compile_child(b, n->name, &n->child, depth + 1);
        }
    }
    for (size_t i = 0; i < b->callable_count; i++) {
        struct build_callable *k = &b->callables[i];
        c.callable[i] = compile_child(b, k->name, &k->child, depth + 1);
    }
    return c;
}

static void take_children(struct graph *g, leat_graph *b, struct children *c)
{
    for (size_t i = 1; i < g->node_count; i++) {
        g->nodes[i].child = c->of_node[i - 1];
        c->of_node[i - 1] = NULL;
    }
    g->callables = base_zalloc((b->callable_count + 1) * sizeof *g->callables);
    for (size_t i = 0; i < b->callable_count; i++) {
        g->callables[g->callable_count++] = (struct graph_callable){
            .name = b->callables[i].name,
            .child = c->callable[i],
        };
        b->callables[i].name = NULL;
        c->callable[i] = NULL;
    }
}

static void free_children(const leat_graph *b, struct children *c)
{
    for (size_t i = 0; i < b->node_count; i++) {
        graph_drop(&c->of_node[i]);
    }
    for (size_t i = 0; i < b->callable_count; i++) {
        graph_drop(&c->callable[i]);
    }
    free(c->of_node);
    free(c->callable);
}

static struct graph *make(leat_graph *b, struct children *children)
{
    static _Atomic uint64_t identities;
    struct graph *g = base_zalloc(sizeof *g);
    g->magic = GRAPH_MAGIC;
    atomic_init(&g->refs, 1);
    g->name = b->name != NULL ? b->name : base_strdup("LangGraph");
    b->name = NULL;
    g->memory = b->memory;
    g->identity = atomic_fetch_add(&identities, 1) + 1;
    g->managed = b->managed;
    g->managed_count = b->managed_count;
    b->managed = NULL;
    b->managed_count = 0;
    size_t key_count = b->key_count;
    number_channels(g, b);
    g->state = key_list(g, key_count, NULL);
    g->input = key_list(g, key_count, b->input);
    g->output = key_list(g, key_count, b->output);
    number_nodes(g, b);
    take_joins(g, b);
    take_edges(g, b);
    index_all(g);
    g->before = stops_of(g, b->before);
    g->after = stops_of(g, b->after);
    take_children(g, b, children);
    g->schemas = b->schemas;
    b->schemas = NULL;
    g->kept = b->kept;
    b->kept = NULL;
    return g;
}

static bool compile(leat_graph **builder, unsigned depth, struct graph **out,
                    struct err *err)
{
    leat_graph *b = *builder;
    must(b != NULL);
    b->depth = depth;
    struct children children = {0};
    graph_check_all(b);
    if (depth < GRAPH_DEPTH_MAX) {
        children = compile_children(b, depth);
    }
    bool fine = b->mistakes.len == 0;
    if (fine) {
        *out = make(b, &children);
    } else {
        err_set(err, ERR_GRAPH, "%s", buf_text(&b->mistakes));
    }
    if (depth < GRAPH_DEPTH_MAX) {
        free_children(b, &children);
    }
    graph_builder_destroy(builder);
    return fine;
}

bool graph_compile(leat_graph **b, struct graph **out, struct err *err)
{
    must(b != NULL && out != NULL);
    *out = NULL;
    return compile(b, 0, out, err);
}
