/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many requests at once from one thread: an epoll loop over small connection
 * structs. A test gives a plan (what to ask, what to do with an answer), the
 * loop opens, sends, reads, times and checks. A connection asks again as soon
 * as its answer is complete, over the same socket if the server keeps it.
 */
#ifndef LEAT_BENCH_DRIVE_H
#define LEAT_BENCH_DRIVE_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/check.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/sse.h"
#include "tests/bench/measure.h"

#define DRIVE_READ_BYTES (256u << 10)
#define DRIVE_WAIT_MS 20
#define DRIVE_EVENTS 256
#define DRIVE_BODY_BYTES 256

enum conn_state {
    CONN_IDLE,    /* nothing under way; fd may be open for the next request */
    CONN_OPENING, /* connecting; the request waits in `out` */
    CONN_READING  /* the request is out */
};

struct conn {
    int fd; /* -1: none */
    enum conn_state state;
    uint32_t index;
    bool kept;  /* the socket has served an answer before */
    bool fresh; /* not a byte of the answer has come */
    char *out;  /* a request that the socket did not take yet */
    uint32_t out_len;
    uint32_t body_len;
    struct http http;
    struct sse sse;
    struct check check;
    uint64_t started_ns;         /* before connecting, if that was needed */
    uint64_t first_ns;           /* first event */
    uint64_t data_ns;            /* first event after metadata */
    uint64_t last_ns;            /* last event after metadata */
    char body[DRIVE_BODY_BYTES]; /* start of an answer that is no stream */
};

struct drive;

/* What a test does at the turning points of a connection. */
struct plan {
    /* Writes the next request and begins its check. False: no more. */
    bool (*ask)(struct drive *drive, struct conn *conn, struct text *out);
    /* A complete answer with status 200; may be NULL. */
    void (*on_answer)(struct drive *drive, struct conn *conn);
    void (*on_head)(struct drive *drive, struct conn *conn); /* or NULL */
    bool json; /* answers are one JSON document, not a stream */
};

struct drive {
    struct peer *peer;
    const struct plan *plan;
    void *test; /* the plan's own state */
    int epoll;
    struct conn *conns;
    uint32_t conns_len;
    uint32_t busy; /* conns that wait for something */
    struct tally tally;
    uint64_t connects;
    uint64_t now_ns;      /* when the bytes at hand were read */
    uint64_t progress_ns; /* when an event or the end of an answer came */
    bool complained;      /* a bad answer has been shown */
    char *bytes;          /* shared by all reads */
};

static void drive_open(struct drive *drive, struct conn *conn,
                       const struct text *out);
static void drive_begin(struct drive *drive, struct conn *conn);

static void drive_close(struct conn *conn)
{
    free(conn->out);
    conn->out = NULL;
    conn->kept = false;
    if (conn->fd >= 0) {
        close(conn->fd);
        conn->fd = -1;
    }
}

static void drive_idle(struct drive *drive, struct conn *conn)
{
    assert(conn->state != CONN_IDLE);
    assert(drive->busy > 0);
    conn->state = CONN_IDLE;
    drive->busy--;
}

/* Shows the first bad answer: a wrong request is found at once that way. */
static void drive_complain(struct drive *drive, const struct conn *conn,
                           const char *what)
{
    if (!drive->complained) {
        drive->complained = true;
        fprintf(stderr, "load: %s, status %d, body: %.*s\n", what,
                conn->http.status, (int)conn->body_len, conn->body);
    }
}

/* ---- out ---- */

static void drive_watch(struct drive *drive, struct conn *conn, int op,
                        uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int rc = epoll_ctl(drive->epoll, op, conn->fd, &event);
    assert(rc == 0);
    (void)rc;
}

static void drive_fail_connect(struct drive *drive, struct conn *conn)
{
    drive->tally.connect_failed++;
    drive_close(conn);
    drive_idle(drive, conn);
}

/*
 * Sends a request. The kernel takes one of this size whole or, while the
 * connection is still being made, not at all: then it is kept for later.
 * False when the connection is of no use.
 */
static bool drive_send(struct conn *conn, const char *bytes, size_t len)
{
    ssize_t sent = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    if (sent == (ssize_t)len) {
        conn->state = CONN_READING;
        return true;
    }
    if (sent >= 0 || (errno != EAGAIN && errno != ENOTCONN)) {
        return false;
    }
    if (conn->out == NULL) {
        conn->out = malloc(len);
        conn->out_len = (uint32_t)len;
        if (conn->out == NULL) {
            return false;
        }
        memcpy(conn->out, bytes, len);
    }
    return true;
}

static void drive_open(struct drive *drive, struct conn *conn,
                       const struct text *out)
{
    drive->connects++;
    conn->fd = peer_connect(drive->peer, false);
    /* On loopback the connection stands at once, most of the time. */
    if (conn->fd < 0 || !drive_send(conn, out->bytes, out->len)) {
        drive_fail_connect(drive, conn);
        return;
    }
    bool sent = conn->state == CONN_READING;
    drive_watch(drive, conn, EPOLL_CTL_ADD, sent ? EPOLLIN : EPOLLOUT);
}

/* Starts the next request of a connection that has none, if there is one. */
static void drive_begin(struct drive *drive, struct conn *conn)
{
    struct text out;
    assert(conn->state == CONN_IDLE);
    if (!drive->plan->ask(drive, conn, &out)) {
        drive_close(conn);
        return;
    }
    conn->state = CONN_OPENING;
    drive->busy++;
    http_reset(&conn->http);
    sse_reset(&conn->sse);
    conn->fresh = true;
    conn->body_len = 0;
    conn->first_ns = conn->data_ns = conn->last_ns = 0;
    conn->started_ns = measure_now_ns();
    if (conn->fd >= 0 && drive_send(conn, out.bytes, out.len) &&
        conn->state == CONN_READING) {
        return;
    }
    drive_close(conn);
    drive_open(drive, conn, &out);
}

/* ---- in ---- */

struct drive_at {
    struct drive *drive;
    struct conn *conn;
};

/* sse_sink */
static void drive_on_event(void *arg, const struct sse_event *event)
{
    struct drive_at *at = arg;
    struct conn *conn = at->conn;
    uint64_t now = at->drive->now_ns;
    at->drive->progress_ns = now;
    if (conn->first_ns == 0) {
        conn->first_ns = now;
    }
    if (check_event(&conn->check, event, &at->drive->tally)) {
        conn->data_ns = conn->data_ns == 0 ? now : conn->data_ns;
        conn->last_ns = now;
    }
}

/* http_sink */
static void drive_on_body(void *arg, const char *bytes, size_t len)
{
    struct drive_at *at = arg;
    struct conn *conn = at->conn;
    if (conn->http.status == 200 && !at->drive->plan->json) {
        if (!sse_feed(&conn->sse, bytes, len, drive_on_event, at)) {
            at->drive->tally.malformed++;
        }
        return;
    }
    size_t room = DRIVE_BODY_BYTES - 1 - conn->body_len;
    size_t part = len < room ? len : room;
    memcpy(conn->body + conn->body_len, bytes, part);
    conn->body_len += (uint32_t)part;
    conn->body[conn->body_len] = '\0';
}

/* Counts what kind of answer it was. True if it was complete and good. */
static bool drive_judge(struct drive *drive, struct conn *conn)
{
    struct tally *tally = &drive->tally;
    if (conn->http.state == HTTP_BROKEN) {
        tally->malformed++;
        drive_complain(drive, conn, "not HTTP");
        return false;
    }
    if (conn->http.state != HTTP_DONE) {
        tally->truncated++;
        drive_complain(drive, conn, "answer cut short");
        return false;
    }
    if (conn->http.status != 200) {
        tally->bad_status++;
        drive_complain(drive, conn, "bad answer");
        return false;
    }
    tally->answers++;
    if (!drive->plan->json) {
        check_end(&conn->check, &conn->sse, tally);
    }
    return true;
}

/* The answer ended, one way or another: judge it, then ask again. */
static void drive_finish(struct drive *drive, struct conn *conn)
{
    bool good = drive_judge(drive, conn);
    bool keep = good && !conn->http.closing;
    drive->progress_ns = drive->now_ns;
    if (!keep) {
        drive_close(conn);
    }
    conn->kept = keep;
    drive_idle(drive, conn);
    if (good && drive->plan->on_answer != NULL) {
        drive->plan->on_answer(drive, conn);
    }
    if (conn->state == CONN_IDLE) {
        drive_begin(drive, conn);
    }
}

static void drive_on_bytes(struct drive *drive, struct conn *conn, size_t len)
{
    struct drive_at at = {drive, conn};
    bool had_head = conn->http.head_seen;
    conn->fresh = false;
    size_t used = http_feed(&conn->http, drive->bytes, len, drive_on_body, &at);
    if (used < len) {
        conn->http.state = HTTP_BROKEN; /* bytes after the answer's end */
    }
    if (!had_head && conn->http.head_seen && drive->plan->on_head != NULL) {
        drive->plan->on_head(drive, conn);
    }
    if (http_ended(&conn->http)) {
        drive_finish(drive, conn);
    }
}

/* The other side closed in order, or the connection broke. */
static void drive_on_close(struct drive *drive, struct conn *conn, bool order)
{
    if (conn->kept && conn->fresh) {
        /* It gave up a connection that had been idle just when the request
         * went out: ask again on a new one, as any HTTP client does. */
        drive_close(conn);
        drive_idle(drive, conn);
        drive_begin(drive, conn);
        return;
    }
    if (order) {
        (void)http_on_eof(&conn->http);
    }
    drive_finish(drive, conn);
}

static void drive_on_readable(struct drive *drive, struct conn *conn)
{
    ssize_t len = recv(conn->fd, drive->bytes, DRIVE_READ_BYTES, 0);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    drive->now_ns = measure_now_ns();
    if (len > 0) {
        drive_on_bytes(drive, conn, (size_t)len);
    } else {
        drive_on_close(drive, conn, len == 0);
    }
}

/* The connection stands, or failed to: the request that waits can go out. */
static void drive_on_opened(struct drive *drive, struct conn *conn,
                            uint32_t events)
{
    assert(conn->out != NULL);
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 ||
        !drive_send(conn, conn->out, conn->out_len)) {
        drive_fail_connect(drive, conn);
    } else if (conn->state == CONN_READING) {
        free(conn->out);
        conn->out = NULL;
        drive_watch(drive, conn, EPOLL_CTL_MOD, EPOLLIN);
    }
}

/* One turn of the loop. */
static void drive_turn(struct drive *drive, int wait_ms)
{
    struct epoll_event events[DRIVE_EVENTS];
    int len = epoll_wait(drive->epoll, events, DRIVE_EVENTS, wait_ms);
    for (int i = 0; i < len; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->state == CONN_READING) {
            drive_on_readable(drive, conn);
        } else if (conn->state == CONN_OPENING) {
            drive_on_opened(drive, conn, events[i].events);
        } else {
            drive_close(conn); /* a kept one that the server gave up */
        }
    }
}

/* Starts every connection that is idle. */
static void drive_start(struct drive *drive)
{
    for (uint32_t i = 0; i < drive->conns_len; i++) {
        if (drive->conns[i].state == CONN_IDLE) {
            drive_begin(drive, &drive->conns[i]);
        }
    }
}

static void drive_until(struct drive *drive, uint64_t end_ns)
{
    while (drive->busy > 0 && measure_now_ns() < end_ns) {
        drive_turn(drive, DRIVE_WAIT_MS);
    }
}

/*
 * Turns until nothing is under way. Gives up, counting what is left, when
 * neither an event nor an end of an answer came for `patience_s`.
 */
static void drive_drain(struct drive *drive, unsigned patience_s)
{
    const uint64_t patience_ns = (uint64_t)patience_s * NS_PER_S;
    drive->progress_ns = measure_now_ns();
    while (drive->busy > 0) {
        drive_turn(drive, DRIVE_WAIT_MS);
        if (measure_now_ns() > drive->progress_ns + patience_ns) {
            drive->tally.unfinished += drive->busy;
            return;
        }
    }
}

/* ---- life ---- */

static bool drive_init(struct drive *drive, const struct plan *plan,
                       uint32_t conns)
{
    assert(plan->ask != NULL && drive->peer != NULL);
    drive->plan = plan;
    drive->epoll = epoll_create1(EPOLL_CLOEXEC);
    drive->conns = calloc(conns, sizeof(*drive->conns));
    drive->bytes = malloc(DRIVE_READ_BYTES);
    if (drive->epoll < 0 || drive->conns == NULL || drive->bytes == NULL) {
        return false;
    }
    drive->conns_len = conns;
    for (uint32_t i = 0; i < conns; i++) {
        drive->conns[i].fd = -1;
        drive->conns[i].index = i;
    }
    return true;
}

/* Gives up what is under way; the tally stays. */
static void drive_fini(struct drive *drive)
{
    for (uint32_t i = 0; i < drive->conns_len; i++) {
        drive_close(&drive->conns[i]);
        drive->conns[i].state = CONN_IDLE;
        sse_fini(&drive->conns[i].sse);
        check_fini(&drive->conns[i].check);
    }
    free(drive->conns);
    free(drive->bytes);
    close(drive->epoll);
    drive->conns = NULL;
    drive->bytes = NULL;
    drive->conns_len = 0;
    drive->busy = 0;
    drive->epoll = -1;
}

#endif
