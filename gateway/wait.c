/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.c: the document is the data of the last `values` event of the root
 * graph, with all pending interrupts under "__interrupt__" (parallel branches
 * report them one by one), or {"__error__": ...} of a run that failed.
 */
#include "gateway/wait.h"

#include <string.h>

#include "common/json.h"

#define INTERRUPT_KEY "__interrupt__"

void gw_wait_init(struct gw_wait *w)
{
    must(w != NULL);
    *w = (struct gw_wait){0};
}

void gw_wait_fini(struct gw_wait *w)
{
    must(w != NULL);
    leat_drop(w->values);
    leat_drop(w->error);
    leat_drop(w->interrupts);
    *w = (struct gw_wait){0};
}

static bool name_is(const struct wire_event *event, const char *name)
{
    return event->name.len == strlen(name) &&
           memcmp(event->name.ptr, name, event->name.len) == 0;
}

static void replace(leat_value **slot, leat_value *value)
{
    leat_drop(*slot);
    *slot = value;
}

static bool seen(const leat_value *list, leat_view interrupt)
{
    leat_view id = leat_get(interrupt, "id");
    leat_iter it = leat_iter_of(leat_view_of(list));
    while (leat_next(&it)) {
        leat_view other = leat_get(it.item, "id");
        if (leat_type_of(id) == LEAT_STRING ? leat_equal(id, other)
                                            : leat_equal(interrupt, it.item)) {
            return true;
        }
    }
    return false;
}

static void add_interrupts(struct gw_wait *w, leat_view list)
{
    if (w->interrupts == NULL) {
        w->interrupts = leat_new_list(0, NULL);
    }
    leat_iter it = leat_iter_of(list);
    while (leat_next(&it)) {
        if (seen(w->interrupts, it.item)) {
            continue;
        }
        leat_value *item = leat_value_of(it.item);
        replace(&w->interrupts,
                leat_append(leat_view_of(w->interrupts), 1, &item));
    }
}

/* The event's bytes go; what is kept must be a copy of its own. */
static leat_value *copy_of(leat_view payload)
{
    leat_writer *w = leat_writer_new();
    leat_write_view(w, payload);
    return leat_writer_finish(&w);
}

static void on_values(struct gw_wait *w, leat_view payload)
{
    leat_value *own = copy_of(payload);
    leat_view view = leat_view_of(own);
    leat_view interrupts = leat_get(view, INTERRUPT_KEY);
    if (leat_type_of(interrupts) == LEAT_LIST) {
        add_interrupts(w, interrupts);
    }
    if (leat_type_of(interrupts) == LEAT_MISSING) {
        replace(&w->values, own);
        return;
    }
    if (leat_count(view) > 1) {
        replace(&w->values, leat_with(view, INTERRUPT_KEY, NULL));
    }
    leat_drop(own);
}

void gw_wait_on_event(struct gw_wait *w, const struct wire_event *event)
{
    must(w != NULL && event != NULL);
    if (event->ns.len > 0) {
        return;
    }
    if (name_is(event, "values")) {
        on_values(w, event->payload);
    } else if (name_is(event, "error")) {
        replace(&w->error, copy_of(event->payload));
    } else if (name_is(event, "metadata")) {
        /* A new attempt: what the one before it met does not count. */
        replace(&w->error, NULL);
        replace(&w->interrupts, NULL);
    }
}

bool gw_wait_knows(const struct gw_wait *w)
{
    must(w != NULL);
    return w->values != NULL || w->error != NULL || w->interrupts != NULL;
}

leat_value *gw_wait_document(const leat_value *values,
                             const leat_value *interrupts)
{
    bool waits = leat_count(leat_view_of(interrupts)) > 0;
    if (waits && leat_type_of(leat_view_of(values)) == LEAT_OBJECT) {
        return leat_with(leat_view_of(values), INTERRUPT_KEY,
                         leat_hold(interrupts));
    }
    if (waits && values == NULL) {
        return leat_pack("{s:W}", INTERRUPT_KEY, interrupts);
    }
    return values != NULL ? leat_hold(values) : leat_new_null();
}

bool gw_wait_write(const struct gw_wait *w, struct buf *out)
{
    must(w != NULL && out != NULL);
    leat_value *document = w->error != NULL
                               ? leat_pack("{s:W}", "__error__", w->error)
                               : gw_wait_document(w->values, w->interrupts);
    bool ok = json_write(leat_view_of(document), out);
    leat_drop(document);
    return ok;
}
