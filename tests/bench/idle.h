/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of idle readers: a few runs that sleep, each joined by many
 * streams. It reads the server process's memory before, with all streams open
 * and after, and its processor time while nothing happens; then it cancels
 * the runs, and every reader must see its stream end in order.
 */
#ifndef LEAT_BENCH_IDLE_H
#define LEAT_BENCH_IDLE_H

#include "tests/bench/drive.h"
#include "tests/bench/loop.h"
#include "tests/bench/options.h"

#define IDLE_RUNS_MAX 64u
#define IDLE_SLEEP_MS 600000u /* far longer than the test */
#define IDLE_OPENING 128u     /* connections without an answer at a time */
#define IDLE_STALL_NS (250u * NS_PER_MS)
#define IDLE_POLL_MS 10

struct idle_run {
    char thread[LOOP_ID_BYTES];
    char run[LOOP_ID_BYTES];
};

struct idle {
    const struct options *options;
    struct idle_run runs[IDLE_RUNS_MAX];
    uint32_t next;    /* connection to open next */
    uint32_t heads;   /* answers whose head has come */
    uint64_t head_ns; /* when the last one came, or the last were opened */
    uint64_t ended;   /* readers that saw the end in order */
};

/* ---- the sleeping runs ---- */

static bool idle_make_run(struct peer *peer, struct idle_run *run)
{
    struct text answer;
    char path[128];
    char body[128];
    if (!loop_make_thread(peer, run->thread)) {
        return false;
    }
    snprintf(path, sizeof(path), "/threads/%s/runs", run->thread);
    snprintf(body, sizeof(body),
             "{\"assistant_id\":\"sleeper\",\"input\":{\"ms\":%u},"
             "\"stream_mode\":[\"values\",\"custom\"]}",
             IDLE_SLEEP_MS);
    int status = peer_call(peer, (struct request){"POST", path, body}, &answer);
    bool good = status == 200 &&
                text_member(&answer, "run_id", run->run, LOOP_ID_BYTES);
    if (!good) {
        fprintf(stderr, "load: POST %s: status %d, body: %.200s\n", path,
                status, answer.bytes);
    }
    return good;
}

/* Asks until the run is under way. */
static bool idle_await_running(struct peer *peer, const struct idle_run *run,
                               unsigned patience_s)
{
    uint64_t end_ns = measure_now_ns() + (uint64_t)patience_s * NS_PER_S;
    char path[192];
    char status[32];
    struct text answer;
    snprintf(path, sizeof(path), "/threads/%s/runs/%s", run->thread, run->run);
    while (measure_now_ns() < end_ns) {
        int code =
            peer_call(peer, (struct request){"GET", path, NULL}, &answer);
        if (code == 200 &&
            text_member(&answer, "status", status, sizeof(status)) &&
            strcmp(status, "running") == 0) {
            return true;
        }
        poll(NULL, 0, IDLE_POLL_MS);
    }
    fprintf(stderr, "load: GET %s: never running: %.300s\n", path,
            answer.bytes);
    return false;
}

static bool idle_make_runs(struct idle *idle, struct peer *peer)
{
    for (uint64_t i = 0; i < idle->options->runs; i++) {
        if (!idle_make_run(peer, &idle->runs[i]) ||
            !idle_await_running(peer, &idle->runs[i],
                                (unsigned)idle->options->patience)) {
            return false;
        }
    }
    return true;
}

static bool idle_cancel_runs(struct idle *idle, struct peer *peer)
{
    bool good = true;
    for (uint64_t i = 0; i < idle->options->runs; i++) {
        struct text answer;
        char path[192];
        const struct idle_run *run = &idle->runs[i];
        snprintf(path, sizeof(path), "/threads/%s/runs/%s/cancel", run->thread,
                 run->run);
        int status =
            peer_call(peer, (struct request){"POST", path, "{}"}, &answer);
        if (status < 200 || status > 299) {
            fprintf(stderr, "load: POST %s: status %d, body: %.200s\n", path,
                    status, answer.bytes);
            good = false;
        }
    }
    return good;
}

/* ---- the plan of a reader ---- */

static const struct idle_run *idle_run_of(const struct idle *idle,
                                          const struct conn *conn)
{
    return &idle->runs[conn->index % idle->options->runs];
}

static bool idle_ask(struct drive *drive, struct conn *conn, struct text *out)
{
    struct idle *idle = drive->test;
    const struct idle_run *run = idle_run_of(idle, conn);
    char path[192];
    if (conn->started_ns != 0) {
        return false; /* one join per connection */
    }
    if (!check_begin(&conn->check, CHECK_READER, 0)) {
        return false;
    }
    snprintf(path, sizeof(path), "/threads/%s/runs/%s/stream", run->thread,
             run->run);
    peer_compose(drive->peer, (struct request){"GET", path, NULL}, out);
    return true;
}

static void idle_open_next(struct idle *idle, struct drive *drive)
{
    if (idle->next < drive->conns_len) {
        drive_begin(drive, &drive->conns[idle->next++]);
    }
}

static void idle_on_head(struct drive *drive, struct conn *conn)
{
    struct idle *idle = drive->test;
    (void)conn;
    idle->heads++;
    idle->head_ns = drive->now_ns;
    idle_open_next(idle, drive);
}

static void idle_on_answer(struct drive *drive, struct conn *conn)
{
    struct idle *idle = drive->test;
    (void)conn;
    idle->ended++;
}

/* ---- the phases ---- */

/*
 * Opens all streams, a limited number at a time. A server that keeps back the
 * head until there is an event stalls that; then more are opened anyway.
 */
static void idle_open(struct idle *idle, struct drive *drive)
{
    uint64_t end_ns =
        measure_now_ns() + idle->options->patience * (uint64_t)NS_PER_S;
    while (idle->heads < drive->conns_len && measure_now_ns() < end_ns) {
        uint64_t silent_ns = measure_now_ns() - idle->head_ns;
        if (idle->next < drive->conns_len && silent_ns > IDLE_STALL_NS) {
            for (uint32_t i = 0; i < IDLE_OPENING; i++) {
                idle_open_next(idle, drive);
            }
            idle->head_ns = measure_now_ns();
        }
        drive_turn(drive, DRIVE_WAIT_MS);
    }
}

/* Memory and processor time over the quiet part. */
static void idle_hold(struct idle *idle, struct drive *drive,
                      struct report *report, uint64_t rss_before_kb)
{
    long pid = (long)idle->options->pid;
    uint64_t begin_ns = measure_now_ns();
    double cpu_s = measure_cpu_s(pid);
    drive_until(drive, begin_ns + idle->options->seconds * NS_PER_S);
    double seconds = (double)(measure_now_ns() - begin_ns) / NS_PER_S;
    cpu_s = measure_cpu_s(pid) - cpu_s;
    uint64_t rss_kb = measure_rss_kb(pid);
    uint64_t grown = rss_kb > rss_before_kb ? rss_kb - rss_before_kb : 0;
    report_int(report, "rss_before_kb", rss_before_kb);
    report_int(report, "rss_open_kb", rss_kb);
    report_int(report, "rss_growth_kb", grown);
    if (idle->heads > 0) {
        report_real(report, "bytes_per_stream",
                    (double)grown * 1024 / idle->heads);
    }
    report_real(report, "cpu_percent", cpu_s / seconds * 100);
}

static bool idle_measure(struct idle *idle, struct drive *drive,
                         struct report *report)
{
    long pid = (long)idle->options->pid;
    uint64_t rss_kb = measure_rss_kb(pid);
    uint64_t begin_ns = measure_now_ns();
    idle_open(idle, drive);
    report_int(report, "streams", drive->conns_len);
    report_int(report, "opened", idle->heads);
    report_real(report, "open_s",
                (double)(measure_now_ns() - begin_ns) / NS_PER_S);
    idle_hold(idle, drive, report, rss_kb);
    if (!idle_cancel_runs(idle, drive->peer)) {
        return false;
    }
    drive_drain(drive, (unsigned)idle->options->patience);
    report_int(report, "ended_in_order", idle->ended);
    report_int(report, "rss_closed_kb", measure_rss_kb(pid));
    return true;
}

static bool idle_test(const struct options *options, struct drive *drive,
                      struct report *report)
{
    static const struct plan plan = {
        .ask = idle_ask, .on_answer = idle_on_answer, .on_head = idle_on_head};
    struct idle idle = {.options = options};
    if (options->runs == 0 || !idle_make_runs(&idle, drive->peer)) {
        return false;
    }
    drive->test = &idle;
    if (!drive_init(drive, &plan, (uint32_t)options->streams)) {
        return false;
    }
    bool good = idle_measure(&idle, drive, report);
    drive_fini(drive);
    return good;
}

#endif
