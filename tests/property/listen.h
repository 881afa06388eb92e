/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.h: the log of an attempt, made as a worker makes it: through the
 * emitter, which names events, and the outbox, which numbers them.
 */
#ifndef PROPERTY_LISTEN_H
#define PROPERTY_LISTEN_H

#include "tests/property/world.h"
#include "worker/emit.h"

/* Bits of what a reader asks for. */
#define LISTEN_ALL 0xffu
#define LISTEN_MESSAGES 0x04u

struct listener {
    outbox_t *out;
    emit_t *emit;
    leat_value *words;
    uint64_t first;
};

/* What the world runs from now on is heard; `first` is the number of the first
 * event. */
void listen_begin(struct listener *l, struct world *w, unsigned modes,
                  uint64_t first);
/* The log of one attempt of a run, to be begun before: a list of
 * {"seq", "name", "ns", "payload"}. */
tree *listen_run(struct listener *l, struct world *w, const struct ask *a,
                 int attempt);
/* Of such a log what a reader of `modes` sees, without numbers; one tree. */
tree *listen_project(const tree *log, unsigned modes);

#endif
