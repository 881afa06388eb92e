/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tests in which every client asks again as soon as it has its answer:
 * stateless runs, runs on threads, and token streams. They warm up, measure
 * for a time, then let what is under way come to its end.
 */
#ifndef LEAT_BENCH_LOOP_H
#define LEAT_BENCH_LOOP_H

#include "tests/bench/drive.h"
#include "tests/bench/options.h"

/* What the `tokens` assistant answers with. */
#define LOOP_TOKENS 1000u
#define LOOP_ID_BYTES 64

struct loop {
    const struct options *options;
    enum check_kind kind;
    uint64_t expected;              /* events, or characters, of an answer */
    char (*threads)[LOOP_ID_BYTES]; /* a thread per client, or NULL */
    uint64_t warm_ns;               /* when the measured part begins */
    uint64_t stop_ns;               /* when it ends; no new requests then */
    uint64_t next_x;
    uint64_t runs; /* answers that were complete within the measured part */
    uint64_t events_before; /* the measured part */
    struct samples first, data, end;
};

/* ---- the plan ---- */

static void loop_compose(struct loop *loop, struct conn *conn, struct text *out,
                         const struct peer *peer)
{
    char body[256];
    char path[128];
    if (loop->kind == CHECK_TOKENS) {
        snprintf(body, sizeof(body),
                 "{\"assistant_id\":\"tokens\",\"input\":{\"messages\":"
                 "[{\"role\":\"human\",\"content\":\"hi\"}]},"
                 "\"stream_mode\":\"messages-tuple\"}");
    } else {
        snprintf(body, sizeof(body),
                 "{\"assistant_id\":\"%.40s\",\"input\":{\"x\":%" PRId64
                 "},\"stream_mode\":\"values\"}",
                 loop->options->assistant, conn->check.x);
    }
    if (loop->threads != NULL) {
        snprintf(path, sizeof(path), "/threads/%s/runs/%.10s",
                 loop->threads[conn->index], loop->options->via);
    } else {
        snprintf(path, sizeof(path), "/runs/stream");
    }
    peer_compose(peer, (struct request){"POST", path, body}, out);
}

static bool loop_ask(struct drive *drive, struct conn *conn, struct text *out)
{
    struct loop *loop = drive->test;
    if (measure_now_ns() >= loop->stop_ns) {
        return false;
    }
    if (!check_begin(&conn->check, loop->kind, loop->expected)) {
        return false;
    }
    conn->check.x = (int64_t)loop->next_x++;
    loop_compose(loop, conn, out, drive->peer);
    return true;
}

/* An answer of .../wait is the last state, as JSON. */
static void loop_check_json(struct drive *drive, struct conn *conn)
{
    struct loop *loop = drive->test;
    struct sse_text body = {conn->body, conn->body_len};
    struct sse_text text = check_after_key(body, "\"x\":");
    uint64_t value = 0;
    uint64_t wanted = (uint64_t)conn->check.x + loop->expected - 1;
    if (text.at == NULL || !check_take_u64(&text, &value)) {
        drive->tally.malformed++;
        drive_complain(drive, conn, "no x in the answer");
    } else if (value != wanted) {
        drive->tally.wrong++;
        drive_complain(drive, conn, "wrong x in the answer");
    }
}

static void loop_on_answer(struct drive *drive, struct conn *conn)
{
    struct loop *loop = drive->test;
    uint64_t now = drive->now_ns;
    if (drive->plan->json) {
        loop_check_json(drive, conn);
    }
    if (now >= loop->warm_ns && now < loop->stop_ns) {
        loop->runs++;
    }
    if (conn->started_ns < loop->warm_ns) {
        return;
    }
    measure_add(&loop->end, now - conn->started_ns);
    if (conn->first_ns != 0) {
        measure_add(&loop->first, conn->first_ns - conn->started_ns);
    }
    if (conn->data_ns != 0) {
        measure_add(&loop->data, conn->data_ns - conn->started_ns);
    }
}

/* ---- the tests ---- */

static bool loop_make_thread(struct peer *peer, char *id)
{
    struct text answer;
    int status =
        peer_call(peer, (struct request){"POST", "/threads", "{}"}, &answer);
    bool good =
        status == 200 && text_member(&answer, "thread_id", id, LOOP_ID_BYTES);
    if (!good) {
        fprintf(stderr, "load: POST /threads: status %d, body: %.200s\n",
                status, answer.bytes);
    }
    return good;
}

static bool loop_make_threads(struct loop *loop, struct peer *peer)
{
    loop->threads = calloc(loop->options->clients, LOOP_ID_BYTES);
    if (loop->threads == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < loop->options->clients; i++) {
        if (!loop_make_thread(peer, loop->threads[i])) {
            return false;
        }
    }
    return true;
}

static void loop_measure(struct loop *loop, struct drive *drive)
{
    const struct options *options = loop->options;
    loop->warm_ns = measure_now_ns() + options->warmup * NS_PER_S;
    loop->stop_ns = loop->warm_ns + options->seconds * NS_PER_S;
    drive_start(drive);
    drive_until(drive, loop->warm_ns);
    loop->events_before = drive->tally.events;
    drive_until(drive, loop->stop_ns);
}

static void loop_report(struct loop *loop, struct report *report,
                        uint64_t events)
{
    double seconds = (double)loop->options->seconds;
    report_int(report, "clients", loop->options->clients);
    report_int(report, "seconds", loop->options->seconds);
    report_int(report, "runs", loop->runs);
    report_real(report, "runs_per_s", (double)loop->runs / seconds);
    report_real(report, "events_per_s", (double)events / seconds);
    report_samples(report, "first", &loop->first);
    report_samples(report, "data", &loop->data);
    report_samples(report, "end", &loop->end);
}

/* Runs one test of this kind. False when it could not even begin. */
static bool loop_run(struct loop *loop, struct drive *drive,
                     struct report *report)
{
    static const struct plan streams = {.ask = loop_ask,
                                        .on_answer = loop_on_answer};
    static const struct plan documents = {
        .ask = loop_ask, .on_answer = loop_on_answer, .json = true};
    const struct options *options = loop->options;
    bool json = loop->threads != NULL && strcmp(options->via, "wait") == 0;
    drive->test = loop;
    if (!drive_init(drive, json ? &documents : &streams,
                    (uint32_t)options->clients)) {
        return false;
    }
    loop_measure(loop, drive);
    uint64_t events = drive->tally.events - loop->events_before;
    drive_drain(drive, (unsigned)options->patience);
    loop_report(loop, report, events);
    drive_fini(drive);
    measure_clear(&loop->first);
    measure_clear(&loop->data);
    measure_clear(&loop->end);
    return true;
}

/* How many values events an answer of the assistant has. */
static uint64_t loop_values(const char *assistant)
{
    return strcmp(assistant, "chain10") == 0 ? 11 : 2;
}

static bool loop_test_runs(const struct options *options, struct drive *drive,
                           struct report *report)
{
    struct loop loop = {.options = options,
                        .kind = CHECK_COUNT,
                        .expected = loop_values(options->assistant)};
    return loop_run(&loop, drive, report);
}

static bool loop_test_first(const struct options *options, struct drive *drive,
                            struct report *report)
{
    struct options one = *options;
    one.clients = 1;
    return loop_test_runs(&one, drive, report);
}

static bool loop_test_tokens(const struct options *options, struct drive *drive,
                             struct report *report)
{
    struct loop loop = {
        .options = options, .kind = CHECK_TOKENS, .expected = LOOP_TOKENS};
    return loop_run(&loop, drive, report);
}

static bool loop_test_thread(const struct options *options, struct drive *drive,
                             struct report *report)
{
    struct loop loop = {.options = options,
                        .kind = CHECK_COUNT,
                        .expected = loop_values(options->assistant)};
    bool good =
        loop_make_threads(&loop, drive->peer) && loop_run(&loop, drive, report);
    free(loop.threads);
    return good;
}

#endif
