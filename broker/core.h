/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h: every decision of the broker's desk as a pure step: what came in and
 * what time it is go in, messages to send and operations to commit come out.
 * No sockets, no clock, no store, no threads: desk.c is the loop around it,
 * tests drive it with a clock of their own.
 *
 * One turn of the loop:
 *     brk_core_begin(core, now)            the time of this turn
 *     brk_core_on_...()                    what arrived
 *     brk_core_end(core)                   timers, leases, giving runs away
 *     brk_core_take_batch(), _take_out()   commit, send
 *
 * Facts wait for their commit: what may only be said once it is true follows
 * from brk_core_on_ledger() when the batch comes back.
 */
#ifndef BROKER_CORE_H
#define BROKER_CORE_H

#include "broker/inner.h"
#include "common/store/store.h"

#define BRK_LANE_RUNS_MAX 1000000

struct brk_core_conf {
    uint32_t epoch;
    int64_t lease_ms;
    int64_t run_timeout_ms;
    int64_t past_ms; /* how long ended runs are remembered */
    unsigned max_attempts;
    size_t lane_runs; /* runs that may wait on one thread */
};

struct brk_now {
    int64_t mono_ms;
    int64_t wall_ms;
};

struct brk_core;
struct brk_run;

struct brk_core *brk_core_new(const struct brk_core_conf *conf,
                              struct brk_now now);
void brk_core_destroy(struct brk_core **p);

/*
 * Before the first turn: the runs that were open when the last broker ended.
 * Values are shared, not taken. Those that were running wait one lease for
 * their worker.
 */
void brk_core_restore(struct brk_core *core, const struct store_run *rows,
                      size_t n);

void brk_core_begin(struct brk_core *core, struct brk_now now);
/* A message of a gateway or a worker; `in` stays the caller's, what it holds
 * may be taken out of it. */
void brk_core_on_gateway(struct brk_core *core, struct link_in *in);
void brk_core_on_worker(struct brk_core *core, struct link_in *in);
/* What relay and ledger answer; the note or batch is taken. */
void brk_core_on_relay(struct brk_core *core, struct brk_note **note);
void brk_core_on_ledger(struct brk_core *core, struct brk_batch **batch);
/* A message could not be delivered: no such peer is connected. */
void brk_core_on_gone(struct brk_core *core, bool gateway,
                      const struct link_route *route);
/* A peer takes no messages any more: it is given up at once. */
void brk_core_on_full(struct brk_core *core, bool gateway,
                      const struct link_route *route);
/* Some connection was lost: asks who is still there. */
void brk_core_probe(struct brk_core *core, bool gateways);
/* From now on no new runs are taken and none are given away. */
void brk_core_drain(struct brk_core *core);
void brk_core_end(struct brk_core *core);

/* ---- what comes out ------------------------------------------------------ */

enum brk_out_to { BRK_OUT_GATEWAY, BRK_OUT_WORKER, BRK_OUT_RELAY };
struct brk_out {
    enum brk_out_to to;
    struct link_route route; /* gateway, worker */
    struct wire_head head;   /* gateway, worker */
    leat_value *body;        /* gateway, worker; may be NULL */
    struct brk_note *note;   /* relay */
};
/* The next message to send, in order; what it holds is the caller's. */
MUST_USE bool brk_core_take_out(struct brk_core *core, struct brk_out *out);
/* What is to be committed, NULL: nothing. */
struct brk_batch *brk_core_take_batch(struct brk_core *core);
/* The monotonic time at which the next turn must begin at the latest. */
int64_t brk_core_next_ms(const struct brk_core *core);

/* ---- for tests and status --------------------------------------------------
 */

struct brk_core_counts {
    size_t runs, lanes, workers, gateways;
    size_t busy, slots;
    size_t uncommitted; /* operations that the ledger still has */
};
struct brk_core_counts brk_core_count(const struct brk_core *core);
/* Calls `see` for each live run, in no order. */
void brk_core_each(const struct brk_core *core,
                   void (*see)(void *arg, const struct brk_run *run),
                   void *arg);

#endif
