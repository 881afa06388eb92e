/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.c: the text of server-sent events. One `event:` line, one `data:` line
 * of compact JSON, one `id:` line, a blank line: the form that both official
 * decoders read alike (no empty data line, no retry, never two data lines).
 */
#include "gateway/sse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

static const char *const mode_names[] = {
    "values",      "updates", "messages", "messages-tuple", "tasks",
    "checkpoints", "events",  "debug",    "custom",         "tools",
};

static bool text_is(leat_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

unsigned gw_sse_mode(leat_text name)
{
    for (unsigned i = 0; i < COUNT_OF(mode_names); i++) {
        if (text_is(name, mode_names[i])) {
            return 1U << i;
        }
    }
    return 0;
}

const char *gw_sse_mode_name(unsigned bit)
{
    for (unsigned i = 0; i < COUNT_OF(mode_names); i++) {
        if (bit == 1U << i) {
            return mode_names[i];
        }
    }
    return NULL;
}

static const char *const thread_names[] = {"run_modes", "lifecycle",
                                           "state_update"};

unsigned gw_sse_thread_mode(leat_text name)
{
    for (unsigned i = 0; i < COUNT_OF(thread_names); i++) {
        if (text_is(name, thread_names[i])) {
            return 1U << i;
        }
    }
    return 0;
}

const char *gw_sse_thread_mode_name(unsigned bit)
{
    for (unsigned i = 0; i < COUNT_OF(thread_names); i++) {
        if (bit == 1U << i) {
            return thread_names[i];
        }
    }
    return NULL;
}

/* The mode that an event belongs to; all of them for what every reader gets,
 * 0 for what none does. */
static unsigned mode_of(leat_text name)
{
    static const char legacy[] = "messages/";
    if (text_is(name, "messages")) {
        return SSE_MESSAGES_TUPLE;
    }
    if (name.len > sizeof(legacy) - 1 &&
        memcmp(name.ptr, legacy, sizeof(legacy) - 1) == 0) {
        return SSE_MESSAGES;
    }
    if (text_is(name, "end")) {
        return 0;
    }
    unsigned mode = gw_sse_mode(name);
    return mode != 0 ? mode : SSE_ALL_MODES;
}

bool gw_sse_wants(struct sse_filter filter, const struct wire_event *event)
{
    must(event != NULL);
    if (filter.thread != 0 && (filter.thread & SSE_THREAD_RUNS) == 0) {
        return (filter.thread & SSE_THREAD_LIFECYCLE) != 0 &&
               text_is(event->name, "metadata") && event->ns.len == 0;
    }
    unsigned mode = mode_of(event->name);
    if (mode == SSE_ALL_MODES) {
        return true;
    }
    return (mode & filter.modes) != 0 &&
           (filter.subgraphs || event->ns.len == 0);
}

int gw_sse_id_cmp(struct sse_id a, struct sse_id b)
{
    if (a.ms != b.ms) {
        return a.ms < b.ms ? -1 : 1;
    }
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* Decimal digits up to `stop`; INT64_MAX is enough for either half. */
static const char *parse_number(const char *at, uint64_t *out)
{
    uint64_t n = 0;
    const char *start = at;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (n > (INT64_MAX - digit) / 10) {
            return NULL;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return at == start ? NULL : at;
}

bool gw_sse_id_parse(const char *text, struct sse_id *out)
{
    must(text != NULL && out != NULL);
    struct sse_id id = {0};
    const char *at = parse_number(text, &id.ms);
    if (at == NULL || *at != '-') {
        return false;
    }
    at = parse_number(at + 1, &id.seq);
    if (at == NULL || *at != '\0' || (id.ms == 0 && id.seq == 0)) {
        return false;
    }
    *out = id;
    return true;
}

/* Names come from graphs: a line break in one must not forge a field. */
static bool put_clean(leat_text text, struct buf *out)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            if (!buf_append(out, text.ptr + start, i - start)) {
                return false;
            }
            start = i + 1;
        }
    }
    return buf_append(out, text.ptr + start, text.len - start);
}

/* printf is too slow for the line that stands in every event. */
static char *put_number(char *end, uint64_t n)
{
    do {
        *--end = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return end;
}

static bool put_id(struct sse_id id, struct buf *out)
{
    char text[64];
    char *end = text + sizeof(text);
    char *at = end - 2;
    memcpy(at, "\n\n", 2);
    at = put_number(at, id.seq);
    *--at = '-';
    at = put_number(at, id.ms);
    static const char field[] = "\nid: ";
    at -= sizeof(field) - 1;
    memcpy(at, field, sizeof(field) - 1);
    return buf_append(out, at, (size_t)(end - at));
}

bool gw_sse_encode(const struct wire_event *event, struct sse_id id,
                   struct buf *out)
{
    must(event != NULL && out != NULL);
    size_t start = out->len;
    bool ok = buf_append(out, "event: ", 7) && put_clean(event->name, out);
    if (ok && event->ns.len > 0) {
        ok = buf_putc(out, '|') && put_clean(event->ns, out);
    }
    ok = ok && buf_append(out, "\ndata: ", 7) &&
         json_write(event->payload, out) && put_id(id, out);
    if (!ok) {
        buf_cut(out, start);
    }
    return ok;
}

bool gw_sse_encode_gap(struct sse_id from, struct sse_id to, struct buf *out)
{
    must(out != NULL);
    must(gw_sse_id_cmp(from, to) <= 0);
    return buf_printf(out,
                      "event: gap\ndata: {\"from\":\"%" PRIu64 "-%" PRIu64
                      "\",\"to\":\"%" PRIu64 "-%" PRIu64
                      "\",\"checkpoint_id\":null}\nid: %" PRIu64 "-%" PRIu64
                      "\n\n",
                      from.ms, from.seq, to.ms, to.seq, to.ms, to.seq);
}
