/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_inner.h: the hub's own state, shared by hub.c (the loop and the
 * streams), hub_call.c (what goes to the broker and comes back) and hub_box.c
 * (what other threads call).
 */
#ifndef GATEWAY_HUB_INNER_H
#define GATEWAY_HUB_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/mbox.h"
#include "gateway/call.h"
#include "gateway/hub.h"
#include "gateway/hub_follow.h"
#include "gateway/hub_run.h"
#include "gateway/uplink.h"

#define HUB_MAGIC LEAT_MAGIC(0x9a7e0005)

enum note_kind {
    NOTE_ASK,
    NOTE_TELL,
    NOTE_SUBMIT,
    NOTE_JOIN,
    NOTE_ATTACH,
    NOTE_ABANDON,
    NOTE_SAY,
    NOTE_LISTED,
    NOTE_DRAIN,
    NOTE_STOP,
};

/* What another thread puts in the hub's box. */
struct note {
    enum note_kind kind;
    int fd;
    const struct gw_ask *ask;  /* the asker sleeps until it is answered; of a
                                  submit it and its body are the hub's */
    struct gw_ticket *ticket;
    struct gw_stream *stream;
    struct wire_head head; /* TELL */
    struct gw_follow_list *list; /* LISTED; freed with the note */
    size_t len;
    char text[];
};

struct hub {
    uint32_t magic;
    struct gw_hub_notes notes;
    pthread_t thread;
    bool started;
    bool draining;
    bool stopping;
    bool more;                 /* something was left for the next turn */
    int epoll;
    int64_t now_ms;
    int64_t heartbeat_ms;
    int64_t stall_ms;
    mbox_t *box;
    gw_uplink_t *uplink;
    bool *marks[256];          /* of the uplink's lines, by epoll's data */
    struct gw_timers timers;
    struct gw_timer tick;
    struct gw_runs runs;
    struct gw_follows follows;
    struct gw_calls calls;
    struct gw_stream *streams; /* all of them */
    struct gw_stream *dirty;   /* those to write or to free */
    atomic_bool connected;
    pthread_mutex_t graphs_lock;
    leat_value *graphs;        /* the only thing others read */
};

/* Any thread: the hub will find a copy of the note. */
void gw_hub_put_note(hub_t *hub, const struct note *like);
/* The stream has something to write, or is to be freed. */
void gw_hub_mark_stream(void *self, struct gw_stream *s);
/* Its reader gets no more, and no last chunk. */
void gw_hub_cut_stream(void *self, struct gw_stream *s, const char *why);

#endif
