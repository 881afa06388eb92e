/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a checkpoint shows to readers that have no graph at hand, by the view
 * that the engine put with it (worker/graph/engine.h).
 */
#include <stdlib.h>
#include <string.h>

#include "common/store/store.h"

leat_value *store_checkpoint_values(const struct store_checkpoint *c)
{
    leat_view view = leat_view_of(c->view);
    leat_view ready = leat_get(view, "values");
    if (leat_type_of(ready) != LEAT_MISSING) {
        return leat_value_of(ready);
    }
    leat_view values = leat_view_of(c->values);
    leat_view keys = leat_get(view, "keys");
    size_t most = leat_count(keys);
    char **names = base_zalloc((most + 1) * sizeof *names);
    leat_value **parts = base_zalloc((most + 1) * sizeof *parts);
    size_t n = 0;
    for (leat_iter it = leat_iter_of(keys); n < most && leat_next(&it);) {
        char *name = value_strdup(it.item);
        parts[n] = name == NULL ? NULL : leat_value_of(leat_get(values, name));
        if (parts[n] == NULL) { /* the channel is empty */
            free(name);
            continue;
        }
        names[n++] = name;
    }
    leat_value *out = leat_new_object(n, (const char *const *)names, parts);
    for (size_t i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
    free(parts);
    return out;
}

bool store_checkpoint_has_next(const struct store_checkpoint *c)
{
    leat_view view = leat_view_of(c->view);
    leat_view next = leat_get(view, "applied_next");
    if (leat_type_of(next) == LEAT_MISSING) {
        next = leat_get(view, "next");
    }
    return leat_count(next) > 0;
}

/* A task that has written a result is done, whatever interrupted it before. */
static bool has_result(const struct store_checkpoint *c, const char *task_id)
{
    for (size_t i = 0; i < c->write_count; i++) {
        if (c->writes[i].index >= 0 &&
            strcmp(c->writes[i].task_id, task_id) == 0) {
            return true;
        }
    }
    return false;
}

leat_value *store_checkpoint_interrupts(const struct store_checkpoint *c)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (size_t i = 0; i < c->write_count; i++) {
        const struct store_write *it = &c->writes[i];
        if (strcmp(it->channel, "__interrupt__") == 0 &&
            leat_count(leat_view_of(it->value)) > 0 &&
            !has_result(c, it->task_id)) {
            leat_write_key(w, it->task_id);
            leat_write_view(w, leat_view_of(it->value));
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}
