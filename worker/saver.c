/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the engine's checkpoints to the store's and back. A channel whose
 * version has not changed since the checkpoint before is not stored again:
 * the saver remembers for each namespace which checkpoint it last put or
 * loaded, and where that one's large values are. Versions repeat on forks, so
 * this holds only for a put whose parent is that very checkpoint.
 */
#include "worker/saver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/stat.h"
#include "common/store/filter.h"
#include "common/store/store.h"
#include "worker/bundle.h"
#include "worker/scribe.h"
#include "worker/vault.h"

#define WRK_SAVER_MAGIC LEAT_MAGIC(0x3a7e0012)
#define KNOWN_MAX 64 /* namespaces remembered; the oldest goes */
/* For a broker that is still making the database; for one that is away. */
#define OPEN_WAIT_MS 10000
#define LINE_WAIT_MS 1000

/* What the last checkpoint of a namespace was. */
struct known {
    char *ns; /* NULL: unused */
    char id[37];
    leat_value *refs; /* channel -> checkpoint that stored it */
    leat_value *versions;
};

struct wrk_saver {
    uint32_t magic;
    char *store_url;
    struct wrk_vault_conf vault_conf;
    pthread_mutex_t turn;
    bool bound;
    int64_t used_ms; /* when the last call was made */
    struct id thread;
    struct id run;
    uint16_t attempt;
    unsigned connections;
    int64_t item_ttl_ms;
    bool item_ttl_fixed;
    char *owner;
    store_t *store;
    void **writer; /* whom the store tells its writes: this saver */
    /* How writes go: one of the two. */
    wrk_vault_t *vault;
    wrk_line_t *line; /* where several processes may write */
    wrk_pool_t *pool; /* where store and vault come from and go to; or NULL */
    struct wrk_bundle held; /* what waits to be sent with more */
    bool prompt;            /* nothing waits any more */
    size_t oldest;    /* place in known that is used next */
    struct known known[KNOWN_MAX];
    struct graph_saver ops;
    struct graph_items items;
    atomic_bool stopped; /* any thread */
};

static bool on_load(void *self, const char *ns, const char *id,
                    struct graph_saved *out, struct err *err);
static bool on_list(void *self, const struct graph_query *q,
                    struct graph_saved **out, size_t *n, struct err *err);
static bool on_put(void *self, const struct graph_checkpoint *cp,
                   struct err *err);
static bool on_put_writes(void *self, const struct graph_spot *at,
                          const struct graph_write *w, size_t n,
                          struct err *err);
static bool on_put_view(void *self, const char *ns, const char *checkpoint_id,
                        const leat_value *view, struct err *err);
static bool on_flush(void *self, struct err *err);
static bool on_item_put(void *self, leat_view space, const char *key,
                        const leat_value *value, struct err *err);
static bool on_item_get(void *self, leat_view space, const char *key,
                        leat_value **value, struct err *err);
static bool on_item_search(void *self, const struct graph_item_query *q,
                           leat_value **list, struct err *err);

static bool rest(void *saver, int64_t idle_ms)
{
    return wrk_saver_rest(saver, idle_ms);
}

wrk_saver_t *wrk_saver_new(const struct wrk_saver_conf *conf)
{
    must(conf->store != NULL && conf->brokers != NULL);
    wrk_saver_t *s = base_zalloc(sizeof *s);
    s->magic = WRK_SAVER_MAGIC;
    s->store_url = base_strdup(conf->store);
    s->vault_conf =
        (struct wrk_vault_conf){.brokers = conf->brokers,
                                .frame_bytes = (size_t)conf->frame_bytes,
                                .stopped = &s->stopped};
    s->connections = conf->connections;
    s->pool = store_url_shared(conf->store) ? NULL : conf->pool;
    s->item_ttl_ms = conf->item_ttl_ms;
    s->item_ttl_fixed = conf->item_ttl_fixed;
    (void)pthread_mutex_init(&s->turn, NULL);
    if (s->pool != NULL) {
        wrk_pool_add(s->pool, rest, s);
    }
    s->ops = (struct graph_saver){.self = s,
                                  .load = on_load,
                                  .list = on_list,
                                  .put = on_put,
                                  .put_writes = on_put_writes,
                                  .put_view = on_put_view,
                                  .flush = on_flush};
    s->items =
        (struct graph_items){.self = s,
                             .put = on_item_put,
                             .get = on_item_get,
                             .search = on_item_search};
    return s;
}

static void known_fini(struct known *k)
{
    free(k->ns);
    leat_drop(k->refs);
    leat_drop(k->versions);
    memset(k, 0, sizeof *k);
}

void wrk_saver_destroy(wrk_saver_t **p)
{
    wrk_saver_t *s = *p;
    if (s == NULL) {
        return;
    }
    check_magic(s, WRK_SAVER_MAGIC);
    if (s->pool != NULL) {
        wrk_pool_remove(s->pool, s);
    }
    wrk_saver_unbind(s);
    store_destroy(&s->store);
    free(s->writer);
    wrk_vault_destroy(&s->vault);
    wrk_scribe_destroy(&s->line);
    (void)pthread_mutex_destroy(&s->turn);
    free(s->store_url);
    s->magic = 0;
    free(s);
    *p = NULL;
}

/* A database behind a network may be away for a while. A run that would fail
 * for that would be lost; one that waits is fenced or goes on. */
static bool is_away(const wrk_saver_t *s, const struct err *err)
{
    return err->code == ERR_UNAVAILABLE && s->line != NULL &&
           !atomic_load(&s->stopped);
}

/* ---- how writes go --------------------------------------------------------
 */

static bool send_call(wrk_saver_t *s, const char *op, const leat_value *args,
                      leat_value **result, struct err *err)
{
    return s->line != NULL ? wrk_scribe_call(s->line, op, args, result, err)
                           : wrk_vault_call(s->vault, op, args, result, err);
}

static bool send_held(wrk_saver_t *s, struct err *err)
{
    const char *op = NULL;
    leat_value *none = NULL;
    leat_value *args = wrk_bundle_take(&s->held, &op);
    bool ok = args == NULL || send_call(s, op, args, &none, err);
    leat_drop(args);
    return ok;
}

static bool so_far(wrk_saver_t *s, struct err *err)
{
    return s->line != NULL ? wrk_scribe_so_far(s->line, err)
                           : wrk_vault_so_far(s->vault, err);
}

/* A store_call_fn; `self` is the place that says who has the store now. */
static bool on_call(void *self, const char *op, const leat_value *args,
                    leat_value **result, struct err *err)
{
    wrk_saver_t *s = *(void **)self;
    *result = NULL;
    if (wrk_bundle_fits(op) && !s->prompt) {
        if (!so_far(s, err)) {
            return false;
        }
        if (wrk_bundle_put(&s->held, op, args)) {
            return true;
        }
    }
    return send_held(s, err) && send_call(s, op, args, result, err);
}

static bool flush_writes(wrk_saver_t *s, struct err *err)
{
    return send_held(s, err) && (s->line != NULL
                                     ? wrk_scribe_flush(s->line, err)
                                     : wrk_vault_flush(s->vault, err));
}

static void bind_writes(wrk_saver_t *s)
{
    if (s->line != NULL) {
        wrk_scribe_bind(s->line, &s->run, s->attempt);
    } else {
        wrk_vault_bind(s->vault, &s->run, s->attempt);
    }
}

/* Not through send_call(), which may wait: the caller must not. */
static void push_held(wrk_saver_t *s)
{
    const char *op = NULL;
    leat_value *args = wrk_bundle_take(&s->held, &op);
    if (args != NULL && s->line != NULL) {
        wrk_scribe_push(s->line, op, args);
    } else if (args != NULL) {
        wrk_vault_push(s->vault, op, args);
    }
    leat_drop(args);
}

/* ---- binding --------------------------------------------------------------
 */

static bool open_store(wrk_saver_t *s, struct store_conf *conf, struct err *err)
{
    s->writer = s->writer != NULL ? s->writer : base_zalloc(sizeof(void *));
    *s->writer = s;
    conf->by_call = true;
    conf->call = on_call;
    conf->call_self = s->writer;
    do {
        err_clear(err);
        s->store = store_open(conf, err);
    } while (s->store == NULL && is_away(s, err));
    return s->store != NULL;
}

/* What another saver has left. */
static bool take_pair(wrk_saver_t *s)
{
    struct wrk_pair pair;
    if (s->pool == NULL || !wrk_pool_take(s->pool, &pair)) {
        return false;
    }
    free(s->writer); /* of an opening that failed */
    s->store = pair.store;
    s->vault = pair.vault;
    s->writer = pair.writer;
    *s->writer = s;
    wrk_vault_lend(s->vault, &s->stopped);
    return true;
}

static void give_pair(wrk_saver_t *s)
{
    if (s->pool != NULL && s->store != NULL) {
        const struct wrk_pair pair = {s->store, s->writer, s->vault};
        s->store = NULL;
        s->vault = NULL;
        s->writer = NULL;
        wrk_pool_give(s->pool, &pair);
    }
}

/* Without a store: from the pool, or new. */
static bool open_all(wrk_saver_t *s, struct err *err)
{
    if (take_pair(s)) {
        return true;
    }
    struct store_conf conf = {.url = s->store_url,
                              .role = STORE_CLIENT,
                              .wait_ms = OPEN_WAIT_MS,
                              .connections = s->connections,
                              .item_ttl_ms = s->item_ttl_ms,
                              .item_ttl_fixed = s->item_ttl_fixed};
    if (s->line == NULL && store_url_shared(s->store_url)) {
        struct wrk_line_conf line = {.store = conf, .stopped = &s->stopped};
        line.store.wait_ms = LINE_WAIT_MS;
        s->line = wrk_scribe_new(&line);
    } else if (s->line == NULL && s->vault == NULL) {
        s->vault = wrk_vault_new(&s->vault_conf, err);
    }
    bool opened =
        (s->line != NULL || s->vault != NULL) && open_store(s, &conf, err);
    if (!opened && s->pool != NULL) {
        wrk_vault_destroy(&s->vault);
        wrk_pool_lose(s->pool);
    }
    return opened;
}

static void unbind(wrk_saver_t *s)
{
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        known_fini(&s->known[i]);
    }
    wrk_bundle_clear(&s->held);
    s->oldest = 0;
    s->bound = false;
    free(s->owner);
    s->owner = NULL;
    give_pair(s);
}

static bool leave(wrk_saver_t *s, bool ok)
{
    s->used_ms = clock_mono_ms();
    (void)pthread_mutex_unlock(&s->turn);
    return ok;
}

bool wrk_saver_bind(wrk_saver_t *s, const struct id *thread,
                    const struct id *run, uint16_t attempt, struct err *err)
{
    check_magic(s, WRK_SAVER_MAGIC);
    must((run == NULL) == (attempt == 0));
    (void)pthread_mutex_lock(&s->turn);
    unbind(s);
    if (s->store == NULL && !open_all(s, err)) {
        return leave(s, false);
    }
    s->thread = *thread;
    s->run = run == NULL ? (struct id){{0}} : *run;
    s->attempt = attempt;
    s->bound = true;
    s->prompt = false;
    bind_writes(s);
    return leave(s, true);
}

void wrk_saver_unbind(wrk_saver_t *s)
{
    check_magic(s, WRK_SAVER_MAGIC);
    (void)pthread_mutex_lock(&s->turn);
    unbind(s);
    (void)leave(s, true);
}

void wrk_saver_own(wrk_saver_t *s, const char *owner)
{
    check_magic(s, WRK_SAVER_MAGIC);
    must(s->bound);
    free(s->owner);
    s->owner = owner == NULL ? NULL : base_strdup(owner);
}

bool wrk_saver_rest(wrk_saver_t *s, int64_t idle_ms)
{
    check_magic(s, WRK_SAVER_MAGIC);
    if (pthread_mutex_trylock(&s->turn) != 0) {
        return false; /* in the middle of a call */
    }
    if (s->vault != NULL && s->held.n == 0 &&
        clock_mono_ms() - s->used_ms >= idle_ms &&
        wrk_vault_settled(s->vault)) {
        give_pair(s);
    }
    bool rests = s->store == NULL && s->vault == NULL;
    (void)pthread_mutex_unlock(&s->turn);
    return rests;
}

const struct graph_saver *wrk_saver_ops(wrk_saver_t *s)
{
    check_magic(s, WRK_SAVER_MAGIC);
    return &s->ops;
}

const struct graph_items *wrk_saver_items(wrk_saver_t *s)
{
    check_magic(s, WRK_SAVER_MAGIC);
    return &s->items;
}

void wrk_saver_stop(wrk_saver_t *s)
{
    check_magic(s, WRK_SAVER_MAGIC);
    atomic_store(&s->stopped, true);
}

bool wrk_saver_hurry(wrk_saver_t *s, const struct id *run)
{
    check_magic(s, WRK_SAVER_MAGIC);
    if (pthread_mutex_trylock(&s->turn) != 0) {
        return false;
    }
    if (s->bound && id_eq(&s->run, run)) {
        s->prompt = true;
        push_held(s);
    }
    (void)pthread_mutex_unlock(&s->turn);
    return true;
}

/* NULL: it rested, and what it needs cannot be opened again. */
static wrk_saver_t *enter(void *self, struct err *err)
{
    wrk_saver_t *s = self;
    check_magic(s, WRK_SAVER_MAGIC);
    (void)pthread_mutex_lock(&s->turn);
    must(s->bound);
    if (s->store == NULL) {
        if (!open_all(s, err)) {
            (void)leave(s, false);
            return NULL;
        }
        bind_writes(s);
    }
    return s;
}

static struct store_place place(const wrk_saver_t *s, const char *ns)
{
    return (struct store_place){
        .thread_id = s->thread, .ns = ns, .fence = {s->run, s->attempt}};
}

/* ---- where large values are -----------------------------------------------
 */

static struct known *find_known(wrk_saver_t *s, const char *ns)
{
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (s->known[i].ns != NULL && strcmp(s->known[i].ns, ns) == 0) {
            return &s->known[i];
        }
    }
    return NULL;
}

/* Takes the reference of refs, shares versions. */
static void remember(wrk_saver_t *s, const char *ns, const char *id,
                     const struct known *at)
{
    struct known *k = find_known(s, ns);
    if (k == NULL) {
        k = &s->known[s->oldest];
        s->oldest = (s->oldest + 1) % KNOWN_MAX;
    }
    char *name = base_strdup(ns);
    known_fini(k);
    k->ns = name;
    (void)base_copy(k->id, sizeof k->id, id);
    k->refs = at->refs;
    k->versions = leat_hold(at->versions);
}

/* The checkpoint that stored this version of a channel; missing: none did. */
static leat_view stored_by(const struct known *before, leat_text channel,
                           leat_view version)
{
    if (before == NULL ||
        !leat_equal(version, leat_get_n(leat_view_of(before->versions),
                                        channel.ptr, channel.len))) {
        return (leat_view){NULL, NULL};
    }
    return leat_get_n(leat_view_of(before->refs), channel.ptr, channel.len);
}

/* A checkpoint's values as they are sent, and where they will be. */
struct split {
    leat_value *values; /* null where refs names the channel */
    leat_value *refs;   /* of the put */
    leat_value *after;  /* refs when it is stored */
};

static void split(const struct known *before, const struct graph_checkpoint *cp,
                  struct split *out)
{
    leat_writer *values = leat_writer_new();
    leat_writer *refs = leat_writer_new();
    leat_writer *after = leat_writer_new();
    leat_write_object(values);
    leat_write_object(refs);
    leat_write_object(after);
    leat_view versions = leat_view_of(cp->channel_versions);
    for (leat_iter it = leat_iter_of(leat_view_of(cp->channel_values));
         leat_next(&it);) {
        leat_view by = stored_by(before, it.key,
                                 leat_get_n(versions, it.key.ptr, it.key.len));
        leat_write_key_n(values, it.key.ptr, it.key.len);
        if (leat_type_of(by) == LEAT_STRING) {
            leat_write_null(values);
            leat_write_key_n(refs, it.key.ptr, it.key.len);
            leat_write_view(refs, by);
            leat_write_key_n(after, it.key.ptr, it.key.len);
            leat_write_view(after, by);
            continue;
        }
        leat_write_view(values, it.item);
        if (value_packed_size(it.item) > STORE_INLINE_BYTES) {
            leat_write_key_n(after, it.key.ptr, it.key.len);
            leat_write_string(after, cp->id);
        }
    }
    leat_write_end(values);
    leat_write_end(refs);
    leat_write_end(after);
    out->values = leat_writer_finish(&values);
    out->refs = leat_writer_finish(&refs);
    out->after = leat_writer_finish(&after);
}

/* ---- writing --------------------------------------------------------------
 */

static bool put(wrk_saver_t *s, const struct graph_checkpoint *cp,
                struct err *err)
{
    struct known *before = find_known(s, cp->ns);
    if (before != NULL && strcmp(before->id, cp->parent_id) != 0) {
        before = NULL;
    }
    struct split parts;
    split(before, cp, &parts);
    struct store_checkpoint c = {.ts = (char *)(uintptr_t)cp->ts,
                                 .run_id = s->run,
                                 .values = parts.values,
                                 .refs = parts.refs,
                                 .versions = cp->channel_versions,
                                 .seen = cp->versions_seen,
                                 .metadata = cp->metadata,
                                 .view = cp->view};
    (void)base_copy(c.id, sizeof c.id, cp->id);
    (void)base_copy(c.parent_id, sizeof c.parent_id, cp->parent_id);
    const struct store_place at = place(s, cp->ns);
    bool ok = store_checkpoints_put(s->store, &at, &c, err);
    const struct known now = {.refs = parts.after,
                              .versions = cp->channel_versions};
    if (ok) {
        remember(s, cp->ns, cp->id, &now);
    } else {
        leat_drop(parts.after);
    }
    leat_drop(parts.values);
    leat_drop(parts.refs);
    return ok;
}

static bool on_put(void *self, const struct graph_checkpoint *cp,
                   struct err *err)
{
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    int64_t began_us = clock_mono_us();
    bool ok = put(s, cp, err);
    stat_observe_us(STAT_SAVE, clock_mono_us() - began_us);
    (void)fault_at(FAULT_WORKER_CHECKPOINT);
    return leave(s, ok);
}

static bool on_put_writes(void *self, const struct graph_spot *at,
                          const struct graph_write *w, size_t n,
                          struct err *err)
{
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    struct store_write *list = base_zalloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        memcpy(list[i].task_id, w[i].task_id, sizeof list[i].task_id);
        list[i].index = w[i].index;
        list[i].channel = (char *)(uintptr_t)w[i].channel;
        list[i].value = (leat_value *)(uintptr_t)w[i].value;
    }
    const struct store_place there = place(s, at->ns);
    const struct store_writes writes = {list, n};
    bool ok =
        store_checkpoints_put_writes(s->store, &there, at->id, &writes, err);
    free(list);
    return leave(s, ok);
}

static bool on_put_view(void *self, const char *ns, const char *checkpoint_id,
                        const leat_value *view, struct err *err)
{
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_place at = place(s, ns);
    return leave(
        s, store_checkpoints_put_view(s->store, &at, checkpoint_id, view, err));
}

static bool on_flush(void *self, struct err *err)
{
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    return leave(s, flush_writes(s, err));
}

/* ---- reading --------------------------------------------------------------
 */

static void take_writes(struct store_checkpoint *c, struct graph_saved *out)
{
    out->writes = base_zalloc((c->write_count + 1) * sizeof *out->writes);
    out->write_count = c->write_count;
    for (size_t i = 0; i < c->write_count; i++) {
        struct store_write *from = &c->writes[i];
        struct graph_write *w = &out->writes[i];
        memcpy(w->task_id, from->task_id, sizeof w->task_id);
        w->index = (int)from->index;
        w->channel = from->channel;
        w->value = from->value;
        from->channel = NULL;
        from->value = NULL;
    }
}

/* Moves what the store gave into the engine's struct; frees the rest. */
static void take(struct store_checkpoint *c, struct graph_saved *out)
{
    memset(out, 0, sizeof *out);
    out->found = true;
    (void)base_copy(out->ns, sizeof out->ns, c->ns);
    (void)base_copy(out->ts, sizeof out->ts, c->ts);
    out->cp.ns = out->ns;
    out->cp.ts = out->ts;
    memcpy(out->cp.id, c->id, sizeof out->cp.id);
    memcpy(out->cp.parent_id, c->parent_id, sizeof out->cp.parent_id);
    out->cp.channel_values = leat_hold(c->values);
    out->cp.channel_versions = leat_hold(c->versions);
    out->cp.versions_seen = leat_hold(c->seen);
    out->cp.metadata = leat_hold(c->metadata);
    out->cp.view = leat_hold(c->view);
    take_writes(c, out);
    store_checkpoint_fini(c);
}

/* Reads come from the file: what was sent must be in it first. */
static bool load(wrk_saver_t *s, const struct store_checkpoint_key *key,
                 struct graph_saved *out, struct err *err)
{
    struct store_checkpoint c;
    if (!flush_writes(s, err)) {
        return false;
    }
    bool ok = false;
    do {
        ok = store_checkpoints_load(s->store, key, &c, &out->found, err);
    } while (!ok && is_away(s, err));
    if (!ok) {
        return false;
    }
    if (out->found) {
        const struct known now = {.refs = leat_hold(c.refs),
                                  .versions = c.versions};
        remember(s, key->ns, c.id, &now);
        take(&c, out);
    }
    return true;
}

static bool on_load(void *self, const char *ns, const char *id,
                    struct graph_saved *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_checkpoint_key key = {s->thread, ns, id};
    return leave(s, load(s, &key, out, err));
}

static bool list(wrk_saver_t *s, const struct store_checkpoints_query *q,
                 struct graph_saved **out, size_t *n, struct err *err)
{
    struct store_checkpoint *rows = NULL;
    if (!flush_writes(s, err)) {
        return false;
    }
    bool ok = false;
    do {
        ok = store_checkpoints_list(s->store, q, &rows, n, err);
    } while (!ok && is_away(s, err));
    if (!ok) {
        return false;
    }
    *out = base_zalloc((*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        take(&rows[i], &(*out)[i]);
    }
    store_checkpoints_free(&rows, *n);
    return true;
}

static bool on_list(void *self, const struct graph_query *q,
                    struct graph_saved **out, size_t *n, struct err *err)
{
    *out = NULL;
    *n = 0;
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_checkpoints_query rows = {.thread_id = s->thread,
                                                 .ns = q->ns,
                                                 .id = q->id,
                                                 .before = q->before,
                                                 .metadata = q->metadata,
                                                 .limit = q->limit};
    return leave(s, list(s, &rows, out, n, err));
}

/* ---- items ----------------------------------------------------------------
 */

static struct store_item_key item_key(const wrk_saver_t *s, leat_view space,
                                      const char *key)
{
    return (struct store_item_key){
        .owner = s->owner == NULL ? "" : s->owner, .space = space, .key = key};
}

static bool on_item_put(void *self, leat_view space, const char *key,
                        const leat_value *value, struct err *err)
{
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_item_key k = item_key(s, space, key);
    return leave(s, value == NULL
                        ? store_items_delete(s->store, &k, err)
                        : store_items_put(s->store, &k, value, 0, err));
}

static bool on_item_get(void *self, leat_view space, const char *key,
                        leat_value **value, struct err *err)
{
    *value = NULL;
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_item_key k = item_key(s, space, key);
    struct store_item item;
    bool found = false;
    bool ok = store_items_get(s->store, &k, &item, &found, err);
    if (ok && found) {
        *value = leat_hold(item.value);
        store_item_fini(&item);
    }
    return leave(s, ok);
}

static leat_value *item_list(const struct store_item *items, size_t n)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (size_t i = 0; i < n; i++) {
        leat_write_object(w);
        leat_write_key(w, "namespace");
        leat_write_view(w, leat_view_of(items[i].space));
        leat_write_key(w, "key");
        leat_write_string(w, items[i].key);
        leat_write_key(w, "value");
        leat_write_view(w, leat_view_of(items[i].value));
        leat_write_end(w);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static bool on_item_search(void *self, const struct graph_item_query *q,
                           leat_value **list, struct err *err)
{
    if (!store_filter_check(q->filter, "filter", err)) {
        return false;
    }
    wrk_saver_t *s = enter(self, err);
    if (s == NULL) {
        return false;
    }
    const struct store_items_query query = {
        .owner = s->owner == NULL ? "" : s->owner,
        .prefix = q->space,
        .filter = q->filter,
        .limit = q->limit,
        .offset = q->offset};
    struct store_item *items = NULL;
    size_t n = 0;
    bool ok = store_items_search(s->store, &query, &items, &n, err);
    if (ok) {
        *list = item_list(items, n);
        store_items_free(&items, n);
    }
    return leave(s, ok);
}
