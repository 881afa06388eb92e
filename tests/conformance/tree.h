/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h: JSON that can be changed in place. Values of the product are
 * immutable on purpose; the runner rewrites what it compares many times over,
 * so it has this small tree of its own. A tree owns everything below it.
 */
#ifndef CONFORMANCE_TREE_H
#define CONFORMANCE_TREE_H

#include "common/base.h"
#include <leat/value.h>

enum tree_type {
    TREE_NULL,
    TREE_BOOL,
    TREE_INT,
    TREE_DOUBLE,
    TREE_STRING,
    TREE_LIST,
    TREE_OBJECT,
};

typedef struct tree {
    enum tree_type type;
    bool flag;            /* TREE_BOOL */
    int64_t whole;        /* TREE_INT */
    double number;        /* TREE_DOUBLE */
    char *text;           /* TREE_STRING */
    size_t count, room;
    struct tree **items;  /* TREE_LIST, TREE_OBJECT */
    char **keys;          /* TREE_OBJECT */
} tree;

tree *tree_null(void);
tree *tree_text(const char *text);
tree *tree_list(void);
tree *tree_object(void);
tree *tree_from_view(leat_view v);
/* NULL and a message on standard error when it is no JSON file. */
tree *tree_read_file(const char *path);
tree *tree_copy(const tree *t);
void tree_destroy(tree **t);
leat_value *tree_to_value(const tree *t);
/* Compact JSON; the caller frees it. */
char *tree_to_json(const tree *t);

/* NULL when there is none; all of them take NULL for `t`. */
tree *tree_get(const tree *t, const char *key);
tree *tree_at(const tree *t, size_t index);
size_t tree_count(const tree *t);
bool tree_is(const tree *t, const char *text);
const char *tree_string(const tree *t); /* NULL when it is no string */
bool tree_is_empty(const tree *t);      /* a list or object of nothing */
bool tree_equal(const tree *a, const tree *b); /* key order aside */

/* Take `item`; replace what is there. */
void tree_set(tree *t, const char *key, tree *item);
void tree_push(tree *list, tree *item);
void tree_insert(tree *list, size_t index, tree *item);
/* By the text that `key` makes of each item; it is freed here. */
void tree_sort(tree *list, char *(*key)(const tree *item));
void tree_replace(tree *t, tree *with); /* in place; takes `with` */
void tree_set_text(tree *t, const char *text);
void tree_rename(tree *t, const char *from, const char *to);
/* Take out: the caller owns the result; NULL when there was none. */
tree *tree_take(tree *t, const char *key);
tree *tree_take_at(tree *list, size_t index);
void tree_drop(tree *t, const char *key);
void tree_drop_at(tree *list, size_t index);

#endif
