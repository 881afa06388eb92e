/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.c: a broker is four links: the desk's ROUTER, the relay's XPUB and
 * its replay ROUTER, the vault's ROUTER.
 */
#include "gateway/uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stat.h"

#define UPLINK_MAGIC LEAT_MAGIC(0x9a7e0004)
#define TAKE_MOST 512 /* messages of one line in one turn */
#define EVENTS_HWM 10000

struct broker {
    const char *base;
    link_t *lines[GW_LINES];
    bool marked[GW_LINES];  /* there may be something to receive */
    bool changed[GW_LINES]; /* a connection may have come or gone */
    uint32_t epoch;         /* of its last WELCOME */
    bool welcome;
    bool connected; /* the desk's line */
};

struct gw_uplink {
    uint32_t magic;
    struct gw_uplink_io io;
    char id[64];
    uint8_t home[WIRE_HOME_BYTES]; /* of our stateless runs; never changes */
    char host[256];
    size_t count;
    struct broker *active; /* NULL: none has welcomed us */
    struct broker brokers[];
};

static const struct {
    enum wire_port port;
    enum wire_side from;
} line_specs[GW_LINES] = {
    [GW_LINE_DESK] = {WIRE_PORT_GATEWAY, WIRE_D},
    [GW_LINE_EVENTS] = {WIRE_PORT_PUB, WIRE_R},
    [GW_LINE_REPLAY] = {WIRE_PORT_REPLAY, WIRE_R},
    [GW_LINE_VAULT] = {WIRE_PORT_VAULT, WIRE_V},
};

static bool broker_open(struct broker *b, const conf_t *conf, struct err *err)
{
    for (int i = 0; i < GW_LINES; i++) {
        struct link_spec spec = {
            .base = b->base,
            .port = line_specs[i].port,
            .from = line_specs[i].from,
            .frame_bytes = (size_t)conf_bytes(conf, CONF_FRAME_BYTES),
            .hwm = i == GW_LINE_EVENTS ? EVENTS_HWM : 0,
        };
        b->lines[i] = i == GW_LINE_EVENTS ? link_sub(&spec, err)
                                          : link_dealer(&spec, err);
        if (b->lines[i] == NULL) {
            return err_wrap(err, "broker %s", b->base);
        }
    }
    return true;
}

gw_uplink_t *gw_uplink_new(const conf_t *conf, const struct gw_uplink_io *io,
                           struct err *err)
{
    must(conf != NULL && io != NULL);
    size_t n = 0;
    const char *const *bases = conf_list(conf, CONF_BROKER, &n);
    gw_uplink_t *u = base_zalloc(sizeof(*u) + n * sizeof(u->brokers[0]));
    u->magic = UPLINK_MAGIC;
    u->io = *io;
    struct id id = id_uuid4();
    (void)snprintf(u->id, sizeof(u->id), "gateway-%s", ID_TEXT(&id));
    memcpy(u->home, id.bytes, sizeof(u->home));
    if (gethostname(u->host, sizeof(u->host) - 1) != 0) {
        (void)base_copy(u->host, sizeof(u->host), "?");
    }
    for (size_t i = 0; i < n; i++) {
        struct broker *b = &u->brokers[u->count++];
        b->base = bases[i];
        if (!broker_open(b, conf, err)) {
            gw_uplink_destroy(&u);
            return NULL;
        }
        link_subscribe(b->lines[GW_LINE_EVENTS], u->home, sizeof(u->home));
    }
    return u;
}

void gw_uplink_destroy(gw_uplink_t **p)
{
    must(p != NULL);
    gw_uplink_t *u = *p;
    *p = NULL;
    if (u == NULL) {
        return;
    }
    check_magic(u, UPLINK_MAGIC);
    for (size_t i = 0; i < u->count; i++) {
        for (int k = 0; k < GW_LINES; k++) {
            if (u->brokers[i].lines[k] != NULL) {
                link_destroy(&u->brokers[i].lines[k]);
            }
        }
    }
    u->magic = 0;
    free(u);
}

static int fd_of(const zmq_pollitem_t *item)
{
    int fd = -1;
    size_t size = sizeof(fd);
    must(zmq_getsockopt(item->socket, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

size_t gw_uplink_fds(gw_uplink_t *u, struct gw_uplink_fd *fds, size_t cap)
{
    check_magic(u, UPLINK_MAGIC);
    size_t n = 0;
    for (size_t i = 0; i < u->count; i++) {
        struct broker *b = &u->brokers[i];
        for (int k = 0; k < GW_LINES; k++) {
            zmq_pollitem_t items[2];
            link_items(b->lines[k], items);
            b->marked[k] = true;
            b->changed[k] = true;
            must(n + 2 <= cap);
            fds[n++] = (struct gw_uplink_fd){fd_of(&items[0]), &b->marked[k]};
            fds[n++] = (struct gw_uplink_fd){fd_of(&items[1]), &b->changed[k]};
        }
    }
    return n;
}

static void send_on(struct broker *b, enum gw_line line,
                    const struct wire_head *h, leat_value *body)
{
    b->marked[line] = true;
    (void)link_send(b->lines[line], NULL, h, body);
}

/* ---- who is there ------------------------------------------------------ */

static void say_hello(gw_uplink_t *u, struct broker *b, enum gw_line line)
{
    struct wire_head h = {.type = WIRE_HELLO, .epoch = b->epoch};
    leat_value *body =
        leat_pack("{s:s, s:s, s:I, s:s, s:[]}", "kind", "gateway", "id", u->id,
                  "pid", (int64_t)getpid(), "host", u->host, "runs");
    send_on(b, line, &h, body);
}

static void on_welcome(gw_uplink_t *u, struct broker *b,
                       const struct wire_head *h)
{
    if (u->active != NULL && u->active->welcome &&
        h->epoch < u->active->epoch) {
        return; /* of a broker that another one has replaced */
    }
    if (!b->welcome || b->epoch != h->epoch) {
        log_info("broker.welcome", "broker=%s epoch=%u", b->base, h->epoch);
    }
    b->epoch = h->epoch;
    b->welcome = true;
    u->active = b;
    u->io.welcome(u->io.self);
}

static void on_changes(gw_uplink_t *u, struct broker *b, enum gw_line line)
{
    unsigned changes = link_changes(b->lines[line]);
    if ((changes & LINK_WENT) != 0 && line == GW_LINE_DESK) {
        if (b->welcome) {
            log_warn("broker.gone", "broker=%s", b->base);
        }
        b->welcome = false;
        b->connected = false;
    }
    if ((changes & LINK_CAME) == 0) {
        return;
    }
    if (line == GW_LINE_DESK) {
        b->connected = true;
    }
    if (line != GW_LINE_EVENTS) {
        say_hello(u, b, line);
    }
    if (line != GW_LINE_DESK && b == u->active) {
        u->io.back(u->io.self, line);
    }
}

static void on_message(gw_uplink_t *u, struct broker *b, enum gw_line line,
                       struct link_in *in)
{
    switch (in->head.type) {
    case WIRE_WELCOME:
        on_welcome(u, b, &in->head);
        break;
    case WIRE_WHO:
        b->welcome = b->welcome && line != GW_LINE_DESK;
        say_hello(u, b, line);
        if (line != GW_LINE_DESK && b == u->active) {
            u->io.back(u->io.self, line);
        }
        break;
    case WIRE_PING: {
        struct wire_head h = {
            .type = WIRE_PONG, .epoch = b->epoch, .tag = in->head.tag};
        send_on(b, line, &h, NULL);
        break;
    }
    default:
        if (b == u->active) {
            u->io.message(u->io.self, line, in);
        }
    }
}

/* ---- turns ------------------------------------------------------------- */

/* True when there may be more. */
static bool take_line(gw_uplink_t *u, struct broker *b, enum gw_line line)
{
    struct link_in in;
    link_in_init(&in);
    b->marked[line] = false;
    int n = 0;
    while (n < TAKE_MOST && link_recv(b->lines[line], &in)) {
        on_message(u, b, line, &in);
        n++;
    }
    link_in_fini(&in);
    b->marked[line] = b->marked[line] || n == TAKE_MOST;
    return n == TAKE_MOST;
}

bool gw_uplink_receive(gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    bool more = false;
    for (size_t i = 0; i < u->count; i++) {
        struct broker *b = &u->brokers[i];
        for (int k = 0; k < GW_LINES; k++) {
            if (b->changed[k]) {
                b->changed[k] = false;
                on_changes(u, b, (enum gw_line)k);
            }
            if (b->marked[k]) {
                more = take_line(u, b, (enum gw_line)k) || more;
            }
        }
    }
    return more;
}

/* Our own sending may have taken the sign of a message that came. */
static bool has_come(struct broker *b, int line)
{
    zmq_pollitem_t items[2];
    int events = 0;
    size_t size = sizeof(events);
    link_items(b->lines[line], items);
    must(zmq_getsockopt(items[0].socket, ZMQ_EVENTS, &events, &size) == 0);
    return (events & ZMQ_POLLIN) != 0;
}

bool gw_uplink_is_marked(gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    bool any = false;
    for (size_t i = 0; i < u->count; i++) {
        struct broker *b = &u->brokers[i];
        for (int k = 0; k < GW_LINES; k++) {
            b->marked[k] = b->marked[k] && has_come(b, k);
            any = any || b->marked[k];
        }
    }
    return any;
}

bool gw_uplink_pump(gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    bool left = false;
    for (size_t i = 0; i < u->count; i++) {
        for (int k = 0; k < GW_LINES; k++) {
            if (k != GW_LINE_EVENTS) {
                left = link_pump(u->brokers[i].lines[k]) || left;
            }
        }
    }
    return left;
}

bool gw_uplink_send(gw_uplink_t *u, enum gw_line line, struct wire_head *head,
                    leat_value *body)
{
    check_magic(u, UPLINK_MAGIC);
    must(line != GW_LINE_EVENTS);
    if (!gw_uplink_is_welcome(u)) {
        leat_drop(body);
        return false;
    }
    head->epoch = u->active->epoch;
    u->active->marked[line] = true;
    enum link_sent sent = link_send(u->active->lines[line], NULL, head, body);
    return sent == LINK_SENT || sent == LINK_QUEUED;
}

static void subscribe(gw_uplink_t *u, const void *topic, size_t len, bool on)
{
    for (size_t i = 0; i < u->count; i++) {
        link_t *l = u->brokers[i].lines[GW_LINE_EVENTS];
        u->brokers[i].marked[GW_LINE_EVENTS] = true;
        if (on) {
            link_subscribe(l, topic, len);
        } else {
            link_unsubscribe(l, topic, len);
        }
    }
}

static bool is_ours(const gw_uplink_t *u, const struct id *run)
{
    struct id home = {{0}};
    memcpy(home.bytes, u->home, sizeof(u->home));
    return wire_is_home(run, &home);
}

void gw_uplink_subscribe_thread(gw_uplink_t *u, const struct id *thread,
                                bool on)
{
    check_magic(u, UPLINK_MAGIC);
    subscribe(u, thread->bytes, sizeof(thread->bytes), on);
}

void gw_uplink_subscribe(gw_uplink_t *u, const struct id *thread,
                         const struct id *run, bool on)
{
    check_magic(u, UPLINK_MAGIC);
    if (is_ours(u, run)) {
        return; /* with all the others of our home */
    }
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(thread, run, topic);
    subscribe(u, topic, sizeof(topic), on);
}

struct id gw_uplink_new_run_id(const gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    struct id id = id_uuid7();
    memcpy(id.bytes + sizeof(id.bytes) - sizeof(u->home), u->home,
           sizeof(u->home));
    return id;
}

void gw_uplink_tick(gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    for (size_t i = 0; i < u->count; i++) {
        struct broker *b = &u->brokers[i];
        if (!b->connected) {
            continue;
        }
        if (b->welcome) {
            struct wire_head h = {.type = WIRE_HEARTBEAT, .epoch = b->epoch};
            send_on(b, GW_LINE_DESK, &h, NULL);
        } else {
            say_hello(u, b, GW_LINE_DESK);
        }
    }
}

bool gw_uplink_is_welcome(const gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    return u->active != NULL && u->active->welcome;
}

void gw_uplink_goodbye(gw_uplink_t *u)
{
    check_magic(u, UPLINK_MAGIC);
    struct wire_head h = {.type = WIRE_GOODBYE};
    (void)gw_uplink_send(u, GW_LINE_DESK, &h, NULL);
}
