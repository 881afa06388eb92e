/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c: spec/engine.md 9, read from the store. What a task did is told
 * by its writes: channels of the state make its result, "__interrupt__" and
 * "__error__" speak for themselves.
 */
#include "gateway/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define DEPTH_MAX 32

struct work {
    const struct gw_snapshot *s;
    const struct store_checkpoint *c;
    bool latest;
    unsigned depth;
};

static bool build(const struct work *w, leat_value **out, struct err *err);

/* Written by no task as its result. */
static bool is_special(const char *channel)
{
    return strcmp(channel, "__interrupt__") == 0 ||
           strcmp(channel, "__error__") == 0 ||
           strcmp(channel, "__taken__") == 0;
}

static bool is_of(const struct store_write *w, leat_view task_id)
{
    return leat_is(task_id, w->task_id);
}

/* ---- places ------------------------------------------------------------ */

/* {thread_id, checkpoint_id, checkpoint_ns, checkpoint_map}; null without id.
 * Nested graphs have the ids of the graphs around them in the map. */
static leat_value *place(const struct work *w, const char *id, bool mapped)
{
    leat_view parents = leat_get(leat_view_of(w->c->metadata), "parents");
    leat_value *map = NULL;
    if (id[0] == '\0') {
        return leat_new_null();
    }
    if (mapped && leat_count(parents) > 0) {
        map = leat_with(parents, w->c->ns, leat_new_string(id));
    }
    return leat_pack("{s:s, s:s, s:s, s:V}", "thread_id",
                     ID_TEXT(&w->s->thread_id), "checkpoint_id", id,
                     "checkpoint_ns", w->c->ns, "checkpoint_map", map);
}

static leat_value *metadata_of(const struct work *w)
{
    leat_view metadata = leat_view_of(w->c->metadata);
    leat_view ns = leat_get(metadata, "checkpoint_ns");
    if (leat_type_of(ns) == LEAT_STRING && leat_count(ns) == 0) {
        return leat_with(metadata, "checkpoint_ns", NULL);
    }
    return leat_hold(w->c->metadata);
}

/* ---- what a task did --------------------------------------------------- */

static leat_value *interrupts_of(const struct work *w, leat_view task_id)
{
    leat_writer *out = leat_writer_new();
    leat_write_list(out);
    for (size_t i = 0; i < w->c->write_count; i++) {
        const struct store_write *it = &w->c->writes[i];
        if (!is_of(it, task_id) || strcmp(it->channel, "__interrupt__") != 0) {
            continue;
        }
        leat_iter each = leat_iter_of(leat_view_of(it->value));
        while (leat_next(&each)) {
            leat_write_view(out, each.item);
        }
    }
    leat_write_end(out);
    return leat_writer_finish(&out);
}

/* Text that contains the message, whatever form the error was kept in. */
static leat_value *error_of(const struct work *w, leat_view task_id)
{
    for (size_t i = 0; i < w->c->write_count; i++) {
        const struct store_write *it = &w->c->writes[i];
        if (!is_of(it, task_id) || strcmp(it->channel, "__error__") != 0) {
            continue;
        }
        leat_view v = leat_view_of(it->value);
        if (leat_type_of(v) == LEAT_STRING) {
            return leat_hold(it->value);
        }
        char *text = leat_to_json(v);
        leat_value *error = leat_new_string(text);
        leat_free_text(text);
        return error;
    }
    return NULL;
}

static bool has_key(leat_view keys, const char *name)
{
    leat_iter it = leat_iter_of(keys);
    while (leat_next(&it)) {
        if (leat_is(it.item, name)) {
            return true;
        }
    }
    return false;
}

static bool written_before(const struct work *w, leat_view task_id, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (is_of(&w->c->writes[i], task_id) &&
            strcmp(w->c->writes[i].channel, w->c->writes[at].channel) == 0) {
            return true;
        }
    }
    return false;
}

/* All that the task wrote to this channel: one value, or {"$writes": [...]}. */
static leat_value *channel_of(const struct work *w, leat_view task_id,
                              size_t first)
{
    const char *channel = w->c->writes[first].channel;
    size_t most = w->c->write_count - first;
    leat_value **items = base_zalloc(most * sizeof(*items));
    size_t n = 0;
    for (size_t i = first; i < w->c->write_count; i++) {
        const struct store_write *it = &w->c->writes[i];
        if (is_of(it, task_id) && strcmp(it->channel, channel) == 0) {
            items[n++] = leat_hold(it->value);
        }
    }
    leat_value *out = items[0];
    if (n > 1) {
        out = leat_pack("{s:V}", "$writes", leat_new_list(n, items));
    }
    free(items);
    return out;
}

/* NULL when the task has not written at all. */
static leat_value *result_of(const struct work *w, leat_view task_id)
{
    leat_view keys = leat_get(leat_view_of(w->c->view), "keys");
    bool wrote = false;
    leat_value *out = leat_new_object(0, NULL, NULL);
    for (size_t i = 0; i < w->c->write_count; i++) {
        const struct store_write *it = &w->c->writes[i];
        if (!is_of(it, task_id) || is_special(it->channel)) {
            continue;
        }
        wrote = true;
        if (has_key(keys, it->channel) && !written_before(w, task_id, i)) {
            leat_value *more = leat_with(leat_view_of(out), it->channel,
                                         channel_of(w, task_id, i));
            leat_drop(out);
            out = more;
        }
    }
    if (!wrote) {
        leat_drop(out);
        return NULL;
    }
    return out;
}

static bool has_written(const struct work *w, leat_view task_id)
{
    for (size_t i = 0; i < w->c->write_count; i++) {
        const struct store_write *it = &w->c->writes[i];
        if (is_of(it, task_id) && !is_special(it->channel)) {
            return true;
        }
    }
    return false;
}

/* ---- nested graphs ----------------------------------------------------- */

/* "a:1|2|b:3" -> "a|b": where a graph that remembers by itself keeps its own */
static char *bare_ns(const char *ns)
{
    char *out = base_zalloc(strlen(ns) + 1);
    size_t n = 0;
    while (*ns != '\0') {
        size_t len = strcspn(ns, "|");
        size_t name = strcspn(ns, ":|");
        if (strspn(ns, "0123456789") < len) {
            if (n > 0) {
                out[n++] = '|';
            }
            memcpy(out + n, ns, name);
            n += name;
        }
        ns += len + (ns[len] == '|');
    }
    return out;
}

static bool load_nested(const struct work *w, const char *ns,
                        struct store_checkpoint *out, bool *found,
                        struct err *err)
{
    struct store_checkpoint_key key = {.thread_id = w->s->thread_id, .ns = ns};
    if (!store_checkpoints_load(w->s->store, &key, out, found, err)) {
        return false;
    }
    if (*found) {
        return true;
    }
    char *bare = bare_ns(ns);
    key.ns = bare;
    bool ok = store_checkpoints_load(w->s->store, &key, out, found, err);
    free(bare);
    return ok;
}

static bool nested_state(const struct work *w, const char *ns, leat_value **out,
                         struct err *err)
{
    struct store_checkpoint c;
    bool found = false;
    if (!load_nested(w, ns, &c, &found, err)) {
        return false;
    }
    if (!found) {
        *out = gw_snapshot_empty();
        return true;
    }
    struct work inner = {
        .s = w->s, .c = &c, .latest = true, .depth = w->depth + 1};
    bool ok = build(&inner, out, err);
    store_checkpoint_fini(&c);
    return ok;
}

/* A task that runs a graph has either that graph's place or its state. */
static bool nested_of(const struct work *w, leat_view task,
                      leat_value **place_out, leat_value **state,
                      struct err *err)
{
    char *ns = value_strdup(leat_get(task, "ns"));
    bool ok = true;
    *place_out = NULL;
    *state = NULL;
    if (ns == NULL) {
        return true;
    }
    if (w->s->subgraphs && w->depth < DEPTH_MAX) {
        ok = nested_state(w, ns, state, err);
    } else {
        *place_out = leat_pack("{s:s, s:s}", "thread_id",
                               ID_TEXT(&w->s->thread_id), "checkpoint_ns", ns);
    }
    free(ns);
    return ok;
}

static bool task_of(const struct work *w, leat_view task, leat_value **out,
                    struct err *err)
{
    leat_value *at = NULL;
    leat_value *state = NULL;
    leat_view id = leat_get(task, "id");
    if (!nested_of(w, task, &at, &state, err)) {
        return false;
    }
    *out =
        leat_pack("{s:v, s:v, s:v, s:V, s:V, s:V, s:V, s:V}", "id", id, "name",
                  leat_get(task, "name"), "path", leat_get(task, "path"),
                  "error", error_of(w, id), "interrupts", interrupts_of(w, id),
                  "checkpoint", at, "state", state, "result", result_of(w, id));
    return true;
}

/* ---- the whole --------------------------------------------------------- */

static bool tasks_of(const struct work *w, leat_value **out, struct err *err)
{
    leat_view list = leat_get(leat_view_of(w->c->view), "tasks");
    size_t most = leat_count(list);
    leat_value **items = base_zalloc((most + 1) * sizeof(*items));
    size_t n = 0;
    bool ok = true;
    leat_iter it = leat_iter_of(list);
    while (ok && leat_next(&it)) {
        ok = task_of(w, it.item, &items[n], err);
        n += ok;
    }
    if (ok) {
        *out = leat_new_list(n, items);
    }
    while (!ok && n > 0) {
        leat_drop(items[--n]);
    }
    free(items);
    return ok;
}

/* Of the latest state those that have not written yet, else all. */
static leat_value *next_of(const struct work *w)
{
    leat_view view = leat_view_of(w->c->view);
    leat_view applied = leat_get(view, "applied_next");
    if (!w->latest) {
        applied = leat_get(view, "next");
    }
    if (leat_type_of(applied) == LEAT_LIST) {
        return leat_value_of(applied);
    }
    leat_writer *out = leat_writer_new();
    leat_write_list(out);
    leat_iter it = leat_iter_of(leat_get(view, "tasks"));
    while (leat_next(&it)) {
        if (!has_written(w, leat_get(it.item, "id"))) {
            leat_write_view(out, leat_get(it.item, "name"));
        }
    }
    leat_write_end(out);
    return leat_writer_finish(&out);
}

static leat_value *values_of(const struct work *w)
{
    leat_view view = leat_view_of(w->c->view);
    leat_view base = leat_get(view, "base_values");
    if (w->latest && leat_type_of(leat_get(view, "values")) != LEAT_MISSING) {
        return leat_value_of(leat_get(view, "values"));
    }
    if (leat_type_of(base) != LEAT_MISSING) {
        return leat_value_of(base);
    }
    struct store_checkpoint plain = *w->c;
    leat_value *keys = leat_pack("{s:v}", "keys", leat_get(view, "keys"));
    plain.view = keys;
    leat_value *values = store_checkpoint_values(&plain);
    leat_drop(keys);
    return values;
}

static leat_value *all_interrupts(leat_view tasks)
{
    leat_writer *out = leat_writer_new();
    leat_write_list(out);
    leat_iter task = leat_iter_of(tasks);
    while (leat_next(&task)) {
        leat_iter it = leat_iter_of(leat_get(task.item, "interrupts"));
        while (leat_next(&it)) {
            leat_write_view(out, it.item);
        }
    }
    leat_write_end(out);
    return leat_writer_finish(&out);
}

static bool build(const struct work *w, leat_value **out, struct err *err)
{
    leat_value *tasks = NULL;
    must(w->depth <= DEPTH_MAX);
    if (!tasks_of(w, &tasks, err)) {
        return false;
    }
    leat_value *interrupts = all_interrupts(leat_view_of(tasks));
    *out =
        leat_pack("{s:V, s:V, s:V, s:V, s:s, s:V, s:V, s:V}", "values",
                  values_of(w), "next", next_of(w), "tasks", tasks, "metadata",
                  metadata_of(w), "created_at", w->c->ts, "checkpoint",
                  place(w, w->c->id, true), "parent_checkpoint",
                  place(w, w->c->parent_id, false), "interrupts", interrupts);
    return true;
}

bool gw_snapshot_build(const struct gw_snapshot *s,
                       const struct store_checkpoint *c, leat_value **out,
                       struct err *err)
{
    must(s != NULL && c != NULL && out != NULL);
    struct work w = {.s = s, .c = c, .latest = s->latest};
    return build(&w, out, err);
}

leat_value *gw_snapshot_empty(void)
{
    return leat_pack("{s:{}, s:[], s:[], s:n, s:n, s:n, s:n, s:[]}", "values",
                     "next", "tasks", "metadata", "created_at", "checkpoint",
                     "parent_checkpoint", "interrupts");
}
