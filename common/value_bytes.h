/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The msgpack bytes inside a value: what stands at a place, where the next
 * place is, and whether foreign bytes may become a value at all. Only the
 * value and json files include it. It knows bytes, not references or owners.
 *
 * Every function but value_bytes_check() trusts its bytes: they were written
 * here or checked from end to end when they came in, so no length is compared
 * again while reading.
 */
#ifndef COMMON_VALUE_BYTES_H
#define COMMON_VALUE_BYTES_H

#include "common/base.h"
#include <leat/value.h>
#include <string.h>

/* What stands at a place; a tag has been taken off already. */
struct value_item {
    enum leat_type type;
    enum leat_tag tag;
    uint32_t count;            /* bytes of text, elements, or pairs */
    const unsigned char *body; /* text, first element; a scalar itself */
};

/* A number in the widest form that holds it exactly. */
struct value_number {
    enum { NUMBER_NONE, NUMBER_INT, NUMBER_UINT, NUMBER_DOUBLE } kind;
    int64_t i;  /* NUMBER_INT: anything up to INT64_MAX */
    uint64_t u; /* NUMBER_UINT: above INT64_MAX only */
    double d;   /* NUMBER_DOUBLE */
};

/* Exact as doubles, and the first that do not fit into 64 bits. */
#define VALUE_TWO_63 9223372036854775808.0
#define VALUE_TWO_64 18446744073709551616.0

struct value_extent {
    size_t len;     /* bytes */
    unsigned depth; /* 0: a scalar, 1: a list of scalars, ... */
};

/*
 * How to step over a first byte. Below VALUE_SHAPE_TEXT: that many bytes in
 * all. Else a class plus the width of the count that follows (0: in the byte).
 */
enum {
    VALUE_SHAPE_TEXT = 0x40, /* str and bin with a length field */
    VALUE_SHAPE_EXT = 0x60,  /* ext with a length field */
    VALUE_SHAPE_LIST = 0x80,
    VALUE_SHAPE_MAP = 0xa0,
    VALUE_SHAPE_CLASS = 0xe0,
    VALUE_SHAPE_WIDTH = 0x1f,
    VALUE_SHAPE_NEVER = 0xff,
};
extern const uint8_t value_bytes_shapes[256];

/* Reads a big-endian count of 1, 2 or 4 bytes. */
static inline uint32_t value_bytes_uint(const unsigned char *p, unsigned width)
{
    switch (width) {
    case 1:
        return p[0];
    case 2:
        return (uint32_t)p[0] << 8 | p[1];
    default:
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
               (uint32_t)p[2] << 8 | p[3];
    }
}

static inline uint64_t value_bytes_uint64(const unsigned char *p)
{
    return (uint64_t)value_bytes_uint(p, 4) << 32 | value_bytes_uint(p + 4, 4);
}

/*
 * Objects carry tags 1 to 4. A *typed* value is an extension of this type
 * around a bin and a value of any kind: the bin is for the worker that wrote
 * it and says how to make the very object again; all others see the value.
 */
#define VALUE_TYPED 5

static inline bool value_bytes_is_map(unsigned b)
{
    return (b >= 0x80 && b <= 0x8f) || b == 0xde || b == 0xdf;
}

/* Bytes of an extension's head; 0 when it is none. The last is its type. */
static inline size_t value_bytes_ext_head(const unsigned char *at)
{
    unsigned b = *at;
    if (b >= 0xd4 && b <= 0xd8) {
        return 2;
    }
    if (b >= 0xc7 && b <= 0xc9) {
        return 2 + ((size_t)1 << (b - 0xc7));
    }
    return 0;
}

/* Bytes in front of what is shown of a tagged or typed value; 0 for others. */
static inline size_t value_bytes_tag_head(const unsigned char *at)
{
    size_t head = value_bytes_ext_head(at);
    if (head > 0 && at[head - 1] == VALUE_TYPED) {
        unsigned width = 1u << (at[head] - 0xc4u);
        head += 1 + (size_t)width + value_bytes_uint(at + head + 1, width);
    }
    return head;
}

static inline bool value_bytes_is_object(const unsigned char *at)
{
    return value_bytes_is_map(*at) ||
           (value_bytes_ext_head(at) > 0 &&
            value_bytes_is_map(at[value_bytes_tag_head(at)]));
}

struct value_item value_bytes_item(const unsigned char *at);
struct value_number value_bytes_number(const unsigned char *at);
/* The place behind the one at `at`. */
const unsigned char *value_bytes_skip(const unsigned char *at);

/* The same, quick for what is its own first byte or two. */
static inline const unsigned char *value_bytes_next(const unsigned char *at)
{
    unsigned shape = value_bytes_shapes[*at];
    if (shape < VALUE_SHAPE_TEXT) {
        return at + shape;
    }
    bool empty = *at == 0x80 || *at == 0x90;
    return empty ? at + 1 : value_bytes_skip(at);
}

/* The first pair of an object, with or without a tag; NULL: it is none. */
static inline const unsigned char *value_bytes_pairs(const unsigned char *at,
                                                     uint32_t *count)
{
    at += value_bytes_is_map(*at) ? 0 : value_bytes_tag_head(at);
    unsigned b = *at;
    if (!value_bytes_is_map(b)) {
        return NULL;
    }
    unsigned width = b <= 0x8f ? 0 : b == 0xde ? 2 : 4;
    *count = width == 0 ? b & 0x0fu : value_bytes_uint(at + 1, width);
    return at + 1 + width;
}

/* The key of a pair at `at`; returns where its value stands. */
static inline const unsigned char *value_bytes_key(const unsigned char *at,
                                                   struct leat_text *key)
{
    unsigned b = *at;
    unsigned width = b <= 0xbf ? 0 : 1u << (b - 0xd9);
    key->len = width == 0 ? b & 0x1fu : value_bytes_uint(at + 1, width);
    key->ptr = (const char *)at + 1 + width;
    return at + 1 + width + key->len;
}

/* Length and depth; reads every byte of structure once. */
struct value_extent value_bytes_measure(const unsigned char *at);

/*
 * For bytes of unknown origin: true when they begin with one value of ours
 * that nests at most `depth_max` deep. Nothing is read past `len`.
 */
MUST_USE bool value_bytes_check(const void *bytes, size_t len,
                                unsigned depth_max, struct value_extent *out);

/* Heads; each writes at most 6 bytes and returns the place behind them. */
unsigned char *value_bytes_put_list(unsigned char *to, uint32_t n);
unsigned char *value_bytes_put_map(unsigned char *to, uint32_t n);
unsigned char *value_bytes_put_str(unsigned char *to, uint32_t len);
unsigned char *value_bytes_put_tag(unsigned char *to, enum leat_tag tag,
                                   uint32_t len);
/* Numbers in their shortest form; at most 9 bytes. */
unsigned char *value_bytes_put_int(unsigned char *to, int64_t n);
unsigned char *value_bytes_put_uint(unsigned char *to, uint64_t n);
unsigned char *value_bytes_put_double(unsigned char *to, double d);

static inline size_t value_bytes_container_head(size_t n)
{
    return n <= 15 ? 1 : n <= 0xffff ? 3 : 5;
}

static inline size_t value_bytes_str_head(size_t len)
{
    return len <= 31 ? 1 : len <= 0xff ? 2 : len <= 0xffff ? 3 : 5;
}

static inline size_t value_bytes_tag_size(size_t len)
{
    if (len == 1 || len == 2 || len == 4 || len == 8 || len == 16) {
        return 2;
    }
    return len <= 0xff ? 3 : len <= 0xffff ? 4 : 6;
}

#endif
