/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's thread. Appends wait for --flush and go out together; when the
 * store does not take them they stay here and are tried again, longer apart
 * each time. What can pile up so is what workers hold unconfirmed as well:
 * each run is braked at --unconfirmed-bytes until its events are durable.
 *
 * Before a run's log is read or its marks are told, what is held is written,
 * so that the store's answer is the whole answer.
 */
#include "broker/journal.h"

#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/journal_log.h"
#include "broker/store.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

#define JOURNAL_MAGIC LEAT_MAGIC(0xb0e70041)
#define TURN_MESSAGES 4096            /* taken before the clock is looked at */
#define EARLY_BYTES ((size_t)4 << 20) /* more than this is not held back */
#define RETRY_MS 50
#define RETRY_MS_MAX 2000
#define LAST_TRIES 3             /* when the thread is to stop */
#define IDLE_MS (10 * 60 * 1000) /* then a log is looked up again */
#define TICK_MS_MIN 200
#define TICK_MS_MAX 30000
#define EXPIRE_ROUNDS 16 /* of 64 runs, per tick */

struct brk_journal {
    uint32_t magic;
    const struct brk_env *env;
    struct brk_actor *actor; /* the maker's; NULL: turns are, too */
    struct brk_actor *self;  /* the thread's: the same one */
    struct link_pipe *relay;
    store_t *store;
    struct journal_logs logs;
    int64_t now_ms;      /* when this turn began */
    int64_t flush_at_ms; /* when what is due is written; -1: nothing is */
    int64_t retry_ms;    /* pause before the next try; 0: the store is well */
    int64_t tick_at_ms;  /* next look at retention */
    int64_t tick_ms;
};

static void journal_main(struct brk_actor *actor, void *arg);

struct brk_journal *brk_journal_make(const struct brk_env *env,
                                     struct link_pipe **relay)
{
    must(env != NULL && *relay != NULL);
    struct brk_journal *j = base_zalloc(sizeof *j);
    j->magic = JOURNAL_MAGIC;
    j->env = env;
    j->relay = *relay;
    *relay = NULL;
    j->flush_at_ms = -1;
    brk_journal_log_init(&j->logs);
    int64_t ttl_ms = conf_ms(env->conf, CONF_EVENT_LOG_TTL);
    j->tick_ms = max_i64(min_i64(ttl_ms / 10, TICK_MS_MAX), TICK_MS_MIN);
    return j;
}

struct brk_journal *brk_journal_new(const struct brk_env *env,
                                    struct link_pipe **relay, struct err *err)
{
    struct brk_journal *j = brk_journal_make(env, relay);
    j->actor = brk_actor_new("journal", journal_main, j, err);
    if (j->actor == NULL) {
        brk_journal_destroy(&j);
    }
    return j;
}

void brk_journal_destroy(struct brk_journal **p)
{
    must(p != NULL);
    struct brk_journal *j = *p;
    if (j == NULL) {
        return;
    }
    check_magic(j, JOURNAL_MAGIC);
    brk_actor_destroy(&j->actor);
    struct brk_log *m;
    while ((m = link_pipe_recv(j->relay)) != NULL) {
        brk_log_destroy(&m);
    }
    link_pipe_destroy(&j->relay);
    brk_journal_log_fini(&j->logs);
    store_destroy(&j->store); /* of a thread: it has done so */
    j->magic = 0;
    free(j);
    *p = NULL;
}

/* Moves an answer to the relay, which may have gone before. */
static void tell(struct brk_journal *j, struct brk_log *m)
{
    if (!link_pipe_offer(j->relay, m)) {
        brk_log_destroy(&m);
    }
}

/* ---- writing --------------------------------------------------------------
 */

static struct store_segment segment_of(const struct journal_log *log,
                                       const struct journal_part *p)
{
    return (struct store_segment){
        .run_id = log->run,
        .first_seq = p->first,
        .last_seq = p->last,
        .attempt = p->attempt,
        .ended = log->end_due && p->last == log->end,
        .ms = p->ms,
        .body = p->body.data,
        .body_bytes = p->body.len,
    };
}

/* All that is due, at once. */
static bool write_parts(struct brk_journal *j, struct err *err)
{
    size_t n = 0;
    size_t room = 0;
    struct store_segment *list = NULL;
    for (const struct journal_log *log = j->logs.due; log != NULL;
         log = log->next_due) {
        for (const struct journal_part *p = log->forgotten ? NULL : log->first;
             p != NULL; p = p->next) {
            if (n == room) {
                room = room == 0 ? 64 : room * 2;
                list = base_realloc(list, room * sizeof *list);
            }
            list[n++] = segment_of(log, p);
        }
    }
    bool ok = n == 0 || store_events_append(j->store, list, n, err);
    free(list);
    return ok;
}

/* All of it was stored before. */
static void repeat_durable(struct brk_journal *j, const struct journal_log *log)
{
    struct brk_log *m = brk_log_new(BRK_LOG_DURABLE, &log->run, &log->thread);
    m->last = log->next - 1;
    tell(j, m);
}

/* What the store has of a log that we have not met; the rest of what came is
 * new. */
static bool look_up(struct brk_journal *j, struct journal_log *log,
                    struct err *err)
{
    struct store_log extent;
    if (log->known || log->forgotten) {
        return true;
    }
    if (!store_events_extent(j->store, &log->run, &extent, err)) {
        log_warn("journal.lookup_failed", "run=%s error=%s", ID_TEXT(&log->run),
                 LOG_Q(err->text));
        return false;
    }
    uint64_t next = extent.last_seq == 0 ? 0 : extent.last_seq + 1;
    brk_journal_log_cut(&j->logs, log, next);
    log->known = true;
    log->next = max_u64(log->next, next);
    log->stored_bytes = extent.body_bytes;
    return true;
}

/* The log of a run must not take more than its share: its oldest part goes,
 * with some room to spare so that not every flush has to. */
static bool keep_within(struct brk_journal *j, struct journal_log *log,
                        struct err *err)
{
    uint64_t most = (uint64_t)conf_bytes(j->env->conf, CONF_EVENT_LOG_BYTES);
    if (log->stored_bytes <= most) {
        return true;
    }
    uint64_t freed = 0;
    if (!store_events_trim(j->store, &log->run, most - most / 8, &freed, err)) {
        return false;
    }
    log->stored_bytes -= min_u64(freed, log->stored_bytes);
    log_warn("journal.trimmed", "run=%s bytes=%llu", ID_TEXT(&log->run),
             (unsigned long long)freed);
    return true;
}

/* What is left of it when its parts are written. */
static bool end_log(struct brk_journal *j, struct journal_log *log,
                    struct err *err)
{
    uint64_t freed = 0;
    if (log->forgotten) {
        return store_events_trim(j->store, &log->run, 0, &freed, err);
    }
    bool with_part = log->last != NULL && log->last->last == log->end &&
                     !log->last->tried;
    return !log->end_due || with_part ||
           store_events_end(j->store, &log->run, log->end, err);
}

static bool write_all(struct brk_journal *j, struct err *err)
{
    for (struct journal_log *log = j->logs.due; log != NULL;
         log = log->next_due) {
        bool some = log->first != NULL;
        if (!look_up(j, log, err)) {
            return false;
        }
        if (some && log->first == NULL) {
            repeat_durable(j, log);
        }
    }
    if (!store_begin_fast(j->store, err)) {
        return false;
    }
    if (!write_parts(j, err)) {
        store_rollback(j->store);
        return false;
    }
    for (struct journal_log *log = j->logs.due; log != NULL;
         log = log->next_due) {
        if (!end_log(j, log, err)) {
            store_rollback(j->store);
            return false;
        }
    }
    (void)fault_at(FAULT_JOURNAL_BEFORE);
    if (fault_at(FAULT_JOURNAL_FULL)) {
        store_rollback(j->store);
        return fault_disk_full(err);
    }
    if (!store_commit(j->store, err)) {
        return false;
    }
    (void)fault_at(FAULT_JOURNAL_AFTER);
    return true;
}

/* The log is as it is in the store; tells the relay. */
static void log_written(struct brk_journal *j, struct journal_log *log)
{
    log->ended = log->ended || log->end_due;
    log->end_due = false;
    if (log->first != NULL) {
        struct brk_log *m =
            brk_log_new(BRK_LOG_DURABLE, &log->run, &log->thread);
        m->last = log->last->last;
        tell(j, m);
    }
    for (struct journal_part *p = log->first; p != NULL; p = p->next) {
        log->stored_bytes += p->body.len;
    }
    brk_journal_log_clear(&j->logs, log);
    struct err err = ERR_INIT;
    if (!log->forgotten && !keep_within(j, log, &err)) {
        log_warn("journal.trim_failed", "error=%s", LOG_Q(err.text));
    }
    if (log->forgotten || log->ended) {
        brk_journal_log_drop(&j->logs, &log);
    }
}

static void all_written(struct brk_journal *j)
{
    struct journal_log *log = j->logs.due;
    j->logs.due = NULL;
    j->logs.due_last = NULL;
    while (log != NULL) {
        struct journal_log *next = log->next_due;
        log->due = false;
        log->next_due = NULL;
        log_written(j, log);
        log = next;
    }
    if (j->retry_ms != 0) {
        log_info("journal.recovered");
    }
    j->retry_ms = 0;
    j->flush_at_ms = -1;
}

static void not_written(struct brk_journal *j, const struct err *err)
{
    stat_inc(STAT_STORE_ERRORS);
    if (j->retry_ms == 0) {
        log_error("journal.waits", "bytes=%zu error=%s", j->logs.bytes,
                  LOG_Q(err->text));
    }
    for (struct journal_log *log = j->logs.due; log != NULL;
         log = log->next_due) {
        brk_journal_log_seal(log);
    }
    j->retry_ms =
        j->retry_ms == 0 ? RETRY_MS : min_i64(j->retry_ms * 2, RETRY_MS_MAX);
    j->flush_at_ms = j->now_ms + j->retry_ms;
}

static bool flush(struct brk_journal *j)
{
    if (j->logs.due == NULL) {
        j->flush_at_ms = -1;
        return true;
    }
    int64_t began_us = clock_mono_us();
    struct err err = ERR_INIT;
    bool ok = write_all(j, &err);
    if (ok) {
        all_written(j);
    } else {
        not_written(j, &err);
    }
    stat_observe_us(STAT_JOURNAL_FLUSH, clock_mono_us() - began_us);
    stat_set(STAT_JOURNAL_BACKLOG, (int64_t)j->logs.bytes);
    return ok;
}

static void flush_soon(struct brk_journal *j)
{
    if (j->flush_at_ms < 0) {
        j->flush_at_ms = j->now_ms + conf_ms(j->env->conf, CONF_FLUSH);
    }
    if (j->logs.bytes > EARLY_BYTES && j->retry_ms == 0) {
        j->flush_at_ms = j->now_ms;
    }
}

/* ---- appends and ends -----------------------------------------------------
 */

/* What cannot be looked up now is when it is written. */
static void on_append(struct brk_journal *j, const struct brk_log *m)
{
    struct journal_log *log = brk_journal_log_require(&j->logs, m, j->now_ms);
    if (log->forgotten) {
        return;
    }
    log->known = log->known || m->fresh;
    struct err err = ERR_INIT;
    bool known = look_up(j, log, &err);
    if (!brk_journal_log_append(&j->logs, log, m)) {
        log_error("journal.malformed", "run=%s first=%llu count=%u",
                  ID_TEXT(&m->run), (unsigned long long)m->first, m->count);
        return;
    }
    if (known && !log->due) {
        repeat_durable(j, log);
    }
    if (log->due) {
        flush_soon(j);
    }
}

static void on_end(struct brk_journal *j, const struct brk_log *m)
{
    struct journal_log *log = brk_journal_log_require(&j->logs, m, j->now_ms);
    if (log->forgotten) {
        return;
    }
    log->end = m->last;
    log->end_due = true;
    brk_journal_log_due(&j->logs, log);
    flush_soon(j);
}

static void on_forget(struct brk_journal *j, const struct brk_log *m)
{
    struct journal_log *log = brk_journal_log_require(&j->logs, m, j->now_ms);
    brk_journal_log_clear(&j->logs, log);
    log->forgotten = true;
    log->end_due = false;
    brk_journal_log_due(&j->logs, log);
    flush_soon(j);
}

/* ---- reading --------------------------------------------------------------
 */

/* Writes what is held of this run, so that the store has it all. */
static void settle(struct brk_journal *j, const struct id *run)
{
    const struct journal_log *log = brk_journal_log_get(&j->logs, run);
    if (log != NULL && log->due && j->retry_ms == 0) {
        (void)flush(j);
    }
}

static void put_extent(struct brk_journal *j, struct brk_log *m)
{
    struct err err = ERR_INIT;
    struct store_log extent;
    if (!store_events_extent(j->store, &m->run, &extent, &err)) {
        m->failed = true;
        log_warn("journal.read_failed", "run=%s error=%s", ID_TEXT(&m->run),
                 LOG_Q(err.text));
        return;
    }
    m->first = extent.first_seq;
    m->last = extent.last_seq;
    m->ended = extent.ended;
}

static void on_marks_get(struct brk_journal *j, const struct brk_log *ask)
{
    settle(j, &ask->run);
    struct brk_log *m = brk_log_new(BRK_LOG_MARKS, &ask->run, &ask->thread);
    m->cookie = ask->cookie;
    put_extent(j, m);
    tell(j, m);
}

struct reading {
    struct brk_journal *j;
    const struct brk_log *ask;
    uint64_t bytes;
};

static bool take_segment(void *arg, const struct store_segment *seg)
{
    struct reading *r = arg;
    struct brk_log *m =
        brk_log_new(BRK_LOG_CHUNK, &r->ask->run, &r->ask->thread);
    m->cookie = r->ask->cookie;
    m->attempt = seg->attempt;
    m->ms = seg->ms;
    m->first = seg->first_seq;
    m->last = seg->last_seq;
    m->count = (uint32_t)(seg->last_seq - seg->first_seq + 1);
    (void)zmq_msg_close(&m->body);
    int made = zmq_msg_init_size(&m->body, seg->body_bytes);
    must(made == 0);
    memcpy(zmq_msg_data(&m->body), seg->body, seg->body_bytes);
    tell(r->j, m);
    r->bytes += seg->body_bytes;
    return r->ask->limit == 0 || r->bytes < r->ask->limit;
}

static void on_read(struct brk_journal *j, const struct brk_log *ask)
{
    settle(j, &ask->run);
    struct reading r = {.j = j, .ask = ask};
    const struct store_reader reader = {take_segment, &r};
    struct brk_log *m = brk_log_new(BRK_LOG_READ_DONE, &ask->run, &ask->thread);
    m->cookie = ask->cookie;
    struct err err = ERR_INIT;
    if (store_events_read(j->store, &ask->run, ask->first, &reader, &err)) {
        put_extent(j, m);
    } else {
        m->failed = true;
        log_warn("journal.read_failed", "run=%s error=%s", ID_TEXT(&ask->run),
                 LOG_Q(err.text));
    }
    tell(j, m);
}

static void on_message(struct brk_journal *j, struct brk_log *m)
{
    must(m->magic == BRK_LOG_MAGIC);
    switch (m->type) {
    case BRK_LOG_APPEND:
        on_append(j, m);
        break;
    case BRK_LOG_READ:
        on_read(j, m);
        break;
    case BRK_LOG_MARKS_GET:
        on_marks_get(j, m);
        break;
    case BRK_LOG_END:
        on_end(j, m);
        break;
    case BRK_LOG_FORGET:
        on_forget(j, m);
        break;
    case BRK_LOG_DURABLE:
    case BRK_LOG_CHUNK:
    case BRK_LOG_READ_DONE:
    case BRK_LOG_MARKS:
        must(m->type < BRK_LOG_DURABLE); /* those are our own answers */
    }
    brk_log_destroy(&m);
}

/* ---- retention ------------------------------------------------------------
 */

static void drop_old(struct brk_journal *j, struct err *err)
{
    int64_t ttl_us = conf_ms(j->env->conf, CONF_EVENT_LOG_TTL) * 1000;
    uint64_t most =
        (uint64_t)conf_bytes(j->env->conf, CONF_EVENT_LOG_TOTAL_BYTES);
    uint64_t total = 0;
    uint64_t freed = 1;
    for (int i = 0; i < EXPIRE_ROUNDS && freed > 0; i++) {
        if (!store_events_total(j->store, &total, err)) {
            return;
        }
        uint64_t over = total > most ? total - most : 0;
        if (!store_events_expire(j->store, clock_wall_us() - ttl_us, over,
                                 &freed, err)) {
            return;
        }
        if (freed > 0) {
            log_info("journal.expired", "bytes=%llu",
                     (unsigned long long)freed);
        }
    }
    stat_set(STAT_JOURNAL_BYTES, (int64_t)total);
}

/* A log nobody wrote to for long is forgotten here; the store has it. */
static void drop_idle(struct brk_journal *j)
{
    int64_t before_ms = j->now_ms - IDLE_MS;
    size_t at = 0;
    struct journal_log *log;
    while ((log = idmap_next(&j->logs.map, &at)) != NULL) {
        if (!log->due && log->used_ms < before_ms) {
            brk_journal_log_drop(&j->logs, &log);
            at = 0; /* the map has changed */
        }
    }
}

static void tick(struct brk_journal *j)
{
    if (j->now_ms < j->tick_at_ms) {
        return;
    }
    j->tick_at_ms = j->now_ms + j->tick_ms;
    struct err err = ERR_INIT;
    drop_old(j, &err);
    if (err.code != ERR_NONE) {
        stat_inc(STAT_STORE_ERRORS);
        log_warn("journal.expire_failed", "error=%s", LOG_Q(err.text));
    }
    drop_idle(j);
}

/* ---- the thread -----------------------------------------------------------
 */

int64_t brk_journal_next_ms(const struct brk_journal *j)
{
    check_magic(j, JOURNAL_MAGIC);
    return j->flush_at_ms >= 0 ? min_i64(j->tick_at_ms, j->flush_at_ms)
                               : j->tick_at_ms;
}

static void read_messages(struct brk_journal *j, unsigned most)
{
    struct brk_log *m;
    while (most-- > 0 && (m = link_pipe_recv(j->relay)) != NULL) {
        on_message(j, m);
    }
}

void brk_journal_turn(struct brk_journal *j, int64_t now_ms)
{
    check_magic(j, JOURNAL_MAGIC);
    must(now_ms >= j->now_ms);
    j->now_ms = now_ms;
    read_messages(j, TURN_MESSAGES);
    if (j->flush_at_ms >= 0 && now_ms >= j->flush_at_ms) {
        (void)flush(j);
    }
    tick(j);
}

static void finish(struct brk_journal *j)
{
    read_messages(j, UINT32_MAX);
    for (int i = 0; i < LAST_TRIES && !flush(j); i++) {
    }
    if (j->logs.bytes > 0) {
        log_error("journal.lost", "bytes=%zu", j->logs.bytes);
    }
}

static void loop(struct brk_journal *j)
{
    while (!brk_actor_asked(j->self)) {
        zmq_pollitem_t items[2];
        brk_actor_item(j->self, &items[0]);
        link_pipe_item(j->relay, &items[1]);
        int64_t wait = brk_journal_next_ms(j) - clock_mono_ms();
        (void)zmq_poll(items, 2, (long)max_i64(wait, 0));
        brk_journal_turn(j, clock_mono_ms());
    }
}

bool brk_journal_open(struct brk_journal *j, struct err *err)
{
    check_magic(j, JOURNAL_MAGIC);
    j->store = brk_store_open(j->env, err);
    return j->store != NULL;
}

static void journal_main(struct brk_actor *actor, void *arg)
{
    struct brk_journal *j = arg;
    check_magic(j, JOURNAL_MAGIC);
    j->self = actor;
    struct err err = ERR_INIT;
    if (!brk_journal_open(j, &err)) {
        brk_actor_failed(actor, &err);
        return;
    }
    brk_actor_ready(actor);
    loop(j);
    finish(j);
    store_destroy(&j->store);
}
