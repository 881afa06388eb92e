/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of events per second: one stream, or several at once, of runs that
 * emit as fast as they can. Every event carries its number.
 */
#ifndef LEAT_BENCH_BURST_H
#define LEAT_BENCH_BURST_H

#include "tests/bench/drive.h"
#include "tests/bench/options.h"

/* The warm-up is this part of the real thing. */
#define BURST_WARM_PART 4u

struct burst {
    uint64_t n;                /* events of a stream */
    uint64_t data_ns, last_ns; /* first and last event of all streams */
    uint64_t events;           /* without metadata */
    struct samples first, stream;
};

static bool burst_ask(struct drive *drive, struct conn *conn, struct text *out)
{
    struct burst *burst = drive->test;
    char body[160];
    if (conn->started_ns != 0) {
        return false; /* one run per connection */
    }
    if (!check_begin(&conn->check, CHECK_EMIT, burst->n)) {
        return false;
    }
    snprintf(body, sizeof(body),
             "{\"assistant_id\":\"emit\",\"input\":{\"n\":%" PRIu64
             "},\"stream_mode\":\"custom\"}",
             burst->n);
    peer_compose(drive->peer, (struct request){"POST", "/runs/stream", body},
                 out);
    return true;
}

static void burst_on_answer(struct drive *drive, struct conn *conn)
{
    struct burst *burst = drive->test;
    burst->events += conn->check.got;
    if (conn->data_ns == 0) {
        return;
    }
    if (burst->data_ns == 0 || conn->data_ns < burst->data_ns) {
        burst->data_ns = conn->data_ns;
    }
    if (conn->last_ns > burst->last_ns) {
        burst->last_ns = conn->last_ns;
    }
    measure_add(&burst->first, conn->first_ns - conn->started_ns);
    measure_add(&burst->stream, conn->last_ns - conn->started_ns);
}

static bool burst_round(struct burst *burst, struct drive *drive,
                        const struct options *options)
{
    static const struct plan plan = {.ask = burst_ask,
                                     .on_answer = burst_on_answer};
    drive->test = burst;
    if (!drive_init(drive, &plan, (uint32_t)options->streams)) {
        return false;
    }
    drive_start(drive);
    drive_drain(drive, (unsigned)options->patience);
    drive_fini(drive);
    return true;
}

static void burst_report(struct burst *burst, const struct options *options,
                         struct report *report)
{
    double span_s = (double)(burst->last_ns - burst->data_ns) / NS_PER_S;
    double rate = 0;
    if (span_s > 0 && burst->events > 0) {
        rate = (double)(burst->events - 1) / span_s;
    }
    report_int(report, "streams", options->streams);
    report_int(report, "n", options->n);
    report_int(report, "received", burst->events);
    report_real(report, "span_s", span_s);
    report_real(report, "events_per_s", rate);
    report_samples(report, "first", &burst->first);
    report_samples(report, "stream", &burst->stream);
    measure_clear(&burst->first);
    measure_clear(&burst->stream);
}

static bool burst_test(const struct options *options, struct drive *drive,
                       struct report *report)
{
    struct burst warm = {.n = options->n / BURST_WARM_PART};
    struct burst burst = {.n = options->n};
    if (options->warmup > 0 && warm.n > 0) {
        bool good = burst_round(&warm, drive, options);
        measure_clear(&warm.first);
        measure_clear(&warm.stream);
        if (!good) {
            return false;
        }
    }
    if (!burst_round(&burst, drive, options)) {
        return false;
    }
    burst_report(&burst, options, report);
    return true;
}

#endif
