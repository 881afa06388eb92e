/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store, in place of broker/store.c: the real one on a database that
 * outlives the broker. What was committed stays
 * and what was not is gone. Its commits fail in every way there is: before
 * anything was written, after it without anybody hearing so, with the death of
 * the broker on either side; and for a while it may not answer at all.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/store.h"
#include "common/store/inner.h"
#include "tests/sim/sim.h"

static store_t *store;
static const struct sql_ops *real;
static struct sql_ops ops; /* with our begin, commit and prepare */
static bool trusted = true;
static int64_t away_until_us;
static char dir[64]; /* of the databases */
static char own[24]; /* name of this world's */

static bool is_away(struct err *err)
{
    return !trusted && sim.now_us < away_until_us &&
           !err_set(err, ERR_UNAVAILABLE, "the database is away");
}

static bool begin(struct sql_db *db, enum sql_mode mode, struct err *err)
{
    return !is_away(err) && real->begin(db, mode, err);
}

static bool prepare(struct sql_db *db, const struct sql_text *text,
                    struct sql_stmt **out, struct err *err)
{
    return !is_away(err) && real->prepare(db, text, out, err);
}

static bool fail(struct err *err)
{
    static const enum err_code codes[] = {ERR_UNAVAILABLE, ERR_UNAVAILABLE,
                                          ERR_STORE, ERR_STORE_FULL};
    return err_set(err, codes[sim_dice(COUNT_OF(codes))], "commit failed");
}

static bool commit(struct sql_db *db, struct err *err)
{
    if (trusted) {
        return real->commit(db, err);
    }
    bool dies = sim_chance(sim.plan.store_crashes);
    bool fails = dies || sim_chance(sim.plan.store_fails);
    bool before = fails && sim_dice(2) == 0;
    if (before) {
        real->rollback(db);
    } else if (!real->commit(db, err)) {
        return false;
    }
    if (dies) {
        broker_crash(before ? "before a commit" : "after a commit");
    }
    if (fails) {
        TRACE("disk   a commit fails %s",
              before ? "before it is one" : "after it was one");
        /* Only a connection can be lost with the answer. */
        return before ? fail(err)
                      : err_set(err, ERR_UNAVAILABLE, "connection lost");
    }
    return true;
}

static void open_at(const char *name)
{
    char url[128];
    struct err err = ERR_INIT;
    (void)snprintf(url, sizeof url, "sqlite:%s/%s", dir, name);
    const struct store_conf conf = {.url = url, .role = STORE_OWNER};
    store = store_open(&conf, &err);
    if (store == NULL) {
        fprintf(stderr, "sim: %s\n", err.text);
        exit(2);
    }
}

static void drop(const char *name)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".broker"};
    char path[128];
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        (void)snprintf(path, sizeof path, "%s/%s%s", dir, name, ends[i]);
        (void)unlink(path);
    }
}

void disk_init(void)
{
    (void)base_copy(dir, sizeof dir, "/dev/shm/leat-sim-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        (void)base_copy(dir, sizeof dir, "/tmp/leat-sim-XXXXXX");
        must(mkdtemp(dir) != NULL);
    }
    open_at("empty");
    store_destroy(&store);
}

void disk_fini(void)
{
    drop("empty");
    (void)rmdir(dir);
}

/* A copy of the empty one, for this world alone. */
void disk_open(void)
{
    char bytes[65536];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/empty", dir);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(own, sizeof own, "%ld", (long)getpid());
    (void)snprintf(path, sizeof path, "%s/%s", dir, own);
    int to = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    must(from >= 0 && to >= 0);
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;) {
        must(write(to, bytes, (size_t)n) == n);
    }
    must(close(from) == 0 && close(to) == 0);
    open_at(own);
    real = store->sql;
    ops = *real;
    ops.begin = begin;
    ops.commit = commit;
    ops.prepare = prepare;
    store->sql = &ops;
}

void disk_close(void)
{
    drop(own);
}

void disk_drop(long pid)
{
    char name[24];
    (void)snprintf(name, sizeof name, "%ld", pid);
    drop(name);
}

store_t *disk_store(void) { return store; }

bool disk_trust(bool on)
{
    bool was = trusted;
    trusted = on;
    return was;
}

void disk_away(int64_t until_us) { away_until_us = until_us; }

/* All threads of the broker share it: none keeps a transaction for longer
 * than a turn. */
store_t *brk_store_open(const struct brk_env *env, struct err *err)
{
    (void)env;
    (void)err;
    return store;
}
