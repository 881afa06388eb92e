/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An incremental reader of server-sent events. Events that lie whole in the
 * bytes given are handed on without a copy; only the rest of an unfinished
 * event is kept. Comment lines are counted and dropped at once, so that an
 * idle stream with heartbeats keeps nothing. It knows nothing about HTTP or
 * about what an event means. Line ends are LF or CRLF.
 */
#ifndef LEAT_BENCH_SSE_H
#define LEAT_BENCH_SSE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* No event of a benchmark is near it: more is a server that went astray. */
#define SSE_EVENT_BYTES_MAX (64u << 20)

struct sse_text {
    const char *at; /* NULL when the event had no such field */
    size_t len;
};

struct sse_event {
    struct sse_text name, data, id; /* borrowed for the call */
};

typedef void sse_sink(void *arg, const struct sse_event *event);

struct sse_span {
    uint32_t at, len; /* in the text being read, from the event's start */
    bool set;
};

struct sse {
    char *rest; /* what came of an unfinished event */
    uint32_t rest_len, rest_cap;
    uint32_t line;     /* where its unfinished line starts */
    uint32_t searched; /* bytes of it without a further line end */
    struct sse_span name, data, id;
    uint32_t comments;
    uint32_t malformed; /* lines that no field or comment explains */
};

static void sse_fini(struct sse *sse)
{
    free(sse->rest);
    memset(sse, 0, sizeof(*sse));
}

/* Ready for the next answer; the buffer stays. */
static void sse_reset(struct sse *sse)
{
    struct sse fresh = {.rest = sse->rest, .rest_cap = sse->rest_cap};
    *sse = fresh;
}

static bool sse_pending(const struct sse *sse)
{
    return sse->name.set || sse->data.set || sse->id.set;
}

/* The span that a field name stands for, NULL for an unknown one. */
static struct sse_span *sse_span_of(struct sse *sse, const char *name,
                                    size_t len)
{
    if (len == 5 && memcmp(name, "event", 5) == 0) {
        return &sse->name;
    }
    if (len == 4 && memcmp(name, "data", 4) == 0) {
        return &sse->data;
    }
    if (len == 2 && memcmp(name, "id", 2) == 0) {
        return &sse->id;
    }
    return NULL;
}

/* One line that is not empty: `text[from, to)`. */
static void sse_on_line(struct sse *sse, const char *text, size_t from,
                        size_t to)
{
    assert(from < to);
    if (text[from] == ':') {
        sse->comments++;
        return;
    }
    const char *colon = memchr(text + from, ':', to - from);
    size_t name_end = colon != NULL ? (size_t)(colon - text) : to;
    struct sse_span *span = sse_span_of(sse, text + from, name_end - from);
    if (span == NULL || span->set || colon == NULL) {
        /* The official clients glue repeated data lines together without a
         * separator, so a server that sends two sends broken JSON. */
        sse->malformed++;
        return;
    }
    size_t value = name_end + 1;
    if (value < to && text[value] == ' ') {
        value++;
    }
    *span = (struct sse_span){(uint32_t)value, (uint32_t)(to - value), true};
}

static struct sse_text sse_text_of(struct sse_span span, const char *text)
{
    struct sse_text none = {NULL, 0};
    struct sse_text some = {text + span.at, span.len};
    return span.set ? some : none;
}

/* An empty line: the event is complete. */
static void sse_dispatch(struct sse *sse, const char *text, sse_sink *sink,
                         void *arg)
{
    if (!sse_pending(sse)) {
        return;
    }
    struct sse_event event = {
        .name = sse_text_of(sse->name, text),
        .data = sse_text_of(sse->data, text),
        .id = sse_text_of(sse->id, text),
    };
    sse->name.set = sse->data.set = sse->id.set = false;
    sink(arg, &event);
}

/* Reads the complete lines of `text`. Returns where the rest starts. */
static size_t sse_scan(struct sse *sse, struct sse_text text, sse_sink *sink,
                       void *arg)
{
    size_t keep = 0;
    size_t line = sse->line;
    size_t from = sse->searched;
    const char *end;
    while ((end = memchr(text.at + from, '\n', text.len - from)) != NULL) {
        size_t to = (size_t)(end - text.at);
        from = to + 1;
        if (to > line && text.at[to - 1] == '\r') {
            to--;
        }
        if (to == line) {
            sse_dispatch(sse, text.at, sink, arg);
        } else {
            sse_on_line(sse, text.at, line, to);
        }
        line = from;
        if (!sse_pending(sse)) {
            keep = line;
        }
    }
    sse->line = (uint32_t)(line - keep);
    sse->searched = (uint32_t)(text.len - keep);
    sse->name.at -= sse->name.set ? (uint32_t)keep : 0;
    sse->data.at -= sse->data.set ? (uint32_t)keep : 0;
    sse->id.at -= sse->id.set ? (uint32_t)keep : 0;
    return keep;
}

static bool sse_append(struct sse *sse, const char *bytes, size_t len)
{
    size_t need = sse->rest_len + len;
    if (need > SSE_EVENT_BYTES_MAX) {
        return false;
    }
    if (need > sse->rest_cap) {
        size_t cap = need < 256 ? 256 : need + need / 2;
        char *grown = realloc(sse->rest, cap);
        if (grown == NULL) {
            return false;
        }
        sse->rest = grown;
        sse->rest_cap = (uint32_t)cap;
    }
    memcpy(sse->rest + sse->rest_len, bytes, len);
    sse->rest_len = (uint32_t)need;
    return true;
}

/*
 * Reads `len` bytes, of any cut, and gives each complete event to `sink`.
 * False when an event is larger than any limit: the stream is of no use then.
 */
static bool sse_feed(struct sse *sse, const char *bytes, size_t len,
                     sse_sink *sink, void *arg)
{
    if (len == 0) {
        return true;
    }
    if (sse->rest_len == 0) {
        struct sse_text whole = {bytes, len};
        size_t keep = sse_scan(sse, whole, sink, arg);
        return keep == len || sse_append(sse, bytes + keep, len - keep);
    }
    if (!sse_append(sse, bytes, len)) {
        return false;
    }
    struct sse_text whole = {sse->rest, sse->rest_len};
    size_t keep = sse_scan(sse, whole, sink, arg);
    assert(keep <= sse->rest_len);
    memmove(sse->rest, sse->rest + keep, sse->rest_len - keep);
    sse->rest_len -= (uint32_t)keep;
    return true;
}

/* The body ended. True if it did not end inside an event or line. */
static bool sse_at_rest(const struct sse *sse)
{
    return sse->rest_len == 0 && !sse_pending(sse);
}

#endif
