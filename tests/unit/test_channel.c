/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of channel does with writes. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"
#include "worker/graph/channel.h"

static leat_value *node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return NULL;
}

static leat_value *reduce_max(leat_view current, leat_view update)
{
    int64_t a = leat_int(current, 0);
    int64_t b = leat_int(update, 0);
    return b < 0 ? NULL : leat_new_int(a > b ? a : b);
}

static void build(leat_graph *g, leat_view config)
{
    static const char *const ab[] = {"a", "b", NULL};
    const struct leat_node late = {.run = node, .defer = true};
    (void)config;
    leat_add_channel(g, "last", LEAT_LAST_VALUE);
    leat_add_channel(g, "list", LEAT_APPEND);
    leat_add_channel(g, "sum", LEAT_SUM);
    leat_add_channel_with(
        g, "max", &(struct leat_channel){.kind = LEAT_REDUCE,
                                         .reduce = reduce_max,
                                         .initial = leat_new_int(5)});
    leat_add_channel_with(g, "bare", &(struct leat_channel){
                                         .kind = LEAT_APPEND,
                                         .no_default = true});
    leat_add_channel(g, "topic", LEAT_TOPIC);
    leat_add_channel_with(g, "topics", &(struct leat_channel){
                                           .kind = LEAT_TOPIC,
                                           .accumulate = true});
    leat_add_channel(g, "short", LEAT_EPHEMERAL);
    leat_add_channel(g, "any", LEAT_ANY_VALUE);
    leat_add_channel(g, "loose", LEAT_UNTRACKED);
    leat_add_node(g, "a", node);
    leat_add_node(g, "b", node);
    leat_add_node(g, "c", node);
    leat_add_node_with(g, "late", &late);
    leat_add_edge(g, LEAT_START, "a");
    leat_add_edge(g, "a", "b");
    leat_add_join(g, ab, "c");
    leat_add_join(g, ab, "late");
}

struct kit {
    struct rig rig;
    struct channels c;
    struct fault fault;
};

static void kit_init(struct kit *k, const char *stored)
{
    leat_value *v = leat_from_json(stored, strlen(stored), NULL, 0);
    *k = (struct kit){0};
    rig_init(&k->rig, build, 0);
    graph_channels_init(&k->c, k->rig.graph, leat_view_of(v));
    leat_drop(v);
}

static void kit_fini(struct kit *k)
{
    graph_fault_fini(&k->fault);
    graph_channels_fini(&k->c);
    rig_fini(&k->rig);
}

static uint32_t number(const struct kit *k, const char *name)
{
    int n = graph_channel_number(k->rig.graph, name, strlen(name));
    EXPECT(n >= 0);
    return (uint32_t)n;
}

/* Writes the elements of a JSON list; "" when refused, "-" unchanged. */
static const char *update(struct kit *k, const char *name, const char *list)
{
    leat_value *all = leat_from_json(list, strlen(list), NULL, 0);
    leat_value *items[8];
    size_t n = 0;
    bool changed;
    for (leat_iter it = leat_iter_of(leat_view_of(all)); leat_next(&it);) {
        items[n++] = leat_value_of(it.item);
    }
    uint32_t c = number(k, name);
    bool fine = graph_channel_update(&k->c, c,
                                     (struct channel_values){
                                         (const leat_value *const *)items, n},
                                     &changed, &k->fault);
    for (size_t i = 0; i < n; i++) {
        leat_drop(items[i]);
    }
    leat_drop(all);
    leat_value *now = leat_value_of(graph_channel_get(&k->c, c));
    const char *text = !fine ? "" : !changed ? "-" : rig_json(now);
    leat_drop(now);
    return text;
}

TEST(channel_last_value)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT(!graph_channel_available(&k.c, number(&k, "last")));
    EXPECT_STR(update(&k, "last", "[]"), "-");
    EXPECT_STR(update(&k, "last", "[null]"), "null");
    EXPECT_STR(update(&k, "last", "[2]"), "2");
    EXPECT_STR(update(&k, "last", "[]"), "-");
    EXPECT(graph_channel_available(&k.c, number(&k, "last")));
    EXPECT_STR(update(&k, "last", "[1,2]"), "");
    EXPECT_STR(k.fault.type, "InvalidUpdateError");
    EXPECT_HAS(k.fault.text, "At key 'last': Can receive only one value");
    kit_fini(&k);
}

TEST(channel_reducers_fold_in_order)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT_STR(update(&k, "list", "[[1],2,[[3]]]"), "[1,2,[3]]");
    EXPECT_STR(update(&k, "list", "[[]]"), "[1,2,[3]]");
    EXPECT_STR(update(&k, "list", "[]"), "-");
    EXPECT_STR(update(&k, "sum", "[1,2]"), "3");
    EXPECT_STR(update(&k, "sum", "[0.5]"), "3.5");
    EXPECT_STR(update(&k, "max", "[3]"), "5");
    EXPECT_STR(update(&k, "max", "[9,7]"), "9");
    EXPECT_STR(update(&k, "bare", "[[1],[2]]"), "[1,2]");
    kit_fini(&k);
}

TEST(channel_sum_overflows_to_a_double)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT_HAS(update(&k, "sum", "[9223372036854775807,1]"), "e");
    kit_fini(&k);
}

TEST(channel_reducer_refuses)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT_STR(update(&k, "sum", "[\"x\"]"), "");
    EXPECT_STR(k.fault.type, "TypeError");
    EXPECT_STR(k.fault.text,
               "unsupported operand type(s) for +: 'int' and 'str'");
    graph_fault_fini(&k.fault);
    EXPECT_STR(update(&k, "max", "[-1]"), "");
    EXPECT_STR(k.fault.type, "InvalidUpdateError");
    kit_fini(&k);
}

TEST(channel_overwrite)
{
    struct kit k;
    kit_init(&k, "{\"list\":[1,2]}");
    EXPECT_STR(update(&k, "list", "[[3],{\"__overwrite__\":[9]},[4]]"),
               "[9]");
    EXPECT_STR(update(&k, "list",
                      "[{\"type\":\"__overwrite__\",\"value\":[]}]"), "[]");
    EXPECT_STR(update(&k, "list",
                      "[{\"__overwrite__\":1},{\"__overwrite__\":2}]"), "");
    EXPECT_HAS(k.fault.text, "only one Overwrite value per super-step");
    kit_fini(&k);
}

TEST(channel_topics)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT_STR(update(&k, "topic", "[1,[2,3]]"), "[1,2,3]");
    EXPECT_STR(update(&k, "topic", "[4]"), "[4]");
    EXPECT_STR(update(&k, "topic", "[]"), "(none)");
    EXPECT_STR(update(&k, "topic", "[]"), "-");
    EXPECT_STR(update(&k, "topics", "[1]"), "[1]");
    EXPECT_STR(update(&k, "topics", "[]"), "-");
    EXPECT_STR(update(&k, "topics", "[[2]]"), "[1,2]");
    kit_fini(&k);
}

TEST(channel_short_lived)
{
    struct kit k;
    kit_init(&k, "{}");
    EXPECT_STR(update(&k, "short", "[1]"), "1");
    EXPECT_STR(update(&k, "short", "[]"), "(none)");
    EXPECT_STR(update(&k, "short", "[]"), "-");
    EXPECT_STR(update(&k, "short", "[1,2]"), "");
    EXPECT_HAS(k.fault.text, "EphemeralValue(guard=True)");
    EXPECT_STR(update(&k, "any", "[1,2]"), "2");
    EXPECT_STR(update(&k, "any", "[]"), "(none)");
    EXPECT_STR(update(&k, "branch:to:a", "[1,2]"), "2");
    kit_fini(&k);
}

TEST(channel_barrier_waits_and_is_consumed)
{
    struct kit k;
    kit_init(&k, "{}");
    uint32_t join = number(&k, "join:a+b:c");
    EXPECT_STR(update(&k, "join:a+b:c", "[\"a\"]"), "(none)");
    EXPECT_STR(update(&k, "join:a+b:c", "[\"a\"]"), "-");
    EXPECT(!graph_channel_consume(&k.c, join));
    EXPECT(!graph_channel_available(&k.c, join));
    update(&k, "join:a+b:c", "[\"b\"]");
    EXPECT(graph_channel_available(&k.c, join));
    EXPECT(graph_channel_consume(&k.c, join));
    EXPECT(!graph_channel_available(&k.c, join));
    EXPECT_STR(update(&k, "join:a+b:c", "[\"x\"]"), "");
    EXPECT_STR(k.fault.type, "InvalidUpdateError");
    kit_fini(&k);
}

TEST(channel_deferred_kinds_wait_for_finish)
{
    struct kit k;
    kit_init(&k, "{}");
    uint32_t to = number(&k, "branch:to:late");
    uint32_t join = number(&k, "join:a+b:late");
    EXPECT(!graph_channel_finish(&k.c, to));
    update(&k, "branch:to:late", "[1]");
    update(&k, "join:a+b:late", "[\"a\",\"b\"]");
    EXPECT(!graph_channel_available(&k.c, to));
    EXPECT(!graph_channel_available(&k.c, join));
    EXPECT(graph_channel_finish(&k.c, to));
    EXPECT(graph_channel_finish(&k.c, join));
    EXPECT(!graph_channel_finish(&k.c, join));
    EXPECT(graph_channel_available(&k.c, to));
    EXPECT(graph_channel_available(&k.c, join));
    leat_value *stored = graph_channels_dump(&k.c);
    EXPECT_HAS(rig_json(stored), "\"branch:to:late\":[1,true]");
    EXPECT_HAS(rig_json(stored), "\"join:a+b:late\":[[\"a\",\"b\"],true]");
    struct channels again;
    graph_channels_init(&again, k.rig.graph, leat_view_of(stored));
    EXPECT(graph_channel_available(&again, join));
    EXPECT(graph_channel_consume(&again, to));
    EXPECT(!graph_channel_available(&again, to));
    graph_channels_fini(&again);
    leat_drop(stored);
    kit_fini(&k);
}

TEST(channel_untracked_is_never_stored)
{
    struct kit k;
    kit_init(&k, "{\"last\":1,\"gone\":2}");
    EXPECT_STR(update(&k, "loose", "[3]"), "3");
    leat_value *stored = graph_channels_dump(&k.c);
    EXPECT_STR(rig_json(stored), "{\"last\":1,\"list\":[],\"sum\":0,"
                                 "\"max\":5}");
    leat_value *shown =
        graph_channels_read(&k.c, &k.rig.graph->state);
    EXPECT_STR(rig_json(shown), "{\"last\":1,\"list\":[],\"sum\":0,"
                                "\"max\":5,\"loose\":3}");
    leat_drop(shown);
    leat_drop(stored);
    kit_fini(&k);
}

TEST(channel_copies_share_and_part)
{
    struct kit k;
    struct channels copy;
    kit_init(&k, "{\"last\":1}");
    graph_channels_copy(&copy, &k.c);
    EXPECT_STR(update(&k, "last", "[2]"), "2");
    leat_view old = graph_channel_get(&copy, number(&k, "last"));
    EXPECT_EQ(leat_int(old, 0), 1);
    graph_channels_fini(&copy);
    kit_fini(&k);
}
