/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs next, what becomes of writes, and the ids of tasks. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"
#include "worker/graph/plan.h"
#include "worker/graph/interrupt.h"

#include <stdlib.h>

static leat_value *node(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return NULL;
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "log", LEAT_APPEND);
    leat_add_node(g, "z", node);
    leat_add_node(g, "a", node);
    leat_add_edge(g, LEAT_START, "z");
    leat_add_edge(g, LEAT_START, "a");
}

struct kit {
    struct rig rig;
    struct channels channels;
    struct checkpoint cp;
    struct tasks tasks;
    bool updated[16];
};

static void kit_init(struct kit *k)
{
    *k = (struct kit){0};
    rig_init(&k->rig, build, 0);
    graph_channels_init(&k->channels, k->rig.graph, (leat_view){0});
    graph_checkpoint_init(&k->cp, k->rig.graph);
    base_copy(k->cp.id, sizeof k->cp.id,
              "1ef4f797-8335-6428-8001-8a1503f9b875");
    EXPECT(k->rig.graph->channel_count <= COUNT_OF(k->updated));
}

static void kit_fini(struct kit *k)
{
    graph_tasks_fini(&k->tasks);
    graph_checkpoint_fini(&k->cp);
    graph_channels_fini(&k->channels);
    rig_fini(&k->rig);
}

static void plan(struct kit *k, bool known)
{
    const struct plan p = {
        .channels = &k->channels,
        .checkpoint = &k->cp,
        .ns = "",
        .step = 1,
        .updated = known ? k->updated : NULL,
    };
    graph_tasks_fini(&k->tasks);
    graph_plan_next(&p, &k->tasks);
}

static void write_all(struct kit *k, const struct writes *w)
{
    struct fault f = FAULT_INIT;
    const struct plan_writer writer = {.writes = w};
    EXPECT(graph_plan_apply(&k->channels, &k->cp,
                            (struct plan_writers){&writer, 1}, k->updated,
                            &f));
}

static const char *names(struct kit *k)
{
    leat_value *v = graph_plan_names(&k->tasks, true);
    const char *text = rig_json(v);
    leat_drop(v);
    return text;
}

/* Sends two, then triggers both nodes. */
static void fill(struct kit *k)
{
    const struct graph *g = k->rig.graph;
    struct writes w = {0};
    graph_writes_add(&w, CHANNEL_TASKS, leat_send("z", leat_new_int(1)));
    graph_writes_add(&w, CHANNEL_TASKS, leat_send("gone", NULL));
    graph_writes_add(&w, CHANNEL_TASKS, leat_send("a", leat_new_int(2)));
    for (size_t i = 1; i < g->node_count; i++) {
        graph_writes_add(&w, (int)g->nodes[i].branch_channel, NULL);
    }
    write_all(k, &w);
    graph_writes_fini(&w);
}

TEST(plan_sends_first_then_nodes)
{
    struct kit k;
    kit_init(&k);
    plan(&k, true);
    EXPECT_EQ(k.tasks.count, 0);
    fill(&k);
    plan(&k, true);
    EXPECT_STR(names(&k), "[\"z\",\"a\",\"a\",\"z\"]");
    EXPECT_EQ(k.tasks.at[1].index, 2);
    plan(&k, false); /* just loaded: as they were declared */
    EXPECT_STR(names(&k), "[\"z\",\"a\",\"z\",\"a\"]");
    leat_value *path = graph_task_path(&k.tasks.at[1]);
    EXPECT_STR(rig_json(path), "[\"__pregel_push\",2,false]");
    leat_drop(path);
    kit_fini(&k);
}

TEST(plan_ids_are_the_same_each_time)
{
    struct kit k;
    char first[37];
    kit_init(&k);
    fill(&k);
    plan(&k, true);
    memcpy(first, k.tasks.at[2].id, sizeof first);
    plan(&k, false);
    EXPECT_STR(k.tasks.at[3].id, first);
    for (size_t i = 0; i < k.tasks.count; i++) {
        for (size_t j = 0; j < i; j++) {
            EXPECT(strcmp(k.tasks.at[i].id, k.tasks.at[j].id) != 0);
        }
    }
    EXPECT_HAS(k.tasks.at[2].ns, "z:");
    k.cp.id[0] = '2';
    plan(&k, false);
    EXPECT(strcmp(k.tasks.at[3].id, first) != 0);
    kit_fini(&k);
}

TEST(plan_apply_orders_by_path_and_ends_the_step)
{
    struct kit k;
    struct fault f = FAULT_INIT;
    kit_init(&k);
    fill(&k);
    plan(&k, true);
    struct plan_writer writers[4];
    for (size_t i = 0; i < 4; i++) {
        struct task *t = &k.tasks.at[i];
        leat_value *item = leat_new_string(t->push ? "push" : t->node->name);
        graph_writes_add(&t->writes, CHANNEL_STATE, leat_new_list(1, &item));
        writers[i] = (struct plan_writer){.task = t, .writes = &t->writes};
    }
    EXPECT(graph_plan_apply(&k.channels, &k.cp,
                            (struct plan_writers){writers, 4}, k.updated,
                            &f));
    leat_value *v = graph_channels_read(&k.channels, &k.rig.graph->state);
    EXPECT_STR(rig_json(v),
               "{\"log\":[\"a\",\"z\",\"push\",\"push\"]}");
    leat_drop(v);
    EXPECT(k.updated[CHANNEL_STATE]);
    EXPECT(!graph_channel_available(&k.channels, CHANNEL_TASKS));
    plan(&k, true);
    EXPECT_EQ(k.tasks.count, 0);
    kit_fini(&k);
}

TEST(plan_one_version_per_apply)
{
    struct kit k;
    kit_init(&k);
    fill(&k);
    uint64_t version = k.cp.versions[CHANNEL_TASKS];
    EXPECT(version > 0);
    EXPECT_EQ(k.cp.versions[k.rig.graph->nodes[1].branch_channel], version);
    EXPECT_EQ(k.cp.version_max, version);
    fill(&k);
    EXPECT_EQ(k.cp.versions[CHANNEL_TASKS], version + 1);
    kit_fini(&k);
}

TEST(plan_checkpoint_survives_the_store)
{
    struct kit k;
    struct graph_checkpoint stored;
    struct checkpoint again;
    kit_init(&k);
    fill(&k);
    k.cp.step = 3;
    base_copy(k.cp.source, sizeof k.cp.source, "loop");
    leat_value *run = leat_pack("{s:s, s:s}", "user", "u", "source", "no");
    graph_checkpoint_store(&k.cp, "", leat_view_of(run), &stored);
    EXPECT_STR(rig_json(stored.metadata),
               "{\"user\":\"u\",\"source\":\"loop\",\"step\":3,"
               "\"parents\":{}}");
    struct graph_saved saved = {.found = true, .cp = stored};
    graph_checkpoint_load(&again, k.rig.graph, &saved);
    EXPECT_EQ(again.step, 3);
    EXPECT_EQ(again.version_max, k.cp.version_max);
    EXPECT_MEM(again.versions, k.cp.versions,
               k.rig.graph->channel_count * sizeof(uint64_t));
    EXPECT_STR(again.saved_id, k.cp.id);
    graph_checkpoint_fini(&again);
    graph_stored_fini(&stored);
    leat_drop(run);
    kit_fini(&k);
}

TEST(plan_run_metadata)
{
    const char *json =
        "{\"metadata\":{\"a\":1,\"langgraph_step\":9},\"configurable\":"
        "{\"a\":2,\"b\":\"x\",\"thread_id\":\"t\",\"__c\":1,\"d\":{},"
        "\"e\":true}}";
    leat_value *config = leat_from_json(json, strlen(json), NULL, 0);
    leat_value *v = graph_checkpoint_run_metadata(leat_view_of(config));
    EXPECT_STR(rig_json(v), "{\"a\":1,\"b\":\"x\",\"e\":true}");
    leat_drop(v);
    leat_drop(config);
}

TEST(plan_interrupt_id_is_xxh3_of_the_namespace)
{
    char id[33];
    graph_interrupt_id("ask:3f2504e0-4f89-11d3-9a0c-0305e82c3301", id);
    EXPECT_STR(id, "efc9fed8749c381cfd80ac7e3f69b219");
}
