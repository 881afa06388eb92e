/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/talk.c: the `messages` mode: pieces of models' answers and messages
 * in nodes' outputs, each once, with the metadata that says where they come
 * from (spec/streaming.md 3.7 and 4).
 */
#include "common/value.h"
#include "worker/graph/fields.h"
#include "worker/graph/message.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- metadata ----------------------------------------------------------- */

leat_value *graph_talk_merge(leat_view base, leat_view over)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(base); leat_next(&it);) {
        leat_view again = leat_get_n(over, it.key.ptr, it.key.len);
        if (leat_type_of(again) == LEAT_MISSING) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    for (leat_iter it = leat_iter_of(over); leat_next(&it);) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* Merges `over` into `base`; takes both. */
static leat_value *merge(leat_value *base, leat_value *over)
{
    leat_value *out = graph_talk_merge(leat_view_of(base), leat_view_of(over));
    leat_drop(base);
    leat_drop(over);
    return out;
}

static leat_value *task_place(const struct work *work)
{
    const struct task *t = work->task;
    struct fields f = {0};
    graph_fields_add(&f, "langgraph_step", leat_new_int(work->loop->step));
    graph_fields_text(&f, "langgraph_node", t->node->name);
    graph_fields_add(&f, "langgraph_triggers",
                     leat_hold(graph_task_triggers(t)));
    graph_fields_add(&f, "langgraph_path", graph_task_path(t));
    graph_fields_text(&f, "langgraph_checkpoint_ns", t->ns);
    graph_fields_text(&f, "checkpoint_ns", t->ns);
    return graph_fields_object(&f);
}

leat_value *graph_talk_inherit(const struct loop *l, const leat_value *base)
{
    const struct work *around[GRAPH_DEPTH_MAX];
    size_t n = 0;
    for (const struct work *w = l->caller; w != NULL; w = w->loop->caller) {
        must(n < GRAPH_DEPTH_MAX);
        around[n++] = w;
    }
    leat_value *v = leat_hold(base);
    while (n > 0) {
        v = merge(v, leat_hold(around[--n]->task->node->metadata));
    }
    return v;
}

const leat_value *graph_talk_base(struct work *work)
{
    if (work->metadata == NULL) {
        leat_value *v = graph_talk_inherit(work->loop,
                                           work->loop->run->metadata);
        v = merge(v, task_place(work));
        work->metadata =
            merge(v, leat_hold(work->task->node->metadata));
    }
    return work->metadata;
}

leat_value *graph_talk_metadata(struct work *work, const struct talk_model *m)
{
    struct fields f = {0};
    graph_fields_text(&f, "ls_integration", "langchain_chat_model");
    if (m->provider != NULL) {
        graph_fields_text(&f, "ls_provider", m->provider);
    }
    graph_fields_text(&f, "ls_model_type", "chat");
    if (m->model != NULL) {
        graph_fields_text(&f, "ls_model_name", m->model);
    }
    if (leat_count(m->tags) > 0) {
        graph_fields_add(&f, "tags", leat_value_of(m->tags));
    }
    return merge(leat_hold(graph_talk_base(work)), graph_fields_object(&f));
}

/* ---- emitting ----------------------------------------------------------- */

static void put(struct loop *l, enum graph_mode mode,
                const leat_value *message, const leat_value *metadata,
                bool final)
{
    leat_value *pair[2] = {leat_hold(message), leat_hold(metadata)};
    leat_value *payload = leat_new_list(2, pair);
    const struct graph_event ev = {
        .mode = mode,
        .ns = l->ns,
        .payload = payload,
        .message_final = final,
    };
    l->run->host->emit(l->run->host->arg, &ev);
    leat_drop(payload);
}

void graph_talk_put(struct work *w, const struct talk_piece *p)
{
    struct loop *l = w->loop;
    enum graph_mode mode =
        p->ends ? GRAPH_MODE_MESSAGE_ENDS : GRAPH_MODE_MESSAGES;
    if (!graph_stream_wants(l, mode)) {
        return;
    }
    graph_run_lock(l->run);
    bool again = p->once && p->id != NULL &&
                 graph_id_set_has(&l->run->seen, p->id);
    if (!again) {
        put(l, mode, p->message, p->metadata, p->final);
    }
    if (p->id != NULL) {
        graph_id_set_add(&l->run->seen, p->id);
    }
    graph_run_unlock(l->run);
}

/* ---- inputs and outputs of nodes ---------------------------------------- */

static void know(void *run, leat_view message)
{
    struct run *r = run;
    char *id = value_strdup(leat_get(message, "id"));
    if (id != NULL) {
        graph_id_set_add(&r->seen, id);
        free(id);
    }
}

void graph_talk_input(struct work *w)
{
    struct run *r = w->loop->run;
    if (!w->task->node->hidden &&
        graph_stream_wants(w->loop, GRAPH_MODE_MESSAGES)) {
        graph_run_lock(r);
        graph_messages_scan(leat_view_of(w->task->input), know, r);
        graph_run_unlock(r);
    }
}

static void show(void *work, leat_view message)
{
    struct work *w = work;
    struct run *r = w->loop->run;
    char *id = value_strdup(leat_get(message, "id"));
    if (id == NULL || !graph_id_set_has(&r->seen, id)) {
        leat_value *v = leat_value_of(message);
        put(w->loop, GRAPH_MODE_MESSAGES, v, graph_talk_base(w), true);
        leat_drop(v);
    }
    if (id != NULL) {
        graph_id_set_add(&r->seen, id);
        free(id);
    }
}

static bool is_silent(const struct work *w, const leat_value *result)
{
    return result == NULL || w->task->node->hidden ||
           !graph_stream_wants(w->loop, GRAPH_MODE_MESSAGES);
}

leat_value *graph_talk_identify(const struct work *w, leat_value *result)
{
    return is_silent(w, result) ? result : graph_messages_identify(result);
}

void graph_talk_output(struct work *w, const leat_value *result)
{
    if (is_silent(w, result)) {
        return;
    }
    graph_run_lock(w->loop->run);
    graph_messages_scan(leat_view_of(result), show, w);
    graph_run_unlock(w->loop->run);
}
