/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_call.c: a CALL to the broker, which waits for a worker and answers.
 */
#include "gateway/graph_call.h"

#include "gateway/app.h"

#define WAIT_MS 70000 /* longer than the broker waits for a worker's answer */

/* Who waits holds a thread: half of them are for what needs no graph, however
 * many ask for one that nobody answers for. */
static bool enter(struct gw_app *app, struct err *err)
{
    int64_t most = max_i64(1, conf_int(app->conf, CONF_HTTP_THREADS) / 2);
    if (atomic_fetch_add(&app->asking, 1) < most) {
        return true;
    }
    atomic_fetch_sub(&app->asking, 1);
    return err_set(err, ERR_UNAVAILABLE,
                   "Too many requests wait for graphs; try again.");
}

static bool ask(struct gw_req *r, const struct gw_graph_call *c,
                leat_value *args, leat_value **result, struct err *err)
{
    leat_value *body = leat_pack("{s:s,s:s,s:V,s:?v,s:b}", "graph_id",
                                 c->graph_id, "op", c->op, "args", args,
                                 "config", c->config, "repeat", (int)c->repeat);
    const struct gw_ask what = {.type = WIRE_CALL,
                                .thread = c->thread,
                                .body = body,
                                .wait_ms = WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    bool ok = gw_hub_ask(r->app->hub, &what, &answer, err);
    if (ok) {
        *result = leat_value_of(leat_get(leat_view_of(answer.body), "result"));
    }
    leat_drop(answer.body);
    leat_drop(body);
    return ok;
}

bool gw_graph_call(struct gw_req *r, const struct gw_graph_call *c,
                   leat_value *args, leat_value **result, struct err *err)
{
    must(c->graph_id != NULL && c->op != NULL && result != NULL);
    if (!enter(r->app, err)) {
        leat_drop(args);
        return false;
    }
    bool ok = ask(r, c, args, result, err);
    atomic_fetch_sub(&r->app->asking, 1);
    return ok;
}
