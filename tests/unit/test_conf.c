/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf.h"
#include "tests/harness/harness.h"

static struct err err;

/* Loads a command line given as words; the program's name is put in front. */
#define LOAD(proc, ...)                                                        \
    load(proc, (char *[]){"prog", __VA_ARGS__},                                \
         (int)(sizeof((char *[]){"prog", __VA_ARGS__}) / sizeof(char *)))

static conf_t *load(unsigned proc, char **argv, int argc)
{
    conf_t *c = conf_new(proc);
    err_clear(&err);
    if (!conf_load(c, argc, argv, &err)) {
        conf_destroy(&c);
    }
    return c;
}

static const char *file_with(const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/leat.conf", test_dir());
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    fputs(text, file);
    fclose(file);
    return path;
}

TEST(conf_defaults_are_the_contract)
{
    conf_t *c = conf_new(PROC_BROKER);
    EXPECT_STR(conf_str(c, CONF_STORE), "sqlite:./leat-data/leat.db");
    EXPECT_EQ(conf_int(c, CONF_PORT), 8123);
    EXPECT_EQ(conf_int(c, CONF_SLOTS), 64);
    EXPECT_EQ(conf_ms(c, CONF_EVENT_LOG_TTL), 24 * 3600 * 1000);
    EXPECT_EQ(conf_bytes(c, CONF_EVENT_LOG_BYTES), 64 << 20);
    EXPECT_EQ(conf_bytes(c, CONF_EVENT_LOG_TOTAL_BYTES), INT64_C(4) << 30);
    EXPECT_EQ(conf_ms(c, CONF_STATELESS_LOG_TTL), 120000);
    EXPECT_EQ(conf_bytes(c, CONF_BODY_BYTES), 300 << 20);
    EXPECT(conf_is(c, CONF_COMMIT, "fsync"));
    EXPECT(!conf_bool(c, CONF_ALLOW_TRUNCATE));
    EXPECT(!conf_was_set(c, CONF_STORE));
    size_t n;
    EXPECT_STR(conf_list(c, CONF_BROKER, &n)[0], "tcp://127.0.0.1:7410");
    EXPECT_EQ(n, 1);
    EXPECT(conf_list(c, CONF_API_KEY, &n) == NULL);
    EXPECT_EQ(n, 0);
    conf_destroy(&c);
    EXPECT(c == NULL);
    conf_destroy(&c);
}

TEST(conf_reads_both_ways_of_writing_an_option)
{
    conf_t *c = LOAD(PROC_GATEWAY, "--port", "9000", "--host=0.0.0.0",
                     "--allow-truncate", "--webhook-loopback=false");
    EXPECT(c != NULL);
    EXPECT_EQ(conf_int(c, CONF_PORT), 9000);
    EXPECT_STR(conf_str(c, CONF_HOST), "0.0.0.0");
    EXPECT(conf_bool(c, CONF_ALLOW_TRUNCATE));
    EXPECT(!conf_bool(c, CONF_WEBHOOK_LOOPBACK));
    EXPECT_EQ(conf_source_of(c, CONF_WEBHOOK_LOOPBACK), CONF_FROM_FLAG);
    conf_destroy(&c);
}

TEST(conf_lists_repeat_and_split)
{
    conf_t *c = LOAD(PROC_GATEWAY, "--api-key", "a", "--api-key=b, c,,");
    size_t n;
    const char *const *keys = conf_list(c, CONF_API_KEY, &n);
    EXPECT_EQ(n, 3);
    EXPECT_STR(keys[0], "a");
    EXPECT_STR(keys[1], "b");
    EXPECT_STR(keys[2], "c");
    conf_destroy(&c);
}

TEST(conf_environment_and_its_names)
{
    setenv("LEAT_API_KEYS", "k1,k2", 1);
    setenv("LEAT_EVENT_LOG_TTL", "90m", 1);
    setenv("LEAT_PORT", "", 1);
    conf_t *c = LOAD(PROC_DEV, "--api-key", "flag");
    size_t n;
    EXPECT_STR(conf_list(c, CONF_API_KEY, &n)[0], "flag");
    EXPECT_EQ(n, 1);
    EXPECT_EQ(conf_ms(c, CONF_EVENT_LOG_TTL), 90 * 60000);
    EXPECT_EQ(conf_source_of(c, CONF_EVENT_LOG_TTL), CONF_FROM_ENV);
    EXPECT_EQ(conf_int(c, CONF_PORT), 8123);
    conf_destroy(&c);
    c = LOAD(PROC_GATEWAY, "--port=1");
    EXPECT(conf_list(c, CONF_API_KEY, &n) != NULL);
    EXPECT_EQ(n, 2);
    conf_destroy(&c);
}

TEST(conf_environment_of_other_programs_is_not_read)
{
    setenv("LEAT_MAX_ATTEMPTS", "nonsense", 1);
    conf_t *c = LOAD(PROC_WORKER, "--slots=1");
    EXPECT_MSG(c != NULL, "%s", err.text);
    conf_destroy(&c);
    c = LOAD(PROC_BROKER, "--lease=1s");
    EXPECT(c == NULL);
    EXPECT_HAS(err.text, "--max-attempts (environment): \"nonsense\" is not a "
                         "whole number");
}

TEST(conf_file_is_below_environment_and_flags)
{
    const char *path = file_with("# comment\n\n slots = 5 \nheartbeat=2s\n"
                                 "run-timeout = 1h\nlog-level=warn\n");
    setenv("LEAT_HEARTBEAT", "3s", 1);
    conf_t *c =
        LOAD(PROC_WORKER, "--config", (char *)path, "--log-level=debug");
    EXPECT_MSG(c != NULL, "%s", err.text);
    EXPECT_EQ(conf_int(c, CONF_SLOTS), 5);
    EXPECT_EQ(conf_source_of(c, CONF_SLOTS), CONF_FROM_FILE);
    EXPECT_EQ(conf_ms(c, CONF_HEARTBEAT), 3000);
    EXPECT(conf_is(c, CONF_LOG_LEVEL, "debug"));
    conf_destroy(&c);
}

static void expect_file_error(const char *text, const char *part)
{
    conf_t *c = LOAD(PROC_WORKER, "--config", (char *)file_with(text));
    EXPECT(c == NULL);
    EXPECT_HAS(err.text, part);
}

TEST(conf_file_errors_name_the_line)
{
    expect_file_error("slots=1\nslotz = 5\n",
                      "line 2: unknown option \"slotz\"");
    expect_file_error("slots\n", "line 1: expected name = value");
    expect_file_error("slots=0\n",
                      "line 1: --slots (option file): \"0\" is out "
                      "of range: 1 to 4096");
    conf_t *c = LOAD(PROC_WORKER, "--config=/nowhere/leat.conf");
    EXPECT(c == NULL);
    EXPECT_HAS(err.text, "/nowhere/leat.conf: No such file");
}

TEST(conf_unknown_options_are_clear_errors)
{
    EXPECT(LOAD(PROC_WORKER, "--slotz=1") == NULL);
    EXPECT_STR(err.text, "unknown option --slotz (try leat-worker --help)");
    EXPECT(LOAD(PROC_WORKER, "--max-attempts=1") == NULL);
    EXPECT_STR(
        err.text,
        "--max-attempts is an option of leat-broker, not of leat-worker");
    EXPECT(LOAD(PROC_WORKER, "stray") == NULL);
    EXPECT_HAS(err.text, "\"stray\" is not an option");
    EXPECT(LOAD(PROC_WORKER, "--slots") == NULL);
    EXPECT_STR(err.text, "--slots needs a value");
    EXPECT(LOAD(PROC_WORKER, "--") == NULL);
}

TEST(conf_dev_takes_the_options_of_its_children)
{
    conf_t *c = LOAD(PROC_DEV, "--workers=3", "--lease=1s", "--slots=2",
                     "--body-bytes=1MiB");
    EXPECT_MSG(c != NULL, "%s", err.text);
    EXPECT_EQ(conf_int(c, CONF_WORKERS), 3);
    EXPECT_EQ(conf_bytes(c, CONF_BODY_BYTES), 1 << 20);
    conf_destroy(&c);
    EXPECT(LOAD(PROC_BROKER, "--workers=3") == NULL);
}

static void expect_refused(const char *name, const char *value,
                           const char *part)
{
    char flag[256];
    snprintf(flag, sizeof(flag), "--%s=%s", name, value);
    conf_t *c = LOAD(PROC_DEV, flag);
    EXPECT_MSG(c == NULL, "%s to be refused", flag);
    EXPECT_HAS(err.text, part);
}

TEST(conf_values_are_checked)
{
    expect_refused("port", "x", "is not a whole number");
    expect_refused("port", "1x", "is not a whole number");
    expect_refused("port", " 1", "is not a whole number");
    expect_refused("port", "65536", "out of range: 0 to 65535");
    expect_refused("port", "99999999999999999999", "not a whole number");
    expect_refused("lease", "5", "is not a time");
    expect_refused("lease", "5 s", "is not a time");
    expect_refused("lease", "-5s", "is not a time");
    expect_refused("lease", "1ms", "out of range");
    expect_refused("lease", "9223372036854775807h", "is not a time");
    expect_refused("ring-bytes", "64MB", "is not a size");
    expect_refused("ring-bytes", "10", "out of range");
    expect_refused("commit", "fsyn", "is not one of fsync|os");
    expect_refused("commit", "", "is not one of fsync|os");
    expect_refused("allow-truncate", "maybe", "is not true or false");
    expect_refused("store", "", "out of range");
}

TEST(conf_secrets_are_not_repeated)
{
    char secret[5000];
    memset(secret, 's', sizeof(secret) - 1);
    secret[sizeof(secret) - 1] = '\0';
    conf_t *c = LOAD(PROC_GATEWAY, "--webhook-secret", secret);
    EXPECT(c == NULL);
    EXPECT_HAS(err.text, "\"(secret)\" is out of range");
    EXPECT(strstr(err.text, "sss") == NULL);
}

TEST(conf_help_and_version_stop_reading)
{
    conf_t *c = LOAD(PROC_BROKER, "--help");
    EXPECT(conf_wants_help(c));
    EXPECT(!conf_wants_version(c));
    conf_destroy(&c);
    c = LOAD(PROC_BROKER, "--version");
    EXPECT(conf_wants_version(c));
    conf_destroy(&c);
}

TEST(conf_help_shows_the_program_its_options)
{
    char text[16384] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    conf_print_help(out, PROC_BROKER);
    fclose(out);
    EXPECT_HAS(text, "  --event-log-ttl TIME\n");
    EXPECT_HAS(text, "[24h] (LEAT_EVENT_LOG_TTL)");
    EXPECT_HAS(text, "  --commit WORD\n      fsync|os: ");
    EXPECT(strstr(text, "--body-bytes") == NULL);
}

TEST(conf_rows_are_consistent)
{
    for (int i = 0; i < CONF_COUNT; i++) {
        const struct conf_row *a = conf_row((enum conf_id)i);
        EXPECT(a->procs != 0);
        EXPECT(strncmp(a->env, "LEAT_", 5) == 0);
        EXPECT(a->min <= a->max);
        EXPECT(a->help[strlen(a->help) - 1] == '.');
        for (int j = 0; j < i; j++) {
            const struct conf_row *b = conf_row((enum conf_id)j);
            EXPECT(strcmp(a->name, b->name) != 0);
            EXPECT(strcmp(a->env, b->env) != 0);
        }
    }
}

TEST(conf_units)
{
    int64_t n;
    EXPECT(conf_parse_duration("0", &n) && n == 0);
    EXPECT(conf_parse_duration("1500ms", &n) && n == 1500);
    EXPECT(conf_parse_duration("2d", &n) && n == 2 * 86400000);
    EXPECT(conf_parse_bytes("0", &n) && n == 0);
    EXPECT(conf_parse_bytes("3KiB", &n) && n == 3072);
    EXPECT(conf_parse_bytes("2gib", &n) && n == INT64_C(2) << 30);
    EXPECT(!conf_parse_bytes("1K", &n));
    EXPECT(!conf_parse_duration("", &n));
}
