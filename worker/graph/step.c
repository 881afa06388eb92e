/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/step.c: the super-step as phases: each does its part and names the
 * next one (spec/engine.md 4). A loop is stepped by one thread from load to
 * end; only EXECUTE uses others.
 */
#include "worker/graph/cache.h"
#include "worker/graph/interrupt.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- how a loop ends ---------------------------------------------------- */

static enum loop_phase ended(struct loop *l, enum loop_end end)
{
    l->end = end;
    return PHASE_ENDED;
}

static enum loop_phase failed(struct loop *l)
{
    must(graph_fault_is(&l->fault));
    return ended(l, LOOP_FAILED);
}

/* A static interrupt asks nothing. */
static enum loop_phase stopped(struct loop *l)
{
    l->interrupts = leat_new_list(0, NULL);
    return ended(l, LOOP_INTERRUPTED);
}

/* Run-level lists are for the root graph and win when they are not empty. */
static leat_view named_stops(const struct loop *l, leat_view named)
{
    return l->caller == NULL ? named : (leat_view){0};
}

/* ---- plan --------------------------------------------------------------- */

static enum loop_phase phase_plan(struct loop *l)
{
    if (graph_run_stopped(l)) {
        return ended(l, LOOP_CANCELLED);
    }
    graph_save_plan(l);
    if (l->halted) { /* by an earlier attempt */
        return stopped(l);
    }
    if (l->step > l->stop) {
        graph_fault_set(
            &l->fault, "GraphRecursionError",
            "Recursion limit of %u reached without hitting a stop condition. "
            "You can increase the limit by setting the `recursion_limit` "
            "config key.\nFor troubleshooting, visit: " GRAPH_DOCS
            "errors/GRAPH_RECURSION_LIMIT",
            l->limit);
        return failed(l);
    }
    graph_run_lock(l->run);
    graph_stream_checkpoint(l);
    graph_run_unlock(l->run);
    if (l->tasks.count == 0) {
        return ended(l, LOOP_DONE);
    }
    for (size_t i = 0; l->skip_done && i < l->tasks.count; i++) {
        struct task *t = &l->tasks.at[i];
        if (graph_again_failed(l, t->id)) {
            continue; /* it fails again, and so does the run */
        }
        graph_pendings_to_writes(&l->pending, t->id, &t->writes);
        t->cached = t->writes.count > 0;
    }
    return PHASE_BEFORE;
}

/* ---- before ------------------------------------------------------------- */

struct cache_key {
    char hex[ID_HEX_SIZE]; /* "": this task is not looked up */
};

/* The last task that is looked up as this one is; NULL when an earlier one is
 * too, which has seen to it. */
static struct task *last_alike(struct loop *l, const struct cache_key *keys,
                               size_t i)
{
    struct task *last = &l->tasks.at[i];
    for (size_t j = 0; j < l->tasks.count; j++) {
        struct task *t = &l->tasks.at[j];
        bool alike = t->node == l->tasks.at[i].node &&
                     strcmp(keys[j].hex, keys[i].hex) == 0;
        if (alike && j < i) {
            return NULL;
        }
        last = alike ? t : last;
    }
    return last;
}

/* Of tasks with the same input only the last one gets what is kept, as in
 * LangGraph; the others run. */
static void attach_cached(struct loop *l)
{
    bool any = false;
    struct cache_key *keys = base_zalloc((l->tasks.count + 1) * sizeof *keys);
    for (size_t i = 0; i < l->tasks.count; i++) {
        const struct task *t = &l->tasks.at[i];
        if (t->writes.count > 0 || !graph_cache_key(t, keys[i].hex)) {
            keys[i].hex[0] = '\0';
        }
        any = any || keys[i].hex[0] != '\0';
    }
    for (size_t i = 0; any && i < l->tasks.count; i++) {
        struct task *t =
            keys[i].hex[0] != '\0' ? last_alike(l, keys, i) : NULL;
        if (t != NULL && graph_cache_get(l->graph, t, keys[i].hex)) {
            t->cached = true;
            graph_stream_updates(l, t, true);
        }
    }
    free(keys);
}

static enum loop_phase phase_before(struct loop *l)
{
    leat_view named = named_stops(l, l->run->req->interrupt_before);
    if (graph_interrupt_static(&l->cp, &l->tasks, &l->graph->before, named)) {
        return stopped(l);
    }
    graph_run_lock(l->run);
    for (size_t i = 0; i < l->tasks.count; i++) {
        graph_stream_task(l, &l->tasks.at[i]);
    }
    for (size_t i = 0; i < l->tasks.count; i++) {
        if (l->tasks.at[i].cached) {
            graph_stream_updates(l, &l->tasks.at[i], true);
        }
    }
    attach_cached(l);
    graph_run_unlock(l->run);
    return PHASE_EXECUTE;
}

/* ---- execute ------------------------------------------------------------ */

/* All questions of the step in one list, in the order of the tasks. */
static leat_value *join_interrupts(const struct loop *l)
{
    leat_value *all = leat_new_list(0, NULL);
    for (size_t i = 0; i < l->work_count; i++) {
        const struct work *w = &l->works[i];
        leat_iter it = leat_iter_of(leat_view_of(w->interrupts));
        while (w->end == TASK_INTERRUPTED && leat_next(&it)) {
            leat_value *item = leat_value_of(it.item);
            leat_value *more = leat_append(leat_view_of(all), 1, &item);
            leat_drop(all);
            all = more;
        }
    }
    return all;
}

static const struct work *find_end(const struct loop *l, enum task_end end)
{
    for (size_t i = 0; i < l->work_count; i++) {
        if (l->works[i].end == end) {
            return &l->works[i];
        }
    }
    return NULL;
}

/* An error wins over questions, questions over a Command for the parent. */
static enum loop_phase judge(struct loop *l)
{
    const struct work *parent = find_end(l, TASK_PARENT);
    if (graph_fault_is(&l->fault)) {
        return failed(l);
    }
    if (find_end(l, TASK_CANCELLED) != NULL) {
        return ended(l, LOOP_CANCELLED);
    }
    leat_value *asked = join_interrupts(l);
    bool any = leat_count(leat_view_of(asked)) > 0;
    if (any || (parent == NULL && find_end(l, TASK_INTERRUPTED) != NULL)) {
        l->interrupts = asked;
        return ended(l, LOOP_INTERRUPTED);
    }
    leat_drop(asked);
    if (parent != NULL) {
        l->command = leat_hold(parent->command);
        return ended(l, LOOP_PARENT);
    }
    return PHASE_APPLY;
}

static enum loop_phase phase_execute(struct loop *l)
{
    for (size_t i = 0; i < l->tasks.count; i++) {
        l->worked = l->worked || !l->tasks.at[i].node->hidden;
    }
    graph_work_run(l);
    enum loop_phase next = judge(l);
    graph_work_clear(l);
    return next;
}

/* ---- apply -------------------------------------------------------------- */

/* The caller frees `at`. */
static struct plan_writers writers_of(const struct loop *l)
{
    struct plan_writer *w = base_zalloc((l->tasks.count + 1) * sizeof *w);
    for (size_t i = 0; i < l->tasks.count; i++) {
        w[i].task = &l->tasks.at[i];
        w[i].writes = &l->tasks.at[i].writes;
    }
    return (struct plan_writers){w, l->tasks.count};
}

/* Applies the tasks' writes; on a conflict nothing has changed. */
static bool apply(struct loop *l)
{
    struct channels before;
    struct checkpoint cp_before;
    struct plan_writers writers = writers_of(l);
    graph_channels_copy(&before, &l->channels);
    graph_checkpoint_copy(&cp_before, &l->cp);
    bool fine = graph_plan_apply(&l->channels, &l->cp, writers, l->updated,
                                 &l->fault);
    if (!fine) {
        struct channels broken = l->channels;
        struct checkpoint broken_cp = l->cp;
        l->channels = before;
        l->cp = cp_before;
        before = broken;
        cp_before = broken_cp;
    }
    graph_channels_fini(&before);
    graph_checkpoint_fini(&cp_before);
    free((void *)(uintptr_t)writers.at);
    return fine;
}

static bool output_changed(const struct loop *l)
{
    for (size_t i = 0; i < l->graph->output.count; i++) {
        if (l->updated[l->graph->output.at[i]]) {
            return true;
        }
    }
    return false;
}

static enum loop_phase phase_apply(struct loop *l)
{
    if (!apply(l)) {
        return failed(l);
    }
    bool show = output_changed(l);
    leat_view named = named_stops(l, l->run->req->interrupt_after);
    bool stop =
        graph_interrupt_static(&l->cp, &l->tasks, &l->graph->after, named);
    graph_run_lock(l->run);
    graph_pendings_drop(&l->pending, NULL, PENDING_ANY);
    graph_run_unlock(l->run);
    l->updated_known = true;
    l->skip_done = true;
    l->halted = stop;
    l->speaks = show;
    if (!graph_save_put(l, "loop")) {
        return failed(l);
    }
    /* The last state of a run is durable before anybody sees it. */
    bool last = l->caller == NULL && (stop || l->tasks.count == 0);
    if (last && !(l->at_exit ? graph_save_exit(l, &l->fault)
                             : graph_save_flush(l))) {
        return failed(l);
    }
    if (show) {
        graph_run_lock(l->run);
        graph_stream_values(l);
        graph_run_unlock(l->run);
    }
    return stop ? stopped(l) : PHASE_AFTER;
}

/* ---- after -------------------------------------------------------------- */

static enum loop_phase phase_after(struct loop *l)
{
    /* From the second step on nested graphs decide by themselves. */
    l->resuming = RESUMING_UNSET;
    return PHASE_PLAN;
}

/* ---- the end ------------------------------------------------------------ */

static bool any_written(const struct loop *l)
{
    for (size_t i = 0; l->planned && i < l->tasks.count; i++) {
        if (l->tasks.at[i].writes.count > 0) {
            return true;
        }
    }
    return false;
}

static bool keeps_at_exit(const struct loop *l)
{
    return l->at_exit && (l->caller == NULL || l->end != LOOP_DONE ||
                          l->graph->memory == LEAT_MEMORY_OWN);
}

/* Keeps the state as get_state would show it. */
static bool save_finished(struct loop *l, const struct channels *applied)
{
    struct channels settled;
    graph_channels_copy(&settled, applied);
    graph_plan_settle(&settled);
    leat_value *v = graph_channels_read(&settled, &l->graph->state);
    bool kept = graph_save_view(l, v);
    leat_drop(v);
    graph_channels_fini(&settled);
    return kept;
}

/* What finished siblings wrote is in the state that readers see, though no
 * checkpoint has it yet; where they contradict each other an interrupted run
 * fails. Tells whether the output changed. */
static bool show_finished(struct loop *l)
{
    struct fault refused = FAULT_INIT;
    struct channels channels;
    struct checkpoint cp;
    struct plan_writers writers = writers_of(l);
    graph_channels_copy(&channels, &l->channels);
    graph_checkpoint_copy(&cp, &l->cp);
    bool fine = graph_plan_apply(&channels, &cp, writers, l->updated,
                                 &refused);
    if (!fine && l->end == LOOP_INTERRUPTED && l->caller == NULL) {
        l->end = LOOP_FAILED;
        graph_fault_move(&l->fault, &refused);
    }
    fine = fine && save_finished(l, &channels);
    if (fine && l->end == LOOP_INTERRUPTED) {
        graph_channels_fini(&l->channels);
        l->channels = channels;
    } else {
        graph_channels_fini(&channels);
    }
    graph_checkpoint_fini(&cp);
    graph_fault_fini(&refused);
    free((void *)(uintptr_t)writers.at);
    return fine && output_changed(l);
}

static void finish(struct loop *l)
{
    if (l->fault.code == ERR_FENCED) {
        return; /* another attempt owns the thread now */
    }
    bool stays = l->end == LOOP_INTERRUPTED || l->end == LOOP_FAILED ||
                 l->end == LOOP_CANCELLED;
    bool kept = !keeps_at_exit(l) || graph_save_exit(l, &l->fault);
    leat_value *shown =
        l->caller == NULL
            ? graph_channels_read(&l->channels, &l->graph->state)
            : NULL;
    bool changed = kept && stays && any_written(l) && show_finished(l);
    if (l->caller == NULL && l->saver != NULL) {
        kept = graph_save_flush(l) && kept;
    }
    if (!kept && l->end != LOOP_FAILED) {
        l->end = LOOP_FAILED;
    }
    if (l->caller == NULL && l->end == LOOP_INTERRUPTED) {
        graph_run_lock(l->run);
        if (changed) {
            graph_stream_values(l);
        }
        if (leat_count(leat_view_of(l->interrupts)) == 0) {
            graph_stream_static(l);
        }
        graph_run_unlock(l->run);
    }
    l->shown = shown;
}

/* ---- the loop ----------------------------------------------------------- */

static enum loop_phase (*const phases[])(struct loop *) = {
    [PHASE_LOAD] = graph_start_load,
    [PHASE_INPUT] = graph_start_input,
    [PHASE_PLAN] = phase_plan,
    [PHASE_BEFORE] = phase_before,
    [PHASE_EXECUTE] = phase_execute,
    [PHASE_APPLY] = phase_apply,
    [PHASE_AFTER] = phase_after,
};

/* A graph without memory is no obstacle to those inside it. */
static bool memory_kept(const struct loop *l)
{
    return l->caller == NULL || l->graph->memory != LEAT_MEMORY_NONE;
}

/* metadata.parents: the checkpoints of the graphs around, by namespace. */
static leat_value *parents_of(const struct loop *l)
{
    if (l->caller == NULL) {
        return leat_new_object(0, NULL, NULL);
    }
    const struct loop *above = l->caller->loop;
    return leat_with(leat_view_of(above->parents), above->ns,
                     leat_new_string(above->cp.id));
}

/* What a step may clear that nobody writes: the output is then not what the
 * channels hold in the end but what was told last. */
static bool is_fleeting(const struct graph *g)
{
    for (size_t i = 0; i < g->output.count; i++) {
        const struct graph_channel *c = &g->channels[g->output.at[i]];
        if (c->kind == CHANNEL_EPHEMERAL || c->kind == CHANNEL_ANY ||
            (c->kind == CHANNEL_TOPIC && !c->accumulate)) {
            return true;
        }
    }
    return false;
}

static void init(struct loop *l, const struct loop_spec *spec)
{
    *l = (struct loop){
        .run = spec->run,
        .caller = spec->caller,
        .graph = spec->graph,
        .ns = base_strdup(spec->ns),
        .input = spec->input,
        .is_command = spec->is_command,
        .event = spec->event,
    };
    l->saver = memory_kept(l) ? l->run->host->saver : NULL;
    l->at_exit = l->run->req->durability == GRAPH_DURABILITY_EXIT;
    l->parents = parents_of(l);
    l->fleeting = is_fleeting(l->graph);
    l->updated = base_zalloc(l->graph->channel_count * sizeof(bool));
    atomic_init(&l->abort, false);
    if (l->caller != NULL) {
        l->resuming = l->caller->retried ? RESUMING_YES
                                         : l->caller->loop->resuming;
    }
}

void graph_step_run(struct loop *l, const struct loop_spec *spec)
{
    init(l, spec);
    for (l->phase = PHASE_LOAD; l->phase != PHASE_ENDED;) {
        l->phase = phases[l->phase](l);
    }
    finish(l);
}

leat_value *graph_step_output(const struct loop *l)
{
    if (!l->spoke) {
        return leat_new_null();
    }
    return l->told != NULL
               ? leat_hold(l->told)
               : graph_channels_read(&l->channels, &l->graph->output);
}

void graph_step_fini(struct loop *l)
{
    graph_fault_fini(&l->fault);
    leat_drop(l->interrupts);
    leat_drop(l->command);
    leat_drop(l->parents);
    leat_drop(l->base_values);
    graph_tasks_fini(&l->base_tasks);
    leat_drop(l->told);
    leat_drop(l->noted_told);
    leat_drop(l->shown);
    graph_channels_fini(&l->channels);
    graph_checkpoint_fini(&l->cp);
    graph_pendings_fini(&l->pending);
    graph_tasks_fini(&l->tasks);
    free(l->updated);
    free(l->ns);
}
