/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "broker/home.h"
#include "tests/harness/harness.h"

static struct id topic(uint32_t home)
{
    struct id id = {{0}};
    memcpy(id.bytes, &home, sizeof home);
    return id;
}

static struct id run(uint32_t home, uint8_t rest)
{
    struct id id = {{rest}};
    memcpy(id.bytes + 12, &home, sizeof home);
    return id;
}

TEST(homes_know_runs_by_their_end)
{
    struct brk_homes h = {0};
    struct id one = run(1, 7);
    struct id other = run(2, 7);
    struct id home = topic(1);
    EXPECT(!brk_homes_have(&h, &one));
    brk_homes_put(&h, &home, true);
    one.bytes[0] = 8;
    EXPECT(brk_homes_have(&h, &one));
    EXPECT(!brk_homes_have(&h, &other));
    brk_homes_fini(&h);
}

TEST(homes_take_one_out_among_many)
{
    struct brk_homes h = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct id id = topic(i);
        brk_homes_put(&h, &id, true);
        brk_homes_put(&h, &id, true); /* told twice */
    }
    EXPECT_EQ(h.count, 100);
    struct id gone = topic(50);
    struct id its = run(50, 0);
    brk_homes_put(&h, &gone, false);
    brk_homes_put(&h, &gone, false);
    EXPECT(!brk_homes_have(&h, &its));
    for (uint32_t i = 0; i < 100; i++) {
        struct id id = run(i, 9);
        EXPECT_EQ(brk_homes_have(&h, &id), i != 50);
    }
    brk_homes_fini(&h);
}

TEST(homes_are_limited)
{
    struct brk_homes h = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        struct id id = topic(i);
        brk_homes_put(&h, &id, true);
    }
    EXPECT_EQ(h.count, 1024);
    brk_homes_fini(&h);
}
