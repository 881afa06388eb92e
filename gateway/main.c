/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: leat-gateway. Starts the hub and the HTTP server, says "ready" once
 * a broker has welcomed it, and drains on SIGTERM: streams are cut first (so
 * that their clients go on elsewhere), requests in hand are finished.
 */
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "gateway/app.h"
#include "gateway/auth.h"
#include "gateway/clerk.h"
#include "gateway/crons.h"
#include "gateway/hook.h"
#include "gateway/server.h"
#include "gateway/stores.h"
#include "gateway/sweep.h"

/* Many short-lived threads' heaps would each keep their own free memory. */
#define ARENAS 2
#define WELCOME_LOOK_MS 2

static bool wait_for_welcome(const struct gw_app *app)
{
    while (!gw_hub_is_connected(app->hub)) {
        struct pollfd term = {.fd = proc_term_fd(), .events = POLLIN};
        if (poll(&term, 1, WELCOME_LOOK_MS) != 0) {
            return false;
        }
    }
    return true;
}

static void wait_for_term(void)
{
    struct pollfd term = {.fd = proc_term_fd(), .events = POLLIN};
    while (poll(&term, 1, -1) < 0) {
        continue;
    }
}

static bool start(struct gw_app *app, gw_server_t **server, struct err *err)
{
    app->auth = gw_auth_new(app->conf, err);
    app->clerk = app->auth == NULL ? NULL : gw_clerk_new(err);
    if (app->clerk == NULL) {
        return false;
    }
    struct gw_hub_notes notes = {.self = app->clerk,
                                 .graphs = gw_clerk_on_graphs,
                                 .look_up = gw_clerk_look_up,
                                 .list = gw_clerk_list,
                                 .state = gw_clerk_state,
                                 .refused = gw_clerk_refused};
    app->hub = gw_hub_new(app->conf, &notes, err);
    if (app->hub == NULL) {
        return false;
    }
    app->stores = gw_stores_new(app->conf, app->hub);
    gw_clerk_start(app->clerk, app);
    *server = gw_server_new(app, err);
    return *server != NULL;
}

static void stop(struct gw_app *app, gw_server_t **server)
{
    atomic_store(&app->draining, true);
    if (app->hub != NULL) {
        gw_hub_drain(app->hub);
    }
    gw_sweep_stop(&app->sweep);
    gw_crons_stop(&app->crons);
    gw_hook_stop(&app->hook);
    gw_server_destroy(server);
    if (app->clerk != NULL) {
        gw_clerk_stop(app->clerk);
    }
    gw_hub_destroy(&app->hub);
    gw_stores_destroy(&app->stores);
    gw_clerk_destroy(&app->clerk);
    gw_auth_destroy(&app->auth);
}

/* Webhooks may be paths of this server. */
static struct gw_hook *start_hook(struct gw_app *app, const gw_server_t *server)
{
    char base[1400];
    const char *host = conf_str(app->conf, CONF_HOST);
    bool any = strcmp(host, "0.0.0.0") == 0;
    (void)snprintf(base, sizeof(base), "http://%s:%d%s",
                   any ? "127.0.0.1" : host, gw_server_port(server),
                   conf_str(app->conf, CONF_MOUNT_PREFIX));
    return gw_hook_start(app, base);
}

static void serve(struct gw_app *app, const gw_server_t *server)
{
    char addr[300];
    (void)snprintf(addr, sizeof(addr), "http://%s:%d",
                   conf_str(app->conf, CONF_HOST), gw_server_port(server));
    if (wait_for_welcome(app)) {
        proc_ready(addr);
        app->crons = gw_crons_start(app);
        app->hook = start_hook(app, server);
        app->sweep = gw_sweep_start(app);
        wait_for_term();
    }
    log_info("gateway.draining", "");
}

int main(int argc, char **argv)
{
    static const struct proc_spec spec = {
        .name = "leat-gateway",
        .proc = PROC_GATEWAY,
        .about = "Serves the HTTP API and hands runs to the broker.",
    };
    int exit_code = 0;
    conf_t *conf = proc_start(&spec, argc, argv, &exit_code);
    if (conf == NULL) {
        return exit_code;
    }
    (void)mallopt(M_ARENA_MAX, ARENAS);
    struct gw_app app = {.conf = conf, .started_us = clock_wall_us()};
    struct err err = ERR_INIT;
    gw_server_t *server = NULL;
    if (start(&app, &server, &err)) {
        serve(&app, server);
    } else {
        exit_code = proc_failed(&err);
    }
    stop(&app, &server);
    conf_destroy(&conf);
    return exit_code;
}
