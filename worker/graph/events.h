/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/events.h: the `events` mode: a tree of runs (graphs, nodes, routes,
 * models, tools), each with a start, maybe pieces, and an end
 * (spec/streaming.md 6). All calls do nothing while nobody listens; start,
 * piece and end take run->lock by themselves.
 */
#ifndef GRAPH_EVENTS_H
#define GRAPH_EVENTS_H

#include "worker/graph/inner.h"

struct event_spec {
    const char *kind;          /* "chain", "chat_model", "tool" */
    const char *name;
    const char *id;            /* NULL: a random one */
    struct event_run *parent;  /* outlives it; NULL: a root */
    leat_value *tags;          /* list, taken; NULL: none */
    leat_value *metadata;      /* object, taken; NULL: empty */
    leat_value *input;         /* data.input, taken */
};

bool graph_event_wanted(const struct run *r);
/* NULL when nobody listens; the spec's values are used up either way. */
struct event_run *graph_event_start(struct run *r, struct event_spec *spec);
void graph_event_piece(struct event_run *e, const leat_value *chunk);
/* A tool failed: `error` says with what (taken). Frees it. */
void graph_event_fail(struct event_run **e, leat_value *error,
                      const char *tool_call_id);
/* Frees it. output NULL: it failed, and no event says so. */
void graph_event_end(struct event_run **e, const leat_value *output);

#endif
