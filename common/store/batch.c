/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of several clients in one transaction, so that they share its commit.
 */
#include "common/fault.h"
#include "common/store/inner.h"

static void run_one(store_t *s, struct store_call *c)
{
    leat_drop(c->result);
    c->result = NULL;
    err_clear(&c->err);
    if (!store_ops_run(s, &c->request, &c->result, &c->err)) {
        must(c->err.code != ERR_NONE);
    }
}

static bool run_together(store_t *s, struct store_call *calls, size_t n,
                         struct err *whole)
{
    if (!store_begin_fast(s, whole)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        run_one(s, &calls[i]);
    }
    (void)fault_at(FAULT_BATCH_BEFORE);
    if (fault_at(FAULT_BATCH_FULL)) {
        store_rollback(s);
        return fault_disk_full(whole);
    }
    if (!store_commit(s, whole)) {
        return false;
    }
    (void)fault_at(FAULT_BATCH_AFTER);
    return true;
}

void store_batch_run(store_t *s, struct store_call *calls, size_t n,
                     struct err *whole)
{
    err_clear(whole);
    if (run_together(s, calls, n, whole)) {
        return;
    }
    must(whole->code != ERR_NONE);
    for (size_t i = 0; i < n; i++) {
        if (whole->code == ERR_UNAVAILABLE) {
            leat_drop(calls[i].result);
            calls[i].result = NULL;
            calls[i].err = *whole;
        } else {
            run_one(s, &calls[i]);
        }
    }
}
