/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pg_lib.h: libpq, loaded by the first connection of the process. Its
 * functions are called as pq.exec(...), which is PQexec(...).
 */
#ifndef COMMON_STORE_PG_LIB_H
#define COMMON_STORE_PG_LIB_H

#include <libpq-fe.h>

#include "common/err.h"

struct pg_lib {
#define PG_CALL(name) __typeof__(&PQ##name) name;
#include "common/store/pg_lib.tbl.h"
#undef PG_CALL
};

/* Read only; filled in by store_pg_lib_load(). */
extern struct pg_lib pq;

/* Any thread, any number of times; before the first call through `pq`. */
MUST_USE bool store_pg_lib_load(struct err *err);

#endif
