/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.h: one lane per thread. Its runs stand in the order in which they may
 * start (due time, then creation); at most one of them has its turn, and keeps
 * it, through lost workers and new attempts, until it has ended. A lane says
 * whether a run is admitted and whose turn it is; what follows from that is
 * decided by its callers.
 */
#ifndef BROKER_LANE_H
#define BROKER_LANE_H

#include "broker/run.h"
#include "common/err.h"
#include "common/idmap.h"

#define BRK_LANE_MAGIC LEAT_MAGIC(0xb0e70011)

struct brk_lane {
    uint32_t magic;
    struct id thread;
    struct brk_run *first, *last;
    struct brk_run *turn; /* the run that has begun and not ended; or NULL */
    size_t count;
    uint64_t last_ms; /* highest event id half known to be used */
    bool deleting;    /* the thread goes once its runs have stopped */
    bool delete_sent; /* the ledger has been told so */
    struct brk_lane_asker *askers; /* who wants to know that it is gone */
    size_t asker_count;
};

struct brk_lane_asker {
    struct link_route to;
    uint32_t tag;
};
#define BRK_LANE_ASKERS_MAX 4096

/* One more who is told when the thread is deleted; a repeat counts once.
 * ERR_LIMIT when there are too many. */
MUST_USE bool brk_lane_ask_deleted(struct brk_lane *lane,
                                   const struct brk_lane_asker *asker,
                                   struct err *err);

/* The thread's lane, made if there is none. */
struct brk_lane *brk_lane_require(struct idmap *lanes, const struct id *thread);
/* Frees a lane without runs that is not being deleted. */
void brk_lane_release(struct idmap *lanes, struct brk_lane *lane);
void brk_lane_destroy(struct idmap *lanes, struct brk_lane **p);

/*
 * May a run with this strategy join? ERR_CONFLICT (reject and the lane is not
 * empty, or the thread is being deleted), ERR_LIMIT.
 */
MUST_USE bool brk_lane_admit(const struct brk_lane *lane,
                             enum brk_strategy strategy, size_t max,
                             struct err *err);
void brk_lane_put(struct brk_lane *lane, struct brk_run *run);
void brk_lane_take(struct brk_lane *lane, struct brk_run *run);

/* The run that may start or go on now: the one whose turn it is, else the
 * first. NULL for an empty lane. */
struct brk_run *brk_lane_head(const struct brk_lane *lane);
/* The ms of the next attempt on this thread. */
uint64_t brk_lane_next_ms(struct brk_lane *lane, int64_t wall_ms);

#endif
