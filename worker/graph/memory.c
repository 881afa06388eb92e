/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c: a graph_saver that keeps everything in memory. A namespace is
 * found by its hash, its checkpoints stand in the order of their ids, which
 * is the order of making: a put goes to the end, a load looks from there.
 */
#include "worker/graph/memory.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_MAGIC LEAT_MAGIC(0x3e3001)
#define MEMORY_BUCKETS_MIN 16

struct kept_write {
    char task_id[37];
    int index;
    char *channel;
    leat_value *value;
};

struct kept {
    struct graph_checkpoint cp; /* ns and ts owned through the fields below */
    char ts[40];
    size_t write_count, write_room;
    struct kept_write *writes;
};

struct space {
    char *ns;
    uint64_t hash;
    struct space *next;   /* in its bucket */
    size_t count, room;
    struct kept **kept;   /* by id, oldest first */
};

struct graph_memory {
    uint32_t magic;
    struct graph_saver saver;
    size_t checkpoint_count;
    size_t space_count;
    size_t bucket_count;  /* a power of two */
    struct space **buckets;
};

static const struct graph_saver calls;

/* ---- namespaces --------------------------------------------------------- */

static uint64_t hash_of(const char *ns)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *ns != '\0'; ns++) {
        h = (h ^ (unsigned char)*ns) * 0x100000001b3u;
    }
    return h ^ (h >> 32);
}

static struct space *get_space(const struct graph_memory *m, const char *ns)
{
    uint64_t hash = hash_of(ns);
    struct space *s = m->buckets[hash & (m->bucket_count - 1)];
    while (s != NULL && (s->hash != hash || strcmp(s->ns, ns) != 0)) {
        s = s->next;
    }
    return s;
}

static void add_to_bucket(struct graph_memory *m, struct space *s)
{
    struct space **head = &m->buckets[s->hash & (m->bucket_count - 1)];
    s->next = *head;
    *head = s;
}

static void grow_buckets(struct graph_memory *m)
{
    struct space **old = m->buckets;
    size_t old_count = m->bucket_count;
    m->bucket_count *= 2;
    m->buckets = base_zalloc(m->bucket_count * sizeof(struct space *));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct space *s = old[i];
            old[i] = s->next;
            add_to_bucket(m, s);
        }
    }
    free(old);
}

static struct space *require_space(struct graph_memory *m, const char *ns)
{
    struct space *s = get_space(m, ns);
    if (s != NULL) {
        return s;
    }
    if (m->space_count >= m->bucket_count) {
        grow_buckets(m);
    }
    s = base_zalloc(sizeof *s);
    s->ns = base_strdup(ns);
    s->hash = hash_of(ns);
    add_to_bucket(m, s);
    m->space_count++;
    return s;
}

/* Where `id` is or would stand; looked for from the newest. */
static size_t place_of(const struct space *s, const char *id, bool *found)
{
    size_t at = s->count;
    while (at > 0) {
        int order = strcmp(s->kept[at - 1]->cp.id, id);
        if (order <= 0) {
            *found = order == 0;
            return order == 0 ? at - 1 : at;
        }
        at--;
    }
    *found = false;
    return 0;
}

static struct kept *get_kept(const struct graph_memory *m, const char *ns,
                             const char *id)
{
    const struct space *s = get_space(m, ns);
    bool found = false;
    if (s == NULL || s->count == 0) {
        return NULL;
    }
    if (id == NULL || id[0] == '\0') {
        return s->kept[s->count - 1];
    }
    size_t at = place_of(s, id, &found);
    return found ? s->kept[at] : NULL;
}

/* ---- one checkpoint ----------------------------------------------------- */

static void drop_values(struct graph_checkpoint *cp)
{
    leat_drop(cp->channel_values);
    leat_drop(cp->channel_versions);
    leat_drop(cp->versions_seen);
    leat_drop(cp->metadata);
    leat_drop(cp->view);
}

static void hold_values(struct graph_checkpoint *to,
                        const struct graph_checkpoint *from)
{
    *to = *from;
    to->channel_values = leat_hold(from->channel_values);
    to->channel_versions = leat_hold(from->channel_versions);
    to->versions_seen = leat_hold(from->versions_seen);
    to->metadata = leat_hold(from->metadata);
    to->view = leat_hold(from->view);
}

static void kept_destroy(struct kept *k)
{
    for (size_t i = 0; i < k->write_count; i++) {
        free(k->writes[i].channel);
        leat_drop(k->writes[i].value);
    }
    free(k->writes);
    drop_values(&k->cp);
    free(k);
}

static void kept_fill(struct kept *k, const struct graph_checkpoint *cp,
                      const char *ns)
{
    hold_values(&k->cp, cp);
    (void)base_copy(k->ts, sizeof k->ts, cp->ts == NULL ? "" : cp->ts);
    k->cp.ts = k->ts;
    k->cp.ns = ns;
}

/* What load and list give out. */
static void kept_to_saved(const struct kept *k, struct graph_saved *out)
{
    out->found = true;
    hold_values(&out->cp, &k->cp);
    (void)base_copy(out->ns, sizeof out->ns, k->cp.ns);
    (void)base_copy(out->ts, sizeof out->ts, k->ts);
    out->cp.ns = out->ns;
    out->cp.ts = out->ts;
    out->write_count = k->write_count;
    out->writes = k->write_count == 0
                      ? NULL
                      : base_zalloc(k->write_count * sizeof *out->writes);
    for (size_t i = 0; i < k->write_count; i++) {
        struct graph_write *w = &out->writes[i];
        memcpy(w->task_id, k->writes[i].task_id, sizeof w->task_id);
        w->index = k->writes[i].index;
        w->channel = base_strdup(k->writes[i].channel);
        w->value = leat_hold(k->writes[i].value);
    }
}

/* ---- the saver's calls -------------------------------------------------- */

static struct graph_memory *self_of(void *self)
{
    struct graph_memory *m = self;
    check_magic(m, MEMORY_MAGIC);
    return m;
}

static bool on_load(void *self, const char *ns, const char *id,
                    struct graph_saved *out, struct err *err)
{
    (void)err;
    *out = (struct graph_saved){0};
    const struct kept *k = get_kept(self_of(self), ns, id);
    if (k != NULL) {
        kept_to_saved(k, out);
    }
    return true;
}

static bool has_metadata(leat_view metadata, leat_view wanted)
{
    for (leat_iter it = leat_iter_of(wanted); leat_next(&it);) {
        leat_view have = leat_get_n(metadata, it.key.ptr, it.key.len);
        if (!leat_equal(have, it.item)) {
            return false;
        }
    }
    return true;
}

static bool matches(const struct kept *k, const struct graph_query *q)
{
    if (q->id != NULL && q->id[0] != '\0' && strcmp(k->cp.id, q->id) != 0) {
        return false;
    }
    if (q->before != NULL && q->before[0] != '\0' &&
        strcmp(k->cp.id, q->before) >= 0) {
        return false;
    }
    return has_metadata(leat_view_of(k->cp.metadata), q->metadata);
}

static bool on_list(void *self, const struct graph_query *q,
                    struct graph_saved **out, size_t *n, struct err *err)
{
    (void)err;
    const struct space *s =
        get_space(self_of(self), q->ns == NULL ? "" : q->ns);
    size_t count = s == NULL ? 0 : s->count;
    size_t limit = q->limit == 0 ? count : min_size(q->limit, count);
    *out = base_zalloc((limit + 1) * sizeof **out);
    *n = 0;
    for (size_t i = count; i > 0 && *n < limit; i--) {
        if (matches(s->kept[i - 1], q)) {
            kept_to_saved(s->kept[i - 1], &(*out)[(*n)++]);
        }
    }
    return true;
}

static bool on_put(void *self, const struct graph_checkpoint *cp,
                   struct err *err)
{
    (void)err;
    struct graph_memory *m = self_of(self);
    must(cp->ns != NULL && cp->id[0] != '\0');
    struct space *s = require_space(m, cp->ns);
    bool found = false;
    size_t at = place_of(s, cp->id, &found);
    if (found) { /* put again: its writes stay */
        drop_values(&s->kept[at]->cp);
        kept_fill(s->kept[at], cp, s->ns);
        return true;
    }
    if (s->count == s->room) {
        s->room = s->room == 0 ? 8 : s->room * 2;
        s->kept = base_realloc(s->kept, s->room * sizeof(struct kept *));
    }
    memmove(s->kept + at + 1, s->kept + at,
            (s->count - at) * sizeof(struct kept *));
    s->kept[at] = base_zalloc(sizeof(struct kept));
    kept_fill(s->kept[at], cp, s->ns);
    s->count++;
    m->checkpoint_count++;
    return true;
}

static void keep_write(struct kept *k, const struct graph_write *w)
{
    for (size_t i = 0; i < k->write_count; i++) {
        struct kept_write *old = &k->writes[i];
        if (old->index != w->index || strcmp(old->task_id, w->task_id) != 0) {
            continue;
        }
        if (w->index < 0) { /* special ones are replaced, others stay */
            free(old->channel);
            leat_drop(old->value);
            old->channel = base_strdup(w->channel);
            old->value = leat_hold(w->value);
        }
        return;
    }
    if (k->write_count == k->write_room) {
        k->write_room = k->write_room == 0 ? 4 : k->write_room * 2;
        k->writes = base_realloc(k->writes,
                                 k->write_room * sizeof *k->writes);
    }
    struct kept_write *fresh = &k->writes[k->write_count++];
    memcpy(fresh->task_id, w->task_id, sizeof fresh->task_id);
    fresh->index = w->index;
    fresh->channel = base_strdup(w->channel);
    fresh->value = leat_hold(w->value);
}

static bool on_put_writes(void *self, const struct graph_spot *at,
                          const struct graph_write *w, size_t n,
                          struct err *err)
{
    struct kept *k = get_kept(self_of(self), at->ns, at->id);
    if (k == NULL) {
        return err_set(err, ERR_STORE, "no checkpoint %s", at->id);
    }
    for (size_t i = 0; i < n; i++) {
        keep_write(k, &w[i]);
    }
    return true;
}

static bool on_put_view(void *self, const char *ns, const char *id,
                        const leat_value *view, struct err *err)
{
    struct kept *k = get_kept(self_of(self), ns, id);
    if (k == NULL) {
        return err_set(err, ERR_STORE, "no checkpoint %s", id);
    }
    leat_drop(k->cp.view);
    k->cp.view = leat_hold(view);
    return true;
}

static bool on_flush(void *self, struct err *err)
{
    (void)err;
    (void)self_of(self);
    return true; /* memory is as durable as it gets here */
}

static const struct graph_saver calls = {
    .load = on_load,
    .list = on_list,
    .put = on_put,
    .put_writes = on_put_writes,
    .put_view = on_put_view,
    .flush = on_flush,
};

/* ---- life --------------------------------------------------------------- */

struct graph_memory *graph_memory_new(void)
{
    struct graph_memory *m = base_zalloc(sizeof *m);
    m->magic = MEMORY_MAGIC;
    m->saver = calls;
    m->saver.self = m;
    m->bucket_count = MEMORY_BUCKETS_MIN;
    m->buckets = base_zalloc(m->bucket_count * sizeof(struct space *));
    return m;
}

void graph_memory_destroy(struct graph_memory **mp)
{
    struct graph_memory *m = *mp;
    if (m == NULL) {
        return;
    }
    check_magic(m, MEMORY_MAGIC);
    for (size_t i = 0; i < m->bucket_count; i++) {
        while (m->buckets[i] != NULL) {
            struct space *s = m->buckets[i];
            m->buckets[i] = s->next;
            for (size_t k = 0; k < s->count; k++) {
                kept_destroy(s->kept[k]);
            }
            free(s->kept);
            free(s->ns);
            free(s);
        }
    }
    free(m->buckets);
    m->magic = 0;
    free(m);
    *mp = NULL;
}

const struct graph_saver *graph_memory_saver(struct graph_memory *m)
{
    check_magic(m, MEMORY_MAGIC);
    return &m->saver;
}

size_t graph_memory_count(const struct graph_memory *m)
{
    check_magic(m, MEMORY_MAGIC);
    return m->checkpoint_count;
}
