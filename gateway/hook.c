/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.c: libcurl's multi interface in one thread: some deliveries side by
 * side, each with a time limit that is shorter than its claim. Time-outs,
 * connections that fail and answers of 500 and more are tried again, later
 * each time; every other answer is the last word.
 */
#include "gateway/hook.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sha256.h"
#include "common/stat.h"
#include "gateway/hook_curl.h"
#include "gateway/hook_url.h"
#include "gateway/stores.h"

#define HOOK_MAGIC LEAT_MAGIC(0x9a7e000a)
#define LOOK_MS 200
#define SIDE_BY_SIDE 16
#define CONNECT_MS 5000L
#define WHOLE_MS 15000L
#define CLAIM_MS 30000
#define TRIES 5
#define AGAIN_MS 1000 /* doubled with each try */
#define US_OF_MS 1000

struct sending {
    struct gw_hook *hook; /* NULL: free */
    CURL *curl;
    struct curl_slist *headers;
    struct id run_id;
    int64_t tries; /* with this one */
    bool refused;  /* the name turned out to be this host */
    struct buf body;
};

struct gw_hook {
    uint32_t magic;
    struct gw_app *app;
    char *base;
    pthread_t thread;
    atomic_bool stopping;
    int wake;     /* eventfd: look whether to stop */
    CURLM *multi; /* NULL until there is something to send */
    bool unable;  /* it was said that there is no libcurl */
    size_t busy;
    struct sending sendings[SIDE_BY_SIDE];
};

/* ---- one delivery ------------------------------------------------------ */

static size_t drop_answer(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * n;
}

/* A name may lead to this host although it does not look like it. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
                                 struct curl_sockaddr *a)
{
    struct sending *s = arg;
    (void)purpose;
    if (!conf_bool(s->hook->app->conf, CONF_WEBHOOK_LOOPBACK) &&
        gw_hook_url_is_loopback(&a->addr)) {
        s->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool write_body(struct sending *s, const leat_value *body)
{
    char now[CLOCK_ISO_SIZE];
    leat_value *sent =
        leat_with(leat_view_of(body), "webhook_sent_at",
                  leat_new_string(clock_to_iso(clock_wall_us(), now)));
    buf_init(&s->body, (size_t)1 << 31);
    bool ok = json_write(leat_view_of(sent), &s->body);
    leat_drop(sent);
    return ok;
}

static void sign(struct sending *s)
{
    const char *secret = conf_str(s->hook->app->conf, CONF_WEBHOOK_SECRET);
    char line[SHA256_TEXT_SIZE + 64];
    char hex[SHA256_TEXT_SIZE];
    s->headers =
        curl.slist_append(s->headers, "Content-Type: application/json");
    s->headers = curl.slist_append(s->headers, "Expect:");
    if (*secret != '\0') {
        const struct sha256_key key = {secret, strlen(secret)};
        struct sha256 mac = sha256_hmac(key, s->body.data, s->body.len);
        (void)snprintf(line, sizeof(line), "X-Leat-Signature: sha256=%s",
                       sha256_print(&mac, hex));
        s->headers = curl.slist_append(s->headers, line);
    }
}

static void set_up(struct sending *s, const char *url)
{
    CURL *c = s->curl;
    (void)curl.easy_setopt(c, CURLOPT_URL, url);
    (void)curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl.easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl.easy_setopt(c, CURLOPT_USERAGENT, "leat");
    (void)curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, WHOLE_MS);
    (void)curl.easy_setopt(c, CURLOPT_POST, 1L);
    (void)curl.easy_setopt(c, CURLOPT_POSTFIELDS, s->body.data);
    (void)curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
                           (curl_off_t)s->body.len);
    (void)curl.easy_setopt(c, CURLOPT_HTTPHEADER, s->headers);
    (void)curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_answer);
    (void)curl.easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl.easy_setopt(c, CURLOPT_OPENSOCKETDATA, s);
    (void)curl.easy_setopt(c, CURLOPT_PRIVATE, s);
}

static void free_sending(struct gw_hook *h, struct sending *s)
{
    if (s->curl != NULL) {
        (void)curl.multi_remove_handle(h->multi, s->curl);
        curl.easy_cleanup(s->curl);
    }
    curl.slist_free_all(s->headers);
    buf_fini(&s->body);
    *s = (struct sending){.hook = NULL};
    h->busy--;
}

static void begin(struct gw_hook *h, const struct store_hook *row)
{
    struct sending *s = h->sendings;
    while (s->hook != NULL) {
        s++;
        must(s < h->sendings + SIDE_BY_SIDE);
    }
    *s = (struct sending){
        .hook = h, .run_id = row->run_id, .tries = row->tries + 1};
    h->busy++;
    bool ok = write_body(s, row->body);
    char *url = NULL;
    int n = row->url[0] == '/' ? asprintf(&url, "%s%s", h->base, row->url)
                               : asprintf(&url, "%s", row->url);
    must(n >= 0);
    if (ok) {
        s->curl = curl.easy_init();
        must(s->curl != NULL);
        sign(s);
        set_up(s, url);
        (void)curl.multi_add_handle(h->multi, s->curl);
    } else {
        log_error("webhook.too_large", "run=%s", ID_TEXT(&s->run_id));
        free_sending(h, s);
    }
    free(url);
}

/* ---- what came of it --------------------------------------------------- */

/* When to try again; 0: never. */
static int64_t again_us(const struct sending *s, CURLcode code, long status)
{
    bool passing = code != CURLE_OK
                       ? code != CURLE_URL_MALFORMAT &&
                             code != CURLE_UNSUPPORTED_PROTOCOL && !s->refused
                       : status >= 500;
    if (!passing || s->tries >= TRIES) {
        return 0;
    }
    int64_t pause = (int64_t)AGAIN_MS << (s->tries - 1);
    return clock_wall_us() + pause * US_OF_MS;
}

static void finish(struct gw_hook *h, store_t *store, struct sending *s,
                   CURLcode code)
{
    long status = 0;
    struct err err = ERR_INIT;
    (void)curl.easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    bool told = code == CURLE_OK && status >= 200 && status < 300;
    int64_t again = told ? 0 : again_us(s, code, status);
    if (told) {
        stat_inc(STAT_WEBHOOKS);
    } else {
        log_warn("webhook.failed", "run=%s tries=%lld status=%ld error=%s%s",
                 ID_TEXT(&s->run_id), (long long)s->tries, status,
                 LOG_Q(s->refused ? "it leads to this host"
                                  : curl.easy_strerror(code)),
                 again == 0 ? " given_up=1" : "");
        stat_add(STAT_WEBHOOKS_FAILED, again == 0);
    }
    /* If that cannot be written it is sent once more when the claim is over. */
    if (!store_hooks_tried(store, &s->run_id, again, &err)) {
        log_warn("webhook.not_noted", "run=%s error=%s", ID_TEXT(&s->run_id),
                 LOG_Q(err.text));
    }
    free_sending(h, s);
}

static void finish_all(struct gw_hook *h, store_t *store)
{
    int left = 0;
    CURLMsg *m;
    while (h->multi != NULL && (m = curl.multi_info_read(h->multi, &left)) != NULL) {
        struct sending *s = NULL;
        if (m->msg == CURLMSG_DONE) {
            CURLcode code = m->data.result;
            (void)curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
            finish(h, store, s, code);
        }
    }
}

/* ---- libcurl ------------------------------------------------------------ */

/* False: nothing can be sent, and is left for a gateway that can. */
static bool may_send(struct gw_hook *h)
{
    struct err err = ERR_INIT;
    if (h->multi == NULL && gw_hook_curl_load(&err)) {
        h->multi = curl.multi_init();
        must(h->multi != NULL);
    }
    if (h->multi == NULL && !h->unable) {
        h->unable = true;
        log_error("webhooks.unavailable", "error=%s", LOG_Q(err.text));
    }
    return h->multi != NULL;
}

/* Until something moves, it is time to look, or the end. */
static void wait_for_any(struct gw_hook *h)
{
    if (h->multi != NULL) {
        struct curl_waitfd wake = {.fd = h->wake, .events = CURL_WAIT_POLLIN};
        (void)curl.multi_poll(h->multi, &wake, 1, LOOK_MS, NULL);
    } else {
        struct pollfd wake = {.fd = h->wake, .events = POLLIN};
        (void)poll(&wake, 1, LOOK_MS);
    }
}

/* ---- the thread -------------------------------------------------------- */

static void claim(struct gw_hook *h, store_t *store)
{
    bool any = false;
    size_t n = 0;
    struct store_hook *list = NULL;
    struct err err = ERR_INIT;
    int64_t now = clock_wall_us();
    const struct store_hooks_claim c = {
        .now_us = now,
        .until_us = now + (int64_t)CLAIM_MS * US_OF_MS,
        .limit = SIDE_BY_SIDE - h->busy,
    };
    if (c.limit == 0) {
        return;
    }
    bool seen = store_hooks_any(store, now, &any, &err);
    if (seen && (!any || !may_send(h))) {
        return;
    }
    if (!seen || !store_hooks_claim(store, &c, &list, &n, &err)) {
        log_warn("webhooks.waiting", "error=%s", LOG_Q(err.text));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        begin(h, &list[i]);
    }
    store_hooks_free(&list, n);
}

static void look(struct gw_hook *h)
{
    struct err err = ERR_INIT;
    if (!gw_hub_is_connected(h->app->hub)) {
        return; /* what is done is noted when the broker is back */
    }
    store_t *store = gw_stores_take(h->app->stores, "", &err);
    if (store != NULL) {
        finish_all(h, store);
        claim(h, store);
        gw_stores_give(h->app->stores, store);
    }
}

static void *hook_main(void *arg)
{
    struct gw_hook *h = arg;
    log_ctx_set("thread=hook");
    int64_t looked_ms = 0;
    int running = 0;
    while (!atomic_load(&h->stopping)) {
        int before = running;
        if (h->multi != NULL) {
            (void)curl.multi_perform(h->multi, &running);
        }
        int64_t now = clock_mono_ms();
        if (running < before || now - looked_ms >= LOOK_MS) {
            looked_ms = now;
            look(h);
        }
        wait_for_any(h);
    }
    return NULL;
}

gw_hook_t *gw_hook_start(struct gw_app *app, const char *base)
{
    must(app->hub != NULL && app->stores != NULL && base != NULL);
    gw_hook_t *h = base_zalloc(sizeof(*h));
    h->magic = HOOK_MAGIC;
    h->app = app;
    h->base = base_strdup(base);
    h->wake = eventfd(0, EFD_CLOEXEC);
    must(h->wake >= 0);
    must(pthread_create(&h->thread, NULL, hook_main, h) == 0);
    return h;
}

void gw_hook_stop(gw_hook_t **p)
{
    must(p != NULL);
    gw_hook_t *h = *p;
    *p = NULL;
    if (h == NULL) {
        return;
    }
    check_magic(h, HOOK_MAGIC);
    atomic_store(&h->stopping, true);
    must(write(h->wake, &(uint64_t){1}, sizeof(uint64_t)) > 0);
    must(pthread_join(h->thread, NULL) == 0);
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        if (h->sendings[i].hook != NULL) {
            free_sending(h, &h->sendings[i]);
        }
    }
    if (h->multi != NULL) {
        (void)curl.multi_cleanup(h->multi);
    }
    (void)close(h->wake);
    free(h->base);
    h->magic = 0;
    free(h);
}
