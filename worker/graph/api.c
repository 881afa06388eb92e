/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/api.c: the table of functions that graphs are given (leat/graph.h).
 */
#include "worker/graph/engine.h"

static const struct leat_api api = {
    .size = sizeof(struct leat_api),
#define FILL(name) .name##_ = leat_##name,
    LEAT_API_TABLE(FILL)
#undef FILL
};

const struct leat_api *graph_api(void)
{
    return &api;
}
