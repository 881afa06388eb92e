/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h: what `/wait` and `/join` answer: collected from a run's events as
 * they pass, written as one JSON document when the run has ended. Knows no
 * sockets.
 */
#ifndef GATEWAY_WAIT_H
#define GATEWAY_WAIT_H

#include "common/wire.h"

struct gw_wait {
    leat_value *values;     /* of the last root `values` event; or NULL */
    leat_value *error;      /* of the `error` event; or NULL */
    leat_value *interrupts; /* list of those seen, each id once; or NULL */
};

void gw_wait_init(struct gw_wait *w);
void gw_wait_fini(struct gw_wait *w);

/* What a client is told of a run that left these values (NULL: none) and these
 * interrupts (NULL or empty: none). One reference; theirs stay. */
leat_value *gw_wait_document(const leat_value *values,
                             const leat_value *interrupts) MUST_USE;

/* Takes from the event what the document needs. */
void gw_wait_on_event(struct gw_wait *w, const struct wire_event *event);
/* Whether the events said anything that the document can be made of. */
bool gw_wait_knows(const struct gw_wait *w);
/* Appends the document; false when the buffer is at its cap. */
MUST_USE bool gw_wait_write(const struct gw_wait *w, struct buf *out);

#endif
