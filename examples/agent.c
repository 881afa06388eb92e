/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c: an agent that asks a streaming model, runs a tool and asks again,
 * can be interrupted, sleeps when told to and keeps items across threads.
 *
 *   START -> agent -> (tool -> agent | checkSharedState | END)
 */
#include <leat/graph.h>

/* Answers by turns, one piece for each character. */
static const struct leat_fake_reply replies[] = {{.text = "begin"},
                                                 {.text = "end"}};
static const struct leat_fake model = {
    .replies = replies, .count = 2, .chunk = 1};

static const char *const shared[] = {"sharedState", "data", NULL};
static const char *const inputted[] = {"inputtedState", "data", NULL};

static leat_view last_message(leat_view state)
{
    return leat_at(leat_get(state, "messages"), -1);
}

/* A number sleeps so many seconds; {steps, ms} tells about each step. */
static bool sleep_as_told(leat_context *ctx, leat_view sleep)
{
    if (leat_type_of(sleep) != LEAT_OBJECT) {
        return leat_sleep_ms(ctx, (int64_t)(leat_double(sleep, 0) * 1000));
    }
    int64_t steps = leat_int(leat_get(sleep, "steps"), 0);
    int64_t ms = leat_int(leat_get(sleep, "ms"), 0);
    for (int64_t i = 0; i < steps; i++) {
        leat_emit(ctx, leat_pack("{s:s, s:I}", "type", "sleep", "step", i));
        if (!leat_sleep_ms(ctx, ms)) {
            return false;
        }
    }
    return true;
}

static bool wants_sleep(leat_view state)
{
    enum leat_type type = leat_type_of(leat_get(state, "sleep"));
    return type != LEAT_MISSING && type != LEAT_NULL &&
           leat_is(leat_get(last_message(state), "type"), "human");
}

static leat_value *agent(leat_context *ctx, leat_view state)
{
    leat_view answer;
    if (leat_true(leat_get(state, "interrupt")) &&
        !leat_interrupt(ctx, leat_new_string("i want to interrupt"),
                        &answer)) {
        return NULL;
    }
    if (wants_sleep(state) && !sleep_as_told(ctx, leat_get(state, "sleep"))) {
        return NULL;
    }
    leat_view messages = leat_get(state, "messages");
    leat_value *reply = leat_fake_answer(ctx, &model, messages);
    if (reply == NULL) {
        return NULL;
    }
    leat_view user = leat_get(leat_configurable(ctx), "user_id");
    if (!leat_true(leat_get(state, "sharedStateFromStoreConfig")) &&
        !leat_item_put(ctx, shared, "user_id",
                       leat_pack("{s:?v}", "id", user))) {
        leat_drop(reply);
        return NULL;
    }
    return leat_pack("{s:b, s:[V]}", "interrupt", 0, "messages", reply);
}

static leat_value *tool(leat_context *ctx, leat_view state)
{
    leat_value *item = NULL;
    if (!leat_item_get(ctx, shared, "user_id", &item)) {
        return NULL;
    }
    leat_view last = last_message(state);
    if (leat_type_of(last) == LEAT_MISSING) {
        return leat_pack("{s:V, s:[]}", "sharedStateFromStoreConfig", item,
                         "messages");
    }
    leat_text text = leat_string(leat_get(last, "content"));
    leat_value *content =
        leat_new_format("tool_call__%.*s", (int)text.len,
                        text.ptr != NULL ? text.ptr : "");
    leat_value *message = leat_message_from(
        leat_pack("{s:s, s:V, s:s}", "type", "tool", "content", content,
                  "tool_call_id", "tool_call_id"));
    return leat_pack("{s:V, s:[V]}", "sharedStateFromStoreConfig", item,
                     "messages", message);
}

static leat_value *check_shared_state(leat_context *ctx, leat_view state)
{
    (void)state;
    leat_value *item = NULL;
    if (!leat_item_get(ctx, inputted, "my_key", &item)) {
        return NULL;
    }
    bool is_true = leat_true(leat_get(leat_view_of(item), "isTrue"));
    leat_drop(item);
    if (!is_true) {
        return leat_fail(ctx, "Error", "Value is not true");
    }
    return leat_pack("{}");
}

static leat_value *route(leat_context *ctx, leat_view state)
{
    (void)ctx;
    leat_view first = leat_get(leat_at(leat_get(state, "messages"), 0),
                               "content");
    leat_view last = leat_get(last_message(state), "content");
    if (leat_is(first, "should_end")) {
        return leat_new_string(LEAT_END);
    }
    if (leat_is(first, "___check_state_value")) {
        return leat_new_string("checkSharedState");
    }
    return leat_new_string(leat_is(last, "end") ? LEAT_END : "tool");
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "sharedStateValue", LEAT_LAST_VALUE);
    leat_add_channel(g, "keyOne", LEAT_LAST_VALUE);
    leat_add_channel(g, "keyTwo", LEAT_LAST_VALUE);
    leat_add_channel(g, "interrupt", LEAT_LAST_VALUE);
    leat_add_channel(g, "sleep", LEAT_LAST_VALUE);
    leat_add_channel(g, "sharedStateFromStoreConfig", LEAT_LAST_VALUE);
    leat_add_node(g, "agent", agent);
    leat_add_node(g, "tool", tool);
    leat_add_node(g, "checkSharedState", check_shared_state);
    leat_add_edge(g, LEAT_START, "agent");
    leat_add_branch(g, "agent", route, NULL);
    leat_add_edge(g, "tool", "agent");
    leat_add_edge(g, "checkSharedState", LEAT_END);
}

LEAT_GRAPHS({"agent", build, false})
