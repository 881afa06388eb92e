/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn: wait, read what arrived up to a bound, let the core decide, hand
 * its decisions to the ledger, send. It knows no run and never waits for a
 * peer or for the store.
 */
#include "broker/desk.h"

#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/core.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

#define DESK_MAGIC LEAT_MAGIC(0xb0e70020)
#define TURN_MESSAGES 1000 /* of one source in one turn */
#define WAIT_MS 100
#define PUMP_MS 2        /* while a peer's queue is not empty */
#define PROBE_MS 20      /* after a connection was lost: ask all, and */
#define PROBE_FOR_MS 300 /* again for so long: it is not seen at once */
#define DRAIN_MS 5000
#define HWM 10000

/* In the order in which open_poll adds them. */
enum {
    ITEM_RELAY,
    ITEM_LEDGER,
    ITEM_STOP,
    ITEM_WORKERS,
    ITEM_WORKERS_MONITOR,
    ITEM_GATEWAYS,
    ITEM_GATEWAYS_MONITOR,
    ITEMS
};

struct brk_desk {
    uint32_t magic;
    const struct brk_env *env;
    struct link_pipe *relay;
    struct link_pipe *ledger;
    struct brk_actor *actor; /* the maker's; NULL: turns are, too */
    struct brk_actor *self;  /* the same for the thread */
    struct brk_core *core;
    int64_t now_ms; /* when this turn began */
    link_t *gateways;
    link_t *workers;
    struct link_in in;
    struct link_poll poll;
    struct link_poll own;      /* without peers: while it drains */
    bool queued;               /* some link has something left to send */
    int64_t probe_until_ms[2]; /* workers, gateways */
    int64_t probe_next_ms[2];
};

static void desk_main(struct brk_actor *actor, void *arg);
static void open_polls(struct brk_desk *d);
static void close_links(struct brk_desk *d);
static bool readable(const struct brk_desk *d, int item);
static void turn(struct brk_desk *d, struct brk_now now, bool taking);
static void wait_for_work(struct brk_desk *d, bool taking);
static void drain(struct brk_desk *d);
static void read_links(struct brk_desk *d);
static void read_pipes(struct brk_desk *d);
static void send_out(struct brk_desk *d);
static void probe(struct brk_desk *d, link_t *link, int item);
static struct brk_now now_of(void);

struct brk_desk *brk_desk_make(const struct brk_env *env,
                               struct link_pipe **relay,
                               struct link_pipe **ledger, struct brk_now now)
{
    must(env != NULL && *relay != NULL && *ledger != NULL);
    struct brk_desk *d = base_zalloc(sizeof *d);
    d->magic = DESK_MAGIC;
    d->env = env;
    d->relay = *relay;
    d->ledger = *ledger;
    *relay = *ledger = NULL;
    link_in_init(&d->in);
    struct brk_core_conf conf = {
        .epoch = env->epoch,
        .lease_ms = conf_ms(env->conf, CONF_LEASE),
        .run_timeout_ms = conf_ms(env->conf, CONF_RUN_TIMEOUT),
        .past_ms = max_i64(conf_ms(env->conf, CONF_STATELESS_LOG_TTL), 1000),
        .max_attempts = (unsigned)conf_int(env->conf, CONF_MAX_ATTEMPTS),
        .lane_runs = (size_t)conf_int(env->conf, CONF_LANE_RUNS),
    };
    d->core = brk_core_new(&conf, now);
    d->now_ms = now.mono_ms;
    return d;
}

void brk_desk_restore(struct brk_desk *d, const struct brk_open *open)
{
    check_magic(d, DESK_MAGIC);
    brk_core_restore(d->core, open->rows, open->n);
}

struct brk_desk *brk_desk_new(const struct brk_env *env,
                              struct link_pipe **relay,
                              struct link_pipe **ledger,
                              const struct brk_open *open, struct err *err)
{
    struct brk_desk *d = brk_desk_make(env, relay, ledger, now_of());
    brk_desk_restore(d, open);
    d->actor = brk_actor_new("desk", desk_main, d, err);
    if (d->actor == NULL) {
        brk_desk_destroy(&d);
    }
    return d;
}

void brk_desk_destroy(struct brk_desk **p)
{
    must(p != NULL);
    struct brk_desk *d = *p;
    if (d == NULL) {
        return;
    }
    check_magic(d, DESK_MAGIC);
    brk_actor_destroy(&d->actor);
    struct brk_note *note;
    while ((note = link_pipe_recv(d->relay)) != NULL) {
        brk_note_destroy(&note);
    }
    struct brk_batch *batch;
    while ((batch = link_pipe_recv(d->ledger)) != NULL) {
        brk_batch_destroy(&batch);
    }
    link_pipe_destroy(&d->relay);
    link_pipe_destroy(&d->ledger);
    close_links(d); /* of a thread: it has done so */
    brk_core_destroy(&d->core);
    link_in_fini(&d->in);
    d->magic = 0;
    free(d);
    *p = NULL;
}

/* ---- the thread
 * ------------------------------------------------------------------- */

static void desk_main(struct brk_actor *actor, void *arg)
{
    struct brk_desk *d = arg;
    check_magic(d, DESK_MAGIC);
    struct err err = ERR_INIT;
    if (!brk_desk_open(d, &err)) {
        brk_actor_failed(actor, &err);
    } else {
        d->self = actor;
        open_polls(d);
        brk_actor_ready(actor);
        do {
            wait_for_work(d, true);
            turn(d, now_of(), true);
        } while (!readable(d, ITEM_STOP) || !brk_actor_asked(actor));
        drain(d);
    }
    close_links(d);
}

static void close_links(struct brk_desk *d)
{
    link_destroy(&d->gateways);
    link_destroy(&d->workers);
}

bool brk_desk_open(struct brk_desk *d, struct err *err)
{
    check_magic(d, DESK_MAGIC);
    struct link_spec spec = {
        .base = d->env->base,
        .frame_bytes = (size_t)conf_bytes(d->env->conf, CONF_FRAME_BYTES),
        .hwm = HWM,
    };
    spec.port = WIRE_PORT_GATEWAY;
    spec.from = WIRE_G;
    d->gateways = link_router(&spec, err);
    if (d->gateways == NULL) {
        return false;
    }
    spec.port = WIRE_PORT_WORKER;
    spec.from = WIRE_W;
    d->workers = link_router(&spec, err);
    return d->workers != NULL;
}

static void open_polls(struct brk_desk *d)
{
    zmq_pollitem_t stop;
    brk_actor_item(d->self, &stop);
    (void)link_poll_pipe(&d->own, d->relay);
    (void)link_poll_pipe(&d->own, d->ledger);
    d->poll = d->own;
    (void)link_poll_item(&d->poll, &stop);
    (void)link_poll_link(&d->poll, d->workers);
    (void)link_poll_monitor(&d->poll, d->workers);
    (void)link_poll_link(&d->poll, d->gateways);
    size_t last = link_poll_monitor(&d->poll, d->gateways);
    must(last + 1 == ITEMS);
}

void brk_desk_turn(struct brk_desk *d, struct brk_now now)
{
    check_magic(d, DESK_MAGIC);
    turn(d, now, true);
}

static void turn(struct brk_desk *d, struct brk_now now, bool taking)
{
    d->now_ms = now.mono_ms;
    brk_core_begin(d->core, now);
    if (taking) {
        read_links(d);
        probe(d, d->workers, ITEM_WORKERS);
        probe(d, d->gateways, ITEM_GATEWAYS);
    }
    read_pipes(d);
    brk_core_end(d->core);
    struct brk_batch *batch = brk_core_take_batch(d->core);
    if (batch != NULL) {
        link_pipe_send(d->ledger, batch);
    }
    send_out(d);
}

int64_t brk_desk_next_ms(const struct brk_desk *d)
{
    check_magic(d, DESK_MAGIC);
    int64_t next =
        min_i64(d->now_ms + WAIT_MS, brk_core_next_ms(d->core));
    if (d->queued) {
        next = min_i64(next, d->now_ms + PUMP_MS);
    }
    for (int i = 0; i < 2; i++) {
        if (d->probe_until_ms[i] > d->now_ms) {
            next = min_i64(next, d->probe_next_ms[i]);
        }
    }
    return next;
}

static void wait_for_work(struct brk_desk *d, bool taking)
{
    /* While it drains, what peers send is left to the next broker. */
    int64_t wait = brk_desk_next_ms(d) - clock_mono_ms();
    link_poll_wait(taking ? &d->poll : &d->own, max_i64(0, wait));
}

static void drain(struct brk_desk *d)
{
    brk_core_drain(d->core);
    int64_t until = clock_mono_ms() + DRAIN_MS;
    size_t left = brk_core_count(d->core).uncommitted;
    while ((left > 0 || d->queued) && clock_mono_ms() < until) {
        wait_for_work(d, false);
        turn(d, now_of(), false);
        left = brk_core_count(d->core).uncommitted;
    }
    if (left > 0) {
        log_warn("desk.undone", "operations=%zu", left);
    }
}

/* ---- reading
 * ------------------------------------------------------------------------- */

/* Only what is readable: asking a ZeroMQ socket costs a system call. */
static bool readable(const struct brk_desk *d, int item)
{
    return link_poll_ready(&d->poll, (size_t)item);
}

static void pass_read(uint8_t type)
{
    if (type == WIRE_RUN_SUBMIT) {
        (void)fault_at(FAULT_DESK_SUBMIT);
    } else if (type == WIRE_RUN_DONE) {
        (void)fault_at(FAULT_DESK_DONE);
    } else if (type == WIRE_HEARTBEAT) {
        (void)fault_at(FAULT_DESK_STOP);
    }
}

static void pass_sent(uint8_t type)
{
    if (type == WIRE_RUN_ACCEPTED) {
        (void)fault_at(FAULT_DESK_ACCEPTED);
    } else if (type == WIRE_RUN_START) {
        (void)fault_at(FAULT_DESK_START);
    } else if (type == WIRE_RUN_ENDED) {
        (void)fault_at(FAULT_DESK_ENDED);
    }
}

static void read_links(struct brk_desk *d)
{
    for (int i = 0; readable(d, ITEM_WORKERS) && i < TURN_MESSAGES &&
                    link_recv(d->workers, &d->in);
         i++) {
        log_debug("desk.worker", "type=%s run=%s tag=%u",
                  wire_name(d->in.head.type), ID_TEXT(&d->in.head.run),
                  d->in.head.tag);
        pass_read(d->in.head.type);
        brk_core_on_worker(d->core, &d->in);
    }
    for (int i = 0; readable(d, ITEM_GATEWAYS) && i < TURN_MESSAGES &&
                    link_recv(d->gateways, &d->in);
         i++) {
        log_debug("desk.gateway", "type=%s run=%s tag=%u",
                  wire_name(d->in.head.type), ID_TEXT(&d->in.head.run),
                  d->in.head.tag);
        pass_read(d->in.head.type);
        brk_core_on_gateway(d->core, &d->in);
    }
}

static void read_pipes(struct brk_desk *d)
{
    struct brk_note *note;
    for (int i = 0;
         i < TURN_MESSAGES && (note = link_pipe_recv(d->relay)) != NULL; i++) {
        brk_core_on_relay(d->core, &note);
    }
    struct brk_batch *batch;
    for (int i = 0;
         i < TURN_MESSAGES && (batch = link_pipe_recv(d->ledger)) != NULL;
         i++) {
        brk_core_on_ledger(d->core, &batch);
    }
}

/* A lost connection is only told without a name: asking all peers finds the
 * one that cannot be reached. */
static void probe(struct brk_desk *d, link_t *link, int item)
{
    int64_t now = d->now_ms;
    int which = item == ITEM_GATEWAYS;
    bool changed = readable(d, item + 1); /* its monitor */
    if (changed && (link_changes(link) & LINK_WENT) != 0) {
        d->probe_until_ms[which] = now + PROBE_FOR_MS;
        d->probe_next_ms[which] = now;
    }
    if (now < d->probe_until_ms[which] && now >= d->probe_next_ms[which]) {
        d->probe_next_ms[which] = now + PROBE_MS;
        brk_core_probe(d->core, which == 1);
    }
}

/* ---- sending
 * ------------------------------------------------------------------------- */

static void send_out(struct brk_desk *d)
{
    struct brk_out out;
    while (brk_core_take_out(d->core, &out)) {
        if (out.to == BRK_OUT_RELAY) {
            link_pipe_send(d->relay, out.note);
            continue;
        }
        bool gateway = out.to == BRK_OUT_GATEWAY;
        enum link_sent sent = link_send(gateway ? d->gateways : d->workers,
                                        &out.route, &out.head, out.body);
        if (sent == LINK_GONE) {
            brk_core_on_gone(d->core, gateway, &out.route);
        } else if (sent == LINK_FULL) {
            brk_core_on_full(d->core, gateway, &out.route);
        }
        pass_sent(out.head.type);
    }
    bool gateways_left = link_pump(d->gateways);
    d->queued = link_pump(d->workers) || gateways_left;
}

static struct brk_now now_of(void)
{
    return (struct brk_now){clock_mono_ms(), clock_wall_ms()};
}
