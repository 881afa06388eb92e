/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A term is a name-based UUID of a scalar's way through objects and lists and
 * of the scalar itself, so that equal places have equal terms whatever their
 * length (1 and 1.0 are equal, as they are for leat_equal).
 */
#include "common/store/terms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TERMS_MAX 1000 /* of one thread */

/* Our own name space; its value means nothing. */
static const struct id space = {{0x6c, 0x65, 0x61, 0x74, 0x2d, 0x74, 0x45, 0x72,
                                 0x8d, 0x73, 0x2d, 0x76, 0x31, 0x00, 0x00,
                                 0x01}};

struct walk {
    struct buf way; /* from the root to here */
    struct store_rows found;
    bool exact;
    bool over;
};

/* Text, so that the index does not depend on the machine that made it. */
static void put(struct walk *w, char kind, const void *bytes, size_t len)
{
    must(buf_printf(&w->way, "%c%zu:", kind, len));
    must(buf_append(&w->way, bytes, len));
}

static void put_number(struct walk *w, leat_view v)
{
    /* Two fallbacks that agree: it was not the fallback. */
    int64_t whole = leat_int(v, 1);
    uint64_t large = leat_uint(v, 1);
    if (whole == leat_int(v, 2)) {
        must(buf_printf(&w->way, "i%" PRId64, whole));
    } else if (large == leat_uint(v, 2)) {
        must(buf_printf(&w->way, "i%" PRIu64, large));
    } else {
        must(buf_printf(&w->way, "d%.17g", leat_double(v, 0)));
    }
}

static void put_scalar(struct walk *w, leat_view v)
{
    enum leat_type type = leat_type_of(v);
    leat_text text = leat_string(v);
    if (type == LEAT_STRING) {
        put(w, 's', text.ptr, text.len);
    } else if (type == LEAT_INT || type == LEAT_DOUBLE) {
        put_number(w, v);
    } else if (type == LEAT_BOOL) {
        put(w, leat_bool(v, false) ? 't' : 'f', "", 0);
    } else if (type == LEAT_NULL) {
        put(w, 'n', "", 0);
    } else {
        leat_text bytes = leat_bytes(v);
        put(w, 'b', bytes.ptr == NULL ? "" : bytes.ptr, bytes.len);
    }
}

static void add_term(struct walk *w)
{
    w->over = w->over || w->found.n == TERMS_MAX;
    if (!w->over) {
        *(struct id *)store_rows_add(&w->found, sizeof(struct id)) =
            id_uuid5(&space, w->way.data, w->way.len);
    }
}

/* Lists lose which of their elements a term was in, and empty ones have no
 * terms: then having all terms is not enough. */
static void visit(struct walk *w, leat_view v, unsigned depth)
{
    enum leat_type type = leat_type_of(v);
    size_t here = w->way.len;
    bool nests = type == LEAT_OBJECT || type == LEAT_LIST;
    if (depth > LEAT_DEPTH_MAX || w->over) {
        w->exact = false;
        return;
    }
    if (!nests) {
        put_scalar(w, v);
        add_term(w);
        buf_cut(&w->way, here);
        return;
    }
    if (type == LEAT_LIST || leat_count(v) == 0) {
        w->exact = w->exact && depth == 0;
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        put(w, type == LEAT_LIST ? 'l' : 'k',
            type == LEAT_LIST ? "" : it.key.ptr,
            type == LEAT_LIST ? 0 : it.key.len);
        visit(w, it.item, depth + 1);
        buf_cut(&w->way, here);
    }
}

static int compare(const void *a, const void *b)
{
    return id_cmp(a, b);
}

static void sort_unique(struct store_terms *t)
{
    size_t kept = 0;
    if (t->n > 1) {
        qsort(t->list, t->n, sizeof *t->list, compare);
    }
    for (size_t i = 0; i < t->n; i++) {
        if (kept == 0 || !id_eq(&t->list[kept - 1], &t->list[i])) {
            t->list[kept++] = t->list[i];
        }
    }
    t->n = kept;
}

void store_terms_of(leat_view metadata, const char *owner,
                    struct store_terms *out)
{
    struct walk w = {.exact = true};
    buf_init(&w.way, SIZE_MAX / 2);
    if (leat_type_of(metadata) == LEAT_OBJECT) {
        visit(&w, metadata, 0);
    }
    if (w.over) {
        w.found.n = 0;
    }
    if (owner != NULL && owner[0] != '\0') {
        buf_cut(&w.way, 0);
        put(&w, 'o', owner, strlen(owner));
        *(struct id *)store_rows_add(&w.found, sizeof(struct id)) =
            id_uuid5(&space, w.way.data, w.way.len);
    }
    buf_fini(&w.way);
    *out = (struct store_terms){.list = w.found.rows,
                                .n = w.found.n,
                                .exact = w.exact && !w.over,
                                .over = w.over};
    sort_unique(out);
}

void store_terms_fini(struct store_terms *t)
{
    free(t->list);
    *t = (struct store_terms){.list = NULL};
}

struct id store_terms_over(void)
{
    return id_uuid5(&space, "over", 4);
}

/* ---- the table ------------------------------------------------------------
 */

/* What is kept of a thread. */
static void kept_terms(const struct store_termed *t, leat_view metadata,
                       struct store_terms *out)
{
    store_terms_of(metadata, t->owner, out);
    if (out->over) {
        struct store_rows rows = {out->list, out->n, out->n};
        *(struct id *)store_rows_add(&rows, sizeof(struct id)) =
            store_terms_over();
        out->list = rows.rows;
        out->n = rows.n;
        sort_unique(out);
    }
}

static bool add_row(store_t *s, const struct store_termed *t,
                    const struct id *term, struct err *err)
{
    return store_query_run(s, err,
                           "INSERT INTO thread_terms (term, created_at,"
                           " thread_id) VALUES ($1, $2, $3)"
                           " ON CONFLICT (term, created_at, thread_id)"
                           " DO NOTHING",
                           "did", term, t->created_us, t->thread_id);
}

static bool drop_row(store_t *s, const struct store_termed *t,
                     const struct id *term, struct err *err)
{
    return store_query_run(s, err,
                           "DELETE FROM thread_terms WHERE term = $1"
                           " AND created_at = $2 AND thread_id = $3",
                           "did", term, t->created_us, t->thread_id);
}

/* Both are sorted: what is only in the one goes, only in the other comes. */
static bool change(store_t *s, const struct store_termed *t,
                   const struct store_terms *before,
                   const struct store_terms *after, struct err *err)
{
    size_t i = 0;
    size_t k = 0;
    bool ok = true;
    while (ok && (i < before->n || k < after->n)) {
        int order = i == before->n  ? 1
                    : k == after->n ? -1
                                    : id_cmp(&before->list[i], &after->list[k]);
        if (order < 0) {
            ok = drop_row(s, t, &before->list[i], err);
        } else if (order > 0) {
            ok = add_row(s, t, &after->list[k], err);
        }
        i += order <= 0;
        k += order >= 0;
    }
    return ok;
}

bool store_terms_put(store_t *s, const struct store_termed *t, leat_view before,
                     leat_view after, struct err *err)
{
    struct store_terms old = {.list = NULL};
    struct store_terms new;
    if (leat_type_of(before) != LEAT_MISSING) {
        kept_terms(t, before, &old);
    }
    kept_terms(t, after, &new);
    bool ok = change(s, t, &old, &new, err);
    store_terms_fini(&old);
    store_terms_fini(&new);
    return ok;
}

bool store_terms_drop(store_t *s, const struct store_termed *t,
                      leat_view metadata, struct err *err)
{
    struct store_terms old;
    const struct store_terms none = {.list = NULL};
    kept_terms(t, metadata, &old);
    bool ok = change(s, t, &old, &none, err);
    store_terms_fini(&old);
    return ok;
}

bool store_terms_fill(store_t *s, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT thread_id, created_at, owner, metadata"
                               " FROM threads",
                               "");
    while (ok && store_query_next(&q)) {
        struct id id;
        store_query_id(&q, 0, &id);
        char *owner = store_query_text(&q, 2);
        leat_value *metadata = store_query_value(&q, 3);
        const struct store_termed t = {&id, store_query_int(&q, 1), owner};
        ok = !q.failed && store_terms_put(s, &t, (leat_view){0},
                                          leat_view_of(metadata), err);
        leat_drop(metadata);
        free(owner);
    }
    return store_query_close(&q) && ok;
}
