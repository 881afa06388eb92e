/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/lane.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"

static struct idmap lanes;
static struct brk_lane *lane;

static struct brk_run *put(int64_t due_ms)
{
    static uint64_t order;
    struct id id = id_uuid7();
    struct id thread = id_uuid7();
    struct brk_run *run = brk_run_new(&id, &thread);
    run->due_ms = due_ms;
    run->order = ++order;
    brk_lane_put(lane, run);
    return run;
}

static void drop(struct brk_run *run)
{
    brk_lane_take(lane, run);
    brk_run_destroy(&run);
}

static void start(void)
{
    struct id thread = id_uuid7();
    lane = brk_lane_require(&lanes, &thread);
    EXPECT(brk_lane_require(&lanes, &thread) == lane);
}

TEST(lane_orders_by_due_time_then_creation)
{
    start();
    struct brk_run *late = put(500);
    struct brk_run *one = put(100);
    struct brk_run *two = put(100);
    struct brk_run *first = put(50);
    struct brk_run *want[] = {first, one, two, late};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        EXPECT(brk_lane_head(lane) == want[i]);
        drop(want[i]);
    }
    EXPECT(brk_lane_head(lane) == NULL);
    brk_lane_release(&lanes, lane);
    EXPECT_EQ(lanes.count, 0);
    idmap_fini(&lanes);
}

TEST(lane_leaves_the_turn_to_who_has_it)
{
    start();
    struct brk_run *one = put(100);
    lane->turn = one;
    struct brk_run *earlier = put(1);
    EXPECT(brk_lane_head(lane) == one);
    drop(one);
    EXPECT(brk_lane_head(lane) == earlier);
    drop(earlier);
    brk_lane_release(&lanes, lane);
    idmap_fini(&lanes);
}

TEST(lane_admits_by_strategy_and_limit)
{
    struct err err = ERR_INIT;
    start();
    EXPECT(brk_lane_admit(lane, BRK_REJECT, 1, &err));
    struct brk_run *one = put(1);
    EXPECT(!brk_lane_admit(lane, BRK_REJECT, 9, &err));
    EXPECT_EQ(err.code, ERR_CONFLICT);
    EXPECT(brk_lane_admit(lane, BRK_ENQUEUE, 2, &err));
    EXPECT(!brk_lane_admit(lane, BRK_INTERRUPT, 1, &err));
    EXPECT_EQ(err.code, ERR_LIMIT);
    drop(one);
    lane->deleting = true;
    EXPECT(!brk_lane_admit(lane, BRK_ENQUEUE, 9, &err));
    EXPECT_EQ(err.code, ERR_CONFLICT);
    brk_lane_release(&lanes, lane); /* stays: its thread is being deleted */
    EXPECT_EQ(lanes.count, 1);
    brk_lane_destroy(&lanes, &lane);
    idmap_fini(&lanes);
}

TEST(lane_gives_an_ms_above_all_before)
{
    start();
    EXPECT_EQ(brk_lane_next_ms(lane, 1000), 1000);
    EXPECT_EQ(brk_lane_next_ms(lane, 1000), 1001);
    EXPECT_EQ(brk_lane_next_ms(lane, 900), 1002); /* the clock went back */
    EXPECT_EQ(brk_lane_next_ms(lane, 5000), 5000);
    brk_lane_release(&lanes, lane);
    idmap_fini(&lanes);
}
