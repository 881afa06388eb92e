/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world around the core, driven by a seed: gateways that submit,
 * cancel and repeat themselves, workers that work, fall silent, die and come
 * back, a relay and a ledger that answer late. Whatever happens: no two runs
 * of a thread execute with a living lease, attempts only grow, and in the end
 * every run that was accepted has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"
#include "tests/unit/core_rig.h"

#define RUNS 60
#define THREADS 6
#define WORKERS 4
#define STEPS 1500

static struct core_rig r;
static uint64_t state;

static int dice(int sides)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int)((state >> 33) % (uint64_t)sides);
}

/* What the world knows of a run. */
struct seen {
    int thread;
    bool submitted;
    bool accepted;
    bool ended;
    int attempt; /* highest that was started */
    int worker;  /* who executes it; 0: nobody */
};
static struct seen runs[RUNS + 1];
static int alive[WORKERS + 1]; /* 1: speaks and is connected; its number of
                                  life otherwise does not matter */
static size_t read_to;

static void on_start(int worker, int run, int attempt)
{
    struct seen *s = &runs[run];
    EXPECT_MSG(s->submitted && !s->ended, "run %d started after its end", run);
    EXPECT_MSG(attempt > s->attempt, "run %d: attempt %d after %d", run,
               attempt, s->attempt);
    for (int i = 1; i <= RUNS; i++) { /* its lane is free */
        EXPECT_MSG(i == run || runs[i].thread != s->thread || runs[i].ended ||
                       runs[i].attempt == 0 || !runs[i].submitted,
                   "run %d started beside run %d", run, i);
    }
    s->attempt = attempt;
    s->worker = alive[worker] != 0 ? worker : 0;
}

/* Reads the lines that came out since the last time. */
static void look(void)
{
    int who, run, attempt;
    char status[32];
    for (; read_to < r.line_count; read_to++) {
        const char *line = r.lines[read_to];
        if (sscanf(line, "w%d RUN_START run=%d attempt=%d", &who, &run,
                   &attempt) == 3) {
            on_start(who, run, attempt);
        } else if (sscanf(line, "w%d RUN_STOP run=%d attempt=%d", &who, &run,
                          &attempt) == 3) {
            if (runs[run].worker == who && runs[run].attempt == attempt) {
                runs[run].worker = 0;
            }
        } else if (sscanf(line, "g1 RUN_ENDED run=%d status=%31s", &run,
                          status) == 2) {
            runs[run].ended = true;
            runs[run].worker = 0;
        } else if (sscanf(line, "g1 RUN_ACCEPTED run=%d", &run) == 1) {
            runs[run].accepted = true;
        }
    }
    read_to = r.line_count = r.seen = 0;
}

static void submit_one(void)
{
    static const char *const words[] = {"enqueue", "enqueue", "interrupt",
                                        "rollback"};
    for (int run = 1; run <= RUNS; run++) {
        if (runs[run].submitted && (runs[run].accepted || dice(4) != 0)) {
            continue;
        }
        bool first = !runs[run].submitted;
        runs[run].submitted = true;
        runs[run].thread = first ? 1 + dice(THREADS) : runs[run].thread;
        crig_submit(
            &r, 1,
            (struct crig_submit){.run = run,
                                 .thread = runs[run].thread,
                                 .strategy = words[dice(COUNT_OF(words))],
                                 .watched = dice(3) == 0,
                                 .after_ms = dice(5) == 0 ? dice(3000) : 0});
        return;
    }
}

static void finish_one(void)
{
    int run = 1 + dice(RUNS);
    struct seen *s = &runs[run];
    if (s->worker == 0 || alive[s->worker] == 0) {
        return;
    }
    int worker = s->worker;
    int what = dice(8);
    if (what == 0) {
        s->worker = 0;
        crig_from_worker(&r, worker, WIRE_RUN_YIELD, run, s->attempt,
                         leat_pack("{s:s}", "why", "full"));
    } else {
        crig_from_worker(&r, worker, WIRE_RUN_STARTED, run, s->attempt, NULL);
        look();
        if (s->worker == worker && what > 2) {
            crig_done(&r, worker, run, s->attempt,
                      what == 3 ? "error" : "success");
        }
    }
}

static void beat(void)
{
    for (int w = 1; w <= WORKERS; w++) {
        if (alive[w] != 0) {
            crig_from_worker(&r, w, WIRE_HEARTBEAT, 0, 0, NULL);
            look();
        }
    }
}

static void kill_or_start_worker(void)
{
    int w = 1 + dice(WORKERS);
    if (alive[w] == 0) {
        alive[w] = 1;
        crig_worker(&r, w, 1 + dice(4), "g"); /* holds nothing any more */
        return;
    }
    alive[w] = 0;
    for (int i = 1; i <= RUNS; i++) {
        if (runs[i].worker == w) {
            runs[i].worker = 0;
        }
    }
    if (dice(2) == 0) { /* its connection breaks; else it is only silent */
        struct link_route route = crig_route('w', w);
        brk_core_on_gone(r.core, false, &route);
    }
    /* Until it is found lost it must not come back as new: same process. */
    for (int64_t ms = 0; ms < r.conf.lease_ms + 500; ms += 400) {
        crig_pass(&r, 400);
        look();
        beat();
    }
}

static void step(void)
{
    switch (dice(12)) {
    case 0:
    case 1:
        submit_one();
        break;
    case 2:
        crig_cancel(&r, 1, 1 + dice(RUNS),
                    dice(2) == 0 ? "interrupt" : "rollback");
        break;
    case 3:
        if (dice(6) == 0) {
            kill_or_start_worker();
        }
        break;
    case 4:
        r.slow_relay = !r.slow_relay;
        crig_relay_answers(&r);
        break;
    case 5:
        r.slow_ledger = !r.slow_ledger;
        crig_ledger_answers(&r);
        break;
    case 6:
        crig_subscribed(&r, 1 + dice(RUNS));
        break;
    default:
        finish_one();
        break;
    }
    look();
    beat();
    crig_turn(&r, dice(80));
    look();
}

static bool all_ended(void)
{
    for (int i = 1; i <= RUNS; i++) {
        if (runs[i].submitted && runs[i].accepted && !runs[i].ended) {
            return false;
        }
    }
    return true;
}

static void let_it_end(void)
{
    r.slow_relay = r.slow_ledger = false;
    crig_relay_answers(&r);
    crig_ledger_answers(&r);
    for (int w = 1; w <= WORKERS; w++) {
        if (alive[w] == 0) {
            alive[w] = 1;
            crig_worker(&r, w, 4, "g");
            look();
        }
    }
    for (int i = 0; i < 4000 && !all_ended(); i++) {
        finish_one();
        look();
        beat();
        crig_turn(&r, 20);
        look();
    }
}

static void play(uint64_t seed)
{
    state = seed;
    memset(runs, 0, sizeof runs);
    memset(alive, 0, sizeof alive);
    read_to = 0;
    crig_init(&r);
    crig_start(&r);
    crig_gateway(&r, 1);
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    let_it_end();
    for (int i = 1; i <= RUNS; i++) {
        EXPECT_MSG(!runs[i].accepted || runs[i].ended,
                   "seed %llu: run %d is %s", (unsigned long long)seed, i,
                   crig_state(&r, i));
    }
    EXPECT_EQ(brk_core_count(r.core).busy, 0);
    crig_fini(&r);
}

TEST(core_keeps_its_promises_whatever_happens)
{
    const char *many = getenv("LEAT_TEST_LONG");
    uint64_t seeds = many != NULL && many[0] == '1' ? 500 : 25;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        play(seed);
    }
}
