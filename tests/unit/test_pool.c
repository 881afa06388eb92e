/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks side by side, in order while they only compute, nested, limited. */
#include "worker/graph/pool.h"

#include "tests/harness/harness.h"

#include <pthread.h>
#include <stdatomic.h>

struct order {
    size_t seen[64];
    size_t count;
    pthread_t thread;
};

static void note(void *arg, size_t i)
{
    struct order *o = arg;
    EXPECT(pthread_equal(o->thread, pthread_self()));
    o->seen[o->count++] = i;
}

TEST(pool_one_runs_here)
{
    struct order o = {.thread = pthread_self()};
    graph_pool_run(note, &o, 1);
    graph_pool_run(note, &o, 0);
    EXPECT_EQ(o.count, 1);
    EXPECT_EQ(graph_pool_threads(), 0);
}

static size_t pick_last(size_t left)
{
    return left - 1;
}

TEST(pool_order_is_the_tests_own)
{
    struct order o = {.thread = pthread_self()};
    graph_pool_alone(true);
    graph_pool_pick(pick_last);
    graph_pool_run(note, &o, 3);
    graph_pool_pick(NULL);
    graph_pool_alone(false);
    EXPECT_EQ(o.count, 3);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_EQ(o.seen[i], 2 - i);
    }
}

struct meeting {
    pthread_barrier_t all;
    atomic_int ran;
};

static void meet(void *arg, size_t i)
{
    struct meeting *m = arg;
    (void)i;
    atomic_fetch_add(&m->ran, 1);
    graph_pool_waiting();
    pthread_barrier_wait(&m->all);
}

static void expect_meeting(unsigned n)
{
    struct meeting m;
    atomic_init(&m.ran, 0);
    EXPECT_EQ(pthread_barrier_init(&m.all, NULL, n), 0);
    graph_pool_run(meet, &m, n);
    EXPECT_EQ(atomic_load(&m.ran), (int)n);
    pthread_barrier_destroy(&m.all);
}

TEST(pool_waiting_tasks_all_run_at_once)
{
    expect_meeting(2);
    expect_meeting(40);
    EXPECT(graph_pool_threads() <= 41);
    graph_pool_stop();
    EXPECT_EQ(graph_pool_threads(), 0);
    expect_meeting(3); /* and again after a stop */
    graph_pool_stop();
}

/* Blocks without saying so: helped after a while all the same. */
static void meet_silently(void *arg, size_t i)
{
    struct meeting *m = arg;
    (void)i;
    pthread_barrier_wait(&m->all);
}

TEST(pool_helps_tasks_that_block_silently)
{
    struct meeting m;
    EXPECT_EQ(pthread_barrier_init(&m.all, NULL, 8), 0);
    graph_pool_run(meet_silently, &m, 8);
    pthread_barrier_destroy(&m.all);
    graph_pool_stop();
}

static void nest(void *arg, size_t i)
{
    (void)i;
    graph_pool_run(meet, arg, 4);
}

TEST(pool_nested_batches)
{
    struct meeting m;
    atomic_init(&m.ran, 0);
    EXPECT_EQ(pthread_barrier_init(&m.all, NULL, 16), 0);
    graph_pool_run(nest, &m, 4);
    EXPECT_EQ(atomic_load(&m.ran), 16);
    pthread_barrier_destroy(&m.all);
    graph_pool_stop();
}

static void count_one(void *arg, size_t i)
{
    (void)i;
    atomic_fetch_add((atomic_int *)arg, 1);
    graph_pool_waiting();
}

static void *many_batches(void *arg)
{
    for (int i = 0; i < 200; i++) {
        graph_pool_run(count_one, arg, 7);
    }
    return NULL;
}

TEST(pool_many_callers_within_the_limit)
{
    pthread_t threads[4];
    atomic_int ran;
    atomic_init(&ran, 0);
    graph_pool_limit(3);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, many_batches, &ran), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        EXPECT(graph_pool_threads() <= 3);
    }
    EXPECT_EQ(atomic_load(&ran), 4 * 200 * 7);
    graph_pool_stop();
}
