/* SPDX-License-Identifier: Apache-2.0 */
/* extract.c: see extract.h. A path is names, with dots between, and [n]; a
 * negative n counts from the end. */
#include "gateway/extract.h"

#include <stdio.h>
#include <string.h>

#include "gateway/check.h"

#define PATHS_MAX 10
#define INDEX_DIGITS 9

/* One step of a path: a name, or an index. */
struct step {
    leat_text name; /* ptr NULL: an index */
    long index;
};

/* Reads "[-12]" at *at; false when it is not one. */
static bool next_index(leat_text *at, struct step *out)
{
    size_t i = 1;
    bool below = i < at->len && at->ptr[i] == '-';
    i += below;
    size_t first = i;
    long n = 0;
    while (i < at->len && at->ptr[i] >= '0' && at->ptr[i] <= '9' &&
           i - first < INDEX_DIGITS) {
        n = n * 10 + (at->ptr[i++] - '0');
    }
    if (i == first || i == at->len || at->ptr[i] != ']') {
        return false;
    }
    *out = (struct step){.index = below ? -n : n};
    at->ptr += i + 1;
    at->len -= i + 1;
    return true;
}

static bool next_name(leat_text *at, struct step *out)
{
    size_t n = 0;
    while (n < at->len && at->ptr[n] != '.' && at->ptr[n] != '[') {
        n++;
    }
    *out = (struct step){.name = {at->ptr, n}};
    at->ptr += n;
    at->len -= n;
    return n > 0;
}

/* The next step; false at the end, and then *bad tells a broken path. */
static bool next_step(leat_text *at, bool first, struct step *out, bool *bad)
{
    *bad = false;
    if (at->len == 0) {
        return false;
    }
    if (!first && at->ptr[0] == '[') {
        *bad = !next_index(at, out);
        return !*bad;
    }
    if (!first) {
        *bad = at->ptr[0] != '.';
        at->ptr++;
        at->len--;
    }
    *bad = *bad || !next_name(at, out);
    return !*bad;
}

static bool is_root(leat_text name)
{
    static const char *const roots[] = {"values", "metadata", "config",
                                        "interrupts"};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        if (strlen(roots[i]) == name.len &&
            memcmp(roots[i], name.ptr, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_path(leat_text text)
{
    struct step step;
    bool bad = false;
    if (text.ptr == NULL || !next_step(&text, true, &step, &bad) ||
        !is_root(step.name)) {
        return false;
    }
    while (next_step(&text, false, &step, &bad)) {
    }
    return !bad;
}

bool gw_extract_check(leat_view v, const char *path, struct err *err)
{
    if (leat_type_of(v) != LEAT_OBJECT || leat_count(v) > PATHS_MAX) {
        return gw_check_wrong(err, path, "an object of at most 10 paths");
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        if (!is_path(leat_string(it.item))) {
            char place[160];
            (void)snprintf(place, sizeof(place), "%.40s.%.*s", path,
                           (int)min_size(it.key.len, 100), it.key.ptr);
            return gw_check_wrong(err, place,
                                  "a path such as values.messages[-1], "
                                  "beginning with values, metadata, config or "
                                  "interrupts");
        }
    }
    return true;
}

static leat_view at_step(leat_view v, const struct step *step)
{
    leat_view none = {NULL, NULL};
    if (step->name.ptr != NULL) {
        return leat_type_of(v) == LEAT_OBJECT
                   ? leat_get_n(v, step->name.ptr, step->name.len)
                   : none;
    }
    return leat_type_of(v) == LEAT_LIST ? leat_at(v, step->index) : none;
}

leat_value *gw_extract(leat_view from, leat_view paths)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (leat_iter it = leat_iter_of(paths); leat_next(&it);) {
        leat_text text = leat_string(it.item);
        leat_view v = from;
        struct step step;
        bool bad = false;
        for (bool first = true; next_step(&text, first, &step, &bad);
             first = false) {
            v = at_step(v, &step);
        }
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, v);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}
