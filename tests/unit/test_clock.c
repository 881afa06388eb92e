/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"

static const char *iso(int64_t us)
{
    static char text[CLOCK_ISO_SIZE];
    return clock_to_iso(us, text);
}

static int64_t from(const char *text)
{
    int64_t us = -1;
    EXPECT_MSG(clock_from_iso(text, &us), "\"%s\" to be a time", text);
    return us;
}

TEST(clock_mono_never_goes_back)
{
    int64_t before = clock_mono_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_mono_ns();
        EXPECT(now >= before);
        before = now;
    }
    EXPECT(clock_mono_us() / 1000 - clock_mono_ms() <= 1);
}

TEST(clock_wall_is_of_this_century)
{
    EXPECT(clock_wall_us() > from("2024-01-01"));
    EXPECT(clock_wall_ms() < from("2100-01-01") / 1000);
}

TEST(clock_iso_has_microseconds_and_offset)
{
    EXPECT_STR(iso(0), "1970-01-01T00:00:00.000000+00:00");
    EXPECT_STR(iso(FAKE_WALL_US), "2026-01-02T03:04:05.678901+00:00");
    EXPECT_STR(iso(-1), "1969-12-31T23:59:59.999999+00:00");
    EXPECT_STR(iso(951827696000001), "2000-02-29T12:34:56.000001+00:00");
}

TEST(clock_iso_stays_in_four_digit_years)
{
    EXPECT_STR(iso(INT64_MAX), "9999-12-31T23:59:59.999999+00:00");
    EXPECT_STR(iso(INT64_MIN), "0000-01-01T00:00:00.000000+00:00");
}

TEST(clock_iso_round_trips_each_day)
{
    const int64_t day = INT64_C(86400000000);
    int64_t us = from("1899-12-31T11:22:33.444555Z");
    for (int i = 0; i < 150000; i++, us += day) {
        EXPECT_EQ(from(iso(us)), us);
    }
    EXPECT_STR(iso(us), "2310-09-08T11:22:33.444555+00:00");
}

TEST(clock_reads_the_forms_that_peers_send)
{
    int64_t want = FAKE_WALL_US;
    EXPECT_EQ(from("2026-01-02T03:04:05.678901+00:00"), want);
    EXPECT_EQ(from("2026-01-02T03:04:05.678901Z"), want);
    EXPECT_EQ(from("2026-01-02 03:04:05.678901"), want);
    EXPECT_EQ(from("2026-01-02T03:04:05.678901999Z"), want);
    EXPECT_EQ(from("2026-01-02T05:04:05.678901+02:00"), want);
    EXPECT_EQ(from("2026-01-01T21:34:05.678901-0530"), want);
    EXPECT_EQ(from("2026-01-02T04:04:05.678901+01"), want);
    EXPECT_EQ(from("2026-01-02T03:04:05.6Z"), want - 78901);
    EXPECT_EQ(from("2026-01-02T03:04Z"), want - 5678901);
    EXPECT_EQ(from("2026-01-02"), from("2026-01-02T00:00:00Z"));
}

TEST(clock_refuses_what_is_not_a_time)
{
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-1-2",
        "2026-13-01",
        "2026-00-01",
        "2026-01-32",
        "2025-02-29",
        "1900-02-29",
        "2026-01-02T",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:0",
        "2026-01-02x03:04:05Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t us = 42;
        EXPECT_MSG(!clock_from_iso(bad[i], &us), "\"%s\" to be refused",
                   bad[i]);
        EXPECT_EQ(us, 42);
    }
}

TEST(clock_fake_stands_and_moves)
{
    fake_clock();
    EXPECT_EQ(clock_mono_ms(), FAKE_MONO_MS);
    EXPECT_EQ(clock_wall_us(), FAKE_WALL_US);
    fake_clock_advance_ms(1500);
    EXPECT_EQ(clock_mono_ms(), FAKE_MONO_MS + 1500);
    EXPECT_EQ(clock_wall_us(), FAKE_WALL_US + 1500000);
    fake_clock_wall_set(7);
    EXPECT_EQ(clock_wall_us(), 7);
    EXPECT_EQ(clock_mono_ms(), FAKE_MONO_MS + 1500);
    fake_end();
    EXPECT(clock_wall_us() > FAKE_WALL_US / 2);
}
