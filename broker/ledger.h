/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h: writes the desk's decisions down. What waits goes into one
 * transaction: its backlog makes the group. The desk hears of each batch when
 * it is committed, and lets go what waited for that.
 */
#ifndef BROKER_LEDGER_H
#define BROKER_LEDGER_H

#include "broker/inner.h"

struct brk_ledger;

/* Takes over its end of the pipe; opens its own handle of the store. */
struct brk_ledger *brk_ledger_new(const struct brk_env *env,
                                  struct link_pipe **desk,
                                  struct err *err) MUST_USE;
void brk_ledger_destroy(struct brk_ledger **p);

/* ---- its parts, for who has the time and the turns himself ---------------- */

struct brk_ledger *brk_ledger_make(const struct brk_env *env,
                                   struct link_pipe **desk) MUST_USE;
/* Opens the store. */
MUST_USE bool brk_ledger_open(struct brk_ledger *l, struct err *err);
/* Commits what has come, or tries again what could not be. */
void brk_ledger_turn(struct brk_ledger *l, int64_t now_ms);
/* When the next turn must begin at the latest, if nothing comes. */
int64_t brk_ledger_next_ms(const struct brk_ledger *l);

#endif
