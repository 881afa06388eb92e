/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql.h: what a database driver offers to the rest of this folder. The rest
 * writes its SQL once, with $1..$n, in what SQLite 3.40 and PostgreSQL 15 both
 * understand; where they differ the driver hides it. A database handle and its
 * statements belong to one thread.
 *
 * Column types of schema/ are BYTEA, BIGINT and TEXT. SQLite takes them as
 * they are. Text is compared byte by byte (a driver for which that is not the
 * default says so when it runs the schema).
 */
#ifndef COMMON_STORE_SQL_H
#define COMMON_STORE_SQL_H

#include "common/err.h"

struct sql_db;
struct sql_stmt;

struct sql_conf {
    const char *target; /* the URL behind its scheme */
    bool owner;         /* may make the database and write */
    bool fsync;         /* a commit survives the loss of power */
};

enum sql_step {
    SQL_FAILED,
    SQL_ROW,
    SQL_DONE,
};

struct sql_ops {
    const char *scheme; /* "sqlite:" */
    bool one_writer;    /* only the broker's process may write */

    /* ERR_UNAVAILABLE: not there yet (a client may try again). */
    bool (*open)(const struct sql_conf *conf, struct sql_db **out,
                 struct err *err);
    void (*close)(struct sql_db **db);

    /* Cached by its text, with nothing bound and no row. */
    bool (*prepare)(struct sql_db *db, const char *sql, struct sql_stmt **out,
                    struct err *err);
    void (*bind_null)(struct sql_stmt *q, int n);
    void (*bind_int)(struct sql_stmt *q, int n, int64_t value);
    /* Text and bytes outlive the statement's run; `own`: freed by it. */
    void (*bind_text)(struct sql_stmt *q, int n, const char *text);
    void (*bind_bytes)(struct sql_stmt *q, int n, const void *bytes, size_t len,
                       bool own);
    enum sql_step (*step)(struct sql_stmt *q, struct err *err);
    /* Of the current row; bytes and text are good until the next step. */
    bool (*is_null)(struct sql_stmt *q, int column);
    int64_t (*get_int)(struct sql_stmt *q, int column);
    const char *(*get_text)(struct sql_stmt *q, int column);
    const void *(*get_bytes)(struct sql_stmt *q, int column, size_t *len);
    /* Ends its run; it may be prepared again. */
    void (*reset)(struct sql_stmt *q);
    /* Rows changed by the last statement. */
    int64_t (*changes)(struct sql_db *db);

    /* A transaction that writes waits its turn here, in order of arrival. */
    bool (*begin)(struct sql_db *db, bool write, struct err *err);
    /* On failure it has been rolled back. */
    bool (*commit)(struct sql_db *db, struct err *err);
    void (*rollback)(struct sql_db *db);
    /* One level within a transaction. release after undo ends the level. */
    bool (*savepoint)(struct sql_db *db, struct err *err);
    bool (*release)(struct sql_db *db, struct err *err);
    void (*undo)(struct sql_db *db);
    /* False when the database has ended the transaction by itself. */
    bool (*in_transaction)(struct sql_db *db);

    /* Several statements at once, without rows (the schema). */
    bool (*script)(struct sql_db *db, const char *text, struct err *err);
    /* The schema's version; 0 for an empty database. */
    bool (*version)(struct sql_db *db, int64_t *version, struct err *err);
    /* The active broker's lock, until close. */
    bool (*lock)(struct sql_db *db, bool *got, struct err *err);
    /* Tests: the database may not grow beyond so many bytes; 0: no limit. */
    bool (*limit)(struct sql_db *db, int64_t bytes, struct err *err);
};

const struct sql_ops *store_sqlite_ops(void);

#endif
