/* SPDX-License-Identifier: Apache-2.0 */
/*
 * home.h: the gateways that listen to all their stateless runs with one
 * subscription, by the bytes that the ids of those threads begin with.
 */
#ifndef BROKER_HOME_H
#define BROKER_HOME_H

#include "common/wire.h"

struct brk_homes {
    uint32_t *of; /* in no order */
    size_t count;
    size_t room;
};

/* Has somebody subscribed to the threads that begin like this one? Above a
 * limit homes are not kept: their runs wait a little for a subscription. */
void brk_homes_put(struct brk_homes *h, const struct id *thread, bool on);
bool brk_homes_have(const struct brk_homes *h, const struct id *thread);
void brk_homes_fini(struct brk_homes *h);

#endif
