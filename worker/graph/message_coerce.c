/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_coerce.c: what may stand for a message, and the errors when
 * something may not. What comes out has fields of the types that readers
 * count on, whatever a client or a node put there.
 */
#include "worker/graph/message.h"

#include "worker/graph/message_draft.h"
#include <string.h>

#define COERCION_DOCS                                                          \
    "For troubleshooting, visit: https://docs.langchain.com/oss/python/"       \
    "langchain/errors/MESSAGE_COERCION_FAILURE "

/* Longest part of what could not be coerced that an error repeats. */
#define SHOWN_MAX 1000

/* Names of Python's classes, in serialized constructors. */
static const struct {
    const char *name;
    enum graph_message_kind kind;
} class_table[] = {
    {"HumanMessage", GRAPH_MESSAGE_HUMAN},
    {"HumanMessageChunk", GRAPH_MESSAGE_HUMAN},
    {"AIMessage", GRAPH_MESSAGE_AI},
    {"AIMessageChunk", GRAPH_MESSAGE_CHUNK},
    {"SystemMessage", GRAPH_MESSAGE_SYSTEM},
    {"SystemMessageChunk", GRAPH_MESSAGE_SYSTEM},
    {"ToolMessage", GRAPH_MESSAGE_TOOL},
    {"ToolMessageChunk", GRAPH_MESSAGE_TOOL},
    {"FunctionMessage", GRAPH_MESSAGE_FUNCTION},
    {"FunctionMessageChunk", GRAPH_MESSAGE_FUNCTION},
    {"RemoveMessage", GRAPH_MESSAGE_REMOVE},
};

static bool fail(struct fault *fault, const char *type, const char *what,
                 leat_view like)
{
    char *shown = leat_to_json(like);
    graph_fault_set(fault, type, "%s%.*s\n%s", what, SHOWN_MAX, shown,
                    COERCION_DOCS);
    leat_free_text(shown);
    return false;
}

static bool fail_type(struct fault *fault, leat_view type)
{
    char *shown = leat_to_json(type);
    leat_text text = leat_string(type);
    bool is_text = text.ptr != NULL;
    int len = (int)min_size(SHOWN_MAX, is_text ? text.len : strlen(shown));
    graph_fault_set(fault, "ValueError",
                    "Unexpected message type: '%.*s'. Use one of 'human', "
                    "'user', 'ai', 'assistant', 'function', 'tool', "
                    "'system', or 'developer'.\n%s",
                    len, is_text ? text.ptr : shown, COERCION_DOCS);
    leat_free_text(shown);
    return false;
}

/* Text and lists stay; what is empty is ""; tools may answer anything. */
static bool draft_content(struct message_draft *d, leat_view like,
                          struct fault *fault)
{
    leat_view content = d->fields[FIELD_CONTENT];
    enum leat_type type = leat_type_of(content);
    if (type == LEAT_STRING || (type == LEAT_LIST && leat_true(content))) {
        return true;
    }
    if (!leat_true(content)) {
        d->fields[FIELD_CONTENT] = leat_view_of(NULL);
        return true;
    }
    if (d->kind != GRAPH_MESSAGE_TOOL) {
        return fail(fault, "ValueError",
                    "Message content must be a string or a list, got ", like);
    }
    char *text = leat_to_json(content);
    graph_message_draft_set(d, FIELD_CONTENT, leat_new_string(text));
    leat_free_text(text);
    return true;
}

static void require_type(struct message_draft *d, enum message_field field,
                         enum leat_type type)
{
    if (leat_type_of(d->fields[field]) != type) {
        d->fields[field] = leat_view_of(NULL);
    }
}

/* Ids and names are text; numbers become it, anything else is unset. */
static void require_text(struct message_draft *d, enum message_field field)
{
    if (leat_type_of(d->fields[field]) == LEAT_INT) {
        char *text = leat_to_json(d->fields[field]);
        graph_message_draft_set(d, field, leat_new_string(text));
        leat_free_text(text);
    } else {
        require_type(d, field, LEAT_STRING);
    }
}

/* Sets each field to a type that readers may count on. */
static bool settle(struct message_draft *d, leat_view like,
                   struct fault *fault)
{
    require_type(d, FIELD_EXTRA, LEAT_OBJECT);
    require_type(d, FIELD_RESPONSE, LEAT_OBJECT);
    require_type(d, FIELD_USAGE, LEAT_OBJECT);
    require_type(d, FIELD_CALL_CHUNKS, LEAT_LIST);
    require_type(d, FIELD_STATUS, LEAT_STRING);
    require_text(d, FIELD_ID);
    require_text(d, FIELD_NAME);
    require_text(d, FIELD_CALL_ID);
    if (graph_message_draft_is_set(d->fields[FIELD_EXAMPLE])) {
        bool example = leat_true(d->fields[FIELD_EXAMPLE]);
        graph_message_draft_set(d, FIELD_EXAMPLE, leat_new_bool(example));
    }
    if (d->kind == GRAPH_MESSAGE_TOOL && !graph_message_draft_is_set(d->fields[FIELD_CALL_ID])) {
        return fail(fault, "ValueError",
                    "Tool messages must have a 'tool_call_id', got ", like);
    }
    if (d->kind == GRAPH_MESSAGE_REMOVE && !graph_message_draft_is_set(d->fields[FIELD_ID])) {
        return fail(fault, "ValueError",
                    "Remove messages must have an 'id', got ", like);
    }
    if (d->kind == GRAPH_MESSAGE_AI || d->kind == GRAPH_MESSAGE_CHUNK) {
        graph_message_calls_draft(d);
    }
    return draft_content(d, like, fault);
}

static bool finish(struct message_draft *d, leat_view like, leat_value **out,
                   struct fault *fault)
{
    if (!settle(d, like, fault)) {
        graph_message_draft_fini(d);
        return false;
    }
    *out = graph_message_draft_finish(d);
    return true;
}

static bool has(leat_view object, leat_text key)
{
    return leat_type_of(leat_get_n(object, key.ptr, key.len)) != LEAT_MISSING;
}

/* Keys that no message has go to additional_kwargs, before what is there. */
static void draft_extra(struct message_draft *d, leat_view object,
                        const char *type_key)
{
    leat_view given = d->fields[FIELD_EXTRA];
    bool developer = leat_is(leat_get(object, type_key), "developer");
    if (!d->others && !developer) {
        return; /* `role` is none of the fields, so both types are seen */
    }
    leat_writer *w = leat_writer_new();
    size_t added = 0;
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        if (!graph_message_draft_knows(it.key, type_key) &&
            !has(given, it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
            added++;
        }
    }
    for (leat_iter it = leat_iter_of(given);
         leat_type_of(given) == LEAT_OBJECT && leat_next(&it);) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
    if (developer) {
        leat_write_key(w, "__openai_role__");
        leat_write_string(w, "developer");
    }
    leat_write_end(w);
    if (added > 0 || developer) {
        graph_message_draft_set(d, FIELD_EXTRA, leat_writer_finish(&w));
    }
    leat_writer_destroy(&w);
}

static bool coerce_object(leat_view object, leat_value **out,
                          struct fault *fault)
{
    bool has_role = leat_type_of(leat_get(object, "role")) != LEAT_MISSING;
    const char *type_key = has_role ? "role" : "type";
    leat_view type = leat_get(object, type_key);
    enum graph_message_kind kind = graph_message_draft_kind(type);
    if (leat_type_of(type) == LEAT_MISSING ||
        (leat_type_of(leat_get(object, "content")) == LEAT_MISSING &&
         kind != GRAPH_MESSAGE_REMOVE)) {
        return fail(fault, "ValueError",
                    "Message dict must contain 'role' and 'content' keys, "
                    "got ",
                    object);
    }
    if (kind == GRAPH_MESSAGE_NONE) {
        return fail_type(fault, type);
    }
    if (kind == GRAPH_MESSAGE_CHUNK && leat_tag_of(object) != LEAT_CHUNK) {
        kind = GRAPH_MESSAGE_AI; /* a client that sends back what it heard */
    }
    struct message_draft d = graph_message_draft_of(kind, object);
    draft_extra(&d, object, type_key);
    return finish(&d, object, out, fault);
}

/* {"lc", "type": "constructor", "id": [..., class], "kwargs"} */
static bool is_constructor(leat_view object)
{
    return leat_is(leat_get(object, "type"), "constructor") &&
           leat_type_of(leat_get(object, "lc")) != LEAT_MISSING &&
           leat_type_of(leat_get(object, "id")) == LEAT_LIST;
}

static bool coerce_constructor(leat_view object, leat_value **out,
                               struct fault *fault)
{
    leat_view class = leat_at(leat_get(object, "id"), -1);
    for (size_t i = 0; i < COUNT_OF(class_table); i++) {
        if (leat_is(class, class_table[i].name)) {
            struct message_draft d = graph_message_draft_of(
                class_table[i].kind, leat_get(object, "kwargs"));
            return finish(&d, object, out, fault);
        }
    }
    return fail_type(fault, class);
}

static bool coerce_pair(leat_view pair, leat_value **out, struct fault *fault)
{
    if (leat_count(pair) != 2) {
        graph_fault_set(fault, "NotImplementedError",
                        "Message as a sequence must be (role string, "
                        "template)");
        return false;
    }
    leat_view type = leat_at(pair, 0);
    enum graph_message_kind kind = graph_message_draft_kind(type);
    if (kind == GRAPH_MESSAGE_NONE || kind == GRAPH_MESSAGE_CHUNK) {
        return fail_type(fault, type);
    }
    struct message_draft d = {.kind = kind};
    d.fields[FIELD_CONTENT] = leat_at(pair, 1);
    if (leat_is(type, "developer")) {
        graph_message_draft_set(
            &d, FIELD_EXTRA, leat_pack("{s:s}", "__openai_role__",
                                       "developer"));
    }
    return finish(&d, pair, out, fault);
}

bool graph_message_coerce(leat_view like, leat_value **out,
                          struct fault *fault)
{
    must(out != NULL && fault != NULL);
    *out = NULL;
    switch (leat_type_of(like)) {
    case LEAT_STRING: {
        struct message_draft d = {.kind = GRAPH_MESSAGE_HUMAN};
        d.fields[FIELD_CONTENT] = like;
        return finish(&d, like, out, fault);
    }
    case LEAT_LIST:
        return coerce_pair(like, out, fault);
    case LEAT_OBJECT:
        if (graph_message_draft_complete(like)) {
            *out = leat_value_of(like);
            return true;
        }
        return is_constructor(like) ? coerce_constructor(like, out, fault)
                                    : coerce_object(like, out, fault);
    default:
        return fail(fault, "NotImplementedError",
                    "Unsupported message type: ", like);
    }
}
