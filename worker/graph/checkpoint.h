/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/checkpoint.h: the checkpoint a graph works on, with versions in
 * arrays, and its way to and from the stored form. Values are made of the
 * arrays only when a checkpoint is put.
 */
#ifndef GRAPH_CHECKPOINT_H
#define GRAPH_CHECKPOINT_H

#include "worker/graph/channel.h"
#include "worker/graph/pending.h"

struct checkpoint {
    const struct graph *graph;
    char id[37];
    char saved_id[37];        /* id under which it was last stored; "" never */
    char ts[40];
    uint64_t *versions;       /* by channel; 0: never written */
    uint64_t version_max;
    uint64_t *seen;           /* node's seen_at + position of the trigger */
    uint64_t *seen_interrupt; /* by channel: `__interrupt__` */
    leat_value *metadata;     /* as stored, the run's keys too; or NULL */
    int step;                 /* metadata.step; -2 when there is none */
    char source[16];          /* metadata.source */
    leat_value *parents;      /* metadata.parents, never NULL */
};

/* An empty one (with an id of its own) for a thread without checkpoints. */
void graph_checkpoint_init(struct checkpoint *cp, const struct graph *g);
/* From the store; saved->found must hold. */
void graph_checkpoint_load(struct checkpoint *cp, const struct graph *g,
                           const struct graph_saved *saved);
void graph_checkpoint_copy(struct checkpoint *to,
                           const struct checkpoint *from);
void graph_checkpoint_fini(struct checkpoint *cp);

bool graph_checkpoint_any_version(const struct checkpoint *cp);

/*
 * What put() stores. channel_values and view are given by the caller, the
 * rest is made of cp; metadata = `run` (an object, may be missing) with
 * source, step and parents over it. Free with graph_stored_fini().
 */
void graph_checkpoint_store(const struct checkpoint *cp, const char *ns,
                            leat_view run, struct graph_checkpoint *out);
void graph_stored_fini(struct graph_checkpoint *c);

/* {"source", "step", "parents"}: the metadata of streamed payloads. */
leat_value *graph_checkpoint_metadata(const struct checkpoint *cp);
/* The config metadata and simple configurable entries that are stored with
 * every checkpoint of a run (spec/engine.md 3); one reference. */
leat_value *graph_checkpoint_run_metadata(leat_view config);

#endif
