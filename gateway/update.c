/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.c: a change of a thread's state, made by a worker that has the graph;
 * then the thread's row follows.
 */
#include "gateway/update.h"

#include <stdlib.h>

#include "gateway/check.h"
#include "gateway/graph_call.h"

/* An object, or several that are written one after the other. */
bool gw_update_check_values(leat_view v, const char *path, struct err *err)
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

static bool call(struct gw_req *r, const struct store_thread *t,
                 const struct gw_update *u, leat_value **result,
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

bool gw_update_apply(struct gw_req *r, const struct store_thread *t,
                     const struct gw_update *u, leat_value **result,
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
