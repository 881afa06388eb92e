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

#endif
