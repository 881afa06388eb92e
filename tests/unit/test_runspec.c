/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a run: every field with what it takes and what it refuses, and
 * the merges of assistant, thread and request. */
#include "gateway/runspec.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "gateway/sse.h"
#include "tests/harness/harness.h"

static leat_value *json(const char *text)
{
    leat_value *v = NULL;
    struct err err = ERR_INIT;
    EXPECT_MSG(json_parse(text, strlen(text), NULL, &v, &err), "%s: %s", text,
               err.text);
    return v;
}

/* The fields behind an assistant that is right. */
static bool parse(const char *fields, struct gw_runspec *s, struct err *err)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "{\"assistant_id\":\"agent\"%s%s}",
                   *fields == '\0' ? "" : ",", fields);
    *err = (struct err)ERR_INIT;
    return gw_runspec_parse(json(text), "", s, err);
}

static void expect_good(const char *fields)
{
    struct gw_runspec s;
    struct err err;
    EXPECT_MSG(parse(fields, &s, &err), "%s: %s", fields, err.text);
    gw_runspec_fini(&s);
}

static void expect_bad(const char *fields, const char *place)
{
    struct gw_runspec s;
    struct err err;
    EXPECT_MSG(!parse(fields, &s, &err), "taken: %s", fields);
    EXPECT_EQ(err.code, ERR_INVALID);
    EXPECT_MSG(strncmp(err.text, place, strlen(place)) == 0 &&
                   err.text[strlen(place)] == ':',
               "%s: said %s, not %s", fields, err.text, place);
}

TEST(runspec_takes_what_the_api_allows)
{
    static const char *const good[] = {
        "",
        "\"input\":null", "\"input\":[1]", "\"input\":\"x\"",
        "\"command\":null", "\"command\":{}", "\"command\":{\"resume\":null}",
        "\"command\":{\"goto\":\"a\"}",
        "\"command\":{\"goto\":[\"a\",{\"node\":\"b\",\"input\":1}]}",
        "\"command\":{\"goto\":{\"node\":\"b\",\"input\":null}}",
        "\"command\":{\"update\":{\"a\":1}}",
        "\"command\":{\"update\":[[\"a\",1],[\"b\",null]]}",
        "\"command\":{\"update\":null,\"goto\":null}",
        "\"checkpoint\":{\"checkpoint_id\":\"x\",\"checkpoint_map\":null}",
        "\"checkpoint_id\":\"x\"",
        "\"config\":{\"tags\":[\"a\"],\"recursion_limit\":1,"
        "\"configurable\":{},\"other\":7}",
        "\"context\":{}", "\"metadata\":{}",
        "\"webhook\":\"https://example.org/x\"", "\"webhook\":\"/hook\"",
        "\"interrupt_before\":\"*\"", "\"interrupt_after\":[\"a\",\"b\"]",
        "\"interrupt_before\":[]",
        "\"stream_mode\":\"values\"", "\"stream_mode\":[]",
        "\"stream_mode\":[\"messages-tuple\",\"tools\"]",
        "\"stream_mode\":null", "\"stream_subgraphs\":true",
        "\"stream_resumable\":false", "\"on_disconnect\":\"cancel\"",
        "\"on_completion\":\"keep\"", "\"multitask_strategy\":\"rollback\"",
        "\"if_not_exists\":\"create\"", "\"after_seconds\":0",
        "\"after_seconds\":0.25", "\"feedback_keys\":[\"k\"]",
        "\"checkpoint_during\":true", "\"durability\":\"exit\"",
        "\"langsmith_tracer\":{\"project_name\":\"p\"}",
        "\"unknown\":{\"raise_error\":1}",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        expect_good(good[i]);
    }
}

TEST(runspec_refuses_with_the_place)
{
    static const char *const bad[][2] = {
        {"\"command\":7", "command"},
        {"\"command\":{\"goto\":7}", "command.goto"},
        {"\"command\":{\"goto\":[\"a\",{}]}", "command.goto[1].node"},
        {"\"command\":{\"goto\":[\"a\",{\"node\":7}]}", "command.goto[1].node"},
        {"\"command\":{\"update\":7}", "command.update"},
        {"\"command\":{\"update\":[[\"a\"]]}", "command.update[0]"},
        {"\"command\":{\"update\":[[1,2]]}", "command.update[0]"},
        {"\"checkpoint\":\"x\"", "checkpoint"},
        {"\"checkpoint\":{\"checkpoint_id\":7}", "checkpoint.checkpoint_id"},
        {"\"checkpoint\":{\"checkpoint_map\":[]}",
         "checkpoint.checkpoint_map"},
        {"\"checkpoint_id\":7", "checkpoint_id"},
        {"\"config\":[]", "config"},
        {"\"config\":{\"tags\":\"a\"}", "config.tags"},
        {"\"config\":{\"tags\":[\"a\",1]}", "config.tags[1]"},
        {"\"config\":{\"recursion_limit\":0}", "config.recursion_limit"},
        {"\"config\":{\"recursion_limit\":\"25\"}", "config.recursion_limit"},
        {"\"config\":{\"configurable\":[]}", "config.configurable"},
        {"\"context\":1", "context"},
        {"\"metadata\":\"x\"", "metadata"},
        {"\"webhook\":\"\"", "webhook"},
        {"\"webhook\":\"ftp://x\"", "webhook"},
        {"\"interrupt_before\":\"a\"", "interrupt_before"},
        {"\"interrupt_after\":[1]", "interrupt_after[0]"},
        {"\"stream_mode\":\"vlaues\"", "stream_mode"},
        {"\"stream_mode\":[\"values\",\"x\"]", "stream_mode[1]"},
        {"\"stream_mode\":{}", "stream_mode"},
        {"\"stream_subgraphs\":1", "stream_subgraphs"},
        {"\"stream_resumable\":\"yes\"", "stream_resumable"},
        {"\"on_disconnect\":\"stop\"", "on_disconnect"},
        {"\"on_completion\":\"complete\"", "on_completion"},
        {"\"multitask_strategy\":\"\"", "multitask_strategy"},
        {"\"if_not_exists\":true", "if_not_exists"},
        {"\"after_seconds\":-1", "after_seconds"},
        {"\"after_seconds\":\"1\"", "after_seconds"},
        {"\"feedback_keys\":\"k\"", "feedback_keys"},
        {"\"checkpoint_during\":\"true\"", "checkpoint_during"},
        {"\"durability\":\"often\"", "durability"},
        {"\"langsmith_tracer\":{\"example_id\":5}",
         "langsmith_tracer.example_id"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        expect_bad(bad[i][0], bad[i][1]);
    }
}

static void expect_body(const char *text, const char *said)
{
    struct gw_runspec s;
    struct err err = ERR_INIT;
    EXPECT(!gw_runspec_parse(json(text), "", &s, &err));
    EXPECT_EQ(err.code, ERR_INVALID);
    EXPECT_HAS(err.text, said);
}

TEST(runspec_needs_an_object_with_an_assistant)
{
    expect_body("[]", "body: must be an object");
    expect_body("{}", "assistant_id: is required");
    expect_body("{\"assistant_id\":null}", "assistant_id: is required");
    expect_body("{\"assistant_id\":\"\"}", "assistant_id: must be");
    expect_body("{\"assistant_id\":7}", "assistant_id: must be");
}

TEST(runspec_defaults)
{
    struct gw_runspec s;
    struct err err;
    EXPECT(parse("\"command\":{},\"metadata\":null", &s, &err));
    EXPECT_EQ(leat_type_of(s.command), LEAT_MISSING);
    EXPECT_EQ(leat_type_of(s.metadata), LEAT_MISSING);
    EXPECT_STR(s.strategy, "enqueue");
    EXPECT_EQ(s.after_ms, 0);
    EXPECT(!s.cancel_on_disconnect && !s.keep_thread && !s.make_thread);
    EXPECT_EQ(gw_runspec_modes(&s, GW_ANSWER_STREAM), SSE_VALUES);
    EXPECT_EQ(gw_runspec_modes(&s, GW_ANSWER_BACKGROUND),
              SSE_VALUES | SSE_UPDATES | SSE_MESSAGES_TUPLE | SSE_CUSTOM |
                  SSE_TASKS | SSE_CHECKPOINTS);
    gw_runspec_fini(&s);
}

TEST(runspec_wait_records_values_too)
{
    struct gw_runspec s;
    struct err err;
    EXPECT(parse("\"stream_mode\":[\"updates\"]", &s, &err));
    EXPECT_EQ(gw_runspec_modes(&s, GW_ANSWER_WAIT), SSE_VALUES | SSE_UPDATES);
    EXPECT_EQ(gw_runspec_modes(&s, GW_ANSWER_BACKGROUND), SSE_UPDATES);
    gw_runspec_fini(&s);
}

/* ---- merging ---------------------------------------------------------------- */

static struct gw_run_base base_of(void)
{
    struct gw_run_base b = {.graph_id = "agent",
                            .owner = "",
                            .answer = GW_ANSWER_STREAM};
    EXPECT(id_parse("00000000-0000-4000-8000-000000000001", &b.run_id));
    EXPECT(id_parse("00000000-0000-4000-8000-000000000002", &b.thread_id));
    EXPECT(id_parse("00000000-0000-4000-8000-000000000003", &b.assistant_id));
    return b;
}

static void expect_part(const leat_value *v, const char *key, const char *want)
{
    leat_view part = leat_view_of(v);
    for (const char *at = key; *at != '\0';) {
        size_t len = strcspn(at, ".");
        part = leat_get_n(part, at, len);
        at += len + (at[len] == '.');
    }
    char *text = leat_type_of(part) == LEAT_MISSING ? base_strdup("missing")
                                                    : leat_to_json(part);
    EXPECT_MSG(strcmp(text, want) == 0, "%s is %s, not %s", key, text, want);
    free(text);
}

TEST(runspec_later_parts_win)
{
    struct gw_runspec s;
    struct err err;
    struct gw_run_base b = base_of();
    EXPECT(parse("\"config\":{\"recursion_limit\":9,\"configurable\":{\"a\":3,"
                 "\"thread_id\":\"x\"}},\"context\":{\"c\":2},\"metadata\":{"
                 "\"m\":3},\"checkpoint\":{\"checkpoint_id\":\"cp\","
                 "\"thread_id\":\"y\"},\"input\":{\"q\":[1.0]}",
                 &s, &err));
    leat_value *config = json("{\"recursion_limit\":5,\"tags\":[\"t\"],"
                              "\"configurable\":{\"a\":1,\"b\":1}}");
    leat_value *context = json("{\"c\":1,\"d\":1}");
    leat_value *metadata = json("{\"m\":1,\"created_by\":\"system\"}");
    leat_value *thread = json("{\"configurable\":{\"a\":2,\"t\":2}}");
    leat_value *thread_metadata = json("{\"m\":2,\"n\":2}");
    leat_value *headers = json("{\"x-user\":\"u\"}");
    b.assistant_config = config;
    b.assistant_context = context;
    b.assistant_metadata = metadata;
    b.thread_config = thread;
    b.thread_metadata = thread_metadata;
    b.headers = leat_view_of(headers);
    leat_value *k = gw_runspec_kwargs(&s, &b);
    leat_value *m = gw_runspec_metadata(&s, &b);
    expect_part(k, "config.recursion_limit", "9");
    expect_part(k, "config.tags", "[\"t\"]");
    expect_part(k, "config.configurable",
                "{\"b\":1,\"t\":2,\"a\":3,\"checkpoint_id\":\"cp\","
                "\"x-user\":\"u\","
                "\"run_id\":\"00000000-0000-4000-8000-000000000001\","
                "\"thread_id\":\"00000000-0000-4000-8000-000000000002\","
                "\"graph_id\":\"agent\","
                "\"assistant_id\":\"00000000-0000-4000-8000-000000000003\"}");
    expect_part(k, "context", "{\"d\":1,\"c\":2}");
    expect_part(k, "input", "{\"q\":[1.0]}");
    expect_part(k, "stream_mode", "[\"values\"]");
    expect_part(k, "command", "missing");
    expect_part(k, "temporary", "false");
    expect_part(k, "config.metadata.m", "3");
    expect_part(m, "m", "3");
    expect_part(m, "n", "2");
    expect_part(m, "created_by", "\"system\"");
    expect_part(m, "graph_id", "\"agent\"");
    leat_value *all[] = {k, m, config, context, metadata, thread,
                         thread_metadata, headers};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        leat_drop(all[i]);
    }
    gw_runspec_fini(&s);
}

TEST(runspec_an_assistant_context_that_is_no_object_wins_whole)
{
    struct gw_runspec s;
    struct err err;
    struct gw_run_base b = base_of();
    leat_value *context = json("\"text\"");
    EXPECT(parse("\"context\":{\"c\":2}", &s, &err));
    b.assistant_context = context;
    leat_value *k = gw_runspec_kwargs(&s, &b);
    expect_part(k, "context", "\"text\"");
    expect_part(k, "input", "null");
    leat_drop(k);
    leat_drop(context);
    gw_runspec_fini(&s);
}

TEST(runspec_many_keys_merge_quickly)
{
    struct gw_runspec s;
    struct err err = ERR_INIT;
    struct gw_run_base b = base_of();
    struct buf text;
    buf_init(&text, 1 << 24);
    EXPECT(buf_puts(&text, "{\"assistant_id\":\"a\",\"metadata\":{\"k\":0"));
    for (int i = 0; i < 100000; i++) {
        EXPECT(buf_printf(&text, ",\"k%d\":%d", i, i));
    }
    EXPECT(buf_puts(&text, "}}"));
    EXPECT(gw_runspec_parse(json(buf_text(&text)), "", &s, &err));
    b.thread_metadata = json("{\"k7\":\"old\",\"kept\":1}");
    leat_value *m = gw_runspec_metadata(&s, &b);
    expect_part(m, "k7", "7");
    expect_part(m, "kept", "1");
    EXPECT_EQ(leat_count(leat_view_of(m)), 100004);
    leat_drop(m);
    leat_drop((leat_value *)(uintptr_t)b.thread_metadata);
    gw_runspec_fini(&s);
    buf_fini(&text);
}
