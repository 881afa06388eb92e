/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c: a stack of free pairs and one thread that asks the savers for
 * theirs (pool.h). The lock of the list is held for one saver at a time, so
 * that a run that starts waits for one of them and not for a thousand.
 */
#include "worker/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"

#define WRK_POOL_MAGIC LEAT_MAGIC(0x90010001)
#define LOOK_MS 20       /* while pairs are out */
#define LOOK_IDLE_MS 1000 /* while none is */
#define IDLE_MS 20       /* not asked for so long: it rests */
#define OUT_MANY 64      /* more than this wait for one to come back... */
#define WAIT_MS 2000     /* ... so long: answers may be far away */
#define TRIM_AT 16       /* so many are closed: give their memory back */
#define SPARE_MS 5000    /* an unused pair is closed */

struct spare {
    struct wrk_pair pair;
    int64_t since_ms;
};

struct user {
    wrk_pool_rest_fn *rest;
    void *saver;
};

struct wrk_pool {
    uint32_t magic;
    pthread_t thread;
    pthread_mutex_t lock;  /* of all but the list of users */
    pthread_cond_t back;   /* a pair came back: one of those who wait */
    pthread_cond_t work;   /* the first went out, or the end: the thread */
    bool ending;
    size_t out;
    struct spare *spares;  /* the last used on top */
    size_t spare_count, spare_room;
    pthread_mutex_t list_lock; /* never taken inside `lock` */
    struct user *users;
    size_t user_count, user_room;
};

/* ---- time --------------------------------------------------------------- */

/* Waits at most so long; called with the lock. */
static void wait_ms(wrk_pool_t *p, pthread_cond_t *what, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(what, &p->lock, &until);
}

/* ---- pairs -------------------------------------------------------------- */

static void close_pair(struct wrk_pair *pair)
{
    store_destroy(&pair->store);
    free(pair->writer);
    wrk_vault_destroy(&pair->vault);
}

bool wrk_pool_take(wrk_pool_t *p, struct wrk_pair *out)
{
    check_magic(p, WRK_POOL_MAGIC);
    (void)pthread_mutex_lock(&p->lock);
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (p->spare_count == 0 && p->out >= OUT_MANY &&
           clock_mono_ms() < end_ms) {
        wait_ms(p, &p->back, WAIT_MS);
    }
    bool found = p->spare_count > 0;
    if (found) {
        *out = p->spares[--p->spare_count].pair;
    }
    if (p->out++ == 0) {
        (void)pthread_cond_signal(&p->work);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return found;
}

void wrk_pool_give(wrk_pool_t *p, const struct wrk_pair *pair)
{
    check_magic(p, WRK_POOL_MAGIC);
    must(pair->store != NULL && pair->vault != NULL);
    (void)pthread_mutex_lock(&p->lock);
    must(p->out > 0);
    p->out--;
    if (p->spare_count == p->spare_room) {
        p->spare_room = p->spare_room > 0 ? p->spare_room * 2 : 16;
        p->spares = base_realloc(p->spares,
                                 p->spare_room * sizeof *p->spares);
    }
    p->spares[p->spare_count++] = (struct spare){*pair, clock_mono_ms()};
    (void)pthread_cond_signal(&p->back);
    (void)pthread_mutex_unlock(&p->lock);
}

void wrk_pool_lose(wrk_pool_t *p)
{
    check_magic(p, WRK_POOL_MAGIC);
    (void)pthread_mutex_lock(&p->lock);
    must(p->out > 0);
    p->out--;
    (void)pthread_cond_signal(&p->back);
    (void)pthread_mutex_unlock(&p->lock);
}

/* The pair that was unused for longest, if that is too long. */
static bool take_stale(wrk_pool_t *p, struct wrk_pair *out)
{
    (void)pthread_mutex_lock(&p->lock);
    bool stale = p->spare_count > 0 &&
                 clock_mono_ms() - p->spares[0].since_ms >= SPARE_MS;
    if (stale) {
        *out = p->spares[0].pair;
        p->spare_count--;
        memmove(p->spares, p->spares + 1, p->spare_count * sizeof *p->spares);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return stale;
}

/* ---- savers ------------------------------------------------------------- */

void wrk_pool_add(wrk_pool_t *p, wrk_pool_rest_fn *rest, void *saver)
{
    check_magic(p, WRK_POOL_MAGIC);
    (void)pthread_mutex_lock(&p->list_lock);
    if (p->user_count == p->user_room) {
        p->user_room = p->user_room > 0 ? p->user_room * 2 : 16;
        p->users = base_realloc(p->users, p->user_room * sizeof *p->users);
    }
    p->users[p->user_count++] = (struct user){rest, saver};
    (void)pthread_mutex_unlock(&p->list_lock);
}

void wrk_pool_remove(wrk_pool_t *p, const void *saver)
{
    check_magic(p, WRK_POOL_MAGIC);
    (void)pthread_mutex_lock(&p->list_lock);
    size_t i = 0;
    while (i < p->user_count && p->users[i].saver != saver) {
        i++;
    }
    must(i < p->user_count);
    p->users[i] = p->users[--p->user_count];
    (void)pthread_mutex_unlock(&p->list_lock);
}

static bool look_at(wrk_pool_t *p, size_t i)
{
    (void)pthread_mutex_lock(&p->list_lock);
    bool there = i < p->user_count;
    if (there) {
        (void)p->users[i].rest(p->users[i].saver, IDLE_MS);
    }
    (void)pthread_mutex_unlock(&p->list_lock);
    return there;
}

/* ---- the thread --------------------------------------------------------- */

/* Until it is time to look again; false: the pool ends. */
static bool pause_between(wrk_pool_t *p)
{
    (void)pthread_mutex_lock(&p->lock);
    if (!p->ending && p->out == 0) {
        wait_ms(p, &p->work, LOOK_IDLE_MS);
    }
    int64_t end_ms = clock_mono_ms() + LOOK_MS;
    while (!p->ending && p->out > 0 && clock_mono_ms() < end_ms) {
        wait_ms(p, &p->work, LOOK_MS);
    }
    bool on = !p->ending;
    (void)pthread_mutex_unlock(&p->lock);
    return on;
}

static void *look(void *arg)
{
    wrk_pool_t *p = arg;
    size_t closed = 0; /* whose memory the allocator still has */
    while (pause_between(p)) {
        struct wrk_pair pair;
        size_t before = closed;
        for (size_t i = 0; look_at(p, i); i++) {
        }
        for (; take_stale(p, &pair); closed++) {
            close_pair(&pair);
        }
        if (closed >= TRIM_AT && closed == before) {
            (void)malloc_trim(0);
            closed = 0;
        }
    }
    return NULL;
}

/* ---- the pool ----------------------------------------------------------- */

wrk_pool_t *wrk_pool_new(void)
{
    wrk_pool_t *p = base_zalloc(sizeof *p);
    pthread_condattr_t attr;
    p->magic = WRK_POOL_MAGIC;
    must(pthread_mutex_init(&p->lock, NULL) == 0);
    must(pthread_mutex_init(&p->list_lock, NULL) == 0);
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&p->back, &attr) == 0);
    must(pthread_cond_init(&p->work, &attr) == 0);
    pthread_condattr_destroy(&attr);
    must(pthread_create(&p->thread, NULL, look, p) == 0);
    return p;
}

void wrk_pool_destroy(wrk_pool_t **pp)
{
    wrk_pool_t *p = *pp;
    if (p == NULL) {
        return;
    }
    check_magic(p, WRK_POOL_MAGIC);
    must(p->user_count == 0);
    (void)pthread_mutex_lock(&p->lock);
    p->ending = true;
    (void)pthread_cond_signal(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    must(pthread_join(p->thread, NULL) == 0);
    while (p->spare_count > 0) {
        close_pair(&p->spares[--p->spare_count].pair);
    }
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->back);
    pthread_mutex_destroy(&p->list_lock);
    pthread_mutex_destroy(&p->lock);
    free(p->spares);
    free(p->users);
    p->magic = 0;
    free(p);
    *pp = NULL;
}
