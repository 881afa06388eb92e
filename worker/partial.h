/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial.h: the legacy `messages` mode, made from the engine's [message,
 * metadata] events: `messages/metadata` at the first sight of a message,
 * `messages/partial` with all that has come for every chunk, and exactly one
 * `messages/complete` when the message is final.
 */
#ifndef LEAT_WORKER_PARTIAL_H
#define LEAT_WORKER_PARTIAL_H

#include "worker/graph/engine.h"

typedef struct partial partial_t;

/* Takes the value's reference. */
typedef void wrk_partial_put_fn(void *arg, const char *name, const char *ns,
                                leat_value *payload);

partial_t *wrk_partial_new(wrk_partial_put_fn *put, void *arg) MUST_USE;
void wrk_partial_destroy(partial_t **p);
/* An event of GRAPH_MODE_MESSAGES or GRAPH_MODE_MESSAGE_ENDS. */
void wrk_partial_on_message(partial_t *p, const struct graph_event *ev);

#endif
