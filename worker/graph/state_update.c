/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_update.c: changing a thread's state from outside (spec/engine.md
 * 10): the writers of a node run with given values as if the node had
 * returned them, and a checkpoint is put. No node is executed.
 */
#include "common/clock.h"
#include "common/id.h"
#include "worker/graph/context.h"
#include "worker/graph/state.h"
#include "worker/graph/writer.h"

#include <stdlib.h>
#include <string.h>

/* One superstep of updates on one checkpoint. */
struct update {
    const struct graph_scene *at;
    const struct graph_request *req;
    const struct graph_host *host;
    bool named;               /* the base was named: not the latest */
    leat_view list;           /* of {"values", "as_node"?} */
    leat_context *ctx;
    struct graph_loaded l;
    char id[37];              /* of the checkpoint that was put */
    struct fault *fault;
};

/* One entry of the list, with what its node's writers made of it. */
struct entry {
    const struct graph_node *node;
    char task_id[ID_TEXT_SIZE]; /* under which the base remembers them */
    struct writes writes;
};

static bool perform(struct update *u);

/* ---- putting the checkpoint --------------------------------------------- */

/* The tasks that are next as things are. */
static void plan_next(struct update *u, struct tasks *out)
{
    struct plan plan = {.channels = &u->l.channels,
                        .checkpoint = &u->l.cp,
                        .ns = u->at->ns,
                        .step = u->l.cp.step + 1};
    graph_plan_next(&plan, out);
}

/* What readers without the graph see of it. */
static leat_value *view_of(struct update *u)
{
    struct tasks next;
    plan_next(u, &next);
    struct plan_view view = {.graph = u->at->graph, .next = &next};
    leat_value *out = graph_plan_view(&view);
    graph_tasks_fini(&next);
    return out;
}

/* Puts cp under a new id. `parent`: "" none. */
static bool put(struct update *u, const char *source, int step,
                const char *parent)
{
    struct checkpoint *cp = &u->l.cp;
    struct graph_checkpoint stored;
    struct err err = ERR_INIT;
    leat_value *run = graph_checkpoint_run_metadata(u->req->config);
    struct id id = id_uuid6(step);
    id_print(&id, cp->id);
    clock_to_iso(clock_wall_us(), cp->ts);
    cp->step = step;
    (void)base_copy(cp->source, sizeof cp->source, source);
    graph_checkpoint_store(cp, u->at->ns, leat_view_of(run), &stored);
    (void)base_copy(stored.parent_id, sizeof stored.parent_id, parent);
    stored.channel_values = graph_channels_dump(&u->l.channels);
    stored.view = view_of(u);
    bool ok = u->host->saver->put(u->host->saver->self, &stored, &err) ||
              graph_fault_err(u->fault, &err);
    (void)base_copy(u->id, sizeof u->id, cp->id);
    graph_stored_fini(&stored);
    leat_drop(run);
    return ok;
}

/* The step of the base; a thread without checkpoints begins before 0. */
static int base_step(const struct update *u)
{
    return u->l.saved.found ? u->l.cp.step : -1;
}

static bool put_next(struct update *u, const char *source)
{
    return put(u, source, base_step(u) + 1, u->l.cp.saved_id);
}

/* ---- what is pending on the base ---------------------------------------- */

static bool apply_commands(struct update *u)
{
    struct writes w = {0};
    graph_state_kept(&u->l.pending, GRAPH_NULL_TASK, &w);
    struct plan_writer writer = {.writes = &w};
    bool ok = w.count == 0 ||
              graph_plan_apply(&u->l.channels, &u->l.cp,
                               (struct plan_writers){&writer, 1}, NULL,
                               u->fault);
    graph_writes_fini(&w);
    return ok;
}

/* The tasks with what they have written; `all`: those that have not, too. */
static bool apply_tasks(struct update *u, struct tasks *tasks, bool all)
{
    struct plan_writer *writers =
        base_zalloc((tasks->count + 1) * sizeof *writers);
    size_t n = 0;
    for (size_t i = 0; i < tasks->count; i++) {
        struct task *t = &tasks->at[i];
        graph_state_kept(&u->l.pending, t->id, &t->writes);
        if (all || t->writes.count > 0) {
            writers[n++] = (struct plan_writer){.task = t,
                                                .writes = &t->writes};
        }
    }
    bool ok = n == 0 ||
              graph_plan_apply(&u->l.channels, &u->l.cp,
                               (struct plan_writers){writers, n}, NULL,
                               u->fault);
    free(writers);
    return ok;
}

static bool apply_pending(struct update *u, bool all)
{
    struct tasks tasks;
    plan_next(u, &tasks);
    bool ok = apply_commands(u) && apply_tasks(u, &tasks, all);
    graph_tasks_fini(&tasks);
    return ok;
}

/* ---- special nodes ------------------------------------------------------ */

static bool only_one(struct update *u, const char *what)
{
    return leat_count(u->list) == 1 ||
           graph_fault_set(u->fault, "InvalidUpdateError",
                           "Cannot apply multiple updates when %s", what);
}

/* `__end__` without values: nothing is left to run. */
static bool clear_tasks(struct update *u)
{
    if (!only_one(u, "clearing state")) {
        return false;
    }
    return (!u->l.saved.found || apply_pending(u, true)) &&
           put_next(u, "update");
}

/* `__input__`: as a run would take it up, but nothing runs. */
static bool act_as_input(struct update *u, leat_view values)
{
    struct writes w = {0};
    struct plan_writer writer = {.writes = &w};
    if (!only_one(u, "updating as input")) {
        return false;
    }
    if (leat_type_of(values) == LEAT_NULL ||
        leat_type_of(values) == LEAT_MISSING) {
        return graph_fault_set(u->fault, "InvalidUpdateError",
                               "Received no input writes for __start__");
    }
    graph_writes_add(&w, CHANNEL_START, leat_value_of(values));
    bool ok = graph_plan_apply(&u->l.channels, &u->l.cp,
                               (struct plan_writers){&writer, 1}, NULL,
                               u->fault) &&
              put(u, "input", u->l.saved.found ? base_step(u) + 1 : -1,
                  u->l.cp.saved_id);
    graph_writes_fini(&w);
    return ok;
}

/* [[values, as_node], ...] -> [{"values", "as_node"}, ...] */
static leat_value *pairs_to_updates(leat_view pairs)
{
    leat_value **items = base_zalloc((leat_count(pairs) + 1) * sizeof *items);
    for (leat_iter it = leat_iter_of(pairs); leat_next(&it);) {
        items[it.index] =
            leat_pack("{s:v, s:v}", "values", leat_at(it.item, 0), "as_node",
                      leat_at(it.item, 1));
    }
    leat_value *out = leat_new_list(leat_count(pairs), items);
    free(items);
    return out;
}

/* `__copy__`: a sibling of the checkpoint, and updates on it at once. */
static bool copy_checkpoint(struct update *u, leat_view values)
{
    if (leat_count(u->list) != 1) {
        return graph_fault_set(u->fault, "InvalidUpdateError",
                               "Cannot copy checkpoint with multiple updates");
    }
    if (!u->l.saved.found) {
        return graph_fault_set(u->fault, "InvalidUpdateError",
                               "Cannot copy a non-existent checkpoint");
    }
    if (!put(u, "fork", base_step(u) + 1, u->l.saved.cp.parent_id)) {
        return false;
    }
    if (leat_type_of(values) != LEAT_LIST || leat_count(values) == 0) {
        return true;
    }
    leat_value *list = pairs_to_updates(values);
    struct update more = {.at = u->at, .req = u->req, .host = u->host,
                          .named = true, .list = leat_view_of(list),
                          .ctx = u->ctx, .fault = u->fault};
    bool ok = graph_state_load(u->at, u->host, u->id, &more.l, u->fault);
    if (ok) {
        ok = perform(&more);
        graph_state_loaded_fini(&more.l);
    }
    (void)base_copy(u->id, sizeof u->id, more.id);
    leat_drop(list);
    return ok;
}

/* ---- as which node ------------------------------------------------------ */

/* The node that read the newest version; NULL and a fault when there are two
 * of them or none. */
static const struct graph_node *last_node(struct update *u)
{
    const struct graph *g = u->at->graph;
    const struct checkpoint *cp = &u->l.cp;
    const struct graph_node *last = NULL;
    uint64_t newest = 0;
    bool tie = false;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[i];
        for (size_t t = 0; t < n->trigger_count; t++) {
            uint64_t seen = cp->seen[n->seen_at + t];
            if (seen == 0 || seen < newest) {
                continue;
            }
            tie = seen == newest;
            newest = seen;
            last = n;
        }
    }
    if (tie || last == NULL) {
        graph_fault_set(u->fault, "InvalidUpdateError",
                        "Ambiguous update, specify as_node");
        return NULL;
    }
    return last;
}

static const struct graph_node *infer_node(struct update *u)
{
    const struct graph *g = u->at->graph;
    if (g->node_count == 1) {
        return &g->nodes[0];
    }
    return u->l.saved.found ? last_node(u) : &g->nodes[0];
}

static const struct graph_node *node_of(struct update *u, leat_view as_node)
{
    leat_text name = leat_string(as_node);
    if (name.ptr == NULL && leat_count(u->list) > 1) {
        graph_fault_set(u->fault, "InvalidUpdateError",
                        "as_node is required when applying multiple updates");
        return NULL;
    }
    if (name.ptr == NULL) {
        return infer_node(u);
    }
    const struct graph_node *n =
        graph_node_get(u->at->graph, name.ptr, name.len);
    if (n == NULL) {
        graph_fault_set(u->fault, "InvalidUpdateError",
                        "Node %.*s does not exist",
                        (int)min_size(name.len, GRAPH_NAME_MAX), name.ptr);
    }
    return n;
}

/* ---- writing ------------------------------------------------------------ */

static bool run_writers(struct update *u, struct entry *e, leat_view values)
{
    struct task_writer w = {.graph = u->at->graph, .node = e->node,
                            .channels = &u->l.channels, .ctx = u->ctx};
    leat_value *parent = NULL;
    enum task_end end =
        graph_writer_run(&w, values, &e->writes, &parent, u->fault);
    leat_drop(parent);
    if (end == TASK_PARENT) {
        return graph_fault_set(u->fault, "InvalidUpdateError",
                               "There is no parent graph");
    }
    return end == TASK_DONE;
}

/* An update stands for the task of its node that is next on the base, so that
 * the history shows it as that task's result. */
static void find_tasks(struct update *u, struct entry *entries, size_t n)
{
    struct tasks tasks;
    struct id base = {0};
    must(id_parse(u->l.cp.saved_id, &base));
    struct id none = id_uuid5(&base, "__interrupt__", 13);
    plan_next(u, &tasks);
    for (size_t i = 0; i < n; i++) {
        struct task *t = tasks.at;
        struct task *end = tasks.at + tasks.count;
        while (t < end && t->node != entries[i].node) {
            t++;
        }
        id_print(&none, entries[i].task_id);
        if (t < end) {
            (void)base_copy(entries[i].task_id, ID_TEXT_SIZE, t->id);
            t->node = NULL; /* is taken */
        }
    }
    graph_tasks_fini(&tasks);
}

/* The base remembers what was written on it. */
static bool keep_writes(struct update *u, const struct entry *e)
{
    const struct graph *g = u->at->graph;
    struct graph_write *kept =
        base_zalloc((e->writes.count + 1) * sizeof *kept);
    struct err err = ERR_INIT;
    size_t n = 0;
    for (size_t i = 0; i < e->writes.count; i++) {
        int channel = e->writes.at[i].channel;
        if (channel < 0 || g->channels[channel].kind == CHANNEL_UNTRACKED) {
            continue;
        }
        (void)base_copy(kept[n].task_id, sizeof kept[n].task_id, e->task_id);
        kept[n].index = (int)i;
        kept[n].channel = graph_channel_name(g, channel);
        kept[n++].value = e->writes.at[i].value;
    }
    const struct graph_saver *saver = u->host->saver;
    const struct graph_spot at = {u->at->ns, u->l.cp.saved_id};
    bool ok = n == 0 ||
              saver->put_writes(saver->self, &at, kept, n, &err) ||
              graph_fault_err(u->fault, &err);
    free(kept);
    return ok;
}

static bool apply_entries(struct update *u, const struct entry *entries,
                          size_t n)
{
    struct plan_writer *writers = base_zalloc(n * sizeof *writers);
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        writers[i] = (struct plan_writer){.writes = &entries[i].writes,
                                          .interrupt_trigger = true};
        ok = ok && (!u->l.saved.found || keep_writes(u, &entries[i]));
    }
    ok = ok && graph_plan_apply(&u->l.channels, &u->l.cp,
                                (struct plan_writers){writers, n}, NULL,
                                u->fault);
    free(writers);
    return ok;
}

static bool write_as_nodes(struct update *u)
{
    size_t n = leat_count(u->list);
    struct entry *entries = base_zalloc(n * sizeof *entries);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        leat_view one = leat_at(u->list, (long)i);
        entries[i].node = node_of(u, leat_get(one, "as_node"));
        ok = entries[i].node != NULL;
    }
    if (ok && u->l.saved.found) {
        find_tasks(u, entries, n);
    }
    for (size_t i = 0; ok && i < n; i++) {
        leat_view one = leat_at(u->list, (long)i);
        ok = run_writers(u, &entries[i], leat_get(one, "values"));
    }
    ok = ok && apply_entries(u, entries, n) && put_next(u, "update");
    for (size_t i = 0; i < n; i++) {
        graph_writes_fini(&entries[i].writes);
    }
    free(entries);
    return ok;
}

/* One superstep; u->id is then the checkpoint it made. */
static bool perform(struct update *u)
{
    leat_view first = leat_at(u->list, 0);
    leat_view values = leat_get(first, "values");
    leat_view as_node = leat_get(first, "as_node");
    bool nothing = leat_type_of(values) == LEAT_NULL ||
                   leat_type_of(values) == LEAT_MISSING;
    bool unnamed = leat_string(as_node).ptr == NULL;
    if (nothing && unnamed && leat_count(u->list) == 1) {
        return put_next(u, "update");
    }
    if (nothing && leat_is(as_node, LEAT_END)) {
        return clear_tasks(u);
    }
    if (leat_is(as_node, "__input__")) {
        return act_as_input(u, values);
    }
    if (leat_is(as_node, "__copy__")) {
        return copy_checkpoint(u, values);
    }
    return write_as_nodes(u);
}

/* ---- the call ----------------------------------------------------------- */

static bool check_supersteps(leat_view supersteps, struct fault *f)
{
    if (leat_count(supersteps) == 0) {
        return graph_fault_set(f, "ValueError", "No supersteps provided");
    }
    for (leat_iter it = leat_iter_of(supersteps); leat_next(&it);) {
        if (leat_count(it.item) == 0) {
            return graph_fault_set(f, "ValueError", "No updates provided");
        }
    }
    return true;
}

/* Each superstep goes on from the checkpoint of the one before. */
static bool perform_all(struct update *u, leat_view supersteps,
                        leat_value **config)
{
    for (leat_iter it = leat_iter_of(supersteps); leat_next(&it);) {
        const char *id = it.index > 0 ? u->id : u->req->checkpoint_id;
        u->named = id != NULL && id[0] != '\0';
        u->list = it.item;
        if (!graph_state_load(u->at, u->host, id, &u->l, u->fault)) {
            return false;
        }
        bool ok = perform(u);
        leat_drop(*config);
        *config = graph_state_config(u->req->thread_id, u->at->ns, u->id,
                                     leat_view_of(u->l.cp.parents));
        graph_state_loaded_fini(&u->l);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool graph_state_update(const struct graph_asked *a, leat_view supersteps,
                        struct graph_updated *out, struct err *err)
{
    must(out != NULL && a->req->thread_id != NULL);
    const struct graph_host *host = a->host;
    struct fault f = FAULT_INIT;
    struct graph_scene at;
    struct err flushed = ERR_INIT;
    *out = (struct graph_updated){.config = NULL};
    bool ok = check_supersteps(supersteps, &f) &&
              graph_state_find(a->graph, a->req, &at, &f);
    if (ok) {
        struct update u = {.at = &at, .req = a->req, .host = host, .fault = &f,
                           .ctx = graph_context_detached(a->req, host)};
        ok = perform_all(&u, supersteps, &out->config) &&
             (host->saver->flush(host->saver->self, &flushed) ||
              graph_fault_err(&f, &flushed));
        graph_context_destroy(&u.ctx);
    }
    if (!ok) {
        (void)base_copy(out->error_type, sizeof out->error_type, f.type);
        err_set(err, f.code == ERR_NONE ? ERR_GRAPH : f.code, "%s",
                f.text == NULL ? "" : f.text);
        leat_drop(out->config);
        out->config = NULL;
    }
    graph_fault_fini(&f);
    return ok;
}
