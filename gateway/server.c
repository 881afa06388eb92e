/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c: from civetweb to handlers. A pool of threads answers requests;
 * what takes long leaves them (handover.c).
 */
#include "gateway/server.h"

#include <civetweb.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"
#include "gateway/auth.h"
#include "gateway/cors.h"
#include "gateway/gate.h"
#include "gateway/handlers.h"
#include "gateway/handover.h"

#define CARRY_BYTES 16384
#define STATUS_TAKEN 100 /* the answer is given by the hub */
#define SERVER_MAGIC LEAT_MAGIC(0x9a7e0006)

struct gw_server {
    uint32_t magic;
    struct mg_context *civet;
    int port;
};

/* ---- long answers ------------------------------------------------------ */

bool gw_server_has_room(const struct gw_req *r, struct err *err)
{
    const conf_t *conf = r->app->conf;
    if (stat_get(STAT_OPEN_STREAMS) >= conf_int(conf, CONF_MAX_STREAMS)) {
        return err_set(err, ERR_UNAVAILABLE, "too many streams are open");
    }
    if (r->caller->known &&
        atomic_load(&r->caller->streams) >= conf_int(conf, CONF_KEY_STREAMS)) {
        return err_set(err, ERR_LIMIT,
                       "this key has too many streams open (--key-streams)");
    }
    int64_t most = conf_int(conf, CONF_HTTP_THREADS) / 2;
    if (!gw_handover_works() && atomic_load(&r->app->kept_threads) >= most) {
        return err_set(err, ERR_UNAVAILABLE, "too many streams are open");
    }
    return true;
}

/* Carries bytes from the hub to the client until either ends. They are not on
 * the stack: civetweb's threads have a small one. */
static void carry(struct mg_connection *conn, int from)
{
    char *bytes = base_zalloc(CARRY_BYTES);
    for (;;) {
        ssize_t n = recvfrom(from, bytes, CARRY_BYTES, 0, NULL, NULL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || mg_write(conn, bytes, (size_t)n) != (int)n) {
            break;
        }
    }
    free(bytes);
}

static int keep_thread(struct gw_req *r, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        (void)err_set(err, ERR_UNAVAILABLE, "no socket: %s", strerror(errno));
        return -1;
    }
    r->carry_fd = ends[1];
    return ends[0];
}

int gw_server_take(struct gw_req *r, struct err *err)
{
    must(r != NULL && r->status == 0);
    int fd = gw_handover_take(r->conn, r->noted_fd);
    if (fd < 0 && r->keep_s > 0) {
        (void)err_set(err, ERR_UNAVAILABLE, "no socket: %s", strerror(errno));
    } else if (fd < 0) {
        fd = keep_thread(r, err);
    }
    if (fd >= 0) {
        r->status = STATUS_TAKEN;
    }
    return fd;
}

static void carry_on(struct gw_req *r)
{
    atomic_fetch_add(&r->app->kept_threads, 1);
    mg_disable_connection_keep_alive(r->conn);
    carry(r->conn, r->carry_fd);
    (void)close(r->carry_fd);
    r->carry_fd = -1;
    atomic_fetch_sub(&r->app->kept_threads, 1);
}

/* The answer is out: the connection may bring another request. */
static void give_back(const struct gw_req *r)
{
    int fd = gw_handover_take(r->conn, r->noted_fd);
    if (fd >= 0) {
        gw_gate_return(fd, GW_GATE_IDLE_MS(r->keep_s));
    }
}

/* ---- one request ------------------------------------------------------- */

static bool find_route(struct gw_req *r, struct err *err)
{
    struct gw_route_found found;
    const char *prefix = conf_str(r->app->conf, CONF_MOUNT_PREFIX);
    if (!gw_route_split(gw_req_uri(r), prefix, &r->path, err)) {
        return false;
    }
    if (gw_route_find(gw_handlers_table(), gw_req_method(r), &r->path, &found,
                      err)) {
        r->route = found.route;
        return true;
    }
    if (err->code == ERR_METHOD) {
        gw_req_add_header(r, "Allow", "%s, OPTIONS", found.allow);
    }
    return false;
}

static bool may_ask(struct gw_req *r, struct err *err)
{
    r->caller = (r->route->flags & GW_OPEN) != 0
                    ? gw_auth_anybody(r->app->auth)
                    : gw_auth_check(r->app->auth, gw_req_header(r, "x-api-key"),
                                    gw_req_header(r, "authorization"), err);
    if (r->caller != NULL) {
        r->owner = r->caller->owner;
    }
    return r->caller != NULL;
}

static bool serve(struct gw_req *r, struct err *err)
{
    if (atomic_load(&r->app->draining)) {
        return err_set(err, ERR_UNAVAILABLE, "the gateway is stopping");
    }
    if (strcmp(gw_req_method(r), "OPTIONS") == 0) {
        must(gw_cors_preflight(
            gw_req_header(r, "access-control-request-headers"), &r->headers));
        return gw_req_reply(r, 204, NULL, NULL, 0);
    }
    if (!find_route(r, err) || !may_ask(r, err)) {
        return false;
    }
    unsigned flags = r->route->flags;
    if ((flags & GW_STREAM) != 0 && strcmp(gw_req_method(r), "HEAD") == 0) {
        return err_set(err, ERR_METHOD, "Method Not Allowed");
    }
    if (!gw_req_check_query(r, err)) {
        return false;
    }
    if ((flags & (GW_JSON | GW_MAYBE_JSON)) != 0 && !gw_req_read_json(r, err)) {
        return false;
    }
    return r->route->handler(r, err);
}

static void count(const struct gw_req *r)
{
    int64_t us = clock_mono_us() - r->started_us;
    stat_observe_us(STAT_HTTP_SECONDS, us);
    if (r->status != STATUS_TAKEN) { /* that the hub counts */
        stat_inc(r->status < 400   ? STAT_HTTP_2XX
                 : r->status < 500 ? STAT_HTTP_4XX
                                   : STAT_HTTP_5XX);
    }
    log_debug("http", "status=%d us=%lld method=%s uri=%s", r->status,
              (long long)us, gw_req_method(r), LOG_Q(gw_req_uri(r)));
}

static int on_request(struct mg_connection *conn)
{
    int noted = gw_handover_noted();
    if (gw_handover_is_trial(conn, noted)) {
        return 200;
    }
    struct gw_app *app = mg_get_request_info(conn)->user_data;
    struct err err = ERR_INIT;
    struct gw_req r;
    gw_handover_hold(true);
    gw_req_init(&r, app, conn);
    r.noted_fd = noted;
    if (!serve(&r, &err)) {
        gw_req_error(&r, &err);
    }
    must(r.status > 0);
    int status = r.status;
    count(&r);
    if (r.carry_fd >= 0) {
        carry_on(&r);
    } else if (r.keep_s > 0 && status != STATUS_TAKEN) {
        give_back(&r);
    }
    gw_req_fini(&r);
    gw_handover_hold(false);
    return status;
}

/* A word that is no method of ours: civetweb knows no TRACE, for example. */
static bool is_other_method(const char *method)
{
    size_t n = method == NULL ? 0 : strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return n > 0 && method[n] == '\0' && strstr(GW_METHODS, method) == NULL;
}

/* What civetweb refuses by itself: a broken head, one that is too long. */
static int on_http_error(struct mg_connection *conn, int status,
                         const char *text)
{
    char body[256];
    const struct mg_request_info *info = mg_get_request_info(conn);
    (void)text;
    bool other = status == 400 && info != NULL &&
                 is_other_method(info->request_method);
    status = other ? 405 : status;
    int len = snprintf(body, sizeof(body), "{\"detail\":\"%s (%d)\"}",
                       other ? "Method Not Allowed"
                             : "the request cannot be read",
                       status);
    (void)mg_printf(conn,
                    "HTTP/1.1 %d Error\r\nContent-Type: application/json\r\n"
                    "Content-Length: %d\r\n%sConnection: close\r\n\r\n%s",
                    status, len, other ? "Allow: " GW_METHODS "\r\n" : "",
                    body);
    stat_inc(status < 500 ? STAT_HTTP_4XX : STAT_HTTP_5XX);
    return 0;
}

/* civetweb's thread has done with a connection. */
static void on_close(const struct mg_connection *conn)
{
    (void)conn;
    gw_handover_forget();
}

static int on_log(const struct mg_connection *conn, const char *text)
{
    (void)conn;
    log_debug("civetweb", "text=%s", LOG_Q(text));
    return 1;
}

/* ---- life -------------------------------------------------------------- */

static struct mg_context *start(struct gw_app *app)
{
    char port[512];
    char threads[16];
    (void)snprintf(port, sizeof(port), "%s:%d", conf_str(app->conf, CONF_HOST),
                   (int)conf_int(app->conf, CONF_PORT));
    (void)snprintf(threads, sizeof(threads), "%d",
                   (int)conf_int(app->conf, CONF_HTTP_THREADS));
    const char *options[] = {"listening_ports",
                             port,
                             "num_threads",
                             threads,
                             "connection_queue",
                             "1024",
                             "listen_backlog",
                             "1024",
                             "request_timeout_ms",
                             "10000",
                             "enable_keep_alive",
                             "no",
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "max_request_size",
                             "32768",
                             NULL};
    struct mg_callbacks callbacks = {.begin_request = on_request,
                                     .http_error = on_http_error,
                                     .connection_close = on_close,
                                     .log_message = on_log};
    gw_gate_arm(conf_bytes(app->conf, CONF_BODY_BYTES));
    return mg_start(&callbacks, app, options);
}

gw_server_t *gw_server_new(struct gw_app *app, struct err *err)
{
    must(app != NULL && app->hub != NULL);
    gw_server_t *s = base_zalloc(sizeof(*s));
    struct mg_server_port port = {0};
    s->magic = SERVER_MAGIC;
    s->civet = start(app);
    if (s->civet == NULL || mg_get_server_ports(s->civet, 1, &port) != 1 ||
        port.port <= 0) {
        (void)err_set(err, ERR_IO, "cannot listen on %s:%d",
                      conf_str(app->conf, CONF_HOST),
                      (int)conf_int(app->conf, CONF_PORT));
        gw_server_destroy(&s);
        return NULL;
    }
    s->port = port.port;
    struct err why = ERR_INIT;
    if (!gw_handover_selftest(conf_str(app->conf, CONF_HOST), s->port, &why)) {
        log_warn("handover.off", "error=%s streams=%d", LOG_Q(why.text),
                 (int)conf_int(app->conf, CONF_HTTP_THREADS) / 2);
    }
    return s;
}

int gw_server_port(const gw_server_t *s)
{
    check_magic(s, SERVER_MAGIC);
    return s->port;
}

void gw_server_destroy(gw_server_t **p)
{
    must(p != NULL);
    gw_server_t *s = *p;
    *p = NULL;
    if (s == NULL) {
        return;
    }
    check_magic(s, SERVER_MAGIC);
    gw_gate_close();
    if (s->civet != NULL) {
        mg_stop(s->civet);
    }
    gw_gate_reset();
    s->magic = 0;
    free(s);
}
