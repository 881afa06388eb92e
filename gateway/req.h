/* SPDX-License-Identifier: Apache-2.0 */
/*
 * req.h: one HTTP request, as its handler sees it: parameters, query, JSON
 * body in; JSON, an error, or a stream out. Lives on its HTTP thread's stack.
 */
#ifndef GATEWAY_REQ_H
#define GATEWAY_REQ_H

#include "gateway/app.h"
#include "gateway/auth.h"
#include "gateway/route.h"

struct mg_connection;

struct gw_req {
    struct gw_app *app;
    struct mg_connection *conn;
    const struct gw_route *route;
    struct gw_path path;
    struct gw_caller *caller; /* who asks; NULL before it is known */
    const char *owner;      /* the caller's; "": sees everything */
    leat_value *body;       /* of routes with GW_JSON; else NULL */
    store_t *store;         /* taken by gw_req_store() */
    int noted_fd;           /* handover.h */
    int carry_fd;           /* -1, or this thread carries bytes from here */
    int keep_s;             /* gw_req_keep_s(); -1 before that is settled */
    int status;             /* of the answer; 0: not answered yet */
    int64_t started_us;
    struct gw_text *texts;  /* decoded copies, freed with the request */
    struct buf headers;     /* more headers of the answer */
};

void gw_req_init(struct gw_req *r, struct gw_app *app,
                 struct mg_connection *conn);
void gw_req_fini(struct gw_req *r);

/* ---- in ---------------------------------------------------------------- */

const char *gw_req_method(const struct gw_req *r);
const char *gw_req_uri(const struct gw_req *r);
/* NULL when the request has no such header. */
const char *gw_req_header(const struct gw_req *r, const char *name);
/* Calls take() with every header, names as they came. */
void gw_req_headers(const struct gw_req *r,
                    void (*take)(void *arg, const char *name,
                                 const char *value),
                    void *arg);

/* The path parameter, which must be a UUID (422). */
MUST_USE bool gw_req_id(const struct gw_req *r, const char *name,
                        struct id *out, struct err *err);
/* The path parameter as text; the route has it. */
const char *gw_req_param(const struct gw_req *r, const char *name);
bool gw_req_has_param(const struct gw_req *r, const char *name);

/*
 * A query parameter, decoded; NULL when it is absent or empty (Python sends
 * None as an empty value). Freed with the request.
 */
const char *gw_req_query(struct gw_req *r, const char *name);
/* Can all of the query be read? ERR_BAD_REQUEST. */
MUST_USE bool gw_req_check_query(struct gw_req *r, struct err *err);
/* The same for one that may be repeated, value by value: `*at` is theirs. */
const char *gw_req_query_first(struct gw_req *r, const char *name,
                               const char **at);
const char *gw_req_query_next(struct gw_req *r, const char *name,
                              const char **at);
/* true/false/1/0/yes/no; 422 for anything else. */
MUST_USE bool gw_req_query_bool(struct gw_req *r, const char *name,
                                bool fallback, bool *out, struct err *err);
/* A whole number within the range; 422 otherwise. */
struct gw_range {
    int64_t min;
    int64_t max;
    int64_t fallback;
};
MUST_USE bool gw_req_query_int(struct gw_req *r, const char *name,
                               struct gw_range range, int64_t *out,
                               struct err *err);
/*
 * All values of a parameter: repeated, as a JSON list, or joined by commas. A
 * list of strings, one reference; NULL when there are none.
 */
MUST_USE bool gw_req_query_list(struct gw_req *r, const char *name,
                                leat_value **out, struct err *err);

/* Reads the body up to --body-bytes within the time limit and parses it. */
MUST_USE bool gw_req_read_json(struct gw_req *r, struct err *err);

/* A store handle for this request; NULL with err. */
store_t *gw_req_store(struct gw_req *r, struct err *err);

/* ---- out --------------------------------------------------------------- */

/* Adds a header to the answer. */
void gw_req_add_header(struct gw_req *r, const char *name, const char *fmt,
                       ...) PRINTF(3, 4);
/* 200 with the value as JSON; always true, for `return gw_req_json(...)`. */
bool gw_req_json(struct gw_req *r, leat_view v);
/* The same, dropping the reference. */
bool gw_req_json_take(struct gw_req *r, leat_value *v);
/* Any answer; `body` may be NULL. */
bool gw_req_reply(struct gw_req *r, int status, const char *type,
                  const void *body, size_t len);
/* {"detail": text}, the status of the code, Retry-After where it may help. */
void gw_req_error(struct gw_req *r, const struct err *err);

/*
 * The head of a long answer as bytes, with the headers added so far, which
 * are used up by it. A stream is chunked and closed at its end; without a
 * type there is no body.
 */
void gw_req_head(struct gw_req *r, int status, const char *type,
                 struct buf *out);
/* An answer with this JSON as bytes, to be sent by others; uses the headers
 * added so far up. */
void gw_req_later(struct gw_req *r, leat_view v, struct buf *out);
/*
 * For how many seconds the connection stays open after the answer; 0: it does
 * not. Settled by the first call, which comes when the body has been read.
 */
int gw_req_keep_s(struct gw_req *r);
/* The headers that any answer to this request has; the caller frees. */
char *gw_req_plain_headers(const struct gw_req *r) MUST_USE;

#endif
