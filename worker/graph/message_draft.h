/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_draft.h: a message while its fields are being found, for the
 * message files only.
 */
#ifndef GRAPH_MESSAGE_DRAFT_H
#define GRAPH_MESSAGE_DRAFT_H

#include "worker/graph/message.h"

enum message_field {
#define FIELD(name, key, unset, kinds) FIELD_##name,
#include "worker/graph/message.tbl.h"
#undef FIELD
    FIELD_COUNT
};

struct message_draft {
    enum graph_message_kind kind;
    leat_view fields[FIELD_COUNT];   /* missing: unset */
    leat_value *owned[FIELD_COUNT];  /* dropped when the draft is finished */
    bool others;                     /* the object has keys of no field */
};

/* By the name that a `type` or `role` has, aliases too; NONE if unknown. */
enum graph_message_kind graph_message_draft_kind(leat_view type);
/* There and not null. */
bool graph_message_draft_is_set(leat_view v);
/* Tagged, and with all the fields that its type has. */
bool graph_message_draft_complete(leat_view v);
/* A key that messages have; `type_key` is where this one has its type. */
bool graph_message_draft_knows(leat_text key, const char *type_key);

/* The fields of an object that are not null, as they are. */
struct message_draft graph_message_draft_of(enum graph_message_kind kind,
                                            leat_view object);
/* Sets a field to a value, whose reference is taken. */
void graph_message_draft_set(struct message_draft *d,
                             enum message_field field, leat_value *value);
/* The tagged message; the draft is used up. */
leat_value *graph_message_draft_finish(struct message_draft *d);
/* Drops what the draft owns. */
void graph_message_draft_fini(struct message_draft *d);

/* The two lists of tool calls, being written. */
struct message_calls {
    leat_writer *calls;
    leat_writer *invalid;
};
struct message_calls graph_message_calls_new(void);
/* `args` that are no object become an empty one. */
void graph_message_calls_good(struct message_calls *c, leat_view name,
                              leat_view args, leat_view id);
void graph_message_calls_bad(struct message_calls *c, leat_view name,
                             leat_view args, leat_view id, leat_view error);
/* Settles the draft's calls: OpenAI's form becomes ours, arguments that are
 * text are parsed, those that are no object make the call an invalid one. */
void graph_message_calls_draft(struct message_draft *d);
/* Moves both lists into the draft's fields. */
void graph_message_calls_finish(struct message_calls *c,
                                struct message_draft *d);

#endif
