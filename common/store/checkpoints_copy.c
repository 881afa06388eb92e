/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying all checkpoints of a thread to another one: rows as they are, but
 * for the thread id inside metadata.
 */
#include <stdlib.h>

#include "common/store/checkpoints.h"

/* A row's columns as they were read; v: values, s: texts, by column. */
struct row {
    char *text[5];
    leat_value *value[4];
    struct id run;
    struct id view_run;
    int64_t number[2];
};

static void row_fini(struct row *r)
{
    for (size_t i = 0; i < COUNT_OF(r->text); i++) {
        free(r->text[i]);
    }
    for (size_t i = 0; i < COUNT_OF(r->value); i++) {
        leat_drop(r->value[i]);
    }
}

static leat_value *rewritten(leat_value *metadata, const struct id *to)
{
    leat_view m = leat_view_of(metadata);
    if (leat_type_of(leat_get(m, "thread_id")) == LEAT_MISSING) {
        return metadata;
    }
    leat_value *text = leat_new_string(ID_TEXT(to));
    leat_value *out = leat_with(m, "thread_id", text);
    leat_drop(metadata);
    return out;
}

static bool put_checkpoint(store_t *s, struct store_query *q,
                           const struct id *to, struct err *err)
{
    struct row r = {.text = {NULL}};
    for (int i = 0; i < 4; i++) {
        r.text[i] = store_query_text(q, i);
    }
    store_query_id(q, 4, &r.run);
    store_query_id(q, 5, &r.view_run);
    for (int i = 0; i < 4; i++) {
        r.value[i] = store_query_value(q, 6 + i);
    }
    r.value[0] = rewritten(r.value[0], to);
    bool ok = store_query_run(
        s, err,
        "INSERT INTO checkpoints (thread_id, ns, checkpoint_id, parent_id, ts,"
        " run_id, view_run, metadata, view, view_before, body)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        "dssssddovvo", to, r.text[0], r.text[1], r.text[2], r.text[3], &r.run,
        &r.view_run, r.value[0], r.value[1], r.value[2], r.value[3]);
    row_fini(&r);
    return ok;
}

static bool put_blob(store_t *s, struct store_query *q, const struct id *to,
                     struct err *err)
{
    struct row r = {.text = {NULL}};
    for (int i = 0; i < 3; i++) {
        r.text[i] = store_query_text(q, i);
    }
    r.value[0] = store_query_value(q, 3);
    bool ok = store_query_run(
        s, err,
        "INSERT INTO blobs (thread_id, ns, channel, checkpoint_id, value)"
        " VALUES ($1, $2, $3, $4, $5)",
        "dsssp", to, r.text[0], r.text[1], r.text[2], r.value[0]);
    row_fini(&r);
    return ok;
}

static bool put_write(store_t *s, struct store_query *q, const struct id *to,
                      struct err *err)
{
    struct row r = {.text = {NULL}};
    for (int i = 0; i < 4; i++) {
        r.text[i] = store_query_text(q, i);
    }
    r.number[0] = store_query_int(q, 4);
    r.number[1] = store_query_int(q, 5);
    store_query_id(q, 6, &r.run);
    r.value[0] = store_query_value(q, 7);
    bool ok = store_query_run(
        s, err,
        "INSERT INTO writes (thread_id, ns, checkpoint_id, task_id, channel,"
        " idx, ord, run_id, value)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        "dssssiidp", to, r.text[0], r.text[1], r.text[2], r.text[3],
        r.number[0], r.number[1], &r.run, r.value[0]);
    row_fini(&r);
    return ok;
}

typedef bool put_fn(store_t *s, struct store_query *q, const struct id *to,
                    struct err *err);

struct copy {
    store_t *s;
    const struct id *from;
    const struct id *to;
    struct err *err;
};

static bool copy(const struct copy *c, const char *sql, put_fn *put)
{
    struct store_query q = {.s = c->s, .err = c->err};
    bool ok = store_query_open(&q, sql, "d", c->from);
    while (ok && store_query_next(&q)) {
        ok = put(c->s, &q, c->to, c->err);
    }
    return store_query_close(&q) && ok;
}

bool store_checkpoints_copy(store_t *s, const struct id *from,
                            const struct id *to, struct err *err)
{
    const struct copy c = {s, from, to, err};
    return copy(&c,
                "SELECT ns, checkpoint_id, parent_id, ts, run_id, view_run,"
                " metadata, view, view_before, body FROM checkpoints"
                " WHERE thread_id = $1",
                put_checkpoint) &&
           copy(&c,
                "SELECT ns, channel, checkpoint_id, value FROM blobs"
                " WHERE thread_id = $1",
                put_blob) &&
           copy(&c,
                "SELECT ns, checkpoint_id, task_id, channel, idx, ord, run_id,"
                " value FROM writes WHERE thread_id = $1",
                put_write);
}
