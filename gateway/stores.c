/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stores.c: a stack of idle handles under a lock, and the transport of their
 * writes: one STORE_CALL through the hub, its caller sleeps meanwhile. A burst
 * of requests opens a handle for each; what nobody needed for a second is closed
 * again, for a handle takes 100 KB.
 */
#include "gateway/stores.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define CALL_WAIT_MS 30000
#define OPEN_WAIT_MS 5000
#define IDLE_MAX 64
#define KEEP 2       /* handles that stay, whatever happens */
#define TRIM_MS 1000 /* how long the others may be idle, about */

struct gw_stores {
    pthread_mutex_t lock;
    const conf_t *conf;
    hub_t *hub;
    store_t *idle[IDLE_MAX]; /* used last at the end */
    size_t idle_count;
    size_t idle_least; /* in this second */
    int64_t trim_ms;   /* when it is over */
    size_t out_count;
};

static bool call_vault(void *self, const char *op, const leat_value *args,
                       leat_value **result, struct err *err)
{
    struct gw_stores *s = self;
    leat_value *body = leat_pack("{s:s, s:W}", "op", op, "args", args);
    struct gw_ask ask = {
        .type = WIRE_STORE_CALL, .body = body, .wait_ms = CALL_WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    bool ok = gw_hub_ask(s->hub, &ask, &answer, err);
    leat_drop(body);
    if (!ok) {
        return false;
    }
    leat_view view = leat_get(leat_view_of(answer.body), "result");
    *result = leat_type_of(view) == LEAT_MISSING ? NULL : leat_value_of(view);
    leat_drop(answer.body);
    return true;
}

gw_stores_t *gw_stores_new(const conf_t *conf, hub_t *hub)
{
    must(conf != NULL && hub != NULL);
    gw_stores_t *s = base_zalloc(sizeof(*s));
    s->conf = conf;
    s->hub = hub;
    must(pthread_mutex_init(&s->lock, NULL) == 0);
    return s;
}

void gw_stores_destroy(gw_stores_t **p)
{
    must(p != NULL);
    gw_stores_t *s = *p;
    *p = NULL;
    if (s == NULL) {
        return;
    }
    must(s->out_count == 0);
    for (size_t i = 0; i < s->idle_count; i++) {
        store_destroy(&s->idle[i]);
    }
    must(pthread_mutex_destroy(&s->lock) == 0);
    free(s);
}

static store_t *open_handle(gw_stores_t *s, struct err *err)
{
    const char *url = conf_str(s->conf, CONF_STORE);
    const struct store_conf conf = {
        .url = url,
        .role = STORE_CLIENT,
        /* A server may be away; a file is made by the broker's first start. */
        .wait_ms = store_url_shared(url) ? conf_ms(s->conf, CONF_SUBMIT_WAIT)
                                         : OPEN_WAIT_MS,
        .connections = (unsigned)conf_int(s->conf, CONF_STORE_CONNECTIONS),
        .call = call_vault,
        .call_self = s,
        .item_ttl_ms = conf_ms(s->conf, CONF_ITEM_TTL),
        .item_ttl_fixed = !conf_bool(s->conf, CONF_ITEM_REFRESH),
    };
    store_t *store = store_open(&conf, err);
    if (store == NULL) {
        must(pthread_mutex_lock(&s->lock) == 0);
        s->out_count--;
        must(pthread_mutex_unlock(&s->lock) == 0);
    }
    return store;
}

store_t *gw_stores_take(gw_stores_t *s, const char *owner, struct err *err)
{
    must(s != NULL && owner != NULL);
    store_t *store = NULL;
    must(pthread_mutex_lock(&s->lock) == 0);
    s->out_count++;
    if (s->idle_count > 0) {
        store = s->idle[--s->idle_count];
        s->idle_least = min_size(s->idle_least, s->idle_count);
    }
    must(pthread_mutex_unlock(&s->lock) == 0);
    if (store == NULL) {
        store = open_handle(s, err);
    }
    if (store != NULL) {
        store_act_as(store, owner);
    }
    return store;
}

/* Takes out what was idle for a second, the longest unused first. */
static size_t take_unused(gw_stores_t *s, store_t *unused[IDLE_MAX])
{
    int64_t now = clock_mono_ms();
    size_t n = 0;
    if (now < s->trim_ms) {
        return 0;
    }
    if (s->idle_least > KEEP) {
        n = s->idle_least - KEEP;
        s->idle_count -= n;
        memcpy(unused, s->idle, n * sizeof(*unused));
        memmove(s->idle, s->idle + n, s->idle_count * sizeof(*unused));
    }
    s->idle_least = s->idle_count;
    s->trim_ms = now + TRIM_MS;
    return n;
}

void gw_stores_give(gw_stores_t *s, store_t *store)
{
    must(s != NULL && store != NULL);
    store_t *unused[IDLE_MAX + 1];
    must(pthread_mutex_lock(&s->lock) == 0);
    must(s->out_count > 0);
    s->out_count--;
    if (s->idle_count < IDLE_MAX) {
        s->idle[s->idle_count++] = store;
        store = NULL;
    }
    size_t n = take_unused(s, unused);
    must(pthread_mutex_unlock(&s->lock) == 0);
    if (store != NULL) {
        unused[n++] = store;
    }
    for (size_t i = 0; i < n; i++) {
        store_destroy(&unused[i]);
    }
    if (n > 0) {
        (void)malloc_trim(0); /* or the memory stays where it was */
    }
}

size_t gw_stores_count(gw_stores_t *s)
{
    must(s != NULL);
    must(pthread_mutex_lock(&s->lock) == 0);
    size_t n = s->idle_count + s->out_count;
    must(pthread_mutex_unlock(&s->lock) == 0);
    return n;
}
