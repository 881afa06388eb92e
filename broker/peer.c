/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of peers, what a worker serves and holds, and which worker a run
 * goes to.
 */
#include "broker/peer.h"

#include <stdlib.h>
#include <string.h>

#include "common/stat.h"

/* A run that wants a worker for itself does not keep one empty for longer:
 * others must not stand still for it. */
#define ALONE_WAIT_MS 60000

static struct id key_of_route(const struct link_route *route);
static void count_peer(struct brk_peers *all, const struct brk_peer *peer,
                       int by);
static void serve_nothing(struct brk_peer *peer);
static bool open_for(const struct brk_peer *peer, int64_t now_ms);

void brk_peers_fini(struct brk_peers *all)
{
    while (all->first != NULL) {
        struct brk_peer *peer = all->first;
        while (peer->runs != NULL) {
            brk_peer_take_back(peer->runs);
        }
        brk_peer_destroy(all, &peer);
    }
    idmap_fini(&all->by_route);
}

struct brk_peer *brk_peer_of_route(const struct brk_peers *all,
                                   const struct link_route *route)
{
    struct id key = key_of_route(route);
    struct brk_peer *peer = idmap_get(&all->by_route, &key);
    return peer != NULL && link_route_eq(&peer->route, route) ? peer : NULL;
}

struct brk_peer *brk_peer_of_id(const struct brk_peers *all, bool gateway,
                                const char *id)
{
    struct brk_peer *peer = all->first;
    while (peer != NULL &&
           (peer->gateway != gateway || strcmp(peer->id, id) != 0)) {
        peer = peer->next;
    }
    return peer;
}

struct brk_peer *brk_peer_new(struct brk_peers *all, bool gateway,
                              const struct link_route *route, struct err *err)
{
    uint64_t bit = ~all->bits & (all->bits + 1); /* the lowest free one */
    if (gateway && bit == 0) {
        (void)err_set(err, ERR_LIMIT, "%d gateways are connected already",
                      BRK_GATEWAYS_MAX);
        return NULL;
    }
    struct brk_peer *peer = base_zalloc(sizeof *peer);
    peer->magic = BRK_PEER_MAGIC;
    peer->gateway = gateway;
    peer->bit = gateway ? bit : 0;
    all->bits |= peer->bit;
    if (gateway) {
        all->of_bit[__builtin_ctzll(bit)] = peer;
    }
    peer->next = all->first;
    if (all->first != NULL) {
        all->first->prev = peer;
    }
    all->first = peer;
    count_peer(all, peer, 1);
    brk_peer_bind(all, peer, route);
    return peer;
}

void brk_peer_bind(struct brk_peers *all, struct brk_peer *peer,
                   const struct link_route *route)
{
    check_magic(peer, BRK_PEER_MAGIC);
    if (idmap_get(&all->by_route, &peer->key) == peer) {
        (void)idmap_take(&all->by_route, &peer->key);
    }
    peer->route = *route;
    peer->key = key_of_route(route);
    peer->gone_ms = 0;
    peer->binding++;
    (void)idmap_take(&all->by_route, &peer->key);
    idmap_put(&all->by_route, &peer->key, peer);
}

void brk_peer_destroy(struct brk_peers *all, struct brk_peer **p)
{
    struct brk_peer *peer = *p;
    check_magic(peer, BRK_PEER_MAGIC);
    must(peer->runs == NULL);
    serve_nothing(peer);
    if (idmap_get(&all->by_route, &peer->key) == peer) {
        (void)idmap_take(&all->by_route, &peer->key);
    }
    *(peer->prev == NULL ? &all->first : &peer->prev->next) = peer->next;
    if (peer->next != NULL) {
        peer->next->prev = peer->prev;
    }
    all->bits &= ~peer->bit;
    if (peer->gateway) {
        all->of_bit[__builtin_ctzll(peer->bit)] = NULL;
    }
    count_peer(all, peer, -1);
    peer->magic = 0;
    free(peer);
    *p = NULL;
}

/* ---- graphs
 * ---------------------------------------------------------------------- */

/* Workers that serve one graph have it with one mark. */
static bool take_mark(struct brk_graph *graph, leat_view mark, struct err *err)
{
    leat_text text = leat_string(mark);
    char own[BRK_GRAPH_MARK_MAX + 1] = "";
    if (text.len > BRK_GRAPH_MARK_MAX) {
        return err_set(err, ERR_INVALID, "a mark of %zu bytes", text.len);
    }
    if (text.len > 0) {
        memcpy(own, text.ptr, text.len);
    }
    for (size_t i = 0; i < graph->peer_count; i++) {
        const struct brk_peer *other = graph->peers[i];
        if (other->gone_ms == 0 && strcmp(own, graph->mark) != 0) {
            return err_set(err, ERR_CONFLICT,
                           "graph %s is served by worker %s, and is another "
                           "graph there: ids must be unique",
                           graph->name, other->id);
        }
    }
    memcpy(graph->mark, own, sizeof own);
    return true;
}

bool brk_peer_serve(struct brk_peer *peer, struct brk_queue *q,
                    leat_view graphs, struct err *err)
{
    check_magic(peer, BRK_PEER_MAGIC);
    serve_nothing(peer);
    size_t n = leat_count(graphs);
    if (n > BRK_PEER_GRAPHS_MAX) {
        return err_set(err, ERR_LIMIT, "%zu graphs in one worker", n);
    }
    peer->graphs = n == 0 ? NULL : base_zalloc(n * sizeof(void *));
    struct leat_iter it = leat_iter_of(graphs);
    while (leat_next(&it)) {
        leat_text name = leat_string(leat_get(it.item, "id"));
        struct brk_graph *graph = brk_queue_require(q, name, err);
        if (graph == NULL) {
            return false;
        }
        brk_peer_unserve(peer, graph); /* named twice counts once */
        if (!take_mark(graph, leat_get(it.item, "mark"), err)) {
            return false;
        }
        peer->graphs[peer->graph_count++] = graph;
        brk_queue_add_peer(graph, peer);
    }
    return true;
}

void brk_peer_unserve(struct brk_peer *peer, struct brk_graph *graph)
{
    for (size_t i = 0; i < peer->graph_count; i++) {
        if (peer->graphs[i] == graph) {
            peer->graphs[i] = peer->graphs[--peer->graph_count];
            brk_queue_take_peer(graph, peer);
            return;
        }
    }
}

static void serve_nothing(struct brk_peer *peer)
{
    while (peer->graph_count > 0) {
        brk_peer_unserve(peer, peer->graphs[peer->graph_count - 1]);
    }
    free(peer->graphs);
    peer->graphs = NULL;
}

/* ---- runs
 * -------------------------------------------------------------------------- */

void brk_peer_give(struct brk_peer *peer, struct brk_run *run)
{
    check_magic(peer, BRK_PEER_MAGIC);
    must(!peer->gateway && run->worker == NULL && !run->holds_slot);
    run->worker = peer;
    run->peer_prev = NULL;
    run->peer_next = peer->runs;
    if (peer->runs != NULL) {
        peer->runs->peer_prev = run;
    }
    peer->runs = run;
    run->holds_slot = true;
    run->binding = peer->binding;
    peer->busy++;
    if (run->alone) {
        peer->alone = run;
    }
}

void brk_peer_free_slot(struct brk_run *run)
{
    struct brk_peer *peer = run->worker;
    if (peer == NULL || !run->holds_slot) {
        return;
    }
    must(peer->busy > 0);
    peer->busy--;
    run->holds_slot = false;
    if (peer->alone == run) {
        peer->alone = NULL;
    }
}

void brk_peer_take_back(struct brk_run *run)
{
    struct brk_peer *peer = run->worker;
    if (peer == NULL) {
        return;
    }
    brk_peer_free_slot(run);
    *(run->peer_prev == NULL ? &peer->runs : &run->peer_prev->peer_next) =
        run->peer_next;
    if (run->peer_next != NULL) {
        run->peer_next->peer_prev = run->peer_prev;
    }
    run->peer_prev = run->peer_next = NULL;
    run->worker = NULL;
}

/* ---- choosing
 * -------------------------------------------------------------------- */

struct brk_peer *brk_peer_pick(const struct brk_graph *graph, int64_t now_ms)
{
    struct brk_peer *best = NULL;
    for (size_t i = 0; i < graph->peer_count; i++) {
        struct brk_peer *peer = graph->peers[i];
        if (!open_for(peer, now_ms) || peer->reserved != NULL ||
            peer->busy >= peer->slots) {
            continue;
        }
        unsigned room = peer->slots - peer->busy;
        unsigned best_room = best == NULL ? 0 : best->slots - best->busy;
        if (room > best_room ||
            (room == best_room && peer->given < best->given)) {
            best = peer;
        }
    }
    return best;
}

struct brk_peer *brk_peer_pick_alone(const struct brk_graph *graph,
                                     struct brk_run *run, int64_t now_ms)
{
    struct brk_peer *best = NULL;
    for (size_t i = 0; i < graph->peer_count; i++) {
        struct brk_peer *peer = graph->peers[i];
        bool others = peer->reserved != NULL && peer->reserved != run;
        if (!open_for(peer, now_ms) || others || peer->slots == 0) {
            continue;
        }
        if (best == NULL || peer->busy < best->busy ||
            (peer->busy == best->busy && peer->reserved == run)) {
            best = peer;
        }
    }
    if (best == NULL) {
        return NULL;
    }
    if (run->alone_ms == 0) {
        run->alone_ms = now_ms;
    }
    bool waited = now_ms - run->alone_ms >= ALONE_WAIT_MS;
    brk_peer_unreserve(graph, run);
    if (best->busy == 0 || (waited && best->busy < best->slots)) {
        return best;
    }
    if (!waited) {
        best->reserved = run;
    }
    return NULL;
}

void brk_peer_unreserve(const struct brk_graph *graph,
                        const struct brk_run *run)
{
    for (size_t i = 0; i < graph->peer_count; i++) {
        if (graph->peers[i]->reserved == run) {
            graph->peers[i]->reserved = NULL;
        }
    }
}

static bool open_for(const struct brk_peer *peer, int64_t now_ms)
{
    return !peer->draining && peer->gone_ms == 0 && peer->alone == NULL &&
           peer->pause_ms <= now_ms;
}

static void count_peer(struct brk_peers *all, const struct brk_peer *peer,
                       int by)
{
    if (peer->gateway) {
        all->gateways += (size_t)by;
        stat_add(STAT_GATEWAYS, by);
    } else {
        all->workers += (size_t)by;
        stat_add(STAT_WORKERS, by);
    }
}

/* Short routes, which are all that ZeroMQ makes, are their own key. */
static struct id key_of_route(const struct link_route *route)
{
    struct id key = {{route->len}};
    if (route->len < sizeof key.bytes) {
        memcpy(key.bytes + 1, route->bytes, route->len);
    } else {
        uint64_t hash = link_route_hash(route);
        memcpy(key.bytes + 1, &hash, sizeof hash);
    }
    return key;
}
