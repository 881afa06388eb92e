/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold, whatever happens (the promises by their letters):
 *     R1   what was accepted is there at the end, and has ended
 *     R2   one attempt of a run at a time, one run of a thread; only what its
 *          store says is running is started; attempts only grow
 *     R3   events are dense, and what has an id never changes: for readers,
 *          for the store, for every attempt
 *     R5   where something is missing a gap says so
 *     R7   what follows after a death is what a reader waits for
 *     R8   nothing comes behind an end
 *     R10  first come, first served on a thread
 */
#include <stdio.h>
#include <string.h>

#include "common/store/inner.h"
#include "tests/sim/sim.h"

struct shown {
    uint64_t seq, ms, hash;
    uint16_t attempt;
    bool gap;
};

static struct truth truths[RUNS_MAX];
static int truth_count;

struct truth *truth_new(void)
{
    must(truth_count < RUNS_MAX);
    struct truth *t = &truths[truth_count++];
    *t = (struct truth){.number = truth_count};
    return t;
}

struct truth *truth_at(int number)
{
    return number <= truth_count ? &truths[number - 1] : NULL;
}

struct truth *truth_of(const struct id *run)
{
    int number = run->bytes[1];
    must(number >= 1 && number <= truth_count &&
         id_eq(&truths[number - 1].id, run));
    return &truths[number - 1];
}

const char *node_name(const struct sim_node *n)
{
    static char names[4][24];
    static unsigned turn;
    char *name = names[turn++ % COUNT_OF(names)];
    (void)snprintf(name, sizeof names[0], "%s%d.%u", n->gateway ? "g" : "w",
                   n->number, n->life);
    return name;
}

void check_blame(int worker)
{
    for (int i = 0; i < truth_count; i++) {
        truths[i].blame += truths[i].holder == worker && !truths[i].ended;
    }
}

void check_died(int worker)
{
    for (int i = 0; i < truth_count; i++) {
        struct truth *t = &truths[i];
        if (worker == 0) {
            t->broker_died_us = sim.now_us;
        } else if (t->holder == worker) {
            t->worker_died_us = sim.now_us;
        }
    }
}

/* Whoever knew how the end of its log was has died. */
bool check_short(const struct truth *t)
{
    return t->ended && t->broker_died_us >= t->ended_us &&
           (!t->stored || t->worker_died_us >= t->begun_us);
}

/* ---- the store, as it is now --------------------------------------------- */

/* Its row; false: it has none. */
static bool row_of(const struct truth *t, struct store_run *row)
{
    bool was = disk_trust(true);
    struct err err = ERR_INIT;
    bool found = store_runs_get(disk_store(), &t->id, row, &err);
    HOLDS(found || err.code == ERR_NOT_FOUND, "the store says: %s", err.text);
    (void)disk_trust(was);
    return found;
}

static bool is_open(const struct store_run *row)
{
    return strcmp(row->status, "pending") == 0 ||
           strcmp(row->status, "running") == 0;
}

bool check_over(const struct truth *t)
{
    struct store_run row = {0};
    if (!t->stored) {
        return t->ended;
    }
    bool open = row_of(t, &row) && is_open(&row);
    store_run_fini(&row);
    return !open;
}

bool check_torn(const struct truth *t)
{
    return t->attempt > 1 && t->broker_died_us >= t->begun_us;
}

bool check_gone(const struct truth *t)
{
    struct store_run row = {0};
    bool there = t->stored && row_of(t, &row);
    store_run_fini(&row);
    return t->stored && !there;
}

/* Who has no answer submits again, what was cancelled meanwhile too. */
static bool is_final(const struct truth *t)
{
    return t->ended && t->accepted_us != 0 && t->accepted_us <= t->ended_us;
}

/* ---- leaving the broker -------------------------------------------------- */

/* Who was accepted before this one was asked for comes before it. */
static void check_order(const struct truth *t)
{
    for (int i = 0; i < truth_count; i++) {
        const struct truth *a = &truths[i];
        bool before = a != t && a->thread == t->thread && a->stored &&
                      a->accepted_us != 0 &&
                      a->accepted_us < t->submitted_us && a->after_ms == 0 &&
                      a->begun_us == 0 && !a->ended;
        HOLDS(!before || check_over(a),
              "run %d starts before run %d, which was first", t->number,
              a->number);
    }
}

static void check_alone(const struct truth *t)
{
    struct store_run *list = NULL;
    size_t n = 0;
    struct err err = ERR_INIT;
    bool was = disk_trust(true);
    const struct store_runs_query q = {.thread_id = &t->thread_id,
                                       .status = "running"};
    bool ok = store_runs_list(disk_store(), &q, &list, &n, &err);
    HOLDS(ok && n == 1, "run %d starts and %zu runs of its thread run",
          t->number, n);
    store_runs_free(&list, n);
    (void)disk_trust(was);
}

void check_start(const struct wire_head *h, const struct sim_node *to, bool ill)
{
    struct truth *t = truth_of(&h->run);
    TRACE("run %d starts at %s: attempt %u from %llu", t->number, node_name(to),
          h->attempt, (unsigned long long)h->seq);
    t->holder = to->number;
    t->blame += ill;
    if (t->stored) {
        struct store_run row = {0};
        bool found = row_of(t, &row);
        HOLDS(found && strcmp(row.status, "running") == 0 &&
                  row.attempt == h->attempt,
              "run %d attempt %u starts; the store has it %s in attempt %u",
              t->number, h->attempt, found ? row.status : "not",
              row.attempt);
        store_run_fini(&row);
        HOLDS(h->attempt > t->attempt, "run %d: attempt %u after %u", t->number,
              h->attempt, t->attempt);
        HOLDS(!is_final(t),
              "run %d starts after its end", t->number);
        check_alone(t);
        if (t->begun_us == 0) {
            check_order(t);
        }
    }
    t->attempt = (uint16_t)max_int(t->attempt, h->attempt);
    t->begun_us = t->begun_us == 0 ? sim.now_us : t->begun_us;
}

void check_ended(const struct wire_head *h, const leat_value *body)
{
    struct truth *t = truth_of(&h->run);
    leat_text text = leat_string(leat_get(leat_view_of(body), "status"));
    char status[16];
    (void)snprintf(status, sizeof status, "%.*s", (int)text.len, text.ptr);
    TRACE("run %d has ended at %llu: %s", t->number,
          (unsigned long long)h->seq, status);
    struct store_run row = {0};
    HOLDS(!t->stored || !row_of(t, &row) || !is_open(&row),
          "run %d is said to have ended; the store has it %s", t->number,
          row.status);
    HOLDS(!t->stored || row.status[0] == '\0' ||
              strcmp(row.status, status) == 0,
          "run %d is said to have ended as %s; the store says %s", t->number,
          status, row.status);
    store_run_fini(&row);
    HOLDS(!is_final(t) || !t->stored ||
              (t->last == h->seq && strcmp(t->status, status) == 0) ||
              (h->seq == 0 && strcmp(t->status, status) == 0),
          "run %d ended as %s at %llu before", t->number, t->status,
          (unsigned long long)t->last);
    if (!t->ended || h->seq > 0) {
        t->last = h->seq;
    }
    t->ended_us = t->ended ? t->ended_us : sim.now_us;
    t->ended = true;
    (void)base_copy(t->status, sizeof t->status, status);
}

void check_publish(const struct wire_head *h, const void *bytes, size_t len)
{
    struct truth *t = truth_of(&h->run);
    bool same = t->publisher == broker_life();
    TRACE("run %d attempt %u events %llu to %llu", t->number, h->attempt,
          (unsigned long long)h->seq,
          (unsigned long long)h->seq + h->tag - 1);
    HOLDS(wire_raw_count(bytes, len) == (long)h->tag,
          "run %d: a batch of %u events has another number", t->number, h->tag);
    HOLDS(!same || h->seq == t->published + 1,
          "run %d: event %llu published after %llu", t->number,
          (unsigned long long)h->seq, (unsigned long long)t->published);
    HOLDS(!same || h->attempt >= t->publishing,
          "run %d: events of attempt %u after those of %u", t->number,
          h->attempt, t->publishing);
    HOLDS(!t->stored || !is_final(t) || h->seq + h->tag - 1 <= t->last,
          "run %d: event %llu behind its end, %llu", t->number,
          (unsigned long long)h->seq, (unsigned long long)t->last);
    t->publisher = broker_life();
    t->published = h->seq + h->tag - 1;
    t->publishing = h->attempt;
}

/* ---- events -------------------------------------------------------------- */

static uint64_t hash_of(const unsigned char *bytes, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ bytes[i]) * 0x100000001b3u;
    }
    return h;
}

static bool is_named(const struct sight *s, const char *name)
{
    return s->event.name.len == strlen(name) &&
           memcmp(s->event.name.ptr, name, s->event.name.len) == 0;
}

/* A gap stands at or before this number. */
static bool is_torn(const struct truth *t, uint64_t seq)
{
    for (size_t i = 0; i < t->shown_count; i++) {
        if (t->shown[i].gap && t->shown[i].seq <= seq) {
            return true;
        }
    }
    return false;
}

/* What the broker says itself when it ends a run is said again, at a later
 * time, by the next one if it dies before that is written. */
static bool is_brokers(const struct sight *s)
{
    return broker_life() > 1 &&
           (is_named(s, "end") || is_named(s, "error"));
}

/* One id, one event. */
static void check_same(struct truth *t, const struct sight *s)
{
    uint64_t hash = hash_of(s->bytes, s->len);
    bool known = false;
    for (size_t i = 0; i < t->shown_count; i++) {
        const struct shown *e = &t->shown[i];
        if (e->seq != s->seq) {
            continue;
        }
        known = known || e->ms == s->ms;
        HOLDS(e->ms != s->ms || (e->hash == hash && e->attempt == s->attempt),
              "run %d: event %llu is two", t->number,
              (unsigned long long)s->seq);
        HOLDS(e->ms == s->ms || !t->stored || t->again || is_torn(t, s->seq) ||
                  is_named(s, "gap") || is_brokers(s),
              "run %d: event %llu is of attempt %u and of %u, without a gap",
              t->number, (unsigned long long)s->seq, e->attempt, s->attempt);
    }
    if (known) {
        return;
    }
    if (t->shown_count == t->shown_room) {
        t->shown_room = t->shown_room == 0 ? 64 : t->shown_room * 2;
        t->shown = base_realloc(t->shown, t->shown_room * sizeof *t->shown);
    }
    t->again = t->again || t->accepted_us == 0;
    t->shown[t->shown_count++] = (struct shown){
        s->seq, s->ms, hash, s->attempt, is_named(s, "gap")};
}

/* What the worker put into it. */
static void check_content(const struct truth *t, const struct sight *s)
{
    leat_view p = s->event.payload;
    if (is_named(s, "metadata")) {
        HOLDS(leat_int(leat_get(p, "attempt"), 0) == s->attempt,
              "run %d: metadata of another attempt", t->number);
    } else if (is_named(s, "values")) {
        HOLDS(leat_int(leat_get(p, "run"), 0) == t->number &&
                  leat_int(leat_get(p, "attempt"), 0) == s->attempt &&
                  leat_uint(leat_get(p, "seq"), 0) == s->seq,
              "run %d: event %llu of attempt %u is another one's", t->number,
              (unsigned long long)s->seq, s->attempt);
    } else if (is_named(s, "gap")) {
        HOLDS(broker_life() > 1, "run %d: a gap and no broker died", t->number);
    }
}

void check_seen(struct truth *t, uint64_t after, uint16_t attempt,
                const struct sight *s)
{
    HOLDS(s->seq == after + 1 || check_short(t),
          "run %d: a reader sees %llu after %llu", t->number,
          (unsigned long long)s->seq, (unsigned long long)after);
    bool begins = is_named(s, "metadata") || is_named(s, "gap") ||
                  is_named(s, "error") || is_named(s, "end");
    HOLDS(s->attempt >= attempt, "run %d: a reader sees attempt %u after %u",
          t->number, s->attempt, attempt);
    HOLDS(s->attempt == attempt || begins || (after > 0 && check_torn(t)),
          "run %d: a reader at %llu of attempt %u does not see how attempt %u "
          "begins",
          t->number, (unsigned long long)after, attempt, s->attempt);
    check_content(t, s);
    check_same(t, s);
}

void check_whole(const struct truth *t, uint64_t seq)
{
    struct store_run row = {0};
    bool there = t->stored && row_of(t, &row);
    HOLDS(!there || seq == row.last_seq || check_short(t) || check_torn(t),
          "run %d: a reader has seen %llu of %llu events", t->number,
          (unsigned long long)seq, (unsigned long long)row.last_seq);
    HOLDS(!there || !is_open(&row), "run %d is %s, and its reader done",
          t->number, row.status);
    store_run_fini(&row);
}

/* ---- the end ------------------------------------------------------------- */

struct reading {
    struct truth *truth;
    uint64_t next;
    uint16_t attempt;
    bool ended;
    char status[16]; /* of the last event, an `end`; else "" */
};

static bool read_segment(void *arg, const struct store_segment *seg)
{
    struct reading *r = arg;
    const unsigned char *at = seg->body;
    const unsigned char *end = at + seg->body_bytes;
    struct sight s = {.seq = seg->first_seq,
                      .ms = seg->ms,
                      .attempt = seg->attempt,
                      .bytes = at};
    for (; wire_event_next(&at, end, &s.event); s.seq++, s.bytes = at) {
        s.len = (size_t)(at - s.bytes);
        check_seen(r->truth, r->next - 1, r->attempt, &s);
        r->next = s.seq + 1;
        r->attempt = s.attempt;
        leat_text text = leat_string(leat_get(s.event.payload, "status"));
        (void)snprintf(r->status, sizeof r->status, "%.*s",
                       is_named(&s, "end") ? (int)text.len : 0,
                       text.ptr == NULL ? "" : text.ptr);
    }
    r->ended = r->ended || seg->ended;
    return true;
}

/* The log in the store: a reader that comes after all is over. */
static void check_log(struct truth *t, const struct store_run *row)
{
    struct err err = ERR_INIT;
    struct reading r = {.truth = t, .next = 1};
    const struct store_reader reader = {read_segment, &r};
    bool ok = store_events_read(disk_store(), &t->id, 1, &reader, &err);
    if (ok && r.next <= row->last_seq && check_short(t)) {
        return;
    }
    HOLDS(ok && r.next == row->last_seq + 1,
          "run %d: its log has %llu of %llu events", t->number,
          (unsigned long long)r.next - 1, (unsigned long long)row->last_seq);
    HOLDS(r.ended || t->broker_died_us >= t->begun_us,
          "run %d: its log has no end", t->number);
    HOLDS(strcmp(r.status, row->status) == 0,
          "run %d is %s; its last event says %s", t->number, row->status,
          r.status);
    HOLDS(!t->ended || t->last == 0 || t->last == row->last_seq,
          "run %d was said to end at %llu, and ends at %llu", t->number,
          (unsigned long long)t->last, (unsigned long long)row->last_seq);
    for (size_t i = 0; i < t->shown_count; i++) {
        HOLDS(t->shown[i].seq <= row->last_seq || is_torn(t, t->shown[i].seq),
              "run %d: event %llu was shown, and is not kept", t->number,
              (unsigned long long)t->shown[i].seq);
    }
}

/* Each step of a run was taken once, in order. */
static void check_steps(const struct truth *t, const struct store_run *row)
{
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    struct err err = ERR_INIT;
    leat_value *mine = leat_pack("{s:i}", "run", t->number);
    const struct store_checkpoints_query q = {.thread_id = t->thread_id,
                                              .metadata = leat_view_of(mine)};
    bool ok = store_checkpoints_list(disk_store(), &q, &list, &n, &err);
    HOLDS(ok, "the store says: %s", err.text);
    for (size_t i = 0; i < n; i++) {
        leat_view meta = leat_view_of(list[i].metadata);
        HOLDS(leat_int(leat_get(meta, "step"), 0) == (int64_t)(n - i),
              "run %d: step %lld is its checkpoint number %zu", t->number,
              (long long)leat_int(leat_get(meta, "step"), 0), n - i);
    }
    HOLDS(strcmp(row->status, "success") != 0 || (int)n == t->steps,
          "run %d succeeded with %zu of %d steps", t->number, n, t->steps);
    store_checkpoints_free(&list, n);
    leat_drop(mine);
}

/* It may have been taken away: by its own cancel, or one that came after. */
static bool may_be_gone(const struct truth *t)
{
    bool may = t->deleting || t->temporary || t->forgotten ||
               (t->cancelled != NULL);
    for (int i = 0; i < truth_count; i++) {
        may = may || (truths[i].thread == t->thread && &truths[i] != t &&
                      strcmp(truths[i].strategy, "rollback") == 0);
    }
    return may;
}

void check_store(void)
{
    for (int i = 0; i < truth_count; i++) {
        struct truth *t = &truths[i];
        struct store_run row = {0};
        if (!t->stored) {
            continue;
        }
        bool there = row_of(t, &row);
        HOLDS(there || t->accepted_us == 0 || may_be_gone(t),
              "run %d was accepted, and is lost", t->number);
        if (there) {
            HOLDS(!is_open(&row), "run %d is %s for ever", t->number,
                  row.status);
            HOLDS(!t->refused, "run %d was refused, and is %s", t->number,
                  row.status);
            HOLDS(row.failures <= t->blame, "run %d: %u failures, of %d",
                  t->number, row.failures, t->blame);
            check_log(t, &row);
            check_steps(t, &row);
        }
        store_run_fini(&row);
    }
}
