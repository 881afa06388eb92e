/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The played broker. Its one graph is "echo"; the input of a run says what
 * comes of it:
 *   events   how many `custom` events follow `metadata` (0)
 *   lose     from this sequence on three events are not published (never)
 *   hold     do not end; a cancel ends it
 *   tail     the last so many are not published (0)
 *   refuse   a code to refuse the submit with
 *   values   the data of a `values` event at the end
 */
#include "tests/unit/gateway_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link.h"
#include "gateway/auth.h"
#include "gateway/clerk.h"
#include "gateway/stores.h"
#include "tests/harness/harness.h"

#define RUNS_MAX 64
#define MS UINT64_C(1700000000000)

struct played_run {
    struct id run;
    struct id thread;
    struct link_route to;
    uint64_t last;
    bool ended;
    bool has_values;
    leat_value *values;
};

static struct rig rig;
static pthread_t thread;
static link_t *desk;
static link_t *replay;
static link_t *pub;
static link_t *vault;
static store_t *store;
static struct played_run runs[RUNS_MAX];
static size_t run_count;

/* ---- events ------------------------------------------------------------ */

static void put_event(const struct played_run *r, uint64_t seq, struct buf *out)
{
    leat_value *v;
    const char *name = "custom";
    if (seq == 1) {
        name = "metadata";
        v = leat_pack("{s:s, s:i}", "run_id", ID_TEXT(&r->run), "attempt", 1);
    } else if (seq == r->last) {
        name = "end";
        v = leat_pack("{s:s}", "status", "success");
    } else if (r->has_values && seq == r->last - 1) {
        name = "values";
        v = leat_hold(r->values);
    } else {
        v = leat_new_int((int64_t)seq);
    }
    EXPECT(wire_event_put(out, name, "", leat_view_of(v)));
    leat_drop(v);
}

static struct wire_head head_of(const struct played_run *r, uint8_t type)
{
    return (struct wire_head){.type = type,
                              .attempt = 1,
                              .epoch = 1,
                              .run = r->run,
                              .thread = r->thread};
}

static void to_frame(struct buf *b, zmq_msg_t *out)
{
    EXPECT_EQ(zmq_msg_init_size(out, b->len), 0);
    memcpy(zmq_msg_data(out), b->data, b->len);
}

static void publish(const struct played_run *r, uint64_t first, uint64_t last)
{
    if (first > last) {
        return;
    }
    struct buf b;
    zmq_msg_t raw;
    buf_init(&b, 1 << 24);
    for (uint64_t seq = first; seq <= last; seq++) {
        put_event(r, seq, &b);
    }
    struct wire_head h = head_of(r, WIRE_EVENTS);
    h.seq = first;
    h.ms = MS;
    h.tag = (uint32_t)(last - first + 1);
    to_frame(&b, &raw);
    link_publish(pub, &h, &raw);
    (void)zmq_msg_close(&raw);
    buf_fini(&b);
}

static struct played_run *find(const struct id *run)
{
    for (size_t i = 0; i < run_count; i++) {
        if (id_eq(&runs[i].run, run)) {
            return &runs[i];
        }
    }
    return NULL;
}

static void tell_end(const struct played_run *r, const struct link_route *to,
                     const char *status)
{
    struct wire_head h = head_of(r, WIRE_RUN_ENDED);
    h.seq = r->last;
    (void)link_send(desk, to, &h, leat_pack("{s:s}", "status", status));
}

/* ---- what gateways say ------------------------------------------------- */

static void refuse(const struct link_in *in, const char *code)
{
    struct wire_head h = {.type = WIRE_REFUSED,
                          .epoch = 1,
                          .tag = in->head.tag,
                          .run = in->head.run};
    (void)link_send(
        desk, &in->from, &h,
        leat_pack("{s:s, s:s}", "code", code, "text", "as the test wants it"));
}

static void perform(struct played_run *r, leat_view input)
{
    uint64_t lose = leat_uint(leat_get(input, "lose"), 0);
    uint64_t shown = r->last - leat_uint(leat_get(input, "tail"), 0);
    if (lose > 0) {
        publish(r, 1, lose - 1);
        publish(r, lose + 3, shown);
    } else {
        publish(r, 1, shown);
    }
    if (!leat_bool(leat_get(input, "hold"), false)) {
        r->ended = true;
        tell_end(r, &r->to, "success");
    }
}

static void on_submit(const struct link_in *in)
{
    leat_view body = leat_view_of(in->body);
    leat_view input = leat_get(leat_get(body, "kwargs"), "input");
    atomic_fetch_add(&rig.submits, 1);
    if (atomic_load(&rig.mute)) {
        return;
    }
    char *code = value_strdup(leat_get(input, "refuse"));
    if (code != NULL) {
        refuse(in, code);
        free(code);
        return;
    }
    EXPECT(run_count < RUNS_MAX);
    struct played_run *r = &runs[run_count++];
    r->run = in->head.run;
    r->thread = in->head.thread;
    r->to = in->from;
    leat_view values = leat_get(input, "values");
    r->has_values = leat_type_of(values) != LEAT_MISSING;
    r->values = r->has_values ? leat_value_of(values) : NULL;
    r->last = 2 + leat_uint(leat_get(input, "events"), 0) + r->has_values;
    struct wire_head h = head_of(r, WIRE_RUN_ACCEPTED);
    h.tag = in->head.tag;
    (void)link_send(desk, &in->from, &h,
                    leat_pack("{s:s}", "status", "pending"));
    perform(r, input);
}

static void on_cancel(const struct link_in *in)
{
    struct played_run *r = find(&in->head.run);
    atomic_fetch_add(&rig.cancels, 1);
    if (r == NULL || r->ended) {
        refuse(in, "conflict");
        return;
    }
    struct wire_head h = head_of(r, WIRE_RUN_ACCEPTED);
    h.tag = in->head.tag;
    (void)link_send(desk, &in->from, &h,
                    leat_pack("{s:s}", "status", "running"));
    r->ended = true;
    tell_end(r, &r->to, "interrupted");
}

static void on_watch(const struct link_in *in)
{
    struct played_run *r = find(&in->head.run);
    atomic_fetch_add(&rig.watches, 1);
    if (r == NULL) {
        refuse(in, "not_found");
    } else if (r->ended) {
        tell_end(r, &in->from, "success");
    } else {
        struct wire_head h = head_of(r, WIRE_RUN_STATE);
        h.tag = in->head.tag;
        (void)link_send(desk, &in->from, &h,
                        leat_pack("{s:s}", "status", "running"));
    }
}

static void on_hello(const struct link_in *in)
{
    struct wire_head h = {.type = WIRE_WELCOME, .epoch = 1};
    (void)link_send(desk, &in->from, &h,
                    leat_pack("{s:i, s:i}", "lease_ms", 5000, "window", 2048));
    h.type = WIRE_GRAPHS;
    (void)link_send(desk, &in->from, &h,
                    leat_pack("{s:[{s:s, s:i, s:i, s:i}]}", "graphs", "id",
                              "echo", "workers", 1, "slots", 1, "free", 1));
}

static void on_desk(const struct link_in *in)
{
    switch (in->head.type) {
    case WIRE_HELLO:
        on_hello(in);
        break;
    case WIRE_RUN_SUBMIT:
        on_submit(in);
        break;
    case WIRE_RUN_CANCEL:
        on_cancel(in);
        break;
    case WIRE_RUN_WATCH:
        on_watch(in);
        break;
    case WIRE_RUN_FORGET:
        atomic_fetch_add(&rig.forgets, 1);
        break;
    default:
        break;
    }
}

static void on_replay(const struct link_in *in)
{
    if (in->head.type != WIRE_REPLAY_GET) {
        return;
    }
    struct played_run *r = find(&in->head.run);
    atomic_fetch_add(&rig.replays, 1);
    struct wire_head h = {.type = WIRE_REPLAY_EVENTS,
                          .attempt = 1,
                          .run = in->head.run,
                          .thread = in->head.thread,
                          .tag = in->head.tag,
                          .seq = in->head.seq,
                          .ms = MS};
    if (r != NULL && in->head.seq <= r->last) {
        struct buf b;
        zmq_msg_t raw;
        buf_init(&b, 1 << 24);
        for (uint64_t seq = in->head.seq; seq <= r->last; seq++) {
            put_event(r, seq, &b);
        }
        to_frame(&b, &raw);
        (void)link_send_raw(replay, &in->from, &h, &raw);
        (void)zmq_msg_close(&raw);
        buf_fini(&b);
    }
    h.type = WIRE_REPLAY_END;
    h.seq = r == NULL ? 0 : r->last;
    (void)link_send(replay, &in->from, &h,
                    leat_pack("{s:i, s:b, s:b}", "first", r != NULL, "ended",
                              r != NULL && r->ended, "known", r != NULL));
}

static void on_vault(const struct link_in *in)
{
    if (in->head.type != WIRE_STORE_CALL) {
        return;
    }
    struct err err = ERR_INIT;
    leat_value *result = NULL;
    leat_view body = leat_view_of(in->body);
    struct store_request request = {
        .op = leat_string(leat_get(body, "op")),
        .args = leat_get(body, "args"),
    };
    bool ok = store_ops_run(store, &request, &result, &err);
    struct wire_head h = {.type = ok ? WIRE_STORE_DONE : WIRE_REFUSED,
                          .tag = in->head.tag};
    (void)link_send(vault, &in->from, &h,
                    ok ? leat_pack("{s:?V}", "result", result)
                       : leat_pack("{s:s, s:s}", "code", err_name(err.code),
                                   "text", err.text));
}

static bool drain(link_t *l, void (*on)(const struct link_in *))
{
    struct link_in in;
    bool any = false;
    link_in_init(&in);
    while (link_recv(l, &in)) {
        on(&in);
        any = true;
    }
    link_in_fini(&in);
    return any;
}

static void *play(void *arg)
{
    (void)arg;
    while (!atomic_load(&rig.stop)) {
        zmq_pollitem_t items[8];
        link_items(desk, items);
        link_items(replay, items + 2);
        link_items(vault, items + 4);
        link_items(pub, items + 6);
        (void)zmq_poll(items, 8, 10);
        unsigned char topic[WIRE_TOPIC_BYTES];
        size_t len = 0;
        bool on = false;
        while (link_recv_topic(pub, topic, sizeof(topic), &len, &on)) {
            continue;
        }
        (void)drain(desk, on_desk);
        (void)drain(replay, on_replay);
        (void)drain(vault, on_vault);
        (void)link_pump(desk);
    }
    return NULL;
}

/* ---- starting ---------------------------------------------------------- */

static link_t *bind_to(enum wire_port port)
{
    struct err err = ERR_INIT;
    struct link_spec spec = {
        .base = rig.base, .port = port, .from = WIRE_G, .frame_bytes = 1 << 26};
    link_t *l = port == WIRE_PORT_PUB ? link_xpub(&spec, &err)
                                      : link_router(&spec, &err);
    EXPECT_MSG(l != NULL, "%s", err.text);
    return l;
}

static void start_broker(const char *store_url)
{
    struct err err = ERR_INIT;
    struct store_conf conf = {.url = store_url, .role = STORE_OWNER};
    store = store_open(&conf, &err);
    EXPECT_MSG(store != NULL, "%s", err.text);
    desk = bind_to(WIRE_PORT_GATEWAY);
    replay = bind_to(WIRE_PORT_REPLAY);
    pub = bind_to(WIRE_PORT_PUB);
    vault = bind_to(WIRE_PORT_VAULT);
    EXPECT_EQ(pthread_create(&thread, NULL, play, NULL), 0);
}

static void set(enum conf_id id, const char *text)
{
    struct err err = ERR_INIT;
    EXPECT_MSG(conf_set(rig.conf, id, text, CONF_FROM_FLAG, &err), "%s",
               err.text);
}

struct rig *rig_start(int first_option, ...)
{
    char url[300];
    struct err err = ERR_INIT;
    va_list ap;
    rig.conf = conf_new(PROC_GATEWAY);
    (void)snprintf(rig.base, sizeof(rig.base), "ipc://%s/broker", test_dir());
    (void)snprintf(url, sizeof(url), "sqlite:%s/leat.db", test_dir());
    set(CONF_BROKER, rig.base);
    set(CONF_STORE, url);
    set(CONF_PORT, "0");
    set(CONF_HTTP_THREADS, "4");
    set(CONF_KEEP_ALIVE, "0s"); /* an answer is read until its end */
    va_start(ap, first_option);
    for (int id = first_option; id != CONF_COUNT; id = va_arg(ap, int)) {
        set((enum conf_id)id, va_arg(ap, const char *));
    }
    va_end(ap);
    start_broker(url);
    rig.app.conf = rig.conf;
    rig.app.auth = gw_auth_new(rig.conf, &err);
    EXPECT_MSG(rig.app.auth != NULL, "%s", err.text);
    rig.app.clerk = gw_clerk_new(&err);
    EXPECT_MSG(rig.app.clerk != NULL, "%s", err.text);
    struct gw_hub_notes notes = {.self = rig.app.clerk,
                                 .graphs = gw_clerk_on_graphs,
                                 .look_up = gw_clerk_look_up,
                                 .list = gw_clerk_list,
                                 .state = gw_clerk_state,
                                 .refused = gw_clerk_refused};
    rig.app.hub = gw_hub_new(rig.conf, &notes, &err);
    EXPECT_MSG(rig.app.hub != NULL, "%s", err.text);
    rig.app.stores = gw_stores_new(rig.conf, rig.app.hub);
    gw_clerk_start(rig.app.clerk, &rig.app);
    rig.server = gw_server_new(&rig.app, &err);
    EXPECT_MSG(rig.server != NULL, "%s", err.text);
    EXPECT_SOON(gw_hub_is_connected(rig.app.hub));
    return &rig;
}

void rig_stop(struct rig *r)
{
    atomic_store(&r->app.draining, true);
    gw_hub_drain(r->app.hub);
    gw_server_destroy(&r->server);
    gw_clerk_stop(r->app.clerk);
    gw_hub_destroy(&r->app.hub);
    gw_stores_destroy(&r->app.stores);
    gw_clerk_destroy(&r->app.clerk);
    gw_auth_destroy(&r->app.auth);
    atomic_store(&r->stop, true);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
    link_destroy(&desk);
    link_destroy(&replay);
    link_destroy(&pub);
    link_destroy(&vault);
    store_destroy(&store);
    for (size_t i = 0; i < run_count; i++) {
        leat_drop(runs[i].values);
    }
    conf_destroy(&r->conf);
}

/* ---- a client ---------------------------------------------------------- */

int rig_send(const struct rig *r, const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port =
                                 htons((uint16_t)gw_server_port(r->server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, (const void *)&to, sizeof(to)), 0);
    size_t len = strlen(text);
    EXPECT_EQ(send(fd, text, len, MSG_NOSIGNAL), len);
    return fd;
}

char *rig_read(int fd)
{
    struct buf b;
    size_t len;
    buf_init(&b, 1 << 26);
    for (;;) {
        char *to = buf_reserve(&b, 65536);
        ssize_t n = recvfrom(fd, to, 65536, 0, NULL, NULL);
        if (n <= 0) {
            break;
        }
        buf_added(&b, (size_t)n);
    }
    (void)close(fd);
    return buf_take(&b, &len);
}

char *rig_ask(const struct rig *r, const char *method, const char *path,
              const char *body)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    EXPECT(buf_printf(&b, "%s %s HTTP/1.1\r\nHost: test\r\n", method, path));
    if (body != NULL) {
        EXPECT(buf_printf(&b, "Content-Length: %zu\r\n", strlen(body)));
    }
    EXPECT(buf_puts(&b, "\r\n") && buf_puts(&b, body == NULL ? "" : body));
    int fd = rig_send(r, buf_text(&b));
    buf_fini(&b);
    return rig_read(fd);
}

char *rig_unchunk(char *answer, bool *clean)
{
    char *at = strstr(answer, "\r\n\r\n");
    EXPECT(at != NULL);
    at += 4;
    char *to = answer;
    *clean = false;
    while (*at != '\0') {
        char *data = NULL;
        size_t n = strtoul(at, &data, 16);
        EXPECT(data[0] == '\r' && data[1] == '\n');
        if (n == 0) {
            *clean = true;
            break;
        }
        memmove(to, data + 2, n);
        to += n;
        at = data + 2 + n + 2;
    }
    *to = '\0';
    return answer;
}
