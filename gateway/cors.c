/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cors.c: which origins may call comes from the options.
 */
#include "gateway/cors.h"

#include <string.h>
#include <strings.h>

#define EXPOSED                                                                \
    "content-location, location, x-pagination-total, x-pagination-next, "      \
    "x-request-id"
#define HEADERS_MAX 8192

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

bool gw_cors_answer(const conf_t *conf, const char *origin, struct buf *out)
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

bool gw_cors_preflight(const char *headers, struct buf *out)
{
    must(out != NULL);
    bool plain = headers == NULL || strlen(headers) > HEADERS_MAX;
    return buf_printf(out,
                      "Access-Control-Allow-Methods: " GW_METHODS "\r\n"
                      "Access-Control-Allow-Headers: %s\r\n"
                      "Access-Control-Max-Age: 600\r\n"
                      "Vary: Access-Control-Request-Headers\r\n",
                      plain ? "*" : headers);
}
