/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_calls.c: the tool calls of an AI message: what models write
 * into the one list of calls that can be run and the one of those that cannot.
 */
#include "worker/graph/message_draft.h"

struct message_calls graph_message_calls_new(void)
{
    struct message_calls c = {leat_writer_new(), leat_writer_new()};
    leat_write_list(c.calls);
    leat_write_list(c.invalid);
    return c;
}

static void write_pair(leat_writer *w, const char *key, leat_view item)
{
    leat_write_key(w, key);
    leat_write_view(w, item);
}

void graph_message_calls_good(struct message_calls *c, leat_view name,
                              leat_view args, leat_view id)
{
    leat_writer *w = c->calls;
    leat_write_object(w);
    leat_write_key(w, "name");
    if (leat_type_of(name) == LEAT_STRING) {
        leat_write_view(w, name);
    } else {
        leat_write_string(w, "");
    }
    leat_write_key(w, "args");
    if (leat_type_of(args) == LEAT_OBJECT) {
        leat_write_view(w, args);
    } else {
        leat_write_object(w);
        leat_write_end(w);
    }
    write_pair(w, "id", id);
    leat_write_key(w, "type");
    leat_write_string(w, "tool_call");
    leat_write_end(w);
}

void graph_message_calls_bad(struct message_calls *c, leat_view name,
                             leat_view args, leat_view id, leat_view error)
{
    leat_writer *w = c->invalid;
    leat_write_object(w);
    write_pair(w, "name", name);
    write_pair(w, "args", args);
    write_pair(w, "id", id);
    write_pair(w, "error", error);
    leat_write_key(w, "type");
    leat_write_string(w, "invalid_tool_call");
    leat_write_end(w);
}

void graph_message_calls_finish(struct message_calls *c,
                                struct message_draft *d)
{
    leat_write_end(c->calls);
    leat_write_end(c->invalid);
    graph_message_draft_set(d, FIELD_CALLS, leat_writer_finish(&c->calls));
    graph_message_draft_set(d, FIELD_INVALID_CALLS,
                            leat_writer_finish(&c->invalid));
}

/* Arguments as models give them: an object, or its JSON text. */
static void take_call(struct message_calls *c, leat_view name, leat_view args,
                      leat_view id)
{
    leat_text text = leat_string(args);
    if (text.ptr == NULL || text.len == 0) {
        if (leat_type_of(args) == LEAT_LIST) {
            graph_message_calls_bad(c, name, args, id, leat_view_of(NULL));
        } else {
            graph_message_calls_good(c, name, args, id);
        }
        return;
    }
    leat_value *parsed = leat_from_json(text.ptr, text.len, NULL, 0);
    if (leat_type_of(leat_view_of(parsed)) == LEAT_OBJECT) {
        graph_message_calls_good(c, name, leat_view_of(parsed), id);
    } else {
        graph_message_calls_bad(c, name, args, id, leat_view_of(NULL));
    }
    leat_drop(parsed);
}

static void take_calls(struct message_calls *c, leat_view calls)
{
    for (leat_iter it = leat_iter_of(calls); leat_next(&it);) {
        leat_view call = it.item;
        leat_view function = leat_get(call, "function");
        leat_view id = leat_get(call, "id");
        if (leat_type_of(function) == LEAT_OBJECT) {
            take_call(c, leat_get(function, "name"),
                      leat_get(function, "arguments"), id);
        } else if (leat_type_of(call) == LEAT_OBJECT) {
            take_call(c, leat_get(call, "name"), leat_get(call, "args"), id);
        }
    }
}

void graph_message_calls_draft(struct message_draft *d)
{
    leat_view calls = d->fields[FIELD_CALLS];
    leat_view invalid = d->fields[FIELD_INVALID_CALLS];
    if (!leat_true(calls) && !leat_true(invalid)) {
        /* Where OpenAI's answers have them. */
        calls = leat_get(d->fields[FIELD_EXTRA], "tool_calls");
    }
    if (leat_count(calls) == 0 && leat_count(invalid) == 0) {
        d->fields[FIELD_CALLS] = leat_view_of(NULL);
        d->fields[FIELD_INVALID_CALLS] = leat_view_of(NULL);
        return; /* most messages */
    }
    struct message_calls c = graph_message_calls_new();
    for (leat_iter it = leat_iter_of(invalid); leat_next(&it);) {
        graph_message_calls_bad(&c, leat_get(it.item, "name"),
                                leat_get(it.item, "args"),
                                leat_get(it.item, "id"),
                                leat_get(it.item, "error"));
    }
    if (leat_type_of(calls) == LEAT_LIST) {
        take_calls(&c, calls);
    }
    graph_message_calls_finish(&c, d);
}
