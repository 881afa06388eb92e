/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr_check.c: looks through the expressions of a description before it is
 * run, and names the place of what is wrong. Owns the table of operators.
 */
#include "worker/graph/expr_op.h"

#include <stdio.h>
#include <string.h>

const struct graph_op_row graph_ops[OP_COUNT] = {
#define OP(name, operand, gives) {#name, OPERAND_##operand},
#include "worker/graph/expr.tbl.h"
#undef OP
};

int graph_expr_op_find(leat_view t, leat_view *arg, leat_text *name)
{
    if (leat_type_of(t) != LEAT_OBJECT || leat_count(t) != 1) {
        return -1;
    }
    leat_iter it = leat_iter_of(t);
    if (!leat_next(&it) || it.key.len < 1 || it.key.ptr[0] != '$') {
        return -1;
    }
    *arg = it.item;
    *name = (leat_text){it.key.ptr + 1, it.key.len - 1};
    for (int i = 0; i < OP_COUNT; i++) {
        if (strlen(graph_ops[i].name) == name->len &&
            memcmp(graph_ops[i].name, name->ptr, name->len) == 0) {
            return i;
        }
    }
    return OP_COUNT;
}

/* ---- places ------------------------------------------------------------- */

static size_t place_add(struct graph_place *at, const char *text, size_t len)
{
    size_t mark = at->len;
    if (at->len + 1 < sizeof at->text) {
        size_t fits = min_size(len, sizeof at->text - 1 - at->len);
        memcpy(at->text + at->len, text, fits);
        at->text[at->len + fits] = '\0';
    }
    at->len += len;
    return mark;
}

size_t graph_expr_place_key(struct graph_place *at, leat_text key)
{
    size_t mark = at->len;
    if (at->len > 0) {
        place_add(at, ".", 1);
    }
    place_add(at, key.ptr, key.len);
    return mark;
}

size_t graph_expr_place_index(struct graph_place *at, size_t index)
{
    char text[32];
    int n = snprintf(text, sizeof text, "[%zu]", index);
    must(n > 0);
    return place_add(at, text, (size_t)n);
}

void graph_expr_place_back(struct graph_place *at, size_t mark)
{
    must(mark <= at->len);
    at->len = mark;
    at->text[min_size(mark, sizeof at->text - 1)] = '\0';
}

/* ---- checking ----------------------------------------------------------- */

static bool check(leat_view t, unsigned depth, struct graph_place *at,
                  struct err *err);

bool graph_expr_check(leat_view expr, struct graph_place *at,
                      struct err *err)
{
    must(at != NULL);
    return check(expr, 0, at, err);
}

static bool check_elements(leat_view t, unsigned depth,
                           struct graph_place *at, struct err *err)
{
    for (leat_iter it = leat_iter_of(t); leat_next(&it);) {
        size_t mark = it.key.ptr != NULL ? graph_expr_place_key(at, it.key)
                                         : graph_expr_place_index(at, it.index);
        if (!check(it.item, depth, at, err)) {
            return false;
        }
        graph_expr_place_back(at, mark);
    }
    return true;
}

/* What is wrong with the operand's own shape; its parts come afterwards. */
static const char *operand_fault(enum graph_operand operand, leat_view arg)
{
    enum leat_type type = leat_type_of(arg);
    size_t n = type == LEAT_LIST ? leat_count(arg) : 0;
    switch (operand) {
    case OPERAND_TEXT:
        return type == LEAT_STRING || leat_true(arg) ? NULL : "takes a text";
    case OPERAND_LIST:
        return n > 0 ? NULL : "takes a list of at least one";
    case OPERAND_PAIR:
        return n == 2 ? NULL : "takes a list of two";
    case OPERAND_TRIPLE:
        return n == 3 ? NULL : "takes a list of three";
    case OPERAND_SEND:
        return leat_type_of(leat_get(arg, "node")) == LEAT_STRING
                   ? NULL
                   : "takes {node, arg}";
    case OPERAND_COMMAND:
        return type == LEAT_OBJECT ? NULL : "takes an object";
    case OPERAND_ANY:
    case OPERAND_RAW:
        break;
    }
    return NULL;
}

static bool check_op(int op, leat_view arg, unsigned depth,
                     struct graph_place *at, struct err *err)
{
    const char *fault = operand_fault(graph_ops[op].operand, arg);
    if (fault != NULL) {
        return err_set(err, ERR_GRAPH, "$%s %s", graph_ops[op].name, fault);
    }
    switch (graph_ops[op].operand) {
    case OPERAND_RAW:
    case OPERAND_TEXT:
        return true;
    case OPERAND_ANY:
        return check(arg, depth, at, err);
    default: /* the operand's own object or list is no expression */
        return check_elements(arg, depth, at, err);
    }
}

static bool check(leat_view t, unsigned depth, struct graph_place *at,
                  struct err *err)
{
    leat_view arg;
    leat_text name;
    if (depth >= GRAPH_EXPR_DEPTH_MAX) {
        return err_set(err, ERR_GRAPH, "nested too deep");
    }
    int op = graph_expr_op_find(t, &arg, &name);
    if (op < 0) {
        return check_elements(t, depth + 1, at, err);
    }
    if (op == OP_COUNT) {
        return err_set(err, ERR_GRAPH, "unknown operator $%.*s",
                       (int)min_size(name.len, 64), name.ptr);
    }
    leat_text key = {name.ptr - 1, name.len + 1};
    size_t mark = graph_expr_place_key(at, key);
    if (!check_op(op, arg, depth + 1, at, err)) {
        return false;
    }
    graph_expr_place_back(at, mark);
    return true;
}
