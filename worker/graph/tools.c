/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tools.c: the calls of a message, each run and answered: which calls
 * there are, what a tool may return, what its errors become, and how all of
 * it is one result (spec/engine.md 11.5). Texts are Python's.
 */
#include "worker/graph/tools.h"
#include "worker/graph/context.h"
#include "worker/graph/message.h"
#include "worker/graph/pool.h"
#include "worker/graph/stream.h"
#include "worker/graph/tool.h"
#include "worker/graph/tool_args.h"
#include "worker/graph/tool_text.h"
#include "worker/graph/turn.h"

#include <stdlib.h>
#include <string.h>

/* ---- a set of tools ------------------------------------------------------ */

static char *dup_or_null(const char *text)
{
    return text != NULL ? base_strdup(text) : NULL;
}

static leat_value *read_schema(leat_graph *g, const struct leat_tool *t)
{
    char why[128];
    if (t->schema == NULL) {
        return NULL;
    }
    leat_value *v =
        leat_from_json(t->schema, strlen(t->schema), why, sizeof why);
    if (v == NULL) {
        graph_builder_mistake(g, "the schema of tool '%s' is not JSON: %s",
                              t->name, why);
    } else if (leat_type_of(leat_view_of(v)) != LEAT_OBJECT) {
        graph_builder_mistake(g, "the schema of tool '%s' is not an object",
                              t->name);
    }
    return v;
}

static void check_tool(leat_graph *g, const struct leat_tools *spec, size_t i)
{
    const struct leat_tool *t = &spec->at[i];
    if (t->name == NULL || t->name[0] == '\0') {
        graph_builder_mistake(g, "a tool has no name");
        return;
    }
    if (t->run == NULL) {
        graph_builder_mistake(g, "tool '%s' has no function", t->name);
    }
    for (size_t j = 0; j < i; j++) {
        if (spec->at[j].name != NULL && strcmp(spec->at[j].name, t->name) == 0) {
            graph_builder_mistake(g, "there are two tools '%s'", t->name);
        }
    }
}

struct graph_tools *graph_tools_new(leat_graph *g,
                                    const struct leat_tools *spec)
{
    must(spec != NULL && (spec->at != NULL || spec->count == 0));
    struct graph_tools *tools = base_zalloc(sizeof *tools);
    tools->at = base_zalloc((spec->count + 1) * sizeof *tools->at);
    tools->errors = spec->errors;
    tools->error_text = dup_or_null(spec->error_text);
    tools->key = base_strdup(spec->key != NULL ? spec->key : "messages");
    for (size_t i = 0; i < spec->count; i++) {
        const struct leat_tool *from = &spec->at[i];
        check_tool(g, spec, i);
        tools->at[tools->count++] = (struct graph_tool){
            .name = base_strdup(from->name != NULL ? from->name : ""),
            .description = dup_or_null(from->description),
            .schema = read_schema(g, from),
            .run = from->run,
            .data = from->data,
            .direct = from->return_direct,
        };
    }
    return tools;
}

void graph_tools_destroy(void *arg)
{
    struct graph_tools *tools = arg;
    for (size_t i = 0; i < tools->count; i++) {
        free(tools->at[i].name);
        free(tools->at[i].description);
        leat_drop(tools->at[i].schema);
    }
    free(tools->at);
    free(tools->error_text);
    free(tools->key);
    free(tools);
}

leat_value *graph_tools_shown(const struct graph_tools *tools)
{
    leat_value **items = base_zalloc((tools->count + 1) * sizeof(void *));
    for (size_t i = 0; i < tools->count; i++) {
        const struct graph_tool *t = &tools->at[i];
        leat_value *parameters =
            t->schema != NULL ? leat_hold(t->schema)
                              : leat_pack("{s:s, s:{}}", "type", "object",
                                          "properties");
        items[i] = leat_pack("{s:s, s:s, s:V}", "name", t->name,
                             "description",
                             t->description != NULL ? t->description : "",
                             "parameters", parameters);
    }
    leat_value *list = leat_new_list(tools->count, items);
    free(items);
    return list;
}

leat_value *graph_tools_repr(leat_view v)
{
    struct buf text;
    buf_init(&text, GRAPH_TOOL_TEXT_MAX);
    bool room = graph_tool_text_repr(&text, v);
    (void)room; /* at the cap the text is cut */
    leat_value *out = leat_new_string_n(buf_text(&text), text.len);
    buf_fini(&text);
    return out;
}

const struct graph_tool *graph_tools_get(const struct graph_tools *tools,
                                         leat_text name)
{
    for (size_t i = 0; i < tools->count; i++) {
        if (strlen(tools->at[i].name) == name.len &&
            memcmp(tools->at[i].name, name.ptr, name.len) == 0) {
            return &tools->at[i];
        }
    }
    return NULL;
}

void leat_tool_node(leat_graph *g, const char *name,
                    const struct leat_tools *spec)
{
    must(g != NULL && name != NULL && spec != NULL);
    struct graph_tools *tools = graph_tools_new(g, spec);
    graph_builder_keep(g, tools, graph_tools_destroy);
    leat_add_node_with(g, name, &(struct leat_node){.run = graph_tools_run,
                                                    .data = tools});
}

leat_value *leat_tools_condition(leat_context *ctx, leat_view state)
{
    leat_view messages = leat_type_of(state) == LEAT_LIST
                             ? state
                             : leat_get(state, "messages");
    if (leat_count(messages) == 0) {
        return leat_fail(ctx, "ValueError",
                         "No messages found in input state to tool_edge");
    }
    leat_view calls = leat_get(leat_at(messages, -1), "tool_calls");
    return leat_new_string(leat_count(calls) > 0 ? "tools" : LEAT_END);
}

/* ---- one call ------------------------------------------------------------ */

/* All calls of one run of the node. */
struct batch {
    leat_context *node;
    const struct graph_tools *tools;
    leat_view state;
    leat_value *channels;  /* holds `state` where it was read anew; or NULL */
    leat_view calls;       /* a list, or one call */
    size_t count;
    struct tool_turns turns;
    struct outcome *at;
};

struct outcome {
    leat_context ctx;
    struct tool_turn turn;
    leat_view call;
    char *id;              /* of the call; NULL: it has none */
    leat_value *result;    /* a message, a command, or a list of both */
};

/* A tool message; `content` is taken. */
static leat_value *answer(leat_view call, leat_value *content, bool error)
{
    leat_value *message = leat_message_from(leat_pack(
        "{s:s, s:V, s:v, s:v, s:s}", "type", "tool", "content", content,
        "name", leat_get(call, "name"), "tool_call_id", leat_get(call, "id"),
        "status", error ? "error" : "success"));
    return message;
}

static leat_value *answer_text(leat_view call, struct buf *text, bool error)
{
    leat_value *message =
        answer(call, leat_new_string_n(buf_text(text), text->len), error);
    buf_fini(text);
    return message;
}

static leat_value *answer_unknown(const struct graph_tools *tools,
                                  leat_view call)
{
    struct buf text;
    leat_text name = leat_string(leat_get(call, "name"));
    buf_init(&text, GRAPH_TOOL_TEXT_MAX);
    bool room = buf_puts(&text, "Error: ") &&
                buf_append(&text, name.ptr, name.len) &&
                buf_puts(&text, " is not a valid tool, try one of [");
    for (size_t i = 0; room && i < tools->count; i++) {
        room = buf_printf(&text, "%s%s", i > 0 ? ", " : "",
                          tools->at[i].name);
    }
    room = room && buf_puts(&text, "].");
    (void)room; /* at the cap the text is cut */
    return answer_text(call, &text, true);
}

static bool is_command(leat_view v)
{
    return leat_tag_of(v) == LEAT_COMMAND;
}

static bool is_tool_message(leat_view v)
{
    return graph_message_kind(v) == GRAPH_MESSAGE_TOOL;
}

/* ---- what a tool returned ------------------------------------------------ */

static bool is_content(leat_view v)
{
    static const char *const blocks[] = {
        "text", "image_url", "image", "json", "search_result",
        "custom_tool_call_output", "document", "file"};
    if (leat_type_of(v) == LEAT_STRING) {
        return true;
    }
    bool all = leat_type_of(v) == LEAT_LIST && leat_count(v) > 0;
    for (leat_iter it = leat_iter_of(v); all && leat_next(&it);) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            known = known || leat_is(leat_get(it.item, "type"), blocks[i]);
        }
        all = known;
    }
    return all;
}

static leat_value *answer_value(leat_view call, leat_view v)
{
    if (is_content(v)) {
        return answer(call, leat_value_of(v), false);
    }
    struct buf text;
    buf_init(&text, GRAPH_TOOL_TEXT_MAX);
    bool room = graph_tool_text_json(&text, v);
    (void)room; /* at the cap the text is cut */
    return answer_text(call, &text, false);
}

/* How many of the update's messages answer the call. */
static size_t answers_in(leat_view messages, leat_view call)
{
    size_t n = 0;
    for (leat_iter it = leat_iter_of(messages); leat_next(&it);) {
        bool tool = leat_is(leat_get(it.item, "type"), "tool") ||
                    leat_is(leat_get(it.item, "role"), "tool");
        n += tool && leat_equal(leat_get(it.item, "tool_call_id"),
                                leat_get(call, "id"))
                 ? 1
                 : 0;
    }
    return n;
}

/* The answers to the call get the tool's name. */
static leat_value *name_answers(leat_view messages, leat_view call)
{
    size_t n = leat_count(messages);
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        leat_view m = leat_at(messages, (long)i);
        items[i] = leat_value_of(m);
        if (leat_type_of(m) == LEAT_OBJECT &&
            leat_equal(leat_get(m, "tool_call_id"), leat_get(call, "id"))) {
            enum leat_tag tag = leat_tag_of(m);
            leat_drop(items[i]);
            items[i] = leat_tagged(
                leat_with(m, "name", leat_value_of(leat_get(call, "name"))),
                tag);
        }
    }
    leat_value *list = leat_new_list(n, items);
    free(items);
    return list;
}

static bool removes_all(leat_view messages)
{
    return leat_count(messages) == 1 &&
           leat_is(leat_get(leat_at(messages, 0), "id"),
                   GRAPH_MESSAGE_REMOVE_ALL);
}

/* A command for this graph has to answer the call; `alone`: it must do so by
 * itself. One reference, NULL after leat_fail(). */
static leat_value *check_command(struct batch *b, struct outcome *o,
                                 leat_view command, bool alone)
{
    leat_view update = leat_get(command, "update");
    leat_view messages = leat_get(update, b->tools->key);
    leat_text name = leat_string(leat_get(o->call, "name"));
    bool here = leat_type_of(leat_get(command, "graph")) == LEAT_MISSING;
    if (leat_type_of(update) != LEAT_OBJECT || removes_all(messages)) {
        return leat_value_of(command);
    }
    if (alone && here && answers_in(messages, o->call) == 0) {
        char *got = leat_to_json(messages);
        leat_fail(&o->ctx, "ValueError",
                  "Expected to have a matching ToolMessage in Command.update "
                  "for tool '%.*s', got: %s. Every tool call (LLM requesting "
                  "to call a tool) in the message history MUST have a "
                  "corresponding ToolMessage. You can fix it by modifying the "
                  "tool to return `Command(update={\"messages\": "
                  "[ToolMessage(\"Success\", tool_call_id=tool_call_id), ...]}"
                  ", ...)`.",
                  (int)name.len, name.ptr, got);
        leat_free_text(got);
        return NULL;
    }
    if (leat_type_of(messages) != LEAT_LIST) {
        return leat_value_of(command);
    }
    leat_value *named = leat_with(update, b->tools->key,
                                  name_answers(messages, o->call));
    return leat_tagged(leat_with(command, "update", named), LEAT_COMMAND);
}

static bool is_answer_list(leat_view v)
{
    bool all = leat_type_of(v) == LEAT_LIST && leat_count(v) > 0;
    for (leat_iter it = leat_iter_of(v); all && leat_next(&it);) {
        all = is_command(it.item) || is_tool_message(it.item);
    }
    return all;
}

/* Of a list exactly one message answers the call. */
static leat_value *check_list(struct batch *b, struct outcome *o,
                              leat_view list)
{
    size_t n = leat_count(list), found = answers_in(list, o->call), done = 0;
    leat_text name = leat_string(leat_get(o->call, "name"));
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        found += answers_in(
            leat_get(leat_get(it.item, "update"), b->tools->key), o->call);
    }
    if (found != 1) {
        return leat_fail(&o->ctx, "ValueError",
                         "Tool %.*s returned a list with %zu messages bound "
                         "to tool_call_id '%s'; expected exactly one "
                         "terminating ToolMessage.",
                         (int)name.len, name.ptr, found,
                         o->id != NULL ? o->id : "None");
    }
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (; done < n; done++) {
        leat_view v = leat_at(list, (long)done);
        items[done] = is_command(v) ? check_command(b, o, v, false)
                                    : leat_value_of(v);
        must(items[done] != NULL); /* only alone it can fail */
    }
    leat_value *out = leat_new_list(n, items);
    free(items);
    return out;
}

/* What stands for the tool's answer; NULL after leat_fail(). */
static leat_value *take_result(struct batch *b, struct outcome *o,
                               const leat_value *result)
{
    leat_view v = leat_view_of(result);
    if (is_command(v)) {
        return check_command(b, o, v, true);
    }
    if (is_tool_message(v)) {
        return leat_value_of(v);
    }
    if (is_answer_list(v)) {
        return check_list(b, o, v);
    }
    return answer_value(o->call, v);
}

/* ---- running ------------------------------------------------------------- */

/* Notes what is wrong with the arguments as the tool's error. */
static bool check_args(struct outcome *o, const struct graph_tool *tool)
{
    struct buf faults;
    leat_view args = leat_get(o->call, "args");
    buf_init(&faults, GRAPH_TOOL_TEXT_MAX / 4);
    bool fits = graph_tool_args_check(args, leat_view_of(tool->schema),
                                      &faults);
    if (!fits) {
        leat_value *repr = graph_tools_repr(args);
        leat_text shown = leat_string(leat_view_of(repr));
        leat_fail(&o->ctx, "ToolInvocationError",
                  "Error invoking tool '%s' with kwargs %.*s with error:\n %s\n"
                  " Please fix the error and try again.",
                  tool->name, (int)shown.len, shown.ptr, buf_text(&faults));
        leat_drop(repr);
    }
    buf_fini(&faults);
    return fits;
}

/* What it stopped with, as Python names it. */
static leat_value *stop_shown(const leat_context *ctx)
{
    if (ctx->stop == CONTEXT_FAILED) {
        return graph_fault_repr(&ctx->fault);
    }
    if (ctx->stop != CONTEXT_INTERRUPTED) {
        return leat_new_string("CancelledError()");
    }
    leat_view asked = leat_at(leat_view_of(ctx->interrupts), 0);
    leat_text id = leat_string(leat_get(asked, "id"));
    leat_value *repr = graph_tools_repr(leat_get(asked, "value"));
    leat_text value = leat_string(leat_view_of(repr));
    leat_value *out = leat_new_format(
        "GraphInterrupt((Interrupt(value=%.*s, id='%.*s'),))", (int)value.len,
        value.ptr, (int)id.len, id.ptr != NULL ? id.ptr : "");
    leat_drop(repr);
    return out;
}

static void run_tool(struct batch *b, struct outcome *o,
                     const struct graph_tool *tool)
{
    leat_view args = leat_get(o->call, "args");
    struct tool_run *event = graph_tool_begin(&o->ctx, tool->name, args);
    leat_value *result = NULL;
    if (check_args(o, tool)) {
        o->ctx.data = tool->data;
        result = tool->run(&o->ctx, args);
    }
    if (!graph_context_stopped(&o->ctx)) {
        o->result = take_result(b, o, result);
    }
    leat_drop(result);
    if (o->result != NULL) {
        graph_tool_end(event, leat_view_of(o->result));
    } else {
        graph_tool_fail(event, stop_shown(&o->ctx), o->id);
    }
}

/* An error becomes an answer where that was asked for. */
static void answer_error(struct batch *b, struct outcome *o)
{
    const struct fault *f = &o->ctx.fault;
    bool args = strcmp(f->type, "ToolInvocationError") == 0;
    enum leat_tool_errors how = b->tools->errors;
    if (o->ctx.stop != CONTEXT_FAILED || how == LEAT_TOOL_ERRORS_FAIL ||
        (how == LEAT_TOOL_ERRORS_ARGS && !args)) {
        return;
    }
    leat_value *repr = graph_fault_repr(f);
    leat_text shown = leat_string(leat_view_of(repr));
    leat_value *content = NULL;
    if (how == LEAT_TOOL_ERRORS_ARGS) {
        content = leat_new_string(f->text);
    } else if (b->tools->error_text != NULL) {
        content = leat_new_string(b->tools->error_text);
    } else {
        content = leat_new_format("Error: %.*s\n Please fix your mistakes.",
                                  (int)shown.len, shown.ptr);
    }
    leat_drop(repr);
    graph_fault_fini(&o->ctx.fault);
    o->ctx.stop = CONTEXT_GOES;
    o->result = answer(o->call, content, true);
}

static void run_call(void *arg, size_t i)
{
    struct batch *b = arg;
    struct outcome *o = &b->at[i];
    leat_text name = leat_string(leat_get(o->call, "name"));
    const struct graph_tool *tool =
        name.ptr != NULL ? graph_tools_get(b->tools, name) : NULL;
    if (tool == NULL) {
        o->result = answer_unknown(b->tools, o->call);
    } else {
        run_tool(b, o, tool);
        answer_error(b, o);
    }
    graph_turn_end(&o->ctx, o->result == NULL);
}

static void run_calls(struct batch *b)
{
    graph_turn_init(&b->turns, b->node, b->count);
    b->at = base_zalloc((b->count + 1) * sizeof *b->at);
    for (size_t i = 0; i < b->count; i++) {
        struct outcome *o = &b->at[i];
        o->turn = (struct tool_turn){&b->turns, i};
        graph_turn_begin(&o->ctx, &o->turn);
        o->call = leat_type_of(b->calls) == LEAT_LIST
                      ? leat_at(b->calls, (long)i)
                      : b->calls;
        leat_text id = leat_string(leat_get(o->call, "id"));
        o->id = id.ptr != NULL ? base_memdup(id.ptr, id.len) : NULL;
        o->ctx.tool_call_id = o->id;
        o->ctx.tool_state = b->state;
    }
    if (b->node->work != NULL) {
        (void)graph_talk_base(b->node->work); /* made before they share it */
    }
    if (b->tools->in_order || b->count < 2) {
        for (size_t i = 0; i < b->count; i++) {
            run_call(b, i); /* all of them begin, though one stops the node */
        }
    } else {
        graph_pool_run(run_call, b, b->count);
    }
    graph_turn_fini(&b->turns);
}

/* ---- the node ------------------------------------------------------------ */

static bool is_ai(leat_view message)
{
    leat_view type = leat_get(message, "type");
    return leat_is(type, "ai") || leat_is(type, "AIMessageChunk");
}

static bool find_in_messages(struct batch *b, leat_view messages)
{
    if (leat_count(messages) == 0) {
        leat_fail(b->node, "ValueError", "No message found in input");
        return false;
    }
    for (long i = (long)leat_count(messages) - 1; i >= 0; i--) {
        if (is_ai(leat_at(messages, i))) {
            b->calls = leat_get(leat_at(messages, i), "tool_calls");
            return true;
        }
    }
    leat_fail(b->node, "ValueError", "No AIMessage found in input");
    return false;
}

/* The calls to run: those of the last AI message of the state (or of a list
 * of messages), or those that a send brought. False after leat_fail(). */
static bool find_calls(struct batch *b, leat_view input)
{
    b->state = input;
    if (leat_is(leat_get(input, "__type"), "tool_call_with_context")) {
        b->calls = leat_get(input, "tool_call");
        b->state = leat_get(input, "state");
        return true;
    }
    if (leat_type_of(input) != LEAT_LIST) {
        return find_in_messages(b, leat_get(input, b->tools->key));
    }
    if (!leat_is(leat_get(leat_at(input, -1), "type"), "tool_call")) {
        return find_in_messages(b, input);
    }
    b->calls = input;
    if (b->node->work != NULL) {
        const struct loop *l = b->node->work->loop;
        b->channels = graph_channels_read(&l->channels, &l->graph->state);
        b->state = leat_view_of(b->channels);
    }
    return true;
}

/* Results in the order of the calls, lists of them opened. */
static leat_value **flatten(struct batch *b, size_t *n)
{
    size_t most = 0;
    for (size_t i = 0; i < b->count; i++) {
        most += max_size(1, leat_count(leat_view_of(b->at[i].result)));
    }
    leat_value **flat = base_zalloc((most + 1) * sizeof *flat);
    *n = 0;
    for (size_t i = 0; i < b->count; i++) {
        leat_view v = leat_view_of(b->at[i].result);
        if (leat_type_of(v) != LEAT_LIST) {
            flat[(*n)++] = leat_hold(b->at[i].result);
            continue;
        }
        for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
            flat[(*n)++] = leat_value_of(it.item);
        }
    }
    return flat;
}

/* A command that only sends, in the graph around this one. */
static bool is_handoff(leat_view v)
{
    leat_view to = leat_get(v, "goto");
    bool sends = is_command(v) &&
                 leat_is(leat_get(v, "graph"), "__parent__") &&
                 leat_type_of(to) == LEAT_LIST;
    for (leat_iter it = leat_iter_of(to); sends && leat_next(&it);) {
        sends = leat_tag_of(it.item) == LEAT_SEND;
    }
    return sends;
}

/* All sends of hand-offs in one command at the end. */
static leat_value *merge_handoffs(leat_value **flat, size_t *n)
{
    leat_value *sends = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        leat_view v = leat_view_of(flat[i]);
        if (!is_handoff(v)) {
            flat[kept++] = flat[i];
            continue;
        }
        leat_view more = leat_get(v, "goto");
        leat_value **items =
            base_zalloc((leat_count(more) + 1) * sizeof *items);
        for (leat_iter it = leat_iter_of(more); leat_next(&it);) {
            items[it.index] = leat_value_of(it.item);
        }
        leat_value *all =
            leat_append(leat_view_of(sends), leat_count(more), items);
        free(items);
        leat_drop(sends);
        leat_drop(flat[i]);
        sends = all;
    }
    *n = kept;
    return sends != NULL ? leat_command_parent(NULL, sends) : NULL;
}

/* {"messages": [...]}, or a list with the commands that tools returned. */
static leat_value *collect(struct batch *b)
{
    size_t n = 0;
    bool commands = false;
    leat_value **flat = flatten(b, &n);
    for (size_t i = 0; i < n; i++) {
        commands = commands || is_command(leat_view_of(flat[i]));
    }
    leat_value *out = NULL;
    if (!commands) {
        out = leat_pack("{s:V}", b->tools->key, leat_new_list(n, flat));
    } else {
        leat_value *parent = merge_handoffs(flat, &n);
        for (size_t i = 0; i < n; i++) {
            if (!is_command(leat_view_of(flat[i]))) {
                flat[i] = leat_pack("{s:[V]}", b->tools->key, flat[i]);
            }
        }
        if (parent != NULL) {
            flat[n++] = parent; /* there is room: it was one of them */
        }
        out = leat_new_list(n, flat);
    }
    free(flat);
    return out;
}

/* The first that stopped, in the order of calls, stops the node. */
static bool take_stop(struct batch *b)
{
    size_t i = 0;
    while (i < b->count && b->at[i].result != NULL) {
        i++;
    }
    if (i == b->count) {
        return false;
    }
    leat_context *from = &b->at[i].ctx, *to = b->node;
    must(from->stop != CONTEXT_GOES);
    to->stop = from->stop;
    graph_fault_move(&to->fault, &from->fault);
    to->interrupts = from->interrupts;
    to->command = from->command;
    from->interrupts = NULL;
    from->command = NULL;
    return true;
}

leat_value *graph_tools_run(leat_context *ctx, leat_view state)
{
    struct batch b = {.node = ctx, .tools = leat_node_data(ctx)};
    must(b.tools != NULL);
    leat_value *out = NULL;
    if (!find_calls(&b, state)) {
        return NULL;
    }
    b.count = leat_type_of(b.calls) == LEAT_OBJECT ? 1 : leat_count(b.calls);
    run_calls(&b);
    if (!take_stop(&b)) {
        out = collect(&b);
    }
    for (size_t i = 0; i < b.count; i++) {
        graph_context_fini(&b.at[i].ctx);
        leat_drop(b.at[i].result);
        free(b.at[i].id);
    }
    free(b.at);
    leat_drop(b.channels);
    return out;
}
