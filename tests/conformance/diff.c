/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff.c: prints where two trees differ, for people: the path, what was
 * expected, what there is.
 */
#include "tests/conformance/compare.h"

#include "common/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 300 /* characters of a value */

struct diff {
    struct buf path;
    size_t count, limit;
};

static void show(const char *label, const tree *t)
{
    char *text = tree_to_json(t);
    printf("      %-9s %.*s%s\n", label, SHOWN_MAX, text,
           strlen(text) > SHOWN_MAX ? "..." : "");
    free(text);
}

static void report(struct diff *d, const tree *expected, const tree *got)
{
    if (d->count++ < d->limit) {
        printf("    %s\n", buf_text(&d->path));
        show("expected", expected);
        show("got", got);
    }
}

static void walk(struct diff *d, const tree *a, const tree *b);

static void walk_at(struct diff *d, const char *step, const tree *a,
                    const tree *b)
{
    size_t mark = d->path.len;
    bool ok = buf_puts(&d->path, step);
    must(ok);
    walk(d, a, b);
    buf_cut(&d->path, mark);
}

static void walk_object(struct diff *d, const tree *a, const tree *b)
{
    char step[300];
    for (size_t i = 0; i < a->count; i++) {
        (void)snprintf(step, sizeof step, ".%s", a->keys[i]);
        walk_at(d, step, a->items[i], tree_get(b, a->keys[i]));
    }
    for (size_t i = 0; i < b->count; i++) {
        if (tree_get(a, b->keys[i]) == NULL) {
            (void)snprintf(step, sizeof step, ".%s", b->keys[i]);
            walk_at(d, step, NULL, b->items[i]);
        }
    }
}

static void walk_list(struct diff *d, const tree *a, const tree *b)
{
    size_t n = a->count > b->count ? a->count : b->count;
    char step[40];
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(step, sizeof step, "[%zu]", i);
        walk_at(d, step, tree_at(a, i), tree_at(b, i));
    }
}

/* An event of another mode or namespace: the whole of it, not its parts. */
static bool other_event(const tree *a, const tree *b)
{
    bool events = tree_count(a) == 3 && tree_count(b) == 3 &&
                  a->type == TREE_LIST && tree_string(tree_at(a, 1)) != NULL;
    return events && (!tree_equal(tree_at(a, 1), tree_at(b, 1)) ||
                      !tree_equal(tree_at(a, 0), tree_at(b, 0)));
}

static void walk(struct diff *d, const tree *a, const tree *b)
{
    if (tree_equal(a, b)) {
        return;
    }
    if (a == NULL || b == NULL || a->type != b->type || other_event(a, b)) {
        report(d, a, b);
    } else if (a->type == TREE_OBJECT) {
        walk_object(d, a, b);
    } else if (a->type == TREE_LIST) {
        walk_list(d, a, b);
    } else {
        report(d, a, b);
    }
}

size_t compare_diff(const tree *expected, const tree *got, size_t limit)
{
    struct diff d = {.limit = limit};
    buf_init(&d.path, 65536);
    bool ok = buf_puts(&d.path, "results");
    must(ok);
    walk(&d, expected, got);
    if (limit > 0 && d.count > limit) {
        printf("    and %zu more\n", d.count - limit);
    }
    buf_fini(&d.path);
    return d.count;
}
