/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients: each follows one run from its first event to its last, through a
 * gateway that asks the relay for what it misses, and goes on at another
 * gateway, with the id of the last event it saw, when its own has died.
 */
#include <stdio.h>

#include "tests/sim/gateway.h"

#define ASK_AGAIN_US SEC
#define TAIL_US (50 * MS)

static struct client clients[CLIENTS_MAX];

static struct client *next_of(struct client *after, const struct gateway *g,
                              const struct id *run)
{
    struct client *c = after == NULL ? clients : after + 1;
    for (; c < clients + CLIENTS_MAX; c++) {
        if (c->truth != NULL && !c->done && c->gateway == g->node.number &&
            (run == NULL || id_eq(&c->truth->id, run))) {
            return c;
        }
    }
    return NULL;
}

#define EACH(c, g, run)                                                        \
    for (struct client *c = next_of(NULL, g, run); c != NULL;                  \
         c = next_of(c, g, run))

/* ---- asking -------------------------------------------------------------- */

static void ask(struct gateway *g, struct client *c)
{
    c->tag = ++g->tags;
    c->asked = c->shown + 1;
    c->asked_us = sim.now_us;
    const struct wire_head head = {
        .type = WIRE_REPLAY_GET,
        .tag = c->tag,
        .run = c->truth->id,
        .thread = c->truth->thread_id,
        .seq = c->asked,
        .ms = sim_dice(4) == 0 ? 1 + sim_dice(400) : 0};
    gateway_say(g, WIRE_PORT_REPLAY, &head, NULL);
}

static void watch(struct gateway *g, struct client *c)
{
    const struct wire_head head = {
        .type = WIRE_RUN_WATCH, .tag = 1, .run = c->truth->id};
    c->watch_us = sim.now_us;
    c->watched = false;
    gateway_say(g, WIRE_PORT_GATEWAY, &head, NULL);
}

static void finish(struct client *c)
{
    TRACE("a client of run %d has seen all, up to %llu", c->truth->number,
          (unsigned long long)c->shown);
    check_whole(c->truth, c->shown);
    c->done = true;
}

static void check_done(struct client *c)
{
    if (c->deleted || (c->last_known && c->shown >= c->last)) {
        HOLDS(c->deleted || c->shown == c->last || check_torn(c->truth),
              "run %d: an event %llu behind the last one, %llu",
              c->truth->number, (unsigned long long)c->shown,
              (unsigned long long)c->last);
        finish(c);
    }
}

/* ---- reading ------------------------------------------------------------- */

/* The events of a batch that this one has not seen. */
static void take(struct client *c, const struct link_in *in)
{
    zmq_msg_t *raw = (zmq_msg_t *)(uintptr_t)&in->raw;
    const unsigned char *at = zmq_msg_data(raw);
    const unsigned char *end = at + zmq_msg_size(raw);
    struct sight s = {.seq = in->head.seq,
                      .ms = in->head.ms,
                      .attempt = in->head.attempt,
                      .bytes = at};
    /* Worker and broker were lost together: what was shown and not kept does
     * not count, and the log says so. */
    if (in->head.type == WIRE_EVENTS && c->attempt != 0 &&
        in->head.attempt > c->attempt && in->head.seq <= c->shown) {
        c->shown = in->head.seq - 1;
    }
    for (; wire_event_next(&at, end, &s.event); s.seq++, s.bytes = at) {
        s.len = (size_t)(at - s.bytes);
        if (s.seq <= c->shown) {
            continue;
        }
        check_seen(c->truth, c->shown, c->attempt, &s);
        c->shown = s.seq;
        c->ms = s.ms;
        c->attempt = s.attempt;
    }
    check_done(c);
}

void client_on_events(struct gateway *g, const struct link_in *in)
{
    bool live = in->head.type == WIRE_EVENTS;
    EACH(c, g, &in->head.run)
    {
        bool mine = live || (c->tag != 0 && c->tag == in->head.tag);
        if (mine && in->head.seq <= c->shown + 1) {
            take(c, in);
        } else if (mine && live && c->tag == 0) {
            ask(g, c);
        } else if (mine && !live) {
            /* What was in between was in a memory that is gone. */
            HOLDS((!c->truth->stored && broker_life() > 1) ||
                      check_gone(c->truth),
                  "run %d: from %llu to %llu nothing", c->truth->number,
                  (unsigned long long)c->shown,
                  (unsigned long long)in->head.seq);
            c->shown = in->head.seq - 1;
            c->attempt = in->head.attempt;
            take(c, in);
        }
    }
}

void client_on_replay_end(struct gateway *g, const struct link_in *in)
{
    leat_view body = leat_view_of(in->body);
    bool known = leat_bool(leat_get(body, "known"), false);
    bool ended = leat_bool(leat_get(body, "ended"), false);
    uint64_t first = leat_uint(leat_get(body, "first"), 0);
    EACH(c, g, &in->head.run)
    {
        if (c->tag == 0 || c->tag != in->head.tag) {
            continue;
        }
        c->tag = 0;
        TRACE("a client of run %d, at %llu, hears: %llu to %llu%s%s",
              c->truth->number, (unsigned long long)c->shown,
              (unsigned long long)first, (unsigned long long)in->head.seq,
              known ? "" : ", not known", ended ? ", ended" : "");
        HOLDS(!known || !c->truth->stored || first <= c->asked ||
                  check_gone(c->truth),
              "run %d: %llu was asked for, the log begins at %llu",
              c->truth->number, (unsigned long long)c->asked,
              (unsigned long long)first);
        if (known && c->shown < in->head.seq) {
            ask(g, c);
        } else if (c->ended && (!known ? !c->last_known || check_gone(c->truth)
                                       : !c->last_known &&
                                             c->shown == in->head.seq)) {
            c->last = c->shown;
            c->last_known = true;
        }
        if (c->last_known && c->shown < c->last && check_short(c->truth) &&
            sim.healed) {
            c->last = c->shown; /* its gateway tells it so */
        }
        check_done(c);
    }
}

void client_on_ended(struct gateway *g, const struct link_in *in)
{
    EACH(c, g, &in->head.run)
    {
        c->watched = c->ended = c->last_known = true;
        c->last = in->head.seq;
        c->deleted = leat_is(leat_get(leat_view_of(in->body), "status"),
                             "deleted");
        check_done(c);
    }
}

/* It is not live: its end came while nobody listened. */
void client_on_unknown(struct gateway *g, const struct id *run)
{
    EACH(c, g, run)
    {
        c->watched = true;
        if (!c->ended) {
            c->ended = true;
            ask(g, c);
        }
    }
}

void client_on_watched(struct gateway *g, const struct id *run)
{
    EACH(c, g, run)
    {
        c->watched = true;
    }
}

void client_on_refused(const struct truth *t)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i].truth == t) {
            HOLDS(clients[i].shown == 0, "run %d was refused and has events",
                  t->number);
            clients[i].done = true;
        }
    }
}

/* ---- coming and going ---------------------------------------------------- */

static void attach(struct gateway *g, struct client *c, bool first)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    c->gateway = g->node.number;
    c->tag = 0;
    wire_topic(&c->truth->thread_id, &c->truth->id, topic);
    net_subscribe(&g->node.socks[WIRE_PORT_PUB], topic, sizeof topic);
    if (!first) {
        watch(g, c);
        ask(g, c);
    }
}

void client_add(struct truth *t, int gateway, bool from_start)
{
    size_t i = 0;
    while (i < CLIENTS_MAX && clients[i].truth != NULL) {
        i++;
    }
    if (i < CLIENTS_MAX) {
        clients[i] = (struct client){.truth = t, .watched = from_start};
        attach(gateway_at(gateway), &clients[i], from_start);
    }
}

void client_on_restart(struct gateway *g)
{
    EACH(c, g, NULL)
    {
        if (!c->ended && c->truth->stored && c->truth->accepted_us != 0) {
            watch(g, c);
        }
        ask(g, c);
    }
}

void client_on_tick(struct gateway *g)
{
    EACH(c, g, NULL)
    {
        bool lost = c->tag != 0 && sim.now_us - c->asked_us > ASK_AGAIN_US;
        bool short_of = c->tag == 0 && c->ended &&
                        sim.now_us - c->asked_us > TAIL_US &&
                        !(c->last_known && c->shown >= c->last);
        if (lost || short_of) {
            ask(g, c);
        }
        if (!c->watched && sim.now_us - c->watch_us > 2 * ASK_AGAIN_US) {
            watch(g, c);
        }
    }
}

static void go_elsewhere(void *arg, uint64_t n)
{
    struct client *c = arg;
    (void)n;
    for (int i = 0; i < sim.plan.gateways; i++) {
        struct gateway *g = gateway_at(1 + (int)sim_dice(
                                               (uint32_t)sim.plan.gateways));
        if (g->node.alive) {
            TRACE("a client of run %d goes on at %s behind %llu",
                  c->truth->number, node_name(&g->node),
                  (unsigned long long)c->shown);
            attach(g, c, false);
            return;
        }
    }
    sim_in(100 * MS, go_elsewhere, c, 0);
}

void client_on_gateway_dead(struct gateway *g)
{
    EACH(c, g, NULL)
    {
        struct truth *t = c->truth;
        if (t->accepted_us == 0 || !t->stored) {
            c->done = true; /* it has never heard of the run, or it is gone */
            continue;
        }
        c->gateway = 0;
        sim_in(sim_about(300 * MS), go_elsewhere, c, 0);
    }
}

uint16_t client_attempt(const struct truth *t)
{
    uint16_t most = 0;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i].truth == t) {
            most = (uint16_t)max_int(most, clients[i].attempt);
        }
    }
    return most;
}

bool client_all_done(char *why, size_t cap)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *c = &clients[i];
        if (c->truth != NULL && !c->done && !c->truth->abandoned) {
            (void)snprintf(why, cap,
                           "a client of run %d has seen up to %llu%s of %llu",
                           c->truth->number, (unsigned long long)c->shown,
                           c->ended ? ", ended," : "",
                           (unsigned long long)c->last);
            return false;
        }
    }
    return true;
}
