/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/cancel.c: a flag that wakes those who wait (cancel.h). Sleeps hang on
 * one condition, waits on descriptors have an eventfd each, so that a wake
 * that concerns one of them does not turn the others into busy loops.
 */
#include "worker/graph/cancel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CANCEL_MAGIC LEAT_MAGIC(0x0ca20001)
#define NS_PER_MS INT64_C(1000000)
#define MS_MAX INT64_C(1000000000) /* 11 days: longer waits are repeated */

struct waiter {
    struct waiter *next;
    int event_fd;
};

struct graph_cancel {
    uint32_t magic;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct waiter *waiters;
    atomic_bool set;
};

struct graph_cancel *graph_cancel_new(void)
{
    struct graph_cancel *c = base_zalloc(sizeof *c);
    pthread_condattr_t attr;
    c->magic = CANCEL_MAGIC;
    atomic_init(&c->set, false);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    return c;
}

void graph_cancel_destroy(struct graph_cancel **c)
{
    struct graph_cancel *own = *c;
    if (own == NULL) {
        return;
    }
    check_magic(own, CANCEL_MAGIC);
    must(own->waiters == NULL);
    *c = NULL;
    own->magic = 0;
    pthread_cond_destroy(&own->changed);
    pthread_mutex_destroy(&own->lock);
    free(own);
}

void graph_cancel_set(struct graph_cancel *c)
{
    check_magic(c, CANCEL_MAGIC);
    atomic_store(&c->set, true);
    graph_cancel_wake(c);
}

bool graph_cancel_get(const struct graph_cancel *c)
{
    check_magic(c, CANCEL_MAGIC);
    return atomic_load_explicit(&c->set, memory_order_acquire);
}

void graph_cancel_wake(struct graph_cancel *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->changed);
    for (struct waiter *w = c->waiters; w != NULL; w = w->next) {
        uint64_t one = 1;
        ssize_t written = write(w->event_fd, &one, sizeof one);
        (void)written; /* full means it is readable already */
    }
    pthread_mutex_unlock(&c->lock);
}

static bool has_to_stop(const struct graph_cancel *c,
                        const struct cancel_stop *stop)
{
    return graph_cancel_get(c) || stop->stopped(stop->arg);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

bool graph_cancel_sleep(struct graph_cancel *c, int64_t ms,
                        const struct cancel_stop *stop)
{
    check_magic(c, CANCEL_MAGIC);
    int64_t end = now_ns() + min_i64(max_i64(ms, 0), MS_MAX) * NS_PER_MS;
    struct timespec until = {
        .tv_sec = (time_t)(end / (1000 * NS_PER_MS)),
        .tv_nsec = (long)(end % (1000 * NS_PER_MS)),
    };
    int status = 0;
    pthread_mutex_lock(&c->lock);
    bool stopped = has_to_stop(c, stop);
    while (!stopped && status != ETIMEDOUT) {
        status = pthread_cond_timedwait(&c->changed, &c->lock, &until);
        stopped = has_to_stop(c, stop);
    }
    pthread_mutex_unlock(&c->lock);
    return !stopped;
}

static void add_waiter(struct graph_cancel *c, struct waiter *w)
{
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(w->event_fd >= 0); /* as good as out of memory */
    pthread_mutex_lock(&c->lock);
    w->next = c->waiters;
    c->waiters = w;
    pthread_mutex_unlock(&c->lock);
}

static void remove_waiter(struct graph_cancel *c, const struct waiter *w)
{
    pthread_mutex_lock(&c->lock);
    struct waiter **at = &c->waiters;
    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    pthread_mutex_unlock(&c->lock);
    close(w->event_fd);
}

static int poll_timeout(int64_t end_ns)
{
    if (end_ns < 0) {
        return -1;
    }
    int64_t left = end_ns - now_ns();
    /* Rounded up: a wait that ends early would be repeated for nothing. */
    return (int)min_i64(max_i64((left + NS_PER_MS - 1) / NS_PER_MS, 0),
                        MS_MAX);
}

int graph_cancel_poll(struct graph_cancel *c, int fd, short events,
                      int64_t timeout_ms, const struct cancel_stop *stop)
{
    check_magic(c, CANCEL_MAGIC);
    int64_t end = timeout_ms < 0
                      ? -1
                      : now_ns() + min_i64(timeout_ms, MS_MAX) * NS_PER_MS;
    struct waiter w = {0};
    int result = -1;
    add_waiter(c, &w);
    while (!has_to_stop(c, stop)) {
        struct pollfd fds[2] = {
            {.fd = fd, .events = events},
            {.fd = w.event_fd, .events = POLLIN},
        };
        int n = poll(fds, 2, poll_timeout(end));
        if (n > 0 && fds[1].revents != 0) {
            uint64_t count;
            ssize_t got = read(w.event_fd, &count, sizeof count);
            (void)got;
        }
        if (n > 0 && fds[0].revents != 0) {
            result = 1;
            break;
        }
        if (n == 0 && poll_timeout(end) == 0) {
            result = 0;
            break;
        }
    }
    remove_waiter(c, &w);
    return result;
}
