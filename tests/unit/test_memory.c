/* SPDX-License-Identifier: Apache-2.0 */
/* The saver that keeps a thread's checkpoints in memory. */
#include "tests/harness/harness.h"
#include "worker/graph/memory.h"

#include <stdio.h>
#include <stdlib.h>

static leat_value *json(const char *text)
{
    char why[128];
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s: %s", text, why);
    return v;
}

/* Puts checkpoint `n` of a namespace, with {"n": n} as values. */
static void put(const struct graph_saver *s, const char *ns, int n)
{
    struct graph_checkpoint cp = {.ns = ns, .ts = "2026-01-01T00:00:00+00:00"};
    struct err err = ERR_INIT;
    (void)snprintf(cp.id, sizeof cp.id,
                   "%08x-0000-6000-8000-000000000000", (unsigned)n);
    if (n > 1) {
        (void)snprintf(cp.parent_id, sizeof cp.parent_id,
                       "%08x-0000-6000-8000-000000000000", (unsigned)n - 1);
    }
    cp.channel_values = leat_pack("{s:i}", "n", n);
    cp.channel_versions = json("{\"n\":1}");
    cp.versions_seen = json("{}");
    cp.metadata = leat_pack("{s:s, s:i}", "source", n == 1 ? "input" : "loop",
                            "step", n - 2);
    EXPECT(s->put(s->self, &cp, &err));
    leat_drop(cp.channel_values);
    leat_drop(cp.channel_versions);
    leat_drop(cp.versions_seen);
    leat_drop(cp.metadata);
}

static const char *id_of(int n, char out[37])
{
    (void)snprintf(out, 37, "%08x-0000-6000-8000-000000000000", (unsigned)n);
    return out;
}

static int64_t n_of(const struct graph_saved *s)
{
    return leat_int(leat_get(leat_view_of(s->cp.channel_values), "n"), -1);
}

static int64_t load_n(const struct graph_saver *s, const char *ns,
                      const char *id)
{
    struct graph_saved saved;
    struct err err = ERR_INIT;
    EXPECT(s->load(s->self, ns, id, &saved, &err));
    int64_t n = saved.found ? n_of(&saved) : -1;
    graph_saved_fini(&saved);
    return n;
}

TEST(memory_gives_the_latest_and_the_named)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    char id[37];
    EXPECT_EQ(load_n(s, "", NULL), -1);
    for (int i = 1; i <= 20; i++) {
        put(s, "", i);
    }
    EXPECT_EQ(load_n(s, "", NULL), 20);
    EXPECT_EQ(load_n(s, "", id_of(7, id)), 7);
    EXPECT_EQ(load_n(s, "", id_of(21, id)), -1);
    EXPECT_EQ(load_n(s, "sub:1", NULL), -1);
    EXPECT_EQ(graph_memory_count(m), 20);
    graph_memory_destroy(&m);
    EXPECT(m == NULL);
    graph_memory_destroy(&m);
}

TEST(memory_keeps_ids_in_order)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    char id[37];
    put(s, "", 3);
    put(s, "", 1);
    put(s, "", 2);
    EXPECT_EQ(load_n(s, "", NULL), 3);
    EXPECT_EQ(load_n(s, "", id_of(1, id)), 1);
    EXPECT_EQ(load_n(s, "", id_of(2, id)), 2);
    graph_memory_destroy(&m);
}

TEST(memory_keeps_namespaces_apart)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    char ns[64];
    for (int i = 1; i <= 100; i++) {
        (void)snprintf(ns, sizeof ns, "sub:%d", i);
        put(s, ns, i);
    }
    for (int i = 1; i <= 100; i++) {
        (void)snprintf(ns, sizeof ns, "sub:%d", i);
        EXPECT_EQ(load_n(s, ns, NULL), i);
    }
    graph_memory_destroy(&m);
}

TEST(memory_shares_values)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    struct graph_checkpoint cp = {.ns = "", .ts = "t"};
    struct graph_saved saved;
    struct err err = ERR_INIT;
    id_of(1, cp.id);
    cp.channel_values = json("{\"big\":[1,2,3]}");
    EXPECT(s->put(s->self, &cp, &err));
    EXPECT(s->load(s->self, "", NULL, &saved, &err));
    EXPECT(saved.cp.channel_values == cp.channel_values);
    EXPECT_STR(saved.cp.ns, "");
    EXPECT_STR(saved.cp.ts, "t");
    graph_saved_fini(&saved);
    leat_drop(cp.channel_values);
    graph_memory_destroy(&m);
}

static struct graph_write write_of(const char *task, int index,
                                   const leat_value *v)
{
    struct graph_write w = {.index = index, .channel = "c", .value = v};
    (void)base_copy(w.task_id, sizeof w.task_id, task);
    return w;
}

TEST(memory_first_write_wins_special_ones_are_replaced)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    struct err err = ERR_INIT;
    struct graph_saved saved;
    char id[37];
    leat_value *one = leat_new_int(1), *two = leat_new_int(2);
    put(s, "", 1);
    struct graph_write first[] = {write_of("t", 0, one),
                                  write_of("t", -3, one),
                                  write_of("u", 0, one)};
    struct graph_write again[] = {write_of("t", 0, two),
                                  write_of("t", -3, two)};
    EXPECT(s->put_writes(s->self, &(struct graph_spot){"", id_of(1, id)}, first, 3, &err));
    EXPECT(s->put_writes(s->self, &(struct graph_spot){"", id}, again, 2, &err));
    EXPECT(s->load(s->self, "", NULL, &saved, &err));
    EXPECT_EQ(saved.write_count, 3);
    EXPECT(saved.writes[0].value == one);
    EXPECT(saved.writes[1].value == two);
    EXPECT_STR(saved.writes[2].task_id, "u");
    graph_saved_fini(&saved);
    EXPECT(!s->put_writes(s->self, &(struct graph_spot){"", id_of(9, id)}, first, 1, &err));
    EXPECT_EQ(err.code, ERR_STORE);
    leat_drop(one);
    leat_drop(two);
    graph_memory_destroy(&m);
}

TEST(memory_put_again_keeps_the_writes)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    struct err err = ERR_INIT;
    struct graph_saved saved;
    char id[37];
    leat_value *one = leat_new_int(1);
    struct graph_write w = write_of("t", 0, one);
    put(s, "", 1);
    EXPECT(s->put_writes(s->self, &(struct graph_spot){"", id_of(1, id)}, &w, 1, &err));
    put(s, "", 1);
    EXPECT(s->load(s->self, "", NULL, &saved, &err));
    EXPECT_EQ(saved.write_count, 1);
    EXPECT_EQ(graph_memory_count(m), 1);
    graph_saved_fini(&saved);
    leat_drop(one);
    graph_memory_destroy(&m);
}

/* Lists and joins the `n` of what was found: "5,4". */
static const char *listed(const struct graph_saver *s,
                          const struct graph_query *q)
{
    static char text[128];
    struct graph_saved *list = NULL;
    struct err err = ERR_INIT;
    size_t n = 0;
    text[0] = '\0';
    EXPECT(s->list(s->self, q, &list, &n, &err));
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, "%s%d", i > 0 ? "," : "",
                       (int)n_of(&list[i]));
        graph_saved_fini(&list[i]);
    }
    free(list);
    return text;
}

TEST(memory_lists_newest_first)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    char id[37];
    for (int i = 1; i <= 5; i++) {
        put(s, "", i);
    }
    leat_value *input = json("{\"source\":\"input\"}");
    leat_value *step = json("{\"step\":2,\"source\":\"loop\"}");
    leat_value *none = json("{\"nobody\":1}");
    EXPECT_STR(listed(s, &(struct graph_query){.ns = ""}), "5,4,3,2,1");
    EXPECT_STR(listed(s, &(struct graph_query){.limit = 2}), "5,4");
    EXPECT_STR(listed(s, &(struct graph_query){.before = id_of(3, id)}),
               "2,1");
    EXPECT_STR(listed(s, &(struct graph_query){.id = id_of(4, id)}), "4");
    EXPECT_STR(listed(s, &(struct graph_query){
                             .metadata = leat_view_of(input)}),
               "1");
    EXPECT_STR(listed(s, &(struct graph_query){.metadata = leat_view_of(step),
                                               .limit = 9}),
               "4");
    EXPECT_STR(listed(s, &(struct graph_query){.metadata = leat_view_of(none)}),
               "");
    EXPECT_STR(listed(s, &(struct graph_query){.ns = "other"}), "");
    leat_drop(input);
    leat_drop(step);
    leat_drop(none);
    graph_memory_destroy(&m);
}

TEST(memory_changes_a_view)
{
    graph_memory_t *m = graph_memory_new();
    const struct graph_saver *s = graph_memory_saver(m);
    struct err err = ERR_INIT;
    struct graph_saved saved;
    char id[37];
    leat_value *view = json("{\"next\":[\"a\"]}");
    put(s, "", 1);
    EXPECT(s->put_view(s->self, "", id_of(1, id), view, &err));
    EXPECT(s->load(s->self, "", NULL, &saved, &err));
    EXPECT(saved.cp.view == view);
    graph_saved_fini(&saved);
    EXPECT(!s->put_view(s->self, "", id_of(2, id), view, &err));
    EXPECT(s->flush(s->self, &err));
    leat_drop(view);
    graph_memory_destroy(&m);
}
