/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/write.c: lists of writes (write.h).
 */
#include "worker/graph/write.h"

#include <stdlib.h>
#include <string.h>

void graph_writes_add(struct writes *w, int channel, leat_value *value)
{
    if (w->count == w->room) {
        w->room = w->room > 0 ? w->room * 2 : 4;
        w->at = base_realloc(w->at, w->room * sizeof *w->at);
    }
    w->at[w->count++] = (struct write){
        .channel = channel,
        .value = value != NULL ? value : leat_new_null(),
    };
}

void graph_writes_append(struct writes *w, const struct writes *more)
{
    for (size_t i = 0; i < more->count; i++) {
        graph_writes_add(w, more->at[i].channel, leat_hold(more->at[i].value));
    }
}

void graph_writes_clear(struct writes *w)
{
    for (size_t i = 0; i < w->count; i++) {
        leat_drop(w->at[i].value);
    }
    w->count = 0;
}

void graph_writes_fini(struct writes *w)
{
    graph_writes_clear(w);
    free(w->at);
    *w = (struct writes){0};
}

bool graph_write_is_special(int channel)
{
    return (channel <= WRITE_ERROR && channel >= WRITE_RESUME) ||
           channel == WRITE_TAKEN;
}

bool graph_writes_has(const struct writes *w, int channel)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->at[i].channel == channel) {
            return true;
        }
    }
    return false;
}

/* All that was written to one channel: the value, or {"$writes": [...]}. */
static leat_value *fold_channel(const struct writes *w, size_t first)
{
    int channel = w->at[first].channel;
    size_t n = 0;
    leat_value **items = base_zalloc((w->count - first) * sizeof *items);
    for (size_t i = first; i < w->count; i++) {
        if (w->at[i].channel == channel) {
            items[n++] = leat_hold(w->at[i].value);
        }
    }
    leat_value *out = items[0];
    if (n > 1) {
        leat_value *list = leat_new_list(n, items);
        const char *key = "$writes";
        out = leat_new_object(1, &key, &list);
    }
    free(items);
    return out;
}

static bool written_before(const struct writes *w, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (w->at[i].channel == w->at[at].channel) {
            return true;
        }
    }
    return false;
}

leat_value *graph_writes_fold(const struct graph *g, const struct writes *w,
                              const struct graph_keys *keys)
{
    const char **names = base_zalloc((w->count + 1) * sizeof *names);
    leat_value **items = base_zalloc((w->count + 1) * sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        int channel = w->at[i].channel;
        if (graph_keys_has(keys, channel) && !written_before(w, i)) {
            names[n] = graph_channel_name(g, channel);
            items[n++] = fold_channel(w, i);
        }
    }
    leat_value *out = leat_new_object(n, names, items);
    free(names);
    free(items);
    return out;
}
