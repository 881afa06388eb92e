/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/pending.c: the writes that are kept with a checkpoint (pending.h).
 */
#include "worker/graph/pending.h"

#include <stdlib.h>
#include <string.h>

void graph_pendings_load(struct pendings *p, const struct graph *g,
                         const struct graph_saved *saved)
{
    *p = (struct pendings){0};
    for (size_t i = 0; i < saved->write_count; i++) {
        const struct graph_write *w = &saved->writes[i];
        int channel = graph_channel_number(g, w->channel, strlen(w->channel));
        graph_pendings_add(p, w->task_id, channel, w->value);
        p->at[p->count - 1].loaded = true;
    }
}

void graph_pendings_add(struct pendings *p, const char *task_id, int channel,
                        const leat_value *value)
{
    if (p->count == p->room) {
        p->room = p->room > 0 ? p->room * 2 : 4;
        p->at = base_realloc(p->at, p->room * sizeof *p->at);
    }
    struct pending *item = &p->at[p->count++];
    base_copy(item->task_id, sizeof item->task_id, task_id);
    item->write.channel = channel;
    item->write.value = leat_hold(value);
    item->loaded = item->kept = false;
}

static bool matches(const struct pending *p, const char *task_id, int channel)
{
    return (task_id == NULL || strcmp(p->task_id, task_id) == 0) &&
           (channel == PENDING_ANY || p->write.channel == channel);
}

void graph_pendings_drop(struct pendings *p, const char *task_id, int channel)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (matches(&p->at[i], task_id, channel)) {
            leat_drop(p->at[i].write.value);
        } else {
            p->at[kept++] = p->at[i];
        }
    }
    p->count = kept;
}

const leat_value *graph_pendings_get(const struct pendings *p,
                                     const char *task_id, int channel)
{
    for (size_t i = 0; i < p->count; i++) {
        if (matches(&p->at[i], task_id, channel)) {
            return p->at[i].write.value;
        }
    }
    return NULL;
}

void graph_pendings_to_writes(const struct pendings *p, const char *task_id,
                              struct writes *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct write *w = &p->at[i].write;
        if (!graph_write_is_special(w->channel) &&
            strcmp(p->at[i].task_id, task_id) == 0) {
            graph_writes_add(out, w->channel, leat_hold(w->value));
        }
    }
}

void graph_pendings_fini(struct pendings *p)
{
    graph_pendings_drop(p, NULL, PENDING_ANY);
    free(p->at);
    *p = (struct pendings){0};
}
