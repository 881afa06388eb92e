/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL driver: statements and transactions over the connections of
 * pg_conn.c, the only users of libpq. A broker's handle has a connection of
 * its own; a client's borrows one from the pool for each statement or
 * transaction. BEGIN goes out with the first statement. A connection that is
 * found dead is replaced unless a transaction has already begun on it.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/store/pg_conn.h"

#define PG_DB_MAGIC LEAT_MAGIC(0x5d8b0021)
#define AGAIN_MAX 20 /* dead connections in a row that a statement may meet */
#define OID_BOOL 16
#define OID_INT2 21
#define OID_INT4 23

enum transaction {
    NO_TRANSACTION,
    ASKED,  /* begun, but BEGIN has not been sent */
    OPEN,   /* BEGIN has been sent */
    FAILED, /* the server refuses all but its end */
};

struct sql_stmt {
    struct sql_db *db;
    struct sql_stmt *next; /* unused ones */
    struct sql_text text;  /* sql: a copy */
    char *sql;
    size_t sql_room;
    struct pg_args args;
    int64_t ints[PG_PARAMETERS_MAX]; /* as they are sent */
    void *own[PG_PARAMETERS_MAX];
    PGresult *rows;
    int row; /* -1 before the first */
};

struct sql_db {
    uint32_t magic;
    struct sql_conf conf; /* url: owned */
    char *url;
    struct pg_pool *pool; /* client */
    struct pg_conn *conn; /* NULL: none now */
    unsigned uses;        /* open statements and transactions */
    enum transaction state;
    enum sql_mode mode;
    struct err failure; /* why the transaction has failed */
    uint64_t writes;
    bool locked; /* this connection took the broker's lock */
    bool fenced; /* and has ended the sessions of the one before */
    struct sql_stmt *unused;
};

static const struct pg_args no_args;
static const struct pg_want no_want;

/* ---- connections ----------------------------------------------------------
 */

static void let_go(struct sql_db *db)
{
    if (db->conn == NULL) {
        return;
    }
    if (db->pool != NULL) {
        store_pg_pool_give(db->pool, &db->conn);
    } else {
        store_pg_conn_close(&db->conn);
    }
    db->locked = false;
}

/* A connection to begin something on. */
static bool need_fresh(struct sql_db *db, struct err *err)
{
    must(db->state == NO_TRANSACTION || db->state == ASKED);
    if (db->conn != NULL && !store_pg_conn_healthy(db->conn)) {
        let_go(db);
    }
    if (db->conn == NULL) {
        db->conn = db->pool != NULL ? store_pg_pool_take(db->pool, err)
                                    : store_pg_conn_open(&db->conf, err);
    }
    return db->conn != NULL;
}

static void enter(struct sql_db *db)
{
    db->uses++;
}

static void leave(struct sql_db *db)
{
    must(db->uses > 0);
    db->uses--;
    if (db->uses == 0 && db->pool != NULL) {
        let_go(db);
    }
}

static void db_close(struct sql_db **p);
static bool send_word(struct sql_db *db, const char *sql, struct err *err);

static bool db_open(const struct sql_conf *conf, struct sql_db **out,
                    struct err *err)
{
    struct sql_db *db = base_zalloc(sizeof *db);
    db->magic = PG_DB_MAGIC;
    db->conf = *conf;
    db->url = base_strdup(conf->url);
    db->conf.url = db->url;
    db->conf.epoch = 0; /* it may have none yet */
    if (!conf->owner) {
        db->pool = store_pg_pool_get(&db->conf);
    }
    enter(db);
    bool ok = need_fresh(db, err);
    leave(db);
    db->conf.epoch = conf->epoch;
    *out = db;
    if (!ok) {
        db_close(out);
    }
    return ok;
}

/* At once: the server notices the end of a session only later. */
static void unlock(struct sql_db *db)
{
    struct err ignored = ERR_INIT;
    if (db->locked &&
        send_word(db, "SELECT pg_advisory_unlock_all()", &ignored)) {
        bool done = store_pg_conn_sync(db->conn, &ignored);
        log_debug("store.unlocked", "done=%d", done);
    }
}

static void db_close(struct sql_db **p)
{
    struct sql_db *db = *p;
    check_magic(db, PG_DB_MAGIC);
    must(db->uses == 0 && db->state == NO_TRANSACTION);
    unlock(db);
    let_go(db);
    store_pg_pool_put(&db->pool);
    while (db->unused != NULL) {
        struct sql_stmt *q = db->unused;
        db->unused = q->next;
        free(q->sql);
        free(q);
    }
    free(db->url);
    db->magic = 0;
    free(db);
    *p = NULL;
}

/* ---- statements -----------------------------------------------------------
 */

static bool prepare(struct sql_db *db, const struct sql_text *text,
                    struct sql_stmt **out, struct err *err)
{
    (void)err; /* the server prepares with the first run */
    check_magic(db, PG_DB_MAGIC);
    must(strlen(text->types) <= PG_PARAMETERS_MAX);
    struct sql_stmt *q = db->unused;
    if (q == NULL) {
        q = base_zalloc(sizeof *q);
        q->db = db;
    } else {
        db->unused = q->next;
    }
    size_t size = strlen(text->sql) + 1;
    if (size > q->sql_room) {
        q->sql = base_realloc(q->sql, size);
        q->sql_room = size;
    }
    memcpy(q->sql, text->sql, size);
    q->text = *text;
    q->text.sql = q->sql;
    q->args.n = (int)strlen(text->types);
    q->row = -1;
    enter(db);
    *out = q;
    return true;
}

static int slot(const struct sql_stmt *q, int n)
{
    must(n >= 1 && n <= q->args.n);
    return n - 1;
}

static void bind_null(struct sql_stmt *q, int n)
{
    q->args.values[slot(q, n)] = NULL;
}

static void bind_int(struct sql_stmt *q, int n, int64_t value)
{
    int i = slot(q, n);
    q->ints[i] = (int64_t)htobe64((uint64_t)value);
    q->args.values[i] = (const char *)&q->ints[i];
    q->args.lengths[i] = (int)sizeof q->ints[i];
    q->args.formats[i] = 1;
}

static void bind_text(struct sql_stmt *q, int n, const char *text)
{
    int i = slot(q, n);
    q->args.values[i] = text;
    q->args.formats[i] = 0;
}

/* Beyond a gigabyte the server refuses the message. */
static void bind_bytes(struct sql_stmt *q, int n, const void *bytes, size_t len,
                       bool own)
{
    int i = slot(q, n);
    q->args.values[i] = len == 0 ? "" : bytes;
    q->args.lengths[i] = len > INT32_MAX ? INT32_MAX : (int)len;
    q->args.formats[i] = 1;
    if (own) {
        q->own[i] = (void *)(uintptr_t)bytes;
    }
}

static void reset(struct sql_stmt *q)
{
    pq.clear(q->rows);
    q->rows = NULL;
    for (int i = 0; i < q->args.n; i++) {
        free(q->own[i]);
        q->own[i] = NULL;
    }
    q->next = q->db->unused;
    q->db->unused = q;
    leave(q->db);
}

/* ---- sending --------------------------------------------------------------
 */

static bool send_word(struct sql_db *db, const char *sql, struct err *err)
{
    const struct sql_text text = {.sql = sql, .types = ""};
    return store_pg_conn_send(db->conn, &text, &no_args, &no_want, err);
}

static bool send_begin(struct sql_db *db, struct err *err)
{
    if (db->state != ASKED) {
        return true;
    }
    db->state = OPEN;
    return send_word(db,
                     db->mode == SQL_READ
                         ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                         : "BEGIN",
                     err);
}

static bool transaction_failed(struct sql_db *db, const struct err *err)
{
    if (db->state == OPEN || db->state == ASKED) {
        db->state = FAILED;
        db->failure = *err;
    }
    return false;
}

struct sending {
    const struct sql_text *text; /* the statement's, or its guard off */
    struct pg_want want;
    bool wait;
};

static bool send_once(struct sql_stmt *q, const struct sending *how,
                      struct err *err)
{
    struct sql_db *db = q->db;
    return send_begin(db, err) &&
           store_pg_conn_send(db->conn, how->text, &q->args, &how->want, err) &&
           (!how->wait || store_pg_conn_sync(db->conn, err));
}

/* On a connection that turns out to be dead with the first statement nothing
 * has been done: it is sent again on another. */
static bool send(struct sql_stmt *q, const struct sending *how, struct err *err)
{
    struct sql_db *db = q->db;
    if (db->state == FAILED) {
        *err = db->failure;
        return false;
    }
    enum transaction before = db->state;
    bool first = before != OPEN;
    bool ok = before != NO_TRANSACTION || need_fresh(db, err);
    ok = ok && send_once(q, how, err);
    for (int i = 0; i < AGAIN_MAX && !ok && first && db->conn != NULL &&
                    store_pg_conn_lost(db->conn);
         i++) {
        db->state = before;
        ok = need_fresh(db, err) && send_once(q, how, err);
    }
    return ok || transaction_failed(db, err);
}

static bool wait_for(struct sql_stmt *q, struct err *err)
{
    struct sql_text plain = q->text;
    plain.guard = false;
    const struct sending how = {
        .text = &plain, .want = {.rows = &q->rows}, .wait = true};
    if (!send(q, &how, err)) {
        return false;
    }
    if (q->rows == NULL) {
        return err_set(err, ERR_STORE, "postgresql: no result");
    }
    q->row = -1;
    bool read = strncmp(q->text.sql, "SELECT", 6) == 0;
    q->db->writes += read ? 0 : (uint64_t)store_pg_conn_changes(q->db->conn);
    return true;
}

static enum sql_step step(struct sql_stmt *q, struct err *err)
{
    if (q->rows == NULL && !wait_for(q, err)) {
        return SQL_FAILED;
    }
    q->row++;
    return q->row < pq.ntuples(q->rows) ? SQL_ROW : SQL_DONE;
}

static bool run(struct sql_stmt *q, int64_t *changes, struct err *err)
{
    const struct sending how = {.text = &q->text,
                                .want = {.changes = changes},
                                .wait = q->db->state == NO_TRANSACTION};
    q->db->writes++;
    return send(q, &how, err);
}

static bool guard(struct sql_stmt *q, const struct err *unless, bool *held,
                  struct err *err)
{
    struct sql_db *db = q->db;
    must(q->text.guard);
    *held = true;
    if (db->state != NO_TRANSACTION && db->mode == SQL_WRITE_FAST) {
        const struct sending how = {.text = &q->text,
                                    .want = {.unless = unless}};
        db->writes++;
        return send(q, &how, err);
    }
    enum sql_step got = step(q, err);
    *held = got == SQL_ROW;
    if (got == SQL_DONE) {
        *err = *unless;
    }
    return *held;
}

static bool settle(struct sql_db *db, struct err *err)
{
    if (db->state == FAILED) {
        *err = db->failure;
        return false;
    }
    if (db->conn == NULL || db->state != OPEN) {
        return true;
    }
    return store_pg_conn_sync(db->conn, err) || transaction_failed(db, err);
}

static int64_t changes(struct sql_db *db)
{
    struct err err = ERR_INIT;
    if (db->conn == NULL || !settle(db, &err)) {
        return -1;
    }
    return store_pg_conn_changes(db->conn);
}

static uint64_t writes(struct sql_db *db)
{
    return db->writes;
}

/* ---- columns --------------------------------------------------------------
 */

static bool is_null(struct sql_stmt *q, int column)
{
    return pq.getisnull(q->rows, q->row, column) != 0;
}

static int64_t get_int(struct sql_stmt *q, int column)
{
    if (is_null(q, column)) {
        return 0;
    }
    const char *at = pq.getvalue(q->rows, q->row, column);
    uint64_t wide = 0;
    uint32_t word = 0;
    uint16_t half = 0;
    switch (pq.ftype(q->rows, column)) {
    case OID_BOOL:
        return *at != 0;
    case OID_INT2:
        memcpy(&half, at, sizeof half);
        return (int16_t)be16toh(half);
    case OID_INT4:
        memcpy(&word, at, sizeof word);
        return (int32_t)be32toh(word);
    default: /* the schema has no other numbers */
        must(pq.getlength(q->rows, q->row, column) == (int)sizeof wide);
        memcpy(&wide, at, sizeof wide);
        return (int64_t)be64toh(wide);
    }
}

static const char *get_text(struct sql_stmt *q, int column)
{
    return is_null(q, column) ? NULL : pq.getvalue(q->rows, q->row, column);
}

static const void *get_bytes(struct sql_stmt *q, int column, size_t *len)
{
    *len = (size_t)pq.getlength(q->rows, q->row, column);
    return pq.getvalue(q->rows, q->row, column);
}

/* ---- transactions ---------------------------------------------------------
 */

static bool begin(struct sql_db *db, enum sql_mode mode, struct err *err)
{
    check_magic(db, PG_DB_MAGIC);
    must(db->state == NO_TRANSACTION);
    enter(db);
    if (!need_fresh(db, err)) {
        leave(db);
        return false;
    }
    db->state = ASKED;
    db->mode = mode;
    return true;
}

static void end_transaction(struct sql_db *db)
{
    db->state = NO_TRANSACTION;
    err_clear(&db->failure);
    leave(db);
}

/* Nobody waits for the answer. */
static void rollback(struct sql_db *db)
{
    struct err ignored = ERR_INIT;
    if (db->state == NO_TRANSACTION) {
        return;
    }
    bool begun = db->state != ASKED && db->conn != NULL;
    if (begun && !store_pg_conn_lost(db->conn)) {
        if (send_word(db, "ROLLBACK", &ignored)) {
            store_pg_conn_sync_later(db->conn);
        }
    }
    end_transaction(db);
}

static bool commit(struct sql_db *db, struct err *err)
{
    bool ok = true;
    if (db->state == NO_TRANSACTION) {
        return err_set(err, ERR_STORE, "postgresql: the transaction was ended");
    }
    if (db->state == FAILED) {
        *err = db->failure;
        ok = false;
    } else if (db->state == OPEN) {
        ok = send_word(db, "COMMIT", err) && store_pg_conn_sync(db->conn, err);
    }
    if (!ok) {
        rollback(db);
        return false;
    }
    end_transaction(db);
    return true;
}

static bool in_transaction(struct sql_db *db, struct err *err)
{
    /* What has been sent may fail yet. */
    struct err told = ERR_INIT;
    if (db->state == ASKED || (db->state == OPEN && settle(db, &told))) {
        return true;
    }
    if (err != NULL && db->failure.code != ERR_NONE) {
        *err = db->failure;
    }
    return false;
}

/* There are none: savepoints is false. */
static bool savepoint(struct sql_db *db, struct err *err)
{
    (void)db;
    return err_set(err, ERR_UNSUPPORTED, "postgresql: savepoints");
}

static void undo(struct sql_db *db)
{
    (void)db;
}

/* ---- the database as a whole ----------------------------------------------
 */

static bool one_number(struct sql_db *db, const char *sql, int64_t *out,
                       struct err *err)
{
    struct sql_stmt *q = NULL;
    const struct sql_text text = {.sql = sql, .types = ""};
    if (!prepare(db, &text, &q, err)) {
        return false;
    }
    enum sql_step got = step(q, err);
    *out = got == SQL_ROW ? get_int(q, 0) : 0;
    reset(q);
    return got != SQL_FAILED;
}

static bool version(struct sql_db *db, int64_t *out, struct err *err)
{
    return one_number(db, "SELECT to_regclass('meta') IS NOT NULL", out, err) &&
           (*out == 0 || one_number(db,
                                    "SELECT value FROM meta"
                                    " WHERE name = 'schema_version'",
                                    out, err));
}

/* Locks are the database's, and it may hold several schemas. */
#define LOCK_KEY "7410, hashtext('leat ' || current_schema())"

static bool lock_schema(struct sql_db *db, struct err *err)
{
    int64_t ignored = 0;
    return one_number(db,
                      "SELECT 1 FROM pg_advisory_xact_lock(7411,"
                      " hashtext('leat ' || current_schema()))",
                      &ignored, err);
}

/* In the schema's TEXT columns bytes are compared, whatever the database's
 * own order is. */
static bool script(struct sql_db *db, const char *text, struct err *err)
{
    static const char type[] = " TEXT";
    static const char more[] = " TEXT COLLATE \"C\"";
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    bool fits = true;
    for (const char *at; (at = strstr(text, type)) != NULL;
         text = at + sizeof type - 1) {
        fits = fits && buf_append(&b, text, (size_t)(at - text)) &&
               buf_puts(&b, more);
    }
    fits = fits && buf_append(&b, text, strlen(text) + 1);
    must(fits);
    bool ok =
        send_begin(db, err) && store_pg_conn_script(db->conn, b.data, err);
    buf_fini(&b);
    return ok || transaction_failed(db, err);
}

/* The sessions of a broker that was active before: whatever it still has on
 * its way must not come in after us. */
static bool end_others(struct sql_db *db, struct err *err)
{
    int64_t ended = 0;
    return one_number(
        db,
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = current_setting('application_name')"
        " AND usename = current_user",
        &ended, err);
}

/* An active broker asks for its lock each second; one that has not for three
 * stands still or is cut off. */
static bool end_silent(struct sql_db *db, struct err *err)
{
    int64_t ended = 0;
    return one_number(
        db,
        "SELECT count(pg_terminate_backend(a.pid, 1000))"
        " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 7410"
        " AND l.objid::bigint = hashtext('leat ' || current_schema())::bigint"
        " & 4294967295"
        " AND l.database = (SELECT oid FROM pg_database"
        " WHERE datname = current_database())"
        " AND a.state = 'idle' AND now() - a.state_change > interval '3 s'",
        &ended, err);
}

static bool lock(struct sql_db *db, bool *got, struct err *err)
{
    int64_t mine = 0;
    *got = false;
    if (db->locked && !one_number(db, "SELECT 1", &mine, err)) {
        return false;
    }
    if (db->locked) { /* on the same connection as before */
        *got = true;
        return true;
    }
    if (!one_number(db, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", &mine,
                    err)) {
        return false;
    }
    *got = mine != 0;
    if (!*got) {
        return end_silent(db, err);
    }
    db->locked = true;
    if (!db->fenced && !end_others(db, err)) {
        return false;
    }
    db->fenced = true;
    return true;
}

static bool limit(struct sql_db *db, int64_t bytes, struct err *err)
{
    (void)db;
    (void)bytes;
    return err_set(err, ERR_UNSUPPORTED, "postgresql: no limit of its size");
}

const struct sql_ops *store_pg_ops(void)
{
    static const struct sql_ops ops = {
        .one_writer = false,
        .savepoints = false,
        .open = db_open,
        .close = db_close,
        .prepare = prepare,
        .bind_null = bind_null,
        .bind_int = bind_int,
        .bind_text = bind_text,
        .bind_bytes = bind_bytes,
        .step = step,
        .run = run,
        .guard = guard,
        .is_null = is_null,
        .get_int = get_int,
        .get_text = get_text,
        .get_bytes = get_bytes,
        .reset = reset,
        .settle = settle,
        .changes = changes,
        .writes = writes,
        .begin = begin,
        .commit = commit,
        .rollback = rollback,
        .savepoint = savepoint,
        .release = savepoint,
        .undo = undo,
        .in_transaction = in_transaction,
        .lock_schema = lock_schema,
        .script = script,
        .version = version,
        .lock = lock,
        .limit = limit,
    };
    return &ops;
}
