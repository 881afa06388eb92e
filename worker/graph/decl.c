/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl.c: graphs from their JSON description (that of the recorded traces):
 * reads it once with the place of every mistake and calls the builder. Owns
 * the description for as long as the graph lives; what nodes do when they
 * run is in decl_node.c, decl_tool.c and decl_model.c.
 */
#include "worker/graph/decl.h"
#include "worker/graph/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All graphs of one description together, nested ones counted each time. */
#define DECL_GRAPHS_MAX 256

/* One graph being read. */
struct reader {
    struct decl *decl;
    leat_graph *g;
    leat_view spec;          /* of this graph */
    leat_text name;
    struct graph_place at;
    struct graph_vars called; /* names of graphs that its nodes call */
    unsigned depth;
};

static leat_graph *read_graph(struct decl *d, leat_text name, unsigned depth);
static leat_graph *read_child(struct reader *r, leat_text name);

/* ---- the description's life --------------------------------------------- */

static void decl_destroy(void *arg)
{
    struct decl *d = arg;
    while (d->counts != NULL) {
        struct decl_count *c = d->counts;
        d->counts = c->next;
        free(c->name);
        free(c);
    }
    while (d->nodes != NULL) {
        struct decl_node *n = d->nodes;
        d->nodes = n->next;
        free(n);
    }
    while (d->tools != NULL) {
        struct decl_tool *t = d->tools;
        d->tools = t->next;
        free(t);
    }
    while (d->routes != NULL) {
        struct decl_route *r = d->routes;
        d->routes = r->next;
        free(r);
    }
    leat_drop(d->graphs);
    free(d);
}

static struct decl_count *find_count(const struct decl *d, leat_text name)
{
    struct decl_count *c = d->counts;
    while (c != NULL && (strlen(c->name) != name.len ||
                         memcmp(c->name, name.ptr, name.len) != 0)) {
        c = c->next;
    }
    return c;
}

static struct decl_count *require_count(struct decl *d, leat_text name)
{
    struct decl_count *c = find_count(d, name);
    if (c == NULL) {
        c = base_zalloc(sizeof *c);
        c->name = base_memdup(name.ptr, name.len);
        atomic_init(&c->begun, 0);
        c->next = d->counts;
        d->counts = c;
    }
    return c;
}

int64_t graph_decl_calls(void *decl, leat_text node)
{
    struct decl_count *c = find_count(decl, node);
    return c == NULL ? 0 : (int64_t)atomic_load(&c->begun);
}

void graph_decl_mistake(leat_graph *g, const struct graph_place *at,
                        const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    must(n >= 0);
    graph_builder_mistake(g, "%s: %s", at->text, text);
}

void graph_decl_check_expr(leat_graph *g, leat_view object, const char *key,
                           struct graph_place *at)
{
    struct err err = ERR_INIT;
    leat_view expr = leat_get(object, key);
    if (leat_type_of(expr) == LEAT_MISSING) {
        graph_decl_mistake(g, at, "lacks `%s`", key);
        return;
    }
    size_t mark = graph_expr_place_key(at, (leat_text){key, strlen(key)});
    if (!graph_expr_check(expr, at, &err)) {
        graph_decl_mistake(g, at, "%s", err.text);
    }
    graph_expr_place_back(at, mark);
}

/* ---- names and lists of names ------------------------------------------- */

static char *text_dup(leat_view v)
{
    leat_text t = leat_string(v);
    return t.ptr == NULL ? NULL : base_memdup(t.ptr, t.len);
}

static void names_free(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        free(names[i]);
    }
    free(names);
}

/* A NULL-terminated copy of a list of strings; a single string counts as a
 * list of it. NULL, and a mistake, when it is neither. */
static char **names_dup(struct reader *r, leat_view list)
{
    bool one = leat_type_of(list) == LEAT_STRING;
    if (!one && leat_type_of(list) != LEAT_LIST) {
        graph_decl_mistake(r->g, &r->at, "must be a list of names");
        return NULL;
    }
    size_t n = one ? 1 : leat_count(list);
    char **names = base_zalloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) {
        names[i] = text_dup(one ? list : leat_at(list, (long)i));
        if (names[i] == NULL) {
            graph_decl_mistake(r->g, &r->at, "must be a list of names");
            names_free(names);
            return NULL;
        }
    }
    return names;
}

/* Reads `key` as a list of names and hands it on. */
static void read_names(struct reader *r, const char *key,
                       void (*take)(leat_graph *g, const char *const names[]))
{
    leat_view list = leat_get(r->spec, key);
    if (leat_type_of(list) == LEAT_MISSING ||
        leat_type_of(list) == LEAT_NULL) {
        return;
    }
    size_t mark = graph_expr_place_key(&r->at, (leat_text){key, strlen(key)});
    char **names = names_dup(r, list);
    if (names != NULL) {
        take(r->g, (const char *const *)names);
    }
    names_free(names);
    graph_expr_place_back(&r->at, mark);
}

/* ---- state -------------------------------------------------------------- */

static const struct reducer {
    const char *name;
    struct leat_channel channel;
} reducers[] = {
    {"last", {.kind = LEAT_LAST_VALUE}},
    {"append", {.kind = LEAT_APPEND}},
    {"append_nodefault", {.kind = LEAT_APPEND, .no_default = true}},
    {"sum", {.kind = LEAT_SUM}},
    {"messages", {.kind = LEAT_MESSAGES}},
    {"untracked", {.kind = LEAT_UNTRACKED}},
    {"topic", {.kind = LEAT_TOPIC}},
    {"topic_accumulate", {.kind = LEAT_TOPIC, .accumulate = true}},
    {"ephemeral", {.kind = LEAT_EPHEMERAL}},
    {"any", {.kind = LEAT_ANY_VALUE}},
};

static void read_key(struct reader *r, const char *key, leat_view spec)
{
    leat_view name = leat_type_of(spec) == LEAT_OBJECT
                         ? leat_get(spec, "reducer")
                         : spec;
    for (size_t i = 0; i < COUNT_OF(reducers); i++) {
        if (leat_is(name, reducers[i].name)) {
            leat_add_channel_with(r->g, key, &reducers[i].channel);
            return;
        }
    }
    leat_text t = leat_string(name);
    graph_decl_mistake(r->g, &r->at, "unknown reducer `%.*s`", (int)t.len,
                       t.ptr == NULL ? "" : t.ptr);
}

static void read_state(struct reader *r)
{
    leat_view state = leat_get(r->spec, "state");
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"state", 5});
    if (leat_type_of(state) != LEAT_OBJECT) {
        graph_decl_mistake(r->g, &r->at, "must be an object");
    }
    for (leat_iter it = leat_iter_of(state); leat_next(&it);) {
        char *key = base_memdup(it.key.ptr, it.key.len);
        size_t inner = graph_expr_place_key(&r->at, it.key);
        read_key(r, key, it.item);
        graph_expr_place_back(&r->at, inner);
        free(key);
    }
    graph_expr_place_back(&r->at, mark);
    read_names(r, "input", leat_input_keys);
    read_names(r, "output", leat_output_keys);
}

/* ---- nodes -------------------------------------------------------------- */

static struct leat_retry read_retry(leat_view v)
{
    struct leat_retry retry = {0};
    if (leat_type_of(v) != LEAT_OBJECT) {
        return retry;
    }
    retry.max_attempts = (int)min_i64(leat_int(leat_get(v, "maxAttempts"), 3),
                                      1000);
    retry.initial_ms = (int)min_i64(leat_int(leat_get(v, "initialInterval"), 1),
                                    3600000);
    retry.max_ms = (int)min_i64(leat_int(leat_get(v, "maxInterval"), 0),
                                3600000);
    retry.backoff = leat_double(leat_get(v, "backoffFactor"), 0);
    retry.no_jitter = !leat_bool(leat_get(v, "jitter"), false);
    return retry;
}

/* Only the main graph may have a cache, and nested ones have none of it. */
static int read_ttl(const struct reader *r, leat_view cache)
{
    bool cached = r->depth == 0 && graph_expr_true(leat_get(r->spec, "cache"));
    if (!cached || !graph_expr_true(cache)) {
        return 0;
    }
    int64_t ttl = leat_int(leat_get(cache, "ttl"), -1);
    return ttl <= 0 ? -1 : (int)min_i64(ttl, INT32_MAX);
}

static struct decl_node *new_node(struct decl *d, leat_text name,
                                  leat_view spec)
{
    struct decl_node *n = base_zalloc(sizeof *n);
    n->decl = d;
    n->spec = spec;
    n->count = require_count(d, name);
    n->next = d->nodes;
    d->nodes = n;
    return n;
}

/* Every graph that the ops call becomes a callable of this one, once. */
static void read_calls(struct reader *r, leat_view ops)
{
    for (leat_iter it = leat_iter_of(ops); leat_next(&it);) {
        char *name = leat_is(leat_get(it.item, "op"), "call_graph")
                         ? text_dup(leat_get(it.item, "graph"))
                         : NULL;
        leat_text key = {name, name == NULL ? 0 : strlen(name)};
        leat_view seen = graph_expr_vars_get(&r->called, key);
        if (name == NULL || leat_type_of(seen) != LEAT_MISSING) {
            free(name);
            continue;
        }
        graph_expr_vars_set(&r->called, key, NULL);
        leat_graph *child = read_child(r, key);
        if (child != NULL) {
            graph_builder_callable(r->g, name, child);
        }
        free(name);
    }
}

static void read_do(struct reader *r, const char *name, struct leat_node *node,
                    leat_view spec)
{
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"do", 2});
    graph_decl_node_check(r->g, leat_get(spec, "do"), &r->at);
    read_calls(r, leat_get(spec, "do"));
    graph_expr_place_back(&r->at, mark);
    node->run = graph_decl_node_run;
    leat_add_node_with(r->g, name, node);
}

static void read_tools(struct reader *r, const char *name,
                       struct leat_node *node, leat_view spec)
{
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"tool_node", 9});
    graph_decl_tool_check(r->g, leat_get(spec, "tool_node"), &r->at);
    graph_expr_place_back(&r->at, mark);
    struct leat_tools list =
        graph_decl_tool_list(r->decl, leat_get(spec, "tool_node"));
    struct graph_tools *tools = graph_tools_new(r->g, &list);
    graph_decl_tool_free(&list);
    graph_builder_keep(r->g, tools, graph_tools_destroy);
    tools->in_order = true; /* what they say is said in one order */
    node->run = graph_tools_run;
    node->data = tools;
    leat_add_node_with(r->g, name, node);
}

static void read_subgraph(struct reader *r, const char *name,
                          struct leat_node *node, leat_view spec)
{
    leat_text graph = leat_string(leat_get(spec, "graph"));
    if (graph.ptr == NULL) {
        graph_decl_mistake(r->g, &r->at, "`graph` must be a name");
        leat_drop(node->metadata);
        return;
    }
    leat_graph *child = read_child(r, graph);
    if (child == NULL) {
        leat_drop(node->metadata);
        return;
    }
    graph_builder_subgraph_with(r->g, name, child, node);
}

static void read_node(struct reader *r, leat_text name, leat_view spec)
{
    char *text = base_memdup(name.ptr, name.len);
    leat_view metadata = leat_get(spec, "metadata");
    char **ends = NULL;
    if (graph_expr_true(leat_get(spec, "ends"))) {
        ends = names_dup(r, leat_get(spec, "ends"));
    }
    struct leat_node node = {
        .retry = read_retry(leat_get(spec, "retry")),
        .cache_ttl_s = read_ttl(r, leat_get(spec, "cache")),
        .defer = graph_expr_true(leat_get(spec, "defer")),
        .metadata = leat_type_of(metadata) == LEAT_OBJECT
                        ? leat_value_of(metadata)
                        : NULL,
        .ends = (const char *const *)ends,
        .data = new_node(r->decl, name, spec),
    };
    if (leat_type_of(spec) != LEAT_OBJECT) {
        graph_decl_mistake(r->g, &r->at, "must be an object");
    }
    if (leat_type_of(leat_get(spec, "graph")) != LEAT_MISSING) {
        read_subgraph(r, text, &node, spec);
    } else if (leat_type_of(leat_get(spec, "tool_node")) != LEAT_MISSING) {
        read_tools(r, text, &node, spec);
    } else {
        read_do(r, text, &node, spec);
    }
    names_free(ends);
    free(text);
}

static void read_nodes(struct reader *r)
{
    leat_view nodes = leat_get(r->spec, "nodes");
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"nodes", 5});
    if (leat_type_of(nodes) != LEAT_OBJECT) {
        graph_decl_mistake(r->g, &r->at, "must be an object");
    }
    for (leat_iter it = leat_iter_of(nodes); leat_next(&it);) {
        size_t inner = graph_expr_place_key(&r->at, it.key);
        read_node(r, it.key, it.item);
        graph_expr_place_back(&r->at, inner);
    }
    graph_expr_place_back(&r->at, mark);
}

/* ---- edges -------------------------------------------------------------- */

static void read_edge(struct reader *r, leat_view edge)
{
    leat_view from = leat_at(edge, 0);
    char *to = text_dup(leat_at(edge, 1));
    if (to == NULL || leat_count(edge) != 2) {
        graph_decl_mistake(r->g, &r->at, "must be [from, to]");
        free(to);
        return;
    }
    char **names = names_dup(r, from);
    if (names != NULL && leat_type_of(from) == LEAT_STRING) {
        leat_add_edge(r->g, names[0], to);
    } else if (names != NULL) {
        leat_add_join(r->g, (const char *const *)names, to);
    }
    names_free(names);
    free(to);
}

static void read_edges(struct reader *r)
{
    leat_view edges = leat_get(r->spec, "edges");
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"edges", 5});
    for (leat_iter it = leat_iter_of(edges); leat_next(&it);) {
        size_t inner = graph_expr_place_index(&r->at, it.index);
        read_edge(r, it.item);
        graph_expr_place_back(&r->at, inner);
    }
    graph_expr_place_back(&r->at, mark);
}

static leat_value *run_route(leat_context *ctx, leat_view state)
{
    const struct decl_route *route = leat_node_data(ctx);
    struct graph_scope scope = {
        .state = state, .calls = graph_decl_calls, .arg = route->decl};
    struct err err = ERR_INIT;
    leat_value *where = NULL;
    if (!graph_expr_eval(route->to, &scope, &where, &err)) {
        return leat_fail(ctx, "TypeError", "%s", err.text);
    }
    return where;
}

/* What its route says for each of them; NULL where that is their names. */
static char **read_labels(leat_view spec)
{
    leat_view map = leat_get(spec, "map");
    if (leat_type_of(map) != LEAT_OBJECT) {
        return NULL;
    }
    char **labels = base_zalloc((leat_count(map) + 1) * sizeof *labels);
    for (leat_iter it = leat_iter_of(map); leat_next(&it);) {
        labels[it.index] = base_memdup(it.key.ptr, it.key.len);
    }
    return labels;
}

/* The nodes that a branch may choose: its targets, or what its map names. */
static char **read_targets(struct reader *r, leat_view spec)
{
    leat_view targets = leat_get(spec, "targets");
    leat_view map = leat_get(spec, "map");
    if (leat_type_of(map) != LEAT_OBJECT) {
        return graph_expr_true(targets) ? names_dup(r, targets) : NULL;
    }
    char **names = base_zalloc((leat_count(map) + 1) * sizeof *names);
    for (leat_iter it = leat_iter_of(map); leat_next(&it);) {
        names[it.index] = text_dup(it.item);
        if (names[it.index] == NULL) {
            graph_decl_mistake(r->g, &r->at, "`map` must name nodes");
            names_free(names);
            return NULL;
        }
    }
    return names;
}

static void read_branch(struct reader *r, leat_view spec)
{
    char *from = text_dup(leat_get(spec, "from"));
    graph_decl_check_expr(r->g, spec, "to", &r->at);
    if (from == NULL) {
        graph_decl_mistake(r->g, &r->at, "`from` must be a name");
        return;
    }
    struct decl_route *route = base_zalloc(sizeof *route);
    route->decl = r->decl;
    route->to = leat_get(spec, "to");
    route->next = r->decl->routes;
    r->decl->routes = route;
    struct graph_branch branch = {
        .route = run_route, .data = route, .targets = read_targets(r, spec)};
    branch.labels = branch.targets != NULL ? read_labels(spec) : NULL;
    graph_builder_branch(r->g, from, &branch);
    names_free(branch.targets);
    names_free(branch.labels);
    free(from);
}

static void read_branches(struct reader *r)
{
    leat_view branches = leat_get(r->spec, "conditional");
    size_t mark = graph_expr_place_key(&r->at, (leat_text){"conditional", 11});
    for (leat_iter it = leat_iter_of(branches); leat_next(&it);) {
        size_t inner = graph_expr_place_index(&r->at, it.index);
        read_branch(r, it.item);
        graph_expr_place_back(&r->at, inner);
    }
    graph_expr_place_back(&r->at, mark);
}

/* ---- graphs ------------------------------------------------------------- */

static leat_graph *read_child(struct reader *r, leat_text name)
{
    leat_view graphs = leat_view_of(r->decl->graphs);
    int shown = (int)min_size(name.len, GRAPH_NAME_MAX);
    if (leat_type_of(leat_get_n(graphs, name.ptr, name.len)) ==
        LEAT_MISSING) {
        graph_decl_mistake(r->g, &r->at, "no graph `%.*s`", shown, name.ptr);
        return NULL;
    }
    if (r->depth + 1 >= GRAPH_DEPTH_MAX ||
        r->decl->graph_count >= DECL_GRAPHS_MAX) {
        graph_decl_mistake(r->g, &r->at, "graph `%.*s` is nested too deep",
                           shown, name.ptr);
        return NULL;
    }
    return read_graph(r->decl, name, r->depth + 1);
}

static void read_settings(struct reader *r)
{
    leat_view memory = leat_get(r->spec, "subgraph_checkpointer");
    if (r->depth > 0 && leat_type_of(memory) == LEAT_BOOL) {
        leat_set_memory(r->g, leat_bool(memory, true) ? LEAT_MEMORY_OWN
                                                      : LEAT_MEMORY_NONE);
    }
    char *name = text_dup(leat_get(r->spec, "name"));
    if (name == NULL && r->depth > 0) {
        name = base_memdup(r->name.ptr, r->name.len);
    }
    if (name != NULL) {
        leat_set_name(r->g, name);
    }
    free(name);
    read_names(r, "interrupt_before", leat_interrupt_before);
    read_names(r, "interrupt_after", leat_interrupt_after);
}

static leat_graph *read_graph(struct decl *d, leat_text name, unsigned depth)
{
    must(depth < GRAPH_DEPTH_MAX);
    struct reader r = {.decl = d, .g = graph_builder_new(), .name = name,
                       .depth = depth};
    d->graph_count++;
    r.spec = leat_get_n(leat_view_of(d->graphs), name.ptr, name.len);
    graph_expr_place_key(&r.at, name);
    if (leat_type_of(r.spec) != LEAT_OBJECT) {
        graph_decl_mistake(r.g, &r.at, "must be an object");
        return r.g;
    }
    leat_view agent = leat_get(r.spec, "react_agent");
    if (leat_type_of(agent) == LEAT_OBJECT) {
        graph_decl_agent_read(d, r.g, agent, &r.at);
        r.spec = agent; /* its names for interrupts stand in it */
        read_settings(&r);
        return r.g;
    }
    read_settings(&r);
    read_state(&r);
    read_nodes(&r);
    read_edges(&r);
    read_branches(&r);
    graph_expr_vars_fini(&r.called);
    return r.g;
}

bool graph_decl_compile(leat_view graphs, struct graph **out, struct err *err)
{
    must(out != NULL);
    leat_view main_spec = leat_get(graphs, "main");
    *out = NULL;
    if (leat_type_of(main_spec) != LEAT_OBJECT) {
        return err_set(err, ERR_GRAPH, "main: must be an object");
    }
    struct decl *d = base_zalloc(sizeof *d);
    d->graphs = leat_value_of(graphs);
    leat_graph *g = read_graph(d, (leat_text){"main", 4}, 0);
    graph_builder_keep(g, d, decl_destroy);
    return graph_compile(&g, out, err);
}
