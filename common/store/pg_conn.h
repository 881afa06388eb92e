/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pg_conn.h: one connection to a PostgreSQL server, always in pipeline mode:
 * statements are sent without waiting for the ones before, and a sync waits
 * for all of them at once. Prepared statements are kept by their text. Knows
 * no transactions and no tables. One thread at a time.
 */
#ifndef COMMON_STORE_PG_CONN_H
#define COMMON_STORE_PG_CONN_H

#include "common/store/pg_lib.h"

#include "common/store/sql.h"

#define PG_PARAMETERS_MAX 32

struct pg_conn;

/* NULL with ERR_UNAVAILABLE (nobody answers) or ERR_FENCED (conf->epoch is
 * not the newest any more). */
struct pg_conn *store_pg_conn_open(const struct sql_conf *conf,
                                   struct err *err) MUST_USE;
void store_pg_conn_close(struct pg_conn **p);

/* Nothing is known against it: looks at the socket, and takes what is still
 * to come of an earlier sync. */
bool store_pg_conn_healthy(struct pg_conn *c);
/* It has been lost, with everything that was on its way. */
bool store_pg_conn_lost(const struct pg_conn *c);

struct pg_args {
    int n;
    const char *values[PG_PARAMETERS_MAX]; /* NULL: SQL NULL */
    int lengths[PG_PARAMETERS_MAX];
    int formats[PG_PARAMETERS_MAX]; /* 0 text, 1 binary */
};

/* What becomes of a statement's result; all may be left out. */
struct pg_want {
    PGresult **rows;          /* set by the sync; the caller's to clear */
    int64_t *changes;         /* set by the sync */
    const struct err *unless; /* text->guard: the error of a missing row */
};

/* Sends a statement. False: the connection is lost. */
MUST_USE bool store_pg_conn_send(struct pg_conn *c, const struct sql_text *text,
                                 const struct pg_args *args,
                                 const struct pg_want *want, struct err *err);
/* Waits for all results. False with the first error there was since the last
 * sync; what came behind it in the pipeline has not been done. */
MUST_USE bool store_pg_conn_sync(struct pg_conn *c, struct err *err);
/* Asks for all results; the next sync or healthy() takes them. */
void store_pg_conn_sync_later(struct pg_conn *c);
/* Rows changed by the last statement of the last sync. */
int64_t store_pg_conn_changes(const struct pg_conn *c);

/* Several statements at once, between syncs. */
MUST_USE bool store_pg_conn_script(struct pg_conn *c, const char *text,
                                   struct err *err);

/* ---- pg_pool.c: the connections that the clients of a process share ------ */

struct pg_pool;

/* That of this database, made when it is the first; put it back after use. */
struct pg_pool *store_pg_pool_get(const struct sql_conf *conf);
void store_pg_pool_put(struct pg_pool **p);

/* A healthy connection, waited for at most conf->wait_ms: NULL with
 * ERR_UNAVAILABLE when the server does not answer or all are in use. */
struct pg_conn *store_pg_pool_take(struct pg_pool *p, struct err *err) MUST_USE;
void store_pg_pool_give(struct pg_pool *p, struct pg_conn **c);

#endif
