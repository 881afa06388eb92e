/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/ring.h"

#include <string.h>

#include "tests/harness/harness.h"

static void put(ring_t *r, struct ring_log *log, uint32_t count, size_t size)
{
    zmq_msg_t m;
    EXPECT_EQ(zmq_msg_init_size(&m, size), 0);
    memset(zmq_msg_data(&m), (int)count, size);
    brk_ring_put(r, log, count, &m);
    zmq_msg_close(&m);
}

static struct ring_log *make(ring_t *r)
{
    struct id run = id_uuid7();
    struct id thread = id_uuid7();
    return brk_ring_require(r, &run, &thread);
}

TEST(ring_finds_the_chunk_that_holds_a_sequence)
{
    ring_t *r = brk_ring_new(1 << 20);
    struct ring_log *log = make(r);
    EXPECT(brk_ring_find(log, 1) == NULL);
    EXPECT_EQ(brk_ring_first(log), 1);
    put(r, log, 3, 10);
    put(r, log, 2, 10);
    EXPECT_EQ(log->next, 6);
    EXPECT_EQ(brk_ring_find(log, 1)->seq, 1);
    EXPECT_EQ(brk_ring_find(log, 3)->seq, 1);
    EXPECT_EQ(brk_ring_find(log, 4)->seq, 4);
    EXPECT(brk_ring_find(log, 6) == NULL);
    EXPECT(brk_ring_get(r, &log->run) == log);
    brk_ring_destroy(&r);
    EXPECT(r == NULL);
}

TEST(ring_drops_ended_logs_first_oldest_end_first)
{
    ring_t *r = brk_ring_new(40000);
    struct ring_log *live = make(r);
    struct ring_log *a = make(r);
    struct ring_log *b = make(r);
    struct id first = a->run;
    struct id second = b->run;
    put(r, live, 1, 10000);
    put(r, a, 1, 10000);
    put(r, b, 1, 10000);
    brk_ring_ended(r, b, 100);
    brk_ring_ended(r, a, 200);
    put(r, live, 1, 10000);
    EXPECT(brk_ring_get(r, &second) == NULL);
    EXPECT(brk_ring_get(r, &first) == a);
    EXPECT_EQ(brk_ring_first(live), 1);
    EXPECT(brk_ring_bytes(r) <= 40000);
    brk_ring_destroy(&r);
}

TEST(ring_keeps_an_ended_log_that_is_on_its_way_to_the_store)
{
    ring_t *r = brk_ring_new(20000);
    struct ring_log *log = make(r);
    struct ring_log *live = make(r);
    struct id run = log->run;
    log->stored = true;
    put(r, log, 4, 10000);
    brk_ring_ended(r, log, 100);
    put(r, live, 1, 15000);
    EXPECT(brk_ring_get(r, &run) == log);
    log->durable = 4;
    put(r, live, 1, 10);
    EXPECT(brk_ring_get(r, &run) == NULL);
    brk_ring_destroy(&r);
}

TEST(ring_drops_stored_chunks_of_live_logs_before_others)
{
    ring_t *r = brk_ring_new(30000);
    struct ring_log *plain = make(r);
    struct ring_log *stored = make(r);
    stored->stored = true;
    put(r, plain, 1, 8000);
    put(r, plain, 1, 10);
    put(r, stored, 1, 8000);
    put(r, stored, 1, 8000);
    stored->durable = 1;
    put(r, stored, 1, 8000);
    EXPECT_EQ(brk_ring_first(plain), 1);
    EXPECT_EQ(brk_ring_first(stored), 2);
    put(r, stored, 1, 10000); /* nothing stored is left to drop */
    EXPECT_EQ(brk_ring_first(plain), 2);
    brk_ring_destroy(&r);
}

TEST(ring_expires_in_the_order_of_ends)
{
    ring_t *r = brk_ring_new(1 << 20);
    struct ring_log *a = make(r);
    struct ring_log *b = make(r);
    brk_ring_ended(r, a, 100);
    brk_ring_ended(r, b, 200);
    EXPECT_EQ(brk_ring_expire(r, 99), 100);
    EXPECT_EQ(brk_ring_count(r), 2);
    EXPECT_EQ(brk_ring_expire(r, 100), 200);
    EXPECT_EQ(brk_ring_count(r), 1);
    EXPECT_EQ(brk_ring_expire(r, 500), -1);
    EXPECT_EQ(brk_ring_bytes(r), 0);
    brk_ring_destroy(&r);
}

TEST(ring_holds_many_logs)
{
    ring_t *r = brk_ring_new(64 << 20);
    struct id runs[5000];
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        struct ring_log *log = make(r);
        runs[i] = log->run;
        put(r, log, 1, 50);
    }
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        EXPECT(brk_ring_get(r, &runs[i]) != NULL);
    }
    brk_ring_destroy(&r);
}
