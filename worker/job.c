/* SPDX-License-Identifier: Apache-2.0 */
/* job.c: see job.h. */
#include "worker/job.h"

#include <stdlib.h>

struct job *wrk_job_new(const struct wire_head *head, leat_value *start)
{
    must(head != NULL && start != NULL);
    struct job *j = base_zalloc(sizeof *j);
    j->run = head->run;
    j->thread = head->thread;
    j->attempt = head->attempt;
    j->start = start;
    j->stored = leat_bool(leat_get(leat_view_of(start), "stored"), true);
    j->cancel = graph_cancel_new();
    atomic_init(&j->stop, JOB_STOP_NONE);
    atomic_init(&j->executing, 0);
    atomic_init(&j->saver, NULL);
    return j;
}

void wrk_job_destroy(struct job **j)
{
    must(j != NULL);
    if (*j == NULL) {
        return;
    }
    graph_cancel_destroy(&(*j)->cancel);
    wrk_outbox_drop(&(*j)->outbox);
    leat_drop((*j)->start);
    leat_drop((*j)->done);
    free(*j);
    *j = NULL;
}

void wrk_job_stop(struct job *j, enum job_stop why)
{
    must(j != NULL && why != JOB_STOP_NONE);
    int none = JOB_STOP_NONE;
    bool first = atomic_compare_exchange_strong(&j->stop, &none, (int)why);
    if (!first && why == JOB_STOP_FENCED) {
        atomic_store(&j->stop, (int)why); /* outranks the others */
    }
    if (why == JOB_STOP_FENCED) {
        wrk_outbox_stop(j->outbox);
    }
    graph_cancel_set(j->cancel);
}
