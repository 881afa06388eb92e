/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h: short jobs that need a graph and no run: its drawing, its schemas,
 * a state changed from outside (docs/protocol.md, section 7). One thread does
 * them one after the other beside the executors, because building a graph is
 * its author's code.
 */
#ifndef LEAT_WORKER_CALL_H
#define LEAT_WORKER_CALL_H

#include "common/mbox.h"
#include "common/wire.h"
#include "worker/load.h"
#include "worker/saver.h"

typedef struct call call_t;

/* What was asked, and what came of it. */
struct call_job {
    struct wire_head head; /* of the CALL */
    leat_value *body;      /* of the CALL; then of its CALL_DONE */
};

/* What the calls work with. Answered jobs are put into `done` (borrowed),
 * which must have room for WRK_CALLS_MAX. */
#define WRK_CALLS_MAX 256
struct call_conf {
    const registry_t *registry;
    mbox_t *done;
    struct wrk_saver_conf saver; /* for calls about a thread */
};
call_t *wrk_call_new(const struct call_conf *conf) MUST_USE;
/* Waits for the job in hand. */
void wrk_call_destroy(call_t **c);

/* Takes the body. False when too many wait: nothing was taken. */
MUST_USE bool wrk_call_put(call_t *c, const struct wire_head *head,
                           leat_value **body);
void wrk_call_job_destroy(struct call_job **j);

/* The answer's body for what a CALL asks: {"result"}, or {"code", "text"}. */
struct call_tools {
    const registry_t *registry;
    wrk_saver_t *saver; /* the calling thread's own */
};
leat_value *wrk_call_run(const struct call_tools *tools,
                         const struct wire_head *head,
                         leat_view asked) MUST_USE;

#endif
