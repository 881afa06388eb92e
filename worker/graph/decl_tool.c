/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl_tool.c: tools of declarative graphs: expressions over their arguments,
 * for a tool node or an agent. How calls are found and answered is tools.c's.
 */
#include "worker/graph/decl.h"
#include "worker/graph/tools.h"

#include <stdlib.h>
#include <string.h>

/* ---- running ------------------------------------------------------------ */

/* An expression of the tool; *out stays NULL when there is none. False after
 * leat_fail(). */
static bool get(leat_context *ctx, const char *field,
                const struct graph_scope *scope, leat_value **out)
{
    const struct decl_tool *tool = leat_node_data(ctx);
    leat_view expr = leat_get(tool->spec, field);
    struct err err = ERR_INIT;
    if (leat_type_of(expr) == LEAT_MISSING ||
        graph_expr_eval(expr, scope, out, &err)) {
        return true;
    }
    leat_fail(ctx, "TypeError", "%s", err.text);
    return false;
}

/* Asks when the tool does; the answer is the variable `answer`. */
static bool ask(leat_context *ctx, const struct graph_scope *scope,
                struct graph_vars *vars)
{
    leat_value *question = NULL;
    leat_view answer;
    if (!get(ctx, "interrupt", scope, &question)) {
        return false;
    }
    if (question == NULL) {
        return true;
    }
    if (!leat_interrupt(ctx, question, &answer)) {
        return false;
    }
    graph_expr_vars_set(vars, (leat_text){"answer", 6},
                        leat_value_of(answer));
    return true;
}

static bool fail(leat_context *ctx, const struct graph_scope *scope)
{
    leat_value *error = NULL;
    if (!get(ctx, "error", scope, &error)) {
        return true;
    }
    leat_text text = leat_string(leat_view_of(error));
    if (error != NULL) {
        leat_fail(ctx, "ValueError", "%.*s", (int)text.len,
                  text.ptr != NULL ? text.ptr : "");
        leat_drop(error);
        return true;
    }
    return false;
}

static leat_value *run_tool(leat_context *ctx, leat_view args)
{
    const struct decl_tool *tool = leat_node_data(ctx);
    struct graph_vars vars = {0};
    const struct graph_scope scope = {.state = args,
                                      .vars = &vars,
                                      .calls = graph_decl_calls,
                                      .arg = tool->decl};
    leat_value *shown = NULL, *result = NULL;
    bool ok = get(ctx, "custom", &scope, &shown);
    if (shown != NULL) {
        leat_emit(ctx, shown);
    }
    ok = ok && ask(ctx, &scope, &vars) && !fail(ctx, &scope) &&
         get(ctx, "returns", &scope, &result);
    graph_expr_vars_fini(&vars);
    return ok ? result : NULL;
}

/* ---- reading ------------------------------------------------------------ */

/* {"a": "number"} as a JSON Schema, in text; the caller frees it. */
static char *schema_of(leat_view args)
{
    leat_writer *required = leat_writer_new();
    leat_writer *properties = leat_writer_new();
    leat_write_list(required);
    leat_write_object(properties);
    for (leat_iter it = leat_iter_of(args); leat_next(&it);) {
        leat_write_string_n(required, it.key.ptr, it.key.len);
        leat_write_key_n(properties, it.key.ptr, it.key.len);
        leat_write_object(properties);
        leat_write_key(properties, "type");
        leat_write_string(properties,
                          leat_is(it.item, "number") ? "number" : "string");
        leat_write_end(properties);
    }
    leat_write_end(required);
    leat_write_end(properties);
    leat_value *schema = leat_pack(
        "{s:s, s:V, s:V}", "type", "object", "properties",
        leat_writer_finish(&properties), "required",
        leat_writer_finish(&required));
    char *text = leat_to_json(leat_view_of(schema));
    leat_drop(schema);
    return text;
}

static struct decl_tool *new_tool(struct decl *d, leat_view spec)
{
    struct decl_tool *tool = base_zalloc(sizeof *tool);
    tool->decl = d;
    tool->spec = spec;
    tool->next = d->tools;
    d->tools = tool;
    return tool;
}

struct leat_tools graph_decl_tool_list(struct decl *d, leat_view tools)
{
    size_t n = leat_count(tools);
    struct leat_tool *at = base_zalloc((n + 1) * sizeof *at);
    for (size_t i = 0; i < n; i++) {
        leat_view spec = leat_at(tools, (long)i);
        leat_text name = leat_string(leat_get(spec, "name"));
        leat_text about = leat_string(leat_get(spec, "description"));
        at[i] = (struct leat_tool){
            .name = base_memdup(name.len > 0 ? name.ptr : "", name.len),
            .description =
                about.len > 0 ? base_memdup(about.ptr, about.len) : NULL,
            .schema = schema_of(leat_get(spec, "args")),
            .run = run_tool,
            .return_direct = leat_bool(leat_get(spec, "return_direct"), false),
            .data = new_tool(d, spec),
        };
    }
    return (struct leat_tools){.at = at, .count = n};
}

void graph_decl_tool_free(struct leat_tools *tools)
{
    for (size_t i = 0; i < tools->count; i++) {
        const struct leat_tool *t = &tools->at[i];
        free((char *)(uintptr_t)t->name);
        free((char *)(uintptr_t)t->description);
        leat_free_text((char *)(uintptr_t)t->schema);
    }
    free((struct leat_tool *)(uintptr_t)tools->at);
    *tools = (struct leat_tools){0};
}

/* ---- checking ----------------------------------------------------------- */

void graph_decl_tool_check(leat_graph *g, leat_view tools,
                            struct graph_place *at)
{
    static const char *const optional[] = {"custom", "interrupt", "error"};
    if (leat_type_of(tools) != LEAT_LIST) {
        graph_decl_mistake(g, at, "must be a list");
    }
    for (leat_iter it = leat_iter_of(tools); leat_next(&it);) {
        size_t mark = graph_expr_place_index(at, it.index);
        if (leat_string(leat_get(it.item, "name")).len == 0) {
            graph_decl_mistake(g, at, "`name` must be a name");
        }
        graph_decl_check_expr(g, it.item, "returns", at);
        for (size_t i = 0; i < COUNT_OF(optional); i++) {
            if (leat_type_of(leat_get(it.item, optional[i])) != LEAT_MISSING) {
                graph_decl_check_expr(g, it.item, optional[i], at);
            }
        }
        graph_expr_place_back(at, mark);
    }
}
