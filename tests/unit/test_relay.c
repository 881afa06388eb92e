/* SPDX-License-Identifier: Apache-2.0 */
/* The relay between a real worker link, real gateway links and two pipes. */
#include "broker/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/harness/harness.h"

struct rig {
    conf_t *conf;
    struct brk_env env;
    char base[256];
    struct link_pipe *desk;
    struct link_pipe *journal;
    brk_relay_t *relay;
    link_t *worker;
    link_t *sub;
    link_t *gets;
    struct id run;
    struct id thread;
};

static struct rig g;

static void start(void)
{
    struct err err = ERR_INIT;
    struct link_pipe *desk = NULL;
    struct link_pipe *journal = NULL;
    g.conf = conf_new(PROC_BROKER);
    snprintf(g.base, sizeof g.base, "ipc://%s/b", test_dir());
    g.env = (struct brk_env){.conf = g.conf, .epoch = 7, .base = g.base};
    link_pipe_new(&g.desk, &desk);
    link_pipe_new(&g.journal, &journal);
    g.relay = brk_relay_new(&g.env, &desk, &journal, &err);
    EXPECT_MSG(g.relay != NULL, "%s", err.text);
    struct link_spec spec = {.base = g.base,
                             .port = WIRE_PORT_EVENTS,
                             .from = WIRE_R,
                             .frame_bytes = 1 << 20};
    g.worker = link_dealer(&spec, &err);
    spec.port = WIRE_PORT_PUB;
    g.sub = link_sub(&spec, &err);
    spec.port = WIRE_PORT_REPLAY;
    g.gets = link_dealer(&spec, &err);
    EXPECT(g.worker != NULL && g.sub != NULL && g.gets != NULL);
    g.run = id_uuid7();
    g.thread = id_uuid7();
}

/* What the relay has said and nobody wanted to hear. */
static void drain(void)
{
    struct brk_note *n;
    struct brk_log *m;
    while ((n = link_pipe_recv(g.desk)) != NULL) {
        brk_note_destroy(&n);
    }
    while ((m = link_pipe_recv(g.journal)) != NULL) {
        brk_log_destroy(&m);
    }
}

static void stop(void)
{
    brk_relay_destroy(&g.relay);
    drain();
    link_destroy(&g.worker);
    link_destroy(&g.sub);
    link_destroy(&g.gets);
    link_pipe_destroy(&g.desk);
    link_pipe_destroy(&g.journal);
    conf_destroy(&g.conf);
}

/* ---- saying and hearing ---------------------------------------------------- */

static void note(enum brk_note_type type, uint16_t attempt, bool stored)
{
    struct brk_note *n = brk_note_new(type, &g.run, &g.thread);
    n->attempt = attempt;
    n->stored = stored;
    n->ms = 1000u + attempt;
    link_pipe_send(g.desk, n);
}

static struct brk_note *hear_note(enum brk_note_type type)
{
    for (;;) {
        zmq_pollitem_t item;
        link_pipe_item(g.desk, &item);
        EXPECT(zmq_poll(&item, 1, 5000) == 1);
        struct brk_note *n = link_pipe_recv(g.desk);
        if (n == NULL) {
            continue;
        }
        if (n->type == type) {
            return n;
        }
        brk_note_destroy(&n);
    }
}

static struct brk_log *hear_log(enum brk_log_type type)
{
    zmq_pollitem_t item;
    link_pipe_item(g.journal, &item);
    struct brk_log *m = NULL;
    while (m == NULL) {
        EXPECT(zmq_poll(&item, 1, 5000) == 1);
        m = link_pipe_recv(g.journal);
    }
    EXPECT_EQ(m->type, type);
    return m;
}

static void hear(link_t *l, enum wire_type type, struct link_in *in)
{
    for (;;) {
        zmq_pollitem_t items[2];
        link_items(l, items);
        (void)link_pump(l);
        EXPECT(zmq_poll(items, 2, 5000) >= 1);
        (void)link_changes(l);
        if (link_recv(l, in) && in->head.type == type) {
            return;
        }
    }
}

static void events(uint16_t attempt, uint64_t seq, int count)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < count; i++) {
        leat_value *v = leat_new_int((int64_t)seq + i);
        EXPECT(wire_event_put(&b, "custom", "", leat_view_of(v)));
        leat_drop(v);
    }
    zmq_msg_t raw;
    EXPECT_EQ(zmq_msg_init_size(&raw, b.len), 0);
    memcpy(zmq_msg_data(&raw), b.data, b.len);
    const struct wire_head head = {.type = WIRE_EVENTS,
                                   .attempt = attempt,
                                   .epoch = 7,
                                   .tag = (uint32_t)count,
                                   .run = g.run,
                                   .thread = g.thread,
                                   .seq = seq,
                                   .ms = 1};
    EXPECT(link_send_raw(g.worker, NULL, &head, &raw) <= LINK_QUEUED);
    zmq_msg_close(&raw);
    buf_fini(&b);
}

static void subscribe(void)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(&g.thread, &g.run, topic);
    link_subscribe(g.sub, topic, sizeof topic);
    struct brk_note *n = hear_note(BRK_NOTE_SUBSCRIBED);
    EXPECT(id_eq(&n->run, &g.run));
    brk_note_destroy(&n);
}

static uint64_t fence(uint16_t attempt, bool stored)
{
    note(BRK_NOTE_FENCE, attempt, stored);
    struct brk_note *n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->attempt, attempt);
    uint64_t seq = n->seq;
    brk_note_destroy(&n);
    return seq;
}

static void expect_mark(enum wire_type type, uint64_t seq)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.worker, type, &in);
    EXPECT_EQ(in.head.seq, seq);
    link_in_fini(&in);
}

static void expect_published(uint64_t seq, uint32_t count, uint64_t ms)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.sub, WIRE_EVENTS, &in);
    EXPECT_EQ(in.head.seq, seq);
    EXPECT_EQ(in.head.tag, count);
    EXPECT_EQ(in.head.ms, ms);
    EXPECT_EQ(wire_raw_count(zmq_msg_data(&in.raw), zmq_msg_size(&in.raw)),
              (long)count);
    link_in_fini(&in);
}

/* ---- tests -------------------------------------------------------------------- */

TEST(relay_passes_events_on_and_confirms_them)
{
    start();
    subscribe();
    EXPECT_EQ(fence(1, false), 1);
    events(1, 1, 3);
    expect_published(1, 3, 1001); /* the broker's ms, not the worker's */
    expect_mark(WIRE_EVENTS_RECEIVED, 3); /* the worker may have to repeat it */
    events(1, 4, 1);
    expect_published(4, 1, 1001);
    stop();
}

TEST(relay_knows_no_run_before_the_desk_named_it)
{
    start();
    events(1, 1, 1);
    struct link_in in;
    link_in_init(&in);
    hear(g.worker, WIRE_WHO, &in);
    EXPECT(id_eq(&in.head.run, &g.run));
    link_in_fini(&in);
    struct brk_note *n = hear_note(BRK_NOTE_UNKNOWN);
    EXPECT(id_eq(&n->run, &g.run));
    EXPECT_EQ(n->attempt, 1);
    brk_note_destroy(&n);
    stop();
}

TEST(relay_takes_repeats_once_and_asks_for_what_is_missing)
{
    start();
    subscribe();
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    events(1, 1, 2); /* a repeat: confirmed, not shown again */
    expect_mark(WIRE_EVENTS_RECEIVED, 2);
    events(1, 5, 1);
    expect_mark(WIRE_EVENTS_FROM, 3);
    events(1, 2, 3); /* 2 is known: 3 and 4 are taken */
    expect_published(3, 2, 1001);
    stop();
}

TEST(relay_fences_an_older_attempt)
{
    start();
    subscribe();
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    EXPECT_EQ(fence(2, false), 3);
    events(1, 3, 1); /* of the lost attempt: nobody sees it */
    events(2, 3, 4);
    expect_published(3, 4, 1002);
    stop();
}

TEST(relay_writes_stored_runs_to_the_journal)
{
    start();
    EXPECT_EQ(fence(1, true), 1);
    events(1, 1, 2);
    struct brk_log *m = hear_log(BRK_LOG_APPEND);
    EXPECT_EQ(m->first, 1);
    EXPECT_EQ(m->count, 2);
    brk_log_destroy(&m);
    expect_mark(WIRE_EVENTS_RECEIVED, 2);
    m = brk_log_new(BRK_LOG_DURABLE, &g.run, &g.thread);
    m->last = 2;
    link_pipe_send(g.journal, m);
    expect_mark(WIRE_EVENTS_DURABLE, 2);
    struct brk_note *n = brk_note_new(BRK_NOTE_ENDED, &g.run, &g.thread);
    n->attempt = 1;
    n->seq = 2;
    link_pipe_send(g.desk, n);
    m = hear_log(BRK_LOG_END);
    EXPECT_EQ(m->last, 2);
    brk_log_destroy(&m);
    stop();
}

static void answer_marks(uint64_t last, bool ended)
{
    struct brk_log *m = hear_log(BRK_LOG_MARKS_GET);
    brk_log_destroy(&m);
    m = brk_log_new(BRK_LOG_MARKS, &g.run, &g.thread);
    m->first = 1;
    m->last = last;
    m->ended = ended;
    link_pipe_send(g.journal, m);
}

TEST(relay_asks_the_journal_where_a_later_attempt_begins)
{
    start();
    note(BRK_NOTE_FENCE, 2, true);
    answer_marks(9, false);
    struct brk_note *n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->seq, 10);
    brk_note_destroy(&n);
    stop();
}

/* What readers saw of an attempt that died with its broker may be stored
 * nowhere: the log says so before it goes on, and so does a log that ends. */
TEST(relay_announces_what_was_lost_with_the_last_broker)
{
    start();
    struct brk_note *n = brk_note_new(BRK_NOTE_FENCE, &g.run, &g.thread);
    n->attempt = 2;
    n->stored = true;
    n->ms = 2000;
    n->torn_ms = 1000;
    link_pipe_send(g.desk, n);
    answer_marks(9, false);
    struct brk_log *m = hear_log(BRK_LOG_APPEND);
    EXPECT_EQ(m->first, 10);
    EXPECT_EQ(m->count, 1);
    EXPECT_EQ(m->ms, 2000);
    const unsigned char *at = zmq_msg_data(&m->body);
    struct wire_event e;
    EXPECT(wire_event_next(&at, at + zmq_msg_size(&m->body), &e));
    EXPECT_MEM(e.name.ptr, "gap", 3);
    EXPECT(leat_is(leat_get(e.payload, "from"), "1000-10"));
    EXPECT(leat_is(leat_get(e.payload, "to"), "2000-10"));
    EXPECT_EQ(leat_type_of(leat_get(e.payload, "checkpoint_id")), LEAT_NULL);
    brk_log_destroy(&m);
    answer_marks(10, false); /* what the attempt begins behind is stored */
    n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->seq, 11);
    brk_note_destroy(&n);
    stop();
}

/* What was lost with a broker cannot be built upon by the next attempt. */
TEST(relay_begins_an_attempt_behind_what_is_stored)
{
    start();
    note(BRK_NOTE_FENCE, 1, true);
    struct brk_note *n = hear_note(BRK_NOTE_FENCED);
    brk_note_destroy(&n);
    events(1, 1, 3);
    struct brk_log *m = hear_log(BRK_LOG_APPEND);
    brk_log_destroy(&m);
    note(BRK_NOTE_FENCE, 2, true);
    answer_marks(2, false); /* not all of it: it is asked again */
    answer_marks(3, false);
    n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->attempt, 2);
    EXPECT_EQ(n->seq, 4);
    brk_note_destroy(&n);
    stop();
}

TEST(relay_tells_when_all_of_a_run_is_here)
{
    start();
    note(BRK_NOTE_FENCE, 1, false);
    struct brk_note *n = hear_note(BRK_NOTE_FENCED);
    brk_note_destroy(&n);
    n = brk_note_new(BRK_NOTE_ENDED, &g.run, &g.thread);
    n->attempt = 1;
    n->seq = 3;
    link_pipe_send(g.desk, n);
    n = brk_note_new(BRK_NOTE_FORGET, &g.run, &g.thread);
    link_pipe_send(g.desk, n); /* of a run whose thread is temporary */
    events(1, 1, 3);
    n = hear_note(BRK_NOTE_REACHED);
    EXPECT_EQ(n->seq, 3);
    brk_note_destroy(&n);
    stop();
}

TEST(relay_asks_again_while_the_store_is_away)
{
    start();
    note(BRK_NOTE_FENCE, 2, true);
    struct brk_log *m = hear_log(BRK_LOG_MARKS_GET);
    brk_log_destroy(&m);
    m = brk_log_new(BRK_LOG_MARKS, &g.run, &g.thread);
    m->failed = true;
    link_pipe_send(g.journal, m);
    answer_marks(4, false);
    struct brk_note *n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->seq, 5);
    brk_note_destroy(&n);
    stop();
}

static void close_run(bool stored, uint16_t attempt)
{
    struct buf b;
    buf_init(&b, 1000);
    leat_value *v = leat_pack("{s:s}", "status", "error");
    EXPECT(wire_event_put(&b, "error", "", leat_view_of(v)));
    EXPECT(wire_event_put(&b, "end", "", leat_view_of(v)));
    leat_drop(v);
    struct brk_note *n = brk_note_new(BRK_NOTE_CLOSE, &g.run, &g.thread);
    n->attempt = attempt;
    n->stored = stored;
    n->ms = 2000;
    n->count = 2;
    n->body = buf_take(&b, &n->body_len);
    link_pipe_send(g.desk, n);
}

static void close_torn_run(uint64_t last)
{
    struct buf b;
    buf_init(&b, 1000);
    leat_value *v = leat_pack("{s:s}", "status", "success");
    EXPECT(wire_event_put(&b, "end", "", leat_view_of(v)));
    leat_drop(v);
    struct brk_note *n = brk_note_new(BRK_NOTE_CLOSE, &g.run, &g.thread);
    n->attempt = 1;
    n->stored = true;
    n->ms = 2000;
    n->seq = last;
    n->count = 1;
    n->body = buf_take(&b, &n->body_len);
    link_pipe_send(g.desk, n);
}

TEST(relay_answers_no_fence_that_nobody_waits_for)
{
    start();
    struct brk_note *n = brk_note_new(BRK_NOTE_FENCE, &g.run, &g.thread);
    n->attempt = 1;
    n->ms = 1001;
    n->quiet = true;
    link_pipe_send(g.desk, n);
    events(1, 1, 2);
    expect_mark(WIRE_EVENTS_RECEIVED, 2);
    EXPECT_EQ(fence(2, false), 3); /* the first answer is this one's */
    stop();
}

TEST(relay_tells_homes)
{
    start();
    struct id home = {{0}};
    wire_home(&g.run, &home);
    EXPECT(!wire_is_home(&g.run, &g.thread));
    link_subscribe(g.sub, home.bytes, WIRE_HOME_BYTES);
    struct brk_note *n = hear_note(BRK_NOTE_HOME);
    EXPECT_EQ(memcmp(&n->thread, &home, WIRE_HOME_BYTES), 0);
    EXPECT_EQ(n->seq, 1);
    brk_note_destroy(&n);
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    link_unsubscribe(g.sub, home.bytes, WIRE_HOME_BYTES);
    n = hear_note(BRK_NOTE_HOME);
    EXPECT_EQ(n->seq, 0);
    brk_note_destroy(&n);
    stop();
}

TEST(relay_ends_a_log_for_the_desk)
{
    start();
    subscribe();
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    close_run(false, 2);
    expect_published(3, 2, 2000);
    struct brk_note *n = hear_note(BRK_NOTE_CLOSED);
    EXPECT_EQ(n->seq, 4);
    brk_note_destroy(&n);
    events(1, 3, 1); /* too late */
    events(2, 5, 1); /* after the end */
    expect_mark(WIRE_EVENTS_DURABLE, 4);
    stop();
}

/* A temporary run is committed and deleted before its last events are here. */
TEST(relay_takes_the_last_events_of_a_deleted_run)
{
    start();
    subscribe();
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    struct brk_note *n = brk_note_new(BRK_NOTE_FORGET, &g.run, &g.thread);
    n->seq = 4;
    link_pipe_send(g.desk, n);
    struct brk_log *m = hear_log(BRK_LOG_FORGET);
    brk_log_destroy(&m);
    events(1, 3, 2);
    expect_published(3, 2, 1001);
    expect_mark(WIRE_EVENTS_DURABLE, 4);
    events(1, 5, 1); /* after the end */
    events(1, 1, 4);
    expect_mark(WIRE_EVENTS_DURABLE, 4);
    stop();
}

/* Worker and broker died after the end was committed: of 9 events 3 are
 * stored. */
TEST(relay_closes_a_log_that_was_torn_at_its_end)
{
    start();
    subscribe();
    close_torn_run(9);
    answer_marks(3, false);
    expect_published(9, 1, 2000);
    struct brk_log *m = hear_log(BRK_LOG_APPEND);
    EXPECT_EQ(m->first, 9);
    EXPECT_EQ(m->count, 1);
    brk_log_destroy(&m);
    m = hear_log(BRK_LOG_END);
    EXPECT_EQ(m->last, 9);
    brk_log_destroy(&m);
    stop();
}

TEST(relay_closes_a_log_that_lacks_only_the_mark)
{
    start();
    close_torn_run(9);
    answer_marks(9, false);
    struct brk_log *m = hear_log(BRK_LOG_END);
    EXPECT_EQ(m->last, 9);
    brk_log_destroy(&m);
    stop();
}

TEST(relay_tells_the_end_of_a_stored_log_when_it_is_durable)
{
    start();
    close_run(true, 1);
    answer_marks(0, false);
    struct brk_log *m = hear_log(BRK_LOG_APPEND);
    EXPECT_EQ(m->first, 1);
    EXPECT_EQ(m->count, 2);
    brk_log_destroy(&m);
    m = hear_log(BRK_LOG_END);
    brk_log_destroy(&m);
    m = brk_log_new(BRK_LOG_DURABLE, &g.run, &g.thread);
    m->last = 2;
    link_pipe_send(g.journal, m);
    struct brk_note *n = hear_note(BRK_NOTE_CLOSED);
    EXPECT_EQ(n->seq, 2);
    brk_note_destroy(&n);
    stop();
}

/* ---- replay -------------------------------------------------------------------- */

static void get(uint64_t seq, uint32_t tag)
{
    const struct wire_head head = {.type = WIRE_REPLAY_GET,
                                   .epoch = 7,
                                   .tag = tag,
                                   .run = g.run,
                                   .thread = g.thread,
                                   .seq = seq};
    EXPECT(link_send(g.gets, NULL, &head, NULL) <= LINK_QUEUED);
}

static void expect_chunk(uint64_t seq, uint32_t tag, uint64_t ms)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.gets, WIRE_REPLAY_EVENTS, &in);
    EXPECT_EQ(in.head.seq, seq);
    EXPECT_EQ(in.head.tag, tag);
    EXPECT_EQ(in.head.ms, ms);
    link_in_fini(&in);
}

struct want_end {
    uint64_t first;
    uint64_t last;
    bool ended;
    bool known;
};

static void expect_end(const struct want_end *w)
{
    struct link_in in;
    link_in_init(&in);
    hear(g.gets, WIRE_REPLAY_END, &in);
    leat_view b = leat_view_of(in.body);
    EXPECT_EQ(in.head.seq, w->last);
    EXPECT_EQ(leat_int(leat_get(b, "first"), -1), (long long)w->first);
    EXPECT_EQ(leat_bool(leat_get(b, "ended"), !w->ended), w->ended);
    EXPECT_EQ(leat_bool(leat_get(b, "known"), !w->known), w->known);
    link_in_fini(&in);
}

TEST(relay_replays_from_memory)
{
    start();
    subscribe();
    fence(1, false);
    events(1, 1, 2);
    expect_published(1, 2, 1001);
    events(1, 3, 2);
    expect_published(3, 2, 1001);
    get(1, 50);
    expect_chunk(1, 50, 1001);
    expect_chunk(3, 50, 1001);
    expect_end(&(struct want_end){1, 4, false, true});
    get(4, 51); /* whole chunks: the gateway drops what it has */
    expect_chunk(3, 51, 1001);
    expect_end(&(struct want_end){1, 4, false, true});
    stop();
}

static void fill(zmq_msg_t *m)
{
    EXPECT_EQ(zmq_msg_init_size(m, 3), 0);
    memcpy(zmq_msg_data(m), "\x01\x02\x03", 3);
}

TEST(relay_replays_ended_runs_from_the_journal)
{
    start();
    get(2, 9);
    struct brk_log *ask = hear_log(BRK_LOG_READ);
    EXPECT_EQ(ask->first, 2);
    struct brk_log *m = brk_log_new(BRK_LOG_CHUNK, &g.run, &g.thread);
    fill(&m->body);
    m->first = 1;
    m->count = 3;
    m->ms = 55;
    m->attempt = 1;
    m->cookie = ask->cookie;
    link_pipe_send(g.journal, m);
    m = brk_log_new(BRK_LOG_READ_DONE, &g.run, &g.thread);
    m->first = 1;
    m->last = 3;
    m->ended = true;
    m->cookie = ask->cookie;
    link_pipe_send(g.journal, m);
    brk_log_destroy(&ask);
    expect_chunk(1, 9, 55);
    expect_end(&(struct want_end){1, 3, true, true});
    stop();
}

TEST(relay_says_when_it_knows_no_log)
{
    start();
    get(1, 3);
    struct brk_log *ask = hear_log(BRK_LOG_READ);
    struct brk_log *m = brk_log_new(BRK_LOG_READ_DONE, &g.run, &g.thread);
    m->cookie = ask->cookie;
    link_pipe_send(g.journal, m);
    brk_log_destroy(&ask);
    expect_end(&(struct want_end){0, 0, false, false});
    stop();
}

/* Of a run that is not stored the worker keeps the tail, for a broker that
 * dies; never much, for nothing will ever make room. */
TEST(relay_leaves_the_tail_of_a_run_not_stored_with_its_worker)
{
    start();
    fence(1, false);
    for (uint64_t seq = 1; seq < 1200; seq += 300) { /* some 3 KB each */
        events(1, seq, 300);
        expect_mark(WIRE_EVENTS_RECEIVED, seq + 299);
    }
    expect_mark(WIRE_EVENTS_DURABLE, 600);
    events(1, 1201, 1000); /* much at once is not kept at all */
    expect_mark(WIRE_EVENTS_DURABLE, 2200);
    events(1, 2201, 2);
    expect_mark(WIRE_EVENTS_RECEIVED, 2202);
    struct brk_note *n = brk_note_new(BRK_NOTE_ENDED, &g.run, &g.thread);
    n->attempt = 1;
    n->seq = 2202;
    link_pipe_send(g.desk, n);
    expect_mark(WIRE_EVENTS_DURABLE, 2202);
    stop();
}

TEST(relay_goes_on_with_a_run_not_stored_where_its_worker_is)
{
    start();
    subscribe();
    struct brk_note *n = brk_note_new(BRK_NOTE_FENCE, &g.run, &g.thread);
    n->attempt = 2;
    n->adopt = true;
    n->seq = 40; /* the first that its worker still has */
    link_pipe_send(g.desk, n);
    n = hear_note(BRK_NOTE_FENCED);
    EXPECT_EQ(n->seq, 40);
    brk_note_destroy(&n);
    events(2, 40, 3);
    expect_published(40, 3, 1); /* the ms too is its worker's */
    expect_mark(WIRE_EVENTS_RECEIVED, 42);
    stop();
}
