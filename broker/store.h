/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h: how every thread of the broker opens its own handle of the store.
 */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include "broker/inner.h"
#include "common/store/store.h"

/* As --store and --commit say, by the epoch of `env`: once another broker has
 * taken over, what this handle writes is refused. */
store_t *brk_store_open(const struct brk_env *env, struct err *err) MUST_USE;

#endif
