/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c: keys and origins come from the options.
 */
#include "gateway/auth.h"

#include <string.h>
#include <strings.h>

#define EXPOSED                                                                \
    "content-location, location, x-pagination-total, x-pagination-next, "      \
    "x-request-id"
#define METHODS "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/* Every byte of the key is looked at, and every key, right or wrong. */
static bool same_key(const char *given, const char *key)
{
    size_t given_len = strlen(given);
    size_t key_len = strlen(key);
    unsigned differ = given_len != key_len;
    for (size_t i = 0; i < key_len; i++) {
        unsigned char g =
            given_len == 0 ? 0 : (unsigned char)given[i % given_len];
        differ |= (unsigned)(g ^ (unsigned char)key[i]);
    }
    return differ == 0;
}

static const char *key_of(const struct gw_req *r)
{
    const char *key = gw_req_header(r, "x-api-key");
    if (key != NULL) {
        return key;
    }
    const char *auth = gw_req_header(r, "authorization");
    if (auth == NULL || strncasecmp(auth, "bearer ", 7) != 0) {
        return NULL;
    }
    auth += 7;
    return auth + strspn(auth, " ");
}

bool gw_auth_check(struct gw_req *r, struct err *err)
{
    must(r != NULL);
    size_t n = 0;
    const char *const *keys = conf_list(r->app->conf, CONF_API_KEY, &n);
    if (n == 0) {
        return true;
    }
    const char *given = key_of(r);
    unsigned found = 0;
    for (size_t i = 0; i < n; i++) {
        found |= same_key(given == NULL ? "" : given, keys[i]);
    }
    if (given == NULL) {
        return err_set(err, ERR_UNAUTHORIZED, "an API key is needed");
    }
    return found != 0 || err_set(err, ERR_UNAUTHORIZED, "wrong API key");
}

/* The value of Access-Control-Allow-Origin; NULL: this page may not ask. */
static const char *allowed_origin(const struct gw_req *r, bool *varies)
{
    size_t n = 0;
    const char *const *origins = conf_list(r->app->conf, CONF_CORS_ORIGINS, &n);
    const char *origin = gw_req_header(r, "origin");
    *varies = true;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(origins[i], "*") == 0) {
            *varies = false;
            return "*";
        }
        if (origin != NULL && strcasecmp(origins[i], origin) == 0) {
            return origin;
        }
    }
    return NULL;
}

bool gw_auth_cors(const struct gw_req *r, struct buf *out)
{
    bool varies = false;
    const char *origin = allowed_origin(r, &varies);
    bool ok = true;
    if (origin != NULL) {
        ok = buf_printf(out,
                        "Access-Control-Allow-Origin: %s\r\n"
                        "Access-Control-Expose-Headers: " EXPOSED "\r\n",
                        origin);
    }
    if (varies) {
        ok = ok && buf_puts(out, "Vary: Origin\r\n");
    }
    return ok;
}

void gw_auth_preflight(struct gw_req *r)
{
    must(r != NULL);
    const char *headers = gw_req_header(r, "access-control-request-headers");
    gw_req_add_header(r, "Access-Control-Allow-Methods", METHODS);
    gw_req_add_header(r, "Access-Control-Allow-Headers", "%s",
                      headers != NULL && strlen(headers) < 8192 ? headers
                                                                : "*");
    gw_req_add_header(r, "Access-Control-Max-Age", "600");
    gw_req_add_header(r, "Vary", "Access-Control-Request-Headers");
    (void)gw_req_reply(r, 204, NULL, NULL, 0);
}
