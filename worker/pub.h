/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pub.h: the publisher: takes batches out of the outboxes of all runs and
 * sends them to the relay, keeps them until they are durable and sends them
 * again to a relay that lost them. Never waits for a run, and no run waits for
 * another in it. Part of the desk's thread, but for wrk_pub_ready: a run's
 * events and its end then wake one thread, not two.
 */
#ifndef LEAT_WORKER_PUB_H
#define LEAT_WORKER_PUB_H

#include "common/err.h"
#include "worker/uplink.h"
#include "worker/outbox.h"

typedef struct pub pub_t;

struct pub_conf {
    const struct wrk_brokers *brokers;
    size_t frame_bytes;
    const char *worker_id;
};

pub_t *wrk_pub_new(const struct pub_conf *conf, struct err *err) MUST_USE;
/* What is not confirmed by then is dropped. */
void wrk_pub_destroy(pub_t **p);

/* Adds what the publisher waits for. */
void wrk_pub_watch(pub_t *p, struct link_poll *poll);
/* Before a wait on that poll: how long it may be, INT64_MAX: for ever. */
int64_t wrk_pub_wait_ms(pub_t *p);
/* After it: receives and sends what there is, up to a bound. */
void wrk_pub_turn(pub_t *p, const struct link_poll *poll);

/* For outbox_conf.ready, with the pub_t as its arg; from any thread. */
void wrk_pub_ready(void *arg, outbox_t *o);
/* Outboxes that still wait for a mark. */
size_t wrk_pub_pending(const pub_t *p);

#endif
