/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "broker/home.h"
#include "tests/harness/harness.h"

static struct id thread(uint32_t home, uint8_t rest)
{
    struct id id = {{0}};
    memcpy(id.bytes, &home, sizeof home);
    id.bytes[15] = rest;
    return id;
}

TEST(homes_know_threads_by_their_beginning)
{
    struct brk_homes h = {0};
    struct id one = thread(1, 7);
    struct id other = thread(2, 7);
    EXPECT(!brk_homes_have(&h, &one));
    brk_homes_put(&h, &one, true);
    one.bytes[15] = 8;
    EXPECT(brk_homes_have(&h, &one));
    EXPECT(!brk_homes_have(&h, &other));
    brk_homes_fini(&h);
}

TEST(homes_take_one_out_among_many)
{
    struct brk_homes h = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct id id = thread(i, 0);
        brk_homes_put(&h, &id, true);
        brk_homes_put(&h, &id, true); /* told twice */
    }
    EXPECT_EQ(h.count, 100);
    struct id gone = thread(50, 0);
    brk_homes_put(&h, &gone, false);
    brk_homes_put(&h, &gone, false);
    EXPECT(!brk_homes_have(&h, &gone));
    for (uint32_t i = 0; i < 100; i++) {
        struct id id = thread(i, 9);
        EXPECT_EQ(brk_homes_have(&h, &id), i != 50);
    }
    brk_homes_fini(&h);
}

TEST(homes_are_limited)
{
    struct brk_homes h = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        struct id id = thread(i, 0);
        brk_homes_put(&h, &id, true);
    }
    EXPECT_EQ(h.count, 1024);
    brk_homes_fini(&h);
}
