/* SPDX-License-Identifier: Apache-2.0 */
/* graph/tool_args.c: see tool_args.h. */
#include "worker/graph/tool_args.h"
#include "common/base.h"
#include "worker/graph/tool_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16 /* schemas deeper than this are not looked into */
#define PATH_MAX_BYTES 512

/* Where a fault is: "place.0.name". */
struct path {
    char text[PATH_MAX_BYTES];
    size_t len;
};

struct check {
    struct buf *faults;
    struct path at;
    bool fits;
};

static void check_value(struct check *c, leat_view v, leat_view schema,
                        unsigned depth);

/* Longer paths than there is room for are cut. */
static size_t enter(struct path *p, leat_text name)
{
    size_t mark = p->len;
    size_t room = sizeof p->text - 2 - p->len;
    size_t n = min_size(name.len, room);
    if (p->len > 0) {
        p->text[p->len++] = '.';
        n = min_size(n, room - 1);
    }
    memcpy(p->text + p->len, name.ptr, n);
    p->len += n;
    p->text[p->len] = '\0';
    return mark;
}

static void leave(struct path *p, size_t mark)
{
    p->len = mark;
    p->text[mark] = '\0';
}

static void fault(struct check *c, const char *what)
{
    bool room = c->fits || buf_putc(c->faults, '\n');
    room = room && buf_printf(c->faults, "%s: %s", c->at.text, what);
    (void)room; /* at the cap the first faults say enough */
    c->fits = false;
}

/* ---- types --------------------------------------------------------------- */

static bool is_whole(leat_view v)
{
    double d = leat_double(v, 0.5);
    return leat_type_of(v) == LEAT_INT ||
           (leat_type_of(v) == LEAT_DOUBLE && d == floor(d));
}

static bool is_number(leat_view v)
{
    return leat_type_of(v) == LEAT_INT || leat_type_of(v) == LEAT_DOUBLE;
}

static bool is_string(leat_view v)
{
    return leat_type_of(v) == LEAT_STRING;
}

static bool is_bool(leat_view v)
{
    return leat_type_of(v) == LEAT_BOOL;
}

static bool is_list(leat_view v)
{
    return leat_type_of(v) == LEAT_LIST;
}

static bool is_object(leat_view v)
{
    return leat_type_of(v) == LEAT_OBJECT;
}

static bool is_null(leat_view v)
{
    return leat_type_of(v) == LEAT_NULL;
}

static const struct type {
    const char *name;
    bool (*is)(leat_view v);
    const char *fault;
} types[] = {
    {"string", is_string, "Input should be a valid string"},
    {"number", is_number, "Input should be a valid number"},
    {"integer", is_whole, "Input should be a valid integer"},
    {"boolean", is_bool, "Input should be a valid boolean"},
    {"array", is_list, "Input should be a valid list"},
    {"object", is_object, "Input should be a valid dictionary"},
    {"null", is_null, "Input should be None"},
};

/* NULL when it is of the type, or when we do not know such a type. */
static const char *type_fault(leat_view v, leat_view type)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (leat_is(type, types[i].name)) {
            return types[i].is(v) ? NULL : types[i].fault;
        }
    }
    return NULL;
}

static bool check_type(struct check *c, leat_view v, leat_view type)
{
    const char *what = NULL;
    if (leat_type_of(type) != LEAT_LIST) {
        what = type_fault(v, type);
    }
    for (leat_iter it = leat_iter_of(type); leat_next(&it);) {
        const char *other = type_fault(v, it.item);
        if (other == NULL) {
            return true;
        }
        what = what == NULL ? other : what;
    }
    if (what != NULL) {
        fault(c, what);
    }
    return what == NULL;
}

/* "Input should be 'a', 'b' or 'c'". */
static void check_enum(struct check *c, leat_view v, leat_view all)
{
    struct buf text;
    size_t n = leat_count(all);
    buf_init(&text, 4096);
    bool room = buf_puts(&text, "Input should be ");
    for (leat_iter it = leat_iter_of(all); leat_next(&it);) {
        if (leat_equal(v, it.item)) {
            buf_fini(&text);
            return;
        }
        const char *between = it.index == 0         ? ""
                              : it.index + 1 == n ? " or "
                                                  : ", ";
        room = room && buf_puts(&text, between) &&
               graph_tool_text_repr(&text, it.item);
    }
    fault(c, buf_text(&text));
    buf_fini(&text);
}

/* ---- values -------------------------------------------------------------- */

static void check_properties(struct check *c, leat_view v, leat_view schema,
                             unsigned depth)
{
    leat_view properties = leat_get(schema, "properties");
    leat_view required = leat_get(schema, "required");
    for (leat_iter it = leat_iter_of(properties); leat_next(&it);) {
        leat_view value = leat_get_n(v, it.key.ptr, it.key.len);
        size_t mark = enter(&c->at, it.key);
        bool needed = false;
        for (leat_iter r = leat_iter_of(required); leat_next(&r);) {
            leat_text name = leat_string(r.item);
            needed = needed || (name.ptr != NULL && name.len == it.key.len &&
                                memcmp(name.ptr, it.key.ptr, name.len) == 0);
        }
        if (leat_type_of(value) != LEAT_MISSING) {
            check_value(c, value, it.item, depth + 1);
        } else if (needed) {
            fault(c, "Field required");
        }
        leave(&c->at, mark);
    }
}

static void check_items(struct check *c, leat_view v, leat_view items,
                        unsigned depth)
{
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        char index[24];
        int n = snprintf(index, sizeof index, "%zu", it.index);
        size_t mark = enter(&c->at, (leat_text){index, (size_t)n});
        check_value(c, it.item, items, depth + 1);
        leave(&c->at, mark);
    }
}

static void check_value(struct check *c, leat_view v, leat_view schema,
                        unsigned depth)
{
    if (depth > DEPTH_MAX || !check_type(c, v, leat_get(schema, "type"))) {
        return;
    }
    if (is_list(leat_get(schema, "enum"))) {
        check_enum(c, v, leat_get(schema, "enum"));
    }
    if (is_object(v)) {
        check_properties(c, v, schema, depth);
    } else if (is_list(v) && is_object(leat_get(schema, "items"))) {
        check_items(c, v, leat_get(schema, "items"), depth);
    }
}

bool graph_tool_args_check(leat_view args, leat_view schema,
                           struct buf *faults)
{
    must(faults != NULL);
    struct check c = {.faults = faults, .fits = true};
    check_properties(&c, args, schema, 0);
    return c.fits;
}
