/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write.c: values to JSON text, in one pass over their bytes. Owns the
 * escapes and the layout (compact). Packed bytes are walked with a stack of
 * their own; composed values, which nest no deeper than their depth says, by
 * recursion.
 */
#include "common/json.h"

#include "common/json_double.h"
#include "common/json_text.h"
#include "common/value_node.h"
#include <math.h>
#include <stdlib.h>

/* The buffer's room is filled directly; `full` once it is at its cap. */
struct out {
    struct buf *buf;
    char *at, *end;
    bool full;
};

/* ---- room ---------------------------------------------------------------- */

static void commit(struct out *o)
{
    if (!o->full && o->at != NULL) {
        buf_added(o->buf, (size_t)(o->at - o->buf->data) - o->buf->len);
    }
}

/* Makes room for `need` bytes; false (and from then on) at the cap. */
static bool make_room(struct out *o, size_t need)
{
    if (o->full) {
        return false;
    }
    commit(o);
    char *at = buf_reserve(o->buf, need);
    if (at == NULL) {
        o->full = true;
        o->at = o->end = NULL;
        return false;
    }
    o->at = at;
    o->end = o->buf->data + o->buf->room;
    return true;
}

static inline bool ready(struct out *o, size_t need)
{
    return (size_t)(o->end - o->at) >= need || make_room(o, need);
}

static inline void put_char(struct out *o, char c)
{
    if (ready(o, 1)) {
        *o->at++ = c;
    }
}

static void put(struct out *o, const void *text, size_t len)
{
    if (ready(o, len)) {
        memcpy(o->at, text, len);
        o->at += len;
    }
}

/* ---- strings ------------------------------------------------------------- */

static void put_escape(struct out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (c == '"' || c == '\\') {
        put(o, (const char[]){'\\', (char)c}, 2);
    } else if (letters[c] != 0) {
        put(o, (const char[]){'\\', letters[c]}, 2);
    } else {
        put(o, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]},
            6);
    }
}

static void put_text(struct out *o, const unsigned char *at, size_t len)
{
    const unsigned char *end = at + len, *from = at;
    while (!o->full) {
        at = json_text_plain(at, end);
        if (at == end) {
            break;
        }
        unsigned n = *at >= 0x80 ? json_text_utf8(at, end) : 0;
        if (n > 0) {
            at += n;
            continue;
        }
        put(o, from, (size_t)(at - from));
        if (*at >= 0x80) {
            put(o, "\xef\xbf\xbd", 3); /* not UTF-8: U+FFFD */
        } else {
            put_escape(o, *at);
        }
        from = ++at;
    }
    put(o, from, (size_t)(end - from));
}

static void put_string(struct out *o, const unsigned char *text, size_t len)
{
    put_char(o, '"');
    put_text(o, text, len);
    put_char(o, '"');
}

/* Base64, three bytes at a time. */
static void put_base64(struct out *o, const unsigned char *at, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    put_char(o, '"');
    for (; len > 0; at += 3) {
        unsigned b0 = at[0], b1 = len > 1 ? at[1] : 0u;
        unsigned b2 = len > 2 ? at[2] : 0u;
        unsigned bits = b0 << 16 | b1 << 8 | b2;
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        len > 1 ? digits[bits >> 6 & 63] : '=',
                        len > 2 ? digits[bits & 63] : '='};
        put(o, four, 4);
        len -= len < 3 ? len : 3;
    }
    put_char(o, '"');
}

/* ---- numbers ------------------------------------------------------------- */

static char *print_uint(char *end, uint64_t n)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334"
        "3536373839404142434445464748495051525354555657585960616263646566676869"
        "707172737475767778798081828384858687888990919293949596979899";
    while (n >= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (n % 100), 2);
        n /= 100;
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * n, 2);
    } else {
        *--end = (char)('0' + n);
    }
    return end;
}

static void put_number(struct out *o, const unsigned char *at)
{
    struct value_number n = value_bytes_number(at);
    char text[24], *end = text + sizeof(text), *from;
    switch (n.kind) {
    case NUMBER_DOUBLE: {
        char digits[JSON_DOUBLE_SIZE];
        if (isfinite(n.d)) {
            put(o, digits, json_double_print(n.d, digits));
        } else {
            put(o, "null", 4);
        }
        return;
    }
    case NUMBER_UINT:
        from = print_uint(end, n.u);
        break;
    default:
        from = print_uint(end, n.i < 0 ? 0 - (uint64_t)n.i : (uint64_t)n.i);
        if (n.i < 0) {
            *--from = '-';
        }
        break;
    }
    put(o, from, (size_t)(end - from));
}

/* ---- values -------------------------------------------------------------- */

struct open_container {
    uint32_t left; /* elements not written yet */
    bool object;
};

static void put_scalar(struct out *o, struct value_item item)
{
    switch (item.type) {
    case LEAT_STRING:
        put_string(o, item.body, item.count);
        break;
    case LEAT_BYTES:
        put_base64(o, item.body, item.count);
        break;
    case LEAT_BOOL:
        if (*item.body == 0xc3) {
            put(o, "true", 4);
        } else {
            put(o, "false", 5);
        }
        break;
    case LEAT_NULL:
        put(o, "null", 4);
        break;
    default:
        put_number(o, item.body);
        break;
    }
}

/* Writes the key at `at` and its colon; returns where its value stands. */
static const unsigned char *put_packed_key(struct out *o,
                                           const unsigned char *at)
{
    leat_text key;
    at = value_bytes_key(at, &key);
    put_string(o, (const unsigned char *)key.ptr, key.len);
    put_char(o, ':');
    return at;
}

static const unsigned char *put_packed_value(struct out *o,
                                             const unsigned char *at,
                                             struct open_container *stack,
                                             unsigned *depth)
{
    struct value_item item = value_bytes_item(at);
    bool object = item.type == LEAT_OBJECT;
    if (!object && item.type != LEAT_LIST) {
        put_scalar(o, item);
        return value_bytes_next(at);
    }
    if (item.count == 0) {
        put(o, object ? "{}" : "[]", 2);
        return item.body;
    }
    must(*depth < VALUE_DEPTH_HARD);
    stack[++*depth] = (struct open_container){item.count, object};
    put_char(o, object ? '{' : '[');
    return object ? put_packed_key(o, item.body) : item.body;
}

static void put_packed(struct out *o, const unsigned char *at)
{
    struct open_container stack[VALUE_DEPTH_HARD + 1];
    unsigned depth = 0;
    while (!o->full) {
        unsigned before = depth;
        at = put_packed_value(o, at, stack, &depth);
        if (depth > before) {
            continue; /* its first element comes next */
        }
        while (depth > 0 && --stack[depth].left == 0) {
            put_char(o, stack[depth--].object ? '}' : ']');
        }
        if (depth == 0) {
            return;
        }
        put_char(o, ',');
        if (stack[depth].object) {
            at = put_packed_key(o, at);
        }
    }
}

static void put_value(struct out *o, leat_view v)
{
    const unsigned char *at = value_node_at(v);
    if (at != NULL) {
        put_packed(o, at);
        return;
    }
    if (v.node == NULL) {
        put(o, "null", 4);
        return;
    }
    const struct value_composed *c = value_node_composed(v.node);
    put_char(o, c->keys != NULL ? '{' : '[');
    for (uint32_t i = 0; i < c->count && !o->full; i++) {
        if (i > 0) {
            put_char(o, ',');
        }
        if (c->keys != NULL) {
            put_string(o, (const unsigned char *)c->keys[i].ptr,
                       c->keys[i].len);
            put_char(o, ':');
        }
        put_value(o, leat_view_of(c->items[i]));
    }
    put_char(o, c->keys != NULL ? '}' : ']');
}

bool json_write(leat_view v, struct buf *out)
{
    must(out != NULL);
    size_t before = out->len;
    struct out o = {.buf = out};
    put_value(&o, v);
    commit(&o);
    if (o.full) {
        buf_cut(out, before);
    }
    return !o.full;
}

bool json_write_string(const char *text, size_t len, struct buf *out)
{
    must(out != NULL && (text != NULL || len == 0));
    size_t before = out->len;
    struct out o = {.buf = out};
    put_string(&o, (const unsigned char *)(text != NULL ? text : ""), len);
    commit(&o);
    if (o.full) {
        buf_cut(out, before);
    }
    return !o.full;
}

char *leat_to_json(leat_view v)
{
    struct buf b;
    buf_init(&b, SIZE_MAX - 1);
    must(json_write(v, &b)); /* there is no cap to be at */
    size_t len;
    return buf_take(&b, &len);
}

void leat_free_text(char *text)
{
    free(text);
}
