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
    uint32_t after; /* the next one in the chain of its task's hash */
};

/* A step may have thousands of tasks, and each of them looks for its own. */
struct pendings {
    struct pending *at; /* as they came */
    size_t count, room; /* as many chains as there is room, a power of two */
    struct pending_chain *chains;
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
/* Walks the writes of one task, as they came: the place behind `at` (first:
 * PENDING_NONE), or PENDING_NONE at the end. */
#define PENDING_NONE UINT32_MAX
uint32_t graph_pendings_next(const struct pendings *p, const char *task_id,
                             uint32_t at);
void graph_pendings_fini(struct pendings *p);

#endif
