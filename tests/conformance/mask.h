/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.h: takes the differences that are meant to be out of two lists of
 * results (one recorded, one of ours), after the table in mask.tbl.h. Knows
 * the trace format; must not know how ours came about.
 */
#ifndef CONFORMANCE_MASK_H
#define CONFORMANCE_MASK_H

#include "tests/conformance/tree.h"

enum mask_library { V14 = 1, V17 = 2, PY = 4 };

struct mask {
    const tree *graphs;        /* of the trace */
    enum mask_library library; /* that was recorded */
    tree *recorded, *ours;     /* lists of results; changed in place */
};

/* Applies every row that is for this library. */
void mask_apply(struct mask *m);
/* Which library a trace was recorded with. */
enum mask_library mask_library_of(const tree *trace);
/* The expectation that stands in for this trace, or NULL. `name` is the
 * trace's ("23-parallel-..."). */
const char *mask_expectation(const char *name, enum mask_library library);

/* ---- for the mask_*.c files --------------------------------------------- */

/* One event: [namespace, mode, payload]. */
struct mask_event {
    struct mask *mask;
    tree *step;         /* the result's step */
    tree *events;       /* the list it is in */
    size_t index;
    tree *event;
    const char *mode;
    /* The payload itself; of a debug event its payload's payload, with `mode`
     * the plain mode it is the twin of. */
    tree *payload;
    bool debug;
};

/* Calls for every event; `fn` gives true to have the event removed. */
typedef bool mask_event_fn(struct mask_event *e);
void mask_events(struct mask *m, tree *results, mask_event_fn *fn);
/* For every state snapshot, those in `state` of tasks too. */
void mask_states(struct mask *m, tree *results,
                 void (*fn)(struct mask *m, tree *state));
/* For every tree below `t` and itself, parents first. */
void mask_all(tree *t, void (*fn)(tree *t, void *arg), void *arg);

/* Same namespace? NULL and [] are the root. */
bool mask_same_ns(const tree *a, const tree *b);
/* "a|b" of a namespace; "" for the root; the caller frees. */
char *mask_ns_text(const tree *ns);
/* The graph whose events have this namespace, or NULL. */
const tree *mask_graph_of(const struct mask *m, const tree *ns);
/* {message, name} -> Python's repr: Name('message'). */
tree *mask_repr(const tree *error);
/* A start (no result) or a result of a task? */
bool mask_is_start(const struct mask_event *e);
bool mask_is_result(const struct mask_event *e);

#define MASK(name, side, libraries, where, why) \
    void mask_##name(struct mask *m, tree *results);
#define EXPECT(trace, libraries, file, why)
#include "tests/conformance/mask.tbl.h"
#undef MASK
#undef EXPECT

#endif
