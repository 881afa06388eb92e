/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h: the only place that reads the time. Monotonic time is for
 * deadlines and durations, wall time for what people and peers see. Tests
 * put their own source in place of both.
 */
#ifndef LEAT_COMMON_CLOCK_H
#define LEAT_COMMON_CLOCK_H

#include "common/base.h"

int64_t clock_mono_ns(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_us(void); /* since 1970-01-01T00:00:00Z */
int64_t clock_wall_ms(void);

/* "2026-01-02T03:04:05.678901+00:00" and its NUL. */
#define CLOCK_ISO_SIZE 33

/* Writes wall time as ISO 8601 text, years 0 to 9999; returns out. */
char *clock_to_iso(int64_t wall_us, char out[CLOCK_ISO_SIZE]);

/*
 * Reads ISO 8601: date and time ('T' or a space between), fraction of up to
 * nine digits or none, "Z", "+hh:mm", "-hhmm" or nothing (UTC); a date alone
 * is its midnight. False if it is not that; *wall_us is then unchanged.
 */
MUST_USE bool clock_from_iso(const char *text, int64_t *wall_us);

/* A replacement for both clocks; called from every thread. */
struct clock_source {
    int64_t (*mono_ns)(void *arg);
    int64_t (*wall_us)(void *arg);
    void *arg;
};

/* Installs a source that must outlive its use; NULL brings the system's. */
void clock_source_set(const struct clock_source *source);

#endif
