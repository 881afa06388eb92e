/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls by name and arguments, in order; one stays the call that it was.
 */
#include "worker/bundle.h"

#include <string.h>

bool wrk_bundle_fits(const char *op)
{
    return strncmp(op, "checkpoints_put", 15) == 0;
}

bool wrk_bundle_put(struct wrk_bundle *b, const char *op,
                    const leat_value *args)
{
    must(wrk_bundle_fits(op));
    size_t bytes = value_weight(args);
    if (b->n == WRK_BUNDLE_CALLS || b->bytes + bytes > WRK_BUNDLE_BYTES) {
        return false;
    }
    bool fits = base_copy(b->calls[b->n].op, sizeof b->calls[b->n].op, op);
    must(fits);
    b->calls[b->n++].args = leat_hold(args);
    b->bytes += bytes;
    return true;
}

leat_value *wrk_bundle_take(struct wrk_bundle *b, const char **op)
{
    leat_value *list[WRK_BUNDLE_CALLS];
    size_t n = b->n;
    if (n == 0) {
        return NULL;
    }
    b->n = 0;
    b->bytes = 0;
    if (n == 1) {
        *op = b->calls[0].op;
        return b->calls[0].args;
    }
    for (size_t i = 0; i < n; i++) {
        list[i] = leat_pack("[s,V]", b->calls[i].op, b->calls[i].args);
    }
    *op = "checkpoints_put_all";
    return leat_pack("{s:V}", "calls", leat_new_list(n, list));
}

void wrk_bundle_clear(struct wrk_bundle *b)
{
    for (size_t i = 0; i < b->n; i++) {
        leat_drop(b->calls[i].args);
    }
    b->n = 0;
    b->bytes = 0;
}
