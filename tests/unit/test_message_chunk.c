/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/message_kit.h"

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
