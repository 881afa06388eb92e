/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads_search.c: lists of threads, cut down to what is asked for, with
 * single values taken out of them.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/check.h"
#include "gateway/extract.h"
#include "gateway/handlers.h"
#include "gateway/render.h"

#define SORTS "thread_id|status|created_at|updated_at|state_updated_at"
#define STATUSES "idle|busy|interrupted|error"
/* What a search may be cut down to; threads have no context, but the API's
 * description has the word. */
#define THREAD_FIELDS                                                          \
    "thread_id|created_at|updated_at|state_updated_at|metadata|config|"        \
    "context|"                                                                 \
    "status|values|interrupts|error"

static const struct gw_check_field fields[] = {
    {"metadata", gw_check_object, NULL, false},
    {"values", gw_check_object, NULL, false},
    {"status", NULL, STATUSES, false},
    {"ids", gw_check_uuids, NULL, false},
    {"limit", gw_check_limit, NULL, false},
    {"offset", gw_check_offset, NULL, false},
    {"sort_by", NULL, SORTS, false},
    {"sort_order", NULL, "asc|desc", false},
    {"select", gw_check_strings, NULL, false},
    {"extract", gw_extract_check, NULL, false},
};
#define FILTERS 4 /* the first of them: those of a count */

/* A query and what it borrows from. */
struct asked {
    struct store_threads_query q;
    char *status;
    char *sort_by;
    struct id *ids;
};

static void asked_fini(struct asked *a)
{
    free(a->status);
    free(a->sort_by);
    free(a->ids);
}

static leat_view object_in(leat_view body, const char *key)
{
    leat_view v = leat_get(body, key);
    return gw_check_present(v) ? v : (leat_view){NULL, NULL};
}

static void read_ids(leat_view list, struct asked *a)
{
    if (!gw_check_present(list)) {
        return;
    }
    a->ids = base_zalloc((leat_count(list) + 1) * sizeof(*a->ids));
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        leat_text text = leat_string(it.item);
        must(id_parse_n(text.ptr, text.len, &a->ids[it.index]));
    }
    a->q.ids = a->ids;
    a->q.id_count = leat_count(list);
}

static void read(leat_view body, struct asked *a)
{
    a->status = value_strdup(leat_get(body, "status"));
    a->sort_by = value_strdup(leat_get(body, "sort_by"));
    a->q = (struct store_threads_query){
        .metadata = object_in(body, "metadata"),
        .values = object_in(body, "values"),
        .status = a->status,
        .sort_by = a->sort_by,
        .ascending = leat_is(leat_get(body, "sort_order"), "asc"),
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
    };
    read_ids(leat_get(body, "ids"), a);
}

static leat_value *render(const struct store_thread *t, leat_view body)
{
    leat_value *whole = gw_render_thread(t);
    leat_view extract = leat_get(body, "extract");
    leat_value *found = NULL;
    if (gw_check_present(extract)) {
        found = gw_extract(leat_view_of(whole), extract);
    }
    leat_value *v = gw_render_select(whole, leat_get(body, "select"));
    if (found == NULL) {
        return v;
    }
    leat_value *both = leat_with(leat_view_of(v), "extracted", found);
    leat_drop(v);
    return both;
}

static bool search(struct gw_req *r, const struct store_threads_query *q,
                   struct err *err)
{
    struct store_threads_page page = {.list = NULL};
    if (!store_threads_search(r->store, q, &page, err)) {
        return false;
    }
    leat_value **items = base_zalloc((page.n + 1) * sizeof(*items));
    for (size_t i = 0; i < page.n; i++) {
        items[i] = render(&page.list[i], leat_view_of(r->body));
    }
    leat_value *v = leat_new_list(page.n, items);
    free(items);
    store_threads_free(&page.list, page.n);
    gw_req_add_header(r, "X-Pagination-Total", "%zu", page.total);
    if (q->offset + page.n < page.total) {
        gw_req_add_header(r, "X-Pagination-Next", "%zu", q->offset + page.n);
    }
    return gw_req_json_take(r, v);
}

bool gw_threads_search(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", fields, COUNT_OF(fields), err) ||
        !gw_check_words(leat_get(body, "select"), "select", THREAD_FIELDS,
                        err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct asked a = {.ids = NULL};
    read(body, &a);
    bool ok = search(r, &a.q, err);
    asked_fini(&a);
    return ok;
}

bool gw_threads_count(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", fields, FILTERS, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct asked a = {.ids = NULL};
    struct store_threads_page page = {.list = NULL};
    read(body, &a);
    a.q.limit = 0;
    a.q.offset = 0;
    bool ok = store_threads_search(r->store, &a.q, &page, err);
    asked_fini(&a);
    if (!ok) {
        return false;
    }
    store_threads_free(&page.list, page.n);
    return gw_req_json_take(r, leat_new_int((int64_t)page.total));
}
