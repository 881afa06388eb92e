/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of link share: link.c opens and watches, link_io.c receives
 * and sends.
 */
#ifndef COMMON_LINK_INNER_H
#define COMMON_LINK_INNER_H

#include <czmq.h>

#include "common/link.h"

#define LINK_MAGIC LEAT_MAGIC(0x117c0001)
#define LINK_FRAMES_MAX 3 /* route or topic, head, body */

/* A message that waits for room at its peer. */
struct link_wait {
    struct link_wait *next;
    size_t bytes;
    unsigned char head[WIRE_HEAD_BYTES];
    zmq_msg_t body;
};

/* What waits for one peer, oldest first. There are only as many of these as
 * peers that are behind. */
struct link_queue {
    struct link_queue *next;
    struct link_route to;
    struct link_wait *first;
    struct link_wait *last;
    size_t messages;
    size_t bytes;
};

struct link {
    uint32_t magic;
    int kind;      /* ZMQ_ROUTER, ... */
    unsigned from; /* who may speak here: a set of WIRE_x */
    char endpoint[256];
    zsock_t *sock;
    void *raw;             /* the same as libzmq knows it */
    void *monitor;         /* PAIR that tells of connections */
    bool marked;           /* there may be something to receive */
    size_t queue_messages; /* limits of one link_queue */
    size_t queue_bytes;
    struct link_queue *queues;
    size_t behind;         /* how many queues there are */
    int64_t complained_ms; /* last line about a malformed message */
};

#endif
