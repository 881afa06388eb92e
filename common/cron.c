/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field is read into a set of bits; the next minute is looked for day by day
 * in local time, since that is what people mean by a schedule.
 */
#include "common/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/zone.h"

#define US ((int64_t)1000000)
#define MINUTE 60
#define DAY ((int64_t)86400)
/* The 29th of February can be twelve years away on a given weekday's list;
 * what does not come within this time never does. */
#define DAYS_MAX (366 * 41)

struct field {
    const char *name;
    const char *words; /* names of values, three letters each; or NULL */
    unsigned min;
    unsigned max;
};

static const struct field fields[] = {
    {"minute", NULL, 0, 59},
    {"hour", NULL, 0, 23},
    {"day of the month", NULL, 1, 31},
    {"month", "janfebmaraprmayjunjulaugsepoctnovdec", 1, 12},
    {"day of the week", "sunmontuewedthufrisat", 0, 7},
};

/* ---- reading --------------------------------------------------------------
 */

static bool wrong(struct err *err, const struct field *f, const char *at)
{
    return err_set(err, ERR_INVALID, "the %s is wrong at \"%.20s\"", f->name,
                   at);
}

static bool read_word(const char **at, const struct field *f, unsigned *out)
{
    size_t n = f->words == NULL ? 0 : strlen(f->words) / 3;
    for (size_t i = 0; i < n; i++) {
        if (strncasecmp(*at, f->words + i * 3, 3) == 0 &&
            !isalnum((unsigned char)(*at)[3])) {
            *at += 3;
            *out = (unsigned)i + f->min;
            return true;
        }
    }
    return false;
}

static bool read_digits(const char **at, unsigned *out)
{
    size_t n = strspn(*at, "0123456789");
    if (n == 0 || n > 4) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        *out = *out * 10 + (unsigned)(*(*at)++ - '0');
    }
    return true;
}

static bool read_value(const char **at, const struct field *f, unsigned *out)
{
    return (read_word(at, f, out) || read_digits(at, out)) && *out >= f->min &&
           *out <= f->max;
}

/* "*", "a", "a-b", each with "/step"; "a/step" goes on to the end. */
static bool read_part(const char **at, const struct field *f, uint64_t *bits)
{
    unsigned from = f->min;
    unsigned to = f->max == 7 ? 6 : f->max;
    unsigned step = 1;
    if (**at == '*') {
        (*at)++;
    } else {
        unsigned end = to;
        if (!read_value(at, f, &from)) {
            return false;
        }
        to = from;
        if (**at == '-') {
            (*at)++;
            if (!read_value(at, f, &to) || to < from) {
                return false;
            }
        } else if (**at == '/') {
            to = end;
        }
    }
    if (**at == '/') {
        (*at)++;
        if (!read_digits(at, &step) || step == 0) {
            return false;
        }
    }
    for (unsigned i = from; i <= to; i += step) {
        *bits |= (uint64_t)1 << i;
    }
    return true;
}

static bool read_field(const char **at, const struct field *f, uint64_t *bits,
                       struct err *err)
{
    *bits = 0;
    for (;;) {
        const char *start = *at;
        if (!read_part(at, f, bits)) {
            return wrong(err, f, start);
        }
        if (**at != ',') {
            break;
        }
        (*at)++;
    }
    if (**at != '\0' && !isspace((unsigned char)**at)) {
        return wrong(err, f, *at);
    }
    return true;
}

bool cron_parse(const char *text, struct cron_schedule *out, struct err *err)
{
    must(text != NULL && out != NULL);
    uint64_t bits[COUNT_OF(fields)];
    bool star[COUNT_OF(fields)];
    const char *at = text;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        at += strspn(at, " \t");
        if (*at == '\0') {
            return err_set(err, ERR_INVALID,
                           "it needs five fields: minute, hour, day of the "
                           "month, month, day of the week");
        }
        star[i] = *at == '*';
        if (!read_field(&at, &fields[i], &bits[i], err)) {
            return false;
        }
    }
    if (at[strspn(at, " \t")] != '\0') {
        return err_set(err, ERR_INVALID, "it has more than five fields");
    }
    *out = (struct cron_schedule){
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint16_t)bits[3],
        .weekdays = (uint8_t)((bits[4] & 0x7f) | (bits[4] >> 7 & 1)),
        .any_day = star[2],
        .any_weekday = star[4],
    };
    return true;
}

/* ---- the next one ---------------------------------------------------------
 */

struct date {
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
    unsigned weekday;
};

/* The proleptic Gregorian calendar, counted from the 1st of March 0000. */
static struct date date_of(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    return (struct date){
        .month = (unsigned)(mp < 10 ? mp + 3 : mp - 9),
        .day = (unsigned)(doy - (153 * mp + 2) / 5 + 1),
        .weekday = (unsigned)(((days % 7) + 11) % 7),
    };
}

static bool has_day(const struct cron_schedule *s, int64_t days)
{
    struct date d = date_of(days);
    bool day = (s->days >> d.day & 1) != 0;
    bool weekday = (s->weekdays >> d.weekday & 1) != 0;
    if ((s->months >> d.month & 1) == 0) {
        return false;
    }
    /* A star with a step still restricts, but only together. */
    return s->any_day || s->any_weekday ? day && weekday : day || weekday;
}

/* The first fitting minute of this local day after `after`; 0: none. */
static int64_t next_of_day(const struct cron_schedule *s, const char *zone,
                           int64_t day, int64_t after)
{
    int64_t here = zone_local(zone, after);
    for (int64_t m = 0; m < 24 * 60; m++) {
        int64_t local = day * DAY + m * MINUTE;
        if (local + MINUTE <= here || (s->hours >> (m / 60) & 1) == 0 ||
            (s->minutes >> (m % 60) & 1) == 0) {
            continue;
        }
        int64_t utc = zone_utc(zone, local);
        if (utc > after) {
            return utc;
        }
    }
    return 0;
}

int64_t cron_next(const struct cron_schedule *s, const char *zone,
                  int64_t after_us)
{
    must(s != NULL && zone != NULL && after_us >= 0);
    int64_t after = after_us / US;
    int64_t day = zone_local(zone, after) / DAY;
    for (int64_t i = 0; i < DAYS_MAX; i++, day++) {
        int64_t next = has_day(s, day) ? next_of_day(s, zone, day, after) : 0;
        if (next > 0) {
            return next * US;
        }
    }
    return 0;
}
