/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs.c: runs: made, read, joined, cancelled.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/render.h"
#include "gateway/runs_target.h"
#include "gateway/server.h"
#include "gateway/submit.h"
#include "gateway/threads.h"

/* What a list of runs may be cut down to. */
#define RUN_FIELDS                                                             \
    "run_id|thread_id|assistant_id|created_at|updated_at|status|metadata|"     \
    "kwargs|multitask_strategy"
#define WHY_WAIT_MS 1000
#define CANCEL_WAIT_MS 30000
#define HEAD_MAX ((size_t)64 << 10)
#define STATUSES "pending|running|error|success|timeout|interrupted"

/* ---- making runs ------------------------------------------------------- */

static struct gw_runs_target target_of(const struct gw_submit *s)
{
    return (struct gw_runs_target){.run_id = s->run_id,
                                   .thread_id = s->thread_id,
                                   .stateless = s->stateless,
                                   .stored = s->stored};
}

/* Who listens to a run from its first event on, and where it is. */
static struct gw_stream *first_reader(struct gw_req *r,
                                      const struct gw_submit *s,
                                      const struct gw_runs_target *t)
{
    char path[GW_RUNS_PATH_SIZE];
    bool wait = s->answer == GW_ANSWER_WAIT;
    struct gw_stream *reader =
        gw_runs_target_reader(r, wait ? GW_STREAM_WAIT : GW_STREAM_SSE, t);
    reader->cancel_on_leave = s->spec.cancel_on_disconnect;
    gw_req_add_header(r, "Content-Location", "%s",
                      gw_runs_target_path(t, path));
    if (wait) {
        gw_runs_target_locate_join(r, t);
    } else {
        gw_runs_target_locate_stream(r, t, "-1",
                                     gw_runspec_modes(&s->spec, s->answer));
    }
    return reader;
}

/* A run that its client listens to. */
static bool send_heard(struct gw_req *r, const struct gw_submit *s,
                       struct err *err)
{
    struct gw_runs_target t = target_of(s);
    struct gw_stream *reader = first_reader(r, s, &t);
    return gw_submit_send(r, s, reader, gw_runs_target_head(r, reader), err);
}

/* The same request came before: its run from the beginning once more. */
static bool hear_again(struct gw_req *r, const struct gw_submit *s,
                       struct err *err)
{
    struct store_run row;
    struct gw_runs_target t = target_of(s);
    if (store_runs_get(r->store, &s->run_id, &row, err)) {
        store_run_fini(&row);
    } else if (err->code != ERR_NOT_FOUND ||
               !gw_submit_find(r, &t.run_id, &t.thread_id, err)) {
        return err->code == ERR_NOT_FOUND
                   ? err_set(err, ERR_CONFLICT,
                             "The run of this Idempotency-Key is not kept any "
                             "more.")
                   : false;
    }
    err_clear(err);
    return gw_runs_target_listen(r, first_reader(r, s, &t), err);
}

static bool run_and_listen(struct gw_req *r, enum gw_run_answer answer,
                           struct err *err)
{
    struct gw_submit s;
    bool ok = gw_submit_prepare(r, answer, &s, err) &&
              (s.repeated ? hear_again(r, &s, err) : send_heard(r, &s, err));
    gw_submit_fini(&s);
    return ok;
}

bool gw_runs_stream(struct gw_req *r, struct err *err)
{
    return run_and_listen(r, GW_ANSWER_STREAM, err);
}

bool gw_runs_wait(struct gw_req *r, struct err *err)
{
    return run_and_listen(r, GW_ANSWER_WAIT, err);
}

/* In the background: the client gets the run once it is committed. */
static bool send_unheard(struct gw_req *r, const struct gw_submit *s,
                         struct err *err)
{
    char path[GW_RUNS_PATH_SIZE];
    struct gw_runs_target t = target_of(s);
    struct buf answer;
    buf_init(&answer, (size_t)2 << 30);
    gw_req_add_header(r, "Content-Location", "%s",
                      gw_runs_target_path(&t, path));
    leat_value *run = gw_submit_run(s);
    gw_req_later(r, leat_view_of(run), &answer);
    leat_drop(run);
    struct gw_chunk *c = gw_chunk_of(false, answer.data, answer.len);
    buf_fini(&answer);
    return gw_submit_send(r, s, gw_runs_target_reader(r, GW_STREAM_DONE, &t), c,
                          err);
}

/* The same request came before: its run as it is, or as it was made. */
static bool tell_again(struct gw_req *r, const struct gw_submit *s,
                       struct err *err)
{
    char path[GW_RUNS_PATH_SIZE];
    struct gw_runs_target t = target_of(s);
    leat_value *run = gw_submit_look_up(r->store, s, err);
    if (run == NULL) {
        return false;
    }
    gw_req_add_header(r, "Content-Location", "%s",
                      gw_runs_target_path(&t, path));
    return gw_req_json_take(r, run);
}

bool gw_runs_create(struct gw_req *r, struct err *err)
{
    struct gw_submit s;
    bool ok = gw_submit_prepare(r, GW_ANSWER_BACKGROUND, &s, err) &&
              (s.repeated ? tell_again(r, &s, err) : send_unheard(r, &s, err));
    gw_submit_fini(&s);
    return ok;
}

/* ---- joining ----------------------------------------------------------- */

static bool read_modes(struct gw_req *r, unsigned *modes, struct err *err)
{
    leat_value *list = NULL;
    if (!gw_req_query_list(r, "stream_mode", &list, err)) {
        return false;
    }
    bool ok =
        list == NULL || gw_check_mode(leat_view_of(list), "stream_mode", err);
    *modes = 0;
    leat_iter it = leat_iter_of(leat_view_of(list));
    while (ok && list != NULL && leat_next(&it)) {
        *modes |= gw_sse_mode(leat_string(it.item));
    }
    leat_drop(list);
    return ok;
}

bool gw_runs_join_stream(struct gw_req *r, struct err *err)
{
    struct gw_runs_target t;
    unsigned modes = 0;
    bool cancel = false;
    bool subgraphs = true;
    if (!read_modes(r, &modes, err) ||
        !gw_req_query_bool(r, "cancel_on_disconnect", false, &cancel, err) ||
        !gw_req_query_bool(r, "stream_subgraphs", true, &subgraphs, err) ||
        !gw_server_has_room(r, err) || !gw_runs_target_find(r, &t, err)) {
        return false;
    }
    const char *cursor = NULL;
    struct gw_stream *s = gw_runs_target_reader(r, GW_STREAM_SSE, &t);
    s->opened_us = 0; /* not the run's first event */
    s->cancel_on_leave = cancel;
    s->filter.modes = (uint16_t)(modes == 0 ? SSE_ALL_MODES : modes);
    s->filter.subgraphs = subgraphs;
    gw_runs_target_cursor(r, s, &cursor);
    gw_runs_target_locate_stream(r, &t, cursor, modes);
    return gw_runs_target_listen(r, s, err);
}

bool gw_runs_join(struct gw_req *r, struct err *err)
{
    struct gw_runs_target t;
    bool cancel = false;
    if (!gw_req_query_bool(r, "cancel_on_disconnect", false, &cancel, err) ||
        !gw_server_has_room(r, err) || !gw_runs_target_find(r, &t, err)) {
        return false;
    }
    struct gw_stream *s = gw_runs_target_reader(r, GW_STREAM_WAIT, &t);
    s->opened_us = 0;
    s->cancel_on_leave = cancel;
    gw_runs_target_locate_join(r, &t);
    return gw_runs_target_listen(r, s, err);
}

/* ---- reading ----------------------------------------------------------- */

/*
 * What a pending run waits for, in the broker's words, as `why`. Takes and
 * gives a reference. The broker may be away, the run may just have begun:
 * then there is nothing to add.
 */
static leat_value *with_why(struct gw_req *r, const struct gw_runs_target *t,
                            leat_value *run)
{
    struct err err = ERR_INIT;
    struct gw_answer answer = {.body = NULL};
    const struct gw_ask ask = {.type = WIRE_RUN_WATCH,
                               .run = t->run_id,
                               .thread = t->thread_id,
                               .wait_ms = WHY_WAIT_MS};
    if (!gw_hub_ask(r->app->hub, &ask, &answer, &err)) {
        return run;
    }
    leat_view why = leat_get(leat_view_of(answer.body), "why");
    if (leat_type_of(why) == LEAT_STRING) {
        leat_value *more =
            leat_with(leat_view_of(run), "why", leat_value_of(why));
        leat_drop(run);
        run = more;
    }
    leat_drop(answer.body);
    return run;
}

bool gw_runs_get(struct gw_req *r, struct err *err)
{
    struct gw_runs_target t;
    struct store_run row;
    if (!gw_runs_target_row(r, &t, &row, err)) {
        return false;
    }
    leat_value *v = gw_render_run(&row);
    bool waits = strcmp(row.status, "pending") == 0;
    store_run_fini(&row);
    return gw_req_json_take(r, waits ? with_why(r, &t, v) : v);
}

static bool check_status(const char *status, struct err *err)
{
    if (status == NULL) {
        return true;
    }
    leat_value *v = leat_new_string(status);
    bool ok = gw_check_word(leat_view_of(v), "status", STATUSES, err);
    leat_drop(v);
    return ok;
}

static bool list_runs(struct gw_req *r, const struct store_runs_query *q,
                      leat_view select, struct err *err)
{
    struct store_run *list = NULL;
    size_t n = 0;
    if (!store_runs_list(r->store, q, &list, &n, err)) {
        return false;
    }
    leat_value **items = base_zalloc((n + 1) * sizeof(*items));
    for (size_t i = 0; i < n; i++) {
        items[i] = gw_render_select(gw_render_run(&list[i]), select);
    }
    leat_value *v = leat_new_list(n, items);
    free(items);
    store_runs_free(&list, n);
    return gw_req_json_take(r, v);
}

bool gw_runs_list(struct gw_req *r, struct err *err)
{
    struct store_thread t;
    leat_value *select = NULL;
    int64_t limit = 0;
    int64_t offset = 0;
    struct gw_range limits = {.min = 1, .max = 1000, .fallback = 10};
    struct gw_range offsets = {.min = 0, .max = INT64_MAX, .fallback = 0};
    const char *status = gw_req_query(r, "status");
    if (!gw_req_query_int(r, "limit", limits, &limit, err) ||
        !gw_req_query_int(r, "offset", offsets, &offset, err) ||
        !check_status(status, err) || !gw_threads_require(r, &t, err)) {
        return false;
    }
    struct id thread_id = t.thread_id;
    store_thread_fini(&t);
    if (!gw_req_query_list(r, "select", &select, err)) {
        return false;
    }
    struct store_runs_query q = {
        .thread_id = &thread_id,
        .status = status,
        .limit = (size_t)limit,
        .offset = (size_t)offset,
    };
    bool ok = gw_check_words(leat_view_of(select), "select", RUN_FIELDS, err) &&
              list_runs(r, &q, leat_view_of(select), err);
    leat_drop(select);
    return ok;
}

/* ---- ending ------------------------------------------------------------ */

bool gw_runs_delete(struct gw_req *r, struct err *err)
{
    struct gw_runs_target t;
    struct store_run row;
    if (!gw_runs_target_row(r, &t, &row, err)) {
        return false;
    }
    bool open = gw_runs_target_is_open(&row);
    store_run_fini(&row);
    if (open) {
        return err_set(err, ERR_CONFLICT,
                       "The run is pending or running: cancel it first.");
    }
    return store_runs_delete(r->store, &t.run_id, err) &&
           gw_req_reply(r, 204, NULL, NULL, 0);
}

static bool send_cancel(struct gw_req *r, const struct gw_runs_target *t,
                        const char *action, struct err *err)
{
    struct gw_answer answer = {.body = NULL};
    leat_value *body = leat_pack("{s:s}", "action", action);
    struct gw_ask ask = {.type = WIRE_RUN_CANCEL,
                         .run = t->run_id,
                         .thread = t->thread_id,
                         .body = body,
                         .wait_ms = CANCEL_WAIT_MS};
    bool ok = gw_hub_ask(r->app->hub, &ask, &answer, err);
    leat_drop(body);
    leat_drop(answer.body);
    if (!ok && err->code == ERR_NOT_FOUND) {
        /* it has a row: it ended just now */
        (void)err_set(err, ERR_CONFLICT, "The run is not pending or running.");
    }
    return ok;
}

/* 204 once the run has ended and its end is stored. */
static bool cancel_and_wait(struct gw_req *r, const struct gw_runs_target *t,
                            const char *action, struct err *err)
{
    if (!gw_server_has_room(r, err)) {
        return false;
    }
    struct gw_stream *s = gw_runs_target_reader(r, GW_STREAM_DONE, t);
    struct buf head;
    buf_init(&head, HEAD_MAX);
    gw_runs_target_locate_join(r, t);
    gw_req_head(r, 204, NULL, &head);
    s->last_words = gw_chunk_of(false, head.data, head.len);
    buf_fini(&head);
    gw_hub_join(r->app->hub, s, -1);
    int fd = send_cancel(r, t, action, err) ? gw_server_take(r, err) : -1;
    if (fd < 0) {
        gw_hub_abandon(r->app->hub, s);
        return false;
    }
    gw_hub_attach(r->app->hub, s, fd);
    return true;
}

bool gw_runs_cancel(struct gw_req *r, struct err *err)
{
    struct gw_runs_target t;
    struct store_run row;
    bool wait = false;
    const char *action = NULL;
    if (!gw_runs_target_action(r, &action, err) ||
        !gw_req_query_bool(r, "wait", false, &wait, err) ||
        !gw_runs_target_row(r, &t, &row, err)) {
        return false;
    }
    bool open = gw_runs_target_is_open(&row);
    store_run_fini(&row);
    if (!open) {
        return err_set(err, ERR_CONFLICT, "The run is not pending or running.");
    }
    if (wait) {
        return cancel_and_wait(r, &t, action, err);
    }
    return send_cancel(r, &t, action, err) &&
           gw_req_reply(r, 202, NULL, NULL, 0);
}
