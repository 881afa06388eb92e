/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h: a clock that stands still until it is told, and randomness that
 * repeats. In force until the end of the test (which is a process) or
 * fake_end.
 */
#ifndef LEAT_TESTS_FAKE_H
#define LEAT_TESTS_FAKE_H

#include "common/base.h"

/* Where the fake wall clock starts: 2026-01-02T03:04:05.678901Z. */
#define FAKE_WALL_US INT64_C(1767323045678901)
/* Where the fake monotonic clock starts. */
#define FAKE_MONO_MS INT64_C(1000000)

void fake_clock(void);
/* Moves both clocks; the wall clock alone may also jump, back too. */
void fake_clock_advance_ms(int64_t ms);
void fake_clock_advance_us(int64_t us);
void fake_clock_wall_set(int64_t wall_us);

/* Random bytes 00 01 02 ... from the given start on. */
void fake_random(uint8_t start);

void fake_end(void);

#endif
