/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h: ZeroMQ sockets, opened and used our way. A link is one socket
 * between gateways, broker and workers that speaks common/wire: every message
 * it gives was checked, what was malformed is counted and logged here. A pipe
 * is a pair of ends inside one process that carries pointers between threads.
 *
 * All links have linger 0, ZMTP heartbeats (500 ms, given up after 1,500 ms),
 * reconnect after 50 to 500 ms, IPv6, and a largest message. Nothing blocks:
 * what a peer cannot take now waits in a bounded queue of ours (link_pump()),
 * beyond which it is refused to the caller.
 *
 * A link belongs to one thread. A socket monitor tells when connections come
 * and go; both of its poll items belong in the poll set.
 */
#ifndef COMMON_LINK_H
#define COMMON_LINK_H

#include <zmq.h>

#include "common/base.h"
#include "common/err.h"
#include "common/wire.h"

typedef struct link link_t;
struct link_pipe;

/* Settings of the whole process; done by the first link, pipe or actor. Our
 * signals stay ours, queues of pipes have no limit. */
void link_setup(void);

struct link_spec {
    const char *base;      /* the broker's base address: tcp://HOST:PORT, or
                              ipc://PATH or inproc://NAME */
    enum wire_port port;   /* which of the broker's sockets */
    enum wire_side from;   /* who may speak to us here: a set of WIRE_x */
    size_t frame_bytes;    /* --frame-bytes: larger messages cut the peer off */
    int hwm;               /* messages in ZeroMQ's queues per peer; 0: 1,000 */
    size_t queue_messages; /* our queue per peer; 0: 10,000 */
    size_t queue_bytes;    /* our queue per peer; 0: 256 MiB */
};

/* "tcp://h:7410" and WIRE_PORT_PUB give "tcp://h:7413"; other transports get
 * ".3" appended. */
MUST_USE bool link_endpoint(const char *base, enum wire_port port, char *out,
                            size_t cap, struct err *err);

/* dealer and sub connect, router and xpub bind. NULL with ERR_IO or
 * ERR_INVALID. A router refuses to lose messages silently (MANDATORY), an xpub
 * tells every subscription (VERBOSE). */
link_t *link_dealer(const struct link_spec *spec, struct err *err) MUST_USE;
link_t *link_router(const struct link_spec *spec, struct err *err) MUST_USE;
link_t *link_sub(const struct link_spec *spec, struct err *err) MUST_USE;
link_t *link_xpub(const struct link_spec *spec, struct err *err) MUST_USE;
void link_destroy(link_t **p);

/* ---- waiting ------------------------------------------------------------- */

/* Fills two poll items: the socket and its monitor. */
void link_items(const link_t *l, zmq_pollitem_t out[2]);

/*
 * Waits for several things at once, with fewer system calls than zmq_poll(),
 * which asks each socket what it has before and after every wait: here only
 * those are asked of which something may have come since they were found
 * empty. What is told to be ready may turn out to have nothing.
 */
#define LINK_POLL_MAX 80
struct link_poll {
    size_t n;
    struct link_poll_item {
        link_t *link; /* whose messages are waited for; else NULL */
        void *socket; /* of ZeroMQ; NULL: a descriptor */
        int fd;
        bool marked; /* a socket: there may be something */
        bool ready;  /* as the last wait left it */
    } items[LINK_POLL_MAX];
};
/* Each adds one thing, for as long as the poll is used, and returns its
 * number. Whoever is told that a link is ready calls link_recv() or
 * link_recv_topic(); of a monitor, link_changes(). */
size_t link_poll_link(struct link_poll *p, link_t *l);
size_t link_poll_monitor(struct link_poll *p, link_t *l);
size_t link_poll_pipe(struct link_poll *p, const struct link_pipe *pipe);
size_t link_poll_item(struct link_poll *p, const zmq_pollitem_t *item);
/* Returns when one of them is ready, or after wait_ms (negative: no limit). */
void link_poll_wait(struct link_poll *p, int64_t wait_ms);
bool link_poll_ready(const struct link_poll *p, size_t item);

enum link_change { LINK_CAME = 1, LINK_WENT = 2 };
/* Connections made (handshake done) or lost since the last call. */
unsigned link_changes(link_t *l);

/* ---- receiving ------------------------------------------------------------
 */

/* Who sent a message on a router: the route back. Others leave it empty. */
struct link_route {
    uint8_t len;
    uint8_t bytes[39];
};
bool link_route_eq(const struct link_route *a, const struct link_route *b);
uint64_t link_route_hash(const struct link_route *r);

struct link_in {
    struct link_route from;
    struct wire_head head;
    leat_value *body; /* WIRE_MAP: checked against the table; else NULL */
    zmq_msg_t raw;    /* WIRE_RAW: the bytes as they came; else empty */
};
/* Empties a struct link_in before its first use. */
void link_in_init(struct link_in *in);
/* Drops what is left in it (take `body` by setting it NULL, `raw` by
 * zmq_msg_move); it may be used again. */
void link_in_fini(struct link_in *in);
/*
 * The next message; false when there is none now. Frees what `in` still held.
 * Malformed and unknown ones are counted, logged and skipped; a peer of
 * another major version is told so. Callers bound their loop.
 */
MUST_USE bool link_recv(link_t *l, struct link_in *in);
/* xpub: the next subscription (true) or its end; false in `on`. */
MUST_USE bool link_recv_topic(link_t *l, unsigned char *topic, size_t cap,
                              size_t *len, bool *on);

/* ---- sending --------------------------------------------------------------
 */

enum link_sent {
    LINK_SENT,   /* handed to ZeroMQ */
    LINK_QUEUED, /* waits here for room */
    LINK_FULL,   /* refused: the peer's queue is at its limit; counted */
    LINK_GONE,   /* router: no such peer is connected any more */
};

/* `to` is the route on a router, else NULL. The body is a value (WIRE_MAP; one
 * reference is taken, NULL for WIRE_NONE); it is not copied when packed. */
enum link_sent link_send(link_t *l, const struct link_route *to,
                         const struct wire_head *head, leat_value *body);
/* The body is the bytes of `raw`, moved out of it (WIRE_RAW). */
enum link_sent link_send_raw(link_t *l, const struct link_route *to,
                             const struct wire_head *head, zmq_msg_t *raw);
/* xpub: to all who subscribed to the head's run or thread, or to the home of
 * its run; who did both gets it twice. Shares
 * `raw`, which stays the caller's. Subscribers that are full lose it. */
void link_publish(link_t *l, const struct wire_head *head, zmq_msg_t *raw);
/* Sends what is queued as far as there is room; true when some is left: call
 * again in a few milliseconds. */
bool link_pump(link_t *l);
/* Forgets what is queued for a peer. */
void link_drop_route(link_t *l, const struct link_route *to);

/* sub only. */
void link_subscribe(link_t *l, const void *topic, size_t len);
void link_unsubscribe(link_t *l, const void *topic, size_t len);

/* ---- pipes ------------------------------------------------------------------
 */

/* Two ends; each may be handed to a thread before that thread starts. */
void link_pipe_new(struct link_pipe **a, struct link_pipe **b);
void link_pipe_destroy(struct link_pipe **p);
void link_pipe_item(const struct link_pipe *p, zmq_pollitem_t *out);
/* Moves the pointer to the other end; never fails, never blocks. The other
 * end must still be there. */
void link_pipe_send(struct link_pipe *p, void *message);
/* The same for who may outlive the other end: false when it is gone, then the
 * message stays the caller's. */
MUST_USE bool link_pipe_offer(struct link_pipe *p, void *message);
/* The next pointer, or NULL when there is none now. */
void *link_pipe_recv(struct link_pipe *p);

#endif
