/* SPDX-License-Identifier: Apache-2.0 */
/* Searching threads by what the index decides and by what it cannot; threads
 * with an end; what a thread takes. */
#include "common/store/terms.h"
#include "tests/unit/store_rig.h"

static void make(struct rig *r, unsigned n, const char *owner,
                 const char *metadata)
{
    const struct store_thread t = {.thread_id = rig_id('t', n),
                                   .owner = (char *)(uintptr_t)owner,
                                   .metadata = J(metadata),
                                   .created_us = 1000 + n};
    bool created = false;
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    EXPECT(created);
}

/* Numbers of the threads on the page, e.g. "3 1 /2": two match in all. */
static const char *found(struct rig *r, const struct store_threads_query *q)
{
    static char text[400];
    struct store_threads_page page;
    size_t at = 0;
    text[0] = '\0';
    OK(r, store_threads_search(r->s, q, &page, &r->err));
    for (size_t i = 0; i < page.n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%u ",
                               (unsigned)page.list[i].thread_id.bytes[15]);
    }
    (void)snprintf(text + at, sizeof text - at, "/%zu", page.total);
    store_threads_free(&page.list, page.n);
    return text;
}

static const char *by(struct rig *r, const char *metadata)
{
    const struct store_threads_query q = {.metadata = JV(metadata),
                                          .limit = 10};
    return found(r, &q);
}

static int64_t terms(struct rig *r)
{
    int64_t n = -1;
    OK(r, store_query_number(STORE_QUERY(r->owner, &r->err), &n,
                             "SELECT COUNT(*) FROM thread_terms", ""));
    return n;
}

BOTH(store_terms_find_what_contains)
{
    make(r, 1, "", "{\"a\":1,\"user\":{\"name\":\"ann\",\"age\":7}}");
    make(r, 2, "", "{\"a\":1.0,\"user\":{\"name\":\"bob\"},\"n\":null}");
    make(r, 3, "", "{\"a\":\"1\",\"t\":[1,{\"x\":1,\"y\":2}],\"e\":{}}");
    EXPECT_STR(by(r, "{\"a\":1}"), "2 1 /2");
    EXPECT_STR(by(r, "{\"a\":\"1\"}"), "3 /1");
    EXPECT_STR(by(r, "{\"user\":{\"name\":\"ann\"}}"), "1 /1");
    EXPECT_STR(by(r, "{\"user\":{\"name\":\"ann\"},\"a\":2}"), "/0");
    EXPECT_STR(by(r, "{\"user\":{}}"), "2 1 /2");
    EXPECT_STR(by(r, "{\"user\":{},\"a\":1}"), "2 1 /2");
    EXPECT_STR(by(r, "{\"n\":null}"), "2 /1");
    EXPECT_STR(by(r, "{\"t\":[{\"x\":1}]}"), "3 /1");
    EXPECT_STR(by(r, "{\"t\":[{\"x\":1},{\"y\":3}]}"), "/0");
    EXPECT_STR(by(r, "{\"t\":[]}"), "3 /1");
    EXPECT_STR(by(r, "{}"), "3 2 1 /3");
    EXPECT_STR(by(r, "{\"a\":1,\"user\":{\"name\":\"ann\",\"age\":7}}"),
               "1 /1");
    EXPECT_STR(by(r, "{\"user.name\":\"ann\"}"), "/0");
}

BOTH(store_terms_follow_the_metadata)
{
    struct id one = rig_id('t', 1);
    make(r, 1, "", "{\"a\":1,\"b\":2}");
    EXPECT_EQ(terms(r), 2);
    OK(r, store_threads_patch(r->s, &one, JV("{\"a\":3,\"c\":4}"),
                              (leat_view){NULL, NULL}, &r->err));
    EXPECT_EQ(terms(r), 3);
    EXPECT_STR(by(r, "{\"a\":1}"), "/0");
    EXPECT_STR(by(r, "{\"a\":3,\"b\":2,\"c\":4}"), "1 /1");
    struct id copy = rig_id('t', 2);
    OK(r, store_threads_copy(r->s, &one, &copy, &r->err));
    EXPECT_STR(by(r, "{\"a\":3}"), "2 1 /2");
    OK(r, store_threads_delete(r->s, &one, &r->err));
    OK(r, store_threads_delete(r->s, &copy, &r->err));
    EXPECT_EQ(terms(r), 0);
}

BOTH(store_terms_keep_owners_apart)
{
    make(r, 1, "ann", "{\"a\":1}");
    make(r, 2, "bob", "{\"a\":1}");
    struct store_threads_query q = {.owner = "ann", .limit = 10};
    EXPECT_STR(found(r, &q), "1 /1");
    q.metadata = JV("{\"a\":1}");
    EXPECT_STR(found(r, &q), "1 /1");
    q.metadata = JV("{\"a\":[]}");
    EXPECT_STR(found(r, &q), "/0");
    const struct id ids[] = {rig_id('t', 1), rig_id('t', 2)};
    q = (struct store_threads_query){
        .owner = "bob", .ids = ids, .id_count = 2, .limit = 10};
    EXPECT_STR(found(r, &q), "2 /1");
}

/* Metadata with more scalars than are kept is found by looking at it. */
BOTH(store_terms_have_a_limit)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    must(buf_puts(&text, "{\"a\":1"));
    for (unsigned i = 0; i < 1200; i++) {
        must(buf_printf(&text, ",\"k%u\":%u", i, i));
    }
    must(buf_puts(&text, "}"));
    make(r, 1, "ann", buf_text(&text));
    buf_fini(&text);
    make(r, 2, "ann", "{\"a\":1}");
    EXPECT_EQ(terms(r), 4); /* two owners, `over`, `a` */
    EXPECT_STR(by(r, "{\"a\":1}"), "2 1 /2");
    EXPECT_STR(by(r, "{\"k1100\":1100}"), "1 /1");
    const struct store_threads_query q = {
        .owner = "bob", .metadata = JV("{\"a\":1}"), .limit = 10};
    EXPECT_STR(found(r, &q), "/0");
}

BOTH(store_threads_search_pages_and_sorts)
{
    for (unsigned n = 1; n <= 5; n++) {
        make(r, n, "", n % 2 == 0 ? "{\"k\":1,\"l\":2}" : "{\"k\":1}");
    }
    struct store_threads_query q = {
        .metadata = JV("{\"k\":1}"), .limit = 2, .offset = 1};
    EXPECT_STR(found(r, &q), "4 3 /5");
    q.ascending = true;
    EXPECT_STR(found(r, &q), "2 3 /5");
    q.sort_by = "thread_id";
    EXPECT_STR(found(r, &q), "2 3 /5");
    q.sort_by = "updated_at";
    EXPECT_STR(found(r, &q), "2 3 /5");
    q.metadata = JV("{\"k\":1,\"l\":2}");
    q.offset = 0;
    EXPECT_STR(found(r, &q), "2 4 /2");
    q.status = "idle";
    EXPECT_STR(found(r, &q), "2 4 /2");
    q.status = "busy";
    EXPECT_STR(found(r, &q), "/0");
    q = (struct store_threads_query){.status = "idle", .limit = 1, .offset = 9};
    EXPECT_STR(found(r, &q), "/5");
    q = (struct store_threads_query){.limit = 0};
    EXPECT_STR(found(r, &q), "/5");
    const struct id ids[] = {rig_id('t', 5), rig_id('t', 2), rig_id('t', 9),
                             rig_id('t', 5), rig_id('t', 3)};
    q = (struct store_threads_query){.ids = ids, .id_count = 5, .limit = 2};
    EXPECT_STR(found(r, &q), "5 3 /3");
    q.offset = 2;
    EXPECT_STR(found(r, &q), "2 /3");
    q.metadata = JV("{\"l\":2}");
    q.offset = 0;
    EXPECT_STR(found(r, &q), "2 /1");
    q.metadata = (leat_view){NULL, NULL};
    q.sort_by = "status";
    q.ascending = true;
    EXPECT_STR(found(r, &q), "2 3 /3");
}

/* A database from before the index gets one. */
TEST(store_terms_fill_an_old_database)
{
    struct rig rig;
    struct rig *r = &rig;
    rig_init(r, false);
    make(r, 1, "ann", "{\"a\":1}");
    OK(r, store_query_run(r->owner, &r->err, "DELETE FROM thread_terms", ""));
    EXPECT_STR(by(r, "{\"a\":1}"), "/0");
    OK(r, store_terms_fill(r->owner, &r->err));
    EXPECT_STR(by(r, "{\"a\":1}"), "1 /1");
    rig_fini(r);
}

/* ---- threads with an end --------------------------------------------------
 */

static const char *expired(struct rig *r, int64_t now_us)
{
    static char text[100];
    struct store_expired_list l;
    size_t at = 0;
    text[0] = '\0';
    OK(r, store_threads_expired(r->s, now_us, 10, &l, &r->err));
    for (size_t i = 0; i < l.n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%u%s ",
                               (unsigned)l.list[i].thread_id.bytes[15],
                               l.list[i].keep_latest ? "k" : "d");
    }
    free(l.list);
    return text;
}

BOTH(store_threads_expire)
{
    struct id one = rig_id('t', 1);
    struct id two = rig_id('t', 2);
    struct store_ttl ttl = {"keep_latest", 50, 0};
    make(r, 1, "", "{}");
    make(r, 2, "", "{}");
    OK(r, store_threads_set_ttl(r->s, &one, &ttl, &r->err));
    int64_t now = clock_wall_us();
    struct store_ttl got;
    OK(r, store_threads_get_ttl(r->s, &one, &got, &r->err));
    EXPECT_STR(got.strategy, "keep_latest");
    EXPECT_EQ(got.ttl_us, 50);
    EXPECT(got.expires_us <= now + 50);
    EXPECT_STR(expired(r, got.expires_us - 1), "");
    EXPECT_STR(expired(r, got.expires_us), "1k ");
    ttl = (struct store_ttl){"delete", 10, 0};
    OK(r, store_threads_set_ttl(r->s, &one, &ttl, &r->err));
    (void)rig_pending(r, 1, &two);
    OK(r, store_threads_set_ttl(r->s, &two, &ttl, &r->err));
    EXPECT_STR(expired(r, now + 1000000000), "1d "); /* two is busy */
    OK(r, store_threads_delete(r->s, &one, &r->err));
    EXPECT_STR(expired(r, now + 1000000000), "");
    FAILS(r, store_threads_set_ttl(r->s, &one, &ttl, &r->err), ERR_NOT_FOUND);
    OK(r, store_threads_get_ttl(r->s, &one, &got, &r->err));
    EXPECT_STR(got.strategy, "");
    ttl = (struct store_ttl){"burn", 10, 0};
    FAILS(r, store_threads_set_ttl(r->s, &two, &ttl, &r->err), ERR_INVALID);
    ttl = (struct store_ttl){"", 0, 0};
    OK(r, store_threads_set_ttl(r->s, &two, &ttl, &r->err));
    OK(r, store_threads_get_ttl(r->s, &two, &got, &r->err));
    EXPECT_STR(got.strategy, "");
}

BOTH(store_threads_have_a_default_ttl)
{
    struct id one = rig_id('t', 1);
    struct store_ttl ttl = {"keep_latest", 1000, 0};
    struct store_ttl got;
    OK(r, store_threads_default_ttl(r->owner, &ttl, &r->err));
    make(r, 1, "", "{}");
    OK(r, store_threads_get_ttl(r->s, &one, &got, &r->err));
    EXPECT_STR(got.strategy, "keep_latest");
    EXPECT_EQ(got.ttl_us, 1000);
    ttl = (struct store_ttl){"", 0, 0};
    OK(r, store_threads_default_ttl(r->owner, &ttl, &r->err));
    struct id two = rig_id('t', 2);
    make(r, 2, "", "{}");
    OK(r, store_threads_get_ttl(r->s, &two, &got, &r->err));
    EXPECT_STR(got.strategy, "");
}
