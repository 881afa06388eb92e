/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c: a binary heap by due time, with each entry knowing its place so
 * that it can be moved or taken out.
 */
#include "gateway/timer.h"

#include <stdlib.h>

void gw_timers_init(struct gw_timers *t)
{
    must(t != NULL);
    *t = (struct gw_timers){0};
}

void gw_timers_fini(struct gw_timers *t)
{
    must(t != NULL);
    free(t->heap);
    *t = (struct gw_timers){0};
}

static void put_at(struct gw_timers *t, size_t place, struct gw_timer *timer)
{
    t->heap[place] = timer;
    timer->place = (uint32_t)place;
}

static void sift_up(struct gw_timers *t, struct gw_timer *timer)
{
    size_t at = timer->place;
    while (at > 1 && t->heap[at / 2]->due_ms > timer->due_ms) {
        put_at(t, at, t->heap[at / 2]);
        at /= 2;
    }
    put_at(t, at, timer);
}

static void sift_down(struct gw_timers *t, struct gw_timer *timer)
{
    size_t at = timer->place;
    for (;;) {
        size_t child = at * 2;
        if (child > t->count) {
            break;
        }
        if (child < t->count &&
            t->heap[child + 1]->due_ms < t->heap[child]->due_ms) {
            child++;
        }
        if (t->heap[child]->due_ms >= timer->due_ms) {
            break;
        }
        put_at(t, at, t->heap[child]);
        at = child;
    }
    put_at(t, at, timer);
}

void gw_timer_set(struct gw_timers *t, struct gw_timer *timer, int64_t due_ms)
{
    must(t != NULL && timer != NULL);
    if (timer->place == 0) {
        if (t->count + 1 >= t->room) {
            t->room = t->room == 0 ? 64 : t->room * 2;
            t->heap = base_realloc(t->heap, t->room * sizeof(*t->heap));
        }
        t->count++;
        put_at(t, t->count, timer);
    }
    must(t->heap[timer->place] == timer);
    timer->due_ms = due_ms;
    sift_up(t, timer);
    sift_down(t, timer);
}

void gw_timer_clear(struct gw_timers *t, struct gw_timer *timer)
{
    must(t != NULL && timer != NULL);
    if (timer->place == 0) {
        return;
    }
    must(t->heap[timer->place] == timer);
    size_t hole = timer->place;
    struct gw_timer *last = t->heap[t->count--];
    timer->place = 0;
    if (last != timer) {
        put_at(t, hole, last);
        sift_up(t, last);
        sift_down(t, last);
    }
}

struct gw_timer *gw_timers_take(struct gw_timers *t, int64_t now_ms)
{
    must(t != NULL);
    if (t->count == 0 || t->heap[1]->due_ms > now_ms) {
        return NULL;
    }
    struct gw_timer *timer = t->heap[1];
    gw_timer_clear(t, timer);
    return timer;
}

int64_t gw_timers_wait_ms(const struct gw_timers *t, int64_t now_ms,
                          int64_t idle_ms)
{
    must(t != NULL);
    if (t->count == 0) {
        return idle_ms;
    }
    int64_t left = t->heap[1]->due_ms - now_ms;
    return left < 0 ? 0 : min_i64(left, idle_ms);
}
