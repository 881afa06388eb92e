/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's thread, as the relay meets it. */
#include "broker/journal.h"
#include "broker/journal_log.h"
#include "common/log.h"
#include "tests/unit/broker_rig.h"

struct relay {
    struct broker_rig b;
    struct brk_journal *journal;
    struct link_pipe *pipe;
    struct brk_log *got;
    uint64_t cookies;
    struct id thread;
};

static void journal_start(struct relay *r)
{
    struct link_pipe *other = NULL;
    link_pipe_new(&r->pipe, &other);
    r->journal = brk_journal_new(&r->b.env, &other, &r->b.err);
    EXPECT_MSG(r->journal != NULL, "%s", r->b.err.text);
}

static void start(struct relay *r)
{
    memset(r, 0, sizeof *r);
    broker_rig_init(&r->b);
    broker_rig_set(&r->b, CONF_FLUSH, "5ms");
    r->thread = rig_thread(&r->b.store, 1);
    journal_start(r);
}

static void stop(struct relay *r)
{
    brk_log_destroy(&r->got);
    brk_journal_destroy(&r->journal);
    link_pipe_destroy(&r->pipe);
    broker_rig_fini(&r->b);
}

/* Each event is one msgpack string of one letter. */
static void append(struct relay *r, const struct id *run, uint64_t first,
                   const char *letters)
{
    struct brk_log *m = brk_log_new(BRK_LOG_APPEND, run, &r->thread);
    m->attempt = 1;
    m->ms = 100;
    m->first = first;
    m->count = (uint32_t)strlen(letters);
    (void)zmq_msg_close(&m->body);
    EXPECT_EQ(zmq_msg_init_size(&m->body, 2 * m->count), 0);
    char *at = zmq_msg_data(&m->body);
    for (uint32_t i = 0; i < m->count; i++) {
        *at++ = (char)0xa1;
        *at++ = letters[i];
    }
    link_pipe_send(r->pipe, m);
}

static void ask(struct relay *r, enum brk_log_type type, const struct id *run,
                uint64_t number)
{
    struct brk_log *m = brk_log_new(type, run, &r->thread);
    m->cookie = ++r->cookies;
    m->first = number;
    m->last = number;
    link_pipe_send(r->pipe, m);
}

static bool take(struct relay *r)
{
    brk_log_destroy(&r->got);
    r->got = link_pipe_recv(r->pipe);
    return r->got != NULL;
}

static struct brk_log *receive(struct relay *r, enum brk_log_type type)
{
    EXPECT_SOON(take(r));
    EXPECT_EQ(r->got->type, type);
    return r->got;
}

static void durable(struct relay *r, uint64_t last)
{
    while (receive(r, BRK_LOG_DURABLE)->last < last) {
    }
    EXPECT_EQ(r->got->last, last);
}

/* All letters that a READ from `first` gives. */
static const char *read_all(struct relay *r, const struct id *run,
                            uint64_t first)
{
    static char text[4096];
    size_t n = 0;
    ask(r, BRK_LOG_READ, run, first);
    for (;;) {
        EXPECT_SOON(take(r));
        EXPECT_EQ(r->got->cookie, r->cookies);
        if (r->got->type == BRK_LOG_READ_DONE) {
            text[n] = '\0';
            return text;
        }
        EXPECT_EQ(r->got->type, BRK_LOG_CHUNK);
        EXPECT_EQ(zmq_msg_size(&r->got->body), 2 * r->got->count);
        const char *at = zmq_msg_data(&r->got->body);
        for (uint32_t i = 0; i < r->got->count; i++) {
            text[n++] = at[2 * i + 1];
        }
    }
}

TEST(journal_writes_behind_and_tells)
{
    struct relay r;
    start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "ab");
    append(&r, &run, 3, "c");
    durable(&r, 3);
    append(&r, &run, 4, "d");
    durable(&r, 4);
    EXPECT_STR(read_all(&r, &run, 1), "abcd");
    EXPECT_EQ(r.got->first, 1);
    EXPECT_EQ(r.got->last, 4);
    EXPECT(!r.got->ended && !r.got->failed);
    stop(&r);
}

TEST(journal_reads_what_is_not_yet_written)
{
    struct relay r;
    start(&r);
    brk_journal_destroy(&r.journal);
    link_pipe_destroy(&r.pipe);
    broker_rig_set(&r.b, CONF_FLUSH, "60s");
    journal_start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "abc");
    ask(&r, BRK_LOG_MARKS_GET, &run, 0);
    durable(&r, 3);
    EXPECT_EQ(receive(&r, BRK_LOG_MARKS)->last, 3);
    EXPECT_EQ(r.got->first, 1);
    stop(&r);
}

TEST(journal_skips_what_comes_again)
{
    struct relay r;
    start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "abc");
    durable(&r, 3);
    append(&r, &run, 2, "bcd"); /* the first two are known */
    durable(&r, 4);
    append(&r, &run, 1, "ab"); /* all of it is */
    durable(&r, 4);
    EXPECT_STR(read_all(&r, &run, 1), "abcd");
    /* The same when only the store remembers. */
    brk_journal_destroy(&r.journal);
    link_pipe_destroy(&r.pipe);
    journal_start(&r);
    append(&r, &run, 3, "cde");
    durable(&r, 5);
    EXPECT_STR(read_all(&r, &run, 1), "abcde");
    stop(&r);
}

TEST(journal_marks_the_end)
{
    struct relay r;
    start(&r);
    struct id one = rig_running(&r.b.store, 1, &r.thread);
    struct id two = rig_pending(&r.b.store, 2, &r.thread);
    append(&r, &one, 1, "ab");
    ask(&r, BRK_LOG_END, &one, 2); /* with the events */
    durable(&r, 2);
    ask(&r, BRK_LOG_MARKS_GET, &one, 0);
    EXPECT(receive(&r, BRK_LOG_MARKS)->ended);
    append(&r, &two, 1, "x");
    durable(&r, 1);
    ask(&r, BRK_LOG_MARKS_GET, &two, 0);
    EXPECT(!receive(&r, BRK_LOG_MARKS)->ended);
    ask(&r, BRK_LOG_END, &two, 1); /* later */
    ask(&r, BRK_LOG_MARKS_GET, &two, 0);
    EXPECT(receive(&r, BRK_LOG_MARKS)->ended);
    ask(&r, BRK_LOG_MARKS_GET, &r.thread, 0); /* no such run */
    EXPECT_EQ(receive(&r, BRK_LOG_MARKS)->last, 0);
    EXPECT(!r.got->failed && !r.got->ended);
    stop(&r);
}

TEST(journal_forgets)
{
    struct relay r;
    start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "ab");
    durable(&r, 2);
    append(&r, &run, 3, "c");
    ask(&r, BRK_LOG_FORGET, &run, 0);
    append(&r, &run, 4, "d"); /* too late */
    ask(&r, BRK_LOG_MARKS_GET, &run, 0);
    EXPECT_EQ(receive(&r, BRK_LOG_MARKS)->last, 0);
    stop(&r);
}

TEST(journal_reads_in_pieces)
{
    struct relay r;
    start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "abc");
    durable(&r, 3);
    append(&r, &run, 4, "def");
    durable(&r, 6);
    struct brk_log *m = brk_log_new(BRK_LOG_READ, &run, &r.thread);
    m->first = 1;
    m->limit = 1;
    link_pipe_send(r.pipe, m);
    EXPECT_EQ(receive(&r, BRK_LOG_CHUNK)->last, 3);
    EXPECT_EQ(receive(&r, BRK_LOG_READ_DONE)->last, 6);
    EXPECT_STR(read_all(&r, &run, 4), "def");
    stop(&r);
}

TEST(journal_keeps_within_the_bytes_of_a_run)
{
    struct relay r;
    start(&r);
    brk_journal_destroy(&r.journal);
    link_pipe_destroy(&r.pipe);
    broker_rig_set(&r.b, CONF_EVENT_LOG_BYTES, "4096");
    journal_start(&r);
    log_level_set(LOG_LEVEL_OFF);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    char letters[1001];
    memset(letters, 'x', 1000);
    letters[1000] = '\0';
    for (uint64_t first = 1; first < 5000; first += 1000) {
        append(&r, &run, first, letters); /* 2,000 bytes each */
        durable(&r, first + 999);
    }
    ask(&r, BRK_LOG_MARKS_GET, &run, 0);
    EXPECT_EQ(receive(&r, BRK_LOG_MARKS)->last, 5000);
    EXPECT_EQ(r.got->first, 4001);
    stop(&r);
}

static bool is_gone(struct relay *r, const struct id *run)
{
    ask(r, BRK_LOG_MARKS_GET, run, 0);
    return receive(r, BRK_LOG_MARKS)->last == 0;
}

TEST(journal_drops_old_logs_of_ended_runs)
{
    struct relay r;
    start(&r);
    brk_journal_destroy(&r.journal);
    link_pipe_destroy(&r.pipe);
    broker_rig_set(&r.b, CONF_EVENT_LOG_TTL, "0ms");
    journal_start(&r);
    log_level_set(LOG_LEVEL_OFF);
    struct id ended = rig_running(&r.b.store, 1, &r.thread);
    struct id open = rig_running(&r.b.store, 2, &r.thread);
    append(&r, &ended, 1, "ab");
    durable(&r, 2);
    append(&r, &open, 1, "ab");
    durable(&r, 2);
    rig_finish(&r.b.store, &ended, "idle");
    EXPECT_SOON(is_gone(&r, &ended));
    EXPECT(!is_gone(&r, &open));
    stop(&r);
}

/* While the store refuses, events stay and are written when it takes them. */
TEST(journal_keeps_events_through_a_failure)
{
    store_kind_only_sqlite();
    struct relay r;
    start(&r);
    log_level_set(LOG_LEVEL_OFF);
    struct rig *s = &r.b.store;
    struct id run = rig_running(s, 1, &r.thread);
    OK(s, store_query_run(s->s, &s->err,
                          "CREATE TRIGGER full BEFORE INSERT ON events BEGIN"
                          " SELECT RAISE(ROLLBACK, 'as if full'); END",
                          ""));
    append(&r, &run, 1, "ab");
    append(&r, &run, 3, "c");
    ask(&r, BRK_LOG_MARKS_GET, &run, 0);
    EXPECT_EQ(receive(&r, BRK_LOG_MARKS)->last, 0);
    OK(s, store_query_run(s->s, &s->err, "DROP TRIGGER full", ""));
    durable(&r, 3);
    EXPECT_STR(read_all(&r, &run, 1), "abc");
    stop(&r);
}

TEST(journal_writes_what_it_holds_when_it_stops)
{
    struct relay r;
    start(&r);
    brk_journal_destroy(&r.journal);
    link_pipe_destroy(&r.pipe);
    broker_rig_set(&r.b, CONF_FLUSH, "60s");
    journal_start(&r);
    struct id run = rig_running(&r.b.store, 1, &r.thread);
    append(&r, &run, 1, "ab");
    link_pipe_destroy(&r.pipe); /* the relay goes first */
    brk_journal_destroy(&r.journal);
    struct store_log log;
    OK(&r.b.store,
       store_events_extent(r.b.store.s, &run, &log, &r.b.store.err));
    EXPECT_EQ(log.last_seq, 2);
    stop(&r);
}

/* ---- what may be stored already ------------------------------------------ */

static void gather(struct journal_logs *all, struct journal_log **log,
                   uint64_t first, uint32_t count)
{
    static const struct id run = {{1}};
    static const struct id thread = {{2}};
    struct brk_log *m = brk_log_new(BRK_LOG_APPEND, &run, &thread);
    m->first = first;
    m->count = count;
    m->attempt = 1;
    (void)zmq_msg_close(&m->body);
    (void)zmq_msg_init_size(&m->body, count);
    memset(zmq_msg_data(&m->body), 7, count); /* small integers */
    *log = brk_journal_log_require(all, m, 0);
    EXPECT(brk_journal_log_append(all, *log, m));
    brk_log_destroy(&m);
}

TEST(journal_log_keeps_what_was_tried_as_it_was)
{
    struct journal_logs all;
    struct journal_log *log;
    brk_journal_log_init(&all);
    gather(&all, &log, 4, 1);
    brk_journal_log_seal(log); /* a commit failed, or did it? */
    gather(&all, &log, 5, 3);
    EXPECT_EQ(log->first->first, 4);
    EXPECT_EQ(log->first->last, 4);
    EXPECT_EQ(log->last->first, 5);
    EXPECT_EQ(log->last->last, 7);
    brk_journal_log_fini(&all);
}

TEST(journal_log_leaves_out_what_is_stored)
{
    struct journal_logs all;
    struct journal_log *log;
    brk_journal_log_init(&all);
    gather(&all, &log, 1, 3);
    brk_journal_log_seal(log);
    gather(&all, &log, 4, 4);
    brk_journal_log_cut(&all, log, 6);
    EXPECT_EQ(log->first->first, 6);
    EXPECT_EQ(log->first->last, 7);
    EXPECT_EQ(log->first->body.len, 2);
    EXPECT_EQ(all.bytes, 2);
    brk_journal_log_cut(&all, log, 8);
    EXPECT(log->first == NULL && log->last == NULL);
    EXPECT_EQ(all.bytes, 0);
    brk_journal_log_fini(&all);
}
