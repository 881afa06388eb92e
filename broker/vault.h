/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault.h: the store as a service on a ROUTER of its own, for those who may
 * not write the database themselves: on SQLite gateways and workers, and
 * workers in other languages always. Knows calls and their fences, not what
 * they mean.
 */
#ifndef BROKER_VAULT_H
#define BROKER_VAULT_H

#include "broker/inner.h"
#include "common/err.h"

struct brk_vault;

/* Opens its own handle of the store and its socket; NULL with err when it
 * cannot. */
struct brk_vault *brk_vault_new(const struct brk_env *env,
                                struct err *err) MUST_USE;
void brk_vault_destroy(struct brk_vault **p);

/* ---- its parts, for who has the time and the turns himself ---------------- */

struct brk_vault *brk_vault_make(const struct brk_env *env) MUST_USE;
/* Opens the store and the socket. */
MUST_USE bool brk_vault_open(struct brk_vault *v, struct err *err);
/* Serves what has come, does what is due. */
void brk_vault_turn(struct brk_vault *v, int64_t now_ms);
/* When the next turn must begin at the latest, if nothing comes. */
int64_t brk_vault_next_ms(const struct brk_vault *v);

#endif
