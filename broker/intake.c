/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.c: events on their way into a log: who may write it, what is new of
 * what came, and whether the log is complete. What has no fence here is
 * answered with WHO and told to the desk.
 */
#include <string.h>

#include "broker/relay_in.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

void brk_intake_check(struct relay *r, struct ring_log *log)
{
    if (log->awaited && log->next > log->reach && log->owner == NULL) {
        log->awaited = false;
        if (!log->stored) { /* its worker is done with it */
            brk_mark_safe(log, SIZE_MAX);
            brk_mark_received(r, log);
        }
        brk_notes_tell(r, BRK_NOTE_REACHED, log, log->next - 1);
    }
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
    int64_t expires = r->now_ms + r->ended_ttl_ms;
    brk_ring_ended(r->ring, log, expires);
    if (r->expire_ms < 0) {
        r->expire_ms = expires;
    }
}

/* ---- events in ------------------------------------------------------------------------ */

void brk_intake_take(struct relay *r, struct ring_log *log,
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
        m->fresh = log->next == 1 && !log->asked;
        m->count = count;
        m->attempt = log->attempt;
        m->ms = log->ms;
        must(zmq_msg_copy(&m->body, body) == 0);
        link_pipe_send(r->journal, m);
    }
    stat_add(STAT_EVENTS_IN, count);
    stat_add(STAT_EVENTS_BYTES, (int64_t)zmq_msg_size(body));
    link_publish(r->pub, &head, body);
    (void)fault_at(FAULT_RELAY_EVENTS);
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
        brk_intake_take(r, log, fresh, &in->raw);
    }
    if (first) {
        brk_mark_owe(r, log);
    } else {
        brk_mark_received(r, log);
    }
    if (log->stored && log->durable > 0) {
        brk_mark_send(r, log, WIRE_EVENTS_DURABLE, log->durable);
    }
    brk_intake_check(r, log);
}

static bool is_known(const struct ring_log *log, uint16_t attempt)
{
    return log != NULL && log->owner == NULL && attempt <= log->attempt;
}

void brk_intake_on_events(struct relay *r, struct link_in *in)
{
    const struct wire_head *h = &in->head;
    struct ring_log *log = brk_ring_get(r->ring, &h->run);
    if (!is_known(log, h->attempt)) { /* told since this turn began? */
        brk_notes_read(r);
        log = brk_ring_get(r->ring, &h->run);
    }
    if (!is_known(log, h->attempt)) {
        say_who(r, in); /* the desk has not said yet who may speak */
        if (log == NULL) {
            struct brk_note *n =
                brk_note_new(BRK_NOTE_UNKNOWN, &h->run, &h->thread);
            n->attempt = h->attempt;
            brk_notes_offer(r, n);
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
