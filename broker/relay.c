/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.c: see relay.h. One turn: read notes of the desk first (they say who
 * may speak), then events, replays, subscriptions and the journal, each up to
 * a bound; then what has expired.
 */
#include "broker/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/relay_in.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"

#define RELAY_MAGIC LEAT_MAGIC(0x72650101)
#define TURN_MESSAGES 512
#define PUB_HWM 100000
#define GAP_BYTES_MAX 1024
/* While the store is away, the marks of a log are asked for again. */
#define ASK_AGAIN_MS 200
/* How often the socket monitors are emptied. */
#define MONITOR_MS 1000

struct brk_relay {
    uint32_t magic;
    struct brk_actor *actor;
    struct relay r;
};

static void read_notes(struct relay *r);

/* ---- towards the desk -------------------------------------------------------- */

/* The desk is stopped first: what it does not take any more is nobody's. */
static void offer(struct relay *r, struct brk_note *n)
{
    if (!link_pipe_offer(r->desk, n)) {
        brk_note_destroy(&n);
    }
}

static void tell(struct relay *r, enum brk_note_type type,
                 const struct ring_log *log, uint64_t seq)
{
    struct brk_note *n = brk_note_new(type, &log->run, &log->thread);
    n->attempt = log->attempt;
    n->seq = seq;
    offer(r, n);
}

/* ---- the end of a log -------------------------------------------------------------- */

static void check_complete(struct relay *r, struct ring_log *log)
{
    if (log->complete || log->end == 0 || log->next <= log->end) {
        return;
    }
    log->complete = true;
    if (log->stored) {
        struct brk_log *m =
            brk_log_new(BRK_LOG_END, &log->run, &log->thread);
        m->last = log->end;
        link_pipe_send(r->journal, m);
    } else {
        brk_mark_safe(log, 0);
        brk_mark_received(r, log);
    }
    int64_t expires = clock_mono_ms() + r->ended_ttl_ms;
    brk_ring_ended(r->ring, log, expires);
    if (r->expire_ms < 0) {
        r->expire_ms = expires;
    }
}

/* ---- events in ------------------------------------------------------------------------ */

static void take_events(struct relay *r, struct ring_log *log,
                        uint32_t count, zmq_msg_t *body)
{
    const struct wire_head head = {
        .type = WIRE_EVENTS,
        .attempt = log->attempt,
        .epoch = r->env->epoch,
        .tag = count,
        .run = log->run,
        .thread = log->thread,
        .seq = log->next,
        .ms = log->ms,
    };
    if (log->stored) {
        struct brk_log *m =
            brk_log_new(BRK_LOG_APPEND, &log->run, &log->thread);
        m->first = log->next;
        m->count = count;
        m->attempt = log->attempt;
        m->ms = log->ms;
        must(zmq_msg_copy(&m->body, body) == 0);
        link_pipe_send(r->journal, m);
    }
    stat_add(STAT_EVENTS_IN, count);
    stat_add(STAT_EVENTS_BYTES, (int64_t)zmq_msg_size(body));
    link_publish(r->pub, &head, body);
    size_t bytes = zmq_msg_size(body);
    brk_ring_put(r->ring, log, count, body);
    if (!log->stored) {
        brk_mark_safe(log, bytes);
    }
}

/* The part of the batch behind what is known already. */
static bool cut_known(zmq_msg_t *body, uint64_t known)
{
    const unsigned char *at = zmq_msg_data(body);
    size_t left = zmq_msg_size(body);
    for (uint64_t i = 0; i < known; i++) {
        size_t n = value_check(at, left);
        if (n == 0) {
            return false;
        }
        at += n;
        left -= n;
    }
    zmq_msg_t rest;
    must(zmq_msg_init_size(&rest, left) == 0);
    memcpy(zmq_msg_data(&rest), at, left);
    must(zmq_msg_move(body, &rest) == 0);
    return true;
}

static void say_who(struct relay *r, const struct link_in *in)
{
    const struct wire_head head = {
        .type = WIRE_WHO,
        .epoch = r->env->epoch,
        .run = in->head.run,
        .thread = in->head.thread,
        .attempt = in->head.attempt,
    };
    (void)link_send(r->events, &in->from, &head, NULL);
}

static bool whole(const struct link_in *in)
{
    const struct wire_head *h = &in->head;
    zmq_msg_t *raw = (zmq_msg_t *)(uintptr_t)&in->raw;
    bool ok = h->seq > 0 && h->tag > 0 &&
              wire_raw_count(zmq_msg_data(raw), zmq_msg_size(raw)) ==
                  (long)h->tag;
    if (!ok) {
        stat_inc(STAT_WIRE_MALFORMED);
        log_warn("events.malformed", "run=%s seq=%llu", ID_TEXT(&h->run),
                 (unsigned long long)h->seq);
    }
    return ok;
}

static void take_in_order(struct relay *r, struct ring_log *log,
                          struct link_in *in)
{
    const struct wire_head *h = &in->head;
    if (h->seq > log->next) {
        brk_mark_send(r, log, WIRE_EVENTS_FROM, log->next);
        return;
    }
    bool first = log->next == 1;
    if (log->complete || h->seq + h->tag <= log->next) {
        stat_add(STAT_EVENTS_REPEATED, h->tag);
    } else {
        uint64_t known = log->next - h->seq;
        uint32_t fresh = h->tag - (uint32_t)known;
        stat_add(STAT_EVENTS_REPEATED, (int64_t)known);
        if (known > 0 && !cut_known(&in->raw, known)) {
            return;
        }
        take_events(r, log, fresh, &in->raw);
    }
    if (first) {
        brk_mark_owe(r, log);
    } else {
        brk_mark_received(r, log);
    }
    if (log->stored && log->durable > 0) {
        brk_mark_send(r, log, WIRE_EVENTS_DURABLE, log->durable);
    }
    check_complete(r, log);
}

static bool is_known(const struct ring_log *log, uint16_t attempt)
{
    return log != NULL && log->owner == NULL && attempt <= log->attempt;
}

static void on_events(struct relay *r, struct link_in *in)
{
    const struct wire_head *h = &in->head;
    struct ring_log *log = brk_ring_get(r->ring, &h->run);
    if (!is_known(log, h->attempt)) { /* told since this turn began? */
        read_notes(r);
        log = brk_ring_get(r->ring, &h->run);
    }
    if (!is_known(log, h->attempt)) {
        say_who(r, in); /* the desk has not said yet who may speak */
        if (log == NULL) {
            struct brk_note *n =
                brk_note_new(BRK_NOTE_UNKNOWN, &h->run, &h->thread);
            n->attempt = h->attempt;
            offer(r, n);
        }
        return;
    }
    if (h->attempt < log->attempt) {
        stat_add(STAT_EVENTS_FENCED, h->tag);
        return;
    }
    if (!whole(in)) {
        return;
    }
    log->worker = in->from;
    if (log->ms == 0) { /* adopted: only its worker knows */
        log->ms = h->ms;
    }
    take_in_order(r, log, in);
}

/* ---- notes of the desk --------------------------------------------------------------- */

static void close_log(struct relay *r, struct ring_log *log,
                      const struct brk_note *n)
{
    if (!log->complete) {
        zmq_msg_t body;
        must(zmq_msg_init_size(&body, n->body_len) == 0);
        memcpy(zmq_msg_data(&body), n->body, n->body_len);
        take_events(r, log, n->count, &body);
        zmq_msg_close(&body);
        log->end = log->next - 1;
        check_complete(r, log);
    }
    log->closing = log->stored && log->durable < log->end;
    if (!log->closing) {
        tell(r, BRK_NOTE_CLOSED, log, log->end);
    }
}

/*
 * Worker and broker were lost together: what readers saw last may be stored
 * nowhere. The log says so where it was torn, before it goes on.
 */
static void announce_gap(struct relay *r, struct ring_log *log,
                         const struct brk_note *n)
{
    char from[48];
    char to[48];
    snprintf(from, sizeof from, "%llu-%llu", (unsigned long long)n->torn_ms,
             (unsigned long long)log->next);
    snprintf(to, sizeof to, "%llu-%llu", (unsigned long long)n->ms,
             (unsigned long long)log->next);
    leat_value *gap = leat_pack("{s:s,s:s,s:n}", "from", from, "to", to,
                                "checkpoint_id");
    struct buf text;
    buf_init(&text, GAP_BYTES_MAX);
    must(wire_event_put(&text, "gap", "", leat_view_of(gap)));
    leat_drop(gap);
    zmq_msg_t body;
    must(zmq_msg_init_size(&body, text.len) == 0);
    memcpy(zmq_msg_data(&body), text.data, text.len);
    buf_fini(&text);
    take_events(r, log, 1, &body);
    zmq_msg_close(&body);
    stat_inc(STAT_EVENT_GAPS);
    log_warn("run.gap", "run=%s from=%s to=%s", ID_TEXT(&log->run), from, to);
}

/* The log's marks are known: the fence stands, or the end is written. */
static void settle(struct relay *r, struct ring_log *log,
                   const struct brk_note *n)
{
    log->attempt = n->attempt;
    log->stored = n->stored;
    log->ms = n->ms;
    log->worker.len = 0;
    if (n->adopt && !n->stored && log->next == 1 && n->seq > 1) {
        log->next = n->seq; /* what came before is gone with the last broker */
    }
    if (n->torn_ms != 0 && !log->complete) {
        announce_gap(r, log, n);
    }
    if (n->type == BRK_NOTE_CLOSE) {
        close_log(r, log, n);
    } else if (!n->quiet) {
        tell(r, BRK_NOTE_FENCED, log, log->next);
    }
}

static bool needs_marks(const struct ring_log *log, const struct brk_note *n)
{
    bool fresh = log->next == 1 && log->first == NULL && !log->asked;
    bool first_time = n->attempt <= 1 && !n->adopt &&
                      n->type == BRK_NOTE_FENCE;
    return n->stored && fresh && !first_time;
}

/* Takes the note. */
static void on_fence(struct relay *r, struct brk_note *n)
{
    struct ring_log *log = brk_ring_require(r->ring, &n->run, &n->thread);
    if (log->owner != NULL) {
        struct brk_note *old = log->owner; /* overtaken by a later word */
        brk_note_destroy(&old);
        log->owner = n;
        return;
    }
    if (needs_marks(log, n)) {
        struct brk_log *m =
            brk_log_new(BRK_LOG_MARKS_GET, &n->run, &n->thread);
        link_pipe_send(r->journal, m);
        log->asked = true;
        log->owner = n;
        return;
    }
    settle(r, log, n);
    brk_note_destroy(&n);
}

static void on_ended(struct relay *r, const struct brk_note *n)
{
    struct ring_log *log = brk_ring_get(r->ring, &n->run);
    if (log == NULL || log->complete) {
        return;
    }
    log->end = n->seq;
    check_complete(r, log);
}

static void on_forget(struct relay *r, const struct brk_note *n)
{
    struct brk_log *m = brk_log_new(BRK_LOG_FORGET, &n->run, &n->thread);
    link_pipe_send(r->journal, m);
    struct ring_log *log = brk_ring_get(r->ring, &n->run);
    if (log == NULL) {
        return;
    }
    log->stored = false;
    log->complete = true;
    brk_mark_safe(log, 0);
    brk_mark_received(r, log);
    if (log->listed_ended) {
        return;
    }
    int64_t expires = clock_mono_ms() + r->ended_ttl_ms;
    brk_ring_ended(r->ring, log, expires);
    if (r->expire_ms < 0) {
        r->expire_ms = expires;
    }
}

static void read_notes(struct relay *r)
{
    struct brk_note *n;
    while ((n = link_pipe_recv(r->desk)) != NULL) {
        must(n->magic == BRK_NOTE_MAGIC);
        switch (n->type) {
        case BRK_NOTE_FENCE:
        case BRK_NOTE_CLOSE:
            on_fence(r, n);
            continue;
        case BRK_NOTE_ENDED:
            on_ended(r, n);
            break;
        case BRK_NOTE_FORGET:
            on_forget(r, n);
            break;
        case BRK_NOTE_FENCED:
        case BRK_NOTE_CLOSED:
        case BRK_NOTE_SUBSCRIBED:
        case BRK_NOTE_HOME:
        case BRK_NOTE_UNKNOWN:
            must(false && "a note for the relay");
            break;
        }
        brk_note_destroy(&n);
    }
}

/* ---- the journal ------------------------------------------------------------------------ */

static void on_durable(struct relay *r, const struct brk_log *m)
{
    struct ring_log *log = brk_ring_get(r->ring, &m->run);
    if (log == NULL || m->last <= log->durable) {
        return;
    }
    log->durable = m->last;
    brk_mark_send(r, log, WIRE_EVENTS_DURABLE, m->last);
    if (log->closing && log->durable >= log->end) {
        log->closing = false;
        tell(r, BRK_NOTE_CLOSED, log, log->end);
    }
}

static void on_marks(struct relay *r, const struct brk_log *m)
{
    struct ring_log *log = brk_ring_get(r->ring, &m->run);
    if (log == NULL || log->owner == NULL) {
        return;
    }
    if (m->failed) {
        log->ask_ms = clock_mono_ms() + ASK_AGAIN_MS;
        r->ask_ms = r->ask_ms < 0 ? log->ask_ms : r->ask_ms;
        return;
    }
    struct brk_note *n = log->owner;
    log->owner = NULL;
    log->next = m->last + 1;
    log->durable = m->last;
    if (m->ended) {
        log->end = m->last;
        log->stored = n->stored;
        check_complete(r, log);
    }
    settle(r, log, n);
    brk_note_destroy(&n);
}

static void ask_again(struct ring_log *log, void *arg)
{
    struct relay *r = arg;
    if (log->ask_ms != 0) {
        log->ask_ms = 0;
        link_pipe_send(r->journal, brk_log_new(BRK_LOG_MARKS_GET, &log->run,
                                               &log->thread));
    }
}

static void read_journal(struct relay *r)
{
    struct brk_log *m;
    while ((m = link_pipe_recv(r->journal)) != NULL) {
        must(m->magic == BRK_LOG_MAGIC);
        switch (m->type) {
        case BRK_LOG_DURABLE:
            on_durable(r, m);
            break;
        case BRK_LOG_CHUNK:
            brk_replay_on_chunk(r, m);
            break;
        case BRK_LOG_READ_DONE:
            brk_replay_on_read_done(r, m);
            break;
        case BRK_LOG_MARKS:
            on_marks(r, m);
            break;
        case BRK_LOG_APPEND:
        case BRK_LOG_READ:
        case BRK_LOG_MARKS_GET:
        case BRK_LOG_END:
        case BRK_LOG_FORGET:
            must(false && "an answer of the journal");
            break;
        }
        brk_log_destroy(&m);
    }
}

/* ---- sockets ------------------------------------------------------------------------------ */

static void read_events(struct relay *r)
{
    struct link_in in;
    link_in_init(&in);
    for (int i = 0; i < TURN_MESSAGES && link_recv(r->events, &in); i++) {
        if (in.head.type == WIRE_EVENTS) {
            on_events(r, &in);
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
        offer(r, n);
        return;
    }
    if (!on || (len != sizeof thread && len != WIRE_TOPIC_BYTES)) {
        return;
    }
    memcpy(thread.bytes, topic, sizeof thread);
    if (len == WIRE_TOPIC_BYTES) {
        memcpy(run.bytes, topic + sizeof thread, sizeof run);
    }
    offer(r, brk_note_new(BRK_NOTE_SUBSCRIBED, &run, &thread));
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

static bool open_links(struct relay *r, struct err *err)
{
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

static int wait_ms(const struct relay *r, bool queued)
{
    if (queued) {
        return 2;
    }
    int64_t next = min_i64(clock_mono_ms() + MONITOR_MS, brk_mark_due(r));
    if (r->expire_ms >= 0) {
        next = min_i64(next, r->expire_ms);
    }
    if (r->ask_ms >= 0) {
        next = min_i64(next, r->ask_ms);
    }
    return (int)max_i64(next - clock_mono_ms(), 0);
}

static void check_time(struct relay *r)
{
    int64_t now = clock_mono_ms();
    brk_mark_tick(r, now);
    if (r->expire_ms >= 0 && now >= r->expire_ms) {
        r->expire_ms = brk_ring_expire(r->ring, now);
    }
    if (r->ask_ms >= 0 && now >= r->ask_ms) {
        r->ask_ms = -1;
        brk_ring_each(r->ring, ask_again, r);
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
static void turn(struct relay *r, const struct link_poll *poll)
{
    if (link_poll_ready(poll, ITEM_PUB)) {
        read_topics(r);
    }
    read_notes(r);
    if (link_poll_ready(poll, ITEM_EVENTS)) {
        read_events(r);
    }
    if (link_poll_ready(poll, ITEM_GETS)) {
        read_gets(r);
    }
    read_journal(r);
    check_time(r);
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

static void loop(struct relay *r, struct brk_actor *actor)
{
    struct link_poll poll = {0};
    open_poll(r, actor, &poll);
    do {
        bool queued = link_pump(r->events);
        queued = link_pump(r->gets) || queued;
        link_poll_wait(&poll, wait_ms(r, queued));
        turn(r, &poll);
    } while (!link_poll_ready(&poll, ITEM_STOP) || !brk_actor_asked(actor));
}

static void body(struct brk_actor *actor, void *arg)
{
    struct brk_relay *self = arg;
    check_magic(self, RELAY_MAGIC);
    struct relay *r = &self->r;
    struct err err = ERR_INIT;
    if (!open_links(r, &err)) {
        brk_actor_failed(actor, &err);
    } else {
        brk_actor_ready(actor);
        loop(r, actor);
    }
    link_destroy(&r->events);
    link_destroy(&r->gets);
    link_destroy(&r->pub);
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
    brk_replay_fini(r);
    brk_ring_each(r->ring, drop_owner, NULL);
    brk_ring_destroy(&r->ring);
    brk_mark_fini(r);
    drop_pipes(r);
    self->magic = 0;
    free(self);
}

brk_relay_t *brk_relay_new(const struct brk_env *env, struct link_pipe **desk,
                           struct link_pipe **journal, struct err *err)
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
