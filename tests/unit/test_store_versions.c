/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of assistants, and an assistant that goes with its runs. */
#include "tests/unit/store_rig.h"

static struct id make(struct rig *r, unsigned n)
{
    struct store_assistant a = {
        .assistant_id = rig_id('a', n),
        .graph_id = (char *)(uintptr_t) "agent",
        .name = (char *)(uintptr_t) "First",
        .metadata = J("{\"a\":1,\"b\":{\"x\":1}}"),
        .config = J("{\"tags\":[\"t\"]}"),
    };
    bool created = false;
    OK(r, store_assistants_create(r->s, &a, &created, &r->err));
    return a.assistant_id;
}

static size_t versions_of(struct rig *r, const struct id *id,
                          const char *filter, int64_t *newest)
{
    const struct store_versions_query q = {.assistant_id = *id,
                                           .metadata = JV(filter)};
    struct store_assistant *list = NULL;
    size_t n = 0;
    OK(r, store_assistants_versions(r->s, &q, &list, &n, &r->err));
    *newest = n > 0 ? list[0].version : 0;
    store_assistants_free(&list, n);
    return n;
}

BOTH(store_assistants_patch_makes_a_version)
{
    struct id id = make(r, 1);
    struct store_assistant_patch p = {.assistant_id = id,
                                      .metadata =
                                          JV("{\"b\":{\"y\":2},\"c\":3}"),
                                      .context = JV("{\"k\":1}")};
    struct store_assistant a;
    OK(r, store_assistants_patch(r->s, &p, &a, &r->err));
    EXPECT_EQ(a.version, 2);
    EXPECT_STR(a.name, "First");
    EXPECT_VALUE(a.metadata, "{\"a\":1,\"b\":{\"y\":2},\"c\":3}");
    EXPECT_VALUE(a.config, "{\"tags\":[\"t\"]}");
    EXPECT_VALUE(a.context, "{\"k\":1}");
    store_assistant_fini(&a);
    p = (struct store_assistant_patch){.assistant_id = rig_id('a', 9)};
    FAILS(r, store_assistants_patch(r->s, &p, &a, &r->err), ERR_NOT_FOUND);
}

BOTH(store_assistants_set_latest_goes_back)
{
    struct id id = make(r, 1);
    struct store_assistant_patch p = {
        .assistant_id = id, .name = "Second", .metadata = JV("{\"v\":2}")};
    struct store_assistant a;
    int64_t newest = 0;
    OK(r, store_assistants_patch(r->s, &p, &a, &r->err));
    store_assistant_fini(&a);
    OK(r, store_assistants_set_latest(r->s, &id, 1, &a, &r->err));
    EXPECT_EQ(a.version, 1);
    EXPECT_STR(a.name, "First");
    EXPECT_VALUE(a.metadata, "{\"a\":1,\"b\":{\"x\":1}}");
    store_assistant_fini(&a);
    FAILS(r, store_assistants_set_latest(r->s, &id, 3, &a, &r->err),
          ERR_NOT_FOUND);
    p = (struct store_assistant_patch){.assistant_id = id};
    OK(r, store_assistants_patch(r->s, &p, &a, &r->err));
    EXPECT_EQ(a.version, 3);
    EXPECT_STR(a.name, "First");
    store_assistant_fini(&a);
    EXPECT_EQ(versions_of(r, &id, "{}", &newest), 3);
    EXPECT_EQ(newest, 3);
    EXPECT_EQ(versions_of(r, &id, "{\"v\":2}", &newest), 1);
    EXPECT_EQ(newest, 2);
}

BOTH(store_assistants_go_without_runs)
{
    struct id id = make(r, 1);
    struct id thread = rig_id('t', 1);
    const struct store_thread t = {.thread_id = thread};
    bool created = false;
    OK(r, store_threads_create(r->s, &t, &created, &r->err));
    struct store_run run = {.run_id = rig_id('r', 1),
                            .thread_id = thread,
                            .assistant_id = id,
                            .graph_id = (char *)(uintptr_t) "agent"};
    const struct store_run_thread how = {.make = false};
    struct store_run_inserted in;
    OK(r, store_runs_insert(r->owner, &run, &how, &in, &r->err));
    struct id *open = NULL;
    size_t n = 0;
    OK(r, store_assistants_open_runs(r->s, &id, &open, &n, &r->err));
    EXPECT_EQ(n, 1);
    EXPECT(id_eq(open, &run.run_id));
    free(open);
    OK(r, store_assistants_drop_runs(r->s, &id, 10, &n, &r->err));
    EXPECT_EQ(n, 0);
    FAILS(r, store_assistants_delete(r->s, &id, &r->err), ERR_CONFLICT);
    const struct store_run_end end = {.run_id = run.run_id,
                                      .status = "interrupted"};
    OK(r, store_runs_finish(r->owner, &end, &r->err));
    OK(r, store_assistants_drop_runs(r->s, &id, 10, &n, &r->err));
    EXPECT_EQ(n, 1);
    OK(r, store_assistants_delete(r->s, &id, &r->err));
    struct store_assistant a;
    FAILS(r, store_assistants_get(r->s, &id, &a, &r->err), ERR_NOT_FOUND);
    make(r, 1); /* the id is free again, and so are its versions */
}
