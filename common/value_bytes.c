/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_bytes.c: the cursor over msgpack bytes. Owns the shape of every first
 * byte, in one table, and the one check that foreign bytes go through. No
 * function here allocates or recurses.
 */
#include "common/value_bytes.h"

#include "common/value.h"

/* The bytes that lead a value of ours; everything else is refused. */
const uint8_t value_bytes_shapes[256] = {
    [0x00 ... 0x7f] = 1, /* small whole numbers */
    [0x80 ... 0x8f] = VALUE_SHAPE_MAP,
    [0x90 ... 0x9f] = VALUE_SHAPE_LIST,
    [0xa0] = 1, [0xa1] = 2, [0xa2] = 3, [0xa3] = 4, /* short text */
    [0xa4] = 5, [0xa5] = 6, [0xa6] = 7, [0xa7] = 8,
    [0xa8] = 9, [0xa9] = 10, [0xaa] = 11, [0xab] = 12,
    [0xac] = 13, [0xad] = 14, [0xae] = 15, [0xaf] = 16,
    [0xb0] = 17, [0xb1] = 18, [0xb2] = 19, [0xb3] = 20,
    [0xb4] = 21, [0xb5] = 22, [0xb6] = 23, [0xb7] = 24,
    [0xb8] = 25, [0xb9] = 26, [0xba] = 27, [0xbb] = 28,
    [0xbc] = 29, [0xbd] = 30, [0xbe] = 31, [0xbf] = 32,
    [0xc0] = 1, /* nil */
    [0xc1] = VALUE_SHAPE_NEVER,
    [0xc2 ... 0xc3] = 1, /* false, true */
    [0xc4] = VALUE_SHAPE_TEXT + 1, /* bin */
    [0xc5] = VALUE_SHAPE_TEXT + 2,
    [0xc6] = VALUE_SHAPE_TEXT + 4,
    [0xc7] = VALUE_SHAPE_EXT + 1,
    [0xc8] = VALUE_SHAPE_EXT + 2,
    [0xc9] = VALUE_SHAPE_EXT + 4,
    [0xca] = 5, [0xcb] = 9, /* float */
    [0xcc] = 2, [0xcd] = 3, [0xce] = 5, [0xcf] = 9, /* unsigned */
    [0xd0] = 2, [0xd1] = 3, [0xd2] = 5, [0xd3] = 9, /* signed */
    [0xd4] = 3, [0xd5] = 4, [0xd6] = 6, [0xd7] = 10, [0xd8] = 18, /* ext */
    [0xd9] = VALUE_SHAPE_TEXT + 1, /* str */
    [0xda] = VALUE_SHAPE_TEXT + 2,
    [0xdb] = VALUE_SHAPE_TEXT + 4,
    [0xdc] = VALUE_SHAPE_LIST + 2,
    [0xdd] = VALUE_SHAPE_LIST + 4,
    [0xde] = VALUE_SHAPE_MAP + 2,
    [0xdf] = VALUE_SHAPE_MAP + 4,
    [0xe0 ... 0xff] = 1, /* small negative numbers */
};

/* ---- one place ----------------------------------------------------------- */

static struct value_item container_item(enum leat_type type,
                                        const unsigned char *at)
{
    unsigned width = value_bytes_shapes[*at] & VALUE_SHAPE_WIDTH;
    return (struct value_item){
        .type = type,
        .count = width == 0 ? *at & 0x0fu : value_bytes_uint(at + 1, width),
        .body = at + 1 + width,
    };
}

static struct value_item text_item(enum leat_type type,
                                   const unsigned char *at)
{
    unsigned width = value_bytes_shapes[*at] & VALUE_SHAPE_WIDTH;
    return (struct value_item){
        .type = type,
        .count = value_bytes_uint(at + 1, width),
        .body = at + 1 + width,
    };
}

static enum leat_type scalar_type(unsigned b)
{
    switch (b) {
    case 0xc0:
        return LEAT_NULL;
    case 0xc2:
    case 0xc3:
        return LEAT_BOOL;
    case 0xca:
    case 0xcb:
        return LEAT_DOUBLE;
    default:
        return LEAT_INT;
    }
}

static struct value_item untagged_item(const unsigned char *at)
{
    unsigned b = *at;
    switch (value_bytes_shapes[b] & VALUE_SHAPE_CLASS) {
    case VALUE_SHAPE_MAP:
        return container_item(LEAT_OBJECT, at);
    case VALUE_SHAPE_LIST:
        return container_item(LEAT_LIST, at);
    case VALUE_SHAPE_TEXT:
        return text_item(b <= 0xc6 ? LEAT_BYTES : LEAT_STRING, at);
    default:
        break;
    }
    if (b >= 0xa0 && b <= 0xbf) {
        return (struct value_item){
            .type = LEAT_STRING, .count = b & 0x1f, .body = at + 1};
    }
    return (struct value_item){.type = scalar_type(b), .body = at};
}

struct value_item value_bytes_item(const unsigned char *at)
{
    size_t head = value_bytes_tag_head(at);
    struct value_item item = untagged_item(at + head);
    if (head > 0) {
        unsigned tag = at[value_bytes_ext_head(at) - 1];
        item.tag = tag == VALUE_TYPED ? LEAT_PLAIN : (enum leat_tag)tag;
    }
    return item;
}

static struct value_number from_unsigned(uint64_t u)
{
    if (u > INT64_MAX) {
        return (struct value_number){.kind = NUMBER_UINT, .u = u};
    }
    return (struct value_number){.kind = NUMBER_INT, .i = (int64_t)u};
}

static double load_double(const unsigned char *at)
{
    if (*at == 0xca) {
        uint32_t bits = value_bytes_uint(at + 1, 4);
        float f;
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    uint64_t bits = value_bytes_uint64(at + 1);
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

static int64_t load_signed(const unsigned char *at)
{
    switch (*at) {
    case 0xd0:
        return (int8_t)at[1];
    case 0xd1:
        return (int16_t)value_bytes_uint(at + 1, 2);
    case 0xd2:
        return (int32_t)value_bytes_uint(at + 1, 4);
    default:
        return (int64_t)value_bytes_uint64(at + 1);
    }
}

struct value_number value_bytes_number(const unsigned char *at)
{
    unsigned b = *at;
    if (b <= 0x7f) {
        return (struct value_number){.kind = NUMBER_INT, .i = (int64_t)b};
    }
    if (b >= 0xe0) {
        return (struct value_number){.kind = NUMBER_INT, .i = (int8_t)b};
    }
    switch (b) {
    case 0xca:
    case 0xcb:
        return (struct value_number){.kind = NUMBER_DOUBLE,
                                     .d = load_double(at)};
    case 0xcc:
    case 0xcd:
    case 0xce:
        return from_unsigned(value_bytes_uint(at + 1, 1u << (b - 0xcc)));
    case 0xcf:
        return from_unsigned(value_bytes_uint64(at + 1));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return (struct value_number){.kind = NUMBER_INT, .i = load_signed(at)};
    default:
        return (struct value_number){.kind = NUMBER_NONE};
    }
}

/* ---- stepping ------------------------------------------------------------ */

const unsigned char *value_bytes_skip(const unsigned char *at)
{
    size_t left = 1;
    do {
        left--;
        unsigned shape = value_bytes_shapes[*at];
        unsigned width = shape & VALUE_SHAPE_WIDTH;
        if (shape < VALUE_SHAPE_TEXT) {
            at += shape;
            continue;
        }
        size_t n = width == 0 ? *at & 0x0fu : value_bytes_uint(at + 1, width);
        at += 1 + width;
        switch (shape & VALUE_SHAPE_CLASS) {
        case VALUE_SHAPE_MAP:
            left += 2 * n;
            break;
        case VALUE_SHAPE_LIST:
            left += n;
            break;
        case VALUE_SHAPE_EXT:
            at += 1 + n; /* the tag's byte, and the whole object */
            break;
        default:
            at += n;
            break;
        }
    } while (left > 0);
    return at;
}

struct value_extent value_bytes_measure(const unsigned char *at)
{
    const unsigned char *start = at;
    size_t left[VALUE_DEPTH_HARD + 1];
    unsigned depth = 0, deepest = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0) {
                return (struct value_extent){(size_t)(at - start), deepest};
            }
            depth--;
        }
        left[depth]--;
        at += value_bytes_tag_head(at);
        struct value_item item = untagged_item(at);
        if (item.type != LEAT_LIST && item.type != LEAT_OBJECT) {
            at = value_bytes_skip(at);
            continue;
        }
        at = item.body;
        must(depth < VALUE_DEPTH_HARD);
        left[++depth] = item.type == LEAT_OBJECT ? 2 * (size_t)item.count
                                                 : item.count;
        deepest = depth > deepest ? depth : deepest;
    }
}

/* ---- foreign bytes ------------------------------------------------------- */

struct open_container {
    uint64_t left;            /* values still to come, keys among them */
    const unsigned char *end; /* where a tagged object must end, or NULL */
    bool map;
};

struct checker {
    const unsigned char *at;
    const unsigned char *end;
    unsigned depth, deepest, depth_max;
    struct open_container open[VALUE_DEPTH_HARD + 1];
};

static bool take(struct checker *c, size_t n)
{
    if (n > (size_t)(c->end - c->at)) {
        return false;
    }
    c->at += n;
    return true;
}

/* The head's count, with c->at moved behind it. */
static bool take_count(struct checker *c, unsigned width, size_t *n)
{
    const unsigned char *head = c->at;
    if (!take(c, 1 + (size_t)width)) {
        return false;
    }
    *n = width == 0 ? *head & 0x0fu : value_bytes_uint(head + 1, width);
    return true;
}

static bool check_container(struct checker *c, const unsigned char *tag_end)
{
    unsigned shape = value_bytes_shapes[*c->at];
    bool map = (shape & VALUE_SHAPE_CLASS) == VALUE_SHAPE_MAP;
    size_t n;
    if (!take_count(c, shape & VALUE_SHAPE_WIDTH, &n)) {
        return false;
    }
    uint64_t left = map ? 2 * (uint64_t)n : n;
    if (left > (size_t)(c->end - c->at) || c->depth >= c->depth_max) {
        return false;
    }
    c->depth++;
    c->deepest = c->depth > c->deepest ? c->depth : c->deepest;
    c->open[c->depth] = (struct open_container){left, tag_end, map};
    return true;
}

/* A scalar or a text, whole. */
static bool check_leaf(struct checker *c)
{
    unsigned shape = value_bytes_shapes[*c->at];
    if (shape < VALUE_SHAPE_TEXT) {
        return take(c, shape);
    }
    size_t n;
    return (shape & VALUE_SHAPE_CLASS) == VALUE_SHAPE_TEXT &&
           take_count(c, shape & VALUE_SHAPE_WIDTH, &n) && take(c, n);
}

static bool is_container(unsigned b)
{
    unsigned class = value_bytes_shapes[b] & VALUE_SHAPE_CLASS;
    return value_bytes_shapes[b] >= VALUE_SHAPE_TEXT &&
           (class == VALUE_SHAPE_MAP || class == VALUE_SHAPE_LIST);
}

/* A typed value: a bin, then one value without a tag, and that is all. */
static bool check_typed(struct checker *c, const unsigned char *end)
{
    if (*c->at < 0xc4 || *c->at > 0xc6 || !check_leaf(c) || c->at >= end ||
        value_bytes_ext_head(c->at) > 0 ||
        value_bytes_shapes[*c->at] == VALUE_SHAPE_NEVER) {
        return false;
    }
    if (is_container(*c->at)) {
        return check_container(c, end);
    }
    return check_leaf(c) && c->at == end;
}

/* A tag: the extension's payload is exactly one object. */
static bool check_tagged(struct checker *c)
{
    const unsigned char *at = c->at;
    size_t head = value_bytes_ext_head(at);
    if (!take(c, head)) {
        return false;
    }
    unsigned shape = value_bytes_shapes[*at];
    size_t n = shape < VALUE_SHAPE_TEXT
                   ? shape - 2u
                   : value_bytes_uint(at + 1, shape & VALUE_SHAPE_WIDTH);
    unsigned tag = at[head - 1];
    if (n < 1 || n > (size_t)(c->end - c->at)) {
        return false;
    }
    if (tag == VALUE_TYPED) {
        return check_typed(c, c->at + n);
    }
    return tag >= LEAT_MESSAGE && tag <= LEAT_CHUNK &&
           value_bytes_is_map(*c->at) && check_container(c, c->at + n);
}

static bool is_str(unsigned b)
{
    return (b >= 0xa0 && b <= 0xbf) || (b >= 0xd9 && b <= 0xdb);
}

static bool check_one(struct checker *c)
{
    if (c->at == c->end) {
        return false;
    }
    struct open_container *in = &c->open[c->depth];
    bool key = in->map && in->left % 2 == 0;
    unsigned b = *c->at;
    if (key && !is_str(b)) {
        return false;
    }
    in->left--;
    unsigned shape = value_bytes_shapes[b];
    if (shape == VALUE_SHAPE_NEVER) {
        return false;
    }
    if (value_bytes_ext_head(c->at) > 0) {
        return check_tagged(c);
    }
    return is_container(b) ? check_container(c, NULL) : check_leaf(c);
}

bool value_bytes_check(const void *bytes, size_t len, unsigned depth_max,
                       struct value_extent *out)
{
    must(bytes != NULL || len == 0);
    must(depth_max <= VALUE_DEPTH_HARD);
    struct checker c;
    c.at = bytes;
    c.end = c.at + len;
    c.depth = c.deepest = 0;
    c.depth_max = depth_max;
    c.open[0] = (struct open_container){.left = 1};
    for (;;) {
        while (c.open[c.depth].left == 0) {
            const unsigned char *end = c.open[c.depth].end;
            if (end != NULL && end != c.at) {
                return false;
            }
            if (c.depth == 0) {
                out->len = (size_t)(c.at - (const unsigned char *)bytes);
                out->depth = c.deepest;
                return true;
            }
            c.depth--;
        }
        if (!check_one(&c)) {
            return false;
        }
    }
}

/* ---- heads and numbers --------------------------------------------------- */

static unsigned char *put_uint(unsigned char *to, unsigned char lead,
                               unsigned width, uint64_t n)
{
    *to++ = lead;
    for (unsigned i = width; i > 0; i--) {
        *to++ = (unsigned char)(n >> (8 * (i - 1)));
    }
    return to;
}

static unsigned char *put_head(unsigned char *to, unsigned char fix,
                               unsigned char lead16, uint32_t n)
{
    if (n <= 15) {
        *to = (unsigned char)(fix | n);
        return to + 1;
    }
    if (n <= 0xffff) {
        return put_uint(to, lead16, 2, n);
    }
    return put_uint(to, (unsigned char)(lead16 + 1), 4, n);
}

unsigned char *value_bytes_put_list(unsigned char *to, uint32_t n)
{
    return put_head(to, 0x90, 0xdc, n);
}

unsigned char *value_bytes_put_map(unsigned char *to, uint32_t n)
{
    return put_head(to, 0x80, 0xde, n);
}

unsigned char *value_bytes_put_str(unsigned char *to, uint32_t len)
{
    if (len <= 31) {
        *to = (unsigned char)(0xa0 | len);
        return to + 1;
    }
    if (len <= 0xff) {
        return put_uint(to, 0xd9, 1, len);
    }
    if (len <= 0xffff) {
        return put_uint(to, 0xda, 2, len);
    }
    return put_uint(to, 0xdb, 4, len);
}

unsigned char *value_bytes_put_tag(unsigned char *to, enum leat_tag tag,
                                   uint32_t len)
{
    must(tag > LEAT_PLAIN && tag <= LEAT_CHUNK);
    if (value_bytes_tag_size(len) == 2) {
        *to++ = (unsigned char)(0xd4 + __builtin_ctz(len));
    } else if (len <= 0xff) {
        to = put_uint(to, 0xc7, 1, len);
    } else if (len <= 0xffff) {
        to = put_uint(to, 0xc8, 2, len);
    } else {
        to = put_uint(to, 0xc9, 4, len);
    }
    *to = (unsigned char)tag;
    return to + 1;
}

unsigned char *value_bytes_put_int(unsigned char *to, int64_t n)
{
    if (n >= 0) {
        return value_bytes_put_uint(to, (uint64_t)n);
    }
    if (n >= -32) {
        *to = (unsigned char)n;
        return to + 1;
    }
    if (n >= INT8_MIN) {
        return put_uint(to, 0xd0, 1, (uint64_t)n);
    }
    if (n >= INT16_MIN) {
        return put_uint(to, 0xd1, 2, (uint64_t)n);
    }
    if (n >= INT32_MIN) {
        return put_uint(to, 0xd2, 4, (uint64_t)n);
    }
    return put_uint(to, 0xd3, 8, (uint64_t)n);
}

unsigned char *value_bytes_put_uint(unsigned char *to, uint64_t n)
{
    if (n <= 0x7f) {
        *to = (unsigned char)n;
        return to + 1;
    }
    if (n <= UINT8_MAX) {
        return put_uint(to, 0xcc, 1, n);
    }
    if (n <= UINT16_MAX) {
        return put_uint(to, 0xcd, 2, n);
    }
    if (n <= UINT32_MAX) {
        return put_uint(to, 0xce, 4, n);
    }
    return put_uint(to, 0xcf, 8, n);
}

unsigned char *value_bytes_put_double(unsigned char *to, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return put_uint(to, 0xcb, 8, bits);
}
