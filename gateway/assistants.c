/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants.c: assistants as the store has them.
 */
#include "gateway/assistants.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/check.h"
#include "gateway/clerk.h"
#include "gateway/handlers.h"
#include "gateway/render.h"

#define SORTS "assistant_id|graph_id|name|created_at|updated_at"

static bool unknown(leat_text name, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "No assistant found for \"%.*s\". Make sure the assistant "
                   "ID is for a valid assistant or a valid graph ID.",
                   (int)min_size(name.len, 200), name.ptr);
}

/* Has a worker registered it, although its assistant is not made yet? */
static bool is_registered(struct gw_req *r, const char *graph_id)
{
    leat_value *graphs = gw_hub_graphs(r->app->hub);
    leat_iter it = leat_iter_of(leat_get(leat_view_of(graphs), "graphs"));
    bool found = false;
    while (!found && leat_next(&it)) {
        found = leat_is(leat_get(it.item, "id"), graph_id);
    }
    leat_drop(graphs);
    return found;
}

static bool by_graph(struct gw_req *r, const char *graph_id,
                     struct store_assistant *out, struct err *err)
{
    struct id id = gw_clerk_system_id(graph_id);
    if (store_assistants_get(r->store, &id, out, err)) {
        return true;
    }
    if (err->code != ERR_NOT_FOUND || !is_registered(r, graph_id)) {
        return false;
    }
    err_clear(err);
    return gw_clerk_ensure(r->app->clerk, r->store, graph_id, err) &&
           store_assistants_get(r->store, &id, out, err);
}

bool gw_assistants_resolve(struct gw_req *r, leat_text name,
                           struct store_assistant *out, struct err *err)
{
    must(r != NULL && name.ptr != NULL && out != NULL);
    struct id id;
    if (gw_req_store(r, err) == NULL) {
        return false;
    }
    bool ok;
    if (id_parse_n(name.ptr, name.len, &id)) {
        ok = store_assistants_get(r->store, &id, out, err);
    } else {
        char *graph_id = base_memdup(name.ptr, name.len);
        ok = by_graph(r, graph_id, out, err);
        free(graph_id);
    }
    return ok || (err->code == ERR_NOT_FOUND ? unknown(name, err) : false);
}

bool gw_assistants_get(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    const char *name = gw_req_param(r, "assistant_id");
    if (!gw_assistants_resolve(r, (leat_text){name, strlen(name)}, &a, err)) {
        return false;
    }
    leat_value *v = gw_render_assistant(&a);
    store_assistant_fini(&a);
    return gw_req_json_take(r, v);
}

/* ---- search ------------------------------------------------------------ */

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

static struct store_assistants_query query_of(leat_view body, struct texts *t)
{
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
    struct store_assistants_query q = query_of(body, &t);
    bool ok = search(r, &q, err);
    texts_fini(&t);
    return ok;
}

bool gw_assistants_count(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", search_fields, 3, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct texts t;
    struct store_assistants_query q = query_of(body, &t);
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
