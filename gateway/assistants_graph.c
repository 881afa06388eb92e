/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants_graph.c: what an assistant's graph looks like and what it takes:
 * its drawing, its schemas, those of the graphs in it. Workers answer.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/assistants.h"
#include "gateway/check.h"
#include "gateway/graph_call.h"
#include "gateway/handlers.h"

/* Takes the reference of args. */
static bool reply(struct gw_req *r, const char *op, leat_value *args,
                  struct err *err)
{
    struct store_assistant a;
    leat_value *result = NULL;
    if (!gw_assistants_require(r, &a, err)) {
        leat_drop(args);
        return false;
    }
    const struct gw_graph_call call = {.graph_id = a.graph_id,
                                       .op = op,
                                       .config = leat_view_of(a.config),
                                       .repeat = true};
    bool ok = gw_graph_call(r, &call, args, &result, err);
    store_assistant_fini(&a);
    return ok && gw_req_json_take(r, result);
}

/* A truth, or how many levels of graphs in graphs are drawn. */
static bool read_xray(struct gw_req *r, leat_value **out, struct err *err)
{
    static const struct gw_range levels = {0, INT32_MAX, 0};
    struct err ignored = ERR_INIT;
    int64_t depth = 0;
    bool all = false;
    if (gw_req_query_int(r, "xray", levels, &depth, &ignored)) {
        *out = leat_new_int(depth);
        return true;
    }
    if (!gw_req_query_bool(r, "xray", false, &all, err)) {
        return gw_check_wrong(err, "xray", "true, false or a number of levels");
    }
    *out = leat_new_bool(all);
    return true;
}

bool gw_assistants_graph(struct gw_req *r, struct err *err)
{
    leat_value *xray = NULL;
    return read_xray(r, &xray, err) &&
           reply(r, "draw", leat_pack("{s:V}", "xray", xray), err);
}

bool gw_assistants_schemas(struct gw_req *r, struct err *err)
{
    return reply(r, "schemas", leat_new_object(0, NULL, NULL), err);
}

bool gw_assistants_subgraphs(struct gw_req *r, struct err *err)
{
    bool recurse = false;
    const char *ns =
        gw_req_has_param(r, "namespace") ? gw_req_param(r, "namespace") : NULL;
    return gw_req_query_bool(r, "recurse", false, &recurse, err) &&
           reply(r, "subgraphs",
                 leat_pack("{s:?s,s:b}", "namespace", ns, "recurse",
                           (int)recurse),
                 err);
}
