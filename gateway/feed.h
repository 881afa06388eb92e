/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.h: a group of readers that stand at the same place of one run's log
 * and want the same of it. An event is transcoded once into the group's open
 * chunk, which at the end of the hub's turn goes to every reader by reference.
 * Hub thread only.
 */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "gateway/stream.h"
#include "gateway/wait.h"

struct gw_group {
    uint32_t magic;
    uint8_t kind; /* enum gw_stream_kind of its readers */
    bool live;    /* stands where its run stands */
    bool paused;  /* behind, until its reader has taken more */
    struct sse_filter filter;
    struct sse_id cursor; /* behind only: up to this is not wanted */
    struct sse_id dealt;  /* behind only: the last one it was given; a restarted
                             broker may have less, and says it again */
    bool whole;           /* behind only: asked for from the log's start */
    uint64_t pos;         /* behind only: last sequence dealt with */
    uint32_t tag;         /* behind only: of the replay asked; 0 none */
    int64_t asked_ms;
    uint64_t asked_seq; /* from where it was asked */
    bool full;          /* its reader could not take all of it */
    struct gw_run *run;
    struct gw_group *next; /* of its run */
    struct gw_chunk *open; /* events of this turn; NULL: none yet */
    uint32_t open_events;
    struct gw_wait wait;     /* WAIT: what was seen so far */
    struct gw_stream *first; /* readers */
    size_t count;
};

struct gw_group *gw_feed_group_new(const struct gw_stream *like) MUST_USE;
/* Must have no readers. */
void gw_feed_group_destroy(struct gw_group **g);
void gw_feed_add(struct gw_group *g, struct gw_stream *s);
void gw_feed_remove(struct gw_stream *s);
/* Same kind, same filter. */
bool gw_feed_fits(const struct gw_group *g, const struct gw_stream *s);

/*
 * One event to several groups: transcoded once, whoever wants it. False when
 * it is too large to be written as text: its readers have to be cut off.
 */
MUST_USE bool gw_feed_event(struct gw_group *const groups[], size_t n,
                            const struct wire_event *event, struct sse_id id);
/* The same for one `gap`. */
void gw_feed_gap(struct gw_group *g, struct sse_id from, struct sse_id to);

/* The open chunk, sealed, with the reference passed on; NULL: nothing new. */
struct gw_chunk *gw_feed_take(struct gw_group *g, uint32_t *events) MUST_USE;
/* Bytes in the open chunk. */
size_t gw_feed_open_bytes(const struct gw_group *g);

#endif
