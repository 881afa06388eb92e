/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/module.c: looks a loaded shared object over before any of its code
 * runs (module.h).
 */
#include "worker/graph/module.h"

static bool check_graphs(const struct leat_module *m, struct err *err)
{
    if (m->graph_count == 0 || m->graphs == NULL) {
        return err_set(err, ERR_GRAPH, "it has no graphs");
    }
    for (uint32_t i = 0; i < m->graph_count; i++) {
        const struct leat_graph_entry *e = &m->graphs[i];
        if (e->id == NULL || e->id[0] == '\0' || e->build == NULL) {
            return err_set(err, ERR_GRAPH,
                           "graph %u of %u has no id or no build function",
                           i + 1, m->graph_count);
        }
    }
    return true;
}

bool graph_module_open(const struct leat_module *m, struct err *err)
{
    if (m == NULL) {
        return err_set(err, ERR_GRAPH, "it does not export leat_graph_v1");
    }
    if (m->magic != LEAT_MODULE_MAGIC) {
        return err_set(err, ERR_GRAPH,
                       "leat_graph_v1 is not what LEAT_GRAPHS() defines "
                       "(magic %08x)", m->magic);
    }
    if (m->major != LEAT_ABI_MAJOR) {
        return err_set(err, ERR_GRAPH,
                       "it was built for interface %u.%u, this worker has "
                       "%d.%d: build it again", m->major, m->minor,
                       LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
    }
    if (m->minor > LEAT_ABI_MINOR) {
        return err_set(err, ERR_GRAPH,
                       "it needs interface %u.%u, this worker has %d.%d: it "
                       "needs a newer worker", m->major, m->minor,
                       LEAT_ABI_MAJOR, LEAT_ABI_MINOR);
    }
    if (m->api == NULL) {
        return err_set(err, ERR_GRAPH, "it has no place for the functions");
    }
    if (!check_graphs(m, err)) {
        return false;
    }
    *m->api = graph_api();
    return true;
}
