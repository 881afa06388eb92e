/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.h: what an HTTP thread sleeps on until the hub has its answer.
 */
#ifndef GATEWAY_TICKET_H
#define GATEWAY_TICKET_H

#include <pthread.h>

#include "common/wire.h"

struct gw_ticket {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool done;
    bool ok;
    struct wire_head head;     /* of the answer */
    leat_value *body;          /* its body, one reference, or NULL */
    struct err err;
};
void gw_ticket_init(struct gw_ticket *t);
/* Sleeps until the hub has answered. */
void gw_ticket_wait(struct gw_ticket *t);
void gw_ticket_fini(struct gw_ticket *t);
/* By the hub: the ticket is the sleeper's again. `in` NULL with err: failed. */
void gw_ticket_answer(struct gw_ticket *t, const struct wire_head *h,
                      leat_value *body);
void gw_ticket_fail(struct gw_ticket *t, const struct err *err);

#endif
