/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.h: the hub's sockets to the broker: one set for each address (the
 * active broker and its standbys), of which the one that welcomed us last in
 * the highest epoch is used. Says HELLO and keeps the peer alive; what else
 * comes it passes on. Knows no runs and no clients. Hub thread only.
 */
#ifndef GATEWAY_UPLINK_H
#define GATEWAY_UPLINK_H

#include "common/conf.h"
#include "common/link.h"

enum gw_line { GW_LINE_DESK, GW_LINE_EVENTS, GW_LINE_REPLAY, GW_LINE_VAULT,
               GW_LINES };

struct gw_uplink_io {
    void *self;
    /* Anything but WELCOME and WHO, from the active broker. What is taken out
     * of `in` is the callee's. */
    void (*message)(void *self, enum gw_line line, struct link_in *in);
    /* Welcomed, by a new broker or again: nothing said before counts. */
    void (*welcome)(void *self);
    /* The line works again, or asked who we are: repeat what is open on it. */
    void (*back)(void *self, enum gw_line line);
};

typedef struct gw_uplink gw_uplink_t;

gw_uplink_t *gw_uplink_new(const conf_t *conf, const struct gw_uplink_io *io,
                           struct err *err) MUST_USE;
void gw_uplink_destroy(gw_uplink_t **u);

/* A descriptor that becomes readable when there may be something to receive on
 * a line; *mark is then to be set. */
struct gw_uplink_fd {
    int fd;
    bool *mark;
};
size_t gw_uplink_fds(gw_uplink_t *u, struct gw_uplink_fd *fds, size_t cap);
/* Passes on what has come on the marked lines, up to a bound; true when there
 * is more. Sending on a line marks it, since it may take its sign away. */
bool gw_uplink_receive(gw_uplink_t *u);
/* Is a line marked? Then do not sleep. */
bool gw_uplink_is_marked(gw_uplink_t *u);
/* What did not fit before; true when some still does not. */
bool gw_uplink_pump(gw_uplink_t *u);

/* False when no broker has welcomed us or the line is full. Takes one
 * reference of the body. The head's epoch is filled in. */
bool gw_uplink_send(gw_uplink_t *u, enum gw_line line, struct wire_head *head,
                    leat_value *body);
void gw_uplink_subscribe(gw_uplink_t *u, const struct id *thread,
                         const struct id *run, bool on);
/* All runs of a thread. */
void gw_uplink_subscribe_thread(gw_uplink_t *u, const struct id *thread,
                                bool on);
/* A run id whose thread, when it is stateless, is subscribed to already. Any
 * thread. */
struct id gw_uplink_new_run_id(const gw_uplink_t *u);
/* Once per second: a sign of life, or HELLO where nobody answered. */
void gw_uplink_tick(gw_uplink_t *u);
bool gw_uplink_is_welcome(const gw_uplink_t *u);
/* Draining: tells the broker. */
void gw_uplink_goodbye(gw_uplink_t *u);

#endif
