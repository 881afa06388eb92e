/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terms.h: the search index of threads. A term stands for one scalar of a
 * metadata object and its place ("user.name is ann"), or for the thread's
 * owner. A thread can only contain a filter when it has all its terms. All
 * run inside a transaction of their caller.
 */
#ifndef COMMON_STORE_TERMS_H
#define COMMON_STORE_TERMS_H

#include "common/store/inner.h"

struct store_terms {
    struct id *list; /* sorted, each once */
    size_t n;
    bool exact; /* who has all of them contains the object */
    bool over;  /* too many; the list is empty */
};
/* Of a metadata object (missing: none) and of an owner ("" or NULL: none). */
void store_terms_of(leat_view metadata, const char *owner,
                    struct store_terms *out);
void store_terms_fini(struct store_terms *t);

/* A thread that has more terms than are kept has only this one. */
struct id store_terms_over(void);

/* A thread as far as its terms go. */
struct store_termed {
    const struct id *thread_id;
    int64_t created_us; /* as in its row */
    const char *owner;
};
/* From what the index says now (of `before`; missing: nothing) to `after`. */
MUST_USE bool store_terms_put(store_t *s, const struct store_termed *t,
                              leat_view before, leat_view after,
                              struct err *err);
/* All of them: the thread goes. */
MUST_USE bool store_terms_drop(store_t *s, const struct store_termed *t,
                               leat_view metadata, struct err *err);
/* For threads from before the index. */
MUST_USE bool store_terms_fill(store_t *s, struct err *err);

#endif
