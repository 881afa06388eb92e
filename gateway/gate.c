/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c: civetweb's accepting thread does nothing but poll() its listening
 * socket and accept(). The executable puts its own functions in place of
 * both (see handover.c for how): poll() takes new connections, looks at what
 * they sent without taking it out of the socket, and returns when one of them
 * has sent a whole request; accept() gives that one. All of it happens on
 * civetweb's one accepting thread; other callers get what libc does.
 *
 * A connection whose answer is complete comes back and waits here for its next
 * request, without a thread. That is the one thing other threads do here: they
 * put it in `returned`, which the accepting thread empties in every turn.
 */
#include "gateway/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define LOOK_MAX ((size_t)96 << 10)
#define STALL_MS 10000
#define WAITING_MAX 20000
#define ACCEPT_MOST 64
#define STOP_LOOK_MS 5
/* Of connections with a higher descriptor nobody knows how long a request is;
 * they are not kept. */
#define FDS_MAX 65536

struct waiting {
    int fd;
    bool continued; /* was told to go on */
    int64_t until_ms;
    struct waiters *in;
    struct waiting *next;
    struct waiting *prev;
};

/* In order of their time, which is the same for all of a list. */
struct waiters {
    struct waiting *first;
    struct waiting *last;
    size_t count;
};

/* Only the accepting thread looks behind `returned`. */
static struct {
    atomic_int listener; /* -1: no gate */
    atomic_bool closing;
    atomic_uint lengths[FDS_MAX]; /* of the request let in by descriptor */
    pthread_mutex_t lock;         /* of `returned`, and of `epoll`'s life */
    int epoll;
    struct waiters returned;
    int64_t body_bytes;
    struct waiters stalled; /* part of a request has come */
    struct waiters idle;    /* nothing has, since the last answer */
    int ready[ACCEPT_MOST * 2];
    size_t ready_count;
    char *look; /* LOOK_MAX bytes */
} gate = {.listener = -1, .epoll = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool armed;

/* ---- those who wait ---------------------------------------------------- */

static void take_out(struct waiting *w)
{
    struct waiters *in = w->in;
    *(w->prev != NULL ? &w->prev->next : &in->first) = w->next;
    *(w->next != NULL ? &w->next->prev : &in->last) = w->prev;
    in->count--;
    w->in = NULL;
}

static void put_last(struct waiters *in, struct waiting *w)
{
    must(w->in == NULL);
    w->in = in;
    w->next = NULL;
    w->prev = in->last;
    *(in->last != NULL ? &in->last->next : &in->first) = w;
    in->last = w;
    in->count++;
}

static void drop(struct waiting *w)
{
    take_out(w);
    (void)close(w->fd);
    free(w);
}

/* Somebody must go: first those of whom nothing is known to be wanted. */
static void drop_one(void)
{
    struct waiting *w =
        gate.idle.first != NULL ? gate.idle.first : gate.stalled.first;
    if (w != NULL) {
        drop(w);
    }
}

static void make_ready(int fd, size_t length)
{
    must(gate.ready_count < COUNT_OF(gate.ready));
    if (fd < FDS_MAX) {
        atomic_store_explicit(&gate.lengths[fd], (unsigned)length,
                              memory_order_relaxed);
    }
    gate.ready[gate.ready_count++] = fd;
}

static void let_in(struct waiting *w, size_t length)
{
    (void)epoll_ctl(gate.epoll, EPOLL_CTL_DEL, w->fd, NULL);
    take_out(w);
    make_ready(w->fd, length);
    free(w);
}

enum looks { LOOKS_GONE, LOOKS_EMPTY, LOOKS_PART, LOOKS_WHOLE };

/* Looks at what has come; `length`: of the whole request, 0 when there is more
 * than one or nobody can know. */
static enum looks look_at(int fd, bool *continued, size_t *length)
{
    ssize_t n =
        recvfrom(fd, gate.look, LOOK_MAX, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? LOOKS_EMPTY : LOOKS_GONE;
    }
    struct gw_gate_look look;
    bool whole = gw_gate_is_whole(gate.look, (size_t)n, gate.body_bytes, &look);
    *length = look.want >= (size_t)n ? look.want : 0;
    if (look.expects && !*continued) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        *continued = true;
        if (send(fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) <= 0) {
            return LOOKS_GONE;
        }
    }
    return n == 0 ? LOOKS_GONE : whole ? LOOKS_WHOLE : LOOKS_PART;
}

static bool watch(struct waiting *w)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                            .data.ptr = w};
    return epoll_ctl(gate.epoll, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

static void wait_for(int fd, bool continued)
{
    struct waiting *w = base_zalloc(sizeof(*w));
    w->fd = fd;
    w->continued = continued;
    w->until_ms = clock_mono_ms() + STALL_MS;
    put_last(&gate.stalled, w);
    if (!watch(w)) {
        drop(w);
    } else if (gate.stalled.count + gate.idle.count > WAITING_MAX) {
        drop_one();
    }
}

/* No descriptor is left: an idle connection gives its own, or time may help. */
static bool make_room(void)
{
    static const struct timespec no_room = {.tv_nsec = 10 * 1000000L};
    if (errno != EMFILE && errno != ENFILE) {
        return false;
    }
    if (gate.idle.first != NULL) {
        drop_one();
        return true;
    }
    (void)ppoll(NULL, 0, &no_room, NULL);
    return false;
}

static void take_new(void)
{
    int listener = atomic_load(&gate.listener);
    for (int i = 0; i < ACCEPT_MOST && gate.ready_count < ACCEPT_MOST; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (make_room()) {
                continue;
            }
            return;
        }
        bool continued = false;
        size_t length = 0;
        switch (look_at(fd, &continued, &length)) {
        case LOOKS_GONE:
            (void)close(fd);
            break;
        case LOOKS_WHOLE:
            make_ready(fd, length);
            break;
        case LOOKS_EMPTY:
        case LOOKS_PART:
            wait_for(fd, continued);
            break;
        }
    }
}

static void look_again(struct waiting *w)
{
    size_t length = 0;
    switch (look_at(w->fd, &w->continued, &length)) {
    case LOOKS_GONE:
        drop(w);
        break;
    case LOOKS_WHOLE:
        let_in(w, length);
        break;
    case LOOKS_EMPTY:
        break;
    case LOOKS_PART:
        if (w->in == &gate.idle) {
            take_out(w);
            w->until_ms = clock_mono_ms() + STALL_MS;
            put_last(&gate.stalled, w);
        }
        break;
    }
}

/* Before any event of theirs is looked at: they were put there before they
 * were watched. */
static void take_returned(void)
{
    must(pthread_mutex_lock(&gate.lock) == 0);
    while (gate.returned.first != NULL) {
        struct waiting *w = gate.returned.first;
        take_out(w);
        put_last(&gate.idle, w);
    }
    must(pthread_mutex_unlock(&gate.lock) == 0);
    while (gate.stalled.count + gate.idle.count > WAITING_MAX) {
        drop_one();
    }
}

static void drop_late(struct waiters *in, int64_t now_ms)
{
    while (in->first != NULL && in->first->until_ms <= now_ms) {
        log_debug("http.late", "waiting=%zu", in->count);
        drop(in->first);
    }
}

/* How long to sleep: until the first of the waiting is out of time. */
static int sleep_ms(int64_t now_ms, int timeout_ms)
{
    int64_t ms = timeout_ms < 0 ? INT32_MAX : timeout_ms;
    if (gate.stalled.first != NULL) {
        ms = min_i64(ms, gate.stalled.first->until_ms - now_ms);
    }
    if (gate.idle.first != NULL) {
        ms = min_i64(ms, gate.idle.first->until_ms - now_ms);
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
    take_returned();
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
    now_ms = clock_mono_ms();
    drop_late(&gate.stalled, now_ms);
    drop_late(&gate.idle, now_ms);
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
        gate.epoll = epoll_create1(EPOLL_CLOEXEC); /* nobody returns yet */
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

size_t gw_gate_length(int fd)
{
    return fd >= 0 && fd < FDS_MAX && gw_gate_is_on()
               ? atomic_load_explicit(&gate.lengths[fd], memory_order_relaxed)
               : 0;
}

void gw_gate_return(int fd, int64_t idle_ms)
{
    must(fd >= 0 && idle_ms > 0);
    struct waiting *w = NULL;
    must(pthread_mutex_lock(&gate.lock) == 0);
    if (gate.epoll >= 0 && !atomic_load(&gate.closing)) {
        w = base_zalloc(sizeof(*w));
        w->fd = fd;
        w->until_ms = clock_mono_ms() + idle_ms;
        put_last(&gate.returned, w);
        if (!watch(w)) {
            drop(w);
        }
    } else {
        (void)close(fd);
    }
    must(pthread_mutex_unlock(&gate.lock) == 0);
}

void gw_gate_close(void)
{
    atomic_store(&gate.closing, true);
}

void gw_gate_reset(void)
{
    armed = false;
    atomic_store(&gate.listener, -1);
    while (gate.stalled.first != NULL || gate.idle.first != NULL) {
        drop_one();
    }
    while (gate.ready_count > 0) {
        (void)close(gate.ready[--gate.ready_count]);
    }
    must(pthread_mutex_lock(&gate.lock) == 0);
    while (gate.returned.first != NULL) {
        drop(gate.returned.first);
    }
    if (gate.epoll >= 0) {
        (void)close(gate.epoll);
        gate.epoll = -1;
    }
    must(pthread_mutex_unlock(&gate.lock) == 0);
    free(gate.look);
    gate.look = NULL;
}
