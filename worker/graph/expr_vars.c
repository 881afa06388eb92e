/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr_vars.c: the variables of one node execution: a handful of names, so
 * they are kept in a list and looked for from the front.
 */
#include "worker/graph/expr.h"

#include <stdlib.h>
#include <string.h>

static struct graph_var *find_var(const struct graph_vars *vars,
                                  const char *name, size_t len)
{
    for (size_t i = 0; i < vars->count; i++) {
        struct graph_var *v = &vars->items[i];
        if (strlen(v->name) == len && memcmp(v->name, name, len) == 0) {
            return v;
        }
    }
    return NULL;
}

void graph_expr_vars_set(struct graph_vars *vars, leat_text name,
                    leat_value *value)
{
    must(name.ptr != NULL);
    if (value == NULL) {
        value = leat_new_null();
    }
    struct graph_var *v = find_var(vars, name.ptr, name.len);
    if (v != NULL) {
        leat_drop(v->value);
        v->value = value;
        return;
    }
    if (vars->count == vars->room) {
        vars->room = vars->room ? vars->room * 2 : 4;
        vars->items = base_realloc(vars->items,
                                   vars->room * sizeof *vars->items);
    }
    vars->items[vars->count++] =
        (struct graph_var){base_memdup(name.ptr, name.len), value};
}

leat_view graph_expr_vars_get(const struct graph_vars *vars, leat_text name)
{
    const struct graph_var *v =
        vars == NULL ? NULL : find_var(vars, name.ptr, name.len);
    return leat_view_of(v == NULL ? NULL : v->value);
}

void graph_expr_vars_fini(struct graph_vars *vars)
{
    for (size_t i = 0; i < vars->count; i++) {
        free(vars->items[i].name);
        leat_drop(vars->items[i].value);
    }
    free(vars->items);
    *vars = (struct graph_vars){0};
}
