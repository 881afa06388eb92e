/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.h: the broker's control loop: gateways' and workers' sockets, the pipes
 * to relay and ledger, and a clock, around the core that decides.
 */
#ifndef BROKER_DESK_H
#define BROKER_DESK_H

#include "broker/core.h"
#include "broker/inner.h"
#include "common/store/store.h"

struct brk_desk;

/* The runs that were open when the last broker ended. */
struct brk_open {
    struct store_run *rows;
    size_t n;
};

/* Takes over its ends of the pipes; `open` is borrowed until it returns. */
struct brk_desk *brk_desk_new(const struct brk_env *env,
                              struct link_pipe **relay,
                              struct link_pipe **ledger,
                              const struct brk_open *open,
                              struct err *err) MUST_USE;
/* Takes no more in, waits for what the ledger still has, and ends. */
void brk_desk_destroy(struct brk_desk **p);

/* ---- its parts, for who has the time and the turns himself ---------------- */

struct brk_desk *brk_desk_make(const struct brk_env *env,
                               struct link_pipe **relay,
                               struct link_pipe **ledger,
                               struct brk_now now) MUST_USE;
/* Before the first turn. */
void brk_desk_restore(struct brk_desk *d, const struct brk_open *open);
/* Opens the sockets. */
MUST_USE bool brk_desk_open(struct brk_desk *d, struct err *err);
/* Takes what has come, decides, sends. */
void brk_desk_turn(struct brk_desk *d, struct brk_now now);
/* When the next turn must begin at the latest, if nothing comes. */
int64_t brk_desk_next_ms(const struct brk_desk *d);

#endif
