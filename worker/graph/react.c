/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/react.c: the agent that asks a model, runs the tools it calls and asks
 * again (leat_react_agent). Nodes, routes and texts are those of Python's
 * create_react_agent, and so is what `events` shows inside of the node.
 */
#include "worker/graph/events.h"
#include "worker/graph/context.h"
#include "worker/graph/message.h"
#include "worker/graph/stream.h"
#include "worker/graph/tools.h"

#include <stdlib.h>
#include <string.h>

#define MORE_STEPS "Sorry, need more steps to process this request."

struct react {
    leat_chat_fn model;
    void *model_data;
    struct graph_tools *tools;
    leat_value *shown;       /* the tools, as models are told */
    leat_value *prompt;      /* a message, or NULL */
    leat_node_fn prompt_with;
    char *name;              /* or NULL */
    leat_value *schema;      /* or NULL */
    leat_value *schema_prompt;
    bool before, after;      /* there are hooks */
    bool one_task;
    bool direct;             /* some tool's answer is the end */
};

static void destroy(void *arg)
{
    struct react *r = arg;
    graph_tools_destroy(r->tools);
    leat_drop(r->shown);
    leat_drop(r->prompt);
    leat_drop(r->schema);
    leat_drop(r->schema_prompt);
    free(r->name);
    free(r);
}

static leat_view last_of(leat_view messages)
{
    return leat_at(messages, -1);
}

static bool is_ai(leat_view message)
{
    enum graph_message_kind kind = graph_message_kind(message);
    return kind == GRAPH_MESSAGE_AI || kind == GRAPH_MESSAGE_CHUNK;
}

static bool is_tool(leat_view message)
{
    return graph_message_kind(message) == GRAPH_MESSAGE_TOOL;
}

/* ---- asking the model ----------------------------------------------------- */

/* Does the message have an answer to the call? */
static bool is_answered(leat_view messages, leat_view call)
{
    for (leat_iter it = leat_iter_of(messages); leat_next(&it);) {
        if (is_tool(it.item) && leat_equal(leat_get(it.item, "tool_call_id"),
                                           leat_get(call, "id"))) {
            return true;
        }
    }
    return false;
}

/* Providers refuse conversations with calls that nobody answered. */
static bool check_history(leat_context *ctx, leat_view messages)
{
    leat_value *open[3];
    size_t n = 0;
    for (leat_iter it = leat_iter_of(messages); leat_next(&it);) {
        leat_view calls = leat_get(it.item, "tool_calls");
        for (leat_iter c = leat_iter_of(calls); is_ai(it.item) && n < 3 &&
                                                leat_next(&c);) {
            if (!is_answered(messages, c.item)) {
                open[n++] = leat_value_of(c.item);
            }
        }
    }
    if (n == 0) {
        return true;
    }
    leat_value *list = leat_new_list(n, open);
    leat_value *shown = graph_tools_repr(leat_view_of(list));
    leat_text text = leat_string(leat_view_of(shown));
    leat_fail(ctx, "ValueError",
              "Found AIMessages with tool_calls that do not have a "
              "corresponding ToolMessage. Here are the first few of those "
              "tool calls: %.*s.\n\nEvery tool call (LLM requesting to call a "
              "tool) in the message history MUST have a corresponding "
              "ToolMessage (result of a tool invocation to return to the LLM) "
              "- this is required by most LLM providers.\nFor "
              "troubleshooting, visit: " GRAPH_DOCS
              "errors/INVALID_CHAT_HISTORY",
              (int)text.len, text.ptr);
    leat_drop(shown);
    leat_drop(list);
    return false;
}

/* The messages to ask with: one reference, NULL after leat_fail(). */
static leat_value *with_prompt(leat_context *ctx, const struct react *r,
                               leat_view state, leat_view messages)
{
    if (r->prompt_with != NULL) {
        return r->prompt_with(ctx, state);
    }
    if (r->prompt == NULL) {
        return leat_value_of(messages);
    }
    size_t n = leat_count(messages);
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    items[0] = leat_hold(r->prompt);
    for (size_t i = 0; i < n; i++) {
        items[i + 1] = leat_value_of(leat_at(messages, (long)i));
    }
    leat_value *list = leat_new_list(n + 1, items);
    free(items);
    return list;
}

static leat_value *ask(leat_context *ctx, const struct react *r,
                       leat_view messages, struct event_run *chain)
{
    const struct leat_ask a = {
        .messages = messages,
        .tools = leat_view_of(r->shown),
        .data = r->model_data,
    };
    struct event_run *node = NULL;
    if (chain != NULL) { /* what the model tells is below the chain */
        node = ctx->work->event;
        ctx->work->event = chain;
    }
    leat_value *message = r->model(ctx, &a);
    if (chain != NULL) {
        ctx->work->event = node;
    }
    return message;
}

/* Prompt and model, one after the other. */
static leat_value *ask_with_prompt(leat_context *ctx, const struct react *r,
                                   leat_view state, leat_view messages)
{
    struct event_run *chain =
        graph_context_chain(ctx, "RunnableSequence", NULL, state);
    struct event_run *prompt = graph_context_chain(ctx, "Prompt", chain, state);
    leat_value *all = with_prompt(ctx, r, state, messages);
    graph_event_end(&prompt, all);
    leat_value *message =
        all != NULL ? ask(ctx, r, leat_view_of(all), chain) : NULL;
    graph_event_end(&chain, message);
    leat_drop(all);
    return message;
}

/* ---- the agent ------------------------------------------------------------ */

static bool is_direct(const struct react *r, leat_view call)
{
    leat_text name = leat_string(leat_get(call, "name"));
    const struct graph_tool *tool =
        name.ptr != NULL ? graph_tools_get(r->tools, name) : NULL;
    return tool != NULL && tool->direct;
}

static bool all_direct(const struct react *r, leat_view calls)
{
    for (leat_iter it = leat_iter_of(calls); leat_next(&it);) {
        if (!is_direct(r, it.item)) {
            return false;
        }
    }
    return true;
}

/* Is there no step left for what the model wants? */
static bool needs_more_steps(const struct react *r, leat_view state,
                             leat_view message)
{
    leat_view calls = leat_get(message, "tool_calls");
    leat_view left = leat_get(state, "remaining_steps");
    if (leat_type_of(left) != LEAT_INT || !is_ai(message)) {
        return false;
    }
    return (leat_int(left, 0) < 1 && all_direct(r, calls)) ||
           (leat_int(left, 0) < 2 && leat_count(calls) > 0);
}

static leat_value *named(leat_value *message, const char *name)
{
    if (name == NULL) {
        return message;
    }
    enum leat_tag tag = leat_tag_of(leat_view_of(message));
    leat_value *out =
        leat_with(leat_view_of(message), "name", leat_new_string(name));
    leat_drop(message);
    return leat_tagged(out, tag);
}

static leat_value *sorry(leat_value *message)
{
    leat_value *out = leat_message_from(
        leat_pack("{s:s, s:s, s:v}", "type", "ai", "content", MORE_STEPS,
                  "id", leat_get(leat_view_of(message), "id")));
    leat_drop(message);
    return out;
}

static leat_view asked_messages(const struct react *r, leat_view state)
{
    leat_view other = leat_get(state, "llm_input_messages");
    return r->before && leat_true(other) ? other
                                         : leat_get(state, "messages");
}

static leat_value *call_model(leat_context *ctx, const struct react *r,
                              leat_view state)
{
    leat_view messages = asked_messages(r, state);
    if (leat_type_of(messages) != LEAT_LIST) {
        return leat_fail(ctx, "ValueError",
                         "Expected input to call_model to have 'messages' "
                         "key");
    }
    if (!check_history(ctx, messages)) {
        return NULL;
    }
    leat_value *message = ask_with_prompt(ctx, r, state, messages);
    if (message == NULL) {
        return NULL;
    }
    message = named(message, r->name);
    if (needs_more_steps(r, state, leat_view_of(message))) {
        message = sorry(message);
    }
    return leat_pack("{s:[V]}", "messages", message);
}

static leat_value *run_agent(leat_context *ctx, leat_view state)
{
    const struct react *r = leat_node_data(ctx);
    must(r != NULL);
    struct event_run *event = graph_context_chain(ctx, "call_model", NULL, state);
    leat_value *update = call_model(ctx, r, state);
    graph_event_end(&event, update);
    return update;
}

/* ---- the answer with a schema --------------------------------------------- */

/* What the message says: the arguments of its first call, or its text. */
static leat_value *read_answer(leat_context *ctx, leat_view message)
{
    leat_view calls = leat_get(message, "tool_calls");
    if (leat_count(calls) > 0) {
        return leat_value_of(leat_get(leat_at(calls, 0), "args"));
    }
    char why[128] = "it is not a text";
    leat_text text = leat_string(leat_get(message, "content"));
    leat_value *v = text.ptr != NULL ? leat_from_json(text.ptr, text.len, why,
                                                      sizeof why)
                                     : NULL;
    if (v == NULL) {
        leat_fail(ctx, "OutputParserException", "Invalid json output: %.*s (%s)",
                  (int)min_size(text.len, 1000), text.len > 0 ? text.ptr : "",
                  why);
    }
    return v;
}

static leat_value *run_structured(leat_context *ctx, leat_view state)
{
    const struct react *r = leat_node_data(ctx);
    must(r != NULL && r->schema != NULL);
    const struct react question = {.prompt = r->schema_prompt};
    leat_value *messages =
        with_prompt(ctx, &question, state, leat_get(state, "messages"));
    const struct leat_ask a = {
        .messages = leat_view_of(messages),
        .schema = leat_view_of(r->schema),
        .data = r->model_data,
    };
    leat_value *message = r->model(ctx, &a);
    leat_drop(messages);
    if (message == NULL) {
        return NULL;
    }
    leat_value *answer = read_answer(ctx, leat_view_of(message));
    leat_drop(message);
    return answer != NULL ? leat_pack("{s:V}", "structured_response", answer)
                          : NULL;
}

/* ---- where to go ----------------------------------------------------------- */

static leat_value *last_stop(const struct react *r)
{
    return leat_new_string(r->schema != NULL ? "generate_structured_response"
                                             : LEAT_END);
}

static const char *entry_of(const struct react *r)
{
    return r->before ? "pre_model_hook" : "agent";
}

/* A task for each of the calls that are not answered (or for all). */
static leat_value *send_calls(leat_view state, leat_view calls, bool all)
{
    size_t n = 0;
    leat_view messages = leat_get(state, "messages");
    leat_value **items =
        base_zalloc((leat_count(calls) + 1) * sizeof *items);
    for (leat_iter it = leat_iter_of(calls); leat_next(&it);) {
        if (all || !is_answered(messages, it.item)) {
            leat_value *shared = leat_value_of(state);
            items[n++] = leat_send(
                "tools", leat_pack("{s:s, s:v, s:V}", "__type",
                                   "tool_call_with_context", "tool_call",
                                   it.item, "state", shared));
        }
    }
    leat_value *list = n > 0 ? leat_new_list(n, items) : NULL;
    free(items);
    return list;
}

static leat_value *should_continue(leat_context *ctx, leat_view state)
{
    const struct react *r = leat_node_data(ctx);
    leat_view last = last_of(leat_get(state, "messages"));
    leat_view calls = leat_get(last, "tool_calls");
    if (!is_ai(last) || leat_count(calls) == 0) {
        return last_stop(r);
    }
    return r->one_task ? leat_new_string("tools")
                       : send_calls(state, calls, true);
}

static leat_value *post_model_hook_router(leat_context *ctx, leat_view state)
{
    const struct react *r = leat_node_data(ctx);
    leat_view messages = leat_get(state, "messages");
    leat_view calls = {0};
    for (long i = (long)leat_count(messages) - 1; i >= 0; i--) {
        if (is_ai(leat_at(messages, i))) {
            calls = leat_get(leat_at(messages, i), "tool_calls");
            break;
        }
    }
    leat_value *sends = send_calls(state, calls, false);
    if (sends != NULL) {
        return sends;
    }
    return is_tool(last_of(messages)) ? leat_new_string(entry_of(r))
                                      : last_stop(r);
}

static leat_value *route_tool_responses(leat_context *ctx, leat_view state)
{
    const struct react *r = leat_node_data(ctx);
    leat_view messages = leat_get(state, "messages");
    long i = (long)leat_count(messages) - 1;
    for (; i >= 0 && is_tool(leat_at(messages, i)); i--) {
        if (is_direct(r, leat_at(messages, i))) {
            return leat_new_string(LEAT_END);
        }
    }
    leat_view calls = leat_get(leat_at(messages, i), "tool_calls");
    for (leat_iter it = leat_iter_of(calls); i >= 0 && leat_next(&it);) {
        if (is_direct(r, it.item)) {
            return leat_new_string(LEAT_END);
        }
    }
    return leat_new_string(entry_of(r));
}

/* ---- building -------------------------------------------------------------- */

static leat_value *read_json(leat_graph *g, const char *json)
{
    char why[128];
    leat_value *v = leat_from_json(json, strlen(json), why, sizeof why);
    if (v == NULL) {
        graph_builder_mistake(g, "the agent's schema is not JSON: %s", why);
    }
    return v;
}

static struct react *copy_spec(leat_graph *g, const struct leat_react *spec)
{
    struct react *r = base_zalloc(sizeof *r);
    *r = (struct react){
        .model = spec->model,
        .model_data = spec->model_data,
        .tools = graph_tools_new(g, &spec->tools),
        .prompt_with = spec->prompt_with,
        .before = spec->before_model != NULL,
        .after = spec->after_model != NULL,
        .one_task = spec->one_task,
    };
    if (r->tools->count > 0) {
        r->shown = graph_tools_shown(r->tools);
    }
    for (size_t i = 0; i < r->tools->count; i++) {
        r->direct = r->direct || r->tools->at[i].direct;
    }
    if (spec->prompt != NULL) {
        r->prompt = leat_system_message(spec->prompt);
    }
    if (spec->name != NULL) {
        r->name = base_strdup(spec->name);
    }
    if (spec->schema != NULL) {
        r->schema = read_json(g, spec->schema);
    }
    if (spec->schema_prompt != NULL) {
        r->schema_prompt = leat_system_message(spec->schema_prompt);
    }
    if (spec->model == NULL) {
        graph_builder_mistake(g, "the agent has no model");
    }
    graph_builder_keep(g, r, destroy);
    return r;
}

static void add_node(leat_graph *g, const char *name, leat_node_fn run,
                     void *data)
{
    leat_add_node_with(g, name, &(struct leat_node){.run = run, .data = data});
}

static void add_route(leat_graph *g, const char *from, struct react *r,
                      const struct leat_branch *spec)
{
    struct leat_branch b = *spec;
    b.data = r;
    leat_add_branch_with(g, from, &b);
}

/* An agent without tools: one call of the model, one after the other. */
static void add_line(leat_graph *g, const struct react *r)
{
    const char *last = r->after ? "post_model_hook" : "agent";
    if (r->schema != NULL) {
        leat_add_edge(g, last, "generate_structured_response");
    }
}

static void add_loop(leat_graph *g, struct react *r)
{
    const char *out =
        r->schema != NULL ? "generate_structured_response" : LEAT_END;
    const char *const tools[] = {"tools", out, NULL};
    const char *const hooked[] = {entry_of(r), "tools", out, NULL};
    const char *const back[] = {entry_of(r), LEAT_END, NULL};
    add_node(g, "tools", graph_tools_run, r->tools);
    if (r->after) {
        add_route(g, "post_model_hook", r,
                  &(struct leat_branch){.route = post_model_hook_router,
                                        .name = "post_model_hook_router",
                                        .targets = hooked});
    } else {
        add_route(g, "agent", r,
                  &(struct leat_branch){.route = should_continue,
                                        .name = "should_continue",
                                        .targets = tools});
    }
    if (r->direct) {
        add_route(g, "tools", r,
                  &(struct leat_branch){.route = route_tool_responses,
                                        .name = "route_tool_responses",
                                        .targets = back});
    } else {
        leat_add_edge(g, "tools", entry_of(r));
    }
}

void leat_react_agent(leat_graph *g, const struct leat_react *spec)
{
    must(g != NULL && spec != NULL);
    struct react *r = copy_spec(g, spec);
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_channel(g, "remaining_steps", LEAT_REMAINING_STEPS);
    add_node(g, "agent", run_agent, r);
    leat_add_edge(g, LEAT_START, entry_of(r));
    if (r->before) {
        leat_add_node(g, "pre_model_hook", spec->before_model);
        leat_add_edge(g, "pre_model_hook", "agent");
    }
    if (r->after) {
        leat_add_node(g, "post_model_hook", spec->after_model);
        leat_add_edge(g, "agent", "post_model_hook");
    }
    if (r->schema != NULL) {
        leat_add_channel(g, "structured_response", LEAT_LAST_VALUE);
        add_node(g, "generate_structured_response", run_structured, r);
    }
    if (r->tools->count > 0) {
        add_loop(g, r);
    } else {
        add_line(g, r);
    }
    if (spec->name != NULL) {
        leat_set_name(g, spec->name);
    }
    if (spec->interrupt_before != NULL) {
        leat_interrupt_before(g, spec->interrupt_before);
    }
    if (spec->interrupt_after != NULL) {
        leat_interrupt_after(g, spec->interrupt_after);
    }
}
