/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c: the runner's changeable JSON. Trees are small (a trace is some
 * hundred kilobytes) and live as long as one file is compared, so lookups
 * are linear and nothing is shared.
 */
#include "tests/conformance/tree.h"

#include "common/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tree *make(enum tree_type type)
{
    tree *t = base_zalloc(sizeof *t);
    t->type = type;
    return t;
}

tree *tree_null(void)
{
    return make(TREE_NULL);
}

tree *tree_text(const char *text)
{
    tree *t = make(TREE_STRING);
    t->text = base_strdup(text);
    return t;
}

tree *tree_list(void)
{
    return make(TREE_LIST);
}

tree *tree_object(void)
{
    return make(TREE_OBJECT);
}

/* ---- in and out --------------------------------------------------------- */

static tree *from_scalar(leat_view v)
{
    tree *t = make(TREE_NULL);
    leat_text text = leat_string(v);
    switch (leat_type_of(v)) {
    case LEAT_BOOL:
        t->type = TREE_BOOL;
        t->flag = leat_bool(v, false);
        break;
    case LEAT_INT:
        t->type = TREE_INT;
        t->whole = leat_int(v, 0);
        break;
    case LEAT_DOUBLE:
        t->type = TREE_DOUBLE;
        t->number = leat_double(v, 0);
        break;
    case LEAT_STRING:
        t->type = TREE_STRING;
        t->text = base_memdup(text.ptr, text.len);
        break;
    default:
        break;
    }
    return t;
}

tree *tree_from_view(leat_view v)
{
    if (leat_type_of(v) != LEAT_LIST && leat_type_of(v) != LEAT_OBJECT) {
        return from_scalar(v);
    }
    tree *t = leat_type_of(v) == LEAT_LIST ? tree_list() : tree_object();
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        tree *item = tree_from_view(it.item);
        if (t->type == TREE_LIST) {
            tree_push(t, item);
        } else {
            char *key = base_memdup(it.key.ptr, it.key.len);
            tree_set(t, key, item);
            free(key);
        }
    }
    return t;
}

static char *read_all(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return NULL;
    }
    char *text = NULL;
    size_t room = 0;
    *size = 0;
    for (size_t n = 1; n > 0; *size += n) {
        if (*size + 65536 > room) {
            room = room * 2 + 131072;
            text = base_realloc(text, room);
        }
        n = fread(text + *size, 1, 65536, f);
    }
    (void)fclose(f);
    return text;
}

tree *tree_read_file(const char *path)
{
    size_t size = 0;
    struct err err = ERR_INIT;
    leat_value *v = NULL;
    char *text = read_all(path, &size);
    tree *t = NULL;
    if (text == NULL) {
        return NULL;
    }
    if (json_parse(text, size, NULL, &v, &err)) {
        t = tree_from_view(leat_view_of(v));
    } else {
        fprintf(stderr, "%s: %s\n", path, err.text);
    }
    leat_drop(v);
    free(text);
    return t;
}

static void write_into(const tree *t, leat_writer *w)
{
    switch (t->type) {
    case TREE_NULL:
        leat_write_null(w);
        return;
    case TREE_BOOL:
        leat_write_bool(w, t->flag);
        return;
    case TREE_INT:
        leat_write_int(w, t->whole);
        return;
    case TREE_DOUBLE:
        leat_write_double(w, t->number);
        return;
    case TREE_STRING:
        leat_write_string(w, t->text);
        return;
    case TREE_LIST:
        leat_write_list(w);
        break;
    case TREE_OBJECT:
        leat_write_object(w);
        break;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (t->type == TREE_OBJECT) {
            leat_write_key(w, t->keys[i]);
        }
        write_into(t->items[i], w);
    }
    leat_write_end(w);
}

leat_value *tree_to_value(const tree *t)
{
    leat_writer *w = leat_writer_new();
    write_into(t, w);
    return leat_writer_finish(&w);
}

char *tree_to_json(const tree *t)
{
    if (t == NULL) {
        return base_strdup("(nothing)");
    }
    leat_value *v = tree_to_value(t);
    char *text = leat_to_json(leat_view_of(v));
    char *copy = base_strdup(text);
    leat_free_text(text);
    leat_drop(v);
    return copy;
}

tree *tree_copy(const tree *t)
{
    tree *copy = make(t->type);
    copy->flag = t->flag;
    copy->whole = t->whole;
    copy->number = t->number;
    copy->text = t->text == NULL ? NULL : base_strdup(t->text);
    for (size_t i = 0; i < t->count; i++) {
        if (t->type == TREE_OBJECT) {
            tree_set(copy, t->keys[i], tree_copy(t->items[i]));
        } else {
            tree_push(copy, tree_copy(t->items[i]));
        }
    }
    return copy;
}

static void empty(tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        tree_destroy(&t->items[i]);
        if (t->keys != NULL) {
            free(t->keys[i]);
        }
    }
    free(t->items);
    free(t->keys);
    free(t->text);
}

void tree_destroy(tree **t)
{
    if (*t == NULL) {
        return;
    }
    empty(*t);
    free(*t);
    *t = NULL;
}

/* ---- reading ------------------------------------------------------------ */

static size_t find(const tree *t, const char *key)
{
    size_t i = 0;
    if (t == NULL || t->type != TREE_OBJECT) {
        return SIZE_MAX;
    }
    while (i < t->count && strcmp(t->keys[i], key) != 0) {
        i++;
    }
    return i < t->count ? i : SIZE_MAX;
}

tree *tree_get(const tree *t, const char *key)
{
    size_t i = find(t, key);
    return i == SIZE_MAX ? NULL : t->items[i];
}

tree *tree_at(const tree *t, size_t index)
{
    bool has = t != NULL && index < t->count;
    return has ? t->items[index] : NULL;
}

size_t tree_count(const tree *t)
{
    return t == NULL ? 0 : t->count;
}

bool tree_is(const tree *t, const char *text)
{
    return t != NULL && t->type == TREE_STRING && strcmp(t->text, text) == 0;
}

const char *tree_string(const tree *t)
{
    return t != NULL && t->type == TREE_STRING ? t->text : NULL;
}

bool tree_is_empty(const tree *t)
{
    return t != NULL && t->count == 0 &&
           (t->type == TREE_LIST || t->type == TREE_OBJECT);
}

static bool equal_items(const tree *a, const tree *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const tree *other = a->type == TREE_LIST ? b->items[i]
                                                 : tree_get(b, a->keys[i]);
        if (other == NULL || !tree_equal(a->items[i], other)) {
            return false;
        }
    }
    return true;
}

bool tree_equal(const tree *a, const tree *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (a->type != b->type) {
        double x = a->type == TREE_INT ? (double)a->whole : a->number;
        double y = b->type == TREE_INT ? (double)b->whole : b->number;
        bool numbers = (a->type == TREE_INT || a->type == TREE_DOUBLE) &&
                       (b->type == TREE_INT || b->type == TREE_DOUBLE);
        return numbers && x == y;
    }
    switch (a->type) {
    case TREE_BOOL:
        return a->flag == b->flag;
    case TREE_INT:
        return a->whole == b->whole;
    case TREE_DOUBLE:
        return a->number == b->number;
    case TREE_STRING:
        return strcmp(a->text, b->text) == 0;
    case TREE_LIST:
    case TREE_OBJECT:
        return equal_items(a, b);
    case TREE_NULL:
        break;
    }
    return true;
}

/* ---- changing ----------------------------------------------------------- */

static void grow(tree *t)
{
    if (t->count < t->room) {
        return;
    }
    t->room = t->room == 0 ? 4 : t->room * 2;
    t->items = base_realloc(t->items, t->room * sizeof(tree *));
    if (t->type == TREE_OBJECT) {
        t->keys = base_realloc(t->keys, t->room * sizeof(char *));
    }
}

void tree_set(tree *t, const char *key, tree *item)
{
    must(t->type == TREE_OBJECT && item != NULL);
    size_t i = find(t, key);
    if (i != SIZE_MAX) {
        tree_destroy(&t->items[i]);
        t->items[i] = item;
        return;
    }
    grow(t);
    t->keys[t->count] = base_strdup(key);
    t->items[t->count++] = item;
}

void tree_insert(tree *list, size_t index, tree *item)
{
    must(list->type == TREE_LIST && index <= list->count && item != NULL);
    grow(list);
    memmove(list->items + index + 1, list->items + index,
            (list->count - index) * sizeof(tree *));
    list->items[index] = item;
    list->count++;
}

void tree_push(tree *list, tree *item)
{
    tree_insert(list, list->count, item);
}

void tree_sort(tree *list, char *(*key)(const tree *item))
{
    for (size_t i = 1; i < tree_count(list); i++) {
        for (size_t k = i; k > 0; k--) {
            char *a = key(list->items[k - 1]);
            char *b = key(list->items[k]);
            if (strcmp(a, b) > 0) {
                tree *swap = list->items[k];
                list->items[k] = list->items[k - 1];
                list->items[k - 1] = swap;
            }
            free(a);
            free(b);
        }
    }
}

void tree_replace(tree *t, tree *with)
{
    empty(t);
    *t = *with;
    free(with);
}

void tree_set_text(tree *t, const char *text)
{
    tree_replace(t, tree_text(text));
}

void tree_rename(tree *t, const char *from, const char *to)
{
    size_t i = find(t, from);
    if (i != SIZE_MAX) {
        free(t->keys[i]);
        t->keys[i] = base_strdup(to);
    }
}

static tree *take(tree *t, size_t i)
{
    tree *item = t->items[i];
    t->count--;
    memmove(t->items + i, t->items + i + 1,
            (t->count - i) * sizeof(tree *));
    if (t->type == TREE_OBJECT) {
        free(t->keys[i]);
        memmove(t->keys + i, t->keys + i + 1,
                (t->count - i) * sizeof(char *));
    }
    return item;
}

tree *tree_take(tree *t, const char *key)
{
    size_t i = find(t, key);
    return i == SIZE_MAX ? NULL : take(t, i);
}

tree *tree_take_at(tree *list, size_t index)
{
    must(list->type == TREE_LIST && index < list->count);
    return take(list, index);
}

void tree_drop(tree *t, const char *key)
{
    tree *item = tree_take(t, key);
    tree_destroy(&item);
}

void tree_drop_at(tree *list, size_t index)
{
    tree *item = tree_take_at(list, index);
    tree_destroy(&item);
}
