/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr.c: evaluates the expressions of declarative graphs, straight from
 * their JSON: descriptions are small and read by many threads at once, so
 * nothing is compiled or cached. Must not know what the values
 * are used for.
 */
#include "worker/graph/expr_op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One evaluation: what is seen, and how deep it already is. */
struct eval {
    const struct graph_scope *scope;
    leat_view item;
    unsigned depth;
    struct err *err;
};

static bool eval(struct eval *e, leat_view t, leat_value **out);

/* ---- helpers ------------------------------------------------------------ */

bool graph_expr_true(leat_view v)
{
    switch (leat_type_of(v)) {
    case LEAT_MISSING:
    case LEAT_NULL:
        return false;
    case LEAT_LIST:
    case LEAT_OBJECT:
    case LEAT_BYTES:
        return true;
    default:
        return leat_true(v);
    }
}

static bool is_number(leat_view v)
{
    return leat_type_of(v) == LEAT_INT || leat_type_of(v) == LEAT_DOUBLE;
}

static const char *type_name(leat_view v)
{
    static const char *const names[] = {"nothing", "null",   "a boolean",
                                        "a number", "a number", "a text",
                                        "bytes",   "a list", "an object"};
    return names[leat_type_of(v)];
}

/* What lands in a list: it has no gaps. */
static leat_value *or_null(leat_value *v)
{
    return v != NULL ? v : leat_new_null();
}

/* One step of a path: a key, an index, or `length`. */
static leat_view step_into(leat_view at, const char *key, size_t len)
{
    if (leat_type_of(at) == LEAT_OBJECT) {
        return leat_get_n(at, key, len);
    }
    if (leat_type_of(at) != LEAT_LIST || len == 0 || len > 9) {
        return (leat_view){0};
    }
    long index = 0;
    for (size_t i = 0; i < len; i++) {
        if (key[i] < '0' || key[i] > '9') {
            return (leat_view){0};
        }
        index = index * 10 + (key[i] - '0');
    }
    return leat_at(at, index);
}

static leat_view walk_text(leat_view at, const char *from, const char *end)
{
    for (;;) {
        const char *dot = memchr(from, '.', (size_t)(end - from));
        at = step_into(at, from, (size_t)((dot ? dot : end) - from));
        if (dot == NULL || leat_type_of(at) == LEAT_MISSING) {
            return at;
        }
        from = dot + 1;
    }
}

/* "" and true are `at` itself. */
static leat_view walk_path(leat_view at, leat_view path)
{
    leat_text p = leat_string(path);
    return p.len == 0 ? at : walk_text(at, p.ptr, p.ptr + p.len);
}

/* The first part of the path is a variable's name. */
static leat_view walk_vars(const struct graph_vars *vars, leat_text p)
{
    const char *dot = p.len == 0 ? NULL : memchr(p.ptr, '.', p.len);
    size_t len = dot == NULL ? p.len : (size_t)(dot - p.ptr);
    leat_view v = graph_expr_vars_get(vars, (leat_text){p.ptr, len});
    return dot == NULL ? v : walk_text(v, dot + 1, p.ptr + p.len);
}

/* ---- arithmetic and text ------------------------------------------------ */

static leat_value *add_numbers(leat_view a, leat_view b)
{
    int64_t sum;
    if (leat_type_of(a) == LEAT_INT && leat_type_of(b) == LEAT_INT &&
        !__builtin_add_overflow(leat_int(a, 0), leat_int(b, 0), &sum)) {
        return leat_new_int(sum);
    }
    return leat_new_double(leat_double(a, 0) + leat_double(b, 0));
}

static leat_value *mul_numbers(leat_view a, leat_view b)
{
    int64_t product;
    if (leat_type_of(a) == LEAT_INT && leat_type_of(b) == LEAT_INT &&
        !__builtin_mul_overflow(leat_int(a, 0), leat_int(b, 0), &product)) {
        return leat_new_int(product);
    }
    return leat_new_double(leat_double(a, 0) * leat_double(b, 0));
}

/* The text of a value as $concat shows it. Freed with leat_free_text(). */
static char *to_text(leat_view v)
{
    double d = leat_type_of(v) == LEAT_DOUBLE ? leat_double(v, 0) : 0.5;
    if (d == floor(d) && fabs(d) < 1e15) { /* 2.0 is written 2 */
        leat_value *whole = leat_new_int((int64_t)d);
        char *text = leat_to_json(leat_view_of(whole));
        leat_drop(whole);
        return text;
    }
    return leat_to_json(v);
}

static leat_value *join_texts(leat_view a, leat_view b)
{
    leat_view parts[2] = {a, b};
    char *owned[2] = {NULL, NULL};
    leat_text texts[2];
    for (int i = 0; i < 2; i++) {
        texts[i] = leat_string(parts[i]);
        if (texts[i].ptr == NULL && leat_type_of(parts[i]) != LEAT_MISSING) {
            owned[i] = to_text(parts[i]);
            texts[i] = (leat_text){owned[i], strlen(owned[i])};
        }
    }
    char *joined = base_zalloc(texts[0].len + texts[1].len + 1);
    if (texts[0].len > 0) {
        memcpy(joined, texts[0].ptr, texts[0].len);
    }
    if (texts[1].len > 0) {
        memcpy(joined + texts[0].len, texts[1].ptr, texts[1].len);
    }
    leat_value *out = leat_new_string_n(joined, texts[0].len + texts[1].len);
    free(joined);
    for (int i = 0; i < 2; i++) {
        if (owned[i] != NULL) {
            leat_free_text(owned[i]);
        }
    }
    return out;
}

static leat_value *join_lists(leat_view a, leat_view b)
{
    size_t n = leat_count(b);
    leat_value **items = base_zalloc((n + 1) * sizeof(leat_value *));
    for (leat_iter it = leat_iter_of(b); leat_next(&it);) {
        items[it.index] = leat_value_of(it.item);
    }
    leat_value *out = leat_append(a, n, items);
    free(items);
    return out;
}

/* a + b, NULL when there is no such sum. */
static leat_value *add_two(leat_view a, leat_view b)
{
    if (is_number(a) && is_number(b)) {
        return add_numbers(a, b);
    }
    if (leat_type_of(a) == LEAT_LIST && leat_type_of(b) == LEAT_LIST) {
        return join_lists(a, b);
    }
    bool text = leat_type_of(a) == LEAT_STRING ||
                leat_type_of(b) == LEAT_STRING;
    return text ? join_texts(a, b) : NULL;
}

static leat_value *mul_two(leat_view a, leat_view b)
{
    return is_number(a) && is_number(b) ? mul_numbers(a, b) : NULL;
}

static leat_value *concat_two(leat_view a, leat_view b)
{
    return join_texts(a, b);
}

/* Evaluates the operands one by one into an accumulator. */
static bool fold(struct eval *e, leat_view list, const char *name,
                 leat_value *(*two)(leat_view a, leat_view b),
                 leat_value **acc)
{
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        leat_value *next = NULL;
        if (!eval(e, it.item, &next)) {
            return false;
        }
        if (it.index == 0 && *acc == NULL) {
            *acc = next;
            continue;
        }
        leat_view a = leat_view_of(*acc), b = leat_view_of(next);
        leat_value *sum = two(a, b);
        if (sum == NULL) {
            err_set(e->err, ERR_GRAPH, "$%s of %s and %s", name,
                    type_name(a), type_name(b));
        }
        leat_drop(next);
        leat_drop(*acc);
        *acc = sum;
        if (sum == NULL) {
            return false;
        }
    }
    return true;
}

static bool eval_fold(struct eval *e, enum graph_op op, leat_view arg,
                      leat_value **out)
{
    leat_value *acc = op == OP_concat ? leat_new_string("") : NULL;
    leat_value *(*two)(leat_view, leat_view) =
        op == OP_concat ? concat_two : op == OP_add ? add_two : mul_two;
    if (!fold(e, arg, graph_ops[op].name, two, &acc)) {
        leat_drop(acc);
        return false;
    }
    *out = acc;
    return true;
}

/* ---- comparisons and choices -------------------------------------------- */

static bool less(leat_view a, leat_view b)
{
    if (leat_type_of(a) == LEAT_INT && leat_type_of(b) == LEAT_INT) {
        return leat_int(a, 0) < leat_int(b, 0);
    }
    if (is_number(a) && is_number(b)) {
        return leat_double(a, 0) < leat_double(b, 0);
    }
    leat_text x = leat_string(a), y = leat_string(b);
    if (x.ptr == NULL || y.ptr == NULL) {
        return false;
    }
    int order = memcmp(x.ptr, y.ptr, min_size(x.len, y.len));
    return order != 0 ? order < 0 : x.len < y.len;
}

static bool eval_compare(struct eval *e, enum graph_op op, leat_view arg,
                         leat_value **out)
{
    leat_value *a = NULL, *b = NULL;
    bool ok = eval(e, leat_at(arg, 0), &a) && eval(e, leat_at(arg, 1), &b);
    if (ok) {
        leat_view x = leat_view_of(a), y = leat_view_of(b);
        *out = leat_new_bool(op == OP_lt ? less(x, y) : leat_equal(x, y));
    }
    leat_drop(a);
    leat_drop(b);
    return ok;
}

static bool eval_if(struct eval *e, leat_view arg, leat_value **out)
{
    leat_value *c = NULL;
    if (!eval(e, leat_at(arg, 0), &c)) {
        return false;
    }
    bool yes = graph_expr_true(leat_view_of(c));
    leat_drop(c);
    return eval(e, leat_at(arg, yes ? 1 : 2), out);
}

/* ---- lists -------------------------------------------------------------- */

static void drop_all(leat_value **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        leat_drop(items[i]);
    }
    free(items);
}

/* A list of `each` evaluated for every element of `over`; `each` missing:
 * of the elements themselves. */
static bool eval_each(struct eval *e, leat_view over, leat_view each,
                      leat_value **out)
{
    leat_value **items = base_zalloc((leat_count(over) + 1) * sizeof *items);
    leat_view outer = e->item;
    bool map = leat_type_of(each) != LEAT_MISSING, ok = true;
    size_t n = 0;
    for (leat_iter it = leat_iter_of(over); ok && leat_next(&it);) {
        leat_value *v = NULL;
        if (map) {
            e->item = it.item;
        }
        ok = eval(e, map ? each : it.item, &v);
        if (ok) {
            items[n++] = or_null(v);
        }
    }
    e->item = outer;
    if (!ok) {
        drop_all(items, n);
        return false;
    }
    *out = leat_new_list(n, items);
    free(items);
    return true;
}

static bool eval_map(struct eval *e, leat_view arg, leat_value **out)
{
    leat_value *over = NULL;
    if (!eval(e, leat_at(arg, 0), &over)) {
        return false;
    }
    enum leat_type type = leat_type_of(leat_view_of(over));
    bool ok = true;
    if (type == LEAT_LIST) {
        ok = eval_each(e, leat_view_of(over), leat_at(arg, 1), out);
    } else if (type == LEAT_MISSING || type == LEAT_NULL) {
        *out = leat_new_list(0, NULL);
    } else {
        ok = err_set(e->err, ERR_GRAPH, "$map over %s",
                     type_name(leat_view_of(over)));
    }
    leat_drop(over);
    return ok;
}

/* Operators that look at one evaluated operand. */
static leat_value *look_at(enum graph_op op, leat_view v)
{
    leat_view last = leat_at(v, -1);
    switch (op) {
    case OP_len:
        return leat_new_int((int64_t)leat_count(v));
    case OP_last:
        return leat_value_of(last);
    case OP_last_has_tool_calls:
        return leat_new_bool(leat_count(leat_get(last, "tool_calls")) > 0);
    default:
        return leat_overwrite(leat_value_of(v));
    }
}

static bool eval_look(struct eval *e, enum graph_op op, leat_view arg,
                      leat_value **out)
{
    leat_value *v = NULL;
    if (!eval(e, arg, &v)) {
        return false;
    }
    if (op == OP_overwrite) {
        *out = leat_overwrite(or_null(v));
        return true;
    }
    *out = look_at(op, leat_view_of(v));
    leat_drop(v);
    return true;
}

/* ---- routing and messages ----------------------------------------------- */

static bool eval_send(struct eval *e, leat_view arg, leat_value **out)
{
    leat_value *v = NULL;
    if (!eval(e, leat_get(arg, "arg"), &v)) {
        return false;
    }
    leat_text node = leat_string(leat_get(arg, "node"));
    char *name = base_memdup(node.ptr, node.len);
    *out = leat_send(name, or_null(v));
    free(name);
    return true;
}

static bool eval_command(struct eval *e, leat_view arg, leat_value **out)
{
    static const char *const fields[] = {"update", "goto", "resume"};
    const char *keys[4];
    leat_value *items[4];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        leat_view field = leat_get(arg, fields[i]);
        if (leat_type_of(field) == LEAT_MISSING) {
            continue;
        }
        leat_value *v = NULL;
        if (!eval(e, field, &v)) {
            while (n > 0) {
                leat_drop(items[--n]);
            }
            return false;
        }
        keys[n] = fields[i];
        items[n++] = or_null(v);
    }
    if (leat_is(leat_get(arg, "graph"), "PARENT")) {
        keys[n] = "graph";
        items[n++] = leat_new_string("__parent__");
    }
    *out = leat_tagged(leat_new_object(n, keys, items), LEAT_COMMAND);
    return true;
}

static bool eval_msg(struct eval *e, leat_view arg, leat_value **out)
{
    leat_value *fields = NULL;
    if (!eval(e, arg, &fields)) {
        return false;
    }
    leat_value *message = leat_message_from(fields);
    if (message == NULL) {
        return err_set(e->err, ERR_GRAPH, "$msg of no known message type");
    }
    *out = message;
    return true;
}

/* ---- the evaluator ------------------------------------------------------ */

static bool eval_op(struct eval *e, enum graph_op op, leat_view arg,
                    leat_value **out)
{
    const struct graph_scope *s = e->scope;
    switch (op) {
    case OP_state:
        *out = leat_value_of(walk_path(s->state, arg));
        return true;
    case OP_item:
        *out = leat_value_of(walk_path(e->item, arg));
        return true;
    case OP_var:
        *out = leat_value_of(walk_vars(s->vars, leat_string(arg)));
        return true;
    case OP_calls:
        *out = leat_new_int(s->calls ? s->calls(s->arg, leat_string(arg)) : 0);
        return true;
    case OP_lit:
        *out = leat_value_of(arg);
        return true;
    case OP_add:
    case OP_mul:
    case OP_concat:
        return eval_fold(e, op, arg, out);
    case OP_lt:
    case OP_eq:
        return eval_compare(e, op, arg, out);
    case OP_if:
        return eval_if(e, arg, out);
    case OP_map:
        return eval_map(e, arg, out);
    case OP_len:
    case OP_last:
    case OP_last_has_tool_calls:
    case OP_overwrite:
        return eval_look(e, op, arg, out);
    case OP_send:
        return eval_send(e, arg, out);
    case OP_command:
        return eval_command(e, arg, out);
    case OP_msg:
        return eval_msg(e, arg, out);
    case OP_COUNT:
        break;
    }
    return err_set(e->err, ERR_GRAPH, "unknown operator");
}

static bool eval_object(struct eval *e, leat_view t, leat_value **out)
{
    size_t room = leat_count(t) + 1, n = 0;
    leat_value **items = base_zalloc(room * sizeof *items);
    char **keys = base_zalloc(room * sizeof *keys);
    bool ok = true;
    for (leat_iter it = leat_iter_of(t); ok && leat_next(&it);) {
        leat_value *v = NULL;
        ok = eval(e, it.item, &v);
        if (ok && v != NULL) { /* what is nowhere leaves its key out */
            keys[n] = base_memdup(it.key.ptr, it.key.len);
            items[n++] = v;
        }
    }
    if (ok) {
        *out = leat_new_object(n, (const char *const *)keys, items);
        free(items);
    } else {
        drop_all(items, n);
    }
    for (size_t i = 0; i < n; i++) {
        free(keys[i]);
    }
    free(keys);
    return ok;
}

static bool eval(struct eval *e, leat_view t, leat_value **out)
{
    if (e->depth >= GRAPH_EXPR_DEPTH_MAX) {
        return err_set(e->err, ERR_GRAPH, "expression nested too deep");
    }
    leat_view arg;
    leat_text name;
    int op = graph_expr_op_find(t, &arg, &name);
    bool ok = true;
    e->depth++;
    if (op >= 0) {
        ok = eval_op(e, (enum graph_op)op, arg, out);
    } else if (leat_type_of(t) == LEAT_LIST) {
        ok = eval_each(e, t, (leat_view){0}, out);
    } else if (leat_type_of(t) == LEAT_OBJECT) {
        ok = eval_object(e, t, out);
    } else {
        *out = leat_value_of(t);
    }
    e->depth--;
    return ok;
}

bool graph_expr_eval(leat_view expr, const struct graph_scope *scope,
                     leat_value **out, struct err *err)
{
    must(scope != NULL && out != NULL);
    *out = NULL;
    struct eval e = {scope, scope->item, 0, err};
    return eval(&e, expr, out);
}

