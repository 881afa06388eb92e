/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.h: what the files of the simulated gateway share: gateway.c (what
 * is asked of the desk) and client.c (who reads a run there).
 */
#ifndef TESTS_SIM_GATEWAY_H
#define TESTS_SIM_GATEWAY_H

#include "tests/sim/sim.h"

#define CALLS_MAX 64
#define CLIENTS_MAX 160

/* A question to the desk that has no answer yet. */
struct ask {
    uint32_t tag; /* 0: the place is free */
    uint8_t type;
    struct truth *truth;
    const char *action; /* RUN_CANCEL */
    bool again;         /* a submit of a run that lives in memory only */
    int64_t said_us;
    int64_t deadline_us; /* then the client is told that it failed */
};

struct gateway {
    struct sim_node node;
    unsigned char home[WIRE_HOME_BYTES];
    uint32_t tags;
    int64_t beat_us;
    struct ask asks[CALLS_MAX];
};

/* Somebody who reads a run: what it has seen goes with it from gateway to
 * gateway. */
struct client {
    struct truth *truth; /* NULL: the place is free */
    int gateway;         /* 0: on its way to another one */
    uint64_t shown, ms;  /* the last event that it saw */
    uint16_t attempt;
    bool done;
    bool deleted;
    bool ended, last_known;
    uint64_t last;
    uint32_t tag;      /* of the replay that it waits for; 0: none */
    uint64_t asked;    /* from here on */
    int64_t asked_us;
    bool watched;      /* its gateway's wish to hear the end was answered */
    int64_t watch_us;
};

struct gateway *gateway_at(int number);
void gateway_say(struct gateway *g, enum wire_port port,
                 const struct wire_head *head, leat_value *body);

/* ---- client.c ------------------------------------------------------------ */

void client_add(struct truth *t, int gateway, bool from_start);
/* Said by the broker to this gateway. */
void client_on_events(struct gateway *g, const struct link_in *in);
void client_on_replay_end(struct gateway *g, const struct link_in *in);
void client_on_ended(struct gateway *g, const struct link_in *in);
void client_on_unknown(struct gateway *g, const struct id *run);
void client_on_watched(struct gateway *g, const struct id *run);
/* There is no such run. */
void client_on_refused(const struct truth *t);
/* The broker is another one, or the connection to it. */
void client_on_restart(struct gateway *g);
void client_on_tick(struct gateway *g);
void client_on_gateway_dead(struct gateway *g);
/* The highest attempt that readers of the run have seen. */
uint16_t client_attempt(const struct truth *t);
bool client_all_done(char *why, size_t cap);

#endif
