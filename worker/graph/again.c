/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/again.c: what a later attempt of a run has to know of the ones
 * before, so that a process that died changes nothing: how far the run may
 * still go, whether it had stopped, what it replays, and which commands and
 * answers are in the stored state already. It travels with what is stored
 * anyway: as the note `run` in a checkpoint's view, and as the mark
 * WRITE_TAKEN among a task's writes, an object
 *   {"run": whose it is,
 *    "failed"?: this run's own attempt at the task failed,
 *    "named"?, "answer"?: among the task's answers is that of this run's
 *     command, given to the task by its id, or for any task,
 *    "command"?: of the NULL task: the run's command is among what it wrote,
 *    "kept"?: all of the task was stored at the run's exit,
 *    "writes"?: what the task wrote, [[channel, value]...], where the store
 *     has it otherwise,
 *    "by"?: of the NULL task: the namespace of who took its answer}.
 */
#include "common/value.h"
#include "worker/graph/inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is noted ------------------------------------------------------ */

leat_value *graph_again_note(const struct loop *l)
{
    bool root = l->caller == NULL;
    const char *replay = l->run->replay_before;
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "stop");
    leat_write_int(w, l->stop);
    leat_write_key(w, "attempt");
    leat_write_int(w, l->run->req->attempt);
    if (!l->ordered) {
        leat_write_key(w, "unordered");
        leat_write_bool(w, true);
    }
    if (l->halted) {
        leat_write_key(w, "halted");
        leat_write_bool(w, true);
    }
    if (l->answered) {
        leat_write_key(w, "answered");
        leat_write_bool(w, true);
    }
    if (l->spoke || l->speaks) {
        leat_write_key(w, "spoke");
        leat_write_bool(w, true);
    }
    if (l->told != NULL && !l->speaks) {
        leat_write_key(w, "told");
        leat_write_view(w, leat_view_of(l->told));
    }
    if (root && replay[0] != '\0') {
        leat_write_key(w, "replay");
        leat_write_string(w, replay);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static bool has_name(const struct run *r)
{
    return r->req->run_id != NULL && r->req->run_id[0] != '\0';
}

/* What this run, in any of its attempts, has marked the task with. */
static leat_view mark_among(const struct run *r, const struct pendings *p,
                            const char *task_id)
{
    leat_view mark = leat_view_of(graph_pendings_get(p, task_id, WRITE_TAKEN));
    bool own = has_name(r) && leat_is(leat_get(mark, "run"), r->req->run_id);
    return own ? mark : (leat_view){0};
}

static leat_view mark_of(const struct loop *l, const char *task_id)
{
    return mark_among(l->run, &l->pending, task_id);
}

/* The same, of an attempt before this one. */
static leat_view earlier_mark(const struct loop *l, const char *task_id)
{
    return l->run->req->attempt > 1 ? mark_of(l, task_id) : (leat_view){0};
}

static bool is_marked(leat_view mark)
{
    return leat_type_of(mark) == LEAT_OBJECT;
}

static bool has_flag(leat_view mark, const char *name)
{
    return leat_bool(leat_get(mark, name), false);
}

/* Adds to a mark; takes both. */
static leat_value *with(leat_value *mark, const char *key, leat_value *item)
{
    leat_value *more = leat_with(leat_view_of(mark), key, item);
    leat_drop(mark);
    return more;
}

static void write_flag(leat_writer *w, const char *name, bool set)
{
    if (set) {
        leat_write_key(w, name);
        leat_write_bool(w, true);
    }
}

void graph_again_mark(const struct work *w, struct writes *to)
{
    struct run *r = w->loop->run;
    bool kept = graph_writes_has(to, WRITE_RESUME);
    bool failed = w->end == TASK_FAILED || w->end == TASK_CANCELLED;
    graph_run_lock(r);
    leat_view before = earlier_mark(w->loop, w->task->id);
    bool marked = is_marked(before);
    bool named = (w->took_named && kept) || has_flag(before, "named");
    bool any = (w->took_any && kept) || has_flag(before, "answer");
    graph_run_unlock(r);
    if (!has_name(r) || !(failed || named || any || marked)) {
        return;
    }
    leat_writer *mark = leat_writer_new();
    leat_write_object(mark);
    leat_write_key(mark, "run");
    leat_write_string(mark, r->req->run_id);
    write_flag(mark, "failed", failed);
    write_flag(mark, "named", named);
    write_flag(mark, "answer", any);
    leat_write_end(mark);
    graph_writes_add(to, WRITE_TAKEN, leat_writer_finish(&mark));
}

/* A write's place among its task's is part of its name in the store, and a
 * second Command on a checkpoint moves those of the first: what the store has
 * of the NULL task then is not what it wrote. */
static bool moves(const struct loop *l)
{
    for (size_t i = 0; i < l->pending.count; i++) {
        const struct pending *p = &l->pending.at[i];
        if (!graph_write_is_special(p->write.channel) &&
            strcmp(p->task_id, GRAPH_NULL_TASK) == 0) {
            return true;
        }
    }
    return false;
}

void graph_again_command(const struct loop *l, struct writes *to)
{
    if (!has_name(l->run)) {
        return;
    }
    leat_value *mark = leat_pack("{s:s, s:b}", "run", l->run->req->run_id,
                                 "command", 1);
    if (moves(l)) {
        struct writes all = {0};
        graph_pendings_to_writes(&l->pending, GRAPH_NULL_TASK, &all);
        graph_writes_append(&all, to);
        mark = with(mark, "writes", graph_save_listed(l->graph, &all));
        graph_writes_fini(&all);
    }
    graph_writes_add(to, WRITE_TAKEN, mark);
}

leat_value *graph_again_kept(const struct run *r, const struct pendings *p,
                             const char *task_id, leat_value *writes,
                             bool whole)
{
    leat_view given = mark_among(r, p, task_id);
    if (!has_name(r)) {
        leat_drop(writes);
        return NULL;
    }
    leat_value *mark = is_marked(given)
                           ? leat_value_of(given)
                           : leat_pack("{s:s}", "run", r->req->run_id);
    if (whole) {
        mark = with(mark, "kept", leat_new_bool(true));
    }
    return writes != NULL ? with(mark, "writes", writes) : mark;
}

/* Who took an answer, by a name that a later attempt finds again: graphs in
 * one that keeps no checkpoints have new names every time. */
static const char *lasting_name(const struct work *w)
{
    const struct work *lasting = w;
    for (; w != NULL; w = w->loop->caller) {
        lasting = w->loop->saver == NULL ? w->loop->caller : lasting;
    }
    must(lasting != NULL); /* without a saver nobody asks */
    return lasting->task->ns;
}

bool graph_again_may_take(const struct work *w)
{
    const struct run *r = w->loop->run;
    return !atomic_load(&r->answered) &&
           (r->answered_by == NULL ||
            strcmp(r->answered_by, lasting_name(w)) == 0) &&
           !has_flag(earlier_mark(w->loop, w->task->id), "answer");
}

/* Whoever took the answer is in this loop. */
static void set_answered(struct loop *l)
{
    atomic_store(&l->run->answered, true);
    for (; l != NULL; l = l->caller != NULL ? l->caller->loop : NULL) {
        l->answered = true;
    }
}

leat_value *graph_again_answer(struct work *w, const struct loop *from)
{
    w->took_any = true;
    set_answered(w->loop);
    if (!has_name(from->run)) {
        return NULL;
    }
    leat_view given = mark_of(from, GRAPH_NULL_TASK);
    leat_value *mark = is_marked(given)
                           ? leat_value_of(given)
                           : leat_pack("{s:s}", "run", from->run->req->run_id);
    return with(mark, "by", leat_new_string(lasting_name(w)));
}

/* ---- what is found ------------------------------------------------------ */

/* What is there the second time this attempt has made itself. */
void graph_again_visit(struct loop *l)
{
    struct run *r = l->run;
    if (r->req->attempt <= 1) {
        return;
    }
    graph_run_lock(r);
    l->revisits = graph_id_set_has(&r->visited, l->ns);
    if (!l->revisits) {
        graph_id_set_add(&r->visited, l->ns);
    }
    graph_run_unlock(r);
}

/* Of this run, whichever attempt. */
static bool is_run_own(const struct loop *l, const struct graph_saved *saved)
{
    const struct graph_request *req = l->run->req;
    leat_view given = leat_get(leat_get(req->config, "metadata"), "run_id");
    leat_view by = leat_get(leat_view_of(saved->cp.metadata), "run_id");
    return req->attempt > 1 && saved->found &&
           leat_type_of(given) == LEAT_STRING && leat_equal(given, by);
}

bool graph_again_own(const struct loop *l, const struct graph_saved *saved)
{
    return !l->revisits && is_run_own(l, saved);
}

bool graph_again_began(const struct loop *l, const struct graph_saved *saved)
{
    leat_view parents =
        leat_get(leat_view_of(saved->cp.metadata), "parents");
    return l->caller != NULL && graph_again_own(l, saved) &&
           leat_equal(parents, leat_view_of(l->parents));
}

/* Is the checkpoint in the store? Unknown counts as yes. */
static bool exists(const struct loop *l, const char *ns, const char *id)
{
    struct graph_saved found = {0};
    struct err err = ERR_INIT;
    bool fine = l->saver->load(l->saver->self, ns, id, &found, &err);
    bool there = !fine || found.found;
    graph_saved_fini(&found);
    return there;
}

/* The parents of a checkpoint stand from the outermost inwards, as do the
 * loops around this one; those that keep nothing have none in the store. */
static bool has_lost_parent(const struct loop *l, leat_view parents)
{
    const struct loop *around[GRAPH_DEPTH_MAX];
    size_t depth = 0;
    for (const struct work *w = l->caller; w != NULL; w = w->loop->caller) {
        must(depth < GRAPH_DEPTH_MAX);
        around[depth++] = w->loop;
    }
    for (leat_iter it = leat_iter_of(parents); leat_next(&it) && depth > 0;) {
        const struct loop *above = around[--depth];
        char *ns = base_memdup(it.key.ptr, it.key.len);
        char *id = value_strdup(it.item);
        bool lost = above->saver != NULL && id != NULL &&
                    !exists(above, ns, id);
        free(ns);
        free(id);
        if (lost) {
            return true;
        }
    }
    return false;
}

bool graph_again_orphan(const struct loop *l, const struct graph_saved *saved)
{
    leat_view parents =
        leat_get(leat_view_of(saved->cp.metadata), "parents");
    leat_view note = leat_get(leat_view_of(saved->cp.view), "run");
    return l->caller != NULL && is_run_own(l, saved) &&
           leat_int(leat_get(note, "attempt"), 1) < l->run->req->attempt &&
           !leat_equal(parents, leat_view_of(l->parents)) &&
           has_lost_parent(l, parents);
}

bool graph_again_visited(const struct loop *l, const struct graph_saved *saved)
{
    return graph_again_began(l, saved) ||
           (l->run->req->continued && graph_again_own(l, saved));
}

bool graph_again_taken(const struct loop *l, const char *task_id)
{
    return has_flag(earlier_mark(l, task_id), "named");
}

bool graph_again_commanded(const struct loop *l)
{
    return has_flag(earlier_mark(l, GRAPH_NULL_TASK), "command");
}

bool graph_again_failed(const struct loop *l, const char *task_id)
{
    return has_flag(earlier_mark(l, task_id), "failed");
}

void graph_again_command_taken(struct loop *l, const struct writes *given)
{
    graph_run_lock(l->run);
    graph_pendings_drop(&l->pending, GRAPH_NULL_TASK, WRITE_RESUME);
    for (size_t i = 0; i < given->count; i++) {
        if (given->at[i].channel == WRITE_RESUME) {
            graph_pendings_add(&l->pending, GRAPH_NULL_TASK, WRITE_RESUME,
                               given->at[i].value);
        }
    }
    graph_run_unlock(l->run);
}

static void add_listed(struct loop *l, struct pendings *to,
                       const char *task_id, leat_view listed)
{
    for (leat_iter it = leat_iter_of(listed); leat_next(&it);) {
        leat_text name = leat_string(leat_at(it.item, 0));
        leat_value *value = leat_value_of(leat_at(it.item, 1));
        int channel = name.ptr == NULL
                          ? WRITE_UNKNOWN
                          : graph_channel_number(l->graph, name.ptr, name.len);
        graph_pendings_add(to, task_id, channel, value);
        leat_drop(value);
    }
}

/* What the tasks had written, where the store has it otherwise. */
static void restore_writes(struct loop *l)
{
    struct pendings had = {0};
    for (size_t i = 0; i < l->pending.count; i++) {
        const struct pending *p = &l->pending.at[i];
        leat_view mark = earlier_mark(l, p->task_id);
        leat_view listed = leat_get(mark, "writes");
        bool is_list = leat_type_of(listed) == LEAT_LIST;
        size_t before = had.count;
        if (!is_list || graph_write_is_special(p->write.channel)) {
            graph_pendings_add(&had, p->task_id, p->write.channel,
                               p->write.value);
        }
        if (is_list && p->write.channel == WRITE_TAKEN) {
            add_listed(l, &had, p->task_id, listed);
        }
        for (size_t j = before; j < had.count; j++) {
            had.at[j].loaded = true;
            had.at[j].kept = has_flag(mark, "kept");
        }
    }
    graph_pendings_fini(&l->pending);
    l->pending = had;
}

/* The answer for any task is one task's, or was: then it is nobody else's. */
static void take_marks(struct loop *l)
{
    struct run *r = l->run;
    if (l->caller == NULL) {
        must(r->answered_by == NULL);
        r->answered_by = value_strdup(
            leat_get(earlier_mark(l, GRAPH_NULL_TASK), "by"));
    }
    for (size_t i = 0; i < l->pending.count; i++) {
        const struct pending *p = &l->pending.at[i];
        if (p->write.channel == WRITE_TAKEN &&
            has_flag(earlier_mark(l, p->task_id), "answer")) {
            set_answered(l);
        }
    }
}

/* By this the next tasks are ordered, and of tasks that fail the first tells
 * what the run's error is. */
static void take_order(struct loop *l, bool ordered)
{
    l->updated_known = ordered;
    for (uint32_t c = 0; c < l->graph->channel_count; c++) {
        l->updated[c] = ordered;
    }
}

void graph_again_take(struct loop *l, const struct graph_saved *saved)
{
    if (l->run->req->attempt > 1) {
        restore_writes(l);
    }
    take_marks(l);
    leat_view note = leat_get(leat_view_of(saved->cp.view), "run");
    if (graph_again_own(l, saved) &&
        leat_bool(leat_get(note, "answered"), false)) {
        set_answered(l);
    }
    l->own = l->caller == NULL ? graph_again_own(l, saved)
                               : graph_again_began(l, saved);
    if (!l->own) {
        return;
    }
    l->noted_spoke = leat_bool(leat_get(note, "spoke"), false);
    l->noted_told = leat_value_of(leat_get(note, "told"));
    take_order(l, !leat_bool(leat_get(note, "unordered"), false));
    l->halted = leat_bool(leat_get(note, "halted"), false);
    l->noted_stop = (int)leat_int(leat_get(note, "stop"), 0);
    leat_text replay = leat_string(leat_get(note, "replay"));
    if (l->caller == NULL && replay.len == sizeof l->cp.id - 1) {
        memcpy(l->run->replay_before, replay.ptr, replay.len);
    }
}

void graph_again_told(struct loop *l)
{
    if (l->own) {
        l->spoke = l->noted_spoke;
    }
    if (l->own && l->noted_told != NULL) {
        leat_drop(l->told);
        l->told = leat_hold(l->noted_told);
    }
}

enum resuming graph_again_resuming(const struct loop *l)
{
    if (strcmp(l->cp.source, "input") == 0) {
        return RESUMING_NO;
    }
    return strcmp(l->cp.source, "fork") == 0 ? RESUMING_YES : RESUMING_UNSET;
}
