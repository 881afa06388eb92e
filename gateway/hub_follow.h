/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_follow.h: readers of a whole thread. A follower is a reader of one run
 * after the other: it joins a run like any reader and, when that is over, says
 * so (`run_done`) and goes on with the next. Which runs there are it hears from
 * the thread's events and, for what it may have missed, from the store. A run's
 * event ids all lie above those of the run before it, so one number says what
 * is over. Hub thread only, but for gw_hub_follow_new().
 */
#ifndef GATEWAY_HUB_FOLLOW_H
#define GATEWAY_HUB_FOLLOW_H

#include "gateway/hub_run.h"

/* A run of the thread that is still to be shown. */
struct gw_follow_run {
    struct id run;
    uint64_t ms;        /* first half of its newest attempt's ids */
    uint64_t first_seq; /* of that attempt */
    bool live;          /* from its next event on */
};

#define GW_FOLLOW_SHOWN 32
/* In its stream. */
struct gw_follow {
    struct gw_stream *stream;
    struct gw_follow *next; /* of its thread */
    struct sse_id cursor;   /* ids up to it are not wanted */
    uint64_t base_ms;       /* runs up to here are over */
    bool begun;             /* the hub has it */
    bool live;              /* no cursor: runs that ended before it came are not
                               wanted */
    bool listed;            /* the store has been asked */
    bool relist;            /* ask again: there may be more */
    bool showing;           /* a run, `run` */
    bool waiting;           /* for the thread's state after it */
    bool settling;          /* a list comes first: runs may be before others */
    struct id shown[GW_FOLLOW_SHOWN]; /* the last runs, over or not */
    size_t shown_count;
    struct gw_follow_run run;
    struct gw_follow_run *queue; /* by ms */
    size_t count;
    struct gw_timer timer;
};

struct gw_follow_io {
    void *self;
    /* All runs of the thread, or none of them any more. */
    void (*subscribe)(void *self, const struct id *thread, bool on);
    /* Ask the store; answered by gw_hub_follow_listed(), _say(). */
    void (*list)(void *self, struct gw_stream *s, uint64_t after_ms);
    void (*state)(void *self, struct gw_stream *s, const struct id *run,
                  struct sse_id id);
    void (*dirty)(void *self, struct gw_stream *s);
};

struct gw_follows {
    struct gw_follow_io io;
    struct gw_runs *runs;
    struct gw_timers *timers;
    struct idmap threads; /* thread id -> struct gw_follow, the first of it */
    size_t count;
};

void gw_hub_follows_init(struct gw_follows *fs, const struct gw_follow_io *io,
                         struct gw_runs *runs, struct gw_timers *timers);
void gw_hub_follows_fini(struct gw_follows *fs);

/* Makes the stream a follower of s->thread; its cursor and live_only say from
 * where, its filter what. Any thread, before the hub has the stream. */
void gw_hub_follow_new(struct gw_stream *s);
void gw_hub_follow_begin(struct gw_follows *fs, struct gw_stream *s);
/* The stream is over. */
void gw_hub_follow_end(struct gw_follows *fs, struct gw_stream *s);

/* Events of a run came over PUB, before they are dealt. `closed`: it ended
 * before a worker had it, maybe while another run is at its turn. */
void gw_hub_follow_heard(struct gw_follows *fs, const struct wire_head *h,
                         bool closed);
/* The stream, taken out of its group, has all of the run. */
void gw_hub_follow_over(struct gw_follows *fs, struct gw_stream *s,
                        const struct gw_run *r);
/* What the store says: the runs with higher ms and the one that is running, by
 * ms; `last_ms` is the thread's. */
struct gw_follow_list {
    uint64_t last_ms;
    bool more;   /* than these */
    bool failed; /* ask again later */
    bool gone;   /* there is no such thread any more */
    size_t n;
    struct gw_follow_run runs[];
};
void gw_hub_follow_listed(struct gw_follows *fs, struct gw_stream *s,
                          const struct gw_follow_list *list);
/* The state's event; "" when there is none. */
void gw_hub_follow_say(struct gw_follows *fs, struct gw_stream *s,
                       const void *text, size_t len);
void gw_hub_follow_on_timer(struct gw_follows *fs, struct gw_timer *timer);
/* Events may have been missed. */
void gw_hub_follows_on_restart(struct gw_follows *fs);

#endif
