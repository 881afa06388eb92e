/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/context.c: the public calls that a node makes while it runs: errors,
 * questions, waits, routing values, what the run was started with, graphs and
 * items. A node that has to stop is told once and found out again after it
 * returned (ctx->stop).
 */
#include "worker/graph/context.h"
#include "common/buf.h"
#include "worker/graph/events.h"
#include "worker/graph/fields.h"
#include "worker/graph/pool.h"
#include "worker/graph/interrupt.h"
#include "worker/graph/stream.h"
#include "worker/graph/turn.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT_MAGIC LEAT_MAGIC(0x0c7c0001)

/* ---- making one --------------------------------------------------------- */

void graph_context_init(struct leat_context *ctx, struct work *w)
{
    *ctx = (struct leat_context){
        .magic = CONTEXT_MAGIC,
        .work = w,
        .req = w->loop->run->req,
        .host = w->loop->run->host,
        .node = w->task->node->name,
        .data = w->task->node->data,
    };
}

void graph_context_fini(struct leat_context *ctx)
{
    graph_fault_fini(&ctx->fault);
    leat_drop(ctx->interrupts);
    leat_drop(ctx->command);
    ctx->magic = 0;
}

leat_context *graph_context_detached(const struct graph_request *req,
                                     const struct graph_host *host)
{
    leat_context *ctx = base_zalloc(sizeof *ctx);
    ctx->magic = CONTEXT_MAGIC;
    ctx->req = req;
    ctx->host = host;
    ctx->node = "";
    return ctx;
}

void graph_context_destroy(leat_context **ctx)
{
    if (*ctx != NULL) {
        check_magic(*ctx, CONTEXT_MAGIC);
        graph_context_fini(*ctx);
        free(*ctx);
        *ctx = NULL;
    }
}

void graph_context_set_data(leat_context *ctx, void *data, const char *node)
{
    check_magic(ctx, CONTEXT_MAGIC);
    ctx->data = data;
    ctx->node = node;
}

int graph_context_steps_left(const leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    const struct loop *l = ctx->work != NULL ? ctx->work->loop : NULL;
    return l != NULL ? l->stop - l->step : 0;
}

bool graph_context_stopped(const leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->stop != CONTEXT_GOES;
}

enum task_end graph_context_end(leat_context *ctx, struct fault *f)
{
    check_magic(ctx, CONTEXT_MAGIC);
    switch (ctx->stop) {
    case CONTEXT_FAILED:
        graph_fault_move(f, &ctx->fault);
        return TASK_FAILED;
    case CONTEXT_INTERRUPTED:
        return TASK_INTERRUPTED;
    case CONTEXT_CANCELLED:
        return TASK_CANCELLED;
    case CONTEXT_GOES:
    case CONTEXT_PARENT:
        break;
    }
    return TASK_DONE;
}

/* The first reason counts. */
static void stop(leat_context *ctx, enum context_stop why)
{
    if (ctx->stop == CONTEXT_GOES) {
        ctx->stop = why;
    }
}

/* ---- routes ------------------------------------------------------------- */

struct event_run *graph_context_chain(leat_context *ctx, const char *name,
                                      struct event_run *parent, leat_view input)
{
    struct work *w = ctx->work;
    if (w == NULL || w->event == NULL) {
        return NULL;
    }
    struct event_spec spec = {
        .kind = "chain",
        .name = name,
        .parent = parent != NULL ? parent : w->event,
        .tags = leat_value_of(leat_get(ctx->req->config, "tags")),
        .metadata = leat_hold(graph_talk_base(w)),
        .input = leat_value_of(input),
    };
    return graph_event_start(w->loop->run, &spec);
}

leat_value *graph_context_route(leat_context *ctx,
                                const struct graph_branch *branch,
                                leat_view state)
{
    check_magic(ctx, CONTEXT_MAGIC);
    void *data = ctx->data;
    struct event_run *event = graph_context_chain(ctx, branch->name, NULL, state);
    bool tell = ctx->work != NULL && ctx->host->busy != NULL;
    ctx->data = branch->data;
    if (tell) {
        ctx->host->busy(ctx->host->arg, true);
    }
    leat_value *route = branch->route(ctx, state);
    if (tell) {
        ctx->host->busy(ctx->host->arg, false);
    }
    ctx->data = data;
    graph_event_end(&event, route);
    return route;
}

/* ---- errors and questions ----------------------------------------------- */

leat_value *leat_fail(leat_context *ctx, const char *type, const char *format,
                      ...)
{
    check_magic(ctx, CONTEXT_MAGIC);
    va_list ap;
    va_start(ap, format);
    if (ctx->stop == CONTEXT_GOES) {
        graph_fault_setv(&ctx->fault, type, format, ap);
        ctx->stop = CONTEXT_FAILED;
    }
    va_end(ap);
    return NULL;
}

/* An answer that was given to the run and not to one task: here or, if this
 * graph is nested, in a graph around it. The first to ask takes it. */
static leat_value *take_null_answer(struct work *w, struct fault *f)
{
    leat_value *answer = NULL, *mark = NULL;
    struct run *r = w->loop->run;
    struct loop *from = NULL;
    graph_run_lock(r);
    struct loop *l = graph_again_may_take(w) ? w->loop : NULL;
    for (; answer == NULL && l != NULL;
         l = l->caller != NULL ? l->caller->loop : NULL) {
        answer = leat_hold(
            graph_pendings_get(&l->pending, GRAPH_NULL_TASK, WRITE_RESUME));
        from = l;
    }
    if (answer != NULL) {
        mark = graph_again_answer(w, from);
        graph_pendings_drop(&from->pending, GRAPH_NULL_TASK, WRITE_RESUME);
    }
    graph_run_unlock(r);
    if (mark != NULL && !graph_save_mark(from, GRAPH_NULL_TASK, mark, f)) {
        leat_drop(answer);
        answer = NULL;
    }
    leat_drop(mark);
    return answer;
}

/* The answer to the next question of this node, if there is one. */
static bool next_answer(leat_context *ctx, leat_view *answer)
{
    struct work *w = ctx->work;
    size_t asked = w->asked++;
    if (asked >= w->resume_count) {
        leat_value *given = take_null_answer(w, &ctx->fault);
        if (given == NULL) {
            return false;
        }
        w->resume = base_realloc(w->resume, (w->resume_count + 1) *
                                                sizeof *w->resume);
        w->resume[w->resume_count++] = given;
    }
    w->answered++;
    if (answer != NULL) {
        *answer = leat_view_of(w->resume[asked]);
    }
    return true;
}

static void ask(leat_context *ctx, leat_value *question)
{
    char id[33];
    struct fields f = {0};
    graph_interrupt_id(ctx->work->task->ns, id);
    graph_fields_add(&f, "value",
                     question != NULL ? question : leat_new_null());
    graph_fields_text(&f, "id", id);
    leat_value *item = graph_fields_object(&f);
    ctx->interrupts = leat_new_list(1, &item);
    stop(ctx, CONTEXT_INTERRUPTED);
}

bool leat_interrupt(leat_context *ctx, leat_value *question,
                    leat_view *answer)
{
    check_magic(ctx, CONTEXT_MAGIC);
    if (ctx->stop != CONTEXT_GOES || !graph_turn_wait(ctx)) {
        leat_drop(question);
        return false;
    }
    if (ctx->work == NULL || ctx->host->saver == NULL) {
        leat_drop(question);
        leat_fail(ctx, "GraphValueError",
                  "No checkpointer set\nFor troubleshooting, visit: "
                  GRAPH_DOCS "errors/MISSING_CHECKPOINTER");
        return false;
    }
    if (next_answer(ctx, answer)) {
        leat_drop(question);
        return true;
    }
    if (graph_fault_is(&ctx->fault)) {
        leat_drop(question);
        stop(ctx, CONTEXT_FAILED);
        return false;
    }
    ask(ctx, question);
    return false;
}

void leat_emit(leat_context *ctx, leat_value *payload)
{
    check_magic(ctx, CONTEXT_MAGIC);
    if (ctx->work != NULL) {
        struct loop *l = ctx->work->loop;
        leat_value *p = payload != NULL ? payload : leat_new_null();
        graph_run_lock(l->run);
        graph_stream_custom(l, p);
        graph_run_unlock(l->run);
        leat_drop(p);
        return;
    }
    leat_drop(payload);
}

/* ---- waits -------------------------------------------------------------- */

static bool work_stopped(const void *w)
{
    return graph_work_stopped(w);
}

bool leat_sleep_ms(leat_context *ctx, int64_t ms)
{
    check_magic(ctx, CONTEXT_MAGIC);
    if (ctx->work == NULL || ctx->stop != CONTEXT_GOES) {
        return ctx->stop == CONTEXT_GOES;
    }
    const struct cancel_stop s = {.stopped = work_stopped, .arg = ctx->work};
    graph_pool_waiting();
    if (graph_cancel_sleep(ctx->work->loop->run->cancel, ms, &s)) {
        return true;
    }
    stop(ctx, CONTEXT_CANCELLED);
    return false;
}

int leat_wait_fd(leat_context *ctx, int fd, short events, int64_t timeout_ms)
{
    check_magic(ctx, CONTEXT_MAGIC);
    if (ctx->work == NULL || ctx->stop != CONTEXT_GOES) {
        return -1;
    }
    const struct cancel_stop s = {.stopped = work_stopped, .arg = ctx->work};
    graph_pool_waiting();
    int n = graph_cancel_poll(ctx->work->loop->run->cancel, fd, events,
                              timeout_ms, &s);
    if (n < 0) {
        stop(ctx, CONTEXT_CANCELLED);
    }
    return n;
}

bool leat_cancelled(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    if (ctx->work != NULL && graph_work_stopped(ctx->work)) {
        stop(ctx, CONTEXT_CANCELLED);
    }
    return ctx->stop == CONTEXT_CANCELLED;
}

/* ---- routing as values -------------------------------------------------- */

leat_value *leat_send(const char *node, leat_value *arg)
{
    must(node != NULL);
    struct fields f = {0};
    graph_fields_text(&f, "node", node);
    graph_fields_add(&f, "arg", arg != NULL ? arg : leat_new_null());
    return leat_tagged(graph_fields_object(&f), LEAT_SEND);
}

leat_value *leat_command(leat_value *update, leat_value *go_to)
{
    struct fields f = {0};
    graph_fields_add(&f, "update", update);
    graph_fields_add(&f, "goto", go_to);
    return leat_tagged(graph_fields_object(&f), LEAT_COMMAND);
}

leat_value *leat_command_parent(leat_value *update, leat_value *go_to)
{
    struct fields f = {0};
    graph_fields_add(&f, "update", update);
    graph_fields_add(&f, "goto", go_to);
    graph_fields_text(&f, "graph", "__parent__");
    return leat_tagged(graph_fields_object(&f), LEAT_COMMAND);
}

leat_value *leat_overwrite(leat_value *value)
{
    return graph_field("__overwrite__",
                       value != NULL ? value : leat_new_null());
}

/* ---- what the run was started with -------------------------------------- */

leat_view leat_config(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->req->config;
}

leat_view leat_configurable(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return leat_get(ctx->req->config, "configurable");
}

leat_view leat_runtime_context(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->req->context;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

const char *leat_thread_id(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return text_or_empty(ctx->req->thread_id);
}

const char *leat_run_id(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return text_or_empty(ctx->req->run_id);
}

const char *leat_node_name(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->node;
}

void *leat_node_data(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->data;
}

int leat_attempt(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->work != NULL ? ctx->work->attempt : 1;
}

int leat_remaining_steps(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return graph_context_steps_left(ctx);
}

leat_view leat_tool_state(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return ctx->tool_state;
}

const char *leat_tool_call_id(leat_context *ctx)
{
    check_magic(ctx, CONTEXT_MAGIC);
    return text_or_empty(ctx->tool_call_id);
}

/* ---- graphs in nodes ---------------------------------------------------- */

leat_value *leat_call_graph(leat_context *ctx, const char *name,
                            leat_value *input)
{
    check_magic(ctx, CONTEXT_MAGIC);
    must(name != NULL);
    leat_value *output = NULL;
    const struct graph *child =
        ctx->work != NULL ? graph_callable_get(ctx->work->loop->graph, name)
                          : NULL;
    if (child == NULL) {
        leat_fail(ctx, "ValueError", "There is no graph '%s' to call", name);
    } else if (ctx->stop == CONTEXT_GOES && graph_turn_wait(ctx)) {
        output = graph_work_nested(ctx, child, leat_view_of(input));
    }
    leat_drop(input);
    return output;
}

/* ---- items -------------------------------------------------------------- */

static leat_value *space_value(const char *const space[])
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (; space != NULL && *space != NULL; space++) {
        leat_write_string(w, *space);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static const struct graph_items *items_of(leat_context *ctx)
{
    const struct graph_items *items = ctx->host->items;
    if (items == NULL || items->put == NULL || items->get == NULL) {
        leat_fail(ctx, "RuntimeError", "There is no store of items");
        return NULL;
    }
    return ctx->stop == CONTEXT_GOES ? items : NULL;
}

static bool item_failed(leat_context *ctx, const struct err *err)
{
    leat_fail(ctx, "StoreError", "%s", err->text);
    return false;
}

bool leat_item_put(leat_context *ctx, const char *const space[],
                   const char *key, leat_value *value)
{
    check_magic(ctx, CONTEXT_MAGIC);
    struct err err = ERR_INIT;
    const struct graph_items *items = items_of(ctx);
    bool fine = false;
    if (items != NULL) {
        leat_value *s = space_value(space);
        graph_pool_waiting();
        fine = items->put(items->self, leat_view_of(s), key, value, &err) ||
               item_failed(ctx, &err);
        leat_drop(s);
    }
    leat_drop(value);
    return fine;
}

bool leat_item_get(leat_context *ctx, const char *const space[],
                   const char *key, leat_value **value)
{
    check_magic(ctx, CONTEXT_MAGIC);
    must(value != NULL);
    *value = NULL;
    struct err err = ERR_INIT;
    const struct graph_items *items = items_of(ctx);
    if (items == NULL) {
        return false;
    }
    leat_value *s = space_value(space);
    graph_pool_waiting();
    bool fine = items->get(items->self, leat_view_of(s), key, value, &err) ||
                item_failed(ctx, &err);
    leat_drop(s);
    return fine;
}

bool leat_item_search(leat_context *ctx, const char *const space[],
                      const struct leat_item_query *how, leat_value **list)
{
    check_magic(ctx, CONTEXT_MAGIC);
    must(how != NULL && list != NULL);
    *list = NULL;
    struct err err = ERR_INIT;
    const struct graph_items *items = items_of(ctx);
    if (items == NULL) {
        return false;
    }
    if (items->search == NULL) {
        leat_fail(ctx, "RuntimeError", "Items cannot be searched here");
        return false;
    }
    leat_value *s = space_value(space);
    const struct graph_item_query q = {
        .space = leat_view_of(s),
        .filter = how->filter,
        .limit = how->limit > 0 ? how->limit : 10,
        .offset = how->offset,
    };
    graph_pool_waiting();
    bool fine = items->search(items->self, &q, list, &err) ||
                item_failed(ctx, &err);
    leat_drop(s);
    return fine;
}
