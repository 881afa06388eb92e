/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.h: unit tests. A test is
 *
 *     TEST(buf_keeps_its_cap)
 *     {
 *         EXPECT_EQ(b.len, 4);
 *     }
 *
 * in tests/unit/test_X.c; it is found without a list. Each runs in a process
 * of its own with a time limit, so one that crashes or hangs is one failure.
 * An EXPECT that fails is printed and ends the test (from the test's own
 * thread; in another thread it ends the process, which counts the same).
 */
#ifndef LEAT_TESTS_HARNESS_H
#define LEAT_TESTS_HARNESS_H

#include <string.h>

#include "common/base.h"

typedef void test_fn(void);

struct test {
    const char *name;
    const char *file;
    test_fn *run;
    struct test *next;
};

void test_register(struct test *test);

#define TEST(title)                                                            \
    static void test_run_##title(void);                                        \
    __attribute__((constructor)) static void test_add_##title(void)            \
    {                                                                          \
        static struct test test = {                                            \
            .name = #title, .file = __FILE__, .run = test_run_##title};        \
        test_register(&test);                                                  \
    }                                                                          \
    static void test_run_##title(void)

/* Any condition; with values that explain it: EXPECT_MSG(x, "n=%d", n). */
#define EXPECT(x) ((x) ? (void)0 : test_failed(__FILE__, __LINE__, "%s", #x))
#define EXPECT_MSG(x, ...)                                                     \
    ((x) ? (void)0 : test_failed(__FILE__, __LINE__, __VA_ARGS__))

/* Whole numbers and enums: what it is, what it should be. */
#define EXPECT_EQ(got, want)                                                   \
    test_expect_eq(__FILE__, __LINE__, #got, (long long)(got),                 \
                   (long long)(want))
/* Text; NULL equals only NULL. */
#define EXPECT_STR(got, want)                                                  \
    test_expect_str(__FILE__, __LINE__, #got, (got), (want))
/* The first text contains the second. */
#define EXPECT_HAS(got, part)                                                  \
    test_expect_has(__FILE__, __LINE__, #got, (got), (part))
#define EXPECT_MEM(got, want, size)                                            \
    test_expect_mem(__FILE__, __LINE__, #got, (got), (want), (size))

/* Ends the test as skipped: something outside is not there. */
#define SKIP(reason) test_skip(reason)

/*
 * Waits until the condition is true, looking again every millisecond; fails
 * the test after five seconds. For what happens in another thread.
 */
#define EXPECT_SOON(x)                                                         \
    do {                                                                       \
        struct test_wait test_wait_ = test_wait_begin();                       \
        while (!(x)) {                                                         \
            test_wait_turn(&test_wait_, __FILE__, __LINE__, #x);               \
        }                                                                      \
    } while (0)

/* A file below tests/, wherever the tests are started; static memory. */
const char *test_path(const char *below_tests);
/* The bytes of a file, NUL-terminated; the caller frees. NULL if absent. */
char *test_read_file(const char *path, size_t *size) MUST_USE;
/* A fresh directory, removed with all in it after the test; static memory. */
const char *test_dir(void);

/* What the macros call. */
void test_failed(const char *file, int line, const char *fmt, ...) NORETURN
    PRINTF(3, 4);
void test_skip(const char *reason) NORETURN;
void test_expect_eq(const char *file, int line, const char *expr, long long got,
                    long long want);
void test_expect_str(const char *file, int line, const char *expr,
                     const char *got, const char *want);
void test_expect_has(const char *file, int line, const char *expr,
                     const char *got, const char *part);
void test_expect_mem(const char *file, int line, const char *expr,
                     const void *got, const void *want, size_t size);
struct test_wait {
    int64_t until_ns;
};
struct test_wait test_wait_begin(void);
void test_wait_turn(struct test_wait *wait, const char *file, int line,
                    const char *expr);

#endif
