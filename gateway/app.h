/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app.h: what all requests share: options, the hub, store handles, and which
 * assistants the graphs have. Made by main, read by every HTTP thread.
 */
#ifndef GATEWAY_APP_H
#define GATEWAY_APP_H

#include <stdatomic.h>

#include "common/conf.h"
#include "common/store/store.h"
#include "gateway/hub.h"

struct gw_stores;
struct gw_clerk;
struct gw_crons;
struct gw_hook;
struct gw_auth;

struct gw_app {
    const conf_t *conf;
    hub_t *hub;
    struct gw_stores *stores;
    struct gw_clerk *clerk;
    struct gw_crons *crons; /* these three: from ready to the end */
    struct gw_hook *hook;
    struct gw_sweep *sweep;
    struct gw_auth *auth;
    atomic_bool draining;
    atomic_int kept_threads; /* HTTP threads that serve a stream themselves */
    atomic_int asking;       /* those that wait for what a graph says */
    int64_t started_us;
};

#endif
