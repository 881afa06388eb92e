/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants.h: from what a request calls an assistant to its row.
 */
#ifndef GATEWAY_ASSISTANTS_H
#define GATEWAY_ASSISTANTS_H

#include "gateway/req.h"

/*
 * `name` is a UUID or a graph's name, which means its system assistant.
 * ERR_NOT_FOUND for an unknown id and for a name that no worker ever
 * registered. The caller frees with store_assistant_fini().
 */
MUST_USE bool gw_assistants_resolve(struct gw_req *r, leat_text name,
                                    struct store_assistant *out,
                                    struct err *err);

/* The one that the path names, in the same way. */
MUST_USE bool gw_assistants_require(struct gw_req *r,
                                    struct store_assistant *out,
                                    struct err *err);

/* ERR_NOT_FOUND for a graph that no worker ever registered. */
MUST_USE bool gw_assistants_check_graph(struct gw_req *r, const char *graph_id,
                                        struct err *err);

#endif
