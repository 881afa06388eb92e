/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crons.h: the clock of crons. Every gateway looks for ticks that have come
 * and submits their runs; the tick is used up in the transaction that inserts
 * the run, so that it makes one run however many gateways look.
 */
#ifndef GATEWAY_CRONS_H
#define GATEWAY_CRONS_H

#include "gateway/app.h"

/* The first tick after that time; 0: none. */
int64_t gw_crons_next(const struct store_cron *c, int64_t after_us);

typedef struct gw_crons gw_crons_t;
/* crons_tick.c: starts the thread; app->hub and app->stores are there. */
gw_crons_t *gw_crons_start(struct gw_app *app) MUST_USE;
/* Ends it; what it asked the broker is refused by the drained hub. */
void gw_crons_stop(gw_crons_t **c);

#endif
