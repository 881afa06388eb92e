/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c: a log read again, from a sequence on. What the ring still has goes
 * out at once. For what it has not, the journal is read first and the rest
 * taken from the ring. A gateway that is full gets the end of the replay
 * early and asks again from where it is.
 */
#include "broker/relay_in.h"

#include <stdlib.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

/* False: the gateway has all it can take now, or is full. */
static bool send_chunk(struct relay *r, struct replay *q,
                       const struct ring_chunk *c)
{
    if (q->room == 0) {
        return false;
    }
    const struct wire_head head = {
        .type = WIRE_REPLAY_EVENTS,
        .attempt = c->attempt,
        .epoch = r->env->epoch,
        .tag = q->tag,
        .run = q->run,
        .thread = q->thread,
        .seq = c->seq,
        .ms = c->ms,
    };
    zmq_msg_t body;
    must(zmq_msg_init(&body) == 0);
    must(zmq_msg_copy(&body, (zmq_msg_t *)(uintptr_t)&c->body) == 0);
    enum link_sent sent = link_send_raw(r->gets, &q->to, &head, &body);
    zmq_msg_close(&body);
    if (sent != LINK_SENT && sent != LINK_QUEUED) {
        return false;
    }
    (void)fault_at(FAULT_RELAY_REPLAY);
    size_t size = zmq_msg_size((zmq_msg_t *)(uintptr_t)&c->body);
    stat_add(STAT_EVENTS_REPLAYED, c->count);
    if (q->room != UINT64_MAX) {
        q->room -= min_u64(q->room, size);
    }
    q->want = c->seq + c->count;
    return true;
}

struct replay_end {
    uint64_t first;
    uint64_t last;
    bool ended;
    bool known;
    struct id thread; /* nil: only the log in memory would tell */
};

static void send_end(struct relay *r, const struct replay *q,
                     const struct replay_end *e)
{
    const struct wire_head head = {
        .type = WIRE_REPLAY_END,
        .epoch = r->env->epoch,
        .tag = q->tag,
        .run = q->run,
        .thread = e->thread,
        .seq = e->last,
    };
    (void)link_send(r->gets, &q->to, &head,
                    leat_pack("{s:I,s:b,s:b}", "first", (int64_t)e->first,
                              "ended", (int)e->ended, "known",
                              (int)e->known));
}

/* What the ring has from q->want on; `first` is the oldest kept anywhere. */
static void send_ring(struct relay *r, struct replay *q,
                      const struct ring_log *log, uint64_t first)
{
    const struct ring_chunk *c = brk_ring_find(log, q->want);
    if (first <= q->want && brk_ring_first(log) > q->want) {
        c = NULL; /* what comes before is stored: it goes first, next time */
    }
    while (c != NULL && send_chunk(r, q, c)) {
        c = c->next;
    }
    const struct replay_end end = {
        .first = first,
        .last = log->next - 1,
        .ended = log->complete,
        .known = true,
        .thread = log->thread,
    };
    send_end(r, q, &end);
}

static void ask_journal(struct relay *r, const struct replay *q)
{
    struct replay *waits = base_zalloc(sizeof *waits);
    *waits = *q;
    waits->cookie = ++r->cookies;
    waits->next = r->replays;
    r->replays = waits;
    struct brk_log *m = brk_log_new(BRK_LOG_READ, &q->run, &q->thread);
    m->first = q->want;
    m->limit = q->room != UINT64_MAX ? q->room : 0;
    m->cookie = waits->cookie;
    link_pipe_send(r->journal, m);
}

void brk_replay_get(struct relay *r, const struct link_in *in)
{
    struct replay q = {
        .to = in->from,
        .tag = in->head.tag,
        .want = max_u64(in->head.seq, 1),
        .room = in->head.ms > 0 ? in->head.ms : UINT64_MAX,
        .run = in->head.run,
        .thread = in->head.thread,
    };
    const struct ring_log *log = brk_ring_get(r->ring, &q.run);
    if (log == NULL) {
        ask_journal(r, &q);
        return;
    }
    uint64_t first = brk_ring_first(log);
    if (log->stored && q.want < first) {
        ask_journal(r, &q);
        return;
    }
    send_ring(r, &q, log, first);
}

static struct replay **find(struct relay *r, uint64_t cookie)
{
    struct replay **at = &r->replays;
    while (*at != NULL && (*at)->cookie != cookie) {
        at = &(*at)->next;
    }
    return at;
}

void brk_replay_on_chunk(struct relay *r, struct brk_log *m)
{
    struct replay *q = *find(r, m->cookie);
    if (q == NULL || m->first + m->count <= q->want) {
        return;
    }
    struct ring_chunk c = {.seq = m->first,
                           .ms = m->ms,
                           .count = m->count,
                           .attempt = m->attempt};
    must(zmq_msg_init(&c.body) == 0);
    must(zmq_msg_move(&c.body, &m->body) == 0);
    if (!send_chunk(r, q, &c)) {
        q->room = 0; /* nothing behind a piece that was not sent */
    }
    zmq_msg_close(&c.body);
}

void brk_replay_on_read_done(struct relay *r, const struct brk_log *m)
{
    struct replay **at = find(r, m->cookie);
    struct replay *q = *at;
    if (q == NULL) {
        return;
    }
    *at = q->next;
    const struct ring_log *log = brk_ring_get(r->ring, &q->run);
    if (log != NULL) {
        uint64_t first = m->first != 0 ? m->first : brk_ring_first(log);
        send_ring(r, q, log, first);
    } else {
        const struct replay_end end = {
            .first = m->first,
            .last = m->last,
            .ended = m->ended,
            .known = m->first != 0 || m->failed,
        };
        send_end(r, q, &end);
    }
    free(q);
}

void brk_replay_fini(struct relay *r)
{
    while (r->replays != NULL) {
        struct replay *q = r->replays;
        r->replays = q->next;
        free(q);
    }
}
