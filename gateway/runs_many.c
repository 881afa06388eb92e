/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs_many.c: several runs at once: made in a batch, cancelled in bulk. A
 * batch is made whole or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/runs_target.h"
#include "gateway/submit.h"

#define BATCH_MAX 1000
#define CANCEL_WAIT_MS 30000
#define CANCEL_PAGE 500 /* runs that are cancelled at a time */

/* ---- batches ----------------------------------------------------------- */

struct batch {
    size_t n;
    struct gw_submit *submits;
    struct gw_ask *asks; /* of those that are new, in order */
    struct gw_asked *replies;
    size_t asked;
};

static void batch_init(struct batch *b, size_t n)
{
    *b = (struct batch){.n = n};
    b->submits = base_zalloc((n + 1) * sizeof(*b->submits));
    b->asks = base_zalloc((n + 1) * sizeof(*b->asks));
    b->replies = base_zalloc((n + 1) * sizeof(*b->replies));
}

static void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < b->asked; i++) {
        leat_drop((leat_value *)(uintptr_t)b->asks[i].body);
        leat_drop(b->replies[i].answer.body);
    }
    for (size_t i = 0; i < b->n; i++) {
        gw_submit_fini(&b->submits[i]);
    }
    free(b->submits);
    free(b->asks);
    free(b->replies);
}

static bool prepare_all(struct gw_req *r, leat_view list, struct batch *b,
                        struct err *err)
{
    leat_iter it = leat_iter_of(list);
    while (leat_next(&it)) {
        char path[32];
        (void)snprintf(path, sizeof(path), "[%zu]", it.index);
        const struct gw_submit_part part = {
            .body = leat_value_of(it.item), .index = it.index, .path = path};
        if (!gw_submit_prepare_part(r, &part, &b->submits[it.index], err)) {
            return false;
        }
    }
    return true;
}

/* One that fails takes the others with it: they are never to start. */
static bool submit_all(struct gw_req *r, struct batch *b, struct err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct gw_submit *s = &b->submits[i];
        if (!s->repeated) {
            b->asks[b->asked++] = (struct gw_ask){
                .type = WIRE_RUN_SUBMIT,
                .run = s->run_id,
                .thread = s->thread_id,
                .body = gw_submit_body(s),
                .wait_ms = conf_ms(r->app->conf, CONF_SUBMIT_WAIT),
            };
        }
    }
    gw_hub_ask_all(r->app->hub, b->asks, b->asked, b->replies);
    bool ok = true;
    for (size_t i = 0; i < b->asked && ok; i++) {
        ok = b->replies[i].err.code == ERR_NONE;
        if (!ok) {
            *err = b->replies[i].err;
        }
    }
    for (size_t i = 0; i < b->asked && !ok; i++) {
        gw_hub_tell(r->app->hub, WIRE_RUN_FORGET, &b->asks[i].run);
    }
    return ok;
}

static leat_value *tell_all(struct gw_req *r, const struct batch *b,
                            struct err *err)
{
    leat_value **runs = base_zalloc((b->n + 1) * sizeof(*runs));
    bool ok = true;
    for (size_t i = 0; i < b->n && ok; i++) {
        const struct gw_submit *s = &b->submits[i];
        runs[i] = s->repeated ? gw_submit_look_up(r->store, s, err)
                              : gw_submit_run(s);
        ok = runs[i] != NULL;
    }
    for (size_t i = 0; i < b->n && !ok; i++) {
        leat_drop(runs[i]);
    }
    leat_value *list = ok ? leat_new_list(b->n, runs) : NULL;
    free(runs);
    return list;
}

bool gw_runs_batch(struct gw_req *r, struct err *err)
{
    must(r != NULL && r->body != NULL);
    leat_view list = leat_view_of(r->body);
    size_t n = leat_count(list);
    if (leat_type_of(list) != LEAT_LIST || n == 0 || n > BATCH_MAX) {
        return err_set(err, ERR_INVALID, "body: must be a list of 1 to %d runs",
                       BATCH_MAX);
    }
    struct batch b;
    batch_init(&b, n);
    leat_value *runs = prepare_all(r, list, &b, err) && submit_all(r, &b, err)
                           ? tell_all(r, &b, err)
                           : NULL;
    batch_fini(&b);
    return runs != NULL && gw_req_json_take(r, runs);
}

/* ---- cancelling in bulk ------------------------------------------------ */

struct cancelling {
    struct id *runs;
    size_t n;
};

static void add_run(struct cancelling *c, const struct id *run)
{
    c->runs = base_realloc(c->runs, (c->n + 1) * sizeof(*c->runs));
    c->runs[c->n++] = *run;
}

/* What has ended meanwhile needs no cancel any more. */
static bool cancel_all(struct gw_req *r, const struct cancelling *c,
                       const char *action, struct err *err)
{
    leat_value *body = leat_pack("{s:s}", "action", action);
    struct gw_ask *asks = base_zalloc((c->n + 1) * sizeof(*asks));
    struct gw_asked *replies = base_zalloc((c->n + 1) * sizeof(*replies));
    bool ok = true;
    for (size_t i = 0; i < c->n; i++) {
        asks[i] = (struct gw_ask){.type = WIRE_RUN_CANCEL,
                                  .run = c->runs[i],
                                  .body = body,
                                  .wait_ms = CANCEL_WAIT_MS};
    }
    gw_hub_ask_all(r->app->hub, asks, c->n, replies);
    for (size_t i = 0; i < c->n; i++) {
        enum err_code code = replies[i].err.code;
        leat_drop(replies[i].answer.body);
        if (ok && code != ERR_NONE && code != ERR_NOT_FOUND &&
            code != ERR_CONFLICT) {
            *err = replies[i].err;
            ok = false;
        }
    }
    free(asks);
    free(replies);
    leat_drop(body);
    return ok;
}

/* All of the thread's named runs must be there; those that have ended stay. */
static bool find_named(struct gw_req *r, leat_view body, struct cancelling *c,
                       struct err *err)
{
    struct id thread;
    leat_text text = leat_string(leat_get(body, "thread_id"));
    must(id_parse_n(text.ptr, text.len, &thread));
    leat_iter it = leat_iter_of(leat_get(body, "run_ids"));
    while (leat_next(&it)) {
        struct id run;
        struct store_run row;
        text = leat_string(it.item);
        must(id_parse_n(text.ptr, text.len, &run));
        bool found = store_runs_get(r->store, &run, &row, err);
        if (!found && err->code != ERR_NOT_FOUND) {
            return false;
        }
        bool there = found && id_eq(&row.thread_id, &thread);
        if (there && gw_runs_target_is_open(&row)) {
            add_run(c, &run);
        }
        if (found) {
            store_run_fini(&row);
        }
        if (!there) {
            return err_set(err, ERR_NOT_FOUND, "run_ids[%zu]: Run %s not found",
                           it.index, ID_TEXT(&run));
        }
    }
    return true;
}

static bool find_by_status(struct gw_req *r, const char *status,
                           struct cancelling *c, struct err *err)
{
    struct store_run *list = NULL;
    size_t n = 0;
    const struct store_runs_query q = {
        .status = strcmp(status, "all") == 0 ? "open" : status,
    };
    if (!store_runs_list(r->store, &q, &list, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        add_run(c, &list[i].run_id);
    }
    store_runs_free(&list, n);
    return true;
}

static bool check_bulk(leat_view body, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"status", NULL, "pending|running|all", false},
        {"thread_id", gw_check_uuid, NULL, false},
        {"run_ids", gw_check_uuids, NULL, false},
    };
    if (!gw_check_fields(body, "", rows, COUNT_OF(rows), err)) {
        return false;
    }
    bool status = gw_check_present(leat_get(body, "status"));
    bool thread = gw_check_present(leat_get(body, "thread_id"));
    bool runs = gw_check_present(leat_get(body, "run_ids"));
    return (status && !thread && !runs) || (!status && thread && runs) ||
           err_set(err, ERR_INVALID,
                   "body: must have either status, or thread_id and run_ids");
}

bool gw_runs_cancel_many(struct gw_req *r, struct err *err)
{
    must(r != NULL && r->body != NULL);
    leat_view body = leat_view_of(r->body);
    const char *action = NULL;
    struct cancelling c = {NULL, 0};
    if (!gw_runs_target_action(r, &action, err) || !check_bulk(body, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    char *status = value_strdup(leat_get(body, "status"));
    bool ok = status != NULL ? find_by_status(r, status, &c, err)
                             : find_named(r, body, &c, err);
    for (size_t i = 0; ok && i < c.n; i += CANCEL_PAGE) {
        const struct cancelling page = {c.runs + i,
                                        min_size(CANCEL_PAGE, c.n - i)};
        ok = cancel_all(r, &page, action, err);
    }
    free(status);
    free(c.runs);
    return ok && gw_req_reply(r, 204, NULL, NULL, 0);
}
