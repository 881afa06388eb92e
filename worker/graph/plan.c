/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/plan.c: the two pure halves of a super-step: who runs next, and what
 * becomes of what they wrote (plan.h, spec/engine.md 4.2 and 4.3).
 */
#include "worker/graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- next tasks --------------------------------------------------------- */

static char *task_namespace(const char *ns, const char *name, const char *id)
{
    char *out = NULL;
    must(asprintf(&out, "%s%s%s:%s", ns, ns[0] != '\0' ? "|" : "", name,
                  id) >= 0);
    return out;
}

static void init_task(struct task *t, const struct plan *p,
                      const struct task_key *key)
{
    *t = (struct task){
        .node = key->node,
        .push = key->push,
        .index = key->index,
    };
    graph_task_id(key, t->id);
    t->ns = task_namespace(p->ns, key->node->name, t->id);
}

static struct task_key key_of(const struct plan *p,
                              const struct graph_node *node)
{
    return (struct task_key){
        .checkpoint_id = p->checkpoint->id,
        .ns = p->ns,
        .step = p->step,
        .node = node,
    };
}

/* Sends to nodes that are gone are passed over. */
static void plan_sends(const struct plan *p, struct tasks *out)
{
    const struct graph *g = p->channels->graph;
    leat_view sends = graph_channel_get(p->channels, CHANNEL_TASKS);
    for (leat_iter it = leat_iter_of(sends); leat_next(&it);) {
        leat_text name = leat_string(leat_get(it.item, "node"));
        const struct graph_node *node =
            name.ptr != NULL ? graph_node_get(g, name.ptr, name.len) : NULL;
        if (node == NULL) {
            continue;
        }
        struct task_key key = key_of(p, node);
        key.push = true;
        key.index = (uint32_t)it.index;
        struct task *t = &out->at[out->count++];
        init_task(t, p, &key);
        t->input = leat_value_of(leat_get(it.item, "arg"));
        if (t->input == NULL) {
            t->input = leat_new_null();
        }
    }
}

static bool triggered(const struct plan *p, const struct graph_node *n)
{
    for (size_t i = 0; i < n->trigger_count; i++) {
        uint32_t c = n->triggers[i];
        if (p->checkpoint->versions[c] > p->checkpoint->seen[n->seen_at + i] &&
            graph_channel_available(p->channels, c)) {
            return true;
        }
    }
    return false;
}

static bool any_updated(const struct plan *p)
{
    for (size_t i = 0;
         p->updated != NULL && i < p->channels->graph->channel_count; i++) {
        if (p->updated[i]) {
            return true;
        }
    }
    return false;
}

static leat_value *input_of(const struct plan *p, const struct graph_node *n,
                            leat_value **state)
{
    if (n->branch_channel == CHANNEL_START) {
        return leat_value_of(graph_channel_get(p->channels, CHANNEL_START));
    }
    if (*state == NULL) {
        const struct graph *g = p->channels->graph;
        *state = graph_managed_add(
            g, graph_channels_read(p->channels, &g->state),
            p->stop - p->step);
    }
    return leat_hold(*state);
}

static void plan_nodes(const struct plan *p, struct tasks *out)
{
    const struct graph *g = p->channels->graph;
    bool by_name = any_updated(p);
    leat_value *state = NULL; /* one for all tasks of the step */
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *n =
            &g->nodes[by_name ? g->by_name[i] : (uint32_t)i];
        if (triggered(p, n)) {
            struct task_key key = key_of(p, n);
            struct task *t = &out->at[out->count++];
            init_task(t, p, &key);
            t->input = input_of(p, n, &state);
        }
    }
    leat_drop(state);
}

void graph_plan_next(const struct plan *p, struct tasks *out)
{
    must(p->channels->graph == p->checkpoint->graph);
    const struct graph *g = p->channels->graph;
    size_t sends = leat_count(graph_channel_get(p->channels, CHANNEL_TASKS));
    *out = (struct tasks){0};
    out->at = base_zalloc((sends + g->node_count) * sizeof *out->at);
    plan_sends(p, out);
    if (graph_checkpoint_any_version(p->checkpoint)) {
        plan_nodes(p, out);
    }
}

/* ---- applying writes ---------------------------------------------------- */

struct apply {
    const struct graph *graph;
    struct channels *channels;
    struct checkpoint *checkpoint;
    const struct plan_writer **order; /* as their paths sort */
    size_t n;
    uint64_t version;                 /* of all that changes */
    bool *updated;                    /* changed and available */
    struct fault *fault;
};

/* Pseudo tasks, then nodes by name, then sends by index. */
static int by_path(const void *a, const void *b)
{
    const struct task *x = (*(const struct plan_writer *const *)a)->task;
    const struct task *y = (*(const struct plan_writer *const *)b)->task;
    if (x == NULL || y == NULL) {
        return (x != NULL) - (y != NULL);
    }
    if (x->push != y->push) {
        return x->push ? 1 : -1;
    }
    if (x->push) {
        return (x->index > y->index) - (x->index < y->index);
    }
    return strcmp(x->node->name, y->node->name);
}

/* A stable order: writers of one path stay as they were given. */
static void sort_writers(struct apply *a, const struct plan_writer *writers)
{
    a->order = base_zalloc((a->n + 1) * sizeof *a->order);
    for (size_t i = 0; i < a->n; i++) {
        size_t at = i;
        const struct plan_writer *w = &writers[i];
        while (at > 0 && by_path(&a->order[at - 1], &w) > 0) {
            a->order[at] = a->order[at - 1];
            at--;
        }
        a->order[at] = w;
    }
}

static void mark_changed(struct apply *a, uint32_t channel)
{
    a->checkpoint->versions[channel] = a->version;
    a->checkpoint->version_max = a->version;
    if (graph_channel_available(a->channels, channel)) {
        a->updated[channel] = true;
    }
}

static void mark_seen(struct apply *a, const struct task *t)
{
    if (t == NULL || t->push) {
        return; /* a send is its own trigger */
    }
    for (size_t i = 0; i < t->node->trigger_count; i++) {
        uint64_t version = a->checkpoint->versions[t->node->triggers[i]];
        if (version > 0) {
            a->checkpoint->seen[t->node->seen_at + i] = version;
        }
    }
}

static void consume(struct apply *a, const struct task *t)
{
    for (size_t i = 0; t != NULL && !t->push && i < t->node->trigger_count;
         i++) {
        uint32_t channel = t->node->triggers[i];
        if (graph_channel_consume(a->channels, channel)) {
            a->checkpoint->versions[channel] = a->version;
            a->checkpoint->version_max = a->version;
        }
    }
}

/* Where each channel's values begin in one array of all, in order. */
static uint32_t *group_offsets(const struct apply *a, size_t *total)
{
    size_t channels = a->graph->channel_count;
    uint32_t *offset = base_zalloc((channels + 1) * sizeof *offset);
    for (size_t i = 0; i < a->n; i++) {
        const struct writes *w = a->order[i]->writes;
        for (size_t j = 0; w != NULL && j < w->count; j++) {
            if (w->at[j].channel >= 0) {
                offset[w->at[j].channel + 1]++;
            }
        }
    }
    for (size_t i = 0; i < channels; i++) {
        offset[i + 1] += offset[i];
    }
    *total = offset[channels];
    return offset;
}

static const leat_value **group_values(const struct apply *a,
                                       const uint32_t *offset, size_t total)
{
    const leat_value **values = base_zalloc((total + 1) * sizeof *values);
    size_t channels = a->graph->channel_count;
    uint32_t *next = base_memdup(offset, (channels + 1) * sizeof *next);
    for (size_t i = 0; i < a->n; i++) {
        const struct writes *w = a->order[i]->writes;
        for (size_t j = 0; w != NULL && j < w->count; j++) {
            if (w->at[j].channel >= 0) {
                values[next[w->at[j].channel]++] = w->at[j].value;
            }
        }
    }
    free(next);
    return values;
}

/* The channels that are written, each once, in the order of their first
 * writes: of several that refuse the first one is told. */
static uint32_t *written_channels(const struct apply *a, size_t *n)
{
    size_t channels = a->graph->channel_count;
    uint32_t *out = base_zalloc((channels + 1) * sizeof *out);
    bool *known = base_zalloc((channels + 1) * sizeof *known);
    *n = 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct writes *w = a->order[i]->writes;
        for (size_t j = 0; w != NULL && j < w->count; j++) {
            int c = w->at[j].channel;
            if (c >= 0 && !known[c]) {
                known[c] = true;
                out[(*n)++] = (uint32_t)c;
            }
        }
    }
    free(known);
    return out;
}

static bool update_written(struct apply *a)
{
    size_t total, n;
    uint32_t *offset = group_offsets(a, &total);
    const leat_value **values = group_values(a, offset, total);
    uint32_t *written = written_channels(a, &n);
    bool fine = true;
    for (size_t i = 0; fine && i < n; i++) {
        uint32_t c = written[i];
        bool changed = false;
        const struct channel_values all = {values + offset[c],
                                           offset[c + 1] - offset[c]};
        fine = graph_channel_update(a->channels, c, all, &changed, a->fault);
        if (changed) {
            mark_changed(a, c);
        }
    }
    free(written);
    free(values);
    free(offset);
    return fine;
}

/* A step is over: what lives for one step goes. */
static bool update_unwritten(struct apply *a)
{
    for (uint32_t c = 0; c < a->graph->channel_count; c++) {
        bool changed = false;
        if (a->updated[c] || !graph_channel_available(a->channels, c)) {
            continue;
        }
        if (!graph_channel_update(a->channels, c, (struct channel_values){0},
                                  &changed, a->fault)) {
            return false;
        }
        if (changed) {
            mark_changed(a, c);
        }
    }
    return true;
}

static void finish_if_idle(struct apply *a)
{
    for (uint32_t c = 0; c < a->graph->channel_count; c++) {
        if (a->updated[c] && a->graph->channels[c].wake_count > 0) {
            return; /* somebody runs next */
        }
    }
    for (uint32_t c = 0; c < a->graph->channel_count; c++) {
        if (graph_channel_finish(a->channels, c)) {
            mark_changed(a, c);
        }
    }
}

static bool is_step(const struct apply *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->order[i]->task != NULL || a->order[i]->interrupt_trigger) {
            return true;
        }
    }
    return false;
}

static bool apply_all(struct apply *a)
{
    bool step = is_step(a);
    for (size_t i = 0; i < a->n; i++) {
        mark_seen(a, a->order[i]->task);
    }
    for (size_t i = 0; i < a->n; i++) {
        consume(a, a->order[i]->task);
    }
    if (!update_written(a)) {
        return false;
    }
    if (step && !update_unwritten(a)) {
        return false;
    }
    if (step) {
        finish_if_idle(a);
    }
    return true;
}

bool graph_plan_apply(struct channels *c, struct checkpoint *cp,
                      struct plan_writers writers, bool *updated,
                      struct fault *f)
{
    must(c->graph == cp->graph);
    struct apply a = {
        .graph = c->graph,
        .channels = c,
        .checkpoint = cp,
        .n = writers.count,
        .version = cp->version_max + 1,
        .updated = base_zalloc(c->graph->channel_count * sizeof(bool)),
        .fault = f,
    };
    sort_writers(&a, writers.at);
    bool fine = apply_all(&a);
    if (updated != NULL) {
        memcpy(updated, a.updated, c->graph->channel_count * sizeof(bool));
    }
    free(a.updated);
    free(a.order);
    return fine;
}

/* ---- what readers see --------------------------------------------------- */

void graph_plan_settle(struct channels *c)
{
    for (uint32_t i = 0; i < c->graph->channel_count; i++) {
        struct fault none = FAULT_INIT;
        bool changed = false;
        bool fine = !graph_channel_available(c, i) ||
                    graph_channel_update(c, i, (struct channel_values){0},
                                         &changed, &none);
        must(fine); /* nothing was written */
    }
}

leat_value *graph_plan_names(const struct tasks *t, bool all)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (size_t i = 0; i < t->count; i++) {
        if (all || t->at[i].writes.count == 0) {
            leat_write_string(w, t->at[i].node->name);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static void write_names(leat_writer *w, const char *key,
                        const struct tasks *t, bool all)
{
    leat_value *names = graph_plan_names(t, all);
    leat_write_key(w, key);
    leat_write_view(w, leat_view_of(names));
    leat_drop(names);
}

static void write_task(leat_writer *w, const struct task *t)
{
    leat_write_object(w);
    leat_write_key(w, "id");
    leat_write_string(w, t->id);
    leat_write_key(w, "name");
    leat_write_string(w, t->node->name);
    leat_value *path = graph_task_path(t);
    leat_write_key(w, "path");
    leat_write_view(w, leat_view_of(path));
    leat_drop(path);
    const struct graph *child = t->node->child;
    if (child != NULL && child->memory != LEAT_MEMORY_NONE) {
        leat_write_key(w, "ns");
        leat_write_string(w, t->ns);
    }
    leat_write_end(w);
}

static leat_value *with_values(leat_value *view, const char *key,
                               const leat_value *values)
{
    if (values == NULL) {
        return view;
    }
    leat_value *more = leat_with(leat_view_of(view), key, leat_hold(values));
    leat_drop(view);
    return more;
}

leat_value *graph_plan_view(const struct plan_view *v)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "keys");
    leat_write_view(w, leat_view_of(v->graph->keys_shown));
    write_names(w, "next", v->next, true);
    leat_write_key(w, "tasks");
    leat_write_list(w);
    for (size_t i = 0; i < v->next->count; i++) {
        write_task(w, &v->next->at[i]);
    }
    leat_write_end(w);
    if (v->applied != NULL) {
        write_names(w, "applied_next", v->applied, false);
    }
    leat_write_end(w);
    leat_value *view = leat_writer_finish(&w);
    view = with_values(view, "run", v->run);
    view = with_values(view, "base_values", v->base_values);
    return with_values(view, "values", v->values);
}
