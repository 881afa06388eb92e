/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.h: the executors: up to --slots threads, each with one run at a time.
 * A job goes in (wrk_exec_put), the engine steps, checkpoints are saved,
 * events leave through the job's outbox, and the job comes back through
 * `done` with the body of its RUN_DONE. A thread is started when a job finds
 * none idle, and stays.
 */
#ifndef LEAT_WORKER_EXEC_H
#define LEAT_WORKER_EXEC_H

#include "common/conf.h"
#include "common/mbox.h"
#include "worker/job.h"
#include "worker/uplink.h"
#include "worker/load.h"

typedef struct exec exec_t;

struct exec_conf {
    const conf_t *conf;
    const registry_t *registry;
    const struct wrk_brokers *brokers; /* for the savers */
    mbox_t *done;       /* where jobs come back; borrowed */
};

exec_t *wrk_exec_new(const struct exec_conf *conf) MUST_USE;
/* Waits for the jobs in hand: stop them first. */
void wrk_exec_destroy(exec_t **e);

/* Takes the job. The caller keeps count of slots: there is always room. */
void wrk_exec_put(exec_t *e, struct job *j);

#endif
