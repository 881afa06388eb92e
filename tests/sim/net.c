/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network, in place of common/link*.c. A connection carries messages in
 * order, each way after some time; two connections know nothing of each other.
 * What is under way when one is lost is lost, or (what a peer said) said again
 * over the next one, with luck twice. A message to who is not there any more
 * is refused once the broker knows that, and swallowed before.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define CONNS_MAX 4096
#define HEARTBEAT_US (1500 * MS) /* ZMTP's: a peer that is not heard is gone */

struct sim_msg {
    struct sim_msg *next;
    struct wire_head head;
    leat_value *body;
    zmq_msg_t raw;
    uint32_t conn;
    unsigned char topic[WIRE_TOPIC_BYTES]; /* of a subscription */
    uint8_t topic_len;
    bool on;
};

struct conn {
    struct sim_sock *peer;
    uint32_t life;      /* of the peer's process */
    bool carries;       /* else it is lost, whoever knows */
    bool known;         /* the broker takes it for alive */
    int64_t to_us;      /* when the last message arrives there */
    int64_t from_us;
    struct sim_topics *topics; /* as the broker has heard of them */
};

struct link {
    enum wire_port port;
    struct sim_msg *first, *last;     /* messages that have arrived */
    struct sim_msg *topics, *topics_last;
    unsigned changes;
};

struct link_pipe {
    struct link_pipe *other;
    enum actor reader;
    struct link_pipe *older; /* of the same broker */
    void **list;
    size_t first, count, room;
};

static struct conn conns[CONNS_MAX];
static uint32_t conn_count;
static struct link *links[WIRE_PORTS]; /* the living broker's */
static struct link_pipe *pipes;

static void try_connect(void *arg, uint64_t life);
static void tell_topic(struct sim_sock *s, const void *topic, size_t len,
                       bool on);
static bool set_topic(struct sim_topics *t, const void *topic, size_t len,
                      bool on);

/* ---- messages ------------------------------------------------------------ */

static struct sim_msg *new_msg(const struct wire_head *head, leat_value *body,
                               zmq_msg_t *raw)
{
    struct sim_msg *m = base_zalloc(sizeof *m);
    m->head = *head;
    m->body = body;
    (void)zmq_msg_init(&m->raw);
    if (raw != NULL) {
        (void)zmq_msg_copy(&m->raw, raw);
    }
    return m;
}

static struct sim_msg *copy_msg(struct sim_msg *m)
{
    return new_msg(&m->head, leat_hold(m->body), &m->raw);
}

static void free_msg(struct sim_msg *m)
{
    if (m != NULL) {
        leat_drop(m->body);
        (void)zmq_msg_close(&m->raw);
        free(m);
    }
}

static void push(struct sim_msg **first, struct sim_msg **last,
                 struct sim_msg *m)
{
    m->next = NULL;
    *(*first == NULL ? first : &(*last)->next) = m;
    *last = m;
}

static struct sim_msg *pop(struct sim_msg **first)
{
    struct sim_msg *m = *first;
    if (m != NULL) {
        *first = m->next;
    }
    return m;
}

static int64_t delay(void)
{
    int64_t us = sim_about(sim.plan.delay_us);
    return sim_chance(sim.plan.slow) ? us + sim_about(40 * MS) : us;
}

/* What the real link would not let through must not be said. */
static void check_wire(const struct sim_msg *m, enum wire_side from)
{
    struct err err = ERR_INIT;
    enum wire_verdict plain = wire_body_plain(
        &m->head, from, m->body != NULL ? 1 : zmq_msg_size(&m->raw), &err);
    enum wire_verdict body = m->body != NULL
                                 ? wire_body_check(&m->head, m->body, &err)
                                 : WIRE_OK;
    HOLDS(plain == WIRE_OK && body == WIRE_OK, "%s is malformed: %s",
          wire_name(m->head.type), err.text);
}

/* ---- connections --------------------------------------------------------- */

static struct conn *conn_at(uint32_t number)
{
    must(number > 0 && number <= conn_count);
    return &conns[number - 1];
}

static bool is_cut(const struct sim_node *n)
{
    return n->cut_until_us > sim.now_us;
}

/* The broker hears that somebody has gone. */
static void broker_misses(void *arg, uint64_t life)
{
    struct conn *c = arg;
    if (c->known && life == broker_life() && broker_is_up()) {
        c->known = false;
        if (links[c->peer->port] != NULL) {
            links[c->peer->port]->changes |= LINK_WENT;
            broker_wake_port(c->peer->port);
        }
    }
}

/* The peer does: it tries again soon. */
static void peer_misses(void *arg, uint64_t life)
{
    struct conn *c = arg;
    struct sim_sock *s = c->peer;
    if (s->node->life == life && s->node->alive && s->conn != 0 &&
        conn_at(s->conn) == c) {
        s->conn = 0;
        sim_in(50 * MS + sim_dice(450) * MS, try_connect, s, life);
    }
}

static void lose(struct conn *c, int64_t broker_us, int64_t peer_us)
{
    c->carries = false;
    sim_in(broker_us, broker_misses, c, broker_life());
    sim_in(peer_us, peer_misses, c, c->life);
}

static void say_again(struct sim_sock *s)
{
    struct sim_msg *m;
    /* The last ones were on the wire when that broke, or were they? */
    bool twice = sim_chance(300);
    for (size_t i = 0; twice && i < COUNT_OF(s->said) && s->said[i] != NULL;
         i++) {
        m = copy_msg(s->said[i]);
        m->next = s->pending;
        s->pending_last = s->pending == NULL ? m : s->pending_last;
        s->pending = m;
    }
    struct sim_msg *list = s->pending;
    s->pending = s->pending_last = NULL;
    while ((m = pop(&list)) != NULL) {
        net_say(s, &m->head, m->body, &m->raw);
        m->body = NULL;
        free_msg(m);
    }
}

static void say_topics(struct sim_sock *s)
{
    for (size_t i = 0; i < s->topics.count; i++) {
        if (s->topics.len[i] > 0) {
            tell_topic(s, s->topics.of[i], s->topics.len[i], true);
        }
    }
}

static void try_connect(void *arg, uint64_t life)
{
    struct sim_sock *s = arg;
    struct sim_node *n = s->node;
    if (n->life != life || !n->alive || s->conn != 0) {
        return;
    }
    if (!broker_is_up() || is_cut(n) || n->frozen_until_us > sim.now_us ||
        links[s->port] == NULL) {
        sim_in(50 * MS + sim_dice(450) * MS, try_connect, s, life);
        return;
    }
    must(conn_count < CONNS_MAX);
    struct conn *c = &conns[conn_count++];
    *c = (struct conn){
        .peer = s, .life = n->life, .carries = true, .known = true};
    s->conn = conn_count;
    links[s->port]->changes |= LINK_CAME;
    say_again(s);
    say_topics(s);
    n->on_connected(s);
}

void net_connect(struct sim_node *node, enum wire_port port)
{
    struct sim_sock *s = &node->socks[port];
    *s = (struct sim_sock){.node = node, .port = port};
    sim_in(sim_about(2 * MS), try_connect, s, node->life);
}

static void lose_all(struct sim_node *n, int64_t broker_us, int64_t peer_us)
{
    for (int p = 0; p < WIRE_PORTS; p++) {
        if (n->socks[p].conn != 0 && conn_at(n->socks[p].conn)->carries) {
            lose(conn_at(n->socks[p].conn), broker_us, peer_us);
        }
    }
}

void net_node_died(struct sim_node *node, bool at_once)
{
    lose_all(node, at_once ? sim_about(MS) : HEARTBEAT_US, 0);
}

void net_cut(struct sim_node *node, int64_t until_us)
{
    node->cut_until_us = until_us;
    lose_all(node, HEARTBEAT_US + sim_about(100 * MS),
             HEARTBEAT_US + sim_about(100 * MS));
}

void net_drop_one(struct sim_node *node, enum wire_port port)
{
    uint32_t number = node->socks[port].conn;
    if (number != 0 && conn_at(number)->carries) {
        lose(conn_at(number), sim_about(20 * MS), sim_about(20 * MS));
    }
}

/* A short stop holds things up; a longer one costs the connections. */
void net_frozen(struct sim_node *node, int64_t until_us)
{
    if (until_us - sim.now_us >= HEARTBEAT_US) {
        lose_all(node, HEARTBEAT_US + sim_about(100 * MS),
                 until_us - sim.now_us + sim_about(20 * MS));
        return;
    }
    for (int p = 0; p < WIRE_PORTS; p++) {
        if (node->socks[p].conn != 0) {
            conn_at(node->socks[p].conn)->to_us =
                max_i64(conn_at(node->socks[p].conn)->to_us, until_us);
        }
    }
}

void net_broker_died(void)
{
    for (uint32_t i = 1; i <= conn_count; i++) {
        struct conn *c = conn_at(i);
        c->known = false;
        if (c->carries) {
            c->carries = false;
            sim_in(sim_about(3 * MS), peer_misses, c, c->life);
        }
    }
    memset(links, 0, sizeof links);
    pipes = NULL;
}

void net_broker_froze(int64_t until_us)
{
    bool missed = until_us - sim.now_us >= HEARTBEAT_US;
    for (uint32_t i = 1; missed && i <= conn_count; i++) {
        if (conn_at(i)->carries) {
            lose(conn_at(i), until_us - sim.now_us,
                 HEARTBEAT_US + sim_about(200 * MS));
        }
    }
}

/* ---- from peers ---------------------------------------------------------- */

static void arrive_at_broker(void *arg, uint64_t number)
{
    struct sim_msg *m = arg;
    struct conn *c = conn_at((uint32_t)number);
    struct link *l = links[c->peer->port];
    if (!c->carries || l == NULL) {
        if (c->peer->node->life == c->life && sim_chance(500)) {
            push(&c->peer->pending, &c->peer->pending_last, m);
        } else {
            free_msg(m);
        }
        return;
    }
    m->conn = (uint32_t)number;
    if (m->topic_len > 0) {
        c->topics = c->topics != NULL ? c->topics
                                      : base_zalloc(sizeof *c->topics);
        (void)set_topic(c->topics, m->topic, m->topic_len, m->on);
        push(&l->topics, &l->topics_last, m);
    } else {
        push(&l->first, &l->last, m);
    }
    broker_wake_port(c->peer->port);
}

static void send_up(struct sim_sock *s, struct sim_msg *m)
{
    struct conn *c = conn_at(s->conn);
    c->from_us = max_i64(c->from_us, sim.now_us + delay());
    sim_at(c->from_us, arrive_at_broker, m, s->conn);
}

void net_say(struct sim_sock *s, const struct wire_head *head, leat_value *body,
             zmq_msg_t *raw)
{
    struct sim_msg *m = new_msg(head, body, raw);
    check_wire(m, s->node->gateway ? WIRE_G : WIRE_W);
    if (s->conn == 0) {
        push(&s->pending, &s->pending_last, m);
        return;
    }
    free_msg(s->said[COUNT_OF(s->said) - 1]);
    memmove(&s->said[1], &s->said[0],
            (COUNT_OF(s->said) - 1) * sizeof s->said[0]);
    s->said[0] = copy_msg(m);
    send_up(s, m);
}

static void tell_topic(struct sim_sock *s, const void *topic, size_t len,
                       bool on)
{
    const struct wire_head none = {.type = WIRE_PING};
    if (s->conn == 0) {
        return; /* told with the next connection */
    }
    struct sim_msg *m = new_msg(&none, NULL, NULL);
    memcpy(m->topic, topic, len);
    m->topic_len = (uint8_t)len;
    m->on = on;
    send_up(s, m);
}

static size_t find_topic(const struct sim_topics *t, const void *topic,
                         size_t len)
{
    size_t i = 0;
    while (i < t->count &&
           (t->len[i] != len || memcmp(t->of[i], topic, len) != 0)) {
        i++;
    }
    return i;
}

static bool set_topic(struct sim_topics *t, const void *topic, size_t len,
                      bool on)
{
    size_t at = find_topic(t, topic, len);
    if (on == (at < t->count)) {
        return false;
    }
    if (!on) {
        t->len[at] = 0;
        return true;
    }
    for (at = 0; at < t->count && t->len[at] != 0; at++) {
    }
    must(at < COUNT_OF(t->of));
    t->count = max_size(t->count, at + 1);
    memcpy(t->of[at], topic, len);
    t->len[at] = (uint8_t)len;
    return true;
}

void net_subscribe(struct sim_sock *s, const void *topic, size_t len)
{
    if (set_topic(&s->topics, topic, len, true)) {
        tell_topic(s, topic, len, true);
    }
}

void net_unsubscribe(struct sim_sock *s, const void *topic, size_t len)
{
    if (set_topic(&s->topics, topic, len, false)) {
        tell_topic(s, topic, len, false);
    }
}

/* ---- to peers ------------------------------------------------------------ */

static void arrive_at_peer(void *arg, uint64_t number)
{
    struct sim_msg *m = arg;
    struct conn *c = conn_at((uint32_t)number);
    struct sim_sock *s = c->peer;
    if (!c->carries || s->node->life != c->life || !s->node->alive) {
        free_msg(m);
        return;
    }
    if (s->node->frozen_until_us > sim.now_us) {
        sim_at(s->node->frozen_until_us, arrive_at_peer, m, number);
        return;
    }
    struct link_in in;
    link_in_init(&in);
    in.head = m->head;
    in.body = m->body;
    m->body = NULL;
    (void)zmq_msg_move(&in.raw, &m->raw);
    free_msg(m);
    s->node->on_message(s, &in);
    link_in_fini(&in);
}

static void send_down(uint32_t number, struct sim_msg *m)
{
    struct conn *c = conn_at(number);
    c->to_us = max_i64(c->to_us, sim.now_us + delay());
    sim_at(c->to_us, arrive_at_peer, m, number);
}

static uint32_t conn_of(const struct link_route *to)
{
    uint32_t number;
    must(to->len == sizeof number + 1);
    memcpy(&number, to->bytes + 1, sizeof number);
    return number;
}

static enum link_sent send_to(link_t *l, const struct link_route *to,
                              const struct wire_head *head, leat_value *body,
                              zmq_msg_t *raw)
{
    static const enum wire_side sides[WIRE_PORTS] = {
        WIRE_D, WIRE_D, WIRE_R, WIRE_R, WIRE_R, WIRE_V};
    uint32_t number = conn_of(to);
    struct sim_msg *m = new_msg(head, body, raw);
    check_wire(m, sides[l->port]);
    if (l->port == WIRE_PORT_WORKER && head->type == WIRE_RUN_START) {
        const struct sim_node *n = conn_at(number)->peer->node;
        check_start(head, n,
                    !n->alive || is_cut(n) || n->frozen_until_us > sim.now_us ||
                        !conn_at(number)->carries);
    } else if (head->type == WIRE_RUN_ENDED) {
        check_ended(head, body);
    }
    if (!conn_at(number)->known) {
        free_msg(m);
        return LINK_GONE;
    }
    send_down(number, m);
    return LINK_SENT;
}

enum link_sent link_send(link_t *l, const struct link_route *to,
                         const struct wire_head *head, leat_value *body)
{
    return send_to(l, to, head, body, NULL);
}

enum link_sent link_send_raw(link_t *l, const struct link_route *to,
                             const struct wire_head *head, zmq_msg_t *raw)
{
    return send_to(l, to, head, NULL, raw);
}

static bool wants(const struct sim_topics *t, const unsigned char *topic)
{
    for (size_t i = 0; t != NULL && i < t->count; i++) {
        if (t->len[i] > 0 && memcmp(t->of[i], topic, t->len[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void publish(const struct id *thread, const struct wire_head *head,
                    zmq_msg_t *raw)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(thread, &head->run, topic);
    for (uint32_t i = 1; i <= conn_count; i++) {
        const struct conn *c = conn_at(i);
        if (c->carries && c->known && c->peer->port == WIRE_PORT_PUB &&
            wants(c->topics, topic) && !sim_chance(sim.plan.lossy)) {
            send_down(i, new_msg(head, NULL, raw));
        }
    }
}

void link_publish(link_t *l, const struct wire_head *head, zmq_msg_t *raw)
{
    must(l->port == WIRE_PORT_PUB);
    check_publish(head, zmq_msg_data(raw), zmq_msg_size(raw));
    publish(&head->thread, head, raw);
    if (!wire_is_home(&head->run, &head->thread)) {
        struct id thread = head->thread;
        wire_home(&head->run, &thread);
        publish(&thread, head, raw);
    }
}

/* ---- the broker's side of common/link.h ---------------------------------- */

void link_setup(void) {}

static link_t *bind_link(const struct link_spec *spec)
{
    struct link *l = base_zalloc(sizeof *l);
    l->port = spec->port;
    links[l->port] = l;
    return l;
}

link_t *link_router(const struct link_spec *spec, struct err *err)
{
    (void)err;
    return bind_link(spec);
}

link_t *link_xpub(const struct link_spec *spec, struct err *err)
{
    (void)err;
    return bind_link(spec);
}

/* A broker that dies takes its memory with it. */
void link_destroy(link_t **p) { *p = NULL; }

bool link_recv(link_t *l, struct link_in *in)
{
    link_in_fini(in);
    struct sim_msg *m = pop(&l->first);
    if (m == NULL) {
        return false;
    }
    in->from.len = sizeof m->conn + 1;
    in->from.bytes[0] = 0;
    memcpy(in->from.bytes + 1, &m->conn, sizeof m->conn);
    in->head = m->head;
    in->body = m->body;
    m->body = NULL;
    (void)zmq_msg_move(&in->raw, &m->raw);
    free_msg(m);
    return true;
}

bool link_recv_topic(link_t *l, unsigned char *topic, size_t cap, size_t *len,
                     bool *on)
{
    struct sim_msg *m = pop(&l->topics);
    if (m == NULL) {
        return false;
    }
    must(m->topic_len <= cap);
    memcpy(topic, m->topic, m->topic_len);
    *len = m->topic_len;
    *on = m->on;
    free_msg(m);
    return true;
}

unsigned link_changes(link_t *l)
{
    unsigned changes = l->changes;
    l->changes = 0;
    return changes;
}

bool link_pump(link_t *l)
{
    (void)l;
    return false;
}

bool link_route_eq(const struct link_route *a, const struct link_route *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

uint64_t link_route_hash(const struct link_route *r)
{
    return conn_of(r);
}

void link_in_init(struct link_in *in)
{
    memset(in, 0, sizeof *in);
    (void)zmq_msg_init(&in->raw);
}

void link_in_fini(struct link_in *in)
{
    leat_drop(in->body);
    (void)zmq_msg_close(&in->raw);
    link_in_init(in);
}

/* Whoever has a turn may look everywhere. */
bool link_poll_ready(const struct link_poll *p, size_t item)
{
    (void)p;
    (void)item;
    return true;
}

/* Turns begin here without any waiting. */
void link_items(const link_t *l, zmq_pollitem_t out[2])
{
    (void)l;
    (void)out;
    must(false && "no thread waits in here");
}

void link_poll_wait(struct link_poll *p, int64_t wait_ms)
{
    (void)p;
    (void)wait_ms;
    must(false && "no thread waits in here");
}

size_t link_poll_link(struct link_poll *p, link_t *l)
{
    (void)l;
    return p->n++;
}

size_t link_poll_monitor(struct link_poll *p, link_t *l)
{
    (void)l;
    return p->n++;
}

size_t link_poll_pipe(struct link_poll *p, const struct link_pipe *pipe)
{
    (void)pipe;
    return p->n++;
}

size_t link_poll_item(struct link_poll *p, const zmq_pollitem_t *item)
{
    (void)item;
    return p->n++;
}

/* ---- pipes: two threads of the broker ------------------------------------ */

void link_pipe_new(struct link_pipe **a, struct link_pipe **b)
{
    *a = base_zalloc(sizeof **a);
    *b = base_zalloc(sizeof **b);
    (*a)->other = *b;
    (*b)->other = *a;
}

void net_pipe_reader(struct link_pipe *p, enum actor reader)
{
    p->reader = reader;
    p->older = pipes;
    pipes = p;
}

bool net_waits_for(enum actor a)
{
    for (int p = 0; p < WIRE_PORTS; p++) {
        if (links[p] != NULL && broker_owner((enum wire_port)p) == a &&
            (links[p]->first != NULL || links[p]->topics != NULL)) {
            return true;
        }
    }
    for (const struct link_pipe *p = pipes; p != NULL; p = p->older) {
        if (p->reader == a && p->first < p->count) {
            return true;
        }
    }
    return false;
}

void link_pipe_destroy(struct link_pipe **p) { *p = NULL; }

void link_pipe_item(const struct link_pipe *p, zmq_pollitem_t *out)
{
    (void)p;
    *out = (zmq_pollitem_t){.events = 0};
}

void link_pipe_send(struct link_pipe *p, void *message)
{
    struct link_pipe *to = p->other;
    if (to->first > 0 && to->first == to->count) {
        to->first = to->count = 0;
    }
    if (to->count == to->room) {
        to->room = to->room == 0 ? 64 : to->room * 2;
        to->list = base_realloc(to->list, to->room * sizeof *to->list);
    }
    to->list[to->count++] = message;
    broker_wake(to->reader);
}

bool link_pipe_offer(struct link_pipe *p, void *message)
{
    link_pipe_send(p, message);
    return true;
}

void *link_pipe_recv(struct link_pipe *p)
{
    return p->first < p->count ? p->list[p->first++] : NULL;
}
