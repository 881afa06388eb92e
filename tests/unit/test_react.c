/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as an author in C builds it. That it does what Python's does is
 * proved by the traces in tests/golden/engine/agents; here is what those
 * cannot say: hooks, prompts of one's own, answers with a schema.
 */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <string.h>

static leat_value *add(leat_context *ctx, leat_view args)
{
    (void)ctx;
    return leat_new_int(leat_int(leat_get(args, "a"), 0) +
                        leat_int(leat_get(args, "b"), 0));
}

static const struct leat_tool tools[] = {
    {.name = "add",
     .description = "Adds.",
     .schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
               "\"integer\"}}}",
     .run = add}};

static const struct leat_fake_reply script[] = {
    {.calls = {{.name = "add", .args = "{\"a\":1,\"b\":2}"}}},
    {.text = "It is 3."},
    {.text = "{\"sum\":3}"},
};
static const struct leat_fake fake = {.replies = script, .count = 3};

static char asked[4000]; /* what the model was asked last */

static leat_value *model(leat_context *ctx, const struct leat_ask *ask)
{
    leat_value *all = leat_pack("[v, v, v]", ask->messages, ask->tools,
                                ask->schema);
    char *json = leat_to_json(leat_view_of(all));
    snprintf(asked, sizeof asked, "%s", json);
    leat_free_text(json);
    leat_drop(all);
    return leat_fake_answer(ctx, &fake, ask->messages);
}

static struct leat_react spec = {
    .model = model, .tools = {.at = tools, .count = 1}};

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_react_agent(g, &spec);
    leat_add_channel(g, "log", LEAT_APPEND); /* a key of the author's own */
}

static void run(struct rig *r)
{
    rig_init(r, build, GRAPH_MODE_UPDATES);
    rig_run(r, "{\"messages\":[[\"human\",\"1+2?\"]],\"log\":[\"x\"]}");
    EXPECT_MSG(r->result.status == GRAPH_DONE, "%s", r->result.error_text);
}

static const char *last_content(const struct rig *r)
{
    static char out[200];
    leat_view messages = leat_get(leat_view_of(r->result.output), "messages");
    leat_text t = leat_string(leat_get(leat_at(messages, -1), "content"));
    snprintf(out, sizeof out, "%.*s", (int)t.len, t.ptr);
    return out;
}

TEST(react_tells_the_model_of_its_tools)
{
    struct rig r;
    spec.prompt = "Be brief.";
    run(&r);
    EXPECT_STR(last_content(&r), "It is 3.");
    EXPECT_HAS(asked, "[[{\"content\":\"Be brief.\"");
    EXPECT_HAS(asked, ",[{\"name\":\"add\",\"description\":\"Adds.\","
                      "\"parameters\":{\"type\":\"object\",\"properties\":"
                      "{\"a\":{\"type\":\"integer\"}}}}],null]");
    EXPECT_HAS(rig_output(&r), "\"log\":[\"x\"]");
    rig_fini(&r);
}

static leat_value *own_prompt(leat_context *ctx, leat_view state)
{
    (void)ctx;
    return leat_pack("[V, v]", leat_system_message("mine"),
                     leat_at(leat_get(state, "messages"), -1));
}

TEST(react_asks_with_a_prompt_of_ones_own)
{
    struct rig r;
    spec.prompt_with = own_prompt;
    spec.tools.count = 0;
    run(&r);
    EXPECT_HAS(asked, "[[{\"content\":\"mine\"");
    EXPECT_HAS(asked, ",null,null]");
    rig_fini(&r);
}

TEST(react_answers_with_a_schema)
{
    struct rig r;
    spec.schema = "{\"type\":\"object\",\"title\":\"Sum\"}";
    spec.schema_prompt = "As JSON.";
    run(&r);
    EXPECT_HAS(asked, "[[{\"content\":\"As JSON.\"");
    EXPECT_HAS(asked, ",null,{\"type\":\"object\",\"title\":\"Sum\"}]");
    EXPECT_HAS(rig_output(&r), "\"structured_response\":{\"sum\":3}");
    EXPECT_HAS(rig_log(&r), "generate_structured_response");
    rig_fini(&r);
}

static leat_value *log_before(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:s}", "log", "before");
}

static leat_value *log_after(leat_context *ctx, leat_view state)
{
    (void)ctx;
    (void)state;
    return leat_pack("{s:s}", "log", "after");
}

TEST(react_calls_its_hooks)
{
    struct rig r;
    spec.before_model = log_before;
    spec.after_model = log_after;
    run(&r);
    EXPECT_STR(last_content(&r), "It is 3.");
    EXPECT_HAS(rig_output(&r), "\"log\":[\"x\",\"before\",\"after\","
                               "\"before\",\"after\"]");
    rig_fini(&r);
}

TEST(react_says_sorry_when_steps_run_out)
{
    struct rig r;
    rig_init(&r, build, 0);
    r.req.recursion_limit = 2;
    rig_run(&r, "{\"messages\":[[\"human\",\"1+2?\"]]}");
    EXPECT_EQ(r.result.status, GRAPH_DONE);
    EXPECT_STR(last_content(&r),
               "Sorry, need more steps to process this request.");
    rig_fini(&r);
}

static void build_bad(leat_graph *g, leat_view config)
{
    (void)config;
    leat_react_agent(g, &(struct leat_react){.schema = "{"});
}

TEST(react_refuses_an_agent_without_model)
{
    const char *text = rig_mistakes(build_bad);
    EXPECT_HAS(text, "the agent has no model");
    EXPECT_HAS(text, "the agent's schema is not JSON");
}
