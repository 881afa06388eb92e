/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_write.c: values written from front to back: the writer, the pattern
 * of leat_pack() and the constructors of scalars. Scalars and text go through
 * msgpack's packer; the head of a container is reserved as short as it can be
 * and corrected when the container ends and its count is known.
 *
 * A thread keeps its last writer, so that packing a small object costs one
 * allocation, that of the value.
 */
#include "common/value.h"

#include "common/value_node.h"
#include <msgpack.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITER_MAGIC LEAT_MAGIC(0x3a11e001)
/* A kept writer gives back what one large value made it take. */
#define KEEP_BYTES_MAX ((size_t)256 * 1024)
#define ROOM_FIRST 512

struct open_container {
    size_t start;   /* of its reserved head in the bytes */
    uint32_t count; /* values, keys among them */
    bool object;
    uint8_t tag;
};

struct leat_writer {
    uint32_t magic;
    unsigned open;    /* containers not ended yet */
    unsigned deepest;
    bool done;        /* the one value is there */
    unsigned char *data;
    size_t len, room;
    msgpack_packer packer;
    struct open_container stack[VALUE_DEPTH_HARD + 1];
};

/* ---- bytes --------------------------------------------------------------- */

static void grow(leat_writer *w, size_t need)
{
    must(need < SIZE_MAX / 4);
    size_t room = max_size(w->room, ROOM_FIRST);
    while (room < w->len + need) {
        room *= 2;
    }
    w->data = base_realloc(w->data, room);
    w->room = room;
}

static unsigned char *reserve(leat_writer *w, size_t need)
{
    if (need > w->room - w->len) {
        grow(w, need);
    }
    return w->data + w->len;
}

static int sink(void *writer, const char *bytes, size_t len)
{
    leat_writer *w = writer;
    if (len > 0) {
        memcpy(reserve(w, len), bytes, len);
        w->len += len;
    }
    return 0;
}

/* ---- the thread's own writer --------------------------------------------- */

static pthread_key_t kept_key;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;
static __thread leat_writer *kept;

static void free_writer(void *writer)
{
    leat_writer *w = writer;
    kept = NULL; /* when the thread ends, another destructor may still pack */
    w->magic = 0;
    free(w->data);
    free(w);
}

static void make_key(void)
{
    must(pthread_key_create(&kept_key, free_writer) == 0);
}

static void keep_or_free(leat_writer *w)
{
    if (kept != NULL || w->room > KEEP_BYTES_MAX) {
        w->magic = 0;
        free(w->data);
        free(w);
        return;
    }
    kept = w;
    if (pthread_getspecific(kept_key) != w) {
        must(pthread_setspecific(kept_key, w) == 0);
    }
}

static leat_writer *take_kept(void)
{
    leat_writer *w = kept;
    if (w != NULL) {
        kept = NULL;
        return w;
    }
    must(pthread_once(&kept_once, make_key) == 0);
    w = base_realloc(NULL, sizeof(*w));
    w->data = NULL;
    w->room = 0;
    w->magic = WRITER_MAGIC;
    msgpack_packer_init(&w->packer, w, sink);
    return w;
}

leat_writer *leat_writer_new(void)
{
    leat_writer *w = take_kept();
    check_magic(w, WRITER_MAGIC);
    if (pthread_getspecific(kept_key) == w) {
        /* It may be freed by another thread now, so this one forgets it. */
        must(pthread_setspecific(kept_key, NULL) == 0);
    }
    w->open = w->deepest = 0;
    w->done = false;
    w->len = 0;
    return w;
}

void leat_writer_destroy(leat_writer **w)
{
    if (w == NULL || *w == NULL) {
        return;
    }
    check_magic(*w, WRITER_MAGIC);
    keep_or_free(*w);
    *w = NULL;
}

/* ---- order --------------------------------------------------------------- */

/* Counts a value that is about to be written. */
static void begin_value(leat_writer *w)
{
    check_magic(w, WRITER_MAGIC);
    if (w->open == 0) {
        must(!w->done); /* one value per writer */
        w->done = true;
        return;
    }
    struct open_container *in = &w->stack[w->open];
    must(!in->object || in->count % 2 == 1); /* its key stands before it */
    must(in->count < UINT32_MAX);
    in->count++;
}

static void begin_container(leat_writer *w, bool object, enum leat_tag tag)
{
    begin_value(w);
    must(w->open < VALUE_DEPTH_HARD);
    w->open++;
    w->deepest = w->open > w->deepest ? w->open : w->deepest;
    w->stack[w->open] = (struct open_container){
        .start = w->len, .object = object, .tag = (uint8_t)tag};
    size_t head = tag == LEAT_PLAIN ? 1 : 4; /* the shortest usual one */
    reserve(w, head);
    w->len += head;
}

void leat_write_object(leat_writer *w)
{
    begin_container(w, true, LEAT_PLAIN);
}

void leat_write_tagged(leat_writer *w, enum leat_tag tag)
{
    must((int)tag >= LEAT_PLAIN && tag <= LEAT_CHUNK);
    begin_container(w, true, tag);
}

void leat_write_list(leat_writer *w)
{
    begin_container(w, false, LEAT_PLAIN);
}

void leat_write_end(leat_writer *w)
{
    check_magic(w, WRITER_MAGIC);
    must(w->open > 0);
    struct open_container in = w->stack[w->open--];
    must(!in.object || in.count % 2 == 0);
    uint32_t n = in.object ? in.count / 2 : in.count;
    size_t reserved = in.tag == LEAT_PLAIN ? 1 : 4;
    size_t payload = w->len - in.start - reserved;
    size_t len = payload + value_bytes_container_head(n);
    must(in.tag == LEAT_PLAIN || len <= UINT32_MAX);
    size_t head = value_bytes_container_head(n) +
                  (in.tag == LEAT_PLAIN ? 0 : value_bytes_tag_size(len));
    if (head != reserved) {
        reserve(w, head);
        memmove(w->data + in.start + head, w->data + in.start + reserved,
                payload);
        w->len = in.start + head + payload;
    }
    unsigned char *to = w->data + in.start;
    if (in.tag != LEAT_PLAIN) {
        to = value_bytes_put_tag(to, (enum leat_tag)in.tag, (uint32_t)len);
    }
    to = in.object ? value_bytes_put_map(to, n) : value_bytes_put_list(to, n);
    must(to == w->data + in.start + head);
}

static void put_text(leat_writer *w, const char *text, size_t len)
{
    must(len <= UINT32_MAX);
    unsigned char *to = reserve(w, value_bytes_str_head(len) + len);
    to = value_bytes_put_str(to, (uint32_t)len);
    if (len > 0) {
        memcpy(to, text, len);
    }
    w->len += value_bytes_str_head(len) + len;
}

static void put_byte(leat_writer *w, unsigned char byte)
{
    *reserve(w, 1) = byte;
    w->len++;
}

void leat_write_key(leat_writer *w, const char *key)
{
    must(key != NULL);
    leat_write_key_n(w, key, strlen(key));
}

void leat_write_key_n(leat_writer *w, const char *key, size_t len)
{
    check_magic(w, WRITER_MAGIC);
    must(w->open > 0 && (key != NULL || len == 0));
    struct open_container *in = &w->stack[w->open];
    must(in->object && in->count % 2 == 0 && in->count < UINT32_MAX - 1);
    in->count++;
    put_text(w, key, len);
}

/* ---- values -------------------------------------------------------------- */

void leat_write_null(leat_writer *w)
{
    begin_value(w);
    put_byte(w, 0xc0);
}

void leat_write_bool(leat_writer *w, bool b)
{
    begin_value(w);
    put_byte(w, b ? 0xc3 : 0xc2);
}

void leat_write_int(leat_writer *w, int64_t n)
{
    begin_value(w);
    msgpack_pack_int64(&w->packer, n);
}

void leat_write_uint(leat_writer *w, uint64_t n)
{
    begin_value(w);
    msgpack_pack_uint64(&w->packer, n);
}

void leat_write_double(leat_writer *w, double d)
{
    begin_value(w);
    msgpack_pack_double(&w->packer, d);
}

void leat_write_string(leat_writer *w, const char *text)
{
    if (text == NULL) {
        leat_write_null(w);
        return;
    }
    leat_write_string_n(w, text, strlen(text));
}

void leat_write_string_n(leat_writer *w, const char *text, size_t len)
{
    begin_value(w);
    must(text != NULL || len == 0);
    put_text(w, text, len);
}

void leat_write_bytes(leat_writer *w, const void *bytes, size_t len)
{
    begin_value(w);
    must((bytes != NULL || len == 0) && len <= UINT32_MAX);
    msgpack_pack_bin(&w->packer, len);
    msgpack_pack_bin_body(&w->packer, bytes, len);
}

void leat_write_view(leat_writer *w, leat_view v)
{
    if (v.node == NULL && v.at == NULL) {
        leat_write_null(w);
        return;
    }
    begin_value(w);
    struct value_extent extent = value_node_extent(v);
    must(w->open + extent.depth <= VALUE_DEPTH_HARD);
    w->deepest = (unsigned)max_size(w->deepest, w->open + extent.depth);
    unsigned char *to = reserve(w, extent.len);
    const unsigned char *at = value_node_at(v);
    if (at != NULL) {
        memcpy(to, at, extent.len);
    } else {
        must(value_node_pack(v, to) == to + extent.len);
    }
    w->len += extent.len;
}

leat_value *leat_writer_finish(leat_writer **w)
{
    must(w != NULL);
    check_magic(*w, WRITER_MAGIC);
    must((*w)->open == 0 && (*w)->done);
    unsigned char *to;
    leat_value *v = value_node_inline((*w)->len, (*w)->deepest, &to);
    memcpy(to, (*w)->data, (*w)->len);
    leat_writer_destroy(w);
    return v;
}

/* ---- scalars ------------------------------------------------------------- */

static leat_value *new_bytes(const unsigned char *bytes, size_t len)
{
    unsigned char *to;
    leat_value *v = value_node_inline(len, 0, &to);
    memcpy(to, bytes, len);
    return v;
}

leat_value *leat_new_null(void)
{
    return new_bytes((const unsigned char[]){0xc0}, 1);
}

leat_value *leat_new_bool(bool b)
{
    return new_bytes((const unsigned char[]){b ? 0xc3 : 0xc2}, 1);
}

leat_value *leat_new_int(int64_t n)
{
    unsigned char bytes[9];
    return new_bytes(bytes,
                     (size_t)(value_bytes_put_int(bytes, n) - bytes));
}

leat_value *leat_new_double(double d)
{
    unsigned char bytes[9];
    return new_bytes(bytes,
                     (size_t)(value_bytes_put_double(bytes, d) - bytes));
}

leat_value *leat_new_string(const char *text)
{
    if (text == NULL) {
        return leat_new_null();
    }
    return leat_new_string_n(text, strlen(text));
}

leat_value *leat_new_string_n(const char *text, size_t len)
{
    must((text != NULL || len == 0) && len <= UINT32_MAX);
    unsigned char *to;
    leat_value *v = value_node_inline(value_bytes_str_head(len) + len, 0, &to);
    to = value_bytes_put_str(to, (uint32_t)len);
    if (len > 0) {
        memcpy(to, text, len);
    }
    return v;
}

leat_value *leat_new_format(const char *format, ...)
{
    must(format != NULL);
    char few[256];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int len = vsnprintf(few, sizeof(few), format, ap);
    must(len >= 0);
    leat_value *v;
    if ((size_t)len < sizeof(few)) {
        v = leat_new_string_n(few, (size_t)len);
    } else {
        char *text = base_realloc(NULL, (size_t)len + 1);
        must(vsnprintf(text, (size_t)len + 1, format, again) == len);
        v = leat_new_string_n(text, (size_t)len);
        free(text);
    }
    va_end(again);
    va_end(ap);
    return v;
}

/* ---- patterns ------------------------------------------------------------ */

struct pattern {
    const char *at;
    leat_writer *writer;
    const char *key;  /* read and not written yet: its value may be left out */
    bool optional;    /* `?` stands before the value */
    va_list args;
};

/* Writes the key that waits for its value. */
static leat_writer *for_value(struct pattern *p)
{
    leat_writer *w = p->writer;
    if (p->key != NULL) {
        leat_write_key(w, p->key);
        p->key = NULL;
    }
    p->optional = false;
    return w;
}

/* True when the pair is to be left out because there is no value. */
static bool left_out(struct pattern *p, bool there)
{
    if (there || !p->optional) {
        return false;
    }
    must(p->key != NULL); /* `?` is for pairs of an object */
    p->key = NULL;
    p->optional = false;
    return true;
}

static void pack_view(struct pattern *p, leat_view v)
{
    if (!left_out(p, v.node != NULL || v.at != NULL)) {
        leat_write_view(for_value(p), v);
    }
}

static void pack_text(struct pattern *p, leat_text text)
{
    if (left_out(p, text.ptr != NULL)) {
        return;
    }
    if (text.ptr == NULL) {
        leat_write_null(for_value(p));
    } else {
        leat_write_string_n(for_value(p), text.ptr, text.len);
    }
}

static void pack_string(struct pattern *p, const char *text)
{
    pack_text(p, (leat_text){text, text != NULL ? strlen(text) : 0});
}

static bool in_object_before_key(const struct pattern *p)
{
    return p->writer->open > 0 && p->writer->stack[p->writer->open].object &&
           p->key == NULL;
}

static void pack_number(struct pattern *p, char letter)
{
    switch (letter) {
    case 'i':
        leat_write_int(for_value(p), va_arg(p->args, int));
        break;
    case 'I':
        leat_write_int(for_value(p), va_arg(p->args, int64_t));
        break;
    case 'f':
        leat_write_double(for_value(p), va_arg(p->args, double));
        break;
    case 'b':
        leat_write_bool(for_value(p), va_arg(p->args, int) != 0);
        break;
    default:
        must(letter == 'n'); /* else not a letter of the pattern */
        leat_write_null(for_value(p));
        break;
    }
}

static void pack_value(struct pattern *p, char letter)
{
    switch (letter) {
    case '{':
        leat_write_object(for_value(p));
        break;
    case '[':
        leat_write_list(for_value(p));
        break;
    case 's':
        pack_string(p, va_arg(p->args, const char *));
        break;
    case 't':
        pack_text(p, va_arg(p->args, leat_text));
        break;
    case 'v':
        pack_view(p, va_arg(p->args, leat_view));
        break;
    case 'W':
        pack_view(p, leat_view_of(va_arg(p->args, const leat_value *)));
        break;
    case 'V': {
        leat_value *v = va_arg(p->args, leat_value *);
        pack_view(p, leat_view_of(v));
        leat_drop(v);
        break;
    }
    default:
        pack_number(p, letter);
        break;
    }
}

static void pack_letter(struct pattern *p, char letter)
{
    switch (letter) {
    case ' ':
    case ',':
    case ':':
        return;
    case '?':
        must(p->key != NULL && !p->optional);
        p->optional = true;
        return;
    case '}':
    case ']': {
        must(p->writer->open > 0 && p->key == NULL);
        bool object = p->writer->stack[p->writer->open].object;
        must(object == (letter == '}'));
        leat_write_end(p->writer);
        return;
    }
    default:
        break;
    }
    if (in_object_before_key(p)) {
        must(letter == 's');
        p->key = va_arg(p->args, const char *);
        must(p->key != NULL);
        return;
    }
    pack_value(p, letter);
}

leat_value *leat_pack(const char *pattern, ...)
{
    must(pattern != NULL);
    struct pattern p = {.at = pattern, .writer = leat_writer_new()};
    va_start(p.args, pattern);
    for (; *p.at != '\0'; p.at++) {
        pack_letter(&p, *p.at);
    }
    va_end(p.args);
    must(p.key == NULL && !p.optional);
    return leat_writer_finish(&p.writer);
}
