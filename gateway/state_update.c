/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_update.c: changing the state of a thread. A worker that has the graph
 * makes the checkpoints; here is checked whether that may be, and the thread's
 * row is brought up to date. A thread with a run is refused twice: here, to
 * say so at once, and with each write, so that no run comes between.
 */
#include "gateway/state_update.h"

#include <stdlib.h>

#include "gateway/check.h"
#include "gateway/graph_call.h"
#include "gateway/handlers.h"
#include "gateway/render.h"
#include "gateway/threads.h"

/* ---- what is asked ----------------------------------------------------- */

/* An object, or several that are written one after the other. */
bool gw_state_check_values(leat_view v, const char *path, struct err *err)
{
    static const char want[] = "an object, a list of objects or null";
    if (leat_type_of(v) == LEAT_OBJECT) {
        return true;
    }
    bool ok = leat_type_of(v) == LEAT_LIST;
    for (leat_iter it = leat_iter_of(v); ok && leat_next(&it);) {
        ok = leat_type_of(it.item) == LEAT_OBJECT ||
             leat_type_of(it.item) == LEAT_LIST; /* pairs of a __copy__ */
    }
    return ok || gw_check_wrong(err, path, want);
}

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

/* ---- asking ------------------------------------------------------------ */

static bool call(struct gw_req *r, const struct store_thread *t,
                 const struct gw_state_update *u, leat_value **result,
                 struct err *err)
{
    char *graph_id =
        value_strdup(leat_get(leat_view_of(t->metadata), "graph_id"));
    if (graph_id == NULL) {
        return err_set(err, ERR_BAD_REQUEST,
                       "Thread %s has no graph id: run a graph on it, or give "
                       "metadata.graph_id when it is created",
                       ID_TEXT(&t->thread_id));
    }
    leat_value *metadata = leat_pack("{s:s,s:s}", "graph_id", graph_id,
                                     "thread_id", ID_TEXT(&t->thread_id));
    leat_value *args =
        leat_pack("{s:v,s:?s,s:?s,s:V,s:?s}", "supersteps", u->supersteps,
                  "checkpoint_id", u->checkpoint_id, "checkpoint_ns",
                  u->checkpoint_ns, "metadata", metadata, "owner", t->owner);
    const struct gw_graph_call c = {.graph_id = graph_id,
                                    .op = "update_state",
                                    .config = leat_view_of(t->config),
                                    .thread = t->thread_id};
    bool ok = gw_graph_call(r, &c, args, result, err);
    free(graph_id);
    return ok;
}

bool gw_state_apply(struct gw_req *r, const struct store_thread *t,
                    const struct gw_state_update *u, leat_value **result,
                    struct err *err)
{
    must(t != NULL && result != NULL);
    *result = NULL;
    if (!call(r, t, u, result, err)) {
        return false;
    }
    if (!store_threads_refresh(r->store, &t->thread_id, err)) {
        leat_drop(*result);
        *result = NULL;
        return false;
    }
    return true;
}

/* The text of a member, "" as NULL; the caller frees. */
static char *member(leat_view object, const char *name)
{
    char *text = value_strdup(leat_get(object, name));
    if (text != NULL && *text == '\0') {
        free(text);
        text = NULL;
    }
    return text;
}

static bool update_at(struct gw_req *r, const struct store_thread *t,
                      struct gw_state_update *u, struct err *err)
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
    bool ok = gw_state_apply(r, t, u, &result, err);
    leat_drop(steps);
    return ok && gw_req_json_take(r, result);
}

bool gw_state_update(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"values", gw_state_check_values, NULL, false},
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
    char *id = member(checkpoint, "checkpoint_id");
    char *ns = member(checkpoint, "checkpoint_ns");
    if (id == NULL) {
        id = member(body, "checkpoint_id"); /* as older clients say it */
    }
    struct gw_state_update u = {.checkpoint_id = id, .checkpoint_ns = ns};
    bool ok = update_at(r, &t, &u, err);
    free(id);
    free(ns);
    store_thread_fini(&t);
    return ok;
}
