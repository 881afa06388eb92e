/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle: opening, the transaction around each call, groups of calls.
 * Knows no table.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_PAUSE_MS 20 /* between looks for a database that is not there */

static const struct sql_ops *driver_of(const char *url)
{
    const struct {
        const char *scheme;
        const struct sql_ops *sql;
    } known[] = {
        {"sqlite:", store_sqlite_ops()},
        {"postgresql://", store_pg_ops()},
        {"postgres://", store_pg_ops()},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        size_t len = strlen(known[i].scheme);
        if (strncmp(url, known[i].scheme, len) == 0 && url[len] != '\0') {
            return known[i].sql;
        }
    }
    return NULL;
}

bool store_url_shared(const char *url)
{
    const struct sql_ops *sql = driver_of(url);
    return sql != NULL && !sql->one_writer;
}

static bool open_once(store_t *s, const struct sql_conf *conf, struct err *err)
{
    if (!s->sql->open(conf, &s->db, err)) {
        return false;
    }
    if (!store_schema_ready(s, err)) {
        s->sql->close(&s->db);
        return false;
    }
    return true;
}

/* A client may be started before the broker has made the database. */
static bool open_patiently(store_t *s, const struct sql_conf *conf,
                           int64_t wait_ms, struct err *err)
{
    const struct timespec pause = {.tv_nsec = OPEN_PAUSE_MS * 1000000L};
    int64_t waited_ms = 0;
    while (!open_once(s, conf, err)) {
        if (err->code != ERR_UNAVAILABLE || waited_ms >= wait_ms) {
            return err_wrap(err, "opening the store");
        }
        (void)nanosleep(&pause, NULL);
        waited_ms += OPEN_PAUSE_MS;
    }
    return true;
}

store_t *store_open(const struct store_conf *conf, struct err *err)
{
    must(conf->url != NULL && err != NULL);
    const struct sql_ops *sql = driver_of(conf->url);
    if (sql == NULL) {
        err_set(err, ERR_INVALID,
                "the store is sqlite:PATH or postgresql://USER@HOST/NAME");
        return NULL;
    }
    store_t *s = base_zalloc(sizeof *s);
    s->magic = STORE_MAGIC;
    s->sql = sql;
    s->owner = conf->role == STORE_OWNER;
    s->remote = !s->owner && (sql->one_writer || conf->by_call);
    s->call = conf->call;
    s->call_self = conf->call_self;
    s->item_ttl_us = conf->item_ttl_ms * 1000;
    s->item_ttl_fixed = conf->item_ttl_fixed;
    const struct sql_conf inner = {
        .url = conf->url,
        .owner = s->owner,
        .fsync = conf->fsync,
        .epoch = conf->epoch,
        .wait_ms = conf->wait_ms,
        .connections = conf->connections,
    };
    /* A file that its owner cannot open will not open by itself. */
    bool patient = !s->owner || !sql->one_writer;
    if (!open_patiently(s, &inner, patient ? conf->wait_ms : 0, err)) {
        store_destroy(&s);
    }
    return s;
}

void store_destroy(store_t **p)
{
    store_t *s = *p;
    if (s == NULL) {
        return;
    }
    check_magic(s, STORE_MAGIC);
    if (s->group) {
        store_rollback(s);
    }
    if (s->db != NULL) {
        s->sql->close(&s->db);
    }
    s->magic = 0;
    free(s);
    *p = NULL;
}

/* ---- owners ---------------------------------------------------------------
 */

void store_act_as(store_t *s, const char *owner)
{
    check_magic(s, STORE_MAGIC);
    bool fits =
        base_copy(s->acts_as, sizeof s->acts_as, owner == NULL ? "" : owner);
    must(fits);
}

const char *store_viewer(const store_t *s, const char *asked)
{
    if (asked != NULL) {
        return asked;
    }
    return s->acts_as[0] == '\0' ? NULL : s->acts_as;
}

bool store_sees(const store_t *s, const char *owner)
{
    return s->acts_as[0] == '\0' || strcmp(owner, s->acts_as) == 0 ||
           strcmp(owner, STORE_EVERYBODY) == 0;
}

const char *store_maker(const store_t *s, const char *asked)
{
    return asked != NULL ? asked : s->acts_as;
}

bool store_ping(store_t *s, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    int64_t version = 0;
    return s->sql->version(s->db, &version, err);
}

bool store_broker_lock(store_t *s, bool *got, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(s->owner);
    return s->sql->lock(s->db, got, err);
}

static bool read_epoch(store_t *s, int64_t *epoch, struct err *err)
{
    return store_query_number(STORE_QUERY(s, err), epoch,
                              "SELECT value FROM meta WHERE name = 'epoch'",
                              "");
}

bool store_broker_check(store_t *s, uint32_t epoch, bool *active,
                        struct err *err)
{
    int64_t now = 0;
    bool ok = store_broker_lock(s, active, err) &&
              (!*active || read_epoch(s, &now, err));
    *active = ok && *active && now == (int64_t)epoch;
    return ok;
}

static bool raise_epoch(store_t *s, uint32_t *epoch, struct err *err)
{
    int64_t now = 0;
    if (!store_query_run(s, err,
                         "UPDATE meta SET value = value + 1"
                         " WHERE name = 'epoch'",
                         "") ||
        !read_epoch(s, &now, err)) {
        return false;
    }
    *epoch = (uint32_t)now;
    return true;
}

bool store_epoch_raise(store_t *s, uint32_t *epoch, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(s->owner);
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, raise_epoch(s, epoch, err), err);
}

/* ---- groups ---------------------------------------------------------------
 */

static bool begin_group(store_t *s, enum sql_mode mode, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(!s->remote && !s->group);
    if (!s->sql->begin(s->db, mode, err)) {
        return false;
    }
    s->group = true;
    s->events_bytes = 0;
    s->group_fast = mode == SQL_WRITE_FAST;
    s->group_broken = false;
    s->fence = (struct store_fence){.attempt = 0};
    return true;
}

bool store_begin(store_t *s, struct err *err)
{
    return begin_group(s, SQL_WRITE, err);
}

bool store_begin_fast(store_t *s, struct err *err)
{
    return begin_group(s, SQL_WRITE_FAST, err);
}

static bool commit(store_t *s, struct err *err)
{
    if (!store_events_settle(s, err)) {
        (void)s->sql->in_transaction(s->db, err);
        s->sql->rollback(s->db);
        return false;
    }
    return s->sql->commit(s->db, err);
}

bool store_commit(store_t *s, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(s->group);
    s->group = false;
    store_threads_expect_none(s);
    if (s->group_broken) {
        s->sql->rollback(s->db);
        return err_set(err, s->group_err.code, "%s", s->group_err.text);
    }
    return commit(s, err);
}

void store_rollback(store_t *s)
{
    check_magic(s, STORE_MAGIC);
    must(s->group);
    s->group = false;
    store_threads_expect_none(s);
    s->sql->rollback(s->db);
}

/* ---- one call -------------------------------------------------------------
 */

/* A fast group is done again when a call fails in it: seldom, and cheaper than
 * to be ready for it with each call. */
static bool has_savepoints(const store_t *s)
{
    return s->sql->savepoints && !s->group_fast;
}

bool store_write_begin(store_t *s, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(!s->remote);
    if (!s->group) {
        s->fence = (struct store_fence){.attempt = 0};
        s->events_bytes = 0;
        return s->sql->begin(s->db, SQL_WRITE, err);
    }
    s->events_before = s->events_bytes;
    if (s->group_broken) {
        return err_set(err, s->group_err.code, "%s", s->group_err.text);
    }
    s->writes = s->sql->writes(s->db);
    return !has_savepoints(s) || s->sql->savepoint(s->db, err);
}

static void break_group(store_t *s, const struct err *err)
{
    s->group_broken = true;
    (void)err_set(&s->group_err, err->code == ERR_NONE ? ERR_STORE : err->code,
                  "%s", err->text);
}

/*
 * The call's writes are undone and the others of the group stand. A database
 * may have rolled the whole transaction back, and a group without savepoints
 * cannot undo half a call: then the group is over, for what would follow
 * would be written alone, or beside what should not be there.
 */
static void undo_call(store_t *s, struct err *err)
{
    s->events_bytes = s->events_before;
    if (!s->sql->in_transaction(s->db, err)) {
        break_group(s, err);
    } else if (has_savepoints(s)) {
        s->sql->undo(s->db);
    } else if (s->sql->writes(s->db) != s->writes) {
        break_group(s, err);
    }
}

static bool end_within_group(store_t *s, bool ok, struct err *err)
{
    if (ok && has_savepoints(s)) {
        ok = s->sql->release(s->db, err);
    }
    if (!ok) {
        undo_call(s, err);
    }
    return ok;
}

bool store_write_end(store_t *s, bool ok, struct err *err)
{
    if (s->group) {
        return end_within_group(s, ok, err);
    }
    if (!ok) {
        /* What looked like a missing row may have been a lost connection. */
        (void)s->sql->in_transaction(s->db, err);
        s->sql->rollback(s->db);
        return false;
    }
    return commit(s, err);
}

bool store_read_begin(store_t *s, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    return s->group || s->sql->begin(s->db, SQL_READ, err);
}

void store_read_end(store_t *s)
{
    if (!s->group) {
        s->sql->rollback(s->db);
    }
}

/* ---- lists and values -----------------------------------------------------
 */

void *store_rows_add(struct store_rows *rows, size_t size)
{
    if (rows->n == rows->room) {
        rows->room = rows->room == 0 ? 8 : rows->room * 2;
        rows->rows = base_realloc(rows->rows, rows->room * size);
    }
    char *row = (char *)rows->rows + rows->n * size;
    memset(row, 0, size);
    rows->n++;
    return row;
}

int64_t store_rows_wanted(leat_view metadata, size_t limit, size_t offset)
{
    const size_t all = (size_t)INT64_MAX;
    bool filtered =
        leat_type_of(metadata) == LEAT_OBJECT && leat_count(metadata) > 0;
    bool every = filtered || limit == 0 || limit > all - min_size(offset, all);
    return (int64_t)(every ? all : limit + offset);
}

leat_value *store_merge(leat_view base, leat_view more)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    if (leat_type_of(base) == LEAT_OBJECT) {
        for (leat_iter it = leat_iter_of(base); leat_next(&it);) {
            if (leat_type_of(leat_get_n(more, it.key.ptr, it.key.len)) ==
                LEAT_MISSING) {
                leat_write_key_n(w, it.key.ptr, it.key.len);
                leat_write_view(w, it.item);
            }
        }
    }
    if (leat_type_of(more) == LEAT_OBJECT) {
        for (leat_iter it = leat_iter_of(more); leat_next(&it);) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

leat_value *store_merge_config(leat_view base, leat_view more)
{
    leat_value *merged = store_merge(base, more);
    leat_view theirs = leat_get(more, "configurable");
    if (leat_type_of(theirs) != LEAT_OBJECT) {
        return merged;
    }
    leat_value *inner = store_merge(leat_get(base, "configurable"), theirs);
    leat_value *out = leat_with(leat_view_of(merged), "configurable", inner);
    leat_drop(merged);
    return out;
}

static bool list_contains(leat_view have, leat_view want, unsigned depth);

static bool contains(leat_view have, leat_view want, unsigned depth)
{
    enum leat_type type = leat_type_of(want);
    if (depth > LEAT_DEPTH_MAX || type != leat_type_of(have)) {
        return leat_equal(have, want);
    }
    if (type == LEAT_LIST) {
        return list_contains(have, want, depth);
    }
    if (type != LEAT_OBJECT) {
        return leat_equal(have, want);
    }
    for (leat_iter it = leat_iter_of(want); leat_next(&it);) {
        leat_view mine = leat_get_n(have, it.key.ptr, it.key.len);
        if (leat_type_of(mine) == LEAT_MISSING ||
            !contains(mine, it.item, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool list_contains(leat_view have, leat_view want, unsigned depth)
{
    for (leat_iter w = leat_iter_of(want); leat_next(&w);) {
        bool found = false;
        for (leat_iter h = leat_iter_of(have); !found && leat_next(&h);) {
            found = contains(h.item, w.item, depth + 1);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

bool store_contains(leat_view have, leat_view want)
{
    enum leat_type type = leat_type_of(want);
    return type == LEAT_MISSING || type == LEAT_NULL || contains(have, want, 0);
}

/* ---- development ----------------------------------------------------------
 */

static bool truncate_tables(store_t *s, unsigned what, struct err *err)
{
    static const struct {
        unsigned bit;
        const char *sql;
    } rows[] = {
        {STORE_RUNS, "DELETE FROM events"},
        {STORE_RUNS, "UPDATE meta SET value = 0 WHERE name = 'events_bytes'"},
        {STORE_RUNS, "DELETE FROM runs"},
        {STORE_RUNS, "DELETE FROM crons"},
        {STORE_RUNS, "DELETE FROM hooks"},
        {STORE_RUNS, "DELETE FROM idempotency"},
        {STORE_CHECKPOINTS, "DELETE FROM writes"},
        {STORE_CHECKPOINTS, "DELETE FROM blobs"},
        {STORE_CHECKPOINTS, "DELETE FROM checkpoints"},
        {STORE_THREADS, "DELETE FROM thread_terms"},
        {STORE_THREADS, "DELETE FROM thread_ttls"},
        {STORE_THREADS, "DELETE FROM threads"},
        {STORE_ASSISTANTS, "DELETE FROM assistant_versions"},
        {STORE_ASSISTANTS, "DELETE FROM assistants"},
        {STORE_ITEMS, "DELETE FROM items"},
    };
    s->fence.attempt = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((what & rows[i].bit) != 0 &&
            !store_query_run(s, err, rows[i].sql, "")) {
            return false;
        }
    }
    return true;
}

bool store_truncate(store_t *s, unsigned what, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    if (s->remote) {
        return store_remote_truncate(s, what, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, truncate_tables(s, what, err), err);
}
