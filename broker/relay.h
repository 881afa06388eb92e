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

/* ---- its parts, for who has the time and the turns himself ---------------- */

brk_relay_t *brk_relay_make(const struct brk_env *env, struct link_pipe **desk,
                            struct link_pipe **journal) MUST_USE;
/* Opens the sockets. */
MUST_USE bool brk_relay_open(brk_relay_t *self, struct err *err);
/* Takes what has come, does what is due. */
void brk_relay_turn(brk_relay_t *self, int64_t now_ms);
/* When the next turn must begin at the latest, if nothing comes. */
int64_t brk_relay_next_ms(const brk_relay_t *self);

#endif
