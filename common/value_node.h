/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a leat_value lies in memory, for the value and json files only.
 *
 * Packed values are bytes: their own behind the head (inline), part of
 * another value's (slice), or somebody else's (foreign). Composed values are
 * arrays of references. Nothing that a value shows changes once it has a
 * second owner.
 */
#ifndef COMMON_VALUE_NODE_H
#define COMMON_VALUE_NODE_H

#include "common/value.h"
#include "common/value_bytes.h"
#include <stdatomic.h>

enum value_kind {
    VALUE_INLINE = 0x51, /* odd numbers, so that a stray pointer is noticed */
    VALUE_SLICE,
    VALUE_FOREIGN,
    VALUE_LIST,
    VALUE_OBJECT,
};

struct leat_value {
    atomic_uint refs;
    uint8_t kind;   /* enum value_kind */
    uint8_t tag;    /* enum leat_tag; VALUE_OBJECT only */
    uint16_t depth; /* as in struct value_extent */
};

struct value_packed {
    leat_value head;
    size_t len;
    const unsigned char *ptr;
};

struct value_inline {
    struct value_packed packed;
    unsigned char bytes[];
};

struct value_slice {
    struct value_packed packed;
    leat_value *owner; /* inline or foreign, never a slice */
};

struct value_foreign {
    struct value_packed packed;
    struct value_owner owner;
};

/*
 * Items of a list that grew, and of those that grow out of it: each list sees
 * as many of them as it has. The one that has them all may take places behind
 * them for the next list, so that growing by one copies nothing.
 */
struct value_store {
    atomic_uint refs;
    _Atomic uint32_t used; /* places taken; the references are the store's */
    uint32_t room;
    struct value_note *_Atomic note;
    leat_value *items[];
};

/* A list, or with keys (behind the items, in the same block) an object. */
struct value_composed {
    leat_value head;
    size_t packed_len; /* bytes it will have when packed */
    uint32_t count;
    struct leat_text *keys;    /* NULL in a list */
    struct value_store *store; /* whose items these are; NULL: its own */
    leat_value *const *items;
    leat_value *own[];
};

static inline bool value_node_is_packed(const leat_value *v)
{
    must(v->kind >= VALUE_INLINE && v->kind <= VALUE_OBJECT);
    return v->kind <= VALUE_FOREIGN;
}

static inline const struct value_packed *
value_node_packed(const leat_value *v)
{
    return (const struct value_packed *)(const void *)v;
}

static inline const struct value_composed *
value_node_composed(const leat_value *v)
{
    return (const struct value_composed *)(const void *)v;
}

/* The bytes at a view, or NULL when it shows a composed value or nothing. */
static inline const unsigned char *value_node_at(leat_view v)
{
    if (v.at != NULL) {
        return v.at;
    }
    return v.node != NULL && value_node_is_packed(v.node)
               ? value_node_packed(v.node)->ptr
               : NULL;
}

/* Packed bytes and depth of what a view shows; it must not be missing. */
struct value_extent value_node_extent(leat_view v);
/* Writes the packed form to room that the extent says is enough. */
unsigned char *value_node_pack(leat_view v, unsigned char *to);
/* A packed value with room for `len` bytes, to be filled at *bytes. */
leat_value *value_node_inline(size_t len, unsigned depth,
                              unsigned char **bytes);
/* A list of the `before` items and `n` more, whose references are taken, in a
 * store: that of `before` when it has room and this is its newest list. */
leat_value *value_list_grow(const leat_value *before, size_t n,
                            leat_value *const items[]);
void value_store_drop(struct value_store *s);
/* Bytes and depth that an item adds to a list. */
void value_node_count_item(struct value_composed *c, const leat_value *item);
/* A packed value of bytes from malloc(), which are freed with it. */
leat_value *value_node_adopt(unsigned char *bytes, size_t len,
                             unsigned depth);

#endif
