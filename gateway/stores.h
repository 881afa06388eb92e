/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stores.h: store handles for threads that need one for a moment. Opened when
 * none is free, used by one thread at a time, closed when a second has not
 * needed them, so that a quiet gateway keeps few. On SQLite their writes travel through the hub to
 * the vault.
 */
#ifndef GATEWAY_STORES_H
#define GATEWAY_STORES_H

#include "common/conf.h"
#include "common/store/store.h"
#include "gateway/hub.h"

typedef struct gw_stores gw_stores_t;

gw_stores_t *gw_stores_new(const conf_t *conf, hub_t *hub) MUST_USE;
/* Every handle must have been given back. */
void gw_stores_destroy(gw_stores_t **s);

/* A handle that sees what this owner may see ("": everything). NULL with
 * ERR_UNAVAILABLE or ERR_STORE when the database does not open. */
store_t *gw_stores_take(gw_stores_t *s, const char *owner,
                        struct err *err) MUST_USE;
void gw_stores_give(gw_stores_t *s, store_t *store);
/* Handles that are open, in use or not. */
size_t gw_stores_count(gw_stores_t *s);

#endif
