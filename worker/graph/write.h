/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/write.h: what tasks want to write: lists of (channel, value).
 */
#ifndef GRAPH_WRITE_H
#define GRAPH_WRITE_H

#include "worker/graph/graph.h"

struct write {
    int channel;       /* a channel's number or WRITE_... */
    leat_value *value; /* owned */
};

struct writes {
    struct write *at;
    size_t count, room;
};

/* Takes the reference to value (NULL is written as null). */
void graph_writes_add(struct writes *w, int channel, leat_value *value);
void graph_writes_append(struct writes *w, const struct writes *more);
void graph_writes_clear(struct writes *w);
void graph_writes_fini(struct writes *w);
/* Told apart by its task only: there is one of each, and it is no result. */
bool graph_write_is_special(int channel);
bool graph_writes_has(const struct writes *w, int channel);

/*
 * {channel: value} of the writes to `keys`; a channel written more than once
 * becomes {"$writes": [..]}: the `result` of a task. One reference.
 */
leat_value *graph_writes_fold(const struct graph *g, const struct writes *w,
                              const struct graph_keys *keys);

#endif
