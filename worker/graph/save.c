/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/save.c: what a loop gives to the saver and when it waits for it: one
 * checkpoint per step, the writes of tasks as they end, and, by durability,
 * how far the graph may run ahead of the store.
 */
#include "common/clock.h"
#include "common/id.h"
#include "worker/graph/pool.h"
#include "worker/graph/inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- helpers ------------------------------------------------------------ */

/* An error of the saver ends the loop. */
static bool saver_failed(struct loop *l, const struct err *err)
{
    return graph_fault_err(&l->fault, err);
}

static bool saves_now(const struct loop *l)
{
    return l->saver != NULL && !l->at_exit;
}

void graph_save_plan(struct loop *l)
{
    if (l->planned) {
        return;
    }
    const struct plan p = {
        .channels = &l->channels,
        .checkpoint = &l->cp,
        .ns = l->ns,
        .step = l->step,
        .stop = l->stop,
        .updated = l->updated_known ? l->updated : NULL,
    };
    graph_tasks_fini(&l->tasks);
    graph_plan_next(&p, &l->tasks);
    l->planned = true;
    l->ordered = false;
    for (size_t c = 0; l->updated_known && c < l->graph->channel_count; c++) {
        l->ordered = l->ordered || l->updated[c];
    }
}

static bool flush(struct loop *l, struct err *err)
{
    struct run *r = l->run;
    if (l->saver->flush == NULL) {
        return true;
    }
    graph_pool_waiting();
    pthread_mutex_lock(&r->saver_lock);
    bool fine = !r->unflushed || l->saver->flush(l->saver->self, err);
    r->unflushed = !fine;
    pthread_mutex_unlock(&r->saver_lock);
    return fine;
}

bool graph_save_flush(struct loop *l)
{
    struct err err = ERR_INIT;
    if (l->saver == NULL || flush(l, &err)) {
        l->unflushed = false;
        return true;
    }
    return saver_failed(l, &err);
}

/* ---- checkpoints -------------------------------------------------------- */

/* Stores the loop's checkpoint as it is now. */
static bool put(struct loop *l, struct err *err)
{
    struct graph_checkpoint stored;
    leat_value *note = graph_again_note(l);
    const struct plan_view view = {
        .graph = l->graph, .next = &l->tasks, .run = note};
    graph_checkpoint_store(&l->cp, l->ns,
                           leat_view_of(l->run->stored_metadata), &stored);
    stored.channel_values = graph_channels_dump(&l->channels);
    stored.view = graph_plan_view(&view);
    leat_drop(note);
    pthread_mutex_lock(&l->run->saver_lock);
    bool fine = l->saver->put(l->saver->self, &stored, err);
    l->run->unflushed = true;
    pthread_mutex_unlock(&l->run->saver_lock);
    graph_stored_fini(&stored);
    if (!fine) {
        return false;
    }
    if (!l->at_exit) { /* there the run shows the parent it began with */
        memcpy(l->prev_id, l->cp.saved_id, sizeof l->prev_id);
        l->prev_loaded = false;
    }
    memcpy(l->cp.saved_id, l->cp.id, sizeof l->cp.id);
    l->unflushed = l->worked; /* what is before that is the run's input */
    return true;
}

static void new_checkpoint(struct loop *l, const char *source)
{
    struct checkpoint *cp = &l->cp;
    struct id id = id_uuid6(l->step);
    id_print(&id, cp->id);
    clock_to_iso(clock_wall_us(), cp->ts);
    base_copy(cp->source, sizeof cp->source, source);
    cp->step = l->step;
    leat_drop(cp->parents);
    cp->parents = leat_hold(l->parents);
    leat_drop(l->base_values);
    l->base_values = NULL;
    graph_tasks_fini(&l->base_tasks);
    l->step++;
    l->planned = false;
}

/* Else all is waited for at once, right behind this checkpoint. */
static bool goes_on(const struct loop *l)
{
    return l->caller != NULL || (l->tasks.count > 0 && !l->halted);
}

bool graph_save_put(struct loop *l, const char *source)
{
    new_checkpoint(l, source);
    graph_save_plan(l);
    if (!saves_now(l)) {
        return true;
    }
    /* Asynchronous durability runs one step ahead of the store, no more. */
    if (l->unflushed && goes_on(l) && !graph_save_flush(l)) {
        return false;
    }
    struct err err = ERR_INIT;
    if (!put(l, &err)) {
        return saver_failed(l, &err);
    }
    return l->run->req->durability != GRAPH_DURABILITY_SYNC ||
           graph_save_flush(l);
}

/* ---- writes ------------------------------------------------------------- */

static bool is_untracked(const struct graph *g, int channel)
{
    return channel >= 0 && g->channels[channel].kind == CHANNEL_UNTRACKED;
}

/* A send without the untracked keys of its argument; one reference. */
static leat_value *tracked(const struct graph *g, const struct write *w)
{
    leat_view send = leat_view_of(w->value);
    leat_view arg = leat_get(send, "arg");
    if (!g->has_untracked || w->channel != CHANNEL_TASKS ||
        leat_type_of(arg) != LEAT_OBJECT) {
        return leat_hold(w->value);
    }
    leat_value *kept = leat_value_of(arg);
    for (size_t i = 0; i < g->state.count; i++) {
        const struct graph_channel *c = &g->channels[g->state.at[i]];
        if (c->kind == CHANNEL_UNTRACKED &&
            leat_type_of(leat_get(arg, c->name)) != LEAT_MISSING) {
            leat_value *less = leat_with(leat_view_of(kept), c->name, NULL);
            leat_drop(kept);
            kept = less;
        }
    }
    return leat_tagged(leat_with(send, "arg", kept), LEAT_SEND);
}

/* The stored form of a task's writes; values owned. */
static size_t stored_writes(const struct graph *g, const char *task_id,
                            const struct writes *w, struct graph_write *out)
{
    size_t n = 0;
    int position = 0; /* what is never stored takes none */
    for (size_t i = 0; i < w->count; i++) {
        const struct write *from = &w->at[i];
        bool special = graph_write_is_special(from->channel);
        bool counts = from->channel != WRITE_TAKEN &&
                      !is_untracked(g, from->channel);
        position += counts ? 1 : 0;
        if (from->channel == WRITE_UNKNOWN ||
            is_untracked(g, from->channel)) {
            continue;
        }
        struct graph_write *to = &out[n++];
        base_copy(to->task_id, sizeof to->task_id, task_id);
        to->index = special ? from->channel : position - 1;
        to->channel = graph_channel_name(g, from->channel);
        to->value = tracked(g, from);
    }
    return n;
}

static bool put_writes(struct loop *l, const char *task_id,
                       const struct writes *w, struct err *err)
{
    struct graph_write *out = base_zalloc((w->count + 1) * sizeof *out);
    size_t n = stored_writes(l->graph, task_id, w, out);
    bool fine = true;
    if (n > 0) {
        const struct graph_spot at = {l->ns, l->cp.id};
        pthread_mutex_lock(&l->run->saver_lock);
        fine = l->saver->put_writes(l->saver->self, &at, out, n, err);
        l->run->unflushed = true;
        pthread_mutex_unlock(&l->run->saver_lock);
    }
    for (size_t i = 0; i < n; i++) {
        leat_drop((leat_value *)(uintptr_t)out[i].value);
    }
    free(out);
    return fine;
}

leat_value *graph_save_listed(const struct graph *g, const struct writes *w)
{
    struct graph_write *stored = base_zalloc((w->count + 1) * sizeof *stored);
    size_t n = stored_writes(g, GRAPH_NULL_TASK, w, stored);
    leat_writer *list = leat_writer_new();
    leat_write_list(list);
    for (size_t i = 0; i < n; i++) {
        if (stored[i].index >= 0) {
            leat_write_list(list);
            leat_write_string(list, stored[i].channel);
            leat_write_view(list, leat_view_of(stored[i].value));
            leat_write_end(list);
        }
        leat_drop((leat_value *)(uintptr_t)stored[i].value);
    }
    leat_write_end(list);
    free(stored);
    return leat_writer_finish(&list);
}

/* Is the loop's checkpoint in the store, so that writes can go with it? */
static bool is_stored(const struct loop *l)
{
    return strcmp(l->cp.id, l->cp.saved_id) == 0;
}

/* What is kept of a task from now on. Commands add up on a checkpoint: the
 * NULL task keeps what it had, but for an older answer. */
static struct writes all_writes(struct loop *l, const char *task_id,
                                const struct writes *more)
{
    struct writes all = {0};
    if (strcmp(task_id, GRAPH_NULL_TASK) == 0) {
        graph_pendings_to_writes(&l->pending, task_id, &all);
    }
    graph_writes_append(&all, more);
    return all;
}

bool graph_save_writes(struct loop *l, const char *task_id,
                       const struct writes *w, struct fault *f)
{
    struct err err = ERR_INIT;
    graph_run_lock(l->run);
    struct writes all = all_writes(l, task_id, w);
    graph_run_unlock(l->run);
    bool fine = !saves_now(l) || !is_stored(l) ||
                put_writes(l, task_id, &all, &err) ||
                graph_fault_err(f, &err);
    if (fine) {
        graph_run_lock(l->run);
        graph_pendings_drop(&l->pending, task_id, PENDING_ANY);
        for (size_t i = 0; i < all.count; i++) {
            graph_pendings_add(&l->pending, task_id, all.at[i].channel,
                               all.at[i].value);
        }
        graph_run_unlock(l->run);
    }
    graph_writes_fini(&all);
    return fine;
}

bool graph_save_mark(struct loop *l, const char *task_id, leat_value *mark,
                     struct fault *f)
{
    struct err err = ERR_INIT;
    struct writes w = {0};
    graph_writes_add(&w, WRITE_TAKEN, leat_hold(mark));
    graph_run_lock(l->run);
    graph_pendings_drop(&l->pending, task_id, WRITE_TAKEN);
    graph_pendings_add(&l->pending, task_id, WRITE_TAKEN, mark);
    graph_run_unlock(l->run);
    bool fine = !saves_now(l) || !is_stored(l) ||
                put_writes(l, task_id, &w, &err) || graph_fault_err(f, &err);
    graph_writes_fini(&w);
    return fine;
}

/* ---- at the end --------------------------------------------------------- */

static bool is_of(const struct pending *p, const char *task_id)
{
    return strcmp(p->task_id, task_id) == 0;
}

/* A task among those that are pending, as it is given to the store. */
struct exiting {
    const char *task_id;
    struct writes writes;   /* but for marks */
    bool all_kept, any_kept;
    bool moves;             /* ordinary ones that are stored already may be
                               put into other places */
};

static struct exiting exiting_of(const struct pendings *p, size_t from)
{
    struct exiting e = {.task_id = p->at[from].task_id, .all_kept = true};
    uint32_t at = PENDING_NONE;
    while ((at = graph_pendings_next(p, e.task_id, at)) != PENDING_NONE) {
        const struct pending *it = &p->at[at];
        e.all_kept = e.all_kept && it->kept;
        e.any_kept = e.any_kept || it->kept;
        if (it->write.channel != WRITE_TAKEN) {
            e.moves = e.moves ||
                      (it->loaded &&
                       !graph_write_is_special(it->write.channel));
            graph_writes_add(&e.writes, it->write.channel,
                             leat_hold(it->write.value));
        }
    }
    return e;
}

static bool is_first_of_task(const struct pendings *p, size_t at)
{
    return graph_pendings_next(p, p->at[at].task_id, PENDING_NONE) == at;
}

/* Siblings may still add to it: works on what is there now. */
static struct pendings copy_pending(struct loop *l)
{
    struct pendings p = {0};
    graph_run_lock(l->run);
    for (size_t i = 0; i < l->pending.count; i++) {
        const struct pending *from = &l->pending.at[i];
        graph_pendings_add(&p, from->task_id, from->write.channel,
                           from->write.value);
        p.at[i].loaded = from->loaded;
        p.at[i].kept = from->kept;
    }
    graph_run_unlock(l->run);
    return p;
}

/* What an earlier attempt has stored is not put into other places again. */
static void leave_kept(const struct pendings *p, struct exiting *e)
{
    graph_writes_clear(&e->writes);
    for (size_t i = 0; i < p->count; i++) {
        const struct pending *it = &p->at[i];
        if (is_of(it, e->task_id) && !it->kept &&
            it->write.channel != WRITE_TAKEN) {
            graph_writes_add(&e->writes, it->write.channel,
                             leat_hold(it->write.value));
        }
    }
}

/* The task is stored as it was in `p`: if it still is so, no more is needed. */
static void note_kept(struct loop *l, const struct pendings *p,
                      const char *task_id)
{
    graph_run_lock(l->run);
    for (size_t i = 0; i < p->count; i++) {
        for (size_t j = 0; is_of(&p->at[i], task_id) && j < l->pending.count;
             j++) {
            struct pending *it = &l->pending.at[j];
            it->kept = it->kept ||
                       (is_of(it, task_id) &&
                        it->write.channel == p->at[i].write.channel &&
                        it->write.value == p->at[i].write.value);
        }
    }
    graph_run_unlock(l->run);
}

/* `asks`: the run goes on. Then only the mark of the NULL task is stored: one
 * of its tasks may still take an answer from it, and what it wrote gets its
 * places when the run ends. */
static bool put_exiting(struct loop *l, const struct pendings *p,
                        struct exiting *e, bool asks, struct err *err)
{
    bool early = asks && strcmp(e->task_id, GRAPH_NULL_TASK) == 0;
    bool again = e->any_kept;
    leat_value *listed = early || (e->moves && !again)
                             ? graph_save_listed(l->graph, &e->writes)
                             : NULL;
    if (early) {
        graph_writes_clear(&e->writes);
    } else if (again) {
        leave_kept(p, e);
    }
    leat_value *mark =
        graph_again_kept(l->run, p, e->task_id, listed, !early);
    if (mark != NULL) {
        graph_writes_add(&e->writes, WRITE_TAKEN, mark);
    }
    bool fine = put_writes(l, e->task_id, &e->writes, err);
    if (fine && !early) {
        note_kept(l, p, e->task_id);
    }
    return fine;
}

/* The NULL task comes first: whether a command was taken decides how what the
 * other tasks left is read. */
static bool put_pending(struct loop *l, bool asks, struct err *err)
{
    struct pendings p = copy_pending(l);
    bool fine = true;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; fine && i < p.count; i++) {
            bool null = is_of(&p.at[i], GRAPH_NULL_TASK);
            if (null != (pass == 0) || !is_first_of_task(&p, i)) {
                continue;
            }
            struct exiting e = exiting_of(&p, i);
            fine = e.all_kept || put_exiting(l, &p, &e, asks, err);
            graph_writes_fini(&e.writes);
        }
    }
    graph_pendings_fini(&p);
    return fine;
}

static bool save_exit(struct loop *l, bool asks, struct fault *f)
{
    struct err err = ERR_INIT;
    if (l->saver == NULL || l->cp.step < -1) {
        return true;
    }
    /* Several tasks may ask something at the same time. */
    pthread_mutex_lock(&l->run->exit_lock);
    graph_save_plan(l);
    bool fine = (is_stored(l) || put(l, &err)) &&
                put_pending(l, asks, &err) && flush(l, &err);
    l->unflushed = l->unflushed && !fine;
    pthread_mutex_unlock(&l->run->exit_lock);
    return fine || graph_fault_err(f, &err);
}

bool graph_save_exit(struct loop *l, struct fault *f)
{
    return save_exit(l, false, f);
}

bool graph_save_question(struct loop *l, struct fault *f)
{
    struct err err = ERR_INIT;
    if (l->saver == NULL) {
        return true;
    }
    if (l->at_exit) {
        return save_exit(l, true, f);
    }
    return flush(l, &err) || graph_fault_err(f, &err);
}

/* The tasks of the checkpoint as readers see them, with what they wrote;
 * borrowed, but for the array. */
static struct tasks seen_tasks(const struct loop *l)
{
    const struct tasks *from =
        l->base_values != NULL ? &l->base_tasks : &l->tasks;
    struct tasks seen = {.count = from->count};
    seen.at = base_zalloc((from->count + 1) * sizeof *seen.at);
    for (size_t i = 0; i < from->count; i++) {
        seen.at[i] = from->at[i];
        const struct task *run =
            from != &l->tasks ? graph_tasks_get(&l->tasks, from->at[i].id)
                              : NULL;
        if (run != NULL) {
            seen.at[i].writes = run->writes;
        }
    }
    return seen;
}

bool graph_save_view(struct loop *l, const leat_value *values)
{
    struct err err = ERR_INIT;
    if (l->saver == NULL || l->saver->put_view == NULL || !is_stored(l)) {
        return true;
    }
    graph_save_plan(l);
    struct tasks seen = seen_tasks(l);
    leat_value *note = graph_again_note(l);
    const struct plan_view view = {
        .graph = l->graph,
        .run = note,
        .next = &seen,
        .base_values = l->base_values,
        .values = values != NULL ? values : l->base_values,
        .applied = values != NULL ? &seen : NULL,
    };
    leat_value *v = graph_plan_view(&view);
    free(seen.at);
    leat_drop(note);
    pthread_mutex_lock(&l->run->saver_lock);
    bool fine =
        l->saver->put_view(l->saver->self, l->ns, l->cp.id, v, &err);
    l->run->unflushed = true;
    pthread_mutex_unlock(&l->run->saver_lock);
    leat_drop(v);
    return fine || saver_failed(l, &err);
}
