/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crons_tick.c: a thread that wakes several times a second, reads which crons
 * are due, and submits their runs. A tick's run has an id of its own, made of
 * the cron's and the tick's time: several gateways submit the same run. A tick
 * that can make no run (its assistant is gone, its thread is busy and the
 * strategy is reject) is used up all the same. It also forgets old
 * Idempotency-Keys.
 */
#include "gateway/crons.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/stores.h"
#include "gateway/submit.h"

#define CRONS_MAGIC LEAT_MAGIC(0x9a7e0009)
#define LOOK_MS 250
#define DUE_MAX 100 /* runs that are submitted at a time */
#define EXPIRE_MS 60000
#define US_OF_MS 1000

struct gw_crons {
    uint32_t magic;
    struct gw_app *app;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool stopping;
    int64_t expire_ms; /* when keys are to be looked through */
};

/* ---- ticks ------------------------------------------------------------- */

struct round {
    struct store_crons_page due;
    struct gw_submit submits[DUE_MAX];
    struct gw_ask asks[DUE_MAX];
    struct gw_asked replies[DUE_MAX];
    struct store_tick ticks[DUE_MAX];
    size_t n;
};

/* A tick without a run: it is not to come again. Often another gateway was
 * quicker, and it was used up before. */
static void skip(store_t *store, const struct store_tick *t, const char *why)
{
    struct err err = ERR_INIT;
    if (store_crons_advance(store, t, &err)) {
        log_warn("cron.skipped", "cron=%s why=%s", ID_TEXT(&t->cron_id),
                 LOG_Q(why));
    } else if (err.code != ERR_CONFLICT && err.code != ERR_NOT_FOUND) {
        log_warn("cron.waits", "cron=%s error=%s", ID_TEXT(&t->cron_id),
                 LOG_Q(err.text));
    }
}

static bool may_come_again(enum err_code code)
{
    return code == ERR_UNAVAILABLE || code == ERR_STORE ||
           code == ERR_STORE_FULL || code == ERR_LIMIT || code == ERR_IO;
}

static void prepare(struct gw_crons *c, store_t *store, struct round *round)
{
    for (size_t i = 0; i < round->due.n; i++) {
        struct err err = ERR_INIT;
        const struct store_cron *cron = &round->due.list[i];
        struct gw_submit *s = &round->submits[round->n];
        const struct store_tick tick = {
            .cron_id = cron->cron_id,
            .due_us = cron->next_us,
            .next_us = gw_crons_next(cron, clock_wall_us())};
        if (gw_submit_prepare_tick(store, cron, &tick, s, &err)) {
            round->ticks[round->n] = tick;
            round->asks[round->n++] = (struct gw_ask){
                .type = WIRE_RUN_SUBMIT,
                .run = s->run_id,
                .thread = s->thread_id,
                .body = gw_submit_body(s),
                .wait_ms = conf_ms(c->app->conf, CONF_SUBMIT_WAIT)};
            continue;
        }
        gw_submit_fini(s);
        if (!may_come_again(err.code)) {
            skip(store, &tick, err.text);
        }
    }
}

/* The run was refused: by a tick that another gateway used up, or for good. */
static void look_at(store_t *store, const struct round *round, size_t i)
{
    const struct err *err = &round->replies[i].err;
    if (err->code == ERR_NONE) {
        log_info("cron.fired", "cron=%s run=%s",
                 ID_TEXT(&round->ticks[i].cron_id),
                 ID_TEXT(&round->asks[i].run));
    } else if (!may_come_again(err->code)) {
        skip(store, &round->ticks[i], err->text);
    }
}

static void fire(struct gw_crons *c, store_t *store, struct round *round)
{
    prepare(c, store, round);
    gw_hub_ask_all(c->app->hub, round->asks, round->n, round->replies);
    for (size_t i = 0; i < round->n; i++) {
        look_at(store, round, i);
        leat_drop((leat_value *)(uintptr_t)round->asks[i].body);
        leat_drop(round->replies[i].answer.body);
        gw_submit_fini(&round->submits[i]);
    }
}

static void tick(struct gw_crons *c, store_t *store)
{
    struct err err = ERR_INIT;
    struct store_crons_page due;
    if (!store_crons_due(store, clock_wall_us(), DUE_MAX, &due, &err)) {
        log_warn("crons.waiting", "error=%s", LOG_Q(err.text));
        return;
    }
    if (due.n > 0) {
        struct round *round = base_zalloc(sizeof(*round));
        round->due = due;
        fire(c, store, round);
        free(round);
    }
    store_crons_free(&due.list, due.n);
}

static void expire(struct gw_crons *c, store_t *store)
{
    int64_t now = clock_mono_ms();
    struct err err = ERR_INIT;
    if (now < c->expire_ms) {
        return;
    }
    c->expire_ms = now + EXPIRE_MS;
    int64_t ttl = conf_ms(c->app->conf, CONF_IDEMPOTENCY_TTL);
    if (!store_keys_expire(store, clock_wall_us() - ttl * US_OF_MS, &err)) {
        log_warn("keys.kept", "error=%s", LOG_Q(err.text));
    }
}

/* ---- the thread -------------------------------------------------------- */

/* False when it is to stop. */
static bool wait_a_moment(struct gw_crons *c)
{
    struct timespec until;
    must(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    must(pthread_mutex_lock(&c->lock) == 0);
    if (!c->stopping) {
        (void)pthread_cond_timedwait(&c->turned, &c->lock, &until);
    }
    bool goes_on = !c->stopping;
    must(pthread_mutex_unlock(&c->lock) == 0);
    return goes_on;
}

static void *crons_main(void *arg)
{
    struct gw_crons *c = arg;
    log_ctx_set("thread=crons");
    while (wait_a_moment(c)) {
        struct err err = ERR_INIT;
        if (!gw_hub_is_connected(c->app->hub)) {
            continue;
        }
        store_t *store = gw_stores_take(c->app->stores, "", &err);
        if (store == NULL) {
            continue;
        }
        tick(c, store);
        expire(c, store);
        gw_stores_give(c->app->stores, store);
    }
    return NULL;
}

gw_crons_t *gw_crons_start(struct gw_app *app)
{
    must(app->hub != NULL && app->stores != NULL);
    gw_crons_t *c = base_zalloc(sizeof(*c));
    pthread_condattr_t attr;
    c->magic = CRONS_MAGIC;
    c->app = app;
    c->expire_ms = clock_mono_ms() + EXPIRE_MS;
    must(pthread_mutex_init(&c->lock, NULL) == 0);
    must(pthread_condattr_init(&attr) == 0);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&c->turned, &attr) == 0);
    must(pthread_condattr_destroy(&attr) == 0);
    must(pthread_create(&c->thread, NULL, crons_main, c) == 0);
    return c;
}

void gw_crons_stop(gw_crons_t **p)
{
    must(p != NULL);
    gw_crons_t *c = *p;
    *p = NULL;
    if (c == NULL) {
        return;
    }
    check_magic(c, CRONS_MAGIC);
    must(pthread_mutex_lock(&c->lock) == 0);
    c->stopping = true;
    must(pthread_cond_signal(&c->turned) == 0);
    must(pthread_mutex_unlock(&c->lock) == 0);
    must(pthread_join(c->thread, NULL) == 0);
    must(pthread_cond_destroy(&c->turned) == 0);
    must(pthread_mutex_destroy(&c->lock) == 0);
    c->magic = 0;
    free(c);
}
