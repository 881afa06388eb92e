/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of assistants: each change makes one, any of them can be made
 * the active one again. Also what goes before an assistant goes: its runs.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store/assistants.h"

bool store_assistants_keep_version(store_t *s, const struct id *assistant_id,
                                   struct err *err)
{
    return store_query_run(
        s, err,
        "INSERT INTO assistant_versions (assistant_id, version, graph_id,"
        " name, created_at, description, metadata, config, context)"
        " SELECT assistant_id, version, graph_id, name, updated_at,"
        " description, metadata, config, context FROM assistants"
        " WHERE assistant_id = $1",
        "d", assistant_id);
}

/* ---- a new version --------------------------------------------------------
 */

static const char *text_or(const char *text, const char *other)
{
    return text != NULL ? text : other;
}

/* The given object, or else the one there is; one reference. */
static leat_value *object_or(leat_view given, const leat_value *other)
{
    return leat_type_of(given) == LEAT_OBJECT ? leat_value_of(given)
                                              : leat_hold(other);
}

static bool write_patch(store_t *s, const struct store_assistant_patch *p,
                        const struct store_assistant *old, struct err *err)
{
    leat_value *metadata =
        store_merge(leat_view_of(old->metadata), p->metadata);
    leat_value *config = object_or(p->config, old->config);
    leat_value *context = object_or(p->context, old->context);
    bool ok = store_query_run(
        s, err,
        "UPDATE assistants SET graph_id = $2, name = $3, description = $4,"
        " metadata = $5, config = $6, context = $7, updated_at = $8,"
        " version = (SELECT MAX(version) + 1 FROM assistant_versions"
        " WHERE assistant_id = $1) WHERE assistant_id = $1",
        "dsssoooi", &p->assistant_id, text_or(p->graph_id, old->graph_id),
        text_or(p->name, old->name), text_or(p->description, old->description),
        metadata, config, context, clock_wall_us());
    leat_drop(metadata);
    leat_drop(config);
    leat_drop(context);
    return ok && store_assistants_keep_version(s, &p->assistant_id, err);
}

static bool patch(store_t *s, const struct store_assistant_patch *p,
                  struct store_assistant *out, struct err *err)
{
    struct store_assistant old;
    if (!store_assistants_get(s, &p->assistant_id, &old, err)) {
        return false;
    }
    bool ok = write_patch(s, p, &old, err) &&
              store_assistants_get(s, &p->assistant_id, out, err);
    store_assistant_fini(&old);
    return ok;
}

bool store_assistants_patch(store_t *s, const struct store_assistant_patch *p,
                            struct store_assistant *out, struct err *err)
{
    must(p != NULL && out != NULL);
    memset(out, 0, sizeof *out);
    if (s->remote) {
        return store_remote_assistants_patch(s, p, out, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok = store_write_end(s, patch(s, p, out, err), err);
    if (!ok) {
        store_assistant_fini(out);
    }
    return ok;
}

/* ---- an old one -----------------------------------------------------------
 */

static bool set_latest(store_t *s, const struct id *assistant_id,
                       int64_t version, struct store_assistant *out,
                       struct err *err)
{
    if (!store_query_run(
            s, err,
            "UPDATE assistants SET version = v.version,"
            " graph_id = v.graph_id, name = v.name,"
            " description = v.description, metadata = v.metadata,"
            " config = v.config, context = v.context, updated_at = $3"
            " FROM assistant_versions v WHERE assistants.assistant_id = $1"
            " AND v.assistant_id = $1 AND v.version = $2",
            "dii", assistant_id, version, clock_wall_us())) {
        return false;
    }
    if (store_query_changes(s) != 1) {
        return err_set(err, ERR_NOT_FOUND, "no version %lld of assistant %s",
                       (long long)version, ID_TEXT(assistant_id));
    }
    return store_assistants_get(s, assistant_id, out, err);
}

bool store_assistants_set_latest(store_t *s, const struct id *assistant_id,
                                 int64_t version, struct store_assistant *out,
                                 struct err *err)
{
    must(out != NULL);
    memset(out, 0, sizeof *out);
    if (s->remote) {
        return store_remote_assistants_set_latest(s, assistant_id, version, out,
                                                  err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    bool ok =
        store_write_end(s, set_latest(s, assistant_id, version, out, err), err);
    if (!ok) {
        store_assistant_fini(out);
    }
    return ok;
}

/* ---- all of them ----------------------------------------------------------
 */

static bool list_versions(store_t *s, const struct store_versions_query *q,
                          struct store_rows *out, struct err *err)
{
    size_t seen = 0;
    struct store_query row = {.s = s, .err = err};
    bool ok = store_query_open(
        &row,
        "SELECT assistant_id, '', graph_id, name, version, created_at,"
        " created_at, description, metadata, config, context"
        " FROM assistant_versions WHERE assistant_id = $1"
        " ORDER BY version DESC",
        "d", &q->assistant_id);
    while (ok && (q->limit == 0 || out->n < q->limit) &&
           store_query_next(&row)) {
        struct store_assistant a;
        memset(&a, 0, sizeof a);
        store_assistants_read_row(&row, &a);
        bool take = store_contains(leat_view_of(a.metadata), q->metadata) &&
                    seen++ >= q->offset;
        if (take) {
            *(struct store_assistant *)store_rows_add(out, sizeof a) = a;
        } else {
            store_assistant_fini(&a);
        }
    }
    return store_query_close(&row);
}

bool store_assistants_versions(store_t *s, const struct store_versions_query *q,
                               struct store_assistant **list, size_t *n,
                               struct err *err)
{
    check_magic(s, STORE_MAGIC);
    must(list != NULL && n != NULL);
    struct store_rows rows = {NULL, 0, 0};
    struct store_assistant a;
    *list = NULL;
    *n = 0;
    if (!store_assistants_get(s, &q->assistant_id, &a, err)) {
        return false;
    }
    store_assistant_fini(&a);
    bool ok = list_versions(s, q, &rows, err);
    *list = rows.rows;
    *n = rows.n;
    if (!ok) {
        store_assistants_free(list, *n);
        *n = 0;
    }
    return ok;
}

/* ---- its runs -------------------------------------------------------------
 */

#define OF_ASSISTANT "SELECT run_id FROM runs WHERE assistant_id = $1"

/* The runs that the statement gives for $1, at most so many; 0: all. */
static bool find_runs(struct store_query *q, const char *sql,
                      const struct id *assistant_id, size_t limit,
                      struct store_rows *out)
{
    bool ok = store_query_open(q, sql, "d", assistant_id);
    while (ok && (limit == 0 || out->n < limit) && store_query_next(q)) {
        struct id run;
        store_query_id(q, 0, &run);
        *(struct id *)store_rows_add(out, sizeof run) = run;
    }
    return store_query_close(q);
}

bool store_assistants_open_runs(store_t *s, const struct id *assistant_id,
                                struct id **list, size_t *n, struct err *err)
{
    check_magic(s, STORE_MAGIC);
    struct store_rows rows = {NULL, 0, 0};
    bool ok = find_runs(STORE_QUERY(s, err),
                        OF_ASSISTANT " AND status IN ('pending', 'running')",
                        assistant_id, 0, &rows);
    *list = rows.rows;
    *n = rows.n;
    return ok;
}

static bool drop_runs(store_t *s, const struct id *assistant_id, size_t limit,
                      size_t *dropped, struct err *err)
{
    struct store_rows rows = {NULL, 0, 0};
    bool ok =
        find_runs(STORE_QUERY(s, err),
                  OF_ASSISTANT " AND status NOT IN ('pending', 'running')",
                  assistant_id, limit, &rows);
    const struct id *runs = rows.rows;
    for (size_t i = 0; ok && i < rows.n; i++) {
        ok = store_events_drop(s, &runs[i], NULL, err) &&
             store_query_run(s, err, "DELETE FROM runs WHERE run_id = $1", "d",
                             &runs[i]);
    }
    *dropped = rows.n;
    free(rows.rows);
    return ok;
}

bool store_assistants_drop_runs(store_t *s, const struct id *assistant_id,
                                size_t limit, size_t *dropped, struct err *err)
{
    must(dropped != NULL && limit > 0);
    *dropped = 0;
    if (s->remote) {
        return store_remote_assistants_drop_runs(s, assistant_id, limit,
                                                 dropped, err);
    }
    if (!store_write_begin(s, err)) {
        return false;
    }
    return store_write_end(s, drop_runs(s, assistant_id, limit, dropped, err),
                           err);
}

/* ---- as values ------------------------------------------------------------
 */

leat_value *store_assistants_to_value(const struct store_assistant *a)
{
    return leat_pack(
        "{s:s,s:?s,s:s,s:s,s:?s,s:W,s:W,s:W,s:I,s:I,s:I}", "assistant_id",
        ID_TEXT(&a->assistant_id), "owner", a->owner, "graph_id", a->graph_id,
        "name", a->name, "description", a->description, "metadata", a->metadata,
        "config", a->config, "context", a->context, "version", a->version,
        "created_us", a->created_us, "updated_us", a->updated_us);
}

bool store_assistants_from_value(leat_view v, struct store_assistant *out,
                                 struct err *err)
{
    leat_text id = leat_string(leat_get(v, "assistant_id"));
    memset(out, 0, sizeof *out);
    if (id.ptr == NULL || !id_parse_n(id.ptr, id.len, &out->assistant_id)) {
        return err_set(err, ERR_INVALID, "the store's answer has no assistant");
    }
    out->owner = value_strdup(leat_get(v, "owner"));
    out->graph_id = value_strdup(leat_get(v, "graph_id"));
    out->name = value_strdup(leat_get(v, "name"));
    out->description = value_strdup(leat_get(v, "description"));
    out->metadata = leat_value_of(leat_get(v, "metadata"));
    out->config = leat_value_of(leat_get(v, "config"));
    out->context = leat_value_of(leat_get(v, "context"));
    out->version = leat_int(leat_get(v, "version"), 1);
    out->created_us = leat_int(leat_get(v, "created_us"), 0);
    out->updated_us = leat_int(leat_get(v, "updated_us"), 0);
    if (out->graph_id == NULL || out->name == NULL) {
        store_assistant_fini(out);
        return err_set(err, ERR_INVALID, "the store's answer has no assistant");
    }
    return true;
}
