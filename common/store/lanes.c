/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of a thread that follow its runs: status, values, interrupts,
 * error, last_ms. All run inside a transaction of their caller.
 */
#include "common/store/inner.h"

#include <string.h>

#include "common/store/checkpoints.h"
#include "common/store/threads.h"

bool store_lanes_busy(store_t *s, const struct id *run_id, uint64_t last_ms,
                      struct err *err)
{
    static const struct store_thread_state busy = {.status = "busy"};
    const struct store_thread_change c = {
        .run_id = run_id, .state = &busy, .last_ms = last_ms};
    return store_threads_change(s, &c, err);
}

bool store_lanes_has_open(store_t *s, const struct id *thread_id, bool *open,
                          struct err *err)
{
    int64_t n = 0;
    if (!store_query_number(STORE_QUERY(s, err), &n,
                            "SELECT 1 FROM runs WHERE thread_id = $1"
                            " AND status IN ('pending', 'running') LIMIT 1",
                            "d", thread_id)) {
        return false;
    }
    *open = n != 0;
    return true;
}

bool store_lanes_end(store_t *s, const struct store_lane_end *e,
                     struct err *err)
{
    leat_value *none = leat_new_null();
    struct store_thread_state state = {
        .status = e->status,
        .values = e->values,
        .interrupts = e->interrupts,
        .error =
            strcmp(e->status, "error") == 0 ? e->error : leat_view_of(none),
    };
    const struct store_thread_change c = {.run_id = &e->run_id,
                                          .state = &state,
                                          .follow = true,
                                          .last_ms = e->last_ms};
    bool ok = store_threads_change(s, &c, err);
    leat_drop(none);
    return ok;
}

static bool restore_to(store_t *s, const struct id *thread_id, bool busy,
                       const struct store_checkpoint *latest, struct err *err)
{
    leat_value *none = leat_new_null();
    leat_value *values = NULL;
    leat_value *interrupts = NULL;
    const char *status = busy ? "busy" : "idle";
    if (latest != NULL) {
        values = store_checkpoint_values(latest);
        interrupts = store_checkpoint_interrupts(latest);
        if (!busy && store_checkpoint_has_next(latest)) {
            status = "interrupted";
        }
    }
    struct store_thread_state state = {
        .status = status,
        .values = leat_view_of(values == NULL ? none : values),
        .interrupts = leat_view_of(interrupts == NULL ? none : interrupts),
        .error = leat_view_of(none),
    };
    bool ok = store_threads_write_state(s, thread_id, &state, err);
    leat_drop(values);
    leat_drop(interrupts);
    leat_drop(none);
    return ok;
}

bool store_lanes_refresh(store_t *s, const struct id *thread_id,
                         struct err *err)
{
    bool found = false;
    const struct store_checkpoint_key key = {.thread_id = *thread_id};
    struct store_checkpoint latest;
    if (!store_checkpoints_fetch(s, &key, &latest, &found, err)) {
        store_checkpoint_fini(&latest);
        return false;
    }
    bool ok = true;
    if (found) {
        leat_value *values = store_checkpoint_values(&latest);
        leat_value *interrupts = store_checkpoint_interrupts(&latest);
        const struct store_thread_state state = {
            .values = leat_view_of(values),
            .interrupts = leat_view_of(interrupts),
        };
        ok = store_threads_write_state(s, thread_id, &state, err);
        leat_drop(values);
        leat_drop(interrupts);
    }
    store_checkpoint_fini(&latest);
    return ok;
}

bool store_lanes_restore(store_t *s, const struct id *thread_id, bool busy,
                         struct err *err)
{
    bool open = false;
    bool found = false;
    const struct store_checkpoint_key key = {.thread_id = *thread_id};
    struct store_checkpoint latest;
    if (!store_lanes_has_open(s, thread_id, &open, err) ||
        !store_checkpoints_fetch(s, &key, &latest, &found, err)) {
        return false;
    }
    bool ok =
        restore_to(s, thread_id, busy || open, found ? &latest : NULL, err);
    store_checkpoint_fini(&latest);
    return ok;
}
