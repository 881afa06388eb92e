/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault's end of remote.c: finds the op, takes its arguments out of the
 * value, makes the call. Arguments come from peers: whatever is missing or of
 * another type is ERR_INVALID, never a must.
 */
#include "common/store/assistants.h"
#include "common/store/filter.h"

#include <stdlib.h>
#include <string.h>

#include "common/store/checkpoints.h"

#define HELD_MAX 16

struct op {
    store_t *s;
    leat_view args;
    struct store_fence fence; /* nil unless the op is fenced */
    leat_value **result;
    struct err *err;
    /* What the arguments borrow from, freed after the call. */
    size_t text_count;
    size_t value_count;
    char *texts[HELD_MAX];
    leat_value *values[HELD_MAX];
};

/* ---- arguments ------------------------------------------------------------
 */

static bool bad(struct op *o, const char *key)
{
    return err_set(o->err, ERR_INVALID, "store call: %s is missing or wrong",
                   key);
}

static void let_go(struct op *o)
{
    for (size_t i = 0; i < o->text_count; i++) {
        free(o->texts[i]);
    }
    for (size_t i = 0; i < o->value_count; i++) {
        leat_drop(o->values[i]);
    }
}

/* Terminated text; NULL when it is not there, or would end early. */
static char *text(struct op *o, const char *key)
{
    leat_text t = leat_string(leat_get(o->args, key));
    char *copy = NULL;
    if (t.ptr != NULL && memchr(t.ptr, '\0', t.len) == NULL) {
        copy = base_memdup(t.ptr, t.len);
        must(o->text_count < HELD_MAX);
        o->texts[o->text_count++] = copy;
    }
    return copy;
}

static leat_value *value(struct op *o, const char *key)
{
    leat_value *held = leat_value_of(leat_get(o->args, key));
    if (held != NULL) {
        must(o->value_count < HELD_MAX);
        o->values[o->value_count++] = held;
    }
    return held;
}

static bool need_id(struct op *o, const char *key, struct id *out)
{
    leat_text t = leat_string(leat_get(o->args, key));
    return (t.ptr != NULL && id_parse_n(t.ptr, t.len, out)) || bad(o, key);
}

static bool need_text(struct op *o, const char *key, char **out)
{
    *out = text(o, key);
    return *out != NULL || bad(o, key);
}

/* Text that fits `cap` bytes; "" when it is not there. */
static bool fit_text(struct op *o, const char *key, char *out, size_t cap)
{
    leat_text t = leat_string(leat_get(o->args, key));
    out[0] = '\0';
    if (t.ptr == NULL) {
        return true;
    }
    if (t.len >= cap) {
        return bad(o, key);
    }
    memcpy(out, t.ptr, t.len);
    out[t.len] = '\0';
    return true;
}

static int64_t number(struct op *o, const char *key)
{
    return leat_int(leat_get(o->args, key), 0);
}

static size_t size(struct op *o, const char *key)
{
    int64_t n = number(o, key);
    return n < 0 ? 0 : (size_t)n;
}

static bool created(struct op *o, bool made)
{
    *o->result = leat_pack("{s:b}", "created", (int)made);
    return true;
}

/* ---- assistants, threads, runs --------------------------------------------
 */

static bool op_assistants_create(struct op *o)
{
    struct store_assistant a = {
        .owner = text(o, "owner"),
        .name = text(o, "name"),
        .description = text(o, "description"),
        .metadata = value(o, "metadata"),
        .config = value(o, "config"),
        .context = value(o, "context"),
        .version = number(o, "version"),
        .created_us = number(o, "created_us"),
    };
    bool made = false;
    return need_id(o, "assistant_id", &a.assistant_id) &&
           need_text(o, "graph_id", &a.graph_id) &&
           store_assistants_create(o->s, &a, &made, o->err) && created(o, made);
}

static bool op_assistants_delete(struct op *o)
{
    struct id id;
    return need_id(o, "assistant_id", &id) &&
           store_assistants_delete(o->s, &id, o->err);
}

static bool gave_assistant(struct op *o, struct store_assistant *a)
{
    *o->result = leat_pack("{s:V}", "assistant", store_assistants_to_value(a));
    store_assistant_fini(a);
    return true;
}

static bool op_assistants_patch(struct op *o)
{
    struct store_assistant a;
    struct store_assistant_patch p = {
        .graph_id = text(o, "graph_id"),
        .name = text(o, "name"),
        .description = text(o, "description"),
        .metadata = leat_get(o->args, "metadata"),
        .config = leat_get(o->args, "config"),
        .context = leat_get(o->args, "context"),
    };
    return need_id(o, "assistant_id", &p.assistant_id) &&
           store_assistants_patch(o->s, &p, &a, o->err) &&
           gave_assistant(o, &a);
}

static bool op_assistants_set_latest(struct op *o)
{
    struct store_assistant a;
    struct id id;
    return need_id(o, "assistant_id", &id) &&
           store_assistants_set_latest(o->s, &id, number(o, "version"), &a,
                                       o->err) &&
           gave_assistant(o, &a);
}

static bool op_assistants_drop_runs(struct op *o)
{
    struct id id;
    size_t dropped = 0;
    if (!need_id(o, "assistant_id", &id) ||
        !store_assistants_drop_runs(o->s, &id, max_size(size(o, "limit"), 1),
                                    &dropped, o->err)) {
        return false;
    }
    *o->result = leat_pack("{s:I}", "dropped", (int64_t)dropped);
    return true;
}

static bool op_threads_create(struct op *o)
{
    struct store_thread t = {
        .owner = text(o, "owner"),
        .metadata = value(o, "metadata"),
        .config = value(o, "config"),
        .values = value(o, "values"),
        .interrupts = value(o, "interrupts"),
        .created_us = number(o, "created_us"),
    };
    bool made = false;
    return need_id(o, "thread_id", &t.thread_id) &&
           fit_text(o, "status", t.status, sizeof t.status) &&
           store_threads_create(o->s, &t, &made, o->err) && created(o, made);
}

static bool op_threads_patch(struct op *o)
{
    struct id id;
    return need_id(o, "thread_id", &id) &&
           store_threads_patch(o->s, &id, leat_get(o->args, "metadata"),
                               leat_get(o->args, "config"), o->err);
}

static bool op_threads_set(struct op *o)
{
    struct id id;
    struct store_thread_state state = {
        .status = text(o, "status"),
        .values = leat_get(o->args, "values"),
        .interrupts = leat_get(o->args, "interrupts"),
        .error = leat_get(o->args, "error"),
    };
    return need_id(o, "thread_id", &id) &&
           store_threads_set(o->s, &id, &state, o->err);
}

static bool op_threads_delete(struct op *o)
{
    struct id id;
    return need_id(o, "thread_id", &id) &&
           store_threads_delete(o->s, &id, o->err);
}

static bool op_threads_copy(struct op *o)
{
    struct id from;
    struct id to;
    return need_id(o, "from", &from) && need_id(o, "to", &to) &&
           store_threads_copy(o->s, &from, &to, o->err);
}

static bool op_threads_prune(struct op *o)
{
    struct id id;
    return need_id(o, "thread_id", &id) &&
           store_threads_prune(o->s, &id, o->err);
}

static bool op_threads_refresh(struct op *o)
{
    struct id id;
    return need_id(o, "thread_id", &id) &&
           store_threads_refresh(o->s, &id, o->err);
}

static bool op_threads_set_ttl(struct op *o)
{
    struct id id;
    struct store_ttl ttl = {.ttl_us = number(o, "ttl_us")};
    return need_id(o, "thread_id", &id) &&
           fit_text(o, "strategy", ttl.strategy, sizeof ttl.strategy) &&
           store_threads_set_ttl(o->s, &id, &ttl, o->err);
}

static bool op_runs_delete(struct op *o)
{
    struct id id;
    return need_id(o, "run_id", &id) && store_runs_delete(o->s, &id, o->err);
}

/* ---- crons, webhooks, keys ------------------------------------------------
 */

static bool need_cron(struct op *o, struct store_cron *c)
{
    *c = (struct store_cron){
        .owner = text(o, "owner"),
        .timezone = text(o, "timezone"),
        .on_completed = text(o, "on_completed"),
        .enabled = leat_bool(leat_get(o->args, "enabled"), false),
        .version = number(o, "version"),
        .next_us = number(o, "next_us"),
        .end_us = number(o, "end_us"),
        .created_us = number(o, "created_us"),
        .metadata = value(o, "metadata"),
        .payload = value(o, "payload"),
    };
    return need_id(o, "cron_id", &c->cron_id) &&
           need_id(o, "assistant_id", &c->assistant_id) &&
           need_id(o, "thread_id", &c->thread_id) &&
           need_text(o, "schedule", &c->schedule);
}

static bool op_crons_create(struct op *o)
{
    struct store_cron c;
    return need_cron(o, &c) && store_crons_create(o->s, &c, o->err);
}

static bool op_crons_replace(struct op *o)
{
    struct store_cron c;
    return need_cron(o, &c) && store_crons_replace(o->s, &c, o->err);
}

static bool op_crons_delete(struct op *o)
{
    struct id id;
    return need_id(o, "cron_id", &id) && store_crons_delete(o->s, &id, o->err);
}

static bool op_crons_advance(struct op *o)
{
    struct store_tick t = {.due_us = number(o, "due_us"),
                           .next_us = number(o, "next_us")};
    return need_id(o, "cron_id", &t.cron_id) &&
           (t.due_us > 0 || bad(o, "due_us")) &&
           (t.next_us >= 0 || bad(o, "next_us")) &&
           store_crons_advance(o->s, &t, o->err);
}

static bool op_hooks_claim(struct op *o)
{
    const struct store_hooks_claim c = {.now_us = number(o, "now_us"),
                                        .until_us = number(o, "until_us"),
                                        .limit = size(o, "limit")};
    struct store_hook *list = NULL;
    size_t n = 0;
    if (c.limit == 0) {
        return bad(o, "limit");
    }
    if (!store_hooks_claim(o->s, &c, &list, &n, o->err)) {
        return false;
    }
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        items[i] = leat_pack("{s:s,s:s,s:I,s:W}", "run_id",
                             ID_TEXT(&list[i].run_id), "url", list[i].url,
                             "tries", list[i].tries, "body", list[i].body);
    }
    *o->result = leat_pack("{s:V}", "hooks", leat_new_list(n, items));
    free(items);
    store_hooks_free(&list, n);
    return true;
}

static bool op_hooks_tried(struct op *o)
{
    struct id id;
    return need_id(o, "run_id", &id) &&
           store_hooks_tried(o->s, &id, number(o, "again_us"), o->err);
}

static bool need_key(struct op *o, struct store_key *k)
{
    char *key = NULL;
    k->owner = text(o, "owner");
    bool ok = need_text(o, "key", &key);
    k->key = key;
    return ok;
}

static bool op_keys_claim(struct op *o)
{
    char *digest = NULL;
    struct store_key_owner out;
    struct store_key_claim c = {.now_us = number(o, "now_us"),
                                .expired_us = number(o, "expired_us"),
                                .abandoned_us = number(o, "abandoned_us")};
    if (!need_key(o, &c.key) || !need_id(o, "run_id", &c.run_id) ||
        !need_text(o, "digest", &digest)) {
        return false;
    }
    c.digest = digest;
    if (!store_keys_claim(o->s, &c, &out, o->err)) {
        return false;
    }
    *o->result = leat_pack("{s:b,s:b,s:b,s:s,s:I}", "fresh", (int)out.fresh,
                           "same", (int)out.same, "accepted",
                           (int)out.accepted, "run_id", ID_TEXT(&out.run_id),
                           "created_us", out.created_us);
    return true;
}

static bool op_keys_release(struct op *o)
{
    struct store_key k;
    struct id id;
    return need_key(o, &k) && need_id(o, "run_id", &id) &&
           store_keys_release(o->s, &k, &id, o->err);
}

static bool op_keys_expire(struct op *o)
{
    int64_t before_us = number(o, "before_us");
    return (before_us > 0 || bad(o, "before_us")) &&
           store_keys_expire(o->s, before_us, o->err);
}

/* ---- checkpoints ----------------------------------------------------------
 */

static bool need_place(struct op *o, struct store_place *at)
{
    char *ns = NULL;
    at->fence = o->fence;
    bool ok =
        need_id(o, "thread_id", &at->thread_id) && need_text(o, "ns", &ns);
    at->ns = ns;
    return ok;
}

static bool op_checkpoints_put(struct op *o)
{
    struct store_place at;
    struct store_checkpoint c = {
        .ts = text(o, "ts"),
        .values = value(o, "values"),
        .refs = value(o, "refs"),
        .versions = value(o, "versions"),
        .seen = value(o, "seen"),
        .metadata = value(o, "metadata"),
        .view = value(o, "view"),
    };
    if (!need_place(o, &at) || !fit_text(o, "id", c.id, sizeof c.id) ||
        !fit_text(o, "parent_id", c.parent_id, sizeof c.parent_id)) {
        return false;
    }
    if (c.id[0] == '\0') {
        return bad(o, "id");
    }
    if (leat_type_of(leat_get(o->args, "run_id")) == LEAT_STRING &&
        !need_id(o, "run_id", &c.run_id)) {
        return false;
    }
    return store_checkpoints_put(o->s, &at, &c, o->err);
}

static bool read_write(leat_view v, struct store_write *w)
{
    leat_text task = leat_string(leat_at(v, 0));
    if (task.ptr == NULL || task.len >= sizeof w->task_id ||
        leat_type_of(leat_at(v, 1)) != LEAT_INT || leat_count(v) != 4) {
        return false;
    }
    memcpy(w->task_id, task.ptr, task.len);
    w->index = leat_int(leat_at(v, 1), 0);
    w->channel = value_strdup(leat_at(v, 2));
    w->value = leat_value_of(leat_at(v, 3));
    return w->channel != NULL;
}

static bool op_checkpoints_put_writes(struct op *o)
{
    struct store_place at;
    char *id = NULL;
    if (!need_place(o, &at) || !need_text(o, "checkpoint_id", &id)) {
        return false;
    }
    leat_view writes = leat_get(o->args, "writes");
    size_t n = leat_type_of(writes) == LEAT_LIST ? leat_count(writes) : 0;
    struct store_write *list = base_zalloc((n + 1) * sizeof *list);
    bool ok = true;
    size_t i = 0;
    for (leat_iter it = leat_iter_of(writes); i < n && leat_next(&it); i++) {
        ok = read_write(it.item, &list[i]) && ok;
    }
    const struct store_writes all = {list, n};
    ok = ok ? store_checkpoints_put_writes(o->s, &at, id, &all, o->err)
            : bad(o, "writes");
    for (i = 0; i < n; i++) {
        free(list[i].channel);
        leat_drop(list[i].value);
    }
    free(list);
    return ok;
}

static bool op_checkpoints_put_view(struct op *o)
{
    struct store_place at;
    char *id = NULL;
    return need_place(o, &at) && need_text(o, "checkpoint_id", &id) &&
           store_checkpoints_put_view(o->s, &at, id, value(o, "view"), o->err);
}

static bool put_one(struct op *all, leat_view call)
{
    static const struct {
        const char *name;
        bool (*run)(struct op *o);
    } puts[] = {
        {"checkpoints_put", op_checkpoints_put},
        {"checkpoints_put_writes", op_checkpoints_put_writes},
        {"checkpoints_put_view", op_checkpoints_put_view},
    };
    struct op o = {.s = all->s,
                   .args = leat_at(call, 1),
                   .fence = all->fence,
                   .result = all->result,
                   .err = all->err};
    for (size_t i = 0; i < COUNT_OF(puts); i++) {
        if (leat_is(leat_at(call, 0), puts[i].name)) {
            bool ok = puts[i].run(&o);
            let_go(&o);
            return ok;
        }
    }
    return bad(all, "calls");
}

/* What a saver gathered. One that fails ends it; those before it stand. */
static bool op_checkpoints_put_all(struct op *o)
{
    leat_view calls = leat_get(o->args, "calls");
    bool ok = leat_type_of(calls) == LEAT_LIST || bad(o, "calls");
    for (leat_iter it = leat_iter_of(calls); ok && leat_next(&it);) {
        ok = put_one(o, it.item);
    }
    return ok;
}

static leat_value *writes_value(const struct store_checkpoint *c)
{
    leat_value **list = base_zalloc((c->write_count + 1) * sizeof *list);
    for (size_t i = 0; i < c->write_count; i++) {
        const struct store_write *w = &c->writes[i];
        list[i] =
            leat_pack("[s,I,s,W]", w->task_id, w->index, w->channel, w->value);
    }
    leat_value *out = leat_new_list(c->write_count, list);
    free(list);
    return out;
}

static leat_value *checkpoint_value(const struct store_checkpoint *c)
{
    return leat_pack("{s:s,s:s,s:s,s:?s,s:W,s:W,s:W,s:W,s:W,s:?W,s:V}", "id",
                     c->id, "parent_id", c->parent_id, "ts", c->ts, "run_id",
                     id_is_nil(&c->run_id) ? NULL : ID_TEXT(&c->run_id),
                     "values", c->values, "refs", c->refs, "versions",
                     c->versions, "seen", c->seen, "metadata", c->metadata,
                     "view", c->view, "writes", writes_value(c));
}

static bool op_checkpoints_load(struct op *o)
{
    struct store_place at;
    if (!need_place(o, &at)) {
        return false;
    }
    const struct store_checkpoint_key k = {at.thread_id, at.ns, text(o, "id")};
    struct store_checkpoint c;
    bool found = false;
    bool ok = store_checkpoints_load(o->s, &k, &c, &found, o->err);
    if (ok) {
        *o->result = leat_pack("{s:V}", "checkpoint",
                               found ? checkpoint_value(&c) : NULL);
    }
    store_checkpoint_fini(&c);
    return ok;
}

static bool op_checkpoints_list(struct op *o)
{
    struct store_place at;
    if (!need_place(o, &at)) {
        return false;
    }
    struct store_checkpoints_query q = {
        .thread_id = at.thread_id,
        .ns = at.ns,
        .id = text(o, "id"),
        .before = text(o, "before"),
        .metadata = leat_get(o->args, "metadata"),
        .limit = size(o, "limit"),
    };
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    if (!store_checkpoints_list(o->s, &q, &list, &n, o->err)) {
        return false;
    }
    leat_value **values = base_zalloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = checkpoint_value(&list[i]);
    }
    *o->result = leat_pack("{s:V}", "checkpoints", leat_new_list(n, values));
    free(values);
    store_checkpoints_free(&list, n);
    return true;
}

static bool op_checkpoints_delete_run(struct op *o)
{
    struct id id;
    return need_id(o, "run_id", &id) && (!id_is_nil(&id) || bad(o, "run_id")) &&
           store_checkpoints_delete_run(o->s, &id, o->err);
}

/* ---- items ----------------------------------------------------------------
 */

/* Who asks says whose items; without a word they are nobody's. */
static const char *item_owner(struct op *o)
{
    const char *owner = text(o, "owner");
    return owner == NULL ? "" : owner;
}

static enum store_refresh refresh_of(struct op *o)
{
    leat_view v = leat_get(o->args, "refresh");
    if (leat_type_of(v) != LEAT_BOOL) {
        return STORE_REFRESH_DEFAULT;
    }
    return leat_bool(v, false) ? STORE_REFRESH_YES : STORE_REFRESH_NO;
}

static bool need_item(struct op *o, struct store_item_key *k)
{
    char *key = NULL;
    *k = (struct store_item_key){.owner = item_owner(o),
                                 .space = leat_get(o->args, "space"),
                                 .refresh = refresh_of(o)};
    bool ok = need_text(o, "key", &key);
    k->key = key;
    return ok;
}

static bool op_items_put(struct op *o)
{
    struct store_item_key k;
    leat_value *v = value(o, "value");
    return need_item(o, &k) && (v != NULL || bad(o, "value")) &&
           store_items_put(o->s, &k, v, number(o, "ttl_us"), o->err);
}

static leat_value *item_value(const struct store_item *i)
{
    return leat_pack("{s:s,s:W,s:s,s:W,s:I,s:I,s:I,s:I}", "owner", i->owner,
                     "space", i->space, "key", i->key, "value", i->value,
                     "created_us", i->created_us, "updated_us", i->updated_us,
                     "ttl_us", i->ttl_us, "expires_us", i->expires_us);
}

static bool op_items_get(struct op *o)
{
    struct store_item_key k;
    struct store_item item;
    bool found = false;
    if (!need_item(o, &k) ||
        !store_items_get(o->s, &k, &item, &found, o->err)) {
        return false;
    }
    *o->result = leat_pack("{s:V}", "item", found ? item_value(&item) : NULL);
    store_item_fini(&item);
    return true;
}

static bool op_items_delete(struct op *o)
{
    struct store_item_key k;
    return need_item(o, &k) && store_items_delete(o->s, &k, o->err);
}

static bool read_item_name(leat_view v, struct store_item *item)
{
    char *owner = value_strdup(leat_get(v, "owner"));
    item->owner = owner == NULL ? base_strdup("") : owner;
    item->space = leat_value_of(leat_get(v, "space"));
    item->key = value_strdup(leat_get(v, "key"));
    return item->space != NULL && item->key != NULL;
}

static bool op_items_refresh(struct op *o)
{
    leat_view names = leat_get(o->args, "items");
    size_t n = leat_type_of(names) == LEAT_LIST ? leat_count(names) : 0;
    struct store_item *list = base_zalloc((n + 1) * sizeof *list);
    bool ok = leat_type_of(names) == LEAT_LIST;
    size_t i = 0;
    for (leat_iter it = leat_iter_of(names); i < n && leat_next(&it); i++) {
        ok = read_item_name(it.item, &list[i]) && ok;
    }
    ok = ok ? store_items_refresh(o->s, list, n, o->err) : bad(o, "items");
    store_items_free(&list, n);
    return ok;
}

static bool op_items_search(struct op *o)
{
    struct store_items_query q = {
        .owner = item_owner(o),
        .prefix = leat_get(o->args, "prefix"),
        .filter = leat_get(o->args, "filter"),
        .limit = size(o, "limit"),
        .offset = size(o, "offset"),
        .refresh = refresh_of(o),
    };
    struct store_item *list = NULL;
    size_t n = 0;
    if (!store_filter_check(q.filter, "filter", o->err) ||
        !store_items_search(o->s, &q, &list, &n, o->err)) {
        return false;
    }
    leat_value **values = base_zalloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = item_value(&list[i]);
    }
    *o->result = leat_pack("{s:V}", "items", leat_new_list(n, values));
    free(values);
    store_items_free(&list, n);
    return true;
}

static bool op_items_spaces(struct op *o)
{
    const struct store_spaces_query q = {
        .owner = item_owner(o),
        .prefix = leat_get(o->args, "prefix"),
        .suffix = leat_get(o->args, "suffix"),
        .max_depth = size(o, "max_depth"),
        .limit = size(o, "limit"),
        .offset = size(o, "offset"),
    };
    leat_value *spaces = NULL;
    if (!store_items_spaces(o->s, &q, &spaces, o->err)) {
        return false;
    }
    *o->result = leat_pack("{s:V}", "spaces", spaces);
    return true;
}

static bool op_truncate(struct op *o)
{
    return store_truncate(o->s, (unsigned)number(o, "what"), o->err);
}

/* ---- the table ------------------------------------------------------------
 */

static const struct row {
    const char *name;
    bool (*run)(struct op *o);
    bool fenced;
} rows[] = {
#define STORE_OP(name, fenced, args, result) {#name, op_##name, fenced},
#include "common/store/ops.tbl.h"
#undef STORE_OP
};

static const struct row *find(leat_text name)
{
    for (size_t i = 0; name.ptr != NULL && i < COUNT_OF(rows); i++) {
        if (strlen(rows[i].name) == name.len &&
            memcmp(rows[i].name, name.ptr, name.len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool store_ops_run(store_t *s, const struct store_request *r,
                   leat_value **result, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(result != NULL && !s->remote);
    *result = NULL;
    const struct row *row = find(r->op);
    if (row == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "no such store call");
    }
    struct op o = {.s = s, .args = r->args, .result = result, .err = err};
    if (row->fenced) {
        o.fence = r->fence;
    }
    bool ok = row->run(&o);
    let_go(&o);
    return ok;
}
