/* SPDX-License-Identifier: Apache-2.0 */
/* Links against each other, and against sockets that say what they like. */
#include "common/link.h"

#include <czmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/stat.h"
#include "tests/harness/harness.h"

static char base[300];
static struct link_spec spec;
static struct err err;

static link_t *opened(link_t *l)
{
    EXPECT_MSG(l != NULL, "%s", err.text);
    return l;
}

static void start(void)
{
    (void)snprintf(base, sizeof base, "ipc://%s/b", test_dir());
    spec = (struct link_spec){.base = base,
                              .port = WIRE_PORT_WORKER,
                              .from = WIRE_D,
                              .frame_bytes = 1 << 20};
}

static link_t *router(void)
{
    struct link_spec own = spec;
    own.from = WIRE_W;
    return opened(link_router(&own, &err));
}

TEST(link_finds_the_address_of_a_socket)
{
    char out[64];
    EXPECT(link_endpoint("tcp://127.0.0.1:7410", WIRE_PORT_PUB, out, sizeof out,
                         &err));
    EXPECT_STR(out, "tcp://127.0.0.1:7413");
    EXPECT(link_endpoint("tcp://[::1]:7410", WIRE_PORT_GATEWAY, out, sizeof out,
                         &err));
    EXPECT_STR(out, "tcp://[::1]:7410");
    EXPECT(link_endpoint("ipc:///run/leat", WIRE_PORT_VAULT, out, sizeof out,
                         &err));
    EXPECT_STR(out, "ipc:///run/leat.5");
    const char *const wrong[] = {"tcp://127.0.0.1",       "tcp://:7410x",
                                 "tcp://127.0.0.1:65533", "127.0.0.1:7410",
                                 "tcp://127.0.0.1:0",     "udp://h:1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT(!link_endpoint(wrong[i], WIRE_PORT_PUB, out, sizeof out, &err));
        EXPECT_EQ(err.code, ERR_INVALID);
    }
    EXPECT(!link_endpoint("tcp://127.0.0.1:7410", WIRE_PORT_PUB, out, 8, &err));
}

TEST(link_says_why_it_cannot_listen)
{
    start();
    link_t *first = router();
    spec.base = "tcp://192.0.2.1:7410"; /* not an address of this host */
    EXPECT(link_router(&spec, &err) == NULL);
    EXPECT_EQ(err.code, ERR_IO);
    EXPECT_HAS(err.text, "tcp://192.0.2.1:7411");
    link_destroy(&first);
    EXPECT(first == NULL);
    link_destroy(&first);
}

/* Asks for the next message until one is there. */
static void hear(link_t *l, struct link_in *in)
{
    EXPECT_SOON(link_recv(l, in));
}

TEST(link_carries_messages_both_ways)
{
    start();
    link_t *broker = router();
    link_t *worker = opened(link_dealer(&spec, &err));
    struct link_in in;
    link_in_init(&in);
    struct wire_head head = {.type = WIRE_RUN_YIELD, .run = id_uuid7()};
    EXPECT(link_send(worker, NULL, &head, leat_pack("{s:s}", "why", "full")) ==
           LINK_SENT);
    hear(broker, &in);
    EXPECT_EQ(in.head.type, WIRE_RUN_YIELD);
    EXPECT(id_eq(&in.head.run, &head.run));
    EXPECT(leat_is(leat_get(leat_view_of(in.body), "why"), "full"));
    struct link_route back = in.from;
    char big[5000]; /* shared on the way out, not copied */
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    head.type = WIRE_RUN_CANCEL;
    EXPECT(link_send(broker, &back, &head,
                     leat_pack("{s:s,s:s}", "action", "interrupt", "more",
                               big)) == LINK_SENT);
    hear(worker, &in);
    EXPECT_EQ(leat_count(leat_get(leat_view_of(in.body), "more")),
              sizeof big - 1);
    head.type = WIRE_RUN_STOP;
    EXPECT(link_send(broker, &back, &head, NULL) == LINK_SENT);
    hear(worker, &in);
    EXPECT(in.body == NULL);
    EXPECT(!link_recv(worker, &in));
    link_in_fini(&in);
    link_destroy(&worker);
    link_destroy(&broker);
}

TEST(link_carries_raw_bodies_and_topics)
{
    start();
    spec.from = WIRE_R;
    spec.port = WIRE_PORT_PUB;
    link_t *pub = opened(link_xpub(&spec, &err));
    link_t *sub = opened(link_sub(&spec, &err));
    struct wire_head head = {.type = WIRE_EVENTS,
                             .run = id_uuid7(),
                             .thread = id_uuid7(),
                             .seq = 1,
                             .tag = 1};
    unsigned char topic[WIRE_TOPIC_BYTES];
    unsigned char seen[WIRE_TOPIC_BYTES];
    size_t len = 0;
    bool on = false;
    wire_topic(&head.thread, &head.run, topic);
    link_subscribe(sub, topic, 16); /* the whole thread */
    EXPECT_SOON(link_recv_topic(pub, seen, sizeof seen, &len, &on));
    EXPECT(on);
    EXPECT_EQ(len, 16);
    EXPECT_MEM(seen, topic, 16);
    zmq_msg_t raw;
    EXPECT(zmq_msg_init_size(&raw, 4) == 0);
    memcpy(zmq_msg_data(&raw), "\x93\xa1x\xa0", 4);
    link_publish(pub, &head, &raw);
    struct link_in in;
    link_in_init(&in);
    hear(sub, &in);
    EXPECT_EQ(in.head.seq, 1);
    EXPECT_EQ(zmq_msg_size(&in.raw), 4);
    EXPECT_EQ(zmq_msg_size(&raw), 4); /* still the publisher's */
    link_unsubscribe(sub, topic, 16);
    EXPECT_SOON(link_recv_topic(pub, seen, sizeof seen, &len, &on));
    EXPECT(!on);
    (void)zmq_msg_close(&raw);
    link_in_fini(&in);
    link_destroy(&sub);
    link_destroy(&pub);
}

/* ---- peers that do as they like
 * ----------------------------------------------- */

static zsock_t *stranger(void)
{
    char address[320];
    EXPECT(
        link_endpoint(base, WIRE_PORT_WORKER, address, sizeof address, &err));
    link_setup();
    zsock_t *s = zsock_new_dealer(NULL);
    EXPECT(zsock_connect(s, "%s", address) == 0);
    return s;
}

static void say(zsock_t *s, const void *one, size_t one_len, const void *two,
                size_t two_len)
{
    zmsg_t *m = zmsg_new();
    zmsg_addmem(m, one, one_len);
    if (two != NULL) {
        zmsg_addmem(m, two, two_len);
    }
    EXPECT(zmsg_send(&m, s) == 0);
}

TEST(link_survives_what_strangers_say)
{
    start();
    link_t *broker = router();
    zsock_t *s = stranger();
    unsigned char good[WIRE_HEAD_BYTES];
    unsigned char bad[WIRE_HEAD_BYTES] = "GET / HTTP/1.1";
    struct wire_head head = {.type = WIRE_HEARTBEAT, .tag = 77};
    wire_head_put(&head, good);
    say(s, "", 0, NULL, 0);
    say(s, bad, sizeof bad, "", 0);
    say(s, good, sizeof good, NULL, 0);   /* no body frame */
    say(s, good, sizeof good - 1, "", 0); /* cut */
    say(s, good, sizeof good, "\x80", 1); /* a body where none belongs */
    zmsg_t *many = zmsg_new();
    for (int i = 0; i < 7; i++) {
        zmsg_addmem(many, good, sizeof good);
    }
    EXPECT(zmsg_send(&many, s) == 0);
    head.type = WIRE_RUN_STOP; /* not from this side */
    wire_head_put(&head, bad);
    say(s, bad, sizeof bad, "", 0);
    bad[4] = 250;
    say(s, bad, sizeof bad, "", 0); /* a type of the future */
    say(s, good, sizeof good, "", 0);
    struct link_in in;
    link_in_init(&in);
    hear(broker, &in);
    EXPECT_EQ(in.head.type, WIRE_HEARTBEAT);
    EXPECT_EQ(in.head.tag, 77);
    EXPECT_EQ(stat_get(STAT_WIRE_MALFORMED), 7);
    EXPECT_EQ(stat_get(STAT_WIRE_UNKNOWN), 1);
    link_in_fini(&in);
    zsock_destroy(&s);
    link_destroy(&broker);
}

TEST(link_tells_a_peer_of_another_version)
{
    start();
    link_t *broker = router();
    zsock_t *s = stranger();
    unsigned char bytes[WIRE_HEAD_BYTES];
    struct wire_head head = {.type = WIRE_HELLO};
    wire_head_put(&head, bytes);
    bytes[2] = 2;
    say(s, bytes, sizeof bytes, "\x80", 1);
    struct link_in in;
    link_in_init(&in);
    zsock_set_rcvtimeo(s, 1);
    zmsg_t *answer = NULL;
    EXPECT_SOON(!link_recv(broker, &in) && (answer = zmsg_recv(s)) != NULL);
    EXPECT_EQ(wire_head_get(zframe_data(zmsg_first(answer)),
                            zframe_size(zmsg_first(answer)), &head, &err),
              WIRE_OK);
    EXPECT_EQ(head.type, WIRE_REFUSED);
    zmsg_destroy(&answer);
    link_in_fini(&in);
    zsock_destroy(&s);
    link_destroy(&broker);
}

/* ---- connections and full queues
 * ----------------------------------------------- */

TEST(link_notices_who_comes_and_goes)
{
    start();
    link_t *broker = router();
    link_t *worker = opened(link_dealer(&spec, &err));
    unsigned seen = 0;
    EXPECT_SOON((seen |= link_changes(broker)) & LINK_CAME);
    EXPECT_SOON(link_changes(worker) & LINK_CAME);
    struct wire_head head = {.type = WIRE_HEARTBEAT};
    EXPECT(link_send(worker, NULL, &head, NULL) == LINK_SENT);
    struct link_in in;
    link_in_init(&in);
    hear(broker, &in);
    struct link_route back = in.from;
    link_destroy(&worker);
    EXPECT_SOON(link_changes(broker) & LINK_WENT);
    head.type = WIRE_PING;
    EXPECT_SOON(link_send(broker, &back, &head, NULL) == LINK_GONE);
    link_in_fini(&in);
    link_destroy(&broker);
}

TEST(link_queues_in_order_up_to_its_limit)
{
    start();
    spec.hwm = 2;
    spec.queue_messages = 1000;
    link_t *worker = opened(link_dealer(&spec, &err)); /* nobody listens */
    struct wire_head head = {.type = WIRE_HEARTBEAT};
    enum link_sent sent = LINK_SENT;
    uint32_t n = 0;
    while ((sent = link_send(worker, NULL, &head, NULL)) != LINK_FULL) {
        head.tag = ++n;
        EXPECT(n < 2000);
    }
    EXPECT(n >= 1000);
    EXPECT(link_pump(worker));
    struct link_spec own = spec;
    own.from = WIRE_W;
    own.hwm = 0;
    link_t *broker = opened(link_router(&own, &err));
    struct link_in in;
    link_in_init(&in);
    for (uint32_t i = 0; i < n; i++) {
        EXPECT_SOON((link_pump(worker), link_recv(broker, &in)));
        EXPECT_EQ(in.head.tag, i);
    }
    EXPECT(!link_pump(worker));
    link_in_fini(&in);
    link_destroy(&worker);
    link_destroy(&broker);
}

TEST(link_keeps_the_queue_of_one_peer_from_the_others)
{
    start();
    spec.hwm = 1;
    spec.queue_messages = 10;
    link_t *broker = router();
    struct link_spec wide = spec;
    wide.hwm = 0;
    link_t *slow = opened(link_dealer(&spec, &err));
    link_t *fast = opened(link_dealer(&wide, &err));
    struct link_route route[2];
    struct link_in in;
    link_in_init(&in);
    struct wire_head head = {.type = WIRE_HEARTBEAT};
    link_t *const peers[] = {slow, fast};
    for (size_t i = 0; i < 2; i++) {
        EXPECT(link_send(peers[i], NULL, &head, NULL) == LINK_SENT);
        hear(broker, &in);
        route[i] = in.from;
    }
    EXPECT(!link_route_eq(&route[0], &route[1]));
    char big[60000];
    memset(big, 'b', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    head.type = WIRE_REFUSED;
    enum link_sent sent = LINK_SENT;
    for (int i = 0; i < 10000 && sent != LINK_FULL; i++) {
        sent = link_send(broker, &route[0], &head,
                         leat_pack("{s:s,s:s}", "code", "limit", "text", big));
    }
    EXPECT_EQ(sent, LINK_FULL);
    head.type = WIRE_PING;
    EXPECT_EQ(link_send(broker, &route[1], &head, NULL), LINK_SENT);
    hear(fast, &in);
    EXPECT_EQ(in.head.type, WIRE_PING);
    link_drop_route(broker, &route[0]);
    EXPECT(!link_pump(broker));
    link_in_fini(&in);
    link_destroy(&slow);
    link_destroy(&fast);
    link_destroy(&broker);
}

TEST(link_pipe_moves_pointers_in_order)
{
    struct link_pipe *a = NULL;
    struct link_pipe *b = NULL;
    static int items[1000];
    link_pipe_new(&a, &b);
    EXPECT(link_pipe_recv(b) == NULL);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        link_pipe_send(a, &items[i]);
    }
    link_pipe_send(b, &items[7]);
    EXPECT(link_pipe_recv(a) == &items[7]);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        EXPECT(link_pipe_recv(b) == &items[i]);
    }
    EXPECT(link_pipe_recv(b) == NULL);
    link_pipe_destroy(&b);
    EXPECT(!link_pipe_offer(a, &items[0]));
    link_pipe_destroy(&a);
    link_pipe_destroy(&a);
}
