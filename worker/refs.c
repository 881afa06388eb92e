/* SPDX-License-Identifier: Apache-2.0 */
/* refs.c: see refs.h. */
#include "worker/refs.h"

#include <string.h>

static bool is_config(leat_view state)
{
    return leat_type_of(leat_get(state, "configurable")) == LEAT_OBJECT;
}

/* {thread_id, checkpoint_ns, checkpoint_id, checkpoint_map} of a config. */
static leat_value *ref_of(leat_view config)
{
    if (!is_config(config)) {
        return leat_new_null();
    }
    leat_view c = leat_get(config, "configurable");
    return leat_pack("{s:v, s:v, s:v, s:v}", "thread_id",
                     leat_get(c, "thread_id"), "checkpoint_ns",
                     leat_get(c, "checkpoint_ns"), "checkpoint_id",
                     leat_get(c, "checkpoint_id"), "checkpoint_map",
                     leat_get(c, "checkpoint_map"));
}

static void write_task(leat_writer *w, leat_view task)
{
    bool nested = is_config(leat_get(task, "state"));
    leat_write_object(w);
    leat_iter it = leat_iter_of(task);
    while (leat_next(&it)) {
        leat_view item = it.item;
        if (nested && it.key.len == 5 && memcmp(it.key.ptr, "state", 5) == 0) {
            leat_value *ref = ref_of(item);
            leat_write_key(w, "checkpoint");
            leat_write_view(w, leat_view_of(ref));
            leat_drop(ref);
            continue;
        }
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, item);
    }
    leat_write_end(w);
}

static leat_value *tasks_with_refs(leat_view tasks)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_iter it = leat_iter_of(tasks);
    while (leat_next(&it)) {
        write_task(w, it.item);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

leat_value *wrk_refs_checkpoint(leat_view payload)
{
    must(leat_type_of(payload) == LEAT_OBJECT);
    leat_value *v = leat_with(payload, "tasks",
                              tasks_with_refs(leat_get(payload, "tasks")));
    leat_value *with_own = leat_with(leat_view_of(v), "checkpoint",
                                     ref_of(leat_get(payload, "config")));
    leat_drop(v);
    leat_value *with_both =
        leat_with(leat_view_of(with_own), "parent_checkpoint",
                  ref_of(leat_get(payload, "parent_config")));
    leat_drop(with_own);
    return with_both;
}

leat_value *wrk_refs_debug(leat_view payload)
{
    must(leat_type_of(payload) == LEAT_OBJECT);
    if (!leat_is(leat_get(payload, "type"), "checkpoint")) {
        return leat_value_of(payload);
    }
    return leat_with(payload, "payload",
                     wrk_refs_checkpoint(leat_get(payload, "payload")));
}
