/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notes.c: what the desk tells the relay about logs, and what the journal
 * answers: fences, ends, marks. A fence that needs to know what is stored of
 * its run waits for the journal; until then nobody writes that log.
 */
#include <stdio.h>
#include <string.h>

#include "broker/relay_in.h"
#include "common/log.h"
#include "common/stat.h"

#define GAP_BYTES_MAX 1024
/* While the store is away, the marks of a log are asked for again. */
#define ASK_AGAIN_MS 200

/* ---- towards the desk -------------------------------------------------------- */

/* The desk is stopped first: what it does not take any more is nobody's. */
void brk_notes_offer(struct relay *r, struct brk_note *n)
{
    if (!link_pipe_offer(r->desk, n)) {
        brk_note_destroy(&n);
    }
}

void brk_notes_tell(struct relay *r, enum brk_note_type type,
                 const struct ring_log *log, uint64_t seq)
{
    struct brk_note *n = brk_note_new(type, &log->run, &log->thread);
    n->attempt = log->attempt;
    n->seq = seq;
    brk_notes_offer(r, n);
}

/* ---- notes of the desk --------------------------------------------------------------- */

/* The last record of a log whose events before it are in no memory and no
 * store: readers see where it goes on, and are told of the gap. */
static void skip_to_end(struct ring_log *log, uint64_t seq)
{
    if (log->next < seq) {
        stat_inc(STAT_EVENT_GAPS);
        log_warn("run.gap", "run=%s from=%llu to=%llu", ID_TEXT(&log->run),
                 (unsigned long long)log->next, (unsigned long long)seq - 1);
    }
    log->next = max_u64(log->next, seq);
}

static void close_log(struct relay *r, struct ring_log *log,
                      const struct brk_note *n)
{
    if (n->seq != 0 && log->next > n->seq) { /* all is here but the mark */
        log->end = n->seq;
        brk_intake_check(r, log);
    }
    if (!log->complete) {
        skip_to_end(log, n->seq);
        zmq_msg_t body;
        must(zmq_msg_init_size(&body, n->body_len) == 0);
        memcpy(zmq_msg_data(&body), n->body, n->body_len);
        brk_intake_take(r, log, n->count, &body);
        zmq_msg_close(&body);
        log->end = log->next - 1;
        brk_intake_check(r, log);
    }
    log->closing = log->stored && log->durable < log->end;
    if (!log->closing) {
        brk_notes_tell(r, BRK_NOTE_CLOSED, log, log->end);
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
    brk_intake_take(r, log, 1, &body);
    zmq_msg_close(&body);
    stat_inc(STAT_EVENT_GAPS);
    log_warn("run.gap", "run=%s from=%s to=%s", ID_TEXT(&log->run), from, to);
}

/* Asks the journal, which writes what it holds before it answers. Until then
 * nobody writes this log. */
static void wait_marks(struct relay *r, struct ring_log *log,
                       struct brk_note *n)
{
    struct brk_log *m = brk_log_new(BRK_LOG_MARKS_GET, &n->run, &n->thread);
    link_pipe_send(r->journal, m);
    log->asked = true;
    log->owner = n;
}

/* Who wrote it before has lost it, and perhaps the news of its end with it:
 * then what follows comes behind that end. */
static void set_fence(struct relay *r, struct ring_log *log,
                      const struct brk_note *n)
{
    if (log->complete && !n->adopt && n->attempt > log->attempt) {
        log->complete = false;
        log->end = 0;
        brk_ring_reopen(r->ring, log);
    }
    log->awaited = log->awaited && n->attempt == log->reach_of;
    log->attempt = n->attempt;
    log->stored = n->stored;
    log->ms = n->ms;
    log->worker.len = 0;
    if (n->adopt && !n->stored && log->next == 1 && n->seq > 1) {
        log->next = n->seq; /* what came before is gone with the last broker */
    }
}

/* The next attempt numbers from here: what it builds upon must not go with
 * this broker. */
static bool is_behind(const struct ring_log *log, const struct brk_note *n)
{
    return n->type == BRK_NOTE_FENCE && n->stored && !n->adopt && !n->quiet &&
           log->durable + 1 < log->next;
}

/* The log's marks are known: the fence stands, or the end is written. Takes
 * the note. */
static void settle(struct relay *r, struct ring_log *log, struct brk_note *n)
{
    set_fence(r, log, n);
    if (n->torn_ms != 0 && !log->complete) {
        announce_gap(r, log, n);
        n->torn_ms = 0;
    }
    if (is_behind(log, n)) {
        wait_marks(r, log, n);
        return;
    }
    if (n->type == BRK_NOTE_CLOSE) {
        close_log(r, log, n);
    } else if (!n->quiet) {
        brk_notes_tell(r, BRK_NOTE_FENCED, log, log->next);
    }
    brk_note_destroy(&n);
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
    if (n->quiet && log->attempt >= n->attempt) {
        brk_note_destroy(&n); /* it is one that had ended: submitted again */
    } else if (log->owner != NULL) {
        struct brk_note *old = log->owner; /* overtaken by a later word */
        n->torn_ms = n->torn_ms != 0 ? n->torn_ms : old->torn_ms;
        brk_note_destroy(&old);
        log->owner = n;
    } else if (needs_marks(log, n)) {
        wait_marks(r, log, n);
    } else {
        settle(r, log, n);
    }
}

/* ENDED, REACH: of who holds the fence. */
static void on_reach(struct relay *r, const struct brk_note *n)
{
    struct ring_log *log = brk_ring_get(r->ring, &n->run);
    if (log == NULL || (log->owner == NULL && log->attempt != n->attempt)) {
        return; /* nobody waits for that any more */
    }
    log->reach = n->seq;
    log->reach_of = n->attempt;
    log->awaited = true;
    if (n->type == BRK_NOTE_ENDED && !log->complete) {
        log->end = n->seq;
    }
    brk_intake_check(r, log);
}

static void on_unfence(struct relay *r, const struct brk_note *n)
{
    struct ring_log *log = brk_ring_get(r->ring, &n->run);
    if (log != NULL && log->owner == NULL && log->next == 1) {
        brk_ring_remove(r->ring, log);
    }
}

static void on_forget(struct relay *r, const struct brk_note *n)
{
    struct brk_log *m = brk_log_new(BRK_LOG_FORGET, &n->run, &n->thread);
    link_pipe_send(r->journal, m);
    struct ring_log *log = brk_ring_get(r->ring, &n->run);
    if (log == NULL) {
        return;
    }
    /* Its last events may be slower than the news of its end: then those who
     * read it wait for them. */
    if (log->next <= n->seq) {
        log->end = n->seq;
    }
    bool tail = log->end != 0 && log->next <= log->end;
    log->stored = false;
    log->complete = !tail;
    brk_mark_safe(log, 0);
    brk_mark_received(r, log);
    if (log->listed_ended) {
        return;
    }
    int64_t expires = r->now_ms + r->ended_ttl_ms;
    brk_ring_ended(r->ring, log, expires);
    if (r->expire_ms < 0) {
        r->expire_ms = expires;
    }
}

void brk_notes_read(struct relay *r)
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
        case BRK_NOTE_REACH:
            on_reach(r, n);
            break;
        case BRK_NOTE_UNFENCE:
            on_unfence(r, n);
            break;
        case BRK_NOTE_FORGET:
            on_forget(r, n);
            break;
        case BRK_NOTE_FENCED:
        case BRK_NOTE_CLOSED:
        case BRK_NOTE_REACHED:
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
        brk_notes_tell(r, BRK_NOTE_CLOSED, log, log->end);
    }
}

static void ask_later(struct relay *r, struct ring_log *log)
{
    log->ask_ms = r->now_ms + ASK_AGAIN_MS;
    r->ask_ms = r->ask_ms < 0 ? log->ask_ms : r->ask_ms;
}

static void on_marks(struct relay *r, const struct brk_log *m)
{
    struct ring_log *log = brk_ring_get(r->ring, &m->run);
    if (log == NULL || log->owner == NULL) {
        return;
    }
    if (m->failed) {
        ask_later(r, log);
        return;
    }
    struct brk_note *n = log->owner;
    bool met = log->next > 1 || log->first != NULL;
    log->durable = max_u64(log->durable, m->last);
    if (met && is_behind(log, n)) {
        ask_later(r, log); /* the store did not take it yet */
        return;
    }
    log->owner = NULL;
    if (!met) {
        log->next = m->last + 1;
    }
    if (!met && m->ended) {
        log->end = m->last;
        log->stored = n->stored;
        brk_intake_check(r, log);
    }
    settle(r, log, n);
    brk_intake_check(r, log); /* its end may have been told meanwhile */
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

void brk_notes_ask_again(struct relay *r)
{
    r->ask_ms = -1;
    brk_ring_each(r->ring, ask_again, r);
}

void brk_notes_read_journal(struct relay *r)
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
