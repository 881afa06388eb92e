/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread takes: checkpoints, the values of channels (in the rows of
 * checkpoints when they are small, on their own when they are not), and
 * pending writes.
 */
#include <stdlib.h>
#include <string.h>

#include "common/store/inner.h"

/* A channel on the way; sorted by name. */
struct channel {
    struct store_channel_size size;
    char *ns; /* where `version` was seen last; NULL: nowhere */
    int64_t version;
};

struct tally {
    struct store_rows channels; /* struct channel */
    struct store_thread_size *out;
};

static struct channel *channel_of(struct tally *t, const char *name)
{
    struct channel *all = t->channels.rows;
    size_t low = 0;
    size_t high = t->channels.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(all[middle].size.channel, name);
        if (order == 0) {
            return &all[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    (void)store_rows_add(&t->channels, sizeof *all);
    all = t->channels.rows;
    memmove(&all[low + 1], &all[low], (t->channels.n - 1 - low) * sizeof *all);
    all[low] = (struct channel){.size = {.channel = base_strdup(name)}};
    return &all[low];
}

/* A value within a checkpoint's row; it is there again in the next row, where
 * it has the same version. */
static void add_inline(struct tally *t, leat_text name, const char *ns,
                       leat_view body)
{
    leat_view place = leat_get_n(leat_get(body, "values"), name.ptr, name.len);
    int64_t version =
        leat_int(leat_get_n(leat_get(body, "versions"), name.ptr, name.len), 0);
    if (leat_type_of(place) != LEAT_LIST) {
        return;
    }
    char *key = base_memdup(name.ptr, name.len);
    struct channel *c = channel_of(t, key);
    free(key);
    if (c->ns == NULL || strcmp(c->ns, ns) != 0 || c->version != version) {
        c->size.versions++;
        t->out->value_count++;
    }
    free(c->ns);
    c->ns = base_strdup(ns);
    c->version = version;
    c->size.bytes += value_packed_size(leat_at(place, 0));
    t->out->value_bytes += value_packed_size(leat_at(place, 0));
}

static void add_checkpoint(struct tally *t, struct store_query *q)
{
    char *ns = store_query_text(q, 0);
    leat_value *body = store_query_value(q, 2);
    uint64_t before = t->out->value_bytes;
    leat_view b = leat_view_of(body);
    for (leat_iter it = leat_iter_of(leat_get(b, "values")); leat_next(&it);) {
        add_inline(t, it.key, ns, b);
    }
    uint64_t whole = store_query_uint(q, 1) + value_packed_size(b);
    uint64_t values = t->out->value_bytes - before;
    t->out->checkpoints++;
    t->out->checkpoint_bytes += whole > values ? whole - values : 0;
    leat_drop(body);
    free(ns);
}

static bool add_checkpoints(store_t *s, const struct id *thread_id,
                            struct tally *t, struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT ns, LENGTH(metadata)"
                               " + COALESCE(LENGTH(view), 0)"
                               " + COALESCE(LENGTH(view_before), 0), body"
                               " FROM checkpoints WHERE thread_id = $1"
                               " ORDER BY ns, checkpoint_id",
                               "d", thread_id);
    while (ok && store_query_next(&q)) {
        add_checkpoint(t, &q);
    }
    return store_query_close(&q);
}

static bool add_blobs(store_t *s, const struct id *thread_id, struct tally *t,
                      struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT channel, COUNT(*), SUM(LENGTH(value))"
                               " FROM blobs WHERE thread_id = $1"
                               " GROUP BY channel",
                               "d", thread_id);
    while (ok && store_query_next(&q)) {
        char *name = store_query_text(&q, 0);
        struct channel *c = channel_of(t, name);
        free(name);
        c->size.versions += store_query_uint(&q, 1);
        c->size.bytes += store_query_uint(&q, 2);
        t->out->value_count += store_query_uint(&q, 1);
        t->out->value_bytes += store_query_uint(&q, 2);
    }
    return store_query_close(&q);
}

static bool add_writes(store_t *s, const struct id *thread_id, struct tally *t,
                       struct err *err)
{
    struct store_query q = {.s = s, .err = err};
    bool ok = store_query_open(&q,
                               "SELECT COUNT(*),"
                               " COALESCE(SUM(LENGTH(value)), 0)"
                               " FROM writes WHERE thread_id = $1",
                               "d", thread_id);
    if (ok && store_query_next(&q)) {
        t->out->write_count = store_query_uint(&q, 0);
        t->out->write_bytes = store_query_uint(&q, 1);
    }
    return store_query_close(&q);
}

static void take_channels(struct tally *t)
{
    struct channel *all = t->channels.rows;
    struct store_channel_size *out =
        base_zalloc((t->channels.n + 1) * sizeof *out);
    for (size_t i = 0; i < t->channels.n; i++) {
        out[i] = all[i].size;
        free(all[i].ns);
    }
    t->out->channels = out;
    t->out->channel_count = t->channels.n;
    free(all);
}

bool store_threads_size(store_t *s, const struct id *thread_id,
                        struct store_thread_size *out, struct err *err)
{
    must(out != NULL);
    memset(out, 0, sizeof *out);
    if (!store_read_begin(s, err)) {
        return false;
    }
    struct tally t = {.out = out};
    bool ok = add_checkpoints(s, thread_id, &t, err) &&
              add_blobs(s, thread_id, &t, err) &&
              add_writes(s, thread_id, &t, err);
    store_read_end(s);
    take_channels(&t);
    if (!ok) {
        store_thread_size_fini(out);
    }
    return ok;
}

void store_thread_size_fini(struct store_thread_size *t)
{
    for (size_t i = 0; i < t->channel_count; i++) {
        free(t->channels[i].channel);
    }
    free(t->channels);
    memset(t, 0, sizeof *t);
}
