/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/stat.h"
#include "tests/harness/harness.h"

static char *rendered(unsigned procs)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    EXPECT(stat_render(&b, procs));
    size_t n;
    return buf_take(&b, &n);
}

TEST(stat_counts_and_gauges)
{
    stat_reset();
    stat_inc(STAT_EVENTS_FENCED);
    stat_add(STAT_EVENTS_FENCED, 4);
    EXPECT_EQ(stat_get(STAT_EVENTS_FENCED), 5);
    stat_set(STAT_OPEN_STREAMS, 10);
    stat_add(STAT_OPEN_STREAMS, -3);
    EXPECT_EQ(stat_get(STAT_OPEN_STREAMS), 7);
}

TEST(stat_text_has_help_type_and_labels_once)
{
    stat_reset();
    stat_add(STAT_RUNS_SUCCESS, 3);
    stat_inc(STAT_RUNS_ERROR);
    char *text = rendered(PROC_BROKER);
    EXPECT_HAS(text, "# TYPE leat_runs_total counter\n"
                     "leat_runs_total{status=\"success\"} 3\n"
                     "leat_runs_total{status=\"error\"} 1\n");
    const char *first = strstr(text, "# HELP leat_runs_total ");
    EXPECT(first != NULL);
    EXPECT(strstr(first + 1, "# HELP leat_runs_total ") == NULL);
    free(text);
}

TEST(stat_names_that_scripts_rely_on_exist)
{
    static const char *const names[] = {
        "leat_events_lost_total 0\n",
        "leat_events_fenced_total 0\n",
        "leat_redispatch_seconds_count 0\n",
        "leat_lease_expired_total 0\n",
        "leat_slow_readers_closed_total 0\n",
        "leat_first_event_seconds_sum 0\n",
        "leat_runs_total{status=\"success\"} 0\n",
        "leat_open_streams 0\n",
    };
    stat_reset();
    char *text = rendered(PROC_SERVERS);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        EXPECT_HAS(text, names[i]);
    }
    free(text);
}

TEST(stat_shows_each_program_its_own)
{
    char *text = rendered(PROC_GATEWAY);
    EXPECT_HAS(text, "leat_open_streams");
    EXPECT(strstr(text, "leat_lease_expired_total") == NULL);
    free(text);
}

TEST(stat_histogram_is_cumulative_and_in_seconds)
{
    stat_reset();
    stat_observe_us(STAT_FIRST_EVENT, 1000);
    stat_observe_us(STAT_FIRST_EVENT, 1000000);
    stat_observe_us(STAT_FIRST_EVENT, -5);
    char *text = rendered(PROC_GATEWAY);
    EXPECT_HAS(text, "leat_first_event_seconds_bucket{le=\"1.6e-05\"} 1\n");
    EXPECT_HAS(text, "leat_first_event_seconds_bucket{le=\"0.000896\"} 1\n"
                     "leat_first_event_seconds_bucket{le=\"0.001024\"} 2\n");
    EXPECT_HAS(text, "leat_first_event_seconds_bucket{le=\"1.048576\"} 3\n");
    EXPECT_HAS(text, "leat_first_event_seconds_bucket{le=\"+Inf\"} 3\n"
                     "leat_first_event_seconds_sum 1.001\n"
                     "leat_first_event_seconds_count 3\n");
    free(text);
}

TEST(stat_quantile_is_within_a_quarter)
{
    stat_reset();
    EXPECT_EQ(stat_quantile_us(STAT_COMMIT, 0.5), 0);
    for (int i = 1; i <= 10000; i++) {
        stat_observe_us(STAT_COMMIT, i * 100);
    }
    int64_t p50 = stat_quantile_us(STAT_COMMIT, 0.5);
    int64_t p99 = stat_quantile_us(STAT_COMMIT, 0.99);
    EXPECT_MSG(p50 >= 500000 && p50 <= 625000, "p50=%lld", (long long)p50);
    EXPECT_MSG(p99 >= 990000 && p99 <= 1237500, "p99=%lld", (long long)p99);
}

TEST(stat_takes_any_duration)
{
    stat_reset();
    for (int shift = 0; shift < 63; shift++) {
        stat_observe_us(STAT_SAVE, INT64_C(1) << shift);
    }
    stat_observe_us(STAT_SAVE, INT64_MAX);
    EXPECT_EQ(stat_get(STAT_SAVE), 64);
    EXPECT(stat_quantile_us(STAT_SAVE, 1) > INT64_C(3600000000));
}

TEST(stat_render_says_when_there_is_no_room)
{
    struct buf b;
    buf_init(&b, 100);
    EXPECT(!stat_render(&b, PROC_ALL));
    buf_fini(&b);
}

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        stat_inc(STAT_EVENTS_IN);
        stat_observe_us(STAT_VAULT_CALL, i);
    }
    return NULL;
}

TEST(stat_loses_nothing_between_threads)
{
    stat_reset();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_EQ(stat_get(STAT_EVENTS_IN), 40000);
    EXPECT_EQ(stat_get(STAT_VAULT_CALL), 40000);
}
