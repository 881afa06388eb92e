/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"

static char last[LOG_LINE_MAX + 1];
static int lines;

static void keep(const char *line, size_t len)
{
    EXPECT(len <= LOG_LINE_MAX);
    memcpy(last, line, len);
    last[len] = '\0';
    lines++;
}

static void begin(void)
{
    fake_clock();
    log_sink_set(keep);
    last[0] = '\0';
    lines = 0;
}

TEST(log_line_has_time_level_event_and_pairs)
{
    begin();
    log_info("run.moved", "run=%s attempt=%d", "r1", 2);
    EXPECT_STR(last, "2026-01-02T03:04:05.678901Z info run.moved run=r1 "
                     "attempt=2\n");
    log_error("store.lost");
    EXPECT_STR(last, "2026-01-02T03:04:05.678901Z error store.lost\n");
}

TEST(log_level_drops_and_does_not_evaluate)
{
    begin();
    int evaluated = 0;
    log_debug("x", "n=%d", ++evaluated);
    EXPECT_EQ(lines, 0);
    EXPECT_EQ(evaluated, 0);
    log_level_set(LOG_LEVEL_DEBUG);
    log_debug("x", "n=%d", ++evaluated);
    EXPECT_EQ(lines, 1);
    log_level_set(LOG_LEVEL_OFF);
    log_error("x");
    EXPECT_EQ(lines, 1);
}

TEST(log_level_names)
{
    enum log_level level;
    EXPECT(log_level_parse("warn", &level));
    EXPECT_EQ(level, LOG_LEVEL_WARN);
    EXPECT(log_level_parse("off", &level));
    EXPECT_EQ(level, LOG_LEVEL_OFF);
    EXPECT(!log_level_parse("loud", &level));
}

TEST(log_quotes_only_what_needs_it)
{
    EXPECT_STR(LOG_Q("plain-word_1.2:3/4"), "plain-word_1.2:3/4");
    EXPECT_STR(LOG_Q(""), "\"\"");
    EXPECT_STR(LOG_Q(NULL), "-");
    EXPECT_STR(LOG_Q("two words"), "\"two words\"");
    EXPECT_STR(LOG_Q("a=b"), "\"a=b\"");
    EXPECT_STR(LOG_Q("say \"hi\"\\"), "\"say \\\"hi\\\"\\\\\"");
    EXPECT_STR(LOG_Q("line\nbreak\x01"), "\"line\\nbreak\\x01\"");
}

TEST(log_quote_cuts_long_values_at_every_size)
{
    char long_value[300];
    memset(long_value, '"', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    for (size_t cap = 8; cap < 64; cap++) {
        char out[64];
        memset(out, 'Z', sizeof(out));
        log_quote(out, cap, long_value);
        EXPECT(strlen(out) < cap);
        EXPECT_STR(out + strlen(out) - 4, "...\"");
    }
}

TEST(log_is_always_one_line)
{
    begin();
    log_info("peer.said", "text=%s", "evil\n2026 error forged\r");
    EXPECT_EQ(strchr(last, '\n') - last, (long)strlen(last) - 1);
    EXPECT(strchr(last, '\r') == NULL);
}

TEST(log_cuts_a_long_line)
{
    begin();
    char big[2 * LOG_LINE_MAX];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    log_info("big", "v=%s", big);
    EXPECT_EQ(strlen(last), LOG_LINE_MAX);
    EXPECT_STR(last + strlen(last) - 5, "x...\n");
}

TEST(log_appends_the_context_of_its_thread)
{
    begin();
    log_ctx_set("run=%s thread=%s", "r1", "t1");
    log_who_set("worker");
    log_info("step.done", "n=1");
    char want[128];
    snprintf(want, sizeof(want), " n=1 run=r1 thread=t1 who=worker/%d\n",
             (int)getpid());
    EXPECT_HAS(last, want);
    log_ctx_clear();
    log_who_set("");
    log_info("step.done", "n=2");
    EXPECT_HAS(last, "step.done n=2\n");
}

static void *log_from_thread(void *arg)
{
    (void)arg;
    log_info("other.thread");
    return NULL;
}

TEST(log_context_does_not_leak_to_other_threads)
{
    begin();
    log_ctx_set("run=mine");
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, log_from_thread, NULL), 0);
    pthread_join(thread, NULL);
    EXPECT_HAS(last, "other.thread\n");
}

TEST(log_writes_to_standard_error_in_one_piece)
{
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_warn("to.stderr", "n=%d", 5);
    dup2(kept, STDERR_FILENO);
    char got[256];
    ssize_t n = read(ends[0], got, sizeof(got) - 1);
    EXPECT(n > 0);
    got[n] = '\0';
    EXPECT_HAS(got, " warn to.stderr n=5\n");
}
