/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/plan.c: the two pure halves of a super-step: who runs next, and what
 * becomes of what they wrote (plan.h, spec/engine.md 4.2 and 4.3).
 */
#include "worker/graph/plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- next tasks --------------------------------------------------------- */

static char *task_namespace(const char *ns, const char *name, const char *id)
{
    size_t outer = strlen(ns), own = strlen(name), task = strlen(id);
    char *out = base_realloc(NULL, outer + own + task + 3);
    char *to = out;
    memcpy(to, ns, outer);
    to += outer;
    if (outer > 0) {
        *to++ = '|';
    }
    memcpy(to, name, own);
    to[own] = ':';
    memcpy(to + own + 1, id, task + 1);
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

/* The place of one more task; its fields are yet to be set. */
static struct task *add_task(struct tasks *out, size_t *room)
{
    if (out->count == *room) {
        *room = *room > 0 ? *room * 2 : 4;
        out->at = base_realloc(out->at, *room * sizeof *out->at);
    }
    return &out->at[out->count++];
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
static void plan_sends(const struct plan *p, struct tasks *out, size_t *room)
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
        struct task *t = add_task(out, room);
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

static void plan_nodes(const struct plan *p, struct tasks *out, size_t *room)
{
    const struct graph *g = p->channels->graph;
    bool by_name = any_updated(p);
    leat_value *state = NULL; /* one for all tasks of the step */
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *n =
            &g->nodes[by_name ? g->by_name[i] : (uint32_t)i];
        if (triggered(p, n)) {
            struct task_key key = key_of(p, n);
            struct task *t = add_task(out, room);
            init_task(t, p, &key);
            t->input = input_of(p, n, &state);
        }
    }
    leat_drop(state);
}

void graph_plan_next(const struct plan *p, struct tasks *out)
{
    must(p->channels->graph == p->checkpoint->graph);
    size_t room = 0;
    *out = (struct tasks){0};
    plan_sends(p, out, &room);
    if (graph_checkpoint_any_version(p->checkpoint)) {
        plan_nodes(p, out, &room);
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

/* The values of a step by channel, in one array, in order. */
struct grouped {
    const leat_value **values;
    uint32_t *from;    /* by channel: its first; the next one's is its end */
    uint32_t *next;    /* by channel: where one more goes */
    uint32_t *written; /* channels, in the order of their first writes */
    size_t count;      /* of those */
};

static void count_values(const struct apply *a, struct grouped *g)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct writes *w = a->order[i]->writes;
        for (size_t j = 0; w != NULL && j < w->count; j++) {
            if (w->at[j].channel >= 0) {
                g->from[w->at[j].channel + 1]++;
            }
        }
    }
    for (size_t i = 0; i < a->graph->channel_count; i++) {
        g->from[i + 1] += g->from[i];
        g->next[i] = g->from[i];
    }
}

static void place_values(const struct apply *a, struct grouped *g)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct writes *w = a->order[i]->writes;
        for (size_t j = 0; w != NULL && j < w->count; j++) {
            int c = w->at[j].channel;
            if (c < 0) {
                continue;
            }
            if (g->next[c] == g->from[c]) {
                g->written[g->count++] = (uint32_t)c;
            }
            g->values[g->next[c]++] = w->at[j].value;
        }
    }
}

static struct grouped group_values(const struct apply *a)
{
    size_t channels = a->graph->channel_count;
    struct grouped g = {0};
    g.from = base_zalloc((3 * channels + 1) * sizeof *g.from);
    g.next = g.from + channels + 1;
    g.written = g.next + channels;
    count_values(a, &g);
    g.values = base_realloc(
        NULL, ((size_t)g.from[channels] + 1) * sizeof *g.values);
    place_values(a, &g);
    return g;
}

/* Of several channels that refuse the one that was written first is told. */
static bool update_written(struct apply *a)
{
    struct grouped g = group_values(a);
    bool fine = true;
    for (size_t i = 0; fine && i < g.count; i++) {
        uint32_t c = g.written[i];
        bool changed = false;
        const struct channel_values all = {g.values + g.from[c],
                                           g.from[c + 1] - g.from[c]};
        fine = graph_channel_update(a->channels, c, all, &changed, a->fault);
        if (changed) {
            mark_changed(a, c);
        }
    }
    free(g.values);
    free(g.from);
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
