/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/events.c: the events of one run in the tree (events.h).
 */
#include "worker/graph/events.h"
#include "common/id.h"
#include "worker/graph/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64 /* of parent_ids; the tree is never that deep */

struct event_run {
    struct run *run;
    struct event_run *parent;
    char kind[16];
    char id[64];
    leat_value *name;
    leat_value *tags;
    leat_value *metadata;
    leat_value *input;
};

bool graph_event_wanted(const struct run *r)
{
    return (r->req->modes & GRAPH_MODE_EVENTS) != 0 && r->host->emit != NULL;
}

/* Ids of the runs around it, the root first. */
static leat_value *parent_ids(const struct event_run *e)
{
    leat_value *items[DEPTH_MAX];
    size_t n = 0;
    for (const struct event_run *p = e->parent; p != NULL && n < DEPTH_MAX;
         p = p->parent) {
        items[n++] = leat_new_string(p->id);
    }
    for (size_t i = 0; i < n / 2; i++) {
        leat_value *swap = items[i];
        items[i] = items[n - 1 - i];
        items[n - 1 - i] = swap;
    }
    return leat_new_list(n, items);
}

/* Takes data. */
static void put(const struct event_run *e, const char *what, leat_value *data)
{
    char event[40];
    struct fields f = {0};
    snprintf(event, sizeof event, "on_%s_%s", e->kind, what);
    graph_fields_text(&f, "event", event);
    graph_fields_add(&f, "data", data);
    graph_fields_add(&f, "name", leat_hold(e->name));
    graph_fields_add(&f, "tags", leat_hold(e->tags));
    graph_fields_text(&f, "run_id", e->id);
    graph_fields_add(&f, "metadata", leat_hold(e->metadata));
    graph_fields_add(&f, "parent_ids", parent_ids(e));
    leat_value *payload = graph_fields_object(&f);
    const struct graph_event ev = {
        .mode = GRAPH_MODE_EVENTS,
        .ns = "",
        .payload = payload,
    };
    graph_run_lock(e->run);
    e->run->host->emit(e->run->host->arg, &ev);
    graph_run_unlock(e->run);
    leat_drop(payload);
}

static void free_event(struct event_run *e)
{
    leat_drop(e->name);
    leat_drop(e->tags);
    leat_drop(e->metadata);
    leat_drop(e->input);
    free(e);
}

struct event_run *graph_event_start(struct run *r, struct event_spec *spec)
{
    struct event_run *e = base_zalloc(sizeof *e);
    struct id id = id_uuid4();
    e->run = r;
    e->parent = spec->parent;
    base_copy(e->kind, sizeof e->kind, spec->kind);
    id_print(&id, e->id);
    if (spec->id != NULL) {
        base_copy(e->id, sizeof e->id, spec->id);
    }
    e->name = leat_new_string(spec->name);
    e->tags = spec->tags != NULL ? spec->tags : leat_new_list(0, NULL);
    e->metadata = spec->metadata != NULL ? spec->metadata
                                         : leat_new_object(0, NULL, NULL);
    e->input = spec->input != NULL ? spec->input : leat_new_null();
    if (!graph_event_wanted(r)) {
        free_event(e);
        return NULL;
    }
    put(e, "start", graph_field("input", leat_hold(e->input)));
    return e;
}

void graph_event_piece(struct event_run *e, const leat_value *chunk)
{
    if (e != NULL) {
        put(e, "stream", graph_field("chunk", leat_hold(chunk)));
    }
}

void graph_event_fail(struct event_run **e, leat_value *error,
                      const char *tool_call_id)
{
    struct event_run *own = *e;
    *e = NULL;
    if (own == NULL) {
        leat_drop(error);
        return;
    }
    struct fields f = {0};
    graph_fields_add(&f, "error", error);
    graph_fields_add(&f, "input", leat_hold(own->input));
    graph_fields_add(&f, "tool_call_id",
                     tool_call_id != NULL ? leat_new_string(tool_call_id)
                                          : leat_new_null());
    put(own, "error", graph_fields_object(&f));
    free_event(own);
}

void graph_event_end(struct event_run **e, const leat_value *output)
{
    struct event_run *own = *e;
    if (own == NULL) {
        return;
    }
    *e = NULL;
    if (output != NULL) {
        struct fields f = {0};
        graph_fields_add(&f, "output", leat_hold(output));
        graph_fields_add(&f, "input", leat_hold(own->input));
        put(own, "end", graph_fields_object(&f));
    }
    free_event(own);
}
