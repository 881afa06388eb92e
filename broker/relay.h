/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h: the way of events through the broker: in from the workers, fenced
 * by attempt and checked for sequence, kept in the ring, out to every gateway
 * that subscribed, into the journal when the run is stored, and again to who
 * asks for a replay. Decides nothing about runs: the desk tells it who may
 * speak. Never opens an event and never waits for anything but its sockets.
 */
#ifndef BROKER_RELAY_H
#define BROKER_RELAY_H

#include "broker/inner.h"
#include "common/err.h"

typedef struct brk_relay brk_relay_t;

/* Takes over its ends of the pipes; NULL with err when it cannot start. */
brk_relay_t *brk_relay_new(const struct brk_env *env, struct link_pipe **desk,
                           struct link_pipe **journal, struct err *err)
    MUST_USE;
void brk_relay_destroy(brk_relay_t **p);

#endif
