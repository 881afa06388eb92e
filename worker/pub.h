/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pub.h: the publisher: one thread that takes batches out of the outboxes of
 * all runs and sends them to the relay, keeps them until they are durable and
 * sends them again to a relay that lost them. Never waits for a run, and no
 * run waits for another in it.
 */
#ifndef LEAT_WORKER_PUB_H
#define LEAT_WORKER_PUB_H

#include "common/err.h"
#include "worker/outbox.h"

typedef struct pub pub_t;

struct pub_conf {
    const char *broker;     /* base address */
    size_t frame_bytes;
    const char *worker_id;
};

pub_t *wrk_pub_new(const struct pub_conf *conf, struct err *err) MUST_USE;
/* Stops the thread; what is not confirmed by then is dropped. */
void wrk_pub_destroy(pub_t **p);

/* For outbox_conf.ready, with the pub_t as its arg. */
void wrk_pub_ready(void *arg, outbox_t *o);
/* Outboxes that still wait for a mark. */
size_t wrk_pub_pending(const pub_t *p);

#endif
