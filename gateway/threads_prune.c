/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads_prune.c: what threads take in the store, and taking less of it. A
 * thread with a run is left alone.
 */
#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/threads.h"

#define DELETE_WAIT_MS 30000

bool gw_threads_prune_one(struct gw_app *app, store_t *store,
                          const struct id *id, bool keep_latest,
                          struct err *err)
{
    if (keep_latest) {
        return store_threads_prune(store, id, err);
    }
    const struct gw_ask ask = {.type = WIRE_THREAD_DELETE,
                               .thread = *id,
                               .seq = 1, /* only if it has no runs */
                               .wait_ms = DELETE_WAIT_MS};
    struct gw_answer answer = {.body = NULL};
    bool ok = gw_hub_ask(app->hub, &ask, &answer, err);
    leat_drop(answer.body);
    return ok;
}

/* *done: it was there, had no run, and is pruned. */
static bool prune(struct gw_req *r, leat_text text, bool keep_latest,
                  bool *done, struct err *err)
{
    struct id id;
    struct store_thread t;
    must(id_parse_n(text.ptr, text.len, &id));
    *done = store_threads_get(r->store, &id, &t, err);
    if (*done) {
        store_thread_fini(&t);
        *done = gw_threads_prune_one(r->app, r->store, &id, keep_latest, err);
    }
    if (!*done && (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)) {
        err_clear(err);
        return true;
    }
    return *done;
}

bool gw_threads_prune(struct gw_req *r, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"thread_ids", gw_check_uuids, NULL, true},
        {"strategy", NULL, "delete|keep_latest", false},
    };
    leat_view body = leat_view_of(r->body);
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    bool keep = leat_is(leat_get(body, "strategy"), "keep_latest");
    int64_t count = 0;
    for (leat_iter it = leat_iter_of(leat_get(body, "thread_ids"));
         leat_next(&it);) {
        bool done = false;
        if (!prune(r, leat_string(it.item), keep, &done, err)) {
            return false;
        }
        count += done;
    }
    return gw_req_json_take(r, leat_pack("{s:I}", "pruned_count", count));
}

/* ---- what it takes ----------------------------------------------------- */

static leat_value *channels_of(const struct store_thread_size *size)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (size_t i = 0; i < size->channel_count; i++) {
        const struct store_channel_size *c = &size->channels[i];
        leat_write_key(w, c->channel);
        leat_write_object(w);
        leat_write_key(w, "versions");
        leat_write_uint(w, c->versions);
        leat_write_key(w, "bytes");
        leat_write_uint(w, c->bytes);
        leat_write_end(w);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *count_of(uint64_t count, uint64_t bytes)
{
    return leat_pack("{s:I,s:I}", "count", (int64_t)count, "bytes",
                     (int64_t)bytes);
}

bool gw_threads_storage(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    struct store_thread_size size;
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id id = t.thread_id;
    store_thread_fini(&t);
    if (!store_threads_size(r->store, &id, &size, err)) {
        return false;
    }
    uint64_t total =
        size.checkpoint_bytes + size.value_bytes + size.write_bytes;
    leat_value *v = leat_pack(
        "{s:s,s:I,s:V,s:{s:I,s:I,s:V},s:V}", "thread_id", ID_TEXT(&id),
        "total_bytes", (int64_t)total, "checkpoints",
        count_of(size.checkpoints, size.checkpoint_bytes), "channel_values",
        "count", (int64_t)size.value_count, "bytes", (int64_t)size.value_bytes,
        "by_channel", channels_of(&size), "pending_writes",
        count_of(size.write_count, size.write_bytes));
    store_thread_size_fini(&size);
    return gw_req_json_take(r, v);
}
