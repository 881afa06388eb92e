/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c: threads are made and read here; what their runs did to them the
 * broker has written.
 */
#include "gateway/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/assistants.h"
#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/render.h"
#include "gateway/threads_ttl.h"
#include "gateway/update.h"

#define DELETE_WAIT_MS 30000

bool gw_threads_require(struct gw_req *r, struct store_thread *out,
                        struct err *err)
{
    must(r != NULL && out != NULL);
    struct id id;
    if (!gw_req_id(r, "thread_id", &id, err) || gw_req_store(r, err) == NULL) {
        return false;
    }
    if (store_threads_get(r->store, &id, out, err)) {
        return true;
    }
    if (err->code == ERR_NOT_FOUND) {
        (void)err_set(err, ERR_NOT_FOUND, "Thread with ID %s not found",
                      ID_TEXT(&id));
    }
    return false;
}

/* ---- reading ----------------------------------------------------------- */

/* Words that are not known are of newer clients: what they ask for is not
 * there. */
static bool wants_ttl(struct gw_req *r, bool *wanted, struct err *err)
{
    leat_value *words = NULL;
    *wanted = false;
    if (!gw_req_query_list(r, "include", &words, err)) {
        return false;
    }
    for (leat_iter it = leat_iter_of(leat_view_of(words)); leat_next(&it);) {
        *wanted = *wanted || leat_is(it.item, "ttl");
    }
    leat_drop(words);
    return true;
}

/* The thread as it is now, with its end if that is wanted. */
static bool reply_row(struct gw_req *r, const struct id *id, bool with_ttl,
                      struct err *err)
{
    struct store_thread t;
    struct store_ttl ttl;
    if (!store_threads_get(r->store, id, &t, err)) {
        return false;
    }
    leat_value *v = gw_render_thread(&t);
    store_thread_fini(&t);
    if (!with_ttl) {
        return gw_req_json_take(r, v);
    }
    if (!store_threads_get_ttl(r->store, id, &ttl, err)) {
        leat_drop(v);
        return false;
    }
    leat_value *more =
        leat_with(leat_view_of(v), "ttl", gw_threads_render_ttl(&ttl));
    leat_drop(v);
    return gw_req_json_take(r, more);
}

bool gw_threads_get(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    bool with_ttl = false;
    if (!wants_ttl(r, &with_ttl, err) || !gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id id = t.thread_id;
    store_thread_fini(&t);
    return reply_row(r, &id, with_ttl, err);
}

/* ---- making ------------------------------------------------------------ */

static bool check_updates(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"values", gw_update_check_values, NULL, false},
        {"command", gw_check_command, NULL, false},
        {"as_node", gw_check_text, NULL, false},
    };
    bool ok = leat_type_of(v) == LEAT_LIST && leat_count(v) > 0;
    if (!ok) {
        return gw_check_wrong(err, path, "a list of updates, not empty");
    }
    for (leat_iter it = leat_iter_of(v); ok && leat_next(&it);) {
        char place[160];
        (void)snprintf(place, sizeof(place), "%.120s[%zu]", path, it.index);
        ok = gw_check_fields(it.item, place, rows, COUNT_OF(rows), err);
    }
    return ok;
}

static bool check_supersteps(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"updates", check_updates, NULL, true},
    };
    if (leat_type_of(v) != LEAT_LIST) {
        return gw_check_wrong(err, path, "a list");
    }
    bool ok = true;
    for (leat_iter it = leat_iter_of(v); ok && leat_next(&it);) {
        char place[160];
        (void)snprintf(place, sizeof(place), "%.120s[%zu]", path, it.index);
        ok = gw_check_fields(it.item, place, rows, COUNT_OF(rows), err);
    }
    return ok;
}

static bool check_create(leat_view body, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"thread_id", gw_check_uuid, NULL, false},
        {"metadata", gw_check_object, NULL, false},
        {"if_exists", NULL, "raise|do_nothing", false},
        {"ttl", gw_threads_check_ttl, NULL, false},
        {"supersteps", check_supersteps, NULL, false},
    };
    leat_view graph = leat_get(leat_get(body, "metadata"), "graph_id");
    return gw_check_fields(body, "", rows, COUNT_OF(rows), err) &&
           (leat_count(leat_get(body, "supersteps")) == 0 ||
            leat_string(graph).len > 0 ||
            err_set(err, ERR_BAD_REQUEST,
                    "supersteps need metadata.graph_id: no graph id is given"));
}

static bool ask_delete(struct gw_req *r, const struct id *id, struct err *err)
{
    struct gw_ask ask = {
        .type = WIRE_THREAD_DELETE, .thread = *id, .wait_ms = DELETE_WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    bool ok = gw_hub_ask(r->app->hub, &ask, &answer, err);
    leat_drop(answer.body);
    return ok;
}

/* [{"updates": [...]}, ...] -> [[...], ...] */
static leat_value *steps_of(leat_view supersteps)
{
    size_t n = leat_count(supersteps);
    leat_value **lists = base_zalloc((n + 1) * sizeof(*lists));
    for (leat_iter it = leat_iter_of(supersteps); leat_next(&it);) {
        lists[it.index] = leat_value_of(leat_get(it.item, "updates"));
    }
    leat_value *out = leat_new_list(n, lists);
    free(lists);
    return out;
}

static bool apply_supersteps(struct gw_req *r, const struct store_thread *t,
                             struct err *err)
{
    leat_view list = leat_get(leat_view_of(r->body), "supersteps");
    if (leat_count(list) == 0) {
        return true;
    }
    leat_value *result = NULL;
    leat_value *steps = steps_of(list);
    const struct gw_update u = {.supersteps = leat_view_of(steps)};
    bool ok = gw_update_apply(r, t, &u, &result, err);
    leat_drop(result);
    leat_drop(steps);
    return ok;
}

/* All of it or nothing: a thread that cannot get its state is not made. */
static bool complete(struct gw_req *r, const struct store_thread *t,
                     struct err *err)
{
    struct store_ttl ttl;
    leat_view given = leat_get(leat_view_of(r->body), "ttl");
    bool ok = !gw_threads_read_ttl(given, &ttl) ||
              store_threads_set_ttl(r->store, &t->thread_id, &ttl, err);
    ok = ok && apply_supersteps(r, t, err);
    if (!ok) {
        struct err ignored = ERR_INIT;
        (void)!ask_delete(r, &t->thread_id, &ignored);
    }
    return ok;
}

/* Better before there is a thread. */
static bool check_graph(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (leat_count(leat_get(body, "supersteps")) == 0) {
        return true;
    }
    char *graph_id =
        value_strdup(leat_get(leat_get(body, "metadata"), "graph_id"));
    bool ok = gw_assistants_check_graph(r, graph_id, err);
    free(graph_id);
    return ok;
}

static bool create(struct gw_req *r, const struct store_thread *t,
                   struct err *err)
{
    bool created = false;
    bool keep =
        leat_is(leat_get(leat_view_of(r->body), "if_exists"), "do_nothing");
    if (!store_threads_create(r->store, t, &created, err)) {
        return false;
    }
    if (created && !complete(r, t, err)) {
        return false;
    }
    if ((created || keep) && reply_row(r, &t->thread_id, false, err)) {
        return true;
    }
    /* not to be seen is another owner's */
    return (created || (keep && err->code != ERR_NOT_FOUND))
               ? false
               : err_set(err, ERR_CONFLICT, "Thread %s already exists",
                         ID_TEXT(&t->thread_id));
}

bool gw_threads_create(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!check_create(body, err) || gw_req_store(r, err) == NULL ||
        !check_graph(r, err)) {
        return false;
    }
    leat_view metadata = leat_get(body, "metadata");
    leat_text id = leat_string(leat_get(body, "thread_id"));
    struct store_thread t = {.thread_id = id_uuid7()};
    if (id.ptr != NULL) {
        must(id_parse_n(id.ptr, id.len, &t.thread_id));
    }
    if (gw_check_present(metadata)) {
        t.metadata = leat_value_of(metadata);
    }
    bool ok = create(r, &t, err);
    leat_drop(t.metadata);
    return ok;
}

/* ---- changing ---------------------------------------------------------- */

static bool patch(struct gw_req *r, const struct id *id, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    leat_view metadata = leat_get(body, "metadata");
    leat_view none = {NULL, NULL};
    struct store_ttl ttl;
    return store_threads_patch(r->store, id,
                               gw_check_present(metadata) ? metadata : none,
                               none, err) &&
           (!gw_threads_read_ttl(leat_get(body, "ttl"), &ttl) ||
            store_threads_set_ttl(r->store, id, &ttl, err));
}

bool gw_threads_patch(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"metadata", gw_check_object, NULL, false},
        {"ttl", gw_threads_check_ttl, NULL, false},
    };
    struct store_thread t;
    const char *prefer = gw_req_header(r, "prefer");
    if (!gw_check_fields(leat_view_of(r->body), "", rows, COUNT_OF(rows),
                         err) ||
        !gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id id = t.thread_id;
    store_thread_fini(&t);
    if (!patch(r, &id, err)) {
        return false;
    }
    bool minimal = prefer != NULL && strcasestr(prefer, "return=minimal");
    return minimal ? gw_req_reply(r, 204, NULL, NULL, 0)
                   : reply_row(r, &id, false, err);
}

bool gw_threads_delete(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id id = t.thread_id;
    store_thread_fini(&t);
    return ask_delete(r, &id, err) && gw_req_reply(r, 204, NULL, NULL, 0);
}

bool gw_threads_copy(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id from = t.thread_id;
    struct id to = id_uuid7();
    store_thread_fini(&t);
    if (!store_threads_copy(r->store, &from, &to, err)) {
        return err->code != ERR_NOT_FOUND
                   ? false
                   : err_set(err, ERR_NOT_FOUND, "Thread with ID %s not found",
                             ID_TEXT(&from));
    }
    return reply_row(r, &to, false, err);
}
