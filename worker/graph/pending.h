/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/pending.h: writes that are kept with a checkpoint until its step is
 * over: of finished tasks, of Commands, questions, answers, errors. The value
 * of WRITE_INTERRUPT is a list of {"value", "id"}, of WRITE_RESUME the list of
 * all answers so far, of WRITE_ERROR the repr of the exception.
 */
#ifndef GRAPH_PENDING_H
#define GRAPH_PENDING_H

#include "worker/graph/write.h"

/* A write that is kept with the checkpoint it was made on. */
struct pending {
    char task_id[37];
    struct write write;
    bool loaded; /* with the checkpoint */
    bool kept;   /* this run has stored it, at its exit (save.c) */
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
