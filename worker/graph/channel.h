/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/channel.h: the values of a graph's channels while it runs, and what
 * each kind does with writes (spec/engine.md 2). Values are shared references:
 * loading, copying and dumping cost one count per channel, never a copy of
 * what the state holds. One thread at a time.
 */
#ifndef GRAPH_CHANNEL_H
#define GRAPH_CHANNEL_H

#include "worker/graph/graph.h"

struct channel {
    leat_value *value; /* NULL: none. Topic: list of what it has. Barrier:
                          list of the names seen */
    bool finished;     /* after-finish kinds */
};

struct channels {
    const struct graph *graph;
    struct channel *at; /* graph->channel_count of them */
};

/* From stored channel_values (missing: all empty, or their initial value). */
void graph_channels_init(struct channels *c, const struct graph *g,
                         leat_view stored);
/* A second set that shares the values. */
void graph_channels_copy(struct channels *to, const struct channels *from);
void graph_channels_fini(struct channels *c);

/* Borrowed, in the order written; none: the end of a step in which nothing
 * was written. False: a rule broken, told in f. */
struct channel_values {
    const leat_value *const *at;
    size_t count;
};
MUST_USE bool graph_channel_update(struct channels *c, uint32_t channel,
                                   struct channel_values values,
                                   bool *changed, struct fault *f);
/* Of a channel that holds something. */
bool graph_channel_is_full(const struct channels *c, uint32_t channel);
/* Inline, because each step asks it of each channel. */
static inline bool graph_channel_available(const struct channels *c,
                                           uint32_t channel)
{
    must(channel < c->graph->channel_count);
    return c->at[channel].value != NULL && graph_channel_is_full(c, channel);
}
/* Borrowed; missing when not available. */
leat_view graph_channel_get(const struct channels *c, uint32_t channel);
bool graph_channel_consume(struct channels *c, uint32_t channel);
bool graph_channel_finish(struct channels *c, uint32_t channel);
/* The stored form, one reference; NULL when there is nothing to store. */
leat_value *graph_channel_dump(const struct channels *c, uint32_t channel);

/* {name: value} of those keys that are available; one reference. */
leat_value *graph_channels_read(const struct channels *c,
                                const struct graph_keys *keys);
/* {name: stored form} of all that are not empty; one reference. */
leat_value *graph_channels_dump(const struct channels *c);

#endif
