/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/write.h: what tasks want to write: lists of (channel, value), and the
 * pending ones that are kept with a checkpoint until its step is over.
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
bool graph_writes_has(const struct writes *w, int channel);

/*
 * {channel: value} of the writes to `keys`; a channel written more than once
 * becomes {"$writes": [..]}: the `result` of a task. One reference.
 */
leat_value *graph_writes_fold(const struct graph *g, const struct writes *w,
                              const struct graph_keys *keys);

/* A write that is kept with the checkpoint it was made on. */
struct pending {
    char task_id[37];
    struct write write;
};

struct pendings {
    struct pending *at;
    size_t count, room;
};

/* All but graph-unknown special names come along (unknown channels too). */
void graph_pendings_load(struct pendings *p, const struct graph *g,
                         const struct graph_saved *saved);
void graph_pendings_add(struct pendings *p, const char *task_id, int channel,
                        const leat_value *value);
/* Removes those of one task (NULL: any) and one channel number, or all of
 * its numbers if `channel` is PENDING_ANY. */
#define PENDING_ANY (-1000)
void graph_pendings_drop(struct pendings *p, const char *task_id, int channel);
/* The value of the first that matches (borrowed), or NULL. */
const leat_value *graph_pendings_get(const struct pendings *p,
                                     const char *task_id, int channel);
/* Appends this task's ordinary writes (not error, interrupt, resume). */
void graph_pendings_to_writes(const struct pendings *p, const char *task_id,
                              struct writes *out);
void graph_pendings_fini(struct pendings *p);

#endif
