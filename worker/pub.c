/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pub.c: see pub.h. An entry stands for each outbox until it has finished.
 * One that could not be sent (the socket's queue is full, the relay does not
 * know the run yet) is tried again a little later; the rest go on.
 */
#include "worker/pub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link.h"
#include "common/log.h"
#include "common/mbox.h"

#define PUB_MAGIC LEAT_MAGIC(0x70750001)
#define BUCKETS 256u
#define RETRY_MS 20
#define HELLO_PAUSE_MS 20
/* A run that the relay does not know any more (deleted) is given up. */
#define FORGOTTEN_MS 60000
#define TURN_MESSAGES 1024
#define INBOX_MAX ((size_t)1 << 20)

struct entry {
    outbox_t *box;
    int64_t retry_ms;  /* 0: nothing waits */
    int64_t unknown_ms; /* since when the relay says WHO; 0: it does not */
    struct entry *next;
};

struct pub {
    uint32_t magic;
    struct pub_conf conf;
    wrk_uplink_t *uplink;
    size_t active; /* the broker that was sent to last */
    mbox_t *inbox; /* outboxes with something to send */
    struct entry *buckets[BUCKETS];
    _Atomic size_t entries;
    size_t retries; /* entries with retry_ms */
    uint32_t epoch;
    int64_t hello_ms; /* when HELLO was said last */
    bool hello_due;
};

/* ---- entries -------------------------------------------------------------- */

static struct entry **bucket(pub_t *p, const struct id *run)
{
    return &p->buckets[id_hash(run) % BUCKETS];
}

static struct entry *find(pub_t *p, const struct id *run, uint16_t attempt)
{
    struct entry *e = *bucket(p, run);
    while (e != NULL) {
        const struct outbox_conf *c = wrk_outbox_conf(e->box);
        if (c->attempt == attempt && id_eq(&c->run, run)) {
            return e;
        }
        e = e->next;
    }
    return NULL;
}

/* Takes the reference. */
static struct entry *require(pub_t *p, outbox_t *box)
{
    const struct outbox_conf *c = wrk_outbox_conf(box);
    struct entry *e = find(p, &c->run, c->attempt);
    if (e != NULL) {
        wrk_outbox_drop(&box);
        return e;
    }
    struct entry **at = bucket(p, &c->run);
    e = base_zalloc(sizeof *e);
    e->box = box;
    e->next = *at;
    *at = e;
    atomic_fetch_add(&p->entries, 1);
    return e;
}

static void set_retry(pub_t *p, struct entry *e, int64_t at_ms)
{
    p->retries += (at_ms != 0) - (size_t)(e->retry_ms != 0);
    e->retry_ms = at_ms;
}

static void drop(pub_t *p, struct entry **at)
{
    struct entry *e = *at;
    set_retry(p, e, 0);
    *at = e->next;
    wrk_outbox_drop(&e->box);
    free(e);
    atomic_fetch_sub(&p->entries, 1);
}

static void drop_finished(pub_t *p, const struct id *run)
{
    struct entry **at = bucket(p, run);
    while (*at != NULL) {
        struct entry *e = *at;
        bool lost = e->unknown_ms != 0 &&
                    clock_mono_ms() - e->unknown_ms > FORGOTTEN_MS;
        if (wrk_outbox_finished(e->box) || lost) {
            drop(p, at);
        } else {
            at = &e->next;
        }
    }
}

/* ---- sending --------------------------------------------------------------- */

static enum link_sent send_batch(pub_t *p, const struct outbox_conf *c,
                                 const struct outbox_batch *b)
{
    const struct wire_head head = {
        .type = WIRE_EVENTS,
        .attempt = c->attempt,
        .epoch = p->epoch,
        .tag = b->count,
        .run = c->run,
        .thread = c->thread,
        .seq = b->seq,
        .ms = c->ms,
    };
    zmq_msg_t raw;
    must(zmq_msg_init_size(&raw, b->len) == 0);
    memcpy(zmq_msg_data(&raw), b->bytes, b->len);
    enum link_sent sent = link_send_raw(wrk_uplink_active(p->uplink), NULL, &head, &raw);
    zmq_msg_close(&raw);
    return sent;
}

static void flush(pub_t *p, struct entry *e)
{
    struct outbox_batch b;
    set_retry(p, e, 0);
    while (wrk_outbox_next(e->box, &b)) {
        enum link_sent sent = send_batch(p, wrk_outbox_conf(e->box), &b);
        if (sent != LINK_SENT && sent != LINK_QUEUED) {
            set_retry(p, e, clock_mono_ms() + RETRY_MS);
            return;
        }
        wrk_outbox_sent(e->box);
    }
}

static leat_value *held_runs(pub_t *p)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *e = p->buckets[i]; e != NULL; e = e->next) {
            const struct outbox_conf *c = wrk_outbox_conf(e->box);
            leat_value *v = leat_pack(
                "{s:s,s:s,s:i,s:I,s:I}", "run", ID_TEXT(&c->run), "thread",
                ID_TEXT(&c->thread), "attempt", (int)c->attempt, "first",
                (int64_t)wrk_outbox_first_kept(e->box), "last",
                (int64_t)wrk_outbox_last(e->box));
            leat_write_view(w, leat_view_of(v));
            leat_drop(v);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static void say_hello(pub_t *p)
{
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    const struct wire_head head = {.type = WIRE_HELLO, .epoch = p->epoch};
    leat_value *body =
        leat_pack("{s:s,s:s,s:i,s:s,s:V}", "kind", "worker", "id",
                  p->conf.worker_id, "pid", (int)getpid(), "host", host,
                  "runs", held_runs(p));
    (void)link_send(wrk_uplink_active(p->uplink), NULL, &head, body);
    p->hello_ms = clock_mono_ms();
    p->hello_due = false;
}

/* The relay is another one or has lost what it had: all of it again. */
static void rewind_all(pub_t *p)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *e = p->buckets[i]; e != NULL; e = e->next) {
            if (wrk_outbox_rewind(e->box, 0)) {
                set_retry(p, e, clock_mono_ms() + RETRY_MS);
            }
        }
    }
}

static void retry_due(pub_t *p)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < BUCKETS && p->retries > 0; i++) {
        for (struct entry *e = p->buckets[i]; e != NULL; e = e->next) {
            if (e->retry_ms != 0 && e->retry_ms <= now) {
                flush(p, e);
            }
        }
    }
}

/* ---- receiving --------------------------------------------------------------- */

static void on_who(pub_t *p, const struct wire_head *h)
{
    p->hello_due = true;
    if (id_is_nil(&h->run)) {
        rewind_all(p);
        return;
    }
    for (struct entry *e = *bucket(p, &h->run); e != NULL; e = e->next) {
        if (!id_eq(&wrk_outbox_conf(e->box)->run, &h->run)) {
            continue;
        }
        int64_t now = clock_mono_ms();
        e->unknown_ms = e->unknown_ms != 0 ? e->unknown_ms : now;
        if (wrk_outbox_rewind(e->box, 0)) {
            set_retry(p, e, now + RETRY_MS);
        }
    }
    drop_finished(p, &h->run);
}

static void on_mark(pub_t *p, const struct wire_head *h)
{
    struct entry *e = find(p, &h->run, h->attempt);
    if (e == NULL) {
        return;
    }
    e->unknown_ms = 0;
    switch (h->type) {
    case WIRE_EVENTS_RECEIVED:
        wrk_outbox_received(e->box, h->seq);
        break;
    case WIRE_EVENTS_DURABLE:
        wrk_outbox_received(e->box, h->seq);
        wrk_outbox_durable(e->box, h->seq);
        drop_finished(p, &h->run);
        break;
    default:
        if (wrk_outbox_rewind(e->box, h->seq)) {
            flush(p, e);
        }
        break;
    }
}

static void receive(pub_t *p, size_t broker)
{
    struct link_in in;
    link_in_init(&in);
    link_t *link = wrk_uplink_to(p->uplink, broker);
    for (int i = 0; i < TURN_MESSAGES && link_recv(link, &in); i++) {
        if (in.head.epoch < p->epoch || broker != p->active) {
            continue; /* from a broker that was replaced */
        }
        p->epoch = in.head.epoch;
        switch (in.head.type) {
        case WIRE_WHO:
            on_who(p, &in.head);
            break;
        case WIRE_EVENTS_RECEIVED:
        case WIRE_EVENTS_DURABLE:
        case WIRE_EVENTS_FROM:
            on_mark(p, &in.head);
            break;
        default:
            break;
        }
    }
    link_in_fini(&in);
}

/* ---- turns ---------------------------------------------------------------- */

void wrk_pub_watch(pub_t *p, struct link_poll *poll)
{
    check_magic(p, PUB_MAGIC);
    const zmq_pollitem_t inbox = {.fd = mbox_fd(p->inbox),
                                  .events = ZMQ_POLLIN};
    wrk_uplink_watch(p->uplink, poll);
    (void)link_poll_item(poll, &inbox);
}

int64_t wrk_pub_wait_ms(pub_t *p)
{
    check_magic(p, PUB_MAGIC);
    bool queued = wrk_uplink_pump(p->uplink);
    return queued || p->retries > 0 || p->hello_due ? RETRY_MS : INT64_MAX;
}

/* A relay that is new to us, or again, has nothing of what is not durable. */
static void follow(pub_t *p, const struct link_poll *poll)
{
    size_t active = atomic_load(&p->conf.brokers->active);
    bool anew = active != p->active;
    p->active = active;
    for (size_t b = 0; b < p->conf.brokers->n; b++) {
        bool came = wrk_uplink_came(p->uplink, poll, b);
        anew = anew || (came && b == active);
        if (wrk_uplink_ready(p->uplink, poll, b)) {
            receive(p, b);
        }
    }
    if (anew) {
        p->hello_due = true;
        rewind_all(p);
    }
}

/* Only what is readable is read: asking a ZeroMQ socket costs a system call. */
void wrk_pub_turn(pub_t *p, const struct link_poll *poll)
{
    check_magic(p, PUB_MAGIC);
    follow(p, poll);
    if (p->hello_due && clock_mono_ms() - p->hello_ms >= HELLO_PAUSE_MS) {
        say_hello(p);
    }
    for (int i = 0; i < TURN_MESSAGES; i++) {
        outbox_t *box = mbox_take(p->inbox);
        if (box == NULL) {
            break;
        }
        struct entry *e = require(p, box);
        flush(p, e);
        drop_finished(p, &wrk_outbox_conf(e->box)->run);
    }
    retry_due(p);
}

pub_t *wrk_pub_new(const struct pub_conf *conf, struct err *err)
{
    must(conf != NULL && conf->worker_id != NULL);
    pub_t *p = base_zalloc(sizeof *p);
    p->magic = PUB_MAGIC;
    p->conf = *conf;
    p->inbox = mbox_new(INBOX_MAX);
    const struct wrk_uplink_conf up = {.brokers = conf->brokers,
                                       .port = WIRE_PORT_EVENTS,
                                       .from = WIRE_R,
                                       .frame_bytes = conf->frame_bytes};
    p->uplink = wrk_uplink_new(&up, err);
    if (p->uplink == NULL) {
        mbox_destroy(&p->inbox, NULL);
        free(p);
        return NULL;
    }
    return p;
}

static void drop_box(void *message)
{
    outbox_t *o = message;
    wrk_outbox_drop(&o);
}

void wrk_pub_destroy(pub_t **p)
{
    must(p != NULL);
    pub_t *self = *p;
    *p = NULL;
    if (self == NULL) {
        return;
    }
    check_magic(self, PUB_MAGIC);
    mbox_close(self->inbox);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (self->buckets[i] != NULL) {
            drop(self, &self->buckets[i]);
        }
    }
    wrk_uplink_destroy(&self->uplink);
    mbox_destroy(&self->inbox, drop_box);
    self->magic = 0;
    free(self);
}

void wrk_pub_ready(void *arg, outbox_t *o)
{
    pub_t *p = arg;
    check_magic(p, PUB_MAGIC);
    if (!mbox_put(p->inbox, o)) {
        wrk_outbox_drop(&o); /* stopping: nobody is left to send it */
    }
}

size_t wrk_pub_pending(const pub_t *p)
{
    check_magic(p, PUB_MAGIC);
    return atomic_load(&p->entries);
}
