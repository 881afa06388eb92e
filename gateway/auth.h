/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h: who asks. A key is known by its SHA-256 and may carry an owner, as
 * whom its bearer sees and makes things (store_act_as() is where that is
 * decided). Knows options, a file of keys and headers; no connection.
 */
#ifndef GATEWAY_AUTH_H
#define GATEWAY_AUTH_H

#include <stdatomic.h>

#include "common/conf.h"

typedef struct gw_auth gw_auth_t;

/* Who brings a certain key. */
struct gw_caller {
    const char *owner;  /* "": sees everything */
    bool known;         /* by a key */
    atomic_int streams; /* of this key, open now */
};

/* Reads --api-key and --api-keys-file; ERR_INVALID names what is wrong. */
gw_auth_t *gw_auth_new(const conf_t *conf, struct err *err) MUST_USE;
/* When no stream of a caller is left. */
void gw_auth_destroy(gw_auth_t **a);

/*
 * Who brought this key, in x-api-key or as Authorization: Bearer (both values
 * as they came, NULL if absent)? Nobody in particular where no key is
 * configured. NULL with ERR_UNAUTHORIZED for a missing or wrong one, which
 * takes the same time whichever key, and however much of it, is right.
 */
struct gw_caller *gw_auth_check(gw_auth_t *a, const char *api_key,
                                const char *authorization, struct err *err);
/* Does anybody need a key? */
bool gw_auth_asks(const gw_auth_t *a);
/* Whoever needs no key for what he asks. */
struct gw_caller *gw_auth_anybody(gw_auth_t *a);

#endif
