/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/work.c: executes the tasks of a step: the node (or the graph in its
 * place), retries, the writers, and what is stored and streamed the moment a
 * task has ended (spec/engine.md 4.7, 6, 7 and 8).
 */
#include "common/clock.h"
#include "common/id.h"
#include "worker/graph/cache.h"
#include "worker/graph/context.h"
#include "worker/graph/events.h"
#include "worker/graph/pool.h"
#include "worker/graph/interrupt.h"
#include "worker/graph/stream.h"
#include "worker/graph/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ------------------------------------------------------------ */

static void add_answer(struct work *w, leat_value *answer)
{
    w->resume = base_realloc(w->resume,
                             (w->resume_count + 1) * sizeof *w->resume);
    w->resume[w->resume_count++] = answer;
}

/* What was answered to this task before, and in this run by its id. */
static void find_answers(struct work *w)
{
    struct loop *l = w->loop;
    graph_run_lock(l->run);
    const leat_value *kept =
        graph_pendings_get(&l->pending, w->task->id, WRITE_RESUME);
    leat_view v = leat_view_of(kept);
    if (leat_type_of(v) == LEAT_LIST) {
        for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
            add_answer(w, leat_value_of(it.item));
        }
    } else if (kept != NULL) {
        add_answer(w, leat_hold(kept));
    }
    bool taken = graph_again_taken(l, w->task->id);
    if (l->run->resume_map != NULL && !taken) {
        char id[33];
        graph_interrupt_id(w->task->ns, id);
        leat_value *answer = leat_value_of(
            leat_get(leat_view_of(l->run->resume_map), id));
        if (answer != NULL) {
            w->took_named = true;
            add_answer(w, answer);
        }
    }
    graph_run_unlock(l->run);
}

/* All answers so far, as they are kept with the task. */
static leat_value *answers_value(const struct work *w)
{
    for (size_t i = 0; i < w->resume_count; i++) {
        leat_hold(w->resume[i]);
    }
    return leat_new_list(w->resume_count, w->resume);
}

/* ---- retries ------------------------------------------------------------ */

/* Python's default: faults of the program are not worth another attempt. */
static bool is_retried(const char *type)
{
    static const char *const never[] = {
        "ValueError",        "UnicodeDecodeError",  "UnicodeEncodeError",
        "JSONDecodeError",   "TypeError",           "ArithmeticError",
        "ZeroDivisionError", "OverflowError",       "FloatingPointError",
        "ImportError",       "ModuleNotFoundError", "LookupError",
        "KeyError",          "IndexError",          "NameError",
        "UnboundLocalError", "SyntaxError",         "RuntimeError",
        "NotImplementedError", "RecursionError",    "GraphRecursionError",
        "ReferenceError",    "StopIteration",       "StopAsyncIteration",
        "OSError",           "FileNotFoundError",   "FileExistsError",
        "PermissionError",   "IsADirectoryError",   "NotADirectoryError",
        "InterruptedError",  "TimeoutError",        "BlockingIOError",
        "ChildProcessError", "ProcessLookupError",
    };
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (strcmp(type, never[i]) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_worth_it(const struct work *w)
{
    const struct graph_node *n = w->task->node;
    const struct fault *f = &w->fault;
    if (n->retry_on == NULL) {
        return is_retried(f->type);
    }
    return n->retry_on(f->type, f->text != NULL ? f->text : "");
}

static int64_t retry_delay_ms(const struct leat_retry *r, int attempt)
{
    double ms = r->initial_ms > 0 ? r->initial_ms : 500;
    double factor = r->backoff > 0 ? r->backoff : 2.0;
    double most = r->max_ms > 0 ? r->max_ms : 128000;
    for (int i = 1; i < attempt && ms < most; i++) {
        ms *= factor;
    }
    ms = ms < most ? ms : most;
    if (!r->no_jitter) {
        uint16_t random;
        id_random(&random, sizeof random);
        ms += random * 1000.0 / UINT16_MAX;
    }
    return (int64_t)ms;
}

bool graph_work_stopped(const struct work *w)
{
    return graph_run_stopped(w->loop);
}

static bool work_stopped(const void *w)
{
    return graph_work_stopped(w);
}

/* Waits for the next attempt; false: there is none. */
static bool try_again(struct work *w)
{
    const struct leat_retry *r = &w->task->node->retry;
    if (w->end != TASK_FAILED || w->attempt >= r->max_attempts ||
        w->fault.code != ERR_GRAPH || !is_worth_it(w)) {
        return false;
    }
    const struct cancel_stop stop = {.stopped = work_stopped, .arg = w};
    graph_pool_waiting();
    if (!graph_cancel_sleep(w->loop->run->cancel,
                            retry_delay_ms(r, w->attempt), &stop)) {
        graph_fault_fini(&w->fault);
        w->end = TASK_CANCELLED;
        return false;
    }
    graph_fault_fini(&w->fault);
    w->retried = true;
    w->attempt++;
    return true;
}

/* ---- one attempt -------------------------------------------------------- */

static leat_value *run_node(struct work *w, struct leat_context *ctx)
{
    const struct graph_node *n = w->task->node;
    const struct graph_host *host = w->loop->run->host;
    leat_view input = leat_view_of(w->task->input);
    if (n->child != NULL) {
        return graph_work_nested(ctx, n->child, input);
    }
    if (n->run == NULL) {
        return leat_hold(w->task->input);
    }
    if (host->busy != NULL) {
        host->busy(host->arg, true);
    }
    leat_value *result = n->run(ctx, input);
    if (host->busy != NULL) {
        host->busy(host->arg, false);
    }
    return result;
}

/* A Command from inside becomes this node's own result. */
static leat_value *take_command(struct leat_context *ctx, leat_value *result)
{
    leat_drop(result);
    result = leat_tagged(leat_with(leat_view_of(ctx->command), "graph", NULL),
                         LEAT_COMMAND);
    ctx->stop = CONTEXT_GOES;
    return result;
}

static enum task_end write_result(struct work *w, struct leat_context *ctx,
                                  leat_view result)
{
    const struct task_writer writer = {
        .graph = w->loop->graph,
        .node = w->task->node,
        .channels = &w->loop->channels,
        .ctx = ctx,
    };
    return graph_writer_run(&writer, result, &w->task->writes, &w->command,
                            &w->fault);
}

static void attempt(struct work *w)
{
    struct leat_context ctx;
    graph_context_init(&ctx, w);
    w->answered = 0;
    graph_writes_clear(&w->task->writes);
    leat_value *result = run_node(w, &ctx);
    bool commanded = ctx.stop == CONTEXT_PARENT; /* by a nested graph */
    if (commanded) {
        result = take_command(&ctx, result);
    }
    w->end = graph_context_end(&ctx, &w->fault);
    if (w->end == TASK_DONE) {
        result = graph_talk_identify(w, result);
        w->end = write_result(w, &ctx, leat_view_of(result));
        if (w->end == TASK_DONE && !commanded) {
            graph_talk_output(w, result);
        }
    }
    if (w->end == TASK_INTERRUPTED) {
        w->interrupts = ctx.interrupts;
        ctx.interrupts = NULL;
    }
    if (w->end == TASK_DONE && w->event != NULL) {
        leat_value *shown = result != NULL ? leat_hold(result)
                                           : leat_new_null();
        graph_event_end(&w->event, shown);
        leat_drop(shown);
    }
    leat_drop(result);
    graph_context_fini(&ctx);
}

/* ---- one task ----------------------------------------------------------- */

static struct event_run *start_event(struct work *w)
{
    struct run *r = w->loop->run;
    const struct task *t = w->task;
    if (t->node->hidden || !graph_event_wanted(r)) {
        return NULL;
    }
    char step[32];
    snprintf(step, sizeof step, "graph:step:%d", w->loop->step);
    leat_value *tag = leat_new_string(step);
    leat_value *given = leat_value_of(leat_get(r->req->config, "tags"));
    leat_value *tags = leat_append(leat_view_of(given), 1, &tag);
    leat_drop(given);
    struct event_spec spec = {
        .kind = "chain",
        .name = t->node->name,
        .parent = w->loop->event,
        .tags = tags,
        .metadata = leat_hold(graph_talk_base(w)),
        .input = leat_hold(t->input),
    };
    return graph_event_start(r, &spec);
}

static void execute(struct work *w)
{
    w->attempt = 1;
    find_answers(w);
    w->event = start_event(w);
    do {
        attempt(w);
    } while (try_again(w));
    graph_event_end(&w->event, NULL);
}

/* ---- what is kept and shown when a task has ended ----------------------- */

/* Once per question that was answered: a write's place among its task's is
 * part of its name in the store. */
static void add_answers(struct work *w, struct writes *to, size_t most)
{
    for (size_t i = 0; i < w->answered && i < most; i++) {
        graph_writes_add(to, WRITE_RESUME, answers_value(w));
    }
}

static bool keep(struct work *w, struct writes *kept)
{
    struct fault f = FAULT_INIT;
    graph_again_mark(w, kept);
    if (graph_save_writes(w->loop, w->task->id, kept, &f)) {
        return true;
    }
    graph_fault_fini(&w->fault);
    graph_fault_move(&w->fault, &f);
    w->end = TASK_FAILED;
    return false;
}

static void commit_done(struct work *w)
{
    struct task *t = w->task;
    struct writes kept = {0};
    add_answers(w, &kept, SIZE_MAX);
    if (t->writes.count == 0 && kept.count == 0) {
        graph_writes_add(&t->writes, WRITE_NONE, NULL);
    }
    graph_writes_append(&kept, &t->writes);
    if (keep(w, &kept)) {
        graph_cache_put(w->loop->graph, t);
        graph_run_lock(w->loop->run);
        graph_stream_updates(w->loop, t, false);
        graph_stream_result(w->loop, t, NULL, NULL);
        graph_run_unlock(w->loop->run);
    }
    graph_writes_fini(&kept);
}

static bool keep_question(struct work *w)
{
    struct fault f = FAULT_INIT;
    if (graph_save_question(w->loop, &f)) {
        return true;
    }
    graph_fault_fini(&w->fault);
    graph_fault_move(&w->fault, &f);
    w->end = TASK_FAILED;
    return false;
}

static void commit_interrupted(struct work *w)
{
    struct writes kept = {0};
    graph_writes_clear(&w->task->writes);
    if (leat_count(leat_view_of(w->interrupts)) == 0) {
        return; /* a static one inside: nothing is kept of it */
    }
    graph_writes_add(&kept, WRITE_INTERRUPT, leat_hold(w->interrupts));
    add_answers(w, &kept, 1);
    if (keep(w, &kept) && keep_question(w)) {
        graph_run_lock(w->loop->run);
        graph_stream_interrupts(w->loop, w->interrupts);
        graph_stream_result(w->loop, w->task, w->interrupts, NULL);
        graph_run_unlock(w->loop->run);
    }
    graph_writes_fini(&kept);
}

/* What was written before the error stays: answers that were used, and the
 * state update of a node whose edges failed after it. */
static void keep_error(struct work *w, leat_value *error, bool shown)
{
    struct writes kept = {0};
    add_answers(w, &kept, SIZE_MAX);
    graph_writes_append(&kept, &w->task->writes);
    bool wrote = kept.count > 0;
    graph_writes_add(&kept, WRITE_ERROR, leat_hold(error));
    if (keep(w, &kept) && shown) {
        graph_run_lock(w->loop->run);
        if (wrote) {
            graph_stream_updates(w->loop, w->task, false);
        }
        graph_stream_result(w->loop, w->task, NULL, error);
        graph_run_unlock(w->loop->run);
    }
    graph_writes_fini(&kept);
    leat_drop(error);
}

/* The first error of the step is the run's; siblings stop waiting. */
static void report_fault(struct work *w)
{
    struct loop *l = w->loop;
    graph_run_lock(l->run);
    if (!graph_fault_is(&l->fault)) {
        graph_fault_move(&l->fault, &w->fault);
    }
    graph_run_unlock(l->run);
    atomic_store(&l->abort, true);
    graph_cancel_wake(l->run->cancel);
}

static void commit_failed(struct work *w)
{
    if (w->fault.code == ERR_GRAPH) {
        keep_error(w, graph_fault_repr(&w->fault), true);
    }
}

/* Stopped because a sibling failed, not because of the run. */
static void commit_cancelled(struct work *w)
{
    graph_writes_clear(&w->task->writes);
    if (atomic_load(&w->loop->abort) &&
        !graph_cancel_get(w->loop->run->cancel)) {
        keep_error(w, leat_new_string("CancelledError()"), false);
    }
}

static void commit(struct work *w)
{
    switch (w->end) {
    case TASK_DONE:
        commit_done(w);
        break;
    case TASK_INTERRUPTED:
        commit_interrupted(w);
        break;
    case TASK_FAILED:
        commit_failed(w);
        break;
    case TASK_CANCELLED:
        commit_cancelled(w);
        break;
    case TASK_PARENT:
        graph_writes_clear(&w->task->writes);
        break;
    }
    if (w->end == TASK_FAILED) {
        report_fault(w);
    }
}

/* ---- a step ------------------------------------------------------------- */

static void run_one(void *loop, size_t i)
{
    struct loop *l = loop;
    struct work *w = &l->works[i];
    if (graph_work_stopped(w)) {
        w->end = TASK_CANCELLED;
    } else {
        execute(w);
    }
    commit(w);
}

void graph_work_run(struct loop *l)
{
    must(l->works == NULL);
    l->works = base_zalloc((l->tasks.count + 1) * sizeof *l->works);
    for (size_t i = 0; i < l->tasks.count; i++) {
        if (l->tasks.at[i].writes.count == 0) {
            l->works[l->work_count++] =
                (struct work){.loop = l, .task = &l->tasks.at[i]};
        }
    }
    /* All tasks of a step begin before any of them ends. */
    for (size_t i = 0; i < l->work_count; i++) {
        graph_talk_input(&l->works[i]);
    }
    graph_pool_run(run_one, l, l->work_count);
}

void graph_work_clear(struct loop *l)
{
    for (size_t i = 0; i < l->work_count; i++) {
        struct work *w = &l->works[i];
        graph_fault_fini(&w->fault);
        leat_drop(w->interrupts);
        leat_drop(w->command);
        leat_drop(w->metadata);
        for (size_t j = 0; j < w->resume_count; j++) {
            leat_drop(w->resume[j]);
        }
        free(w->resume);
    }
    free(l->works);
    l->works = NULL;
    l->work_count = 0;
}

/* ---- graphs in tasks ---------------------------------------------------- */

/* "a:id|b:id" as "a|b": a memory that is the same in every task. */
static void strip_ids(char *ns)
{
    char *to = ns;
    bool in_id = false;
    for (const char *p = ns; *p != '\0'; p++) {
        in_id = *p == '|' ? false : in_id || *p == ':';
        if (!in_id) {
            *to++ = *p;
        }
    }
    *to = '\0';
}

static char *nested_namespace(struct work *w, const struct graph *child)
{
    char *ns = NULL;
    if (w->calls == 0) {
        must(asprintf(&ns, "%s", w->task->ns) >= 0);
    } else {
        must(asprintf(&ns, "%s|%u", w->task->ns, w->calls) >= 0);
    }
    w->calls++;
    if (child->memory == LEAT_MEMORY_OWN) {
        strip_ids(ns);
    }
    return ns;
}

static struct event_run *start_nested(struct work *w,
                                      const struct graph *child,
                                      leat_view input)
{
    struct run *r = w->loop->run;
    if (w->event == NULL) {
        return NULL;
    }
    struct event_spec spec = {
        .kind = "chain",
        .name = w->task->node->child != NULL ? w->task->node->name
                                             : child->name,
        .parent = w->event,
        .tags = leat_value_of(leat_get(r->req->config, "tags")),
        .metadata = leat_hold(graph_talk_base(w)),
        .input = leat_value_of(input),
    };
    return graph_event_start(r, &spec);
}

/* How the nested loop ended becomes why the node has to stop. */
static leat_value *take_end(struct leat_context *ctx, struct loop *l)
{
    switch (l->end) {
    case LOOP_DONE:
        return graph_step_output(l);
    case LOOP_INTERRUPTED:
        ctx->stop = CONTEXT_INTERRUPTED;
        ctx->interrupts = leat_hold(l->interrupts);
        break;
    case LOOP_FAILED:
        ctx->stop = CONTEXT_FAILED;
        graph_fault_move(&ctx->fault, &l->fault);
        break;
    case LOOP_PARENT:
        ctx->stop = CONTEXT_PARENT;
        ctx->command = leat_hold(l->command);
        break;
    case LOOP_CANCELLED:
        ctx->stop = CONTEXT_CANCELLED;
        break;
    }
    return NULL;
}

leat_value *graph_work_nested(struct leat_context *ctx,
                              const struct graph *child, leat_view input)
{
    struct work *w = ctx->work;
    must(w != NULL && ctx->stop == CONTEXT_GOES);
    char *ns = nested_namespace(w, child);
    struct event_run *event = start_nested(w, child, input);
    struct loop l;
    const struct loop_spec spec = {
        .run = w->loop->run,
        .caller = w,
        .graph = child,
        .ns = ns,
        .input = input,
        .event = event,
    };
    graph_step_run(&l, &spec);
    leat_value *output = take_end(ctx, &l);
    graph_event_end(&event, output);
    graph_step_fini(&l);
    free(ns);
    return output;
}
