/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h: the events of one attempt on their way out. The run's threads
 * append (wrk_outbox_put numbers and packs), the publisher takes batches to
 * send and keeps them until the relay calls them durable. What piled up while
 * the publisher was busy travels as one batch. Knows no sockets.
 *
 * The window is the only brake: with `window` events not yet received by the
 * relay, or the process's unconfirmed bytes at their limit, put waits, and
 * that run alone waits. Shared by the executor, the desk and the publisher
 * through references.
 */
#ifndef LEAT_WORKER_OUTBOX_H
#define LEAT_WORKER_OUTBOX_H

#include <stdatomic.h>

#include "common/id.h"
#include "common/value.h"

typedef struct outbox outbox_t;

/* Bytes not yet durable in the whole process, against --unconfirmed-bytes. */
struct outbox_budget {
    _Atomic int64_t used;
    int64_t max;
};

struct outbox_conf {
    struct id run;
    struct id thread;
    uint16_t attempt;
    uint64_t ms;        /* first half of the event ids */
    uint64_t first_seq; /* number of the first event */
    uint64_t window;    /* events sent and not yet received */
    struct outbox_budget *budget;
    /* Called when there is something to take and nobody was told yet; from
     * the thread that put it. The publisher gets one reference with it. */
    void (*ready)(void *arg, outbox_t *o);
    void *arg;
};

outbox_t *wrk_outbox_new(const struct outbox_conf *conf) MUST_USE;
outbox_t *wrk_outbox_hold(outbox_t *o) MUST_USE;
void wrk_outbox_drop(outbox_t **o);
const struct outbox_conf *wrk_outbox_conf(const outbox_t *o);

/*
 * Appends one event; waits while the window is full. False when the outbox
 * was stopped or the event is larger than a message may be: it is not sent.
 */
MUST_USE bool wrk_outbox_put(outbox_t *o, const char *name, const char *ns,
                             leat_view payload);
/* Number of the last event put; first_seq - 1 when there is none. */
uint64_t wrk_outbox_last(outbox_t *o);
/* Waits until the relay has all that was put, or the outbox was stopped. */
void wrk_outbox_await(outbox_t *o);
/* Nothing more is wanted of this attempt: put refuses, waiters wake. */
void wrk_outbox_stop(outbox_t *o);

/* ---- the publisher's side ------------------------------------------------ */

/* A batch, borrowed until the next call for this outbox. */
struct outbox_batch {
    uint64_t seq; /* of its first event */
    uint32_t count;
    const void *bytes;
    size_t len;
};

/* The next batch to send; false when all is sent. wrk_outbox_sent moves on. */
bool wrk_outbox_next(outbox_t *o, struct outbox_batch *out);
void wrk_outbox_sent(outbox_t *o);
/* The relay has everything up to seq: opens the window. */
void wrk_outbox_received(outbox_t *o, uint64_t seq);
/* Everything up to seq is stored: forgets it. */
void wrk_outbox_durable(outbox_t *o, uint64_t seq);
/* Sends again what is not durable, from seq on (0: all of it). True when
 * there is something to send now. */
bool wrk_outbox_rewind(outbox_t *o, uint64_t seq);
/* First event that is not durable, and whether anything is kept. */
uint64_t wrk_outbox_first_kept(outbox_t *o);
/* Closed by the executor and all durable: nothing will come any more. */
bool wrk_outbox_finished(outbox_t *o);
/* The executor puts no more. Calls `ready` a last time. */
void wrk_outbox_close(outbox_t *o);

#endif
