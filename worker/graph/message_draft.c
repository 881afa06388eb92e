/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_draft.c: the fields of a message. Owns which type has which,
 * in what order they are written and what they are when unset.
 */
#include "worker/graph/message_draft.h"

#include <string.h>

enum {
    M_HUMAN = 1 << GRAPH_MESSAGE_HUMAN,
    M_AI = 1 << GRAPH_MESSAGE_AI,
    M_SYSTEM = 1 << GRAPH_MESSAGE_SYSTEM,
    M_TOOL = 1 << GRAPH_MESSAGE_TOOL,
    M_FUNCTION = 1 << GRAPH_MESSAGE_FUNCTION,
    M_REMOVE = 1 << GRAPH_MESSAGE_REMOVE,
    M_CHUNK = 1 << GRAPH_MESSAGE_CHUNK,
    M_ALL = M_HUMAN | M_AI | M_SYSTEM | M_TOOL | M_FUNCTION | M_REMOVE |
            M_CHUNK,
};

enum unset {
    UNSET_NULL,
    UNSET_TEXT,
    UNSET_OBJECT,
    UNSET_LIST,
    UNSET_FALSE,
    UNSET_SUCCESS,
    UNSET_TYPE,
};

static const struct {
    const char *key;
    size_t len;
    enum unset unset;
    unsigned kinds;
} field_table[FIELD_COUNT] = {
#define FIELD(name, key, unset, kinds) {key, sizeof(key) - 1, unset, kinds},
#include "worker/graph/message.tbl.h"
#undef FIELD
};

static const struct {
    const char *name;
    enum graph_message_kind kind;
} type_table[] = {
    /* The first of a kind is how it is written. */
    {"human", GRAPH_MESSAGE_HUMAN},
    {"ai", GRAPH_MESSAGE_AI},
    {"system", GRAPH_MESSAGE_SYSTEM},
    {"tool", GRAPH_MESSAGE_TOOL},
    {"function", GRAPH_MESSAGE_FUNCTION},
    {"remove", GRAPH_MESSAGE_REMOVE},
    {"AIMessageChunk", GRAPH_MESSAGE_CHUNK},
    {"user", GRAPH_MESSAGE_HUMAN},
    {"assistant", GRAPH_MESSAGE_AI},
    {"developer", GRAPH_MESSAGE_SYSTEM},
};

enum graph_message_kind graph_message_draft_kind(leat_view type)
{
    for (size_t i = 0; i < COUNT_OF(type_table); i++) {
        if (leat_is(type, type_table[i].name)) {
            return type_table[i].kind;
        }
    }
    return GRAPH_MESSAGE_NONE;
}

static const char *type_of_kind(enum graph_message_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(type_table); i++) {
        if (type_table[i].kind == kind) {
            return type_table[i].name;
        }
    }
    return "";
}

static bool key_is(leat_text key, int field)
{
    return key.len == field_table[field].len &&
           memcmp(key.ptr, field_table[field].key, key.len) == 0;
}

bool graph_message_draft_is_set(leat_view v)
{
    enum leat_type type = leat_type_of(v);
    return type != LEAT_MISSING && type != LEAT_NULL;
}

bool graph_message_draft_complete(leat_view v)
{
    enum graph_message_kind kind = graph_message_kind(v);
    bool chunk = leat_tag_of(v) == LEAT_CHUNK;
    if (kind == GRAPH_MESSAGE_NONE || chunk != (kind == GRAPH_MESSAGE_CHUNK)) {
        return false;
    }
    size_t count = 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        count += (field_table[i].kinds >> kind) & 1u;
    }
    return leat_count(v) == count;
}

/* FIELD_COUNT: no message has this key. */
static int field_of(leat_text key)
{
    int i = 0;
    while (i < FIELD_COUNT && !key_is(key, i)) {
        i++;
    }
    return i;
}

struct message_draft graph_message_draft_of(enum graph_message_kind kind,
                                            leat_view object)
{
    struct message_draft d = {.kind = kind};
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        int field = field_of(it.key);
        if (field == FIELD_COUNT) {
            d.others = true;
        } else {
            d.fields[field] = graph_message_draft_is_set(it.item)
                                  ? it.item
                                  : leat_view_of(NULL);
        }
    }
    return d;
}

void graph_message_draft_set(struct message_draft *d,
                             enum message_field field, leat_value *value)
{
    must(d != NULL && field < FIELD_COUNT);
    leat_drop(d->owned[field]);
    d->owned[field] = value;
    d->fields[field] = leat_view_of(value);
}

void graph_message_draft_fini(struct message_draft *d)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        leat_drop(d->owned[i]);
        d->owned[i] = NULL;
    }
}

static void write_unset(leat_writer *w, enum unset unset,
                        enum graph_message_kind kind)
{
    switch (unset) {
    case UNSET_TEXT:
        leat_write_string(w, "");
        break;
    case UNSET_OBJECT:
        leat_write_object(w);
        leat_write_end(w);
        break;
    case UNSET_LIST:
        leat_write_list(w);
        leat_write_end(w);
        break;
    case UNSET_FALSE:
        leat_write_bool(w, false);
        break;
    case UNSET_SUCCESS:
        leat_write_string(w, "success");
        break;
    case UNSET_TYPE:
        leat_write_string(w, type_of_kind(kind));
        break;
    default:
        leat_write_null(w);
        break;
    }
}

leat_value *graph_message_draft_finish(struct message_draft *d)
{
    must(d != NULL && d->kind != GRAPH_MESSAGE_NONE);
    leat_writer *w = leat_writer_new();
    bool chunk = d->kind == GRAPH_MESSAGE_CHUNK;
    leat_write_tagged(w, chunk ? LEAT_CHUNK : LEAT_MESSAGE);
    d->fields[FIELD_TYPE] = leat_view_of(NULL);
    for (int i = 0; i < FIELD_COUNT; i++) {
        if ((field_table[i].kinds & 1u << d->kind) == 0) {
            continue;
        }
        leat_write_key(w, field_table[i].key);
        if (graph_message_draft_is_set(d->fields[i])) {
            leat_write_view(w, d->fields[i]);
        } else {
            write_unset(w, field_table[i].unset, d->kind);
        }
    }
    leat_write_end(w);
    graph_message_draft_fini(d);
    return leat_writer_finish(&w);
}

bool graph_message_draft_knows(leat_text key, const char *type_key)
{
    int field = field_of(key);
    if (field == FIELD_TYPE || field == FIELD_COUNT) {
        return key.len == strlen(type_key) &&
               memcmp(key.ptr, type_key, key.len) == 0;
    }
    return true;
}
