/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h: one long answer: a socket that was taken out of civetweb and the
 * bytes that wait for it. What many readers get is shared between them by
 * reference, so an idle reader costs this struct and nothing else. Knows
 * sockets and HTTP chunks; it does not know runs. Hub thread only, but for
 * gw_stream_new().
 */
#ifndef GATEWAY_STREAM_H
#define GATEWAY_STREAM_H

#include <stdatomic.h>

#include "common/id.h"
#include "gateway/chunk.h"
#include "gateway/sse.h"
#include "gateway/timer.h"

/* ---- the stream -------------------------------------------------------- */

enum gw_stream_kind {
    GW_STREAM_SSE,  /* events as they come */
    GW_STREAM_WAIT, /* line feeds, then one JSON document */
    GW_STREAM_DONE, /* nothing, then `last_words` (cancel and wait) */
};

enum gw_stream_state {
#define STREAM_STATE(name, next, text) GW_STREAM_##name,
#include "gateway/stream.tbl.h"
#undef STREAM_STATE
};

struct gw_out {
    struct gw_chunk *chunk;
    struct gw_out *next;
};

struct gw_run;
struct gw_group;
struct gw_follow;

struct gw_stream {
    uint32_t magic;
    int fd;               /* -1 while unattached and when closed */
    uint8_t kind;         /* enum gw_stream_kind */
    uint8_t state;        /* enum gw_stream_state */
    bool cancel_on_leave; /* its reader's leaving cancels the run */
    bool live_only;       /* join without a cursor */
    bool stored;          /* the run is in the store */
    bool dirty;           /* in the hub's list of streams to write */
    uint8_t asked_store;  /* answers of the store that are under way */
    bool handed;            /* no HTTP thread knows it any more */
    struct sse_filter filter;
    struct sse_id cursor; /* events up to this one are not wanted */
    struct id run;
    struct id thread;
    struct gw_follow *follow; /* reader of a thread; NULL: of one run */
    struct gw_group *group; /* where it gets events from; NULL: none */
    struct gw_stream *next; /* in its group */
    struct gw_stream *prev;
    struct gw_stream *all_next; /* of all streams of the hub */
    struct gw_stream *all_prev;
    struct gw_stream *dirty_next;
    struct gw_timer timer;
    int64_t opened_us;  /* when the request was read */
    int64_t moved_ms;   /* when bytes last left */
    struct gw_out *out; /* what waits, oldest first */
    struct gw_out **out_end;
    size_t out_bytes;
    size_t out_sent;             /* of the oldest chunk */
    int keep_s; /* the socket goes back to the gate after a whole answer */
    bool held;                  /* its run is not committed: write nothing */
    atomic_int *open;           /* where it is counted; NULL: nowhere */
    uint32_t call_tag;          /* of that run's submit; 0: none */
    struct gw_chunk *head;      /* held: the response head; NULL once written */
    char *headers;              /* held: of an error in its place */
    struct gw_chunk *last_words; /* DONE: what is said at the end */
};

struct gw_stream *gw_stream_new(enum gw_stream_kind kind) MUST_USE;
/* Counts the stream there for as long as it lives. */
void gw_stream_count(struct gw_stream *s, atomic_int *open);
/* Closes the socket, without a last chunk if it had not been written. */
void gw_stream_destroy(struct gw_stream **s);
void gw_stream_move(struct gw_stream *s, enum gw_stream_state to);

/* Appends a reference to the chunk. */
void gw_stream_push(struct gw_stream *s, struct gw_chunk *chunk);
/* The run is committed: the head goes before what has come meanwhile. */
void gw_stream_release(struct gw_stream *s);
/* There will be no run: these bytes are the whole answer. */
void gw_stream_refuse(struct gw_stream *s, struct gw_chunk *answer);
/* No more will come: appends what ends the answer. */
void gw_stream_finish(struct gw_stream *s);

enum gw_flush {
    GW_FLUSH_DRAINED, /* nothing waits any more */
    GW_FLUSH_BLOCKED, /* the socket is full: wait until it can be written */
    GW_FLUSH_BROKEN,  /* the reader is gone */
};
/* Writes as much as the socket takes; needs one. */
enum gw_flush gw_stream_flush(struct gw_stream *s, int64_t now_ms);

/* What an idle reader gets: a comment, a line feed, or NULL for nothing. */
struct gw_chunk *gw_stream_heartbeat(const struct gw_stream *s);

#endif
