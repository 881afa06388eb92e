/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_build.c: values made of other values. Owns composed lists and objects
 * (references to their parts) and packing them. What is written from front to
 * back is value_write.c.
 *
 * Small results are packed at once instead of composed: copying a few hundred
 * bytes is cheaper than a reference for each part.
 */
#include "common/value.h"

#include "common/value_node.h"
#include <stdlib.h>

#define PACK_BELOW 1024

/* ---- nodes --------------------------------------------------------------- */

leat_value *value_node_inline(size_t len, unsigned depth,
                              unsigned char **bytes)
{
    must(len > 0 && depth <= VALUE_DEPTH_HARD);
    must(len < SIZE_MAX / 2);
    struct value_inline *v = base_realloc(NULL, sizeof(*v) + len);
    atomic_init(&v->packed.head.refs, 1);
    v->packed.head.kind = VALUE_INLINE;
    v->packed.head.tag = LEAT_PLAIN;
    v->packed.head.depth = (uint16_t)depth;
    v->packed.len = len;
    v->packed.ptr = v->bytes;
    *bytes = v->bytes;
    return &v->packed.head;
}

/* A list or object with `n` empty places; key_bytes only matter with keys. */
static struct value_composed *new_composed(enum value_kind kind, size_t n,
                                           size_t key_bytes)
{
    must(n <= UINT32_MAX && key_bytes < SIZE_MAX / 2);
    bool object = kind == VALUE_OBJECT;
    struct value_composed *c;
    size_t size = sizeof(*c) + n * sizeof(c->own[0]);
    size_t keys = size;
    size += object ? n * sizeof(struct leat_text) + key_bytes : 0;
    c = base_realloc(NULL, size);
    atomic_init(&c->head.refs, 1);
    c->head.kind = (uint8_t)kind;
    c->head.tag = LEAT_PLAIN;
    c->head.depth = 1;
    c->packed_len = value_bytes_container_head(n);
    c->count = 0;
    c->keys = object ? (struct leat_text *)(void *)((char *)c + keys) : NULL;
    c->store = NULL;
    c->items = c->own;
    return c;
}

void value_node_count_item(struct value_composed *c, const leat_value *item)
{
    struct value_extent extent = value_node_extent(leat_view_of(item));
    must(extent.depth < VALUE_DEPTH_HARD);
    c->packed_len += extent.len;
    c->head.depth = c->head.depth > extent.depth
                        ? c->head.depth
                        : (uint16_t)(extent.depth + 1);
}

/* Takes the reference; NULL becomes null. */
static void add_item(struct value_composed *c, leat_value *item)
{
    if (item == NULL) {
        item = leat_new_null();
    }
    value_node_count_item(c, item);
    c->own[c->count++] = item;
}

struct key_room {
    char *at;
};

static void add_pair(struct value_composed *c, struct key_room *room,
                     leat_text key, leat_value *item)
{
    must(key.len <= UINT32_MAX);
    memcpy(room->at, key.ptr, key.len);
    c->keys[c->count] = (leat_text){room->at, key.len};
    room->at += key.len;
    c->packed_len += value_bytes_str_head(key.len) + key.len;
    add_item(c, item);
}

/* Where the keys' text goes, in an object made for `n` pairs. */
static struct key_room key_room_of(struct value_composed *c, size_t n)
{
    return (struct key_room){(char *)(c->keys + n)};
}

/* ---- packing ------------------------------------------------------------- */

static size_t composed_size(const leat_value *v)
{
    size_t len = value_node_composed(v)->packed_len;
    return v->tag == LEAT_PLAIN ? len : len + value_bytes_tag_size(len);
}

struct value_extent value_node_extent(leat_view v)
{
    const unsigned char *at = value_node_at(v);
    if (at == NULL) {
        must(v.node != NULL);
        return (struct value_extent){composed_size(v.node), v.node->depth};
    }
    if (v.node != NULL && value_node_packed(v.node)->ptr == at) {
        return (struct value_extent){value_node_packed(v.node)->len,
                                     v.node->depth};
    }
    return value_bytes_measure(at);
}

static unsigned char *pack_composed(const leat_value *v, unsigned char *to)
{
    const struct value_composed *c = value_node_composed(v);
    if (v->tag != LEAT_PLAIN) {
        must(c->packed_len <= UINT32_MAX);
        to = value_bytes_put_tag(to, (enum leat_tag)v->tag,
                                 (uint32_t)c->packed_len);
    }
    to = c->keys != NULL ? value_bytes_put_map(to, c->count)
                         : value_bytes_put_list(to, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->keys != NULL) {
            leat_text key = c->keys[i];
            to = value_bytes_put_str(to, (uint32_t)key.len);
            memcpy(to, key.ptr, key.len);
            to += key.len;
        }
        /* As deep as the value nests, which was limited when it was built. */
        to = value_node_pack(leat_view_of(c->items[i]), to);
    }
    return to;
}

unsigned char *value_node_pack(leat_view v, unsigned char *to)
{
    const unsigned char *at = value_node_at(v);
    if (at == NULL) {
        must(v.node != NULL);
        return pack_composed(v.node, to);
    }
    size_t len = value_node_extent(v).len;
    memcpy(to, at, len);
    return to + len;
}

size_t value_packed_size(leat_view v)
{
    if (v.node == NULL && v.at == NULL) {
        return 1; /* missing is packed as null */
    }
    return value_node_extent(v).len;
}

bool value_pack_into(leat_view v, struct buf *out)
{
    must(out != NULL);
    if (v.node == NULL && v.at == NULL) {
        return buf_putc(out, (char)0xc0);
    }
    size_t len = value_node_extent(v).len;
    char *to = buf_reserve(out, len);
    if (to == NULL) {
        return false;
    }
    unsigned char *end = value_node_pack(v, (unsigned char *)to);
    must(end == (unsigned char *)to + len);
    buf_added(out, len);
    return true;
}

leat_value *value_packed(const leat_value *v)
{
    must(v != NULL);
    if (value_node_is_packed(v)) {
        return leat_hold(v);
    }
    unsigned char *to;
    size_t len = composed_size(v);
    leat_value *packed = value_node_inline(len, v->depth, &to);
    unsigned char *end = value_node_pack(leat_view_of(v), to);
    must(end == to + len);
    return packed;
}

/* ---- lists and objects --------------------------------------------------- */

leat_value *leat_new_list(size_t n, leat_value *const items[])
{
    must(items != NULL || n == 0);
    struct value_composed *c = new_composed(VALUE_LIST, n, 0);
    for (size_t i = 0; i < n; i++) {
        add_item(c, items[i]);
    }
    return &c->head;
}

leat_value *leat_new_object(size_t n, const char *const keys[],
                            leat_value *const items[])
{
    must(n == 0 || (keys != NULL && items != NULL));
    size_t key_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        must(keys[i] != NULL);
        key_bytes += strlen(keys[i]);
    }
    struct value_composed *c = new_composed(VALUE_OBJECT, n, key_bytes);
    struct key_room room = key_room_of(c, n);
    for (size_t i = 0; i < n; i++) {
        add_pair(c, &room, (leat_text){keys[i], strlen(keys[i])}, items[i]);
    }
    return &c->head;
}

/* Whether the parts of a result are so few bytes that it is packed at once. */
static bool is_small(leat_view v, size_t n, leat_value *const items[])
{
    size_t len = value_packed_size(v);
    for (size_t i = 0; i < n && len < PACK_BELOW; i++) {
        len += value_packed_size(leat_view_of(items[i]));
    }
    return len < PACK_BELOW;
}

/* The list's items as they lie, and the new ones behind them. */
static leat_value *append_packed(leat_view list, size_t n,
                                 leat_value *const items[])
{
    const unsigned char *at = value_node_at(list);
    struct value_extent old = {0, 0};
    struct value_item had = {.type = LEAT_LIST};
    if (at != NULL) {
        old = value_node_extent(list);
        had = value_bytes_item(at);
        old.len -= (size_t)(had.body - at);
    }
    struct value_extent all = {old.len, old.depth > 0 ? old.depth : 1};
    for (size_t i = 0; i < n; i++) {
        struct value_extent one = {1, 0}; /* null */
        if (items[i] != NULL) {
            one = value_node_extent(leat_view_of(items[i]));
        }
        all.len += one.len;
        all.depth = all.depth > one.depth ? all.depth : one.depth + 1;
    }
    unsigned char *to;
    size_t count = had.count + n;
    leat_value *v = value_node_inline(
        value_bytes_container_head(count) + all.len, all.depth, &to);
    to = value_bytes_put_list(to, (uint32_t)count);
    if (old.len > 0) {
        memcpy(to, had.body, old.len);
        to += old.len;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i] == NULL) {
            *to++ = 0xc0;
            continue;
        }
        to = value_node_pack(leat_view_of(items[i]), to);
        leat_drop(items[i]);
    }
    return v;
}

/* The list as one of references, one of them. */
static leat_value *as_composed(leat_view list)
{
    if (value_node_at(list) == NULL) {
        return leat_hold(list.node);
    }
    struct value_composed *c =
        new_composed(VALUE_LIST, leat_count(list), 0);
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        add_item(c, leat_value_of(it.item));
    }
    return &c->head;
}

leat_value *leat_append(leat_view list, size_t n, leat_value *const items[])
{
    must(items != NULL || n == 0);
    if (leat_type_of(list) != LEAT_LIST) {
        list = (leat_view){NULL, NULL};
    }
    bool composed = value_node_at(list) == NULL && leat_count(list) > 0;
    if (!composed && is_small(list, n, items)) {
        return append_packed(list, n, items);
    }
    if (leat_count(list) == 0) {
        return leat_new_list(n, items);
    }
    leat_value *before = as_composed(list);
    leat_value *longer = value_list_grow(before, n, items);
    leat_drop(before);
    return longer;
}

static bool key_is(leat_text key, const char *name)
{
    return strlen(name) == key.len && memcmp(key.ptr, name, key.len) == 0;
}

static leat_value *with_packed(leat_view object, const char *key,
                               leat_value *item)
{
    leat_writer *w = leat_writer_new();
    leat_write_tagged(w, leat_tag_of(object));
    bool placed = item == NULL;
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        bool same = key_is(it.key, key);
        if (same && placed) {
            continue;
        }
        placed = placed || same;
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, same ? leat_view_of(item) : it.item);
    }
    if (!placed) {
        leat_write_key(w, key);
        leat_write_view(w, leat_view_of(item));
    }
    leat_write_end(w);
    leat_drop(item);
    return leat_writer_finish(&w);
}

static leat_value *with_composed(leat_view object, const char *key,
                                 leat_value *item)
{
    size_t n = leat_count(object) + 1, key_bytes = strlen(key);
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        key_bytes += it.key.len;
    }
    struct value_composed *c = new_composed(VALUE_OBJECT, n, key_bytes);
    struct key_room room = key_room_of(c, n);
    bool placed = item == NULL;
    for (leat_iter it = leat_iter_of(object); leat_next(&it);) {
        if (!key_is(it.key, key)) {
            add_pair(c, &room, it.key, leat_value_of(it.item));
        } else if (!placed) {
            add_pair(c, &room, it.key, item);
            placed = true;
        }
    }
    if (!placed) {
        add_pair(c, &room, (leat_text){key, strlen(key)}, item);
    }
    c->packed_len -= value_bytes_container_head(n);
    c->packed_len += value_bytes_container_head(c->count);
    c->head.tag = (uint8_t)leat_tag_of(object);
    return &c->head;
}

leat_value *leat_with(leat_view object, const char *key, leat_value *item)
{
    must(key != NULL);
    if (leat_type_of(object) != LEAT_OBJECT) {
        object = (leat_view){NULL, NULL};
    }
    return is_small(object, 1, &item) ? with_packed(object, key, item)
                                      : with_composed(object, key, item);
}

/* ---- tags ---------------------------------------------------------------- */

static leat_value *tag_packed(const leat_value *object, enum leat_tag tag)
{
    const struct value_packed *p = value_node_packed(object);
    size_t old_head = value_bytes_tag_head(p->ptr);
    size_t len = p->len - old_head;
    must(len <= UINT32_MAX);
    size_t head = tag == LEAT_PLAIN ? 0 : value_bytes_tag_size(len);
    unsigned char *to;
    leat_value *v = value_node_inline(head + len, object->depth, &to);
    if (head > 0) {
        to = value_bytes_put_tag(to, tag, (uint32_t)len);
    }
    memcpy(to, p->ptr + old_head, len);
    return v;
}

static leat_value *tag_composed(const leat_value *object, enum leat_tag tag)
{
    const struct value_composed *from = value_node_composed(object);
    size_t key_bytes = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        key_bytes += from->keys[i].len;
    }
    struct value_composed *c =
        new_composed(VALUE_OBJECT, from->count, key_bytes);
    struct key_room room = key_room_of(c, from->count);
    for (uint32_t i = 0; i < from->count; i++) {
        add_pair(c, &room, from->keys[i], leat_hold(from->items[i]));
    }
    c->head.tag = (uint8_t)tag;
    return &c->head;
}

leat_value *leat_tagged(leat_value *object, enum leat_tag tag)
{
    must((int)tag >= LEAT_PLAIN && tag <= LEAT_CHUNK);
    leat_view v = leat_view_of(object);
    if (leat_type_of(v) != LEAT_OBJECT || leat_tag_of(v) == tag) {
        return object;
    }
    leat_value *tagged = value_node_is_packed(object)
                             ? tag_packed(object, tag)
                             : tag_composed(object, tag);
    leat_drop(object);
    return tagged;
}
