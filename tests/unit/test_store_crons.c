/* SPDX-License-Identifier: Apache-2.0 */
/* Crons, webhooks and Idempotency-Keys: what is written once and only once. */
#include <pthread.h>

#include "tests/unit/store_rig.h"

static char *S(const char *text)
{
    return (char *)(uintptr_t)text;
}

static struct store_cron cron_like(unsigned n, int64_t next_us)
{
    return (struct store_cron){.cron_id = rig_id('c', n),
                               .assistant_id = rig_id('a', n),
                               .thread_id = rig_id('t', 1),
                               .owner = S("ann"),
                               .schedule = S("* * * * *"),
                               .enabled = true,
                               .next_us = next_us,
                               .created_us = 10 + n,
                               .metadata = J("{\"k\":1}"),
                               .payload = J("{\"input\":{\"x\":1}}")};
}

/* A run of thread t1, with what is to be written together with it. */
static bool insert(struct rig *r, unsigned n, const struct store_run_more *more)
{
    struct store_run run = {.run_id = rig_id('r', n),
                            .thread_id = rig_id('t', 1),
                            .assistant_id = rig_id('a', 1),
                            .graph_id = S("agent"),
                            .created_us = 1000};
    struct store_run_thread how = {.make = true, .more = more};
    struct store_run_inserted out;
    return store_runs_insert(r->owner, &run, &how, &out, &r->err);
}

/* ---- crons ----------------------------------------------------------------
 */

BOTH(store_crons_life)
{
    struct store_cron c = cron_like(1, 500);
    struct store_cron got;
    OK(r, store_crons_create(r->s, &c, &r->err));
    OK(r, store_crons_create(r->s, &c, &r->err)); /* a repeat */
    OK(r, store_crons_get(r->s, &c.cron_id, &got, &r->err));
    EXPECT_STR(got.owner, "ann");
    EXPECT_STR(got.schedule, "* * * * *");
    EXPECT(got.timezone == NULL && got.on_completed == NULL && got.enabled);
    EXPECT_EQ(got.next_us, 500);
    EXPECT_EQ(got.created_us, 11);
    EXPECT_VALUE(got.payload, "{\"input\":{\"x\":1}}");
    struct store_cron stale = got;
    got.enabled = false;
    stale.next_us = 700;
    OK(r, store_crons_replace(r->s, &got, &r->err));
    FAILS(r, store_crons_replace(r->s, &stale, &r->err), ERR_CONFLICT);
    store_cron_fini(&got);
    OK(r, store_crons_get(r->s, &c.cron_id, &got, &r->err));
    EXPECT(!got.enabled && got.next_us == 500 && got.updated_us > 11);
    store_cron_fini(&got);
    OK(r, store_crons_delete(r->s, &c.cron_id, &r->err));
    FAILS(r, store_crons_get(r->s, &c.cron_id, &got, &r->err), ERR_NOT_FOUND);
    FAILS(r, store_crons_delete(r->s, &c.cron_id, &r->err), ERR_NOT_FOUND);
    c.version = 1;
    FAILS(r, store_crons_replace(r->s, &c, &r->err), ERR_NOT_FOUND);
}

BOTH(store_crons_tick_once)
{
    struct store_cron c = cron_like(1, 500);
    struct store_tick t = {c.cron_id, 500, 600};
    struct store_crons_page due;
    OK(r, store_crons_create(r->s, &c, &r->err));
    OK(r, store_crons_due(r->s, 499, 10, &due, &r->err));
    EXPECT_EQ(due.n, 0);
    OK(r, store_crons_due(r->s, 500, 10, &due, &r->err));
    EXPECT_EQ(due.n, 1);
    store_crons_free(&due.list, due.n);
    OK(r, store_crons_advance(r->s, &t, &r->err));
    FAILS(r, store_crons_advance(r->s, &t, &r->err), ERR_CONFLICT);
    OK(r, store_crons_due(r->s, 599, 10, &due, &r->err));
    EXPECT_EQ(due.n, 0);
    t.cron_id = rig_id('c', 2);
    FAILS(r, store_crons_advance(r->s, &t, &r->err), ERR_NOT_FOUND);
}

TEST(store_crons_tick_is_written_with_its_run)
{
    struct rig rig, *r = &rig;
    rig_init(r, false);
    struct store_cron c = cron_like(1, 500);
    struct store_tick t = {c.cron_id, 500, 600};
    const struct store_run_more more = {.tick = &t};
    OK(r, store_crons_create(r->s, &c, &r->err));
    OK(r, insert(r, 1, &more));
    OK(r, insert(r, 1, &more)); /* the same run again */
    FAILS(r, insert(r, 2, &more), ERR_CONFLICT);
    uint64_t open = 0;
    OK(r, store_runs_count(r->s, "open", &open, &r->err));
    EXPECT_EQ(open, 1);
    rig_fini(r);
}

TEST(store_crons_go_with_their_thread_and_assistant)
{
    struct rig rig, *r = &rig;
    rig_init(r, false);
    struct id thread = rig_thread(r, 1);
    struct store_assistant a = {.assistant_id = rig_id('a', 2),
                                .graph_id = S("agent"),
                                .name = S("x")};
    bool made = false;
    OK(r, store_assistants_create(r->s, &a, &made, &r->err));
    struct store_cron c = cron_like(1, 500);
    OK(r, store_crons_create(r->s, &c, &r->err));
    c = cron_like(2, 500);
    c.thread_id = rig_id('t', 9);
    OK(r, store_crons_create(r->s, &c, &r->err));
    struct store_crons_page page;
    OK(r, store_threads_delete(r->s, &thread, &r->err));
    struct store_crons_query q = {.limit = 10};
    OK(r, store_crons_search(r->s, &q, &page, &r->err));
    EXPECT_EQ(page.total, 1);
    store_crons_free(&page.list, page.n);
    OK(r, store_assistants_delete(r->s, &a.assistant_id, &r->err));
    OK(r, store_crons_search(r->s, &q, &page, &r->err));
    EXPECT_EQ(page.total, 0);
    rig_fini(r);
}

TEST(store_crons_search)
{
    struct rig rig, *r = &rig;
    rig_init(r, false);
    for (unsigned i = 1; i <= 4; i++) {
        struct store_cron c = cron_like(i, 1000 - (int)i);
        c.enabled = i != 2;
        c.metadata = i == 3 ? J("{\"k\":2}") : c.metadata;
        c.owner = i == 4 ? S("bob") : c.owner;
        OK(r, store_crons_create(r->s, &c, &r->err));
    }
    const bool off = false;
    const struct id a3 = rig_id('a', 3);
    struct store_crons_page p;
    struct store_crons_query q = {.owner = "ann", .limit = 2, .offset = 1};
    OK(r, store_crons_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.total, 3);
    EXPECT_EQ(p.n, 2);
    EXPECT_EQ(p.list[0].created_us, 12); /* newest first */
    store_crons_free(&p.list, p.n);
    q = (struct store_crons_query){
        .sort_by = "next_run_date", .ascending = true, .limit = 1};
    OK(r, store_crons_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.list[0].next_us, 996);
    store_crons_free(&p.list, p.n);
    q = (struct store_crons_query){.enabled = &off};
    OK(r, store_crons_search(r->s, &q, &p, &r->err));
    EXPECT(p.n == 0 && p.total == 1);
    q = (struct store_crons_query){.assistant_id = &a3};
    OK(r, store_crons_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.total, 1);
    q = (struct store_crons_query){.metadata = JV("{\"k\":1}")};
    OK(r, store_crons_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.total, 3);
    rig_fini(r);
}

/* ---- webhooks -------------------------------------------------------------
 */

static void claim(struct rig *r, int64_t now_us, struct store_hook **list,
                  size_t *n)
{
    const struct store_hooks_claim c = {
        .now_us = now_us, .until_us = now_us + 100, .limit = 10};
    OK(r, store_hooks_claim(r->s, &c, list, n, &r->err));
}

BOTH(store_hooks_follow_the_end)
{
    const struct store_run_more more = {.webhook = "http://x/y"};
    struct id run = rig_id('r', 1);
    struct store_hook *list = NULL;
    size_t n = 0;
    bool any = true;
    int64_t now = clock_wall_us() + 1000000;
    OK(r, insert(r, 1, &more));
    OK(r, store_hooks_any(r->s, now, &any, &r->err));
    EXPECT(!any);
    struct store_run_start start = {.run_id = run, .attempt = 1, .ms = 100};
    OK(r, store_runs_start(r->owner, &start, &r->err));
    struct store_run_end end = {.run_id = run,
                                .attempt = 1,
                                .status = "success",
                                .thread_status = "idle",
                                .values = JV("{\"x\":3}")};
    OK(r, store_runs_finish(r->owner, &end, &r->err));
    OK(r, store_hooks_any(r->s, now, &any, &r->err));
    EXPECT(any);
    claim(r, now, &list, &n);
    EXPECT_EQ(n, 1);
    EXPECT_STR(list[0].url, "http://x/y");
    EXPECT(id_eq(&list[0].run_id, &run) && list[0].tries == 0);
    leat_view body = leat_view_of(list[0].body);
    EXPECT_JSON(leat_get(body, "status"), "\"success\"");
    EXPECT_JSON(leat_get(body, "values"), "{\"x\":3}");
    EXPECT(leat_type_of(leat_get(body, "run_ended_at")) == LEAT_STRING);
    EXPECT(leat_type_of(leat_get(body, "error")) == LEAT_MISSING);
    store_hooks_free(&list, n);
    claim(r, now + 99, &list, &n); /* it is somebody's */
    EXPECT_EQ(n, 0);
    claim(r, now + 100, &list, &n); /* who has not said anything */
    EXPECT(n == 1 && list[0].tries == 1);
    store_hooks_free(&list, n);
    OK(r, store_hooks_tried(r->s, &run, now + 500, &r->err));
    claim(r, now + 499, &list, &n);
    EXPECT_EQ(n, 0);
    OK(r, store_hooks_tried(r->s, &run, 0, &r->err));
    claim(r, now + 1000, &list, &n);
    EXPECT_EQ(n, 0);
}

TEST(store_hooks_of_runs_taken_back)
{
    struct rig rig, *r = &rig;
    rig_init(r, false);
    const struct store_run_more more = {.webhook = "http://x/y"};
    struct store_hook *list = NULL;
    size_t n = 0;
    OK(r, insert(r, 1, &more));
    OK(r, insert(r, 2, &more));
    struct id never = rig_id('r', 1);
    struct id begun = rig_id('r', 2);
    struct store_run_start start = {.run_id = begun, .attempt = 1, .ms = 100};
    OK(r, store_runs_start(r->s, &start, &r->err));
    OK(r, store_runs_rollback(r->s, &never, true, &r->err));
    OK(r, store_runs_rollback(r->s, &begun, false, &r->err));
    claim(r, clock_wall_us() + 1000000, &list, &n);
    EXPECT_EQ(n, 1);
    EXPECT(id_eq(&list[0].run_id, &begun));
    EXPECT_JSON(leat_get(leat_view_of(list[0].body), "status"),
                "\"interrupted\"");
    store_hooks_free(&list, n);
    rig_fini(r);
}

/* ---- Idempotency-Key ------------------------------------------------------
 */

BOTH(store_keys_stand_for_one_run)
{
    struct store_key_owner got;
    struct store_key_claim c = {.key = {.owner = "ann", .key = "k"},
                                .run_id = rig_id('r', 1),
                                .digest = "d1",
                                .now_us = 100};
    const struct store_run_more more = {.key = &c.key};
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh && got.same && !got.accepted);
    c.run_id = rig_id('r', 2);
    c.now_us = 110;
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(!got.fresh && got.same && !got.accepted);
    EXPECT(id_eq(&got.run_id, &(struct id){{'r', [15] = 1}}));
    EXPECT_EQ(got.created_us, 100);
    FAILS(r, insert(r, 2, &more), ERR_CONFLICT);
    OK(r, insert(r, 1, &more));
    c.digest = "d2";
    c.abandoned_us = 105; /* but it was not */
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(!got.fresh && !got.same && got.accepted);
    c.key.owner = "bob"; /* another's key is another key */
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh);
    c.key.owner = "ann";
    c.expired_us = 101;
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh);
}

#define CLAIMANTS 4
#define CLAIMED 40

struct claimant {
    store_t *s;
    unsigned number;
    pthread_barrier_t *start;
    struct id got[CLAIMED];
};

/* Key after key, at the same time as the others. */
static void *claim_all(void *arg)
{
    struct claimant *me = arg;
    for (unsigned i = 0; i < CLAIMED; i++) {
        char key[16];
        struct err err = ERR_INIT;
        struct store_key_owner out;
        (void)snprintf(key, sizeof key, "key%u", i);
        const struct store_key_claim c = {
            .key = {.key = key},
            .run_id = rig_id('r', me->number * CLAIMED + i),
            .digest = "d",
            .now_us = 100};
        (void)pthread_barrier_wait(me->start);
        EXPECT_MSG(store_keys_claim(me->s, &c, &out, &err), "%s", err.text);
        me->got[i] = out.run_id;
    }
    return NULL;
}

TEST(store_keys_claimed_at_once_are_one_run)
{
    static struct claimant all[CLAIMANTS];
    pthread_t threads[CLAIMANTS];
    pthread_barrier_t start;
    EXPECT_EQ(pthread_barrier_init(&start, NULL, CLAIMANTS), 0);
    for (unsigned i = 0; i < CLAIMANTS; i++) {
        all[i] = (struct claimant){.s = rig_open(STORE_OWNER, NULL),
                                   .number = i,
                                   .start = &start};
    }
    for (size_t i = 0; i < CLAIMANTS; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, claim_all, &all[i]), 0);
    }
    for (size_t i = 0; i < CLAIMANTS; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
        store_destroy(&all[i].s);
    }
    for (size_t i = 0; i < CLAIMANTS * CLAIMED; i++) {
        size_t key = i % CLAIMED;
        EXPECT(id_eq(&all[i / CLAIMED].got[key], &all[0].got[key]));
    }
}

BOTH(store_keys_of_what_was_not_made)
{
    struct store_key_owner got;
    struct store_key_claim c = {.key = {.key = "k"},
                                .run_id = rig_id('r', 1),
                                .digest = "d",
                                .now_us = 100};
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    OK(r, store_keys_release(r->s, &c.key, &c.run_id, &r->err));
    c.run_id = rig_id('r', 2);
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh);
    c.run_id = rig_id('r', 3);
    c.abandoned_us = 101;
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh && id_eq(&got.run_id, &c.run_id));
    const struct store_run_more more = {.key = &c.key};
    OK(r, insert(r, 3, &more));
    OK(r, store_keys_release(r->s, &c.key, &c.run_id, &r->err));
    c.abandoned_us = 0;
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.accepted); /* what is made stays */
    OK(r, store_keys_expire(r->s, 101, &r->err));
    c.run_id = rig_id('r', 4);
    OK(r, store_keys_claim(r->s, &c, &got, &r->err));
    EXPECT(got.fresh);
}
