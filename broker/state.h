/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h: the inside of the core, for the files that it is made of:
 *     core.c     the turn, messages to their handlers, what goes out
 *     submit.c   what gateways ask: submit, watch, cancel, forget, delete
 *     attempt.c  giving runs to workers, fences, what workers answer
 *     finish.c   how runs end, and what follows on their lane
 *     member.c   who is there: hello, leases, loss, adoption
 *     call.c     short jobs that need a graph and no run
 *     commit.c   what the ledger answers, and the start from the store
 */
#ifndef BROKER_STATE_H
#define BROKER_STATE_H

#include "broker/home.h"
#include "broker/core.h"
#include "broker/lane.h"
#include "broker/peer.h"
#include "broker/queue.h"
#include "broker/recent.h"
#include "broker/run.h"

#define BRK_CORE_MAGIC LEAT_MAGIC(0xb0e70013)

/* A run that has ended, for who asks late. */
struct brk_past {
    struct brk_recent_entry entry;
    struct id thread;
    uint16_t attempt;
    bool forgotten; /* the submit's client was told it failed */
    bool before;    /* it ended before this broker began */
    char status[16];
    leat_value *error;
    uint64_t seq;
};

/* A run that a worker holds and the broker does not know (yet): a stateless
 * one, whose gateway has still to submit it again. */
struct brk_claim {
    struct id run;
    struct id thread;
    uint16_t attempt;
    uint64_t first;
    struct brk_peer *peer;
};

/* A CALL that has no answer yet. (call.c) */
struct brk_call {
    struct brk_call *next;
    struct brk_peer *gateway; /* who asked */
    uint32_t asked;           /* its tag */
    uint32_t tag;             /* ours, towards the worker */
    struct id thread;
    leat_value *body;
    struct brk_peer *worker;  /* who has it; NULL: it waits for one */
    int64_t until_ms;         /* then it is refused */
};

struct brk_core {
    uint32_t magic;
    struct brk_core_conf conf;
    struct brk_now now;
    int64_t lease_clock_ms; /* goes only while the desk reads */
    int64_t began_wall_ms;  /* when this broker took over */
    int64_t adopt_until_ms; /* on the lease clock: workers may come back */
    int64_t leases_seen_ms; /* when leases were last looked at */
    int64_t graphs_sent_ms;
    bool draining;
    bool adopting;       /* adopt_until_ms has not been dealt with */
    bool graphs_changed; /* who serves what: tell at once */
    bool busy_changed;   /* who is busy: tell within a second */

    struct idmap runs;
    struct idmap lanes;
    struct idmap claims;
    struct brk_queue queue;
    struct brk_peers peers;
    struct brk_recent past;       /* struct brk_past */
    struct brk_recent subscribed; /* runs that somebody listens to */
    struct brk_homes homes;       /* whose stateless runs are listened to */
    struct brk_recent looked;     /* runs that were looked up in the store */
    struct brk_recent refused;    /* submits; copies may be on their way */
    uint64_t order;               /* of the last run made */
    uint64_t given;               /* number of the last run given away */
    size_t uncommitted;           /* operations out at the ledger */

    struct brk_call *calls;       /* oldest first */
    size_t call_count;
    uint32_t call_tag;            /* of the last one */

    struct brk_batch *batch;
    struct brk_out *out;
    size_t out_first;
    size_t out_count;
    size_t out_room;
};

/* ---- core.c: what goes out
 * ---------------------------------------------------- */

/* A head of this type about a run (or none). */
struct wire_head brk_core_head(const struct brk_core *core, uint8_t type,
                               const struct brk_run *run);
/* The body's reference is taken. */
void brk_core_to_gateway(struct brk_core *core, const struct link_route *route,
                         const struct wire_head *head, leat_value *body);
void brk_core_to_worker(struct brk_core *core, const struct link_route *route,
                        const struct wire_head *head, leat_value *body);
void brk_core_to_relay(struct brk_core *core, struct brk_note *note);
void brk_core_refuse(struct brk_core *core, const struct link_in *in,
                     const struct err *err);
/* An operation about the run, at the end of this turn's batch. */
struct brk_op *brk_core_op(struct brk_core *core, enum brk_op_type type,
                           const struct brk_run *run);
/* An op about a thread alone. */
struct brk_op *brk_core_op_thread(struct brk_core *core, enum brk_op_type type,
                                  const struct id *thread);

/* ---- submit.c
 * ------------------------------------------------------------------- */

void brk_submit_on_submit(struct brk_core *core, struct brk_peer *gateway,
                          struct link_in *in);
void brk_submit_on_forget(struct brk_core *core, const struct link_in *in);
void brk_submit_on_watch(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in);
/* The store's answer about a run that a gateway watches. */
void brk_submit_on_looked_up(struct brk_core *core, const struct brk_op *op);
void brk_submit_on_unwatch(struct brk_core *core, struct brk_peer *gateway,
                           const struct link_in *in);
void brk_submit_on_cancel(struct brk_core *core, const struct link_in *in);
void brk_submit_on_delete(struct brk_core *core, const struct link_in *in);
/* The run's row is committed (or it needs none): answers, and cancels the
 * others of its lane where its strategy says so. */
void brk_submit_accepted(struct brk_core *core, struct brk_run *run);
/* The store did not take it: answers, and drops it. */
void brk_submit_refused(struct brk_core *core, struct brk_run *run,
                        const struct err *err);
/* The cancel is committed: answers who asked for it. */
void brk_submit_cancelled(struct brk_core *core, const struct brk_op *op);
/* The run's end is written: who cancelled it while it was pending is told. */
void brk_submit_cancel_done(struct brk_core *core, const struct brk_run *run);
/* The run is accepted: stops those before it where it asked for that. */
void brk_submit_apply_strategy(struct brk_core *core, struct brk_run *run);
/* Stops the run, whatever it is at. */
void brk_submit_cancel(struct brk_core *core, struct brk_run *run,
                       enum brk_cancel action);

/* ---- attempt.c
 * ------------------------------------------------------------------- */

/* Looks whether the run may start, and puts it in the queue or sets a timer
 * for when to look again. Does nothing for a run that is not pending. */
void brk_attempt_arm(struct brk_core *core, struct brk_run *run);
/* Takes it out of queue, timers and reservations. */
void brk_attempt_disarm(struct brk_core *core, struct brk_run *run);
/* Gives ready runs to workers with room. */
void brk_attempt_pump(struct brk_core *core);
void brk_attempt_on_timer(struct brk_core *core, struct brk_run *run);
void brk_attempt_on_subscribed(struct brk_core *core, const struct id *run);
void brk_attempt_on_fenced(struct brk_core *core, const struct brk_note *note);
/* All that its worker said before it ended is here. */
void brk_attempt_on_reached(struct brk_core *core, const struct brk_note *note);
/* The ledger's answer to its START. */
void brk_attempt_on_start(struct brk_core *core, struct brk_run *run,
                          const struct brk_op *op);
/* It is FENCING and has to begin anew. */
void brk_attempt_again(struct brk_core *core, struct brk_run *run,
                       const char *why);
/* Nobody else has begun another attempt, nor has its thread another run. */
bool brk_attempt_may_adopt(const struct brk_run *run, uint16_t attempt);
/* Its worker is the claim's peer and goes on with the attempt that it has. */
void brk_attempt_adopt(struct brk_core *core, struct brk_run *run,
                       const struct brk_claim *claim);
/* Its worker is lost, or never got it: another attempt, or the end. */
void brk_attempt_lose(struct brk_core *core, struct brk_run *run, bool counts,
                      const char *why);
void brk_attempt_on_started(struct brk_core *core, struct brk_peer *worker,
                            const struct link_in *in);
void brk_attempt_on_done(struct brk_core *core, struct brk_peer *worker,
                         struct link_in *in);
void brk_attempt_on_yield(struct brk_core *core, struct brk_peer *worker,
                          const struct link_in *in);
void brk_attempt_on_busy(struct brk_core *core, struct brk_peer *worker,
                         const struct link_in *in);
void brk_attempt_send_cancel(struct brk_core *core, const struct brk_run *run);
void brk_attempt_send_stop(struct brk_core *core, const struct brk_peer *worker,
                           const struct id *run, uint16_t attempt);
void brk_attempt_send_kept(struct brk_core *core,
                           const struct link_route *worker,
                           const struct id *run, uint16_t attempt);
/* A sentence about what a pending run waits for; the caller frees it. */
char *brk_attempt_why(const struct brk_core *core, const struct brk_run *run);

/* ---- finish.c
 * --------------------------------------------------------------------- */

/* The broker ends it: the relay writes the end of its log, then the ledger.
 * `error` names the exception's class, NULL for none. */
void brk_finish_close(struct brk_core *core, struct brk_run *run,
                      const char *status, const char *error,
                      const char *message);
void brk_finish_on_closed(struct brk_core *core, const struct brk_note *note);
/* run->end says how it ended: writes that down. */
void brk_finish_settle(struct brk_core *core, struct brk_run *run,
                       const char *why);
/* As if it had never been. */
void brk_finish_rollback(struct brk_core *core, struct brk_run *run,
                         const char *why);
/* It was cancelled and no worker has it: ends it as its cancel says. */
void brk_finish_cancelled(struct brk_core *core, struct brk_run *run);
/* Its log goes with it. */
void brk_finish_tell_deleted(struct brk_core *core, const struct brk_run *run);
/* Takes it off everything and frees it, and goes on with its lane. */
void brk_finish_remove(struct brk_core *core, struct brk_run *run);
/* The end is written down: tells everybody, frees the run and goes on with
 * its lane. */
void brk_finish_ended(struct brk_core *core, struct brk_run *run);
/* Starts what comes next on the lane, or deletes its thread, or frees it. */
void brk_finish_next(struct brk_core *core, struct brk_lane *lane);
/*
 * Events came for a run that is not live. When it ended before this broker
 * began, what its worker was never told to be durable may be missing in the
 * store: then its log is opened once more, up to its end.
 */
void brk_finish_on_unknown(struct brk_core *core, const struct brk_note *note);
/* Which logs of ended runs have no end? Asked when all who may bring it have
 * had their time. */
void brk_finish_ask_torn(struct brk_core *core);
void brk_finish_on_torn(struct brk_core *core, const struct brk_op *op);
void brk_finish_on_lookup(struct brk_core *core, const struct brk_op *op);
/* RUN_ENDED of a run that ended before. */
void brk_finish_tell_past(struct brk_core *core, const struct brk_past *past,
                          const struct link_in *in);
void brk_finish_remember(struct brk_core *core, const struct brk_run *run,
                         bool forgotten);

/* ---- member.c
 * ---------------------------------------------------------------------- */

/* The peer that sent this, or NULL after answering WHO (or taking a HELLO). */
struct brk_peer *brk_member_of(struct brk_core *core, bool gateway,
                               struct link_in *in);
void brk_member_lose(struct brk_core *core, struct brk_peer *peer,
                     const char *why);
void brk_member_gone(struct brk_core *core, bool gateway,
                     const struct link_route *route);
void brk_member_probe(struct brk_core *core, bool gateways);
/* Leases, lost connections, the end of the time for coming back. */
void brk_member_tick(struct brk_core *core);
void brk_member_tell_graphs(struct brk_core *core);
/* A submit after a restart: the worker that holds the run, if one said so. */
bool brk_member_claim(struct brk_core *core, struct brk_run *run);

/* ---- call.c
 * ------------------------------------------------------------------------ */

/* Takes the body of `in` where the call is kept. */
void brk_call_on_call(struct brk_core *core, struct brk_peer *gateway,
                      struct link_in *in);
void brk_call_on_done(struct brk_core *core, struct brk_peer *worker,
                      struct link_in *in);
/* Nobody answers (or hears) any more what this peer was asked (or asked). */
void brk_call_lose(struct brk_core *core, const struct brk_peer *peer);
/* Gives waiting calls to workers, refuses those whose time is over. */
void brk_call_tick(struct brk_core *core);
/* When the next one is over; INT64_MAX: never. */
int64_t brk_call_next_ms(const struct brk_core *core);
void brk_call_fini(struct brk_core *core);

/* ---- commit.c
 * ---------------------------------------------------------------------- */

void brk_commit_on_op(struct brk_core *core, struct brk_op *op);
void brk_commit_restore(struct brk_core *core, const struct store_run *rows,
                        size_t n);

#endif
