/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs_target.c: from a path to a run and to a reader of it.
 */
#include "gateway/runs_target.h"

#include <stdio.h>
#include <string.h>

#include "gateway/server.h"
#include "gateway/submit.h"

#define HEAD_MAX ((size_t)64 << 10)

/* ---- where a run is found ---------------------------------------------- */

/* "/threads/{t}/runs/{r}" or "/runs/{r}" */
const char *gw_runs_target_path(const struct gw_runs_target *t,
                                char out[GW_RUNS_PATH_SIZE])
{
    if (t->stateless) {
        (void)snprintf(out, GW_RUNS_PATH_SIZE, "/runs/%s", ID_TEXT(&t->run_id));
    } else {
        (void)snprintf(out, GW_RUNS_PATH_SIZE, "/threads/%s/runs/%s",
                       ID_TEXT(&t->thread_id), ID_TEXT(&t->run_id));
    }
    return out;
}

static bool get_row(struct gw_req *r, struct gw_runs_target *t,
                    struct store_run *row, struct err *err)
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

bool gw_runs_target_row(struct gw_req *r, struct gw_runs_target *t,
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
bool gw_runs_target_find(struct gw_req *r, struct gw_runs_target *t,
                         struct err *err)
{
    struct store_run row;
    *t = (struct gw_runs_target){.stored = false};
    if (gw_runs_target_row(r, t, &row, err)) {
        store_run_fini(&row);
        return true;
    }
    if (err->code != ERR_NOT_FOUND || !t->stateless) {
        return false;
    }
    return gw_submit_find(r, &t->run_id, &t->thread_id, err);
}

/* ---- long answers ------------------------------------------------------ */

struct gw_stream *gw_runs_target_reader(struct gw_req *r,
                                        enum gw_stream_kind kind,
                                        const struct gw_runs_target *t)
{
    struct gw_stream *s = gw_stream_new(kind);
    s->run = t->run_id;
    s->thread = t->thread_id;
    s->stored = t->stored;
    s->opened_us = r->started_us;
    s->keep_s = gw_req_keep_s(r);
    gw_stream_count(s, &r->caller->streams);
    return s;
}

/* The response head of a stream or a wait. */
struct gw_chunk *gw_runs_target_head(struct gw_req *r,
                                     const struct gw_stream *s)
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
bool gw_runs_target_listen(struct gw_req *r, struct gw_stream *s,
                           struct err *err)
{
    struct gw_chunk *head = gw_runs_target_head(r, s);
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
void gw_runs_target_locate_stream(struct gw_req *r,
                                  const struct gw_runs_target *t,
                                  const char *cursor, unsigned modes)
{
    char path[GW_RUNS_PATH_SIZE];
    struct buf query;
    buf_init(&query, 4096);
    if (cursor != NULL) {
        must(buf_printf(&query, "&last_event_id=%s", cursor));
    }
    put_modes(&query, modes);
    if (query.len > 0) {
        query.data[0] = '?';
    }
    gw_req_add_header(r, "Location", "%s/stream%s",
                      gw_runs_target_path(t, path), buf_text(&query));
    buf_fini(&query);
}

void gw_runs_target_locate_join(struct gw_req *r,
                                const struct gw_runs_target *t)
{
    char path[GW_RUNS_PATH_SIZE];
    gw_req_add_header(r, "Location", "%s/join", gw_runs_target_path(t, path));
}

bool gw_runs_target_is_open(const struct store_run *row)
{
    return strcmp(row->status, "pending") == 0 ||
           strcmp(row->status, "running") == 0;
}

bool gw_runs_target_action(struct gw_req *r, const char **action,
                           struct err *err)
{
    *action = gw_req_query(r, "action");
    if (*action == NULL) {
        *action = "interrupt";
    }
    return strcmp(*action, "interrupt") == 0 ||
           strcmp(*action, "rollback") == 0 ||
           err_set(err, ERR_INVALID,
                   "action: must be one of interrupt|rollback");
}

void gw_runs_target_cursor(struct gw_req *r, struct gw_stream *s,
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
