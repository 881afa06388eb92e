/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr_op.h: the table of operators, between the two files that read
 * expressions: the evaluator and the checker.
 */
#ifndef GRAPH_EXPR_OP_H
#define GRAPH_EXPR_OP_H

#include "worker/graph/expr.h"

enum graph_op {
#define OP(name, operand, gives) OP_##name,
#include "worker/graph/expr.tbl.h"
#undef OP
    OP_COUNT
};

/* What an operand must look like. */
enum graph_operand {
    OPERAND_TEXT,    /* a string (or true: all of it) */
    OPERAND_ANY,     /* an expression */
    OPERAND_LIST,    /* a list of expressions, not empty */
    OPERAND_PAIR,    /* a list of two */
    OPERAND_TRIPLE,  /* a list of three */
    OPERAND_SEND,    /* {"node": text, "arg": expression} */
    OPERAND_COMMAND, /* an object of expressions */
    OPERAND_RAW,     /* anything, not looked into */
};

struct graph_op_row {
    const char *name; /* without the `$` */
    enum graph_operand operand;
};
extern const struct graph_op_row graph_ops[OP_COUNT];

/* The operator that `t` is, with its operand and name: OP_COUNT when it is
 * one we do not have, -1 when `t` stands for itself. */
int graph_expr_op_find(leat_view t, leat_view *arg, leat_text *name);

#endif
