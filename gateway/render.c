/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render.c: field by field, in the order of the API's documentation.
 */
#include "gateway/render.h"

#include <string.h>

#include "common/clock.h"

#define ISO(us) clock_to_iso((us), (char[CLOCK_ISO_SIZE]){0})

/* The object, or {} for NULL; one reference. */
static leat_value *object_of(const leat_value *v)
{
    return v != NULL ? leat_hold(v) : leat_new_object(0, NULL, NULL);
}

leat_value *gw_render_assistant(const struct store_assistant *a)
{
    must(a != NULL);
    return leat_pack("{s:s, s:s, s:V, s:V, s:V, s:I, s:s, s:s, s:s, s:s}",
                     "assistant_id", ID_TEXT(&a->assistant_id), "graph_id",
                     a->graph_id, "config", object_of(a->config), "context",
                     object_of(a->context), "metadata", object_of(a->metadata),
                     "version", a->version, "name", a->name, "description",
                     a->description, "created_at", ISO(a->created_us),
                     "updated_at", ISO(a->updated_us));
}

leat_value *gw_render_thread(const struct store_thread *t)
{
    must(t != NULL);
    bool failed = strcmp(t->status, "error") == 0;
    return leat_pack(
        "{s:s, s:s, s:s, s:s, s:V, s:V, s:s, s:W, s:V, s:W}", "thread_id",
        ID_TEXT(&t->thread_id), "created_at", ISO(t->created_us), "updated_at",
        ISO(t->updated_us), "state_updated_at",
        ISO(t->state_updated_us != 0 ? t->state_updated_us : t->created_us),
        "metadata", object_of(t->metadata), "config", object_of(t->config),
        "status", t->status, "values", t->values, "interrupts",
        object_of(t->interrupts), "error", failed ? t->error : NULL);
}

leat_value *gw_render_run(const struct store_run *r)
{
    must(r != NULL);
    return leat_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:V, s:V, s:s}", "run_id",
                     ID_TEXT(&r->run_id), "thread_id", ID_TEXT(&r->thread_id),
                     "assistant_id", ID_TEXT(&r->assistant_id), "created_at",
                     ISO(r->created_us), "updated_at", ISO(r->updated_us),
                     "status", r->status, "metadata", object_of(r->metadata),
                     "kwargs", object_of(r->kwargs), "multitask_strategy",
                     r->strategy);
}

leat_value *gw_render_select(leat_value *object, leat_view select)
{
    if (leat_count(select) == 0) {
        return object;
    }
    leat_view from = leat_view_of(object);
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_iter it = leat_iter_of(select);
    while (leat_next(&it)) {
        leat_text key = leat_string(it.item);
        if (key.ptr == NULL) {
            continue;
        }
        leat_view v = leat_get_n(from, key.ptr, key.len);
        if (leat_type_of(v) != LEAT_MISSING) {
            leat_write_key_n(w, key.ptr, key.len);
            leat_write_view(w, v);
        }
    }
    leat_write_end(w);
    leat_drop(object);
    return leat_writer_finish(&w);
}
