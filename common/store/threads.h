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
/* What a merge starts from, and what a new run finds. */
struct store_thread_base {
    struct id thread_id;
    bool found;
    int64_t created_us;
    uint64_t last_ms;
    char *owner;
    leat_value *metadata;
    leat_value *config;
};
/* The thread stays as it is until the transaction ends. Freed with fini. */
MUST_USE bool store_threads_read_base(store_t *s, struct store_thread_base *b,
                                      struct err *err);
void store_thread_base_fini(struct store_thread_base *b);
/* Reads several at once, for the next reads of each within the group. */
MUST_USE bool store_threads_expect(store_t *s, const struct id *ids, size_t n,
                                   struct err *err);
struct store_thread_merge {
    leat_view metadata; /* missing: nothing */
    leat_view config;
    bool busy;        /* a new run's */
    uint64_t last_ms; /* of its events; 0: it has none */
};
MUST_USE bool store_threads_write_base(store_t *s,
                                       const struct store_thread_base *b,
                                       const struct store_thread_merge *m,
                                       struct err *err);
/* store_threads_patch without its transaction. */
MUST_USE bool store_threads_merge(store_t *s, const struct id *thread_id,
                                  leat_view metadata, leat_view config,
                                  struct err *err);
/* store_threads_set without its transaction. */
MUST_USE bool store_threads_write_state(store_t *s, const struct id *thread_id,
                                        const struct store_thread_state *state,
                                        struct err *err);
/* The same, and what follows the thread's runs. */
struct store_thread_change {
    const struct id *thread_id; /* NULL: the thread of... */
    const struct id *run_id;    /* ...this run */
    const struct store_thread_state *state;
    bool follow;      /* "idle" becomes busy while runs of it are open */
    uint64_t last_ms; /* at least; 0: unchanged */
};
MUST_USE bool store_threads_change(store_t *s,
                                   const struct store_thread_change *c,
                                   struct err *err);

/* threads_ttl.c: of a thread that is made now; of one that goes. */
MUST_USE bool store_threads_take_default_ttl(store_t *s,
                                             const struct id *thread_id,
                                             struct err *err);
MUST_USE bool store_threads_drop_ttl(store_t *s, const struct id *thread_id,
                                     struct err *err);

#endif
