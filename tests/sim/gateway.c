/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways, as docs/protocol.md has them: submit, and repeat that until it is
 * answered; cancel, delete, forget; hold the request of a run that lives in
 * memory only and submit it again to a broker that is new.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/sim/gateway.h"

#define SUBMIT_AGAIN_US SEC
#define DEADLINE_US (25 * SEC)
#define TICK_US (50 * MS)

static struct gateway gateways[GATEWAYS_MAX];
static int planned; /* submits that are still to come */

struct gateway *gateway_at(int number) { return &gateways[number - 1]; }

struct sim_node *gateway_node(int number) { return &gateways[number - 1].node; }

void gateway_say(struct gateway *g, enum wire_port port,
                 const struct wire_head *head, leat_value *body)
{
    struct sim_sock *s = &g->node.socks[port];
    struct wire_head h = *head;
    h.epoch = s->epoch;
    net_say(s, &h, body, NULL);
}

/* ---- asking the desk ----------------------------------------------------- */

static leat_value *submit_body(const struct ask *a)
{
    const struct truth *t = a->truth;
    char created[CLOCK_ISO_SIZE];
    (void)clock_to_iso(clock_wall_us() - (sim.now_us - t->submitted_us),
                       created);
    return leat_pack(
        "{s:s,s:s,s:s,s:i,s:b,s:b,s:b,s:b,s:b,s:s,s:{},s:{}}", "graph_id", "g",
        "assistant_id", "fe096781-5601-53d2-b2f6-0d3403f7e9ca", "strategy",
        t->strategy, "after_ms", t->after_ms, "stored", (int)t->stored,
        "temporary", (int)t->temporary, "watched", t->number % 3 != 0,
        "thread_make", 1, "again", (int)a->again, "created_at", created, "kwargs",
        "metadata");
}

static void say_ask(struct gateway *g, struct ask *a)
{
    struct wire_head head = {.type = a->type,
                             .tag = a->tag,
                             .run = a->truth->id,
                             .thread = a->truth->thread_id};
    leat_value *body = NULL;
    a->said_us = sim.now_us;
    if (a->type == WIRE_RUN_SUBMIT) {
        head.attempt = a->again ? client_attempt(a->truth) : 0;
        body = submit_body(a);
    } else if (a->type == WIRE_RUN_CANCEL) {
        body = leat_pack("{s:s}", "action", a->action);
    }
    gateway_say(g, WIRE_PORT_GATEWAY, &head, body);
}

static struct ask *new_ask(struct gateway *g, uint8_t type, struct truth *t)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (g->asks[i].tag == 0) {
            g->asks[i] = (struct ask){.tag = 2 + ++g->tags,
                                      .type = type,
                                      .truth = t,
                                      .deadline_us = sim.now_us + DEADLINE_US};
            return &g->asks[i];
        }
    }
    return NULL;
}

static struct ask *ask_of(struct gateway *g, uint32_t tag)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (tag > 1 && g->asks[i].tag == tag) {
            return &g->asks[i];
        }
    }
    return NULL;
}

/* The client is told that it failed; the desk, not to start it. */
static void give_up(struct gateway *g, struct ask *a)
{
    struct truth *t = a->truth;
    const struct wire_head head = {.type = WIRE_RUN_FORGET, .run = t->id};
    TRACE("%s gives up the submit of run %d", node_name(&g->node), t->number);
    gateway_say(g, WIRE_PORT_GATEWAY, &head, NULL);
    t->forgotten = t->abandoned = true;
    a->tag = 0;
}

/* ---- what clients want --------------------------------------------------- */

static int living(void)
{
    int first = 1 + (int)sim_dice((uint32_t)sim.plan.gateways);
    for (int i = 0; i < sim.plan.gateways; i++) {
        int n = 1 + (first + i) % sim.plan.gateways;
        if (gateways[n - 1].node.alive) {
            return n;
        }
    }
    return 0;
}

static void dress(struct truth *t, const struct gateway *g)
{
    static const char *const words[] = {"reject", "interrupt", "rollback"};
    t->strategy = sim_chance(sim.plan.strategies) ? words[sim_dice(3)]
                                                  : "enqueue";
    t->stored = !sim_chance(sim.plan.stateless);
    t->temporary = t->stored && sim_chance(sim.plan.temporary);
    t->after_ms = sim_chance(sim.plan.delayed) ? (int)sim_dice(2000) : 0;
    t->steps = 1 + (int)sim_dice(4);
    t->fails = sim_dice(8) == 0;
    t->id = (struct id){{0x52, (uint8_t)t->number}};
    memcpy(t->id.bytes + 12, g->home, sizeof g->home);
    t->thread = 1 + (int)sim_dice((uint32_t)sim.plan.threads);
    t->thread_id = (struct id){{0x54, (uint8_t)t->thread}};
    for (int i = 1; i < t->number; i++) { /* that is repeated until answered */
        t->deleting = t->deleting || (truth_at(i)->thread == t->thread &&
                                      truth_at(i)->deleting);
    }
    if (!t->stored || t->temporary) {
        t->thread = 100 + t->number;
        t->thread_id = (struct id){{0x55, 0, 0, 0, (uint8_t)t->number}};
        wire_home(&t->id, &t->thread_id);
    }
}

static void forget_one(void *arg, uint64_t n)
{
    struct ask *a = arg;
    if (a->tag == (uint32_t)n && a->truth->accepted_us == 0) {
        for (int i = 1; i <= sim.plan.gateways; i++) {
            struct gateway *g = gateway_at(i);
            if (g->node.alive && a >= g->asks && a < g->asks + CALLS_MAX) {
                give_up(g, a);
            }
        }
    }
}

static void submit(void *arg, uint64_t n)
{
    int number = living();
    (void)arg;
    (void)n;
    if (number == 0) {
        sim_in(100 * MS, submit, NULL, 0);
        return;
    }
    planned--;
    struct gateway *g = gateway_at(number);
    struct truth *t = truth_new();
    dress(t, g);
    struct ask *a = new_ask(g, WIRE_RUN_SUBMIT, t);
    if (a == NULL) {
        t->abandoned = true;
        return;
    }
    t->submitted_us = sim.now_us;
    TRACE("%s submits run %d on thread %d: %s%s%s, %d steps, after %d ms",
          node_name(&g->node), t->number, t->thread, t->strategy,
          t->stored ? "" : ", stateless", t->temporary ? ", temporary" : "",
          t->steps, t->after_ms);
    client_add(t, number, true);
    say_ask(g, a);
    if (sim_chance(sim.plan.forgets)) {
        sim_in(sim_about(300 * MS), forget_one, a, a->tag);
    }
}

/* Something that is asked of a run that was accepted. */
static void meddle(void *arg, uint64_t what)
{
    struct truth *t = truth_at(1 + (int)sim_dice(RUNS_MAX));
    int number = living();
    (void)arg;
    if (t == NULL || t->accepted_us == 0 || number == 0) {
        return;
    }
    struct gateway *g = gateway_at(number);
    if (what == WIRE_REPLAY_GET) {
        if (t->stored && !t->deleting) {
            client_add(t, number, false);
        }
        return;
    }
    struct ask *a = new_ask(g, (uint8_t)what, t);
    if (a == NULL) {
        return;
    }
    if (what == WIRE_RUN_CANCEL) {
        a->action = sim_dice(2) == 0 ? "interrupt" : "rollback";
        t->cancelled = a->action;
    } else {
        for (int i = 1; truth_at(i) != NULL; i++) {
            if (truth_at(i)->thread == t->thread) {
                truth_at(i)->deleting = true;
            }
        }
    }
    TRACE("%s: %s of run %d %s", node_name(&g->node), wire_name(a->type),
          t->number, a->action != NULL ? a->action : "");
    say_ask(g, a);
}

/* ---- what the desk answers ----------------------------------------------- */

static void on_accepted(struct ask *a)
{
    struct truth *t = a->truth;
    if (a->type == WIRE_RUN_SUBMIT && t->accepted_us == 0) {
        t->accepted_us = sim.now_us;
        TRACE("run %d is accepted", t->number);
    }
    a->tag = 0;
}

static void on_refused(struct gateway *g, const struct link_in *in)
{
    struct ask *a = ask_of(g, in->head.tag);
    if (in->head.tag == 1) {
        client_on_unknown(g, &in->head.run);
    }
    if (a == NULL) {
        return;
    }
    leat_text text =
        leat_string(leat_get(leat_view_of(in->body), "text"));
    TRACE("%s of run %d is refused: %.*s", wire_name(a->type),
          a->truth->number, (int)text.len, text.ptr);
    if (a->type == WIRE_RUN_SUBMIT && !a->again) {
        HOLDS(a->truth->accepted_us == 0, "run %d: refused, and accepted",
              a->truth->number);
        bool once = leat_is(leat_get(leat_view_of(in->body), "code"),
                            "conflict");
        /* A copy of what failed for other reasons may still be taken. */
        a->truth->refused = once;
        a->truth->abandoned = !once;
        client_on_refused(a->truth);
    }
    a->tag = 0;
}

/* A new broker: what has no answer, and what only we know of. */
static void on_welcome(struct gateway *g)
{
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (g->asks[i].tag != 0) {
            say_ask(g, &g->asks[i]);
        }
    }
    for (int i = 1; truth_at(i) != NULL; i++) {
        struct truth *t = truth_at(i);
        bool ours = memcmp(t->id.bytes + 12, g->home, sizeof g->home) == 0;
        bool open = false;
        for (size_t k = 0; k < CALLS_MAX; k++) {
            open = open || (g->asks[k].tag != 0 && g->asks[k].truth == t &&
                            g->asks[k].type == WIRE_RUN_SUBMIT);
        }
        struct ask *a;
        if (ours && !open && !t->stored && t->accepted_us != 0 &&
            !t->heard_end && (a = new_ask(g, WIRE_RUN_SUBMIT, t)) != NULL) {
            a->again = true;
            a->deadline_us = INT64_MAX;
            say_ask(g, a);
        }
    }
    client_on_restart(g);
}

static void say_hello(struct gateway *g)
{
    const struct wire_head head = {.type = WIRE_HELLO};
    gateway_say(g, WIRE_PORT_GATEWAY, &head,
                leat_pack("{s:s,s:s,s:i,s:s}", "kind", "gateway", "id",
                          node_name(&g->node), "pid",
                          g->node.number * 1000 + (int)g->node.life, "host",
                          "here"));
}

static void on_desk(struct gateway *g, const struct link_in *in)
{
    struct ask *a = ask_of(g, in->head.tag);
    const struct wire_head pong = {.type = WIRE_PONG, .tag = in->head.tag};
    switch (in->head.type) {
    case WIRE_WHO:
        say_hello(g);
        break;
    case WIRE_WELCOME:
        on_welcome(g);
        break;
    case WIRE_PING:
        gateway_say(g, WIRE_PORT_GATEWAY, &pong, NULL);
        break;
    case WIRE_RUN_ACCEPTED:
    case WIRE_DONE:
        if (a != NULL) {
            on_accepted(a);
        }
        break;
    case WIRE_RUN_STATE:
        client_on_watched(g, &in->head.run);
        break;
    case WIRE_RUN_ENDED:
        truth_of(&in->head.run)->heard_end = true;
        client_on_ended(g, in);
        break;
    case WIRE_REFUSED:
        on_refused(g, in);
        break;
    default:
        break;
    }
}

static void on_message(struct sim_sock *s, struct link_in *in)
{
    struct gateway *g = CONTAINER_OF(s->node, struct gateway, node);
    if (in->head.epoch < s->epoch) {
        return;
    }
    s->epoch = in->head.epoch;
    if (s->port == WIRE_PORT_GATEWAY) {
        on_desk(g, in);
    } else if (in->head.type == WIRE_REPLAY_END) {
        client_on_replay_end(g, in);
    } else {
        client_on_events(g, in);
    }
}

static void on_connected(struct sim_sock *s)
{
    struct gateway *g = CONTAINER_OF(s->node, struct gateway, node);
    if (s->port == WIRE_PORT_GATEWAY) {
        say_hello(g);
    } else {
        client_on_restart(g);
    }
}

/* ---- its life ------------------------------------------------------------ */

static void tick(void *arg, uint64_t life)
{
    struct gateway *g = arg;
    if (g->node.life != life || !g->node.alive) {
        return;
    }
    sim_in(TICK_US, tick, g, life);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        struct ask *a = &g->asks[i];
        if (a->tag == 0 || a->type != WIRE_RUN_SUBMIT) {
            continue;
        }
        if (sim.now_us >= a->deadline_us) {
            give_up(g, a);
        } else if (sim.now_us - a->said_us >= SUBMIT_AGAIN_US) {
            say_ask(g, a);
        }
    }
    if (sim.now_us >= g->beat_us) {
        const struct wire_head head = {.type = WIRE_HEARTBEAT};
        g->beat_us = sim.now_us + SEC;
        gateway_say(g, WIRE_PORT_GATEWAY, &head, NULL);
    }
    client_on_tick(g);
}

void gateway_start(void *arg, uint64_t number)
{
    (void)arg;
    struct gateway *g = gateway_at((int)number);
    if (g->node.alive) {
        return;
    }
    *g = (struct gateway){.node = {.gateway = true,
                                   .number = (int)number,
                                   .life = g->node.life + 1,
                                   .alive = true,
                                   .on_message = on_message,
                                   .on_connected = on_connected}};
    g->home[0] = 0xa0;
    g->home[1] = (unsigned char)number;
    g->home[2] = (unsigned char)g->node.life;
    TRACE("%s starts", node_name(&g->node));
    net_connect(&g->node, WIRE_PORT_GATEWAY);
    net_connect(&g->node, WIRE_PORT_PUB);
    net_connect(&g->node, WIRE_PORT_REPLAY);
    net_subscribe(&g->node.socks[WIRE_PORT_PUB], g->home, sizeof g->home);
    tick(g, g->node.life);
}

void gateway_kill(int number)
{
    struct gateway *g = gateway_at(number);
    if (!g->node.alive) {
        return;
    }
    TRACE("%s is killed", node_name(&g->node));
    g->node.alive = false;
    net_node_died(&g->node, sim_dice(4) != 0);
    for (int i = 1; truth_at(i) != NULL; i++) {
        struct truth *t = truth_at(i);
        bool ours = memcmp(t->id.bytes + 12, g->home, sizeof g->home) == 0;
        if (ours && (t->accepted_us == 0 || !t->stored)) {
            t->abandoned = true; /* nobody holds its request any more */
        }
    }
    client_on_gateway_dead(g);
    sim_in(sim_about(SEC), gateway_start, NULL, (uint64_t)number);
}

void gateway_setup(void)
{
    for (int i = 1; i <= sim.plan.gateways; i++) {
        sim_in(sim_about(5 * MS), gateway_start, NULL, (uint64_t)i);
    }
    uint32_t active = (uint32_t)sim.plan.active_us;
    planned = sim.plan.runs;
    for (int i = 0; i < sim.plan.runs; i++) {
        sim_in(10 * MS + sim_dice(active), submit, NULL, 0);
    }
    for (int i = 0; i < sim.plan.runs; i++) {
        int64_t when = 10 * MS + sim_dice(active);
        if (sim_chance(sim.plan.cancels)) {
            sim_in(when, meddle, NULL, WIRE_RUN_CANCEL);
        }
        if (sim_chance(sim.plan.deletes)) {
            sim_in(when, meddle, NULL, WIRE_THREAD_DELETE);
        }
        if (sim_chance(sim.plan.late_readers)) {
            sim_in(when, meddle, NULL, WIRE_REPLAY_GET);
        }
    }
}

bool gateway_all_done(char *why, size_t cap)
{
    for (int i = 1; truth_at(i) != NULL; i++) {
        const struct truth *t = truth_at(i);
        if (t->accepted_us == 0 && !t->refused && !t->abandoned) {
            (void)snprintf(why, cap, "the submit of run %d has no answer", i);
            return false;
        }
        if (!t->refused && !t->abandoned && !check_over(t)) {
            (void)snprintf(why, cap, "run %d has not ended", i);
            return false;
        }
    }
    (void)snprintf(why, cap, "%d submits to come", planned);
    return planned == 0 && client_all_done(why, cap);
}
