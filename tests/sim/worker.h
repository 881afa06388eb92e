/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h: what the files of the simulated worker share: worker.c (the desk
 * and the runs it executes) and box.c (events on their way out).
 */
#ifndef TESTS_SIM_WORKER_H
#define TESTS_SIM_WORKER_H

#include "tests/sim/sim.h"

#define JOB_EVENTS_MAX 256

enum kind { KIND_METADATA, KIND_VALUES, KIND_ERROR, KIND_END };
enum stop { GO, STOP_CANCEL, STOP_YIELD, STOP_FENCED };

/* One attempt in one process; never freed, a world is short. */
struct job {
    struct job *next;
    struct worker *worker;
    struct truth *truth;
    uint16_t attempt;
    uint64_t ms, first;
    bool stored;

    bool held;      /* the desk has it: until RUN_KEPT or RUN_STOP */
    bool executing; /* inside a node */
    bool ended, yielded;
    enum stop stop;
    int step;
    char checkpoint[37]; /* the latest one of the thread; "": none */
    char parent[37];     /* the one before */
    char status[16];     /* once it has ended */
    int64_t said_us;     /* its end was said last */
    uint32_t call;       /* tag of the call that it waits for; 0: none */
    bool loading;        /* what that call is */

    /* Its events: `next` is not given yet, those from `unsent` on not sent,
     * those up to `durable` may be forgotten. */
    bool kept; /* until all is durable, or nobody wants it */
    bool closed;
    uint64_t next_seq, unsent, durable;
    int64_t unknown_us; /* since when the relay does not know it; 0: it does */
    uint8_t kinds[JOB_EVENTS_MAX];
};

struct worker {
    struct sim_node node;
    bool draining;
    int64_t drain_us; /* what has not ended then is handed back */
    int64_t beat_us;
    uint32_t tags;
    struct job *jobs; /* held or kept, newest first */
};

/* ---- box.c --------------------------------------------------------------- */

/* The run's next event; goes out a moment later. */
void box_put(struct job *j, enum kind kind);
/* What the relay says. */
void box_on_message(struct worker *w, const struct wire_head *h);
/* All that is not durable, again. */
void box_rewind_all(struct worker *w);
/* Nobody wants its events any more. */
void box_stop(struct job *j);

#endif
