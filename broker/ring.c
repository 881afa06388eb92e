/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c: a hash table of logs, each a list of chunks, and two lists of logs
 * by age: live ones and ended ones. Ended logs all live equally long, so the
 * list of their ends is also the order in which they expire.
 */
#include "broker/ring.h"

#include <stdlib.h>

#include "common/stat.h"

#define RING_MAGIC LEAT_MAGIC(0x72690001)
#define BUCKETS_FIRST 1024u
/* What a log and a chunk cost besides their bytes. */
#define LOG_COST (sizeof(struct ring_log) + 32)
#define CHUNK_COST (sizeof(struct ring_chunk) + 96)

struct age_list {
    struct ring_log *oldest;
    struct ring_log *newest;
};

struct ring {
    uint32_t magic;
    size_t bytes_max;
    size_t bytes;
    size_t count;
    struct ring_log **buckets;
    size_t bucket_count; /* a power of two */
    struct age_list live;
    struct age_list ended;
};

/* ---- lists --------------------------------------------------------------- */

static void list_add(struct age_list *l, struct ring_log *log)
{
    log->newer = NULL;
    log->older = l->newest;
    if (l->newest != NULL) {
        l->newest->newer = log;
    } else {
        l->oldest = log;
    }
    l->newest = log;
}

static void list_cut(struct age_list *l, struct ring_log *log)
{
    if (log->older != NULL) {
        log->older->newer = log->newer;
    } else {
        l->oldest = log->newer;
    }
    if (log->newer != NULL) {
        log->newer->older = log->older;
    } else {
        l->newest = log->older;
    }
    log->older = log->newer = NULL;
}

static struct age_list *list_of(ring_t *r, const struct ring_log *log)
{
    return log->listed_ended ? &r->ended : &r->live;
}

/* ---- hash table ----------------------------------------------------------- */

static struct ring_log **slot(const ring_t *r, const struct id *run)
{
    return &r->buckets[id_hash(run) & (r->bucket_count - 1)];
}

static void grow(ring_t *r)
{
    struct ring_log **old = r->buckets;
    size_t old_count = r->bucket_count;
    r->bucket_count *= 2;
    r->buckets = base_zalloc(r->bucket_count * sizeof *r->buckets);
    for (size_t i = 0; i < old_count; i++) {
        struct ring_log *log = old[i];
        while (log != NULL) {
            struct ring_log *next = log->hash_next;
            struct ring_log **at = slot(r, &log->run);
            log->hash_next = *at;
            *at = log;
            log = next;
        }
    }
    free(old);
}

ring_t *brk_ring_new(size_t bytes_max)
{
    must(bytes_max > 0);
    ring_t *r = base_zalloc(sizeof *r);
    r->magic = RING_MAGIC;
    r->bytes_max = bytes_max;
    r->bucket_count = BUCKETS_FIRST;
    r->buckets = base_zalloc(r->bucket_count * sizeof *r->buckets);
    return r;
}

void brk_ring_destroy(ring_t **r)
{
    must(r != NULL);
    if (*r == NULL) {
        return;
    }
    check_magic(*r, RING_MAGIC);
    while ((*r)->live.oldest != NULL) {
        brk_ring_remove(*r, (*r)->live.oldest);
    }
    while ((*r)->ended.oldest != NULL) {
        brk_ring_remove(*r, (*r)->ended.oldest);
    }
    must((*r)->count == 0 && (*r)->bytes == 0);
    free((*r)->buckets);
    (*r)->magic = 0;
    free(*r);
    *r = NULL;
}

struct ring_log *brk_ring_get(ring_t *r, const struct id *run)
{
    check_magic(r, RING_MAGIC);
    struct ring_log *log = *slot(r, run);
    while (log != NULL && !id_eq(&log->run, run)) {
        log = log->hash_next;
    }
    return log;
}

static void count_bytes(ring_t *r, struct ring_log *log, size_t add,
                        size_t cut)
{
    must(r->bytes + add >= cut && log->bytes + add >= cut);
    r->bytes = r->bytes + add - cut;
    log->bytes = log->bytes + add - cut;
    stat_set(STAT_RING_BYTES, (int64_t)r->bytes);
}

struct ring_log *brk_ring_require(ring_t *r, const struct id *run,
                                  const struct id *thread)
{
    struct ring_log *log = brk_ring_get(r, run);
    if (log != NULL) {
        return log;
    }
    if (r->count >= r->bucket_count) {
        grow(r);
    }
    log = base_zalloc(sizeof *log);
    log->run = *run;
    log->thread = *thread;
    log->next = 1;
    struct ring_log **at = slot(r, run);
    log->hash_next = *at;
    *at = log;
    list_add(&r->live, log);
    r->count++;
    count_bytes(r, log, LOG_COST, 0);
    return log;
}

/* ---- chunks ------------------------------------------------------------------ */

static void drop_oldest(ring_t *r, struct ring_log *log)
{
    struct ring_chunk *c = log->first;
    must(c != NULL);
    log->first = c->next;
    if (log->first == NULL) {
        log->last = NULL;
    }
    count_bytes(r, log, 0, CHUNK_COST + zmq_msg_size(&c->body));
    zmq_msg_close(&c->body);
    free(c);
}

void brk_ring_remove(ring_t *r, struct ring_log *log)
{
    check_magic(r, RING_MAGIC);
    must(log != NULL && log->owner == NULL);
    while (log->first != NULL) {
        drop_oldest(r, log);
    }
    struct ring_log **at = slot(r, &log->run);
    while (*at != log) {
        must(*at != NULL);
        at = &(*at)->hash_next;
    }
    *at = log->hash_next;
    list_cut(list_of(r, log), log);
    count_bytes(r, log, 0, LOG_COST);
    r->count--;
    free(log);
}

static bool over(const ring_t *r) { return r->bytes > r->bytes_max; }

/* Nobody waits for it, and what it holds is not on its way to the store. */
static bool may_go(const struct ring_log *log)
{
    return log->owner == NULL &&
           (!log->stored || log->durable + 1 >= log->next);
}

static void trim_ended(ring_t *r, const struct ring_log *keep)
{
    struct ring_log *log = r->ended.oldest;
    while (over(r) && log != NULL) {
        struct ring_log *newer = log->newer;
        if (log != keep && may_go(log)) {
            brk_ring_remove(r, log);
        }
        log = newer;
    }
}

static bool is_stored(const struct ring_log *log, const struct ring_chunk *c)
{
    return log->stored && c->seq + c->count <= log->durable + 1;
}

/* The newest chunk of a log stays: it is what readers that follow it need. */
static void trim_live(ring_t *r, bool only_stored)
{
    struct ring_log *log = r->live.oldest;
    for (; over(r) && log != NULL; log = log->newer) {
        while (over(r) && log->first != log->last &&
               (!only_stored || is_stored(log, log->first))) {
            drop_oldest(r, log);
        }
    }
}

void brk_ring_put(ring_t *r, struct ring_log *log, uint32_t count,
                  zmq_msg_t *body)
{
    check_magic(r, RING_MAGIC);
    must(log != NULL && count > 0);
    struct ring_chunk *c = base_zalloc(sizeof *c);
    c->seq = log->next;
    c->ms = log->ms;
    c->count = count;
    c->attempt = log->attempt;
    must(zmq_msg_init(&c->body) == 0);
    must(zmq_msg_copy(&c->body, body) == 0);
    if (log->last != NULL) {
        log->last->next = c;
    } else {
        log->first = c;
    }
    log->last = c;
    log->next += count;
    count_bytes(r, log, CHUNK_COST + zmq_msg_size(&c->body), 0);
    if (over(r)) {
        trim_ended(r, log);
        trim_live(r, true);
        trim_live(r, false);
    }
}

const struct ring_chunk *brk_ring_find(const struct ring_log *log,
                                       uint64_t seq)
{
    must(log != NULL);
    const struct ring_chunk *c = log->first;
    while (c != NULL && c->seq + c->count <= seq) {
        c = c->next;
    }
    return c;
}

uint64_t brk_ring_first(const struct ring_log *log)
{
    must(log != NULL);
    return log->first != NULL ? log->first->seq : log->next;
}

void brk_ring_ended(ring_t *r, struct ring_log *log, int64_t expires_ms)
{
    check_magic(r, RING_MAGIC);
    must(log != NULL && expires_ms > 0);
    list_cut(list_of(r, log), log);
    log->expires_ms = expires_ms;
    log->listed_ended = true;
    list_add(&r->ended, log);
}

void brk_ring_reopen(ring_t *r, struct ring_log *log)
{
    check_magic(r, RING_MAGIC);
    must(log != NULL);
    if (log->listed_ended) {
        list_cut(list_of(r, log), log);
        log->listed_ended = false;
        log->expires_ms = 0;
        list_add(&r->live, log);
    }
}

int64_t brk_ring_expire(ring_t *r, int64_t now_ms)
{
    check_magic(r, RING_MAGIC);
    struct ring_log *log = r->ended.oldest;
    while (log != NULL && log->expires_ms <= now_ms) {
        struct ring_log *newer = log->newer;
        if (may_go(log)) {
            brk_ring_remove(r, log);
        }
        log = newer;
    }
    return log != NULL ? log->expires_ms : -1;
}

void brk_ring_each(ring_t *r, void (*on_log)(struct ring_log *log, void *arg),
                   void *arg)
{
    check_magic(r, RING_MAGIC);
    must(on_log != NULL);
    for (size_t i = 0; i < r->bucket_count; i++) {
        struct ring_log *log = r->buckets[i];
        for (; log != NULL; log = log->hash_next) {
            on_log(log, arg);
        }
    }
}

size_t brk_ring_bytes(const ring_t *r)
{
    check_magic(r, RING_MAGIC);
    return r->bytes;
}

size_t brk_ring_count(const ring_t *r)
{
    check_magic(r, RING_MAGIC);
    return r->count;
}
