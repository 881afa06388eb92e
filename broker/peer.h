/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h: who is connected: workers with their graphs, slots, lease and runs;
 * gateways with the way back to them. Peers are found by the route of their
 * messages and by the id they gave themselves. What the loss of a worker means
 * for its runs is decided by the core.
 *
 * Leases are counted on a clock of their own, that only goes while the desk
 * reads its sockets (core.c): a broker that was stopped has no right to call
 * its workers silent.
 */
#ifndef BROKER_PEER_H
#define BROKER_PEER_H

#include "broker/queue.h"
#include "broker/run.h"
#include "common/err.h"
#include "common/idmap.h"

#define BRK_PEER_MAGIC LEAT_MAGIC(0xb0e70012)
#define BRK_PEER_ID_MAX 128
#define BRK_GATEWAYS_MAX 64 /* bits of brk_run.watchers */
#define BRK_PEER_GRAPHS_MAX 10000
#define BRK_PEER_SLOTS_MAX 65535
#define BRK_PEER_RUNS_MAX 65535

struct brk_peer {
    uint32_t magic;
    bool gateway; /* else a worker */
    char id[BRK_PEER_ID_MAX + 1];
    char host[256];
    int64_t pid;
    struct link_route route;
    struct id key;    /* the route as the map knows it */
    unsigned binding; /* counts the routes it has had */
    struct brk_peer *prev, *next;
    int64_t gone_ms; /* its connection is lost; forget it then; 0 */

    /* gateway */
    uint64_t bit; /* in brk_run.watchers */

    /* worker */
    struct brk_graph **graphs;
    size_t graph_count;
    unsigned slots;
    unsigned busy;
    struct brk_run *runs;     /* those it has */
    int64_t lease_ms;         /* on the lease clock: silent until then */
    int64_t pause_ms;         /* said it was full: nothing before this */
    uint64_t given;           /* number of the last run it was given */
    struct brk_run *alone;    /* runs this one and nothing else */
    struct brk_run *reserved; /* is to run this one once it is idle */
    bool draining;
};

struct brk_peers {
    struct idmap by_route;
    struct brk_peer *first; /* all of them */
    size_t workers;
    size_t gateways;
    uint64_t bits; /* gateway bits in use */
    struct brk_peer *of_bit[BRK_GATEWAYS_MAX];
};

void brk_peers_fini(struct brk_peers *all);

struct brk_peer *brk_peer_of_route(const struct brk_peers *all,
                                   const struct link_route *route);
struct brk_peer *brk_peer_of_id(const struct brk_peers *all, bool gateway,
                                const char *id);
/* A new peer at this route. NULL with ERR_LIMIT for a gateway too many. */
struct brk_peer *brk_peer_new(struct brk_peers *all, bool gateway,
                              const struct link_route *route, struct err *err);
/* It is at this route now. */
void brk_peer_bind(struct brk_peers *all, struct brk_peer *peer,
                   const struct link_route *route);
/* A worker must have given up its runs before. */
void brk_peer_destroy(struct brk_peers *all, struct brk_peer **p);

/* The graphs that the worker serves from now on: a list of {"id"}. */
MUST_USE bool brk_peer_serve(struct brk_peer *peer, struct brk_queue *q,
                             leat_view graphs, struct err *err);
/* It says it does not have this one. */
void brk_peer_unserve(struct brk_peer *peer, struct brk_graph *graph);

/* The run is the worker's, and takes a slot; and no longer. */
void brk_peer_give(struct brk_peer *peer, struct brk_run *run);
void brk_peer_free_slot(struct brk_run *run);
void brk_peer_take_back(struct brk_run *run);

/* The worker that is to have a run of this graph: one with a free slot, the
 * freest first. NULL: none now. */
struct brk_peer *brk_peer_pick(const struct brk_graph *graph, int64_t now_ms);
/* The same for a run that must have a worker for itself: an idle one, or NULL
 * while the best of the others is kept free for it. */
struct brk_peer *brk_peer_pick_alone(const struct brk_graph *graph,
                                     struct brk_run *run, int64_t now_ms);
/* Nothing is kept free for the run any more. */
void brk_peer_unreserve(const struct brk_graph *graph,
                        const struct brk_run *run);

#endif
