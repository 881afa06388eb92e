/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h: writes of a run that nobody waits for yet, to go as one call. A
 * short run's are one message so, and one thing to do for who stores them.
 * Knows nothing of what a call says, nor who takes it.
 */
#ifndef LEAT_WORKER_BUNDLE_H
#define LEAT_WORKER_BUNDLE_H

#include "common/value.h"

#define WRK_BUNDLE_CALLS 64
#define WRK_BUNDLE_BYTES ((size_t)256 << 10)

struct wrk_bundle {
    size_t n;
    size_t bytes;
    struct {
        char op[32];
        leat_value *args;
    } calls[WRK_BUNDLE_CALLS];
};

/* Is it one that comes back at once? Only such calls are put in. */
bool wrk_bundle_fits(const char *op);
/* False, and nothing is put in, when there is no room for it. */
bool wrk_bundle_put(struct wrk_bundle *b, const char *op,
                    const leat_value *args);
/* The call that stands for all of them, which the bundle then forgets: *op,
 * good until the next put, and its arguments. NULL when there is none. */
leat_value *wrk_bundle_take(struct wrk_bundle *b, const char **op);
void wrk_bundle_clear(struct wrk_bundle *b);

#endif
