/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list per thread, kept in order when a run joins. Most join at the end, so
 * the place is looked for from there.
 */
#include "broker/lane.h"

#include <stdlib.h>

static bool starts_before(const struct brk_run *a, const struct brk_run *b);

struct brk_lane *brk_lane_require(struct idmap *lanes, const struct id *thread)
{
    struct brk_lane *lane = idmap_get(lanes, thread);
    if (lane == NULL) {
        lane = base_zalloc(sizeof *lane);
        lane->magic = BRK_LANE_MAGIC;
        lane->thread = *thread;
        idmap_put(lanes, thread, lane);
    }
    check_magic(lane, BRK_LANE_MAGIC);
    return lane;
}

void brk_lane_release(struct idmap *lanes, struct brk_lane *lane)
{
    check_magic(lane, BRK_LANE_MAGIC);
    if (lane->count == 0 && !lane->deleting) {
        brk_lane_destroy(lanes, &lane);
    }
}

void brk_lane_destroy(struct idmap *lanes, struct brk_lane **p)
{
    struct brk_lane *lane = *p;
    check_magic(lane, BRK_LANE_MAGIC);
    must(lane->count == 0);
    (void)idmap_take(lanes, &lane->thread);
    lane->magic = 0;
    free(lane->askers);
    free(lane);
    *p = NULL;
}

bool brk_lane_ask_deleted(struct brk_lane *lane,
                          const struct brk_lane_asker *asker, struct err *err)
{
    check_magic(lane, BRK_LANE_MAGIC);
    must(lane->deleting);
    for (size_t i = 0; i < lane->asker_count; i++) {
        const struct brk_lane_asker *a = &lane->askers[i];
        if (a->tag == asker->tag && link_route_eq(&a->to, &asker->to)) {
            return true;
        }
    }
    if (lane->asker_count == BRK_LANE_ASKERS_MAX) {
        return err_set(err, ERR_LIMIT, "The thread is being deleted.");
    }
    lane->askers = base_realloc(lane->askers, (lane->asker_count + 1) *
                                                  sizeof *lane->askers);
    lane->askers[lane->asker_count++] = *asker;
    return true;
}

bool brk_lane_admit(const struct brk_lane *lane, enum brk_strategy strategy,
                    size_t max, struct err *err)
{
    check_magic(lane, BRK_LANE_MAGIC);
    if (lane->deleting) {
        return err_set(err, ERR_CONFLICT, "The thread is being deleted.");
    }
    if (strategy == BRK_REJECT && lane->count > 0) {
        return err_set(err, ERR_CONFLICT,
                       "Thread is already running a task. Wait for it to "
                       "finish or choose a different multitask strategy.");
    }
    if (lane->count >= max) {
        return err_set(err, ERR_LIMIT,
                       "%zu runs wait on this thread already (--lane-runs).",
                       lane->count);
    }
    return true;
}

void brk_lane_put(struct brk_lane *lane, struct brk_run *run)
{
    check_magic(lane, BRK_LANE_MAGIC);
    must(run->lane == NULL);
    struct brk_run *before = lane->last;
    while (before != NULL && starts_before(run, before)) {
        before = before->lane_prev;
    }
    run->lane_prev = before;
    run->lane_next = before == NULL ? lane->first : before->lane_next;
    *(before == NULL ? &lane->first : &before->lane_next) = run;
    *(run->lane_next == NULL ? &lane->last : &run->lane_next->lane_prev) = run;
    run->lane = lane;
    lane->count++;
}

void brk_lane_take(struct brk_lane *lane, struct brk_run *run)
{
    check_magic(lane, BRK_LANE_MAGIC);
    must(run->lane == lane && lane->count > 0);
    struct brk_run *prev = run->lane_prev;
    struct brk_run *next = run->lane_next;
    *(prev == NULL ? &lane->first : &prev->lane_next) = next;
    *(next == NULL ? &lane->last : &next->lane_prev) = prev;
    run->lane = NULL;
    run->lane_prev = run->lane_next = NULL;
    lane->count--;
    if (lane->turn == run) {
        lane->turn = NULL;
    }
}

struct brk_run *brk_lane_head(const struct brk_lane *lane)
{
    return lane->turn != NULL ? lane->turn : lane->first;
}

uint64_t brk_lane_next_ms(struct brk_lane *lane, int64_t wall_ms)
{
    check_magic(lane, BRK_LANE_MAGIC);
    must(wall_ms > 0);
    lane->last_ms = max_u64((uint64_t)wall_ms, lane->last_ms + 1);
    return lane->last_ms;
}

static bool starts_before(const struct brk_run *a, const struct brk_run *b)
{
    return a->due_ms < b->due_ms ||
           (a->due_ms == b->due_ms && a->order < b->order);
}
