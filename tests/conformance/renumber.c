/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renumber.c: replaces ids by numbers in the order in which they appear, so
 * that two runs of one thing are equal. Recorded ids are already numbers
 * (<uuid:3>), ours are real; both become #n.
 */
#include "tests/conformance/compare.h"

#include "common/buf.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct numbers {
    char **ids;
    size_t count, room;
};

static size_t number_of(struct numbers *n, const char *id, size_t len)
{
    for (size_t i = 0; i < n->count; i++) {
        if (strlen(n->ids[i]) == len && memcmp(n->ids[i], id, len) == 0) {
            return i + 1;
        }
    }
    if (n->count == n->room) {
        n->room = n->room == 0 ? 64 : n->room * 2;
        n->ids = base_realloc(n->ids, n->room * sizeof(char *));
    }
    n->ids[n->count++] = base_memdup(id, len);
    return n->count;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_uuid(const char *s)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_hex(s[i])) {
            return false;
        }
    }
    return true;
}

/* Length of the id at `s`, 0 when there is none. `before` is what stands in
 * front of it. */
static size_t id_length(const char *s, char before)
{
    if (strncmp(s, "<uuid:", 6) == 0 || strncmp(s, "<xxh3:", 6) == 0) {
        return strcspn(s, ">") + 1;
    }
    if (!is_hex(*s) || is_hex(before) || before == '-') {
        return 0;
    }
    if (is_uuid(s)) { /* those that the recorder kept as they are */
        bool kept = strncmp(s, "00000000-", 9) == 0 ||
                    strncmp(s, "11111111-", 9) == 0;
        return kept ? 0 : 36;
    }
    size_t n = 0;
    while (is_hex(s[n])) {
        n++;
    }
    return n == 32 && s[n] != '-' ? 32 : 0;
}

/* NULL when there is no id in it. */
static char *renumber_text(struct numbers *n, const char *text)
{
    struct buf out;
    bool any = false, ok = true;
    buf_init(&out, SIZE_MAX / 2);
    for (const char *s = text; *s != '\0' && ok;) {
        size_t len = id_length(s, s == text ? '\0' : s[-1]);
        if (len == 0) {
            ok = buf_putc(&out, *s++);
            continue;
        }
        ok = buf_printf(&out, "#%zu", number_of(n, s, len));
        any = true;
        s += len;
    }
    must(ok);
    size_t size = 0;
    char *done = any ? buf_take(&out, &size) : NULL;
    buf_fini(&out);
    return done;
}

/* Insertion: objects are small. */
static void sort_keys(tree *t)
{
    for (size_t i = 1; i < t->count; i++) {
        for (size_t k = i; k > 0 && strcmp(t->keys[k - 1], t->keys[k]) > 0;
             k--) {
            char *key = t->keys[k];
            tree *item = t->items[k];
            t->keys[k] = t->keys[k - 1];
            t->items[k] = t->items[k - 1];
            t->keys[k - 1] = key;
            t->items[k - 1] = item;
        }
    }
}

static void renumber(struct numbers *n, tree *t)
{
    if (t->type == TREE_STRING) {
        char *text = renumber_text(n, t->text);
        if (text != NULL) {
            free(t->text);
            t->text = text;
        }
        return;
    }
    for (size_t i = 0; t->type == TREE_OBJECT && i < t->count; i++) {
        char *key = renumber_text(n, t->keys[i]);
        if (key != NULL) {
            free(t->keys[i]);
            t->keys[i] = key;
        }
    }
    if (t->type == TREE_OBJECT) {
        sort_keys(t);
    }
    for (size_t i = 0; i < t->count; i++) {
        renumber(n, t->items[i]);
    }
}

static void forget(struct numbers *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->ids[i]);
    }
    free(n->ids);
    *n = (struct numbers){0};
}

void compare_renumber(tree *results)
{
    struct numbers n = {0};
    for (size_t i = 0; i < tree_count(results); i++) {
        tree *step = tree_take(tree_at(results, i), "step");
        if (tree_get(tree_at(results, i), "v2") != NULL) {
            forget(&n); /* was recorded and numbered by itself */
        }
        renumber(&n, tree_at(results, i));
        if (step != NULL) {
            tree_set(tree_at(results, i), "step", step);
        }
    }
    forget(&n);
}
