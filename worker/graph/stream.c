/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/stream.c: the payloads of values, updates, tasks, checkpoints, debug
 * and custom (stream.h).
 */
#include "worker/graph/stream.h"
#include "common/clock.h"
#include "worker/graph/fields.h"

#include <stdlib.h>
#include <string.h>

/* ---- one event ---------------------------------------------------------- */

bool graph_stream_wants(const struct loop *l, unsigned modes)
{
    const struct graph_request *req = l->run->req;
    return (req->modes & modes) != 0 && l->run->host->emit != NULL &&
           (l->caller == NULL || req->subgraphs);
}

void graph_stream_put(struct loop *l, enum graph_mode mode,
                      const leat_value *payload)
{
    const struct graph_event ev = {
        .mode = mode,
        .ns = l->ns,
        .payload = payload,
    };
    l->run->host->emit(l->run->host->arg, &ev);
}

/* The event and its copy in `debug`. Takes the payload. */
static void put_twin(struct loop *l, enum graph_mode mode, const char *type,
                     leat_value *payload)
{
    if (graph_stream_wants(l, mode)) {
        graph_stream_put(l, mode, payload);
    }
    if (graph_stream_wants(l, GRAPH_MODE_DEBUG)) {
        char now[CLOCK_ISO_SIZE];
        struct fields f = {0};
        bool after = mode == GRAPH_MODE_CHECKPOINTS;
        graph_fields_add(&f, "step", leat_new_int(l->step - (after ? 1 : 0)));
        graph_fields_text(&f, "timestamp",
                          clock_to_iso(clock_wall_us(), now));
        graph_fields_text(&f, "type", type);
        graph_fields_add(&f, "payload", leat_hold(payload));
        leat_value *debug = graph_fields_object(&f);
        graph_stream_put(l, GRAPH_MODE_DEBUG, debug);
        leat_drop(debug);
    }
    leat_drop(payload);
}

/* ---- checkpoints -------------------------------------------------------- */

static bool is_own(leat_text key)
{
    static const char *const own[] = {"thread_id", "checkpoint_ns",
                                      "checkpoint_id", "checkpoint_map"};
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        if (key.len == strlen(own[i]) &&
            memcmp(key.ptr, own[i], key.len) == 0) {
            return true;
        }
    }
    return key.len >= 2 && memcmp(key.ptr, "__", 2) == 0;
}

/* The checkpoints around this one and itself. Of one that was made by hand it
 * is not known what it was in: then the run's own are told. */
static void write_map(leat_writer *w, const struct loop *l, const char *id,
                      bool loaded)
{
    bool known = leat_count(leat_view_of(l->cp.parents)) > 0;
    leat_view around = leat_view_of(known ? l->cp.parents : l->parents);
    if (leat_count(around) == 0 || (!known && loaded)) {
        return;
    }
    leat_write_key(w, "checkpoint_map");
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(around); leat_next(&it);) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
    if (known) {
        leat_write_key(w, l->ns);
        leat_write_string(w, id);
    }
    leat_write_end(w);
}

/* {"configurable": {...}} of a checkpoint of this thread and namespace, with
 * what the run was given besides unless the store tells of it. */
static leat_value *config_of(const struct loop *l, const char *id,
                             bool loaded)
{
    leat_view given = loaded ? (leat_view){0}
                             : leat_get(l->run->req->config, "configurable");
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "configurable");
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(given); leat_next(&it);) {
        if (!is_own(it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_write_key(w, "thread_id");
    leat_write_string(w, l->run->req->thread_id);
    leat_write_key(w, "checkpoint_ns");
    leat_write_string(w, l->ns);
    leat_write_key(w, "checkpoint_id");
    leat_write_string(w, id);
    write_map(w, l, id, loaded);
    leat_write_end(w);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *task_state(const struct loop *l, const struct task *t)
{
    const struct graph *child = t->node->child;
    if (child == NULL || child->memory == LEAT_MEMORY_NONE) {
        return leat_new_null();
    }
    return leat_pack("{s:{s:s, s:s}}", "configurable", "thread_id",
                     l->run->req->thread_id, "checkpoint_ns", t->ns);
}

/* What was kept of this task's writes to the output keys. */
static leat_value *task_result(const struct loop *l, const struct task *t)
{
    struct writes kept = {0};
    graph_pendings_to_writes(&l->pending, t->id, &kept);
    leat_value *result =
        kept.count > 0
            ? graph_writes_fold(l->graph, &kept, &l->graph->output)
            : NULL;
    graph_writes_fini(&kept);
    if (leat_count(leat_view_of(result)) == 0) {
        leat_drop(result);
        return NULL;
    }
    return result;
}

static leat_value *task_shown(const struct loop *l, const struct task *t)
{
    const leat_value *error =
        graph_pendings_get(&l->pending, t->id, WRITE_ERROR);
    struct fields f = {0};
    graph_fields_text(&f, "id", t->id);
    graph_fields_text(&f, "name", t->node->name);
    if (error != NULL) {
        graph_fields_add(&f, "error", leat_hold(error));
    } else {
        const leat_value *asked =
            graph_pendings_get(&l->pending, t->id, WRITE_INTERRUPT);
        graph_fields_add(&f, "result", task_result(l, t));
        graph_fields_add(&f, "interrupts",
                         asked != NULL ? leat_hold(asked)
                                       : leat_new_list(0, NULL));
    }
    graph_fields_add(&f, "state", task_state(l, t));
    return graph_fields_object(&f);
}

static leat_value *tasks_shown(const struct loop *l)
{
    size_t n = l->tasks.count;
    leat_value **items = base_zalloc((n + 1) * sizeof(leat_value *));
    for (size_t i = 0; i < n; i++) {
        items[i] = task_shown(l, &l->tasks.at[i]);
    }
    leat_value *list = leat_new_list(n, items);
    free(items);
    return list;
}

void graph_stream_checkpoint(struct loop *l)
{
    if (l->saver == NULL ||
        !graph_stream_wants(l, GRAPH_MODE_CHECKPOINTS | GRAPH_MODE_DEBUG)) {
        return;
    }
    struct fields f = {0};
    graph_fields_add(&f, "config", config_of(l, l->cp.id, false));
    graph_fields_add(&f, "parent_config",
                     l->prev_id[0] != '\0'
                         ? config_of(l, l->prev_id, l->prev_loaded)
                         : leat_new_null());
    graph_fields_add(&f, "values",
                     graph_channels_read(&l->channels, &l->graph->state));
    graph_fields_add(&f, "metadata", graph_checkpoint_metadata(&l->cp));
    graph_fields_add(&f, "next", graph_plan_names(&l->tasks, true));
    graph_fields_add(&f, "tasks", tasks_shown(l));
    put_twin(l, GRAPH_MODE_CHECKPOINTS, "checkpoint", graph_fields_object(&f));
}

/* ---- values ------------------------------------------------------------- */

/* The output as it is told now, one reference; NULL when nobody wants it. It
 * is the result of the run until something is told again. */
static leat_value *tell_output(struct loop *l)
{
    bool wanted = graph_stream_wants(l, GRAPH_MODE_VALUES);
    l->spoke = true;
    if (!wanted && !l->fleeting) {
        return NULL;
    }
    leat_value *v = graph_channels_read(&l->channels, &l->graph->output);
    if (l->fleeting) {
        leat_drop(l->told);
        l->told = leat_hold(v);
    }
    if (!wanted) {
        leat_drop(v);
        return NULL;
    }
    return v;
}

void graph_stream_values(struct loop *l)
{
    leat_value *v = tell_output(l);
    if (v != NULL) {
        graph_stream_put(l, GRAPH_MODE_VALUES, v);
        leat_drop(v);
    }
}

static void put_interrupted(struct loop *l, const leat_value *interrupts)
{
    leat_value *state = tell_output(l);
    if (state == NULL) {
        return;
    }
    leat_value *v = leat_with(leat_view_of(state), "__interrupt__",
                              leat_hold(interrupts));
    const struct graph_event ev = {
        .mode = GRAPH_MODE_VALUES,
        .ns = l->ns,
        .payload = v,
        .interrupt = true,
    };
    l->run->host->emit(l->run->host->arg, &ev);
    leat_drop(v);
    leat_drop(state);
}

/* ---- updates ------------------------------------------------------------ */

static bool repeats(const struct writes *w, const struct graph_keys *keys)
{
    for (size_t i = 0; i < w->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (w->at[i].channel == w->at[j].channel &&
                graph_keys_has(keys, w->at[i].channel)) {
                return true;
            }
        }
    }
    return false;
}

/* One object per write, when a key was written more than once. */
static leat_value *update_list(const struct loop *l, const struct writes *w)
{
    size_t n = 0;
    leat_value **items = base_zalloc((w->count + 1) * sizeof(leat_value *));
    for (size_t i = 0; i < w->count; i++) {
        if (graph_keys_has(&l->graph->output, w->at[i].channel)) {
            items[n++] =
                graph_field(graph_channel_name(l->graph, w->at[i].channel),
                            leat_hold(w->at[i].value));
        }
    }
    leat_value *list = leat_new_list(n, items);
    free(items);
    return list;
}

static leat_value *update_of(const struct loop *l, const struct writes *w)
{
    if (repeats(w, &l->graph->output)) {
        return update_list(l, w);
    }
    leat_value *v = graph_writes_fold(l->graph, w, &l->graph->output);
    if (leat_count(leat_view_of(v)) == 0) {
        leat_drop(v);
        return leat_new_null();
    }
    return v;
}

void graph_stream_updates(struct loop *l, const struct task *t, bool cached)
{
    if (t->node->hidden || !graph_stream_wants(l, GRAPH_MODE_UPDATES)) {
        return;
    }
    struct fields f = {0};
    graph_fields_add(&f, t->node->name, update_of(l, &t->writes));
    if (cached) {
        graph_fields_add(&f, "__metadata__", leat_pack("{s:b}", "cached", 1));
    }
    leat_value *v = graph_fields_object(&f);
    graph_stream_put(l, GRAPH_MODE_UPDATES, v);
    leat_drop(v);
}

static void put_asked(struct loop *l, const leat_value *interrupts)
{
    if (graph_stream_wants(l, GRAPH_MODE_UPDATES)) {
        leat_value *v = graph_field("__interrupt__", leat_hold(interrupts));
        graph_stream_put(l, GRAPH_MODE_UPDATES, v);
        leat_drop(v);
    }
}

void graph_stream_interrupts(struct loop *l, const leat_value *interrupts)
{
    put_asked(l, interrupts);
    put_interrupted(l, interrupts);
}

void graph_stream_static(struct loop *l)
{
    leat_value *none = leat_new_list(0, NULL);
    put_asked(l, none);
    leat_drop(none);
}

/* ---- tasks -------------------------------------------------------------- */

/* The run's metadata, that of the nodes around this graph and of the node
 * itself over it, and the run's tags; NULL: none. */
static leat_value *metadata_of(const struct loop *l, const struct task *t)
{
    leat_view node = leat_view_of(t->node->metadata);
    leat_value *base = graph_talk_inherit(l, l->run->task_metadata);
    leat_view tags = leat_get(l->run->req->config, "tags");
    leat_value *v = graph_talk_merge(leat_view_of(base), node);
    leat_drop(base);
    if (leat_count(leat_view_of(v)) + leat_count(tags) == 0) {
        leat_drop(v);
        return NULL;
    }
    if (leat_count(tags) > 0) {
        leat_value *tagged =
            leat_with(leat_view_of(v), "tags", leat_value_of(tags));
        leat_drop(v);
        v = tagged;
    }
    return v;
}

void graph_stream_task(struct loop *l, const struct task *t)
{
    if (t->node->hidden ||
        !graph_stream_wants(l, GRAPH_MODE_TASKS | GRAPH_MODE_DEBUG)) {
        return;
    }
    struct fields f = {0};
    graph_fields_text(&f, "id", t->id);
    graph_fields_text(&f, "name", t->node->name);
    graph_fields_add(&f, "input", leat_hold(t->input));
    graph_fields_add(&f, "triggers", leat_hold(graph_task_triggers(t)));
    graph_fields_add(&f, "metadata", metadata_of(l, t));
    put_twin(l, GRAPH_MODE_TASKS, "task", graph_fields_object(&f));
}

void graph_stream_result(struct loop *l, const struct task *t,
                         const leat_value *interrupts,
                         const leat_value *error)
{
    if (t->node->hidden ||
        !graph_stream_wants(l, GRAPH_MODE_TASKS | GRAPH_MODE_DEBUG)) {
        return;
    }
    struct fields f = {0};
    graph_fields_text(&f, "id", t->id);
    graph_fields_text(&f, "name", t->node->name);
    graph_fields_add(&f, "error",
                     error != NULL ? leat_hold(error) : leat_new_null());
    graph_fields_add(&f, "result",
                     graph_writes_fold(l->graph, &t->writes,
                                       &l->graph->state));
    graph_fields_add(&f, "interrupts",
                     interrupts != NULL ? leat_hold(interrupts)
                                        : leat_new_list(0, NULL));
    put_twin(l, GRAPH_MODE_TASKS, "task_result", graph_fields_object(&f));
}

/* ---- custom ------------------------------------------------------------- */

void graph_stream_custom(struct loop *l, const leat_value *payload)
{
    if (graph_stream_wants(l, GRAPH_MODE_CUSTOM)) {
        graph_stream_put(l, GRAPH_MODE_CUSTOM, payload);
    }
}
