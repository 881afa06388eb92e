/* SPDX-License-Identifier: Apache-2.0 */
/* The saver and its transport against a real vault over TCP. */
#include "broker/vault.h"
#include "tests/unit/broker_rig.h"
#include "worker/saver.h"

#include <pthread.h>
#include <sched.h>

struct world {
    const char *base;
    struct wrk_brokers brokers;
    struct broker_rig b;
    struct brk_vault *vault;
    wrk_saver_t *saver;
    const struct graph_saver *ops;
    struct id thread;
    struct id run;
    struct err err;
};

static void vault_up(struct world *w)
{
    w->vault = brk_vault_new(&w->b.env, &w->err);
    EXPECT_MSG(w->vault != NULL, "%s", w->err.text);
}

static void start(struct world *w)
{
    memset(w, 0, sizeof *w);
    broker_rig_init(&w->b);
    w->thread = rig_thread(&w->b.store, 1);
    w->run = rig_running(&w->b.store, 1, &w->thread);
    vault_up(w);
    w->base = w->b.base;
    w->brokers.bases = &w->base;
    w->brokers.n = 1;
    const struct wrk_saver_conf conf = {
        .store = w->b.url, .brokers = &w->brokers, .frame_bytes = 1 << 26};
    w->saver = wrk_saver_new(&conf);
    w->ops = wrk_saver_ops(w->saver);
    OK(w, wrk_saver_bind(w->saver, &w->thread, &w->run, 1, &w->err));
}

static void stop(struct world *w)
{
    wrk_saver_destroy(&w->saver);
    brk_vault_destroy(&w->vault);
    broker_rig_fini(&w->b);
}

static leat_value *text_of(char letter, size_t n)
{
    char *text = base_zalloc(n + 1);
    memset(text, letter, n);
    leat_value *v = leat_new_string(text);
    free(text);
    return v;
}

/* A checkpoint with a large channel `big` in this version. */
static bool put(struct world *w, const char *id, const char *parent,
                int version, struct err *err)
{
    struct graph_checkpoint cp = {
        .ns = "",
        .ts = "2026-01-01T00:00:00Z",
        .channel_values = keep(leat_pack("{s:s,s:V}", "id", id, "big",
                                         text_of((char)('a' + version), 5000))),
        .channel_versions =
            keep(leat_pack("{s:i,s:i}", "id", 1, "big", version)),
        .versions_seen = J("{}"),
        .metadata = J("{\"source\":\"loop\"}"),
        .view = J("{\"keys\":[\"big\"],\"next\":[],\"tasks\":[]}"),
    };
    (void)base_copy(cp.id, sizeof cp.id, id);
    (void)base_copy(cp.parent_id, sizeof cp.parent_id, parent);
    return w->ops->put(w->ops->self, &cp, err);
}

static bool flush(struct world *w)
{
    return w->ops->flush(w->ops->self, &w->err);
}

static void expect_big(struct world *w, const char *id, char letter)
{
    struct graph_saved saved;
    OK(w, w->ops->load(w->ops->self, "", id, &saved, &w->err));
    EXPECT(saved.found);
    EXPECT_STR(saved.cp.id, id);
    leat_value *want = text_of(letter, 5000);
    EXPECT(leat_equal(leat_get(leat_view_of(saved.cp.channel_values), "big"),
                      leat_view_of(want)));
    leat_drop(want);
    graph_saved_fini(&saved);
}

static int64_t count(struct world *w, const char *table)
{
    char sql[100];
    int64_t n = -1;
    (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %s", table);
    OK(w, store_query_number(STORE_QUERY(w->b.store.s, &w->err), &n, sql, ""));
    return n;
}

TEST(saver_stores_what_has_changed)
{
    struct world w;
    start(&w);
    struct graph_saved saved;
    OK(&w, w.ops->load(w.ops->self, "", NULL, &saved, &w.err));
    EXPECT(!saved.found);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, put(&w, "c2", "c1", 1, &w.err)); /* big is as before */
    OK(&w, put(&w, "c3", "c2", 2, &w.err));
    OK(&w, flush(&w));
    EXPECT_EQ(count(&w, "checkpoints"), 3);
    EXPECT_EQ(count(&w, "blobs"), 2);
    expect_big(&w, "c2", 'b');
    expect_big(&w, "c3", 'c');
    stop(&w);
}

/* The same version number means something else on another branch. */
TEST(saver_knows_a_fork)
{
    struct world w;
    start(&w);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, put(&w, "c2", "c1", 2, &w.err));
    expect_big(&w, "c1", 'b'); /* goes back to c1 */
    struct graph_checkpoint cp = {
        .id = "c3",
        .parent_id = "c1",
        .ns = "",
        .ts = "",
        .channel_values = keep(leat_pack("{s:V}", "big", text_of('z', 5000))),
        .channel_versions = J("{\"big\":2}"),
        .versions_seen = J("{}"),
        .metadata = J("{}"),
        .view = J("{}"),
    };
    OK(&w, w.ops->put(w.ops->self, &cp, &w.err));
    OK(&w, put(&w, "c4", "c3", 2, &w.err)); /* as in c3, whatever is given */
    OK(&w, flush(&w));
    expect_big(&w, "c3", 'z');
    expect_big(&w, "c4", 'z');
    expect_big(&w, "c2", 'c');
    OK(&w, put(&w, "c5", "c9", 2, &w.err)); /* of an unknown one: all anew */
    expect_big(&w, "c5", 'c');
    stop(&w);
}

TEST(saver_keeps_writes_and_views)
{
    struct world w;
    start(&w);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    leat_value *one = J("1");
    struct graph_write writes[] = {
        {.task_id = "t1", .index = 0, .channel = "x", .value = one},
        {.task_id = "t1",
         .index = -3,
         .channel = "__interrupt__",
         .value = one},
    };
    OK(&w, w.ops->put_writes(w.ops->self, &(struct graph_spot){"", "c1"},
                             writes, 2, &w.err));
    OK(&w,
       w.ops->put_view(w.ops->self, "", "c1", J("{\"next\":[\"n\"]}"), &w.err));
    struct graph_query q = {.ns = "", .limit = 5};
    struct graph_saved *list = NULL;
    size_t n = 0;
    OK(&w, w.ops->list(w.ops->self, &q, &list, &n, &w.err));
    EXPECT_EQ(n, 1);
    EXPECT_EQ(list[0].write_count, 2);
    EXPECT_EQ(list[0].writes[0].index, -3);
    EXPECT_STR(list[0].writes[1].channel, "x");
    EXPECT_VALUE(list[0].cp.view, "{\"next\":[\"n\"]}");
    EXPECT_VALUE(list[0].cp.metadata, "{\"source\":\"loop\"}");
    graph_saved_fini(&list[0]);
    free(list);
    stop(&w);
}

TEST(saver_reports_a_lost_lease)
{
    struct world w;
    start(&w);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, flush(&w));
    struct store_run_start again = {.run_id = w.run, .attempt = 2, .ms = 101};
    OK(&w, store_runs_start(w.b.store.s, &again, &w.err));
    OK(&w, put(&w, "c2", "c1", 1, &w.err)); /* told later */
    FAILS(&w, flush(&w), ERR_FENCED);
    FAILS(&w, put(&w, "c3", "c2", 1, &w.err), ERR_FENCED);
    EXPECT_EQ(count(&w, "checkpoints"), 1);
    /* The executor's next run is not its fault. */
    OK(&w, wrk_saver_bind(w.saver, &w.thread, &w.run, 2, &w.err));
    OK(&w, put(&w, "c2", "c1", 1, &w.err));
    OK(&w, flush(&w));
    stop(&w);
}

TEST(saver_bound_without_a_run_is_not_fenced)
{
    struct world w;
    start(&w);
    struct id other = rig_thread(&w.b.store, 2);
    OK(&w, wrk_saver_bind(w.saver, &other, NULL, 0, &w.err));
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, flush(&w));
    EXPECT_EQ(count(&w, "checkpoints"), 1);
    stop(&w);
}

TEST(saver_puts_and_gets_items)
{
    struct world w;
    start(&w);
    const struct graph_items *items = wrk_saver_items(w.saver);
    leat_view space = JV("[\"a\"]");
    leat_value *value = NULL;
    OK(&w, items->get(items->self, space, "k", &value, &w.err));
    EXPECT(value == NULL);
    OK(&w, items->put(items->self, space, "k", J("{\"v\":1}"), &w.err));
    OK(&w, items->get(items->self, space, "k", &value, &w.err));
    EXPECT_VALUE(value, "{\"v\":1}");
    wrk_saver_own(w.saver, "ann");
    leat_drop(value);
    OK(&w, items->get(items->self, space, "k", &value, &w.err));
    EXPECT(value == NULL); /* hers are others */
    wrk_saver_own(w.saver, NULL);
    OK(&w, items->put(items->self, space, "k", NULL, &w.err));
    OK(&w, items->get(items->self, space, "k", &value, &w.err));
    EXPECT(value == NULL);
    leat_value *found = NULL;
    OK(&w, items->put(items->self, space, "a", J("{\"v\":1}"), &w.err));
    OK(&w, items->put(items->self, space, "b", J("{\"v\":2}"), &w.err));
    const struct graph_item_query all = {.space = space};
    OK(&w, items->search(items->self, &all, &found, &w.err));
    EXPECT_EQ(leat_count(leat_view_of(found)), 2);
    leat_drop(found);
    const struct graph_item_query some = {
        .space = space, .filter = JV("{\"v\":{\"$gt\":1}}"), .limit = 5};
    OK(&w, items->search(items->self, &some, &found, &w.err));
    EXPECT_EQ(leat_count(leat_view_of(found)), 1);
    EXPECT(leat_is(leat_get(leat_at(leat_view_of(found), 0), "key"), "b"));
    leat_drop(found);
    const struct graph_item_query none = {
        .space = space, .filter = JV("{\"v\":{\"$no\":1}}")};
    FAILS(&w, items->search(items->self, &none, &found, &w.err), ERR_INVALID);
    FAILS(&w, items->put(items->self, JV("[]"), "k", J("1"), &w.err),
          ERR_INVALID);
    stop(&w);
}

/* Nobody waits yet: it goes with what follows, unless the run takes long. */
TEST(saver_holds_writes_back_for_a_while)
{
    struct world w;
    start(&w);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, put(&w, "c2", "c1", 1, &w.err));
    EXPECT_EQ(count(&w, "checkpoints"), 0);
    struct id other = rig_id('r', 9);
    EXPECT(wrk_saver_hurry(w.saver, &other)); /* it is bound to this no more */
    EXPECT_EQ(count(&w, "checkpoints"), 0);
    EXPECT(wrk_saver_hurry(w.saver, &w.run));
    EXPECT_SOON(count(&w, "checkpoints") == 2);
    OK(&w, put(&w, "c3", "c2", 2, &w.err));
    EXPECT_SOON(count(&w, "checkpoints") == 3);
    OK(&w, flush(&w));
    OK(&w, wrk_saver_bind(w.saver, &w.thread, &w.run, 1, &w.err));
    OK(&w, put(&w, "c4", "c3", 1, &w.err));
    EXPECT_EQ(count(&w, "checkpoints"), 3); /* another run may be short */
    expect_big(&w, "c4", 'b'); /* who reads has it all */
    stop(&w);
}

static void *flush_later(void *arg)
{
    struct world *w = arg;
    static bool ok;
    ok = flush(w);
    return &ok;
}

/* The broker goes away with calls unanswered, and comes back as another. */
TEST(saver_repeats_to_a_restarted_broker)
{
    struct world w;
    start(&w);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    OK(&w, flush(&w));
    brk_vault_destroy(&w.vault);
    char id[37];
    char parent[37] = "c1";
    for (int i = 2; i < 100; i++) {
        (void)snprintf(id, sizeof id, "c%03d", i);
        OK(&w, put(&w, id, parent, 1, &w.err));
        (void)base_copy(parent, sizeof parent, id);
    }
    pthread_t waiter;
    EXPECT_EQ(pthread_create(&waiter, NULL, flush_later, &w), 0);
    w.b.env.epoch++;
    struct err err = ERR_INIT;
    EXPECT_SOON((w.vault = brk_vault_new(&w.b.env, &err)) != NULL);
    void *ok = NULL;
    EXPECT_EQ(pthread_join(waiter, &ok), 0);
    EXPECT_MSG(*(bool *)ok, "%s", w.err.text);
    EXPECT_EQ(count(&w, "checkpoints"), 99);
    EXPECT_EQ(count(&w, "blobs"), 1);
    expect_big(&w, "c099", 'b');
    stop(&w);
}

TEST(saver_stop_ends_a_wait)
{
    store_kind_only_sqlite(); /* the vault is not asked elsewhere */
    struct world w;
    start(&w);
    brk_vault_destroy(&w.vault);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    pthread_t waiter;
    EXPECT_EQ(pthread_create(&waiter, NULL, flush_later, &w), 0);
    wrk_saver_stop(w.saver);
    void *ok = NULL;
    EXPECT_EQ(pthread_join(waiter, &ok), 0);
    EXPECT(!*(bool *)ok);
    EXPECT_STR(err_name(w.err.code), "cancelled");
    stop(&w);
}

/* More than may be unanswered: put waits for room, nothing is lost. */
TEST(saver_is_bounded_and_complete)
{
    struct world w;
    start(&w);
    char id[37];
    char parent[37] = "";
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof id, "c%04d", i);
        OK(&w, put(&w, id, parent, i % 20, &w.err));
        (void)base_copy(parent, sizeof parent, id);
    }
    OK(&w, flush(&w));
    EXPECT_EQ(count(&w, "checkpoints"), 1000);
    expect_big(&w, "c0999", 't');
    stop(&w);
}

TEST(saver_without_a_database_says_so)
{
    struct err err = ERR_INIT;
    const char *const bases[] = {"tcp://127.0.0.1:9"};
    const struct wrk_brokers brokers = {.bases = bases, .n = 1};
    const struct wrk_saver_conf conf = {.store = "mysql://x",
                                        .brokers = &brokers,
                                        .frame_bytes = 1 << 20};
    wrk_saver_t *saver = wrk_saver_new(&conf);
    struct id id = rig_id('t', 1);
    EXPECT(!wrk_saver_bind(saver, &id, &id, 1, &err));
    EXPECT_STR(err_name(err.code), "invalid");
    wrk_saver_destroy(&saver);
}

/* ---- connections that savers share --------------------------------------- */

static wrk_saver_t *pooled(struct world *w, wrk_pool_t *pool)
{
    const struct wrk_saver_conf conf = {.store = w->b.url,
                                        .brokers = &w->brokers,
                                        .frame_bytes = 1 << 26,
                                        .pool = pool};
    wrk_saver_t *s = wrk_saver_new(&conf);
    OK(w, wrk_saver_bind(s, &w->thread, &w->run, 1, &w->err));
    return s;
}

static void use(struct world *w, wrk_saver_t *s)
{
    w->saver = s;
    w->ops = wrk_saver_ops(s);
}

static void await_rest(struct world *w, wrk_saver_t *s)
{
    EXPECT(!wrk_saver_rest(s, 0)); /* not with what it holds back */
    EXPECT(wrk_saver_hurry(s, &w->run));
    int64_t end = clock_mono_ms() + 20000;
    while (!wrk_saver_rest(s, 0)) {
        EXPECT(clock_mono_ms() < end);
        sched_yield(); /* until the answers are there */
    }
}

TEST(saver_at_rest_gives_its_connections_to_others)
{
    store_kind_only_sqlite(); /* elsewhere it has none of its own */
    struct world w;
    start(&w);
    wrk_saver_destroy(&w.saver);
    wrk_pool_t *pool = wrk_pool_new();
    wrk_saver_t *first = pooled(&w, pool);
    use(&w, first);
    OK(&w, put(&w, "c1", "", 1, &w.err));
    await_rest(&w, first); /* nobody has flushed: the answer came by itself */
    EXPECT_EQ(count(&w, "checkpoints"), 1);
    wrk_saver_t *second = pooled(&w, pool);
    use(&w, second);
    expect_big(&w, "c1", 'b');
    OK(&w, put(&w, "c2", "c1", 2, &w.err));
    await_rest(&w, second);
    /* What the first one knows of its checkpoints it has not forgotten. */
    use(&w, first);
    OK(&w, put(&w, "c3", "c1", 1, &w.err));
    OK(&w, flush(&w));
    EXPECT_EQ(count(&w, "checkpoints"), 3);
    EXPECT_EQ(count(&w, "blobs"), 2);
    expect_big(&w, "c3", 'b');
    wrk_saver_destroy(&second);
    wrk_saver_destroy(&w.saver);
    wrk_pool_destroy(&pool);
    stop(&w);
}

TEST(saver_that_was_refused_keeps_its_connections)
{
    struct world w;
    start(&w);
    wrk_saver_destroy(&w.saver);
    wrk_pool_t *pool = wrk_pool_new();
    use(&w, pooled(&w, pool));
    OK(&w, wrk_saver_bind(w.saver, &w.thread, &w.run, 7, &w.err));
    OK(&w, put(&w, "c1", "", 1, &w.err));
    EXPECT(!flush(&w));
    EXPECT_EQ(w.err.code, ERR_FENCED);
    /* The next call has to tell it too. */
    EXPECT(!wrk_saver_rest(w.saver, 0));
    err_clear(&w.err);
    EXPECT(!put(&w, "c2", "c1", 1, &w.err));
    EXPECT_EQ(w.err.code, ERR_FENCED);
    wrk_saver_destroy(&w.saver);
    wrk_pool_destroy(&pool);
    stop(&w);
}
