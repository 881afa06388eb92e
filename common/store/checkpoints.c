/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints, the blobs of their large channels, and pending writes, as a
 * saver puts them and as savers and gateways read them. The meaning of
 * channels and writes is the engine's; here they are names and values.
 *
 * A row's body is {"versions", "seen", "values"}. In "values" a channel is
 * either [stored form] or the id of the checkpoint whose blob it is.
 */
#include "common/store/checkpoints.h"

#include <stdlib.h>
#include <string.h>

/* ---- the right to write ---------------------------------------------------
 */

/* Without a run the thread must be, and have none. */
static bool may_update(store_t *s, const struct id *thread_id, struct err *err)
{
    int64_t there = 0;
    bool busy = false;
    if (!store_query_number(STORE_QUERY(s, err), &there,
                            "SELECT 1 FROM threads WHERE thread_id = $1"
                            " FOR UPDATE",
                            "d", thread_id) ||
        !store_lanes_has_open(s, thread_id, &busy, err)) {
        return false;
    }
    if (there != 1) {
        return err_set(err, ERR_NOT_FOUND, "no thread %s", ID_TEXT(thread_id));
    }
    return !busy || err_set(err, ERR_CONFLICT, "thread %s has a run",
                            ID_TEXT(thread_id));
}

/*
 * The attempt must still hold the run. Its row stays as it is until the
 * transaction ends, so one look is enough for all that it does in there.
 */
static bool may_write(store_t *s, const struct store_place *at, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    if (id_is_nil(&at->fence.run)) {
        return may_update(s, &at->thread_id, err);
    }
    if (s->fence.attempt != 0 && s->fence.attempt == at->fence.attempt &&
        id_eq(&s->fence.run, &at->fence.run) &&
        id_eq(&s->fence_thread, &at->thread_id)) {
        return true;
    }
    (void)err_set(&q.unless, ERR_FENCED,
                  "attempt %u of run %s has lost its lease",
                  (unsigned)at->fence.attempt, ID_TEXT(&at->fence.run));
    if (!store_query_guard(&q,
                           "SELECT 1 FROM runs WHERE run_id = $1"
                           " AND attempt = $2 AND thread_id = $3"
                           " AND status = 'running' FOR SHARE",
                           "did", &at->fence.run, (int64_t)at->fence.attempt,
                           &at->thread_id)) {
        return false;
    }
    s->fence = at->fence;
    s->fence_thread = at->thread_id;
    return true;
}

/* ---- putting a checkpoint -------------------------------------------------
 */

struct put {
    store_t *s;
    const struct store_place *at;
    const struct store_checkpoint *c;
    leat_writer *body;
    struct err *err;
};

static bool put_blob(const struct put *p, const char *channel, leat_view form)
{
    leat_value *held = leat_value_of(form);
    bool ok = store_query_run(
        p->s, p->err,
        "INSERT INTO blobs (thread_id, ns, channel, checkpoint_id, value)"
        " VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (thread_id, ns, checkpoint_id, channel)"
        " DO UPDATE SET value = excluded.value",
        "dsssp", &p->at->thread_id, p->at->ns, channel, p->c->id, held);
    leat_drop(held);
    return ok;
}

/* A value that an earlier checkpoint is said to have stored must be there:
 * that checkpoint's own put may have failed. */
static bool check_ref(const struct put *p, const char *channel,
                      const char *writer)
{
    struct store_query q = {.s = p->s, .err = p->err};
    (void)err_set(&q.unless, ERR_CONFLICT,
                  "checkpoint %s has no stored value of channel %s", writer,
                  channel);
    return store_query_guard(&q,
                             "SELECT 1 FROM blobs WHERE thread_id = $1"
                             " AND ns = $2 AND checkpoint_id = $3"
                             " AND channel = $4",
                             "dsss", &p->at->thread_id, p->at->ns, writer,
                             channel);
}

/* One channel: into the body, into a blob, or where it already is. */
static bool put_channel(const struct put *p, const leat_iter *it,
                        const char *channel)
{
    leat_view ref =
        leat_get_n(leat_view_of(p->c->refs), it->key.ptr, it->key.len);
    leat_write_key_n(p->body, it->key.ptr, it->key.len);
    if (leat_type_of(ref) == LEAT_STRING) {
        char *writer = value_strdup(ref);
        leat_write_string(p->body, writer);
        bool ok = check_ref(p, channel, writer);
        free(writer);
        return ok;
    }
    if (value_packed_size(it->item) > STORE_INLINE_BYTES) {
        leat_write_string(p->body, p->c->id);
        return put_blob(p, channel, it->item);
    }
    leat_write_list(p->body);
    leat_write_view(p->body, it->item);
    leat_write_end(p->body);
    return true;
}

static bool put_channels(const struct put *p)
{
    leat_write_key(p->body, "values");
    leat_write_object(p->body);
    bool ok = true;
    leat_iter it = leat_iter_of(leat_view_of(p->c->values));
    while (ok && leat_next(&it)) {
        char *channel = base_memdup(it.key.ptr, it.key.len);
        ok = put_channel(p, &it, channel);
        free(channel);
    }
    leat_write_end(p->body);
    return ok;
}

static bool put_row(const struct put *p, const leat_value *body)
{
    const struct store_checkpoint *c = p->c;
    return store_query_run(
        p->s, p->err,
        "INSERT INTO checkpoints (thread_id, ns, checkpoint_id, parent_id,"
        " run_id, view_run, ts, metadata, view, view_before, body)"
        " VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, NULL, $9)"
        " ON CONFLICT (thread_id, ns, checkpoint_id) DO UPDATE SET"
        " parent_id = excluded.parent_id, run_id = excluded.run_id,"
        " view_run = excluded.view_run, ts = excluded.ts,"
        " metadata = excluded.metadata, view = excluded.view,"
        " view_before = NULL, body = excluded.body",
        "dsssdsovo", &p->at->thread_id, p->at->ns, c->id, c->parent_id,
        &c->run_id, c->ts == NULL ? "" : c->ts, c->metadata, c->view, body);
}

static bool put(struct put *p)
{
    if (!may_write(p->s, p->at, p->err)) {
        return false;
    }
    p->body = leat_writer_new();
    leat_write_object(p->body);
    leat_write_key(p->body, "versions");
    leat_write_view(p->body, leat_view_of(p->c->versions));
    leat_write_key(p->body, "seen");
    leat_write_view(p->body, leat_view_of(p->c->seen));
    if (!put_channels(p)) {
        leat_writer_destroy(&p->body);
        return false;
    }
    leat_write_end(p->body);
    leat_value *body = leat_writer_finish(&p->body);
    bool ok = put_row(p, body);
    leat_drop(body);
    return ok;
}

bool store_checkpoints_put(store_t *s, const struct store_place *at,
                           const struct store_checkpoint *c, struct err *err)
{
    must(at->ns != NULL && c->id[0] != '\0');
    if (s->remote) {
        return store_remote_checkpoints_put(s, at, c, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    struct put p = {.s = s, .at = at, .c = c, .err = err};
    return store_write_end(s, put(&p), err);
}

/* ---- pending writes and the view ------------------------------------------
 */

struct target {
    store_t *s;
    const struct store_place *at;
    const char *checkpoint_id;
    struct err *err;
};

/* Behind all that is there. What has an index of its own is not replaced. */
static bool put_write(const struct target *t, const struct store_write *w)
{
    return store_query_run(
        t->s, t->err,
        "INSERT INTO writes (thread_id, ns, checkpoint_id, task_id, idx,"
        " run_id, ord, channel, value)"
        " SELECT $1, $2, $3, $4, $5, $6, COALESCE((SELECT MAX(ord) FROM writes"
        " WHERE thread_id = $1 AND ns = $2 AND checkpoint_id = $3), 0) + 1,"
        " $7, $8 WHERE $5 < 0 OR NOT EXISTS (SELECT 1 FROM writes"
        " WHERE thread_id = $1 AND ns = $2 AND checkpoint_id = $3"
        " AND task_id = $4 AND idx = $5)"
        " ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx, run_id)"
        " DO UPDATE SET ord = excluded.ord, channel = excluded.channel,"
        " value = excluded.value",
        "dsssidsp", &t->at->thread_id, t->at->ns, t->checkpoint_id, w->task_id,
        w->index, &t->at->fence.run, w->channel, w->value);
}

static bool put_writes(const struct target *t,
                       const struct store_writes *writes)
{
    bool ok = may_write(t->s, t->at, t->err);
    for (size_t i = 0; ok && i < writes->n; i++) {
        ok = put_write(t, &writes->list[i]);
    }
    return ok;
}

bool store_checkpoints_put_writes(store_t *s, const struct store_place *at,
                                  const char *checkpoint_id,
                                  const struct store_writes *writes,
                                  struct err *err)
{
    must(at->ns != NULL && checkpoint_id != NULL);
    if (s->remote) {
        return store_remote_checkpoints_put_writes(s, at, checkpoint_id, writes,
                                                   err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    struct target t = {s, at, checkpoint_id, err};
    return store_write_end(s, put_writes(&t, writes), err);
}

static bool put_view(const struct target *t, const leat_value *view)
{
    struct store_query q = {.s = t->s, .err = t->err};
    (void)err_set(&q.unless, ERR_NOT_FOUND, "no checkpoint %s",
                  t->checkpoint_id);
    return may_write(t->s, t->at, t->err) &&
           store_query_guard(&q,
                             "UPDATE checkpoints SET view_before ="
                             " CASE WHEN view_run = $4 THEN view_before"
                             " ELSE view END, view_run = $4, view = $5"
                             " WHERE thread_id = $1 AND ns = $2"
                             " AND checkpoint_id = $3 RETURNING 1",
                             "dssdv", &t->at->thread_id, t->at->ns,
                             t->checkpoint_id, &t->at->fence.run, view);
}

bool store_checkpoints_put_view(store_t *s, const struct store_place *at,
                                const char *checkpoint_id,
                                const leat_value *view, struct err *err)
{
    must(at->ns != NULL && checkpoint_id != NULL);
    if (s->remote) {
        return store_remote_checkpoints_put_view(s, at, checkpoint_id, view,
                                                 err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    struct target t = {s, at, checkpoint_id, err};
    return store_write_end(s, put_view(&t, view), err);
}

/* ---- reading one ----------------------------------------------------------
 */

struct fetch {
    store_t *s;
    const struct id *thread_id;
    const char *ns;
    const struct store_checkpoint *near; /* may have the same blobs; or NULL */
    struct err *err;
};

static bool read_blob(const struct fetch *f, const char *channel,
                      const char *writer, leat_value **out)
{
    struct store_query q = {.s = f->s, .err = f->err};
    bool ok = store_query_open(&q,
                               "SELECT value FROM blobs WHERE thread_id = $1"
                               " AND ns = $2 AND checkpoint_id = $3"
                               " AND channel = $4",
                               "dsss", f->thread_id, f->ns, writer, channel);
    if (ok && store_query_next(&q)) {
        *out = store_query_value(&q, 0);
    }
    return store_query_close(&q) &&
           (*out != NULL ||
            err_set(f->err, ERR_STORE, "the value of channel %s is lost",
                    channel));
}

/* The stored form that `place` of a body stands for; one reference. */
static bool resolve(const struct fetch *f, leat_text channel, leat_view place,
                    leat_value **out)
{
    *out = NULL;
    if (leat_type_of(place) == LEAT_LIST) {
        *out = leat_value_of(leat_at(place, 0));
        return *out != NULL ||
               err_set(f->err, ERR_STORE, "a checkpoint's body is damaged");
    }
    const struct store_checkpoint *near = f->near;
    if (near != NULL && near->refs != NULL &&
        leat_equal(place, leat_get_n(leat_view_of(near->refs), channel.ptr,
                                     channel.len))) {
        *out = leat_value_of(
            leat_get_n(leat_view_of(near->values), channel.ptr, channel.len));
        return true;
    }
    char *name = base_memdup(channel.ptr, channel.len);
    char *writer = value_strdup(place);
    bool ok = writer != NULL ||
              err_set(f->err, ERR_STORE, "a checkpoint's body is damaged");
    ok = ok && read_blob(f, name, writer, out);
    free(writer);
    free(name);
    return ok;
}

/* Fills values and refs from the body's places. */
static bool resolve_all(const struct fetch *f, leat_view places,
                        struct store_checkpoint *c)
{
    size_t n = leat_count(places);
    char **keys = base_zalloc((n + 1) * sizeof *keys);
    leat_value **forms = base_zalloc((n + 1) * sizeof *forms);
    leat_writer *refs = leat_writer_new();
    leat_write_object(refs);
    size_t i = 0;
    bool ok = true;
    for (leat_iter it = leat_iter_of(places); ok && i < n && leat_next(&it);) {
        keys[i] = base_memdup(it.key.ptr, it.key.len);
        ok = resolve(f, it.key, it.item, &forms[i]);
        if (leat_type_of(it.item) == LEAT_STRING) {
            leat_write_key_n(refs, it.key.ptr, it.key.len);
            leat_write_view(refs, it.item);
        }
        i++;
    }
    leat_write_end(refs);
    c->refs = leat_writer_finish(&refs);
    if (ok) {
        c->values = leat_new_object(i, (const char *const *)keys, forms);
    }
    for (size_t k = 0; k < i; k++) {
        free(keys[k]);
        if (!ok) {
            leat_drop(forms[k]);
        }
    }
    free(keys);
    free(forms);
    return ok;
}

static bool same_place(const struct store_write *a, const struct store_write *b)
{
    return a->index == b->index && strcmp(a->task_id, b->task_id) == 0;
}

static void write_fini(struct store_write *w)
{
    free(w->channel);
    leat_drop(w->value);
    memset(w, 0, sizeof *w);
}

/* Of several runs' writes in one place the last one counts. */
static bool read_writes(const struct fetch *f, struct store_checkpoint *c)
{
    struct store_rows rows = {NULL, 0, 0};
    struct store_query q = {.s = f->s, .err = f->err};
    bool ok = store_query_open(&q,
                               "SELECT task_id, idx, channel, value, run_id"
                               " FROM writes WHERE thread_id = $1 AND ns = $2"
                               " AND checkpoint_id = $3"
                               " ORDER BY task_id, idx, ord",
                               "dss", f->thread_id, f->ns, c->id);
    while (ok && store_query_next(&q)) {
        struct store_write w = {.index = store_query_int(&q, 1)};
        store_query_copy(&q, 0, w.task_id, sizeof w.task_id);
        w.channel = store_query_text(&q, 2);
        w.value = store_query_value(&q, 3);
        store_query_id(&q, 4, &w.run_id);
        struct store_write *list = rows.rows;
        if (rows.n > 0 && same_place(&list[rows.n - 1], &w)) {
            write_fini(&list[rows.n - 1]);
            list[rows.n - 1] = w;
        } else {
            *(struct store_write *)store_rows_add(&rows, sizeof w) = w;
        }
    }
    c->writes = rows.rows;
    c->write_count = rows.n;
    return store_query_close(&q);
}

static void read_row(struct store_query *q, struct store_checkpoint *c,
                     leat_value **body)
{
    store_query_copy(q, 0, c->id, sizeof c->id);
    store_query_copy(q, 1, c->parent_id, sizeof c->parent_id);
    store_query_id(q, 2, &c->run_id);
    c->ts = store_query_text(q, 3);
    c->metadata = store_query_value(q, 4);
    c->view = store_query_value(q, 5);
    *body = store_query_value(q, 6);
}

#define SELECT_ROW                                                             \
    "SELECT checkpoint_id, parent_id, run_id, ts, metadata, view, body"        \
    " FROM checkpoints WHERE thread_id = $1 AND ns = $2"

static bool fetch(const struct fetch *f, const char *id,
                  struct store_checkpoint *out, bool *found)
{
    memset(out, 0, sizeof *out);
    *found = false;
    bool latest = id == NULL || id[0] == '\0';
    struct store_query q = {.s = f->s, .err = f->err};
    bool ok = latest
                  ? store_query_open(&q,
                                     SELECT_ROW " ORDER BY checkpoint_id"
                                                " DESC LIMIT 1",
                                     "ds", f->thread_id, f->ns)
                  : store_query_open(&q, SELECT_ROW " AND checkpoint_id = $3",
                                     "dss", f->thread_id, f->ns, id);
    leat_value *body = NULL;
    if (ok && store_query_next(&q)) {
        *found = true;
        read_row(&q, out, &body);
    }
    ok = store_query_close(&q);
    if (ok && *found) {
        leat_view b = leat_view_of(body);
        out->ns = base_strdup(f->ns);
        out->versions = leat_value_of(leat_get(b, "versions"));
        out->seen = leat_value_of(leat_get(b, "seen"));
        ok = resolve_all(f, leat_get(b, "values"), out) && read_writes(f, out);
    }
    leat_drop(body);
    return ok;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

bool store_checkpoints_fetch(store_t *s, const struct store_checkpoint_key *k,
                             struct store_checkpoint *out, bool *found,
                             struct err *err)
{
    const struct fetch f = {s, &k->thread_id, or_empty(k->ns), NULL, err};
    return fetch(&f, k->id, out, found);
}

bool store_checkpoints_load(store_t *s, const struct store_checkpoint_key *k,
                            struct store_checkpoint *out, bool *found,
                            struct err *err)
{
    must(out != NULL && found != NULL);
    memset(out, 0, sizeof *out);
    *found = false;
    if (!store_read_begin(s, err)) {
        return false;
    }
    bool ok = store_checkpoints_fetch(s, k, out, found, err);
    store_read_end(s);
    if (!ok) {
        store_checkpoint_fini(out);
    }
    return ok;
}

/* ---- reading many ---------------------------------------------------------
 */

struct key {
    char id[37];
};

/* The ids that the query asks for, newest first. */
static bool list_ids(store_t *s, const struct store_checkpoints_query *q,
                     struct store_rows *ids, struct err *err)
{
    struct store_query row = {.s = s, .err = err};
    bool ok = store_query_open(&row,
                               "SELECT checkpoint_id, metadata"
                               " FROM checkpoints WHERE thread_id = $1"
                               " AND ns = $2"
                               " AND ($3 = '' OR checkpoint_id = $3)"
                               " AND ($4 = '' OR checkpoint_id < $4)"
                               " ORDER BY checkpoint_id DESC LIMIT $5",
                               "dsssi", &q->thread_id, or_empty(q->ns),
                               or_empty(q->id), or_empty(q->before),
                               store_rows_wanted(q->metadata, q->limit, 0));
    while (ok && (q->limit == 0 || ids->n < q->limit) &&
           store_query_next(&row)) {
        leat_value *metadata = store_query_value(&row, 1);
        if (store_contains(leat_view_of(metadata), q->metadata)) {
            struct key *k = store_rows_add(ids, sizeof *k);
            store_query_copy(&row, 0, k->id, sizeof k->id);
        }
        leat_drop(metadata);
    }
    return store_query_close(&row);
}

static bool list_rows(store_t *s, const struct store_checkpoints_query *q,
                      struct store_rows *out, struct err *err)
{
    struct store_rows ids = {NULL, 0, 0};
    bool ok = list_ids(s, q, &ids, err);
    const struct key *keys = ids.rows;
    for (size_t i = 0; ok && i < ids.n; i++) {
        struct store_checkpoint *row = store_rows_add(out, sizeof *row);
        const struct fetch f = {s, &q->thread_id, or_empty(q->ns),
                                i == 0 ? NULL : row - 1, err};
        bool found = false;
        ok = fetch(&f, keys[i].id, row, &found);
    }
    free(ids.rows);
    return ok;
}

bool store_checkpoints_list(store_t *s, const struct store_checkpoints_query *q,
                            struct store_checkpoint **list, size_t *n,
                            struct err *err)
{
    must(list != NULL && n != NULL);
    struct store_rows rows = {NULL, 0, 0};
    bool ok = store_read_begin(s, err);
    if (ok) {
        ok = list_rows(s, q, &rows, err);
        store_read_end(s);
    }
    *list = rows.rows;
    *n = rows.n;
    if (!ok) {
        store_checkpoints_free(list, *n);
        *n = 0;
    }
    return ok;
}

void store_checkpoint_fini(struct store_checkpoint *c)
{
    free(c->ns);
    free(c->ts);
    leat_drop(c->values);
    leat_drop(c->refs);
    leat_drop(c->versions);
    leat_drop(c->seen);
    leat_drop(c->metadata);
    leat_drop(c->view);
    for (size_t i = 0; i < c->write_count; i++) {
        write_fini(&c->writes[i]);
    }
    free(c->writes);
    memset(c, 0, sizeof *c);
}

void store_checkpoints_free(struct store_checkpoint **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_checkpoint_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
