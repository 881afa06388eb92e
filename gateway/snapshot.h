/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h: a stored checkpoint as the ThreadState of the API, without the
 * graph that made it: from the view that the engine left with it and the
 * writes that wait on it.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H

#include "common/store/store.h"

struct gw_snapshot {
    store_t *store;       /* for the states of nested graphs */
    struct id thread_id;
    bool latest;          /* no checkpoint was named: finished tasks count */
    bool subgraphs;       /* nested states in full */
};

/* The ThreadState; one reference. False with the store's error. */
MUST_USE bool gw_snapshot_build(const struct gw_snapshot *s,
                                const struct store_checkpoint *c,
                                leat_value **out, struct err *err);
/* The state of a thread that has none yet. */
leat_value *gw_snapshot_empty(void) MUST_USE;

#endif
