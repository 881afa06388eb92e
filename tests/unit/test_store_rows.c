/* SPDX-License-Identifier: Apache-2.0 */
/* Assistants, threads and items, written here and through a transport. */
#include "tests/unit/store_rig.h"

static char *S(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* ---- assistants -----------------------------------------------------------
 */

static void make_assistant(struct rig *r, unsigned n, const char *graph,
                           const char *name, const char *metadata)
{
    struct store_assistant a = {.assistant_id = rig_id('a', n),
                                .graph_id = S(graph),
                                .name = S(name),
                                .metadata = J(metadata),
                                .created_us = 1000 + n};
    bool created = false;
    OK(r, store_assistants_create(r->s, &a, &created, &r->err));
    EXPECT(created);
}

BOTH(store_assistants_create_does_nothing_twice)
{
    make_assistant(r, 1, "agent", "Agent", "{\"created_by\":\"system\"}");
    struct store_assistant again = {.assistant_id = rig_id('a', 1),
                                    .graph_id = S("other")};
    bool created = true;
    OK(r, store_assistants_create(r->s, &again, &created, &r->err));
    EXPECT(!created);
    struct store_assistant a;
    OK(r, store_assistants_get(r->s, &again.assistant_id, &a, &r->err));
    EXPECT_STR(a.graph_id, "agent");
    EXPECT_STR(a.name, "Agent");
    EXPECT_STR(a.description, NULL);
    EXPECT_STR(a.owner, "");
    EXPECT_VALUE(a.metadata, "{\"created_by\":\"system\"}");
    EXPECT_VALUE(a.config, "{}");
    EXPECT_VALUE(a.context, "{}");
    EXPECT_EQ(a.version, 1);
    EXPECT_EQ(a.created_us, 1001);
    store_assistant_fini(&a);
    OK(r, store_assistants_delete(r->s, &again.assistant_id, &r->err));
    FAILS(r, store_assistants_get(r->s, &again.assistant_id, &a, &r->err),
          ERR_NOT_FOUND);
    FAILS(r, store_assistants_delete(r->s, &again.assistant_id, &r->err),
          ERR_NOT_FOUND);
}

BOTH(store_assistants_search_filters_and_pages)
{
    make_assistant(r, 1, "agent", "One_x", "{\"k\":{\"a\":1,\"b\":2}}");
    make_assistant(r, 2, "agent", "two", "{}");
    make_assistant(r, 3, "other", "Oneyx", "{\"k\":{\"a\":1}}");
    struct store_assistants_page p;
    struct store_assistants_query q = {.limit = 10};
    OK(r, store_assistants_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 3);
    EXPECT_STR(p.list[0].name, "Oneyx"); /* newest first */
    store_assistants_free(&p.list, p.n);
    q = (struct store_assistants_query){.name = "oNe_", .limit = 10};
    OK(r, store_assistants_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 1); /* "_" is a letter like others */
    EXPECT_STR(p.list[0].name, "One_x");
    store_assistants_free(&p.list, p.n);
    q = (struct store_assistants_query){.metadata = JV("{\"k\":{\"a\":1}}"),
                                        .sort_by = "name",
                                        .ascending = true,
                                        .limit = 1,
                                        .offset = 1};
    OK(r, store_assistants_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 1);
    EXPECT_EQ(p.total, 2);
    EXPECT_STR(p.list[0].name, "Oneyx");
    store_assistants_free(&p.list, p.n);
    q = (struct store_assistants_query){.graph_id = "agent"};
    OK(r, store_assistants_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 0);
    EXPECT_EQ(p.total, 2);
    store_assistants_free(&p.list, p.n);
}

/* ---- threads --------------------------------------------------------------
 */

BOTH(store_threads_create_get_patch)
{
    struct store_thread t = {.thread_id = rig_id('t', 1),
                             .owner = S("ann"),
                             .metadata = J("{\"a\":1,\"b\":{\"c\":2}}"),
                             .created_us = 5};
    bool created = false;
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    EXPECT(created);
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    EXPECT(!created);
    OK(r, store_threads_patch(r->s, &t.thread_id, JV("{\"b\":3,\"d\":4}"),
                              JV("{\"configurable\":{\"x\":1},\"tags\":[1]}"),
                              &r->err));
    OK(r, store_threads_patch(r->s, &t.thread_id, (leat_view){NULL, NULL},
                              JV("{\"configurable\":{\"y\":2}}"), &r->err));
    struct store_thread got;
    OK(r, store_threads_get(r->s, &t.thread_id, &got, &r->err));
    EXPECT_STR(got.owner, "ann");
    EXPECT_STR(got.status, "idle");
    EXPECT_VALUE(got.metadata, "{\"a\":1,\"b\":3,\"d\":4}");
    EXPECT_VALUE(got.config, "{\"configurable\":{\"x\":1,\"y\":2},"
                             "\"tags\":[1]}");
    EXPECT(got.values == NULL && got.error == NULL);
    EXPECT_VALUE(got.interrupts, "{}");
    EXPECT_EQ(got.created_us, 5);
    EXPECT(got.updated_us > 5);
    EXPECT_EQ(got.state_updated_us, 5);
    store_thread_fini(&got);
    struct id missing = rig_id('t', 2);
    FAILS(r, store_threads_patch(r->s, &missing, JV("{}"), JV("{}"), &r->err),
          ERR_NOT_FOUND);
}

BOTH(store_threads_set_changes_what_is_given)
{
    struct id t = rig_thread(r, 1);
    struct store_thread_state state = {.status = "error",
                                       .values = JV("{\"x\":1}"),
                                       .interrupts = JV("{\"t\":[1]}"),
                                       .error = JV("{\"error\":\"E\"}")};
    OK(r, store_threads_set(r->s, &t, &state, &r->err));
    state = (struct store_thread_state){.error = JV("null"),
                                        .interrupts = JV("null")};
    OK(r, store_threads_set(r->s, &t, &state, &r->err));
    struct store_thread got;
    OK(r, store_threads_get(r->s, &t, &got, &r->err));
    EXPECT_STR(got.status, "error");
    EXPECT_VALUE(got.values, "{\"x\":1}");
    EXPECT_VALUE(got.interrupts, "{}");
    EXPECT(got.error == NULL);
    EXPECT(got.updated_us >= got.state_updated_us);
    store_thread_fini(&got);
    struct id missing = rig_id('t', 2);
    FAILS(r, store_threads_set(r->s, &missing, &state, &r->err), ERR_NOT_FOUND);
}

BOTH(store_threads_search_finds_by_everything)
{
    for (unsigned n = 1; n <= 5; n++) {
        struct store_thread t = {.thread_id = rig_id('t', n),
                                 .owner = S(n % 2 == 0 ? "ann" : "bob"),
                                 .metadata =
                                     n < 4 ? J("{\"k\":1}") : J("{\"k\":2}"),
                                 .values = n == 3 ? J("{\"v\":[1,2]}") : NULL,
                                 .created_us = 100 - n};
        bool created = false;
        OK(r, store_threads_create(r->s, &t, &created, &r->err));
    }
    struct store_threads_page p;
    struct store_threads_query q = {
        .metadata = JV("{\"k\":1}"), .limit = 2, .offset = 1};
    OK(r, store_threads_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 2);
    EXPECT_EQ(p.total, 3);
    EXPECT_EQ(p.list[0].created_us, 98);
    EXPECT_EQ(p.list[1].created_us, 97);
    store_threads_free(&p.list, p.n);
    q = (struct store_threads_query){.values = JV("{\"v\":[2]}"), .limit = 9};
    OK(r, store_threads_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 1);
    store_threads_free(&p.list, p.n);
    struct id ids[2] = {rig_id('t', 2), rig_id('t', 77)};
    q = (struct store_threads_query){.ids = ids, .id_count = 2, .limit = 9};
    OK(r, store_threads_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 1);
    store_threads_free(&p.list, p.n);
    q = (struct store_threads_query){.owner = "bob",
                                     .status = "idle",
                                     .sort_by = "thread_id",
                                     .ascending = true,
                                     .limit = 9};
    OK(r, store_threads_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.n, 3);
    EXPECT_EQ(p.list[2].created_us, 95);
    store_threads_free(&p.list, p.n);
    q.status = "busy";
    OK(r, store_threads_search(r->s, &q, &p, &r->err));
    EXPECT_EQ(p.total, 0);
}
