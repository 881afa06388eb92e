/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.h: rows of the threads table, for the files of this folder that
 * write parts of them. All run inside a transaction of their caller.
 */
#ifndef COMMON_STORE_THREADS_H
#define COMMON_STORE_THREADS_H

#include "common/store/inner.h"

#define STORE_THREADS_COLUMNS                                                  \
    "thread_id, owner, status, last_ms, created_at, updated_at,"               \
    " state_updated_at, metadata, config, error, interrupts, state_values"

/* A row of these columns. */
void store_threads_read_row(struct store_query *q, struct store_thread *t);
/* The thread of a run that is inserted. */
MUST_USE bool store_threads_make(store_t *s, const struct store_run *r,
                                 const char *owner, struct err *err);
/* store_threads_patch without its transaction. */
MUST_USE bool store_threads_merge(store_t *s, const struct id *thread_id,
                                  leat_view metadata, leat_view config,
                                  struct err *err);
/* store_threads_set without its transaction. */
MUST_USE bool store_threads_write_state(store_t *s, const struct id *thread_id,
                                        const struct store_thread_state *state,
                                        struct err *err);

/* threads_ttl.c: of a thread that is made now; of one that goes. */
MUST_USE bool store_threads_take_default_ttl(store_t *s,
                                             const struct id *thread_id,
                                             struct err *err);
MUST_USE bool store_threads_drop_ttl(store_t *s, const struct id *thread_id,
                                     struct err *err);

#endif
