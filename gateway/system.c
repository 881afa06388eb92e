/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.c: what this server is and how it is.
 */
#include <stdlib.h>

#include "gateway/check.h"
#include "gateway/clerk.h"
#include "gateway/handlers.h"

static bool say_ok(struct gw_req *r)
{
    return gw_req_json_take(r, leat_pack("{s:b}", "ok", 1));
}

bool gw_system_root(struct gw_req *r, struct err *err)
{
    (void)err;
    return say_ok(r);
}

static bool ping(struct gw_req *r, struct err *err)
{
    store_t *store = gw_req_store(r, err);
    return store != NULL && store_ping(store, err);
}

bool gw_system_ok(struct gw_req *r, struct err *err)
{
    bool check = false;
    if (!gw_req_query_bool(r, "check_db", false, &check, err)) {
        return false;
    }
    struct err why = ERR_INIT;
    if (check && !ping(r, &why)) {
        return err_set(err, ERR_STORE, "the store does not answer: %s",
                       why.text);
    }
    return say_ok(r);
}

bool gw_system_info(struct gw_req *r, struct err *err)
{
    (void)err;
    return gw_req_json_take(
        r, leat_pack("{s:s, s:s, s:s, s:{s:b, s:b, s:b, s:b}, s:{s:s}}",
                     "version", LEAT_VERSION, "langgraph_py_version", "1.0.0",
                     "context", "leat", "flags", "assistants", 1, "crons", 1,
                     "langsmith", 0, "langsmith_tracing_replicas", 0,
                     "metadata", "server", "leat"));
}

/* Fit to take requests: a broker has welcomed us and the store answers. */
bool gw_system_ready(struct gw_req *r, struct err *err)
{
    struct err why = ERR_INIT;
    if (!gw_hub_is_connected(r->app->hub)) {
        return err_set(err, ERR_UNAVAILABLE, "no broker");
    }
    if (!ping(r, &why)) {
        return err_set(err, ERR_UNAVAILABLE, "the store does not answer: %s",
                       why.text);
    }
    return say_ok(r);
}

bool gw_system_health(struct gw_req *r, struct err *err)
{
    return gw_system_ready(r, err);
}

bool gw_system_live(struct gw_req *r, struct err *err)
{
    (void)err;
    return say_ok(r);
}

/* ---- development ------------------------------------------------------- */

/* System assistants are made when their graphs register: that was before. */
static bool make_system_assistants(struct gw_req *r, struct err *err)
{
    leat_value *graphs = gw_hub_graphs(r->app->hub);
    leat_iter it = leat_iter_of(leat_get(leat_view_of(graphs), "graphs"));
    bool ok = true;
    while (ok && leat_next(&it)) {
        char *name = value_strdup(leat_get(it.item, "id"));
        ok = name == NULL || gw_clerk_ensure(r->app->clerk, r->store, name, err);
        free(name);
    }
    leat_drop(graphs);
    return ok;
}

bool gw_system_truncate(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"runs", gw_check_bool, NULL, false},
        {"threads", gw_check_bool, NULL, false},
        {"assistants", gw_check_bool, NULL, false},
        {"checkpointer", gw_check_bool, NULL, false},
        {"store", gw_check_bool, NULL, false},
    };
    static const unsigned bits[COUNT_OF(rows)] = {
        STORE_RUNS, STORE_THREADS, STORE_ASSISTANTS, STORE_CHECKPOINTS,
        STORE_ITEMS};
    leat_view body = leat_view_of(r->body);
    unsigned what = 0;
    if (!conf_bool(r->app->conf, CONF_ALLOW_TRUNCATE)) {
        return err_set(err, ERR_NOT_FOUND, "Not Found");
    }
    if (*r->owner != '\0') {
        return err_set(err, ERR_FORBIDDEN, "this is everybody's data");
    }
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        what |= leat_bool(leat_get(body, rows[i].name), false) ? bits[i] : 0;
    }
    return store_truncate(r->store, what, err) &&
           make_system_assistants(r, err) && say_ok(r);
}
