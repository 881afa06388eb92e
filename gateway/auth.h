/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h: who may ask: API keys, and which web pages may (CORS). Looks at
 * options and headers; knows no connection.
 */
#ifndef GATEWAY_AUTH_H
#define GATEWAY_AUTH_H

#include "common/buf.h"
#include "common/conf.h"

/*
 * Passes when no key is configured or one of them was brought, in x-api-key
 * or as Authorization: Bearer (both values as they came, NULL if absent).
 * ERR_UNAUTHORIZED otherwise. Takes the same time whichever key, and however
 * much of it, is right.
 */
MUST_USE bool gw_auth_check(const conf_t *conf, const char *api_key,
                            const char *authorization, struct err *err);

/* Appends the CORS headers of an answer to this Origin (NULL: none). */
MUST_USE bool gw_auth_cors(const conf_t *conf, const char *origin,
                           struct buf *out);
/* And those of the answer to an OPTIONS request, which asked for these
 * headers (NULL: none). */
MUST_USE bool gw_auth_preflight(const char *headers, struct buf *out);

#endif
