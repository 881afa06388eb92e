/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules, and the minutes that they name where clocks are changed. */
#include "common/clock.h"
#include "common/cron.h"
#include "common/zone.h"
#include "tests/harness/harness.h"

static int64_t at(const char *iso)
{
    int64_t us = 0;
    EXPECT(clock_from_iso(iso, &us));
    return us;
}

/* The next `n` minutes after `from`, each as UTC text without seconds. */
static void expect_next(const char *schedule, const char *zone,
                        const char *from, const char *const *want)
{
    struct cron_schedule s;
    struct err err = ERR_INIT;
    EXPECT_MSG(cron_parse(schedule, &s, &err), "%s", err.text);
    int64_t now = at(from);
    for (; *want != NULL; want++) {
        char text[CLOCK_ISO_SIZE];
        now = cron_next(&s, zone, now);
        (void)clock_to_iso(now, text);
        text[16] = '\0';
        EXPECT_STR(text, *want);
    }
}
#define NEXT(schedule, zone, from, ...)                                        \
    expect_next(schedule, zone, from, (const char *const[]){__VA_ARGS__, NULL})

TEST(cron_plain_schedules)
{
    const char *from = "2026-01-31T23:58:30+00:00"; /* a Saturday */
    NEXT("* * * * *", "UTC", from, "2026-01-31T23:59", "2026-02-01T00:00");
    NEXT("*/20 3 * * *", "UTC", from, "2026-02-01T03:00", "2026-02-01T03:20",
         "2026-02-01T03:40", "2026-02-02T03:00");
    NEXT("5,10-12 0 1 * *", "UTC", from, "2026-02-01T00:05", "2026-02-01T00:10",
         "2026-02-01T00:11", "2026-02-01T00:12", "2026-03-01T00:05");
    NEXT("0 0 29 2 *", "UTC", from, "2028-02-29T00:00", "2032-02-29T00:00");
    NEXT("0 12 * * MON-wed", "UTC", from, "2026-02-02T12:00",
         "2026-02-03T12:00", "2026-02-04T12:00", "2026-02-09T12:00");
    NEXT("0 0 * jun,Dec 7", "UTC", from, "2026-06-07T00:00");
    NEXT("30/10 0 * * 0", "UTC", from, "2026-02-01T00:30", "2026-02-01T00:40",
         "2026-02-01T00:50", "2026-02-08T00:30");
    NEXT("0 0 10 * fri", "UTC", from, "2026-02-06T00:00", /* either */
         "2026-02-10T00:00", "2026-02-13T00:00");
    NEXT(" 0  0\t1 1 * ", "UTC", from, "2027-01-01T00:00");
}

TEST(cron_local_time)
{
    NEXT("0 9 * * *", "Asia/Kolkata", "2026-05-01T00:00:00+00:00",
         "2026-05-01T03:30", "2026-05-02T03:30");
    NEXT("0 0 1 * *", "Pacific/Auckland", "2026-05-01T00:00:00+00:00",
         "2026-05-31T12:00");
}

TEST(cron_clocks_put_forward)
{
    /* Berlin, 29 March 2026, 02:00 becomes 03:00 (01:00 UTC). */
    const char *from = "2026-03-28T12:00:00+00:00";
    NEXT("30 2 * * *", "Europe/Berlin", from, "2026-03-29T01:00",
         "2026-03-30T00:30");
    NEXT("*/15 2 29 3 *", "Europe/Berlin", from, "2026-03-29T01:00",
         "2027-03-29T00:00");
    NEXT("0 * 29 3 *", "Europe/Berlin", "2026-03-29T00:30:00+00:00",
         "2026-03-29T01:00", "2026-03-29T02:00");
    /* Lord Howe moves by half an hour: 02:00 becomes 02:30 (15:30 UTC). */
    NEXT("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00+00:00",
         "2026-10-03T15:30", "2026-10-04T15:10");
    /* Apia left out the whole 30 December 2011. */
    NEXT("0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00+00:00",
         "2011-12-30T10:00");
}

TEST(cron_clocks_put_back)
{
    /* New York, 1 November 2026, 02:00 becomes 01:00 (06:00 UTC). */
    const char *from = "2026-11-01T00:00:00+00:00";
    NEXT("30 1 * * *", "America/New_York", from, "2026-11-01T05:30",
         "2026-11-02T06:30");
    NEXT("45 0-2 1 11 *", "America/New_York", from, "2026-11-01T04:45",
         "2026-11-01T05:45", "2026-11-01T07:45");
    NEXT("30 1 * * *", "America/New_York", "2026-11-01T06:10:00+00:00",
         "2026-11-02T06:30");
}

TEST(cron_never)
{
    struct cron_schedule s;
    EXPECT(cron_parse("0 0 30 2 *", &s, NULL));
    EXPECT_EQ(cron_next(&s, "UTC", 0), 0);
}

TEST(cron_wrong_schedules)
{
    static const char *const wrong[] = {
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "1, * * * *",
        "-1 * * * *",
        "a * * * *",
        "* * * foo *",
        "* * * * mond",
        "1.5 * * * *",
        "*/ * * * *",
        "99999 * * * *",
        "@daily",
        "** * * * *",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct cron_schedule s;
        struct err err = ERR_INIT;
        EXPECT_MSG(!cron_parse(wrong[i], &s, &err), "%s", wrong[i]);
        EXPECT(err.code == ERR_INVALID);
    }
}

TEST(cron_zones)
{
    EXPECT(zone_is_known("UTC"));
    EXPECT(zone_is_known("America/Argentina/Buenos_Aires"));
    EXPECT(zone_is_known("Etc/GMT+5"));
    static const char *const wrong[] = {
        "",           "Mars/Olympus",  "../etc/passwd", "/etc/localtime",
        "Europe/",    "Europe",        "posix/UTC",     "zone.tab",
        "EST5EDT,M3", "europe/berlin", ":UTC",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT_MSG(!zone_is_known(wrong[i]), "%s", wrong[i]);
    }
}
