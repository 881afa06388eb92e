/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/pending.c: the writes that are kept with a checkpoint (pending.h).
 */
#include "worker/graph/pending.h"

#include <stdlib.h>
#include <string.h>

struct pending_chain {
    uint32_t first, last; /* PENDING_NONE: empty */
};

/* ---- chains ------------------------------------------------------------- */

static struct pending_chain *chain_of(const struct pendings *p,
                                      const char *task_id)
{
    uint32_t h = 2166136261u;
    for (const char *c = task_id; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * 16777619u;
    }
    return &p->chains[(h ^ h >> 15) & (p->room - 1)];
}

static void link_to_chain(struct pendings *p, uint32_t at)
{
    struct pending_chain *chain = chain_of(p, p->at[at].task_id);
    p->at[at].after = PENDING_NONE;
    *(chain->first == PENDING_NONE ? &chain->first
                                   : &p->at[chain->last].after) = at;
    chain->last = at;
}

static void link_all(struct pendings *p)
{
    for (size_t i = 0; i < p->room; i++) {
        p->chains[i] = (struct pending_chain){PENDING_NONE, PENDING_NONE};
    }
    for (size_t i = 0; i < p->count; i++) {
        link_to_chain(p, (uint32_t)i);
    }
}

static void grow(struct pendings *p)
{
    p->room = p->room > 0 ? p->room * 2 : 4;
    must(p->room < PENDING_NONE);
    p->at = base_realloc(p->at, p->room * sizeof *p->at);
    p->chains = base_realloc(p->chains, p->room * sizeof *p->chains);
    link_all(p);
}

uint32_t graph_pendings_next(const struct pendings *p, const char *task_id,
                             uint32_t at)
{
    if (p->count == 0) {
        return PENDING_NONE;
    }
    at = at == PENDING_NONE ? chain_of(p, task_id)->first : p->at[at].after;
    while (at != PENDING_NONE && strcmp(p->at[at].task_id, task_id) != 0) {
        at = p->at[at].after;
    }
    return at;
}

/* ---- what is kept ------------------------------------------------------- */

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
        grow(p);
    }
    struct pending *item = &p->at[p->count++];
    base_copy(item->task_id, sizeof item->task_id, task_id);
    item->write.channel = channel;
    item->write.value = leat_hold(value);
    item->loaded = item->kept = false;
    link_to_chain(p, (uint32_t)(p->count - 1));
}

static bool matches(const struct pending *p, const char *task_id, int channel)
{
    return (task_id == NULL || strcmp(p->task_id, task_id) == 0) &&
           (channel == PENDING_ANY || p->write.channel == channel);
}

void graph_pendings_drop(struct pendings *p, const char *task_id, int channel)
{
    size_t kept = 0;
    if (p->count == 0 ||
        (task_id != NULL &&
         graph_pendings_next(p, task_id, PENDING_NONE) == PENDING_NONE)) {
        return; /* of a task that has ended for the first time */
    }
    for (size_t i = 0; i < p->count; i++) {
        if (matches(&p->at[i], task_id, channel)) {
            leat_drop(p->at[i].write.value);
        } else {
            p->at[kept++] = p->at[i];
        }
    }
    p->count = kept;
    link_all(p);
}

const leat_value *graph_pendings_get(const struct pendings *p,
                                     const char *task_id, int channel)
{
    uint32_t at = graph_pendings_next(p, task_id, PENDING_NONE);
    while (at != PENDING_NONE && p->at[at].write.channel != channel) {
        at = graph_pendings_next(p, task_id, at);
    }
    return at != PENDING_NONE ? p->at[at].write.value : NULL;
}

void graph_pendings_to_writes(const struct pendings *p, const char *task_id,
                              struct writes *out)
{
    uint32_t at = PENDING_NONE;
    while ((at = graph_pendings_next(p, task_id, at)) != PENDING_NONE) {
        const struct write *w = &p->at[at].write;
        if (!graph_write_is_special(w->channel)) {
            graph_writes_add(out, w->channel, leat_hold(w->value));
        }
    }
}

void graph_pendings_fini(struct pendings *p)
{
    graph_pendings_drop(p, NULL, PENDING_ANY);
    free(p->at);
    free(p->chains);
    *p = (struct pendings){0};
}
