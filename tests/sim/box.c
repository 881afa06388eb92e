/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's events on their way to the relay: numbered when they are given,
 * sent in batches, kept until they are durable, sent again from where they
 * are asked for. What is in one follows from its run, attempt and number, so
 * that a reader can tell whether it is the right one.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/worker.h"

#define BATCH_MAX 5
#define RETRY_US (20 * MS)
#define UNKNOWN_US (60 * SEC)

static leat_value *payload(const struct job *j, uint64_t seq, enum kind kind)
{
    if (kind == KIND_METADATA) {
        return leat_pack("{s:s,s:i}", "run_id", ID_TEXT(&j->truth->id),
                         "attempt", (int)j->attempt);
    }
    if (kind == KIND_END) {
        return leat_pack("{s:s}", "status", j->status);
    }
    return leat_pack("{s:i,s:i,s:I}", "run", j->truth->number, "attempt",
                     (int)j->attempt, "seq", (int64_t)seq);
}

static void flush(struct job *j)
{
    static const char *const names[] = {"metadata", "values", "error", "end"};
    struct sim_sock *s = &j->worker->node.socks[WIRE_PORT_EVENTS];
    while (j->kept && j->unsent < j->next_seq) {
        uint64_t n = min_u64(1 + sim_dice(BATCH_MAX), j->next_seq - j->unsent);
        struct buf body;
        buf_init(&body, 1 << 16);
        for (uint64_t seq = j->unsent; seq < j->unsent + n; seq++) {
            enum kind kind = (enum kind)j->kinds[seq - j->first];
            leat_value *v = payload(j, seq, kind);
            must(wire_event_put(&body, names[kind], "", leat_view_of(v)));
            leat_drop(v);
        }
        const struct wire_head head = {.type = WIRE_EVENTS,
                                       .attempt = j->attempt,
                                       .epoch = s->epoch,
                                       .tag = (uint32_t)n,
                                       .run = j->truth->id,
                                       .thread = j->truth->thread_id,
                                       .seq = j->unsent,
                                       .ms = j->ms};
        zmq_msg_t raw;
        (void)zmq_msg_init_size(&raw, body.len);
        memcpy(zmq_msg_data(&raw), body.data, body.len);
        buf_fini(&body);
        net_say(s, &head, NULL, &raw);
        (void)zmq_msg_close(&raw);
        j->unsent += n;
    }
}

static void flush_later(void *arg, uint64_t life)
{
    struct job *j = arg;
    struct sim_node *n = &j->worker->node;
    if (n->life != life || !n->alive) {
        return;
    }
    if (n->frozen_until_us > sim.now_us) {
        sim_at(n->frozen_until_us, flush_later, j, life);
        return;
    }
    flush(j);
}

void box_put(struct job *j, enum kind kind)
{
    must(j->next_seq - j->first < JOB_EVENTS_MAX);
    j->kinds[j->next_seq++ - j->first] = (uint8_t)kind;
    sim_in(sim_dice(2000), flush_later, j, j->worker->node.life);
}

void box_stop(struct job *j)
{
    j->closed = true;
    j->kept = false;
}

static void rewind_job(struct job *j, uint64_t seq, int64_t later_us)
{
    j->unsent = max_u64(seq, j->durable + 1);
    sim_in(later_us, flush_later, j, j->worker->node.life);
}

void box_rewind_all(struct worker *w)
{
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->kept) {
            rewind_job(j, 0, RETRY_US);
        }
    }
}

static void on_who(struct job *j)
{
    j->unknown_us = j->unknown_us != 0 ? j->unknown_us : sim.now_us;
    if (j->closed && sim.now_us - j->unknown_us > UNKNOWN_US) {
        j->kept = false;
    } else {
        rewind_job(j, 0, RETRY_US);
    }
}

static void on_mark(struct job *j, const struct wire_head *h)
{
    j->unknown_us = 0;
    if (h->type == WIRE_EVENTS_FROM) {
        rewind_job(j, h->seq, 0);
    } else if (h->type == WIRE_EVENTS_DURABLE && h->seq < j->next_seq) {
        j->durable = max_u64(j->durable, h->seq);
        j->unsent = max_u64(j->unsent, j->durable + 1);
    }
    if (j->closed && j->durable + 1 == j->next_seq) {
        j->kept = false;
    }
}

void box_on_message(struct worker *w, const struct wire_head *h)
{
    if (h->type == WIRE_WHO && id_is_nil(&h->run)) {
        box_rewind_all(w);
        return;
    }
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (!j->kept || !id_eq(&j->truth->id, &h->run)) {
            continue;
        }
        if (h->type == WIRE_WHO) {
            on_who(j);
        } else if (j->attempt == h->attempt) {
            on_mark(j, h);
        }
    }
}
