/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl_tool.c: a tool node of declarative graphs: runs the tool calls of the
 * last AI message and answers each with a tool message, in their order. Tools
 * are expressions over their arguments. Texts of errors are Python's.
 */
#include "common/buf.h"
#include "worker/graph/decl.h"
#include "worker/graph/tool.h"

#include <stdlib.h>
#include <string.h>

#define TOOL_TEXT_MAX (1u << 20)

/* ---- what is asked for -------------------------------------------------- */

static bool is_ai(leat_view message)
{
    leat_view type = leat_get(message, "type");
    return leat_is(type, "ai") || leat_is(type, "AIMessageChunk");
}

/* The calls to run: those of the last AI message of the state (or of a list
 * of messages), or those that a send brought. False after leat_fail(). */
static bool find_calls(leat_context *ctx, leat_view input, leat_view *calls)
{
    leat_view messages = input;
    if (leat_is(leat_get(input, "__type"), "tool_call_with_context")) {
        *calls = leat_get(input, "tool_call");
        return true;
    }
    if (leat_type_of(input) != LEAT_LIST) {
        messages = leat_get(input, "messages");
    } else if (leat_is(leat_get(leat_at(input, -1), "type"), "tool_call")) {
        *calls = input;
        return true;
    }
    if (leat_count(messages) == 0) {
        leat_fail(ctx, "ValueError", "No message found in input");
        return false;
    }
    for (long i = (long)leat_count(messages) - 1; i >= 0; i--) {
        if (is_ai(leat_at(messages, i))) {
            *calls = leat_get(leat_at(messages, i), "tool_calls");
            return true;
        }
    }
    leat_fail(ctx, "ValueError", "No AIMessage found in input");
    return false;
}

static leat_view find_tool(leat_view tools, leat_text name)
{
    for (leat_iter it = leat_iter_of(tools); leat_next(&it);) {
        leat_text t = leat_string(leat_get(it.item, "name"));
        if (t.len == name.len && memcmp(t.ptr, name.ptr, t.len) == 0) {
            return it.item;
        }
    }
    return (leat_view){0};
}

/* ---- answers ------------------------------------------------------------ */

/* A tool message; `content` borrowed. */
static leat_value *answer(leat_view call, leat_text content, bool error)
{
    leat_value *fields = leat_pack(
        "{s:s, s:t, s:v, s:v, s:s}", "type", "tool", "content", content,
        "name", leat_get(call, "name"), "tool_call_id", leat_get(call, "id"),
        "status", error ? "error" : "success");
    leat_value *message = leat_message_from(fields);
    must(message != NULL);
    return message;
}

static leat_value *answer_unknown(leat_view tools, leat_view call)
{
    struct buf text;
    leat_text name = leat_string(leat_get(call, "name"));
    buf_init(&text, TOOL_TEXT_MAX);
    bool ok = buf_puts(&text, "Error: ") &&
              buf_append(&text, name.ptr, name.len) &&
              buf_puts(&text, " is not a valid tool, try one of [");
    for (leat_iter it = leat_iter_of(tools); ok && leat_next(&it);) {
        leat_text t = leat_string(leat_get(it.item, "name"));
        ok = (it.index == 0 || buf_puts(&text, ", ")) &&
             buf_append(&text, t.ptr, t.len);
    }
    ok = ok && buf_puts(&text, "].");
    leat_text shown = {buf_text(&text), text.len};
    leat_value *message = answer(call, shown, true);
    buf_fini(&text);
    (void)ok; /* at the cap the text is cut */
    return message;
}

/* ---- arguments ---------------------------------------------------------- */

/* What is wrong with one argument, NULL when nothing is. */
static const char *argument_fault(leat_view value, leat_view type)
{
    enum leat_type t = leat_type_of(value);
    if (t == LEAT_MISSING) {
        return "Field required";
    }
    if (leat_is(type, "number")) {
        return t == LEAT_INT || t == LEAT_DOUBLE
                   ? NULL
                   : "Input should be a valid number";
    }
    return t == LEAT_STRING ? NULL : "Input should be a valid string";
}

/* A value as Python's repr shows it, for the text that names the arguments. */
static bool put_repr(struct buf *out, leat_view v, unsigned depth)
{
    switch (leat_type_of(v)) {
    case LEAT_NULL:
        return buf_puts(out, "None");
    case LEAT_BOOL:
        return buf_puts(out, leat_bool(v, false) ? "True" : "False");
    case LEAT_STRING: {
        leat_text t = leat_string(v);
        const char *quote = memchr(t.ptr, '\'', t.len) ? "\"" : "'";
        return buf_puts(out, quote) && buf_append(out, t.ptr, t.len) &&
               buf_puts(out, quote);
    }
    case LEAT_LIST:
    case LEAT_OBJECT:
        break;
    default: {
        char *text = leat_to_json(v);
        bool ok = buf_puts(out, text);
        leat_free_text(text);
        return ok;
    }
    }
    bool list = leat_type_of(v) == LEAT_LIST;
    bool ok = depth < LEAT_DEPTH_MAX && buf_puts(out, list ? "[" : "{");
    for (leat_iter it = leat_iter_of(v); ok && leat_next(&it);) {
        ok = (it.index == 0 || buf_puts(out, ", ")) &&
             (list || (buf_puts(out, "'") &&
                       buf_append(out, it.key.ptr, it.key.len) &&
                       buf_puts(out, "': "))) &&
             put_repr(out, it.item, depth + 1);
    }
    return ok && buf_puts(out, list ? "]" : "}");
}

/* NULL when the arguments fit; else the answer that says why not. */
static leat_value *answer_invalid(leat_view tool, leat_view call)
{
    struct buf faults, text;
    leat_view types = leat_get(tool, "args"), args = leat_get(call, "args");
    leat_text name = leat_string(leat_get(call, "name"));
    buf_init(&faults, TOOL_TEXT_MAX / 2);
    bool ok = true;
    for (leat_iter it = leat_iter_of(types); ok && leat_next(&it);) {
        leat_view value = leat_get_n(args, it.key.ptr, it.key.len);
        const char *fault = argument_fault(value, it.item);
        ok = fault == NULL ||
             ((faults.len == 0 || buf_putc(&faults, '\n')) &&
              buf_append(&faults, it.key.ptr, it.key.len) &&
              buf_printf(&faults, ": %s", fault));
    }
    leat_value *message = NULL;
    if (faults.len > 0) {
        buf_init(&text, TOOL_TEXT_MAX);
        ok = buf_puts(&text, "Error invoking tool '") &&
             buf_append(&text, name.ptr, name.len) &&
             buf_puts(&text, "' with kwargs ") && put_repr(&text, args, 0) &&
             buf_printf(&text, " with error:\n %s\n", buf_text(&faults)) &&
             buf_puts(&text, " Please fix the error and try again.");
        message = answer(call, (leat_text){buf_text(&text), text.len}, true);
        buf_fini(&text);
    }
    buf_fini(&faults);
    (void)ok; /* at the cap the text is cut */
    return message;
}

/* ---- running ------------------------------------------------------------ */

/* The tool's body; NULL after leat_fail(). */
static leat_value *run_body(leat_context *ctx, leat_view tool, leat_view call)
{
    const struct decl_node *node = leat_node_data(ctx);
    struct graph_scope scope = {.state = leat_get(call, "args"),
                                .calls = graph_decl_calls,
                                .arg = node->decl};
    struct err err = ERR_INIT;
    leat_view custom = leat_get(tool, "custom");
    leat_value *shown = NULL, *result = NULL;
    bool ok = true;
    if (leat_type_of(custom) != LEAT_MISSING) {
        ok = graph_expr_eval(custom, &scope, &shown, &err);
        if (ok) {
            leat_emit(ctx, shown != NULL ? shown : leat_new_null());
        }
    }
    ok = ok && graph_expr_eval(leat_get(tool, "returns"), &scope, &result,
                               &err);
    if (!ok) {
        return leat_fail(ctx, "TypeError", "%s", err.text);
    }
    return result != NULL ? result : leat_new_null();
}

static leat_value *run_tool(leat_context *ctx, leat_view tool, leat_view call)
{
    leat_value *message = answer_invalid(tool, call);
    if (message != NULL) {
        return message;
    }
    leat_text t = leat_string(leat_get(tool, "name"));
    char *name = base_memdup(t.ptr, t.len);
    struct tool_run *run = graph_tool_begin(ctx, name, leat_get(call, "args"));
    leat_value *result = run_body(ctx, tool, call);
    if (result != NULL && leat_tag_of(leat_view_of(result)) == LEAT_COMMAND) {
        message = leat_hold(result);
    } else if (result != NULL) {
        leat_value *content = graph_tool_content(leat_view_of(result));
        message = answer(call, leat_string(leat_view_of(content)), false);
        leat_drop(content);
    }
    graph_tool_end(run, leat_view_of(message));
    leat_drop(result);
    free(name);
    return message;
}

/* {"messages": [...]}, or a list with the commands that tools returned. */
static leat_value *collect(size_t n, leat_value **items, bool commands)
{
    if (!commands) {
        leat_value *list = leat_new_list(n, items);
        return leat_pack("{s:V}", "messages", list);
    }
    for (size_t i = 0; i < n; i++) {
        if (leat_tag_of(leat_view_of(items[i])) != LEAT_COMMAND) {
            items[i] = leat_pack("{s:[V]}", "messages", items[i]);
        }
    }
    return leat_new_list(n, items);
}

leat_value *graph_decl_tool_run(leat_context *ctx, leat_view state)
{
    const struct decl_node *node = leat_node_data(ctx);
    must(node != NULL);
    leat_view tools = leat_get(node->spec, "tool_node"), calls = {0};
    if (!find_calls(ctx, state, &calls)) {
        return NULL;
    }
    bool one = leat_type_of(calls) == LEAT_OBJECT, commands = false;
    size_t count = one ? 1 : leat_count(calls), n = 0;
    leat_value **items = base_zalloc((count + 1) * sizeof *items);
    for (; n < count; n++) {
        leat_view call = one ? calls : leat_at(calls, (long)n);
        leat_text name = leat_string(leat_get(call, "name"));
        leat_view tool = find_tool(tools, name);
        items[n] = leat_type_of(tool) == LEAT_MISSING
                       ? answer_unknown(tools, call)
                       : run_tool(ctx, tool, call);
        if (items[n] == NULL) {
            break;
        }
        commands = commands ||
                   leat_tag_of(leat_view_of(items[n])) == LEAT_COMMAND;
    }
    leat_value *out = n == count ? collect(n, items, commands) : NULL;
    while (out == NULL && n > 0) {
        leat_drop(items[--n]);
    }
    free(items);
    return out;
}

/* ---- checking ----------------------------------------------------------- */

void graph_decl_tool_check(leat_graph *g, leat_view tools,
                            struct graph_place *at)
{
    if (leat_type_of(tools) != LEAT_LIST) {
        graph_decl_mistake(g, at, "must be a list");
    }
    for (leat_iter it = leat_iter_of(tools); leat_next(&it);) {
        size_t mark = graph_expr_place_index(at, it.index);
        if (leat_string(leat_get(it.item, "name")).len == 0) {
            graph_decl_mistake(g, at, "`name` must be a name");
        }
        graph_decl_check_expr(g, it.item, "returns", at);
        if (leat_type_of(leat_get(it.item, "custom")) != LEAT_MISSING) {
            graph_decl_check_expr(g, it.item, "custom", at);
        }
        graph_expr_place_back(at, mark);
    }
}
