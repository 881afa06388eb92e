/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h: a small world in one process, for one seed: a clock, a network, a
 * store that fails and crashes, the broker's own code in between, and models
 * of workers, gateways and their clients, written from docs/protocol.md. All
 * that happens is an event with a time; what has the same time happens in the
 * order in which it was planned. Nothing in here reads a clock, a socket or
 * anything random but the dice, so a seed is a history.
 *
 *     sched.c     time, dice, what happens next, what is said about it
 *     net.c       in place of common/link*.c
 *     disk.c      in place of broker/store.c
 *     broker.c    lives of the broker: its threads' turns, death, takeover
 *     worker.c    workers;  box.c  their events on the way out
 *     gateway.c   gateways;  client.c  who reads there
 *     faults.c    what is broken when
 *     check.c     what must hold, of each run and of each event
 *     main.c      seeds
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "broker/inner.h"
#include "common/link.h"
#include "common/store/store.h"

/* ---- sched.c ------------------------------------------------------------- */

#define MS 1000LL /* times are microseconds */
#define SEC 1000000LL

enum {
    WORKERS_MAX = 4,
    GATEWAYS_MAX = 3,
    RUNS_MAX = 48,
    THREADS_MAX = 8,
};

/* What this seed's world is like. Chances are per mille. */
struct plan {
    int workers, gateways, runs, threads, slots;
    int64_t active_us; /* how long things are submitted and broken */
    int delay_us;      /* of a message, about */
    int slow;          /* chance of one that takes much longer */
    int lossy;         /* of an event lost on PUB */
    int lazy_us;       /* pauses of the broker's threads */
    int stalls;        /* chance of a long one */
    int fault_ms;      /* between two faults, about; 0: none */
    unsigned faults;   /* set of 1 << enum fault */
    int store_fails;   /* chance of a commit that fails */
    int store_crashes; /* chance of one with which the broker dies */
    int stateless;     /* chances of kinds of runs */
    int temporary;
    int delayed;
    int strategies; /* of another one than enqueue */
    int cancels;
    int forgets;
    int deletes;
    int long_steps;
    int late_readers;
};

extern struct sim {
    uint64_t seed;
    uint64_t dice;
    int64_t now_us;
    bool tracing;
    bool healed; /* no more faults: everything must end now */
    int64_t healed_us;
    struct plan plan;
    char failed[512]; /* the first thing that did not hold */
} sim;

uint32_t sim_dice(uint32_t sides);   /* 0 to sides - 1 */
bool sim_chance(int per_mille);      /* never once the world has healed */
int64_t sim_about(int64_t us);       /* from half of it to one and a half */

typedef void sim_fn(void *arg, uint64_t n);
/* Calls fn(arg, n) at that time. */
void sim_at(int64_t us, sim_fn *fn, void *arg, uint64_t n);
void sim_in(int64_t us, sim_fn *fn, void *arg, uint64_t n);
/* The time of the next event; INT64_MAX: there is none. */
int64_t sim_next_us(void);
/* Lets the next one happen. */
void sim_step(void);

/* A line of the history, with its time. */
#define TRACE(...) (sim.tracing ? sim_trace(__VA_ARGS__) : (void)0)
void sim_trace(const char *fmt, ...) PRINTF(1, 2);
/* Something does not hold: the world stands still from here on. */
void sim_fail(const char *fmt, ...) PRINTF(1, 2);
#define HOLDS(x, ...) ((x) ? (void)0 : sim_fail(__VA_ARGS__))

/* The broker's threads. */
enum actor { DESK, RELAY, JOURNAL, LEDGER, VAULT, ACTORS };

/* ---- net.c --------------------------------------------------------------- */

struct sim_node;

struct sim_topics {
    unsigned char of[64][WIRE_TOPIC_BYTES];
    uint8_t len[64]; /* 0: the place is free */
    size_t count;
};

/* A peer's socket towards the broker. */
struct sim_sock {
    struct sim_node *node;
    enum wire_port port;
    uint32_t conn;   /* number of its connection; 0: none */
    uint32_t epoch;  /* of the last message on it */
    struct sim_msg *pending, *pending_last; /* said while there was none */
    struct sim_msg *said[3]; /* the last ones, newest first */
    struct sim_topics topics;
};

/* A process of the world that is not the broker. */
struct sim_node {
    bool gateway;
    int number; /* from 1 */
    uint32_t life;
    bool alive;
    int64_t frozen_until_us; /* stopped; does nothing before */
    int64_t cut_until_us;    /* nothing goes in or out, no connection is made */
    struct sim_sock socks[WIRE_PORTS];
    void (*on_message)(struct sim_sock *s, struct link_in *in);
    void (*on_connected)(struct sim_sock *s);
};

void net_connect(struct sim_node *node, enum wire_port port);
/* The node's process is gone: its connections close at once, or (its host
 * went) are missed after a while. */
void net_node_died(struct sim_node *node, bool at_once);
/* Nothing goes through to or from it until then. */
void net_cut(struct sim_node *node, int64_t until_us);
void net_drop_one(struct sim_node *node, enum wire_port port);
void net_frozen(struct sim_node *node, int64_t until_us);
/* The body's reference is taken, `raw` is moved. */
void net_say(struct sim_sock *s, const struct wire_head *head, leat_value *body,
             zmq_msg_t *raw);
void net_subscribe(struct sim_sock *s, const void *topic, size_t len);
void net_unsubscribe(struct sim_sock *s, const void *topic, size_t len);
/* The broker's sockets are closed with it: what was under way is lost. */
void net_broker_died(void);
void net_broker_froze(int64_t until_us);
/* What comes out of this end wakes that thread. */
void net_pipe_reader(struct link_pipe *p, enum actor reader);
/* Something is left for this thread to read. */
bool net_waits_for(enum actor a);

/* ---- disk.c -------------------------------------------------------------- */

void disk_init(void); /* once, before the first world */
void disk_fini(void);
void disk_open(void); /* in each world */
void disk_close(void);
void disk_drop(long pid); /* of a world that crashed */
store_t *disk_store(void);
/* Looking at the store without faults; how it was before. */
bool disk_trust(bool trusted);
/* The database does not answer until then. */
void disk_away(int64_t until_us);

/* ---- broker.c ------------------------------------------------------------ */

void broker_setup(void);
bool broker_is_up(void);
uint32_t broker_life(void);
/* Something came for this thread of it. */
void broker_wake(enum actor a);
void broker_wake_port(enum wire_port port);
enum actor broker_owner(enum wire_port port);
int64_t broker_next_us(void);
void broker_step(void);
void broker_kill(const char *why);
/* Within a turn: never returns. */
void broker_crash(const char *why) NORETURN;
void broker_start(void *arg, uint64_t n);
void broker_freeze(int64_t until_us);
int64_t broker_lease_us(void);

/* ---- worker.c, box.c ----------------------------------------------------- */

void worker_setup(void);
struct sim_node *worker_node(int number);
void worker_kill(int number, bool at_once);
void worker_start(void *arg, uint64_t number);
void worker_freeze(int number, int64_t until_us);
void worker_drain(int number);

/* ---- gateway.c, client.c ------------------------------------------------- */

void gateway_setup(void);
struct sim_node *gateway_node(int number);
void gateway_kill(int number);
void gateway_start(void *arg, uint64_t number);
/* All that were asked have their answers. */
bool gateway_all_done(char *why, size_t cap);

/* ---- faults.c ------------------------------------------------------------ */

enum fault {
    FAULT_WORKER_KILL,
    FAULT_WORKER_FREEZE,
    FAULT_WORKER_CUT,
    FAULT_WORKER_DRAIN,
    FAULT_GATEWAY_KILL,
    FAULT_GATEWAY_CUT,
    FAULT_BROKER_KILL,
    FAULT_BROKER_FREEZE,
    FAULT_LINK_DROP,
    FAULT_DISK_AWAY,
    FAULT_PAIR,
    FAULTS
};
void faults_setup(void); /* throws the dice for sim.plan, plans the first */

/* ---- check.c ------------------------------------------------------------- */

/* What the world knows of a run. */
struct truth {
    int number; /* from 1 */
    int thread; /* number, from 1; runs without one have their own */
    struct id id, thread_id;
    const char *strategy;
    bool stored, temporary;
    int after_ms;
    int steps;
    bool fails;

    int64_t submitted_us; /* first said; 0: not yet */
    int64_t accepted_us;  /* a gateway heard so; 0: not */
    bool refused, forgotten, abandoned, deleting;
    const char *cancelled; /* interrupt, rollback; NULL: not */
    int64_t begun_us;      /* first RUN_START that left the broker */
    uint16_t attempt;      /* highest that was started */
    int holder;            /* the worker that was given it last */
    int blame;             /* what befell workers that had it */
    bool ended;            /* RUN_ENDED left the broker */
    int64_t ended_us;      /* when, first */
    int64_t broker_died_us, worker_died_us; /* that had it: the last time */
    bool again;            /* shown before its submit was answered: one that
                              is lost then, and deleted, begins anew */
    bool heard_end;        /* and reached a gateway */
    char status[16];
    uint64_t last;
    uint64_t published;    /* by the living broker: last one */
    uint16_t publishing;   /* and whose */
    uint32_t publisher;    /* its life */
    struct shown *shown;   /* every event that anybody saw */
    size_t shown_count, shown_room;
};

void check_setup(void);
struct truth *truth_of(const struct id *run);
struct truth *truth_at(int number); /* NULL beyond the last */
struct truth *truth_new(void);
const char *node_name(const struct sim_node *n);

/* RUN_START leaves the broker; `ill`: for who may not get it. */
void check_start(const struct wire_head *h, const struct sim_node *to,
                 bool ill);
/* What this worker has may be lost by what happens to it now. */
void check_blame(int worker);
/* The broker (0) or this worker is dead, and what it alone knew is lost. */
void check_died(int worker);
void check_ended(const struct wire_head *h, const leat_value *body);
void check_publish(const struct wire_head *h, const void *bytes, size_t len);
/* The next event that a reader sees, behind one of that number and attempt
 * (0: none). */
struct sight {
    uint64_t seq, ms;
    uint16_t attempt;
    struct wire_event event;
    const unsigned char *bytes;
    size_t len;
};
void check_seen(struct truth *t, uint64_t after, uint16_t attempt,
                const struct sight *s);
/* Is it over, as far as anybody will know? */
bool check_over(const struct truth *t);
/* Its worker and the broker were lost together. A reader that was away then,
 * too, goes on by number and may miss how the next attempt begins: the wire
 * has no question for that. */
bool check_torn(const struct truth *t);
/* Whoever knew how its log ended has died: its gateway says that it is lost. */
bool check_short(const struct truth *t);
/* The store has no such run (any more). */
bool check_gone(const struct truth *t);
/* A reader has seen all of it, up to this one. */
void check_whole(const struct truth *t, uint64_t seq);
/* At the end: the store against what was seen and promised. */
void check_store(void);

#endif
