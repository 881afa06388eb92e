/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core_rig.h: the broker's core in a test: a clock that is told, peers that
 * are routes, and everything that comes out kept in a list of plain lines:
 *
 *     g1 RUN_ACCEPTED run=1 status=pending
 *     w1 RUN_START run=1 attempt=1 seq=1
 *     relay FENCE run=1 attempt=1
 *
 * Runs, threads and peers are small numbers. The relay and the ledger answer
 * by themselves at the end of each turn unless they are told to be slow.
 */
#ifndef LEAT_TESTS_CORE_RIG_H
#define LEAT_TESTS_CORE_RIG_H

#include "broker/core.h"
#include "broker/run.h"

struct core_rig {
    struct brk_core *core;
    struct brk_core_conf conf;
    struct brk_now now;
    bool slow_relay;  /* keep its notes in `notes` */
    bool slow_ledger; /* keep its batches in `batches` */
    struct brk_note *notes[256];
    size_t note_count;
    struct brk_batch *batches[256];
    size_t batch_count;
    enum err_code refuse; /* the ledger refuses this kind of operation */
    enum brk_op_type refuse_op;
    uint64_t thread_last_ms; /* what inserts say */
    const char *existed;     /* inserts find the run with this status */
    uint64_t log_last[1000]; /* last sequence of each run's log */
    char lines[4096][160];   /* what came out, oldest first */
    size_t line_count;
    size_t seen; /* lines that were looked at */
};

/* Before the first call of others; more may be set in `conf` and `now`
 * between crig_init and crig_start. */
void crig_init(struct core_rig *r);
void crig_start(struct core_rig *r);
void crig_fini(struct core_rig *r);

struct id crig_run(int n);
struct id crig_thread(int n);
int crig_number(const struct id *id);
struct link_route crig_route(char kind, int n);

/* What a gateway or worker says; one turn each. */
void crig_gateway(struct core_rig *r, int gateway);
void crig_worker(struct core_rig *r, int worker, int slots, const char *graph);
/* The worker says HELLO and holds this run. */
void crig_worker_holding(struct core_rig *r, int worker, int run, int thread,
                         int attempt);

struct crig_submit {
    int run;
    int thread;
    const char *strategy; /* NULL: enqueue */
    const char *graph;    /* NULL: "g" */
    bool stateless;
    bool temporary;
    bool watched;
    bool again;
    int after_ms;
};
void crig_submit(struct core_rig *r, int gateway, struct crig_submit s);
/* A message without body, or with one (taken). */
void crig_from_gateway(struct core_rig *r, int gateway, uint8_t type, int run,
                       int thread, leat_value *body);
void crig_from_worker(struct core_rig *r, int worker, uint8_t type, int run,
                      int attempt, leat_value *body);
void crig_done(struct core_rig *r, int worker, int run, int attempt,
               const char *status);
void crig_cancel(struct core_rig *r, int gateway, int run, const char *action);
void crig_subscribed(struct core_rig *r, int run);
/* Somebody listens, or nobody any more, to all threads that begin like it. */
void crig_home(struct core_rig *r, int run, bool on);

/* A turn after so many milliseconds; `crig_pass` in steps of 50. */
void crig_turn(struct core_rig *r, int64_t ms);
void crig_pass(struct core_rig *r, int64_t ms);
/* The slow relay or ledger answers what it has. */
void crig_relay_answers(struct core_rig *r);
void crig_ledger_answers(struct core_rig *r);

/* The next line that begins with this came out since the last one that was
 * looked at; fails the test otherwise. `_no_`: none did. */
void crig_expect(struct core_rig *r, const char *begin);
void crig_expect_no(struct core_rig *r, const char *begin);
/* Forgets what came out so far. */
void crig_skip(struct core_rig *r);
/* "pending", ..., or "gone". */
const char *crig_state(struct core_rig *r, int run);

#endif
