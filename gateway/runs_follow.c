/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runs_follow.c: a stream of everything that runs on a thread, for as long
 * as its client listens.
 */
#include <stdio.h>

#include "gateway/check.h"
#include "gateway/handlers.h"
#include "gateway/hub_follow.h"
#include "gateway/runs_target.h"
#include "gateway/server.h"
#include "gateway/threads.h"

#define MODES "run_modes|lifecycle|state_update"

static bool add_modes(struct gw_req *r, const char *name, uint8_t *modes,
                      struct err *err)
{
    leat_value *list = NULL;
    if (!gw_req_query_list(r, name, &list, err)) {
        return false;
    }
    bool ok = gw_check_words(leat_view_of(list), name, MODES, err);
    leat_iter it = leat_iter_of(leat_view_of(list));
    while (ok && list != NULL && leat_next(&it)) {
        *modes |= (uint8_t)gw_sse_thread_mode(leat_string(it.item));
    }
    leat_drop(list);
    return ok;
}

/* Where to go on after a broken connection, as for a run's stream. */
static void locate(struct gw_req *r, const struct gw_stream *s,
                   const char *cursor)
{
    struct buf query;
    buf_init(&query, 4096);
    for (unsigned bit = 1; bit <= SSE_THREAD_STATE; bit <<= 1) {
        if ((s->filter.thread & bit) != 0) {
            must(buf_printf(&query, "%cstream_mode=%s",
                            query.len == 0 ? '?' : '&',
                            gw_sse_thread_mode_name(bit)));
        }
    }
    if (cursor != NULL) {
        must(buf_printf(&query, "&last_event_id=%s", cursor));
    }
    gw_req_add_header(r, "Location", "/threads/%s/stream%s",
                      ID_TEXT(&s->thread), buf_text(&query));
    buf_fini(&query);
}

bool gw_runs_follow(struct gw_req *r, struct err *err)
{
    uint8_t modes = 0;
    struct store_thread t;
    if (!add_modes(r, "stream_mode", &modes, err) ||
        !add_modes(r, "stream_modes", &modes, err) ||
        !gw_server_has_room(r, err) || !gw_threads_require(r, &t, err)) {
        return false;
    }
    const struct gw_runs_target target = {.thread_id = t.thread_id,
                                          .stored = true};
    store_thread_fini(&t);
    const char *cursor = NULL;
    struct gw_stream *s = gw_runs_target_reader(r, GW_STREAM_SSE, &target);
    s->opened_us = 0;
    s->filter.thread = modes == 0 ? SSE_THREAD_RUNS : modes;
    gw_runs_target_cursor(r, s, &cursor);
    locate(r, s, cursor);
    gw_hub_follow_new(s);
    return gw_runs_target_listen(r, s, err);
}
