/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads to bytes and back, and bodies against the table. Everything here may
 * be handed any bytes at all; a wrong one is a verdict, never a crash.
 */
#include "common/wire.h"

#include <assert.h>
#include <string.h>

#define MAGIC_0 'L'
#define MAGIC_1 'T'
#define EVENT_HEADER 0x93 /* msgpack: a list of three */

/* Rows of the table in its order: each message, then its fields. A field's
 * name in the enum comes from its line, which is its own. */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
enum row_at {
#define WIRE_MSG(number, name, from, to, body, text) ROW_##name,
#define WIRE_FIELD(name, key, type, required, text)                            \
    PASTE(ROW_##name##_, __LINE__),
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
    ROW_END
};

struct row {
    const char *key; /* NULL: a message, not a field of one */
    enum wire_field_type type;
    bool required;
};

static const struct row rows[] = {
#define WIRE_MSG(number, name, from, to, body, text) {NULL, WIRE_ANY, false},
#define WIRE_FIELD(name, key, type, required, text) {key, type, required},
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
};
static_assert(COUNT_OF(rows) == ROW_END, "one row each");

struct message {
    const char *name; /* NULL: no such number */
    unsigned from;    /* set of enum wire_side */
    enum wire_body body;
    unsigned row; /* where it stands in rows; its fields follow */
};

static const struct message messages[] = {
#define WIRE_MSG(number, name, from, to, body, text)                           \
    [number] = {#name, (unsigned)(from), body, ROW_##name},
#define WIRE_FIELD(name, key, type, required, text)
#include "common/wire.tbl.h"
#undef WIRE_MSG
#undef WIRE_FIELD
};
static_assert(COUNT_OF(messages) <= 256, "a type is one byte");

static const struct message *message_of(uint8_t type);
static bool field_fits(const struct row *field, leat_view body,
                       struct err *err);
static void put_be(unsigned char *out, uint64_t number, size_t size);
static uint64_t get_be(const unsigned char *in, size_t size);
static size_t put_text_header(unsigned char *out, size_t len);

void wire_head_put(const struct wire_head *h,
                   unsigned char out[WIRE_HEAD_BYTES])
{
    must(message_of(h->type) != NULL);
    out[0] = MAGIC_0;
    out[1] = MAGIC_1;
    out[2] = WIRE_MAJOR;
    out[3] = WIRE_MINOR;
    out[4] = h->type;
    out[5] = h->flags;
    put_be(out + 6, h->attempt, 2);
    put_be(out + 8, h->epoch, 4);
    put_be(out + 12, h->tag, 4);
    memcpy(out + 16, h->run.bytes, 16);
    memcpy(out + 32, h->thread.bytes, 16);
    put_be(out + 48, h->seq, 8);
    put_be(out + 56, h->ms, 8);
}

enum wire_verdict wire_head_get(const void *bytes, size_t len,
                                struct wire_head *out, struct err *err)
{
    const unsigned char *in = bytes;
    *out = (struct wire_head){0};
    if (len < 3 || in[0] != MAGIC_0 || in[1] != MAGIC_1) {
        (void)err_set(err, ERR_WIRE, "not a head: no magic in %zu bytes", len);
        return WIRE_MALFORMED;
    }
    if (in[2] != WIRE_MAJOR) {
        (void)err_set(err, ERR_WIRE, "protocol %d is spoken here, not %d",
                      WIRE_MAJOR, in[2]);
        return WIRE_VERSION;
    }
    if (len != WIRE_HEAD_BYTES) {
        (void)err_set(err, ERR_WIRE, "a head of %zu bytes", len);
        return WIRE_MALFORMED;
    }
    out->type = in[4];
    out->flags = in[5];
    out->attempt = (uint16_t)get_be(in + 6, 2);
    out->epoch = (uint32_t)get_be(in + 8, 4);
    out->tag = (uint32_t)get_be(in + 12, 4);
    memcpy(out->run.bytes, in + 16, 16);
    memcpy(out->thread.bytes, in + 32, 16);
    out->seq = get_be(in + 48, 8);
    out->ms = get_be(in + 56, 8);
    if (message_of(out->type) == NULL) {
        (void)err_set(err, ERR_WIRE, "message type %d is not known", in[4]);
        return WIRE_UNKNOWN;
    }
    return WIRE_OK;
}

enum wire_verdict wire_body_get(const struct wire_head *h, enum wire_side from,
                                struct value_bytes bytes, leat_value **out,
                                struct err *err)
{
    *out = NULL;
    enum wire_verdict verdict = wire_body_plain(h, from, bytes.len, err);
    if (verdict != WIRE_OK || wire_body_kind(h->type) != WIRE_MAP) {
        return verdict;
    }
    leat_value *body = NULL;
    if (!value_from_bytes(bytes.ptr, bytes.len, &body, err)) {
        (void)err_wrap(err, "%s", wire_name(h->type));
        return WIRE_MALFORMED;
    }
    verdict = wire_body_check(h, body, err);
    if (verdict != WIRE_OK) {
        leat_drop(body);
        return verdict;
    }
    *out = body;
    return WIRE_OK;
}

enum wire_verdict wire_body_plain(const struct wire_head *h,
                                  enum wire_side from, size_t len,
                                  struct err *err)
{
    const struct message *message = message_of(h->type);
    must(message != NULL);
    if ((message->from & (unsigned)from) == 0) {
        (void)err_set(err, ERR_WIRE, "%s may not be sent here", message->name);
        return WIRE_MALFORMED;
    }
    if ((message->body == WIRE_NONE) != (len == 0)) {
        (void)err_set(err, ERR_WIRE, "%s with a body of %zu bytes",
                      message->name, len);
        return WIRE_MALFORMED;
    }
    return WIRE_OK;
}

enum wire_verdict wire_body_check(const struct wire_head *h,
                                  const leat_value *body, struct err *err)
{
    const struct message *message = message_of(h->type);
    must(message != NULL && message->body == WIRE_MAP);
    leat_view view = leat_view_of(body);
    if (leat_type_of(view) != LEAT_OBJECT) {
        (void)err_set(err, ERR_WIRE, "%s: the body is no map", message->name);
        return WIRE_MALFORMED;
    }
    for (unsigned at = message->row + 1; at < ROW_END && rows[at].key != NULL;
         at++) {
        if (!field_fits(&rows[at], view, err)) {
            (void)err_wrap(err, "%s", message->name);
            return WIRE_MALFORMED;
        }
    }
    return WIRE_OK;
}

enum wire_body wire_body_kind(uint8_t type)
{
    const struct message *message = message_of(type);
    return message == NULL ? WIRE_NONE : message->body;
}

long wire_raw_count(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    const unsigned char *end = at + len;
    long count = 0;
    while (at < end) {
        size_t size = value_check(at, (size_t)(end - at));
        if (size == 0) {
            return -1;
        }
        at += size;
        count++;
    }
    return count;
}

bool wire_event_next(const unsigned char **at, const unsigned char *end,
                     struct wire_event *out)
{
    must(*at == NULL || *at <= end);
    if (*at == NULL || *at == end) {
        return false;
    }
    size_t size = value_check(*at, (size_t)(end - *at));
    leat_view list = size == 0 ? (leat_view){0} : value_view_raw(*at);
    out->name = leat_string(leat_at(list, 0));
    out->ns = leat_string(leat_at(list, 1));
    out->payload = leat_at(list, 2);
    if (leat_type_of(list) != LEAT_LIST || leat_count(list) != 3 ||
        out->name.ptr == NULL || out->ns.ptr == NULL) {
        *at = NULL;
        return false;
    }
    *at += size;
    return true;
}

bool wire_event_put(struct buf *out, const char *name, const char *ns,
                    leat_view payload)
{
    unsigned char head[1 + 5] = {EVENT_HEADER};
    unsigned char middle[5];
    size_t name_len = strlen(name);
    size_t ns_len = strlen(ns);
    size_t mark = out->len;
    size_t head_len = 1 + put_text_header(head + 1, name_len);
    size_t middle_len = put_text_header(middle, ns_len);
    if (buf_append(out, head, head_len) && buf_append(out, name, name_len) &&
        buf_append(out, middle, middle_len) && buf_append(out, ns, ns_len) &&
        value_pack_into(payload, out)) {
        return true;
    }
    buf_cut(out, mark);
    return false;
}

const char *wire_name(uint8_t type)
{
    const struct message *message = message_of(type);
    return message == NULL ? "?" : message->name;
}

void wire_topic(const struct id *thread, const struct id *run,
                unsigned char out[WIRE_TOPIC_BYTES])
{
    memcpy(out, thread->bytes, sizeof thread->bytes);
    memcpy(out + sizeof thread->bytes, run->bytes, sizeof run->bytes);
}

void wire_home(const struct id *run, struct id *thread)
{
    memcpy(thread->bytes, run->bytes + sizeof run->bytes - WIRE_HOME_BYTES,
           WIRE_HOME_BYTES);
}

bool wire_is_home(const struct id *run, const struct id *thread)
{
    return memcmp(thread->bytes,
                  run->bytes + sizeof run->bytes - WIRE_HOME_BYTES,
                  WIRE_HOME_BYTES) == 0;
}

/* ---- one message, one field ---------------------------------------------- */

static const struct message *message_of(uint8_t type)
{
    if (type >= COUNT_OF(messages) || messages[type].name == NULL) {
        return NULL;
    }
    return &messages[type];
}

static bool field_fits(const struct row *field, leat_view body, struct err *err)
{
    static const enum leat_type wanted[] = {
        [WIRE_STR] = LEAT_STRING, [WIRE_INT] = LEAT_INT,
        [WIRE_BOOL] = LEAT_BOOL,  [WIRE_OBJ] = LEAT_OBJECT,
        [WIRE_LIST] = LEAT_LIST,  [WIRE_ANY] = LEAT_MISSING,
    };
    enum leat_type found = leat_type_of(leat_get(body, field->key));
    if (found == LEAT_MISSING) {
        return !field->required ||
               err_set(err, ERR_WIRE, "field %s is missing", field->key);
    }
    /* An optional field may be null: not every language can leave it out. */
    if (field->type == WIRE_ANY || found == wanted[field->type] ||
        (found == LEAT_NULL && !field->required)) {
        return true;
    }
    return err_set(err, ERR_WIRE, "field %s has the wrong type", field->key);
}

/* ---- bytes ------------------------------------------------------------------
 */

static void put_be(unsigned char *out, uint64_t number, size_t size)
{
    for (size_t i = size; i-- > 0; number >>= 8) {
        out[i] = (unsigned char)(number & 0xff);
    }
}

static uint64_t get_be(const unsigned char *in, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | in[i];
    }
    return number;
}

/* The msgpack header of a string of `len` bytes; returns its size. */
static size_t put_text_header(unsigned char *out, size_t len)
{
    must(len <= UINT32_MAX);
    if (len < 32) {
        out[0] = (unsigned char)(0xa0 | len);
        return 1;
    }
    size_t size = len <= UINT8_MAX ? 1 : len <= UINT16_MAX ? 2 : 4;
    out[0] = size == 1 ? 0xd9 : size == 2 ? 0xda : 0xdb;
    put_be(out + 1, len, size);
    return 1 + size;
}
