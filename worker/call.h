/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h: short jobs that need a graph and no run: its drawing, its schemas
 * (docs/protocol.md, section 7). One thread does them one after the other
 * beside the executors, because building a graph is its author's code.
 */
#ifndef LEAT_WORKER_CALL_H
#define LEAT_WORKER_CALL_H

#include "common/mbox.h"
#include "common/wire.h"
#include "worker/load.h"

typedef struct call call_t;

/* What was asked, and what came of it. */
struct call_job {
    struct wire_head head; /* of the CALL */
    leat_value *body;      /* of the CALL; then of its CALL_DONE */
};

/* Answered jobs are put into `done` (borrowed), which must have room for
 * WRK_CALLS_MAX. */
#define WRK_CALLS_MAX 256
call_t *wrk_call_new(const registry_t *registry, mbox_t *done) MUST_USE;
/* Waits for the job in hand. */
void wrk_call_destroy(call_t **c);

/* Takes the body. False when too many wait: nothing was taken. */
MUST_USE bool wrk_call_put(call_t *c, const struct wire_head *head,
                           leat_value **body);
void wrk_call_job_destroy(struct call_job **j);

/* The answer's body for what a CALL asks: {"result"}, or {"code", "text"}. */
leat_value *wrk_call_run(const registry_t *registry, leat_view asked) MUST_USE;

#endif
