/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c: the state of a thread as its readers see it (spec/engine.md 9):
 * values, what runs next, and what each task has done so far. Reads
 * checkpoints and prepares their tasks; runs and stores nothing.
 */
#include "worker/graph/state.h"
#include "worker/graph/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One snapshot being put together. */
struct snapshot {
    const struct graph_scene *at;
    const struct graph_request *req;
    const struct graph_host *host;
    bool latest;       /* no checkpoint was named: finished tasks count */
    bool deep;         /* nested states in full */
    unsigned depth;
    struct graph_loaded *l;
    struct tasks tasks;
};

static bool snapshot_of(struct snapshot *s, leat_value **out,
                        struct fault *f);

/* ---- finding and loading ------------------------------------------------ */

static bool is_number(const char *text, size_t len)
{
    return len > 0 && strspn(text, "0123456789") >= len;
}

/* The graph that a task of this node runs. */
static const struct graph *child_of(const struct graph *g, const char *name,
                                    size_t len)
{
    const struct graph_node *n = graph_node_get(g, name, len);
    if (n == NULL) {
        return NULL;
    }
    if (n->child != NULL) {
        return n->child;
    }
    return g->callable_count > 0 ? g->callables[0].child : NULL;
}

bool graph_state_find(const struct graph *g, const struct graph_request *req,
                      struct graph_scene *out, struct fault *f)
{
    const char *ns = req->checkpoint_ns == NULL ? "" : req->checkpoint_ns;
    *out = (struct graph_scene){.graph = g};
    if (!base_copy(out->ns, sizeof out->ns, ns)) {
        return graph_fault_set(f, "ValueError", "checkpoint_ns is too long");
    }
    for (const char *at = ns; *at != '\0';) {
        size_t len = strcspn(at, "|"), name = strcspn(at, ":|");
        if (!is_number(at, len)) {
            out->graph = child_of(out->graph, at, name);
        }
        if (out->graph == NULL) {
            return graph_fault_set(f, "ValueError", "Subgraph %s not found",
                                   ns);
        }
        at += len + (at[len] == '|' ? 1 : 0);
    }
    if (ns[0] != '\0' && out->graph->memory == LEAT_MEMORY_OWN) {
        graph_state_bare_ns(ns, out->ns);
    }
    return true;
}

void graph_state_bare_ns(const char *ns, char out[512])
{
    size_t n = 0;
    for (const char *at = ns; *at != '\0';) {
        size_t len = strcspn(at, "|"), name = strcspn(at, ":|");
        if (!is_number(at, len) && n + name + 2 < 512) {
            if (n > 0) {
                out[n++] = '|';
            }
            memcpy(out + n, at, name);
            n += name;
        }
        at += len + (at[len] == '|' ? 1 : 0);
    }
    out[n] = '\0';
}

void graph_state_take(const struct graph *g, struct graph_saved *saved,
                      struct graph_loaded *out)
{
    *out = (struct graph_loaded){.saved = *saved};
    *saved = (struct graph_saved){0};
    out->saved.cp.ns = out->saved.ns;
    out->saved.cp.ts = out->saved.ts;
    if (!out->saved.found) {
        graph_checkpoint_init(&out->cp, g);
        graph_channels_init(&out->channels, g, (leat_view){0});
        return;
    }
    graph_checkpoint_load(&out->cp, g, &out->saved);
    graph_channels_init(&out->channels, g,
                        leat_view_of(out->saved.cp.channel_values));
    graph_pendings_load(&out->pending, g, &out->saved);
}

bool graph_state_load(const struct graph_scene *at,
                      const struct graph_host *host, const char *id,
                      struct graph_loaded *out, struct fault *f)
{
    struct graph_saved saved = {0};
    struct err err = ERR_INIT;
    if (host->saver == NULL) {
        return graph_fault_set(f, "ValueError", "No checkpointer set");
    }
    if (id != NULL && id[0] == '\0') {
        id = NULL;
    }
    if (!host->saver->load(host->saver->self, at->ns, id, &saved, &err)) {
        return graph_fault_err(f, &err);
    }
    graph_state_take(at->graph, &saved, out);
    return true;
}

void graph_state_loaded_fini(struct graph_loaded *l)
{
    graph_pendings_fini(&l->pending);
    graph_channels_fini(&l->channels);
    graph_checkpoint_fini(&l->cp);
    graph_saved_fini(&l->saved);
}

void graph_state_kept(const struct pendings *p, const char *task_id,
                      struct writes *out)
{
    uint32_t at = PENDING_NONE;
    while ((at = graph_pendings_next(p, task_id, at)) != PENDING_NONE) {
        const struct write *w = &p->at[at].write;
        if (w->channel != WRITE_ERROR && w->channel != WRITE_INTERRUPT &&
            w->channel != WRITE_TAKEN) {
            graph_writes_add(out, w->channel, leat_hold(w->value));
        }
    }
}

/* ---- configs ------------------------------------------------------------ */

static leat_value *checkpoint_map(const char *ns, const char *id,
                                  leat_view parents)
{
    return leat_count(parents) == 0
               ? NULL
               : leat_with(parents, ns, leat_new_string(id));
}

leat_value *graph_state_config(const char *thread_id, const char *ns,
                               const char *id, leat_view parents)
{
    struct fields f = {0};
    if (id[0] == '\0') {
        return leat_new_null();
    }
    graph_fields_text(&f, "thread_id", thread_id);
    graph_fields_text(&f, "checkpoint_ns", ns);
    graph_fields_text(&f, "checkpoint_id", id);
    graph_fields_add(&f, "checkpoint_map", checkpoint_map(ns, id, parents));
    return graph_field("configurable", graph_fields_object(&f));
}

/* The config that says where a nested state is, or would be. */
static leat_value *place_config(const char *thread_id, const char *ns)
{
    struct fields f = {0};
    graph_fields_text(&f, "thread_id", thread_id);
    graph_fields_text(&f, "checkpoint_ns", ns);
    return graph_field("configurable", graph_fields_object(&f));
}

/* ---- applying what is kept ---------------------------------------------- */

static bool apply_commands(struct snapshot *s, struct fault *f)
{
    struct writes w = {0};
    graph_state_kept(&s->l->pending, GRAPH_NULL_TASK, &w);
    struct plan_writer writer = {.writes = &w};
    bool ok = w.count == 0 ||
              graph_plan_apply(&s->l->channels, &s->l->cp,
                               (struct plan_writers){&writer, 1}, NULL, f);
    graph_writes_fini(&w);
    return ok;
}

static bool apply_finished(struct snapshot *s, struct fault *f)
{
    struct plan_writer *writers =
        base_zalloc((s->tasks.count + 1) * sizeof *writers);
    size_t n = 0;
    for (size_t i = 0; i < s->tasks.count; i++) {
        struct task *t = &s->tasks.at[i];
        graph_state_kept(&s->l->pending, t->id, &t->writes);
        if (t->writes.count > 0) {
            writers[n++] = (struct plan_writer){.task = t,
                                                .writes = &t->writes};
        }
    }
    bool ok = n == 0 ||
              graph_plan_apply(&s->l->channels, &s->l->cp,
                               (struct plan_writers){writers, n}, NULL, f);
    if (ok && n > 0) {
        graph_plan_settle(&s->l->channels);
    }
    free(writers);
    return ok;
}

/* ---- tasks -------------------------------------------------------------- */

/* The values of all writes of a kind, lists taken apart; one reference. */
static leat_value *interrupts_of(const struct pendings *p, const char *id)
{
    leat_value *all = leat_new_list(0, NULL);
    uint32_t at = PENDING_NONE;
    while ((at = graph_pendings_next(p, id, at)) != PENDING_NONE) {
        const struct pending *w = &p->at[at];
        if (w->write.channel != WRITE_INTERRUPT) {
            continue;
        }
        leat_view v = leat_view_of(w->write.value);
        for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
            leat_value *item = leat_value_of(it.item);
            leat_value *more = leat_append(leat_view_of(all), 1, &item);
            leat_drop(all);
            all = more;
        }
    }
    return all;
}

/* What the task wrote to the state; NULL when it has not written at all. */
static leat_value *result_of(const struct snapshot *s, const char *id)
{
    const struct graph *g = s->at->graph;
    struct writes w = {0};
    graph_state_kept(&s->l->pending, id, &w);
    leat_value *result =
        w.count == 0 ? NULL : graph_writes_fold(g, &w, &g->state);
    graph_writes_fini(&w);
    return result;
}

/* A nested graph's state, or where it is; NULL when the node has no graph or
 * one that keeps nothing. */
static bool nested_state(const struct snapshot *s, const struct task *t,
                         leat_value **out, struct fault *f)
{
    const char *thread = s->req->thread_id;
    const struct graph *child = t->node->child;
    *out = NULL;
    if (child == NULL || child->memory == LEAT_MEMORY_NONE) {
        return true;
    }
    if (!s->deep || s->depth + 1 >= GRAPH_DEPTH_MAX) {
        *out = place_config(thread, t->ns);
        return true;
    }
    struct graph_scene at = {.graph = t->node->child};
    struct graph_loaded l = {0};
    (void)base_copy(at.ns, sizeof at.ns, t->ns);
    if (at.graph->memory == LEAT_MEMORY_OWN) {
        graph_state_bare_ns(t->ns, at.ns);
    }
    if (!graph_state_load(&at, s->host, NULL, &l, f)) {
        return false;
    }
    struct snapshot inner = {.at = &at, .req = s->req, .host = s->host,
                             .latest = true, .deep = true,
                             .depth = s->depth + 1, .l = &l};
    bool ok = snapshot_of(&inner, out, f);
    graph_state_loaded_fini(&l);
    return ok;
}

static bool task_of(const struct snapshot *s, const struct task *t,
                    leat_value **out, struct fault *f)
{
    struct fields fields = {0};
    leat_value *state = NULL;
    const leat_value *error =
        graph_pendings_get(&s->l->pending, t->id, WRITE_ERROR);
    if (!nested_state(s, t, &state, f)) {
        return false;
    }
    graph_fields_text(&fields, "id", t->id);
    graph_fields_text(&fields, "name", t->node->name);
    graph_fields_add(&fields, "path", graph_task_path(t));
    graph_fields_add(&fields, "error", leat_hold(error));
    graph_fields_add(&fields, "interrupts",
                     interrupts_of(&s->l->pending, t->id));
    graph_fields_add(&fields, "state", state);
    graph_fields_add(&fields, "result", result_of(s, t->id));
    *out = graph_fields_object(&fields);
    return true;
}

static bool tasks_of(const struct snapshot *s, leat_value **out,
                     struct fault *f)
{
    leat_value **items = base_zalloc((s->tasks.count + 1) * sizeof *items);
    size_t n = 0;
    while (n < s->tasks.count && task_of(s, &s->tasks.at[n], &items[n], f)) {
        n++;
    }
    bool ok = n == s->tasks.count;
    if (ok) {
        *out = leat_new_list(n, items);
    }
    while (!ok && n > 0) {
        leat_drop(items[--n]);
    }
    free(items);
    return ok;
}

/* All interrupts of all tasks, from their shown form. */
static leat_value *all_interrupts(leat_view tasks)
{
    leat_value *all = leat_new_list(0, NULL);
    for (leat_iter t = leat_iter_of(tasks); leat_next(&t);) {
        leat_view own = leat_get(t.item, "interrupts");
        for (leat_iter it = leat_iter_of(own); leat_next(&it);) {
            leat_value *item = leat_value_of(it.item);
            leat_value *more = leat_append(leat_view_of(all), 1, &item);
            leat_drop(all);
            all = more;
        }
    }
    return all;
}

/* ---- snapshots ---------------------------------------------------------- */

static leat_value *empty_snapshot(const struct snapshot *s)
{
    struct fields f = {0};
    graph_fields_add(&f, "values", leat_new_object(0, NULL, NULL));
    graph_fields_add(&f, "next", leat_new_list(0, NULL));
    graph_fields_add(&f, "tasks", leat_new_list(0, NULL));
    graph_fields_add(&f, "metadata", leat_new_null());
    graph_fields_add(&f, "config",
                     place_config(s->req->thread_id, s->at->ns));
    graph_fields_add(&f, "created_at", leat_new_null());
    graph_fields_add(&f, "parent_config", leat_new_null());
    graph_fields_add(&f, "interrupts", leat_new_list(0, NULL));
    return graph_fields_object(&f);
}

static leat_value *fill_snapshot(const struct snapshot *s, leat_value *tasks)
{
    const struct graph_checkpoint *cp = &s->l->saved.cp;
    const char *thread = s->req->thread_id, *ns = s->at->ns;
    leat_view parents = leat_view_of(s->l->cp.parents);
    struct fields f = {0};
    graph_fields_add(&f, "values",
                     graph_channels_read(&s->l->channels,
                                         &s->at->graph->state));
    graph_fields_add(&f, "next", graph_plan_names(&s->tasks, false));
    graph_fields_add(&f, "interrupts", all_interrupts(leat_view_of(tasks)));
    graph_fields_add(&f, "tasks", tasks);
    graph_fields_add(&f, "metadata", leat_hold(cp->metadata));
    graph_fields_add(&f, "config",
                     graph_state_config(thread, ns, cp->id, parents));
    graph_fields_text(&f, "created_at", cp->ts);
    graph_fields_add(&f, "parent_config",
                     graph_state_config(thread, ns, cp->parent_id, parents));
    return graph_fields_object(&f);
}

static bool snapshot_of(struct snapshot *s, leat_value **out, struct fault *f)
{
    leat_value *tasks = NULL;
    must(s->depth < GRAPH_DEPTH_MAX);
    if (!s->l->saved.found) {
        *out = empty_snapshot(s);
        return true;
    }
    struct plan plan = {.channels = &s->l->channels,
                        .checkpoint = &s->l->cp,
                        .ns = s->at->ns,
                        .step = s->l->cp.step + 1};
    graph_plan_next(&plan, &s->tasks);
    bool ok = apply_commands(s, f) && (!s->latest || apply_finished(s, f)) &&
              tasks_of(s, &tasks, f);
    if (ok) {
        *out = fill_snapshot(s, tasks);
    }
    graph_tasks_fini(&s->tasks);
    return ok;
}

bool graph_state_fail(const struct fault *f, struct err *err)
{
    enum err_code code = f->code == ERR_NONE ? ERR_GRAPH : f->code;
    if (code != ERR_GRAPH) { /* the store's: no class of a graph's error */
        return err_set(err, code, "%s", f->text == NULL ? "" : f->text);
    }
    return err_set(err, code, "%s: %s", f->type,
                   f->text == NULL ? "" : f->text);
}

bool graph_state_get(const struct graph_asked *a, leat_value **out,
                     struct err *err)
{
    must(out != NULL && a->req->thread_id != NULL);
    const struct graph_request *req = a->req;
    struct fault f = FAULT_INIT;
    struct graph_scene at;
    struct graph_loaded l = {0};
    *out = NULL;
    bool ok = graph_state_find(a->graph, req, &at, &f) &&
              graph_state_load(&at, a->host, req->checkpoint_id, &l, &f);
    if (ok) {
        bool named = req->checkpoint_id != NULL && req->checkpoint_id[0];
        struct snapshot s = {.at = &at, .req = req, .host = a->host,
                             .latest = !named, .deep = req->subgraphs,
                             .l = &l};
        ok = snapshot_of(&s, out, &f);
        graph_state_loaded_fini(&l);
    }
    if (!ok) {
        graph_state_fail(&f, err);
    }
    graph_fault_fini(&f);
    return ok;
}

/* ---- history ------------------------------------------------------------ */

/* What a saver's list gives. */
struct listed {
    struct graph_saved *saved;
    size_t n;
};

static bool list_saved(const struct graph_scene *at,
                       const struct graph_query *q,
                       const struct graph_host *host, struct listed *out,
                       struct fault *f)
{
    struct err err = ERR_INIT;
    struct graph_query query = *q;
    query.ns = at->ns;
    if (host->saver == NULL) {
        return graph_fault_set(f, "ValueError", "No checkpointer set");
    }
    return host->saver->list(host->saver->self, &query, &out->saved, &out->n,
                             &err) ||
           graph_fault_err(f, &err);
}

bool graph_state_history(const struct graph_asked *a,
                         const struct graph_query *q, leat_value **out,
                         struct err *err)
{
    must(out != NULL && q != NULL);
    struct fault f = FAULT_INIT;
    struct graph_scene at;
    struct listed list = {0};
    size_t done = 0;
    *out = NULL;
    bool ok = graph_state_find(a->graph, a->req, &at, &f) &&
              list_saved(&at, q, a->host, &list, &f);
    leat_value **items = base_zalloc((list.n + 1) * sizeof *items);
    for (size_t i = 0; i < list.n; i++) {
        struct graph_loaded l;
        graph_state_take(at.graph, &list.saved[i], &l);
        struct snapshot s = {
            .at = &at, .req = a->req, .host = a->host, .l = &l};
        ok = ok && snapshot_of(&s, &items[done], &f);
        done += ok ? 1 : 0;
        graph_state_loaded_fini(&l);
    }
    if (ok) {
        *out = leat_new_list(done, items);
    } else {
        while (done > 0) {
            leat_drop(items[--done]);
        }
        graph_state_fail(&f, err);
    }
    free(items);
    free(list.saved);
    graph_fault_fini(&f);
    return ok;
}
