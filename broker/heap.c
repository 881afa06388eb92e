/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usual array, from index 1, so that the parent of n is n / 2.
 */
#include "broker/heap.h"

#include <stdlib.h>

#define ROOM_MIN 32

static bool before(const struct brk_node *a, const struct brk_node *b);
static void place(struct brk_heap *h, size_t at, struct brk_node *n);
static void rise(struct brk_heap *h, size_t at);
static void sink(struct brk_heap *h, size_t at);

void brk_heap_fini(struct brk_heap *h)
{
    free(h->nodes);
    *h = (struct brk_heap){0};
}

void brk_heap_put(struct brk_heap *h, struct brk_node *n)
{
    must(n->at == 0);
    if (h->count + 1 >= h->room) {
        h->room = h->room == 0 ? ROOM_MIN : h->room * 2;
        h->nodes = base_realloc(h->nodes, h->room * sizeof(void *));
    }
    h->count++;
    place(h, h->count, n);
    rise(h, h->count);
}

void brk_heap_take(struct brk_heap *h, struct brk_node *n)
{
    size_t at = n->at;
    if (at == 0) {
        return;
    }
    must(at <= h->count && h->nodes[at] == n);
    struct brk_node *last = h->nodes[h->count--];
    n->at = 0;
    if (last != n) {
        place(h, at, last);
        rise(h, at);
        sink(h, last->at);
    }
}

struct brk_node *brk_heap_first(const struct brk_heap *h)
{
    return h->count == 0 ? NULL : h->nodes[1];
}

bool brk_heap_has(const struct brk_node *n)
{
    return n->at != 0;
}

static bool before(const struct brk_node *a, const struct brk_node *b)
{
    return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static void place(struct brk_heap *h, size_t at, struct brk_node *n)
{
    h->nodes[at] = n;
    n->at = at;
}

static void rise(struct brk_heap *h, size_t at)
{
    struct brk_node *n = h->nodes[at];
    while (at > 1 && before(n, h->nodes[at / 2])) {
        place(h, at, h->nodes[at / 2]);
        at /= 2;
    }
    place(h, at, n);
}

static void sink(struct brk_heap *h, size_t at)
{
    struct brk_node *n = h->nodes[at];
    while (at * 2 <= h->count) {
        size_t child = at * 2;
        if (child < h->count && before(h->nodes[child + 1], h->nodes[child])) {
            child++;
        }
        if (!before(h->nodes[child], n)) {
            break;
        }
        place(h, at, h->nodes[child]);
        at = child;
    }
    place(h, at, n);
}
