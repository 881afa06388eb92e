/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/talk.c: the `messages` mode: pieces of models' answers and messages
 * in nodes' outputs, each once, with the metadata that says where they come
 * from (spec/streaming.md 3.7 and 4).
 */
#include "common/value.h"
#include "worker/graph/message.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- ids already streamed ----------------------------------------------- */

static uint64_t hash_of(const char *id)
{
    uint64_t h = UINT64_C(1469598103934665603);
    for (; *id != '\0'; id++) {
        h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
    }
    return h;
}

static size_t place_of(char *const *at, size_t room, const char *id)
{
    size_t i = (size_t)hash_of(id) & (room - 1);
    while (at[i] != NULL && strcmp(at[i], id) != 0) {
        i = (i + 1) & (room - 1);
    }
    return i;
}

bool graph_id_set_has(const struct id_set *s, const char *id)
{
    return s->room > 0 && s->at[place_of(s->at, s->room, id)] != NULL;
}

static void grow(struct id_set *s)
{
    size_t room = s->room > 0 ? s->room * 2 : 16;
    char **at = base_zalloc(room * sizeof *at);
    for (size_t i = 0; i < s->room; i++) {
        if (s->at[i] != NULL) {
            at[place_of(at, room, s->at[i])] = s->at[i];
        }
    }
    free(s->at);
    s->at = at;
    s->room = room;
}

void graph_id_set_add(struct id_set *s, const char *id)
{
    if (graph_id_set_has(s, id)) {
        return;
    }
    if ((s->count + 1) * 4 > s->room * 3) {
        grow(s);
    }
    s->at[place_of(s->at, s->room, id)] = base_strdup(id);
    s->count++;
}

void graph_id_set_fini(struct id_set *s)
{
    for (size_t i = 0; i < s->room; i++) {
        free(s->at[i]);
    }
    free(s->at);
    *s = (struct id_set){0};
}

/* ---- metadata ----------------------------------------------------------- */

static void write_pairs(leat_writer *w, leat_view object)
{
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
}

static void write_text(leat_writer *w, const char *key, const char *text)
{
    if (text != NULL) {
        leat_write_key(w, key);
        leat_write_string(w, text);
    }
}

static void write_place(leat_writer *w, const struct work *work)
{
    const struct task *t = work->task;
    leat_value *path = graph_task_path(t);
    leat_write_key(w, "langgraph_step");
    leat_write_int(w, work->loop->step);
    write_text(w, "langgraph_node", t->node->name);
    leat_write_key(w, "langgraph_triggers");
    leat_write_view(w, leat_view_of(graph_task_triggers(t)));
    leat_write_key(w, "langgraph_path");
    leat_write_view(w, leat_view_of(path));
    write_text(w, "langgraph_checkpoint_ns", t->ns);
    write_text(w, "checkpoint_ns", t->ns);
    leat_drop(path);
}

const leat_value *graph_talk_base(struct work *work)
{
    if (work->metadata == NULL) {
        leat_writer *w = leat_writer_new();
        leat_write_object(w);
        write_pairs(w, leat_view_of(work->loop->run->metadata));
        write_place(w, work);
        write_pairs(w, leat_view_of(work->task->node->metadata));
        leat_write_end(w);
        work->metadata = leat_writer_finish(&w);
    }
    return work->metadata;
}

leat_value *graph_talk_metadata(struct work *work, const struct talk_model *m)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    write_pairs(w, leat_view_of(graph_talk_base(work)));
    write_text(w, "ls_provider", m->provider);
    write_text(w, "ls_model_type", "chat");
    write_text(w, "ls_model_name", m->model);
    if (leat_count(m->tags) > 0) {
        leat_write_key(w, "tags");
        leat_write_view(w, m->tags);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
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

leat_value *graph_talk_output(struct work *w, leat_value *result)
{
    if (result == NULL || w->task->node->hidden ||
        !graph_stream_wants(w->loop, GRAPH_MODE_MESSAGES)) {
        return result;
    }
    result = graph_messages_identify(result);
    graph_run_lock(w->loop->run);
    graph_messages_scan(leat_view_of(result), show, w);
    graph_run_unlock(w->loop->run);
    return result;
}
