/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario.c: one trace, performed: a graph, its threads in memory, and the
 * steps one after the other.
 */
#include "tests/conformance/scenario.h"

#include "common/id.h"
#include "worker/graph/expr.h"
#include "worker/graph/memory.h"
#include "worker/graph/pool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct thread {
    char *id;
    graph_memory_t *memory;
    struct thread *next;
};

struct scenario {
    const tree *graphs;
    struct graph *graph;
    bool saves;            /* has a checkpointer */
    struct thread *threads;
    tree *saved;           /* save_as: {name: config} */
};

/* One step: what it asks for, in the engine's terms. */
struct step {
    struct scenario *scenario;
    const tree *spec;
    tree *out;
    char run_id[ID_TEXT_SIZE];
    char checkpoint_id[ID_TEXT_SIZE];
    char ns[512];          /* of the graph that `inside` leads to */
    leat_value *config, *input, *command, *before, *after;
    struct graph_request request;
    struct graph_host host;
};

static const struct mode {
    enum graph_mode mode;
    const char *name;
} modes[] = {
    {GRAPH_MODE_VALUES, "values"},   {GRAPH_MODE_UPDATES, "updates"},
    {GRAPH_MODE_MESSAGES, "messages"}, {GRAPH_MODE_CUSTOM, "custom"},
    {GRAPH_MODE_TASKS, "tasks"},     {GRAPH_MODE_CHECKPOINTS, "checkpoints"},
    {GRAPH_MODE_DEBUG, "debug"},     {GRAPH_MODE_EVENTS, "events"},
};

/* ---- threads ------------------------------------------------------------ */

static const struct graph_saver *require_thread(struct scenario *s,
                                                const char *id)
{
    struct thread *t = s->threads;
    while (t != NULL && strcmp(t->id, id) != 0) {
        t = t->next;
    }
    if (t == NULL) {
        t = base_zalloc(sizeof *t);
        t->id = base_strdup(id);
        t->memory = graph_memory_new();
        t->next = s->threads;
        s->threads = t;
    }
    return graph_memory_saver(t->memory);
}

static void scenario_fini(struct scenario *s)
{
    while (s->threads != NULL) {
        struct thread *t = s->threads;
        s->threads = t->next;
        graph_memory_destroy(&t->memory);
        free(t->id);
        free(t);
    }
    tree_destroy(&s->saved);
    if (s->graph != NULL) {
        graph_drop(&s->graph);
    }
}

/* ---- what the engine sends ---------------------------------------------- */

static tree *split_ns(const char *ns)
{
    tree *list = tree_list();
    while (*ns != '\0') {
        size_t len = strcspn(ns, "|");
        char *segment = base_memdup(ns, len);
        tree_push(list, tree_text(segment));
        free(segment);
        ns += len + (ns[len] == '|' ? 1 : 0);
    }
    return list;
}

static void on_event(void *arg, const struct graph_event *ev)
{
    struct step *s = arg;
    tree *event = tree_list();
    const char *name = "?";
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        name = modes[i].mode == ev->mode ? modes[i].name : name;
    }
    tree_push(event, s->request.subgraphs ? split_ns(ev->ns) : tree_null());
    tree_push(event, tree_text(name));
    tree_push(event, tree_from_view(leat_view_of(ev->payload)));
    tree_push(tree_get(s->out, "events"), event);
}

static void put_error(struct step *s, const char *type, const char *text)
{
    tree *error = tree_object();
    tree_set(error, "name", tree_text(type));
    tree_set(error, "message", tree_text(text));
    tree_set(s->out, "error", error);
}

/* ---- what a step asks for ----------------------------------------------- */

static const char *text_or(const tree *t, const char *fallback)
{
    const char *text = tree_string(t);
    return text != NULL ? text : fallback;
}

static leat_value *value_or_null(const tree *t)
{
    return t == NULL ? NULL : tree_to_value(t);
}

static void make_config(struct step *s)
{
    static const char *const fields[] = {"metadata", "tags",
                                         "recursion_limit"};
    tree *config = tree_object(), *configurable = tree_object();
    const tree *more = tree_get(s->spec, "configurable");
    tree_set(configurable, "thread_id", tree_text(s->request.thread_id));
    for (size_t i = 0; i < tree_count(more); i++) {
        tree_set(configurable, more->keys[i], tree_copy(more->items[i]));
    }
    tree_set(config, "configurable", configurable);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const tree *field = tree_get(s->spec, fields[i]);
        if (field != NULL) {
            tree_set(config, fields[i], tree_copy(field));
        }
    }
    s->config = tree_to_value(config);
    tree_destroy(&config);
}

/* An expression of the step, evaluated without any state. */
static leat_value *evaluate(const tree *expr)
{
    struct graph_scope scope = {0};
    struct err err = ERR_INIT;
    leat_value *in = tree_to_value(expr), *out = NULL;
    if (!graph_expr_eval(leat_view_of(in), &scope, &out, &err)) {
        fprintf(stderr, "%s\n", err.text);
    }
    leat_drop(in);
    return out != NULL ? out : leat_new_null();
}

static tree *history_of(struct step *s)
{
    struct graph_request request = {.thread_id = s->request.thread_id,
                                    .run_id = s->run_id,
                                    .checkpoint_ns = s->request.checkpoint_ns,
                                    .config = s->request.config};
    struct graph_query q = {0};
    leat_value *list = NULL;
    struct err err = ERR_INIT;
    const struct graph_asked a = {s->scenario->graph, &request, &s->host};
    if (!graph_state_history(&a, &q, &list, &err)) {
        fprintf(stderr, "history: %s\n", err.text);
        return tree_list();
    }
    tree *out = tree_from_view(leat_view_of(list));
    leat_drop(list);
    return out;
}

/* The namespace of the graph that the task at `index` runs; "?": none. */
static void enter_task(struct step *s, size_t index)
{
    struct graph_request request = {.thread_id = s->request.thread_id,
                                    .run_id = s->run_id,
                                    .checkpoint_ns = s->request.checkpoint_ns,
                                    .config = s->request.config};
    const struct graph_asked a = {s->scenario->graph, &request, &s->host};
    leat_value *state = NULL;
    struct err err = ERR_INIT;
    leat_text ns = {0};
    if (graph_state_get(&a, &state, &err)) {
        leat_view task = leat_at(
            leat_get(leat_view_of(state), "tasks"), (long)index);
        leat_view config = leat_get(leat_get(task, "state"), "configurable");
        ns = leat_string(leat_get(config, "checkpoint_ns"));
    }
    char *inner = ns.ptr != NULL ? base_memdup(ns.ptr, ns.len)
                                 : base_strdup("?");
    (void)base_copy(s->ns, sizeof s->ns, inner);
    s->request.checkpoint_ns = s->ns;
    free(inner);
    leat_drop(state);
}

/* The checkpoint id that {"$saved": name} or {"$history": {index}} means. */
static void find_checkpoint(struct step *s, const tree *ref,
                            char out[ID_TEXT_SIZE])
{
    const char *name = tree_string(tree_get(ref, "$saved"));
    const tree *index = tree_get(tree_get(ref, "$history"), "index");
    tree *history = name == NULL ? history_of(s) : NULL;
    const tree *config =
        name != NULL ? tree_get(s->scenario->saved, name)
                     : tree_get(tree_at(history, index == NULL
                                                     ? 0
                                                     : (size_t)index->whole),
                                "config");
    const char *id = tree_string(
        tree_get(tree_get(config, "configurable"), "checkpoint_id"));
    (void)base_copy(out, ID_TEXT_SIZE, id == NULL ? "" : id);
    tree_destroy(&history);
}

/* The id of the pending interrupt that asks `question`. */
static char *find_interrupt(struct step *s, const char *question)
{
    struct graph_request request = {.thread_id = s->request.thread_id,
                                    .run_id = s->run_id,
                                    .config = s->request.config};
    leat_value *state = NULL;
    struct err err = ERR_INIT;
    char *id = NULL;
    const struct graph_asked a = {s->scenario->graph, &request, &s->host};
    if (!graph_state_get(&a, &state, &err)) {
        fprintf(stderr, "state: %s\n", err.text);
        return base_strdup("?");
    }
    leat_view all = leat_get(leat_view_of(state), "interrupts");
    for (leat_iter it = leat_iter_of(all); id == NULL && leat_next(&it);) {
        if (leat_is(leat_get(it.item, "value"), question)) {
            leat_text t = leat_string(leat_get(it.item, "id"));
            id = base_memdup(t.ptr, t.len);
        }
    }
    leat_drop(state);
    return id != NULL ? id : base_strdup("?");
}

/* {"$resume_map": {question: answer}} -> {"$lit": {id: answer}} */
static void resolve_resume(struct step *s, tree *command)
{
    tree *resume = tree_get(command, "resume");
    const tree *map = tree_get(resume, "$resume_map");
    if (map == NULL) {
        return;
    }
    tree *ids = tree_object(), *literal = tree_object();
    for (size_t i = 0; i < map->count; i++) {
        char *id = find_interrupt(s, map->keys[i]);
        tree_set(ids, id, tree_copy(map->items[i]));
        free(id);
    }
    tree_set(literal, "$lit", ids);
    tree_replace(resume, literal);
}

/* A Command as input: its fields are expressions, it is none itself. */
static void make_input(struct step *s)
{
    const tree *input = tree_get(s->spec, "input");
    const tree *command = tree_get(input, "$command");
    if (command != NULL) {
        tree *fields = tree_copy(command);
        resolve_resume(s, fields);
        s->command = evaluate(fields);
        tree_destroy(&fields);
    } else if (input != NULL) {
        s->input = evaluate(input);
    }
}

static void step_init(struct step *s)
{
    const tree *spec = s->spec;
    struct id run = id_uuid4();
    const tree *subgraphs = tree_get(spec, "subgraphs");
    const char *durability = text_or(tree_get(spec, "durability"), "async");
    id_print(&run, s->run_id);
    (void)base_copy(s->run_id, sizeof s->run_id,
                    text_or(tree_get(spec, "run_id"), s->run_id));
    s->request.thread_id = text_or(tree_get(spec, "thread"), "t1");
    s->request.run_id = s->run_id;
    s->request.attempt = 1;
    s->request.recursion_limit = 25;
    s->request.subgraphs = subgraphs == NULL || subgraphs->flag;
    s->request.durability =
        strcmp(durability, "exit") == 0   ? GRAPH_DURABILITY_EXIT
        : strcmp(durability, "sync") == 0 ? GRAPH_DURABILITY_SYNC
                                          : GRAPH_DURABILITY_ASYNC;
    s->host.arg = s;
    s->host.saver = s->scenario->saves
                        ? require_thread(s->scenario, s->request.thread_id)
                        : NULL;
    make_config(s);
    s->request.config = leat_view_of(s->config);
    const tree *inside = tree_get(spec, "inside");
    for (size_t i = 0; i < tree_count(inside); i++) {
        enter_task(s, (size_t)tree_at(inside, i)->whole);
    }
    if (tree_get(spec, "checkpoint") != NULL) {
        find_checkpoint(s, tree_get(spec, "checkpoint"), s->checkpoint_id);
        s->request.checkpoint_id = s->checkpoint_id;
    }
    make_input(s);
    s->before = value_or_null(tree_get(spec, "interrupt_before"));
    s->after = value_or_null(tree_get(spec, "interrupt_after"));
    s->request.input = leat_view_of(s->input);
    s->request.command = leat_view_of(s->command);
    s->request.interrupt_before = leat_view_of(s->before);
    s->request.interrupt_after = leat_view_of(s->after);
}

static void step_fini(struct step *s)
{
    leat_drop(s->config);
    leat_drop(s->input);
    leat_drop(s->command);
    leat_drop(s->before);
    leat_drop(s->after);
}

/* ---- the steps ---------------------------------------------------------- */

static void run(struct step *s)
{
    struct graph_result r;
    graph_run(s->scenario->graph, &s->request, &s->host, &r);
    if (r.status == GRAPH_FAILED) {
        put_error(s, r.error_type, r.error_text == NULL ? "" : r.error_text);
    } else if (tree_is(tree_get(s->spec, "op"), "invoke")) {
        tree_set(s->out, "output", tree_from_view(leat_view_of(r.output)));
    }
    graph_result_fini(&r);
}

/* Those that are named; else all, but for `events`. */
static unsigned modes_of(const tree *named)
{
    unsigned bits = 0;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        bool wanted = named == NULL && modes[i].mode != GRAPH_MODE_EVENTS;
        for (size_t k = 0; k < tree_count(named); k++) {
            wanted = wanted || tree_is(tree_at(named, k), modes[i].name);
        }
        bits |= wanted ? (unsigned)modes[i].mode : 0;
    }
    return bits;
}

static void do_stream(struct step *s)
{
    tree_set(s->out, "events", tree_list());
    s->host.emit = on_event;
    s->request.modes = modes_of(tree_get(s->spec, "modes"));
    /* Without the starts of tasks nobody could tell in which order they are
     * meant to end: then no thread helps, nor one that is there already. */
    if (tree_get(s->spec, "modes") != NULL) {
        graph_pool_stop();
        graph_pool_alone(true);
    }
    run(s);
    graph_pool_alone(false);
}

/* "Type: text", as the state calls tell it. */
static void put_state_error(struct step *s, const struct err *err)
{
    const char *colon = strstr(err->text, ": ");
    size_t len = colon == NULL ? 0 : (size_t)(colon - err->text);
    char *type = base_memdup(err->text, len);
    put_error(s, type, colon == NULL ? err->text : colon + 2);
    free(type);
}

static void do_get_state(struct step *s)
{
    leat_value *state = NULL;
    struct err err = ERR_INIT;
    const tree *subgraphs = tree_get(s->spec, "subgraphs");
    s->request.subgraphs = subgraphs != NULL && subgraphs->flag;
    const struct graph_asked a = {s->scenario->graph, &s->request, &s->host};
    if (!graph_state_get(&a, &state, &err)) {
        put_state_error(s, &err);
        return;
    }
    tree_set(s->out, "state", tree_from_view(leat_view_of(state)));
    leat_drop(state);
}

static void do_get_history(struct step *s)
{
    leat_value *list = NULL, *filter = NULL;
    struct err err = ERR_INIT;
    char before[ID_TEXT_SIZE] = "";
    struct graph_query q = {0};
    const tree *limit = tree_get(s->spec, "limit");
    s->request.subgraphs = false;
    if (tree_get(s->spec, "before") != NULL) {
        find_checkpoint(s, tree_get(s->spec, "before"), before);
        q.before = before;
    }
    q.limit = limit == NULL ? 0 : (size_t)limit->whole;
    q.id = s->request.checkpoint_id;
    filter = value_or_null(tree_get(s->spec, "filter"));
    q.metadata = leat_view_of(filter);
    const struct graph_asked a = {s->scenario->graph, &s->request, &s->host};
    if (graph_state_history(&a, &q, &list, &err)) {
        tree_set(s->out, "history", tree_from_view(leat_view_of(list)));
    } else {
        put_state_error(s, &err);
    }
    leat_drop(filter);
    leat_drop(list);
}

static void update(struct step *s, const tree *supersteps)
{
    leat_value *steps = evaluate(supersteps);
    const struct graph_asked a = {s->scenario->graph, &s->request, &s->host};
    struct graph_updated u;
    struct err err = ERR_INIT;
    const char *name = tree_string(tree_get(s->spec, "save_as"));
    if (!graph_state_update(&a, leat_view_of(steps), &u, &err)) {
        put_error(s, u.error_type, err.text);
    } else {
        tree_set(s->out, "config", tree_from_view(leat_view_of(u.config)));
        if (name != NULL) {
            tree_set(s->scenario->saved, name,
                     tree_from_view(leat_view_of(u.config)));
        }
    }
    leat_drop(u.config);
    leat_drop(steps);
}

static void do_update_state(struct step *s)
{
    const tree *values = tree_get(s->spec, "values");
    const tree *as_node = tree_get(s->spec, "as_node");
    tree *steps = tree_list(), *one = tree_list(), *u = tree_object();
    tree_set(u, "values", values == NULL ? tree_null() : tree_copy(values));
    if (as_node != NULL) {
        tree_set(u, "as_node", tree_copy(as_node));
    }
    tree_push(one, u);
    tree_push(steps, one);
    update(s, steps);
    tree_destroy(&steps);
}

static void do_bulk_update(struct step *s)
{
    update(s, tree_get(s->spec, "supersteps"));
}

/* ---- what the graph looks like ------------------------------------------ */

static tree *kept(const tree *from, const char *const keys[])
{
    tree *out = tree_object();
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (tree_get(from, keys[i]) != NULL) {
            tree_set(out, keys[i], tree_copy(tree_get(from, keys[i])));
        }
    }
    return out;
}

static tree *nodes_drawn(const tree *nodes)
{
    tree *out = tree_object();
    for (size_t i = 0; i < tree_count(nodes); i++) {
        const tree *node = tree_at(nodes, i);
        const tree *metadata = tree_get(node, "metadata");
        tree_set(out, tree_string(tree_get(node, "id")),
                 metadata != NULL ? tree_copy(metadata) : tree_object());
    }
    return out;
}

static tree *edges_drawn(const tree *edges)
{
    static const char *const keys[] = {"conditional", "data", NULL};
    tree *out = tree_object();
    for (size_t i = 0; i < tree_count(edges); i++) {
        const tree *edge = tree_at(edges, i);
        char *name = NULL;
        must(asprintf(&name, "%s > %s",
                      tree_string(tree_get(edge, "source")),
                      tree_string(tree_get(edge, "target"))) >= 0);
        tree_set(out, name, kept(edge, keys));
        free(name);
    }
    return out;
}

/* Nodes by id and edges by their ends: not in which order they are drawn, nor
 * what class a node is of. */
static void do_get_graph(struct step *s)
{
    const tree *xray = tree_get(s->spec, "xray");
    leat_value *v = graph_draw(s->scenario->graph,
                               xray != NULL ? (unsigned)xray->whole : 0);
    tree *drawing = tree_from_view(leat_view_of(v)), *out = tree_object();
    tree_set(out, "nodes", nodes_drawn(tree_get(drawing, "nodes")));
    tree_set(out, "edges", edges_drawn(tree_get(drawing, "edges")));
    tree_set(s->out, "graph", out);
    tree_destroy(&drawing);
    leat_drop(v);
}

/* Of each schema its keys with their types. */
static void do_get_schemas(struct step *s)
{
    static const char *const names[] = {"input", "output", "state"};
    static const char *const keys[] = {"title", "type", NULL};
    leat_value *v = graph_schema(s->scenario->graph);
    tree *all = tree_from_view(leat_view_of(v)), *out = tree_object();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_schema", names[i]);
        const tree *schema = tree_get(all, name);
        const tree *properties = tree_get(schema, "properties");
        tree *one = kept(schema, keys), *shown = tree_object();
        for (size_t k = 0; k < tree_count(properties); k++) {
            tree_set(shown, properties->keys[k],
                     kept(properties->items[k], keys));
        }
        tree_set(one, "properties", shown);
        tree_set(out, names[i], one);
    }
    tree_set(s->out, "schemas", out);
    tree_destroy(&all);
    leat_drop(v);
}

static const struct op {
    const char *name;
    void (*run)(struct step *s);
} ops[] = {
    {"stream", do_stream},
    {"invoke", run},
    {"get_state", do_get_state},
    {"get_history", do_get_history},
    {"update_state", do_update_state},
    {"bulk_update", do_bulk_update},
    {"get_graph", do_get_graph},
    {"get_schemas", do_get_schemas},
};

static tree *perform(struct scenario *scenario, const tree *spec)
{
    struct step s = {.scenario = scenario, .spec = spec,
                     .out = tree_object()};
    const struct op *op = NULL;
    tree_set(s.out, "step", tree_copy(spec));
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (tree_is(tree_get(spec, "op"), ops[i].name)) {
            op = &ops[i];
        }
    }
    if (op == NULL) {
        put_error(&s, "Runner", "a step that the runner does not know");
        return s.out;
    }
    step_init(&s);
    op->run(&s);
    step_fini(&s);
    return s.out;
}

/* ---- scenarios ---------------------------------------------------------- */

static bool scenario_init(struct scenario *s, const tree *trace)
{
    struct err err = ERR_INIT;
    *s = (struct scenario){.graphs = tree_get(trace, "graphs"),
                           .saved = tree_object()};
    const tree *main_graph = tree_get(s->graphs, "main");
    const tree *checkpointer = tree_get(main_graph, "checkpointer");
    s->saves = checkpointer == NULL || checkpointer->type != TREE_BOOL ||
               checkpointer->flag;
    leat_value *graphs = value_or_null(s->graphs);
    bool ok = graph_decl_compile(leat_view_of(graphs), &s->graph, &err);
    if (!ok) {
        printf("    %s\n", err.text);
        scenario_fini(s);
    }
    leat_drop(graphs);
    return ok;
}

tree *scenario_run(const tree *trace)
{
    struct scenario s;
    const tree *recorded = tree_get(trace, "results");
    if (!scenario_init(&s, trace)) {
        return NULL;
    }
    tree *results = tree_list();
    for (size_t i = 0; i < tree_count(recorded); i++) {
        const tree *spec = tree_get(tree_at(recorded, i), "step");
        tree_push(results, perform(&s, spec));
    }
    scenario_fini(&s);
    return results;
}

tree *scenario_run_events(const tree *trace)
{
    struct scenario s;
    const tree *first = tree_at(tree_get(trace, "results"), 0);
    if (!scenario_init(&s, trace)) {
        return NULL;
    }
    tree *spec = tree_copy(tree_get(first, "step"));
    tree_set(spec, "thread", tree_text("ev"));
    tree_set(spec, "run_id",
             tree_text("11111111-1111-4111-8111-111111111111"));
    struct step step = {.scenario = &s, .spec = spec, .out = tree_object()};
    step_init(&step);
    tree_set(step.out, "events", tree_list());
    step.host.emit = on_event;
    /* recorded together with messages, which gives all of them an id */
    step.request.modes = GRAPH_MODE_EVENTS | GRAPH_MODE_MESSAGES;
    run(&step);
    tree *events = tree_take(step.out, "events");
    for (size_t i = tree_count(events); i > 0; i--) {
        if (!tree_is(tree_at(tree_at(events, i - 1), 1), "events")) {
            tree_drop_at(events, i - 1);
        }
    }
    step_fini(&step);
    tree_destroy(&step.out);
    tree_destroy(&spec);
    scenario_fini(&s);
    return events;
}
