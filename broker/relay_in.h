/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_in.h: what relay.c (the loop and the events) and replay.c (reading a
 * log again) share. Only for those two.
 */
#ifndef BROKER_RELAY_IN_H
#define BROKER_RELAY_IN_H

#include "broker/relay.h"
#include "broker/ring.h"

/* One gateway's wish to read a log, while the journal is asked. */
struct replay {
    struct replay *next;
    uint64_t cookie;
    struct link_route to;
    uint32_t tag;
    uint64_t want; /* next sequence it is to get */
    uint64_t room; /* bytes it may still get now; UINT64_MAX: no limit */
    struct id run;
    struct id thread;
};

struct relay {
    const struct brk_env *env;
    struct link_pipe *desk;
    struct link_pipe *journal;
    link_t *events; /* ROUTER: workers */
    link_t *pub;    /* XPUB: gateways */
    link_t *gets;   /* ROUTER: replays */
    ring_t *ring;
    struct replay *replays; /* that wait for the journal */
    uint64_t cookies;
    int64_t ended_ttl_ms;
    int64_t expire_ms; /* when the oldest ended log goes; -1: none */
    int64_t monitor_ms; /* when the socket monitors are emptied next */
    int64_t ask_ms;    /* when marks are asked for again; -1: none */
};

/* REPLAY_GET came. */
void brk_replay_get(struct relay *r, const struct link_in *in);
/* The journal answers a READ. */
void brk_replay_on_chunk(struct relay *r, struct brk_log *m);
void brk_replay_on_read_done(struct relay *r, const struct brk_log *m);
void brk_replay_fini(struct relay *r);

#endif
