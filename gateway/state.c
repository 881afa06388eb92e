/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c: the state of a thread now, at a checkpoint, and its history. Reads
 * the store only; no worker is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/snapshot.h"
#include "gateway/threads.h"

/* ---- one state --------------------------------------------------------- */

static bool reply_state(struct gw_req *r,
                        const struct store_checkpoint_key *key, bool subgraphs,
                        struct err *err)
{
    struct store_checkpoint c;
    bool found = false;
    if (!store_checkpoints_load(r->store, key, &c, &found, err)) {
        return false;
    }
    if (!found && key->id != NULL) {
        return err_set(err, ERR_NOT_FOUND, "Checkpoint %.100s not found",
                       key->id);
    }
    if (!found) {
        return gw_req_json_take(r, gw_snapshot_empty());
    }
    struct gw_snapshot s = {.store = r->store,
                            .thread_id = key->thread_id,
                            .latest = key->id == NULL,
                            .subgraphs = subgraphs};
    leat_value *state = NULL;
    bool ok = gw_snapshot_build(&s, &c, &state, err);
    store_checkpoint_fini(&c);
    return ok && gw_req_json_take(r, state);
}

bool gw_state_get(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    struct store_checkpoint_key key = {.ns = ""};
    bool subgraphs = false;
    if (!gw_req_query_bool(r, "subgraphs", false, &subgraphs, err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    if (gw_req_has_param(r, "checkpoint_id")) {
        key.id = gw_req_param(r, "checkpoint_id");
    }
    key.thread_id = t.thread_id;
    store_thread_fini(&t);
    return reply_state(r, &key, subgraphs, err);
}

bool gw_state_at(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"checkpoint", gw_check_checkpoint, NULL, true},
        {"subgraphs", gw_check_bool, NULL, false},
    };
    struct store_thread t;
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id id = t.thread_id;
    store_thread_fini(&t);
    leat_view checkpoint = leat_get(body, "checkpoint");
    char *ns = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_ns"));
    char *at = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_id"));
    struct store_checkpoint_key key = {
        .thread_id = id,
        .ns = ns == NULL ? "" : ns,
        .id = at,
    };
    bool subgraphs = leat_bool(leat_get(body, "subgraphs"), false);
    bool ok = reply_state(r, &key, subgraphs, err);
    free(ns);
    free(at);
    return ok;
}

/* ---- history ----------------------------------------------------------- */

static bool reply_history(struct gw_req *r,
                          const struct store_checkpoints_query *q,
                          struct err *err)
{
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    if (!store_checkpoints_list(r->store, q, &list, &n, err)) {
        return false;
    }
    struct gw_snapshot s = {.store = r->store, .thread_id = q->thread_id};
    leat_value **items = base_zalloc((n + 1) * sizeof(*items));
    size_t made = 0;
    while (made < n && gw_snapshot_build(&s, &list[made], &items[made], err)) {
        made++;
    }
    bool ok = made == n;
    leat_value *states = ok ? leat_new_list(n, items) : NULL;
    while (!ok && made > 0) {
        leat_drop(items[--made]);
    }
    free(items);
    store_checkpoints_free(&list, n);
    return ok && gw_req_json_take(r, states);
}

bool gw_state_history(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    int64_t limit = 0;
    struct gw_range range = {.min = 1, .max = 1000, .fallback = 10};
    if (!gw_req_query_int(r, "limit", range, &limit, err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    struct store_checkpoints_query q = {
        .thread_id = t.thread_id,
        .ns = "",
        .before = gw_req_query(r, "before"),
        .limit = (size_t)limit,
    };
    store_thread_fini(&t);
    return reply_history(r, &q, err);
}

/* An id, a checkpoint, or a config that holds one. */
static bool check_before(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"configurable", gw_check_checkpoint, NULL, false},
    };
    enum leat_type type = leat_type_of(v);
    if (type == LEAT_OBJECT) {
        return gw_check_checkpoint(v, path, err) &&
               gw_check_fields(v, path, rows, COUNT_OF(rows), err);
    }
    return type == LEAT_STRING
               ? gw_check_string(v, path, err)
               : gw_check_wrong(err, path,
                                "a checkpoint id, a checkpoint or a config "
                                "with one");
}

static char *before_of(leat_view v)
{
    if (leat_type_of(v) != LEAT_OBJECT) {
        return value_strdup(v);
    }
    leat_view configurable = leat_get(v, "configurable");
    return value_strdup_nonempty(leat_get(
        leat_type_of(configurable) == LEAT_OBJECT ? configurable : v,
        "checkpoint_id"));
}

bool gw_state_history_post(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"limit", gw_check_limit, NULL, false},
        {"before", check_before, NULL, false},
        {"metadata", gw_check_object, NULL, false},
        {"checkpoint", gw_check_checkpoint, NULL, false},
    };
    struct store_thread t;
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    leat_view checkpoint = leat_get(body, "checkpoint");
    leat_view metadata = leat_get(body, "metadata");
    char *ns = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_ns"));
    char *id = value_strdup_nonempty(leat_get(checkpoint, "checkpoint_id"));
    char *before = before_of(leat_get(body, "before"));
    struct store_checkpoints_query q = {
        .thread_id = t.thread_id,
        .ns = ns == NULL ? "" : ns,
        .id = id,
        .before = before,
        .metadata = gw_check_present(metadata) ? metadata : (leat_view){0},
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
    };
    store_thread_fini(&t);
    bool ok = reply_history(r, &q, err);
    free(ns);
    free(id);
    free(before);
    return ok;
}
