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
 *
 * What is read to be written again in the same transaction is read with
 * FOR UPDATE (or FOR SHARE, to stay as it is): several processes may write.
 * A driver with one writer leaves these words out.
 *
 * A database behind a network wants to be told much before it is asked. So a
 * statement whose rows nobody reads is run() and may be on its way still when
 * that returns; whatever becomes of it is told by the next statement that is
 * waited for, or by the commit.
 */
#ifndef COMMON_STORE_SQL_H
#define COMMON_STORE_SQL_H

#include "common/err.h"

struct sql_db;
struct sql_stmt;

struct sql_conf {
    const char *url;
    bool owner;           /* may make the database and write */
    bool fsync;           /* a commit survives the loss of power */
    uint32_t epoch;       /* owner: the broker's, while it is active; 0: any */
    int64_t wait_ms;      /* client: how long a call waits for a connection */
    unsigned connections; /* of all clients in this process; 0: 16 */
};

struct sql_text {
    const char *sql;
    const char *types; /* a letter for each $n: i integer, s text, else bytes */
    bool guard;        /* gives a row if it could do what it should */
};

enum sql_mode {
    SQL_READ,  /* all its statements see the same state */
    SQL_WRITE, /* waits its turn here, in order of arrival */
    /* The same, and guards may be told to have held before they are known
     * to; the commit then fails with what the guard was given. */
    SQL_WRITE_FAST,
};

enum sql_step {
    SQL_FAILED,
    SQL_ROW,
    SQL_DONE,
};

struct sql_ops {
    bool one_writer; /* only the broker's process may write */
    bool savepoints; /* else a call that failed half way ends its group */

    /* ERR_UNAVAILABLE: not there yet (a client may try again). */
    bool (*open)(const struct sql_conf *conf, struct sql_db **out,
                 struct err *err);
    void (*close)(struct sql_db **db);

    /* Cached by its text, with nothing bound and no row. */
    bool (*prepare)(struct sql_db *db, const struct sql_text *text,
                    struct sql_stmt **out, struct err *err);
    void (*bind_null)(struct sql_stmt *q, int n);
    void (*bind_int)(struct sql_stmt *q, int n, int64_t value);
    /* Text and bytes outlive the statement's run; `own`: freed by it. */
    void (*bind_text)(struct sql_stmt *q, int n, const char *text);
    void (*bind_bytes)(struct sql_stmt *q, int n, const void *bytes, size_t len,
                       bool own);
    enum sql_step (*step)(struct sql_stmt *q, struct err *err);
    /* To its end. *changes (may be NULL): rows changed, by the next settle. */
    bool (*run)(struct sql_stmt *q, int64_t *changes, struct err *err);
    /* Of a guard: false and *held if it gave no row. `unless`: the error that
     * this is. False without *held: the database's own. */
    bool (*guard)(struct sql_stmt *q, const struct err *unless, bool *held,
                  struct err *err);
    /* Of the current row; bytes and text are good until the next step. */
    bool (*is_null)(struct sql_stmt *q, int column);
    int64_t (*get_int)(struct sql_stmt *q, int column);
    const char *(*get_text)(struct sql_stmt *q, int column);
    const void *(*get_bytes)(struct sql_stmt *q, int column, size_t *len);
    /* Ends its run; it may be prepared again. */
    void (*reset)(struct sql_stmt *q);
    /* Waits for all that was run. */
    bool (*settle)(struct sql_db *db, struct err *err);
    /* Rows changed by the last statement; -1 when it failed. */
    int64_t (*changes)(struct sql_db *db);
    /* Grows with every statement that may have written something. */
    uint64_t (*writes)(struct sql_db *db);

    bool (*begin)(struct sql_db *db, enum sql_mode mode, struct err *err);
    /* On failure it has been rolled back. */
    bool (*commit)(struct sql_db *db, struct err *err);
    void (*rollback)(struct sql_db *db);
    /* One level within a transaction. release after undo ends the level. */
    bool (*savepoint)(struct sql_db *db, struct err *err);
    bool (*release)(struct sql_db *db, struct err *err);
    void (*undo)(struct sql_db *db);
    /* False when the database has ended the transaction by itself; err (may
     * be NULL) then tells why if that is known. */
    bool (*in_transaction)(struct sql_db *db, struct err *err);

    /* Within a transaction: nobody else looks at or changes the schema. */
    bool (*lock_schema)(struct sql_db *db, struct err *err);
    /* Several statements at once, without rows (the schema). */
    bool (*script)(struct sql_db *db, const char *text, struct err *err);
    /* The schema's version; 0 for an empty database. */
    bool (*version)(struct sql_db *db, int64_t *version, struct err *err);
    /* The active broker's lock, until close. Asked again by its holder, it
     * tells whether it still is: a connection may have been lost. */
    bool (*lock)(struct sql_db *db, bool *got, struct err *err);
    /* Tests: the database may not grow beyond so many bytes; 0: no limit. */
    bool (*limit)(struct sql_db *db, int64_t bytes, struct err *err);
};

const struct sql_ops *store_sqlite_ops(void);
const struct sql_ops *store_pg_ops(void);

#endif
