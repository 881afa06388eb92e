/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load client for servers of the LangGraph Platform API: one thread, epoll,
 * nothing but libc, so that it costs little beside the server it measures. It
 * counts every event of every answer. Each test is a header of its own; this
 * file is the table of tests, the help, and the line of JSON that comes out.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/burst.h"
#include "tests/bench/drive.h"
#include "tests/bench/idle.h"
#include "tests/bench/loop.h"
#include "tests/bench/options.h"
#include "tests/bench/selftest.h"

enum exit_status { EXIT_GOOD = 0, EXIT_FAULTS = 1, EXIT_CANNOT = 2 };

struct test_row {
    const char *name;
    bool (*run)(const struct options *options, struct drive *drive,
                struct report *report);
    const char *meaning;
};

static const struct test_row test_rows[] = {
    {"runs", loop_test_runs, "stateless runs, from --clients at a time"},
    {"first", loop_test_first,
     "the same from one client: request to first event, to first data"},
    {"thread", loop_test_thread, "runs on threads, one thread per client"},
    {"tokens", loop_test_tokens, "a model's answer of 1000 tokens each"},
    {"events", burst_test, "--n custom events on each of --streams"},
    {"idle", idle_test, "--streams joined to --runs that sleep"},
};

#define TEST_ROWS (sizeof(test_rows) / sizeof(test_rows[0]))

static const char help_fields[] =
    "\nOne line of JSON comes out. All times in ms, measured from before\n"
    "connecting (or sending, on a connection that was kept).\n"
    "  test, base            what was measured\n"
    "  faults                sum of the faults below; 0 or the exit is 1\n"
    "  answers, events       complete answers, events in them\n"
    "  comments, connects    heartbeat lines, connections opened\n"
    "  client_cpu_s          processor seconds of this program\n"
    "  runs, runs_per_s      answers that ended in the measured part\n"
    "  events_per_s          runs, thread, tokens: over the measured part;\n"
    "                        events: from the first to the last of all\n"
    "  first_*               request to first event (metadata)\n"
    "  data_*                request to first event after metadata\n"
    "  end_*                 request to the end of the answer\n"
    "  stream_*              events: request to last event\n"
    "  *_p50_ms, *_p99_ms, *_max_ms, *_n    percentiles, number of samples\n"
    "  received, span_s      events: how many, first to last in seconds\n"
    "  opened, open_s        idle: streams with an answer's head, seconds\n"
    "  rss_before_kb, rss_open_kb, rss_closed_kb, rss_growth_kb\n"
    "                        idle: resident memory of --pid\n"
    "  bytes_per_stream      idle: growth by stream\n"
    "  cpu_percent           idle: processor time of --pid while quiet\n"
    "  ended_in_order        idle: readers that saw the end after the cancel\n"
    "\nFaults:\n";

static void print_help(void)
{
    puts("usage: load --test NAME [option value]...\n\nTests:");
    for (size_t i = 0; i < TEST_ROWS; i++) {
        printf("  %-12s %s\n", test_rows[i].name, test_rows[i].meaning);
    }
    puts("\nOptions (default):");
    options_help();
    fputs(help_fields, stdout);
#define X(field, meaning) printf("  %-14s %s\n", #field, meaning);
    TALLY_FAULTS(X)
#undef X
    puts("\nExit status: 0 no faults, 1 faults, 2 the test could not be run.");
}

/* A stream is a descriptor: as many as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static const struct test_row *find_test(const struct options *options)
{
    for (size_t i = 0; i < TEST_ROWS; i++) {
        if (strcmp(test_rows[i].name, options->test) == 0) {
            return &test_rows[i];
        }
    }
    fprintf(stderr, "load: no test '%s'; see --help\n", options->test);
    return NULL;
}

static bool options_sane(const struct options *options)
{
    bool via = strcmp(options->via, "stream") == 0 ||
               strcmp(options->via, "wait") == 0;
    bool sane = via && options->clients > 0 && options->streams > 0 &&
                options->seconds > 0 && options->n > 0 && options->runs > 0;
    if (!sane) {
        fputs("load: --via is stream or wait; --clients, --streams, "
              "--seconds, --n and --runs are at least 1\n",
              stderr);
    }
    return sane;
}

static void report_tally(struct report *report, const struct drive *drive)
{
    const struct tally *tally = &drive->tally;
    report_int(report, "faults", tally_faults(tally));
    report_int(report, "answers", tally->answers);
    report_int(report, "events", tally->events);
    report_int(report, "comments", tally->comments);
    report_int(report, "connects", drive->connects);
    report_real(report, "client_cpu_s", measure_cpu_s((long)getpid()));
#define X(field, meaning) report_int(report, #field, tally->field);
    TALLY_FAULTS(X)
#undef X
}

static enum exit_status run_test(const struct options *options,
                                 const struct test_row *test)
{
    struct peer peer;
    struct drive drive = {.peer = &peer};
    struct report report = {.out = stdout};
    if (!peer_init(&peer, options->base, (unsigned)options->sources)) {
        fprintf(stderr, "load: nothing answers at '%s'\n", options->base);
        return EXIT_CANNOT;
    }
    if (options->api_key[0] != '\0') {
        snprintf(peer.key_header, sizeof(peer.key_header),
                 "x-api-key: %.120s\r\n", options->api_key);
    }
    report_text(&report, "test", test->name);
    report_text(&report, "base", peer.host);
    if (!test->run(options, &drive, &report)) {
        report_end(&report);
        return EXIT_CANNOT;
    }
    report_tally(&report, &drive);
    report_end(&report);
    return tally_faults(&drive.tally) == 0 ? EXIT_GOOD : EXIT_FAULTS;
}

int main(int argc, char **argv)
{
    struct options options;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    if (!options_parse(&options, argc, argv)) {
        return EXIT_CANNOT;
    }
    if (options.help) {
        print_help();
        return EXIT_GOOD;
    }
    if (options.self_test) {
        return selftest_run();
    }
    const struct test_row *test = find_test(&options);
    if (test == NULL || !options_sane(&options)) {
        return EXIT_CANNOT;
    }
    return (int)run_test(&options, test);
}
