/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h: connections to store and vault, for the savers of one process. They
 * weigh several times what a run does, and a run that waits in its node needs
 * none: a saver has a pair from its first call until all is answered and it
 * was not asked for a moment. Only where writes go through the vault.
 */
#ifndef LEAT_WORKER_POOL_H
#define LEAT_WORKER_POOL_H

#include "common/store/store.h"
#include "worker/vault.h"

typedef struct wrk_pool wrk_pool_t;

/* A store, whom its writes are told (from malloc(), with the pair), and the
 * vault that they go to in the end. */
struct wrk_pair {
    store_t *store;
    void **writer;
    wrk_vault_t *vault;
};

wrk_pool_t *wrk_pool_new(void) MUST_USE;
/* All savers have been removed. */
void wrk_pool_destroy(wrk_pool_t **p);

/* Asked now and then, by another thread, to give its pair if it has one that
 * it did not use for so long. */
typedef bool wrk_pool_rest_fn(void *saver, int64_t idle_ms);
void wrk_pool_add(wrk_pool_t *p, wrk_pool_rest_fn *rest, void *saver);
/* Before the saver dies. */
void wrk_pool_remove(wrk_pool_t *p, const void *saver);

/* A pair that nobody has; when many are out, waits a moment for one. False:
 * open another. Either way one more is out. */
MUST_USE bool wrk_pool_take(wrk_pool_t *p, struct wrk_pair *out);
/* One fewer is out; what was unanswered is given up. */
void wrk_pool_give(wrk_pool_t *p, const struct wrk_pair *pair);
/* The same where another could not be opened. */
void wrk_pool_lose(wrk_pool_t *p);

#endif
