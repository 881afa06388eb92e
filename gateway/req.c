/* SPDX-License-Identifier: Apache-2.0 */
/*
 * req.c: requests by way of civetweb. An answer is put together whole and
 * written once. civetweb thinks that every answer closes its connection: to
 * wait in it for another request would hold one of the pool's threads. The
 * server takes the connection out instead, and the gate has it until then.
 */
#include "gateway/req.h"

#include <civetweb.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "gateway/cors.h"
#include "gateway/gate.h"
#include "gateway/handover.h"
#include "gateway/reply.h"
#include "gateway/stores.h"

/* A body must arrive in this time, plus what so many bytes a second take. */
#define BODY_MS 10000
#define BODY_RATE 65536
#define DRAIN_MS 1000
#define HEAD_MAX ((size_t)256 << 10)
#define REPLY_MAX ((size_t)2 << 30)

struct gw_text {
    struct gw_text *next;
    char text[];
};

void gw_req_init(struct gw_req *r, struct gw_app *app,
                 struct mg_connection *conn)
{
    must(r != NULL && app != NULL);
    *r = (struct gw_req){.app = app,
                         .conn = conn,
                         .owner = "",
                         .noted_fd = -1,
                         .carry_fd = -1,
                         .keep_s = -1,
                         .started_us = clock_mono_us()};
    buf_init(&r->headers, HEAD_MAX);
}

void gw_req_fini(struct gw_req *r)
{
    must(r != NULL);
    while (r->texts != NULL) {
        struct gw_text *gone = r->texts;
        r->texts = gone->next;
        free(gone);
    }
    leat_drop(r->body);
    r->body = NULL;
    buf_fini(&r->headers);
    if (r->store != NULL) {
        gw_stores_give(r->app->stores, r->store);
        r->store = NULL;
    }
}

/* ---- in ---------------------------------------------------------------- */

static const struct mg_request_info *info_of(const struct gw_req *r)
{
    return mg_get_request_info(r->conn);
}

const char *gw_req_method(const struct gw_req *r)
{
    const char *method = info_of(r)->request_method;
    return method == NULL ? "" : method;
}

const char *gw_req_uri(const struct gw_req *r)
{
    const char *uri = info_of(r)->local_uri_raw;
    return uri == NULL ? "" : uri;
}

const char *gw_req_header(const struct gw_req *r, const char *name)
{
    return mg_get_header(r->conn, name);
}

void gw_req_headers(const struct gw_req *r,
                    void (*take)(void *arg, const char *name,
                                 const char *value),
                    void *arg)
{
    const struct mg_request_info *info = info_of(r);
    for (int i = 0; i < info->num_headers; i++) {
        take(arg, info->http_headers[i].name, info->http_headers[i].value);
    }
}

const char *gw_req_param(const struct gw_req *r, const char *name)
{
    const char *value = gw_route_param(r->route, &r->path, name);
    must(value != NULL);
    return value;
}

bool gw_req_has_param(const struct gw_req *r, const char *name)
{
    return gw_route_param(r->route, &r->path, name) != NULL;
}

bool gw_req_id(const struct gw_req *r, const char *name, struct id *out,
               struct err *err)
{
    return id_parse(gw_req_param(r, name), out) ||
           err_set(err, ERR_INVALID, "%s: must be a UUID", name);
}

static char *keep_text(struct gw_req *r, const char *from, size_t len)
{
    struct gw_text *t = base_zalloc(sizeof(*t) + len + 1);
    memcpy(t->text, from, len);
    t->next = r->texts;
    r->texts = t;
    return t->text;
}

/* The next pair of the query with that name, decoded; NULL: no more. */
static const char *next_value(struct gw_req *r, const char **at,
                              const char *name)
{
    while (*at != NULL && **at != '\0') {
        const char *pair = *at;
        size_t len = strcspn(pair, "&");
        *at = pair[len] == '\0' ? NULL : pair + len + 1;
        char *key = keep_text(r, pair, len);
        char *value = strchr(key, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        if (!gw_route_decode(key, true) || strcmp(key, name) != 0) {
            continue;
        }
        if (value != NULL && *value != '\0' && gw_route_decode(value, true)) {
            return value;
        }
    }
    return NULL;
}

bool gw_req_check_query(struct gw_req *r, struct err *err)
{
    const char *query = info_of(r)->query_string;
    return query == NULL ||
           gw_route_decode(keep_text(r, query, strlen(query)), true) ||
           err_set(err, ERR_BAD_REQUEST,
                   "broken escape in the query, or it is not UTF-8");
}

const char *gw_req_query_first(struct gw_req *r, const char *name,
                               const char **at)
{
    *at = info_of(r)->query_string;
    return next_value(r, at, name);
}

const char *gw_req_query_next(struct gw_req *r, const char *name,
                              const char **at)
{
    return next_value(r, at, name);
}

const char *gw_req_query(struct gw_req *r, const char *name)
{
    const char *at = info_of(r)->query_string;
    return next_value(r, &at, name);
}

bool gw_req_query_bool(struct gw_req *r, const char *name, bool fallback,
                       bool *out, struct err *err)
{
    static const char *const yes[] = {"true", "1", "yes"};
    static const char *const no[] = {"false", "0", "no"};
    const char *value = gw_req_query(r, name);
    *out = fallback;
    if (value == NULL) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *out = strcasecmp(value, yes[i]) == 0;
            return true;
        }
    }
    return err_set(err, ERR_INVALID, "%s: must be true or false", name);
}

bool gw_req_query_int(struct gw_req *r, const char *name, struct gw_range range,
                      int64_t *out, struct err *err)
{
    const char *value = gw_req_query(r, name);
    *out = range.fallback;
    if (value == NULL) {
        return true;
    }
    char *end = NULL;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno != 0 || *end != '\0' || end == value || n < range.min ||
        n > range.max) {
        return err_set(err, ERR_INVALID,
                       "%s: must be a whole number from %" PRId64
                       " to %" PRId64,
                       name, range.min, range.max);
    }
    *out = n;
    return true;
}

static void add_words(leat_writer *w, const char *value)
{
    while (*value != '\0') {
        size_t len = strcspn(value, ",");
        if (len > 0) {
            leat_write_string_n(w, value, len);
        }
        value += len + (value[len] == ',');
    }
}

/* One value of the parameter: a JSON list, or words joined by commas. */
static bool add_value(leat_writer *w, const char *name, const char *value,
                      struct err *err)
{
    if (value[0] != '[') {
        add_words(w, value);
        return true;
    }
    leat_value *list = NULL;
    if (!json_parse(value, strlen(value), NULL, &list, err)) {
        return err_set(err, ERR_INVALID, "%s: is not a list", name);
    }
    bool ok = true;
    leat_iter it = leat_iter_of(leat_view_of(list));
    while (ok && leat_next(&it)) {
        ok = leat_type_of(it.item) == LEAT_STRING;
        if (ok) {
            leat_write_view(w, it.item);
        }
    }
    leat_drop(list);
    return ok ||
           err_set(err, ERR_INVALID, "%s: must be a list of strings", name);
}

bool gw_req_query_list(struct gw_req *r, const char *name, leat_value **out,
                       struct err *err)
{
    const char *at = info_of(r)->query_string;
    const char *value;
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    while ((value = next_value(r, &at, name)) != NULL) {
        if (!add_value(w, name, value, err)) {
            leat_writer_destroy(&w);
            return false;
        }
    }
    leat_write_end(w);
    *out = leat_writer_finish(&w);
    if (leat_count(leat_view_of(*out)) == 0) {
        leat_drop(*out);
        *out = NULL;
    }
    return true;
}

/* ---- the body ---------------------------------------------------------- */

static bool too_large(struct err *err, int64_t limit)
{
    return err_set(err, ERR_TOO_LARGE,
                   "the body is larger than %" PRId64 " bytes", limit);
}

static bool read_body(struct gw_req *r, struct buf *body, struct err *err)
{
    int64_t limit = conf_bytes(r->app->conf, CONF_BODY_BYTES);
    int64_t start = clock_mono_ms();
    long long announced = info_of(r)->content_length;
    if (announced > limit) {
        return too_large(err, limit);
    }
    for (;;) {
        if (announced >= 0 && (long long)body->len == announced) {
            return true;
        }
        size_t want = announced >= 0 ? (size_t)announced - body->len : 16384;
        char *to = buf_reserve(body, min_size(want, 262144));
        if (to == NULL) {
            return too_large(err, limit);
        }
        int n = mg_read(r->conn, to, min_size(want, 262144));
        if (n < 0 || (n == 0 && announced >= 0)) {
            return err_set(err, ERR_BAD_REQUEST, "the body did not arrive");
        }
        if (n == 0) {
            return true;
        }
        buf_added(body, (size_t)n);
        int64_t allowed = BODY_MS + (int64_t)body->len * 1000 / BODY_RATE;
        if (clock_mono_ms() - start > allowed) {
            return err_set(err, ERR_BAD_REQUEST, "the body came too slowly");
        }
    }
}

static bool parse_body(struct gw_req *r, const struct buf *body,
                       struct err *err)
{
    struct value_limits limits = {
        .depth_max = (unsigned)min_i64(conf_int(r->app->conf, CONF_JSON_DEPTH),
                                       LEAT_DEPTH_MAX),
    };
    bool blank = true;
    for (size_t i = 0; i < body->len && blank; i++) {
        blank = memchr(" \t\r\n", body->data[i], 4) != NULL;
    }
    if (blank && (r->route->flags & GW_MAYBE_JSON) != 0) {
        r->body = leat_new_object(0, NULL, NULL);
        return true;
    }
    if (blank) {
        return err_set(err, ERR_BAD_JSON, "the body is empty, it must be JSON");
    }
    return json_parse(body->data, body->len, &limits, &r->body, err);
}

/* The gate has said it already to those who came through it. */
static void tell_to_go_on(const struct gw_req *r)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *expect = gw_req_header(r, "expect");
    if (expect != NULL && !gw_gate_is_on() &&
        strncasecmp(expect, "100-", 4) == 0) {
        (void)mg_write(r->conn, go_on, sizeof(go_on) - 1);
    }
}

/* Closing on unread bytes would reset the connection, and the client might
 * never read why its body was refused. */
static void drain_body(struct gw_req *r)
{
    char bytes[2048];
    int64_t until = clock_mono_ms() + DRAIN_MS;
    while (clock_mono_ms() < until &&
           mg_read(r->conn, bytes, sizeof(bytes)) > 0) {
        continue;
    }
}

bool gw_req_read_json(struct gw_req *r, struct err *err)
{
    must(r != NULL && r->body == NULL);
    struct buf body;
    tell_to_go_on(r);
    buf_init(&body, (size_t)conf_bytes(r->app->conf, CONF_BODY_BYTES));
    bool ok = read_body(r, &body, err) && parse_body(r, &body, err);
    buf_fini(&body);
    return ok;
}

store_t *gw_req_store(struct gw_req *r, struct err *err)
{
    if (r->store == NULL) {
        r->store = gw_stores_take(r->app->stores, r->owner, err);
    }
    return r->store;
}

/* ---- out --------------------------------------------------------------- */

void gw_req_add_header(struct gw_req *r, const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool ok = buf_printf(&r->headers, "%s: ", name) &&
              buf_vprintf(&r->headers, fmt, ap) &&
              buf_puts(&r->headers, "\r\n");
    va_end(ap);
    must(ok);
}

static bool put_cors(const struct gw_req *r, struct buf *out)
{
    return gw_cors_answer(r->app->conf, gw_req_header(r, "origin"), out);
}

/* Does the client want, and may we keep, the connection for another request?
 * Only when it has sent exactly the request that came through the gate: what
 * else was read with it would be lost. */
static bool may_keep(const struct gw_req *r)
{
    const char *version = info_of(r)->http_version;
    const char *wish = gw_req_header(r, "connection");
    return gw_handover_works() && !atomic_load(&r->app->draining) &&
           version != NULL && strcmp(version, "1.1") == 0 &&
           (wish == NULL || strcasestr(wish, "close") == NULL) &&
           r->noted_fd >= 0 &&
           gw_handover_bytes() == gw_gate_length(r->noted_fd);
}

int gw_req_keep_s(struct gw_req *r)
{
    must(r != NULL);
    if (r->keep_s < 0) {
        int64_t ms = conf_ms(r->app->conf, CONF_KEEP_ALIVE);
        r->keep_s = ms > 0 && may_keep(r) ? max_int((int)(ms / 1000), 1) : 0;
    }
    return r->keep_s;
}

/* The headers of every answer and those added to this one. */
static const char *all_headers(const struct gw_req *r, struct buf *out)
{
    must(put_cors(r, out) && buf_append(out, r->headers.data, r->headers.len));
    return buf_text(out);
}

/* The whole answer, with the headers added so far. */
static void put_reply(struct gw_req *r, struct gw_reply *reply, struct buf *out)
{
    struct buf headers;
    buf_init(&headers, HEAD_MAX);
    reply->keep_s = gw_req_keep_s(r);
    reply->headers = all_headers(r, &headers);
    must(gw_reply_write(reply, out));
    buf_fini(&headers);
}

bool gw_req_reply(struct gw_req *r, int status, const char *type,
                  const void *body, size_t len)
{
    must(r != NULL && r->status == 0);
    struct buf out;
    buf_init(&out, REPLY_MAX);
    r->status = status;
    struct gw_reply reply = {
        .status = status,
        .type = type,
        .body = body,
        .len = len,
        .head_only = strcmp(gw_req_method(r), "HEAD") == 0,
    };
    put_reply(r, &reply, &out);
    if (mg_write(r->conn, out.data, out.len) < (int)out.len) {
        log_debug("http.gone", "status=%d", status);
    }
    buf_fini(&out);
    return true;
}

bool gw_req_json(struct gw_req *r, leat_view v)
{
    struct buf text;
    buf_init(&text, REPLY_MAX / 2);
    if (!json_write(v, &text)) {
        buf_fini(&text);
        struct err err = ERR_INIT;
        (void)err_set(&err, ERR_INTERNAL, "the answer is too large");
        gw_req_error(r, &err);
        return true;
    }
    bool done = gw_req_reply(r, 200, "application/json", text.data, text.len);
    buf_fini(&text);
    return done;
}

bool gw_req_json_take(struct gw_req *r, leat_value *v)
{
    bool done = gw_req_json(r, leat_view_of(v));
    leat_drop(v);
    return done;
}

void gw_req_error(struct gw_req *r, const struct err *err)
{
    must(r != NULL && r->status == 0 && err != NULL);
    struct buf out;
    struct buf headers;
    buf_init(&out, REPLY_MAX);
    buf_init(&headers, HEAD_MAX);
    r->status = err_status((int)err->code);
    if (r->status >= 500) {
        log_error("http.failed", "status=%d method=%s uri=%s error=%s",
                  r->status, gw_req_method(r), LOG_Q(gw_req_uri(r)),
                  LOG_Q(err->text));
    }
    must(gw_reply_error(err, all_headers(r, &headers), gw_req_keep_s(r), &out));
    (void)mg_write(r->conn, out.data, out.len);
    buf_fini(&headers);
    buf_fini(&out);
    if (err->code == ERR_TOO_LARGE) {
        drain_body(r);
    }
}

void gw_req_head(struct gw_req *r, int status, const char *type,
                 struct buf *out)
{
    must(r->status == 0);
    struct gw_reply reply = {
        .status = status, .type = type, .chunked = type != NULL};
    put_reply(r, &reply, out);
    buf_reset(&r->headers);
}

void gw_req_later(struct gw_req *r, leat_view v, struct buf *out)
{
    must(r->status == 0);
    struct buf text;
    buf_init(&text, REPLY_MAX / 2);
    must(json_write(v, &text)); /* less than twice what was read as JSON */
    struct gw_reply reply = {.status = 200,
                             .type = "application/json",
                             .body = text.data,
                             .len = text.len};
    put_reply(r, &reply, out);
    buf_reset(&r->headers);
    buf_fini(&text);
}

char *gw_req_plain_headers(const struct gw_req *r)
{
    struct buf headers;
    size_t len;
    buf_init(&headers, HEAD_MAX);
    must(put_cors(r, &headers));
    return buf_take(&headers, &len);
}
