/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver, the only user of sqlite3.h. One connection per handle,
 * WAL, statements cached by text. Within a process the transactions that write
 * to one file wait for each other in order of arrival (store/writer.c), so
 * that threads do not meet SQLITE_BUSY.
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
 * gateway may have one for each of its threads. */
#define CLIENT_CACHE "-1024"
#define OWNER_CACHE "-8192"
#define WAL_KEPT_BYTES "67108864"

struct sql_stmt {
    struct sql_db *db;
    sqlite3_stmt *stmt;
    char *text;
    uint64_t hash;
    uint64_t used;                 /* when last prepared, by count */
    int place[PARAMETERS_MAX + 1]; /* $n -> SQLite's number */
    bool running;
};

struct sql_db {
    uint32_t magic;
    sqlite3 *sqlite;
    char *path;
    struct store_writer *writer; /* owner */
    bool writing;                /* holds the writer's turn */
    int lock_fd;                 /* <path>.broker; -1 */
    uint64_t uses;
    size_t stmt_count;
    struct sql_stmt *stmts[CACHE_MAX];
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

static bool failed(struct sql_db *db, const char *what, struct err *err)
{
    int code = sqlite3_extended_errcode(db->sqlite);
    must((code & 0xff) != SQLITE_NOMEM && (code & 0xff) != SQLITE_MISUSE);
    enum err_code kind = ERR_STORE;
    if (no_room(db->sqlite, code)) {
        kind = ERR_STORE_FULL;
    } else if ((code & 0xff) == SQLITE_BUSY ||
               (code & 0xff) == SQLITE_CANTOPEN) {
        kind = ERR_UNAVAILABLE;
    }
    return err_set(err, kind, "sqlite: %s: %s (%d)", what,
                   sqlite3_errmsg(db->sqlite), code);
}

static bool script(struct sql_db *db, const char *text, struct err *err)
{
    if (sqlite3_exec(db->sqlite, text, NULL, NULL, NULL) != SQLITE_OK) {
        return failed(db, "script", err);
    }
    return true;
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

static bool set_up(struct sql_db *db, const struct sql_conf *conf,
                   struct err *err)
{
    (void)sqlite3_busy_timeout(db->sqlite, BUSY_WAIT_MS);
    (void)sqlite3_extended_result_codes(db->sqlite, 1);
    if (!conf->owner) {
        /* The last to close would write the WAL back; leave that to the
         * owner. */
        (void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                                NULL);
        return script(db,
                      "PRAGMA query_only = 1;"
                      "PRAGMA cache_size = " CLIENT_CACHE ";",
                      err);
    }
    return script(db,
                  "PRAGMA journal_mode = WAL;"
                  "PRAGMA wal_autocheckpoint = " WAL_PAGES ";"
                  "PRAGMA journal_size_limit = " WAL_KEPT_BYTES ";"
                  "PRAGMA cache_size = " OWNER_CACHE ";"
                  "PRAGMA temp_store = MEMORY;",
                  err) &&
           script(db,
                  conf->fsync ? "PRAGMA synchronous = FULL"
                              : "PRAGMA synchronous = NORMAL",
                  err);
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
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                (conf->owner ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &db->sqlite, flags, NULL);
    must(db->sqlite != NULL);
    bool ok = code == SQLITE_OK || failed(db, path, err);
    ok = ok && set_up(db, conf, err);
    if (ok && conf->owner) {
        db->writer = store_writer_get(path, err);
        ok = db->writer != NULL;
    }
    if (!ok) {
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
    for (size_t i = 0; i < db->stmt_count; i++) {
        stmt_free(db->stmts[i]);
    }
    int code = sqlite3_close(db->sqlite);
    must(code == SQLITE_OK);
    store_writer_put(&db->writer);
    if (db->lock_fd >= 0) {
        (void)close(db->lock_fd);
    }
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

static struct sql_stmt *find(struct sql_db *db, const char *sql, uint64_t hash)
{
    for (size_t i = 0; i < db->stmt_count; i++) {
        struct sql_stmt *q = db->stmts[i];
        if (q->hash == hash && !q->running && strcmp(q->text, sql) == 0) {
            return q;
        }
    }
    return NULL;
}

/* A place for one more: the longest unused one makes room. */
static struct sql_stmt **room(struct sql_db *db)
{
    if (db->stmt_count < CACHE_MAX) {
        return &db->stmts[db->stmt_count++];
    }
    struct sql_stmt **oldest = NULL;
    for (size_t i = 0; i < CACHE_MAX; i++) {
        struct sql_stmt *q = db->stmts[i];
        if (!q->running && (oldest == NULL || q->used < (*oldest)->used)) {
            oldest = &db->stmts[i];
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

static struct sql_stmt *compile(struct sql_db *db, const char *sql,
                                struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    char *text = without_locks(sql);
    int code = sqlite3_prepare_v3(db->sqlite, text, -1,
                                  SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    free(text);
    if (code != SQLITE_OK) {
        (void)failed(db, sql, err);
        return NULL;
    }
    struct sql_stmt *q = base_zalloc(sizeof *q);
    q->db = db;
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
    uint64_t hash = hash_of(text->sql);
    struct sql_stmt *q = find(db, text->sql, hash);
    if (q == NULL) {
        q = compile(db, text->sql, err);
        if (q == NULL) {
            return false;
        }
        q->hash = hash;
        *room(db) = q;
    }
    q->used = ++db->uses;
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
    (void)failed(q->db, "statement", err);
    return SQL_FAILED;
}

static int64_t changes(struct sql_db *db)
{
    return sqlite3_changes64(db->sqlite);
}

static bool run(struct sql_stmt *q, int64_t *changed, struct err *err)
{
    enum sql_step got;
    while ((got = step(q, err)) == SQL_ROW) {
    }
    if (changed != NULL) {
        *changed = changes(q->db);
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
    return (uint64_t)sqlite3_total_changes64(db->sqlite);
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

static void let_go(struct sql_db *db)
{
    if (db->writing) {
        db->writing = false;
        store_writer_unlock(db->writer);
    }
}

static bool begin(struct sql_db *db, enum sql_mode mode, struct err *err)
{
    if (mode == SQL_READ) {
        return word(db, "BEGIN", err);
    }
    must(db->writer != NULL && !db->writing);
    store_writer_lock(db->writer);
    db->writing = true;
    if (!word(db, "BEGIN IMMEDIATE", err)) {
        let_go(db);
        return false;
    }
    return true;
}

static void rollback(struct sql_db *db)
{
    struct err ignored = ERR_INIT;
    if (!sqlite3_get_autocommit(db->sqlite)) {
        (void)word(db, "ROLLBACK", &ignored);
    }
    let_go(db);
}

static bool commit(struct sql_db *db, struct err *err)
{
    if (sqlite3_get_autocommit(db->sqlite)) {
        let_go(db);
        return err_set(err, ERR_STORE, "sqlite: the transaction was ended");
    }
    if (!word(db, "COMMIT", err)) {
        rollback(db);
        return false;
    }
    let_go(db);
    return true;
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
    return !sqlite3_get_autocommit(db->sqlite);
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
    return script(db, text, err);
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
