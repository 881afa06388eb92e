/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_run.c: what arrives about a run, and what follows from it: events, the
 * answers of the relay, the word of the desk that it has ended, silence.
 */
#include "gateway/hub_run.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"
#include "gateway/hub_deal.h"

#define TAIL_MS 50 /* the last events may still be under way */
/* A broker that took over waits a lease for workers that have it, then says
 * that it is lost. */
#define TAIL_TRIES 240

/* ---- runs -------------------------------------------------------------- */

void gw_hub_runs_init(struct gw_runs *rs, const struct gw_hub_io *io,
                      struct gw_timers *timers, size_t stream_bytes)
{
    must(rs != NULL && io != NULL && timers != NULL);
    *rs = (struct gw_runs){
        .io = *io, .timers = timers, .stream_bytes = stream_bytes};
    idmap_init(&rs->map);
}

static void run_free(struct gw_runs *rs, struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    gw_timer_clear(rs->timers, &r->timer);
    gw_hub_log_forget(r);
    while (r->groups != NULL) {
        struct gw_group *g = r->groups;
        r->groups = g->next;
        gw_feed_group_destroy(&g);
    }
    leat_drop(r->submit);
    leat_drop(r->error);
    r->magic = 0;
    free(r);
}

void gw_hub_runs_fini(struct gw_runs *rs)
{
    must(rs != NULL);
    struct gw_run *r;
    for (size_t at = 0; (r = idmap_next(&rs->map, &at)) != NULL;) {
        run_free(rs, r);
    }
    idmap_fini(&rs->map);
    free(rs->live);
    rs->live = NULL;
}

struct gw_run *gw_hub_run_get(struct gw_runs *rs, const struct id *run)
{
    return idmap_get(&rs->map, run);
}

struct gw_run *gw_hub_run_require(struct gw_runs *rs, const struct id *run,
                                  const struct id *thread)
{
    struct gw_run *r = idmap_get(&rs->map, run);
    if (r == NULL) {
        r = base_zalloc(sizeof(*r));
        r->magic = GW_RUN_MAGIC;
        r->run = *run;
        r->thread = *thread;
        r->timer.kind = GW_TIMER_RUN;
        r->stash_end = &r->stash;
        idmap_put(&rs->map, run, r);
    }
    gw_hub_log_mark(rs, r);
    return r;
}

void gw_hub_run_hold(struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    r->holds++;
}

void gw_hub_run_release(struct gw_runs *rs, struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    must(r->holds > 0);
    r->holds--;
    gw_hub_log_mark(rs, r);
}

static void listen_on(struct gw_runs *rs, struct gw_run *r,
                      enum gw_run_place place)
{
    if (!r->subscribed) {
        rs->io.subscribe(rs->io.self, r, true);
        r->subscribed = true;
    }
    if (r->place == GW_RUN_IDLE) {
        gw_hub_log_move(r, place);
    }
}

void gw_hub_run_begin(struct gw_runs *rs, struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    must(r->place == GW_RUN_IDLE && r->shown == 0);
    listen_on(rs, r, GW_RUN_FOLLOWING);
    r->watched = true; /* who submits is told the end */
}

void gw_hub_run_follow(struct gw_runs *rs, struct gw_run *r)
{
    check_magic(r, GW_RUN_MAGIC);
    if (r->place == GW_RUN_IDLE && r->shown == 0) {
        listen_on(rs, r, GW_RUN_FOLLOWING);
    }
}

void gw_hub_run_join(struct gw_runs *rs, struct gw_run *r, struct gw_stream *s)
{
    check_magic(r, GW_RUN_MAGIC);
    bool wants_events = s->kind != GW_STREAM_DONE;
    if (!r->watched && !r->ended) {
        r->watched = true;
        rs->io.watch(rs->io.self, r, true);
    }
    if (wants_events) {
        listen_on(rs, r, GW_RUN_LOST);
    }
    bool at_start = r->place == GW_RUN_FOLLOWING && r->shown == 0 &&
                    s->cursor.ms == 0 && s->cursor.seq == 0;
    if (!wants_events || s->live_only || at_start) {
        gw_hub_deal_join_live(rs, r, s);
    } else {
        gw_hub_deal_join_behind(rs, r, s);
    }
    if (r->place == GW_RUN_LOST && r->tag == 0 && s->live_only) {
        gw_hub_log_ask(rs, r);
    }
    gw_hub_log_mark(rs, r);
}

void gw_hub_run_leave(struct gw_runs *rs, struct gw_stream *s)
{
    must(s != NULL);
    struct gw_group *g = s->group;
    if (g == NULL) {
        return;
    }
    struct gw_run *r = g->run;
    gw_feed_remove(s);
    if (g->count == 0) {
        gw_hub_deal_drop(r, g);
    }
    gw_hub_log_mark(rs, r);
}

/* ---- what arrives ------------------------------------------------------ */

/* After worker and broker died together the next attempt numbers from what
 * the store had kept: what was shown beyond it counts no more. */
static void on_attempt(struct gw_runs *rs, struct gw_run *r,
                       const struct wire_head *h)
{
    bool newer = r->attempt != 0 && h->attempt > r->attempt;
    r->attempt = (uint16_t)max_int(r->attempt, h->attempt);
    if (!newer) {
        return;
    }
    uint64_t before = h->seq - 1;
    if (r->place != GW_RUN_LOST && before < r->shown) {
        r->shown = before;
        if (r->place == GW_RUN_GAP) {
            gw_hub_log_ask(rs, r); /* the answer under way begins behind it */
        }
    }
    for (struct gw_group *g = r->groups; g != NULL; g = g->next) {
        if (!g->live && before < g->pos) {
            g->pos = before;
            if (g->tag != 0) {
                gw_hub_log_ask_group(rs, r, g);
            }
        }
    }
}

static void on_live(struct gw_runs *rs, struct gw_run *r,
                    const struct gw_batch *b)
{
    bool waits = gw_hub_log_awaits(r);
    if (waits) {
        gw_hub_log_keep(r, b->head, b->bytes, b->len);
    }
    if (r->place != GW_RUN_FOLLOWING) {
        return;
    }
    if (b->head->seq <= r->shown + 1) {
        gw_hub_deal_run(rs, r, b);
        return;
    }
    if (!waits) {
        gw_hub_log_keep(r, b->head, b->bytes, b->len);
    }
    gw_hub_deal_open_gap(rs, r);
}

static struct gw_group *group_of_tag(const struct gw_run *r, uint32_t tag)
{
    struct gw_group *g = r->groups;
    while (g != NULL && (g->live || g->tag != tag)) {
        g = g->next;
    }
    return g;
}

/*
 * Worker and broker died together after the event at the reader's cursor was
 * shown and before it was stored: what stands there now is a later attempt's.
 */
static bool is_other_log(const struct gw_group *g, const struct wire_head *h)
{
    return !g->whole && g->pos + 1 == g->cursor.seq &&
           h->seq <= g->cursor.seq && h->ms != g->cursor.ms;
}

/* Ids grow along the log: what the reader has seen is left out by them. */
static void ask_whole(struct gw_runs *rs, struct gw_run *r, struct gw_group *g)
{
    g->whole = true;
    g->full = false;
    g->pos = 0;
    gw_hub_log_ask_group(rs, r, g);
}

/* A replay is taken at the pace of its reader: what is too much now is left,
 * and asked for again when there is room. */
static void on_behind(struct gw_runs *rs, struct gw_run *r, struct gw_group *g,
                      const struct gw_batch *b)
{
    if (g->first == NULL) {
        return; /* it was cut off; the group goes with the flush */
    }
    if (is_other_log(g, b->head)) {
        ask_whole(rs, r, g);
        return;
    }
    size_t waiting = g->first->out_bytes + gw_feed_open_bytes(g);
    if (g->kind == GW_STREAM_SSE && waiting > rs->stream_bytes) {
        g->full = true;
    }
    if (!g->full) {
        gw_hub_deal_group(rs, g, b);
    }
}

void gw_hub_run_on_events(struct gw_runs *rs, const struct wire_head *h,
                          const void *bytes, size_t len)
{
    must(rs != NULL && h != NULL);
    if (h->type == WIRE_EVENTS && rs->io.heard != NULL) {
        rs->io.heard(rs->io.self, h, bytes, len);
    }
    struct gw_run *r = gw_hub_run_get(rs, &h->run);
    if (r == NULL || r->place == GW_RUN_IDLE || h->seq == 0 ||
        h->seq >= GW_SEQ_NONE) {
        return;
    }
    struct gw_batch b = {h, bytes, len};
    struct gw_group *g;
    if (h->type == WIRE_EVENTS) {
        on_attempt(rs, r, h);
        on_live(rs, r, &b);
    } else if (h->tag != 0 && h->tag == r->tag && r->place == GW_RUN_GAP) {
        if (h->seq > r->shown + 1) {
            gw_hub_deal_skip_to(r, h->seq, h->ms);
        }
        gw_hub_deal_run(rs, r, &b);
    } else if (h->tag != 0 && (g = group_of_tag(r, h->tag)) != NULL) {
        on_behind(rs, r, g, &b);
    }
    gw_hub_log_mark(rs, r);
}

/* The relay has nothing that would fill the gap. */
static void on_missing(struct gw_runs *rs, struct gw_run *r)
{
    bool final = r->ended && (!r->last_known || r->shown < r->last);
    r->tries = (uint8_t)min_int(r->tries + 1, TAIL_TRIES);
    if (!final || r->tries < TAIL_TRIES) {
        r->asked_ms = clock_mono_ms() - GW_ASK_AGAIN_MS + TAIL_MS;
        gw_hub_log_wake(rs, r, TAIL_MS);
        return;
    }
    if (!r->last_known) { /* nobody knows how much there was */
        log_error("events.no_end", "run=%s from=%llu", ID_TEXT(&r->run),
                  (unsigned long long)r->shown + 1);
        stat_inc(STAT_EVENTS_LOST);
        r->last = r->shown;
        r->last_known = true;
        gw_hub_log_move(r, GW_RUN_FOLLOWING);
        return;
    }
    log_error("events.lost", "run=%s from=%llu to=%llu", ID_TEXT(&r->run),
              (unsigned long long)r->shown + 1, (unsigned long long)r->last);
    stat_add(STAT_EVENTS_LOST, (int64_t)(r->last - r->shown));
    gw_hub_deal_skip_to(r, r->last + 1, r->shown_ms);
    gw_hub_log_move(r, GW_RUN_FOLLOWING);
}

/* The answer to the run's own question. `open`: the log goes on behind it. */
static void on_run_end(struct gw_runs *rs, struct gw_run *r, uint64_t seq,
                       bool open)
{
    bool moved = r->shown + 1 > r->asked_seq;
    bool short_of_end = open && r->ended && !r->last_known;
    r->tag = 0;
    if (r->place == GW_RUN_LOST) {
        r->shown = seq;
    } else if (r->shown < seq && moved) {
        gw_hub_log_ask(rs, r); /* it was only a part */
        return;
    } else if (r->shown < seq || short_of_end ||
               (r->last_known && r->shown < r->last)) {
        on_missing(rs, r);
        return;
    }
    gw_hub_log_move(r, GW_RUN_FOLLOWING);
    r->tries = 0;
    if (short_of_end) {
        gw_hub_log_wake(rs, r, TAIL_MS);
    } else if (r->ended && !r->last_known) {
        r->last = r->shown;
        r->last_known = true;
    }
    gw_hub_deal_drain(rs, r);
}

/* The answer to a group's question. */
static void on_group_end(struct gw_runs *rs, struct gw_run *r,
                         struct gw_group *g, uint64_t seq)
{
    bool moved = g->pos + 1 > g->asked_seq;
    bool full = g->full;
    g->tag = 0;
    g->full = false;
    if (g->first == NULL) {
        return;
    }
    if (max_u64(g->pos, g->cursor.seq) > seq && !g->whole && seq > 0) {
        ask_whole(rs, r, g); /* the log is shorter than what was shown */
        return;
    }
    g->pos = min_u64(g->pos, seq);
    if (g->pos >= seq) {
        gw_hub_deal_settle(rs, r, g);
    } else if (full || gw_feed_open_bytes(g) + g->first->out_bytes >
                           rs->stream_bytes / 4) {
        g->paused = true;
    } else if (moved) {
        gw_hub_log_ask_group(rs, r, g);
    } else {
        gw_hub_log_wake(rs, r, TAIL_MS);
    }
}

void gw_hub_run_on_replay_end(struct gw_runs *rs, const struct wire_head *h,
                              const struct gw_replay_end *end)
{
    must(rs != NULL && h != NULL && end != NULL);
    struct gw_run *r = gw_hub_run_get(rs, &h->run);
    struct gw_group *g = r == NULL ? NULL : group_of_tag(r, h->tag);
    bool own = r != NULL && h->tag != 0 && h->tag == r->tag;
    if (h->tag == 0 || (!own && g == NULL)) {
        return;
    }
    uint64_t seq = end->known ? h->seq : 0;
    bool open = end->known && !end->ended;
    if (!end->known && r->ended) {
        /* The log went with its time. */
        r->last = r->shown;
        r->last_known = true;
        seq = r->shown;
    }
    if (end->known && end->first > seq && seq > 0 && g != NULL) {
        g->pos = seq; /* nothing of it is left */
    }
    if (g != NULL && r->place == GW_RUN_LOST) {
        r->shown = seq;
        on_run_end(rs, r, seq, open);
        g = group_of_tag(r, h->tag);
        own = false;
    }
    if (own) {
        on_run_end(rs, r, seq, open);
    } else if (g != NULL) {
        on_group_end(rs, r, g, seq);
    }
    gw_hub_log_mark(rs, r);
}

void gw_hub_run_on_ended(struct gw_runs *rs, const struct wire_head *h,
                         leat_view body)
{
    must(rs != NULL && h != NULL);
    struct gw_run *r = gw_hub_run_get(rs, &h->run);
    if (r == NULL || (r->ended && r->last_known)) {
        return;
    }
    r->ended = true;
    r->last_known = true;
    r->last = h->seq;
    r->deleted = leat_is(leat_get(body, "status"), "deleted");
    leat_view error = leat_get(body, "error");
    if (leat_type_of(error) == LEAT_OBJECT) {
        r->error = leat_value_of(error);
    }
    if (r->shown < r->last) {
        gw_hub_log_wake(rs, r, TAIL_MS);
    }
    gw_hub_log_mark(rs, r);
}

void gw_hub_run_on_unknown(struct gw_runs *rs, const struct id *run)
{
    must(rs != NULL && run != NULL);
    struct gw_run *r = gw_hub_run_get(rs, run);
    if (r == NULL || r->ended) {
        return;
    }
    r->ended = true;
    if (r->place == GW_RUN_FOLLOWING) {
        gw_hub_deal_open_gap(
            rs, r); /* its end may have come while we were not told */
    }
    gw_hub_log_mark(rs, r);
}

void gw_hub_run_on_timer(struct gw_runs *rs, struct gw_timer *timer)
{
    must(timer->kind == GW_TIMER_RUN);
    struct gw_run *r = CONTAINER_OF(timer, struct gw_run, timer);
    check_magic(r, GW_RUN_MAGIC);
    int64_t now = clock_mono_ms();
    bool waits = r->place == GW_RUN_LOST || r->place == GW_RUN_GAP;
    if (waits && now - r->asked_ms >= GW_ASK_AGAIN_MS) {
        gw_hub_log_ask(rs, r);
    } else if (r->place == GW_RUN_FOLLOWING &&
               (r->last_known ? r->shown < r->last : r->ended)) {
        gw_hub_deal_open_gap(rs, r);
    } else if (waits) {
        gw_hub_log_wake(rs, r, GW_ASK_AGAIN_MS);
    }
    for (struct gw_group *g = r->groups; g != NULL; g = g->next) {
        if (g->live || g->paused) {
            continue;
        }
        bool lost = g->tag != 0 && now - g->asked_ms >= GW_ASK_AGAIN_MS;
        if (lost || (g->tag == 0 && g->pos < r->shown)) {
            gw_hub_log_ask_group(rs, r, g);
        } else if (g->tag != 0) {
            gw_hub_log_wake(rs, r, GW_ASK_AGAIN_MS);
        }
    }
    gw_hub_log_mark(rs, r);
}

void gw_hub_run_on_drained(struct gw_runs *rs, struct gw_stream *s)
{
    struct gw_group *g = s->group;
    if (g == NULL || !g->paused || s->out_bytes > rs->stream_bytes / 4) {
        return;
    }
    g->paused = false;
    gw_hub_log_ask_group(rs, g->run, g);
    gw_hub_log_mark(rs, g->run);
}

static void restart_run(struct gw_runs *rs, struct gw_run *r)
{
    if (r->watched && !r->ended && r->holds == 0) {
        rs->io.watch(rs->io.self, r, true);
    }
    if (r->place == GW_RUN_FOLLOWING) {
        gw_hub_log_move(r, GW_RUN_GAP);
    }
    if (r->place != GW_RUN_IDLE) {
        gw_hub_log_ask(rs, r);
    }
    for (struct gw_group *g = r->groups; g != NULL; g = g->next) {
        if (!g->live && g->tag != 0) {
            gw_hub_log_ask_group(rs, r, g);
        }
    }
}

void gw_hub_runs_on_restart(struct gw_runs *rs)
{
    must(rs != NULL);
    struct gw_run *r;
    for (size_t at = 0; (r = idmap_next(&rs->map, &at)) != NULL;) {
        restart_run(rs, r);
    }
}

/* ---- the end ----------------------------------------------------------- */

void gw_hub_run_say(struct gw_stream *s, const void *text, size_t len)
{
    must(s != NULL && s->kind == GW_STREAM_WAIT && s->group == NULL);
    struct gw_chunk *c = gw_chunk_of(true, text, len);
    gw_stream_push(s, c);
    gw_chunk_drop(&c);
    gw_stream_finish(s);
}

/* One document for all readers of a group. */
static bool write_document(struct gw_group *g, struct buf *out)
{
    const struct gw_run *r = g->run;
    if (g->wait.error == NULL && r->error != NULL) {
        g->wait.error = leat_hold(r->error);
    }
    return gw_wait_write(&g->wait, out);
}

static void finish_waits(struct gw_runs *rs, struct gw_group *g)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 31);
    bool told = write_document(g, &text);
    bool knows = gw_wait_knows(&g->wait) || g->run->deleted;
    while (g->first != NULL) {
        struct gw_stream *s = g->first;
        gw_feed_remove(s);
        if (!told) {
            rs->io.cut(rs->io.self, s, "document too large");
        } else if (!knows && s->stored) {
            s->asked_store++;
            rs->io.look_up(rs->io.self, s);
        } else {
            gw_hub_run_say(s, text.data, text.len);
            rs->io.dirty(rs->io.self, s);
        }
    }
    buf_fini(&text);
}

static void finish_group(struct gw_runs *rs, struct gw_group *g)
{
    const struct gw_run *r = g->run;
    if (g->kind == GW_STREAM_WAIT) {
        finish_waits(rs, g);
        return;
    }
    while (g->first != NULL) {
        struct gw_stream *s = g->first;
        gw_feed_remove(s);
        if (s->follow != NULL) {
            rs->io.over(rs->io.self, s, r);
            continue;
        }
        gw_stream_finish(s);
        rs->io.dirty(rs->io.self, s);
    }
}

static bool has_all(const struct gw_run *r, const struct gw_group *g)
{
    if (!r->ended) {
        return false;
    }
    if (g->kind == GW_STREAM_DONE || r->deleted) {
        return true;
    }
    if (!r->last_known || r->place == GW_RUN_LOST) {
        return false;
    }
    return (g->live ? r->shown : g->pos) >= r->last;
}

static void flush_run(struct gw_runs *rs, struct gw_run *r)
{
    struct gw_group *next;
    bool listens = false;
    for (struct gw_group *g = r->groups; g != NULL; g = next) {
        next = g->next;
        gw_hub_deal_push(rs, r, g);
        if (has_all(r, g)) {
            finish_group(rs, g);
        }
        if (g->count == 0) {
            gw_hub_deal_drop(r, g);
        } else if (g->kind != GW_STREAM_DONE) {
            listens = true;
        }
    }
    gw_hub_deal_limit(rs, r);
    if (!listens && r->subscribed) {
        rs->io.subscribe(rs->io.self, r, false);
        r->subscribed = false;
        gw_hub_log_move(r, GW_RUN_IDLE);
        gw_hub_log_forget(r);
    }
}

void gw_hub_runs_flush(struct gw_runs *rs)
{
    must(rs != NULL);
    while (rs->dirty != NULL) {
        struct gw_run *r = rs->dirty;
        rs->dirty = r->dirty_next;
        flush_run(rs, r);
        r->dirty = false;
        if (r->groups != NULL || r->holds > 0) {
            continue;
        }
        if (r->watched && !r->ended) {
            rs->io.watch(rs->io.self, r, false);
        }
        must(idmap_take(&rs->map, &r->run) == r);
        run_free(rs, r);
    }
}
