/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.c: one atomic per counter and gauge, an array of atomics per
 * histogram, and their Prometheus text. Owns no thread and no socket: whoever
 * serves /metrics asks for the text.
 */
#include "common/stat.h"

#include <stdatomic.h>
#include <string.h>

/*
 * Buckets: four per doubling from 16 us to about two hours, so that a
 * quantile is known to a fifth. Bucket i holds what is <= edge(i); the last
 * holds the rest.
 */
#define PER_DOUBLING 4
#define FIRST_EXPONENT 4
#define LAST_EXPONENT 33
_Static_assert(STAT_BUCKETS == (LAST_EXPONENT - FIRST_EXPONENT) *
                                       PER_DOUBLING + 2,
               "from the first edge to the last, and the rest");

struct histogram {
    _Atomic int64_t buckets[STAT_BUCKETS];
    _Atomic int64_t sum_us;
};

struct row {
    const char *name;
    const char *label;
    enum stat_kind kind;
    unsigned procs;
    const char *help;
};

static const struct row rows[STAT_COUNT] = {
#define STAT(id, name, label, kind, procs, help)                               \
    [STAT_##id] = {name, label, STAT_##kind, procs, help},
#include "common/stat.tbl.h"
#undef STAT
};

/* Value of a counter or gauge, number of observations of a histogram. */
static _Atomic int64_t values[STAT_COUNT];

/* The histograms stand in one struct, so that no row number is wasted. */
#define STAT_SLOT_COUNTER(id)
#define STAT_SLOT_GAUGE(id)
#define STAT_SLOT_HISTOGRAM(id) struct histogram id;
static struct {
#define STAT(id, name, label, kind, procs, help) STAT_SLOT_##kind(id)
#include "common/stat.tbl.h"
#undef STAT
} histograms;

#define STAT_AT_COUNTER(id)
#define STAT_AT_GAUGE(id)
#define STAT_AT_HISTOGRAM(id) [STAT_##id] = &histograms.id,
static struct histogram *const histogram_of[STAT_COUNT] = {
#define STAT(id, name, label, kind, procs, help) STAT_AT_##kind(id)
#include "common/stat.tbl.h"
#undef STAT
};

static const struct row *row_of(enum stat_id id)
{
    must(id < STAT_COUNT);
    return &rows[id];
}

static void add(_Atomic int64_t *value, int64_t n)
{
    atomic_fetch_add_explicit(value, n, memory_order_relaxed);
}

static int64_t load(_Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void stat_inc(enum stat_id id)
{
    stat_add(id, 1);
}

void stat_add(enum stat_id id, int64_t n)
{
    const struct row *row = row_of(id);
    must(row->kind == STAT_GAUGE || (row->kind == STAT_COUNTER && n >= 0));
    add(&values[id], n);
}

void stat_set(enum stat_id id, int64_t value)
{
    must(row_of(id)->kind == STAT_GAUGE);
    atomic_store_explicit(&values[id], value, memory_order_relaxed);
}

int64_t stat_get(enum stat_id id)
{
    must(id < STAT_COUNT);
    return load(&values[id]);
}

/* Upper edge of a bucket: 2^e and four even steps to the next power. */
static int64_t edge(size_t bucket)
{
    size_t exponent = bucket / PER_DOUBLING + FIRST_EXPONENT;
    int64_t base = INT64_C(1) << exponent;
    return base + base * (int64_t)(bucket % PER_DOUBLING) / PER_DOUBLING;
}

static size_t bucket_of(int64_t us)
{
    if (us <= edge(0)) {
        return 0;
    }
    size_t exponent = 63 - (size_t)__builtin_clzll((unsigned long long)us);
    size_t bucket = (exponent - FIRST_EXPONENT) * PER_DOUBLING;
    while (bucket < STAT_BUCKETS - 1 && edge(bucket) < us) {
        bucket++;
    }
    return min_size(bucket, STAT_BUCKETS - 1);
}

void stat_observe_us(enum stat_id id, int64_t us)
{
    must(row_of(id)->kind == STAT_HISTOGRAM);
    struct histogram *h = histogram_of[id];
    int64_t value = max_i64(us, 0);
    add(&h->buckets[bucket_of(value)], 1);
    add(&h->sum_us, value);
    add(&values[id], 1);
}

int64_t stat_quantile_us(enum stat_id id, double q)
{
    must(row_of(id)->kind == STAT_HISTOGRAM);
    must(q >= 0 && q <= 1);
    struct histogram *h = histogram_of[id];
    double wanted = q * (double)load(&values[id]);
    int64_t seen = 0;
    for (size_t i = 0; i < STAT_BUCKETS; i++) {
        int64_t n = load(&h->buckets[i]);
        seen += n;
        if (n > 0 && (double)seen >= wanted) {
            return edge(i);
        }
    }
    return 0;
}

static bool render_head(struct buf *out, const struct row *row)
{
    static const char *const types[] = {[STAT_COUNTER] = "counter",
                                        [STAT_GAUGE] = "gauge",
                                        [STAT_HISTOGRAM] = "histogram"};
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help,
                      row->name, types[row->kind]);
}

static bool render_value(struct buf *out, enum stat_id id)
{
    const struct row *row = &rows[id];
    const char *open = row->label[0] != '\0' ? "{" : "";
    const char *close = row->label[0] != '\0' ? "}" : "";
    return buf_printf(out, "%s%s%s%s %lld\n", row->name, open, row->label,
                      close, (long long)load(&values[id]));
}

/* Buckets are cumulative, and all are shown: rates need them from zero on.
 * `unit`: microseconds in one. */
static bool render_histogram(struct buf *out, const struct stat_counts *c,
                             const char *name, double unit)
{
    int64_t seen = 0;
    for (size_t i = 0; i + 1 < STAT_BUCKETS; i++) {
        seen += c->counts[i];
        if (!buf_printf(out, "%s_bucket{le=\"%.9g\"} %lld\n", name,
                        (double)edge(i) / unit, (long long)seen)) {
            return false;
        }
    }
    seen += c->counts[STAT_BUCKETS - 1];
    return buf_printf(out,
                      "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.9g\n"
                      "%s_count %lld\n",
                      name, (long long)seen, name, (double)c->sum_us / unit,
                      name, (long long)seen);
}

void stat_take(enum stat_id id, struct stat_counts *out)
{
    must(row_of(id)->kind == STAT_HISTOGRAM && out != NULL);
    struct histogram *h = histogram_of[id];
    for (size_t i = 0; i < STAT_BUCKETS; i++) {
        out->counts[i] = load(&h->buckets[i]);
    }
    out->sum_us = load(&h->sum_us);
}

bool stat_render_ms(struct buf *out, const struct stat_counts *c,
                    const char *name)
{
    must(out != NULL && c != NULL);
    const struct row row = {.name = name,
                            .kind = STAT_HISTOGRAM,
                            .help = "In milliseconds."};
    return render_head(out, &row) && render_histogram(out, c, name, 1e3);
}

static bool render_row(struct buf *out, enum stat_id id)
{
    if (rows[id].kind != STAT_HISTOGRAM) {
        return render_value(out, id);
    }
    struct stat_counts counts;
    stat_take(id, &counts);
    return render_histogram(out, &counts, rows[id].name, 1e6);
}

bool stat_render(struct buf *out, unsigned procs)
{
    must(out != NULL);
    const char *previous = "";
    for (size_t i = 0; i < STAT_COUNT; i++) {
        enum stat_id id = (enum stat_id)i;
        if ((rows[id].procs & procs) == 0) {
            continue;
        }
        bool first = strcmp(previous, rows[id].name) != 0;
        previous = rows[id].name;
        if (first && !render_head(out, &rows[id])) {
            return false;
        }
        if (!render_row(out, id)) {
            return false;
        }
    }
    return true;
}

void stat_reset(void)
{
    for (size_t i = 0; i < STAT_COUNT; i++) {
        atomic_store(&values[i], 0);
        struct histogram *h = histogram_of[i];
        if (h == NULL) {
            continue;
        }
        atomic_store(&h->sum_us, 0);
        for (size_t j = 0; j < STAT_BUCKETS; j++) {
            atomic_store(&h->buckets[j], 0);
        }
    }
}
