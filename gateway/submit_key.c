/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_key.c: Idempotency-Key. The key is claimed in the store before the
 * run is submitted, and accepted in the transaction that inserts the run: a
 * repeat that comes in between submits the same run once more, which the
 * broker takes for what it is; one that comes later finds the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/sha256.h"
#include "gateway/render.h"
#include "gateway/submit.h"

#define KEY_MAX 255
#define KEY_TEXT_SIZE (KEY_MAX + 32)
#define US_OF_MS 1000
/* Beyond --submit-wait nobody waits for a submit any more. */
#define ABANDONED_MS 5000

/* The request's key; one of several runs has a key of its own. */
static bool read_key(struct gw_req *r, const struct gw_submit_part *part,
                     char out[KEY_TEXT_SIZE], struct err *err)
{
    const char *text = gw_req_header(r, "idempotency-key");
    out[0] = '\0';
    if (text == NULL || *text == '\0' ||
        conf_ms(r->app->conf, CONF_IDEMPOTENCY_TTL) == 0) {
        return true;
    }
    if (strlen(text) > KEY_MAX) {
        return err_set(err, ERR_INVALID,
                       "Idempotency-Key: must have at most %d bytes", KEY_MAX);
    }
    if (*part->path == '\0') {
        (void)snprintf(out, KEY_TEXT_SIZE, "%s", text);
    } else {
        (void)snprintf(out, KEY_TEXT_SIZE, "%s#%zu", text, part->index);
    }
    return true;
}

/* What is asked for: the path and the body as it was understood. */
static void digest(const struct gw_req *r, const leat_value *body,
                   char out[SHA256_TEXT_SIZE])
{
    const char *uri = gw_req_uri(r);
    leat_value *packed = value_packed(body);
    struct value_bytes bytes = value_bytes_of(packed);
    const struct sha256_key path = {uri, strlen(uri)};
    struct sha256 hash = sha256_hmac(path, bytes.ptr, bytes.len);
    (void)sha256_print(&hash, out);
    leat_drop(packed);
}

static bool claim(struct gw_req *r, const struct gw_submit *s, const char *key,
                  struct store_key_owner *out, struct err *err)
{
    char hex[SHA256_TEXT_SIZE];
    int64_t now = clock_wall_us();
    int64_t ttl = conf_ms(r->app->conf, CONF_IDEMPOTENCY_TTL);
    int64_t wait = conf_ms(r->app->conf, CONF_SUBMIT_WAIT) + ABANDONED_MS;
    digest(r, s->spec.body, hex);
    const struct store_key_claim c = {
        .key = {.owner = s->owner, .key = key},
        .run_id = s->run_id,
        .digest = hex,
        .now_us = now,
        .expired_us = now - ttl * US_OF_MS,
        .abandoned_us = now - wait * US_OF_MS,
    };
    return store_keys_claim(r->store, &c, out, err);
}

bool gw_submit_claim(struct gw_req *r, const struct gw_submit_part *part,
                     struct gw_submit *s, struct err *err)
{
    char key[KEY_TEXT_SIZE];
    struct store_key_owner of;
    if (!read_key(r, part, key, err)) {
        return false;
    }
    if (key[0] == '\0') {
        return true;
    }
    if (!claim(r, s, key, &of, err)) {
        return false;
    }
    if (!of.same) {
        return err_set(err, ERR_INVALID,
                       "Idempotency-Key: it was used for another request");
    }
    s->key = base_strdup(key);
    s->run_id = of.run_id;
    s->repeated = of.accepted;
    (void)clock_to_iso(of.created_us, s->created_at);
    if (s->stateless) {
        s->thread_id = gw_submit_thread_of(&s->run_id, r->owner);
    }
    return true;
}

leat_value *gw_submit_look_up(store_t *store, const struct gw_submit *s,
                              struct err *err)
{
    struct store_run row;
    if (!store_runs_get(store, &s->run_id, &row, err)) {
        return err->code == ERR_NOT_FOUND ? gw_submit_run(s) : NULL;
    }
    leat_value *run = gw_render_run(&row);
    store_run_fini(&row);
    return run;
}
