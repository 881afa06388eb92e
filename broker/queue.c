/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heaps and lists around runs. A graph is "hot" while it has a ready run, so
 * that giving runs away costs nothing for the others.
 */
#include "broker/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct id key_of_name(leat_text name);
static void make_hot(struct brk_queue *q, struct brk_graph *graph);
static void make_cold(struct brk_queue *q, struct brk_graph *graph);

void brk_queue_fini(struct brk_queue *q)
{
    while (q->first != NULL) {
        struct brk_graph *graph = q->first;
        q->first = graph->next;
        brk_heap_fini(&graph->ready);
        free(graph->peers);
        free(graph);
    }
    brk_heap_fini(&q->timers);
    idmap_fini(&q->by_name);
    *q = (struct brk_queue){0};
}

struct brk_graph *brk_queue_graph(const struct brk_queue *q, leat_text name)
{
    struct id key = key_of_name(name);
    return idmap_get(&q->by_name, &key);
}

struct brk_graph *brk_queue_require(struct brk_queue *q, leat_text name,
                                    struct err *err)
{
    struct brk_graph *graph = brk_queue_graph(q, name);
    if (graph != NULL) {
        return graph;
    }
    if (name.len == 0 || name.len > BRK_GRAPH_NAME_MAX ||
        memchr(name.ptr, '\0', name.len) != NULL) {
        (void)err_set(err, ERR_INVALID, "a graph id of %zu bytes", name.len);
        return NULL;
    }
    if (q->by_name.count >= BRK_GRAPHS_MAX) {
        (void)err_set(err, ERR_LIMIT, "%d graphs are known already",
                      BRK_GRAPHS_MAX);
        return NULL;
    }
    struct id key = key_of_name(name);
    graph = base_zalloc(sizeof *graph);
    memcpy(graph->name, name.ptr, name.len);
    graph->next = q->first;
    q->first = graph;
    idmap_put(&q->by_name, &key, graph);
    return graph;
}

/* ---- ready runs
 * ---------------------------------------------------------------- */

void brk_queue_put(struct brk_queue *q, struct brk_run *run)
{
    must(run->graph != NULL && !brk_queue_has(run));
    run->ready.key = run->due_ms;
    run->ready.tie = run->order;
    brk_heap_put(&run->graph->ready, &run->ready);
    make_hot(q, run->graph);
}

void brk_queue_put_last(struct brk_queue *q, struct brk_run *run)
{
    must(run->graph != NULL && !brk_queue_has(run));
    run->last_prev = q->last_last;
    run->last_next = NULL;
    *(q->last_last == NULL ? &q->last_first : &q->last_last->last_next) = run;
    q->last_last = run;
    run->in_last = true;
}

void brk_queue_take(struct brk_queue *q, struct brk_run *run)
{
    if (brk_heap_has(&run->ready)) {
        brk_heap_take(&run->graph->ready, &run->ready);
        make_cold(q, run->graph);
    }
    if (run->in_last) {
        struct brk_run *prev = run->last_prev;
        struct brk_run *next = run->last_next;
        *(prev == NULL ? &q->last_first : &prev->last_next) = next;
        *(next == NULL ? &q->last_last : &next->last_prev) = prev;
        run->last_prev = run->last_next = NULL;
        run->in_last = false;
    }
}

bool brk_queue_has(const struct brk_run *run)
{
    return run->in_last || brk_heap_has(&run->ready);
}

struct brk_run *brk_queue_head(const struct brk_graph *graph)
{
    struct brk_node *node = brk_heap_first(&graph->ready);
    return node == NULL ? NULL : CONTAINER_OF(node, struct brk_run, ready);
}

static void make_hot(struct brk_queue *q, struct brk_graph *graph)
{
    if (graph->ready.count != 1) {
        return;
    }
    graph->hot_prev = NULL;
    graph->hot_next = q->hot;
    if (q->hot != NULL) {
        q->hot->hot_prev = graph;
    }
    q->hot = graph;
}

static void make_cold(struct brk_queue *q, struct brk_graph *graph)
{
    if (graph->ready.count != 0) {
        return;
    }
    *(graph->hot_prev == NULL ? &q->hot : &graph->hot_prev->hot_next) =
        graph->hot_next;
    if (graph->hot_next != NULL) {
        graph->hot_next->hot_prev = graph->hot_prev;
    }
    graph->hot_prev = graph->hot_next = NULL;
}

/* ---- timers
 * -------------------------------------------------------------------- */

void brk_queue_wake(struct brk_queue *q, struct brk_run *run, int64_t at_ms)
{
    brk_heap_take(&q->timers, &run->timer);
    run->timer.key = at_ms;
    run->timer.tie = run->order;
    brk_heap_put(&q->timers, &run->timer);
}

void brk_queue_unwake(struct brk_queue *q, struct brk_run *run)
{
    brk_heap_take(&q->timers, &run->timer);
}

struct brk_run *brk_queue_due(struct brk_queue *q, int64_t now_ms)
{
    struct brk_node *node = brk_heap_first(&q->timers);
    if (node == NULL || node->key > now_ms) {
        return NULL;
    }
    brk_heap_take(&q->timers, node);
    return CONTAINER_OF(node, struct brk_run, timer);
}

int64_t brk_queue_next_ms(const struct brk_queue *q)
{
    struct brk_node *node = brk_heap_first(&q->timers);
    return node == NULL ? INT64_MAX : node->key;
}

/* ---- workers of a graph
 * ------------------------------------------------------- */

void brk_queue_add_peer(struct brk_graph *graph, struct brk_peer *peer)
{
    if (graph->peer_count == graph->peer_room) {
        graph->peer_room = graph->peer_room == 0 ? 4 : graph->peer_room * 2;
        graph->peers =
            base_realloc(graph->peers, graph->peer_room * sizeof(void *));
    }
    graph->peers[graph->peer_count++] = peer;
    graph->registered = true;
}

void brk_queue_take_peer(struct brk_graph *graph, struct brk_peer *peer)
{
    for (size_t i = 0; i < graph->peer_count; i++) {
        if (graph->peers[i] == peer) {
            graph->peers[i] = graph->peers[--graph->peer_count];
            return;
        }
    }
}

/* Two different hashes of the name make an id for the map. */
static struct id key_of_name(leat_text name)
{
    uint64_t half[2] = {0xcbf29ce484222325u, 0x9e3779b97f4a7c15u};
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        half[0] = (half[0] ^ c) * 0x100000001b3u;
        half[1] = (half[1] + c) * 0xff51afd7ed558ccdu;
        half[1] ^= half[1] >> 29;
    }
    struct id key;
    static_assert(sizeof half == sizeof key.bytes, "two halves make an id");
    memcpy(key.bytes, half, sizeof half);
    return key;
}
