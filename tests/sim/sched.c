/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and chance. Events stand in a heap by time and then by the order in
 * which they were planned.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

struct event {
    int64_t at_us;
    uint64_t order;
    sim_fn *fn;
    void *arg;
    uint64_t n;
};

struct sim sim;

static struct event *heap;
static size_t count;
static size_t room;
static uint64_t orders;

/* ---- dice ---------------------------------------------------------------- */

uint32_t sim_dice(uint32_t sides)
{
    must(sides > 0);
    uint64_t z = (sim.dice += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % sides);
}

bool sim_chance(int per_mille)
{
    return per_mille > 0 && !sim.healed &&
           sim_dice(1000) < (uint32_t)per_mille;
}

int64_t sim_about(int64_t us)
{
    return us <= 1 ? us : us / 2 + (int64_t)sim_dice((uint32_t)us);
}

/* ---- what happens next --------------------------------------------------- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us < b->at_us ||
           (a->at_us == b->at_us && a->order < b->order);
}

void sim_at(int64_t us, sim_fn *fn, void *arg, uint64_t n)
{
    if (count == room) {
        room = room == 0 ? 256 : room * 2;
        heap = base_realloc(heap, room * sizeof *heap);
    }
    const struct event e = {max_i64(us, sim.now_us), ++orders, fn, arg, n};
    size_t at = count++;
    while (at > 0 && before(&e, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = e;
}

void sim_in(int64_t us, sim_fn *fn, void *arg, uint64_t n)
{
    sim_at(sim.now_us + us, fn, arg, n);
}

int64_t sim_next_us(void)
{
    return count == 0 ? INT64_MAX : heap[0].at_us;
}

void sim_step(void)
{
    must(count > 0);
    const struct event e = heap[0];
    const struct event last = heap[--count];
    size_t at = 0;
    for (size_t next = 1; next < count; next = at * 2 + 1) {
        if (next + 1 < count && before(&heap[next + 1], &heap[next])) {
            next++;
        }
        if (!before(&heap[next], &last)) {
            break;
        }
        heap[at] = heap[next];
        at = next;
    }
    heap[at] = last;
    must(e.at_us >= sim.now_us);
    sim.now_us = e.at_us;
    e.fn(e.arg, e.n);
}

/* ---- what is said -------------------------------------------------------- */

void sim_trace(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("%10.3f  ", (double)sim.now_us / 1000);
    (void)vprintf(fmt, ap);
    (void)putchar('\n');
    va_end(ap);
}

void sim_fail(const char *fmt, ...)
{
    if (sim.failed[0] != '\0') {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sim.failed, sizeof sim.failed, fmt, ap);
    va_end(ap);
    TRACE("FAILED: %s", sim.failed);
}
