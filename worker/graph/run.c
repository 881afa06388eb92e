/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/run.c: one run from request to result: what its graphs share, the
 * root loop, and what the host is told at the end.
 */
#include "worker/graph/events.h"
#include "worker/graph/fields.h"
#include "worker/graph/pool.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- shared by the files ------------------------------------------------ */

void graph_run_lock(struct run *r)
{
    pthread_mutex_lock(&r->lock);
}

void graph_run_unlock(struct run *r)
{
    pthread_mutex_unlock(&r->lock);
}

bool graph_run_stopped(const struct loop *l)
{
    if (graph_cancel_get(l->run->cancel)) {
        return true;
    }
    for (; l != NULL; l = l->caller != NULL ? l->caller->loop : NULL) {
        if (atomic_load_explicit(&l->abort, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

/* ---- metadata ----------------------------------------------------------- */

/* What of `configurable` is copied into the metadata of messages. */
static const char *const copied[] = {"thread_id", "run_id", "assistant_id",
                                     "graph_id"};

static bool is_place(leat_text key)
{
    static const char *const names[] = {
        "thread_id",          "checkpoint_id",  "checkpoint_ns",
        "checkpoint_map",     "langgraph_step", "langgraph_node",
        "langgraph_triggers", "langgraph_path", "langgraph_checkpoint_ns",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (key.len == strlen(names[i]) &&
            memcmp(key.ptr, names[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

static void write_copied(leat_writer *w, const struct graph_request *req,
                         bool full)
{
    leat_view given = leat_get(req->config, "configurable");
    leat_view metadata = leat_get(req->config, "metadata");
    for (size_t i = 0; i < COUNT_OF(copied); i++) {
        leat_view v = leat_get(given, copied[i]);
        bool is_thread = strcmp(copied[i], "thread_id") == 0;
        if ((full || !is_thread) && leat_type_of(v) == LEAT_STRING &&
            leat_type_of(leat_get(metadata, copied[i])) == LEAT_MISSING) {
            leat_write_key(w, copied[i]);
            leat_write_view(w, v);
        }
    }
    if (full &&
        leat_type_of(leat_get(given, "thread_id")) == LEAT_MISSING &&
        leat_type_of(leat_get(metadata, "thread_id")) == LEAT_MISSING &&
        req->thread_id != NULL && req->thread_id[0] != '\0') {
        leat_write_key(w, "thread_id");
        leat_write_string(w, req->thread_id);
    }
}

/* Tasks show what the run was given, messages and events also who we are. */
static leat_value *base_metadata(const struct graph_request *req, bool full)
{
    leat_view metadata = leat_get(req->config, "metadata");
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    if (full &&
        leat_type_of(leat_get(metadata, "ls_integration")) == LEAT_MISSING) {
        leat_write_key(w, "ls_integration");
        leat_write_string(w, "langgraph");
    }
    for (leat_iter it = leat_iter_of(metadata); leat_next(&it);) {
        if (full || !is_place(it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    write_copied(w, req, full);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* ---- the run ------------------------------------------------------------ */

#define METADATA_MODES                                                        \
    (GRAPH_MODE_MESSAGES | GRAPH_MODE_MESSAGE_ENDS | GRAPH_MODE_EVENTS |      \
     GRAPH_MODE_TASKS | GRAPH_MODE_DEBUG)

static void init_run(struct run *r, const struct graph_request *req,
                     const struct graph_host *host)
{
    *r = (struct run){.req = req, .host = host};
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->saver_lock, NULL);
    pthread_mutex_init(&r->exit_lock, NULL);
    r->own_cancel = host->cancel == NULL;
    r->cancel = host->cancel == NULL
                    ? graph_cancel_new()
                    : (struct graph_cancel *)(uintptr_t)host->cancel;
    if (host->saver != NULL) {
        r->stored_metadata = graph_checkpoint_run_metadata(req->config);
    }
    if ((req->modes & METADATA_MODES) != 0) {
        r->metadata = base_metadata(req, true);
        r->task_metadata = base_metadata(req, false);
    }
    if (host->node_threads > 0) {
        graph_pool_limit(host->node_threads);
    }
}

static void fini_run(struct run *r)
{
    leat_drop(r->stored_metadata);
    leat_drop(r->metadata);
    leat_drop(r->task_metadata);
    leat_drop(r->resume_map);
    free(r->answered_by);
    graph_id_set_fini(&r->seen);
    graph_id_set_fini(&r->replayed);
    graph_id_set_fini(&r->visited);
    if (r->own_cancel) {
        graph_cancel_destroy(&r->cancel);
    }
    pthread_mutex_destroy(&r->exit_lock);
    pthread_mutex_destroy(&r->saver_lock);
    pthread_mutex_destroy(&r->lock);
}

static bool is_given(leat_view v)
{
    enum leat_type t = leat_type_of(v);
    return t != LEAT_MISSING && t != LEAT_NULL;
}

/* The input of the root graph; a command is tagged, so that a fresh thread's
 * `__start__` takes it as one. One reference or NULL. */
static leat_value *root_input(const struct graph_request *req,
                              bool *is_command)
{
    *is_command = false;
    if (req->continued) {
        return NULL;
    }
    if (is_given(req->command)) {
        *is_command = true;
        return leat_tagged(leat_value_of(req->command), LEAT_COMMAND);
    }
    leat_value *input = leat_value_of(req->input);
    *is_command = leat_tag_of(leat_view_of(input)) == LEAT_COMMAND;
    return input;
}

/* Questions are in the result of invoke(), not in the event of its end. */
static void end_root_event(struct run *r, const leat_value *output)
{
    leat_view v = leat_view_of(output);
    if (leat_type_of(leat_get(v, "__interrupt__")) == LEAT_MISSING) {
        graph_event_end(&r->event, output);
        return;
    }
    leat_value *shown = leat_with(v, "__interrupt__", NULL);
    graph_event_end(&r->event, shown);
    leat_drop(shown);
}

static void start_root_event(struct run *r, const struct graph *g,
                             const leat_value *input)
{
    if (!graph_event_wanted(r)) {
        return;
    }
    struct event_spec spec = {
        .kind = "chain",
        .name = g->name,
        .id = r->req->run_id,
        .tags = leat_value_of(leat_get(r->req->config, "tags")),
        .metadata = leat_hold(r->metadata),
        .input = input != NULL ? leat_hold(input) : leat_new_null(),
    };
    r->event = graph_event_start(r, &spec);
}

/* ---- the result --------------------------------------------------------- */

/* {task id: [interrupt...]} of the tasks that wait for an answer, in the order
 * of the tasks. */
static leat_value *open_interrupts(const struct loop *l)
{
    leat_value *out = leat_new_object(0, NULL, NULL);
    for (size_t i = 0; i < l->tasks.count; i++) {
        const struct task *t = &l->tasks.at[i];
        const leat_value *asked =
            graph_pendings_get(&l->pending, t->id, WRITE_INTERRUPT);
        if (asked == NULL || t->writes.count > 0) {
            continue;
        }
        leat_value *more =
            leat_with(leat_view_of(out), t->id, leat_hold(asked));
        leat_drop(out);
        out = more;
    }
    return out;
}

static leat_value *output_of(const struct loop *l)
{
    leat_value *output = graph_step_output(l);
    if (l->end == LOOP_INTERRUPTED &&
        leat_count(leat_view_of(l->interrupts)) > 0) {
        leat_value *with = leat_with(leat_view_of(output), "__interrupt__",
                                     leat_hold(l->interrupts));
        leat_drop(output);
        output = with;
    }
    return output;
}

static void set_failure(struct loop *l, struct graph_result *out)
{
    if (l->end == LOOP_PARENT) {
        graph_fault_set(&l->fault, "InvalidUpdateError",
                        "There is no parent graph");
    }
    out->status =
        l->fault.code == ERR_FENCED ? GRAPH_FENCED : GRAPH_FAILED;
    base_copy(out->error_type, sizeof out->error_type, l->fault.type);
    out->error_text =
        base_strdup(l->fault.text != NULL ? l->fault.text : "");
}

static void fill_result(struct loop *l, struct graph_result *out)
{
    switch (l->end) {
    case LOOP_DONE:
        out->status = GRAPH_DONE;
        break;
    case LOOP_INTERRUPTED:
        out->status = GRAPH_INTERRUPTED;
        break;
    case LOOP_CANCELLED:
        out->status = GRAPH_CANCELLED;
        break;
    case LOOP_FAILED:
    case LOOP_PARENT:
        set_failure(l, out);
        break;
    }
    if (out->status == GRAPH_DONE || out->status == GRAPH_INTERRUPTED) {
        out->output = output_of(l);
    }
    bool known = l->cp.step >= -1;
    out->values = known ? leat_hold(l->shown) : NULL;
    out->interrupts = open_interrupts(l);
    out->next = known && l->planned && l->tasks.count > 0;
}

void graph_run(const struct graph *g, const struct graph_request *req,
               const struct graph_host *host, struct graph_result *out)
{
    must(g != NULL && req != NULL && host != NULL && out != NULL);
    struct run r;
    struct loop l;
    bool is_command;
    *out = (struct graph_result){.status = GRAPH_FAILED};
    init_run(&r, req, host);
    leat_value *input = root_input(req, &is_command);
    start_root_event(&r, g, input);
    const struct loop_spec spec = {
        .run = &r,
        .graph = g,
        .ns = "",
        .input = leat_view_of(input),
        .is_command = is_command,
        .event = r.event,
    };
    graph_step_run(&l, &spec);
    fill_result(&l, out);
    end_root_event(&r, out->output);
    graph_step_fini(&l);
    leat_drop(input);
    fini_run(&r);
}
