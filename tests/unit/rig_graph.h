/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_graph.h: runs a graph in the test's own process and writes down what
 * the host sees, one line per event or call of the saver, short enough to
 * compare as text:
 *
 *     checkpoint -1 input [__start__]
 *     values {"x":1}
 *     task a {"x":1}
 *     updates {"a":{"x":2}}
 *     result a {"x":2}
 *     put 0 loop            (only with `saver_log`)
 *
 * Events of nested graphs have their namespace in front, ids of tasks left
 * out: "sub values {...}".
 */
#ifndef LEAT_TESTS_RIG_GRAPH_H
#define LEAT_TESTS_RIG_GRAPH_H

#include "common/buf.h"
#include "worker/graph/engine.h"
#include "worker/graph/memory.h"

struct rig {
    struct graph *graph;
    struct graph_memory *memory;
    struct graph_saver saver;     /* in front of the memory's */
    struct graph_cancel *cancel;
    struct graph_request req;     /* set what a test needs before a run */
    struct graph_host host;
    struct graph_result result;   /* of the last run */
    struct buf log;
    bool saver_log;
    int fail_put;                 /* > 0: so many puts until one is fenced */
    atomic_bool emitting;
    void (*on_event)(struct rig *r, const struct graph_event *ev);
    void *arg;
};

/* Builds and compiles; a mistake fails the test. modes: enum graph_mode. */
void rig_init(struct rig *r, leat_build_fn build, unsigned modes);
void rig_fini(struct rig *r);
/* Runs with JSON as input (NULL: null) or as a command. Starts a new log. */
void rig_run(struct rig *r, const char *input);
void rig_command(struct rig *r, const char *command);
/* The log of the last run. */
const char *rig_log(struct rig *r);
/* JSON of a part of the result; static memory, the last few calls last. */
const char *rig_output(const struct rig *r);
const char *rig_values(const struct rig *r);
const char *rig_json(const leat_value *v);
/* The latest checkpoint's field of `view`, as JSON. */
const char *rig_view(struct rig *r, const char *key);
/* Reasons why a graph is refused; "" when it is not. */
const char *rig_mistakes(leat_build_fn build);

#endif
