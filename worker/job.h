/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h: one attempt of one run, as the desk hands it to an executor and gets
 * it back. Made by the desk, executed by one executor, freed by the desk once
 * the broker has kept its end. Only the fields marked shared are touched by
 * both at the same time.
 */
#ifndef LEAT_WORKER_JOB_H
#define LEAT_WORKER_JOB_H

#include <stdatomic.h>

#include "common/wire.h"
#include "worker/graph/engine.h"
#include "worker/outbox.h"
#include "worker/saver.h"

/* Why a job's cancel flag was set; the first reason stays. */
enum job_stop {
    JOB_STOP_NONE = 0,
    JOB_STOP_CANCEL, /* the client asked: ends as interrupted */
    JOB_STOP_YIELD,  /* drain: handed back, to go on elsewhere */
    JOB_STOP_FENCED, /* the lease is lost: say nothing more */
};

struct job {
    /* set by the desk before the hand-over */
    struct id run;
    struct id thread;
    uint16_t attempt;
    bool stored;
    leat_value *start; /* RUN_START's body */
    outbox_t *outbox;

    /* shared */
    struct graph_cancel *cancel;
    _Atomic int stop;      /* enum job_stop */
    _Atomic int executing; /* nodes inside user code now */
    _Atomic(wrk_saver_t *) saver; /* bound to it; outlives it; or NULL */

    /* the desk's own */
    int64_t stop_deadline_ms; /* 0: not asked to stop */
    int64_t started_ms;       /* when RUN_STARTED is due; 0: said, or over */
    int64_t hurry_ms;         /* when its saver holds no more; 0: it does not */
    bool ended;               /* came back from the executor */
    int64_t said_ms;          /* when its end was last sent */

    /* set by the executor at the end */
    bool yielded;
    leat_value *done; /* RUN_DONE's body; NULL when yielded or fenced */
    struct job *next; /* the desk's list */
};

struct job *wrk_job_new(const struct wire_head *head, leat_value *start)
    MUST_USE;
void wrk_job_destroy(struct job **j);
/* Sets the flag; the engine sees it between phases and in every wait. */
void wrk_job_stop(struct job *j, enum job_stop why);

#endif
