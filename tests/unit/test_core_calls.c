/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: jobs that need a graph and no run, and everybody's coming and going. */
#include "tests/harness/harness.h"
#include "tests/unit/core_rig.h"

static struct core_rig r;

static void start(int workers)
{
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    for (int i = 1; i <= workers; i++) {
        crig_worker(&r, i, 1, "g");
    }
    crig_pass(&r, r.conf.lease_ms + 100); /* nobody else comes back */
    for (int i = 1; i <= workers; i++) {
        crig_worker(&r, i, 1, "g");
    }
    crig_skip(&r);
}

/* The rig's tag of whatever a gateway says is 900. */
static void ask(const char *graph, bool repeat)
{
    crig_from_gateway(&r, 1, WIRE_CALL, 0, 0,
                      leat_pack("{s:s,s:s,s:{},s:b}", "graph_id", graph, "op",
                                "draw", "args", "repeat", (int)repeat));
}

static void answer(int worker, uint32_t tag, leat_value *body)
{
    struct link_in in;
    link_in_init(&in);
    in.from = crig_route('w', worker);
    in.head = (struct wire_head){
        .type = WIRE_CALL_DONE, .epoch = r.conf.epoch, .tag = tag};
    in.body = body;
    brk_core_begin(r.core, r.now);
    brk_core_on_worker(r.core, &in);
    link_in_fini(&in);
    crig_turn(&r, 1);
}

TEST(core_carries_a_call_and_its_answer)
{
    start(1);
    ask("g", false);
    crig_expect(&r, "w1 CALL tag=1 op=draw");
    answer(1, 1, leat_pack("{s:i}", "result", 7));
    crig_expect(&r, "g1 CALL_DONE tag=900 result=7");
    answer(1, 1, leat_pack("{s:i}", "result", 8));
    crig_expect_no(&r, "g1 CALL_DONE");
    crig_fini(&r);
}

TEST(core_refuses_what_the_worker_could_not)
{
    start(1);
    ask("g", false);
    answer(1, 1, leat_pack("{s:s,s:s}", "code", "graph", "text", "no"));
    crig_expect(&r, "g1 REFUSED run=0 code=graph text=no");
    crig_fini(&r);
}

TEST(core_asks_a_busy_worker_too_and_the_idle_one_first)
{
    start(1);
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_expect(&r, "w1 RUN_START run=1");
    ask("g", false);
    crig_expect(&r, "w1 CALL tag=1");
    answer(1, 1, leat_pack("{s:i}", "result", 7));
    crig_worker(&r, 2, 1, "g");
    ask("g", false);
    crig_expect(&r, "w2 CALL tag=2");
    crig_fini(&r);
}

TEST(core_takes_a_repeated_call_once)
{
    start(1);
    ask("g", false);
    ask("g", false);
    crig_expect(&r, "w1 CALL tag=1");
    crig_expect_no(&r, "w1 CALL");
    crig_fini(&r);
}

TEST(core_refuses_a_call_to_a_graph_nobody_ever_had)
{
    start(1);
    ask("other", false);
    crig_expect(&r, "g1 REFUSED run=0 code=not_found "
                    "text=No worker ever had graph other.");
    crig_fini(&r);
}

TEST(core_lets_a_call_wait_for_a_worker)
{
    start(1);
    crig_from_worker(&r, 1, WIRE_GOODBYE, 0, 0, NULL);
    ask("g", false);
    crig_pass(&r, 4900);
    crig_expect_no(&r, "g1 REFUSED");
    crig_worker(&r, 2, 1, "g");
    crig_expect(&r, "w2 CALL tag=1");
    crig_fini(&r);
}

TEST(core_refuses_a_call_that_no_worker_comes_for)
{
    start(1);
    crig_from_worker(&r, 1, WIRE_GOODBYE, 0, 0, NULL);
    ask("g", false);
    crig_pass(&r, 5050);
    crig_expect(&r, "g1 REFUSED run=0 code=unavailable "
                    "text=No worker serves this graph now.");
    crig_fini(&r);
}

TEST(core_refuses_a_call_that_is_not_answered)
{
    start(1);
    ask("g", true);
    crig_skip(&r);
    for (int i = 0; i < 60; i++) {
        crig_from_worker(&r, 1, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 1000);
    }
    crig_turn(&r, 1);
    crig_expect(&r, "g1 REFUSED run=0 code=unavailable "
                    "text=The worker did not answer in time.");
    crig_fini(&r);
}

/* Worker 1 is asked; it falls silent while worker 2 goes on. */
static void lose_first(void)
{
    crig_submit(&r, 1, (struct crig_submit){.run = 1, .thread = 1});
    crig_from_worker(&r, 2, WIRE_HEARTBEAT, 0, 0, NULL);
    struct link_route gone = crig_route('w', 1);
    brk_core_on_gone(r.core, false, &gone);
    crig_pass(&r, 600);
}

TEST(core_asks_another_worker_when_one_is_lost)
{
    start(1);
    ask("g", true);
    crig_expect(&r, "w1 CALL tag=1");
    crig_worker(&r, 2, 1, "g");
    lose_first();
    crig_expect(&r, "w2 CALL tag=1");
    answer(2, 1, leat_pack("{s:i}", "result", 7));
    crig_expect(&r, "g1 CALL_DONE tag=900 result=7");
    crig_fini(&r);
}

TEST(core_asks_nobody_again_where_that_would_do_harm)
{
    start(1);
    ask("g", false);
    crig_worker(&r, 2, 1, "g");
    lose_first();
    crig_expect_no(&r, "w2 CALL");
    crig_expect(&r, "g1 REFUSED run=0 code=unavailable");
    crig_fini(&r);
}

TEST(core_forgets_the_calls_of_a_lost_gateway)
{
    start(1);
    ask("g", true);
    struct link_route gone = crig_route('g', 1);
    brk_core_on_gone(r.core, true, &gone);
    for (int i = 0; i < 11; i++) {
        crig_from_worker(&r, 1, WIRE_HEARTBEAT, 0, 0, NULL);
        crig_pass(&r, 1000);
    }
    crig_skip(&r);
    answer(1, 1, leat_pack("{s:i}", "result", 7));
    crig_expect_no(&r, "g1");
    crig_fini(&r);
}
