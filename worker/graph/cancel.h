/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/cancel.h: how a run is stopped from outside (struct graph_cancel,
 * engine.h), and the waits that notice it. One object per run.
 */
#ifndef GRAPH_CANCEL_H
#define GRAPH_CANCEL_H

#include "worker/graph/engine.h"

/* Asked by a wait besides the cancel itself: has it to end? */
struct cancel_stop {
    bool (*stopped)(const void *arg);
    const void *arg;
};

/* Lets every wait look again at its stop. */
void graph_cancel_wake(struct graph_cancel *c);
/* False: stopped before the time was over. */
bool graph_cancel_sleep(struct graph_cancel *c, int64_t ms,
                        const struct cancel_stop *stop);
/* poll() on one descriptor: 1 ready, 0 timed out, -1 stopped. */
int graph_cancel_poll(struct graph_cancel *c, int fd, short events,
                      int64_t timeout_ms, const struct cancel_stop *stop);

#endif
