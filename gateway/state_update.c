/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_update.c: changing the state of a thread. A thread with a run is
 * refused twice: here, to say so at once, and with each write of the worker,
 * so that no run comes between.
 */
#include <stdlib.h>

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/threads.h"
#include "gateway/update.h"

static bool is_busy(struct gw_req *r, const struct id *thread, struct err *err)
{
    struct store_run *runs = NULL;
    size_t n = 0;
    const struct store_runs_query q = {
        .thread_id = thread, .status = "open", .limit = 1};
    if (!store_runs_list(r->store, &q, &runs, &n, err)) {
        return true;
    }
    store_runs_free(&runs, n);
    if (n > 0) {
        (void)err_set(err, ERR_CONFLICT,
                      "Thread is already running a task. Wait for it to "
                      "finish before its state is changed.");
    }
    return n > 0;
}

static bool has_checkpoint(struct gw_req *r,
                           const struct store_checkpoint_key *key,
                           struct err *err)
{
    const struct store_checkpoints_query q = {
        .thread_id = key->thread_id, .ns = key->ns, .id = key->id, .limit = 1};
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    if (!store_checkpoints_list(r->store, &q, &list, &n, err)) {
        return false;
    }
    store_checkpoints_free(&list, n);
    return n > 0 ||
           err_set(err, ERR_NOT_FOUND, "Checkpoint %.100s not found", key->id);
}

static bool update_at(struct gw_req *r, const struct store_thread *t,
                      struct gw_update *u, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    leat_value *result = NULL;
    const struct store_checkpoint_key key = {
        .thread_id = t->thread_id,
        .ns = u->checkpoint_ns,
        .id = u->checkpoint_id,
    };
    if (is_busy(r, &t->thread_id, err) ||
        (key.id != NULL && !has_checkpoint(r, &key, err))) {
        return false;
    }
    leat_value *steps = leat_pack(
        "[[{s:v,s:?v}]]", "values", leat_get(body, "values"), "as_node",
        gw_check_present(leat_get(body, "as_node")) ? leat_get(body, "as_node")
                                                    : (leat_view){NULL, NULL});
    u->supersteps = leat_view_of(steps);
    bool ok = gw_update_apply(r, t, u, &result, err);
    leat_drop(steps);
    return ok && gw_req_json_take(r, result);
}

bool gw_state_update(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"values", gw_update_check_values, NULL, false},
        {"as_node", gw_check_text, NULL, false},
        {"checkpoint", gw_check_checkpoint, NULL, false},
        {"checkpoint_id", gw_check_string, NULL, false},
    };
    struct store_thread t;
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    leat_view checkpoint = leat_get(body, "checkpoint");
    char *id = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_id"));
    char *ns = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_ns"));
    if (id == NULL) {
        /* as older clients say it */
        id = value_strdup_nonempty(leat_get(body, "checkpoint_id"));
    }
    struct gw_update u = {.checkpoint_id = id, .checkpoint_ns = ns};
    bool ok = update_at(r, &t, &u, err);
    free(id);
    free(ns);
    store_thread_fini(&t);
    return ok;
}
