/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoints.h: what other files of this folder need of checkpoints, blobs
 * and writes. All run inside a transaction of their caller.
 */
#ifndef COMMON_STORE_CHECKPOINTS_H
#define COMMON_STORE_CHECKPOINTS_H

#include "common/store/inner.h"

/* checkpoints.c: store_checkpoints_load without its transaction. `out` is to
 * be freed with fini in every case. */
MUST_USE bool store_checkpoints_fetch(store_t *s,
                                      const struct store_checkpoint_key *k,
                                      struct store_checkpoint *out, bool *found,
                                      struct err *err);

/* checkpoints_drop.c: those of one run, of a thread, all but the latest of
 * each namespace. */
MUST_USE bool store_checkpoints_drop_run(store_t *s, const struct id *thread_id,
                                         const struct id *run_id,
                                         struct err *err);
/* The same on whatever threads it wrote, for a run that is not a row here. */
MUST_USE bool store_checkpoints_delete_run(store_t *s, const struct id *run_id,
                                           struct err *err);
MUST_USE bool store_checkpoints_drop_thread(store_t *s,
                                            const struct id *thread_id,
                                            struct err *err);
MUST_USE bool store_checkpoints_drop_older(store_t *s,
                                           const struct id *thread_id,
                                           struct err *err);
/* checkpoints_copy.c: everything from one thread to another, empty one. */
MUST_USE bool store_checkpoints_copy(store_t *s, const struct id *from,
                                     const struct id *to, struct err *err);

#endif
