/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h: one run from submit to end, as the broker's memory has it: a cache of
 * its row in the store plus what only lives as long as the broker. A run knows
 * its lane, its graph and the worker that has it; it decides nothing. Its
 * invocation and metadata are bytes that are passed on.
 */
#ifndef BROKER_RUN_H
#define BROKER_RUN_H

#include "broker/heap.h"
#include "common/id.h"
#include "common/link.h"
#include "common/value.h"

struct brk_graph;
struct brk_lane;
struct brk_peer;

enum brk_run_state {
#define RUN_STATE(NAME, name, shown, next, text) BRK_RUN_##NAME,
#include "broker/run.tbl.h"
#undef RUN_STATE
    BRK_RUN_STATES
};

enum brk_strategy {
    BRK_REJECT,
    BRK_INTERRUPT,
    BRK_ROLLBACK,
    BRK_ENQUEUE,
};

enum brk_cancel {
    BRK_CANCEL_NONE,
    BRK_CANCEL_INTERRUPT,
    BRK_CANCEL_ROLLBACK, /* wins over interrupt */
};

/* How a run ended, for those who wait for it. */
struct brk_end {
    char status[16];        /* success, error, interrupted, deleted */
    char thread_status[16]; /* idle, interrupted, error; "" leave it */
    leat_value *error;      /* {"error","message"} or NULL; owned */
    leat_value *values;     /* of the thread; NULL: unchanged; owned */
    leat_value *interrupts; /* NULL: none; owned */
    uint64_t seq;           /* last sequence of the log */
    uint64_t ms;            /* closed by the broker: of its last event; or 0 */
};

#define BRK_RUN_MAGIC LEAT_MAGIC(0xb0e70010)

struct brk_run {
    uint32_t magic;

    /* As submitted. */
    struct id id;
    struct id thread;
    char assistant[ID_TEXT_SIZE];
    enum brk_strategy strategy;
    bool stored;
    bool temporary;
    bool watched; /* starts once its reader has subscribed */
    bool no_webhook; /* none was given; false: that is not known */
    leat_value *kwargs;
    leat_value *metadata;
    uint64_t order; /* place in the order of creation */
    int64_t due_ms; /* monotonic; not before: when it came, or later */

    /* As the store has it, or will when the ledger is done. */
    uint16_t attempt;   /* of the last start; 0 before the first */
    uint16_t failures;  /* attempts that count against --max-attempts */
    uint64_t ms;        /* first half of this attempt's event ids */
    uint64_t first_seq; /* of this attempt */
    enum brk_cancel cancel;

    /* As long as the broker lives. */
    enum brk_run_state state;
    struct brk_lane *lane;
    struct brk_run *lane_prev, *lane_next;
    struct brk_graph *graph;
    struct brk_node ready; /* in the graph's ready heap */
    struct brk_node timer; /* in the core's timers: due, reader, deadline */
    struct brk_run *last_prev, *last_next; /* among runs that need a worker of
                                their own */
    bool in_last;
    struct brk_peer *worker; /* who has it; from FENCING on */
    struct brk_run *peer_prev, *peer_next;
    bool holds_slot;
    bool alone;        /* its worker is to run nothing else */
    bool started;      /* RUN_STARTED came for this attempt */
    bool executing;    /* user code may be running */
    bool inserted;     /* the store has its row (or needs none) */
    bool wait_fence;   /* FENCING: the relay has not answered */
    bool wait_start;   /* FENCING: the ledger has not answered */
    bool wait_log;     /* RUNNING: its worker has ended it or gives it back;
                          the relay has not all of its events */
    struct link_route yield_to; /* who gives it back; .len 0: it has ended */
    uint64_t yield_seq;         /* the last event it gave */
    uint64_t torn_ms;  /* ms of an attempt that was lost together with the
                          broker before this one; 0: none since the last */
    unsigned spared;   /* lost without counting, in a row */
    bool lost_counted; /* the last loss counted as a failure */
    unsigned binding;  /* the worker's binding when RUN_START was sent */
    uint64_t watchers; /* gateways to tell, by their bit */
    int64_t reader_ms; /* watched: do not wait longer than this */
    int64_t hold_ms;   /* do not try again before this */
    int64_t ready_ms;  /* became ready */
    int64_t began_ms;  /* first RUN_START; 0 before */
    int64_t lost_ms;   /* its worker was found lost; 0 */
    int64_t alone_ms;  /* waits for a worker of its own since */
    bool dead;         /* ended for the count of its failures */
    bool timed_out;
    struct brk_end end; /* from CLOSING or ENDING on */
    /* Who is owed an answer to the submit; .len 0: nobody. */
    struct link_route submit_to;
    uint32_t submit_tag;
    bool submit_owed;
    /* And to the cancel of a pending run; .len 0: nobody. */
    struct link_route cancel_to;
    uint32_t cancel_tag;
};

struct brk_run *brk_run_new(const struct id *id, const struct id *thread);
/* The run must have left lane, heaps and worker. */
void brk_run_destroy(struct brk_run **p);
void brk_run_end_fini(struct brk_end *end);

/* The only place where a state changes: checks that the table allows it,
 * counts, and logs why. */
void brk_run_move(struct brk_run *run, enum brk_run_state to, const char *why);
const char *brk_run_state_name(enum brk_run_state state);
/* pending or running, as the API shows it. */
const char *brk_run_status(const struct brk_run *run);
/* May another attempt be given to a worker that also runs something else? */
bool brk_run_needs_worker_alone(const struct brk_run *run,
                                unsigned max_attempts);

/* "reject", ...; false for another word. */
MUST_USE bool brk_run_strategy_parse(leat_view word, enum brk_strategy *out);
const char *brk_run_strategy_name(enum brk_strategy s);
MUST_USE bool brk_run_cancel_parse(leat_view word, enum brk_cancel *out);
const char *brk_run_cancel_name(enum brk_cancel c);

#endif
