/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.c: a list of batches under one mutex. The last batch is open while
 * it has not been sent; put appends to it. `cursor` is the first unsent one;
 * those before it wait for the durable mark.
 */
#include "worker/outbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/stat.h"
#include "common/wire.h"

#define OUTBOX_MAGIC LEAT_MAGIC(0x6f620001)

/* A batch is closed at these; an event larger than that travels alone. */
#define BATCH_BYTES ((size_t)128 << 10)
#define BATCH_EVENTS 512u
#define EVENT_BYTES_MAX ((size_t)300 << 20)

struct batch {
    struct batch *next;
    uint64_t seq;
    uint32_t count;
    bool lent; /* was given to the publisher once: nothing is added */
    struct buf bytes;
};

struct outbox {
    uint32_t magic;
    atomic_int refs;
    struct outbox_conf conf;
    pthread_mutex_t lock;
    pthread_cond_t room; /* the window opened, or stopped */
    struct batch *first; /* oldest that is not durable */
    struct batch *last;
    struct batch *cursor;  /* first unsent; NULL: all sent */
    struct batch *sending; /* what next gave last */
    uint64_t next_seq;
    uint64_t received;
    uint64_t durable;
    bool told;    /* the publisher has been told */
    bool stopped; /* put refuses */
    bool closed;  /* the executor is done */
};

static void lock(outbox_t *o) { must(pthread_mutex_lock(&o->lock) == 0); }
static void unlock(outbox_t *o) { must(pthread_mutex_unlock(&o->lock) == 0); }

outbox_t *wrk_outbox_new(const struct outbox_conf *conf)
{
    must(conf != NULL && conf->budget != NULL && conf->ready != NULL);
    must(conf->first_seq > 0 && conf->window > 0);
    outbox_t *o = base_zalloc(sizeof *o);
    o->magic = OUTBOX_MAGIC;
    atomic_init(&o->refs, 1);
    o->conf = *conf;
    o->next_seq = conf->first_seq;
    o->received = o->durable = conf->first_seq - 1;
    must(pthread_mutex_init(&o->lock, NULL) == 0);
    must(pthread_cond_init(&o->room, NULL) == 0);
    return o;
}

outbox_t *wrk_outbox_hold(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

static void batch_free(outbox_t *o, struct batch *b)
{
    atomic_fetch_sub(&o->conf.budget->used, (int64_t)b->bytes.len);
    buf_fini(&b->bytes);
    free(b);
}

void wrk_outbox_drop(outbox_t **o)
{
    must(o != NULL);
    outbox_t *self = *o;
    *o = NULL;
    if (self == NULL) {
        return;
    }
    check_magic(self, OUTBOX_MAGIC);
    if (atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    while (self->first != NULL) {
        struct batch *b = self->first;
        self->first = b->next;
        batch_free(self, b);
    }
    pthread_cond_destroy(&self->room);
    pthread_mutex_destroy(&self->lock);
    self->magic = 0;
    free(self);
}

const struct outbox_conf *wrk_outbox_conf(const outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    return &o->conf;
}

static bool must_wait(outbox_t *o)
{
    if (o->stopped) {
        return false;
    }
    if (o->next_seq - 1 - o->received >= o->conf.window) {
        return true;
    }
    /* A run that has nothing out may always send: no run starves another. */
    struct outbox_budget *b = o->conf.budget;
    return o->first != NULL && o->first->seq < o->next_seq &&
           atomic_load(&b->used) >= b->max;
}

/* The open batch, or a new one when the last is full or on its way. */
static struct batch *open_batch(outbox_t *o)
{
    struct batch *b = o->last;
    bool usable = b != NULL && !b->lent && b->count < BATCH_EVENTS &&
                  b->bytes.len < BATCH_BYTES;
    if (usable) {
        return b;
    }
    b = base_zalloc(sizeof *b);
    b->seq = o->next_seq;
    buf_init(&b->bytes, EVENT_BYTES_MAX);
    if (o->last == NULL) {
        o->first = b;
    } else {
        o->last->next = b;
    }
    o->last = b;
    if (o->cursor == NULL) {
        o->cursor = b;
    }
    return b;
}

static bool append(outbox_t *o, const char *name, const char *ns,
                   leat_view payload)
{
    struct batch *b = open_batch(o);
    size_t before = b->bytes.len;
    if (!wire_event_put(&b->bytes, name, ns, payload)) {
        buf_cut(&b->bytes, before);
        return false;
    }
    atomic_fetch_add(&o->conf.budget->used, (int64_t)(b->bytes.len - before));
    b->count++;
    o->next_seq++;
    return true;
}

bool wrk_outbox_put(outbox_t *o, const char *name, const char *ns,
                    leat_view payload)
{
    check_magic(o, OUTBOX_MAGIC);
    must(name != NULL && ns != NULL);
    lock(o);
    must(!o->closed);
    if (must_wait(o)) {
        stat_inc(STAT_WORKER_BRAKED);
        do {
            must(pthread_cond_wait(&o->room, &o->lock) == 0);
        } while (must_wait(o));
    }
    bool put = !o->stopped && append(o, name, ns, payload);
    bool tell = put && !o->told;
    o->told = o->told || tell;
    unlock(o);
    if (put) {
        stat_inc(STAT_WORKER_EVENTS);
    }
    if (tell) {
        o->conf.ready(o->conf.arg, wrk_outbox_hold(o));
    }
    return put;
}

uint64_t wrk_outbox_last(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    uint64_t last = o->next_seq - 1;
    unlock(o);
    return last;
}

void wrk_outbox_await(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    while (!o->stopped && o->received + 1 < o->next_seq) {
        must(pthread_cond_wait(&o->room, &o->lock) == 0);
    }
    unlock(o);
}

void wrk_outbox_stop(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    o->stopped = true;
    must(pthread_cond_broadcast(&o->room) == 0);
    unlock(o);
}

bool wrk_outbox_next(outbox_t *o, struct outbox_batch *out)
{
    check_magic(o, OUTBOX_MAGIC);
    must(out != NULL);
    lock(o);
    struct batch *b = o->cursor;
    while (b != NULL && b->count == 0) { /* its only event was refused */
        b = b->next;
    }
    o->cursor = b;
    o->sending = b;
    o->told = b != NULL;
    if (b != NULL) {
        b->lent = true;
        *out = (struct outbox_batch){.seq = b->seq,
                                     .count = b->count,
                                     .bytes = b->bytes.data,
                                     .len = b->bytes.len};
    }
    unlock(o);
    return b != NULL;
}

void wrk_outbox_sent(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    must(o->sending != NULL && o->cursor == o->sending);
    o->cursor = o->sending->next;
    unlock(o);
}

void wrk_outbox_received(outbox_t *o, uint64_t seq)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    if (seq > o->received && seq < o->next_seq) {
        o->received = seq;
        must(pthread_cond_broadcast(&o->room) == 0);
    }
    unlock(o);
}

void wrk_outbox_durable(outbox_t *o, uint64_t seq)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    if (seq > o->durable && seq < o->next_seq) {
        o->durable = seq;
    }
    while (o->first != NULL && o->first != o->cursor &&
           o->first->seq + o->first->count <= o->durable + 1) {
        struct batch *b = o->first;
        o->first = b->next;
        if (o->first == NULL) {
            o->last = NULL;
        }
        if (o->sending == b) {
            o->sending = NULL;
        }
        batch_free(o, b);
    }
    must(pthread_cond_broadcast(&o->room) == 0);
    unlock(o);
}

bool wrk_outbox_rewind(outbox_t *o, uint64_t seq)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    struct batch *b = o->first;
    while (b != NULL && b->seq + b->count <= seq) {
        b = b->next;
    }
    for (struct batch *a = b; a != NULL && a != o->cursor; a = a->next) {
        stat_add(STAT_WORKER_RESENT, a->count);
    }
    o->cursor = b;
    o->sending = NULL;
    bool some = b != NULL;
    unlock(o);
    return some;
}

uint64_t wrk_outbox_first_kept(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    uint64_t first = o->durable + 1;
    unlock(o);
    return first;
}

bool wrk_outbox_finished(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    bool done = o->closed && (o->stopped || o->durable + 1 == o->next_seq);
    unlock(o);
    return done;
}

void wrk_outbox_close(outbox_t *o)
{
    check_magic(o, OUTBOX_MAGIC);
    lock(o);
    o->closed = true;
    unlock(o);
    /* The last mark may have come already: the publisher looks once more. */
    o->conf.ready(o->conf.arg, wrk_outbox_hold(o));
}
