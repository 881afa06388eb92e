/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/start.c: the beginning of a loop: which checkpoint it starts from,
 * and whether its input continues what was there or begins something new
 * (spec/engine.md 4.1).
 */
#include "worker/graph/command.h"
#include "worker/graph/interrupt.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

#define RECURSION_DEFAULT 25
#define LIMIT_MAX 1000000000

/* ---- loading ------------------------------------------------------------ */

static bool is_root(const struct loop *l)
{
    return l->caller == NULL;
}

/* The checkpoint a root run names; NULL: the latest. */
static const char *named_checkpoint(const struct loop *l)
{
    const struct graph_request *req = l->run->req;
    bool other = req->checkpoint_ns != NULL && req->checkpoint_ns[0] != '\0';
    if (req->continued || other || req->checkpoint_id == NULL ||
        req->checkpoint_id[0] == '\0') {
        return NULL;
    }
    return req->checkpoint_id;
}

/* A namespace without the id of its task: where a replay begins only once. A
 * second call in one task counts as a second visit. */
static char *stable_namespace(const char *ns)
{
    const char *id = strrchr(ns, ':');
    return id == NULL ? base_strdup(ns) : base_memdup(ns, (size_t)(id - ns));
}

/* On a replay's first visit a graph starts from what it had back then. */
static bool replays(struct loop *l)
{
    struct run *r = l->run;
    if (is_root(l) || r->replay_before[0] == '\0') {
        return false;
    }
    char *ns = stable_namespace(l->ns);
    graph_run_lock(r);
    bool first = !graph_id_set_has(&r->replayed, ns);
    if (first) {
        graph_id_set_add(&r->replayed, ns);
    }
    graph_run_unlock(r);
    free(ns);
    return first;
}

/* The newest checkpoint before that one. */
static bool load_older(struct loop *l, const char *before,
                       struct graph_saved *out, struct err *err)
{
    const struct graph_query q = {.ns = l->ns, .before = before, .limit = 1};
    struct graph_saved *list = NULL;
    size_t n = 0;
    *out = (struct graph_saved){0};
    if (!l->saver->list(l->saver->self, &q, &list, &n, err)) {
        return false;
    }
    if (n > 0) {
        *out = list[0];
        out->cp.ns = out->ns;
        out->cp.ts = out->ts;
    }
    for (size_t i = 1; i < n; i++) {
        graph_saved_fini(&list[i]);
    }
    free(list);
    return true;
}

static bool load_saved(struct loop *l, struct graph_saved *out, bool *replay)
{
    struct err err = ERR_INIT;
    *out = (struct graph_saved){0};
    *replay = false;
    if (l->saver == NULL) {
        return true;
    }
    graph_again_visit(l);
    *replay = replays(l);
    const char *id = is_root(l) ? named_checkpoint(l) : NULL;
    pthread_mutex_lock(&l->run->saver_lock);
    bool fine = true;
    if (!*replay || l->run->req->attempt > 1) {
        fine = l->saver->load(l->saver->self, l->ns, id, out, &err);
    }
    if (*replay && graph_again_visited(l, out)) {
        *replay = false;
    }
    if (fine && *replay) {
        graph_saved_fini(out);
        fine = load_older(l, l->run->replay_before, out, &err);
    }
    while (fine && graph_again_orphan(l, out)) {
        char newest[sizeof out->cp.id];
        memcpy(newest, out->cp.id, sizeof newest);
        graph_saved_fini(out);
        fine = load_older(l, newest, out, &err);
    }
    pthread_mutex_unlock(&l->run->saver_lock);
    return fine || graph_fault_err(&l->fault, &err);
}

static bool set_limit(struct loop *l)
{
    const struct graph_request *req = l->run->req;
    int64_t base = req->recursion_limit > 0 ? req->recursion_limit
                                            : RECURSION_DEFAULT;
    int64_t n = leat_int(leat_get(req->config, "recursion_limit"), base);
    if (n < 1) {
        return graph_fault_set(&l->fault, "ValueError",
                               "recursion_limit must be at least 1");
    }
    l->limit = (unsigned)min_i64(n, LIMIT_MAX);
    l->stop = l->own ? l->noted_stop : l->step + (int)l->limit + 1;
    return true;
}

static void take_saved(struct loop *l, const struct graph_saved *saved)
{
    if (!saved->found) {
        graph_checkpoint_init(&l->cp, l->graph);
        graph_channels_init(&l->channels, l->graph, (leat_view){0});
        return;
    }
    graph_checkpoint_load(&l->cp, l->graph, saved);
    graph_channels_init(&l->channels, l->graph,
                        leat_view_of(saved->cp.channel_values));
    graph_pendings_load(&l->pending, l->graph, saved);
    base_copy(l->prev_id, sizeof l->prev_id, saved->cp.parent_id);
    l->prev_loaded = true;
}

static bool is_edited(const struct checkpoint *cp)
{
    return strcmp(cp->source, "update") == 0 ||
           strcmp(cp->source, "fork") == 0;
}

/* What the apply behind the checkpoint changed: all that has its newest
 * version. An edit by hand and a fork are no steps and leave that unknown; of
 * a run's input only one task follows. */
static void recall_updated(struct loop *l)
{
    l->updated_known = graph_checkpoint_any_version(&l->cp) &&
                       !is_edited(&l->cp) &&
                       strcmp(l->cp.source, "input") != 0;
    for (uint32_t c = 0; c < l->graph->channel_count; c++) {
        l->updated[c] = l->updated_known &&
                        l->cp.versions[c] == l->cp.version_max &&
                        graph_channel_available(&l->channels, c);
    }
}

enum loop_phase graph_start_load(struct loop *l)
{
    struct graph_saved saved;
    bool replay;
    bool fine = load_saved(l, &saved, &replay);
    take_saved(l, &saved);
    recall_updated(l);
    graph_again_take(l, &saved);
    bool began = graph_again_began(l, &saved);
    graph_saved_fini(&saved);
    if (!fine) {
        l->end = LOOP_FAILED;
        return PHASE_ENDED;
    }
    if (replay) {
        graph_pendings_drop(&l->pending, NULL, WRITE_RESUME);
    }
    if (!is_root(l) && l->run->replay_before[0] != '\0') {
        l->resuming = RESUMING_UNSET; /* its input begins it anew */
    }
    if (began) {
        l->resuming = RESUMING_YES; /* its input is in it already */
    }
    l->explicit_id = is_root(l) && named_checkpoint(l) != NULL;
    /* A nested graph runs its unfinished step again as a whole. */
    l->skip_done = is_root(l) && !l->explicit_id;
    l->step = l->cp.step + 1;
    if (!set_limit(l)) {
        l->end = LOOP_FAILED;
        return PHASE_ENDED;
    }
    return PHASE_INPUT;
}

/* ---- taking up the input ------------------------------------------------ */

static enum loop_phase failed(struct loop *l)
{
    l->end = LOOP_FAILED;
    return PHASE_ENDED;
}

static bool has_input(const struct loop *l)
{
    enum leat_type t = leat_type_of(l->input);
    return t != LEAT_MISSING && t != LEAT_NULL;
}

/* A later attempt of the run that made the checkpoint goes on from it. */
static bool same_run(const struct loop *l)
{
    leat_view given = leat_get(leat_get(l->run->req->config, "metadata"),
                               "run_id");
    leat_view saved = leat_get(leat_view_of(l->cp.metadata), "run_id");
    return is_root(l) && leat_type_of(given) == LEAT_STRING &&
           leat_equal(given, saved);
}

static bool is_resuming(const struct loop *l)
{
    if (!graph_checkpoint_any_version(&l->cp)) {
        return false;
    }
    if (l->resuming != RESUMING_UNSET) {
        return l->resuming == RESUMING_YES;
    }
    return !has_input(l) || l->is_command || same_run(l);
}

static bool check_answer(struct loop *l, const struct command *c)
{
    if (!c->resumes) {
        return true;
    }
    if (l->saver == NULL) {
        return graph_fault_set(&l->fault, "RuntimeError",
                               "Cannot use Command(resume=...) without "
                               "checkpointer");
    }
    /* What this run itself has asked since is another matter. */
    if (c->resume_map == NULL && !graph_again_commanded(l) &&
        graph_interrupts_open(&l->pending) > 1) {
        return graph_fault_set(
            &l->fault, "RuntimeError",
            "When there are multiple pending interrupts, you must specify "
            "the interrupt id when resuming. Docs: " GRAPH_DOCS
            "add-human-in-the-loop#resume-multiple-interrupts-with-one-"
            "invocation.");
    }
    return true;
}

/* Commands add up: of several attempts at one only the first stores it. */
static bool put_command(struct loop *l, struct command *c)
{
    if (graph_again_commanded(l)) {
        graph_again_command_taken(l, &c->writes);
        return true;
    }
    graph_again_command(l, &c->writes);
    return graph_save_writes(l, GRAPH_NULL_TASK, &c->writes, &l->fault);
}

/* A Command's parts become writes of the NULL task. */
static bool take_command(struct loop *l, bool *resumes)
{
    struct command c;
    bool fine = graph_command_parse(l->graph, l->input, &c, &l->fault) &&
                check_answer(l, &c);
    *resumes = c.resumes;
    if (fine && c.resume_map != NULL) {
        l->run->resume_map = leat_hold(c.resume_map);
    }
    if (fine && c.writes.count > 0) {
        fine = put_command(l, &c);
    }
    graph_command_fini(&c);
    return fine;
}

/* What readers see as the tasks of the checkpoint: a Command's goto adds to
 * what runs, but not to that. */
static void plan_base(struct loop *l)
{
    const struct plan p = {.channels = &l->channels,
                           .checkpoint = &l->cp,
                           .ns = l->ns,
                           .step = l->step};
    graph_tasks_fini(&l->base_tasks);
    graph_plan_next(&p, &l->base_tasks);
}

/* After a step that changed nothing, what is added now counts as unknown, too:
 * the tasks come in the order of the definition. */
static void add_updated(struct loop *l, const bool *more)
{
    bool any = false;
    for (uint32_t c = 0; c < l->graph->channel_count; c++) {
        any = any || l->updated[c];
    }
    for (uint32_t c = 0; any && c < l->graph->channel_count; c++) {
        l->updated[c] = l->updated[c] || more[c];
    }
}

/* Applies what the NULL task wrote, now or in an earlier run. */
static bool apply_null_writes(struct loop *l, bool *any)
{
    struct writes w = {0};
    graph_pendings_to_writes(&l->pending, GRAPH_NULL_TASK, &w);
    *any = w.count > 0;
    if (*any) {
        plan_base(l);
    }
    const struct plan_writer writer = {.writes = &w};
    bool *more = base_zalloc(l->graph->channel_count * sizeof *more);
    bool fine = w.count == 0 ||
                graph_plan_apply(&l->channels, &l->cp,
                                 (struct plan_writers){&writer, 1}, more,
                                 &l->fault);
    add_updated(l, more);
    free(more);
    graph_writes_fini(&w);
    l->planned = false;
    return fine;
}

static bool time_travels(const struct loop *l, bool command_resumes)
{
    return l->explicit_id && !command_resumes;
}

/* What nested graphs are to have had before: the checkpoint itself, for an
 * edited one its parent. With durability exit the fork is not stored, and the
 * library takes it for an edited one, too. */
static void bound_replay(struct loop *l, bool parent)
{
    struct run *r = l->run;
    base_copy(r->replay_before, sizeof r->replay_before,
              parent && l->prev_id[0] != '\0' ? l->prev_id : l->cp.id);
}

/* Goes on from an older checkpoint: a branch of its own in the history. */
static bool fork_from(struct loop *l)
{
    struct run *r = l->run;
    bool edited = is_edited(&l->cp);
    bound_replay(l, edited);
    if (edited) {
        return true;
    }
    graph_run_lock(r);
    graph_pendings_drop(&l->pending, NULL, WRITE_INTERRUPT);
    /* A command's are in the checkpoint that follows. */
    graph_pendings_drop(&l->pending, GRAPH_NULL_TASK, PENDING_ANY);
    graph_run_unlock(r);
    bool fine = graph_save_put(l, "fork");
    if (l->at_exit) {
        bound_replay(l, true);
    }
    return fine;
}

static enum loop_phase go_on(struct loop *l, bool travels, bool commanded)
{
    if (!l->own) { /* else what it passed is in it */
        graph_interrupt_seen(&l->cp);
    }
    if (travels && !fork_from(l)) {
        return failed(l);
    }
    if (commanded) {
        leat_drop(l->base_values);
        l->base_values = graph_channels_read(&l->channels, &l->graph->state);
        if (!graph_save_view(l, NULL)) {
            return failed(l);
        }
    }
    if (is_root(l) && l->saver != NULL && !graph_save_flush(l)) {
        return failed(l);
    }
    graph_run_lock(l->run);
    graph_stream_values(l);
    graph_again_told(l);
    graph_run_unlock(l->run);
    return PHASE_PLAN;
}

/* New input: what was pending is given up. */
static enum loop_phase begin(struct loop *l)
{
    struct writes w = {0};
    l->updated_known = false;
    graph_save_plan(l);
    size_t n = l->tasks.count;
    struct plan_writer *writers = base_zalloc((n + 1) * sizeof *writers);
    for (size_t i = 0; i < n; i++) {
        writers[i].task = &l->tasks.at[i];
    }
    graph_writes_add(&w, CHANNEL_START, leat_value_of(l->input));
    writers[n].writes = &w;
    bool fine = graph_plan_apply(&l->channels, &l->cp,
                                 (struct plan_writers){writers, n + 1},
                                 l->updated, &l->fault);
    l->updated_known = true;
    free(writers);
    graph_writes_fini(&w);
    graph_run_lock(l->run);
    graph_pendings_drop(&l->pending, NULL, PENDING_ANY);
    graph_run_unlock(l->run);
    return fine && graph_save_put(l, "input") ? PHASE_PLAN : failed(l);
}

enum loop_phase graph_start_input(struct loop *l)
{
    bool resuming = is_resuming(l);
    bool command_resumes = false;
    bool commanded = false;
    if (l->is_command && !take_command(l, &command_resumes)) {
        return failed(l);
    }
    if (!apply_null_writes(l, &commanded)) {
        return failed(l);
    }
    bool travels = is_root(l) && time_travels(l, command_resumes);
    if (travels) {
        graph_run_lock(l->run);
        graph_pendings_drop(&l->pending, NULL, WRITE_RESUME);
        graph_run_unlock(l->run);
    }
    bool told = l->resuming != RESUMING_UNSET;
    if (is_root(l)) {
        l->resuming = resuming ? RESUMING_YES : RESUMING_NO;
    }
    if (l->own && resuming) {
        l->resuming = graph_again_resuming(l);
    }
    if (resuming) {
        return go_on(l, travels, commanded);
    }
    if (has_input(l)) {
        return begin(l);
    }
    if (told) {
        return PHASE_PLAN;
    }
    graph_fault_set(&l->fault, "EmptyInputError",
                    "Received no input for __start__");
    return failed(l);
}
