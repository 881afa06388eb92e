/* SPDX-License-Identifier: Apache-2.0 */
/* A node that runs tool calls, as a graph's author in C writes it. */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <string.h>

/* ---- tools ----------------------------------------------------------------- */

static atomic_int begun; /* tools that have begun to wait for each other */

/* Returns once `n` of them are here: only when they run at the same time. */
static leat_value *meet(leat_context *ctx, leat_view args)
{
    atomic_fetch_add(&begun, 1);
    int64_t n = leat_int(leat_get(args, "n"), 0);
    while (atomic_load(&begun) < n) {
        if (!leat_sleep_ms(ctx, 1)) {
            return NULL;
        }
    }
    return leat_new_format("met as %s", leat_tool_call_id(ctx));
}

static leat_value *ask(leat_context *ctx, leat_view args)
{
    leat_view answer;
    if (!leat_interrupt(ctx, leat_value_of(leat_get(args, "q")), &answer)) {
        return NULL;
    }
    return leat_value_of(answer);
}

static leat_value *fails(leat_context *ctx, leat_view args)
{
    (void)args;
    return leat_fail(ctx, "ValueError", "it's broken");
}

/* Whatever the test wants it to return. */
static leat_value *give(leat_context *ctx, leat_view args)
{
    (void)ctx;
    return leat_value_of(leat_get(args, "v"));
}

static leat_value *peek(leat_context *ctx, leat_view args)
{
    (void)args;
    const char *data = leat_node_data(ctx);
    return leat_pack("{s:v, s:s}", "n", leat_get(leat_tool_state(ctx), "n"),
                     "data", data);
}

static leat_value *finish(leat_context *ctx, leat_view args)
{
    (void)args;
    leat_value *message =
        leat_tool_message("done", leat_tool_call_id(ctx), NULL);
    return leat_command(leat_pack("{s:i, s:[V]}", "n", 7, "messages", message),
                        leat_new_string("after"));
}

static leat_value *forgets(leat_context *ctx, leat_view args)
{
    (void)ctx;
    (void)args;
    return leat_command(leat_pack("{s:i, s:[]}", "n", 7, "messages"), NULL);
}

static char data[] = "mine";
static const struct leat_tool all[] = {
    {.name = "meet", .run = meet},
    {.name = "ask", .run = ask},
    {.name = "fails", .run = fails},
    {.name = "give",
     .schema = "{\"properties\":{\"v\":{},\"n\":{\"type\":\"integer\"},"
               "\"kind\":{\"enum\":[\"a\",\"b\"]},\"at\":{\"type\":\"object\","
               "\"properties\":{\"x\":{\"type\":[\"number\",\"null\"]}},"
               "\"required\":[\"x\"]},\"l\":{\"type\":\"array\",\"items\":"
               "{\"type\":\"string\"}}},\"required\":[\"v\"]}",
     .run = give},
    {.name = "peek", .run = peek, .data = data},
    {.name = "finish", .run = finish},
    {.name = "forgets", .run = forgets},
};
static struct leat_tools tools = {.at = all, .count = COUNT_OF(all)};

/* ---- the graph --------------------------------------------------------------- */

static leat_value *after(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:s}", "went", "after");
}

/* Nothing but the node; goes where commands say. */
static leat_value *stay(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_new_string(LEAT_END);
}

static void build_plain(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "n", LEAT_LAST_VALUE);
    leat_add_channel(g, "went", LEAT_LAST_VALUE);
    leat_tool_node(g, "tools", &tools);
    leat_add_node(g, "after", after);
    leat_add_edge(g, LEAT_START, "tools");
    leat_add_branch(g, "tools", stay, NULL);
}

/* An AI message with these calls as the only message. */
static void run(struct rig *r, const char *calls)
{
    char input[4000];
    snprintf(input, sizeof input,
             "{\"n\":1,\"messages\":[{\"type\":\"ai\",\"content\":\"\",\"id\":"
             "\"a\",\"tool_calls\":[%s]}]}",
             calls);
    rig_init(r, build_plain, 0);
    rig_run(r, input);
}

/* Field of the i-th message behind the first, as JSON. */
static const char *answer(const struct rig *r, long i, const char *field)
{
    static char text[4][2000];
    static unsigned turn;
    char *out = text[turn++ % 4];
    leat_view messages = leat_get(leat_view_of(r->result.output), "messages");
    char *json = leat_to_json(leat_get(leat_at(messages, 1 + i), field));
    snprintf(out, sizeof text[0], "%s", json);
    leat_free_text(json);
    return out;
}

static void expect_content(const char *args, const char *want)
{
    struct rig r;
    char call[2000];
    snprintf(call, sizeof call,
             "{\"name\":\"give\",\"id\":\"c\",\"args\":%s}", args);
    run(&r, call);
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(answer(&r, 0, "content"), want);
    rig_fini(&r);
}

#define CALL(name, id, args)                                                   \
    "{\"name\":\"" name "\",\"id\":\"" id "\",\"args\":" args "}"

/* ---- tests ------------------------------------------------------------------- */

TEST(tools_run_at_the_same_time_and_answer_in_order)
{
    struct rig r;
    atomic_store(&begun, 0);
    run(&r, CALL("meet", "c1", "{\"n\":3}") "," CALL("meet", "c2", "{\"n\":3}")
            "," CALL("meet", "c3", "{\"n\":3}"));
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(answer(&r, 0, "content"), "\"met as c1\"");
    EXPECT_STR(answer(&r, 1, "content"), "\"met as c2\"");
    EXPECT_STR(answer(&r, 2, "tool_call_id"), "\"c3\"");
    EXPECT_STR(answer(&r, 2, "name"), "\"meet\"");
    EXPECT_STR(answer(&r, 2, "status"), "\"success\"");
    rig_fini(&r);
}

TEST(tools_ask_in_the_order_of_calls)
{
    struct rig r;
    run(&r, CALL("ask", "c1", "{\"q\":\"one\"}") ","
            CALL("ask", "c2", "{\"q\":\"two\"}"));
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_HAS(rig_json(r.result.interrupts), "\"value\":\"one\"");
    rig_command(&r, "{\"resume\":\"A\"}");
    EXPECT_EQ(r.result.status, GRAPH_INTERRUPTED);
    EXPECT_HAS(rig_json(r.result.interrupts), "\"value\":\"two\"");
    rig_command(&r, "{\"resume\":\"B\"}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(answer(&r, 0, "content"), "\"A\"");
    EXPECT_STR(answer(&r, 1, "content"), "\"B\"");
    rig_fini(&r);
}

TEST(tools_say_what_there_is_for_an_unknown_name)
{
    struct rig r;
    run(&r, CALL("nope", "c1", "{}"));
    EXPECT_STR(answer(&r, 0, "content"),
               "\"Error: nope is not a valid tool, try one of [meet, ask, "
               "fails, give, peek, finish, forgets].\"");
    EXPECT_STR(answer(&r, 0, "status"), "\"error\"");
    rig_fini(&r);
}

TEST(tools_that_fail_fail_the_node)
{
    struct rig r;
    run(&r, CALL("fails", "c1", "{}"));
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "ValueError");
    EXPECT_STR(r.result.error_text, "it's broken");
    rig_fini(&r);
}

TEST(tools_answer_with_the_error_where_asked_to)
{
    struct rig r;
    tools.errors = LEAT_TOOL_ERRORS_ANSWER;
    run(&r, CALL("fails", "c1", "{}") "," CALL("give", "c2", "{\"v\":1}"));
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(answer(&r, 0, "content"),
               "\"Error: ValueError(\\\"it's broken\\\")\\n Please fix your "
               "mistakes.\"");
    EXPECT_STR(answer(&r, 0, "status"), "\"error\"");
    EXPECT_STR(answer(&r, 1, "content"), "\"1\"");
    rig_fini(&r);
    tools.error_text = "sorry";
    run(&r, CALL("fails", "c1", "{}"));
    EXPECT_STR(answer(&r, 0, "content"), "\"sorry\"");
    rig_fini(&r);
}

TEST(tools_check_arguments)
{
    expect_content(
        "{\"n\":1.5,\"kind\":\"c\",\"at\":{},\"l\":[\"x\",1]}",
        "\"Error invoking tool 'give' with kwargs {'n': 1.5, 'kind': 'c', "
        "'at': {}, 'l': ['x', 1]} with error:\\n v: Field required\\nn: Input "
        "should be a valid integer\\nkind: Input should be 'a' or 'b'\\nat.x: "
        "Field required\\nl.1: Input should be a valid string\\n Please fix "
        "the error and try again.\"");
    expect_content("{\"v\":\"x\",\"n\":2.0,\"kind\":\"b\",\"at\":{\"x\":null}}",
                   "\"x\"");
    struct rig r;
    tools.errors = LEAT_TOOL_ERRORS_FAIL;
    run(&r, CALL("give", "c1", "{}"));
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_STR(r.result.error_type, "ToolInvocationError");
    rig_fini(&r);
}

TEST(tools_answer_with_any_value)
{
    expect_content("{\"v\":\"text\"}", "\"text\"");
    expect_content("{\"v\":{\"a\":[1,2.5,null,true],\"b\":\"c\"}}",
                   "\"{\\\"a\\\": [1, 2.5, null, true], \\\"b\\\": "
                   "\\\"c\\\"}\"");
    expect_content("{\"v\":null}", "\"null\"");
    expect_content("{\"v\":[{\"type\":\"text\",\"text\":\"t\"}]}",
                   "[{\"type\":\"text\",\"text\":\"t\"}]");
    expect_content("{\"v\":[{\"type\":\"other\"}]}",
                   "\"[{\\\"type\\\": \\\"other\\\"}]\"");
}

TEST(tools_see_the_state_and_their_data)
{
    struct rig r;
    run(&r, CALL("peek", "c1", "{}"));
    EXPECT_STR(answer(&r, 0, "content"),
               "\"{\\\"n\\\": 1, \\\"data\\\": \\\"mine\\\"}\"");
    rig_fini(&r);
}

TEST(tools_may_command)
{
    struct rig r;
    run(&r, CALL("finish", "c1", "{}") "," CALL("give", "c2", "{\"v\":1}"));
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(answer(&r, 0, "content"), "\"done\"");
    EXPECT_STR(answer(&r, 0, "name"), "\"finish\""); /* given to it */
    EXPECT_STR(answer(&r, 1, "content"), "\"1\"");
    EXPECT_HAS(rig_output(&r), "\"n\":7,\"went\":\"after\"");
    rig_fini(&r);
}

TEST(tools_whose_command_answers_nothing_are_wrong)
{
    struct rig r;
    run(&r, CALL("forgets", "c1", "{}"));
    EXPECT_EQ(r.result.status, GRAPH_FAILED);
    EXPECT_HAS(r.result.error_text,
               "Expected to have a matching ToolMessage in Command.update for "
               "tool 'forgets'");
    rig_fini(&r);
}

TEST(tools_need_a_message_that_calls)
{
    struct rig r;
    rig_init(&r, build_plain, 0);
    rig_run(&r, "{\"messages\":[]}");
    EXPECT_STR(r.result.error_text, "No message found in input");
    rig_run(&r, "{\"messages\":[[\"human\",\"hi\"]]}");
    EXPECT_STR(r.result.error_text, "No AIMessage found in input");
    rig_fini(&r);
}

static void build_bad(leat_graph *g, leat_view config)
{
    static const struct leat_tool bad[] = {
        {.name = "x", .run = give, .schema = "{"},
        {.name = "x"},
        {.run = give},
    };
    (void)config;
    leat_tool_node(g, "tools", &(struct leat_tools){.at = bad, .count = 3});
    leat_add_edge(g, LEAT_START, "tools");
}

TEST(tools_with_mistakes_are_refused)
{
    const char *text = rig_mistakes(build_bad);
    EXPECT_HAS(text, "the schema of tool 'x' is not JSON");
    EXPECT_HAS(text, "tool 'x' has no function");
    EXPECT_HAS(text, "there are two tools 'x'");
    EXPECT_HAS(text, "a tool has no name");
}

TEST(tools_condition_looks_at_the_last_message)
{
    leat_value *state = leat_pack("{s:[{s:[{}]}]}", "messages", "tool_calls");
    leat_value *to = leat_tools_condition(NULL, leat_view_of(state));
    EXPECT(leat_is(leat_view_of(to), "tools"));
    leat_drop(to);
    leat_drop(state);
    state = leat_pack("{s:[{s:s}]}", "messages", "content", "x");
    to = leat_tools_condition(NULL, leat_view_of(state));
    EXPECT(leat_is(leat_view_of(to), LEAT_END));
    leat_drop(to);
    leat_drop(state);
}
