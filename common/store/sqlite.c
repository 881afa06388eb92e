/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver, the only user of sqlite3.h. WAL, statements cached by
 * text. A handle reads through a connection of its own. The transactions that
 * write to one file go through one connection of the process, in order of
 * arrival (store/writer.c): threads do not meet SQLITE_BUSY, and what the one
 * has changed stays in the cache for the next one. A commit leaves the WAL to
 * the system; it is made durable behind it, while the next one writes. Who
 * wrote waits for that; who reads may see it a moment earlier.
 */
#include "common/store/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store/writer.h"

#define SQLITE_DB_MAGIC LEAT_MAGIC(0x5d8b0001)
#define PARAMETERS_MAX 32
#define CACHE_MAX 256      /* statements kept; more are made anew */
#define BUSY_WAIT_MS 10000 /* only for other processes */
#define WAL_PAGES "4000"   /* between checkpoints into the file */
/* Pages kept by a connection, in KiB; the system keeps the file itself. A
 * gateway may have one for each of its threads; one writes. */
#define READER_CACHE "PRAGMA cache_size = -1024"
#define WRITER_CACHE "PRAGMA cache_size = -16384"
#define WAL_KEPT_BYTES "67108864"

struct conn;

struct sql_stmt {
    struct conn *conn;
    sqlite3_stmt *stmt;
    char *text;
    uint64_t hash;
    uint64_t used;                 /* when last prepared, by count */
    int place[PARAMETERS_MAX + 1]; /* $n -> SQLite's number */
    bool running;
};

struct conn {
    sqlite3 *sqlite;
    uint64_t uses;
    size_t stmt_count;
    struct sql_stmt *stmts[CACHE_MAX];
};

struct sql_db {
    uint32_t magic;
    char *path;
    struct conn *own;
    struct conn *at;             /* where statements go: own, or the writers' */
    struct store_writer *writer; /* owner */
    bool writing;                /* holds the writer's turn */
    char *log;                   /* what is made durable; NULL: the system may */
    int lock_fd;                 /* <path>.broker; -1 */
};

/* ---- errors ---------------------------------------------------------------
 */

/* SQLite itself knows only ENOSPC. A quota or a limit of file sizes is a write
 * that fails, and by the time it is told errno may be another's: every write
 * that fails counts, but for a disk that is known to be broken. */
static bool no_room(sqlite3 *sqlite, int code)
{
    return (code & 0xff) == SQLITE_FULL ||
           (code == SQLITE_IOERR_WRITE && sqlite3_system_errno(sqlite) != EIO);
}

static bool failed(struct conn *c, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(c->sqlite);
    must((code & 0xff) != SQLITE_NOMEM && (code & 0xff) != SQLITE_MISUSE);
    enum err_code kind = ERR_STORE;
    if (no_room(c->sqlite, code)) {
        kind = ERR_STORE_FULL;
    } else if ((code & 0xff) == SQLITE_BUSY ||
               (code & 0xff) == SQLITE_CANTOPEN) {
        kind = ERR_UNAVAILABLE;
    }
    return err_set(err, kind, "sqlite: %s: %s (%d)", what,
                   sqlite3_errmsg(c->sqlite), code);
}

static bool exec(struct conn *c, const char *text, struct err *err)
{
    if (sqlite3_exec(c->sqlite, text, NULL, NULL, NULL) != SQLITE_OK) {
        return failed(c, "script", err);
    }
    return true;
}

static bool script(struct sql_db *db, const char *text, struct err *err)
{
    return exec(db->at, text, err);
}

/* ---- opening --------------------------------------------------------------
 */

/* The folders above the file. */
static bool make_folders(const char *path, struct err *err)
{
    char *copy = base_strdup(path);
    bool ok = true;
    for (char *p = strchr(copy + 1, '/'); ok && p != NULL;
         p = strchr(p + 1, '/')) {
        *p = '\0';
        ok = mkdir(copy, 0777) == 0 || errno == EEXIST;
        if (!ok) {
            (void)err_set(err, ERR_IO, "making the folder %s: %s", copy,
                          strerror(errno));
        }
        *p = '/';
    }
    free(copy);
    return ok;
}

static bool set_up(struct conn *c, const struct sql_conf *conf,
                   struct err *err)
{
    (void)sqlite3_busy_timeout(c->sqlite, BUSY_WAIT_MS);
    (void)sqlite3_extended_result_codes(c->sqlite, 1);
    if (!conf->owner) {
        /* The last to close would write the WAL back; leave that to the
         * owner. */
        (void)sqlite3_db_config(c->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                                NULL);
        return exec(c, "PRAGMA query_only = 1", err);
    }
    return exec(c,
                "PRAGMA journal_mode = WAL;"
                "PRAGMA wal_autocheckpoint = " WAL_PAGES ";"
                "PRAGMA journal_size_limit = " WAL_KEPT_BYTES ";"
                "PRAGMA temp_store = MEMORY;"
                "PRAGMA synchronous = NORMAL;",
                err);
}

static void stmt_free(struct sql_stmt *q);

static void conn_close(struct conn **p)
{
    struct conn *c = *p;
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->stmt_count; i++) {
        stmt_free(c->stmts[i]);
    }
    int code = sqlite3_close(c->sqlite);
    must(code == SQLITE_OK);
    free(c);
    *p = NULL;
}

static struct conn *conn_open(const struct sql_conf *conf, const char *cache,
                              struct err *err)
{
    const char *path = strchr(conf->url, ':') + 1;
    struct conn *c = base_zalloc(sizeof *c);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                (conf->owner ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &c->sqlite, flags, NULL);
    must(c->sqlite != NULL);
    bool ok = code == SQLITE_OK || failed(c, path, err);
    if (!ok || !set_up(c, conf, err) || !exec(c, cache, err)) {
        conn_close(&c);
    }
    return c;
}

/* The first one opens what all of them write through. */
static bool open_writer(struct sql_db *db, const struct sql_conf *conf,
                        struct err *err)
{
    db->writer = store_writer_get(db->path, err);
    if (db->writer == NULL) {
        return false;
    }
    store_writer_lock(db->writer);
    void **shared = store_writer_shared(db->writer);
    if (*shared == NULL) {
        *shared = conn_open(conf, WRITER_CACHE, err);
    }
    bool ok = *shared != NULL;
    store_writer_unlock(db->writer);
    return ok;
}

static void db_close(struct sql_db **p);

static bool db_open(const struct sql_conf *conf, struct sql_db **out,
                    struct err *err)
{
    const char *path = strchr(conf->url, ':') + 1;
    *out = NULL;
    if (conf->owner && !make_folders(path, err)) {
        return false;
    }
    struct sql_db *db = base_zalloc(sizeof *db);
    db->magic = SQLITE_DB_MAGIC;
    db->path = base_strdup(path);
    db->lock_fd = -1;
    if (conf->fsync) {
        size_t size = strlen(path) + sizeof "-wal";
        db->log = base_zalloc(size);
        (void)snprintf(db->log, size, "%s-wal", path);
    }
    db->own = conn_open(conf, READER_CACHE, err);
    db->at = db->own;
    if (db->own == NULL || (conf->owner && !open_writer(db, conf, err))) {
        db_close(&db);
        return false;
    }
    *out = db;
    return true;
}

static void stmt_free(struct sql_stmt *q)
{
    (void)sqlite3_finalize(q->stmt);
    free(q->text);
    free(q);
}

static void db_close(struct sql_db **p)
{
    struct sql_db *db = *p;
    check_magic(db, SQLITE_DB_MAGIC);
    must(!db->writing);
    struct conn *shared = store_writer_put(&db->writer);
    conn_close(&db->own);
    conn_close(&shared);
    if (db->lock_fd >= 0) {
        (void)close(db->lock_fd);
    }
    free(db->log);
    free(db->path);
    db->magic = 0;
    free(db);
    *p = NULL;
}

/* ---- statements -----------------------------------------------------------
 */

static uint64_t hash_of(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return h;
}

static struct sql_stmt *find(struct conn *c, const char *sql, uint64_t hash)
{
    for (size_t i = 0; i < c->stmt_count; i++) {
        struct sql_stmt *q = c->stmts[i];
        if (q->hash == hash && !q->running && strcmp(q->text, sql) == 0) {
            return q;
        }
    }
    return NULL;
}

/* A place for one more: the longest unused one makes room. */
static struct sql_stmt **room(struct conn *c)
{
    if (c->stmt_count < CACHE_MAX) {
        return &c->stmts[c->stmt_count++];
    }
    struct sql_stmt **oldest = NULL;
    for (size_t i = 0; i < CACHE_MAX; i++) {
        struct sql_stmt *q = c->stmts[i];
        if (!q->running && (oldest == NULL || q->used < (*oldest)->used)) {
            oldest = &c->stmts[i];
        }
    }
    must(oldest != NULL);
    stmt_free(*oldest);
    return oldest;
}

/* Locks of rows are for databases with several writers. */
static char *without_locks(const char *sql)
{
    static const char *const words[] = {" FOR UPDATE", " FOR SHARE"};
    char *copy = base_strdup(sql);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (char *at; (at = strstr(copy, words[i])) != NULL;) {
            memset(at, ' ', strlen(words[i]));
        }
    }
    return copy;
}

static struct sql_stmt *compile(struct conn *c, const char *sql,
                                struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    char *text = without_locks(sql);
    int code = sqlite3_prepare_v3(c->sqlite, text, -1,
                                  SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    free(text);
    if (code != SQLITE_OK) {
        (void)failed(c, sql, err);
        return NULL;
    }
    struct sql_stmt *q = base_zalloc(sizeof *q);
    q->conn = c;
    q->stmt = stmt;
    q->text = base_strdup(sql);
    must(sqlite3_bind_parameter_count(stmt) <= PARAMETERS_MAX);
    for (int n = 1; n <= sqlite3_bind_parameter_count(stmt); n++) {
        char name[16];
        (void)snprintf(name, sizeof name, "$%d", n);
        q->place[n] = sqlite3_bind_parameter_index(stmt, name);
        must(q->place[n] > 0);
    }
    return q;
}

static bool prepare(struct sql_db *db, const struct sql_text *text,
                    struct sql_stmt **out, struct err *err)
{
    check_magic(db, SQLITE_DB_MAGIC);
    struct conn *c = db->at;
    uint64_t hash = hash_of(text->sql);
    struct sql_stmt *q = find(c, text->sql, hash);
    if (q == NULL) {
        q = compile(c, text->sql, err);
        if (q == NULL) {
            return false;
        }
        q->hash = hash;
        *room(c) = q;
    }
    q->used = ++c->uses;
    q->running = true;
    *out = q;
    return true;
}

static int place_of(const struct sql_stmt *q, int n)
{
    must(n >= 1 && n <= PARAMETERS_MAX && q->place[n] > 0);
    return q->place[n];
}

static void bind_null(struct sql_stmt *q, int n)
{
    (void)sqlite3_bind_null(q->stmt, place_of(q, n));
}

static void bind_int(struct sql_stmt *q, int n, int64_t value)
{
    (void)sqlite3_bind_int64(q->stmt, place_of(q, n), value);
}

static void bind_text(struct sql_stmt *q, int n, const char *text)
{
    (void)sqlite3_bind_text(q->stmt, place_of(q, n), text, -1, SQLITE_STATIC);
}

/* Beyond SQLite's limit of a gigabyte the step fails ("too big"). */
static void bind_bytes(struct sql_stmt *q, int n, const void *bytes, size_t len,
                       bool own)
{
    int place = place_of(q, n);
    if (len == 0) {
        (void)sqlite3_bind_zeroblob(q->stmt, place, 0);
        if (own) {
            free((void *)(uintptr_t)bytes);
        }
        return;
    }
    (void)sqlite3_bind_blob64(q->stmt, place, bytes, len,
                              own ? free : SQLITE_STATIC);
}

static enum sql_step step(struct sql_stmt *q, struct err *err)
{
    int code = sqlite3_step(q->stmt);
    if (code == SQLITE_ROW) {
        return SQL_ROW;
    }
    if (code == SQLITE_DONE) {
        return SQL_DONE;
    }
    (void)failed(q->conn, "statement", err);
    return SQL_FAILED;
}

static int64_t changes(struct sql_db *db)
{
    return sqlite3_changes64(db->at->sqlite);
}

static bool run(struct sql_stmt *q, int64_t *changed, struct err *err)
{
    enum sql_step got;
    while ((got = step(q, err)) == SQL_ROW) {
    }
    if (changed != NULL) {
        *changed = sqlite3_changes64(q->conn->sqlite);
    }
    return got == SQL_DONE;
}

static bool guard(struct sql_stmt *q, const struct err *unless, bool *held,
                  struct err *err)
{
    enum sql_step got = step(q, err);
    *held = got == SQL_ROW;
    if (got == SQL_DONE) {
        *err = *unless;
    }
    return got == SQL_ROW && run(q, NULL, err);
}

static bool settle(struct sql_db *db, struct err *err)
{
    (void)db; /* nothing is ever on its way */
    (void)err;
    return true;
}

static uint64_t writes(struct sql_db *db)
{
    return (uint64_t)sqlite3_total_changes64(db->at->sqlite);
}

static bool is_null(struct sql_stmt *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

static int64_t get_int(struct sql_stmt *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

static const char *get_text(struct sql_stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q->stmt, column);
}

static const void *get_bytes(struct sql_stmt *q, int column, size_t *len)
{
    const void *bytes = sqlite3_column_blob(q->stmt, column);
    *len = (size_t)sqlite3_column_bytes(q->stmt, column);
    return bytes;
}

static void reset(struct sql_stmt *q)
{
    (void)sqlite3_reset(q->stmt);
    (void)sqlite3_clear_bindings(q->stmt);
    q->running = false;
}

/* ---- transactions ---------------------------------------------------------
 */

/* One of the fixed words below; through the cache, they are used all day. */
static bool word(struct sql_db *db, const char *sql, struct err *err)
{
    struct sql_stmt *q = NULL;
    if (!prepare(db, &(struct sql_text){.sql = sql, .types = ""}, &q, err)) {
        return false;
    }
    bool ok = step(q, err) == SQL_DONE;
    reset(q);
    return ok;
}

static bool is_open(const struct sql_db *db)
{
    return !sqlite3_get_autocommit(db->at->sqlite);
}

static void give_turn(struct sql_db *db)
{
    if (db->writing) {
        db->at = db->own;
        db->writing = false;
        store_writer_unlock(db->writer);
    }
}

static void take_turn(struct sql_db *db)
{
    must(db->writer != NULL && !db->writing);
    store_writer_lock(db->writer);
    db->writing = true;
    db->at = *store_writer_shared(db->writer);
}

static bool begin(struct sql_db *db, enum sql_mode mode, struct err *err)
{
    if (mode == SQL_READ) {
        return word(db, "BEGIN", err);
    }
    take_turn(db);
    if (!word(db, "BEGIN IMMEDIATE", err)) {
        give_turn(db);
        return false;
    }
    return true;
}

static void rollback(struct sql_db *db)
{
    struct err ignored = ERR_INIT;
    if (is_open(db)) {
        (void)word(db, "ROLLBACK", &ignored);
    }
    give_turn(db);
}

static bool commit(struct sql_db *db, struct err *err)
{
    if (!is_open(db)) {
        give_turn(db);
        return err_set(err, ERR_STORE, "sqlite: the transaction was ended");
    }
    if (!word(db, "COMMIT", err)) {
        rollback(db);
        return false;
    }
    if (!db->writing || db->log == NULL) {
        give_turn(db);
        return true;
    }
    uint64_t number = store_writer_wrote(db->writer);
    give_turn(db);
    return store_writer_sync(db->writer, db->log, number, err);
}

static bool savepoint(struct sql_db *db, struct err *err)
{
    return word(db, "SAVEPOINT call", err);
}

static bool release(struct sql_db *db, struct err *err)
{
    return word(db, "RELEASE call", err);
}

static void undo(struct sql_db *db)
{
    struct err ignored = ERR_INIT;
    (void)word(db, "ROLLBACK TO call", &ignored);
    (void)word(db, "RELEASE call", &ignored);
}

static bool in_transaction(struct sql_db *db, struct err *err)
{
    (void)err; /* the statement that met it has told */
    return is_open(db);
}

/* ---- the database as a whole ----------------------------------------------
 */

static bool one_number(struct sql_db *db, const char *sql, int64_t *out,
                       struct err *err)
{
    struct sql_stmt *q = NULL;
    if (!prepare(db, &(struct sql_text){.sql = sql, .types = ""}, &q, err)) {
        return false;
    }
    enum sql_step got = step(q, err);
    *out = got == SQL_ROW ? get_int(q, 0) : 0;
    reset(q);
    return got != SQL_FAILED;
}

static bool version(struct sql_db *db, int64_t *out, struct err *err)
{
    return one_number(db,
                      "SELECT COUNT(*) FROM sqlite_master"
                      " WHERE type = 'table' AND name = 'meta'",
                      out, err) &&
           (*out == 0 || one_number(db,
                                    "SELECT value FROM meta"
                                    " WHERE name = 'schema_version'",
                                    out, err));
}

/* A transaction that writes is the only one as it is. */
static bool lock_schema(struct sql_db *db, struct err *err)
{
    (void)err;
    return db->writing;
}

static bool lock(struct sql_db *db, bool *got, struct err *err)
{
    if (db->lock_fd < 0) {
        char path[4200];
        if (snprintf(path, sizeof path, "%s.broker", db->path) >=
            (int)sizeof path) {
            return err_set(err, ERR_INVALID, "the store's path is too long");
        }
        db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    }
    if (db->lock_fd < 0) {
        return err_set(err, ERR_IO, "opening the lock: %s", strerror(errno));
    }
    *got = flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (!*got && errno != EWOULDBLOCK) {
        return err_set(err, ERR_IO, "taking the lock: %s", strerror(errno));
    }
    return true;
}

static bool limit(struct sql_db *db, int64_t bytes, struct err *err)
{
    int64_t page = 0;
    if (!one_number(db, "PRAGMA page_size", &page, err) || page == 0) {
        return false;
    }
    int64_t pages = bytes == 0 ? 0xfffffffe : bytes / page;
    char text[64];
    (void)snprintf(text, sizeof text, "PRAGMA max_page_count = %lld",
                   (long long)pages);
    take_turn(db);
    bool ok = script(db, text, err);
    give_turn(db);
    return ok;
}

const struct sql_ops *store_sqlite_ops(void)
{
    static const struct sql_ops ops = {
        .one_writer = true,
        .savepoints = true,
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
        .release = release,
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
