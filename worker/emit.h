/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.h: from what the engine says to the events of a run's log. Knows the
 * server's part of a stream: which modes a client's words mean, the `metadata`
 * and `error` events, the references that servers add to checkpoint payloads,
 * and the legacy `messages` mode. Puts into an outbox; one thread at a time.
 */
#ifndef LEAT_WORKER_EMIT_H
#define LEAT_WORKER_EMIT_H

#include "worker/graph/engine.h"
#include "worker/outbox.h"

typedef struct emit emit_t;

/* Modes of the engine that `stream_mode` (a list of words) asks for. */
unsigned wrk_emit_modes(leat_view stream_mode);

/* `stream_mode` and `out` must outlive it. */
emit_t *wrk_emit_new(outbox_t *out, leat_view stream_mode) MUST_USE;
void wrk_emit_destroy(emit_t **e);

/* The first event of an attempt. */
void wrk_emit_metadata(emit_t *e, const struct id *run, unsigned attempt);
/* One event of the engine (graph_host.emit; arg is the emit_t). */
void wrk_emit_event(void *arg, const struct graph_event *ev);
/* The last event that readers see of a failed run. */
void wrk_emit_error(emit_t *e, const char *type, const char *text);
/* The last record of the log; readers do not see it. */
void wrk_emit_end(emit_t *e, const char *status);

#endif
