/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_follow.c: the runs of a thread in their order, each shown once the one
 * before it is over. What the store lists and what is heard may overlap in any
 * way; the ms of the last run that is over decides.
 */
#include "gateway/hub_follow.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* A subscription has reached the relay by then. */
#define SETTLE_MS 250
#define QUEUE_MAX 100000
#define TEXT_MAX ((size_t)64 << 10)

static void show_next(struct gw_follows *fs, struct gw_follow *f,
                      const struct wire_head *arriving);

void gw_hub_follows_init(struct gw_follows *fs, const struct gw_follow_io *io,
                         struct gw_runs *runs, struct gw_timers *timers)
{
    must(fs != NULL && io != NULL && runs != NULL && timers != NULL);
    *fs = (struct gw_follows){.io = *io, .runs = runs, .timers = timers};
    idmap_init(&fs->threads);
}

void gw_hub_follows_fini(struct gw_follows *fs)
{
    must(fs != NULL && fs->count == 0);
    idmap_fini(&fs->threads);
}

/* ---- followers --------------------------------------------------------- */

void gw_hub_follow_new(struct gw_stream *s)
{
    must(s->follow == NULL && s->filter.thread != 0);
    struct gw_follow *f = base_zalloc(sizeof(*f));
    f->stream = s;
    f->live = s->live_only;
    f->cursor = s->cursor;
    f->base_ms = s->cursor.ms > 0 ? s->cursor.ms - 1 : 0;
    f->timer.kind = GW_TIMER_FOLLOW;
    s->follow = f;
}

static void ask_list(struct gw_follows *fs, struct gw_follow *f)
{
    f->relist = false;
    fs->io.list(fs->io.self, f->stream,
                f->live && !f->listed ? (uint64_t)INT64_MAX : f->base_ms);
}

static void ask_soon(struct gw_follows *fs, struct gw_follow *f)
{
    gw_timer_set(fs->timers, &f->timer, clock_mono_ms() + SETTLE_MS);
}

void gw_hub_follow_begin(struct gw_follows *fs, struct gw_stream *s)
{
    struct gw_follow *f = s->follow;
    must(f != NULL);
    struct gw_follow *first = idmap_take(&fs->threads, &s->thread);
    f->next = first;
    f->begun = true;
    idmap_put(&fs->threads, &s->thread, f);
    fs->count++;
    if (first == NULL) {
        fs->io.subscribe(fs->io.self, &s->thread, true);
    }
    ask_list(fs, f);
    ask_soon(fs, f); /* what began before the subscription was there */
}

void gw_hub_follow_end(struct gw_follows *fs, struct gw_stream *s)
{
    struct gw_follow *f = s->follow;
    must(f != NULL && fs->count > 0);
    struct gw_follow *first = idmap_take(&fs->threads, &s->thread);
    struct gw_follow **at = &first;
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    if (first != NULL) {
        idmap_put(&fs->threads, &s->thread, first);
    } else {
        fs->io.subscribe(fs->io.self, &s->thread, false);
    }
    fs->count--;
    gw_timer_clear(fs->timers, &f->timer);
    free(f->queue);
    free(f);
    s->follow = NULL;
}

static bool is_open(const struct gw_stream *s)
{
    return s->state == GW_STREAM_OPEN || s->state == GW_STREAM_UNATTACHED;
}

/* ---- the queue --------------------------------------------------------- */

static bool is_known(const struct gw_follow *f, const struct gw_follow_run *r)
{
    if (f->showing && id_eq(&f->run.run, &r->run)) {
        return true;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (id_eq(&f->queue[i].run, &r->run)) {
            return true;
        }
    }
    for (size_t i = 0; i < GW_FOLLOW_SHOWN; i++) {
        if (id_eq(&f->shown[i], &r->run)) {
            return true;
        }
    }
    return false;
}

static void put(struct gw_follow *f, const struct gw_follow_run *r)
{
    if (is_known(f, r) || f->count >= QUEUE_MAX) {
        return;
    }
    f->queue = base_realloc(f->queue, (f->count + 1) * sizeof(*f->queue));
    size_t at = f->count++;
    for (; at > 0 && f->queue[at - 1].ms > r->ms; at--) {
        f->queue[at] = f->queue[at - 1];
    }
    f->queue[at] = *r;
}

void gw_hub_follow_heard(struct gw_follows *fs, const struct wire_head *h,
                         bool closed)
{
    struct gw_follow *next;
    if (fs->count == 0) {
        return;
    }
    for (struct gw_follow *f = idmap_get(&fs->threads, &h->thread); f != NULL;
         f = next) {
        next = f->next;
        const struct gw_follow_run r = {
            .run = h->run,
            .ms = h->ms,
            .first_seq = h->seq,
            .live = f->live && !f->listed && h->seq > 1,
        };
        /* One that came late is shown late rather than never. */
        if (is_known(f, &r) ||
            (h->ms <= f->base_ms && (h->seq > 1 || !f->listed))) {
            continue;
        }
        put(f, &r);
        if (closed && !f->showing) {
            f->settling = true;
            ask_soon(fs, f);
        }
        show_next(fs, f, h);
    }
}

void gw_hub_follow_listed(struct gw_follows *fs, struct gw_stream *s,
                          const struct gw_follow_list *list)
{
    struct gw_follow *f = s->follow;
    must(f != NULL);
    bool first = !f->listed;
    if (list->gone && !f->showing && is_open(s)) {
        gw_stream_finish(s);
        fs->io.dirty(fs->io.self, s);
    }
    if (list->failed || list->gone) {
        f->relist = list->gone;
        if (list->failed) {
            ask_soon(fs, f);
        }
        return;
    }
    if (first && f->live) {
        f->base_ms = list->last_ms; /* but for what is running */
    }
    f->listed = true;
    f->settling = false;
    f->relist = list->more;
    for (size_t i = 0; i < list->n; i++) {
        struct gw_follow_run r = list->runs[i];
        r.live = first && f->live;
        if (r.live || r.ms > f->base_ms) {
            put(f, &r);
        }
    }
    show_next(fs, f, NULL);
}

/* ---- showing ----------------------------------------------------------- */

/* The cursor says from where, in the run that it is of: the one that had the
 * attempt with its ms, the newest or one before. */
static struct sse_id cursor_in(const struct gw_follow *f)
{
    bool own = f->cursor.ms == f->run.ms ||
               (f->cursor.ms < f->run.ms && f->cursor.ms > f->base_ms &&
                f->run.first_seq > f->cursor.seq && f->cursor.seq > 0);
    return own ? f->cursor : (struct sse_id){0};
}

/* `arriving`: the events that are about to be dealt; or NULL. */
static void show_next(struct gw_follows *fs, struct gw_follow *f,
                      const struct wire_head *arriving)
{
    struct gw_stream *s = f->stream;
    if (f->showing || f->waiting || f->settling || !is_open(s) ||
        (!f->listed && !f->live)) {
        return;
    }
    if (f->count == 0) {
        if (f->relist) {
            ask_list(fs, f);
        }
        return;
    }
    f->run = f->queue[0];
    f->count--;
    memmove(f->queue, f->queue + 1, f->count * sizeof(*f->queue));
    f->showing = true;
    f->shown[f->shown_count++ % GW_FOLLOW_SHOWN] = f->run.run;
    s->run = f->run.run;
    s->cursor = cursor_in(f);
    s->live_only = f->run.live;
    struct gw_run *r = gw_hub_run_require(fs->runs, &s->run, &s->thread);
    if (arriving != NULL && arriving->seq == 1 &&
        id_eq(&arriving->run, &s->run)) {
        gw_hub_run_follow(fs->runs, r);
    }
    gw_hub_run_join(fs->runs, r, s);
}

static void push(struct gw_follows *fs, struct gw_stream *s, const void *text,
                 size_t len)
{
    struct gw_chunk *c = gw_chunk_of(true, text, len);
    gw_stream_push(s, c);
    gw_chunk_drop(&c);
    fs->io.dirty(fs->io.self, s);
}

static void say_done(struct gw_follows *fs, struct gw_stream *s,
                     const char *status, struct sse_id id)
{
    leat_value *v =
        leat_pack("{s:s,s:s,s:s}", "run_id", ID_TEXT(&s->run), "thread_id",
                  ID_TEXT(&s->thread), "status", status);
    const struct wire_event event = {
        .name = {"run_done", 8}, .ns = {"", 0}, .payload = leat_view_of(v)};
    struct buf text;
    buf_init(&text, TEXT_MAX);
    must(gw_sse_encode(&event, id, &text));
    push(fs, s, text.data, text.len);
    buf_fini(&text);
    leat_drop(v);
}

void gw_hub_follow_over(struct gw_follows *fs, struct gw_stream *s,
                        const struct gw_run *r)
{
    struct gw_follow *f = s->follow;
    must(f != NULL && f->showing && s->group == NULL);
    struct sse_id end = r->end;
    bool known = end.seq > 0;
    if (!known) { /* its end was passed over, or it was taken back */
        uint64_t ms = max_u64(f->run.ms, r->shown_ms);
        end = (struct sse_id){ms, r->deleted ? r->shown + 1 : r->last};
    }
    bool told = known || (r->deleted && r->shown > 0);
    unsigned wants = s->filter.thread;
    if (told && (wants & (SSE_THREAD_RUNS | SSE_THREAD_LIFECYCLE)) != 0 &&
        gw_sse_id_cmp(end, f->cursor) > 0) {
        say_done(fs, s, known ? r->end_status : "interrupted", end);
    }
    f->showing = false;
    f->base_ms = max_u64(f->base_ms, end.ms);
    struct sse_id after = {end.ms, end.seq + 1};
    if ((wants & SSE_THREAD_STATE) != 0 && end.seq > 0 &&
        (known || !f->run.live) && gw_sse_id_cmp(after, f->cursor) > 0) {
        f->waiting = true;
        fs->io.state(fs->io.self, s, &r->run, after);
        return;
    }
    show_next(fs, f, NULL);
}

void gw_hub_follow_say(struct gw_follows *fs, struct gw_stream *s,
                       const void *text, size_t len)
{
    struct gw_follow *f = s->follow;
    must(f != NULL);
    f->waiting = false;
    if (len > 0) {
        push(fs, s, text, len);
    }
    show_next(fs, f, NULL);
}

/* ---- asking again ------------------------------------------------------ */

void gw_hub_follow_on_timer(struct gw_follows *fs, struct gw_timer *timer)
{
    struct gw_follow *f = CONTAINER_OF(timer, struct gw_follow, timer);
    if (f->listed) {
        ask_list(fs, f);
    } else {
        ask_soon(fs, f);
    }
}

void gw_hub_follows_on_restart(struct gw_follows *fs)
{
    struct gw_follow *f;
    for (size_t at = 0; (f = idmap_next(&fs->threads, &at)) != NULL;) {
        for (; f != NULL; f = f->next) {
            ask_soon(fs, f);
        }
    }
}
