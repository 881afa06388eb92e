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
#define HEADERS_MAX 8192
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

static const char *bearer_of(const char *authorization)
{
    if (authorization == NULL ||
        strncasecmp(authorization, "bearer ", 7) != 0) {
        return NULL;
    }
    return authorization + 7 + strspn(authorization + 7, " ");
}

bool gw_auth_check(const conf_t *conf, const char *api_key,
                   const char *authorization, struct err *err)
{
    must(conf != NULL);
    size_t n = 0;
    const char *const *keys = conf_list(conf, CONF_API_KEY, &n);
    if (n == 0) {
        return true;
    }
    const char *given = api_key != NULL ? api_key : bearer_of(authorization);
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
static const char *allowed_origin(const conf_t *conf, const char *origin,
                                  bool *varies)
{
    size_t n = 0;
    const char *const *origins = conf_list(conf, CONF_CORS_ORIGINS, &n);
    const char *allowed = NULL;
    *varies = true;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(origins[i], "*") == 0) {
            *varies = false;
            return "*";
        }
        if (origin != NULL && strcasecmp(origins[i], origin) == 0) {
            allowed = origin;
        }
    }
    return allowed;
}

bool gw_auth_cors(const conf_t *conf, const char *origin, struct buf *out)
{
    bool varies = false;
    bool ok = true;
    const char *allowed = allowed_origin(conf, origin, &varies);
    if (allowed != NULL) {
        ok = buf_printf(out,
                        "Access-Control-Allow-Origin: %s\r\n"
                        "Access-Control-Expose-Headers: " EXPOSED "\r\n",
                        allowed);
    }
    if (varies) {
        ok = ok && buf_puts(out, "Vary: Origin\r\n");
    }
    return ok;
}

bool gw_auth_preflight(const char *headers, struct buf *out)
{
    must(out != NULL);
    bool plain = headers == NULL || strlen(headers) > HEADERS_MAX;
    return buf_printf(out,
                      "Access-Control-Allow-Methods: " METHODS "\r\n"
                      "Access-Control-Allow-Headers: %s\r\n"
                      "Access-Control-Max-Age: 600\r\n"
                      "Vary: Access-Control-Request-Headers\r\n",
                      plain ? "*" : headers);
}
