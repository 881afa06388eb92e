/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/actor.h"

#include <stdatomic.h>

#include "tests/harness/harness.h"

static atomic_int ended;

static void serve(struct brk_actor *self, void *arg)
{
    int *wanted = arg;
    *wanted += 1;
    brk_actor_ready(self);
    while (!brk_actor_asked(self)) {
        zmq_pollitem_t item;
        brk_actor_item(self, &item);
        (void)zmq_poll(&item, 1, -1);
    }
    EXPECT(brk_actor_asked(self)); /* it stays asked */
    atomic_store(&ended, 1);
}

TEST(actor_starts_serves_and_ends)
{
    struct err err = ERR_INIT;
    int value = 41;
    struct brk_actor *a = brk_actor_new("test", serve, &value, &err);
    EXPECT(a != NULL);
    EXPECT_EQ(value, 42);
    EXPECT_EQ(atomic_load(&ended), 0);
    brk_actor_destroy(&a);
    EXPECT(a == NULL);
    EXPECT_EQ(atomic_load(&ended), 1);
    brk_actor_destroy(&a);
}

static void refuse(struct brk_actor *self, void *arg)
{
    struct err err = ERR_INIT;
    (void)arg;
    (void)err_set(&err, ERR_IO, "no socket");
    brk_actor_failed(self, &err);
}

static void vanish(struct brk_actor *self, void *arg)
{
    (void)self;
    (void)arg;
}

TEST(actor_says_why_it_did_not_start)
{
    struct err err = ERR_INIT;
    EXPECT(brk_actor_new("test", refuse, NULL, &err) == NULL);
    EXPECT_EQ(err.code, ERR_IO);
    EXPECT_HAS(err.text, "starting the test: no socket");
    err_clear(&err);
    EXPECT(brk_actor_new("test", vanish, NULL, &err) == NULL);
    EXPECT_EQ(err.code, ERR_INTERNAL);
}
