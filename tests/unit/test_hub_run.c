/* SPDX-License-Identifier: Apache-2.0 */
/* Following runs without sockets: the hub's part is played by a relay that
 * keeps the whole log, loses live messages at will, and answers questions
 * when it is told to. */
#include "gateway/hub_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"

#define LOG_MAX 4000
#define MS UINT64_C(1700000000000)

struct question {
    struct gw_replay_ask ask;
    struct id run;
};

struct play {
    struct gw_runs runs;
    struct gw_timers timers;
    struct gw_run *run;
    struct id id;
    struct id thread;
    struct question asked[256];
    size_t asked_count;
    size_t asked_total;
    int subscribed;
    int watched;
    int cut;
    int looked_up;
    uint64_t log;       /* events in the relay's log */
    uint64_t log_first; /* first one still kept */
    bool open;          /* the log has no end yet */
    uint64_t torn;      /* from here on a later attempt wrote it; 0: nowhere */
    struct gw_stream *readers[64];
    size_t reader_count;
};

static void on_subscribe(void *self, const struct gw_run *r, bool on)
{
    (void)r;
    ((struct play *)self)->subscribed += on ? 1 : -1;
}

static void on_watch(void *self, const struct gw_run *r, bool on)
{
    (void)r;
    ((struct play *)self)->watched += on ? 1 : -1;
}

static void on_replay(void *self, const struct gw_run *r,
                      const struct gw_replay_ask *ask)
{
    struct play *p = self;
    EXPECT(p->asked_count < sizeof(p->asked) / sizeof(p->asked[0]));
    p->asked[p->asked_count++] = (struct question){*ask, r->run};
    p->asked_total++;
}

static void on_dirty(void *self, struct gw_stream *s)
{
    (void)self;
    (void)s;
}

static void on_cut(void *self, struct gw_stream *s, const char *why)
{
    (void)why;
    (void)s;
    ((struct play *)self)->cut++;
}

static void on_look_up(void *self, struct gw_stream *s)
{
    ((struct play *)self)->looked_up++;
    gw_hub_run_say(s, "{}", 2);
}

static struct play *play_new(size_t stream_bytes)
{
    struct play *p = base_zalloc(sizeof(*p));
    struct gw_hub_io io = {.self = p,
                           .subscribe = on_subscribe,
                           .watch = on_watch,
                           .replay = on_replay,
                           .dirty = on_dirty,
                           .cut = on_cut,
                           .look_up = on_look_up};
    fake_clock();
    gw_timers_init(&p->timers);
    gw_hub_runs_init(&p->runs, &io, &p->timers, stream_bytes);
    p->id = id_uuid7();
    p->thread = id_uuid7();
    p->log_first = 1;
    return p;
}

static void play_end(struct play *p)
{
    for (size_t i = 0; i < p->reader_count; i++) {
        gw_hub_run_leave(&p->runs, p->readers[i]);
        gw_stream_destroy(&p->readers[i]);
    }
    gw_hub_runs_flush(&p->runs);
    gw_hub_runs_fini(&p->runs);
    gw_timers_fini(&p->timers);
    free(p);
}

static struct gw_run *run_of(struct play *p)
{
    return gw_hub_run_require(&p->runs, &p->id, &p->thread);
}

/* `n` events from `seq` on: ["custom", "", seq] but for a few. */
static void put_events(struct buf *out, uint64_t seq, uint64_t n)
{
    for (uint64_t i = seq; i < seq + n; i++) {
        leat_value *v = i == 1 ? leat_pack("{s:s}", "run_id", "x")
                               : leat_new_int((int64_t)i);
        const char *name = i == 1       ? "metadata"
                           : i % 7 == 3 ? "updates"
                                        : "custom";
        EXPECT(wire_event_put(out, name, i % 5 == 4 ? "sub:1" : "",
                              leat_view_of(v)));
        leat_drop(v);
    }
}

static uint64_t ms_at(const struct play *p, uint64_t seq)
{
    return p->torn > 0 && seq >= p->torn ? MS + 9 : MS;
}

static void tell(struct play *p, enum wire_type type, uint32_t tag,
                 uint64_t seq, uint64_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    put_events(&b, seq, n);
    struct wire_head h = {.type = (uint8_t)type,
                          .attempt = 1,
                          .run = p->id,
                          .thread = p->thread,
                          .tag = type == WIRE_EVENTS ? (uint32_t)n : tag,
                          .seq = seq,
                          .ms = ms_at(p, seq)};
    gw_hub_run_on_events(&p->runs, &h, b.data, b.len);
    buf_fini(&b);
}

static void live(struct play *p, uint64_t seq, uint64_t n)
{
    tell(p, WIRE_EVENTS, 0, seq, n);
}

static void answer_end(struct play *p, uint32_t tag)
{
    struct wire_head h = {
        .type = WIRE_REPLAY_END, .run = p->id, .tag = tag, .seq = p->log};
    struct gw_replay_end end = {
        .first = p->log_first, .known = p->log > 0, .ended = !p->open};
    gw_hub_run_on_replay_end(&p->runs, &h, &end);
}

/* Answers the oldest question, `part` events per message, at most `most`. */
static void answer(struct play *p, uint64_t part, uint64_t most)
{
    EXPECT(p->asked_count > 0);
    struct question q = p->asked[0];
    memmove(p->asked, p->asked + 1, --p->asked_count * sizeof(p->asked[0]));
    uint64_t seq = max_u64(q.ask.seq, p->log_first);
    for (; seq <= p->log && most > 0; most -= min_u64(most, part)) {
        uint64_t n = min_u64(part, p->log - seq + 1);
        if (p->torn > seq) { /* a message is of one attempt */
            n = min_u64(n, p->torn - seq);
        }
        tell(p, WIRE_REPLAY_EVENTS, q.ask.tag, seq, n);
        seq += n;
    }
    answer_end(p, q.ask.tag);
}

static void answer_all(struct play *p)
{
    gw_hub_runs_flush(&p->runs);
    while (p->asked_count > 0) {
        answer(p, 3, UINT64_MAX);
        gw_hub_runs_flush(&p->runs);
    }
}

static void ended(struct play *p, uint64_t last, const char *status)
{
    leat_value *body = leat_pack("{s:s}", "status", status);
    struct wire_head h = {.type = WIRE_RUN_ENDED, .run = p->id, .seq = last};
    gw_hub_run_on_ended(&p->runs, &h, leat_view_of(body));
    leat_drop(body);
}

static void pass(struct play *p, int64_t ms)
{
    fake_clock_advance_ms(ms);
    struct gw_timer *t;
    while ((t = gw_timers_take(&p->timers, clock_mono_ms())) != NULL) {
        gw_hub_run_on_timer(&p->runs, t);
    }
    gw_hub_runs_flush(&p->runs);
}

/* All that waits for the stream, without the frames. Taken out. */
static char *text_of(struct gw_stream *s)
{
    struct buf raw;
    struct buf text;
    buf_init(&raw, 1 << 24);
    buf_init(&text, 1 << 24);
    while (s->out != NULL) {
        struct gw_out *o = s->out;
        EXPECT(buf_append(&raw, o->chunk->bytes.data, o->chunk->bytes.len));
        s->out = o->next;
        gw_chunk_drop(&o->chunk);
        free(o);
    }
    s->out_end = &s->out;
    s->out_bytes = 0;
    const char *at = buf_text(&raw);
    while (*at != '\0') {
        char *data = NULL;
        size_t n = strtoul(at, &data, 16);
        EXPECT(data[0] == '\r' && data[1] == '\n');
        if (n == 0) {
            EXPECT_STR(data, "\r\n\r\n");
            EXPECT(buf_puts(&text, "END"));
            break;
        }
        EXPECT(buf_append(&text, data + 2, n));
        at = data + 2 + n;
        EXPECT(at[0] == '\r' && at[1] == '\n');
        at += 2;
    }
    buf_fini(&raw);
    size_t len;
    return buf_take(&text, &len);
}

static struct gw_stream *reader(struct play *p, enum gw_stream_kind kind)
{
    struct gw_stream *s = gw_stream_new(kind);
    s->stored = true;
    p->readers[p->reader_count++] = s;
    return s;
}

static struct gw_stream *fresh_reader(struct play *p)
{
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    struct gw_run *r = run_of(p);
    gw_hub_run_begin(&p->runs, r);
    gw_hub_run_join(&p->runs, r, s);
    gw_hub_runs_flush(&p->runs);
    return s;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

/* The ids in the text are first..last, each once and in order. */
static void expect_ids(const char *text, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        char want[64];
        (void)snprintf(want, sizeof(want), "\nid: %" PRIu64 "-%" PRIu64 "\n\n",
                       MS, seq);
        const char *id = strstr(text, "\nid: ");
        EXPECT_MSG(id != NULL, "no event %" PRIu64, seq);
        EXPECT_MSG(strncmp(id, want, strlen(want)) == 0,
                   "wanted %" PRIu64 ", is %.40s", seq, id);
        text = id + strlen(want);
    }
    EXPECT(strstr(text, "\nid: ") == NULL);
}

static void expect_stream(struct gw_stream *s, uint64_t first, uint64_t last,
                          bool end)
{
    char *text = text_of(s);
    expect_ids(text, first, last);
    EXPECT_EQ(strstr(text, "END") != NULL, end);
    free(text);
}

TEST(hub_run_shows_all_events_then_ends)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = fresh_reader(p);
    EXPECT_EQ(p->subscribed, 1);
    live(p, 1, 3);
    live(p, 4, 2);
    gw_hub_runs_flush(&p->runs);
    EXPECT(s->out != NULL && s->out->next == NULL); /* one write per turn */
    ended(p, 5, "success");
    gw_hub_runs_flush(&p->runs);
    char *text = text_of(s);
    expect_ids(text, 1, 5);
    EXPECT_HAS(text, "event: metadata\ndata: {\"run_id\":\"x\"}\n");
    EXPECT_HAS(text, "event: custom|sub:1\ndata: 4\n");
    EXPECT_STR(text + strlen(text) - 3, "END");
    free(text);
    EXPECT_EQ(p->subscribed, 0);
    EXPECT(gw_hub_run_get(&p->runs, &p->id) == NULL);
    EXPECT_EQ(p->asked_total, 0);
    play_end(p);
}

TEST(hub_run_fills_a_gap_before_it_shows_more)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = fresh_reader(p);
    live(p, 1, 2);
    live(p, 5, 2); /* 3 and 4 are lost */
    live(p, 7, 1);
    gw_hub_runs_flush(&p->runs);
    EXPECT_EQ(p->asked_count, 1);
    EXPECT_EQ(p->asked[0].ask.seq, 3);
    expect_stream(s, 1, 2, false);
    p->log = 6; /* the relay answers before it got 7 */
    answer_all(p);
    expect_stream(s, 3, 7, false);
    live(p, 8, 1);
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 8, 8, false);
    play_end(p);
}

TEST(hub_run_asks_for_a_lost_tail)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = fresh_reader(p);
    live(p, 1, 3);
    ended(p, 6, "success");
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 1, 3, false);
    EXPECT_EQ(p->asked_count, 0);
    pass(p, 49);
    EXPECT_EQ(p->asked_count, 0);
    pass(p, 1);
    EXPECT_EQ(p->asked_count, 1);
    p->log = 6;
    answer_all(p);
    expect_stream(s, 4, 6, true);
    play_end(p);
}

TEST(hub_run_joins_from_the_start_and_meets_the_live_ones)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *first = fresh_reader(p);
    live(p, 1, 10);
    gw_hub_runs_flush(&p->runs);
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    gw_hub_run_join(&p->runs, run_of(p), s);
    live(p, 11, 2); /* while the answer is under way */
    p->log = 11;
    answer_all(p);
    live(p, 13, 1);
    ended(p, 13, "success");
    gw_hub_runs_flush(&p->runs);
    expect_stream(first, 1, 13, true);
    expect_stream(s, 1, 13, true);
    EXPECT_EQ(p->asked_total, 1);
    play_end(p);
}

TEST(hub_run_live_join_begins_with_the_next_event)
{
    struct play *p = play_new(1 << 20);
    p->log = 40;
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    s->live_only = true;
    gw_hub_run_join(&p->runs, run_of(p), s);
    EXPECT_EQ(p->watched, 1);
    EXPECT(p->asked[0].ask.seq > 1000000); /* only: where does it stand */
    live(p, 41, 2);
    p->log = 41;
    answer_all(p);
    expect_stream(s, 42, 42, false);
    live(p, 43, 1);
    ended(p, 43, "success");
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 43, 43, true);
    play_end(p);
}

TEST(hub_run_join_of_an_ended_run)
{
    struct play *p = play_new(1 << 20);
    p->log = 9;
    struct gw_stream *all = reader(p, GW_STREAM_SSE);
    struct gw_stream *only_new = reader(p, GW_STREAM_SSE);
    only_new->live_only = true;
    struct gw_stream *from_five = reader(p, GW_STREAM_SSE);
    from_five->cursor = (struct sse_id){MS, 5};
    gw_hub_run_join(&p->runs, run_of(p), all);
    gw_hub_run_join(&p->runs, run_of(p), only_new);
    gw_hub_run_join(&p->runs, run_of(p), from_five);
    gw_hub_run_on_unknown(&p->runs, &p->id);
    answer_all(p);
    expect_stream(all, 1, 9, true);
    expect_stream(only_new, 1, 0, true);
    expect_stream(from_five, 6, 9, true);
    EXPECT(gw_hub_run_get(&p->runs, &p->id) == NULL);
    play_end(p);
}

TEST(hub_run_says_what_is_not_kept_any_more)
{
    struct play *p = play_new(1 << 20);
    p->log = 20;
    p->log_first = 11;
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    s->cursor = (struct sse_id){MS, 4};
    gw_hub_run_join(&p->runs, run_of(p), s);
    gw_hub_run_on_unknown(&p->runs, &p->id);
    answer_all(p);
    char *text = text_of(s);
    EXPECT_HAS(text, "event: gap\ndata: {\"from\":\"1700000000000-5\",\"to\":"
                     "\"1700000000000-10\",\"checkpoint_id\":null}\n"
                     "id: 1700000000000-10\n\n");
    expect_ids(strstr(text, "000-10\n\n"), 11, 20);
    free(text);
    play_end(p);
}

TEST(hub_run_transcodes_once_and_filters_for_each)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *all = fresh_reader(p);
    struct gw_stream *twin = reader(p, GW_STREAM_SSE);
    struct gw_stream *updates = reader(p, GW_STREAM_SSE);
    updates->filter = (struct sse_filter){SSE_UPDATES, true, 0};
    struct gw_stream *root = reader(p, GW_STREAM_SSE);
    root->filter = (struct sse_filter){SSE_CUSTOM, false, 0};
    gw_hub_run_join(&p->runs, run_of(p), twin);
    gw_hub_run_join(&p->runs, run_of(p), updates);
    gw_hub_run_join(&p->runs, run_of(p), root);
    live(p, 1, 10);
    gw_hub_runs_flush(&p->runs);
    EXPECT(all->out->chunk == twin->out->chunk);
    expect_stream(all, 1, 10, false);
    expect_stream(twin, 1, 10, false);
    char *text = text_of(updates);
    EXPECT_EQ(count_of(text, "\nid: "), 3); /* metadata, 3 and 10 */
    EXPECT_HAS(text, "event: updates\ndata: 3\n");
    free(text);
    text = text_of(root);
    EXPECT_EQ(count_of(text, "\nid: "), 6); /* not 3, 4, 9, 10 */
    EXPECT(strstr(text, "data: 4\n") == NULL);
    free(text);
    play_end(p);
}

TEST(hub_run_lets_a_slow_reader_fall_behind)
{
    struct play *p = play_new(1000);
    struct gw_stream *quick = fresh_reader(p);
    struct gw_stream *slow = reader(p, GW_STREAM_SSE);
    gw_hub_run_join(&p->runs, run_of(p), slow);
    struct buf got;
    buf_init(&got, 1 << 20);
    for (uint64_t seq = 1; seq <= 200; seq += 10) {
        live(p, seq, 10);
        p->log = seq + 9;
        gw_hub_runs_flush(&p->runs);
        char *text = text_of(quick);
        EXPECT(buf_puts(&got, text));
        free(text);
        gw_hub_run_on_drained(&p->runs, quick);
        while (p->asked_count > 0) {
            answer(p, 10, UINT64_MAX);
            gw_hub_runs_flush(&p->runs);
        }
    }
    expect_ids(buf_text(&got), 1, 200);
    buf_reset(&got);
    EXPECT(slow->out_bytes < 3000);
    for (int i = 0; i < 100 && gw_hub_run_get(&p->runs, &p->id); i++) {
        char *text = text_of(slow);
        EXPECT(buf_puts(&got, text));
        free(text);
        gw_hub_run_on_drained(&p->runs, slow);
        answer_all(p);
    }
    expect_ids(buf_text(&got), 1, 200);
    buf_fini(&got);
    play_end(p);
}

TEST(hub_run_wait_answers_with_the_last_values)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_WAIT);
    gw_hub_run_begin(&p->runs, run_of(p));
    gw_hub_run_join(&p->runs, run_of(p), s);
    struct buf b;
    buf_init(&b, 1 << 20);
    leat_value *one = leat_pack("{s:i}", "x", 1);
    leat_value *two = leat_pack("{s:i, s:[{s:s, s:i}]}", "x", 2,
                                "__interrupt__", "id", "a", "value", 7);
    leat_value *other = leat_pack("{s:i, s:[{s:s, s:i}]}", "x", 2,
                                  "__interrupt__", "id", "b", "value", 8);
    EXPECT(wire_event_put(&b, "values", "", leat_view_of(one)));
    EXPECT(wire_event_put(&b, "values", "", leat_view_of(two)));
    EXPECT(wire_event_put(&b, "values", "", leat_view_of(other)));
    EXPECT(wire_event_put(&b, "values", "sub:1", leat_view_of(one)));
    struct wire_head h = {.type = WIRE_EVENTS,
                          .run = p->id,
                          .tag = 4,
                          .attempt = 1,
                          .seq = 1,
                          .ms = MS};
    gw_hub_run_on_events(&p->runs, &h, b.data, b.len);
    ended(p, 4, "success");
    gw_hub_runs_flush(&p->runs);
    char *text = text_of(s);
    EXPECT_STR(text, "{\"x\":2,\"__interrupt__\":[{\"id\":\"a\",\"value\":7},"
                     "{\"id\":\"b\",\"value\":8}]}END");
    free(text);
    buf_fini(&b);
    leat_drop(one);
    leat_drop(two);
    leat_drop(other);
    play_end(p);
}

TEST(hub_run_wait_without_events_asks_the_store)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_WAIT);
    gw_hub_run_join(&p->runs, run_of(p), s);
    gw_hub_run_on_unknown(&p->runs, &p->id);
    answer_all(p);
    EXPECT_EQ(p->looked_up, 1);
    char *text = text_of(s);
    EXPECT_STR(text, "{}END");
    free(text);
    play_end(p);
}

TEST(hub_run_gives_up_a_tail_that_nobody_has)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = fresh_reader(p);
    live(p, 1, 3);
    p->log = 3;
    ended(p, 5, "error");
    for (int i = 0; i < 300 && gw_hub_run_get(&p->runs, &p->id); i++) {
        pass(p, 50);
        answer_all(p);
    }
    char *text = text_of(s);
    EXPECT_HAS(text, "event: gap\n");
    EXPECT_STR(text + strlen(text) - 3, "END");
    free(text);
    play_end(p);
}

/* The reader was shown more than a restarted broker has: it is said again. */
TEST(hub_run_does_not_repeat_what_is_before_the_cursor)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    s->cursor = (struct sse_id){MS, 6};
    p->log = 3;
    p->open = true;
    gw_hub_run_join(&p->runs, run_of(p), s);
    answer_all(p);
    live(p, 4, 6);
    gw_hub_runs_flush(&p->runs);
    p->log = 9;
    p->open = false;
    ended(p, 9, "success");
    answer_all(p);
    expect_stream(s, 7, 9, true);
    play_end(p);
}

/* The broker dies within a replay, and the next one has less of the log. */
TEST(hub_run_does_not_repeat_what_a_replay_has_shown)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    gw_hub_run_join(&p->runs, run_of(p), s);
    EXPECT(p->asked_count == 1);
    tell(p, WIRE_REPLAY_EVENTS, p->asked[0].ask.tag, 1, 12);
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 1, 12, false);
    p->asked_count = 0;
    p->log = 9;
    p->open = true;
    gw_hub_runs_on_restart(&p->runs);
    answer_all(p);
    live(p, 10, 2);
    live(p, 12, 4);
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 13, 15, false);
    p->log = 17;
    ended(p, 17, "success");
    live(p, 16, 2);
    answer_all(p);
    expect_stream(s, 16, 17, true);
    play_end(p);
}

static void expect_from_torn(uint64_t cursor, uint64_t torn, uint64_t log)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    s->cursor = (struct sse_id){MS, cursor};
    p->log = log;
    p->torn = torn;
    gw_hub_run_join(&p->runs, run_of(p), s);
    gw_hub_run_on_unknown(&p->runs, &p->id);
    answer_all(p);
    char *text = text_of(s);
    const char *at = text;
    for (uint64_t seq = torn; seq <= log; seq++) {
        char want[64];
        (void)snprintf(want, sizeof(want), "\nid: %" PRIu64 "-%" PRIu64 "\n\n",
                       MS + 9, seq);
        EXPECT_HAS(at, want);
        at = strstr(at, want) + strlen(want);
    }
    EXPECT_EQ(count_of(text, "\nid: "), log - torn + 1);
    EXPECT_EQ(count_of(text, "event: gap"), 0);
    free(text);
    play_end(p);
}

/* What the cursor names was lost, and a later attempt numbers from before it. */
TEST(hub_run_cursor_in_what_was_lost)
{
    expect_from_torn(6, 1, 12);  /* another event stands there now */
    expect_from_torn(6, 4, 12);
    expect_from_torn(50, 11, 30); /* none does */
    expect_from_torn(12, 4, 12);
    expect_from_torn(13, 4, 12);
}

/* A restarted broker does not know the run, and its log has no end yet. */
TEST(hub_run_waits_for_the_end_of_a_log)
{
    for (int from_start = 0; from_start < 2; from_start++) {
        struct play *p = play_new(1 << 20);
        struct gw_stream *s =
            from_start ? reader(p, GW_STREAM_SSE) : fresh_reader(p);
        if (from_start) {
            gw_hub_run_join(&p->runs, run_of(p), s);
        } else {
            live(p, 1, 3);
        }
        p->log = 3;
        p->open = true;
        gw_hub_run_on_unknown(&p->runs, &p->id);
        answer_all(p);
        for (int i = 0; i < 20; i++) {
            pass(p, 50);
            answer_all(p);
        }
        EXPECT(gw_hub_run_get(&p->runs, &p->id) != NULL);
        p->log = 9; /* the worker has said it again */
        p->open = false;
        pass(p, 50);
        answer_all(p);
        expect_stream(s, 1, 9, true);
        EXPECT(gw_hub_run_get(&p->runs, &p->id) == NULL);
        play_end(p);
    }
}

TEST(hub_run_gives_up_a_log_without_end)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = reader(p, GW_STREAM_SSE);
    gw_hub_run_join(&p->runs, run_of(p), s);
    p->log = 3;
    p->open = true;
    gw_hub_run_on_unknown(&p->runs, &p->id);
    answer_all(p);
    for (int i = 0; i < 300 && gw_hub_run_get(&p->runs, &p->id); i++) {
        pass(p, 50);
        answer_all(p);
    }
    expect_stream(s, 1, 3, true);
    play_end(p);
}

TEST(hub_run_new_attempt_after_a_lost_log)
{
    struct play *p = play_new(1 << 20);
    struct gw_stream *s = fresh_reader(p);
    live(p, 1, 5);
    gw_hub_runs_flush(&p->runs);
    expect_stream(s, 1, 5, false);
    struct buf b;
    buf_init(&b, 1 << 20);
    put_events(&b, 4, 3); /* the store had kept 3 */
    struct wire_head h = {.type = WIRE_EVENTS,
                          .run = p->id,
                          .tag = 3,
                          .attempt = 2,
                          .seq = 4,
                          .ms = MS + 9};
    gw_hub_run_on_events(&p->runs, &h, b.data, b.len);
    gw_hub_runs_flush(&p->runs);
    char *text = text_of(s);
    EXPECT_HAS(text, "\nid: 1700000000009-4\n");
    EXPECT_HAS(text, "\nid: 1700000000009-6\n");
    free(text);
    buf_fini(&b);
    play_end(p);
}

/* ---- any order, any loss ----------------------------------------------- */

#define READERS 6

struct watcher {
    struct gw_stream *s;
    struct buf got;
    uint64_t after; /* its cursor */
    bool live;
};

static unsigned below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245U + 12345U;
    return (*seed >> 16) % n;
}

static void take(struct play *p, struct watcher *w)
{
    char *text = text_of(w->s);
    EXPECT(buf_puts(&w->got, text));
    free(text);
    gw_hub_run_on_drained(&p->runs, w->s);
}

static void step(struct play *p, struct watcher *all, unsigned *seed)
{
    unsigned what = below(seed, 12);
    struct watcher *w = &all[below(seed, READERS)];
    if (what < 5) {
        uint64_t n = 1 + below(seed, 6);
        if (below(seed, 5) > 0) {
            live(p, p->log + 1, n);
        }
        p->log += n;
    } else if (what < 8 && p->asked_count > 0) {
        answer(p, 1 + below(seed, 5), 1 + below(seed, 40));
    } else if (what == 8) {
        pass(p, 1 + below(seed, 600));
    } else if (what == 9 && w->s == NULL) {
        w->s = reader(p, GW_STREAM_SSE);
        w->after = p->log == 0 ? 0 : below(seed, (unsigned)p->log + 1);
        w->live = below(seed, 3) == 0;
        w->s->live_only = w->live;
        w->s->cursor = (struct sse_id){w->after > 0 ? MS : 0, w->after};
        gw_hub_run_join(&p->runs, run_of(p), w->s);
    } else if (what == 10 && w->s != NULL) {
        take(p, w);
    } else if (what == 11 && p->asked_count > 0 && below(seed, 4) == 0) {
        p->asked_count--; /* a question is lost */
    }
    gw_hub_runs_flush(&p->runs);
}

static void finish(struct play *p, struct watcher *all)
{
    ended(p, p->log, "success");
    for (int i = 0; i < 400; i++) {
        for (int k = 0; k < READERS; k++) {
            if (all[k].s != NULL) {
                take(p, &all[k]);
            }
        }
        pass(p, 100);
        answer_all(p);
    }
}

static void check(const struct play *p, struct watcher *w)
{
    const char *text = buf_text(&w->got);
    uint64_t first = w->after + 1;
    EXPECT_HAS(text, "END");
    if (w->live) {
        const char *id = strstr(text, "\nid: ");
        first = id == NULL ? p->log + 1 : strtoul(id + 19, NULL, 10);
    }
    expect_ids(text, first, p->log);
}

TEST(hub_run_loses_nothing_whatever_the_order)
{
    for (unsigned round = 1; round <= 300; round++) {
        unsigned seed = round;
        struct play *p = play_new(round % 3 == 0 ? 300 : 1 << 20);
        struct watcher all[READERS] = {{0}};
        for (int k = 0; k < READERS; k++) {
            buf_init(&all[k].got, 1 << 24);
        }
        if (round % 2 == 0) {
            all[0].s = fresh_reader(p);
        }
        for (int i = 0; i < 150; i++) {
            step(p, all, &seed);
        }
        finish(p, all);
        for (int k = 0; k < READERS; k++) {
            if (all[k].s != NULL) {
                check(p, &all[k]);
            }
            buf_fini(&all[k].got);
        }
        EXPECT(gw_hub_run_get(&p->runs, &p->id) == NULL);
        EXPECT_EQ(p->cut, 0);
        play_end(p);
    }
}
