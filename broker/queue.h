/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h: graphs, each with the runs that are ready for a worker (oldest
 * first) and the workers that serve it; and the timers of all runs. The queue
 * knows order and time, not why a run is ready.
 */
#ifndef BROKER_QUEUE_H
#define BROKER_QUEUE_H

#include "broker/run.h"
#include "common/err.h"
#include "common/idmap.h"

#define BRK_GRAPHS_MAX 10000
#define BRK_GRAPH_NAME_MAX 255

#define BRK_GRAPH_MARK_MAX 63

struct brk_graph {
    char name[BRK_GRAPH_NAME_MAX + 1];
    struct brk_heap ready;                 /* of brk_run.ready, by order */
    struct brk_graph *hot_prev, *hot_next; /* while something is ready */
    struct brk_graph *next;                /* all graphs */
    struct brk_peer **peers;               /* workers that serve it */
    size_t peer_count;
    size_t peer_room;
    bool registered; /* some worker served it once */
    char mark[BRK_GRAPH_MARK_MAX + 1]; /* of those that serve it, or "" */
};

struct brk_queue {
    struct idmap by_name;
    struct brk_graph *first;                /* all of them */
    struct brk_graph *hot;                  /* those with ready runs */
    struct brk_heap timers;                 /* of brk_run.timer, by time */
    struct brk_run *last_first, *last_last; /* need a worker of their own */
};

void brk_queue_fini(struct brk_queue *q);

/* The graph of this name, NULL when it was never heard of. */
struct brk_graph *brk_queue_graph(const struct brk_queue *q, leat_text name);
/* Made if there is none. NULL with ERR_LIMIT or ERR_INVALID. */
struct brk_graph *brk_queue_require(struct brk_queue *q, leat_text name,
                                    struct err *err);

void brk_queue_put(struct brk_queue *q, struct brk_run *run);
void brk_queue_put_last(struct brk_queue *q, struct brk_run *run);
/* Takes it out of where it is ready, if it is. */
void brk_queue_take(struct brk_queue *q, struct brk_run *run);
bool brk_queue_has(const struct brk_run *run);
/* The oldest ready run of the graph, NULL. */
struct brk_run *brk_queue_head(const struct brk_graph *graph);

/* Wakes the run at `at_ms`, in place of what was set before. */
void brk_queue_wake(struct brk_queue *q, struct brk_run *run, int64_t at_ms);
void brk_queue_unwake(struct brk_queue *q, struct brk_run *run);
/* A run whose time has come, its timer taken; NULL: none. */
struct brk_run *brk_queue_due(struct brk_queue *q, int64_t now_ms);
/* When the next one is due; INT64_MAX: never. */
int64_t brk_queue_next_ms(const struct brk_queue *q);

void brk_queue_add_peer(struct brk_graph *graph, struct brk_peer *peer);
void brk_queue_take_peer(struct brk_graph *graph, struct brk_peer *peer);

#endif
