/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets with our settings, their monitors, and pipes between threads. What
 * goes through the sockets is in link_io.c.
 */
#include "common/link.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/link_inner.h"
#include "common/log.h"
#include "common/mbox.h"

#define HEARTBEAT_MS 500
#define HEARTBEAT_GIVEN_UP_MS 1500
#define RECONNECT_MS 50
#define RECONNECT_MS_MAX 500
#define HWM 1000
#define QUEUE_MESSAGES 10000
#define QUEUE_BYTES ((size_t)256 << 20)
#define BACKLOG 1024
/* A worker of 4,096 slots has three for each: its line to the vault, and the
 * two that watch it. The library's own limit is 1,023. */
#define SOCKETS_MAX 16384

#define PIPE_MAGIC LEAT_MAGIC(0x117c0002)

struct link_pipe {
    uint32_t magic;
    struct duct *duct;
    mbox_t *in; /* of the duct */
    mbox_t *out;
};

static void setup_once(void);
static bool split_port(const char *base, long *port, size_t *stem);
static link_t *link_open(int kind, const struct link_spec *spec,
                         struct err *err);
static bool set_options(link_t *l, const struct link_spec *spec,
                        struct err *err);
static bool set_number(link_t *l, int option, int number, struct err *err);
static bool start_monitor(link_t *l, struct err *err);
static bool attach(link_t *l, struct err *err);

void link_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, setup_once);
}

static void setup_once(void)
{
    (void)setenv("ZSYS_SIGHANDLER", "false", 1);
    zsys_init();
    zsys_set_max_sockets(SOCKETS_MAX);
    zsys_set_pipehwm(0);
    zsys_set_linger(0);
}

bool link_endpoint(const char *base, enum wire_port port, char *out, size_t cap,
                   struct err *err)
{
    must((int)port >= 0 && port < WIRE_PORTS);
    int n = -1;
    if (strncmp(base, "tcp://", 6) == 0) {
        long number = 0;
        size_t stem = 0;
        if (!split_port(base, &number, &stem) ||
            number + WIRE_PORTS - 1 > 65535) {
            return err_set(err, ERR_INVALID,
                           "%s is not tcp://HOST:PORT with %d ports to use",
                           base, WIRE_PORTS);
        }
        n = snprintf(out, cap, "%.*s:%ld", (int)stem, base,
                     number + (long)port);
    } else if (strncmp(base, "ipc://", 6) == 0 ||
               strncmp(base, "inproc://", 9) == 0) {
        n = snprintf(out, cap, "%s.%d", base, (int)port);
    } else {
        return err_set(err, ERR_INVALID, "%s is no address (tcp:// or ipc://)",
                       base);
    }
    if (n < 0 || (size_t)n >= cap) {
        return err_set(err, ERR_INVALID, "the address %s is too long", base);
    }
    return true;
}

/* The number behind the last colon, and where that colon stands. */
static bool split_port(const char *base, long *port, size_t *stem)
{
    const char *colon = strrchr(base, ':');
    if (colon == NULL || colon < base + 7 || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    char *end = NULL;
    *port = strtol(colon + 1, &end, 10);
    *stem = (size_t)(colon - base);
    return *end == '\0' && *port > 0 && *port <= 65535;
}

/* ---- opening ----------------------------------------------------------------
 */

link_t *link_dealer(const struct link_spec *spec, struct err *err)
{
    return link_open(ZMQ_DEALER, spec, err);
}

link_t *link_router(const struct link_spec *spec, struct err *err)
{
    return link_open(ZMQ_ROUTER, spec, err);
}

link_t *link_sub(const struct link_spec *spec, struct err *err)
{
    return link_open(ZMQ_SUB, spec, err);
}

link_t *link_xpub(const struct link_spec *spec, struct err *err)
{
    return link_open(ZMQ_XPUB, spec, err);
}

static link_t *link_open(int kind, const struct link_spec *spec,
                         struct err *err)
{
    must(spec != NULL && spec->base != NULL);
    must(spec->frame_bytes > WIRE_HEAD_BYTES);
    link_setup();
    link_t *l = base_zalloc(sizeof *l);
    l->magic = LINK_MAGIC;
    l->kind = kind;
    l->from = (unsigned)spec->from;
    l->queue_messages =
        spec->queue_messages == 0 ? QUEUE_MESSAGES : spec->queue_messages;
    l->queue_bytes = spec->queue_bytes == 0 ? QUEUE_BYTES : spec->queue_bytes;
    l->complained_ms = INT64_MIN;
    l->sock = zsock_new(kind);
    must(l->sock != NULL);
    l->raw = zsock_resolve(l->sock);
    if (link_endpoint(spec->base, spec->port, l->endpoint, sizeof l->endpoint,
                      err) &&
        set_options(l, spec, err) && start_monitor(l, err) && attach(l, err)) {
        return l;
    }
    link_destroy(&l);
    return NULL;
}

void link_destroy(link_t **p)
{
    must(p != NULL);
    link_t *l = *p;
    if (l == NULL) {
        return;
    }
    check_magic(l, LINK_MAGIC);
    while (l->queues != NULL) {
        struct link_route to = l->queues->to;
        link_drop_route(l, &to);
    }
    if (l->monitor != NULL) {
        (void)zmq_socket_monitor(l->raw, NULL, 0);
        (void)zmq_close(l->monitor);
    }
    zsock_destroy(&l->sock);
    l->magic = 0;
    free(l);
    *p = NULL;
}

static bool set_options(link_t *l, const struct link_spec *spec,
                        struct err *err)
{
    int hwm = spec->hwm == 0 ? HWM : spec->hwm;
    int64_t largest = (int64_t)spec->frame_bytes;
    if (zmq_setsockopt(l->raw, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0) {
        return err_set(err, ERR_IO, "limiting messages on %s: %s", l->endpoint,
                       zmq_strerror(errno));
    }
    bool ok =
        set_number(l, ZMQ_LINGER, 0, err) && set_number(l, ZMQ_IPV6, 1, err) &&
        set_number(l, ZMQ_SNDHWM, hwm, err) &&
        set_number(l, ZMQ_RCVHWM, hwm, err) &&
        set_number(l, ZMQ_BACKLOG, BACKLOG, err) &&
        set_number(l, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS, err) &&
        set_number(l, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_GIVEN_UP_MS, err) &&
        set_number(l, ZMQ_RECONNECT_IVL, RECONNECT_MS, err) &&
        set_number(l, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX, err);
    if (ok && l->kind == ZMQ_ROUTER) {
        ok = set_number(l, ZMQ_ROUTER_MANDATORY, 1, err);
    }
    if (ok && l->kind == ZMQ_XPUB) {
        ok = set_number(l, ZMQ_XPUB_VERBOSE, 1, err);
    }
    return ok;
}

static bool set_number(link_t *l, int option, int number, struct err *err)
{
    if (zmq_setsockopt(l->raw, option, &number, sizeof number) == 0) {
        return true;
    }
    return err_set(err, ERR_IO, "option %d of %s: %s", option, l->endpoint,
                   zmq_strerror(errno));
}

static bool start_monitor(link_t *l, struct err *err)
{
    static _Atomic unsigned number;
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://link-monitor-%u",
                   atomic_fetch_add(&number, 1));
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(l->raw, name, events) != 0) {
        return err_set(err, ERR_IO, "watching %s: %s", l->endpoint,
                       zmq_strerror(errno));
    }
    l->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    must(l->monitor != NULL);
    int none = 0;
    (void)zmq_setsockopt(l->monitor, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(l->monitor, ZMQ_RCVHWM, &none, sizeof none);
    if (zmq_connect(l->monitor, name) != 0) {
        return err_set(err, ERR_IO, "watching %s: %s", l->endpoint,
                       zmq_strerror(errno));
    }
    return true;
}

static bool attach(link_t *l, struct err *err)
{
    bool binds = l->kind == ZMQ_ROUTER || l->kind == ZMQ_XPUB;
    int rc = binds ? zmq_bind(l->raw, l->endpoint)
                   : zmq_connect(l->raw, l->endpoint);
    if (rc == 0) {
        return true;
    }
    return err_set(err, ERR_IO, "%s %s: %s",
                   binds ? "listening on" : "connecting to", l->endpoint,
                   zmq_strerror(errno));
}

/* ---- waiting
 * ------------------------------------------------------------------ */

void link_items(const link_t *l, zmq_pollitem_t out[2])
{
    check_magic(l, LINK_MAGIC);
    out[0] = (zmq_pollitem_t){.socket = l->raw, .events = ZMQ_POLLIN};
    out[1] = (zmq_pollitem_t){.socket = l->monitor, .events = ZMQ_POLLIN};
}

unsigned link_changes(link_t *l)
{
    check_magic(l, LINK_MAGIC);
    unsigned changes = 0;
    for (;;) {
        unsigned char event[6];
        int n = zmq_recv(l->monitor, event, sizeof event, ZMQ_DONTWAIT);
        if (n < 0) {
            return changes;
        }
        uint16_t what = 0;
        if (n == (int)sizeof event) { /* the frame behind it is the address */
            memcpy(&what, event, sizeof what);
        }
        if (what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            changes |= LINK_CAME;
        } else if (what == ZMQ_EVENT_DISCONNECTED) {
            changes |= LINK_WENT;
        }
        char address[256];
        (void)zmq_recv(l->monitor, address, sizeof address, ZMQ_DONTWAIT);
    }
}

/* ---- topics
 * --------------------------------------------------------------------- */

void link_subscribe(link_t *l, const void *topic, size_t len)
{
    check_magic(l, LINK_MAGIC);
    must(l->kind == ZMQ_SUB);
    l->marked = true;
    must(zmq_setsockopt(l->raw, ZMQ_SUBSCRIBE, topic, len) == 0);
}

void link_unsubscribe(link_t *l, const void *topic, size_t len)
{
    check_magic(l, LINK_MAGIC);
    must(l->kind == ZMQ_SUB);
    l->marked = true;
    must(zmq_setsockopt(l->raw, ZMQ_UNSUBSCRIBE, topic, len) == 0);
}

/* ---- pipes
 * ------------------------------------------------------------------------ */

/*
 * Two mailboxes, one for each direction. A socket of ZeroMQ on each end would
 * cost system calls for every message; a mailbox only when it was empty.
 */
struct duct {
    _Atomic int ends;
    mbox_t *boxes[2];
};

void link_pipe_new(struct link_pipe **a, struct link_pipe **b)
{
    must(a != NULL && b != NULL);
    struct duct *duct = base_zalloc(sizeof *duct);
    atomic_init(&duct->ends, 2);
    struct link_pipe **ends[] = {a, b};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        duct->boxes[i] = mbox_new(SIZE_MAX);
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct link_pipe *end = base_zalloc(sizeof *end);
        end->magic = PIPE_MAGIC;
        end->duct = duct;
        end->in = duct->boxes[i];
        end->out = duct->boxes[1 - i];
        *ends[i] = end;
    }
}

void link_pipe_destroy(struct link_pipe **p)
{
    must(p != NULL);
    struct link_pipe *end = *p;
    if (end == NULL) {
        return;
    }
    check_magic(end, PIPE_MAGIC);
    mbox_close(end->in);
    if (atomic_fetch_sub(&end->duct->ends, 1) == 1) {
        mbox_destroy(&end->duct->boxes[0], NULL);
        mbox_destroy(&end->duct->boxes[1], NULL);
        free(end->duct);
    }
    end->magic = 0;
    free(end);
    *p = NULL;
}

void link_pipe_item(const struct link_pipe *p, zmq_pollitem_t *out)
{
    check_magic(p, PIPE_MAGIC);
    *out = (zmq_pollitem_t){.fd = mbox_fd(p->in), .events = ZMQ_POLLIN};
}

void link_pipe_send(struct link_pipe *p, void *message)
{
    bool sent = link_pipe_offer(p, message);
    must(sent);
}

/* A pipe has no limit: what cannot be sent has nobody to take it. */
bool link_pipe_offer(struct link_pipe *p, void *message)
{
    check_magic(p, PIPE_MAGIC);
    must(message != NULL);
    return mbox_put(p->out, message);
}

void *link_pipe_recv(struct link_pipe *p)
{
    check_magic(p, PIPE_MAGIC);
    return mbox_take(p->in);
}
