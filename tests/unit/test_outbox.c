/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/outbox.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/wire.h"
#include "tests/harness/harness.h"

static struct outbox_budget budget;
static _Atomic int told;

static void on_ready(void *arg, outbox_t *o)
{
    (void)arg;
    atomic_fetch_add(&told, 1);
    wrk_outbox_drop(&o);
}

static outbox_t *make(uint64_t first, uint64_t window, int64_t bytes)
{
    atomic_store(&budget.used, 0);
    budget.max = bytes;
    atomic_store(&told, 0);
    const struct outbox_conf conf = {.run = id_uuid7(),
                                     .thread = id_uuid7(),
                                     .attempt = 1,
                                     .ms = 7,
                                     .first_seq = first,
                                     .window = window,
                                     .budget = &budget,
                                     .ready = on_ready};
    return wrk_outbox_new(&conf);
}

static bool put(outbox_t *o, int n)
{
    leat_value *v = leat_new_int(n);
    bool ok = wrk_outbox_put(o, "custom", "", leat_view_of(v));
    leat_drop(v);
    return ok;
}

TEST(outbox_numbers_events_and_gives_what_piled_up_as_one_batch)
{
    outbox_t *o = make(5, 100, 1 << 20);
    EXPECT_EQ(wrk_outbox_last(o), 4);
    for (int i = 0; i < 3; i++) {
        EXPECT(put(o, i));
    }
    EXPECT_EQ(wrk_outbox_last(o), 7);
    EXPECT_EQ(told, 1);
    struct outbox_batch b;
    EXPECT(wrk_outbox_next(o, &b));
    EXPECT_EQ(b.seq, 5);
    EXPECT_EQ(b.count, 3);
    EXPECT_EQ(wire_raw_count(b.bytes, b.len), 3);
    const unsigned char *at = b.bytes;
    struct wire_event ev;
    for (int i = 0; i < 3; i++) {
        EXPECT(wire_event_next(&at, (const unsigned char *)b.bytes + b.len,
                               &ev));
        EXPECT_EQ(leat_int(ev.payload, -1), i);
    }
    wrk_outbox_sent(o);
    EXPECT(!wrk_outbox_next(o, &b));
    EXPECT(put(o, 3));
    EXPECT_EQ(told, 2);
    wrk_outbox_drop(&o);
    EXPECT_EQ(budget.used, 0);
}

TEST(outbox_adds_nothing_to_a_batch_that_was_lent)
{
    outbox_t *o = make(1, 100, 1 << 20);
    struct outbox_batch b;
    EXPECT(put(o, 0));
    EXPECT(wrk_outbox_next(o, &b)); /* lent, the send fails: still there */
    EXPECT(put(o, 1));
    EXPECT(wrk_outbox_next(o, &b));
    EXPECT_EQ(b.seq, 1);
    EXPECT_EQ(b.count, 1);
    wrk_outbox_sent(o);
    EXPECT(wrk_outbox_next(o, &b));
    EXPECT_EQ(b.seq, 2);
    wrk_outbox_drop(&o);
}

TEST(outbox_keeps_until_durable_and_sends_again)
{
    outbox_t *o = make(1, 100, 1 << 20);
    struct outbox_batch b;
    for (int i = 0; i < 4; i++) {
        EXPECT(put(o, i));
        EXPECT(wrk_outbox_next(o, &b));
        wrk_outbox_sent(o);
    }
    wrk_outbox_received(o, 4);
    wrk_outbox_durable(o, 2);
    EXPECT_EQ(wrk_outbox_first_kept(o), 3);
    EXPECT(wrk_outbox_rewind(o, 0));
    EXPECT(wrk_outbox_next(o, &b));
    EXPECT_EQ(b.seq, 3);
    EXPECT(wrk_outbox_rewind(o, 4));
    EXPECT(wrk_outbox_next(o, &b));
    EXPECT_EQ(b.seq, 4);
    wrk_outbox_sent(o);
    wrk_outbox_close(o);
    EXPECT(!wrk_outbox_finished(o));
    wrk_outbox_durable(o, 4);
    EXPECT(wrk_outbox_finished(o));
    EXPECT(!wrk_outbox_rewind(o, 0));
    EXPECT_EQ(budget.used, 0);
    wrk_outbox_drop(&o);
}

TEST(outbox_ignores_marks_of_what_was_never_put)
{
    outbox_t *o = make(1, 100, 1 << 20);
    EXPECT(put(o, 0));
    wrk_outbox_received(o, 99);
    wrk_outbox_durable(o, 99);
    EXPECT_EQ(wrk_outbox_first_kept(o), 1);
    wrk_outbox_drop(&o);
}

struct writer {
    outbox_t *o;
    int n;
    _Atomic int done;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < w->n; i++) {
        if (!put(w->o, i)) {
            break;
        }
        atomic_store(&w->done, i + 1);
    }
    return NULL;
}

TEST(outbox_window_brakes_until_the_relay_has_received)
{
    outbox_t *o = make(1, 4, 1 << 20);
    struct writer w = {.o = o, .n = 50};
    pthread_t t;
    EXPECT_EQ(pthread_create(&t, NULL, write_all, &w), 0);
    uint64_t seen = 0;
    while (seen < 50) {
        struct outbox_batch b;
        if (!wrk_outbox_next(o, &b)) {
            continue;
        }
        EXPECT_EQ(b.seq, seen + 1);
        EXPECT(b.count <= 4);
        seen += b.count;
        wrk_outbox_sent(o);
        wrk_outbox_received(o, seen);
    }
    EXPECT_EQ(pthread_join(t, NULL), 0);
    wrk_outbox_drop(&o);
}

static void *await(void *o)
{
    wrk_outbox_await(o);
    return o;
}

TEST(outbox_await_ends_when_all_is_received_or_nothing_is_wanted)
{
    for (int stops = 0; stops < 2; stops++) {
        outbox_t *o = make(5, 100, 1 << 20);
        struct outbox_batch b;
        pthread_t thread;
        wrk_outbox_await(o); /* nothing was put */
        EXPECT(put(o, 1) && put(o, 2));
        EXPECT(wrk_outbox_next(o, &b));
        wrk_outbox_sent(o);
        wrk_outbox_received(o, 5);
        EXPECT_EQ(pthread_create(&thread, NULL, await, o), 0);
        if (stops) {
            wrk_outbox_stop(o);
        } else {
            wrk_outbox_received(o, 6);
        }
        EXPECT_EQ(pthread_join(thread, NULL), 0);
        wrk_outbox_drop(&o);
    }
}

TEST(outbox_stop_frees_a_writer_that_waits)
{
    outbox_t *o = make(1, 2, 1 << 20);
    struct writer w = {.o = o, .n = 10};
    pthread_t t;
    EXPECT_EQ(pthread_create(&t, NULL, write_all, &w), 0);
    while (atomic_load(&w.done) < 2) {
    }
    wrk_outbox_stop(o);
    EXPECT_EQ(pthread_join(t, NULL), 0);
    EXPECT_EQ(w.done, 2);
    EXPECT(!put(o, 1));
    wrk_outbox_drop(&o);
}

TEST(outbox_budget_never_stops_a_run_that_has_nothing_out)
{
    outbox_t *o = make(1, 100, 1);
    atomic_store(&budget.used, 1000); /* of another run */
    EXPECT(put(o, 0));
    struct outbox_batch b;
    EXPECT(wrk_outbox_next(o, &b));
    wrk_outbox_drop(&o);
}
