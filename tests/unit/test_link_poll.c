/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for links, against real sockets in this process. */
#include <czmq.h>
#include <stdio.h>

#include "common/link.h"
#include "common/mbox.h"
#include "tests/harness/harness.h"

static struct {
    link_t *router;
    link_t *dealer;
    struct link_poll poll;
    struct link_in in;
} g;

static void start(const char *name)
{
    struct err err = ERR_INIT;
    char base[64];
    snprintf(base, sizeof base, "inproc://poll-%s", name);
    struct link_spec spec = {.base = base,
                             .port = WIRE_PORT_WORKER,
                             .from = WIRE_W,
                             .frame_bytes = 1 << 20};
    g.router = link_router(&spec, &err);
    spec.from = WIRE_D;
    g.dealer = link_dealer(&spec, &err);
    EXPECT(g.router != NULL && g.dealer != NULL);
    g.poll = (struct link_poll){0};
    EXPECT_EQ(link_poll_link(&g.poll, g.router), 0);
    link_in_init(&g.in);
}

static void stop(void)
{
    link_in_fini(&g.in);
    link_destroy(&g.dealer);
    link_destroy(&g.router);
}

static void say(int times)
{
    const struct wire_head head = {.type = WIRE_HEARTBEAT};
    for (int i = 0; i < times; i++) {
        EXPECT_EQ(link_send(g.dealer, NULL, &head, NULL), LINK_SENT);
    }
}

/* Reads up to so many messages, each as soon as the wait says so. */
static void hear(int times)
{
    for (int heard = 0; heard < times;) {
        link_poll_wait(&g.poll, 5000);
        EXPECT(link_poll_ready(&g.poll, 0));
        heard += link_recv(g.router, &g.in);
    }
}

TEST(link_poll_waits_in_vain_for_nothing)
{
    start("nothing");
    link_poll_wait(&g.poll, 0);
    link_poll_wait(&g.poll, 1);
    EXPECT(!link_poll_ready(&g.poll, 0));
    stop();
}

/* One message taken of many: the others are there at the next wait. */
TEST(link_poll_forgets_nothing_that_was_left)
{
    start("left");
    say(100);
    hear(100);
    link_poll_wait(&g.poll, 0);
    EXPECT(!link_recv(g.router, &g.in));
    link_poll_wait(&g.poll, 0);
    EXPECT(!link_poll_ready(&g.poll, 0));
    say(1);
    hear(1);
    stop();
}

/* A send may take the sign of what came before: it is found all the same. */
TEST(link_poll_forgets_nothing_after_a_send)
{
    start("send");
    say(1);
    hear(1);
    const struct wire_head pong = {.type = WIRE_PONG};
    for (int i = 0; i < 2000; i++) {
        const struct link_route to = g.in.from;
        say(1);
        EXPECT_EQ(link_send(g.router, &to, &pong, NULL), LINK_SENT);
        hear(1);
    }
    stop();
}

TEST(link_poll_watches_pipes_and_descriptors_too)
{
    start("pipes");
    struct link_pipe *a;
    struct link_pipe *b;
    mbox_t *box = mbox_new(4);
    link_pipe_new(&a, &b);
    const zmq_pollitem_t item = {.fd = mbox_fd(box), .events = ZMQ_POLLIN};
    EXPECT_EQ(link_poll_pipe(&g.poll, a), 1);
    EXPECT_EQ(link_poll_item(&g.poll, &item), 2);
    EXPECT_EQ(link_poll_monitor(&g.poll, g.router), 3);
    int message = 0;
    link_pipe_send(b, &message);
    link_poll_wait(&g.poll, 5000);
    EXPECT(link_poll_ready(&g.poll, 1) && !link_poll_ready(&g.poll, 2));
    EXPECT(link_pipe_recv(a) == &message && link_pipe_recv(a) == NULL);
    EXPECT(mbox_put(box, &message));
    link_poll_wait(&g.poll, 5000);
    EXPECT(!link_poll_ready(&g.poll, 1) && link_poll_ready(&g.poll, 2));
    EXPECT(mbox_take(box) == &message);
    link_pipe_destroy(&a);
    link_pipe_destroy(&b);
    mbox_destroy(&box, NULL);
    stop();
}
