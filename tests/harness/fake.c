/* SPDX-License-Identifier: Apache-2.0 */
/* fake.c: time and randomness under the test's control; see fake.h. */
#include "tests/harness/fake.h"

#include <stdatomic.h>

#include "common/clock.h"
#include "common/id.h"

static _Atomic int64_t mono_ns;
static _Atomic int64_t wall_us;
static _Atomic uint8_t next_byte;

static int64_t read_mono(void *arg)
{
    (void)arg;
    return atomic_load(&mono_ns);
}

static int64_t read_wall(void *arg)
{
    (void)arg;
    return atomic_load(&wall_us);
}

void fake_clock(void)
{
    static const struct clock_source source = {.mono_ns = read_mono,
                                               .wall_us = read_wall};
    atomic_store(&mono_ns, FAKE_MONO_MS * 1000000);
    atomic_store(&wall_us, FAKE_WALL_US);
    clock_source_set(&source);
    id_order_reset();
}

void fake_clock_advance_ms(int64_t ms)
{
    fake_clock_advance_us(ms * 1000);
}

void fake_clock_advance_us(int64_t us)
{
    must(us >= 0);
    atomic_fetch_add(&mono_ns, us * 1000);
    atomic_fetch_add(&wall_us, us);
}

void fake_clock_wall_set(int64_t us)
{
    atomic_store(&wall_us, us);
}

static void count_up(void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++) {
        p[i] = atomic_fetch_add(&next_byte, 1);
    }
}

void fake_random(uint8_t start)
{
    atomic_store(&next_byte, start);
    id_random_set(count_up);
}

void fake_end(void)
{
    clock_source_set(NULL);
    id_random_set(NULL);
    id_order_reset();
}
