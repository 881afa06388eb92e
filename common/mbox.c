/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mbox.c: a ring of pointers under one mutex, an eventfd for pollers and a
 * condition for waiters. The eventfd is touched only when the box turns from
 * empty to not empty and back, so a busy box costs no system calls.
 */
#include "common/mbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MBOX_MAGIC LEAT_MAGIC(0x6d620001)
#define MBOX_ROOM_FIRST 16

struct mbox {
    uint32_t magic;
    pthread_mutex_t lock;
    pthread_cond_t some;
    int fd;
    bool closed;
    bool rung; /* the eventfd is readable, or will be in a moment */
    size_t waiting; /* threads in mbox_wait */
    size_t limit;
    void **ring; /* room slots, count used from head on */
    size_t room;
    size_t head;
    size_t count;
};

static void lock(mbox_t *m) { must(pthread_mutex_lock(&m->lock) == 0); }
static void unlock(mbox_t *m) { must(pthread_mutex_unlock(&m->lock) == 0); }

mbox_t *mbox_new(size_t limit)
{
    must(limit > 0);
    mbox_t *m = base_zalloc(sizeof *m);
    m->magic = MBOX_MAGIC;
    m->limit = limit;
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    must(m->fd >= 0);
    must(pthread_mutex_init(&m->lock, NULL) == 0);
    pthread_condattr_t attr;
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&m->some, &attr) == 0);
    pthread_condattr_destroy(&attr);
    return m;
}

static void *pop(mbox_t *m)
{
    must(m->count > 0);
    void *message = m->ring[m->head];
    m->head = (m->head + 1) % m->room;
    m->count--;
    return message;
}

void mbox_destroy(mbox_t **m, void (*drop)(void *message))
{
    must(m != NULL);
    if (*m == NULL) {
        return;
    }
    check_magic(*m, MBOX_MAGIC);
    must((*m)->waiting == 0);
    while ((*m)->count > 0) {
        void *message = pop(*m);
        if (drop != NULL) {
            drop(message);
        }
    }
    close((*m)->fd);
    pthread_cond_destroy(&(*m)->some);
    pthread_mutex_destroy(&(*m)->lock);
    free((*m)->ring);
    (*m)->magic = 0;
    free(*m);
    *m = NULL;
}

static void grow(mbox_t *m)
{
    size_t room = m->room == 0 ? MBOX_ROOM_FIRST : m->room * 2;
    void **ring = base_zalloc(room * sizeof *ring);
    for (size_t i = 0; i < m->count; i++) {
        ring[i] = m->ring[(m->head + i) % m->room];
    }
    free(m->ring);
    m->ring = ring;
    m->room = room;
    m->head = 0;
}

static void ring_bell(mbox_t *m)
{
    uint64_t one = 1;
    ssize_t n = write(m->fd, &one, sizeof one);
    must(n == (ssize_t)sizeof one || errno == EAGAIN);
}

/* Nothing to read: who put the message is about to write. It wakes a poller
 * for nothing then, who comes back here. */
static void mute_bell(mbox_t *m)
{
    if (!m->rung) {
        return;
    }
    uint64_t n;
    ssize_t got = read(m->fd, &n, sizeof n);
    must(got == (ssize_t)sizeof n || errno == EAGAIN);
    m->rung = got < 0;
}

bool mbox_put(mbox_t *m, void *message)
{
    check_magic(m, MBOX_MAGIC);
    must(message != NULL);
    bool signal = false;
    bool ring = false;
    lock(m);
    bool fits = !m->closed && m->count < m->limit;
    if (fits) {
        if (m->count == m->room) {
            grow(m);
        }
        m->ring[(m->head + m->count) % m->room] = message;
        m->count++;
        signal = m->waiting > 0;
        ring = !signal && !m->rung;
        if (ring) {
            m->rung = true;
        }
    }
    unlock(m);
    /* Out of the lock, or who is woken would wait for it at once. */
    if (signal) {
        must(pthread_cond_signal(&m->some) == 0);
    }
    if (ring) {
        ring_bell(m);
    }
    return fits;
}

void *mbox_take(mbox_t *m)
{
    check_magic(m, MBOX_MAGIC);
    lock(m);
    void *message = m->count > 0 ? pop(m) : NULL;
    if (m->count == 0 && !m->closed) {
        mute_bell(m);
    }
    unlock(m);
    return message;
}

static struct timespec deadline(int64_t wait_ms)
{
    struct timespec t;
    must(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    t.tv_sec += (time_t)(wait_ms / 1000);
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

void *mbox_wait(mbox_t *m, int64_t wait_ms)
{
    check_magic(m, MBOX_MAGIC);
    struct timespec until = deadline(wait_ms < 0 ? 0 : wait_ms);
    int rc = 0;
    lock(m);
    m->waiting++;
    while (m->count == 0 && !m->closed && rc != ETIMEDOUT) {
        rc = wait_ms < 0 ? pthread_cond_wait(&m->some, &m->lock)
                         : pthread_cond_timedwait(&m->some, &m->lock, &until);
        must(rc == 0 || rc == ETIMEDOUT);
    }
    m->waiting--;
    void *message = m->count > 0 ? pop(m) : NULL;
    unlock(m);
    return message;
}

void mbox_close(mbox_t *m)
{
    check_magic(m, MBOX_MAGIC);
    lock(m);
    m->closed = true;
    must(pthread_cond_broadcast(&m->some) == 0);
    m->rung = true;
    ring_bell(m);
    unlock(m);
}

bool mbox_closed(mbox_t *m)
{
    check_magic(m, MBOX_MAGIC);
    lock(m);
    bool closed = m->closed;
    unlock(m);
    return closed;
}

int mbox_fd(const mbox_t *m)
{
    check_magic(m, MBOX_MAGIC);
    return m->fd;
}

size_t mbox_count(mbox_t *m)
{
    check_magic(m, MBOX_MAGIC);
    lock(m);
    size_t n = m->count;
    unlock(m);
    return n;
}
