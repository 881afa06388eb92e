/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/model.c: a chat model's answer while it comes in (leat_model_*), and
 * the public constructors of messages. Pieces go to the readers of `messages`
 * and `events` at once; what they add up to is the message at the end.
 */
#include "common/id.h"
#include "worker/graph/context.h"
#include "worker/graph/events.h"
#include "worker/graph/message.h"
#include "worker/graph/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_MAGIC LEAT_MAGIC(0x0de10001)

struct leat_model {
    uint32_t magic;
    leat_context *ctx;
    char *id;             /* of the message and all its pieces */
    bool streams;         /* pieces are shown */
    bool shows_whole;     /* instead of pieces, once at the end */
    leat_value *metadata; /* NULL while nobody listens */
    leat_value *sum;      /* of the pieces so far; NULL: none yet */
    struct event_run *event;
};

/* ---- messages ----------------------------------------------------------- */

leat_value *leat_human_message(const char *content)
{
    return graph_message_text(GRAPH_MESSAGE_HUMAN, content);
}

leat_value *leat_ai_message(const char *content)
{
    return graph_message_text(GRAPH_MESSAGE_AI, content);
}

leat_value *leat_system_message(const char *content)
{
    return graph_message_text(GRAPH_MESSAGE_SYSTEM, content);
}

leat_value *leat_tool_message(const char *content, const char *tool_call_id,
                              const char *name)
{
    return graph_message_tool(content, tool_call_id, name);
}

leat_value *leat_remove_message(const char *id)
{
    return graph_message_remove(id);
}

leat_value *leat_message_from(leat_value *fields)
{
    leat_value *out = graph_message_from(leat_view_of(fields));
    leat_drop(fields);
    return out;
}

/* ---- beginning ---------------------------------------------------------- */

static bool has_tag(const char *const *tags, const char *tag)
{
    for (; tags != NULL && *tags != NULL; tags++) {
        if (strcmp(*tags, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* The run's tags and the model's own. */
static leat_value *join_tags(leat_context *ctx, const char *const *own)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_view given = leat_get(ctx->req->config, "tags");
    for (leat_iter it = leat_iter_of(given); leat_next(&it);) {
        leat_write_view(w, it.item);
    }
    for (; own != NULL && *own != NULL; own++) {
        leat_write_string(w, *own);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *asked_messages(leat_view messages)
{
    leat_value *list = leat_value_of(messages);
    if (leat_type_of(messages) != LEAT_LIST) {
        list = leat_new_list(list != NULL ? 1 : 0, &list);
    }
    leat_value *batch = leat_new_list(1, &list);
    const char *key = "messages";
    return leat_new_object(1, &key, &batch);
}

static void start_event(leat_model *m, const struct leat_model_spec *spec,
                        const char *run_id, const leat_value *tags)
{
    struct work *w = m->ctx->work;
    if (w == NULL || w->event == NULL) {
        return;
    }
    struct event_spec s = {
        .kind = "chat_model",
        .name = spec->name != NULL ? spec->name : "ChatModel",
        .id = run_id,
        .parent = w->event,
        .tags = leat_hold(tags),
        .metadata = leat_hold(m->metadata),
        .input = asked_messages(spec->messages),
    };
    m->event = graph_event_start(w->loop->run, &s);
}

static bool is_listened_to(const leat_model *m)
{
    struct work *w = m->ctx->work;
    return w != NULL &&
           (w->event != NULL ||
            graph_stream_wants(w->loop, GRAPH_MODE_MESSAGES |
                                            GRAPH_MODE_MESSAGE_ENDS));
}

leat_model *leat_model_begin(leat_context *ctx,
                             const struct leat_model_spec *spec)
{
    must(ctx != NULL && spec != NULL);
    struct id run = id_uuid4();
    leat_model *m = base_zalloc(sizeof *m);
    m->magic = MODEL_MAGIC;
    m->ctx = ctx;
    bool hidden = has_tag(spec->tags, "nostream") ||
                  has_tag(spec->tags, "langsmith:nostream");
    m->streams = !spec->no_stream && !hidden;
    m->shows_whole = spec->no_stream && !hidden;
    if (spec->id != NULL) {
        m->id = base_strdup(spec->id);
    } else {
        must(asprintf(&m->id, "lc_run--%s", ID_TEXT(&run)) >= 0);
    }
    if (is_listened_to(m)) {
        leat_value *tags = join_tags(ctx, spec->tags);
        const struct talk_model talk = {
            .provider = spec->provider,
            .model = spec->model,
            .tags = leat_view_of(tags),
        };
        m->metadata = graph_talk_metadata(ctx->work, &talk);
        start_event(m, spec, ID_TEXT(&run), tags);
        leat_drop(tags);
    }
    return m;
}

/* ---- pieces ------------------------------------------------------------- */

static void add(leat_model *m, const leat_value *chunk)
{
    leat_value *sum = m->sum == NULL
                          ? leat_hold(chunk)
                          : graph_message_add_chunk(leat_view_of(m->sum),
                                                    leat_view_of(chunk));
    leat_drop(m->sum);
    m->sum = sum;
}

static bool put_piece(leat_model *m, struct graph_message_piece *piece)
{
    check_magic(m, MODEL_MAGIC);
    piece->id = m->id;
    leat_value *chunk = graph_message_chunk(piece);
    add(m, chunk);
    if (m->streams && m->metadata != NULL) {
        const struct talk_piece p = {
            .id = m->id,
            .message = chunk,
            .metadata = m->metadata,
        };
        graph_talk_put(m->ctx->work, &p);
    }
    if (m->streams || !m->shows_whole) {
        graph_event_piece(m->event, chunk);
    }
    leat_drop(chunk);
    return !leat_cancelled(m->ctx);
}

bool leat_model_text(leat_model *m, const char *text, size_t len)
{
    must(text != NULL || len == 0);
    struct graph_message_piece piece = {
        .content = {.ptr = text != NULL ? text : "", .len = len},
    };
    return put_piece(m, &piece);
}

bool leat_model_tool_call(leat_model *m, int index, const char *id,
                          const char *name, const char *args)
{
    struct graph_message_piece piece = {
        .has_tool_call = true,
        .index = index,
        .call_id = id,
        .name = name,
        .args = args,
    };
    return put_piece(m, &piece);
}

bool leat_model_usage(leat_model *m, int64_t input_tokens,
                      int64_t output_tokens)
{
    struct graph_message_piece piece = {
        .has_usage = true,
        .input_tokens = input_tokens,
        .output_tokens = output_tokens,
    };
    return put_piece(m, &piece);
}

/* ---- the end ------------------------------------------------------------ */

static void show_whole(leat_model *m, const leat_value *message)
{
    const struct talk_piece p = {
        .id = m->id,
        .message = message,
        .metadata = m->metadata,
        .final = true,
        .once = m->shows_whole,
        .ends = m->streams,
    };
    if (m->metadata != NULL && (m->streams || m->shows_whole)) {
        graph_talk_put(m->ctx->work, &p);
    }
}

void leat_model_drop(leat_model *m)
{
    check_magic(m, MODEL_MAGIC);
    graph_event_end(&m->event, NULL);
    leat_drop(m->sum);
    leat_drop(m->metadata);
    free(m->id);
    m->magic = 0;
    free(m);
}

leat_value *leat_model_end(leat_model *m)
{
    check_magic(m, MODEL_MAGIC);
    if (m->sum == NULL) {
        struct graph_message_piece nothing = {.id = m->id};
        m->sum = graph_message_chunk(&nothing);
    }
    leat_value *message = graph_message_from_chunk(leat_view_of(m->sum));
    show_whole(m, message);
    graph_event_end(&m->event, message);
    leat_model_drop(m);
    return message;
}
