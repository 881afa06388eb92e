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

/* ---- where a run is found ---------------------------------------------- */

struct target {
    struct id run_id;
    struct id thread_id;
    bool stateless; /* the path names no thread */
    bool stored;
};

/* "/threads/{t}/runs/{r}" or "/runs/{r}" */
static const char *path_of(const struct target *t, char out[128])
{
    if (t->stateless) {
        (void)snprintf(out, 128, "/runs/%s", ID_TEXT(&t->run_id));
    } else {
        (void)snprintf(out, 128, "/threads/%s/runs/%s", ID_TEXT(&t->thread_id),
                       ID_TEXT(&t->run_id));
    }
    return out;
}

static bool get_row(struct gw_req *r, struct target *t, struct store_run *row,
                    struct err *err)
{
    struct id thread = {{0}};
    t->stateless = !gw_req_has_param(r, "thread_id");
    if (!gw_req_id(r, "run_id", &t->run_id, err) ||
        (!t->stateless && !gw_req_id(r, "thread_id", &thread, err)) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    if (!store_runs_get(r->store, &t->run_id, row, err)) {
        return false;
    }
    t->stored = true;
    t->thread_id = row->thread_id;
    if (t->stateless || id_eq(&thread, &row->thread_id)) {
        return true;
    }
    store_run_fini(row);
    return err_set(err, ERR_NOT_FOUND, "Run not found");
}

static bool require_row(struct gw_req *r, struct target *t,
                        struct store_run *row, struct err *err)
{
    if (get_row(r, t, row, err)) {
        return true;
    }
    if (err->code == ERR_NOT_FOUND) {
        (void)err_set(err, ERR_NOT_FOUND, "Run not found");
    }
    return false;
}

/* A run to listen to: in the store, or one that lives in memory. */
static bool find_target(struct gw_req *r, struct target *t, struct err *err)
{
    struct store_run row;
    *t = (struct target){.stored = false};
    if (require_row(r, t, &row, err)) {
        store_run_fini(&row);
        return true;
    }
    if (err->code != ERR_NOT_FOUND || !t->stateless) {
        return false;
    }
    return gw_submit_find(r, &t->run_id, &t->thread_id, err);
}

/* ---- long answers ------------------------------------------------------ */

static struct gw_stream *new_reader(const struct gw_req *r,
                                    enum gw_stream_kind kind,
                                    const struct target *t)
{
    struct gw_stream *s = gw_stream_new(kind);
    s->run = t->run_id;
    s->thread = t->thread_id;
    s->stored = t->stored;
    s->opened_us = r->started_us;
    gw_stream_count(s, &r->caller->streams);
    return s;
}

/* The response head of a stream or a wait. */
static struct gw_chunk *head_of(struct gw_req *r, const struct gw_stream *s)
{
    struct buf head;
    buf_init(&head, HEAD_MAX);
    gw_req_head(r, 200,
                s->kind == GW_STREAM_SSE ? "text/event-stream"
                                         : "application/json",
                &head);
    struct gw_chunk *c = gw_chunk_of(false, head.data, head.len);
    buf_fini(&head);
    return c;
}

/* Joins the run; the head goes out at once. */
static bool listen_to(struct gw_req *r, struct gw_stream *s, struct err *err)
{
    struct gw_chunk *head = head_of(r, s);
    gw_stream_push(s, head);
    gw_chunk_drop(&head);
    int fd = gw_server_take(r, err);
    if (fd < 0) {
        gw_stream_destroy(&s);
        return false;
    }
    gw_hub_join(r->app->hub, s, fd);
    return true;
}

static void put_modes(struct buf *out, unsigned modes)
{
    for (unsigned bit = 1; bit < SSE_ALL_MODES; bit <<= 1) {
        if ((modes & bit) != 0) {
            must(buf_printf(out, "&stream_mode=%s", gw_sse_mode_name(bit)));
        }
    }
}

/* Where to go on after a broken connection, the cursor included: a client
 * that saw no id has none to send, and Python sends no query of its own. */
static void locate_stream(struct gw_req *r, const struct target *t,
                          const char *cursor, unsigned modes)
{
    char path[128];
    struct buf query;
    buf_init(&query, 4096);
    if (cursor != NULL) {
        must(buf_printf(&query, "&last_event_id=%s", cursor));
    }
    put_modes(&query, modes);
    if (query.len > 0) {
        query.data[0] = '?';
    }
    gw_req_add_header(r, "Location", "%s/stream%s", path_of(t, path),
                      buf_text(&query));
    buf_fini(&query);
}

static void locate_join(struct gw_req *r, const struct target *t)
{
    char path[128];
    gw_req_add_header(r, "Location", "%s/join", path_of(t, path));
}

/* ---- making runs ------------------------------------------------------- */

/* A run that its client listens to. */
static bool send_heard(struct gw_req *r, const struct gw_submit *s,
                       struct err *err)
{
    char path[128];
    struct target t = {.run_id = s->run_id,
                       .thread_id = s->thread_id,
                       .stateless = s->stateless,
                       .stored = s->stored};
    bool wait = s->answer == GW_ANSWER_WAIT;
    struct gw_stream *reader =
        new_reader(r, wait ? GW_STREAM_WAIT : GW_STREAM_SSE, &t);
    reader->cancel_on_leave = s->spec.cancel_on_disconnect;
    gw_req_add_header(r, "Content-Location", "%s", path_of(&t, path));
    if (wait) {
        locate_join(r, &t);
    } else {
        locate_stream(r, &t, "-1", gw_runspec_modes(&s->spec, s->answer));
    }
    return gw_submit_send(r, s, reader, head_of(r, reader), err);
}

static bool run_and_listen(struct gw_req *r, enum gw_run_answer answer,
                           struct err *err)
{
    struct gw_submit s;
    bool ok = gw_submit_prepare(r, answer, &s, err) && send_heard(r, &s, err);
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

static leat_value *run_value(const struct gw_submit *s)
{
    return leat_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:W, s:W, s:s}", "run_id",
                     ID_TEXT(&s->run_id), "thread_id", ID_TEXT(&s->thread_id),
                     "assistant_id", ID_TEXT(&s->assistant_id), "created_at",
                     s->created_at, "updated_at", s->created_at, "status",
                     "pending", "metadata", s->metadata, "kwargs", s->kwargs,
                     "multitask_strategy", s->spec.strategy);
}

/* In the background: the client gets the run once it is committed. */
static bool send_unheard(struct gw_req *r, const struct gw_submit *s,
                         struct err *err)
{
    char path[128];
    struct target t = {.run_id = s->run_id,
                       .thread_id = s->thread_id,
                       .stateless = s->stateless};
    struct buf answer;
    buf_init(&answer, (size_t)2 << 30);
    gw_req_add_header(r, "Content-Location", "%s", path_of(&t, path));
    leat_value *run = run_value(s);
    gw_req_later(r, leat_view_of(run), &answer);
    leat_drop(run);
    struct gw_chunk *c = gw_chunk_of(false, answer.data, answer.len);
    buf_fini(&answer);
    return gw_submit_send(r, s, new_reader(r, GW_STREAM_DONE, &t), c, err);
}

bool gw_runs_create(struct gw_req *r, struct err *err)
{
    struct gw_submit s;
    bool ok = gw_submit_prepare(r, GW_ANSWER_BACKGROUND, &s, err) &&
              send_unheard(r, &s, err);
    gw_submit_fini(&s);
    return ok;
}

/* ---- joining ----------------------------------------------------------- */

/* The header wins over the query; absent: live only. */
static void read_cursor(struct gw_req *r, struct gw_stream *s,
                        const char **cursor)
{
    const char *text = gw_req_header(r, "last-event-id");
    if (text == NULL || *text == '\0') {
        text = gw_req_query(r, "last_event_id");
    }
    s->live_only = text == NULL;
    *cursor = NULL;
    if (text == NULL) {
        return;
    }
    *cursor = "-1"; /* also for what is no id of ours */
    if (gw_sse_id_parse(text, &s->cursor)) {
        *cursor = text;
    }
}

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
    struct target t;
    unsigned modes = 0;
    bool cancel = false;
    bool subgraphs = true;
    if (!read_modes(r, &modes, err) ||
        !gw_req_query_bool(r, "cancel_on_disconnect", false, &cancel, err) ||
        !gw_req_query_bool(r, "stream_subgraphs", true, &subgraphs, err) ||
        !gw_server_has_room(r, err) || !find_target(r, &t, err)) {
        return false;
    }
    const char *cursor = NULL;
    struct gw_stream *s = new_reader(r, GW_STREAM_SSE, &t);
    s->opened_us = 0; /* not the run's first event */
    s->cancel_on_leave = cancel;
    s->filter.modes = (uint16_t)(modes == 0 ? SSE_ALL_MODES : modes);
    s->filter.subgraphs = subgraphs;
    read_cursor(r, s, &cursor);
    locate_stream(r, &t, cursor, modes);
    return listen_to(r, s, err);
}

bool gw_runs_join(struct gw_req *r, struct err *err)
{
    struct target t;
    bool cancel = false;
    if (!gw_req_query_bool(r, "cancel_on_disconnect", false, &cancel, err) ||
        !gw_server_has_room(r, err) || !find_target(r, &t, err)) {
        return false;
    }
    struct gw_stream *s = new_reader(r, GW_STREAM_WAIT, &t);
    s->opened_us = 0;
    s->cancel_on_leave = cancel;
    locate_join(r, &t);
    return listen_to(r, s, err);
}

/* ---- reading ----------------------------------------------------------- */

/*
 * What a pending run waits for, in the broker's words, as `why`. Takes and
 * gives a reference. The broker may be away, the run may just have begun:
 * then there is nothing to add.
 */
static leat_value *with_why(struct gw_req *r, const struct target *t,
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
    struct target t;
    struct store_run row;
    if (!require_row(r, &t, &row, err)) {
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

static bool is_open(const struct store_run *row)
{
    return strcmp(row->status, "pending") == 0 ||
           strcmp(row->status, "running") == 0;
}

bool gw_runs_delete(struct gw_req *r, struct err *err)
{
    struct target t;
    struct store_run row;
    if (!require_row(r, &t, &row, err)) {
        return false;
    }
    bool open = is_open(&row);
    store_run_fini(&row);
    if (open) {
        return err_set(err, ERR_CONFLICT,
                       "The run is pending or running: cancel it first.");
    }
    return store_runs_delete(r->store, &t.run_id, err) &&
           gw_req_reply(r, 204, NULL, NULL, 0);
}

static bool send_cancel(struct gw_req *r, const struct target *t,
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
static bool cancel_and_wait(struct gw_req *r, const struct target *t,
                            const char *action, struct err *err)
{
    if (!gw_server_has_room(r, err)) {
        return false;
    }
    struct gw_stream *s = new_reader(r, GW_STREAM_DONE, t);
    struct buf head;
    buf_init(&head, HEAD_MAX);
    locate_join(r, t);
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
    struct target t;
    struct store_run row;
    bool wait = false;
    const char *action = gw_req_query(r, "action");
    action = action == NULL ? "interrupt" : action;
    if (strcmp(action, "interrupt") != 0 && strcmp(action, "rollback") != 0) {
        return err_set(err, ERR_INVALID,
                       "action: must be one of interrupt|rollback");
    }
    if (!gw_req_query_bool(r, "wait", false, &wait, err) ||
        !require_row(r, &t, &row, err)) {
        return false;
    }
    bool open = is_open(&row);
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
