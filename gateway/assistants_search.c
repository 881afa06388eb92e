/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants_search.c: lists of assistants and of the versions of one.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/assistants.h"
#include "gateway/check.h"
#include "gateway/clerk.h"
#include "gateway/handlers.h"
#include "gateway/render.h"

#define SORTS "assistant_id|graph_id|name|created_at|updated_at"

/* What a search may be cut down to. */
#define ASSISTANT_FIELDS                                                       \
    "assistant_id|graph_id|config|context|metadata|version|name|description|"  \
    "created_at|updated_at"

static const struct gw_check_field search_fields[] = {
    {"metadata", gw_check_object, NULL, false},
    {"graph_id", gw_check_string, NULL, false},
    {"name", gw_check_string, NULL, false},
    {"limit", gw_check_limit, NULL, false},
    {"offset", gw_check_offset, NULL, false},
    {"sort_by", NULL, SORTS, false},
    {"sort_order", NULL, "asc|desc", false},
    {"select", gw_check_strings, NULL, false},
};

struct texts {
    char *graph_id;
    char *name;
    char *sort_by;
};

static void texts_fini(struct texts *t)
{
    free(t->graph_id);
    free(t->name);
    free(t->sort_by);
}

static struct store_assistants_query query_of(const struct gw_req *r,
                                              struct texts *t)
{
    leat_view body = leat_view_of(r->body);
    leat_view metadata = leat_get(body, "metadata");
    t->graph_id = value_strdup(leat_get(body, "graph_id"));
    t->name = value_strdup(leat_get(body, "name"));
    t->sort_by = value_strdup(leat_get(body, "sort_by"));
    return (struct store_assistants_query){
        .metadata = gw_check_present(metadata) ? metadata : (leat_view){0},
        .graph_id = t->graph_id,
        .name = t->name,
        .sort_by = t->sort_by,
        .ascending = leat_is(leat_get(body, "sort_order"), "asc"),
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
    };
}

static bool search(struct gw_req *r, struct store_assistants_query *q,
                   struct err *err)
{
    struct store_assistants_page page = {.list = NULL};
    if (!store_assistants_search(r->store, q, &page, err)) {
        return false;
    }
    leat_view select = leat_get(leat_view_of(r->body), "select");
    leat_value **items = base_zalloc((page.n + 1) * sizeof(*items));
    for (size_t i = 0; i < page.n; i++) {
        items[i] = gw_render_select(gw_render_assistant(&page.list[i]), select);
    }
    leat_value *v = leat_new_list(page.n, items);
    free(items);
    store_assistants_free(&page.list, page.n);
    gw_req_add_header(r, "X-Pagination-Total", "%zu", page.total);
    if (q->offset + page.n < page.total) {
        gw_req_add_header(r, "X-Pagination-Next", "%zu", q->offset + page.n);
    }
    return gw_req_json_take(r, v);
}

bool gw_assistants_search(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", search_fields, COUNT_OF(search_fields),
                         err) ||
        !gw_check_words(leat_get(body, "select"), "select", ASSISTANT_FIELDS,
                        err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct texts t;
    struct store_assistants_query q = query_of(r, &t);
    gw_clerk_catch_up(r->app->clerk);
    bool ok = search(r, &q, err);
    texts_fini(&t);
    return ok;
}

bool gw_assistants_count(struct gw_req *r, struct err *err)
{
    if (!gw_check_fields(leat_view_of(r->body), "", search_fields, 3, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct texts t;
    struct store_assistants_query q = query_of(r, &t);
    gw_clerk_catch_up(r->app->clerk);
    struct store_assistants_page page = {.list = NULL};
    q.limit = 0;
    q.offset = 0;
    bool ok = store_assistants_search(r->store, &q, &page, err);
    texts_fini(&t);
    if (!ok) {
        return false;
    }
    store_assistants_free(&page.list, page.n);
    return gw_req_json_take(r, leat_new_int((int64_t)page.total));
}

/* ---- versions ---------------------------------------------------------- */

bool gw_assistants_versions(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"metadata", gw_check_object, NULL, false},
        {"limit", gw_check_limit, NULL, false},
        {"offset", gw_check_offset, NULL, false},
    };
    struct store_assistant a;
    leat_view body = leat_view_of(r->body);
    leat_view metadata = leat_get(body, "metadata");
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !gw_assistants_require(r, &a, err)) {
        return false;
    }
    const struct store_versions_query q = {
        .assistant_id = a.assistant_id,
        .metadata = gw_check_present(metadata) ? metadata : (leat_view){0},
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
    };
    struct store_assistant *list = NULL;
    size_t n = 0;
    store_assistant_fini(&a);
    if (!store_assistants_versions(r->store, &q, &list, &n, err)) {
        return false;
    }
    leat_value **items = base_zalloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        leat_value *whole = gw_render_assistant(&list[i]);
        items[i] = leat_with(leat_view_of(whole), "updated_at", NULL);
        leat_drop(whole);
    }
    leat_value *v = leat_new_list(n, items);
    free(items);
    store_assistants_free(&list, n);
    return gw_req_json_take(r, v);
}
