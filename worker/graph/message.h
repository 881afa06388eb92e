/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message.h: chat messages as LangGraph has them in Python. A message
 * is an object with the tag LEAT_MESSAGE (LEAT_CHUNK while it is a piece of a
 * model's answer) that has every field of its type, null when unset. Knows
 * nothing of channels, runs or events.
 *
 * Functions that return `leat_value *` give one reference; views are borrowed.
 */
#ifndef GRAPH_MESSAGE_H
#define GRAPH_MESSAGE_H

#include "common/base.h"
#include "worker/graph/fault.h"
#include <leat/value.h>

enum graph_message_kind {
    GRAPH_MESSAGE_NONE = 0, /* not a message */
    GRAPH_MESSAGE_HUMAN,
    GRAPH_MESSAGE_AI,
    GRAPH_MESSAGE_SYSTEM,
    GRAPH_MESSAGE_TOOL,
    GRAPH_MESSAGE_FUNCTION,
    GRAPH_MESSAGE_REMOVE,
    GRAPH_MESSAGE_CHUNK, /* AIMessageChunk */
};

/* In a RemoveMessage: drop all messages before it. */
#define GRAPH_MESSAGE_REMOVE_ALL "__remove_all__"

/* ---- one message (message.c) --------------------------------------------- */

/* Of a tagged message or chunk by its `type`; else NONE. */
enum graph_message_kind graph_message_kind(leat_view v);

/* A human, AI or system message without id; content NULL is "". */
leat_value *graph_message_text(enum graph_message_kind kind,
                               const char *content);
/* name may be NULL. */
leat_value *graph_message_tool(const char *content, const char *tool_call_id,
                               const char *name);
leat_value *graph_message_remove(const char *id);

/*
 * A message from what stands for one: a message (shared if it is complete), a
 * text (human), a [type, content] pair, an object with `role` or `type`, a
 * serialized constructor. On failure a ValueError or NotImplementedError with
 * the code MESSAGE_COERCION_FAILURE in its text. A chunk stays a chunk.
 */
MUST_USE bool graph_message_coerce(leat_view like, leat_value **out,
                                   struct fault *fault);
/* The same for code that has no use for the reason; NULL on failure. */
leat_value *graph_message_from(leat_view like);

/* Itself, or with a random id when it has none. Takes and gives a
 * reference; anything but a message comes back as it is. */
leat_value *graph_message_identify(leat_value *message);

/* ---- pieces of an answer (message_chunk.c) ------------------------------- */

/* What one piece brings; unset fields are left out. */
struct graph_message_piece {
    const char *id;
    leat_text content;    /* ptr NULL: none */
    bool has_tool_call;   /* the next four count */
    int index;            /* of the tool call in the answer */
    const char *call_id;  /* with its first piece, else NULL */
    const char *name;     /* the same */
    const char *args;     /* a part of the JSON text, or NULL */
    bool has_usage;       /* the next two count */
    int64_t input_tokens;
    int64_t output_tokens;
    leat_view response_metadata; /* or missing */
    bool last;            /* no piece comes after it */
};

leat_value *graph_message_chunk(const struct graph_message_piece *piece);
/* Two pieces as one; of `sum` and `chunk` either may be a whole AI message. */
leat_value *graph_message_add_chunk(leat_view sum, leat_view chunk);
/* A chunk as a whole AI message; another message as it is. */
leat_value *graph_message_from_chunk(leat_view chunk);
/* A whole AI message as the only chunk of an answer; a chunk as it is. */
leat_value *graph_message_to_chunk(leat_view message);
/*
 * Reads JSON that was cut anywhere: what is complete is taken, open texts,
 * lists and objects are closed. NULL when it is no JSON.
 */
leat_value *graph_message_partial_parse(leat_text json);

/* ---- lists of messages (messages.c) -------------------------------------- */

/*
 * The add_messages reducer: `right` merged into `left` by id. Both may be one
 * message(-like) or a list; a missing `left` is an empty list. Messages that
 * do not change are shared with `left`. On failure *out is NULL.
 */
MUST_USE bool graph_messages_add(leat_view left, leat_view right,
                                 leat_value **out, struct fault *fault);

/*
 * Calls back for each message that a node's output (or input) shows to readers
 * of the messages mode: itself, in a list, in the values of an object or in
 * lists there, and the same in updates of commands. Raw objects are not found.
 */
typedef void graph_messages_fn(void *arg, leat_view message);
void graph_messages_scan(leat_view output, graph_messages_fn *f, void *arg);
/* The same output in which each of those messages has an id. Takes and gives
 * a reference; `output` itself when all had. NULL gives NULL. */
leat_value *graph_messages_identify(leat_value *output);

#endif
