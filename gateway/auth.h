/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h: who may ask: API keys, and which web pages may (CORS).
 */
#ifndef GATEWAY_AUTH_H
#define GATEWAY_AUTH_H

#include "gateway/req.h"

/*
 * Passes when no key is configured or the request brings one of them, in
 * x-api-key or as Authorization: Bearer. ERR_UNAUTHORIZED otherwise. Takes
 * the same time whichever key and however much of it is right.
 */
MUST_USE bool gw_auth_check(struct gw_req *r, struct err *err);

/* Appends the CORS headers that this answer needs. */
MUST_USE bool gw_auth_cors(const struct gw_req *r, struct buf *out);
/* Answers an OPTIONS request. */
void gw_auth_preflight(struct gw_req *r);

#endif
