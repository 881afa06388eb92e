/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/stream.h: what each stream mode says, and when it says it
 * (spec/streaming.md, the Python flavour). `debug` follows its twin by
 * itself. All but wants() are called with run->lock held; what nobody asked
 * for costs a test of a bit.
 */
#ifndef GRAPH_STREAM_H
#define GRAPH_STREAM_H

#include "worker/graph/inner.h"

/* Does anybody listen to one of these modes of this graph? */
bool graph_stream_wants(const struct loop *l, unsigned modes);

/* checkpoints: the current one and the tasks that are about to start. */
void graph_stream_checkpoint(struct loop *l);
/* values: the state of the output keys. */
void graph_stream_values(struct loop *l);
/* tasks: one begins; one has ended (error: its repr, or NULL). */
void graph_stream_task(struct loop *l, const struct task *t);
void graph_stream_result(struct loop *l, const struct task *t,
                         const leat_value *interrupts,
                         const leat_value *error);
/* updates: what a task wrote. */
void graph_stream_updates(struct loop *l, const struct task *t, bool cached);
/* updates and values: a task asked something; a static interrupt. */
void graph_stream_interrupts(struct loop *l, const leat_value *interrupts);
void graph_stream_static(struct loop *l);
/* custom: what a node emits. */
void graph_stream_custom(struct loop *l, const leat_value *payload);

/* One payload under a mode, with this graph's namespace. */
void graph_stream_put(struct loop *l, enum graph_mode mode,
                      const leat_value *payload);

/* ---- messages (talk.c) -------------------------------------------------- */

/* Ids in a node's input are known: they are not streamed again. */
void graph_talk_input(struct work *w);
/* Messages in a node's result that have no id get one if they are to be
 * streamed: returns the result to go on with (takes `result`). */
leat_value *graph_talk_identify(const struct work *w, leat_value *result);
/* The messages in the result of a node that is done, its writers too: one
 * that fails or leaves for its parent streams none. Takes run->lock. */
void graph_talk_output(struct work *w, const leat_value *result);

/* What a chat model's pieces are shown with. */
struct talk_model {
    const char *provider, *model; /* may be NULL */
    leat_view tags;               /* of the run and the model */
};
leat_value *graph_talk_metadata(struct work *w, const struct talk_model *m);
/* One piece or the whole message. */
struct talk_piece {
    const char *id;
    const leat_value *message, *metadata;
    bool final; /* a whole message */
    bool once;  /* only if its id was not streamed yet */
    bool ends;  /* GRAPH_MODE_MESSAGE_ENDS */
};
void graph_talk_put(struct work *w, const struct talk_piece *p);

/* Two objects as one; the second's keys win. */
leat_value *graph_talk_merge(leat_view base, leat_view over);
/* `base` with the metadata of the nodes that hold this graph, outermost
 * first; one reference. */
leat_value *graph_talk_inherit(const struct loop *l, const leat_value *base);
/* Metadata of a task's messages and events without a model's; borrowed. */
const leat_value *graph_talk_base(struct work *w);

#endif
