/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.h: the end of threads that have one (their ttl). One thread looks
 * every --thread-sweep; several gateways may look at once, what one has done
 * the other does not find.
 */
#ifndef GATEWAY_SWEEP_H
#define GATEWAY_SWEEP_H

#include "gateway/app.h"

typedef struct gw_sweep gw_sweep_t;
/* Starts the thread; app->hub and app->stores are there. */
gw_sweep_t *gw_sweep_start(struct gw_app *app) MUST_USE;
/* Ends it; what it asked the broker is refused by the drained hub. */
void gw_sweep_stop(gw_sweep_t **s);

#endif
