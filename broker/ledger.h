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

#endif
