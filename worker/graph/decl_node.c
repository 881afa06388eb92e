/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl_node.c: what a declarative node does when it runs: its ops, one after
 * the other, each a row of the table below. Owns nothing but the variables of
 * the execution; must not know how the description was read.
 */
#include "worker/graph/decl.h"

#include <stdlib.h>
#include <string.h>

/* What an op says about the rest of the node. */
enum next { NEXT_OP, NEXT_RETURN, NEXT_STOP };

/* One execution of one node. */
struct body {
    leat_context *ctx;
    const struct decl_node *node;
    struct graph_vars vars;
    struct graph_scope scope;
    leat_value *result; /* of `return` */
};

/* Evaluates a field of the op; a fault is the node's. */
static bool get(struct body *b, leat_view op, const char *field,
                leat_value **out)
{
    struct err err = ERR_INIT;
    if (graph_expr_eval(leat_get(op, field), &b->scope, out, &err)) {
        return true;
    }
    leat_fail(b->ctx, "TypeError", "%s", err.text);
    return false;
}

/* Keeps a result under the name in `as`; without one it is dropped. */
static void keep(struct body *b, leat_view op, leat_value *value)
{
    leat_text as = leat_string(leat_get(op, "as"));
    if (as.ptr == NULL) {
        leat_drop(value);
        return;
    }
    graph_expr_vars_set(&b->vars, as, value);
}

static leat_value *or_null(leat_value *v)
{
    return v != NULL ? v : leat_new_null();
}

/* ---- the ops ------------------------------------------------------------ */

static enum next op_sleep(struct body *b, leat_view op)
{
    leat_value *ms = NULL;
    if (!get(b, op, "ms", &ms)) {
        return NEXT_STOP;
    }
    double wait = leat_double(leat_view_of(ms), 0);
    leat_drop(ms);
    bool valid = wait > 0 && wait < 1e12;
    return !valid || leat_sleep_ms(b->ctx, (int64_t)wait) ? NEXT_OP
                                                          : NEXT_STOP;
}

static enum next op_custom(struct body *b, leat_view op)
{
    leat_value *payload = NULL;
    if (!get(b, op, "value", &payload)) {
        return NEXT_STOP;
    }
    leat_emit(b->ctx, or_null(payload));
    return NEXT_OP;
}

static enum next op_interrupt(struct body *b, leat_view op)
{
    leat_value *question = NULL;
    leat_view answer;
    if (!get(b, op, "value", &question) ||
        !leat_interrupt(b->ctx, or_null(question), &answer)) {
        return NEXT_STOP;
    }
    keep(b, op, leat_value_of(answer));
    return NEXT_OP;
}

static enum next op_throw(struct body *b, leat_view op)
{
    leat_value *message = NULL;
    if (leat_type_of(leat_get(op, "when")) != LEAT_MISSING) {
        leat_value *when = NULL;
        if (!get(b, op, "when", &when)) {
            return NEXT_STOP;
        }
        bool yes = graph_expr_true(leat_view_of(when));
        leat_drop(when);
        if (!yes) {
            return NEXT_OP;
        }
    }
    if (!get(b, op, "message", &message)) {
        return NEXT_STOP;
    }
    leat_text name = leat_string(leat_get(op, "name"));
    leat_text text = leat_string(leat_view_of(message));
    char *type = name.len > 0 ? base_memdup(name.ptr, name.len)
                              : base_strdup("Error");
    leat_fail(b->ctx, type, "%.*s", (int)min_size(text.len, INT32_MAX),
              text.ptr == NULL ? "" : text.ptr);
    free(type);
    leat_drop(message);
    return NEXT_STOP;
}

static enum next op_set(struct body *b, leat_view op)
{
    leat_value *value = NULL;
    if (!get(b, op, "value", &value)) {
        return NEXT_STOP;
    }
    keep(b, op, or_null(value));
    return NEXT_OP;
}

static enum next op_llm(struct body *b, leat_view op)
{
    leat_value *messages = NULL;
    if (!get(b, op, "messages", &messages)) {
        return NEXT_STOP;
    }
    leat_value *answer =
        graph_decl_model_run(b->ctx, op, leat_view_of(messages));
    leat_drop(messages);
    if (answer == NULL) {
        return NEXT_STOP;
    }
    keep(b, op, answer);
    return NEXT_OP;
}

static enum next op_call_graph(struct body *b, leat_view op)
{
    leat_value *input = NULL;
    if (!get(b, op, "input", &input)) {
        return NEXT_STOP;
    }
    leat_text graph = leat_string(leat_get(op, "graph"));
    char *name = base_memdup(graph.ptr, graph.len);
    leat_value *output = leat_call_graph(b->ctx, name, or_null(input));
    free(name);
    if (output == NULL) {
        return NEXT_STOP;
    }
    keep(b, op, output);
    return NEXT_OP;
}

static enum next op_return(struct body *b, leat_view op)
{
    return get(b, op, "value", &b->result) ? NEXT_RETURN : NEXT_STOP;
}

static const struct op {
    const char *name;
    enum next (*run)(struct body *b, leat_view op);
    const char *needs[2]; /* expressions that must be there */
} ops[] = {
    {"return", op_return, {"value", NULL}},
    {"sleep", op_sleep, {"ms", NULL}},
    {"custom", op_custom, {"value", NULL}},
    {"interrupt", op_interrupt, {"value", NULL}},
    {"throw", op_throw, {"message", NULL}},
    {"set", op_set, {"value", NULL}},
    {"llm", op_llm, {"messages", NULL}},
    {"call_graph", op_call_graph, {"input", NULL}},
};

static const struct op *find_op(leat_view op)
{
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (leat_is(leat_get(op, "op"), ops[i].name)) {
            return &ops[i];
        }
    }
    return NULL;
}

leat_value *graph_decl_node_run(leat_context *ctx, leat_view state)
{
    const struct decl_node *node = leat_node_data(ctx);
    must(node != NULL && node->count != NULL);
    struct body b = {.ctx = ctx, .node = node};
    b.scope = (struct graph_scope){.state = state, .vars = &b.vars,
                                   .calls = graph_decl_calls,
                                   .arg = node->decl};
    atomic_fetch_add(&node->count->begun, 1);
    enum next next = NEXT_OP;
    leat_iter it = leat_iter_of(leat_get(node->spec, "do"));
    while (next == NEXT_OP && leat_next(&it)) {
        next = find_op(it.item)->run(&b, it.item);
    }
    graph_expr_vars_fini(&b.vars);
    return b.result;
}

/* ---- checking ----------------------------------------------------------- */

static void check_op(leat_graph *g, leat_view op, struct graph_place *at)
{
    const struct op *row = find_op(op);
    if (row == NULL) {
        leat_text name = leat_string(leat_get(op, "op"));
        graph_decl_mistake(g, at, "unknown op `%.*s`",
                           (int)min_size(name.len, 64),
                           name.ptr == NULL ? "" : name.ptr);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(row->needs) && row->needs[i]; i++) {
        graph_decl_check_expr(g, op, row->needs[i], at);
    }
    if (leat_type_of(leat_get(op, "when")) != LEAT_MISSING) {
        graph_decl_check_expr(g, op, "when", at);
    }
    if (row->run == op_llm) {
        graph_decl_model_check(g, op, at);
    }
    bool names = row->run == op_call_graph || row->run == op_set;
    const char *field = row->run == op_set ? "as" : "graph";
    if (names && leat_string(leat_get(op, field)).ptr == NULL) {
        graph_decl_mistake(g, at, "`%s` must be a name", field);
    }
}

void graph_decl_node_check(leat_graph *g, leat_view list,
                          struct graph_place *at)
{
    enum leat_type type = leat_type_of(list);
    if (type == LEAT_MISSING || type == LEAT_NULL) {
        return; /* a node that does nothing */
    }
    if (type != LEAT_LIST) {
        graph_decl_mistake(g, at, "must be a list");
        return;
    }
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        size_t mark = graph_expr_place_index(at, it.index);
        check_op(g, it.item, at);
        graph_expr_place_back(at, mark);
    }
}
