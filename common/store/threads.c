/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads table as the gateway writes it, and the deletion, copy and
 * pruning of a thread with all it has. What follows a thread's runs is in
 * lanes.c.
 */
#include "common/store/inner.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store/checkpoints.h"
#include "common/store/terms.h"
#include "common/store/threads.h"

static bool insert(store_t *s, const struct store_thread *t, bool *created,
                   struct err *err)
{
    int64_t now = t->created_us == 0 ? clock_wall_us() : t->created_us;
    if (!store_query_run(
            s, err,
            "INSERT INTO threads (" STORE_THREADS_COLUMNS ")"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
            " ON CONFLICT (thread_id) DO NOTHING",
            "dssiiiioovov", &t->thread_id, store_maker(s, t->owner),
            t->status[0] == '\0' ? "idle" : t->status, (int64_t)t->last_ms, now,
            t->updated_us == 0 ? now : t->updated_us,
            t->state_updated_us == 0 ? now : t->state_updated_us, t->metadata,
            t->config, t->error, t->interrupts, t->values)) {
        return false;
    }
    *created = store_query_changes(s) == 1;
    const struct store_termed termed = {&t->thread_id, now,
                                        store_maker(s, t->owner)};
    return !*created || (store_terms_put(s, &termed, (leat_view){NULL, NULL},
                                         leat_view_of(t->metadata), err) &&
                         store_threads_take_default_ttl(s, &t->thread_id, err));
}

bool store_threads_make(store_t *s, const struct store_run *r,
                        const char *owner, struct err *err)
{
    const struct store_thread t = {.thread_id = r->thread_id,
                                   .owner = (char *)(uintptr_t)owner,
                                   .created_us = r->created_us};
    bool created = false;
    return insert(s, &t, &created, err) &&
           (!r->temporary || store_threads_drop_ttl(s, &r->thread_id, err));
}

bool store_threads_create(store_t *s, const struct store_thread *t,
                          bool *created, struct err *err)
{
    must(created != NULL);
    *created = false;
    if (s->remote) {
        return store_remote_threads_create(s, t, created, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, insert(s, t, created, err), err);
}

void store_threads_read_row(struct store_query *q, struct store_thread *t)
{
    store_query_id(q, 0, &t->thread_id);
    t->owner = store_query_text(q, 1);
    store_query_copy(q, 2, t->status, sizeof t->status);
    t->last_ms = store_query_uint(q, 3);
    t->created_us = store_query_int(q, 4);
    t->updated_us = store_query_int(q, 5);
    t->state_updated_us = store_query_int(q, 6);
    t->metadata = store_query_value(q, 7);
    t->config = store_query_value(q, 8);
    t->error = store_query_value(q, 9);
    t->interrupts = store_query_value(q, 10);
    t->values = store_query_value(q, 11);
}

static bool no_thread(const struct id *thread_id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no thread %s", ID_TEXT(thread_id));
}

static bool get(store_t *s, const char *sql, const struct id *thread_id,
                struct store_thread *out, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    memset(out, 0, sizeof *out);
    struct store_query q = {.s = s, .err = err};
    if (!store_query_open(&q, sql, "d", thread_id)) {
        return false;
    }
    bool found = store_query_next(&q);
    if (found) {
        store_threads_read_row(&q, out);
    }
    bool ok = store_query_close(&q);
    bool seen = ok && found && store_sees(s, out->owner);
    if (!seen) {
        store_thread_fini(out);
    }
    return seen || (ok && no_thread(thread_id, err));
}

bool store_threads_get(store_t *s, const struct id *thread_id,
                       struct store_thread *out, struct err *err)
{
    return get(s,
               "SELECT " STORE_THREADS_COLUMNS " FROM threads"
               " WHERE thread_id = $1",
               thread_id, out, err);
}

bool store_threads_look(store_t *s, const struct id *thread_id,
                        struct store_thread *out, struct err *err)
{
    return get(s,
               "SELECT thread_id, owner, status, last_ms, created_at,"
               " updated_at, state_updated_at, metadata, config, NULL, NULL,"
               " NULL FROM threads WHERE thread_id = $1",
               thread_id, out, err);
}

bool store_threads_taken(store_t *s, const struct id *thread_id, bool *taken,
                         struct err *err)
{
    check_magic(s, STORE_MAGIC);
    int64_t n = 0;
    bool ok = store_query_number(
        STORE_QUERY(s, err), &n,
        "SELECT COUNT(*) FROM threads WHERE thread_id = $1", "d", thread_id);
    *taken = n > 0;
    return ok;
}

void store_thread_base_fini(struct store_thread_base *b)
{
    free(b->owner);
    leat_drop(b->metadata);
    leat_drop(b->config);
    memset(b, 0, sizeof *b);
}

#define BASE "SELECT created_at, last_ms, owner, metadata, config"

static void read_base(struct store_query *q, struct store_thread_base *b)
{
    b->found = true;
    b->created_us = store_query_int(q, 0);
    b->last_ms = store_query_uint(q, 1);
    b->owner = store_query_text(q, 2);
    b->metadata = store_query_value(q, 3);
    b->config = store_query_value(q, 4);
}

struct store_expected {
    struct store_expected *next;
    struct store_thread_base base;
};

void store_threads_expect_none(store_t *s)
{
    while (s->expected != NULL) {
        struct store_expected *e = s->expected;
        s->expected = e->next;
        store_thread_base_fini(&e->base);
        free(e);
    }
}

/* One look for each: the next one sees what was written since. */
static bool was_expected(store_t *s, struct store_thread_base *b)
{
    struct store_expected **at = &s->expected;
    while (*at != NULL && !id_eq(&(*at)->base.thread_id, &b->thread_id)) {
        at = &(*at)->next;
    }
    struct store_expected *e = *at;
    if (e == NULL) {
        return false;
    }
    *at = e->next;
    *b = e->base;
    free(e);
    return true;
}

#define EXPECT_MOST 16

static bool expect_some(store_t *s, const struct id *ids, size_t n,
                        struct err *err)
{
    struct store_arg args[EXPECT_MOST];
    struct store_query q = {.s = s, .err = err};
    for (size_t i = 0; i < EXPECT_MOST; i++) { /* one text for any number */
        args[i] = (struct store_arg){.type = 'd',
                                     .ptr = &ids[min_size(i, n - 1)]};
    }
    bool ok = store_query_open_list(
        &q,
        BASE ", thread_id FROM threads WHERE thread_id IN ($1, $2, $3, $4, $5,"
             " $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) FOR UPDATE",
        args, EXPECT_MOST);
    while (ok && store_query_next(&q)) {
        struct store_expected *e = base_zalloc(sizeof *e);
        read_base(&q, &e->base);
        store_query_id(&q, 5, &e->base.thread_id);
        e->next = s->expected;
        s->expected = e;
    }
    return store_query_close(&q);
}

bool store_threads_expect(store_t *s, const struct id *ids, size_t n,
                          struct err *err)
{
    bool ok = true;
    store_threads_expect_none(s);
    for (size_t i = 0; ok && i < n; i += EXPECT_MOST) {
        ok = expect_some(s, ids + i, min_size(n - i, EXPECT_MOST), err);
    }
    return ok;
}

bool store_threads_read_base(store_t *s, struct store_thread_base *b,
                             struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    if (was_expected(s, b)) {
        return true;
    }
    if (store_query_open(&q, BASE " FROM threads WHERE thread_id = $1 FOR UPDATE",
                         "d", &b->thread_id) &&
        store_query_next(&q)) {
        read_base(&q, b);
    }
    return store_query_close(&q);
}

bool store_threads_write_base(store_t *s, const struct store_thread_base *b,
                              const struct store_thread_merge *m,
                              struct err *err)
{
    must(b->found);
    leat_view old = leat_view_of(b->metadata);
    leat_value *metadata = store_merge(old, m->metadata);
    leat_value *config = store_merge_config(leat_view_of(b->config), m->config);
    const struct store_termed termed = {&b->thread_id, b->created_us, b->owner};
    bool ok =
        store_query_run(s, err,
                        "UPDATE threads SET metadata = $2, config = $3,"
                        " updated_at = $4, status = CASE WHEN $5 = 1"
                        " THEN 'busy' ELSE status END, last_ms = CASE WHEN"
                        " last_ms < $6 THEN $6 ELSE last_ms END"
                        " WHERE thread_id = $1",
                        "dooiii", &b->thread_id, metadata, config,
                        clock_wall_us(), (int64_t)m->busy,
                        (int64_t)m->last_ms) &&
        (leat_equal(old, leat_view_of(metadata)) ||
         store_terms_put(s, &termed, old, leat_view_of(metadata), err));
    leat_drop(metadata);
    leat_drop(config);
    return ok;
}

bool store_threads_merge(store_t *s, const struct id *thread_id,
                         leat_view metadata, leat_view config, struct err *err)
{
    struct store_thread_base b = {.thread_id = *thread_id};
    const struct store_thread_merge m = {.metadata = metadata,
                                         .config = config};
    bool ok = store_threads_read_base(s, &b, err) &&
              (b.found || no_thread(thread_id, err)) &&
              store_threads_write_base(s, &b, &m, err);
    store_thread_base_fini(&b);
    return ok;
}

bool store_threads_patch(store_t *s, const struct id *thread_id,
                         leat_view metadata, leat_view config, struct err *err)
{
    if (s->remote) {
        return store_remote_threads_patch(s, thread_id, metadata, config, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(
        s, store_threads_merge(s, thread_id, metadata, config, err), err);
}

/* One statement: a thread's row changes three times in every run's life. $1
 * is the thread's id or the run's. */
#define CHANGE                                                                 \
    "UPDATE threads SET status = CASE WHEN $3 = 1 AND $2 = 'idle' AND EXISTS"  \
    " (SELECT 1 FROM runs r WHERE r.thread_id = threads.thread_id"             \
    " AND r.status IN ('pending', 'running')) THEN 'busy'"                     \
    " ELSE COALESCE($2, status) END,"                                          \
    " updated_at = $4,"                                                        \
    " last_ms = CASE WHEN last_ms < $5 THEN $5 ELSE last_ms END,"              \
    " state_updated_at = CASE WHEN $6 = 1 THEN $4 ELSE state_updated_at END,"  \
    " state_values = CASE WHEN $6 = 1 THEN $7 ELSE state_values END,"          \
    " interrupts = CASE WHEN $8 = 1 THEN $9 ELSE interrupts END,"              \
    " error = CASE WHEN $10 = 1 THEN $11 ELSE error END"                       \
    " WHERE thread_id = "

static bool is_given(leat_view v)
{
    return leat_type_of(v) != LEAT_MISSING;
}

bool store_threads_change(store_t *s, const struct store_thread_change *c,
                          struct err *err)
{
    const struct store_thread_state *state = c->state;
    const struct id *id = c->thread_id == NULL ? c->run_id : c->thread_id;
    leat_value *values = leat_value_of(state->values);
    leat_value *interrupts = leat_value_of(state->interrupts);
    leat_value *error = leat_value_of(state->error);
    struct store_query q = {.s = s, .err = err};
    (void)(c->thread_id == NULL ? err_set(&q.unless, ERR_NOT_FOUND,
                                          "no thread of run %s", ID_TEXT(id))
                                : no_thread(id, &q.unless));
    bool ok = store_query_guard(
        &q,
        c->thread_id == NULL ? CHANGE
            "(SELECT thread_id FROM runs WHERE run_id = $1)"
            " RETURNING 1"
                             : CHANGE "$1 RETURNING 1",
        "dsiiiivioiv", id, state->status, (int64_t)c->follow, clock_wall_us(),
        (int64_t)c->last_ms, (int64_t)is_given(state->values), values,
        (int64_t)is_given(state->interrupts), interrupts,
        (int64_t)is_given(state->error), error);
    leat_drop(values);
    leat_drop(interrupts);
    leat_drop(error);
    return ok;
}

bool store_threads_write_state(store_t *s, const struct id *thread_id,
                               const struct store_thread_state *state,
                               struct err *err)
{
    const struct store_thread_change c = {.thread_id = thread_id,
                                          .state = state};
    return store_threads_change(s, &c, err);
}

bool store_threads_set(store_t *s, const struct id *thread_id,
                       const struct store_thread_state *state, struct err *err)
{
    if (s->remote) {
        return store_remote_threads_set(s, thread_id, state, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(
        s, store_threads_write_state(s, thread_id, state, err), err);
}

/* ---- with all it has ------------------------------------------------------
 */

static bool drop_terms(store_t *s, const struct id *thread_id, struct err *err)
{
    struct store_thread_base b = {.thread_id = *thread_id};
    bool ok = store_threads_read_base(s, &b, err) &&
              (b.found || no_thread(thread_id, err));
    if (ok) {
        const struct store_termed t = {&b.thread_id, b.created_us, b.owner};
        ok = store_terms_drop(s, &t, leat_view_of(b.metadata), err);
    }
    store_thread_base_fini(&b);
    return ok;
}

static bool delete_all(store_t *s, const struct id *thread_id, struct err *err)
{
    s->fence.attempt = 0;
    if (!drop_terms(s, thread_id, err) ||
        !store_threads_drop_ttl(s, thread_id, err) ||
        !store_checkpoints_drop_thread(s, thread_id, err) ||
        !store_events_drop_thread(s, thread_id, err) ||
        !store_hooks_drop_of_thread(s, thread_id, err) ||
        !store_crons_drop_of_thread(s, thread_id, err) ||
        !store_query_run(s, err, "DELETE FROM runs WHERE thread_id = $1", "d",
                         thread_id) ||
        !store_query_run(s, err, "DELETE FROM threads WHERE thread_id = $1",
                         "d", thread_id)) {
        return false;
    }
    return store_query_changes(s) == 1 || no_thread(thread_id, err);
}

bool store_threads_delete(store_t *s, const struct id *thread_id,
                          struct err *err)
{
    if (s->remote) {
        return store_remote_threads_delete(s, thread_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, delete_all(s, thread_id, err), err);
}

static bool copy_row(store_t *s, const struct id *from, const struct id *to,
                     struct err *err)
{
    struct store_thread t;
    if (!store_threads_get(s, from, &t, err)) {
        return false;
    }
    char text[ID_TEXT_SIZE];
    leat_value *metadata = leat_with(leat_view_of(t.metadata), "thread_id",
                                     leat_new_string(id_print(to, text)));
    struct store_thread made = {.thread_id = *to,
                                .owner = t.owner,
                                .metadata = metadata,
                                .config = t.config};
    bool created = false;
    bool ok = insert(s, &made, &created, err);
    if (ok && !created) {
        ok = err_set(err, ERR_CONFLICT, "thread %s exists", ID_TEXT(to));
    }
    leat_drop(metadata);
    store_thread_fini(&t);
    return ok;
}

bool store_threads_copy(store_t *s, const struct id *from, const struct id *to,
                        struct err *err)
{
    if (s->remote) {
        return store_remote_threads_copy(s, from, to, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = copy_row(s, from, to, err) &&
              store_checkpoints_copy(s, from, to, err) &&
              store_lanes_restore(s, to, false, err);
    return store_write_end(s, ok, err);
}

static bool prune(store_t *s, const struct id *thread_id, struct err *err)
{
    static const struct store_thread_state touch = {.status = NULL};
    bool busy = false;
    if (!store_lanes_has_open(s, thread_id, &busy, err)) {
        return false;
    }
    if (busy) {
        return err_set(err, ERR_CONFLICT, "thread %s has a run",
                       ID_TEXT(thread_id));
    }
    return store_threads_write_state(s, thread_id, &touch, err) &&
           store_checkpoints_drop_older(s, thread_id, err);
}

bool store_threads_prune(store_t *s, const struct id *thread_id,
                         struct err *err)
{
    if (s->remote) {
        return store_remote_threads_prune(s, thread_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, prune(s, thread_id, err), err);
}

bool store_threads_refresh(store_t *s, const struct id *thread_id,
                           struct err *err)
{
    if (s->remote) {
        return store_remote_threads_refresh(s, thread_id, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, store_lanes_refresh(s, thread_id, err), err);
}

void store_thread_fini(struct store_thread *t)
{
    free(t->owner);
    leat_drop(t->metadata);
    leat_drop(t->config);
    leat_drop(t->values);
    leat_drop(t->interrupts);
    leat_drop(t->error);
    memset(t, 0, sizeof *t);
}

void store_threads_free(struct store_thread **list, size_t n)
{
    for (size_t i = 0; *list != NULL && i < n; i++) {
        store_thread_fini(&(*list)[i]);
    }
    free(*list);
    *list = NULL;
}
