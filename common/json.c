/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c: JSON text to packed bytes in one pass, without recursion. Owns the
 * grammar, the limits and what happens to duplicate keys. Writing is
 * json_write.c.
 *
 * The head of a container is one reserved byte; when more than 15 elements
 * came, the bytes behind it are moved once at its end.
 */
#include "common/json.h"

#include "common/json_double.h"
#include "common/json_text.h"
#include "common/value_node.h"
#include <stdio.h>
#include <stdlib.h>

/* Bytes grow to three times the text at most ("1e9" becomes nine); offsets
 * into them are 32 bits wide. */
#define TEXT_MAX ((size_t)UINT32_MAX / 3 - 64)
/* Up to here a result is copied into a value of its own size. */
#define COPY_BELOW ((size_t)64 * 1024)
/* An object of more keys is searched for duplicates by sorting. */
#define SCAN_KEYS_MAX 64
#define KEYS_FIRST 64

struct open_container {
    uint32_t start;  /* of its head */
    uint32_t count;  /* elements or pairs */
    uint32_t key;    /* its first one in the list of keys */
    bool object;
    bool duplicates; /* some key may stand twice */
    uint64_t seen;   /* one bit per key, by its hash */
};

struct key {
    uint32_t at; /* of the key in the bytes */
    uint32_t hash;
};

enum state {
    BEFORE_VALUE,
    BEFORE_FIRST_VALUE, /* or the end of the list */
    BEFORE_KEY,
    BEFORE_FIRST_KEY, /* or the end of the object */
    AFTER_VALUE,
};

struct parser {
    const unsigned char *start, *at, *end;
    unsigned char *out;
    size_t len, room;
    unsigned char *few; /* the caller's stack, used first */
    unsigned depth, depth_max, deepest;
    struct key *keys; /* of all open objects */
    size_t key_count, key_room;
    struct err *err;
    struct open_container stack[LEAT_DEPTH_MAX + 1];
};

/* ---- errors and room ----------------------------------------------------- */

static bool bad(struct parser *p, const char *what)
{
    return err_set(p->err, ERR_BAD_JSON, "%s at byte %zu", what,
                   (size_t)(p->at - p->start));
}

static bool unexpected(struct parser *p)
{
    return bad(p, p->at == p->end ? "text ends too early"
                                  : "unexpected character");
}

static unsigned char *reserve(struct parser *p, size_t need)
{
    if (need <= p->room - p->len) {
        return p->out + p->len;
    }
    size_t room = p->room;
    while (room < p->len + need) {
        room *= 2;
    }
    if (p->out == p->few) {
        p->out = base_realloc(NULL, room);
        memcpy(p->out, p->few, p->len);
    } else {
        p->out = base_realloc(p->out, room);
    }
    p->room = room;
    return p->out + p->len;
}

static void put_byte(struct parser *p, unsigned char byte)
{
    *reserve(p, 1) = byte;
    p->len++;
}

/* ---- strings ------------------------------------------------------------- */

/* Moves p->at to the closing quote; what stands before it is UTF-8. */
static bool find_quote(struct parser *p, bool *escaped)
{
    for (;;) {
        p->at = json_text_plain(p->at, p->end);
        if (p->at == p->end) {
            return bad(p, "unterminated string");
        }
        unsigned c = *p->at;
        if (c == '"') {
            return true;
        }
        if (c == '\\') {
            *escaped = true;
            if (p->end - p->at < 2) {
                return bad(p, "unterminated string");
            }
            p->at += p->at[1] < 0x80 ? 2 : 1;
        } else if (c < 0x20) {
            return bad(p, "control character in a string");
        } else {
            unsigned n = json_text_utf8(p->at, p->end);
            if (n == 0) {
                return bad(p, "invalid UTF-8");
            }
            p->at += n;
        }
    }
}

static bool put_escaped(struct parser *p, const unsigned char *text,
                        const unsigned char *quote)
{
    size_t raw = (size_t)(quote - text);
    unsigned char *to = reserve(p, 5 + raw);
    unsigned char *body = to + value_bytes_str_head(raw);
    unsigned char *end = json_text_unescape(&text, quote, body);
    if (end == NULL) {
        p->at = text;
        return bad(p, "bad escape");
    }
    size_t len = (size_t)(end - body);
    size_t head = value_bytes_str_head(len);
    if (to + head != body) {
        memmove(to + head, body, len);
    }
    value_bytes_put_str(to, (uint32_t)len);
    p->len += head + len;
    return true;
}

/* At the opening quote. */
static bool take_string(struct parser *p)
{
    const unsigned char *text = ++p->at;
    bool escaped = false;
    if (!find_quote(p, &escaped)) {
        return false;
    }
    const unsigned char *quote = p->at;
    if (escaped) {
        if (!put_escaped(p, text, quote)) {
            return false;
        }
    } else {
        size_t len = (size_t)(quote - text);
        unsigned char *to = reserve(p, 5 + len);
        to = value_bytes_put_str(to, (uint32_t)len);
        memcpy(to, text, len);
        p->len += value_bytes_str_head(len) + len;
    }
    p->at = quote + 1;
    return true;
}

/* ---- numbers ------------------------------------------------------------- */

static bool is_digit(const struct parser *p, const unsigned char *at)
{
    return at < p->end && *at >= '0' && *at <= '9';
}

static const unsigned char *skip_digits(const struct parser *p,
                                        const unsigned char *at)
{
    while (is_digit(p, at)) {
        at++;
    }
    return at;
}

/* The whole number in the text, if 64 bits hold it. */
static bool put_whole(struct parser *p, const unsigned char *digits,
                      const unsigned char *end, bool minus)
{
    uint64_t n = 0;
    for (; digits < end; digits++) {
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*digits - '0'), &n)) {
            return false;
        }
    }
    if (minus && n > (uint64_t)INT64_MAX + 1) {
        return false;
    }
    unsigned char *to = reserve(p, 9);
    unsigned char *after = minus ? value_bytes_put_int(to, (int64_t)(0 - n))
                                 : value_bytes_put_uint(to, n);
    p->len += (size_t)(after - to);
    return true;
}

static bool take_number(struct parser *p)
{
    const unsigned char *text = p->at, *at = text;
    bool minus = *at == '-', whole = true;
    at += minus;
    const unsigned char *digits = at;
    at = skip_digits(p, at);
    bool good = at > digits && (*digits != '0' || at == digits + 1);
    if (good && at < p->end && *at == '.') {
        whole = false;
        good = is_digit(p, ++at);
        at = skip_digits(p, at);
    }
    if (good && at < p->end && (*at | 0x20) == 'e') {
        whole = false;
        at++;
        at += at < p->end && (*at == '+' || *at == '-');
        good = is_digit(p, at);
        at = skip_digits(p, at);
    }
    if (!good) {
        return bad(p, "bad number");
    }
    if (!whole || !put_whole(p, digits, at, minus)) {
        double d =
            json_double_parse((const char *)text, (size_t)(at - text));
        value_bytes_put_double(reserve(p, 9), d);
        p->len += 9;
    }
    p->at = at;
    return true;
}

/* ---- duplicate keys ------------------------------------------------------ */

static uint32_t hash_bytes(const unsigned char *at, size_t len)
{
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    uint64_t h = len * factor;
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t x;
        memcpy(&x, at, sizeof(x));
        h = (h ^ x) * factor;
        h ^= h >> 32;
    }
    uint64_t x = 0;
    memcpy(&x, at, len);
    h = (h ^ x) * factor;
    return (uint32_t)(h >> 32);
}

static bool same_packed_key(const unsigned char *a, const unsigned char *b)
{
    struct value_item ka = value_bytes_item(a), kb = value_bytes_item(b);
    return ka.count == kb.count && memcmp(ka.body, kb.body, ka.count) == 0;
}

/* Whether the newest key of the innermost object stood there before. */
static bool stands_twice(const struct parser *p, const struct key *newest)
{
    const struct open_container *in = &p->stack[p->depth];
    if (in->count > SCAN_KEYS_MAX) {
        return true; /* to be found out at the end, by sorting */
    }
    for (const struct key *k = p->keys + in->key; k < newest; k++) {
        if (k->hash == newest->hash &&
            same_packed_key(p->out + k->at, p->out + newest->at)) {
            return true;
        }
    }
    return false;
}

static bool take_key(struct parser *p)
{
    if (p->at == p->end || *p->at != '"') {
        return unexpected(p);
    }
    size_t at = p->len;
    if (!take_string(p)) {
        return false;
    }
    if (p->key_count == p->key_room) {
        p->key_room = p->key_room > 0 ? p->key_room * 2 : KEYS_FIRST;
        p->keys = base_realloc(p->keys, p->key_room * sizeof(*p->keys));
    }
    struct key *key = &p->keys[p->key_count++];
    key->at = (uint32_t)at;
    key->hash = hash_bytes(p->out + at, p->len - at);
    struct open_container *in = &p->stack[p->depth];
    uint64_t bit = (uint64_t)1 << (key->hash & 63);
    if ((in->seen & bit) != 0 && !in->duplicates) {
        in->duplicates = stands_twice(p, key);
    }
    in->seen |= bit;
    return true;
}

/* One pair of an object whose keys are being made unique. */
struct pair {
    uint32_t at;    /* of the key */
    uint32_t value; /* of the value to use */
    uint32_t size;  /* of that value */
    uint32_t order; /* in the text */
};

static int compare_pairs(const void *left, const void *right, void *bytes)
{
    const struct pair *a = left, *b = right;
    const unsigned char *out = bytes;
    struct value_item ka = value_bytes_item(out + a->at);
    struct value_item kb = value_bytes_item(out + b->at);
    if (ka.count != kb.count) {
        return ka.count < kb.count ? -1 : 1;
    }
    int order = memcmp(ka.body, kb.body, ka.count);
    if (order != 0) {
        return order;
    }
    return a->order < b->order ? -1 : 1;
}

static int compare_order(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    return a->order < b->order ? -1 : 1;
}

static struct pair *pairs_of(const struct parser *p,
                             const struct open_container *in)
{
    const struct key *keys = p->keys + in->key;
    struct pair *pairs = base_realloc(NULL, in->count * sizeof(*pairs));
    for (uint32_t i = 0; i < in->count; i++) {
        struct value_item key = value_bytes_item(p->out + keys[i].at);
        uint32_t value = (uint32_t)(key.body + key.count - p->out);
        uint32_t end =
            i + 1 < in->count ? keys[i + 1].at : (uint32_t)p->len;
        pairs[i] = (struct pair){keys[i].at, value, end - value, i};
    }
    return pairs;
}

/* The last of equal keys gives the value, the first the place. */
static uint32_t unite(const struct parser *p, struct pair *pairs, uint32_t n)
{
    uint32_t kept = 0;
    qsort_r(pairs, n, sizeof(*pairs), compare_pairs, p->out);
    for (uint32_t i = 0; i < n; i++) {
        if (kept > 0 && same_packed_key(p->out + pairs[kept - 1].at,
                                        p->out + pairs[i].at)) {
            pairs[kept - 1].value = pairs[i].value;
            pairs[kept - 1].size = pairs[i].size;
        } else {
            pairs[kept++] = pairs[i];
        }
    }
    qsort(pairs, kept, sizeof(*pairs), compare_order);
    return kept;
}

/* Rewrites the innermost object so that each key stands once. */
static void drop_duplicates(struct parser *p, struct open_container *in)
{
    struct pair *pairs = pairs_of(p, in);
    in->count = unite(p, pairs, in->count);
    size_t body = in->start + 1u;
    unsigned char *copy = base_realloc(NULL, p->len - body);
    unsigned char *to = copy;
    for (uint32_t i = 0; i < in->count; i++) {
        struct value_item key = value_bytes_item(p->out + pairs[i].at);
        const unsigned char *at = p->out + pairs[i].at;
        size_t len = (size_t)(key.body + key.count - at);
        memcpy(to, at, len);
        to += len;
        memcpy(to, p->out + pairs[i].value, pairs[i].size);
        to += pairs[i].size;
    }
    memcpy(p->out + body, copy, (size_t)(to - copy));
    p->len = body + (size_t)(to - copy);
    free(copy);
    free(pairs);
}

/* ---- the grammar --------------------------------------------------------- */

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' ||
                              *p->at == '\r' || *p->at == '\t')) {
        p->at++;
    }
}

static bool open_container(struct parser *p, bool object, enum state *next)
{
    if (p->depth == p->depth_max) {
        return err_set(p->err, ERR_INVALID, "nested deeper than %u at byte %zu",
                       p->depth_max, (size_t)(p->at - p->start));
    }
    p->depth++;
    p->deepest = p->depth > p->deepest ? p->depth : p->deepest;
    p->stack[p->depth] = (struct open_container){
        .start = (uint32_t)p->len,
        .key = (uint32_t)p->key_count,
        .object = object,
    };
    put_byte(p, 0);
    p->at++;
    *next = object ? BEFORE_FIRST_KEY : BEFORE_FIRST_VALUE;
    return true;
}

static bool close_container(struct parser *p, enum state *next)
{
    struct open_container *in = &p->stack[p->depth--];
    if (in->duplicates) {
        drop_duplicates(p, in);
    }
    size_t head = value_bytes_container_head(in->count);
    if (head > 1) {
        reserve(p, head);
        unsigned char *body = p->out + in->start + 1;
        memmove(body + head - 1, body, p->len - in->start - 1);
        p->len += head - 1;
    }
    unsigned char *to = p->out + in->start;
    if (in->object) {
        value_bytes_put_map(to, in->count);
        p->key_count = in->key;
    } else {
        value_bytes_put_list(to, in->count);
    }
    p->at++;
    *next = AFTER_VALUE;
    return true;
}

static bool take_word(struct parser *p, const char *word, unsigned char byte)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0) {
        return unexpected(p);
    }
    p->at += len;
    put_byte(p, byte);
    return true;
}

static bool take_value(struct parser *p, enum state *next)
{
    if (p->at == p->end) {
        return unexpected(p);
    }
    p->stack[p->depth].count++;
    *next = AFTER_VALUE;
    switch (*p->at) {
    case '{':
        return open_container(p, true, next);
    case '[':
        return open_container(p, false, next);
    case '"':
        return take_string(p);
    case 't':
        return take_word(p, "true", 0xc3);
    case 'f':
        return take_word(p, "false", 0xc2);
    case 'n':
        return take_word(p, "null", 0xc0);
    default:
        if (*p->at == '-' || is_digit(p, p->at)) {
            return take_number(p);
        }
        return unexpected(p);
    }
}

static bool take_pair_head(struct parser *p, enum state *next)
{
    if (!take_key(p)) {
        return false;
    }
    skip_space(p);
    if (p->at == p->end || *p->at != ':') {
        return unexpected(p);
    }
    p->at++;
    *next = BEFORE_VALUE;
    return true;
}

static bool after_value(struct parser *p, enum state *next)
{
    if (p->at == p->end) {
        return unexpected(p);
    }
    bool object = p->stack[p->depth].object;
    if (*p->at == ',') {
        p->at++;
        *next = object ? BEFORE_KEY : BEFORE_VALUE;
        return true;
    }
    if (*p->at == (object ? '}' : ']')) {
        return close_container(p, next);
    }
    return unexpected(p);
}

static bool at_char(const struct parser *p, unsigned char c)
{
    return p->at < p->end && *p->at == c;
}

static bool step(struct parser *p, enum state *state)
{
    switch (*state) {
    case BEFORE_FIRST_VALUE:
        return at_char(p, ']') ? close_container(p, state)
                               : take_value(p, state);
    case BEFORE_VALUE:
        return take_value(p, state);
    case BEFORE_FIRST_KEY:
        return at_char(p, '}') ? close_container(p, state)
                               : take_pair_head(p, state);
    case BEFORE_KEY:
        return take_pair_head(p, state);
    default:
        return after_value(p, state);
    }
}

static bool parse(struct parser *p)
{
    enum state state = BEFORE_VALUE;
    p->stack[0] = (struct open_container){.count = 0};
    do {
        skip_space(p);
        if (!step(p, &state)) {
            return false;
        }
    } while (state != AFTER_VALUE || p->depth > 0);
    skip_space(p);
    return p->at == p->end || bad(p, "text behind the value");
}

static leat_value *take_result(struct parser *p)
{
    if (p->len < COPY_BELOW || p->out == p->few) {
        unsigned char *to;
        leat_value *v = value_node_inline(p->len, p->deepest, &to);
        memcpy(to, p->out, p->len);
        return v;
    }
    unsigned char *bytes = base_realloc(p->out, p->len);
    p->out = p->few;
    return value_node_adopt(bytes, p->len, p->deepest);
}

bool json_parse(const char *text, size_t len,
                const struct value_limits *limits, leat_value **out,
                struct err *err)
{
    must(text != NULL || len == 0);
    must(out != NULL);
    *out = NULL;
    size_t bytes_max = limits != NULL ? limits->bytes_max : 0;
    if (len > TEXT_MAX || (bytes_max > 0 && len > bytes_max)) {
        return err_set(err, ERR_TOO_LARGE, "JSON text of %zu bytes", len);
    }
    unsigned char few[4096];
    struct parser p;
    p.start = p.at = (const unsigned char *)text;
    p.end = len > 0 ? p.at + len : p.at;
    p.few = p.out = few;
    p.len = 0;
    p.room = sizeof(few);
    p.depth = p.deepest = 0;
    p.depth_max = LEAT_DEPTH_MAX;
    if (limits != NULL && limits->depth_max > 0 &&
        limits->depth_max < LEAT_DEPTH_MAX) {
        p.depth_max = limits->depth_max;
    }
    p.keys = NULL;
    p.key_count = p.key_room = 0;
    p.err = err;
    bool ok = parse(&p);
    if (ok) {
        *out = take_result(&p);
    }
    if (p.out != p.few) {
        free(p.out);
    }
    free(p.keys);
    return ok;
}

leat_value *leat_from_json(const char *text, size_t len, char *why,
                           size_t why_size)
{
    must(text != NULL || len == 0);
    struct err err = ERR_INIT;
    leat_value *v;
    if (!json_parse(text, len, NULL, &v, &err) && why != NULL &&
        why_size > 0) {
        base_copy(why, why_size, err.text);
    }
    return v;
}
