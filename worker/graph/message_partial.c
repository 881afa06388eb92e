/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_partial.c: JSON that a model has not finished writing. The
 * text is cut behind its last complete part and what is open there is closed;
 * the JSON parser does the rest. A bracket that closes another one makes the
 * whole text malformed, wherever it stands, as it does in Python.
 */
#include "worker/graph/message.h"

#include "common/buf.h"
#include <string.h>

enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END,
    EXPECT_KEY,
    EXPECT_KEY_OR_END,
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING,
};

/* Open containers, as the characters that close them. */
struct closers {
    char stack[LEAT_DEPTH_MAX];
    size_t depth;
};

struct cutter {
    const char *at, *end;
    struct buf out;      /* the text so far; control characters escaped */
    size_t cut;          /* of it, up to the last complete part; 0: none */
    struct closers open;
    enum expect expect;
};

/* ---- brackets ------------------------------------------------------------ */

/* The containers that are open at the end; false when they are crossed. */
static bool find_open(leat_text json, struct closers *open)
{
    bool inside = false, escaped = false;
    open->depth = 0;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (inside) {
            inside = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
        } else if (c == '"') {
            inside = true;
        } else if (c == '{' || c == '[') {
            if (open->depth == sizeof(open->stack)) {
                return false;
            }
            open->stack[open->depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (open->depth == 0 || open->stack[open->depth - 1] != c) {
                return false;
            }
            open->depth--;
        }
    }
    return true;
}

/* ---- the cut ------------------------------------------------------------- */

static void copy(struct cutter *c, size_t len)
{
    must(buf_append(&c->out, c->at, len)); /* there is no cap */
    c->at += len;
}

static void cut_here(struct cutter *c)
{
    c->cut = c->out.len;
}

static void value_done(struct cutter *c)
{
    c->expect = c->open.depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
    cut_here(c);
}

static bool open_container(struct cutter *c)
{
    bool object = *c->at == '{';
    if (c->open.depth == sizeof(c->open.stack)) {
        return false;
    }
    c->open.stack[c->open.depth++] = object ? '}' : ']';
    c->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    copy(c, 1);
    cut_here(c);
    return true;
}

static bool close_container(struct cutter *c)
{
    if (c->open.depth == 0 || c->open.stack[c->open.depth - 1] != *c->at) {
        return false;
    }
    c->open.depth--;
    copy(c, 1);
    value_done(c);
    return true;
}

static void copy_character(struct cutter *c)
{
    unsigned char byte = (unsigned char)*c->at;
    if (byte < 0x20) {
        must(buf_printf(&c->out, "\\u%04x", byte));
        c->at++;
    } else {
        copy(c, 1);
    }
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* At a backslash that is not the last character. */
static bool copy_escape(struct cutter *c)
{
    size_t len = c->at[1] == 'u' ? 6 : 2;
    if (strchr("\"\\/bfnrtu", c->at[1]) == NULL || c->at[1] == '\0' ||
        (size_t)(c->end - c->at) < len) {
        return false;
    }
    for (size_t i = 2; i < len; i++) {
        if (!is_hex(c->at[i])) {
            return false;
        }
    }
    copy(c, len);
    return true;
}

/* At the opening quote. *closed: the closing one was there. */
static bool copy_string(struct cutter *c, bool *closed)
{
    *closed = true;
    copy(c, 1);
    while (c->at < c->end) {
        if (*c->at == '"') {
            copy(c, 1);
            return true;
        }
        if (*c->at != '\\') {
            copy_character(c);
        } else if (c->end - c->at == 1) {
            c->at++; /* an escape that has only begun is left out */
        } else if (!copy_escape(c)) {
            return false;
        }
    }
    *closed = false;
    must(buf_putc(&c->out, '"'));
    return true;
}

static size_t digits_at(const struct cutter *c, size_t from)
{
    size_t n = from;
    while (c->at + n < c->end && c->at[n] >= '0' && c->at[n] <= '9') {
        n++;
    }
    return n - from;
}

static char char_at(const struct cutter *c, size_t i)
{
    return c->at + i < c->end ? c->at[i] : '\0';
}

/* The longest start of the text that is a number; 0: none. */
static size_t number_length(const struct cutter *c)
{
    size_t n = char_at(c, 0) == '-' ? 1 : 0;
    size_t digits = digits_at(c, n);
    if (digits == 0) {
        return 0;
    }
    n += char_at(c, n) == '0' ? 1 : digits;
    if (char_at(c, n) == '.' && digits_at(c, n + 1) > 0) {
        n += 1 + digits_at(c, n + 1);
    }
    char e = char_at(c, n);
    if (e == 'e' || e == 'E') {
        char sign = char_at(c, n + 1);
        size_t from = n + (sign == '-' || sign == '+' ? 2 : 1);
        if (digits_at(c, from) > 0) {
            n = from + digits_at(c, from);
        }
    }
    return n;
}

static size_t word_length(const struct cutter *c)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(c->end - c->at) >= len &&
            memcmp(c->at, words[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

static bool take_value(struct cutter *c)
{
    if (*c->at == '{' || *c->at == '[') {
        return open_container(c);
    }
    bool closed = true;
    if (*c->at == '"') {
        if (!copy_string(c, &closed)) {
            return false;
        }
    } else {
        size_t n = number_length(c) + word_length(c);
        if (n == 0) {
            return false;
        }
        copy(c, n);
    }
    value_done(c);
    return true;
}

static bool take_key(struct cutter *c)
{
    bool closed;
    if (*c->at != '"' || !copy_string(c, &closed) || !closed) {
        return false;
    }
    c->expect = EXPECT_COLON;
    return true;
}

static bool take_mark(struct cutter *c, char mark, enum expect next)
{
    if (*c->at != mark) {
        return false;
    }
    copy(c, 1);
    c->expect = next;
    return true;
}

/* False at what is no JSON; what came before may still be taken. */
static bool step(struct cutter *c)
{
    bool at_end = *c->at == '}' || *c->at == ']';
    switch (c->expect) {
    case EXPECT_VALUE:
        return take_value(c);
    case EXPECT_VALUE_OR_END:
        return at_end ? close_container(c) : take_value(c);
    case EXPECT_KEY:
        return take_key(c);
    case EXPECT_KEY_OR_END:
        return at_end ? close_container(c) : take_key(c);
    case EXPECT_COLON:
        return take_mark(c, ':', EXPECT_VALUE);
    case EXPECT_COMMA_OR_END: {
        bool object = c->open.stack[c->open.depth - 1] == '}';
        return at_end ? close_container(c)
                      : take_mark(c, ',', object ? EXPECT_KEY : EXPECT_VALUE);
    }
    default:
        return false;
    }
}

static void find_cut(struct cutter *c)
{
    while (c->at < c->end) {
        char space = *c->at;
        if (space == ' ' || space == '\n' || space == '\r' || space == '\t') {
            copy(c, 1);
        } else if (!step(c)) {
            return;
        }
    }
}

leat_value *graph_message_partial_parse(leat_text json)
{
    if (json.ptr == NULL) {
        return NULL;
    }
    leat_value *v = leat_from_json(json.ptr, json.len, NULL, 0);
    struct closers open;
    if (v != NULL || !find_open(json, &open)) {
        return v;
    }
    struct cutter c = {.at = json.ptr,
                       .end = json.ptr + json.len,
                       .expect = EXPECT_VALUE};
    buf_init(&c.out, SIZE_MAX - 1);
    find_cut(&c);
    /* What was opened behind a mistake cannot be closed before it. */
    bool same = c.open.depth == open.depth &&
                memcmp(c.open.stack, open.stack, open.depth) == 0;
    if (same && c.cut > 0) {
        buf_cut(&c.out, c.cut);
        for (size_t i = open.depth; i > 0; i--) {
            must(buf_putc(&c.out, open.stack[i - 1]));
        }
        v = leat_from_json(c.out.data, c.out.len, NULL, 0);
    }
    buf_fini(&c.out);
    return v;
}
