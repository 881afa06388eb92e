/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_rig.h: a whole gateway in the test's process, with a broker that is
 * played: real sockets, a real store, no worker. What a run does is told by
 * its input, see gateway_rig.c.
 */
#ifndef LEAT_TESTS_GATEWAY_RIG_H
#define LEAT_TESTS_GATEWAY_RIG_H

#include <stdatomic.h>

#include "gateway/app.h"
#include "gateway/server.h"

struct rig {
    struct gw_app app;
    conf_t *conf;
    gw_server_t *server;
    char base[256];         /* the played broker's address */
    /* what the played broker saw */
    atomic_int submits;
    atomic_int forgets;
    atomic_int cancels;
    atomic_int replays;
    atomic_int watches;
    /* what it does */
    atomic_bool mute;       /* answers no submits */
    atomic_bool stop;
};

/* Starts both; options are pairs of conf ids and texts, ended by CONF_COUNT. */
struct rig *rig_start(int first_option, ...);
void rig_stop(struct rig *r);

/* A connection to the gateway with this sent on it. */
int rig_send(const struct rig *r, const char *text);
/* All until the gateway closes; the caller frees. */
char *rig_read(int fd);
/* One request and its answer, head and all; the caller frees. `body` NULL:
 * none. */
char *rig_ask(const struct rig *r, const char *method, const char *path,
              const char *body);
/* The body of a chunked answer, put together in place; `*clean` tells whether
 * its last chunk came. */
char *rig_unchunk(char *answer, bool *clean);

#endif
