/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.c: deletes threads whose end has come, or prunes them and gives them
 * their time anew. A thread with a run is left until it has none.
 */
#include "gateway/sweep.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mbox.h"
#include "gateway/stores.h"
#include "gateway/threads.h"

#define SWEEP_MAGIC LEAT_MAGIC(0x9a7e0021)
#define BATCH 100

struct gw_sweep {
    uint32_t magic;
    struct gw_app *app;
    mbox_t *end; /* nothing comes in it: closed to end the thread */
    pthread_t thread;
};

static bool end_one(struct gw_sweep *s, store_t *store,
                    const struct store_expired *e, struct err *err)
{
    struct store_ttl ttl;
    if (!store_threads_get_ttl(store, &e->thread_id, &ttl, err) ||
        !gw_threads_prune_one(s->app, store, &e->thread_id, e->keep_latest,
                              err)) {
        return false;
    }
    log_info("thread.expired", "thread=%s strategy=%s", ID_TEXT(&e->thread_id),
             ttl.strategy);
    return !e->keep_latest || ttl.strategy[0] == '\0' ||
           store_threads_set_ttl(store, &e->thread_id, &ttl, err);
}

/* *done: how many; those that got a run or went meanwhile do not count. */
static bool end_batch(struct gw_sweep *s, store_t *store, size_t limit,
                      size_t *done, struct err *err)
{
    struct store_expired_list l = {.list = NULL};
    bool ok = store_threads_expired(store, clock_wall_us(),
                                    min_size(limit, BATCH), &l, err);
    for (size_t i = 0; ok && i < l.n && !mbox_closed(s->end); i++) {
        ok = end_one(s, store, &l.list[i], err);
        *done += ok;
        if (!ok && (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)) {
            err_clear(err);
            ok = true;
        }
    }
    free(l.list);
    return ok;
}

static void sweep(struct gw_sweep *s)
{
    struct err err = ERR_INIT;
    size_t left = (size_t)conf_int(s->app->conf, CONF_THREAD_SWEEP_LIMIT);
    store_t *store = gw_stores_take(s->app->stores, "", &err);
    bool ok = store != NULL;
    size_t done = 1;
    while (ok && done > 0 && left > 0 && !mbox_closed(s->end)) {
        done = 0;
        ok = end_batch(s, store, left, &done, &err);
        left -= min_size(done, left);
    }
    if (!ok) {
        log_warn("sweep.waiting", "error=%s", LOG_Q(err.text));
    }
    if (store != NULL) {
        gw_stores_give(s->app->stores, store);
    }
}

static void *sweep_main(void *arg)
{
    struct gw_sweep *s = arg;
    check_magic(s, SWEEP_MAGIC);
    log_ctx_set("thread=sweep");
    int64_t pause_ms = conf_ms(s->app->conf, CONF_THREAD_SWEEP);
    while (!mbox_closed(s->end)) {
        sweep(s);
        (void)mbox_wait(s->end, pause_ms);
    }
    return NULL;
}

gw_sweep_t *gw_sweep_start(struct gw_app *app)
{
    must(app->hub != NULL && app->stores != NULL);
    gw_sweep_t *s = base_zalloc(sizeof(*s));
    s->magic = SWEEP_MAGIC;
    s->app = app;
    s->end = mbox_new(1);
    must(pthread_create(&s->thread, NULL, sweep_main, s) == 0);
    return s;
}

void gw_sweep_stop(gw_sweep_t **p)
{
    must(p != NULL);
    gw_sweep_t *s = *p;
    *p = NULL;
    if (s == NULL) {
        return;
    }
    check_magic(s, SWEEP_MAGIC);
    mbox_close(s->end);
    must(pthread_join(s->thread, NULL) == 0);
    mbox_destroy(&s->end, NULL);
    s->magic = 0;
    free(s);
}
