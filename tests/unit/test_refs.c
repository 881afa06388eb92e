/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/refs.h"

#include <string.h>

#include "tests/harness/harness.h"

static leat_value *json(const char *text)
{
    char why[200];
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s", why);
    return v;
}

static void expect_json(leat_value *got, const char *want)
{
    char *text = leat_to_json(leat_view_of(got));
    EXPECT_STR(text, want);
    leat_free_text(text);
    leat_drop(got);
}

#define CONFIG(id)                                                             \
    "{\"configurable\":{\"thread_id\":\"t\",\"checkpoint_ns\":\"\","             \
    "\"checkpoint_id\":\"" id "\",\"user\":1}}"
#define REF(id)                                                                \
    "{\"thread_id\":\"t\",\"checkpoint_ns\":\"\",\"checkpoint_id\":\"" id       \
    "\",\"checkpoint_map\":null}"

TEST(refs_adds_both_references_to_a_checkpoint)
{
    leat_value *in = json("{\"config\":" CONFIG("b") ",\"parent_config\":" CONFIG(
        "a") ",\"values\":{\"x\":1},\"tasks\":[]}");
    expect_json(wrk_refs_checkpoint(leat_view_of(in)),
                "{\"config\":" CONFIG("b") ",\"parent_config\":" CONFIG(
                    "a") ",\"values\":{\"x\":1},\"tasks\":[],\"checkpoint\":"
                REF("b") ",\"parent_checkpoint\":" REF("a") "}");
    leat_drop(in);
}

TEST(refs_gives_null_for_a_first_checkpoint)
{
    leat_value *in = json("{\"config\":" CONFIG(
        "b") ",\"parent_config\":null,\"tasks\":[]}");
    leat_value *out = wrk_refs_checkpoint(leat_view_of(in));
    EXPECT_EQ(leat_type_of(leat_get(leat_view_of(out), "parent_checkpoint")),
              LEAT_NULL);
    leat_drop(out);
    leat_drop(in);
}

TEST(refs_replaces_only_a_task_state_that_is_a_config)
{
    leat_value *in = json(
        "{\"config\":null,\"tasks\":[{\"id\":\"1\",\"state\":{"
        "\"configurable\":{\"thread_id\":\"t\",\"checkpoint_ns\":\"n:1\"}}},"
        "{\"id\":\"2\",\"state\":null},{\"id\":\"3\",\"state\":{\"values\":{}}"
        "}]}");
    leat_value *out = wrk_refs_checkpoint(leat_view_of(in));
    expect_json(
        leat_value_of(leat_get(leat_view_of(out), "tasks")),
        "[{\"id\":\"1\",\"checkpoint\":{\"thread_id\":\"t\","
        "\"checkpoint_ns\":\"n:1\",\"checkpoint_id\":null,"
        "\"checkpoint_map\":null}},{\"id\":\"2\",\"state\":null},"
        "{\"id\":\"3\",\"state\":{\"values\":{}}}]");
    leat_drop(out);
    leat_drop(in);
}

TEST(refs_leaves_debug_events_of_tasks_alone)
{
    const char *task = "{\"step\":1,\"type\":\"task\",\"payload\":{\"id\":1}}";
    leat_value *in = json(task);
    expect_json(wrk_refs_debug(leat_view_of(in)), task);
    leat_drop(in);
    in = json("{\"step\":0,\"type\":\"checkpoint\",\"payload\":{\"config\":"
              "null,\"tasks\":[]}}");
    expect_json(wrk_refs_debug(leat_view_of(in)),
                "{\"step\":0,\"type\":\"checkpoint\",\"payload\":{\"config\":"
                "null,\"tasks\":[],\"checkpoint\":null,\"parent_checkpoint\":"
                "null}}");
    leat_drop(in);
}
