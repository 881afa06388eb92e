/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that end: by time, by readiness, by being stopped. */
#include "worker/graph/cancel.h"

#include "tests/harness/harness.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool never(const void *arg)
{
    (void)arg;
    return false;
}

static bool flagged(const void *arg)
{
    return atomic_load((const atomic_bool *)arg);
}

static const struct cancel_stop no_stop = {.stopped = never};

TEST(cancel_sleeps_its_time)
{
    struct graph_cancel *c = graph_cancel_new();
    EXPECT(graph_cancel_sleep(c, 2, &no_stop));
    EXPECT(graph_cancel_sleep(c, -5, &no_stop));
    graph_cancel_set(c);
    EXPECT(graph_cancel_get(c));
    EXPECT(!graph_cancel_sleep(c, 3600000, &no_stop));
    graph_cancel_destroy(&c);
    graph_cancel_destroy(&c);
}

TEST(cancel_poll_tells_what_happened)
{
    struct graph_cancel *c = graph_cancel_new();
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    EXPECT_EQ(graph_cancel_poll(c, fd, POLLIN, 2, &no_stop), 0);
    EXPECT_EQ(write(fd, &one, sizeof one), sizeof one);
    EXPECT_EQ(graph_cancel_poll(c, fd, POLLIN, -1, &no_stop), 1);
    graph_cancel_set(c);
    EXPECT_EQ(graph_cancel_poll(c, fd, POLLIN, -1, &no_stop), -1);
    close(fd);
    graph_cancel_destroy(&c);
}

struct waits {
    struct graph_cancel *cancel;
    atomic_bool flag;
    atomic_int begun;
    atomic_int ended;
};

static void *sleep_thread(void *arg)
{
    struct waits *w = arg;
    const struct cancel_stop stop = {.stopped = flagged, .arg = &w->flag};
    atomic_fetch_add(&w->begun, 1);
    EXPECT(!graph_cancel_sleep(w->cancel, 3600000, &stop));
    atomic_fetch_add(&w->ended, 1);
    return NULL;
}

static void *poll_thread(void *arg)
{
    struct waits *w = arg;
    const struct cancel_stop stop = {.stopped = flagged, .arg = &w->flag};
    int fd = eventfd(0, EFD_CLOEXEC);
    atomic_fetch_add(&w->begun, 1);
    EXPECT_EQ(graph_cancel_poll(w->cancel, fd, POLLIN, -1, &stop), -1);
    atomic_fetch_add(&w->ended, 1);
    close(fd);
    return NULL;
}

TEST(cancel_wake_ends_only_those_that_must_stop)
{
    struct waits w = {.cancel = graph_cancel_new()};
    struct waits other = {.cancel = w.cancel};
    pthread_t a, b, c;
    EXPECT_EQ(pthread_create(&a, NULL, sleep_thread, &w), 0);
    EXPECT_EQ(pthread_create(&b, NULL, poll_thread, &w), 0);
    EXPECT_EQ(pthread_create(&c, NULL, poll_thread, &other), 0);
    EXPECT_SOON(atomic_load(&w.begun) == 2 && atomic_load(&other.begun) == 1);
    atomic_store(&w.flag, true);
    graph_cancel_wake(w.cancel);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    EXPECT_EQ(atomic_load(&w.ended), 2);
    EXPECT_EQ(atomic_load(&other.ended), 0);
    graph_cancel_set(w.cancel);
    pthread_join(c, NULL);
    graph_cancel_destroy(&w.cancel);
}
