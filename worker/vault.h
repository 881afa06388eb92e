/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.h: calls of the store on their way to the broker's vault: sent in
 * order, kept until they are answered, sent again when the broker or the
 * connection was lost. A call that gives a result is waited for, others are
 * acknowledged later and their failure is told by the next call. Knows
 * nothing of what a call says.
 *
 * Used by one thread at a time (the saver's lock).
 */
#ifndef LEAT_WORKER_VAULT_H
#define LEAT_WORKER_VAULT_H

#include <stdatomic.h>

#include "common/err.h"
#include "common/id.h"
#include "common/value.h"
#include "worker/uplink.h"

typedef struct wrk_vault wrk_vault_t;

struct wrk_vault_conf {
    const struct wrk_brokers *brokers; /* outlives the calls */
    size_t frame_bytes;
    const atomic_bool *stopped; /* once set, every wait is ERR_CANCELLED */
};

/* Connects in the background; NULL when the address is wrong. */
wrk_vault_t *wrk_vault_new(const struct wrk_vault_conf *conf,
                           struct err *err) MUST_USE;
void wrk_vault_destroy(wrk_vault_t **p);

/* Whose calls follow: the fence in every head. Forgets what is unanswered and
 * what has failed before. */
void wrk_vault_bind(wrk_vault_t *v, const struct id *run, uint16_t attempt);

/* Has everything been answered, and nothing refused? Does not wait. */
MUST_USE bool wrk_vault_settled(wrk_vault_t *v);
/* Whose waits `stopped` ends from now on. */
void wrk_vault_lend(wrk_vault_t *v, const atomic_bool *stopped);

/* One call; a store_call_fn. Ops whose name begins with "checkpoints_put" come
 * back at once, unless too many are unanswered. False once one has failed. */
MUST_USE bool wrk_vault_call(void *self, const char *op, const leat_value *args,
                             leat_value **result, struct err *err);
/* False when a call since bind is known to have failed. */
MUST_USE bool wrk_vault_so_far(const wrk_vault_t *v, struct err *err);
/* One whose name begins so, never waiting for others to be answered. */
void wrk_vault_push(wrk_vault_t *v, const char *op, const leat_value *args);
/* Waits until all calls are answered; false when one since bind failed. */
MUST_USE bool wrk_vault_flush(wrk_vault_t *v, struct err *err);

#endif
