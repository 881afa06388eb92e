/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_log.h: a followed run, as the hub keeps it, and the place of its log.
 * Inner header of hub_run.c and hub_deal.c.
 */
#ifndef GATEWAY_HUB_LOG_H
#define GATEWAY_HUB_LOG_H

#include "common/idmap.h"
#include "common/wire.h"
#include "gateway/feed.h"

enum gw_run_place {
#define RUN_PLACE(name, next, text) GW_RUN_##name,
#include "gateway/hub_run.tbl.h"
#undef RUN_PLACE
};

/* A message that waits until what is before it is here. */
struct gw_stash {
    struct gw_stash *next;
    struct wire_head head;
    size_t len;
    unsigned char bytes[];
};

struct gw_run {
    uint32_t magic;
    uint8_t place;   /* enum gw_run_place */
    bool ended;      /* nothing will be added to its log */
    bool last_known; /* `last` is the last sequence of the log */
    bool deleted;    /* rolled back: readers just end */
    bool watched;    /* the desk was asked to tell its end */
    bool subscribed;
    bool dirty;       /* in the list of runs to flush */
    uint8_t tries;    /* asked for the tail so often */
    uint16_t attempt; /* of the newest event seen */
    uint32_t holds;   /* pending submits and runs kept in memory */
    uint32_t tag;     /* of the run's own replay; 0: none asked */
    struct id run;
    struct id thread;
    uint64_t shown; /* all up to this one were dealt to live groups */
    uint64_t shown_ms;
    uint64_t last;
    struct sse_id end;   /* of its `end` record, once that was dealt */
    char end_status[16];
    int64_t asked_ms;
    uint64_t asked_seq;
    struct gw_group *groups;
    struct gw_stash *stash; /* oldest first */
    struct gw_stash **stash_end;
    size_t stash_bytes;
    struct gw_timer timer;
    struct gw_run *dirty_next;
    bool submitting;         /* a RUN_SUBMIT of it awaits its answer */
    leat_value *submit; /* RUN_SUBMIT of a run kept in memory only */
    leat_value *error;  /* as RUN_ENDED said, or NULL */
};

struct gw_replay_ask {
    uint32_t tag;
    uint64_t seq;   /* from this one on */
    uint64_t bytes; /* about so much at most */
};

/* What following runs needs from the hub. */
struct gw_hub_io {
    void *self;
    /* Take the run's events from now on, or do not any more. */
    void (*subscribe)(void *self, const struct gw_run *r, bool on);
    /* Ask the desk to tell the run's end (RUN_WATCH), or take that back. */
    void (*watch)(void *self, const struct gw_run *r, bool on);
    void (*replay)(void *self, const struct gw_run *r,
                   const struct gw_replay_ask *ask);
    /* The stream has something to write, or has come to its end. */
    void (*dirty)(void *self, struct gw_stream *s);
    /* Cut the stream off, without a last chunk. It has left its group. */
    void (*cut)(void *self, struct gw_stream *s, const char *why);
    /* Events of any run came over PUB; NULL: nobody wants to know. */
    void (*heard)(void *self, const struct wire_head *h, const void *bytes,
                  size_t len);
    /* The reader of a thread has all of this run. It has left its group. */
    void (*over)(void *self, struct gw_stream *s, const struct gw_run *r);
    /* The run ended and a WAIT's document is not in its events. */
    void (*look_up)(void *self, struct gw_stream *s);
};

struct gw_runs {
    struct gw_hub_io io;
    struct gw_timers *timers; /* GW_TIMER_RUN: gw_hub_run_on_timer() */
    struct idmap map;
    struct gw_run *dirty;
    uint32_t last_tag;
    size_t stream_bytes;    /* what may wait for one reader */
    struct gw_group **live; /* scratch: groups that get an event */
    size_t live_room;
};

#define GW_RUN_MAGIC LEAT_MAGIC(0x9a7e0003)
/* "Where does the log stand?": from here on there is nothing. */
#define GW_SEQ_NONE ((uint64_t)INT64_MAX)
#define GW_ASK_AGAIN_MS 1000 /* an answer that does not come was lost */

void gw_hub_log_move(struct gw_run *r, enum gw_run_place to);
/* Puts the run in the list of those to flush at the end of the turn. */
void gw_hub_log_mark(struct gw_runs *rs, struct gw_run *r);
/* Lets gw_hub_run_on_timer() look at the run at that time, or before. */
void gw_hub_log_wake(struct gw_runs *rs, struct gw_run *r, int64_t in_ms);
/* Asks for what the run misses, or where it stands. */
void gw_hub_log_ask(struct gw_runs *rs, struct gw_run *r);
void gw_hub_log_ask_group(struct gw_runs *rs, struct gw_run *r,
                          struct gw_group *g);
/* Live messages are worth keeping: an answer is under way. */
bool gw_hub_log_awaits(const struct gw_run *r);
void gw_hub_log_keep(struct gw_run *r, const struct wire_head *h,
                     const void *bytes, size_t len);
void gw_hub_log_forget(struct gw_run *r);

#endif
