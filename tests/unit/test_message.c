/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/message_kit.h"

/* ---- shapes -------------------------------------------------------------- */

TEST(message_shapes_are_pythons)
{
    expect_value(graph_message_text(GRAPH_MESSAGE_HUMAN, "hi"),
                 "{\"content\":\"hi\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"human\",\"name\":null,"
                 "\"id\":null,\"example\":false}");
    expect_value(graph_message_text(GRAPH_MESSAGE_SYSTEM, NULL),
                 "{\"content\":\"\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"system\",\"name\":null,"
                 "\"id\":null}");
    expect_value(graph_message_text(GRAPH_MESSAGE_AI, "ok"),
                 "{\"content\":\"ok\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"ai\",\"name\":null,"
                 "\"id\":null,\"example\":false,\"tool_calls\":[],"
                 "\"invalid_tool_calls\":[],\"usage_metadata\":null}");
    expect_value(graph_message_tool("3", "call_1", "add"),
                 "{\"content\":\"3\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"tool\",\"name\":\"add\","
                 "\"id\":null,\"tool_call_id\":\"call_1\",\"artifact\":null,"
                 "\"status\":\"success\"}");
    expect_value(graph_message_tool(NULL, "call_1", NULL),
                 "{\"content\":\"\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"tool\",\"name\":null,"
                 "\"id\":null,\"tool_call_id\":\"call_1\",\"artifact\":null,"
                 "\"status\":\"success\"}");
    expect_value(graph_message_remove("m1"),
                 "{\"content\":\"\",\"additional_kwargs\":{},"
                 "\"response_metadata\":{},\"type\":\"remove\","
                 "\"id\":\"m1\"}");
    expect_value(
        graph_message_chunk(&(struct graph_message_piece){
            .id = "r", .content = {"to", 2}}),
        "{\"content\":\"to\",\"additional_kwargs\":{},"
        "\"response_metadata\":{},\"type\":\"AIMessageChunk\",\"name\":null,"
        "\"id\":\"r\",\"example\":false,\"tool_calls\":[],"
        "\"invalid_tool_calls\":[],\"usage_metadata\":null,"
        "\"tool_call_chunks\":[],\"chunk_position\":null}");
}

TEST(message_kinds)
{
    leat_value *v = graph_message_text(GRAPH_MESSAGE_HUMAN, "x");
    EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_MESSAGE);
    EXPECT_EQ(graph_message_kind(leat_view_of(v)), GRAPH_MESSAGE_HUMAN);
    v = leat_tagged(v, LEAT_PLAIN);
    EXPECT_EQ(graph_message_kind(leat_view_of(v)), GRAPH_MESSAGE_NONE);
    leat_drop(v);
    v = graph_message_chunk(&(struct graph_message_piece){.id = "x"});
    EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_CHUNK);
    EXPECT_EQ(graph_message_kind(leat_view_of(v)), GRAPH_MESSAGE_CHUNK);
    leat_drop(v);
    EXPECT_EQ(graph_message_kind(leat_view_of(NULL)), GRAPH_MESSAGE_NONE);
}

/* ---- coercion ------------------------------------------------------------ */

TEST(message_coerces_every_name_of_a_type)
{
    static const struct {
        const char *name, *type;
    } rows[] = {{"human", "\"human\""},      {"user", "\"human\""},
                {"ai", "\"ai\""},            {"assistant", "\"ai\""},
                {"system", "\"system\""},    {"developer", "\"system\""},
                {"function", "\"function\""}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int form = 0; form < 3; form++) {
            struct buf b;
            buf_init(&b, 200);
            const char *name = rows[i].name;
            bool put = form == 0
                           ? buf_printf(&b, "[\"%s\",\"text\"]", name)
                           : buf_printf(&b, "{\"%s\":\"%s\","
                                            "\"content\":\"text\"}",
                                        form == 1 ? "role" : "type", name);
            EXPECT(put);
            leat_value *m = coerce(buf_text(&b));
            expect_field(leat_view_of(m), "type", rows[i].type);
            expect_field(leat_view_of(m), "content", "\"text\"");
            expect_field(leat_view_of(m), "id", "null");
            bool developer = strcmp(rows[i].name, "developer") == 0;
            expect_field(leat_view_of(m), "additional_kwargs",
                         developer ? "{\"__openai_role__\":\"developer\"}"
                                   : "{}");
            leat_drop(m);
            buf_fini(&b);
        }
    }
}

TEST(message_coerces_text_tools_and_removals)
{
    leat_value *m = coerce("\"plain\"");
    expect_field(leat_view_of(m), "type", "\"human\"");
    expect_field(leat_view_of(m), "content", "\"plain\"");
    leat_drop(m);
    m = coerce("{\"role\":\"tool\",\"content\":\"r\",\"tool_call_id\":\"c\","
               "\"id\":\"m6\",\"name\":\"add\",\"status\":\"error\","
               "\"artifact\":{\"raw\":[1]}}");
    expect_json(leat_view_of(m),
                "{\"content\":\"r\",\"additional_kwargs\":{},"
                "\"response_metadata\":{},\"type\":\"tool\",\"name\":\"add\","
                "\"id\":\"m6\",\"tool_call_id\":\"c\","
                "\"artifact\":{\"raw\":[1]},\"status\":\"error\"}");
    leat_drop(m);
    m = coerce("{\"type\":\"remove\",\"id\":\"m2\"}");
    expect_field(leat_view_of(m), "content", "\"\"");
    expect_field(leat_view_of(m), "id", "\"m2\"");
    leat_drop(m);
}

TEST(message_content_is_text_or_a_list)
{
    static const struct {
        const char *given, *want;
    } rows[] = {{"null", "\"\""},
                {"\"\"", "\"\""},
                {"[]", "\"\""},
                {"0", "\"\""},
                {"false", "\"\""},
                {"{}", "\"\""},
                {"[{\"type\":\"text\",\"text\":\"b\"}]",
                 "[{\"type\":\"text\",\"text\":\"b\"}]"},
                {"[\"a\",{\"type\":\"own\",\"x\":[1,{}]}]",
                 "[\"a\",{\"type\":\"own\",\"x\":[1,{}]}]"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[200];
        snprintf(text, sizeof(text), "{\"role\":\"user\",\"content\":%s}",
                 rows[i].given);
        leat_value *m = coerce(text);
        expect_field(leat_view_of(m), "content", rows[i].want);
        leat_drop(m);
    }
    leat_value *m = coerce("{\"role\":\"tool\",\"content\":{\"a\":1.5},"
                           "\"tool_call_id\":\"c\"}");
    expect_field(leat_view_of(m), "content", "\"{\\\"a\\\":1.5}\"");
    leat_drop(m);
    expect_refused("{\"role\":\"user\",\"content\":7}", "ValueError",
                   "must be a string or a list");
}

TEST(message_unknown_keys_go_to_additional_kwargs)
{
    leat_value *m = coerce(
        "{\"role\":\"assistant\",\"content\":\"x\",\"reasoning\":\"why\","
        "\"additional_kwargs\":{\"a\":1},\"response_metadata\":{\"m\":\"g\"},"
        "\"example\":true,\"id\":12,\"name\":\"bob\","
        "\"usage_metadata\":{\"input_tokens\":1}}");
    expect_json(leat_view_of(m),
                "{\"content\":\"x\",\"additional_kwargs\":"
                "{\"reasoning\":\"why\",\"a\":1},\"response_metadata\":"
                "{\"m\":\"g\"},\"type\":\"ai\",\"name\":\"bob\","
                "\"id\":\"12\",\"example\":true,\"tool_calls\":[],"
                "\"invalid_tool_calls\":[],"
                "\"usage_metadata\":{\"input_tokens\":1}}");
    leat_drop(m);
    /* With both, the role counts and the type is just another key. */
    m = coerce("{\"role\":\"user\",\"type\":\"ai\",\"content\":\"x\"}");
    expect_field(leat_view_of(m), "type", "\"human\"");
    expect_field(leat_view_of(m), "additional_kwargs", "{\"type\":\"ai\"}");
    leat_drop(m);
    /* What is there wins over a key of the same name. */
    m = coerce("{\"role\":\"user\",\"content\":\"x\",\"k\":1,"
               "\"additional_kwargs\":{\"k\":2}}");
    expect_field(leat_view_of(m), "additional_kwargs", "{\"k\":2}");
    leat_drop(m);
}

TEST(message_fields_of_wrong_types_are_unset)
{
    leat_value *m =
        coerce("{\"role\":\"ai\",\"content\":\"x\",\"id\":[1],\"name\":{},"
               "\"additional_kwargs\":[],\"response_metadata\":3,"
               "\"usage_metadata\":\"no\",\"tool_calls\":7,"
               "\"invalid_tool_calls\":{}}");
    expect_json(leat_view_of(m),
                "{\"content\":\"x\",\"additional_kwargs\":{},"
                "\"response_metadata\":{},\"type\":\"ai\",\"name\":null,"
                "\"id\":null,\"example\":false,\"tool_calls\":[],"
                "\"invalid_tool_calls\":[],\"usage_metadata\":null}");
    leat_drop(m);
}

TEST(message_form_of_javascript_becomes_pythons)
{
    leat_value *m = coerce(
        "{\"content\":\"two\",\"id\":\"m2\",\"tool_calls\":[],"
        "\"invalid_tool_calls\":[],\"additional_kwargs\":{},"
        "\"response_metadata\":{},\"type\":\"ai\"}");
    leat_value *again = graph_message_from(leat_view_of(m));
    EXPECT(again == m); /* complete now: shared, not made again */
    leat_drop(again);
    leat_value *raw = leat_tagged(leat_hold(m), LEAT_PLAIN);
    again = graph_message_from(leat_view_of(raw));
    EXPECT(leat_equal(leat_view_of(again), leat_view_of(m)));
    leat_drop(again);
    leat_drop(raw);
    leat_drop(m);
    /* A tag alone does not make a message complete. */
    raw = leat_tagged(json("{\"type\":\"human\",\"content\":\"x\"}"),
                      LEAT_MESSAGE);
    again = graph_message_from(leat_view_of(raw));
    EXPECT_EQ(leat_count(leat_view_of(again)), 7);
    leat_drop(again);
    leat_drop(raw);
}

TEST(message_tool_calls_of_both_forms)
{
    leat_value *m = coerce(
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"add\","
        "\"arguments\":\"{\\\"a\\\": 1}\"}},"
        "{\"name\":\"sub\",\"args\":{\"b\":2},\"id\":\"c2\"},"
        "{\"name\":\"none\",\"args\":null},"
        "{\"id\":\"c3\",\"function\":{\"name\":\"bad\","
        "\"arguments\":\"{oops\"}},"
        "{\"id\":\"c4\",\"function\":{\"name\":\"list\","
        "\"arguments\":\"[1]\"}},"
        "{\"id\":\"c5\",\"function\":{\"name\":\"empty\","
        "\"arguments\":\"\"}}]}");
    expect_field(leat_view_of(m), "tool_calls",
                 "[{\"name\":\"add\",\"args\":{\"a\":1},\"id\":\"c1\","
                 "\"type\":\"tool_call\"},"
                 "{\"name\":\"sub\",\"args\":{\"b\":2},\"id\":\"c2\","
                 "\"type\":\"tool_call\"},"
                 "{\"name\":\"none\",\"args\":{},\"id\":null,"
                 "\"type\":\"tool_call\"},"
                 "{\"name\":\"empty\",\"args\":{},\"id\":\"c5\","
                 "\"type\":\"tool_call\"}]");
    expect_field(leat_view_of(m), "invalid_tool_calls",
                 "[{\"name\":\"bad\",\"args\":\"{oops\",\"id\":\"c3\","
                 "\"error\":null,\"type\":\"invalid_tool_call\"},"
                 "{\"name\":\"list\",\"args\":\"[1]\",\"id\":\"c4\","
                 "\"error\":null,\"type\":\"invalid_tool_call\"}]");
    leat_drop(m);
    m = coerce("{\"type\":\"ai\",\"content\":\"\",\"additional_kwargs\":"
               "{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
               "\"arguments\":\"{}\"}}]},\"invalid_tool_calls\":[]}");
    expect_field(leat_view_of(m), "tool_calls",
                 "[{\"name\":\"f\",\"args\":{},\"id\":\"c\","
                 "\"type\":\"tool_call\"}]");
    leat_drop(m);
    m = coerce("{\"type\":\"ai\",\"content\":\"\",\"invalid_tool_calls\":"
               "[{\"name\":\"f\",\"args\":\"{\",\"id\":\"c\","
               "\"error\":\"e\"}]}");
    expect_field(leat_view_of(m), "invalid_tool_calls",
                 "[{\"name\":\"f\",\"args\":\"{\",\"id\":\"c\","
                 "\"error\":\"e\",\"type\":\"invalid_tool_call\"}]");
    leat_drop(m);
}

TEST(message_serialized_constructors)
{
    leat_value *m = coerce(
        "{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain\",\"schema\","
        "\"messages\",\"HumanMessage\"],\"kwargs\":{\"content\":\"x\","
        "\"id\":\"h1\",\"type\":\"human\"}}");
    expect_json(leat_view_of(m),
                "{\"content\":\"x\",\"additional_kwargs\":{},"
                "\"response_metadata\":{},\"type\":\"human\",\"name\":null,"
                "\"id\":\"h1\",\"example\":false}");
    leat_drop(m);
    m = coerce("{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain_core\","
               "\"messages\",\"AIMessageChunk\"],\"kwargs\":{\"content\":"
               "\"x\"}}");
    EXPECT_EQ(leat_tag_of(leat_view_of(m)), LEAT_CHUNK);
    leat_drop(m);
    expect_refused("{\"lc\":1,\"type\":\"constructor\",\"id\":[\"Prompt\"],"
                   "\"kwargs\":{}}",
                   "ValueError", "Unexpected message type: 'Prompt'");
}

TEST(message_refuses_with_the_code)
{
    static const struct {
        const char *text, *type, *part;
    } rows[] = {
        {"{\"role\":\"robot\",\"content\":\"x\"}", "ValueError",
         "Unexpected message type: 'robot'. Use one of 'human', 'user', "
         "'ai', 'assistant', 'function', 'tool', 'system', or "
         "'developer'.\n"},
        {"{\"role\":7,\"content\":\"x\"}", "ValueError",
         "Unexpected message type: '7'"},
        {"{\"content\":\"x\"}", "ValueError",
         "Message dict must contain 'role' and 'content' keys, got "
         "{\"content\":\"x\"}"},
        {"{\"role\":\"user\"}", "ValueError", "Message dict must contain"},
        {"{\"role\":\"tool\",\"content\":\"x\"}", "ValueError",
         "tool_call_id"},
        {"{\"type\":\"remove\",\"content\":\"\"}", "ValueError", "'id'"},
        {"7", "NotImplementedError", "Unsupported message type: 7"},
        {"null", "NotImplementedError", "Unsupported message type: null"},
        {"[\"robot\",\"x\"]", "ValueError", "Unexpected message type"},
        {"{}", "ValueError", "Message dict must contain"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_refused(rows[i].text, rows[i].type, rows[i].part);
        expect_refused(rows[i].text, rows[i].type,
                       "For troubleshooting, visit: https://docs.langchain."
                       "com/oss/python/langchain/errors/"
                       "MESSAGE_COERCION_FAILURE");
    }
    expect_refused("[\"user\"]", "NotImplementedError",
                   "Message as a sequence must be (role string, template)");
    expect_refused("[]", "NotImplementedError", "Message as a sequence");
}

TEST(message_identify)
{
    leat_value *m = graph_message_text(GRAPH_MESSAGE_AI, "x");
    m = graph_message_identify(m);
    char *id = value_strdup(leat_get(leat_view_of(m), "id"));
    struct id parsed;
    EXPECT(id_parse(id, &parsed));
    EXPECT_EQ(id[14], '4');
    leat_value *same = graph_message_identify(leat_hold(m));
    EXPECT(same == m);
    EXPECT_EQ(leat_tag_of(leat_view_of(m)), LEAT_MESSAGE);
    EXPECT_EQ(leat_count(leat_view_of(m)), 10);
    free(id);
    leat_drop(same);
    leat_drop(m);
    m = json("{\"type\":\"human\",\"content\":\"raw\"}");
    EXPECT(graph_message_identify(m) == m);
    leat_drop(m);
    EXPECT(graph_message_identify(NULL) == NULL);
}
