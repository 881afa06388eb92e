/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/recent.h"

#include <stdlib.h>

#include "tests/harness/harness.h"

static int dropped;

static void drop(struct brk_recent_entry *e)
{
    dropped++;
    free(e);
}

static struct brk_recent_entry *entry(uint8_t n)
{
    struct brk_recent_entry *e = base_zalloc(sizeof *e);
    e->id.bytes[15] = n;
    return e;
}

TEST(recent_forgets_by_time_and_by_number)
{
    struct brk_recent r;
    struct id id = {{0}};
    brk_recent_init(&r, 3, 100, drop);
    for (uint8_t n = 1; n <= 5; n++) {
        brk_recent_put(&r, entry(n), 0);
    }
    EXPECT_EQ(dropped, 2);
    id.bytes[15] = 2;
    EXPECT(brk_recent_get(&r, &id) == NULL);
    id.bytes[15] = 3;
    EXPECT(brk_recent_get(&r, &id) != NULL);
    brk_recent_put(&r, entry(6), 100);
    EXPECT_EQ(dropped, 5);
    EXPECT(brk_recent_get(&r, &id) == NULL);
    brk_recent_fini(&r);
    EXPECT_EQ(dropped, 6);
}

TEST(recent_keeps_the_newer_of_two_with_one_id)
{
    struct brk_recent r;
    brk_recent_init(&r, 10, 100, drop);
    struct brk_recent_entry *second = entry(1);
    struct id id = second->id;
    brk_recent_put(&r, entry(1), 0);
    brk_recent_put(&r, second, 50);
    EXPECT(brk_recent_get(&r, &id) == second);
    brk_recent_put(&r, entry(2), 120); /* the time of the first is over */
    EXPECT_EQ(dropped, 1);
    EXPECT(brk_recent_get(&r, &id) == second);
    brk_recent_fini(&r);
}
