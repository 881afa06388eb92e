/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The idempotency table: which run a key stands for. A key is claimed before
 * its run is submitted and accepted with the row of the run, in the same
 * transaction; a claim of which nothing came may be taken over.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#define CLAIM_TRIES 4

static const char *owner_of(const struct store_key *k)
{
    return k->owner == NULL ? "" : k->owner;
}

static bool look_up(store_t *s, const struct store_key_claim *c,
                    struct store_key_owner *out, bool *there, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q,
                          "SELECT run_id, accepted, created_at, digest"
                          " FROM idempotency WHERE owner = $1 AND key = $2"
                          " AND created_at >= $3",
                          "ssi", owner_of(&c->key), c->key.key,
                          c->expired_us)) {
        return store_query_close(&q);
    }
    *there = store_query_next(&q);
    if (*there) {
        store_query_id(&q, 0, &out->run_id);
        out->accepted = store_query_int(&q, 1) != 0;
        out->created_us = store_query_int(&q, 2);
        char *digest = store_query_text(&q, 3);
        out->same = digest != NULL && strcmp(digest, c->digest) == 0;
        free(digest);
    }
    return store_query_close(&q);
}

/* *done: the key is ours. Where several processes write, another may have come
 * in between: then its claim stands. */
static bool write_claim(store_t *s, const struct store_key_claim *c,
                        bool *done, struct err *err)
{
    bool ok = store_query_run(
        s, err,
        "INSERT INTO idempotency (owner, key, run_id, accepted, created_at,"
        " digest) VALUES ($1, $2, $3, 0, $4, $5)"
        " ON CONFLICT (owner, key) DO UPDATE SET run_id = $3, accepted = 0,"
        " created_at = $4, digest = $5"
        " WHERE idempotency.created_at < $6"
        " OR (idempotency.accepted = 0 AND idempotency.created_at < $7)",
        "ssdisii", owner_of(&c->key), c->key.key, &c->run_id, c->now_us,
        c->digest, c->expired_us, c->abandoned_us);
    *done = ok && store_query_changes(s) == 1;
    return ok;
}

static bool claim(store_t *s, const struct store_key_claim *c,
                  struct store_key_owner *out, struct err *err)
{
    bool there = false;
    bool done = false;
    for (int i = 0; i < CLAIM_TRIES && !done; i++) {
        if (!look_up(s, c, out, &there, err)) {
            return false;
        }
        if (there && (out->accepted || out->created_us >= c->abandoned_us)) {
            out->fresh = id_eq(&out->run_id, &c->run_id);
            return true;
        }
        if (!write_claim(s, c, &done, err)) {
            return false;
        }
    }
    *out = (struct store_key_owner){.fresh = true,
                                    .same = true,
                                    .run_id = c->run_id,
                                    .created_us = c->now_us};
    return done || err_set(err, ERR_UNAVAILABLE,
                           "the Idempotency-Key changes hands too often");
}

bool store_keys_claim(store_t *s, const struct store_key_claim *c,
                      struct store_key_owner *out, struct err *err)
{
    must(c->key.key != NULL && c->digest != NULL);
    memset(out, 0, sizeof *out);
    if (s->remote) {
        return store_remote_keys_claim(s, c, out, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, claim(s, c, out, err), err);
}

bool store_keys_accept(store_t *s, const struct store_key *k,
                       const struct id *run_id, struct err *err)
{
    if (!store_query_run(s, err,
                         "UPDATE idempotency SET accepted = 1"
                         " WHERE owner = $1 AND key = $2 AND run_id = $3",
                         "ssd", owner_of(k), k->key, run_id)) {
        return false;
    }
    return store_query_changes(s) == 1 ||
           err_set(err, ERR_CONFLICT,
                   "Another request with this Idempotency-Key took its place.");
}

bool store_keys_release(store_t *s, const struct store_key *k,
                        const struct id *run_id, struct err *err)
{
    if (s->remote) {
        return store_remote_keys_release(s, k, run_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "DELETE FROM idempotency WHERE owner = $1"
                              " AND key = $2 AND run_id = $3 AND accepted = 0",
                              "ssd", owner_of(k), k->key, run_id);
    return store_write_end(s, ok, err);
}

bool store_keys_expire(store_t *s, int64_t before_us, struct err *err)
{
    if (s->remote) {
        return store_remote_keys_expire(s, before_us, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = store_query_run(s, err,
                              "DELETE FROM idempotency WHERE created_at < $1",
                              "i", before_us);
    return store_write_end(s, ok, err);
}
