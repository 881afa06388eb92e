/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_run.h: follows the logs of runs and deals their events out to streams:
 * in order, each once, without holes. Knows sequences, gaps, replays and
 * groups of readers; what it wants sent or written it says through struct
 * gw_hub_io, so it can be played without sockets. Hub thread only.
 *
 * A group of readers is *live* when it stands where the run stands, else it
 * is *behind*: it asks for a replay of its own, at the pace of its reader, and
 * joins the live ones when it has caught up. A reader that takes less than
 * comes falls behind, which costs the others nothing.
 */
#ifndef GATEWAY_HUB_RUN_H
#define GATEWAY_HUB_RUN_H

#include "gateway/hub_log.h"

void gw_hub_runs_init(struct gw_runs *rs, const struct gw_hub_io *io,
                      struct gw_timers *timers, size_t stream_bytes);
/* No stream may be in a group any more. */
void gw_hub_runs_fini(struct gw_runs *rs);

struct gw_run *gw_hub_run_get(struct gw_runs *rs, const struct id *run);
/* The run, made if it is not known here. It stays while it has readers or
 * holds; gw_hub_runs_flush() frees it otherwise. */
struct gw_run *gw_hub_run_require(struct gw_runs *rs, const struct id *run,
                                  const struct id *thread);
void gw_hub_run_hold(struct gw_run *r);
void gw_hub_run_release(struct gw_runs *rs, struct gw_run *r);
/* The run is about to be submitted: its log begins with the next event. */
void gw_hub_run_begin(struct gw_runs *rs, struct gw_run *r);
/* Its first event is just arriving: a reader that joins now has them all. */
void gw_hub_run_follow(struct gw_runs *rs, struct gw_run *r);
/* Adds a reader (its kind, filter, cursor and live_only say what it gets);
 * takes it out again. */
void gw_hub_run_join(struct gw_runs *rs, struct gw_run *r, struct gw_stream *s);
void gw_hub_run_leave(struct gw_runs *rs, struct gw_stream *s);

/* EVENTS or REPLAY_EVENTS. */
void gw_hub_run_on_events(struct gw_runs *rs, const struct wire_head *h,
                          const void *bytes, size_t len);
/* REPLAY_END. */
struct gw_replay_end {
    uint64_t first;
    bool ended;
    bool known;
};
void gw_hub_run_on_replay_end(struct gw_runs *rs, const struct wire_head *h,
                              const struct gw_replay_end *end);
/* RUN_ENDED; head: run, seq. */
void gw_hub_run_on_ended(struct gw_runs *rs, const struct wire_head *h,
                         leat_view body);
/* The desk does not have it (any more): what the relay has is all. */
void gw_hub_run_on_unknown(struct gw_runs *rs, const struct id *run);
void gw_hub_run_on_timer(struct gw_runs *rs, struct gw_timer *timer);
/* A reader took most of what waited for it. */
void gw_hub_run_on_drained(struct gw_runs *rs, struct gw_stream *s);
/* The broker is a new one, or was away: ask for everything again. */
void gw_hub_runs_on_restart(struct gw_runs *rs);

/* The end of a turn: what was dealt goes to the readers, those who have all
 * are finished, runs that nobody needs are forgotten. */
void gw_hub_runs_flush(struct gw_runs *rs);

/* A document for a WAIT: finishes the stream with it. */
void gw_hub_run_say(struct gw_stream *s, const void *text, size_t len);

#endif
