/* SPDX-License-Identifier: Apache-2.0 */
/* update.c: see update.h. Knows JSON's form of commands and of updates. */
#include "worker/update.h"

#include <stdlib.h>

#include "common/value.h"

/* ---- from JSON to what a node would return --------------------------------
 */

/* {"node", "input"}, as clients have it, or a name. */
static leat_value *target_of(leat_view v)
{
    if (leat_type_of(v) != LEAT_OBJECT) {
        return leat_value_of(v);
    }
    return leat_tagged(leat_pack("{s:v,s:v}", "node", leat_get(v, "node"),
                                 "arg", leat_get(v, "input")),
                       LEAT_SEND);
}

static leat_value *goto_of(leat_view v)
{
    if (leat_type_of(v) == LEAT_MISSING) {
        return NULL;
    }
    if (leat_type_of(v) != LEAT_LIST) {
        return target_of(v);
    }
    size_t n = leat_count(v);
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        items[it.index] = target_of(it.item);
    }
    leat_value *out = leat_new_list(n, items);
    free(items);
    return out;
}

static leat_value *command_of(leat_view v)
{
    return leat_tagged(leat_pack("{s:?v,s:?V}", "update", leat_get(v, "update"),
                                 "goto", goto_of(leat_get(v, "goto"))),
                       LEAT_COMMAND);
}

static bool all_objects(leat_view list)
{
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        if (leat_type_of(it.item) != LEAT_OBJECT) {
            return false;
        }
    }
    return leat_type_of(list) == LEAT_LIST && leat_count(list) > 0;
}

/* Several updates at once are what a node says with several commands. */
static leat_value *values_of(leat_view values, bool copies)
{
    if (copies || !all_objects(values)) {
        return leat_value_of(values);
    }
    size_t n = leat_count(values);
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (leat_iter it = leat_iter_of(values); leat_next(&it);) {
        items[it.index] =
            leat_tagged(leat_pack("{s:v}", "update", it.item), LEAT_COMMAND);
    }
    leat_value *out = leat_new_list(n, items);
    free(items);
    return out;
}

/* {"values", "command"?, "as_node"?} -> {"values", "as_node"?} */
static leat_value *update_of(leat_view update)
{
    leat_view as_node = leat_get(update, "as_node");
    leat_view command = leat_get(update, "command");
    bool commands = leat_type_of(command) == LEAT_OBJECT;
    leat_value *values = commands ? command_of(command)
                                  : values_of(leat_get(update, "values"),
                                              leat_is(as_node, "__copy__"));
    return leat_pack("{s:V,s:?v}", "values", values, "as_node", as_node);
}

/* A list of lists of updates. */
static leat_value *supersteps_of(leat_view list)
{
    leat_value **steps = base_zalloc((leat_count(list) + 1) * sizeof *steps);
    for (leat_iter step = leat_iter_of(list); leat_next(&step);) {
        size_t n = leat_count(step.item);
        leat_value **items = base_zalloc((n + 1) * sizeof *items);
        for (leat_iter it = leat_iter_of(step.item); leat_next(&it);) {
            items[it.index] = update_of(it.item);
        }
        steps[step.index] = leat_new_list(n, items);
        free(items);
    }
    leat_value *out = leat_new_list(leat_count(list), steps);
    free(steps);
    return out;
}

static bool check(leat_view args, struct err *err)
{
    leat_view steps = leat_get(args, "supersteps");
    bool ok = leat_type_of(steps) == LEAT_LIST;
    for (leat_iter step = leat_iter_of(steps); ok && leat_next(&step);) {
        ok = all_objects(step.item);
    }
    return ok || err_set(err, ERR_INVALID,
                         "supersteps: must be a list of lists of updates");
}

/* ---- the update ------------------------------------------------------------
 */

static bool update(const struct wrk_update *u, leat_value **out,
                   struct err *err)
{
    char *id = value_strdup(leat_get(u->args, "checkpoint_id"));
    char *ns = value_strdup(leat_get(u->args, "checkpoint_ns"));
    leat_value *steps = supersteps_of(leat_get(u->args, "supersteps"));
    leat_value *config =
        leat_pack("{s:?v}", "metadata", leat_get(u->args, "metadata"));
    char thread[ID_TEXT_SIZE];
    const struct graph_request req = {
        .thread_id = id_print(&u->thread, thread),
        .run_id = "",
        .checkpoint_id = id,
        .checkpoint_ns = ns,
        .config = leat_view_of(config),
    };
    const struct graph_host host = {.saver = wrk_saver_ops(u->saver),
                                    .items = wrk_saver_items(u->saver)};
    const struct graph_asked asked = {u->graph, &req, &host};
    struct graph_updated done = {.config = NULL};
    bool ok = graph_state_update(&asked, leat_view_of(steps), &done, err);
    if (ok) {
        *out = leat_pack("{s:v}", "checkpoint",
                         leat_get(leat_view_of(done.config), "configurable"));
        leat_drop(done.config);
    } else if (err->code == ERR_GRAPH) {
        struct err said = *err;
        ok =
            err_set(err, ERR_BAD_REQUEST, "%s: %s", done.error_type, said.text);
    }
    leat_drop(config);
    leat_drop(steps);
    free(ns);
    free(id);
    return ok;
}

bool wrk_update_run(const struct wrk_update *u, leat_value **out,
                    struct err *err)
{
    must(u->graph != NULL && u->saver != NULL && out != NULL);
    if (id_is_nil(&u->thread)) {
        return err_set(err, ERR_INVALID, "an update needs a thread");
    }
    if (!check(u->args, err) ||
        !wrk_saver_bind(u->saver, &u->thread, NULL, 0, err)) {
        return false;
    }
    char *owner = value_strdup(leat_get(u->args, "owner"));
    wrk_saver_own(u->saver, owner);
    free(owner);
    bool ok = update(u, out, err);
    wrk_saver_unbind(u->saver);
    return ok;
}
