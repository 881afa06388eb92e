/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_deal.c: readers come and go, and events are dealt to them. Replays and
 * live events may overlap in any way: what is shown is decided by sequence
 * alone.
 */
#include "gateway/hub_deal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"

#define SEAL_BYTES                                                             \
    ((size_t)256 << 10) /* open chunks beyond it are passed on                 \
                         */

/* ---- readers ----------------------------------------------------------- */

static struct gw_group *add_group(struct gw_run *r, const struct gw_stream *s)
{
    struct gw_group *g = gw_feed_group_new(s);
    g->run = r;
    g->next = r->groups;
    r->groups = g;
    return g;
}

static struct gw_group *live_group(const struct gw_run *r,
                                   const struct gw_stream *s)
{
    struct gw_group *g = r->groups;
    while (g != NULL && !(g->live && gw_feed_fits(g, s))) {
        g = g->next;
    }
    return g;
}

void gw_hub_deal_join_live(struct gw_runs *rs, struct gw_run *r,
                           struct gw_stream *s)
{
    struct gw_group *g = live_group(r, s);
    if (g == NULL) {
        g = add_group(r, s);
        g->live = true;
    }
    gw_hub_deal_push(rs, r,
                     g); /* what was dealt before is not for the newcomer */
    gw_feed_add(g, s);
}

void gw_hub_deal_join_behind(struct gw_runs *rs, struct gw_run *r,
                             struct gw_stream *s)
{
    struct gw_group *g = add_group(r, s);
    g->cursor = s->cursor;
    /* With the event at the cursor, to see that it still has that id. */
    g->pos = s->cursor.seq > 0 ? s->cursor.seq - 1 : 0;
    gw_feed_add(g, s);
    gw_hub_log_ask_group(rs, r, g);
}

void gw_hub_deal_drop(struct gw_run *r, struct gw_group *g)
{
    struct gw_group **at = &r->groups;
    while (*at != g) {
        at = &(*at)->next;
    }
    *at = g->next;
    gw_feed_group_destroy(&g);
}

/* ---- giving readers what was dealt ------------------------------------- */

/* More waits for the reader than may: it goes on alone, at its own pace. */
static void fall_behind(struct gw_runs *rs, struct gw_run *r,
                        struct gw_stream *s)
{
    struct gw_group *g = s->group;
    if (!g->live) {
        return; /* deal_behind() looks at its queue by itself */
    }
    log_debug("stream.behind", "run=%s waiting_bytes=%zu", ID_TEXT(&r->run),
              s->out_bytes);
    gw_feed_remove(s);
    struct gw_group *own = add_group(r, s);
    own->pos = r->shown;
    own->dealt = (struct sse_id){r->shown_ms, r->shown};
    own->paused = true;
    gw_feed_add(own, s);
    if (g->count == 0) {
        gw_hub_deal_drop(r, g);
    }
    gw_hub_log_mark(rs, r);
}

static void note_first(struct gw_stream *s)
{
    if (s->opened_us > 0) {
        stat_observe_us(STAT_FIRST_EVENT, clock_mono_us() - s->opened_us);
        s->opened_us = 0;
    }
}

/* Passes the group's open chunk on. May drop a group that all readers of
 * which fell behind: `g` is not to be used after it when it was live. */
void gw_hub_deal_push(struct gw_runs *rs, struct gw_run *r, struct gw_group *g)
{
    uint32_t events = 0;
    struct gw_chunk *c = gw_feed_take(g, &events);
    if (c == NULL) {
        return;
    }
    struct gw_stream *next;
    for (struct gw_stream *s = g->first; s != NULL; s = next) {
        next = s->next;
        gw_stream_push(s, c);
        stat_add(STAT_STREAM_EVENTS, events);
        note_first(s);
        rs->io.dirty(rs->io.self, s);
    }
    gw_chunk_drop(&c);
    gw_hub_log_mark(rs, r);
}

void gw_hub_deal_limit(struct gw_runs *rs, struct gw_run *r)
{
    struct gw_group *g_next;
    for (struct gw_group *g = r->groups; g != NULL; g = g_next) {
        g_next = g->next;
        if (!g->live || g->kind != GW_STREAM_SSE) {
            continue;
        }
        size_t left = g->count;
        struct gw_stream *next;
        for (struct gw_stream *s = g->first; left > 0; s = next, left--) {
            next = s->next;
            if (s->out_bytes > rs->stream_bytes) {
                fall_behind(rs, r, s);
            }
        }
    }
}

/* The readers of `g` have caught up: they join the live ones. */
static void promote(struct gw_runs *rs, struct gw_run *r, struct gw_group *g)
{
    must(!g->live && g->first != NULL);
    gw_hub_deal_push(rs, r, g);
    struct gw_group *into = live_group(r, g->first);
    if (into == NULL) {
        g->live = true;
        return;
    }
    gw_hub_deal_push(rs, r, into);
    while (g->first != NULL) {
        struct gw_stream *s = g->first;
        gw_feed_remove(s);
        gw_feed_add(into, s);
    }
    gw_hub_deal_drop(r, g);
}

/* ---- dealing events ---------------------------------------------------- */

static size_t live_groups(struct gw_runs *rs, const struct gw_run *r)
{
    size_t n = 0;
    for (struct gw_group *g = r->groups; g != NULL; g = g->next) {
        if (!g->live || g->kind == GW_STREAM_DONE) {
            continue;
        }
        if (n == rs->live_room) {
            rs->live_room = n == 0 ? 8 : n * 2;
            rs->live = base_realloc(rs->live,
                                    rs->live_room * sizeof(struct gw_group *));
        }
        rs->live[n++] = g;
    }
    return n;
}

/* An event that cannot be told: better no stream than one with a hole. */
static void cut_groups(struct gw_runs *rs, struct gw_group *const groups[],
                       size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++) {
        while (groups[i]->first != NULL) {
            struct gw_stream *s = groups[i]->first;
            gw_feed_remove(s);
            rs->io.cut(rs->io.self, s, why);
        }
        gw_hub_log_mark(
            rs, groups[i]->run); /* the empty group goes with the flush */
    }
}

static bool is_end(const struct wire_event *event)
{
    return event->name.len == 3 && memcmp(event->name.ptr, "end", 3) == 0;
}

/* How the run ended: readers of its thread are told in words of their own. */
static void note_end(struct gw_run *r, const struct wire_event *event,
                     struct sse_id id)
{
    leat_text status = leat_string(leat_get(event->payload, "status"));
    size_t n = min_size(status.len, sizeof(r->end_status) - 1);
    r->end = id;
    memcpy(r->end_status, status.ptr == NULL ? "" : status.ptr, n);
    r->end_status[n] = '\0';
}

/* Deals the events after *pos to the groups and moves it. */
static void deal_events(struct gw_runs *rs, struct gw_group *const groups[],
                        size_t n, const struct gw_batch *b, uint64_t *pos)
{
    const unsigned char *at = b->bytes;
    const unsigned char *end = at + b->len;
    struct sse_id id = {b->head->ms, b->head->seq};
    struct wire_event event;
    for (; wire_event_next(&at, end, &event); id.seq++) {
        if (id.seq <= *pos) {
            continue;
        }
        if (!gw_feed_event(groups, n, &event, id)) {
            cut_groups(rs, groups, n, "event too large");
        }
        if (n > 0 && is_end(&event)) {
            note_end(groups[0]->run, &event, id);
        }
        *pos = id.seq;
    }
    if (at == NULL) {
        stat_inc(STAT_WIRE_MALFORMED);
        log_error("events.malformed", "run=%s seq=%llu", ID_TEXT(&b->head->run),
                  (unsigned long long)id.seq);
        cut_groups(rs, groups, n, "malformed event");
    }
    for (size_t i = 0; i < n; i++) {
        if (gw_feed_open_bytes(groups[i]) > SEAL_BYTES) {
            gw_hub_deal_push(rs, groups[i]->run, groups[i]);
        }
    }
}

/* The same to one group that is behind or ahead, with its holes told. */
void gw_hub_deal_group(struct gw_runs *rs, struct gw_group *g,
                       const struct gw_batch *b)
{
    uint64_t seq = b->head->seq;
    struct sse_id before = {b->head->ms, seq - 1};
    if (seq > g->pos + 1 && gw_sse_id_cmp(before, g->cursor) > 0) {
        uint64_t seen = g->cursor.ms == before.ms ? g->cursor.seq : 0;
        uint64_t from = max_u64(g->pos, seen) + 1;
        gw_feed_gap(g, (struct sse_id){before.ms, from}, before);
    }
    g->pos = max_u64(g->pos, seq - 1);
    deal_events(rs, &g, 1, b, &g->pos);
    struct sse_id here = {b->head->ms, g->pos};
    if (gw_sse_id_cmp(here, g->dealt) > 0) {
        g->dealt = here;
    }
}

static bool is_ahead(const struct gw_group *g)
{
    return !g->live && !g->paused && g->tag == 0;
}

/* Events that follow what the run has shown: to the live groups, and to those
 * that stand before it. */
void gw_hub_deal_run(struct gw_runs *rs, struct gw_run *r,
                     const struct gw_batch *b)
{
    must(b->head->seq <= r->shown + 1);
    uint64_t before = r->shown;
    size_t n = live_groups(rs, r);
    if (n == 0 && b->head->type == WIRE_EVENTS && b->head->tag > 0) {
        r->shown = max_u64(r->shown, b->head->seq + b->head->tag - 1);
    } else {
        deal_events(rs, rs->live, n, b, &r->shown);
    }
    if (r->shown > before) {
        r->shown_ms = b->head->ms;
    }
    struct gw_group *next;
    for (struct gw_group *g = r->groups; g != NULL; g = next) {
        next = g->next;
        if (is_ahead(g)) {
            gw_hub_deal_group(rs, g, b);
            gw_hub_deal_settle(rs, r, g);
        }
    }
}

/* Everything before `seq` is not kept any more: says so to the live groups. */
void gw_hub_deal_skip_to(struct gw_run *r, uint64_t seq, uint64_t ms)
{
    must(seq > r->shown + 1);
    for (struct gw_group *g = r->groups; g != NULL; g = g->next) {
        if (g->live) {
            gw_feed_gap(g, (struct sse_id){ms, r->shown + 1},
                        (struct sse_id){ms, seq - 1});
        }
    }
    r->shown = seq - 1;
}

static struct gw_batch batch_of(const struct gw_stash *m)
{
    return (struct gw_batch){&m->head, m->bytes, m->len};
}

void gw_hub_deal_open_gap(struct gw_runs *rs, struct gw_run *r)
{
    gw_hub_log_move(r, GW_RUN_GAP);
    gw_hub_log_ask(rs, r);
}

/* What came while an answer was awaited follows it, as far as it connects. */
void gw_hub_deal_drain(struct gw_runs *rs, struct gw_run *r)
{
    for (struct gw_stash *m = r->stash; m != NULL; m = m->next) {
        if (m->head.seq > r->shown + 1) {
            gw_hub_deal_open_gap(rs, r);
            break;
        }
        struct gw_batch b = batch_of(m);
        gw_hub_deal_run(rs, r, &b);
    }
    if (!gw_hub_log_awaits(r)) {
        gw_hub_log_forget(r);
    }
}

/* A group that is behind has all that was asked for: on to where it stands. */
void gw_hub_deal_settle(struct gw_runs *rs, struct gw_run *r,
                        struct gw_group *g)
{
    must(is_ahead(g));
    for (struct gw_stash *m = r->stash; m != NULL && m->head.seq <= g->pos + 1;
         m = m->next) {
        struct gw_batch b = batch_of(m);
        gw_hub_deal_group(rs, g, &b);
    }
    if (g->first == NULL || r->place == GW_RUN_LOST) {
        return;
    }
    struct sse_id here = {r->shown_ms, r->shown};
    if (g->pos < r->shown) {
        gw_hub_log_ask_group(rs, r, g);
    } else if (g->pos == r->shown && g->dealt.seq <= r->shown &&
               (g->kind == GW_STREAM_WAIT ||
                gw_sse_id_cmp(g->cursor, here) <= 0)) {
        promote(rs, r, g);
    }
}
