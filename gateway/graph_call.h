/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_call.h: short questions to a graph, which only a worker can answer
 * (docs/protocol.md, section 7).
 */
#ifndef GATEWAY_GRAPH_CALL_H
#define GATEWAY_GRAPH_CALL_H

#include "gateway/req.h"

struct gw_graph_call {
    const char *graph_id;
    const char *op;
    leat_view config; /* for graphs that are built for each run; or missing */
    struct id thread; /* what it is about; nil: no thread */
    bool repeat;      /* asking twice does no harm */
};
/*
 * Asks and waits. Takes the reference of args. ERR_UNAVAILABLE when no worker
 * serves the graph now, or half of all threads wait so already; else what the
 * worker said. *result: one reference.
 */
MUST_USE bool gw_graph_call(struct gw_req *r, const struct gw_graph_call *c,
                            leat_value *args, leat_value **result,
                            struct err *err);

#endif
