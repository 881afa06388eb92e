/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.h: changing a thread's state from outside, as a call asks for it
 * (docs/protocol.md, section 7, update_state). No node runs; the writers of
 * the named nodes do.
 */
#ifndef LEAT_WORKER_UPDATE_H
#define LEAT_WORKER_UPDATE_H

#include "worker/saver.h"

/* What to change; the saver is bound and unbound here. */
struct wrk_update {
    const struct graph *graph;
    struct id thread;
    leat_view args; /* of the call */
    wrk_saver_t *saver;
};
/* The call's result, one reference. ERR_INVALID for args that are not what
 * they should be, ERR_BAD_REQUEST for what the graph does not take,
 * ERR_CONFLICT for a thread that has a run, else the store's errors. */
MUST_USE bool wrk_update_run(const struct wrk_update *u, leat_value **out,
                             struct err *err);

#endif
