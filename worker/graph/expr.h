/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr.h: the expressions of declarative graphs. An expression is any JSON
 * value; an object whose only key begins with `$` is an operator, everything
 * else stands for itself with its elements evaluated. Knows values, nothing
 * of graphs or nodes.
 *
 * `$state` of a path that is not there is *missing*: it counts as the empty
 * list for $len and $map, as the empty text in $concat, and becomes null when
 * it lands in a list or an object.
 */
#ifndef GRAPH_EXPR_H
#define GRAPH_EXPR_H

#include "common/base.h"
#include "common/err.h"
#include "worker/graph/engine.h"

/* Deepest nesting of an expression. */
#define GRAPH_EXPR_DEPTH_MAX 64

/* The variables of one node execution; a later set replaces. */
struct graph_vars {
    size_t count, room;
    struct graph_var {
        char *name;
        leat_value *value;
    } *items;
};

/* Takes `value`; NULL counts as null. */
void graph_expr_vars_set(struct graph_vars *vars, leat_text name,
                    leat_value *value);
leat_view graph_expr_vars_get(const struct graph_vars *vars, leat_text name);
void graph_expr_vars_fini(struct graph_vars *vars);

/* What an expression can see. */
struct graph_scope {
    leat_view state;               /* $state; missing: has no keys */
    leat_view item;                /* $item; missing outside $map */
    const struct graph_vars *vars; /* $var; NULL: none */
    /* $calls: how often the body of `node` has begun; NULL: always 0. */
    int64_t (*calls)(void *arg, leat_text node);
    void *arg;
};

/*
 * *out: one reference, or NULL for missing. False when an operator was given
 * what it cannot work with (ERR_GRAPH, a sentence for the node's error).
 */
MUST_USE bool graph_expr_eval(leat_view expr, const struct graph_scope *scope,
                              leat_value **out, struct err *err);

/* Where in a description something is: "main.nodes.a.do[0].value". */
struct graph_place {
    char text[256]; /* cut where it does not fit */
    size_t len;     /* may be more than fits */
};

/* Goes down to a key (".key") or an element ("[3]"); gives where it was. */
size_t graph_expr_place_key(struct graph_place *at, leat_text key);
size_t graph_expr_place_index(struct graph_place *at, size_t index);
void graph_expr_place_back(struct graph_place *at, size_t mark);

/*
 * Looks for what could never be evaluated: unknown operators, operands of the
 * wrong number or shape. False with the reason in err; `at` then names the
 * place, else it is as before.
 */
MUST_USE bool graph_expr_check(leat_view expr, struct graph_place *at,
                               struct err *err);

/* Truth as expressions have it: missing, null, false, 0 and "" are false. */
bool graph_expr_true(leat_view v);

#endif
