/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing calls as a client on SQLite makes them: arguments packed into
 * one value by ops.tbl.h, sent through the handle's transport, the result
 * taken apart. store/ops.c is the other end.
 */
#include "common/store/assistants.h"

#include <stdlib.h>

#define ID(id) id_print((id), (char[ID_TEXT_SIZE]){0})

/* Takes the reference of args. *result may be NULL when none is wanted. */
static bool send(store_t *s, const char *op, leat_value *args,
                 leat_value **result, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    leat_value *got = NULL;
    bool ok = s->call != NULL ||
              err_set(err, ERR_UNAVAILABLE, "this store can only be read");
    ok = ok && s->call(s->call_self, op, args, &got, err);
    leat_drop(args);
    if (result != NULL && ok) {
        *result = got;
    } else {
        leat_drop(got);
    }
    return ok;
}

static bool send_created(store_t *s, const char *op, leat_value *args,
                         bool *created, struct err *err)
{
    leat_value *result = NULL;
    if (!send(s, op, args, &result, err)) {
        return false;
    }
    *created = leat_bool(leat_get(leat_view_of(result), "created"), false);
    leat_drop(result);
    return true;
}

bool store_remote_assistants_create(store_t *s, const struct store_assistant *a,
                                    bool *created, struct err *err)
{
    leat_value *args = leat_pack(
        "{s:s,s:s,s:?s,s:?s,s:?s,s:?W,s:?W,s:?W,s:I,s:I}", "assistant_id",
        ID(&a->assistant_id), "graph_id", a->graph_id, "owner",
        store_maker(s, a->owner),
        "name", a->name, "description", a->description, "metadata", a->metadata,
        "config", a->config, "context", a->context, "version", a->version,
        "created_us", a->created_us);
    return send_created(s, "assistants_create", args, created, err);
}

bool store_remote_assistants_delete(store_t *s, const struct id *assistant_id,
                                    struct err *err)
{
    return send(s, "assistants_delete",
                leat_pack("{s:s}", "assistant_id", ID(assistant_id)), NULL,
                err);
}

static bool send_assistant(store_t *s, const char *op, leat_value *args,
                           struct store_assistant *out, struct err *err)
{
    leat_value *result = NULL;
    if (!send(s, op, args, &result, err)) {
        return false;
    }
    bool ok = store_assistants_from_value(
        leat_get(leat_view_of(result), "assistant"), out, err);
    leat_drop(result);
    return ok;
}

bool store_remote_assistants_patch(store_t *s,
                                   const struct store_assistant_patch *p,
                                   struct store_assistant *out, struct err *err)
{
    leat_value *args =
        leat_pack("{s:s,s:?s,s:?s,s:?s,s:?v,s:?v,s:?v}", "assistant_id",
                  ID(&p->assistant_id), "graph_id", p->graph_id, "name",
                  p->name, "description", p->description, "metadata",
                  p->metadata, "config", p->config, "context", p->context);
    return send_assistant(s, "assistants_patch", args, out, err);
}

bool store_remote_assistants_set_latest(store_t *s,
                                        const struct id *assistant_id,
                                        int64_t version,
                                        struct store_assistant *out,
                                        struct err *err)
{
    leat_value *args = leat_pack("{s:s,s:I}", "assistant_id", ID(assistant_id),
                                 "version", version);
    return send_assistant(s, "assistants_set_latest", args, out, err);
}

bool store_remote_assistants_drop_runs(store_t *s,
                                       const struct id *assistant_id,
                                       size_t limit, size_t *dropped,
                                       struct err *err)
{
    leat_value *args = leat_pack("{s:s,s:I}", "assistant_id", ID(assistant_id),
                                 "limit", (int64_t)limit);
    leat_value *result = NULL;
    if (!send(s, "assistants_drop_runs", args, &result, err)) {
        return false;
    }
    *dropped = (size_t)leat_uint(leat_get(leat_view_of(result), "dropped"), 0);
    leat_drop(result);
    return true;
}

bool store_remote_threads_create(store_t *s, const struct store_thread *t,
                                 bool *created, struct err *err)
{
    leat_value *args = leat_pack(
        "{s:s,s:?s,s:s,s:?W,s:?W,s:?W,s:?W,s:I}", "thread_id",
        ID(&t->thread_id), "owner", store_maker(s, t->owner), "status", t->status, "metadata",
        t->metadata, "config", t->config, "values", t->values, "interrupts",
        t->interrupts, "created_us", t->created_us);
    return send_created(s, "threads_create", args, created, err);
}

bool store_remote_threads_patch(store_t *s, const struct id *thread_id,
                                leat_view metadata, leat_view config,
                                struct err *err)
{
    return send(s, "threads_patch",
                leat_pack("{s:s,s:?v,s:?v}", "thread_id", ID(thread_id),
                          "metadata", metadata, "config", config),
                NULL, err);
}

bool store_remote_threads_set(store_t *s, const struct id *thread_id,
                              const struct store_thread_state *state,
                              struct err *err)
{
    return send(s, "threads_set",
                leat_pack("{s:s,s:?s,s:?v,s:?v,s:?v}", "thread_id",
                          ID(thread_id), "status", state->status, "values",
                          state->values, "interrupts", state->interrupts,
                          "error", state->error),
                NULL, err);
}

bool store_remote_threads_delete(store_t *s, const struct id *thread_id,
                                 struct err *err)
{
    return send(s, "threads_delete",
                leat_pack("{s:s}", "thread_id", ID(thread_id)), NULL, err);
}

bool store_remote_threads_copy(store_t *s, const struct id *from,
                               const struct id *to, struct err *err)
{
    return send(s, "threads_copy",
                leat_pack("{s:s,s:s}", "from", ID(from), "to", ID(to)), NULL,
                err);
}

bool store_remote_threads_prune(store_t *s, const struct id *thread_id,
                                struct err *err)
{
    return send(s, "threads_prune",
                leat_pack("{s:s}", "thread_id", ID(thread_id)), NULL, err);
}

bool store_remote_threads_refresh(store_t *s, const struct id *thread_id,
                                  struct err *err)
{
    return send(s, "threads_refresh",
                leat_pack("{s:s}", "thread_id", ID(thread_id)), NULL, err);
}

bool store_remote_threads_set_ttl(store_t *s, const struct id *thread_id,
                                  const struct store_ttl *ttl, struct err *err)
{
    return send(s, "threads_set_ttl",
                leat_pack("{s:s,s:s,s:I}", "thread_id", ID(thread_id),
                          "strategy", ttl->strategy, "ttl_us", ttl->ttl_us),
                NULL, err);
}

bool store_remote_runs_delete(store_t *s, const struct id *run_id,
                              struct err *err)
{
    return send(s, "runs_delete", leat_pack("{s:s}", "run_id", ID(run_id)),
                NULL, err);
}

/* ---- checkpoints ----------------------------------------------------------
 */

bool store_remote_checkpoints_put(store_t *s, const struct store_place *at,
                                  const struct store_checkpoint *c,
                                  struct err *err)
{
    leat_value *args =
        leat_pack("{s:s,s:s,s:s,s:s,s:s,s:?s,s:W,s:?W,s:W,s:W,s:W,s:?W}",
                  "thread_id", ID(&at->thread_id), "ns", at->ns, "id", c->id,
                  "parent_id", c->parent_id, "ts", c->ts == NULL ? "" : c->ts,
                  "run_id", id_is_nil(&c->run_id) ? NULL : ID(&c->run_id),
                  "values", c->values, "refs", c->refs, "versions", c->versions,
                  "seen", c->seen, "metadata", c->metadata, "view", c->view);
    return send(s, "checkpoints_put", args, NULL, err);
}

bool store_remote_checkpoints_put_writes(store_t *s,
                                         const struct store_place *at,
                                         const char *checkpoint_id,
                                         const struct store_writes *writes,
                                         struct err *err)
{
    leat_value **list = base_zalloc((writes->n + 1) * sizeof *list);
    for (size_t i = 0; i < writes->n; i++) {
        const struct store_write *w = &writes->list[i];
        list[i] =
            leat_pack("[s,I,s,W]", w->task_id, w->index, w->channel, w->value);
    }
    leat_value *args =
        leat_pack("{s:s,s:s,s:s,s:V}", "thread_id", ID(&at->thread_id), "ns",
                  at->ns, "checkpoint_id", checkpoint_id, "writes",
                  leat_new_list(writes->n, list));
    free(list);
    return send(s, "checkpoints_put_writes", args, NULL, err);
}

bool store_remote_checkpoints_put_view(store_t *s, const struct store_place *at,
                                       const char *checkpoint_id,
                                       const leat_value *view, struct err *err)
{
    return send(s, "checkpoints_put_view",
                leat_pack("{s:s,s:s,s:s,s:W}", "thread_id", ID(&at->thread_id),
                          "ns", at->ns, "checkpoint_id", checkpoint_id, "view",
                          view),
                NULL, err);
}

/* ---- items ----------------------------------------------------------------
 */

bool store_remote_items_put(store_t *s, const struct store_item_key *k,
                            const leat_value *value, int64_t ttl_us,
                            struct err *err)
{
    return send(s, "items_put",
                leat_pack("{s:s,s:v,s:s,s:W,s:I}", "owner",
                          store_maker(s, k->owner), "space", k->space, "key",
                          k->key, "value", value, "ttl_us", ttl_us),
                NULL, err);
}

bool store_remote_items_refresh(store_t *s, const struct store_item *list,
                                size_t n, struct err *err)
{
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        items[i] = leat_pack("{s:s,s:W,s:s}", "owner", list[i].owner, "space",
                             list[i].space, "key", list[i].key);
    }
    leat_value *args = leat_pack("{s:V}", "items", leat_new_list(n, items));
    free(items);
    return send(s, "items_refresh", args, NULL, err);
}

bool store_remote_items_delete(store_t *s, const struct store_item_key *k,
                               struct err *err)
{
    return send(s, "items_delete",
                leat_pack("{s:s,s:v,s:s}", "owner", k->owner, "space",
                          k->space, "key", k->key),
                NULL, err);
}

/* ---- crons, webhooks, keys ------------------------------------------------
 */

bool store_remote_crons_put(store_t *s, const char *op,
                            const struct store_cron *c, struct err *err)
{
    leat_value *args = leat_pack(
        "{s:s,s:s,s:s,s:?s,s:s,s:?s,s:?s,s:b,s:I,s:I,s:I,s:I,s:?W,s:?W}",
        "cron_id", ID(&c->cron_id), "assistant_id", ID(&c->assistant_id),
        "thread_id", ID(&c->thread_id), "owner", store_maker(s, c->owner),
        "schedule",
        c->schedule, "timezone", c->timezone, "on_completed", c->on_completed,
        "enabled", (int)c->enabled, "version", c->version, "next_us",
        c->next_us, "end_us", c->end_us, "created_us", c->created_us,
        "metadata", c->metadata, "payload", c->payload);
    return send(s, op, args, NULL, err);
}

bool store_remote_crons_delete(store_t *s, const struct id *cron_id,
                               struct err *err)
{
    return send(s, "crons_delete", leat_pack("{s:s}", "cron_id", ID(cron_id)),
                NULL, err);
}

bool store_remote_crons_advance(store_t *s, const struct store_tick *t,
                                struct err *err)
{
    return send(s, "crons_advance",
                leat_pack("{s:s,s:I,s:I}", "cron_id", ID(&t->cron_id),
                          "due_us", t->due_us, "next_us", t->next_us),
                NULL, err);
}

static bool read_hook(leat_view v, struct store_hook *h)
{
    leat_text run = leat_string(leat_get(v, "run_id"));
    h->url = value_strdup(leat_get(v, "url"));
    h->tries = leat_int(leat_get(v, "tries"), 0);
    h->body = leat_value_of(leat_get(v, "body"));
    return h->url != NULL && run.ptr != NULL &&
           id_parse_n(run.ptr, run.len, &h->run_id);
}

bool store_remote_hooks_claim(store_t *s, const struct store_hooks_claim *c,
                              struct store_hook **list, size_t *n,
                              struct err *err)
{
    leat_value *result = NULL;
    struct store_rows rows = {NULL, 0, 0};
    if (!send(s, "hooks_claim",
              leat_pack("{s:I,s:I,s:I}", "now_us", c->now_us, "until_us",
                        c->until_us, "limit", (int64_t)c->limit),
              &result, err)) {
        return false;
    }
    leat_iter it = leat_iter_of(leat_get(leat_view_of(result), "hooks"));
    bool ok = true;
    while (ok && leat_next(&it)) {
        ok = read_hook(it.item,
                       store_rows_add(&rows, sizeof(struct store_hook)));
    }
    leat_drop(result);
    *list = rows.rows;
    *n = rows.n;
    if (!ok) {
        store_hooks_free(list, *n);
        *n = 0;
    }
    return ok || err_set(err, ERR_STORE, "hooks_claim was answered wrongly");
}

bool store_remote_hooks_tried(store_t *s, const struct id *run_id,
                              int64_t again_us, struct err *err)
{
    return send(s, "hooks_tried",
                leat_pack("{s:s,s:I}", "run_id", ID(run_id), "again_us",
                          again_us),
                NULL, err);
}

bool store_remote_keys_claim(store_t *s, const struct store_key_claim *c,
                             struct store_key_owner *out, struct err *err)
{
    leat_value *result = NULL;
    if (!send(s, "keys_claim",
              leat_pack("{s:?s,s:s,s:s,s:s,s:I,s:I,s:I}", "owner",
                        c->key.owner, "key", c->key.key, "run_id",
                        ID(&c->run_id), "digest", c->digest, "now_us",
                        c->now_us, "expired_us", c->expired_us, "abandoned_us",
                        c->abandoned_us),
              &result, err)) {
        return false;
    }
    leat_view v = leat_view_of(result);
    leat_text run = leat_string(leat_get(v, "run_id"));
    bool ok = run.ptr != NULL && id_parse_n(run.ptr, run.len, &out->run_id);
    out->fresh = leat_bool(leat_get(v, "fresh"), false);
    out->same = leat_bool(leat_get(v, "same"), false);
    out->accepted = leat_bool(leat_get(v, "accepted"), false);
    out->created_us = leat_int(leat_get(v, "created_us"), 0);
    leat_drop(result);
    return ok || err_set(err, ERR_STORE, "keys_claim was answered wrongly");
}

bool store_remote_keys_release(store_t *s, const struct store_key *k,
                               const struct id *run_id, struct err *err)
{
    return send(s, "keys_release",
                leat_pack("{s:?s,s:s,s:s}", "owner", k->owner, "key", k->key,
                          "run_id", ID(run_id)),
                NULL, err);
}

bool store_remote_keys_expire(store_t *s, int64_t before_us, struct err *err)
{
    return send(s, "keys_expire", leat_pack("{s:I}", "before_us", before_us),
                NULL, err);
}

bool store_remote_truncate(store_t *s, unsigned what, struct err *err)
{
    return send(s, "truncate", leat_pack("{s:I}", "what", (int64_t)what), NULL,
                err);
}
