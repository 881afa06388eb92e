/* SPDX-License-Identifier: Apache-2.0 */
/* The life of runs on their lanes, played to the core with a told clock. */
#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"
#include "tests/unit/core_rig.h"

static struct core_rig r;

/* A gateway, and a worker with so many slots for graph "g". */
static void start(int slots)
{
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    if (slots > 0) {
        crig_worker(&r, 1, slots, "g");
    }
    crig_skip(&r);
}

TEST(core_takes_a_stored_run_from_submit_to_end)
{
    start(1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "store INSERT run=1 thread=1");
    crig_expect(&r, "store START run=1 thread=1 attempt=1");
    crig_expect(&r, "relay FENCE run=1 attempt=1");
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=pending");
    crig_expect(&r, "w1 RUN_START run=1 attempt=1 seq=1 last=0");
    EXPECT_STR(crig_state(&r, 1), "running");
    crig_from_worker(&r, 1, WIRE_RUN_STARTED, 1, 1, NULL);
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "relay ENDED run=1 attempt=1 seq=5");
    crig_expect(&r, "store FINISH run=1 thread=1 attempt=1 failures=0 "
                    "status=success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success seq=5");
    crig_expect(&r, "w1 RUN_KEPT run=1 attempt=1");
    EXPECT_STR(crig_state(&r, 1), "gone");
    EXPECT_EQ(brk_core_count(r.core).lanes, 0);
    crig_fini(&r);
}

/* The last events may be slower than the news of the end. */
TEST(core_ends_a_run_when_its_events_are_here)
{
    start(1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    r.slow_relay = true;
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "relay ENDED run=1 attempt=1 seq=5");
    crig_done(&r, 1, 1, 1, "success"); /* a repeat */
    crig_expect_no(&r, "relay ENDED");
    crig_expect_no(&r, "store FINISH");
    crig_expect_no(&r, "w1 RUN_KEPT");
    crig_relay_answers(&r);
    crig_expect(&r, "store FINISH run=1");
    crig_expect(&r, "w1 RUN_KEPT run=1");
    crig_fini(&r);
}

TEST(core_runs_again_what_ended_without_its_events)
{
    start(2);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=1 attempt=1");
    crig_worker(&r, 2, 2, "g");
    r.slow_relay = true;
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "relay ENDED run=1 attempt=1");
    struct link_route route = crig_route('w', 1);
    brk_core_on_gone(r.core, false, &route);
    crig_pass(&r, 600);
    crig_expect(&r, "relay FENCE run=1 attempt=2");
    crig_relay_answers(&r); /* what it says of the first comes too late */
    crig_expect(&r, "store START run=1 thread=1 attempt=2 failures=0");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2");
    crig_expect_no(&r, "store FINISH");
    crig_fini(&r);
}

TEST(core_waits_for_the_events_of_what_is_handed_back)
{
    start(2);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=1 attempt=1");
    crig_worker(&r, 2, 2, "g");
    r.slow_relay = true;
    crig_from_worker(&r, 1, WIRE_RUN_YIELD, 1, 1,
                     leat_pack("{s:s}", "why", "drain"));
    crig_expect(&r, "relay REACH run=1 attempt=1");
    crig_expect_no(&r, "store REQUEUE");
    crig_relay_answers(&r);
    crig_expect(&r, "store REQUEUE run=1");
    crig_expect(&r, "relay FENCE run=1 attempt=2");
    crig_fini(&r);
}

/* A submit of a run that the last broker has ended: its log stays. */
TEST(core_leaves_the_log_of_what_had_ended)
{
    start(1);
    r.existed = "success";
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "relay FENCE run=1 attempt=1");
    crig_expect(&r, "relay UNFENCE run=1");
    r.seen = 0;
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    r.seen = 0;
    crig_expect_no(&r, "relay FORGET");
    crig_expect_no(&r, "w1 RUN_START");
    crig_fini(&r);
}

/* A copy of its submit was under way: its client knows that it failed. */
TEST(core_refuses_what_it_has_refused)
{
    start(1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    struct crig_submit second = {.run = 2, .thread = 1, .strategy = "reject"};
    crig_submit(&r, 1, second);
    crig_expect(&r, "g1 REFUSED run=2 code=conflict");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "g1 RUN_ENDED run=1");
    crig_submit(&r, 1, second);
    crig_expect(&r, "g1 REFUSED run=2");
    crig_expect_no(&r, "w1 RUN_START run=2");
    crig_fini(&r);
}

TEST(core_keeps_a_stateless_run_out_of_the_store)
{
    start(1);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .stateless = true});
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=pending");
    crig_expect(&r, "w1 RUN_START run=1 attempt=1 seq=1");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    r.seen = 0;
    crig_expect_no(&r, "store");
    crig_fini(&r);
}

TEST(core_says_nothing_before_the_commit)
{
    start(1);
    r.slow_ledger = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "store START");
    crig_expect_no(&r, "g1 RUN_ACCEPTED");
    crig_expect_no(&r, "w1 RUN_START");
    crig_ledger_answers(&r);
    crig_expect(&r, "g1 RUN_ACCEPTED");
    crig_expect(&r, "w1 RUN_START");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "store FINISH");
    crig_expect_no(&r, "g1 RUN_ENDED");
    crig_expect_no(&r, "w1 RUN_KEPT");
    crig_ledger_answers(&r);
    crig_expect(&r, "g1 RUN_ENDED");
    crig_fini(&r);
}

TEST(core_starts_no_run_before_its_fence_stands)
{
    start(1);
    r.refuse = ERR_STORE;
    r.refuse_op = BRK_OP_START;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    r.refuse = ERR_NONE;
    r.slow_relay = true;
    crig_pass(&r, 600);
    crig_expect(&r, "relay FENCE run=1 attempt=2");
    crig_expect_no(&r, "w1 RUN_START");
    crig_relay_answers(&r);
    crig_expect(&r, "w1 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

/* Nobody can have written to the log of a first attempt. */
TEST(core_starts_a_first_attempt_without_waiting_for_the_relay)
{
    start(1);
    r.slow_relay = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "relay FENCE run=1 attempt=1");
    crig_expect(&r, "w1 RUN_START run=1 attempt=1 seq=1");
    crig_fini(&r);
}

TEST(core_enqueues_in_order)
{
    start(4);
    for (int i = 1; i <= 3; i++) {
        crig_submit(&r, 1, (struct crig_submit){.run = i, .thread = 1});
    }
    crig_expect(&r, "w1 RUN_START run=1");
    crig_expect_no(&r, "w1 RUN_START");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "w1 RUN_START run=2");
    crig_done(&r, 1, 2, 1, "error");
    crig_expect(&r, "w1 RUN_START run=3");
    crig_fini(&r);
}

TEST(core_rejects_where_a_run_is_under_way)
{
    start(4);
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 1, .thread = 1, .strategy = "reject"});
    crig_expect(&r, "g1 RUN_ACCEPTED run=1");
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 2, .thread = 1, .strategy = "reject"});
    crig_expect(&r, "g1 REFUSED run=2 code=conflict "
                    "text=Thread is already running a task.");
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 3, .thread = 2, .strategy = "reject"});
    crig_expect(&r, "g1 RUN_ACCEPTED run=3");
    crig_done(&r, 1, 1, 1, "success");
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 4, .thread = 1, .strategy = "reject"});
    crig_expect(&r, "g1 RUN_ACCEPTED run=4");
    crig_fini(&r);
}

TEST(core_rejects_beside_a_delayed_run)
{
    start(4);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .after_ms = 60000});
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 2, .thread = 1, .strategy = "reject"});
    crig_expect(&r, "g1 REFUSED run=2 code=conflict");
    crig_fini(&r);
}

TEST(core_interrupts_and_waits_until_the_old_run_has_stopped)
{
    start(4);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 1});
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 3, .thread = 1, .strategy = "interrupt"});
    crig_expect(&r, "g1 RUN_ACCEPTED run=3");
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=interrupt");
    crig_expect(&r, "g1 RUN_ENDED run=2 status=interrupted");
    crig_expect_no(&r, "w1 RUN_START");
    crig_done(&r, 1, 1, 1, "interrupted");
    crig_expect(&r, "store FINISH run=1");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=interrupted");
    crig_expect(&r, "w1 RUN_START run=3 attempt=1");
    crig_fini(&r);
}

TEST(core_rolls_back_before_the_new_run_starts)
{
    start(4);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_submit(
        &r, 1,
        (struct crig_submit){.run = 2, .thread = 1, .strategy = "rollback"});
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=rollback");
    r.slow_ledger = true;
    crig_done(&r, 1, 1, 1, "interrupted");
    crig_expect(&r, "store ROLLBACK run=1");
    crig_expect_no(&r, "store START run=2");
    r.slow_ledger = false;
    crig_ledger_answers(&r);
    crig_turn(&r, 1);
    crig_expect(&r, "g1 RUN_ENDED run=1 status=deleted");
    crig_expect(&r, "w1 RUN_START run=2");
    crig_fini(&r);
}

/* A rollback is promised: that the run was faster changes nothing. */
TEST(core_rolls_back_a_run_that_ended_meanwhile)
{
    start(4);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_cancel(&r, 1, 1, "rollback");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "store ROLLBACK run=1");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=deleted");
    crig_expect(&r, "relay FORGET run=1");
    crig_fini(&r);
}

TEST(core_cancels_a_pending_run_at_once)
{
    start(0);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_cancel(&r, 1, 1, "interrupt");
    crig_expect(&r, "store CANCEL run=1");
    crig_expect(&r, "relay CLOSE run=1 attempt=1 seq=0 count=1");
    /* The answer comes when the end is written: a read right after shows it. */
    crig_expect(&r, "g1 RUN_ENDED run=1 status=interrupted seq=1");
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=interrupted");
    crig_cancel(&r, 1, 1, "interrupt");
    crig_expect(&r, "g1 REFUSED run=1 code=conflict");
    crig_cancel(&r, 1, 2, "interrupt");
    crig_expect(&r, "g1 REFUSED run=2 code=not_found");
    crig_fini(&r);
}

TEST(core_cancels_between_the_decision_and_the_start)
{
    start(1);
    r.slow_ledger = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_cancel(&r, 1, 1, "rollback");
    r.slow_ledger = false;
    crig_ledger_answers(&r);
    crig_turn(&r, 1);
    crig_expect(&r, "store ROLLBACK run=1");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=deleted");
    r.seen = 0;
    crig_expect_no(&r, "w1 RUN_START");
    EXPECT_EQ(brk_core_count(r.core).busy, 0);
    crig_fini(&r);
}

TEST(core_delays_a_run_and_lets_others_by)
{
    start(1);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .after_ms = 2000});
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=2");
    crig_done(&r, 1, 2, 1, "success");
    crig_pass(&r, 1950);
    crig_expect_no(&r, "w1 RUN_START run=1");
    crig_pass(&r, 100);
    crig_expect(&r, "w1 RUN_START run=1");
    crig_fini(&r);
}

TEST(core_does_not_wait_for_a_reader_that_listens_to_all)
{
    start(2);
    crig_home(&r, 1, true);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .watched = true});
    crig_expect(&r, "w1 RUN_START run=1");
    crig_done(&r, 1, 1, 1, "success");
    crig_home(&r, 1, false);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 2, .thread = 1, .watched = true});
    crig_expect_no(&r, "w1 RUN_START run=2");
    crig_fini(&r);
}

TEST(core_waits_for_the_reader_but_not_long)
{
    start(2);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .watched = true});
    crig_submit(&r, 1,
                (struct crig_submit){.run = 2, .thread = 2, .watched = true});
    crig_expect_no(&r, "w1 RUN_START");
    crig_subscribed(&r, 2);
    crig_expect(&r, "w1 RUN_START run=2");
    crig_pass(&r, 100);
    crig_expect(&r, "w1 RUN_START run=1");
    crig_subscribed(&r, 3); /* before its submit */
    crig_done(&r, 1, 1, 1, "success");
    crig_submit(&r, 1,
                (struct crig_submit){.run = 3, .thread = 3, .watched = true});
    crig_expect(&r, "w1 RUN_START run=3");
    crig_fini(&r);
}

TEST(core_takes_a_repeated_submit_for_the_same)
{
    start(1);
    r.slow_ledger = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_ledger_answers(&r);
    crig_expect(&r, "g1 RUN_ACCEPTED run=1");
    crig_expect_no(&r, "g1 RUN_ACCEPTED");
    r.slow_ledger = false;
    crig_turn(&r, 1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=running");
    crig_done(&r, 1, 1, 1, "success");
    crig_skip(&r);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success seq=5");
    crig_expect_no(&r, "store");
    crig_fini(&r);
}

TEST(core_does_not_run_again_what_the_store_knows_as_ended)
{
    start(1);
    r.existed = "success";
    r.slow_relay = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "g1 RUN_ACCEPTED run=1 status=success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    crig_relay_answers(&r);
    r.seen = 0;
    crig_expect_no(&r, "w1 RUN_START");
    EXPECT_EQ(brk_core_count(r.core).busy, 0);
    crig_fini(&r);
}

TEST(core_refuses_what_the_store_refuses)
{
    start(1);
    r.refuse = ERR_STORE_FULL;
    r.refuse_op = BRK_OP_INSERT;
    r.slow_relay = true;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "g1 REFUSED run=1 code=store_full");
    crig_expect(&r, "relay FORGET run=1");
    EXPECT_STR(crig_state(&r, 1), "gone");
    r.refuse = ERR_NONE;
    r.slow_relay = false;
    crig_relay_answers(&r);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=1");
    crig_fini(&r);
}

TEST(core_tries_a_refused_start_again)
{
    start(1);
    r.refuse = ERR_STORE;
    r.refuse_op = BRK_OP_START;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    EXPECT_STR(crig_state(&r, 1), "pending");
    crig_expect_no(&r, "w1 RUN_START");
    r.refuse = ERR_NONE;
    crig_pass(&r, 600);
    crig_expect(&r, "w1 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

/* Ids grow along a thread, whatever clock its earlier runs had. */
TEST(core_goes_on_from_the_last_ms_of_the_thread)
{
    start(1);
    r.thread_last_ms = (uint64_t)r.now.wall_ms + 5000;
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

TEST(core_never_starts_a_forgotten_run)
{
    start(0);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_from_gateway(&r, 1, WIRE_RUN_FORGET, 1, 0, NULL);
    crig_expect(&r, "store ROLLBACK run=1");
    EXPECT_STR(crig_state(&r, 1), "gone");
    crig_from_gateway(&r, 1, WIRE_RUN_FORGET, 2, 0, NULL);
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 1});
    crig_expect(&r, "g1 REFUSED run=2 code=cancelled");
    crig_fini(&r);
}

TEST(core_deletes_a_thread_when_its_runs_have_stopped)
{
    start(2);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 1});
    crig_from_gateway(&r, 1, WIRE_THREAD_DELETE, 0, 1, NULL);
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=rollback");
    crig_expect(&r, "g1 RUN_ENDED run=2 status=deleted");
    crig_expect_no(&r, "store THREAD_DELETE");
    crig_submit(&r, 1, (struct crig_submit){.run = 3, .thread = 1});
    crig_expect(&r, "g1 REFUSED run=3 code=conflict");
    crig_done(&r, 1, 1, 1, "interrupted");
    crig_expect(&r, "store THREAD_DELETE run=0 thread=1");
    crig_expect(&r, "g1 DONE");
    EXPECT_EQ(brk_core_count(r.core).lanes, 0);
    crig_from_gateway(&r, 1, WIRE_THREAD_DELETE, 0, 9, NULL);
    crig_expect(&r, "store THREAD_DELETE run=0 thread=9");
    crig_expect(&r, "g1 DONE");
    crig_fini(&r);
}

TEST(core_deletes_a_temporary_thread_with_its_run)
{
    start(1);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .temporary = true});
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "store FINISH run=1");
    crig_expect(&r, "store THREAD_DELETE run=0 thread=1");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    crig_expect(&r, "relay FORGET run=1");
    crig_fini(&r);
}

static void expect_why(int run, const char *begin)
{
    char line[160];
    crig_from_gateway(&r, 1, WIRE_RUN_WATCH, run, 0, NULL);
    (void)snprintf(line, sizeof line,
                   "g1 RUN_STATE run=%d status=pending why=%s", run, begin);
    crig_expect(&r, line);
}

TEST(core_tells_why_a_run_is_pending)
{
    start(0);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    expect_why(1, "no worker serves graph g");
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 1});
    expect_why(2, "thread busy with run aa000000");
    crig_submit(&r, 1,
                (struct crig_submit){.run = 3, .thread = 3, .after_ms = 500});
    expect_why(3, "delayed for another 500 ms");
    crig_submit(&r, 1,
                (struct crig_submit){.run = 4, .thread = 4, .watched = true});
    expect_why(4, "waiting for its reader");
    crig_worker(&r, 1, 1, "g");
    crig_pass(&r, 200);
    expect_why(4, "no free slot on the 1 workers of graph g");
    crig_from_gateway(&r, 1, WIRE_RUN_WATCH, 1, 0, NULL);
    crig_expect(&r, "g1 RUN_STATE run=1 status=running why=-");
    crig_from_gateway(&r, 1, WIRE_RUN_WATCH, 8, 0, NULL);
    crig_expect(&r, "g1 REFUSED run=8 code=not_found");
    crig_fini(&r);
}

TEST(core_tells_watchers_and_no_others)
{
    start(1);
    crig_gateway(&r, 2);
    crig_gateway(&r, 3);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_from_gateway(&r, 2, WIRE_RUN_WATCH, 1, 0, NULL);
    crig_from_gateway(&r, 1, WIRE_RUN_UNWATCH, 1, 0, NULL);
    crig_skip(&r);
    crig_done(&r, 1, 1, 1, "success");
    crig_expect_no(&r, "g1 RUN_ENDED");
    crig_expect_no(&r, "g3 RUN_ENDED");
    crig_expect(&r, "g2 RUN_ENDED run=1 status=success");
    crig_from_gateway(&r, 3, WIRE_RUN_WATCH, 1, 0, NULL);
    crig_expect(&r, "g3 RUN_ENDED run=1 status=success");
    crig_fini(&r);
}

TEST(core_gives_the_oldest_run_first_across_graphs)
{
    start(0);
    crig_submit(&r, 1,
                (struct crig_submit){.run = 1, .thread = 1, .graph = "a"});
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 2});
    crig_submit(&r, 1, (struct crig_submit){.run = 3, .thread = 3});
    crig_worker(&r, 1, 1, "g");
    crig_expect(&r, "w1 RUN_START run=2");
    crig_worker(&r, 2, 2, "a");
    crig_expect(&r, "w2 RUN_START run=1");
    crig_done(&r, 1, 2, 1, "success");
    crig_expect(&r, "w1 RUN_START run=3");
    crig_fini(&r);
}

TEST(core_ends_a_run_that_takes_too_long)
{
    crig_init(&r);
    r.conf.run_timeout_ms = 3000;
    crig_start(&r);
    crig_gateway(&r, 1);
    crig_worker(&r, 1, 1, "g");
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_pass(&r, 2950);
    crig_skip(&r);
    crig_pass(&r, 100);
    crig_expect(&r, "relay CLOSE run=1 attempt=2 seq=0 count=2");
    crig_expect(&r, "store FINISH run=1 thread=1 attempt=0 failures=0 "
                    "status=error");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=error");
    r.seen = 0;
    crig_expect(&r, "w1 RUN_STOP run=1 attempt=1");
    crig_fini(&r);
}

TEST(core_bounds_a_lane)
{
    crig_init(&r);
    r.conf.lane_runs = 2;
    crig_start(&r);
    crig_gateway(&r, 1);
    for (int i = 1; i <= 3; i++) {
        crig_submit(&r, 1, (struct crig_submit){.run = i, .thread = 1});
    }
    crig_expect(&r, "g1 REFUSED run=3 code=limit");
    crig_fini(&r);
}

TEST(core_takes_nothing_new_while_it_drains)
{
    start(1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    brk_core_drain(r.core);
    crig_skip(&r);
    crig_submit(&r, 1, (struct crig_submit){.run = 2, .thread = 2});
    crig_expect_no(&r, "g1"); /* no answer: it asks the next broker */
    EXPECT_STR(crig_state(&r, 2), "gone");
    crig_fini(&r);
}
