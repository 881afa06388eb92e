/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_simple.c: an agent that hands its last message to a tool with a send,
 * and answers at once when a request header reached its configuration.
 */
#include <leat/graph.h>
#include <string.h>

/* The second answer ends in a line separator: clients must not split it. */
static const struct leat_fake_reply replies[] = {{.text = "begin"},
                                                 {.text = "end\u2028"}};
static const struct leat_fake model = {
    .replies = replies, .count = 2, .chunk = 1};

static leat_value *header_answer(leat_view header)
{
    leat_text t = leat_string(header);
    return leat_pack("{s:[V]}", "messages",
                     leat_new_format("end: %.*s", (int)t.len, t.ptr));
}

/* What the first user said is kept under the user's name. */
static bool remember(leat_context *ctx, leat_view last)
{
    leat_view user = leat_get(
        leat_get(leat_configurable(ctx), "langgraph_auth_user"), "identity");
    leat_text name = leat_string(user);
    char label[128] = "ALL";
    if (name.ptr != NULL && name.len > 0 && name.len < sizeof label) {
        memcpy(label, name.ptr, name.len);
        label[name.len] = '\0';
    }
    const char *const space[] = {label, NULL};
    leat_value *item = NULL;
    if (!leat_item_get(ctx, space, "key_one", &item)) {
        return false;
    }
    bool known = item != NULL;
    leat_drop(item);
    return known ||
           leat_item_put(ctx, space, "key_one",
                         leat_pack("{s:v}", "text",
                                   leat_get(last, "content")));
}

static leat_value *agent(leat_context *ctx, leat_view state)
{
    leat_view header =
        leat_get(leat_configurable(ctx), "x-configurable-header");
    if (leat_type_of(header) == LEAT_STRING && leat_true(header)) {
        return header_answer(header);
    }
    leat_view messages = leat_get(state, "messages");
    if (!remember(ctx, leat_at(messages, -1))) {
        return NULL;
    }
    leat_value *reply = leat_fake_answer(ctx, &model, messages);
    return reply == NULL ? NULL : leat_pack("{s:[V]}", "messages", reply);
}

static leat_value *tool(leat_context *ctx, leat_view message)
{
    (void)ctx;
    leat_text t = leat_string(leat_get(message, "content"));
    leat_value *content = leat_new_format("tool_call__%.*s", (int)t.len,
                                          t.ptr != NULL ? t.ptr : "");
    return leat_pack(
        "{s:[V]}", "messages",
        leat_message_from(leat_pack("{s:s, s:V, s:s}", "type", "tool",
                                    "content", content, "tool_call_id",
                                    "tool_call_id")));
}

static leat_value *route(leat_context *ctx, leat_view state)
{
    (void)ctx;
    leat_view last = leat_at(leat_get(state, "messages"), -1);
    leat_text t = leat_string(leat_get(last, "content"));
    if (t.ptr != NULL && t.len >= 3 && memcmp(t.ptr, "end", 3) == 0) {
        return leat_new_string(LEAT_END);
    }
    return leat_send("tool", leat_value_of(last));
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "key_one", LEAT_LAST_VALUE);
    leat_add_channel(g, "key_two", LEAT_LAST_VALUE);
    leat_add_channel(g, "sleep", LEAT_LAST_VALUE);
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "agent", agent);
    leat_add_node(g, "tool", tool);
    leat_add_edge(g, LEAT_START, "agent");
    leat_add_branch(g, "agent", route, NULL);
    leat_add_edge(g, "tool", "agent");
}

LEAT_GRAPHS({"agent_simple", build, false})
