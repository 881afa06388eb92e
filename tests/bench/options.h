/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of the load client: one table gives the parsing, the
 * defaults and the text of --help.
 */
#ifndef LEAT_BENCH_OPTIONS_H
#define LEAT_BENCH_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *base, *test, *assistant, *via, *api_key;
    uint64_t clients, seconds, warmup, n, streams, runs, pid, sources, patience;
    bool self_test, help;
};

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG };

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
    const char *fallback;
    uint64_t max; /* numbers only */
    const char *meaning;
};

#define ROW(name, kind, field, fallback, max, meaning)                         \
    {                                                                          \
        "--" name, kind, offsetof(struct options, field), fallback, max,       \
            meaning                                                            \
    }

static const struct option_row option_rows[] = {
    ROW("base", OPTION_TEXT, base, "http://127.0.0.1:8123", 0,
        "URL of the server under load"),
    ROW("test", OPTION_TEXT, test, "", 0, "which test; one of the list above"),
    ROW("assistant", OPTION_TEXT, assistant, "trivial", 0,
        "trivial or chain10, for runs, first and thread"),
    ROW("via", OPTION_TEXT, via, "stream", 0, "stream or wait, for thread"),
    ROW("api-key", OPTION_TEXT, api_key, "", 0, "sent as x-api-key"),
    ROW("clients", OPTION_NUMBER, clients, "16", 4096,
        "requests at a time, for runs, thread and tokens"),
    ROW("seconds", OPTION_NUMBER, seconds, "5", 3600,
        "length of the measured part; of the quiet part of idle"),
    ROW("warmup", OPTION_NUMBER, warmup, "1", 600,
        "seconds before the measured part"),
    ROW("n", OPTION_NUMBER, n, "400000", 1u << 26,
        "events of each stream, for events"),
    ROW("streams", OPTION_NUMBER, streams, "1", 60000,
        "streams at a time, for events and idle"),
    ROW("runs", OPTION_NUMBER, runs, "4", 64, "sleeping runs, for idle"),
    ROW("pid", OPTION_NUMBER, pid, "0", 1u << 30,
        "process whose memory and processor time are read, for idle"),
    ROW("sources", OPTION_NUMBER, sources, "8", 200,
        "source addresses 127.0.0.1.. to come from; 0: the system's choice"),
    ROW("patience", OPTION_NUMBER, patience, "30", 3600,
        "seconds without any progress after which to give up"),
    ROW("self-test", OPTION_FLAG, self_test, "", 0,
        "check this program's parsers and counters; needs no server"),
    ROW("help", OPTION_FLAG, help, "", 0, "print this"),
};

#undef ROW

#define OPTION_ROWS (sizeof(option_rows) / sizeof(option_rows[0]))

static bool options_set(struct options *options, const struct option_row *row,
                        const char *value)
{
    char *field = (char *)options + row->offset;
    if (row->kind == OPTION_FLAG) {
        *(bool *)(void *)field = true;
        return true;
    }
    if (row->kind == OPTION_TEXT) {
        *(const char **)(void *)field = value;
        return true;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || *value == '-' ||
        number > row->max) {
        fprintf(stderr, "load: %s wants a number up to %llu, not '%s'\n",
                row->name, (unsigned long long)row->max, value);
        return false;
    }
    *(uint64_t *)(void *)field = number;
    return true;
}

static const struct option_row *options_find(const char *name)
{
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        if (strcmp(option_rows[i].name, name) == 0) {
            return &option_rows[i];
        }
    }
    fprintf(stderr, "load: unknown option '%s'; see --help\n", name);
    return NULL;
}

/* False after a complaint on standard error. */
static bool options_parse(struct options *options, int argc, char **argv)
{
    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->kind != OPTION_FLAG &&
            !options_set(options, row, row->fallback)) {
            return false;
        }
    }
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = options_find(argv[i]);
        if (row == NULL) {
            return false;
        }
        const char *value = "";
        if (row->kind != OPTION_FLAG) {
            if (i + 1 >= argc) {
                fprintf(stderr, "load: %s wants a value\n", row->name);
                return false;
            }
            value = argv[++i];
        }
        if (!options_set(options, row, value)) {
            return false;
        }
    }
    return true;
}

static void options_help(void)
{
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const struct option_row *row = &option_rows[i];
        bool fallback = row->fallback[0] != '\0';
        printf("  %-12s %s%s%s%s\n", row->name, row->meaning,
               fallback ? " (" : "", row->fallback, fallback ? ")" : "");
    }
}

#endif
