/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching threads. The terms of the metadata filter (terms.h) and the status
 * are looked up; when they decide alone, SQL counts and pages, and the time it
 * takes is that of the page. What only can be told by looking at a row (lists
 * in the filter, a filter on values) is looked at here, row by row. Threads
 * named by their ids are read one by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store/terms.h"
#include "common/store/threads.h"

#define TERMS_JOINED 3 /* the rarest ones; the rest is looked at */
#define TERMS_COUNTED 16
#define COUNTED_TO 1000
#define FEW 200 /* threads with a term: quicker read than joined */
#define SQL_MAX 2048

struct search {
    store_t *s;
    const struct store_threads_query *q;
    struct err *err;
    struct id terms[TERMS_JOINED];
    size_t term_count;
    bool decided; /* what SQL finds is found */
    bool few;     /* threads have the first term */
    struct store_arg args[8];
    size_t arg_count;
    struct store_rows page; /* struct id */
    size_t total;
};

static const char *sort_column(const char *sort_by)
{
    static const char *const columns[] = {"thread_id", "status", "created_at",
                                          "updated_at", "state_updated_at"};
    for (size_t i = 0; sort_by != NULL && i < COUNT_OF(columns); i++) {
        if (strcmp(columns[i], sort_by) == 0) {
            return columns[i];
        }
    }
    return "created_at";
}

static bool given(leat_view filter)
{
    return leat_type_of(filter) == LEAT_OBJECT && leat_count(filter) > 0;
}

/* ---- which terms ----------------------------------------------------------
 */

struct counted {
    struct id term;
    int64_t threads; /* COUNTED_TO: at least */
};

static bool count_term(const struct search *f, struct counted *c)
{
    return store_query_number(STORE_QUERY(f->s, f->err), &c->threads,
                              "SELECT COUNT(*) FROM (SELECT 1"
                              " FROM thread_terms WHERE term = $1 LIMIT $2) t",
                              "di", &c->term, (int64_t)COUNTED_TO);
}

static int rarest_first(const void *a, const void *b)
{
    const struct counted *x = a;
    const struct counted *y = b;
    return x->threads < y->threads ? -1 : x->threads > y->threads;
}

static bool pick(struct search *f, const struct store_terms *all)
{
    struct counted list[TERMS_COUNTED];
    size_t n = min_size(all->n, TERMS_COUNTED);
    f->decided = f->decided && all->exact && all->n <= TERMS_JOINED;
    bool alone = f->decided && n <= 1 && f->q->status == NULL;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        list[i] = (struct counted){.term = all->list[i]};
        ok = alone || count_term(f, &list[i]);
    }
    if (!ok) {
        return false;
    }
    qsort(list, n, sizeof *list, rarest_first);
    f->term_count = min_size(n, TERMS_JOINED);
    for (size_t i = 0; i < f->term_count; i++) {
        f->terms[i] = list[i].term;
    }
    f->few = !alone && n > 0 && list[0].threads < FEW;
    return true;
}

/* Is there a thread that has more terms than the index keeps? */
static bool find_over(const struct search *f, bool *there)
{
    int64_t found = 0;
    struct id over = store_terms_over();
    if (!store_query_number(STORE_QUERY(f->s, f->err), &found,
                            "SELECT 1 FROM thread_terms WHERE term = $1"
                            " LIMIT 1",
                            "d", &over)) {
        return false;
    }
    *there = found == 1;
    return true;
}

/* The owner is a term, too, and every thread has that one. */
static bool plan(struct search *f)
{
    struct store_terms terms;
    bool over = false;
    f->decided = !given(f->q->values);
    if (given(f->q->metadata) && !find_over(f, &over)) {
        return false;
    }
    leat_view none = {NULL, NULL};
    store_terms_of(over || !given(f->q->metadata) ? none : f->q->metadata,
                   store_viewer(f->s, f->q->owner), &terms);
    f->decided = f->decided && !over;
    bool ok = pick(f, &terms);
    store_terms_fini(&terms);
    return ok;
}

/* ---- the statement --------------------------------------------------------
 */

static void put(struct buf *sql, const char *text)
{
    must(buf_puts(sql, text));
}

static void put_arg(struct search *f, struct buf *sql, struct store_arg arg)
{
    must(f->arg_count < COUNT_OF(f->args));
    f->args[f->arg_count++] = arg;
    must(buf_printf(sql, "$%zu", f->arg_count));
}

/* FROM and WHERE: a0, a1, a2 rows of terms, t the thread. CROSS JOIN keeps
 * SQLite from taking the tables in another order: the rarest term first. */
static void put_from(struct search *f, struct buf *sql, bool with_thread)
{
    put(sql, " FROM ");
    for (size_t i = 0; i < f->term_count; i++) {
        must(buf_printf(sql, "%sthread_terms a%zu", i > 0 ? " CROSS JOIN " : "",
                        i));
    }
    if (with_thread) {
        put(sql, f->term_count > 0 ? " CROSS JOIN threads t" : "threads t");
    }
    put(sql, " WHERE 1 = 1");
    for (size_t i = 0; i < f->term_count; i++) {
        must(buf_printf(sql, " AND a%zu.term = ", i));
        put_arg(f, sql, (struct store_arg){.type = 'd', .ptr = &f->terms[i]});
        if (i > 0) {
            must(buf_printf(sql,
                            " AND a%zu.created_at = a0.created_at"
                            " AND a%zu.thread_id = a0.thread_id",
                            i, i));
        }
    }
    if (with_thread && f->term_count > 0) {
        put(sql, " AND t.thread_id = a0.thread_id");
    }
    if (f->q->status != NULL) {
        put(sql, " AND t.status = ");
        put_arg(f, sql, (struct store_arg){.type = 's', .ptr = f->q->status});
    }
}

/* Newest first means that of those made at the same time, too. */
static void put_order(const struct search *f, struct buf *sql,
                      const char *table)
{
    const char *way = f->q->ascending ? "ASC" : "DESC";
    must(buf_printf(sql, " ORDER BY %s.%s %s, %s.thread_id %s", table,
                    sort_column(f->q->sort_by), way, table, way));
}

static bool open_rows(struct search *f, struct store_query *row,
                      struct buf *sql)
{
    *row = (struct store_query){.s = f->s, .err = f->err};
    bool ok = store_query_open_list(row, buf_text(sql), f->args, f->arg_count);
    f->arg_count = 0;
    return ok;
}

/* ---- by SQL alone ---------------------------------------------------------
 */

static bool count_all(struct search *f)
{
    struct buf sql;
    struct store_query row;
    buf_init(&sql, SQL_MAX);
    put(&sql, "SELECT COUNT(*)");
    put_from(f, &sql, f->term_count == 0 || f->q->status != NULL);
    if (open_rows(f, &row, &sql) && store_query_next(&row)) {
        f->total = (size_t)store_query_uint(&row, 0);
    }
    buf_fini(&sql);
    return store_query_close(&row);
}

static void add_to_page(struct search *f, const struct id *id)
{
    *(struct id *)store_rows_add(&f->page, sizeof *id) = *id;
}

static bool page_by_sql(struct search *f)
{
    bool by_term = f->term_count > 0 && f->q->status == NULL &&
                   (strcmp(sort_column(f->q->sort_by), "created_at") == 0 ||
                    strcmp(sort_column(f->q->sort_by), "thread_id") == 0);
    struct buf sql;
    struct store_query row;
    buf_init(&sql, SQL_MAX);
    must(buf_printf(&sql, "SELECT %s.thread_id", by_term ? "a0" : "t"));
    put_from(f, &sql, !by_term);
    put_order(f, &sql, by_term ? "a0" : "t");
    put(&sql, " LIMIT ");
    put_arg(f, &sql,
            (struct store_arg){.type = 'i', .number = (int64_t)f->q->limit});
    put(&sql, " OFFSET ");
    put_arg(f, &sql,
            (struct store_arg){.type = 'i', .number = (int64_t)f->q->offset});
    bool ok = open_rows(f, &row, &sql);
    while (ok && store_query_next(&row)) {
        struct id id;
        store_query_id(&row, 0, &id);
        add_to_page(f, &id);
    }
    buf_fini(&sql);
    return store_query_close(&row);
}

/* ---- row by row -----------------------------------------------------------
 */

/* Columns: metadata, state_values from `first` on, if they are filtered. */
static bool contains(struct store_query *row,
                     const struct store_threads_query *q, int first)
{
    leat_value *metadata = store_query_value(row, first);
    leat_value *values = store_query_value(row, first + 1);
    bool yes =
        (!given(q->metadata) ||
         store_contains(leat_view_of(metadata), q->metadata)) &&
        (!given(q->values) || store_contains(leat_view_of(values), q->values));
    leat_drop(metadata);
    leat_drop(values);
    return yes;
}

static void put_filtered(const struct search *f, struct buf *sql)
{
    put(sql, given(f->q->metadata) ? ", t.metadata" : ", NULL");
    put(sql, given(f->q->values) ? ", t.state_values" : ", NULL");
}

static bool page_by_rows(struct search *f)
{
    struct buf sql;
    struct store_query row;
    buf_init(&sql, SQL_MAX);
    put(&sql, "SELECT t.thread_id");
    put_filtered(f, &sql);
    put_from(f, &sql, true);
    put_order(f, &sql, "t");
    bool ok = open_rows(f, &row, &sql);
    while (ok && store_query_next(&row)) {
        struct id id;
        store_query_id(&row, 0, &id);
        if (contains(&row, f->q, 1)) {
            f->total++;
            if (f->total > f->q->offset && f->page.n < f->q->limit) {
                add_to_page(f, &id);
            }
        }
    }
    buf_fini(&sql);
    return store_query_close(&row);
}

/* ---- by ids ---------------------------------------------------------------
 */

/* A thread that was named and fits, with what it is sorted by. */
struct named {
    struct id id;
    int64_t number;
    char status[16];
};

static bool look_at(struct search *f, const struct id *id,
                    struct store_rows *found)
{
    const struct store_threads_query *q = f->q;
    const char *viewer = store_viewer(f->s, q->owner);
    struct buf sql;
    struct store_query row;
    bool by_status = strcmp(sort_column(q->sort_by), "status") == 0;
    bool by_id = strcmp(sort_column(q->sort_by), "thread_id") == 0;
    buf_init(&sql, SQL_MAX);
    must(buf_printf(&sql, "SELECT t.%s, t.status, t.owner",
                    by_status || by_id ? "created_at"
                                       : sort_column(q->sort_by)));
    put_filtered(f, &sql);
    put(&sql, " FROM threads t WHERE t.thread_id = ");
    put_arg(f, &sql, (struct store_arg){.type = 'd', .ptr = id});
    if (open_rows(f, &row, &sql) && store_query_next(&row)) {
        struct named n = {.id = *id};
        n.number = by_status || by_id ? 0 : store_query_int(&row, 0);
        store_query_copy(&row, 1, n.status, sizeof n.status);
        char *owner = store_query_text(&row, 2);
        if ((viewer == NULL || strcmp(viewer, owner) == 0) &&
            (q->status == NULL || strcmp(q->status, n.status) == 0) &&
            contains(&row, q, 3)) {
            if (!by_status) {
                n.status[0] = '\0';
            }
            *(struct named *)store_rows_add(found, sizeof n) = n;
        }
        free(owner);
    }
    buf_fini(&sql);
    return store_query_close(&row);
}

static int compare_named(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    int order = strcmp(x->status, y->status);
    if (order == 0) {
        order = x->number < y->number ? -1 : x->number > y->number;
    }
    return order != 0 ? order : id_cmp(&x->id, &y->id);
}

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(a, b);
}

/* Takes the list. */
static bool page_by_ids(struct search *f, struct id *ids, size_t n)
{
    struct store_rows found = {NULL, 0, 0};
    if (n > 1) {
        qsort(ids, n, sizeof *ids, compare_ids);
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        bool again = i > 0 && id_eq(&ids[i], &ids[i - 1]);
        ok = again || look_at(f, &ids[i], &found);
    }
    struct named *list = found.rows;
    if (found.n > 1) {
        qsort(list, found.n, sizeof *list, compare_named);
    }
    f->total = found.n;
    for (size_t i = f->q->offset; i < found.n && f->page.n < f->q->limit; i++) {
        add_to_page(f, &list[f->q->ascending ? i : found.n - 1 - i].id);
    }
    free(list);
    free(ids);
    return ok;
}

/* The threads that have the rarest term. */
static bool page_of_few(struct search *f)
{
    struct store_rows ids = {NULL, 0, 0};
    struct store_query row = {.s = f->s, .err = f->err};
    bool ok = store_query_open(&row,
                               "SELECT thread_id FROM thread_terms"
                               " WHERE term = $1",
                               "d", &f->terms[0]);
    while (ok && store_query_next(&row)) {
        store_query_id(&row, 0, store_rows_add(&ids, sizeof(struct id)));
    }
    if (!store_query_close(&row)) {
        free(ids.rows);
        return false;
    }
    return page_by_ids(f, ids.rows, ids.n);
}

/* ---- the whole ------------------------------------------------------------
 */

static bool find(struct search *f)
{
    if (f->q->ids != NULL) {
        size_t size = f->q->id_count * sizeof(struct id);
        return page_by_ids(f, base_memdup(f->q->ids, size), f->q->id_count);
    }
    if (!plan(f)) {
        return false;
    }
    if (f->few) {
        return page_of_few(f);
    }
    if (!f->decided) {
        return page_by_rows(f);
    }
    return count_all(f) &&
           (f->q->limit == 0 || f->total <= f->q->offset || page_by_sql(f));
}

static bool fetch(const struct search *f, struct store_rows *out)
{
    const struct id *ids = f->page.rows;
    for (size_t i = 0; i < f->page.n; i++) {
        struct store_thread t;
        if (!store_threads_get(f->s, &ids[i], &t, f->err)) {
            return false;
        }
        *(struct store_thread *)store_rows_add(out, sizeof t) = t;
    }
    return true;
}

bool store_threads_search(store_t *s, const struct store_threads_query *q,
                          struct store_threads_page *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct search f = {.s = s, .q = q, .err = err};
    struct store_rows list = {NULL, 0, 0};
    memset(out, 0, sizeof *out);
    bool ok = store_read_begin(s, err);
    if (ok) {
        ok = find(&f) && fetch(&f, &list);
        store_read_end(s);
    }
    free(f.page.rows);
    out->list = list.rows;
    out->n = list.n;
    out->total = f.total;
    if (!ok) {
        store_threads_free(&out->list, out->n);
        out->n = 0;
    }
    return ok;
}
