/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/again.c: what a later attempt of a run has to know of the ones
 * before, so that a process that died changes nothing: how far the run may
 * still go, whether it had stopped, what it replays, and which commands and
 * answers are in the stored state already. It travels with what is stored
 * anyway: as the note `run` in a checkpoint's view, and as the mark
 * WRITE_TAKEN among the writes that a command or an answer led to.
 */
#include "worker/graph/inner.h"

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
    if (!l->updated_known) {
        leat_write_key(w, "unordered");
        leat_write_bool(w, true);
    }
    if (l->halted) {
        leat_write_key(w, "halted");
        leat_write_bool(w, true);
    }
    if (atomic_load(&l->run->answered)) {
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

void graph_again_mark(const struct loop *l, struct writes *to)
{
    const char *run_id = l->run->req->run_id;
    if (run_id != NULL && run_id[0] != '\0') {
        graph_writes_add(to, WRITE_TAKEN, leat_new_string(run_id));
    }
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

bool graph_again_own(const struct loop *l, const struct graph_saved *saved)
{
    const struct graph_request *req = l->run->req;
    leat_view given = leat_get(leat_get(req->config, "metadata"), "run_id");
    leat_view by = leat_get(leat_view_of(saved->cp.metadata), "run_id");
    return req->attempt > 1 && saved->found && !l->revisits &&
           leat_type_of(given) == LEAT_STRING && leat_equal(given, by);
}

bool graph_again_began(const struct loop *l, const struct graph_saved *saved)
{
    leat_view parents =
        leat_get(leat_view_of(saved->cp.metadata), "parents");
    return l->caller != NULL && graph_again_own(l, saved) &&
           leat_equal(parents, leat_view_of(l->parents));
}

bool graph_again_orphan(const struct loop *l, const struct graph_saved *saved)
{
    leat_view parents =
        leat_get(leat_view_of(saved->cp.metadata), "parents");
    return l->caller != NULL && !l->run->req->continued &&
           graph_again_own(l, saved) &&
           !leat_equal(leat_get(parents, ""),
                       leat_get(leat_view_of(l->parents), ""));
}

bool graph_again_visited(const struct loop *l, const struct graph_saved *saved)
{
    return graph_again_began(l, saved) ||
           (l->run->req->continued && graph_again_own(l, saved));
}

bool graph_again_taken(const struct loop *l, const char *task_id)
{
    const leat_value *by =
        graph_pendings_get(&l->pending, task_id, WRITE_TAKEN);
    return l->run->req->attempt > 1 && by != NULL &&
           leat_is(leat_view_of(by), l->run->req->run_id);
}

/* An answer to the run that one of its tasks has is nobody else's. */
static void take_marks(struct loop *l)
{
    for (size_t i = 0; i < l->pending.count; i++) {
        const struct pending *p = &l->pending.at[i];
        if (p->write.channel == WRITE_TAKEN &&
            strcmp(p->task_id, GRAPH_NULL_TASK) != 0 &&
            graph_again_taken(l, p->task_id)) {
            atomic_store(&l->run->answered, true);
        }
    }
}

/* By this the next tasks are ordered, and of tasks that fail the first tells
 * what the run's error is. */
static void take_updated(struct loop *l, bool known)
{
    l->updated_known = known;
    for (uint32_t c = 0; c < l->graph->channel_count; c++) {
        l->updated[c] = known && l->cp.versions[c] == l->cp.version_max &&
                        graph_channel_available(&l->channels, c);
    }
}

void graph_again_take(struct loop *l, const struct graph_saved *saved)
{
    take_marks(l);
    leat_view note = leat_get(leat_view_of(saved->cp.view), "run");
    if (graph_again_own(l, saved) &&
        leat_bool(leat_get(note, "answered"), false)) {
        atomic_store(&l->run->answered, true);
    }
    l->own = l->caller == NULL ? graph_again_own(l, saved)
                               : graph_again_began(l, saved);
    if (!l->own) {
        return;
    }
    l->noted_spoke = leat_bool(leat_get(note, "spoke"), false);
    l->noted_told = leat_value_of(leat_get(note, "told"));
    take_updated(l, !leat_bool(leat_get(note, "unordered"), false));
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
