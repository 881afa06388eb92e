/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.h: the small HTTP server of programs that have no other: GET /metrics,
 * /live and /ready (also /health and /ok) for whoever watches over them. One
 * request at a time, each within a second, so nobody can hold anything up but
 * other watchers.
 */
#ifndef LEAT_COMMON_ADMIN_H
#define LEAT_COMMON_ADMIN_H

#include "common/err.h"

typedef struct admin admin_t;

/*
 * Listens on HOST:PORT (port 0 takes a free one) with a thread of its own; ""
 * is off: true with *out NULL. /metrics shows the rows of these programs.
 */
MUST_USE bool admin_start(const char *where, unsigned procs, admin_t **out,
                          struct err *err);
void admin_stop(admin_t **p);

int admin_port(const admin_t *admin);

#endif
