/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uplink.h: the addresses of the brokers, active and standby, and one kind of
 * connection to all of them: a socket each, for a DEALER with several addresses
 * would deal its messages in turns. Which broker is the one in use the desk
 * decides, by who welcomed it last; everybody else follows.
 */
#ifndef LEAT_WORKER_UPLINK_H
#define LEAT_WORKER_UPLINK_H

#include <stdatomic.h>

#include "common/link.h"

/* Made by main, read by all threads; `active` is written by the desk. */
struct wrk_brokers {
    const char *const *bases; /* base addresses, as configured */
    size_t n;
    _Atomic size_t active;
};
/* The base address of the broker in use; the same pointer for the same one. */
const char *wrk_uplink_base(const struct wrk_brokers *b);

typedef struct wrk_uplink wrk_uplink_t;

struct wrk_uplink_conf {
    const struct wrk_brokers *brokers;
    enum wire_port port;
    enum wire_side from; /* who answers there */
    size_t frame_bytes;
};

/* Connects in the background; NULL with err when an address is wrong. */
wrk_uplink_t *wrk_uplink_new(const struct wrk_uplink_conf *conf,
                         struct err *err) MUST_USE;
void wrk_uplink_destroy(wrk_uplink_t **l);

link_t *wrk_uplink_to(const wrk_uplink_t *l, size_t broker);
link_t *wrk_uplink_active(const wrk_uplink_t *l);

/* Adds all sockets to what is waited for. */
void wrk_uplink_watch(wrk_uplink_t *l, struct link_poll *poll);
/* After a wait: may this broker have said something? Was a connection to it
 * made since it was asked last? */
bool wrk_uplink_ready(const wrk_uplink_t *l, const struct link_poll *poll,
                    size_t broker);
bool wrk_uplink_came(wrk_uplink_t *l, const struct link_poll *poll, size_t broker);
/* As link_pump(), of all. */
bool wrk_uplink_pump(wrk_uplink_t *l);

#endif
