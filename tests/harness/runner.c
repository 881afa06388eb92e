/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c: runs the registered tests, each forked into its own process
 * group with a time limit, and prints what failed and how many passed.
 *
 * usage: unit [--list] [--no-fork] [--quiet] [--limit SECONDS] [NAME...]
 * A NAME selects tests whose file or name contains it.
 */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_SECONDS 120 /* everything takes many times longer */
#else
#define LIMIT_SECONDS 20
#endif
#define STATUS_FAILED 1
#define STATUS_SKIPPED 77

static struct options {
    bool list;
    bool no_fork;
    bool quiet;
    int limit_seconds;
    char **names;
    int n_names;
} options = {.limit_seconds = LIMIT_SECONDS};

static struct totals {
    int passed, failed, skipped;
} totals;

static struct test *tests;
static pid_t test_process; /* the one whose exit status is the verdict */
static char work_dir[64];  /* of the test that runs, "" while it has none */

static int64_t now_ns(void)
{
    /* The real clock: the one of common/ may be a fake. */
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int order(const struct test *a, const struct test *b)
{
    int by_file = strcmp(a->file, b->file);
    return by_file != 0 ? by_file : strcmp(a->name, b->name);
}

/* Kept sorted: constructors run in the linker's order, reports should not. */
void test_register(struct test *test)
{
    struct test **at = &tests;
    while (*at != NULL && order(*at, test) < 0) {
        at = &(*at)->next;
    }
    test->next = *at;
    *at = test;
}

/* --- what tests call --------------------------------------------------------
 */

static int remove_entry(const char *path, const struct stat *info, int kind,
                        struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void remove_work_dir(void)
{
    if (work_dir[0] != '\0') {
        nftw(work_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        work_dir[0] = '\0';
    }
}

static void leave(int status) NORETURN;
static void leave(int status)
{
    fflush(NULL);
    remove_work_dir();
    /* exit, not _exit: leak checks run then. */
    if (getpid() == test_process && status == 0) {
        exit(status);
    }
    _exit(status);
}

void test_failed(const char *file, int line, const char *fmt, ...)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: expected ", file, line);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    leave(STATUS_FAILED);
}

void test_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s\n", reason);
    leave(STATUS_SKIPPED);
}

void test_expect_eq(const char *file, int line, const char *expr, long long got,
                    long long want)
{
    if (got != want) {
        test_failed(file, line, "%s to be %lld, it is %lld", expr, want, got);
    }
}

static const char *or_null(const char *s)
{
    return s != NULL ? s : "(null)";
}

void test_expect_str(const char *file, int line, const char *expr,
                     const char *got, const char *want)
{
    bool same =
        got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
    if (!same) {
        test_failed(file, line, "%s to be\n  %s\nit is\n  %s", expr,
                    or_null(want), or_null(got));
    }
}

void test_expect_has(const char *file, int line, const char *expr,
                     const char *got, const char *part)
{
    must(part != NULL);
    if (got == NULL || strstr(got, part) == NULL) {
        test_failed(file, line, "%s to contain\n  %s\nit is\n  %s", expr, part,
                    or_null(got));
    }
}

void test_expect_mem(const char *file, int line, const char *expr,
                     const void *got, const void *want, size_t size)
{
    const uint8_t *a = got;
    const uint8_t *b = want;
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i]) {
            test_failed(file, line,
                        "%s to be equal; byte %zu is %02x, not %02x", expr, i,
                        a[i], b[i]);
        }
    }
}

struct test_wait test_wait_begin(void)
{
    return (struct test_wait){.until_ns = now_ns() + INT64_C(5000000000)};
}

void test_wait_turn(struct test_wait *wait, const char *file, int line,
                    const char *expr)
{
    if (now_ns() > wait->until_ns) {
        test_failed(file, line, "%s soon", expr);
    }
    poll(NULL, 0, 1);
}

const char *test_path(const char *below_tests)
{
    static _Thread_local char path[4096];
    const char *root = getenv("LEAT_SOURCE");
    snprintf(path, sizeof(path), "%s/tests/%s", root != NULL ? root : ".",
             below_tests);
    return path;
}

char *test_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    *size = 0;
    if (file == NULL) {
        return NULL;
    }
    char *bytes = base_zalloc(1);
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        bytes = base_realloc(bytes, *size + n + 1);
        memcpy(bytes + *size, chunk, n);
        *size += n;
        bytes[*size] = '\0';
    }
    fclose(file);
    return bytes;
}

const char *test_dir(void)
{
    if (work_dir[0] == '\0') {
        base_copy(work_dir, sizeof(work_dir), "/tmp/leat-unit-XXXXXX");
        must(mkdtemp(work_dir) != NULL);
    }
    return work_dir;
}

/* --- running ----------------------------------------------------------------
 */

static bool is_selected(const struct test *test)
{
    for (int i = 0; i < options.n_names; i++) {
        if (strstr(test->file, options.names[i]) != NULL ||
            strstr(test->name, options.names[i]) != NULL) {
            return true;
        }
    }
    return options.n_names == 0;
}

static void run_here(const struct test *test) NORETURN;
static void run_here(const struct test *test)
{
    test_process = getpid();
    test->run();
    leave(0);
}

/* valgrind does not know pidfd_open(): there SIGCHLD is waited for. */
static int open_pidfd(pid_t pid)
{
    static bool missing;
    int fd = missing ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    must(fd >= 0 || missing || errno == ENOSYS);
    missing = fd < 0;
    return fd;
}

static void mask_children(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    must(sigprocmask(how, &set, NULL) == 0);
}

static bool has_ended(pid_t child)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid == child;
}

static bool await_signal(pid_t child, int64_t until)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (!has_ended(child)) {
        int64_t left = until - now_ns();
        if (left <= 0) {
            return false;
        }
        const struct timespec wait = {(time_t)(left / 1000000000),
                                      (long)(left % 1000000000)};
        (void)sigtimedwait(&set, NULL, &wait);
    }
    return true;
}

static bool await_end(pid_t child, int fd, int64_t until)
{
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int rc = 0;
    if (fd < 0) {
        return await_signal(child, until);
    }
    do {
        int64_t left_ms = (until - now_ns()) / 1000000;
        rc = poll(&ended, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (rc < 0 && errno == EINTR);
    return rc != 0;
}

/* Waits for the child or for the limit; true and *status when it ended. */
static bool wait_limited(pid_t child, int *status)
{
    int fd = open_pidfd(child);
    int64_t until = now_ns() + (int64_t)options.limit_seconds * 1000000000;
    bool ended = await_end(child, fd, until);
    if (!ended) {
        kill(-child, SIGABRT);
        (void)await_end(child, fd, now_ns() + 1000000000);
    }
    if (fd >= 0) {
        close(fd);
    }
    /* Whatever the test left running goes with it, before its id is free. */
    kill(-child, SIGKILL);
    pid_t reaped = waitpid(child, status, 0);
    must(reaped == child);
    return ended;
}

static void report(const struct test *test, const char *what, FILE *output)
{
    printf("%s %s (%s)\n", what, test->name, test->file);
    rewind(output);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), output)) > 0) {
        fwrite(chunk, 1, n, stdout);
    }
    fflush(stdout);
}

static void judge(const struct test *test, bool ended, int status, FILE *output)
{
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        totals.passed++;
        if (!options.quiet) {
            printf("ok   %s\n", test->name);
        }
        return;
    }
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) {
        totals.skipped++;
        report(test, "SKIP", output);
        return;
    }
    totals.failed++;
    report(test, "FAIL", output);
    if (!ended) {
        printf("  took longer than %d s\n", options.limit_seconds);
    } else if (WIFSIGNALED(status)) {
        printf("  ended by signal %d (%s)\n", WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    } else {
        printf("  exit status %d\n", WEXITSTATUS(status));
    }
    fflush(stdout);
}

static void run_forked(const struct test *test)
{
    FILE *output = tmpfile();
    must(output != NULL);
    fflush(NULL);
    mask_children(SIG_BLOCK);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        mask_children(SIG_UNBLOCK);
        setpgid(0, 0);
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        run_here(test);
    }
    setpgid(child, child);
    int status = 0;
    bool ended = wait_limited(child, &status);
    judge(test, ended, status, output);
    fclose(output);
}

/* In this very process, for debuggers: the first failure ends it all. */
static void run_unforked(const struct test *test)
{
    printf("run  %s\n", test->name);
    fflush(stdout);
    test_process = getpid();
    test->run();
    remove_work_dir();
    totals.passed++;
}

static void read_options(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            options.list = true;
        } else if (strcmp(argv[i], "--no-fork") == 0) {
            options.no_fork = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            options.quiet = true;
        } else if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc) {
            options.limit_seconds = max_int(atoi(argv[++i]), 1);
        } else {
            fprintf(stderr, "unit: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
    options.names = argv + i;
    options.n_names = argc - i;
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    for (const struct test *t = tests; t != NULL; t = t->next) {
        if (!is_selected(t)) {
            continue;
        }
        if (options.list) {
            printf("%s %s\n", t->file, t->name);
        } else if (options.no_fork) {
            run_unforked(t);
        } else {
            run_forked(t);
        }
    }
    if (!options.list) {
        printf("%d passed, %d failed, %d skipped\n", totals.passed,
               totals.failed, totals.skipped);
    }
    bool none = totals.passed + totals.failed + totals.skipped == 0;
    return totals.failed > 0 || (none && !options.list) ? 1 : 0;
}
