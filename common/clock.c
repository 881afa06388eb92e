/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c: reads the time and turns it into ISO 8601 text and back. Owns the
 * replaceable source; knows no time zones but offsets.
 */
#include "common/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND ((int64_t)1000000)
#define SECONDS_PER_DAY ((int64_t)86400)
/* 0000-01-01T00:00:00 and the last microsecond of 9999, since 1970. */
#define WALL_US_MIN (INT64_C(-62167219200) * US_PER_SECOND)
#define WALL_US_MAX (INT64_C(253402300800) * US_PER_SECOND - 1)

static _Atomic(const struct clock_source *) replaced;

static int64_t read_ns(clockid_t which)
{
    struct timespec ts;
    int rc = clock_gettime(which, &ts);
    must(rc == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    const struct clock_source *source = atomic_load(&replaced);
    return source != NULL ? source->mono_ns(source->arg)
                          : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

int64_t clock_wall_us(void)
{
    const struct clock_source *source = atomic_load(&replaced);
    return source != NULL ? source->wall_us(source->arg)
                          : read_ns(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

/*
 * Days since 1970-01-01 of a date of the Gregorian calendar and back, by
 * counting from March so that the leap day ends a year (no libc: timegm and
 * gmtime take locks and cannot fail usefully).
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t shifted = (month + 9) % 12;
    int64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* The number in exactly `width` digits; returns what is after them. */
static char *put_digits(char *out, int width, int value)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

static char *put_pair(char *out, char before, int value)
{
    *out = before;
    return put_digits(out + 1, 2, value);
}

char *clock_to_iso(int64_t wall_us, char out[CLOCK_ISO_SIZE])
{
    must(out != NULL);
    int64_t us = min_i64(max_i64(wall_us, WALL_US_MIN), WALL_US_MAX);
    int64_t seconds = floor_div(us, US_PER_SECOND);
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int of_day = (int)(seconds - days * SECONDS_PER_DAY);
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    char *at = put_digits(out, 4, year);
    at = put_pair(at, '-', month);
    at = put_pair(at, '-', day);
    at = put_pair(at, 'T', of_day / 3600);
    at = put_pair(at, ':', of_day / 60 % 60);
    at = put_pair(at, ':', of_day % 60);
    *at = '.';
    at = put_digits(at + 1, 6, (int)(us - seconds * US_PER_SECOND));
    bool fits =
        base_copy(at, (size_t)(CLOCK_ISO_SIZE - (at - out)), "+00:00");
    must(fits);
    return out;
}

/* Reads exactly `width` digits at *p, which moves on. */
static bool take_digits(const char **p, int width, int *out)
{
    int value = 0;
    for (int i = 0; i < width; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *p += width;
    *out = value;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c) {
        return false;
    }
    (*p)++;
    return true;
}

static bool take_date(const char **p, int64_t *days)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_digits(p, 4, &year) || !take_char(p, '-') ||
        !take_digits(p, 2, &month) || !take_char(p, '-') ||
        !take_digits(p, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1]) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month == 2 && day == 29 && !leap) {
        return false;
    }
    *days = days_from_date(year, month, day);
    return true;
}

/* Up to nine digits after a dot; finer than microseconds is cut. */
static bool take_fraction(const char **p, int64_t *us)
{
    *us = 0;
    if (!take_char(p, '.') && !take_char(p, ',')) {
        return true;
    }
    int64_t scale = US_PER_SECOND / 10;
    int digits = 0;
    while (**p >= '0' && **p <= '9') {
        *us += (**p - '0') * scale;
        scale /= 10;
        (*p)++;
        if (++digits > 9) {
            return false;
        }
    }
    return digits > 0;
}

static bool take_time(const char **p, int64_t *us)
{
    int hour, minute, second = 0;
    int64_t fraction = 0;
    if (!take_digits(p, 2, &hour) || !take_char(p, ':') ||
        !take_digits(p, 2, &minute)) {
        return false;
    }
    if (take_char(p, ':') &&
        (!take_digits(p, 2, &second) || !take_fraction(p, &fraction))) {
        return false;
    }
    if (hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    int64_t seconds = hour * 3600 + minute * 60 + second;
    *us = seconds * US_PER_SECOND + fraction;
    return true;
}

static bool take_offset(const char **p, int64_t *us)
{
    *us = 0;
    if (**p == '\0' || take_char(p, 'Z') || take_char(p, 'z')) {
        return true;
    }
    int sign = take_char(p, '+') ? 1 : take_char(p, '-') ? -1 : 0;
    int hours, minutes = 0;
    if (sign == 0 || !take_digits(p, 2, &hours)) {
        return false;
    }
    take_char(p, ':');
    if (**p != '\0' && !take_digits(p, 2, &minutes)) {
        return false;
    }
    if (hours > 23 || minutes > 59) {
        return false;
    }
    *us = sign * (int64_t)(hours * 3600 + minutes * 60) * US_PER_SECOND;
    return true;
}

bool clock_from_iso(const char *text, int64_t *wall_us)
{
    must(text != NULL && wall_us != NULL);
    const char *p = text;
    int64_t days, time_us = 0, offset_us = 0;
    if (!take_date(&p, &days)) {
        return false;
    }
    if (*p != '\0') {
        if (!take_char(&p, 'T') && !take_char(&p, 't') && !take_char(&p, ' ')) {
            return false;
        }
        if (!take_time(&p, &time_us) || !take_offset(&p, &offset_us)) {
            return false;
        }
    }
    if (*p != '\0') {
        return false;
    }
    *wall_us = days * SECONDS_PER_DAY * US_PER_SECOND + time_us - offset_us;
    return true;
}

void clock_source_set(const struct clock_source *source)
{
    must(source == NULL ||
         (source->mono_ns != NULL && source->wall_us != NULL));
    atomic_store(&replaced, source);
}
