/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/checkpoint.c: versions in arrays, and the stored form (checkpoint.h).
 */
#include "worker/graph/checkpoint.h"
#include "common/clock.h"
#include "common/id.h"

#include <stdlib.h>
#include <string.h>

#define INTERRUPT_NODE "__interrupt__"

/* ---- making and freeing ------------------------------------------------- */

static void init_arrays(struct checkpoint *cp, const struct graph *g)
{
    *cp = (struct checkpoint){.graph = g, .step = -2};
    size_t n = g->channel_count;
    /* One block: versions, seen by interrupts, seen by nodes. */
    cp->versions = base_zalloc((2 * n + g->seen_count) * sizeof(uint64_t));
    cp->seen_interrupt = cp->versions + n;
    cp->seen = cp->versions + 2 * n;
}

void graph_checkpoint_init(struct checkpoint *cp, const struct graph *g)
{
    init_arrays(cp, g);
    struct id id = id_uuid6(-2);
    id_print(&id, cp->id);
    clock_to_iso(clock_wall_us(), cp->ts);
    cp->parents = leat_new_object(0, NULL, NULL);
}

static void load_versions(struct checkpoint *cp, leat_view stored,
                          uint64_t *into)
{
    for (leat_iter it = leat_iter_of(stored); leat_next(&it);) {
        uint64_t version = leat_uint(it.item, 0);
        int n = graph_channel_number(cp->graph, it.key.ptr, it.key.len);
        if (n >= 0) {
            into[n] = version;
        }
        /* One of a channel that is gone still counts for the next one. */
        cp->version_max = max_u64(cp->version_max, version);
    }
}

static void load_seen(struct checkpoint *cp, leat_view stored)
{
    for (leat_iter it = leat_iter_of(stored); leat_next(&it);) {
        if (it.key.len == strlen(INTERRUPT_NODE) &&
            memcmp(it.key.ptr, INTERRUPT_NODE, it.key.len) == 0) {
            load_versions(cp, it.item, cp->seen_interrupt);
            continue;
        }
        const struct graph_node *n =
            graph_node_get(cp->graph, it.key.ptr, it.key.len);
        for (size_t i = 0; n != NULL && i < n->trigger_count; i++) {
            const char *name = cp->graph->channels[n->triggers[i]].name;
            cp->seen[n->seen_at + i] = leat_uint(leat_get(it.item, name), 0);
        }
    }
}

static void load_metadata(struct checkpoint *cp, const leat_value *metadata)
{
    leat_view m = leat_view_of(metadata);
    cp->metadata = leat_hold(metadata);
    cp->step = (int)leat_int(leat_get(m, "step"), -2);
    leat_text source = leat_string(leat_get(m, "source"));
    if (source.ptr != NULL) {
        size_t n = min_size(source.len, sizeof cp->source - 1);
        memcpy(cp->source, source.ptr, n);
    }
    leat_view parents = leat_get(m, "parents");
    cp->parents = leat_type_of(parents) == LEAT_OBJECT
                      ? leat_value_of(parents)
                      : leat_new_object(0, NULL, NULL);
}

void graph_checkpoint_load(struct checkpoint *cp, const struct graph *g,
                           const struct graph_saved *saved)
{
    must(saved->found);
    init_arrays(cp, g);
    base_copy(cp->id, sizeof cp->id, saved->cp.id);
    base_copy(cp->saved_id, sizeof cp->saved_id, saved->cp.id);
    base_copy(cp->ts, sizeof cp->ts, saved->cp.ts != NULL ? saved->cp.ts : "");
    load_versions(cp, leat_view_of(saved->cp.channel_versions), cp->versions);
    load_seen(cp, leat_view_of(saved->cp.versions_seen));
    load_metadata(cp, saved->cp.metadata);
}

void graph_checkpoint_copy(struct checkpoint *to,
                           const struct checkpoint *from)
{
    const struct graph *g = from->graph;
    size_t n = 2 * g->channel_count + g->seen_count;
    *to = *from;
    to->versions = base_memdup(from->versions, n * sizeof(uint64_t));
    to->seen_interrupt = to->versions + g->channel_count;
    to->seen = to->versions + 2 * g->channel_count;
    leat_hold(to->metadata);
    leat_hold(to->parents);
}

void graph_checkpoint_fini(struct checkpoint *cp)
{
    free(cp->versions);
    leat_drop(cp->metadata);
    leat_drop(cp->parents);
    *cp = (struct checkpoint){0};
}

bool graph_checkpoint_any_version(const struct checkpoint *cp)
{
    return cp->version_max > 0;
}

/* ---- the stored form ---------------------------------------------------- */

static void write_versions(leat_writer *w, const struct graph *g,
                           const uint64_t *versions)
{
    leat_write_object(w);
    for (size_t i = 0; i < g->channel_count; i++) {
        if (versions[i] > 0) {
            leat_write_key(w, g->channels[i].name);
            leat_write_uint(w, versions[i]);
        }
    }
    leat_write_end(w);
}

static bool any_of(const uint64_t *versions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (versions[i] > 0) {
            return true;
        }
    }
    return false;
}

static void write_seen_by(leat_writer *w, const struct checkpoint *cp,
                          const struct graph_node *n)
{
    leat_write_key(w, n->name);
    leat_write_object(w);
    for (size_t i = 0; i < n->trigger_count; i++) {
        if (cp->seen[n->seen_at + i] > 0) {
            leat_write_key(w, cp->graph->channels[n->triggers[i]].name);
            leat_write_uint(w, cp->seen[n->seen_at + i]);
        }
    }
    leat_write_end(w);
}

static leat_value *versions_value(const struct checkpoint *cp)
{
    leat_writer *w = leat_writer_new();
    write_versions(w, cp->graph, cp->versions);
    return leat_writer_finish(&w);
}

static leat_value *seen_value(const struct checkpoint *cp)
{
    const struct graph *g = cp->graph;
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (size_t i = 0; i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[i];
        if (any_of(cp->seen + n->seen_at, n->trigger_count)) {
            write_seen_by(w, cp, n);
        }
    }
    if (any_of(cp->seen_interrupt, g->channel_count)) {
        leat_write_key(w, INTERRUPT_NODE);
        write_versions(w, g, cp->seen_interrupt);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static bool is_core(leat_text key)
{
    static const char *const core[] = {"source", "step", "parents"};
    for (size_t i = 0; i < COUNT_OF(core); i++) {
        if (key.len == strlen(core[i]) &&
            memcmp(key.ptr, core[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

static void write_core(leat_writer *w, const struct checkpoint *cp)
{
    leat_write_key(w, "source");
    leat_write_string(w, cp->source);
    leat_write_key(w, "step");
    leat_write_int(w, cp->step);
    leat_write_key(w, "parents");
    leat_write_view(w, leat_view_of(cp->parents));
}

static leat_value *stored_metadata(const struct checkpoint *cp, leat_view run)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(run); leat_next(&it);) {
        if (!is_core(it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    write_core(w, cp);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

void graph_checkpoint_store(const struct checkpoint *cp, const char *ns,
                            leat_view run, struct graph_checkpoint *out)
{
    *out = (struct graph_checkpoint){.ns = ns, .ts = cp->ts};
    base_copy(out->id, sizeof out->id, cp->id);
    base_copy(out->parent_id, sizeof out->parent_id, cp->saved_id);
    out->channel_versions = versions_value(cp);
    out->versions_seen = seen_value(cp);
    out->metadata = stored_metadata(cp, run);
}

leat_value *graph_checkpoint_metadata(const struct checkpoint *cp)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    write_core(w, cp);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* ---- what a run adds to the metadata of its checkpoints ----------------- */

static bool left_out(leat_text key)
{
    static const char *const names[] = {
        "thread_id",         "checkpoint_id",       "checkpoint_ns",
        "checkpoint_map",    "langgraph_step",      "langgraph_node",
        "langgraph_triggers", "langgraph_path",
        "langgraph_checkpoint_ns",
    };
    if (key.len >= 2 && memcmp(key.ptr, "__", 2) == 0) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (key.len == strlen(names[i]) &&
            memcmp(key.ptr, names[i], key.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_simple(leat_view v)
{
    enum leat_type t = leat_type_of(v);
    return t == LEAT_STRING || t == LEAT_INT || t == LEAT_DOUBLE ||
           t == LEAT_BOOL;
}

leat_value *graph_checkpoint_run_metadata(leat_view config)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_view metadata = leat_get(config, "metadata");
    for (leat_iter it = leat_iter_of(metadata); leat_next(&it);) {
        if (!left_out(it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_view given = leat_get(config, "configurable");
    for (leat_iter it = leat_iter_of(given); leat_next(&it);) {
        bool taken = leat_type_of(leat_get_n(metadata, it.key.ptr,
                                             it.key.len)) != LEAT_MISSING;
        if (!taken && is_simple(it.item) && !left_out(it.key)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}
