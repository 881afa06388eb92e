/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_call.c: a CALL to the broker, which waits for a worker and answers.
 */
#include "gateway/graph_call.h"

#define WAIT_MS 70000 /* longer than the broker waits for a worker's answer */

bool gw_graph_call(struct gw_req *r, const struct gw_graph_call *c,
                   leat_value *args, leat_value **result, struct err *err)
{
    must(c->graph_id != NULL && c->op != NULL && result != NULL);
    leat_value *body = leat_pack("{s:s,s:s,s:V,s:?v,s:b}", "graph_id",
                                 c->graph_id, "op", c->op, "args", args,
                                 "config", c->config, "repeat", (int)c->repeat);
    const struct gw_ask ask = {.type = WIRE_CALL,
                               .thread = c->thread,
                               .body = body,
                               .wait_ms = WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    bool ok = gw_hub_ask(r->app->hub, &ask, &answer, err);
    if (ok) {
        *result = leat_value_of(leat_get(leat_view_of(answer.body), "result"));
    }
    leat_drop(answer.body);
    leat_drop(body);
    return ok;
}
