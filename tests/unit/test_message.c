/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "common/id.h"
#include "common/json.h"
#include "tests/harness/harness.h"
#include "worker/graph/message.h"

/* ---- helpers ------------------------------------------------------------- */

static leat_value *json(const char *text)
{
    char why[200] = "";
    leat_value *v = leat_from_json(text, strlen(text), why, sizeof(why));
    EXPECT_MSG(v != NULL, "%s: %s", text, why);
    return v;
}

static void expect_json(leat_view v, const char *want)
{
    char *text = leat_to_json(v);
    EXPECT_STR(text, want);
    leat_free_text(text);
}

/* Takes the reference. */
static void expect_value(leat_value *v, const char *want)
{
    expect_json(leat_view_of(v), want);
    leat_drop(v);
}

static void expect_field(leat_view message, const char *key, const char *want)
{
    expect_json(leat_get(message, key), want);
}

static leat_value *coerce(const char *text)
{
    leat_value *like = json(text), *message;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(graph_message_coerce(leat_view_of(like), &message, &fault),
               "%s: %s", text, fault.text);
    EXPECT(graph_message_kind(leat_view_of(message)) != GRAPH_MESSAGE_NONE);
    leat_drop(like);
    return message;
}

static void expect_refused(const char *text, const char *type,
                           const char *part)
{
    leat_value *like = json(text), *message = (leat_value *)1;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(!graph_message_coerce(leat_view_of(like), &message, &fault),
               "took %s", text);
    EXPECT(message == NULL);
    EXPECT_STR(fault.type, type);
    EXPECT_HAS(fault.text, part);
    EXPECT(graph_message_from(leat_view_of(like)) == NULL);
    graph_fault_fini(&fault);
    leat_drop(like);
}

/* Elements of `text` as messages where they are objects with a type. */
static leat_value *messages(const char *text)
{
    leat_value *raw = json(text);
    leat_value *list = leat_new_list(0, NULL);
    for (leat_iter it = leat_iter_of(leat_view_of(raw)); leat_next(&it);) {
        leat_value *item = graph_message_from(it.item);
        EXPECT(item != NULL);
        leat_value *longer = leat_append(leat_view_of(list), 1, &item);
        leat_drop(list);
        list = longer;
    }
    leat_drop(raw);
    return list;
}

/* "type:id:content" of each, separated by blanks. */
static void expect_list(leat_view list, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    EXPECT_EQ(leat_type_of(list), LEAT_LIST);
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        EXPECT_EQ(leat_tag_of(it.item), LEAT_MESSAGE);
        leat_text type = leat_string(leat_get(it.item, "type"));
        leat_text id = leat_string(leat_get(it.item, "id"));
        leat_text content = leat_string(leat_get(it.item, "content"));
        struct id parsed;
        if (id_parse_n(id.ptr, id.len, &parsed)) {
            id = (leat_text){"*", 1};
        }
        EXPECT(buf_printf(&b, "%s%.*s:%.*s:%.*s", it.index > 0 ? " " : "",
                          (int)type.len, type.ptr, (int)id.len, id.ptr,
                          (int)content.len, content.ptr));
    }
    EXPECT_STR(buf_text(&b), want);
    buf_fini(&b);
}

static leat_value *add(leat_view left, leat_view right)
{
    leat_value *out;
    struct fault fault = FAULT_INIT;
    EXPECT_MSG(graph_messages_add(left, right, &out, &fault), "%s",
               fault.text);
    return out;
}

static void expect_added(const char *left, const char *right,
                         const char *want)
{
    leat_value *a = json(left), *b = json(right);
    leat_value *out = add(leat_view_of(a), leat_view_of(b));
    expect_list(leat_view_of(out), want);
    leat_drop(out);
    leat_drop(a);
    leat_drop(b);
}

static void expect_add_fails(const char *left, const char *right,
                             const char *want)
{
    leat_value *a = json(left), *b = json(right), *out = (leat_value *)1;
    struct fault fault = FAULT_INIT;
    EXPECT(!graph_messages_add(leat_view_of(a), leat_view_of(b), &out,
                               &fault));
    EXPECT(out == NULL);
    EXPECT_STR(fault.type, "ValueError");
    EXPECT_HAS(fault.text, want);
    graph_fault_fini(&fault);
    leat_drop(a);
    leat_drop(b);
}

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

/* ---- the reducer --------------------------------------------------------- */

TEST(messages_add_appends_and_replaces_by_id)
{
    expect_added("[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"}]",
                 "[{\"type\":\"human\",\"content\":\"edited\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"new\",\"id\":\"m3\"}]",
                 "human:m1:edited ai:m2:two ai:m3:new");
    expect_added("[]", "[]", "");
    expect_added("[]", "\"plain\"", "human:*:plain");
    expect_added("\"left\"", "{\"role\":\"ai\",\"content\":\"right\"}",
                 "human:*:left ai:*:right");
    /* Duplicates among the new ones replace each other. */
    expect_added("[]",
                 "[{\"role\":\"ai\",\"content\":\"a\",\"id\":\"x\"},"
                 "{\"role\":\"ai\",\"content\":\"b\",\"id\":\"y\"},"
                 "{\"role\":\"ai\",\"content\":\"c\",\"id\":\"x\"}]",
                 "ai:x:c ai:y:b");
    /* A list of two texts is two messages, not a pair. */
    expect_added("[]", "[\"user\",\"hello\"]",
                 "human:*:user human:*:hello");
    expect_added("[]", "[[\"system\",\"tuple\"]]", "system:*:tuple");
}

TEST(messages_add_removes)
{
    static const char left[] =
        "[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
        "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"},"
        "{\"type\":\"ai\",\"content\":\"three\",\"id\":\"m3\"}]";
    expect_added(left, "[{\"type\":\"remove\",\"id\":\"m2\"}]",
                 "human:m1:one ai:m3:three");
    expect_added(left, "{\"type\":\"remove\",\"id\":\"m1\"}",
                 "ai:m2:two ai:m3:three");
    /* What comes again after its removal stays, in its place. */
    expect_added(left,
                 "[{\"type\":\"remove\",\"id\":\"m1\"},{\"type\":\"human\","
                 "\"content\":\"back\",\"id\":\"m1\"}]",
                 "human:m1:back ai:m2:two ai:m3:three");
    /* New and removed in one batch. */
    expect_added(left,
                 "[{\"type\":\"ai\",\"content\":\"x\",\"id\":\"n\"},"
                 "{\"type\":\"remove\",\"id\":\"n\"},"
                 "{\"type\":\"remove\",\"id\":\"m3\"}]",
                 "human:m1:one ai:m2:two");
    expect_add_fails(left, "[{\"type\":\"remove\",\"id\":\"zzz\"}]",
                     "Attempting to delete a message with an ID that doesn't "
                     "exist ('zzz')");
}

TEST(messages_add_remove_all)
{
    static const char left[] =
        "[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"}]";
    expect_added(left,
                 "[{\"type\":\"ai\",\"content\":\"dropped\",\"id\":\"m8\"},"
                 "{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"ai\",\"content\":\"kept\",\"id\":\"m9\"}]",
                 "ai:m9:kept");
    expect_added(left, "[{\"type\":\"remove\",\"id\":\"__remove_all__\"}]",
                 "");
    /* Only what stands behind the last one, and that as it is. */
    expect_added(left,
                 "[{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"ai\",\"content\":\"a\",\"id\":\"a\"},"
                 "{\"type\":\"remove\",\"id\":\"__remove_all__\"},"
                 "{\"type\":\"remove\",\"id\":\"none\"},\"text\"]",
                 "remove:none: human:*:text");
}

TEST(messages_add_needs_both_sides)
{
    expect_add_fails("[]", "null",
                     "Must specify non-null arguments for both 'left' and "
                     "'right'. Only received: 'right'.");
    expect_add_fails("[\"x\"]", "null", "Only received: 'left'.");
    expect_add_fails("null", "[\"x\"]", "Only received: 'right'.");
    leat_value *right = json("[\"x\"]");
    leat_value *out = add(leat_view_of(NULL), leat_view_of(right));
    expect_list(leat_view_of(out), "human:*:x");
    leat_drop(out);
    leat_drop(right);
}

TEST(messages_add_fails_for_bad_elements)
{
    expect_add_fails("[]", "[{\"role\":\"robot\",\"content\":\"\"}]",
                     "MESSAGE_COERCION_FAILURE");
    expect_add_fails("[{\"no\":1}]", "[]", "MESSAGE_COERCION_FAILURE");
}

TEST(messages_add_makes_chunks_whole)
{
    leat_value *chunk = graph_message_chunk(&(struct graph_message_piece){
        .id = "run-1",
        .content = {"text", 4},
        .has_tool_call = true,
        .name = "f",
        .args = "{\"a\":1}",
        .call_id = "c"});
    leat_value *out = add(leat_view_of(NULL), leat_view_of(chunk));
    expect_list(leat_view_of(out), "ai:run-1:text");
    leat_view m = leat_at(leat_view_of(out), 0);
    EXPECT_EQ(leat_count(m), 10);
    EXPECT_EQ(leat_count(leat_get(m, "tool_calls")), 1);
    leat_drop(out);
    leat_drop(chunk);
}

TEST(messages_add_shares_what_does_not_change)
{
    leat_value *left = leat_new_list(0, NULL);
    for (int i = 0; i < 1000; i++) {
        leat_value *m = leat_pack("{s:s,s:s,s:V}", "role", "user", "content",
                                  "some text", "id", leat_new_format("m%d", i));
        leat_value *more = add(leat_view_of(left), leat_view_of(m));
        leat_drop(left);
        leat_drop(m);
        left = more;
    }
    leat_value *new = graph_message_text(GRAPH_MESSAGE_AI, "new");
    leat_value *out = add(leat_view_of(left), leat_view_of(new));
    EXPECT_EQ(leat_count(leat_view_of(out)), 1001);
    for (long i = 0; i < 1000; i += 37) {
        leat_value *a = leat_value_of(leat_at(leat_view_of(left), i));
        leat_value *b = leat_value_of(leat_at(leat_view_of(out), i));
        EXPECT(a == b);
        leat_drop(a);
        leat_drop(b);
    }
    leat_drop(out);
    leat_drop(new);
    leat_drop(left);
}

TEST(messages_add_works_from_packed_bytes)
{
    leat_value *left =
        messages("[{\"type\":\"human\",\"content\":\"one\",\"id\":\"m1\"},"
                 "{\"type\":\"ai\",\"content\":\"two\",\"id\":\"m2\"}]");
    leat_value *packed = value_packed(left);
    leat_value *right = messages("[[\"ai\",\"three\"]]");
    leat_value *out = add(leat_view_of(packed), leat_view_of(right));
    leat_drop(packed);
    leat_drop(left);
    leat_drop(right);
    expect_list(leat_view_of(out), "human:m1:one ai:m2:two ai:*:three");
    leat_drop(out);
}

TEST(messages_add_with_many_ids)
{
    struct buf left, right;
    buf_init(&left, 1 << 20);
    buf_init(&right, 1 << 20);
    EXPECT(buf_putc(&left, '[') && buf_putc(&right, '['));
    for (int i = 0; i < 500; i++) {
        const char *comma = i > 0 ? "," : "";
        EXPECT(buf_printf(&left,
                          "%s{\"role\":\"user\",\"content\":\"%d\","
                          "\"id\":\"id-%d\"}",
                          comma, i, i));
        if (i % 2 == 0) {
            EXPECT(buf_printf(&right, "%s{\"type\":\"remove\",\"id\":\"id-%d\"}",
                              comma, i));
        } else {
            EXPECT(buf_printf(&right,
                              "%s{\"role\":\"ai\",\"content\":\"new %d\","
                              "\"id\":\"id-%d\"}",
                              comma, i, i));
        }
    }
    EXPECT(buf_putc(&left, ']') && buf_putc(&right, ']'));
    leat_value *a = json(buf_text(&left)), *b = json(buf_text(&right));
    leat_value *out = add(leat_view_of(a), leat_view_of(b));
    EXPECT_EQ(leat_count(leat_view_of(out)), 250);
    for (leat_iter it = leat_iter_of(leat_view_of(out)); leat_next(&it);) {
        char want[32];
        snprintf(want, sizeof(want), "new %zu", 2 * it.index + 1);
        EXPECT(leat_is(leat_get(it.item, "content"), want));
    }
    leat_drop(out);
    leat_drop(a);
    leat_drop(b);
    buf_fini(&left);
    buf_fini(&right);
}

/* ---- chunks -------------------------------------------------------------- */

static leat_value *sum_up(const struct graph_message_piece *pieces, size_t n)
{
    leat_value *sum = graph_message_chunk(&pieces[0]);
    for (size_t i = 1; i < n; i++) {
        leat_value *chunk = graph_message_chunk(&pieces[i]);
        leat_value *next =
            graph_message_add_chunk(leat_view_of(sum), leat_view_of(chunk));
        leat_drop(sum);
        leat_drop(chunk);
        sum = next;
    }
    return sum;
}

TEST(message_chunks_add_up_to_the_answer)
{
    const struct graph_message_piece pieces[] = {
        {.id = "run-1", .content = {"Let ", 4}},
        {.id = "run-1", .content = {"me add", 6}},
        {.id = "run-1", .has_tool_call = true, .index = 0, .call_id = "c1",
         .name = "add", .args = "{\"a\":2,"},
        {.id = "run-1", .has_tool_call = true, .index = 1, .call_id = "c2",
         .name = "sub", .args = ""},
        {.id = "run-1", .has_tool_call = true, .index = 0,
         .args = "\"b\":3}"},
        {.id = "run-1", .has_usage = true, .input_tokens = 5,
         .output_tokens = 2},
        {.id = "run-1", .has_usage = true, .input_tokens = 0,
         .output_tokens = 4, .last = true},
    };
    leat_value *sum = sum_up(pieces, COUNT_OF(pieces));
    expect_json(
        leat_view_of(sum),
        "{\"content\":\"Let me add\",\"additional_kwargs\":{},"
        "\"response_metadata\":{},\"type\":\"AIMessageChunk\",\"name\":null,"
        "\"id\":\"run-1\",\"example\":false,\"tool_calls\":["
        "{\"name\":\"add\",\"args\":{\"a\":2,\"b\":3},\"id\":\"c1\","
        "\"type\":\"tool_call\"},"
        "{\"name\":\"sub\",\"args\":{},\"id\":\"c2\",\"type\":\"tool_call\"}],"
        "\"invalid_tool_calls\":[],\"usage_metadata\":{\"input_tokens\":5,"
        "\"output_tokens\":6,\"total_tokens\":11},\"tool_call_chunks\":["
        "{\"name\":\"add\",\"args\":\"{\\\"a\\\":2,\\\"b\\\":3}\","
        "\"id\":\"c1\",\"index\":0,\"type\":\"tool_call_chunk\"},"
        "{\"name\":\"sub\",\"args\":\"\",\"id\":\"c2\",\"index\":1,"
        "\"type\":\"tool_call_chunk\"}],\"chunk_position\":\"last\"}");
    EXPECT_EQ(leat_tag_of(leat_view_of(sum)), LEAT_CHUNK);
    leat_value *whole = graph_message_from_chunk(leat_view_of(sum));
    EXPECT_EQ(leat_tag_of(leat_view_of(whole)), LEAT_MESSAGE);
    expect_field(leat_view_of(whole), "type", "\"ai\"");
    EXPECT_EQ(leat_count(leat_view_of(whole)), 10);
    leat_value *same = graph_message_from_chunk(leat_view_of(whole));
    EXPECT(same == whole);
    leat_drop(same);
    leat_drop(whole);
    leat_drop(sum);
}

TEST(message_chunk_calls_are_parsed_while_they_come)
{
    static const struct {
        const char *args, *calls, *invalid;
    } rows[] = {
        {"{\"a\":2,", "{\"a\":2}", NULL},
        {"{\"a\":", "{}", NULL},
        {"{", "{}", NULL},
        {NULL, "{}", NULL},
        {"", "{}", NULL},
        {"3}", NULL, "\"3}\""},
        {"\"a\":1", NULL, "\"\\\"a\\\":1\""},
        {"[1", NULL, "\"[1\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *chunk = graph_message_chunk(&(struct graph_message_piece){
            .has_tool_call = true, .name = "f", .args = rows[i].args});
        leat_view good = leat_get(leat_view_of(chunk), "tool_calls");
        leat_view bad = leat_get(leat_view_of(chunk), "invalid_tool_calls");
        EXPECT_EQ(leat_count(good), rows[i].calls != NULL);
        EXPECT_EQ(leat_count(bad), rows[i].calls == NULL);
        if (rows[i].calls != NULL) {
            expect_field(leat_at(good, 0), "args", rows[i].calls);
            expect_field(leat_at(good, 0), "id", "null");
        } else {
            expect_field(leat_at(bad, 0), "args", rows[i].invalid);
            expect_field(leat_at(bad, 0), "error", "null");
        }
        leat_drop(chunk);
    }
}

/* Two chunks from fields that only JSON can say; takes nothing. */
static leat_value *add_json(const char *a, const char *b)
{
    leat_value *va = json(a), *vb = json(b);
    leat_value *sum =
        graph_message_add_chunk(leat_view_of(va), leat_view_of(vb));
    leat_drop(va);
    leat_drop(vb);
    return sum;
}

static void expect_sum(const char *field, const char *a, const char *b,
                       const char *want)
{
    char ta[600], tb[600];
    snprintf(ta, sizeof(ta), "{\"%s\":%s}", field, a);
    snprintf(tb, sizeof(tb), "{\"%s\":%s}", field, b);
    leat_value *sum = add_json(ta, tb);
    expect_field(leat_view_of(sum), field, want);
    leat_drop(sum);
}

TEST(message_chunk_contents_add_up)
{
    expect_sum("content", "\"a\"", "\"b\"", "\"ab\"");
    expect_sum("content", "\"\"", "\"\"", "\"\"");
    expect_sum("content", "null", "\"b\"", "\"b\"");
    expect_sum("content", "\"a\"", "[{\"type\":\"text\",\"text\":\"b\"}]",
               "[\"a\",{\"type\":\"text\",\"text\":\"b\"}]");
    expect_sum("content", "\"\"", "[\"b\"]", "[\"b\"]");
    expect_sum("content", "[\"a\"]", "\"b\"", "[\"ab\"]");
    expect_sum("content", "[\"a\",{\"x\":1}]", "\"b\"",
               "[\"a\",{\"x\":1},\"b\"]");
    expect_sum("content", "[\"z\",\"a\"]", "\"b\"", "[\"z\",\"ab\"]");
    expect_sum("content", "[{\"x\":1}]", "\"\"", "[{\"x\":1}]");
    expect_sum("content", "[]", "\"b\"", "[\"b\"]");
    expect_sum("content",
               "[{\"type\":\"text\",\"text\":\"He\",\"index\":0}]",
               "[{\"type\":\"text\",\"text\":\"llo\",\"index\":0},"
               "{\"type\":\"text\",\"text\":\"!\",\"index\":1}]",
               "[{\"type\":\"text\",\"text\":\"Hello\",\"index\":0},"
               "{\"type\":\"text\",\"text\":\"!\",\"index\":1}]");
    expect_sum("content", "[{\"text\":\"a\"}]", "[{\"text\":\"b\"}]",
               "[{\"text\":\"a\"},{\"text\":\"b\"}]");
    expect_sum("content", "[{\"text\":\"a\",\"index\":0}]",
               "[{\"text\":\"b\",\"index\":0.5}]",
               "[{\"text\":\"a\",\"index\":0},{\"text\":\"b\",\"index\":0.5}]");
    /* The first type stays. */
    expect_sum("content",
               "[{\"type\":\"tool_use\",\"input\":\"{\",\"index\":0}]",
               "[{\"type\":\"input_json_delta\",\"input\":\"}\",\"index\":0}]",
               "[{\"type\":\"tool_use\",\"input\":\"{}\",\"index\":0}]");
    expect_sum("content", "[{\"text\":\"a\",\"index\":\"lc_0\"}]",
               "[{\"text\":\"b\",\"index\":\"lc_0\"}]",
               "[{\"text\":\"ab\",\"index\":\"lc_0\"}]");
}

TEST(message_chunk_objects_add_up)
{
    expect_sum("additional_kwargs", "{\"a\":\"x\",\"b\":null,\"c\":1}",
               "{\"a\":\"y\",\"b\":2,\"d\":{\"e\":1}}",
               "{\"a\":\"xy\",\"b\":2,\"c\":1,\"d\":{\"e\":1}}");
    expect_sum("additional_kwargs", "{\"d\":{\"e\":1,\"f\":\"p\"}}",
               "{\"d\":{\"e\":2,\"f\":\"q\",\"g\":[1]}}",
               "{\"d\":{\"e\":3,\"f\":\"pq\",\"g\":[1]}}");
    expect_sum("response_metadata", "{\"l\":[1]}", "{\"l\":[2]}",
               "{\"l\":[1,2]}");
    expect_sum("response_metadata", "{\"n\":5,\"created\":7}",
               "{\"n\":5,\"created\":9}", "{\"n\":5,\"created\":9}");
    expect_sum("response_metadata",
               "{\"id\":\"r\",\"type\":\"t\",\"model_provider\":\"p\"}",
               "{\"id\":\"r\",\"type\":\"t\",\"model_provider\":\"p\"}",
               "{\"id\":\"r\",\"type\":\"t\",\"model_provider\":\"p\"}");
    expect_sum("response_metadata", "{\"a\":1,\"b\":null}",
               "{\"a\":null,\"b\":null}", "{\"a\":1,\"b\":null}");
    expect_sum("response_metadata", "{\"a\":1,\"b\":true,\"c\":\"x\"}",
               "{\"a\":\"one\",\"b\":false,\"c\":[1]}",
               "{\"a\":\"one\",\"b\":false,\"c\":[1]}");
    expect_sum("response_metadata", "null", "{\"a\":1}", "{\"a\":1}");
    expect_sum("response_metadata", "{\"n\":9223372036854775807}",
               "{\"n\":1}", "{\"n\":9.223372036854776e+18}");
}

TEST(message_chunk_usage_adds_up)
{
    expect_sum("usage_metadata", "null", "null", "null");
    expect_sum("usage_metadata", "null", "{\"input_tokens\":1}",
               "{\"input_tokens\":1}");
    expect_sum("usage_metadata", "{\"input_tokens\":1}", "null",
               "{\"input_tokens\":1}");
    expect_sum("usage_metadata",
               "{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3,"
               "\"input_token_details\":{\"cache_read\":1}}",
               "{\"input_tokens\":10,\"output_tokens\":20,\"total_tokens\":30,"
               "\"input_token_details\":{\"cache_read\":4,\"audio\":2},"
               "\"output_token_details\":{\"reasoning\":7}}",
               "{\"input_tokens\":11,\"output_tokens\":22,\"total_tokens\":33,"
               "\"input_token_details\":{\"cache_read\":5,\"audio\":2},"
               "\"output_token_details\":{\"reasoning\":7}}");
}

TEST(message_chunk_ids_prefer_the_providers)
{
    static const struct {
        const char *a, *b, *want;
    } rows[] = {{"\"run-1\"", "\"run-1\"", "\"run-1\""},
                {"\"run-1\"", "\"msg_9\"", "\"msg_9\""},
                {"\"msg_9\"", "\"run-1\"", "\"msg_9\""},
                {"\"lc_x\"", "\"lc_run--1\"", "\"lc_run--1\""},
                {"null", "\"run-1\"", "\"run-1\""},
                {"\"run-1\"", "null", "\"run-1\""},
                {"\"a\"", "\"b\"", "\"a\""},
                {"null", "null", "null"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_sum("id", rows[i].a, rows[i].b, rows[i].want);
    }
}

TEST(message_chunk_calls_add_up_by_index)
{
    /* Without an index, or with other ids, they are calls of their own. */
    leat_value *sum = add_json(
        "{\"tool_call_chunks\":[{\"name\":\"f\",\"args\":\"{}\",\"id\":\"a\","
        "\"index\":0},{\"name\":\"g\",\"args\":\"{\",\"id\":\"b\","
        "\"index\":null}]}",
        "{\"tool_call_chunks\":[{\"name\":\"h\",\"args\":\"{}\",\"id\":\"c\","
        "\"index\":0},{\"name\":null,\"args\":\"}\",\"id\":null,"
        "\"index\":null},{\"name\":\"\",\"args\":null,\"id\":\"\","
        "\"index\":0}]}");
    expect_field(leat_view_of(sum), "tool_call_chunks",
                 "[{\"name\":\"f\",\"args\":\"{}\",\"id\":\"a\",\"index\":0,"
                 "\"type\":\"tool_call_chunk\"},"
                 "{\"name\":\"g\",\"args\":\"{\",\"id\":\"b\",\"index\":null},"
                 "{\"name\":\"h\",\"args\":\"{}\",\"id\":\"c\",\"index\":0},"
                 "{\"name\":null,\"args\":\"}\",\"id\":null,\"index\":null}]");
    EXPECT_EQ(leat_count(leat_get(leat_view_of(sum), "tool_calls")), 3);
    expect_field(leat_view_of(sum), "invalid_tool_calls",
                 "[{\"name\":null,\"args\":\"}\",\"id\":null,\"error\":null,"
                 "\"type\":\"invalid_tool_call\"}]");
    leat_drop(sum);
}

TEST(message_whole_answers_become_chunks)
{
    leat_value *m = coerce(
        "{\"type\":\"ai\",\"content\":\"x\",\"id\":\"m\",\"tool_calls\":"
        "[{\"name\":\"f\",\"args\":{\"a\":1},\"id\":\"c\"}],"
        "\"invalid_tool_calls\":[{\"name\":\"g\",\"args\":\"{\","
        "\"id\":\"d\"}]}");
    leat_value *chunk = graph_message_to_chunk(leat_view_of(m));
    EXPECT_EQ(leat_tag_of(leat_view_of(chunk)), LEAT_CHUNK);
    expect_field(leat_view_of(chunk), "tool_call_chunks",
                 "[{\"name\":\"f\",\"args\":\"{\\\"a\\\":1}\",\"id\":\"c\","
                 "\"index\":null,\"type\":\"tool_call_chunk\"},"
                 "{\"name\":\"g\",\"args\":\"{\",\"id\":\"d\",\"index\":null,"
                 "\"type\":\"tool_call_chunk\"}]");
    EXPECT_EQ(leat_count(leat_get(leat_view_of(chunk), "tool_calls")), 1);
    leat_value *back = graph_message_from_chunk(leat_view_of(chunk));
    EXPECT(leat_equal(leat_view_of(back), leat_view_of(m)));
    leat_value *same = graph_message_to_chunk(leat_view_of(chunk));
    EXPECT(same == chunk);
    leat_drop(same);
    leat_drop(back);
    leat_drop(chunk);
    leat_drop(m);
}

/* ---- JSON that was cut --------------------------------------------------- */

TEST(message_partial_json)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{\"a\":2}", "{\"a\":2}"},
        {"{\"a\":2,", "{\"a\":2}"},
        {"{\"a\":2", "{\"a\":2}"},
        {"{\"a\":", "{}"},
        {"{\"a\"", "{}"},
        {"{\"a", "{}"},
        {"{", "{}"},
        {"{\"a\":1,\"b", "{\"a\":1}"},
        {"{\"a\":1,\"b\":", "{\"a\":1}"},
        {"{\"a\":\"te", "{\"a\":\"te\"}"},
        {"{\"a\":\"te\\", "{\"a\":\"te\"}"},
        {"{\"a\":\"te\\\\", "{\"a\":\"te\\\\\"}"},
        {"{\"a\":\"te\\n", "{\"a\":\"te\\n\"}"},
        {"{\"a\":\"te\\\"", "{\"a\":\"te\\\"\"}"},
        {"{\"a\":1,\"b\":\"x\\u12", "{\"a\":1}"},
        {"{\"a\":\"x\\u0041", "{\"a\":\"xA\"}"},
        {"{\"a\":\"line\nbreak\"}", "{\"a\":\"line\\nbreak\"}"},
        {"{\"a\":\"line\nbr", "{\"a\":\"line\\nbr\"}"},
        {"{\"a\":[1,2", "{\"a\":[1,2]}"},
        {"{\"a\":[1,", "{\"a\":[1]}"},
        {"{\"a\":[", "{\"a\":[]}"},
        {"{\"a\":[{\"b\":", "{\"a\":[{}]}"},
        {"{\"a\":{\"b\":{\"c\":1}", "{\"a\":{\"b\":{\"c\":1}}}"},
        {"{\"a\":-", "{}"},
        {"{\"a\":1.", "{\"a\":1}"},
        {"{\"a\":1.5e", "{\"a\":1.5}"},
        {"{\"a\":1e+", "{\"a\":1}"},
        {"{\"a\":1e5", "{\"a\":100000.0}"},
        {"{\"a\":01}", NULL},
        {"{\"a\":tru", "{}"},
        {"{\"a\":true", "{\"a\":true}"},
        {"{\"a\":nul", "{}"},
        {"{\"a\":null,\"b\":false", "{\"a\":null,\"b\":false}"},
        {"  {\"a\" : 1 , ", "{\"a\":1}"},
        {"{\"a\":1} x", "{\"a\":1}"},
        {"{\"a\":1 x, \"b\": 2", "{\"a\":1}"},
        {"{\"a\":1 x, \"b\": {", NULL},
        {"{a:1}", NULL},
        {"{\"a\":1]", NULL},
        {"{\"a\":1}}", NULL},
        {"[1", "[1]"},
        {"\"te", "\"te\""},
        {"12", "12"},
        {"", NULL},
        {" ", NULL},
        {"x", NULL},
        {"}", NULL},
        {"{\"a\":\"\\q", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = graph_message_partial_parse(
            (leat_text){rows[i].text, strlen(rows[i].text)});
        if (rows[i].want == NULL) {
            EXPECT_MSG(v == NULL, "took %s", rows[i].text);
        } else {
            EXPECT_MSG(v != NULL, "refused %s", rows[i].text);
            expect_value(v, rows[i].want);
        }
    }
    EXPECT(graph_message_partial_parse((leat_text){NULL, 0}) == NULL);
}

TEST(message_partial_json_at_every_cut)
{
    static const char text[] =
        "{\"q\":\"\\u00e9t\\u00e9 \\\"x\\\"\",\"n\":[1,-2.5e3,true,null],"
        "\"o\":{\"k\":{\"z\":[{}]}},\"last\":\"end\"}";
    for (size_t n = 1; n < sizeof(text); n++) {
        leat_value *v = graph_message_partial_parse((leat_text){text, n});
        EXPECT_MSG(leat_type_of(leat_view_of(v)) == LEAT_OBJECT, "%.*s",
                   (int)n, text);
        leat_drop(v);
    }
}

TEST(message_partial_json_has_a_depth)
{
    char text[3 * LEAT_DEPTH_MAX];
    memset(text, '[', sizeof(text));
    EXPECT(graph_message_partial_parse((leat_text){text, sizeof(text)}) ==
           NULL);
    leat_value *v =
        graph_message_partial_parse((leat_text){text, LEAT_DEPTH_MAX});
    EXPECT(v != NULL);
    leat_drop(v);
}

/* ---- messages in outputs ------------------------------------------------- */

static void note(void *arg, leat_view message)
{
    struct buf *b = arg;
    leat_text id = leat_string(leat_get(message, "content"));
    EXPECT(buf_append(b, id.ptr, id.len));
    EXPECT(buf_putc(b, ' '));
}

/* Takes the reference; gives it back. */
static leat_value *expect_found(leat_value *output, const char *want)
{
    struct buf b;
    buf_init(&b, 1000);
    graph_messages_scan(leat_view_of(output), note, &b);
    EXPECT_STR(buf_text(&b), want);
    buf_fini(&b);
    return output;
}

static leat_value *human(const char *content)
{
    return graph_message_text(GRAPH_MESSAGE_HUMAN, content);
}

static leat_value *command(leat_value *update)
{
    return leat_tagged(leat_pack("{s:V,s:s}", "update", update, "goto", "x"),
                       LEAT_COMMAND);
}

TEST(messages_are_found_where_python_looks)
{
    leat_drop(expect_found(human("a"), "a "));
    leat_drop(expect_found(leat_pack("[V,s,V]", human("a"), "raw", human("b")),
                           "a b "));
    leat_drop(expect_found(
        leat_pack("{s:V,s:[V,{s:s},V],s:i,s:{s:V},s:[[V]]}", "one",
                  human("a"), "list", human("b"), "type", "human", human("c"),
                  "n", 1, "deeper", "x", human("not"), "lists", human("no")),
        "a b c "));
    leat_drop(expect_found(command(leat_pack("{s:[V]}", "m", human("a"))),
                           "a "));
    leat_drop(expect_found(command(human("a")), "a "));
    leat_drop(expect_found(command(leat_pack("[V]", human("a"))), "a "));
    leat_drop(expect_found(
        leat_pack("[V,{s:V},V]", command(leat_pack("{s:V}", "m", human("a"))),
                  "m", human("b"), human("c")),
        "a b c "));
    /* Without a command, objects in a list are not looked into. */
    leat_drop(expect_found(leat_pack("[{s:V}]", "m", human("a")), ""));
    leat_drop(expect_found(json("{\"messages\":[{\"type\":\"human\","
                                "\"content\":\"raw\"}]}"),
                           ""));
    leat_drop(expect_found(
        leat_tagged(leat_pack("{s:s,s:V}", "node", "n", "arg", human("a")),
                    LEAT_SEND),
        ""));
    leat_drop(expect_found(leat_tagged(leat_pack("{}"), LEAT_COMMAND), ""));
    leat_drop(expect_found(leat_new_null(), ""));
    EXPECT(expect_found(NULL, "") == NULL);
}

static void expect_identified(void *arg, leat_view message)
{
    EXPECT_EQ(leat_count(leat_get(message, "id")), 36);
    ++*(int *)arg;
}

TEST(messages_in_outputs_get_ids)
{
    leat_value *outputs[] = {
        human("a"),
        leat_pack("[V,s,V]", human("a"), "raw", human("b")),
        leat_pack("{s:V,s:[V,i],s:i}", "one", human("a"), "list", human("b"),
                  1, "n", 1),
        command(leat_pack("{s:[V,V]}", "m", human("a"), human("b"))),
        command(human("a")),
        leat_pack("[V,{s:V},V]", command(leat_pack("{s:V}", "m", human("a"))),
                  "m", human("b"), human("c")),
        leat_pack("[V,V]", leat_tagged(leat_pack("{}"), LEAT_COMMAND),
                  human("a")),
    };
    static const int counts[] = {1, 2, 2, 2, 1, 3, 1};
    for (size_t i = 0; i < COUNT_OF(outputs); i++) {
        leat_value *before = leat_hold(outputs[i]);
        leat_value *v = graph_messages_identify(outputs[i]);
        int found = 0;
        graph_messages_scan(leat_view_of(v), expect_identified, &found);
        EXPECT_EQ(found, counts[i]);
        EXPECT_EQ(leat_tag_of(leat_view_of(v)),
                  leat_tag_of(leat_view_of(before)));
        EXPECT_EQ(leat_count(leat_view_of(v)),
                  leat_count(leat_view_of(before)));
        leat_value *again = graph_messages_identify(leat_hold(v));
        EXPECT(again == v); /* all have ids: nothing is made */
        leat_drop(again);
        leat_drop(v);
        leat_drop(before);
    }
    EXPECT(graph_messages_identify(NULL) == NULL);
}

/* ---- recorded ------------------------------------------------------------ */

/* The chunks of tests/golden/engine/1.4.12/44-tool-loop.json add up to the message
 * that the state has after the model's step. */
TEST(message_recorded_chunks_add_up)
{
    size_t size;
    char *text =
        test_read_file(test_path("golden/engine/1.4.12/44-tool-loop.json"), &size);
    if (text == NULL) {
        SKIP("no recording here");
    }
    leat_value *trace = leat_from_json(text, size, NULL, 0);
    free(text);
    EXPECT(trace != NULL);
    leat_view events = leat_get(
        leat_at(leat_get(leat_view_of(trace), "results"), 0), "events");
    leat_value *sum = NULL;
    size_t chunks = 0, compared = 0;
    for (leat_iter it = leat_iter_of(events); leat_next(&it);) {
        leat_view payload = leat_at(it.item, 2);
        leat_view message = leat_at(payload, 0);
        leat_view update =
            leat_at(leat_get(leat_get(payload, "agent"), "messages"), 0);
        if (leat_is(leat_at(it.item, 1), "messages") &&
            leat_type_of(leat_get(message, "tool_call_chunks")) == LEAT_LIST) {
            leat_value *next = graph_message_add_chunk(leat_view_of(sum),
                                                       message);
            leat_drop(sum);
            sum = next;
            chunks++;
        } else if (leat_is(leat_at(it.item, 1), "updates") && sum != NULL &&
                   leat_type_of(update) == LEAT_OBJECT) {
            EXPECT(leat_equal(leat_get(leat_view_of(sum), "content"),
                              leat_get(update, "content")));
            EXPECT(leat_equal(leat_get(leat_view_of(sum), "tool_calls"),
                              leat_get(update, "tool_calls")));
            leat_drop(sum);
            sum = NULL;
            compared++;
        }
    }
    EXPECT(chunks > 0 && compared > 0);
    leat_drop(sum);
    leat_drop(trace);
}
