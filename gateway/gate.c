/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c: civetweb's accepting thread does nothing but poll() its listening
 * socket and accept(). The executable puts its own functions in place of
 * both (see handover.c for how): poll() takes new connections, looks at what
 * they sent without taking it out of the socket, and returns when one of them
 * has sent a whole request; accept() gives that one. All of it happens on
 * civetweb's one accepting thread; other callers get what libc does.
 */
#include "gateway/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* A longer head is passed on, to be refused; of a longer body so much must
 * have come: more does not surely fit into the socket. */
#define HEAD_MAX ((size_t)32 << 10)
#define LOOK_MAX ((size_t)96 << 10)
#define ENOUGH ((size_t)48 << 10)
#define STALL_MS 10000
#define WAITING_MAX 20000
#define ACCEPT_MOST 64
#define STOP_LOOK_MS 5

struct waiting {
    int fd;
    bool continued; /* was told to go on */
    int64_t until_ms;
    struct waiting *next; /* in order of their time */
    struct waiting *prev;
};

/* Only the accepting thread looks behind `listener`. */
static struct {
    atomic_int listener; /* -1: no gate */
    atomic_bool closing;
    int64_t body_bytes;
    int epoll;
    struct waiting *first;
    struct waiting *last;
    size_t count;
    int ready[ACCEPT_MOST * 2];
    size_t ready_count;
    char *look; /* LOOK_MAX bytes */
} gate = {.listener = -1, .epoll = -1};

static _Thread_local bool armed;

/* ---- what a request looks like ----------------------------------------- */

static const char *head_end(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end != NULL) {
        return end + 4;
    }
    end = memmem(bytes, len, "\n\n", 2);
    return end == NULL ? NULL : end + 2;
}

/* The value of the header in the head, NULL if it is not there. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);
    const char *at = memchr(head, '\n', (size_t)(end - head));
    while (at != NULL && ++at + n < end) {
        if (strncasecmp(at, name, n) == 0 && at[n] == ':') {
            at += n + 1;
            while (at < end && (*at == ' ' || *at == '\t')) {
                at++;
            }
            return at;
        }
        at = memchr(at, '\n', (size_t)(end - at));
    }
    return NULL;
}

/* Digits; what is larger than any body counts as the largest number. */
static int64_t number(const char *at, const char *end)
{
    int64_t n = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (n > INT64_MAX / 10 - 10) {
            return INT64_MAX;
        }
        n = n * 10 + (*at - '0');
    }
    return n;
}

static bool chunks_ended(const char *bytes, size_t len)
{
    return len >= 5 && memcmp(bytes + len - 5, "0\r\n\r\n", 5) == 0;
}

bool gw_gate_is_whole(const char *bytes, size_t len, int64_t body_bytes,
                      struct gw_gate_look *look)
{
    must(bytes != NULL && look != NULL);
    *look = (struct gw_gate_look){.want = 0};
    const char *body = head_end(bytes, len);
    if (body == NULL) {
        return len > HEAD_MAX;
    }
    const char *length = header(bytes, body, "content-length");
    const char *coding = header(bytes, body, "transfer-encoding");
    const char *expect = header(bytes, body, "expect");
    look->expects = expect != NULL && strncasecmp(expect, "100-", 4) == 0;
    size_t head = (size_t)(body - bytes);
    if (coding != NULL) {
        return len - head >= ENOUGH || chunks_ended(body, len - head);
    }
    int64_t announced = length == NULL ? 0 : number(length, body);
    if (announced > body_bytes) {
        look->expects = false; /* it need not send it */
        return true;
    }
    look->want = head + (size_t)announced;
    return len >= look->want || len - head >= ENOUGH;
}

/* ---- those who wait ---------------------------------------------------- */

static void unlink_waiting(struct waiting *w)
{
    *(w->prev != NULL ? &w->prev->next : &gate.first) = w->next;
    *(w->next != NULL ? &w->next->prev : &gate.last) = w->prev;
    gate.count--;
}

static void drop(struct waiting *w)
{
    unlink_waiting(w);
    (void)close(w->fd);
    free(w);
}

static void let_in(struct waiting *w)
{
    (void)epoll_ctl(gate.epoll, EPOLL_CTL_DEL, w->fd, NULL);
    unlink_waiting(w);
    gate.ready[gate.ready_count++] = w->fd;
    free(w);
}

/* Looks at what has come. False: the client is gone. */
static bool look_at(int fd, bool *continued, bool *whole)
{
    ssize_t n =
        recvfrom(fd, gate.look, LOOK_MAX, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    *whole = false;
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    struct gw_gate_look look;
    *whole = gw_gate_is_whole(gate.look, (size_t)n, gate.body_bytes, &look);
    if (look.expects && !*continued) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        *continued = true;
        return send(fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) > 0;
    }
    return n > 0;
}

static void wait_for(int fd, bool continued)
{
    struct waiting *w = base_zalloc(sizeof(*w));
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                            .data.ptr = w};
    w->fd = fd;
    w->continued = continued;
    w->until_ms = clock_mono_ms() + STALL_MS;
    w->prev = gate.last;
    *(gate.last != NULL ? &gate.last->next : &gate.first) = w;
    gate.last = w;
    gate.count++;
    if (epoll_ctl(gate.epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        drop(w);
    } else if (gate.count > WAITING_MAX) {
        drop(gate.first);
    }
}

static void take_new(void)
{
    static const struct timespec no_room = {.tv_nsec = 10 * 1000000L};
    int listener = atomic_load(&gate.listener);
    for (int i = 0; i < ACCEPT_MOST; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                (void)ppoll(NULL, 0, &no_room, NULL); /* until some close */
            }
            return;
        }
        bool continued = false;
        bool whole = false;
        if (!look_at(fd, &continued, &whole)) {
            (void)close(fd);
        } else if (whole) {
            gate.ready[gate.ready_count++] = fd;
        } else {
            wait_for(fd, continued);
        }
        if (gate.ready_count >= ACCEPT_MOST) {
            return;
        }
    }
}

static void look_again(struct waiting *w)
{
    bool whole = false;
    if (!look_at(w->fd, &w->continued, &whole)) {
        drop(w);
    } else if (whole) {
        let_in(w);
    }
}

static void drop_stalled(int64_t now_ms)
{
    while (gate.first != NULL && gate.first->until_ms <= now_ms) {
        log_debug("http.stalled", "waiting=%zu", gate.count);
        drop(gate.first);
    }
}

/* How long to sleep: until the first of the waiting is out of time. */
static int sleep_ms(int64_t now_ms, int timeout_ms)
{
    int64_t ms = timeout_ms < 0 ? INT32_MAX : timeout_ms;
    if (gate.first != NULL) {
        ms = min_i64(ms, gate.first->until_ms - now_ms);
    }
    return (int)max_i64(ms, 0);
}

/* One turn of the gate; true when somebody may come in. */
static bool turn(int timeout_ms)
{
    struct epoll_event events[ACCEPT_MOST];
    if (gate.ready_count > 0) {
        return true;
    }
    int64_t now_ms = clock_mono_ms();
    int n = epoll_wait(gate.epoll, events, ACCEPT_MOST,
                       sleep_ms(now_ms, timeout_ms));
    bool new_ones = false;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            new_ones = true;
        } else {
            look_again(events[i].data.ptr);
        }
    }
    if (new_ones) {
        take_new();
    }
    drop_stalled(clock_mono_ms());
    return gate.ready_count > 0;
}

/* ---- in place of libc's ------------------------------------------------ */

/* gcc takes the array for written only, because libc says so of poll() */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

int poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec ts = {.tv_sec = timeout_ms / 1000,
                          .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    int listener = atomic_load_explicit(&gate.listener, memory_order_relaxed);
    if (listener < 0 || n != 1 || fds[0].fd != listener) {
        return ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, NULL);
    }
    fds[0].revents = 0;
    if (atomic_load(&gate.closing)) {
        ts = (struct timespec){.tv_nsec = STOP_LOOK_MS * 1000000L};
        return ppoll(NULL, 0, &ts, NULL);
    }
    /* short sleeps: closing is seen soon, and civetweb looks for its stop */
    if (!turn(min_int(timeout_ms < 0 ? 100 : timeout_ms, 100))) {
        return 0;
    }
    fds[0].revents = POLLIN;
    return 1;
}

int accept(int fd, struct sockaddr *addr, socklen_t *len);
int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    if (fd < 0 || fd != atomic_load(&gate.listener)) {
        return accept4(fd, addr, len, 0);
    }
    while (gate.ready_count > 0) {
        int own = gate.ready[0];
        gate.ready_count--;
        memmove(gate.ready, gate.ready + 1, gate.ready_count * sizeof(int));
        if (addr == NULL || getpeername(own, addr, len) == 0) {
            return own;
        }
        (void)close(own); /* it has left meanwhile */
    }
    errno = EAGAIN;
    return -1;
}

int listen(int fd, int backlog);
int listen(int fd, int backlog)
{
    int done = (int)syscall(SYS_listen, fd, backlog);
    if (done == 0 && armed) {
        struct epoll_event e = {.events = EPOLLIN};
        armed = false;
        gate.epoll = epoll_create1(EPOLL_CLOEXEC);
        if (gate.epoll >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
            epoll_ctl(gate.epoll, EPOLL_CTL_ADD, fd, &e) == 0) {
            atomic_store(&gate.listener, fd);
        }
    }
    return done;
}

/* ---- from the server --------------------------------------------------- */

void gw_gate_arm(int64_t body_bytes)
{
    must(atomic_load(&gate.listener) < 0);
    if (gate.look == NULL) {
        gate.look = base_zalloc(LOOK_MAX);
    }
    gate.body_bytes = body_bytes;
    atomic_store(&gate.closing, false);
    armed = true;
}

bool gw_gate_is_on(void)
{
    return atomic_load(&gate.listener) >= 0;
}

void gw_gate_close(void)
{
    atomic_store(&gate.closing, true);
}

void gw_gate_reset(void)
{
    armed = false;
    atomic_store(&gate.listener, -1);
    while (gate.first != NULL) {
        drop(gate.first);
    }
    while (gate.ready_count > 0) {
        (void)close(gate.ready[--gate.ready_count]);
    }
    if (gate.epoll >= 0) {
        (void)close(gate.epoll);
        gate.epoll = -1;
    }
    free(gate.look);
    gate.look = NULL;
}
