/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_rig.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool make_thread(store_t *s, unsigned n, struct err *err)
{
    struct store_thread t = {.thread_id = rig_id('t', n)};
    bool created = false;
    return store_threads_create(s, &t, &created, err);
}

static bool has_thread(store_t *s, unsigned n)
{
    struct err err = ERR_INIT;
    struct id id = rig_id('t', n);
    struct store_thread t;
    bool found = store_threads_get(s, &id, &t, &err);
    EXPECT(found || err.code == ERR_NOT_FOUND);
    store_thread_fini(&t);
    return found;
}

TEST(store_open_makes_folders_and_schema)
{
    store_kind_only_sqlite();
    struct rig r;
    rig_init(&r, false);
    struct stat st;
    char path[600];
    (void)snprintf(path, sizeof path, "%s/data/leat.db", test_dir());
    EXPECT_EQ(stat(path, &st), 0);
    OK(&r, store_ping(r.s, &r.err));
    rig_fini(&r);
    rig_init(&r, false); /* again: nothing to migrate */
    rig_fini(&r);
}

TEST(store_open_client_needs_a_database)
{
    char url[512];
    rig_url(url);
    struct err err = ERR_INIT;
    const struct store_conf conf = {
        .url = url, .role = STORE_CLIENT, .wait_ms = 30};
    EXPECT(store_open(&conf, &err) == NULL);
    EXPECT_STR(err_name(err.code), "unavailable");
}

TEST(store_open_refuses_unknown_scheme)
{
    struct err err = ERR_INIT;
    const struct store_conf conf = {.url = "mysql://x", .role = STORE_OWNER};
    EXPECT(store_open(&conf, &err) == NULL);
    EXPECT_STR(err_name(err.code), "invalid");
}

TEST(store_open_refuses_newer_schema)
{
    struct rig r;
    rig_init(&r, false);
    OK(&r, store_query_run(r.s, &r.err,
                           "UPDATE meta SET value = 99"
                           " WHERE name = 'schema_version'",
                           ""));
    rig_fini(&r);
    char url[512];
    rig_url(url);
    struct err err = ERR_INIT;
    const struct store_conf conf = {.url = url, .role = STORE_OWNER};
    EXPECT(store_open(&conf, &err) == NULL);
    EXPECT_STR(err_name(err.code), "store");
    EXPECT_HAS(err.text, "schema 99");
}

TEST(store_client_cannot_write_without_transport)
{
    struct rig r;
    rig_init(&r, true);
    r.client->call = NULL;
    FAILS(&r, make_thread(r.client, 1, &r.err), ERR_UNAVAILABLE);
    EXPECT(!has_thread(r.owner, 1));
    rig_fini(&r);
}

TEST(store_client_reads_its_writes)
{
    struct rig r;
    rig_init(&r, true);
    for (unsigned n = 0; n < 50; n++) {
        OK(&r, make_thread(r.client, n, &r.err));
        EXPECT(has_thread(r.client, n));
    }
    EXPECT_EQ(r.calls, 50);
    rig_fini(&r);
}

TEST(store_epoch_grows)
{
    struct rig r;
    rig_init(&r, false);
    uint32_t one = 0;
    uint32_t two = 0;
    OK(&r, store_epoch_raise(r.s, &one, &r.err));
    OK(&r, store_epoch_raise(r.s, &two, &r.err));
    EXPECT_EQ(one, 1);
    EXPECT_EQ(two, 2);
    rig_fini(&r);
}

TEST(store_broker_lock_has_one_holder)
{
    struct rig r;
    rig_init(&r, false);
    store_t *other = rig_open(STORE_OWNER, &r);
    bool got = false;
    OK(&r, store_broker_lock(r.s, &got, &r.err));
    EXPECT(got);
    OK(&r, store_broker_lock(other, &got, &r.err));
    EXPECT(!got);
    store_destroy(&r.owner);
    OK(&r, store_broker_lock(other, &got, &r.err));
    EXPECT(got);
    store_destroy(&other);
}

/* ---- groups ---------------------------------------------------------------
 */

TEST(store_group_commits_together)
{
    struct rig r;
    rig_init(&r, true);
    OK(&r, store_begin(r.owner, &r.err));
    OK(&r, make_thread(r.owner, 1, &r.err));
    OK(&r, make_thread(r.owner, 2, &r.err));
    EXPECT(has_thread(r.owner, 1)); /* within the group */
    EXPECT(!has_thread(r.client, 1));
    OK(&r, store_commit(r.owner, &r.err));
    EXPECT(has_thread(r.client, 1) && has_thread(r.client, 2));
    rig_fini(&r);
}

TEST(store_group_survives_a_failed_call)
{
    struct rig r;
    rig_init(&r, false);
    struct id missing = rig_id('r', 9);
    OK(&r, store_begin(r.s, &r.err));
    OK(&r, make_thread(r.s, 1, &r.err));
    FAILS(&r, store_runs_requeue(r.s, &missing, 0, &r.err), ERR_NOT_FOUND);
    OK(&r, make_thread(r.s, 2, &r.err));
    OK(&r, store_commit(r.s, &r.err));
    EXPECT(has_thread(r.s, 1) && has_thread(r.s, 2));
    rig_fini(&r);
}

TEST(store_group_can_be_taken_back)
{
    struct rig r;
    rig_init(&r, false);
    OK(&r, store_begin(r.s, &r.err));
    OK(&r, make_thread(r.s, 1, &r.err));
    store_rollback(r.s);
    EXPECT(!has_thread(r.s, 1));
    OK(&r, make_thread(r.s, 1, &r.err));
    rig_fini(&r);
}

/* ---- writers in turn ------------------------------------------------------
 */

struct writer {
    struct rig *r;
    unsigned base;
};

static void *write_many(void *arg)
{
    struct writer *w = arg;
    struct err err = ERR_INIT;
    store_t *s = rig_open(STORE_OWNER, w->r);
    for (unsigned n = 0; n < 100; n++) {
        EXPECT_MSG(make_thread(s, w->base + n, &err), "%s", err.text);
    }
    store_destroy(&s);
    return NULL;
}

TEST(store_threads_write_in_turn)
{
    struct rig r;
    rig_init(&r, false);
    struct writer w[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (struct writer){&r, i * 1000};
        EXPECT_EQ(pthread_create(&threads[i], NULL, write_many, &w[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    }
    int64_t n = 0;
    OK(&r, store_query_number(STORE_QUERY(r.s, &r.err), &n,
                              "SELECT COUNT(*) FROM threads", ""));
    EXPECT_EQ(n, 400);
    rig_fini(&r);
}

/* ---- faults ---------------------------------------------------------------
 */

static bool put_big(store_t *s, unsigned n, struct err *err)
{
    char *text = base_zalloc(40001);
    memset(text, 'x', 40000);
    leat_value *big = leat_pack("{s:s}", "x", text);
    struct store_thread t = {.thread_id = rig_id('t', n), .metadata = big};
    bool created = false;
    bool ok = store_threads_create(s, &t, &created, err);
    leat_drop(big);
    free(text);
    return ok;
}

static void set_limit(struct rig *r, int64_t bytes)
{
    OK(r, r->owner->sql->limit(r->owner->db, bytes, &r->err));
}

TEST(store_full_fails_the_call_and_recovers)
{
    store_kind_only_sqlite();
    struct rig r;
    rig_init(&r, true);
    set_limit(&r, 300000);
    unsigned n = 0;
    while (n < 100 && put_big(r.client, n, &r.err)) {
        n++;
    }
    EXPECT(n > 0 && n < 100);
    EXPECT_STR(err_name(r.err.code), "store_full");
    EXPECT(!has_thread(r.client, n)); /* nothing of it is there */
    EXPECT(has_thread(r.client, n - 1));
    set_limit(&r, 0);
    err_clear(&r.err);
    OK(&r, put_big(r.client, n, &r.err));
    EXPECT(has_thread(r.client, n));
    rig_fini(&r);
}

/* Whatever SQLite does to the transaction, nothing of a broken group stays
 * and nothing after the break is written alone. */
TEST(store_full_within_a_group)
{
    store_kind_only_sqlite();
    struct rig r;
    rig_init(&r, false);
    set_limit(&r, 300000);
    OK(&r, store_begin(r.s, &r.err));
    bool all = true;
    unsigned good = 0;
    for (unsigned n = 0; n < 30; n++) {
        bool ok = put_big(r.s, n, &r.err);
        good += ok;
        all = all && ok;
    }
    EXPECT(!all);
    bool committed = store_commit(r.s, &r.err);
    int64_t rows = 0;
    struct err err = ERR_INIT;
    EXPECT(store_query_number(STORE_QUERY(r.s, &err), &rows,
                              "SELECT COUNT(*) FROM threads", ""));
    EXPECT_EQ(rows, committed ? good : 0);
    if (!committed) {
        EXPECT_STR(err_name(r.err.code), "store_full");
    }
    set_limit(&r, 0);
    OK(&r, make_thread(r.s, 99, &r.err));
    rig_fini(&r);
}

/* The disk itself refuses: a file may not grow any more. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(store_full_when_the_disk_says_so)
{
    store_kind_only_sqlite();
    struct rig r;
    rig_init(&r, true);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(400000);
    unsigned n = 0;
    while (n < 100 && put_big(r.client, n, &r.err)) {
        n++;
    }
    EXPECT(n > 0 && n < 100);
    EXPECT_STR(err_name(r.err.code), "store_full");
    EXPECT(!put_big(r.client, n, &r.err));
    EXPECT(has_thread(r.client, n - 1));
    EXPECT(!has_thread(r.client, n));
    limit_files(RLIM_INFINITY);
    OK(&r, put_big(r.client, n, &r.err));
    EXPECT(has_thread(r.client, n));
    rig_fini(&r);
}

/* A process that dies within a group leaves nothing of it. */
TEST(store_crash_leaves_only_what_was_committed)
{
    struct rig r;
    rig_init(&r, false);
    rig_fini(&r);
    pid_t child = fork();
    if (child == 0) {
        struct rig c;
        memset(&c, 0, sizeof c);
        store_t *s = rig_open(STORE_OWNER, &c);
        if (!make_thread(s, 1, &c.err) || !store_begin(s, &c.err) ||
            !make_thread(s, 2, &c.err)) {
            _exit(1);
        }
        _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    rig_init(&r, true);
    EXPECT(has_thread(r.client, 1));
    EXPECT(!has_thread(r.client, 2));
    rig_fini(&r);
}

TEST(store_damaged_value_fails_its_row_only)
{
    struct rig r;
    rig_init(&r, true);
    OK(&r, make_thread(r.s, 1, &r.err));
    OK(&r, make_thread(r.s, 2, &r.err));
    struct id one = rig_id('t', 1);
    OK(&r, store_query_run(r.owner, &r.err,
                           "UPDATE threads SET metadata = $2"
                           " WHERE thread_id = $1",
                           "dx", &one, "\xdf\x01", (size_t)2));
    struct store_thread t;
    FAILS(&r, store_threads_get(r.s, &one, &t, &r.err), ERR_STORE);
    EXPECT(has_thread(r.s, 2));
    rig_fini(&r);
}

/* ---- the fields of a filter -----------------------------------------------
 */

TEST(store_contains_objects_and_lists)
{
    leat_view have = JV("{\"a\":1,\"b\":{\"c\":[1,{\"d\":2}],\"e\":null}}");
    EXPECT(store_contains(have, JV("{}")));
    EXPECT(store_contains(have, JV("null")));
    EXPECT(store_contains(have, JV("{\"a\":1}")));
    EXPECT(store_contains(have, JV("{\"b\":{\"c\":[{\"d\":2}]}}")));
    EXPECT(store_contains(have, JV("{\"b\":{\"e\":null}}")));
    EXPECT(!store_contains(have, JV("{\"a\":2}")));
    EXPECT(!store_contains(have, JV("{\"z\":null}")));
    EXPECT(!store_contains(have, JV("{\"b\":{\"c\":[3]}}")));
    EXPECT(!store_contains(have, JV("{\"b\":1}")));
}

BOTH(store_truncate_empties_what_is_named)
{
    OK(r, make_thread(r->s, 1, &r->err));
    struct store_item_key k = {.space = JV("[\"a\"]"), .key = "k"};
    OK(r, store_items_put(r->s, &k, J("{}"), 0, &r->err));
    OK(r, store_truncate(r->s, STORE_THREADS, &r->err));
    EXPECT(!has_thread(r->s, 1));
    struct store_item item;
    bool found = false;
    OK(r, store_items_get(r->s, &k, &item, &found, &r->err));
    EXPECT(found);
    store_item_fini(&item);
}
