/* SPDX-License-Identifier: Apache-2.0 */
/*
 * home.h: the gateways that listen to all their runs with one subscription, by
 * the bytes that its topic has and the ids of their runs end with.
 */
#ifndef BROKER_HOME_H
#define BROKER_HOME_H

#include "common/wire.h"

struct brk_homes {
    uint32_t *of; /* in no order */
    size_t count;
    size_t room;
};

/* Somebody has subscribed to what begins like `topic`, or does not any more.
 * Above a limit homes are not kept: their runs wait a little for a
 * subscription. */
void brk_homes_put(struct brk_homes *h, const struct id *topic, bool on);
/* Is it a run of somebody who has? */
bool brk_homes_have(const struct brk_homes *h, const struct id *run);
void brk_homes_fini(struct brk_homes *h);

#endif
