/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c: threads are made and read here; what their runs did to them the
 * broker has written.
 */
#include "gateway/threads.h"

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/render.h"

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

bool gw_threads_get(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    leat_value *v = gw_render_thread(&t);
    store_thread_fini(&t);
    return gw_req_json_take(r, v);
}

static bool check_create(leat_view body, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"thread_id", gw_check_uuid, NULL, false},
        {"metadata", gw_check_object, NULL, false},
        {"if_exists", NULL, "raise|do_nothing", false},
    };
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err)) {
        return false;
    }
    if (gw_check_present(leat_get(body, "ttl")) ||
        leat_count(leat_get(body, "supersteps")) > 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "ttl and supersteps are not available in this version");
    }
    return true;
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
    if (!created && !keep) {
        return err_set(err, ERR_CONFLICT, "Thread %s already exists",
                       ID_TEXT(&t->thread_id));
    }
    struct store_thread row;
    if (!store_threads_get(r->store, &t->thread_id, &row, err)) {
        return false;
    }
    leat_value *v = gw_render_thread(&row);
    store_thread_fini(&row);
    return gw_req_json_take(r, v);
}

bool gw_threads_create(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!check_create(body, err) || gw_req_store(r, err) == NULL) {
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

bool gw_threads_delete(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    struct gw_ask ask = {.type = WIRE_THREAD_DELETE,
                         .thread = t.thread_id,
                         .wait_ms = DELETE_WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    store_thread_fini(&t);
    if (!gw_hub_ask(r->app->hub, &ask, &answer, err)) {
        return false;
    }
    leat_drop(answer.body);
    return gw_req_reply(r, 204, NULL, NULL, 0);
}
