/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a description of graphs: compiled or refused, never more. */
#include "worker/graph/engine.h"

#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct graph *g = NULL;
    leat_value *v = NULL;
    if (json_parse((const char *)data, size, NULL, &v, &err)) {
        leat_view root = leat_view_of(v), graphs = leat_get(root, "graphs");
        err_clear(&err);
        if (graph_decl_compile(leat_type_of(graphs) == LEAT_OBJECT ? graphs
                                                                   : root,
                               &g, &err)) {
            graph_drop(&g);
        }
    }
    leat_drop(v);
    return 0;
}
