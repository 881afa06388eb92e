/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cron.h: schedules of five fields (minute, hour, day of the month, month, day
 * of the week) with lists, ranges, steps and names, and which minute comes
 * next. When both kinds of days are restricted, either will do. Local times
 * that daylight saving skips count as the moment of the change, those that
 * occur twice as their first occurrence.
 */
#ifndef LEAT_COMMON_CRON_H
#define LEAT_COMMON_CRON_H

#include "common/err.h"

struct cron_schedule {
    uint64_t minutes; /* bits 0 to 59 */
    uint32_t hours;   /* bits 0 to 23 */
    uint32_t days;    /* bits 1 to 31 */
    uint16_t months;  /* bits 1 to 12 */
    uint8_t weekdays; /* bits 0 to 6, Sunday first */
    bool any_day;     /* the field is a star: only the weekday counts */
    bool any_weekday;
};

/* ERR_INVALID with a sentence about what is wrong. */
MUST_USE bool cron_parse(const char *text, struct cron_schedule *out,
                         struct err *err);

/* The first minute after `after_us` (microseconds since 1970) that the
 * schedule names in this time zone (common/zone.h); 0: there is none. */
int64_t cron_next(const struct cron_schedule *s, const char *zone,
                  int64_t after_us);

#endif
