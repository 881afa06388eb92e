/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.h: one event of a run to the bytes of a server-sent event, and the
 * question whether a reader asked for it. Pure functions; they know nothing
 * of sockets, runs or HTTP chunks.
 */
#ifndef GATEWAY_SSE_H
#define GATEWAY_SSE_H

#include "common/buf.h"
#include "common/wire.h"

/* Stream modes as bits; the order of their names in sse.c is the same. */
enum sse_mode {
    SSE_VALUES = 1 << 0,
    SSE_UPDATES = 1 << 1,
    SSE_MESSAGES = 1 << 2,       /* messages/metadata, /partial, /complete */
    SSE_MESSAGES_TUPLE = 1 << 3, /* the event named "messages" */
    SSE_TASKS = 1 << 4,
    SSE_CHECKPOINTS = 1 << 5,
    SSE_EVENTS = 1 << 6,
    SSE_DEBUG = 1 << 7,
    SSE_CUSTOM = 1 << 8,
    SSE_TOOLS = 1 << 9,
    SSE_ALL_MODES = (1 << 10) - 1,
};

/* Which events of a run a reader takes. */
struct sse_filter {
    uint16_t modes; /* enum sse_mode bits */
    bool subgraphs; /* also events of nested graphs */
    uint8_t thread; /* enum sse_thread bits; 0: a reader of one run */
};

/* What a reader of a whole thread takes. */
enum sse_thread {
    SSE_THREAD_RUNS = 1,      /* all events of its runs, and run_done */
    SSE_THREAD_LIFECYCLE = 2, /* metadata and run_done */
    SSE_THREAD_STATE = 4,     /* the state after each run */
};

#define SSE_FILTER_ALL                                                         \
    (struct sse_filter)                                                        \
    {                                                                          \
        .modes = SSE_ALL_MODES, .subgraphs = true                              \
    }

/* The bit of a mode's name; 0 for a word that is none. */
unsigned gw_sse_mode(leat_text name);
/* The name of a single bit. */
const char *gw_sse_mode_name(unsigned bit);
/* The same for what a reader of a thread takes. */
unsigned gw_sse_thread_mode(leat_text name);
const char *gw_sse_thread_mode_name(unsigned bit);

/* metadata, error, feedback and gap reach every reader; end reaches none. */
bool gw_sse_wants(struct sse_filter filter, const struct wire_event *event);

/* An event's id: two numbers, compared first by ms, then by seq. */
struct sse_id {
    uint64_t ms;
    uint64_t seq;
};
int gw_sse_id_cmp(struct sse_id a, struct sse_id b);
/* "<ms>-<seq>"; false for anything else, also for the words that mean all. */
MUST_USE bool gw_sse_id_parse(const char *text, struct sse_id *out);

/* Appends the event; false when the buffer is at its cap. */
MUST_USE bool gw_sse_encode(const struct wire_event *event, struct sse_id id,
                            struct buf *out);
/* Appends the `gap` event that says `from` to `to` are not kept any more. */
MUST_USE bool gw_sse_encode_gap(struct sse_id from, struct sse_id to,
                                struct buf *out);

#endif
