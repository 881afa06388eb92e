/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections shared by the client handles of a process: the last used first,
 * so that a quiet process uses few. A handle has one only while a statement or
 * a transaction of it is open, so the limit is one of work at a time, not of
 * handles.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/store/pg_conn.h"

#define LIMIT_MAX 256
#define LIMIT_DEFAULT 16
#define AGAIN_MS 50 /* between tries while the server does not answer */

struct pg_pool {
    struct pg_pool *next;
    struct sql_conf conf; /* url: owned */
    char *url;
    unsigned users;
    unsigned limit;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    unsigned out;
    unsigned idle_count;
    struct pg_conn *idle[LIMIT_MAX];
};

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pg_pool *list;

static struct pg_pool *add(const struct sql_conf *conf)
{
    struct pg_pool *p = base_zalloc(sizeof *p);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->given, &attr);
    (void)pthread_condattr_destroy(&attr);
    p->url = base_strdup(conf->url);
    p->conf = *conf;
    p->conf.url = p->url;
    unsigned asked = conf->connections == 0 ? LIMIT_DEFAULT : conf->connections;
    p->limit = asked > LIMIT_MAX ? LIMIT_MAX : asked;
    p->next = list;
    list = p;
    return p;
}

struct pg_pool *store_pg_pool_get(const struct sql_conf *conf)
{
    must(!conf->owner);
    (void)pthread_mutex_lock(&list_mutex);
    struct pg_pool *p = list;
    while (p != NULL && strcmp(p->url, conf->url) != 0) {
        p = p->next;
    }
    if (p == NULL) {
        p = add(conf);
    }
    p->users++;
    (void)pthread_mutex_unlock(&list_mutex);
    return p;
}

static void pool_free(struct pg_pool *p)
{
    must(p->out == 0);
    for (unsigned i = 0; i < p->idle_count; i++) {
        store_pg_conn_close(&p->idle[i]);
    }
    (void)pthread_cond_destroy(&p->given);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p->url);
    free(p);
}

void store_pg_pool_put(struct pg_pool **pp)
{
    struct pg_pool *p = *pp;
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&list_mutex);
    must(p->users > 0);
    bool last = --p->users == 0;
    if (last) {
        struct pg_pool **at = &list;
        while (*at != p) {
            at = &(*at)->next;
        }
        *at = p->next;
    }
    (void)pthread_mutex_unlock(&list_mutex);
    if (last) {
        pool_free(p);
    }
    *pp = NULL;
}

static struct timespec at_mono_ms(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000,
                             .tv_nsec = (ms % 1000) * 1000000};
}

/* The right to use one connection; *c is an idle one, or NULL. */
static bool take_turn(struct pg_pool *p, int64_t until_ms, struct pg_conn **c,
                      struct err *err)
{
    const struct timespec until = at_mono_ms(until_ms);
    int waited = 0;
    *c = NULL;
    (void)pthread_mutex_lock(&p->mutex);
    while (p->out >= p->limit && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&p->given, &p->mutex, &until);
    }
    bool got = p->out < p->limit;
    if (got) {
        p->out++;
        if (p->idle_count > 0) {
            *c = p->idle[--p->idle_count];
        }
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return got ||
           err_set(err, ERR_UNAVAILABLE,
                   "all %u connections to PostgreSQL are in use", p->limit);
}

static void give_turn(struct pg_pool *p, struct pg_conn *idle)
{
    (void)pthread_mutex_lock(&p->mutex);
    must(p->out > 0);
    p->out--;
    if (idle != NULL) {
        p->idle[p->idle_count++] = idle;
    }
    (void)pthread_cond_signal(&p->given);
    (void)pthread_mutex_unlock(&p->mutex);
}

/* A new one; tries again while the server is away. */
static struct pg_conn *connect_by(const struct pg_pool *p, int64_t until_ms,
                                  struct err *err)
{
    const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    struct pg_conn *c;
    while ((c = store_pg_conn_open(&p->conf, err)) == NULL &&
           err->code == ERR_UNAVAILABLE && clock_mono_ms() < until_ms) {
        (void)nanosleep(&pause, NULL);
    }
    return c;
}

struct pg_conn *store_pg_pool_take(struct pg_pool *p, struct err *err)
{
    struct pg_conn *c = NULL;
    int64_t until_ms = clock_mono_ms() + p->conf.wait_ms;
    if (!take_turn(p, until_ms, &c, err)) {
        return NULL;
    }
    if (c != NULL && !store_pg_conn_healthy(c)) {
        store_pg_conn_close(&c);
    }
    if (c == NULL) {
        c = connect_by(p, until_ms, err);
    }
    if (c == NULL) {
        give_turn(p, NULL);
    }
    return c;
}

void store_pg_pool_give(struct pg_pool *p, struct pg_conn **c)
{
    must(*c != NULL);
    if (store_pg_conn_lost(*c)) {
        store_pg_conn_close(c);
    }
    give_turn(p, *c);
    *c = NULL;
}
