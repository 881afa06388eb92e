/* SPDX-License-Identifier: Apache-2.0 */
/* Items: one, many, namespaces, whose they are, and how long they live. */
#include "tests/unit/store_rig.h"

#define MINUTE INT64_C(60000000)

static struct store_item_key key_of(const char *space, const char *key)
{
    return (struct store_item_key){.space = JV(space), .key = key};
}

static void put(struct rig *r, const char *owner, const char *space,
                const char *key, const char *value, int64_t ttl_us)
{
    struct store_item_key k = key_of(space, key);
    k.owner = owner;
    OK(r, store_items_put(r->s, &k, J(value), ttl_us, &r->err));
}

/* The value as it is found, kept; NULL: there is none. */
static leat_value *get(struct rig *r, const struct store_item_key *k)
{
    struct store_item item;
    bool found = false;
    OK(r, store_items_get(r->s, k, &item, &found, &r->err));
    leat_value *v = found ? keep(leat_hold(item.value)) : NULL;
    store_item_fini(&item);
    return v;
}

BOTH(store_items_put_get_delete)
{
    struct store_item_key k = key_of("[\"a\",\"b\"]", "k");
    struct store_item item;
    bool found = true;
    OK(r, store_items_get(r->s, &k, &item, &found, &r->err));
    EXPECT(!found);
    put(r, NULL, "[\"a\",\"b\"]", "k", "{\"v\":1}", 0);
    put(r, NULL, "[\"a\",\"b\"]", "k", "{\"v\":2}", 0);
    OK(r, store_items_get(r->s, &k, &item, &found, &r->err));
    EXPECT(found);
    EXPECT_VALUE(item.value, "{\"v\":2}");
    EXPECT_VALUE(item.space, "[\"a\",\"b\"]");
    EXPECT_STR(item.key, "k");
    EXPECT_STR(item.owner, "");
    EXPECT(item.updated_us >= item.created_us);
    EXPECT_EQ(item.expires_us, 0);
    store_item_fini(&item);
    OK(r, store_items_delete(r->s, &k, &r->err));
    OK(r, store_items_delete(r->s, &k, &r->err));
    EXPECT(get(r, &k) == NULL);
}

BOTH(store_items_refuse_bad_namespaces)
{
    const char *wrong[] = {"[]",  "[\"a.b\"]", "[\"\"]",        "[1]",
                           "null", "{\"a\":1}", "[\"a\\u0000b\"]"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct store_item_key k = key_of(wrong[i], "k");
        FAILS(r, store_items_put(r->s, &k, J("{}"), 0, &r->err), ERR_INVALID);
    }
    char *label = base_zalloc(5000);
    memset(label, 'x', 4999);
    struct store_item_key k = {
        .space = leat_view_of(keep(leat_pack("[s]", label))), .key = "k"};
    FAILS(r, store_items_put(r->s, &k, J("{}"), 0, &r->err), ERR_INVALID);
    free(label);
}

/* ---- whose ----------------------------------------------------------------
 */

BOTH(store_items_belong_to_their_owner)
{
    put(r, "ann", "[\"a\"]", "k", "1", 0);
    put(r, "bob", "[\"a\"]", "k", "2", 0);
    struct store_item_key k = key_of("[\"a\"]", "k");
    EXPECT_VALUE(get(r, &k), "1"); /* the first that has one */
    k.owner = "";
    EXPECT(get(r, &k) == NULL);
    put(r, NULL, "[\"a\"]", "k", "3", 0);
    EXPECT_VALUE(get(r, &k), "3");
    k.owner = NULL;
    EXPECT_VALUE(get(r, &k), "3"); /* nobody's goes first */
    store_act_as(r->s, "bob");
    EXPECT_VALUE(get(r, &k), "2");
    OK(r, store_items_delete(r->s, &k, &r->err));
    EXPECT(get(r, &k) == NULL);
    put(r, NULL, "[\"b\"]", "k", "4", 0);
    struct store_items_query q = {.limit = 9};
    struct store_item *list = NULL;
    size_t n = 0;
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    EXPECT_STR(list[0].owner, "bob");
    store_items_free(&list, n);
    store_act_as(r->s, NULL);
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 3);
    store_items_free(&list, n);
    OK(r, store_items_delete(r->s, &k, &r->err));
    EXPECT_VALUE(get(r, &k), "1");
    OK(r, store_items_delete(r->s, &k, &r->err));
    EXPECT(get(r, &k) == NULL);
}

BOTH(store_shows_an_owner_only_what_is_his)
{
    struct id mine = rig_id('t', 1);
    struct id theirs = rig_id('t', 2);
    struct id run = rig_id('r', 2);
    bool created = false;
    store_act_as(r->s, "ann");
    struct store_thread t = {.thread_id = mine};
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    store_act_as(r->s, "bob");
    t.thread_id = theirs;
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    (void)rig_pending(r, 2, &theirs);
    store_act_as(r->s, "ann");
    OK(r, store_threads_get(r->s, &mine, &t, &r->err));
    EXPECT_STR(t.owner, "ann");
    store_thread_fini(&t);
    FAILS(r, store_threads_get(r->s, &theirs, &t, &r->err), ERR_NOT_FOUND);
    struct store_run row;
    FAILS(r, store_runs_get(r->s, &run, &row, &r->err), ERR_NOT_FOUND);
    struct store_run *runs = NULL;
    size_t n = 0;
    struct store_runs_query all = {.status = "open"};
    OK(r, store_runs_list(r->s, &all, &runs, &n, &r->err));
    EXPECT_EQ(n, 0);
    struct store_threads_page page;
    struct store_threads_query q = {.limit = 9};
    OK(r, store_threads_search(r->s, &q, &page, &r->err));
    EXPECT_EQ(page.n, 1);
    store_threads_free(&page.list, page.n);
    store_act_as(r->s, "");
    OK(r, store_runs_get(r->s, &run, &row, &r->err));
    store_run_fini(&row);
    OK(r, store_runs_list(r->s, &all, &runs, &n, &r->err));
    EXPECT_EQ(n, 1);
    store_runs_free(&runs, n);
}

BOTH(store_shows_everybody_the_systems_assistants)
{
    char owners[3][4] = {"ann", "*", ""};
    for (unsigned i = 0; i < 3; i++) {
        struct store_assistant a = {.assistant_id = rig_id('a', i),
                                    .graph_id = owners[i],
                                    .owner = owners[i]};
        bool created = false;
        OK(r, store_assistants_create(r->s, &a, &created, &r->err));
    }
    static const struct {
        const char *viewer;
        size_t sees;
    } rows[] = {{"ann", 2}, {"bob", 1}, {NULL, 3}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store_assistants_query q = {.limit = 9};
        struct store_assistants_page page;
        size_t got = 0;
        store_act_as(r->s, rows[i].viewer);
        OK(r, store_assistants_search(r->s, &q, &page, &r->err));
        EXPECT_EQ(page.n, rows[i].sees);
        EXPECT_EQ(page.total, rows[i].sees);
        store_assistants_free(&page.list, page.n);
        for (unsigned k = 0; k < 3; k++) {
            struct id id = rig_id('a', k);
            struct store_assistant a;
            got += store_assistants_get(r->s, &id, &a, &r->err);
            store_assistant_fini(&a);
        }
        EXPECT_EQ(got, rows[i].sees);
    }
}

/* ---- many -----------------------------------------------------------------
 */

BOTH(store_items_search_below_a_prefix)
{
    const char *spaces[] = {"[\"a\"]", "[\"a\",\"b\"]", "[\"ab\"]",
                            "[\"a\",\"c\"]"};
    const char *values[] = {"{\"v\":0}", "{\"v\":1}", "{\"v\":2}", "{\"v\":3}"};
    fake_clock();
    for (unsigned i = 0; i < 4; i++) {
        put(r, NULL, spaces[i], "k", values[i], 0);
        fake_clock_advance_us(1);
    }
    struct store_item *list = NULL;
    size_t n = 0;
    struct store_items_query q = {.prefix = JV("[\"a\"]")};
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 3);
    EXPECT_VALUE(list[0].value, "{\"v\":3}"); /* last updated first */
    EXPECT_VALUE(list[2].value, "{\"v\":0}");
    store_items_free(&list, n);
    q = (struct store_items_query){
        .filter = JV("{\"v\":{\"$lt\":3}}"), .limit = 1, .offset = 1};
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    EXPECT_VALUE(list[0].value, "{\"v\":1}");
    store_items_free(&list, n);
}

static void expect_spaces(struct rig *r, const struct store_spaces_query *q,
                          const char *want)
{
    leat_value *all = NULL;
    OK(r, store_items_spaces(r->s, q, &all, &r->err));
    EXPECT_VALUE(all, want);
    leat_drop(all);
}

BOTH(store_items_spaces_by_prefix_suffix_and_depth)
{
    const char *spaces[] = {"[\"a\"]",           "[\"a\",\"b\"]",
                            "[\"a\",\"b\",\"c\"]", "[\"a\",\"x\",\"c\"]",
                            "[\"ab\"]",          "[\"b\",\"b\"]"};
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        put(r, NULL, spaces[i], "k", "{}", 0);
        put(r, NULL, spaces[i], "l", "{}", 0);
    }
    struct store_spaces_query q = {.prefix = JV("[\"a\"]")};
    expect_spaces(r, &q,
                  "[[\"a\"],[\"a\",\"b\"],[\"a\",\"b\",\"c\"],"
                  "[\"a\",\"x\",\"c\"]]");
    q = (struct store_spaces_query){.suffix = JV("[\"c\"]")};
    expect_spaces(r, &q, "[[\"a\",\"b\",\"c\"],[\"a\",\"x\",\"c\"]]");
    q = (struct store_spaces_query){.suffix = JV("[\"b\",\"*\"]")};
    expect_spaces(r, &q, "[[\"a\",\"b\",\"c\"],[\"b\",\"b\"]]");
    q = (struct store_spaces_query){.prefix = JV("[\"*\",\"b\"]")};
    expect_spaces(r, &q,
                  "[[\"a\",\"b\"],[\"a\",\"b\",\"c\"],[\"b\",\"b\"]]");
    q = (struct store_spaces_query){.prefix = JV("[\"a\",\"*\",\"c\"]")};
    expect_spaces(r, &q, "[[\"a\",\"b\",\"c\"],[\"a\",\"x\",\"c\"]]");
    q = (struct store_spaces_query){.max_depth = 1};
    expect_spaces(r, &q, "[[\"a\"],[\"ab\"],[\"b\"]]");
    q = (struct store_spaces_query){.max_depth = 2, .limit = 2, .offset = 1};
    expect_spaces(r, &q, "[[\"a\",\"b\"],[\"a\",\"x\"]]");
    q = (struct store_spaces_query){.prefix = JV("[\"a.b\"]")};
    leat_value *all = NULL;
    FAILS(r, store_items_spaces(r->s, &q, &all, &r->err), ERR_INVALID);
}

/* ---- time to live ---------------------------------------------------------
 */

BOTH(store_items_expire)
{
    struct store_item_key k = key_of("[\"a\"]", "k");
    k.refresh = STORE_REFRESH_NO;
    fake_clock();
    put(r, NULL, "[\"a\"]", "k", "1", 2 * MINUTE);
    put(r, NULL, "[\"a\"]", "stays", "2", STORE_TTL_NONE);
    fake_clock_advance_us(2 * MINUTE - 1);
    EXPECT_VALUE(get(r, &k), "1");
    fake_clock_advance_us(1);
    EXPECT(get(r, &k) == NULL);
    struct store_items_query q = {.limit = 9};
    struct store_item *list = NULL;
    size_t n = 0;
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    store_items_free(&list, n);
    OK(r, store_items_sweep(r->owner, clock_wall_us(), &n, &r->err));
    EXPECT_EQ(n, 1);
    OK(r, store_items_sweep(r->owner, clock_wall_us(), &n, &r->err));
    EXPECT_EQ(n, 0);
}

BOTH(store_items_live_longer_when_they_are_read)
{
    struct store_item_key k = key_of("[\"a\"]", "k");
    fake_clock();
    put(r, NULL, "[\"a\"]", "k", "1", 2 * MINUTE);
    fake_clock_advance_us(MINUTE);
    EXPECT_VALUE(get(r, &k), "1"); /* until 3 */
    unsigned calls = r->calls;
    EXPECT_VALUE(get(r, &k), "1");
    EXPECT_EQ(r->calls, calls); /* that one is not worth a write */
    fake_clock_advance_us(2 * MINUTE - 1);
    struct store_items_query q = {.refresh = STORE_REFRESH_YES};
    struct store_item *list = NULL;
    size_t n = 0;
    OK(r, store_items_search(r->s, &q, &list, &n, &r->err));
    EXPECT_EQ(n, 1);
    store_items_free(&list, n);
    fake_clock_advance_us(2 * MINUTE - 1);
    k.refresh = STORE_REFRESH_NO;
    EXPECT_VALUE(get(r, &k), "1");
    fake_clock_advance_us(1);
    EXPECT(get(r, &k) == NULL);
}

BOTH(store_items_put_anew_are_new)
{
    struct store_item_key k = key_of("[\"a\"]", "k");
    struct store_item item;
    bool found = false;
    fake_clock();
    int64_t born = clock_wall_us();
    put(r, NULL, "[\"a\"]", "k", "1", MINUTE);
    fake_clock_advance_us(1);
    put(r, NULL, "[\"a\"]", "k", "2", MINUTE);
    OK(r, store_items_get(r->s, &k, &item, &found, &r->err));
    EXPECT_EQ(item.created_us, born);
    EXPECT_EQ(item.updated_us, born + 1);
    EXPECT_EQ(item.expires_us, born + 1 + MINUTE);
    store_item_fini(&item);
    fake_clock_advance_us(MINUTE);
    put(r, NULL, "[\"a\"]", "k", "3", 0); /* no time: it stays */
    OK(r, store_items_get(r->s, &k, &item, &found, &r->err));
    EXPECT_EQ(item.created_us, born + 1 + MINUTE);
    EXPECT_EQ(item.expires_us, 0);
    store_item_fini(&item);
}

/* ---- as other languages ask for them --------------------------------------
 */

static leat_value *call(struct rig *r, const char *op, const char *args)
{
    leat_value *result = NULL;
    const struct store_request request = {.op = {op, strlen(op)},
                                          .args = JV(args)};
    OK(r, store_ops_run(r->owner, &request, &result, &r->err));
    return keep(result == NULL ? leat_new_null() : result);
}

static void refused(struct rig *r, const char *op, const char *args)
{
    leat_value *result = NULL;
    const struct store_request request = {.op = {op, strlen(op)},
                                          .args = JV(args)};
    FAILS(r, store_ops_run(r->owner, &request, &result, &r->err), ERR_INVALID);
}

TEST(store_ops_of_items)
{
    struct rig r;
    rig_init(&r, false);
    fake_clock();
    (void)call(&r, "items_put",
               "{\"space\":[\"a\"],\"key\":\"k\",\"value\":{\"v\":1},"
               "\"ttl_us\":60000000,\"owner\":\"ann\"}");
    EXPECT_VALUE(call(&r, "items_get", "{\"space\":[\"a\"],\"key\":\"k\"}"),
                 "{\"item\":null}");
    EXPECT_VALUE(call(&r, "items_get",
                      "{\"space\":[\"a\"],\"key\":\"k\",\"owner\":\"ann\"}"),
                 "{\"item\":{\"owner\":\"ann\",\"space\":[\"a\"],"
                 "\"key\":\"k\",\"value\":{\"v\":1},"
                 "\"created_us\":1767323045678901,"
                 "\"updated_us\":1767323045678901,\"ttl_us\":60000000,"
                 "\"expires_us\":1767323105678901}}");
    (void)call(&r, "items_put",
               "{\"space\":[\"a\",\"b\"],\"key\":\"k\",\"value\":2}");
    leat_value *found = call(&r, "items_search",
                             "{\"owner\":\"ann\",\"prefix\":[\"a\"],"
                             "\"filter\":{\"v\":{\"$gte\":1}},\"limit\":5}");
    EXPECT_EQ(leat_count(leat_get(leat_view_of(found), "items")), 1);
    EXPECT_VALUE(call(&r, "items_spaces", "{\"suffix\":[\"b\"]}"),
                 "{\"spaces\":[[\"a\",\"b\"]]}");
    EXPECT_VALUE(call(&r, "items_spaces",
                      "{\"owner\":\"ann\",\"max_depth\":1,\"limit\":1}"),
                 "{\"spaces\":[[\"a\"]]}");
    (void)call(&r, "items_refresh",
               "{\"items\":[{\"owner\":\"ann\",\"space\":[\"a\"],"
               "\"key\":\"k\"}]}");
    (void)call(&r, "items_delete",
               "{\"space\":[\"a\"],\"key\":\"k\",\"owner\":\"ann\"}");
    EXPECT_VALUE(call(&r, "items_spaces", "{\"owner\":\"ann\"}"),
                 "{\"spaces\":[]}");
    refused(&r, "items_put", "{\"space\":[\"a\"],\"key\":\"k\"}");
    refused(&r, "items_put",
            "{\"space\":[\"a\"],\"key\":\"a\\u0000b\",\"value\":1}");
    refused(&r, "items_get", "{\"space\":[\"a\"]}");
    refused(&r, "items_search", "{\"filter\":{\"v\":{\"$in\":[1]}}}");
    refused(&r, "items_search", "{\"filter\":5}");
    refused(&r, "items_refresh", "{\"items\":[{\"key\":\"k\"}]}");
    rig_fini(&r);
}
