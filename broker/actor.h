/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actor.h: a thread with a handshake at both ends. Desk, relay, journal,
 * ledger and vault are each an actor and have the same shape:
 *
 *     struct brk_relay *brk_relay_new(const struct brk_env *env,
 *                                     struct link_pipe **desk,
 *                                     struct link_pipe **journal,
 *                                     struct err *err);
 *     void brk_relay_destroy(struct brk_relay **p);
 *
 * x_new() fills a struct, takes over its ends of the pipes, and calls
 * brk_actor_new(); the thread's body opens its sockets and its store handle,
 * says brk_actor_ready(), loops with brk_actor_item() in its poll set until
 * brk_actor_asked() to stop, cleans up and returns.
 */
#ifndef BROKER_ACTOR_H
#define BROKER_ACTOR_H

#include <zmq.h>

#include "common/err.h"

struct brk_actor;

/* Runs in the thread. Returning before ready means the start has failed. */
typedef void brk_actor_fn(struct brk_actor *self, void *arg);

/*
 * Starts the thread and waits until it is ready. NULL with err as the thread
 * gave it to brk_actor_failed. `name` (15 characters at most) is a literal.
 */
struct brk_actor *brk_actor_new(const char *name, brk_actor_fn *body, void *arg,
                                struct err *err) MUST_USE;
/* Asks the thread to stop and waits until it has. */
void brk_actor_destroy(struct brk_actor **p);

/* For the thread itself: */
void brk_actor_ready(struct brk_actor *self);
void brk_actor_failed(struct brk_actor *self, const struct err *err);
/* The item to poll for the request to stop. */
void brk_actor_item(const struct brk_actor *self, zmq_pollitem_t *out);
/* True from the request on; never blocks. */
bool brk_actor_asked(struct brk_actor *self);

#endif
