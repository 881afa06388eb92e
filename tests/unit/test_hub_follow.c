/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of a whole thread, without sockets: the store's lists are given by
 * hand, events come as over PUB. */
#include "gateway/hub_follow.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"

#define MS UINT64_C(1700000000000)

struct play {
    struct gw_runs runs;
    struct gw_follows follows;
    struct gw_timers timers;
    struct gw_stream *s;
    int subscribed;
    int asked;          /* lists that the store was asked for */
    uint64_t asked_ms;  /* in the last of them */
    int states;
    struct sse_id state_id;
};

static void on_subscribe(void *self, const struct gw_run *r, bool on)
{
    (void)self;
    (void)r;
    (void)on;
}

static void on_watch(void *self, const struct gw_run *r, bool on)
{
    (void)self;
    (void)r;
    (void)on;
}

static void on_replay(void *self, const struct gw_run *r,
                      const struct gw_replay_ask *ask)
{
    (void)self;
    (void)r;
    (void)ask;
}

static void on_dirty(void *self, struct gw_stream *s)
{
    (void)self;
    (void)s;
}

static void on_over(void *self, struct gw_stream *s, const struct gw_run *r)
{
    gw_hub_follow_over(&((struct play *)self)->follows, s, r);
}

static void on_thread(void *self, const struct id *thread, bool on)
{
    (void)thread;
    ((struct play *)self)->subscribed += on ? 1 : -1;
}

static void on_list(void *self, struct gw_stream *s, uint64_t after_ms)
{
    struct play *p = self;
    EXPECT(s == p->s);
    p->asked++;
    p->asked_ms = after_ms;
}

static void on_state(void *self, struct gw_stream *s, const struct id *run,
                     struct sse_id id)
{
    struct play *p = self;
    (void)s;
    (void)run;
    p->states++;
    p->state_id = id;
}

static void heard(void *self, const struct wire_head *h, const void *bytes,
                  size_t len)
{
    (void)bytes;
    (void)len;
    gw_hub_follow_heard(&((struct play *)self)->follows, h, false);
}

static struct id run_id(int n)
{
    return (struct id){{1, [15] = (uint8_t)n}};
}

static void begin(struct play *p, unsigned wants, bool live)
{
    const struct gw_hub_io io = {.self = p,
                                 .subscribe = on_subscribe,
                                 .watch = on_watch,
                                 .replay = on_replay,
                                 .dirty = on_dirty,
                                 .heard = heard,
                                 .over = on_over};
    const struct gw_follow_io follow_io = {.self = p,
                                           .subscribe = on_thread,
                                           .list = on_list,
                                           .state = on_state,
                                           .dirty = on_dirty};
    memset(p, 0, sizeof *p);
    fake_clock();
    gw_timers_init(&p->timers);
    gw_hub_runs_init(&p->runs, &io, &p->timers, 1 << 20);
    gw_hub_follows_init(&p->follows, &follow_io, &p->runs, &p->timers);
    p->s = gw_stream_new(GW_STREAM_SSE);
    p->s->thread = (struct id){{2}};
    p->s->stored = true;
    p->s->filter.thread = (uint8_t)wants;
    p->s->filter.modes = (uint16_t)SSE_ALL_MODES;
    p->s->live_only = live;
    gw_hub_follow_new(p->s);
    gw_hub_follow_begin(&p->follows, p->s);
    EXPECT_EQ(p->subscribed, 1);
    EXPECT_EQ(p->asked, 1);
}

static void end(struct play *p)
{
    gw_hub_run_leave(&p->runs, p->s);
    gw_hub_follow_end(&p->follows, p->s);
    EXPECT_EQ(p->subscribed, 0);
    gw_stream_destroy(&p->s);
    gw_hub_runs_flush(&p->runs);
    gw_hub_runs_fini(&p->runs);
    gw_hub_follows_fini(&p->follows);
    gw_timers_fini(&p->timers);
}

/* What the store says: runs 1 to n, ended or not, of these ms. */
static void listed(struct play *p, size_t n, const uint64_t *ms)
{
    struct gw_follow_list *list =
        base_zalloc(sizeof *list + n * sizeof list->runs[0]);
    list->n = n;
    for (size_t i = 0; i < n; i++) {
        list->runs[i] = (struct gw_follow_run){
            .run = run_id((int)i + 1), .ms = ms[i], .first_seq = 1};
    }
    list->last_ms = n == 0 ? 0 : ms[n - 1];
    gw_hub_follow_listed(&p->follows, p->s, list);
    free(list);
    gw_hub_runs_flush(&p->runs);
}

/* All events of a run: metadata, its number, end. */
static void play_run(struct play *p, int n, uint64_t ms)
{
    struct buf b;
    leat_value *run = leat_pack("{s:i}", "run_id", n);
    leat_value *number = leat_new_int(n);
    leat_value *status = leat_pack("{s:s}", "status", "success");
    buf_init(&b, 1 << 16);
    EXPECT(wire_event_put(&b, "metadata", "", leat_view_of(run)));
    EXPECT(wire_event_put(&b, "custom", "", leat_view_of(number)));
    EXPECT(wire_event_put(&b, "end", "", leat_view_of(status)));
    const struct wire_head h = {.type = WIRE_EVENTS,
                                .attempt = 1,
                                .run = run_id(n),
                                .thread = p->s->thread,
                                .tag = 3,
                                .seq = 1,
                                .ms = ms};
    gw_hub_run_on_events(&p->runs, &h, b.data, b.len);
    const struct wire_head over = {
        .type = WIRE_RUN_ENDED, .run = run_id(n), .seq = 3};
    gw_hub_run_on_ended(&p->runs, &over, leat_view_of(status));
    gw_hub_runs_flush(&p->runs);
    leat_drop(run);
    leat_drop(number);
    leat_drop(status);
    buf_fini(&b);
}

/* The names of the events that wait for the reader; taken out. */
static void expect_names(struct play *p, const char *want)
{
    struct buf raw;
    struct buf names;
    buf_init(&raw, 1 << 20);
    buf_init(&names, 1 << 16);
    while (p->s->out != NULL) {
        struct gw_out *o = p->s->out;
        EXPECT(buf_append(&raw, o->chunk->bytes.data, o->chunk->bytes.len));
        p->s->out = o->next;
        gw_chunk_drop(&o->chunk);
        free(o);
    }
    p->s->out_end = &p->s->out;
    p->s->out_bytes = 0;
    static const char field[] = "event: ";
    for (const char *at = buf_text(&raw);
         (at = strstr(at, field)) != NULL;) {
        at += sizeof field - 1;
        EXPECT(buf_append(&names, at, strcspn(at, "\n")));
        EXPECT(buf_puts(&names, " "));
    }
    EXPECT_STR(buf_text(&names), want);
    buf_fini(&raw);
    buf_fini(&names);
}

static void pass(struct play *p, int64_t ms)
{
    struct gw_timer *t;
    fake_clock_advance_ms(ms);
    while ((t = gw_timers_take(&p->timers, clock_mono_ms())) != NULL) {
        if (t->kind == GW_TIMER_FOLLOW) {
            gw_hub_follow_on_timer(&p->follows, t);
        } else {
            gw_hub_run_on_timer(&p->runs, t);
        }
    }
    gw_hub_runs_flush(&p->runs);
}

TEST(hub_follow_shows_runs_one_after_the_other)
{
    struct play p;
    begin(&p, SSE_THREAD_RUNS, true);
    EXPECT_EQ(p.asked_ms, INT64_MAX); /* only what is running now */
    listed(&p, 0, NULL);
    expect_names(&p, "");
    play_run(&p, 1, MS);
    expect_names(&p, "metadata custom run_done ");
    play_run(&p, 2, MS + 5);
    expect_names(&p, "metadata custom run_done ");
    play_run(&p, 1, MS); /* again, from a relay that was restarted */
    expect_names(&p, "");
    end(&p);
}

TEST(hub_follow_keeps_to_what_was_asked_for)
{
    struct play p;
    begin(&p, SSE_THREAD_LIFECYCLE, true);
    listed(&p, 0, NULL);
    play_run(&p, 1, MS);
    expect_names(&p, "metadata run_done ");
    end(&p);
    begin(&p, SSE_THREAD_STATE, true);
    listed(&p, 0, NULL);
    play_run(&p, 1, MS);
    expect_names(&p, "");
    EXPECT_EQ(p.states, 1);
    EXPECT_EQ(p.state_id.ms, MS);
    EXPECT_EQ(p.state_id.seq, 4); /* behind the end */
    play_run(&p, 2, MS + 5); /* waits for the state of the first */
    EXPECT_EQ(p.states, 1);
    static const char text[] = "event: state_update\ndata: {}\n\n";
    gw_hub_follow_say(&p.follows, p.s, text, sizeof text - 1);
    expect_names(&p, "state_update ");
    end(&p);
}

TEST(hub_follow_asks_until_the_store_answers)
{
    struct play p;
    begin(&p, SSE_THREAD_RUNS, true);
    struct gw_follow_list failed = {.failed = true};
    gw_hub_follow_listed(&p.follows, p.s, &failed);
    EXPECT_EQ(p.asked, 1);
    pass(&p, 1000);
    pass(&p, 1000);
    listed(&p, 0, NULL);
    pass(&p, 1000);
    EXPECT(p.asked >= 2); /* and once more for what it may have missed */
    play_run(&p, 1, MS);
    expect_names(&p, "metadata custom run_done ");
    end(&p);
}

TEST(hub_follow_ends_with_its_thread)
{
    struct play p;
    begin(&p, SSE_THREAD_RUNS, true);
    listed(&p, 0, NULL);
    struct gw_follow_list gone = {.gone = true};
    gw_hub_follow_listed(&p.follows, p.s, &gone);
    EXPECT(p.s->state != GW_STREAM_UNATTACHED);
    play_run(&p, 1, MS);
    end(&p);
}

TEST(hub_follow_asks_again_when_events_may_be_missed)
{
    struct play p;
    begin(&p, SSE_THREAD_RUNS, true);
    listed(&p, 0, NULL);
    pass(&p, 1000);
    int asked = p.asked;
    gw_hub_follows_on_restart(&p.follows);
    pass(&p, 1000);
    EXPECT(p.asked > asked);
    /* One that came and went meanwhile is shown from its log. */
    listed(&p, 1, (const uint64_t[]){MS});
    EXPECT(p.s->follow->showing);
    EXPECT(id_eq(&p.s->follow->run.run, &(struct id){{1, [15] = 1}}));
    end(&p);
}
