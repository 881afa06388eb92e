/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.h: the hub's deadlines: a heap of structs that live inside what they
 * wake. Ten thousand idle readers are ten thousand entries here and no
 * thread, no descriptor and no wake-up of their own. One thread.
 */
#ifndef GATEWAY_TIMER_H
#define GATEWAY_TIMER_H

#include "common/base.h"

enum gw_timer_kind {
    GW_TIMER_STREAM, /* in a stream: heartbeat, or stalled reader */
    GW_TIMER_RUN,    /* in a run: ask for a replay again */
    GW_TIMER_FOLLOW, /* in a follower: look for runs that were missed */
    GW_TIMER_CALL,   /* in a call: repeat or give up */
    GW_TIMER_HUB,    /* in the hub: heartbeat to the broker */
};

struct gw_timer {
    int64_t due_ms;  /* monotonic */
    uint32_t place;  /* in the heap, from 1; 0: not set */
    uint8_t kind;    /* enum gw_timer_kind */
};

struct gw_timers {
    struct gw_timer **heap; /* heap[0] unused */
    size_t count;
    size_t room;
};

void gw_timers_init(struct gw_timers *t);
void gw_timers_fini(struct gw_timers *t);

/* Sets it, or moves it when it is set. */
void gw_timer_set(struct gw_timers *t, struct gw_timer *timer, int64_t due_ms);
void gw_timer_clear(struct gw_timers *t, struct gw_timer *timer);
/* The next one that is due, taken out; NULL when none is. */
struct gw_timer *gw_timers_take(struct gw_timers *t, int64_t now_ms);
/* Milliseconds until the next, 0 when one is due, `idle_ms` without any. */
int64_t gw_timers_wait_ms(const struct gw_timers *t, int64_t now_ms,
                          int64_t idle_ms);

#endif
