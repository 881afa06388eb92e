/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assistants.c: assistants are made, changed and deleted here; searching is in
 * assistants_search.c, what needs their graph in assistants_graph.c.
 */
#include "gateway/assistants.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "gateway/check.h"
#include "gateway/clerk.h"
#include "gateway/handlers.h"
#include "gateway/render.h"

#define DELETE_WAIT_MS 30000
#define LOOK_AGAIN_MS 10
#define BATCH 200 /* rows at a time, so that nobody waits long for them */

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

bool gw_assistants_require(struct gw_req *r, struct store_assistant *out,
                           struct err *err)
{
    const char *name = gw_req_param(r, "assistant_id");
    return gw_assistants_resolve(r, (leat_text){name, strlen(name)}, out, err);
}

static bool reply(struct gw_req *r, struct store_assistant *a)
{
    leat_value *v = gw_render_assistant(a);
    store_assistant_fini(a);
    return gw_req_json_take(r, v);
}

bool gw_assistants_get(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    return gw_assistants_require(r, &a, err) && reply(r, &a);
}

/* ---- what a body says -------------------------------------------------- */

static const struct gw_check_field fields[] = {
    {"graph_id", gw_check_text, NULL, true},
    {"assistant_id", gw_check_uuid, NULL, false},
    {"config", gw_check_config, NULL, false},
    {"context", gw_check_object, NULL, false},
    {"metadata", gw_check_object, NULL, false},
    {"name", gw_check_string, NULL, false},
    {"description", gw_check_string, NULL, false},
    {"if_exists", NULL, "raise|do_nothing", false},
};

/* Older clients put into config.configurable what is now the context. */
static bool check_context(leat_view body, struct err *err)
{
    leat_view configurable = leat_get(leat_get(body, "config"), "configurable");
    leat_view context = leat_get(body, "context");
    return leat_count(configurable) == 0 || leat_count(context) == 0 ||
           leat_equal(configurable, context) ||
           err_set(err, ERR_BAD_REQUEST,
                   "config.configurable and context are both given and say "
                   "different things: give context alone");
}

/* One that some worker registered at some time has its assistant. */
bool gw_assistants_check_graph(struct gw_req *r, const char *graph_id,
                               struct err *err)
{
    struct store_assistant a;
    if (by_graph(r, graph_id, &a, err)) {
        store_assistant_fini(&a);
        return true;
    }
    return err->code != ERR_NOT_FOUND
               ? false
               : err_set(err, ERR_NOT_FOUND,
                         "Graph '%.200s' not found: no worker has it",
                         graph_id);
}

/* The object, or NULL where there is none; one reference. */
static leat_value *object_of(leat_view body, const char *key)
{
    leat_view v = leat_get(body, key);
    return gw_check_present(v) ? leat_value_of(v) : NULL;
}

/* ---- making one -------------------------------------------------------- */

static bool create(struct gw_req *r, const struct store_assistant *a,
                   struct err *err)
{
    bool created = false;
    struct store_assistant row;
    bool keep =
        leat_is(leat_get(leat_view_of(r->body), "if_exists"), "do_nothing");
    if (!store_assistants_create(r->store, a, &created, err)) {
        return false;
    }
    if (!created && !keep) {
        return err_set(err, ERR_CONFLICT, "Assistant %s already exists",
                       ID_TEXT(&a->assistant_id));
    }
    return store_assistants_get(r->store, &a->assistant_id, &row, err) &&
           reply(r, &row);
}

static void fill(leat_view body, struct store_assistant *a)
{
    leat_text id = leat_string(leat_get(body, "assistant_id"));
    a->assistant_id = id_uuid7();
    if (id.ptr != NULL) {
        must(id_parse_n(id.ptr, id.len, &a->assistant_id));
    }
    a->graph_id = value_strdup(leat_get(body, "graph_id"));
    a->name = value_strdup(leat_get(body, "name"));
    if (a->name == NULL || *a->name == '\0') {
        free(a->name);
        a->name = base_strdup("Untitled");
    }
    a->description = value_strdup(leat_get(body, "description"));
    a->metadata = object_of(body, "metadata");
    a->config = object_of(body, "config");
    a->context = object_of(body, "context");
}

bool gw_assistants_create(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", fields, COUNT_OF(fields), err) ||
        !check_context(body, err) || gw_req_store(r, err) == NULL) {
        return false;
    }
    struct store_assistant a = {.version = 1};
    fill(body, &a);
    bool ok =
        gw_assistants_check_graph(r, a.graph_id, err) && create(r, &a, err);
    store_assistant_fini(&a);
    return ok;
}

/* ---- changing one ------------------------------------------------------ */

struct texts {
    char *graph_id;
    char *name;
    char *description;
};

static leat_view object_in(leat_view body, const char *key)
{
    leat_view v = leat_get(body, key);
    return gw_check_present(v) ? v : (leat_view){NULL, NULL};
}

static bool patch(struct gw_req *r, const struct id *id, const struct texts *t,
                  struct err *err)
{
    leat_view body = leat_view_of(r->body);
    struct store_assistant a;
    const struct store_assistant_patch p = {
        .assistant_id = *id,
        .graph_id = t->graph_id,
        .name = t->name,
        .description = t->description,
        .metadata = object_in(body, "metadata"),
        .config = object_in(body, "config"),
        .context = object_in(body, "context"),
    };
    return (t->graph_id == NULL ||
            gw_assistants_check_graph(r, t->graph_id, err)) &&
           store_assistants_patch(r->store, &p, &a, err) && reply(r, &a);
}

/* A field that a change may leave out, although making asks for it. */
static bool check_patch(leat_view body, struct err *err)
{
    struct gw_check_field rows[COUNT_OF(fields)];
    memcpy(rows, fields, sizeof(rows));
    rows[0].required = false;
    return gw_check_fields(body, "", rows, COUNT_OF(rows) - 1, err) &&
           check_context(body, err);
}

/* One that is to be changed: what everybody has, an owner may only use. */
static bool require_own(struct gw_req *r, struct store_assistant *a,
                        struct err *err)
{
    if (!gw_assistants_require(r, a, err)) {
        return false;
    }
    if (*r->owner == '\0' || strcmp(a->owner, STORE_EVERYBODY) != 0) {
        return true;
    }
    store_assistant_fini(a);
    return err_set(err, ERR_FORBIDDEN,
                   "system assistants are everybody's: create one of your own");
}

bool gw_assistants_patch(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    struct store_assistant a;
    if (!check_patch(body, err) || !require_own(r, &a, err)) {
        return false;
    }
    struct id id = a.assistant_id;
    store_assistant_fini(&a);
    struct texts t = {
        .graph_id = value_strdup(leat_get(body, "graph_id")),
        .name = value_strdup(leat_get(body, "name")),
        .description = value_strdup(leat_get(body, "description")),
    };
    bool ok = patch(r, &id, &t, err);
    free(t.graph_id);
    free(t.name);
    free(t.description);
    return ok;
}

/* In the body, as the SDKs have it, or in the query. */
static bool read_version(struct gw_req *r, int64_t *version, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"version", gw_check_count, NULL, false},
    };
    static const struct gw_range range = {1, INT64_MAX, 0};
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        !gw_req_query_int(r, "version", range, version, err)) {
        return false;
    }
    *version = leat_int(leat_get(body, "version"), *version);
    return *version != 0 || err_set(err, ERR_INVALID, "version: is required");
}

bool gw_assistants_latest(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    int64_t version = 0;
    if (!read_version(r, &version, err) || !require_own(r, &a, err)) {
        return false;
    }
    struct id id = a.assistant_id;
    store_assistant_fini(&a);
    if (!store_assistants_set_latest(r->store, &id, version, &a, err)) {
        return err->code != ERR_NOT_FOUND
                   ? false
                   : err_set(err, ERR_NOT_FOUND,
                             "Assistant %s has no version %lld", ID_TEXT(&id),
                             (long long)version);
    }
    return reply(r, &a);
}

/* ---- deleting one ------------------------------------------------------ */

static bool ask(struct gw_req *r, uint8_t type, const struct id *id,
                struct err *err)
{
    leat_value *body = NULL;
    struct gw_answer answer = {.body = NULL};
    struct gw_ask q = {.type = type, .wait_ms = DELETE_WAIT_MS};
    if (type == WIRE_THREAD_DELETE) {
        q.thread = *id;
    } else {
        q.run = *id;
        q.body = body = leat_pack("{s:s}", "action", "interrupt");
    }
    bool ok = gw_hub_ask(r->app->hub, &q, &answer, err);
    leat_drop(body);
    leat_drop(answer.body);
    if (!ok && err->code == ERR_NOT_FOUND) { /* somebody was quicker */
        err_clear(err);
        ok = true;
    }
    return ok;
}

/* The threads whose last run was one of this assistant's. */
static bool delete_threads(struct gw_req *r, const struct id *id,
                           struct err *err)
{
    leat_value *metadata = leat_pack("{s:s}", "assistant_id", ID_TEXT(id));
    const struct store_threads_query q = {
        .metadata = leat_view_of(metadata),
        .limit = BATCH,
    };
    bool ok = true;
    size_t left = 1;
    while (ok && left > 0) {
        struct store_threads_page page = {.list = NULL};
        ok = store_threads_search(r->store, &q, &page, err);
        left = page.n;
        for (size_t i = 0; ok && i < page.n; i++) {
            ok = ask(r, WIRE_THREAD_DELETE, &page.list[i].thread_id, err);
        }
        store_threads_free(&page.list, page.n);
    }
    leat_drop(metadata);
    return ok;
}

/* Asks its open runs to stop; *open: how many there were. */
static bool stop_runs(struct gw_req *r, const struct id *id, size_t *open,
                      struct err *err)
{
    struct id *runs = NULL;
    bool ok = store_assistants_open_runs(r->store, id, &runs, open, err);
    for (size_t i = 0; ok && i < *open; i++) {
        ok = ask(r, WIRE_RUN_CANCEL, &runs[i], err);
    }
    free(runs);
    return ok;
}

static bool drop_runs(struct gw_req *r, const struct id *id, struct err *err)
{
    size_t dropped = 1;
    bool ok = true;
    while (ok && dropped > 0) {
        ok = store_assistants_drop_runs(r->store, id, BATCH, &dropped, err);
    }
    return ok;
}

/* Until it has no runs any more: clients may start some meanwhile. */
static bool delete_all(struct gw_req *r, const struct id *id, struct err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    int64_t deadline_ms = clock_mono_ms() + DELETE_WAIT_MS;
    for (;;) {
        size_t open = 0;
        if (!stop_runs(r, id, &open, err) || !drop_runs(r, id, err)) {
            return false;
        }
        if (store_assistants_delete(r->store, id, err)) {
            return true;
        }
        if (err->code != ERR_CONFLICT || clock_mono_ms() >= deadline_ms) {
            return false;
        }
        err_clear(err);
        (void)nanosleep(&pause, NULL);
    }
}

bool gw_assistants_delete(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    bool threads = false;
    if (!gw_req_query_bool(r, "delete_threads", false, &threads, err) ||
        !require_own(r, &a, err)) {
        return false;
    }
    struct id id = a.assistant_id;
    store_assistant_fini(&a);
    if ((threads && !delete_threads(r, &id, err)) || !delete_all(r, &id, err)) {
        return false;
    }
    return gw_req_reply(r, 204, NULL, NULL, 0);
}
