/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.c: see relay.h. One turn: read notes of the desk first (they say who
 * may speak), then events, replays, subscriptions and the journal, each up to
 * a bound; then what has expired.
 */
#include "broker/relay.h"

#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/relay_in.h"
#include "common/clock.h"
#include "common/log.h"

#define RELAY_MAGIC LEAT_MAGIC(0x72650101)
#define TURN_MESSAGES 512
#define PUMP_MS 2 /* while a peer's queue is not empty */
#define PUB_HWM 100000
/* How often the socket monitors are emptied. */
#define MONITOR_MS 1000

struct brk_relay {
    uint32_t magic;
    struct brk_actor *actor; /* NULL: turns are its maker's */
    struct link_poll poll;
    bool queued; /* a socket has something left to send */
    struct relay r;
};

/* ---- sockets ------------------------------------------------------------------------------ */

static void read_events(struct relay *r)
{
    struct link_in in;
    link_in_init(&in);
    for (int i = 0; i < TURN_MESSAGES && link_recv(r->events, &in); i++) {
        if (in.head.type == WIRE_EVENTS) {
            brk_intake_on_events(r, &in);
        } else if (in.head.type == WIRE_PING) {
            const struct wire_head pong = {.type = WIRE_PONG,
                                           .epoch = r->env->epoch,
                                           .tag = in.head.tag};
            (void)link_send(r->events, &in.from, &pong, NULL);
        }
    }
    link_in_fini(&in);
}

static void read_gets(struct relay *r)
{
    struct link_in in;
    link_in_init(&in);
    for (int i = 0; i < TURN_MESSAGES && link_recv(r->gets, &in); i++) {
        if (in.head.type == WIRE_REPLAY_GET) {
            brk_replay_get(r, &in);
        }
    }
    link_in_fini(&in);
}

static void on_topic(struct relay *r, const unsigned char *topic, size_t len,
                     bool on)
{
    struct id thread = {{0}};
    struct id run = {{0}};
    if (len == WIRE_HOME_BYTES) {
        memcpy(thread.bytes, topic, len);
        struct brk_note *n = brk_note_new(BRK_NOTE_HOME, &run, &thread);
        n->seq = on;
        brk_notes_offer(r, n);
        return;
    }
    if (!on || (len != sizeof thread && len != WIRE_TOPIC_BYTES)) {
        return;
    }
    memcpy(thread.bytes, topic, sizeof thread);
    if (len == WIRE_TOPIC_BYTES) {
        memcpy(run.bytes, topic + sizeof thread, sizeof run);
    }
    brk_notes_offer(r, brk_note_new(BRK_NOTE_SUBSCRIBED, &run, &thread));
}

static void read_topics(struct relay *r)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    size_t len = 0;
    bool on = false;
    for (int i = 0; i < TURN_MESSAGES; i++) {
        if (!link_recv_topic(r->pub, topic, sizeof topic, &len, &on)) {
            return;
        }
        on_topic(r, topic, len, on);
    }
}

/* ---- the thread ------------------------------------------------------------------------------ */

bool brk_relay_open(brk_relay_t *self, struct err *err)
{
    check_magic(self, RELAY_MAGIC);
    struct relay *r = &self->r;
    struct link_spec spec = {
        .base = r->env->base,
        .port = WIRE_PORT_EVENTS,
        .from = WIRE_W,
        .frame_bytes =
            (size_t)conf_bytes(r->env->conf, CONF_FRAME_BYTES),
    };
    r->events = link_router(&spec, err);
    spec.port = WIRE_PORT_REPLAY;
    spec.from = WIRE_G;
    r->gets = r->events != NULL ? link_router(&spec, err) : NULL;
    spec.port = WIRE_PORT_PUB;
    spec.hwm = PUB_HWM;
    r->pub = r->gets != NULL ? link_xpub(&spec, err) : NULL;
    return r->pub != NULL;
}

int64_t brk_relay_next_ms(const brk_relay_t *self)
{
    check_magic(self, RELAY_MAGIC);
    const struct relay *r = &self->r;
    int64_t next = min_i64(r->monitor_ms, brk_mark_due(r));
    if (self->queued) {
        next = min_i64(next, r->now_ms + PUMP_MS);
    }
    if (r->expire_ms >= 0) {
        next = min_i64(next, r->expire_ms);
    }
    if (r->ask_ms >= 0) {
        next = min_i64(next, r->ask_ms);
    }
    return next;
}

static void check_time(struct relay *r)
{
    int64_t now = r->now_ms;
    brk_mark_tick(r, now);
    if (r->expire_ms >= 0 && now >= r->expire_ms) {
        r->expire_ms = brk_ring_expire(r->ring, now);
    }
    if (r->ask_ms >= 0 && now >= r->ask_ms) {
        brk_notes_ask_again(r);
    }
    if (now >= r->monitor_ms) {
        r->monitor_ms = now + MONITOR_MS;
        (void)link_changes(r->events);
        (void)link_changes(r->gets);
        (void)link_changes(r->pub);
    }
}

enum { ITEM_EVENTS, ITEM_GETS, ITEM_PUB, ITEM_DESK, ITEM_JOURNAL, ITEM_STOP };

/*
 * Only what is readable is read: asking a ZeroMQ socket costs a system call.
 * A subscription that came before a note is told before the note is answered;
 * the desk's notes are read before events: they say who may speak.
 */
void brk_relay_turn(brk_relay_t *self, int64_t now_ms)
{
    check_magic(self, RELAY_MAGIC);
    must(now_ms >= self->r.now_ms);
    struct relay *r = &self->r;
    const struct link_poll *poll = &self->poll;
    r->now_ms = now_ms;
    if (link_poll_ready(poll, ITEM_PUB)) {
        read_topics(r);
    }
    brk_notes_read(r);
    if (link_poll_ready(poll, ITEM_EVENTS)) {
        read_events(r);
    }
    if (link_poll_ready(poll, ITEM_GETS)) {
        read_gets(r);
    }
    brk_notes_read_journal(r);
    check_time(r);
    self->queued = link_pump(r->events);
    self->queued = link_pump(r->gets) || self->queued;
}

/* Nobody is missed here, so the monitors are emptied now and then only. */
static void open_poll(const struct relay *r, struct brk_actor *actor,
                      struct link_poll *poll)
{
    zmq_pollitem_t stop;
    brk_actor_item(actor, &stop);
    (void)link_poll_link(poll, r->events);
    (void)link_poll_link(poll, r->gets);
    (void)link_poll_link(poll, r->pub);
    (void)link_poll_pipe(poll, r->desk);
    (void)link_poll_pipe(poll, r->journal);
    size_t last = link_poll_item(poll, &stop);
    must(last == ITEM_STOP);
}

static void loop(brk_relay_t *self, struct brk_actor *actor)
{
    open_poll(&self->r, actor, &self->poll);
    do {
        int64_t wait = brk_relay_next_ms(self) - clock_mono_ms();
        link_poll_wait(&self->poll, max_i64(wait, 0));
        brk_relay_turn(self, clock_mono_ms());
    } while (!link_poll_ready(&self->poll, ITEM_STOP) ||
             !brk_actor_asked(actor));
}

static void close_links(struct relay *r)
{
    link_destroy(&r->events);
    link_destroy(&r->gets);
    link_destroy(&r->pub);
}

static void body(struct brk_actor *actor, void *arg)
{
    struct brk_relay *self = arg;
    check_magic(self, RELAY_MAGIC);
    struct err err = ERR_INIT;
    if (!brk_relay_open(self, &err)) {
        brk_actor_failed(actor, &err);
    } else {
        brk_actor_ready(actor);
        loop(self, actor);
    }
    close_links(&self->r);
}

static void drop_owner(struct ring_log *log, void *arg)
{
    (void)arg;
    struct brk_note *n = log->owner;
    log->owner = NULL;
    if (n != NULL) {
        brk_note_destroy(&n);
    }
}

static void drop_pipes(struct relay *r)
{
    struct brk_note *n;
    struct brk_log *m;
    while ((n = link_pipe_recv(r->desk)) != NULL) {
        brk_note_destroy(&n);
    }
    while ((m = link_pipe_recv(r->journal)) != NULL) {
        brk_log_destroy(&m);
    }
    link_pipe_destroy(&r->desk);
    link_pipe_destroy(&r->journal);
}

static void free_all(struct brk_relay *self)
{
    struct relay *r = &self->r;
    close_links(r); /* of a thread: it has done so */
    brk_replay_fini(r);
    brk_ring_each(r->ring, drop_owner, NULL);
    brk_ring_destroy(&r->ring);
    brk_mark_fini(r);
    drop_pipes(r);
    self->magic = 0;
    free(self);
}

brk_relay_t *brk_relay_make(const struct brk_env *env, struct link_pipe **desk,
                            struct link_pipe **journal)
{
    must(env != NULL && *desk != NULL && *journal != NULL);
    struct brk_relay *self = base_zalloc(sizeof *self);
    self->magic = RELAY_MAGIC;
    self->r = (struct relay){
        .env = env,
        .desk = *desk,
        .journal = *journal,
        .ring =
            brk_ring_new((size_t)conf_bytes(env->conf, CONF_RING_BYTES)),
        .ended_ttl_ms = conf_ms(env->conf, CONF_STATELESS_LOG_TTL) + 1,
        .expire_ms = -1,
        .ask_ms = -1,
    };
    *desk = *journal = NULL;
    return self;
}

brk_relay_t *brk_relay_new(const struct brk_env *env, struct link_pipe **desk,
                           struct link_pipe **journal, struct err *err)
{
    brk_relay_t *self = brk_relay_make(env, desk, journal);
    self->actor = brk_actor_new("leat-relay", body, self, err);
    if (self->actor == NULL) {
        free_all(self);
        return NULL;
    }
    return self;
}

void brk_relay_destroy(brk_relay_t **p)
{
    must(p != NULL);
    if (*p == NULL) {
        return;
    }
    check_magic(*p, RELAY_MAGIC);
    brk_actor_destroy(&(*p)->actor);
    free_all(*p);
    *p = NULL;
}
