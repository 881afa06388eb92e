/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock, samples with their percentiles, figures of a process out of /proc,
 * and the writer of the one line of JSON that a test prints.
 */
#ifndef LEAT_BENCH_MEASURE_H
#define LEAT_BENCH_MEASURE_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

/* Enough for ten minutes at 10,000 runs/s; later ones are not kept. */
#define MEASURE_SAMPLES_MAX (6u << 20)

static uint64_t measure_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct samples {
    uint64_t *ns;
    size_t len, cap;
};

static void measure_add(struct samples *samples, uint64_t ns)
{
    if (samples->len == samples->cap) {
        size_t cap = samples->cap == 0 ? 1024 : samples->cap * 2;
        uint64_t *grown = realloc(samples->ns, cap * sizeof(*grown));
        if (cap > MEASURE_SAMPLES_MAX || grown == NULL) {
            samples->ns = grown != NULL ? grown : samples->ns;
            return;
        }
        samples->ns = grown;
        samples->cap = cap;
    }
    samples->ns[samples->len++] = ns;
}

static void measure_clear(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){NULL, 0, 0};
}

static int measure_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The smallest sample that `part` of all (0 to 1) do not exceed; sorted. */
static double measure_ms_at(const struct samples *samples, double part)
{
    assert(samples->len > 0);
    double exact = part * (double)samples->len;
    size_t rank = (size_t)exact;
    rank += exact > (double)rank ? 1 : 0;
    rank = rank == 0 ? 1 : rank;
    return (double)samples->ns[rank - 1] / NS_PER_MS;
}

/* ---- /proc ---- */

/* Resident memory in KiB, 0 when the process cannot be read. */
static uint64_t measure_rss_kb(long pid)
{
    char path[64];
    char line[256];
    uint64_t kb = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kb = strtoull(line + 6, NULL, 10);
            break;
        }
    }
    fclose(file);
    return kb;
}

/* Processor seconds used so far, 0 when the process cannot be read. */
static double measure_cpu_s(long pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    unsigned long user = 0;
    unsigned long kernel = 0;
    if (at == NULL ||
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &kernel) != 2) {
        return 0;
    }
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- the line of JSON ---- */

struct report {
    FILE *out;
    bool begun;
};

static void report_key(struct report *report, const char *key)
{
    fprintf(report->out, "%s\"%s\":", report->begun ? "," : "{", key);
    report->begun = true;
}

/* `text` is one of this program's own words: nothing to escape. */
static void report_text(struct report *report, const char *key,
                        const char *text)
{
    assert(strpbrk(text, "\"\\\n") == NULL);
    report_key(report, key);
    fprintf(report->out, "\"%s\"", text);
}

static void report_int(struct report *report, const char *key, uint64_t value)
{
    report_key(report, key);
    fprintf(report->out, "%" PRIu64, value);
}

static void report_real(struct report *report, const char *key, double value)
{
    report_key(report, key);
    fprintf(report->out, "%.3f", value);
}

/* NAME_p50_ms, NAME_p99_ms, NAME_max_ms and NAME_n; sorts the samples. */
static void report_samples(struct report *report, const char *name,
                           struct samples *samples)
{
    static const struct {
        const char *suffix;
        double part;
    } rows[] = {{"p50", 0.50}, {"p99", 0.99}, {"max", 1.0}};
    char key[64];
    if (samples->len > 0) {
        qsort(samples->ns, samples->len, sizeof(*samples->ns), measure_compare);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            snprintf(key, sizeof(key), "%s_%s_ms", name, rows[i].suffix);
            report_real(report, key, measure_ms_at(samples, rows[i].part));
        }
    }
    snprintf(key, sizeof(key), "%s_n", name);
    report_int(report, key, samples->len);
}

static void report_end(struct report *report)
{
    fputs(report->begun ? "}\n" : "{}\n", report->out);
    fflush(report->out);
}

#endif
