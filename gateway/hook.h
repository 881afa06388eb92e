/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.h: tells webhooks how runs ended. A thread of its own claims what is
 * due in the store, so that one gateway sends it, and sends it again while
 * that may help. Nothing of it can hold up a run.
 */
#ifndef GATEWAY_HOOK_H
#define GATEWAY_HOOK_H

#include "gateway/app.h"

typedef struct gw_hook gw_hook_t;
/* `base`: "http://host:port", this server, for webhooks that are a path. */
gw_hook_t *gw_hook_start(struct gw_app *app, const char *base) MUST_USE;
/* What is under way is sent by another gateway, or by the next one. */
void gw_hook_stop(gw_hook_t **h);

#endif
