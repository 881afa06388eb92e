/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that fall silent, leave, come back or lie; a broker that restarts. */
#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"
#include "tests/unit/core_rig.h"

static struct core_rig r;

static void start(void)
{
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    crig_worker(&r, 1, 2, "g");
    crig_skip(&r);
}

static void submit(int run, int thread)
{
    crig_submit(&r, 1, (struct crig_submit){.run = run, .thread = thread});
}

static void busy(int worker, int run)
{
    struct id id = crig_run(run);
    crig_from_worker(&r, worker, WIRE_RUN_BUSY, 0, 0,
                     run == 0 ? leat_pack("{s:[]}", "runs")
                              : leat_pack("{s:[s]}", "runs", ID_TEXT(&id)));
}

static void gone(int worker)
{
    struct link_route route = crig_route('w', worker);
    brk_core_on_gone(r.core, false, &route);
}

TEST(core_asks_who_a_stranger_is)
{
    start();
    crig_from_gateway(&r, 9, WIRE_RUN_WATCH, 1, 0, NULL);
    crig_expect(&r, "g9 WHO");
    crig_from_worker(&r, 9, WIRE_HEARTBEAT, 0, 0, NULL);
    crig_expect(&r, "w9 WHO");
    crig_from_worker(&r, 9, WIRE_PING, 0, 0, NULL);
    crig_expect(&r, "w9 PONG");
    crig_fini(&r);
}

TEST(core_does_not_act_on_an_older_epoch)
{
    start();
    struct link_in in;
    link_in_init(&in);
    in.from = crig_route('g', 1);
    in.head = (struct wire_head){.type = WIRE_RUN_WATCH, .epoch = 6};
    brk_core_begin(r.core, r.now);
    brk_core_on_gateway(r.core, &in);
    struct brk_out out;
    EXPECT(brk_core_take_out(r.core, &out));
    EXPECT_EQ(out.head.type, WIRE_WHO);
    EXPECT_EQ(out.head.epoch, 7);
    EXPECT(!brk_core_take_out(r.core, &out));
    crig_fini(&r);
}

TEST(core_moves_runs_of_a_silent_worker)
{
    start();
    submit(1, 1);
    crig_worker(&r, 2, 2, "g");
    crig_skip(&r);
    for (int i = 0; i < 10; i++) { /* only worker 2 gives a sign of life */
        crig_from_worker(&r, 2, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 490);
    }
    crig_expect_no(&r, "w2 RUN_START");
    crig_from_worker(&r, 2, WIRE_HEARTBEAT, 0, 0, NULL);
    crig_pass(&r, 200);
    crig_expect(&r, "relay FENCE run=1 attempt=2");
    crig_expect(&r, "store START run=1 thread=1 attempt=2 failures=1");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

TEST(core_goes_on_with_the_sequence_of_the_log)
{
    start();
    submit(1, 1);
    r.log_last[1] = 17;
    gone(1);
    crig_pass(&r, 600);
    crig_worker(&r, 2, 2, "g");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2 seq=18");
    crig_fini(&r);
}

/* A broker that was stopped itself has no right to call others silent. */
TEST(core_does_not_count_its_own_sleep_against_leases)
{
    start();
    submit(1, 1);
    crig_turn(&r, 60000);
    crig_turn(&r, 50);
    EXPECT_STR(crig_state(&r, 1), "running");
    EXPECT_EQ(brk_core_count(r.core).workers, 1);
    crig_fini(&r);
}

TEST(core_moves_runs_soon_after_a_lost_connection)
{
    start();
    submit(1, 1);
    crig_worker(&r, 2, 2, "g");
    gone(1);
    crig_skip(&r);
    crig_pass(&r, 450);
    crig_expect_no(&r, "w2 RUN_START");
    crig_pass(&r, 150);
    crig_expect(&r, "w2 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

TEST(core_leaves_runs_to_a_worker_that_reconnects)
{
    start();
    submit(1, 1);
    gone(1);
    crig_pass(&r, 200);
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_pass(&r, 1000);
    EXPECT_STR(crig_state(&r, 1), "running");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    crig_fini(&r);
}

TEST(core_takes_a_lost_worker_back_while_nobody_else_began)
{
    start();
    submit(1, 1);
    gone(1);
    crig_pass(&r, 600);
    EXPECT_STR(crig_state(&r, 1), "pending");
    crig_skip(&r);
    crig_worker_holding(&r, 1, 1, 1, 1);
    EXPECT_STR(crig_state(&r, 1), "running");
    crig_expect(&r, "relay FENCE run=1 attempt=1 seq=3");
    crig_expect_no(&r, "w1 RUN_STOP");
    gone(1);
    crig_pass(&r, 600);
    crig_worker(&r, 2, 1, "g");
    crig_expect(&r, "store START run=1 thread=1 attempt=2 failures=1");
    crig_fini(&r);
}

TEST(core_stops_a_worker_that_comes_too_late)
{
    start();
    submit(1, 1);
    crig_worker(&r, 2, 2, "g");
    gone(1);
    crig_pass(&r, 600);
    crig_expect(&r, "w2 RUN_START run=1 attempt=2");
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_expect(&r, "w1 RUN_STOP run=1 attempt=1");
    crig_skip(&r);
    crig_done(&r, 1, 1, 1, "success"); /* its result does not count */
    crig_expect(&r, "w1 RUN_KEPT run=1 attempt=1");
    crig_expect_no(&r, "store");
    EXPECT_STR(crig_state(&r, 1), "running");
    crig_fini(&r);
}

TEST(core_counts_only_runs_that_executed)
{
    start();
    submit(1, 1);
    submit(2, 2);
    crig_from_worker(&r, 1, WIRE_RUN_STARTED, 1, 1, NULL);
    crig_from_worker(&r, 1, WIRE_RUN_STARTED, 2, 1, NULL);
    busy(1, 2);
    gone(1);
    crig_pass(&r, 600);
    crig_skip(&r);
    crig_worker(&r, 2, 2, "g");
    crig_expect(&r, "store START run=1 thread=1 attempt=2 failures=0");
    crig_expect(&r, "store START run=2 thread=2 attempt=2 failures=1");
    crig_fini(&r);
}

static void lose_worker(int worker)
{
    gone(worker);
    crig_pass(&r, 600);
}

TEST(core_gives_the_last_attempt_a_worker_of_its_own)
{
    start();
    submit(1, 1);
    lose_worker(1);
    crig_worker(&r, 2, 2, "g");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2 seq=1 last=0");
    lose_worker(2);
    crig_worker(&r, 3, 2, "g");
    crig_expect(&r, "w3 RUN_START run=1 attempt=3 seq=1 last=1");
    submit(2, 2);
    crig_expect_no(&r, "w3 RUN_START run=2"); /* nothing beside it */
    crig_worker(&r, 4, 2, "g");
    crig_expect(&r, "w4 RUN_START run=2");
    crig_skip(&r);
    lose_worker(3);
    crig_expect(&r, "relay CLOSE run=1 attempt=4 seq=0 count=2");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=error");
    crig_expect_no(&r, "w4 RUN_START run=1");
    crig_fini(&r);
}

TEST(core_keeps_a_worker_free_for_a_last_attempt)
{
    start();
    submit(1, 1);
    lose_worker(1);
    crig_worker(&r, 2, 1, "g");
    lose_worker(2);
    submit(2, 2);
    crig_worker(&r, 3, 2, "g"); /* the last attempt is the first to choose */
    crig_expect(&r, "w3 RUN_START run=1 attempt=3 seq=1 last=1");
    crig_done(&r, 3, 1, 3, "success");
    crig_expect(&r, "w3 RUN_START run=2");
    crig_fini(&r);
}

TEST(core_waits_with_others_for_a_worker_to_become_idle)
{
    start();
    submit(1, 1);
    lose_worker(1);
    crig_worker(&r, 2, 2, "g");
    submit(2, 2);
    crig_from_worker(&r, 2, WIRE_RUN_STARTED, 2, 1, NULL);
    busy(2, 1);
    crig_worker(&r, 3, 2, "g");
    submit(3, 3);
    crig_expect(&r, "w3 RUN_START run=3");
    lose_worker(2); /* run 1 for the second time; run 2 does not count */
    submit(4, 4);
    crig_expect_no(&r, "w3 RUN_START"); /* it has a slot, but not for these */
    crig_done(&r, 3, 3, 1, "success");
    crig_expect(&r, "w3 RUN_START run=1 attempt=3 seq=1 last=1");
    crig_expect_no(&r, "w3 RUN_START");
    crig_done(&r, 3, 1, 3, "success");
    crig_expect(&r, "w3 RUN_START run=4");
    crig_expect(&r, "w3 RUN_START run=2 attempt=2 seq=1 last=0");
    crig_fini(&r);
}

/* ... but not for ever: the others must not stand still. */
TEST(core_does_not_wait_for_ever_for_an_idle_worker)
{
    start();
    submit(1, 1);
    lose_worker(1);
    crig_worker(&r, 2, 2, "g");
    crig_worker(&r, 3, 2, "g");
    submit(2, 2);
    crig_expect(&r, "w3 RUN_START run=2");
    lose_worker(2);
    for (int i = 0; i < 58; i++) {
        crig_from_worker(&r, 3, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 1000);
    }
    crig_expect_no(&r, "w3 RUN_START run=1");
    crig_pass(&r, 2000);
    crig_expect(&r, "w3 RUN_START run=1 attempt=3 seq=1 last=1");
    crig_fini(&r);
}

TEST(core_does_not_count_what_is_handed_back)
{
    start();
    submit(1, 1);
    crig_worker(&r, 2, 1, "g");
    r.log_last[1] = 4;
    crig_from_worker(&r, 1, WIRE_RUN_YIELD, 1, 1,
                     leat_pack("{s:s}", "why", "drain"));
    crig_expect(&r, "store REQUEUE run=1");
    crig_expect(&r, "w1 RUN_KEPT run=1 attempt=1");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2 seq=5");
    r.seen = 0;
    crig_expect(&r, "store REQUEUE run=1");
    crig_expect(&r, "store START run=1 thread=1 attempt=2 failures=0");
    submit(2, 2);
    crig_expect_no(&r, "w1 RUN_START"); /* it drains */
    crig_fini(&r);
}

TEST(core_believes_a_worker_that_has_no_such_graph)
{
    start();
    submit(1, 1);
    crig_skip(&r);
    crig_from_worker(&r, 1, WIRE_RUN_YIELD, 1, 1,
                     leat_pack("{s:s}", "why", "no graph"));
    crig_expect_no(&r, "w1 RUN_START");
    crig_pass(&r, 1000);
    crig_expect_no(&r, "w1 RUN_START");
    crig_fini(&r);
}

TEST(core_cancels_a_run_whose_worker_is_lost)
{
    start();
    submit(1, 1);
    crig_worker(&r, 2, 1, "g");
    crig_cancel(&r, 1, 1, "interrupt");
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=interrupt");
    lose_worker(1);
    crig_expect(&r, "g1 RUN_ENDED run=1 status=interrupted");
    r.seen = 0;
    crig_expect_no(&r, "w2 RUN_START");
    crig_fini(&r);
}

TEST(core_finishes_what_was_done_before_its_worker_was_lost)
{
    start();
    submit(1, 1);
    r.slow_ledger = true;
    crig_done(&r, 1, 1, 1, "success");
    lose_worker(1);
    r.slow_ledger = false;
    crig_ledger_answers(&r);
    crig_turn(&r, 1);
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    crig_fini(&r);
}

TEST(core_gives_nothing_to_a_worker_that_said_goodbye)
{
    start();
    crig_from_worker(&r, 1, WIRE_GOODBYE, 0, 0, NULL);
    submit(1, 1);
    crig_expect_no(&r, "w1 RUN_START");
    crig_worker(&r, 1, 2, "g"); /* changed its mind */
    crig_expect(&r, "w1 RUN_START run=1");
    crig_fini(&r);
}

TEST(core_takes_a_worker_that_takes_no_messages_for_lost)
{
    start();
    submit(1, 1);
    struct link_route route = crig_route('w', 1);
    brk_core_on_full(r.core, false, &route);
    crig_worker(&r, 2, 1, "g");
    crig_expect(&r, "w2 RUN_START run=1 attempt=2");
    crig_fini(&r);
}

/* ---- after a restart of the broker
 * ------------------------------------------------- */

static struct store_run row(int run, int thread, const char *status,
                            uint16_t attempt)
{
    struct store_run row = {.run_id = crig_run(run),
                            .thread_id = crig_thread(thread),
                            .graph_id = "g",
                            .attempt = attempt,
                            .ms = attempt,
                            .created_us = r.now.wall_ms * 1000 - run};
    (void)base_copy(row.status, sizeof row.status, status);
    row.kwargs = leat_pack("{}");
    row.metadata = leat_pack("{}");
    return row;
}

static void restore(struct store_run *rows, size_t n)
{
    crig_start(&r);
    brk_core_restore(r.core, rows, n);
    for (size_t i = 0; i < n; i++) {
        leat_drop(rows[i].kwargs);
        leat_drop(rows[i].metadata);
    }
    crig_gateway(&r, 1);
}

TEST(core_restores_pending_runs)
{
    crig_init(&r);
    struct store_run rows[] = {row(1, 1, "pending", 0), row(2, 1, "pending", 0),
                               row(3, 2, "pending", 1)};
    restore(rows, COUNT_OF(rows));
    crig_worker(&r, 1, 4, "g");
    crig_expect(&r, "w1 RUN_START run=3 attempt=2");
    EXPECT(strcmp(crig_state(&r, 1), "running") == 0 ||
           strcmp(crig_state(&r, 2), "running") == 0);
    crig_fini(&r);
}

/* The last broker ended between accepting it and what it asked for. */
TEST(core_restores_what_a_run_does_to_those_before_it)
{
    crig_init(&r);
    struct store_run rows[] = {row(1, 1, "running", 1), row(2, 1, "pending", 0),
                               row(3, 1, "pending", 0)};
    rows[0].created_us -= 1000;
    rows[1].created_us -= 500;
    (void)base_copy(rows[2].strategy, sizeof rows[2].strategy, "interrupt");
    restore(rows, COUNT_OF(rows));
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_expect(&r, "store FINISH run=2 thread=1 attempt=0 failures=0 "
                    "status=interrupted");
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=interrupt");
    crig_expect_no(&r, "w1 RUN_CANCEL run=3");
    crig_fini(&r);
}

TEST(core_waits_a_lease_for_the_workers_of_running_runs)
{
    crig_init(&r);
    struct store_run rows[] = {row(1, 1, "running", 1),
                               row(2, 2, "running", 4)};
    restore(rows, COUNT_OF(rows));
    crig_worker(&r, 2, 4, "g");
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_expect(&r, "relay FENCE run=1 attempt=1 seq=3");
    EXPECT_STR(crig_state(&r, 1), "running");
    EXPECT_STR(crig_state(&r, 2), "adopting");
    for (int i = 0; i < 10; i++) {
        crig_from_worker(&r, 1, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_from_worker(&r, 2, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 490);
    }
    EXPECT_STR(crig_state(&r, 2), "adopting");
    crig_skip(&r);
    crig_pass(&r, 200);
    crig_expect(&r, "relay FENCE run=2 attempt=5 seq=0 count=0 torn");
    crig_expect(&r, "store START run=2 thread=2 attempt=5 failures=0");
    crig_expect_no(&r, "w1 RUN_START run=1");
    crig_done(&r, 1, 1, 1, "success");
    crig_expect(&r, "store FINISH run=1 thread=1 attempt=1");
    crig_fini(&r);
}

TEST(core_takes_the_end_of_a_run_from_before_the_restart)
{
    crig_init(&r);
    struct store_run rows[] = {row(1, 1, "running", 2)};
    restore(rows, COUNT_OF(rows));
    crig_worker(&r, 1, 4, "g");
    crig_done(&r, 1, 1, 2, "success");
    crig_expect(&r, "store FINISH run=1 thread=1 attempt=2");
    crig_expect(&r, "w1 RUN_KEPT run=1 attempt=2");
    crig_fini(&r);
}

TEST(core_goes_on_with_a_cancel_from_before_the_restart)
{
    crig_init(&r);
    struct store_run rows[] = {row(1, 1, "running", 1),
                               row(2, 2, "running", 1)};
    (void)base_copy(rows[0].cancel, sizeof rows[0].cancel, "interrupt");
    (void)base_copy(rows[1].cancel, sizeof rows[1].cancel, "rollback");
    restore(rows, COUNT_OF(rows));
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_expect(&r, "w1 RUN_CANCEL run=1 action=interrupt");
    crig_pass(&r, 6000);
    crig_expect(&r, "store ROLLBACK run=2");
    crig_fini(&r);
}

TEST(core_gives_a_stateless_run_back_to_its_worker)
{
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    crig_worker_holding(&r, 1, 1, 1, 2);
    crig_done(&r, 1, 1, 2, "success"); /* nobody has asked for it yet */
    crig_expect_no(&r, "w1 RUN_KEPT");
    crig_submit(&r, 1,
                (struct crig_submit){
                    .run = 1, .thread = 1, .stateless = true, .again = true});
    crig_expect(&r, "relay FENCE run=1 attempt=2 seq=3");
    crig_expect_no(&r, "w1 RUN_START");
    crig_done(&r, 1, 1, 2, "success");
    crig_expect(&r, "g1 RUN_ENDED run=1 status=success");
    crig_expect(&r, "w1 RUN_KEPT run=1 attempt=2");
    crig_fini(&r);
}

TEST(core_waits_for_the_worker_of_a_stateless_run)
{
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    crig_worker(&r, 2, 4, "g");
    crig_submit(&r, 1,
                (struct crig_submit){
                    .run = 1, .thread = 1, .stateless = true, .again = true});
    EXPECT_STR(crig_state(&r, 1), "adopting");
    crig_worker_holding(&r, 1, 1, 1, 1);
    EXPECT_STR(crig_state(&r, 1), "running");
    crig_submit(&r, 1,
                (struct crig_submit){
                    .run = 2, .thread = 2, .stateless = true, .again = true});
    for (int i = 0; i < 12; i++) {
        crig_from_worker(&r, 2, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 490);
    }
    crig_expect(&r, "w2 RUN_START run=2 attempt=1");
    crig_fini(&r);
}

TEST(core_stops_what_nobody_asks_for_after_a_restart)
{
    crig_init(&r);
    crig_start(&r);
    crig_worker_holding(&r, 1, 1, 1, 1);
    crig_expect_no(&r, "w1 RUN_STOP");
    for (int i = 0; i < 12; i++) {
        crig_from_worker(&r, 1, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 490);
    }
    crig_expect(&r, "w1 RUN_STOP run=1 attempt=1");
    crig_fini(&r);
}

static void unknown(int run)
{
    struct id id = crig_run(run);
    struct id thread = crig_thread(run);
    struct brk_note *note = brk_note_new(BRK_NOTE_UNKNOWN, &id, &thread);
    note->attempt = 2;
    brk_core_on_relay(r.core, &note);
    crig_turn(&r, 1);
}

/* The broker died after a run's end was committed and before its last events
 * were: its worker still has them. */
TEST(core_opens_the_short_log_of_an_ended_run)
{
    start();
    unknown(1);
    crig_expect(&r, "store LOOKUP run=1");
    crig_expect_no(&r, "relay"); /* the store does not know it */
    r.existed = "success";
    unknown(1);
    crig_expect_no(&r, "store LOOKUP"); /* asked a moment ago */
    crig_pass(&r, 2000);
    unknown(1);
    crig_expect(&r, "relay FENCE run=1 attempt=2");
    crig_expect(&r, "relay ENDED run=1 attempt=2 seq=9");
    r.existed = NULL;
    submit(3, 3);
    crig_done(&r, 1, 3, 1, "success");
    crig_skip(&r);
    unknown(3);
    crig_expect_no(&r, "store LOOKUP"); /* it was ended here, and its log too */
    crig_fini(&r);
}
