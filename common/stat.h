/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.h: the numbers an operator might watch, one row each in stat.tbl.h.
 * Counters and gauges are single atomics; histograms take microseconds into
 * buckets of four per doubling and are shown in seconds. Safe from any
 * thread; a reader may see one number newer than another.
 */
#ifndef LEAT_COMMON_STAT_H
#define LEAT_COMMON_STAT_H

#include "common/buf.h"

enum stat_id {
#define STAT(id, name, label, kind, procs, help) STAT_##id,
#include "common/stat.tbl.h"
#undef STAT
    STAT_COUNT
};

enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_HISTOGRAM };

/* Counters and gauges. A counter never goes down. */
void stat_inc(enum stat_id id);
void stat_add(enum stat_id id, int64_t n);
/* Gauges only. */
void stat_set(enum stat_id id, int64_t value);
/* The value; of a histogram the number of observations. */
int64_t stat_get(enum stat_id id);

/* Histograms: one duration; negative ones count as 0. */
void stat_observe_us(enum stat_id id, int64_t us);
/* Upper edge of the bucket that holds quantile q (0 to 1); 0 when empty. */
int64_t stat_quantile_us(enum stat_id id, double q);

/* A histogram as numbers: what one program counts, another may show. */
#define STAT_BUCKETS 118
struct stat_counts {
    int64_t counts[STAT_BUCKETS]; /* not cumulative */
    int64_t sum_us;
};
void stat_take(enum stat_id id, struct stat_counts *out);
/* Its Prometheus text under any name, in milliseconds. */
MUST_USE bool stat_render_ms(struct buf *out, const struct stat_counts *c,
                             const char *name);
/* Prometheus text of the rows of these programs; false at the buffer's cap. */
MUST_USE bool stat_render(struct buf *out, unsigned procs);

/* All zero again (tests). */
void stat_reset(void);

#endif
