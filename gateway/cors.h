/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cors.h: which web pages may call this server, as headers say it.
 */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include "common/buf.h"
#include "common/conf.h"

/* Every method that some route has. */
#define GW_METHODS "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/* Appends the headers of an answer to this Origin (NULL: none). */
MUST_USE bool gw_cors_answer(const conf_t *conf, const char *origin,
                             struct buf *out);
/* And those of the answer to an OPTIONS request, which asked for these
 * headers (NULL: none). */
MUST_USE bool gw_cors_preflight(const char *headers, struct buf *out);

#endif
