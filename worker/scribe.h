/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe.h: calls of the store on their way into a database that workers
 * write themselves: what worker/vault.h is where they may not, without the
 * broker in between. One thread for all savers of the process, so that what
 * they write at the same time shares a transaction and its commit. Each saver
 * has a line to it: calls are done in order, acknowledged later, and kept
 * while the database is away. Knows nothing of what a call says.
 */
#ifndef LEAT_WORKER_SCRIBE_H
#define LEAT_WORKER_SCRIBE_H

#include <stdatomic.h>

#include "common/store/store.h"

typedef struct wrk_line wrk_line_t;

struct wrk_line_conf {
    struct store_conf store;    /* of the thread's handle: a client's */
    const atomic_bool *stopped; /* once set, every wait is ERR_CANCELLED */
};

/* The first line to a database starts its thread, the last ends it. */
wrk_line_t *wrk_scribe_new(const struct wrk_line_conf *conf) MUST_USE;
void wrk_scribe_destroy(wrk_line_t **p);

/* The same meanings as in worker/vault.h. */
void wrk_scribe_bind(wrk_line_t *l, const struct id *run, uint16_t attempt);
MUST_USE bool wrk_scribe_call(void *self, const char *op,
                              const leat_value *args, leat_value **result,
                              struct err *err);
MUST_USE bool wrk_scribe_so_far(wrk_line_t *l, struct err *err);
void wrk_scribe_push(wrk_line_t *l, const char *op, const leat_value *args);
MUST_USE bool wrk_scribe_flush(wrk_line_t *l, struct err *err);

#endif
