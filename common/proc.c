/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c: the beginning and the end of a process. Owns its signal handlers
 * and what it says to whoever started it; knows nothing of what it serves.
 */
#include "common/proc.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const int panic_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

static int term_fd = -1; /* an eventfd that is written once and never read */
static atomic_int term_count;

/* --- signals ----------------------------------------------------------------
 */

static void handle(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    int rc = sigaction(signal, &action, NULL);
    must(rc == 0);
}

static void on_term(int signal)
{
    (void)signal;
    int kept = errno;
    proc_term_ask();
    errno = kept;
}

/* Only what may be called from a signal handler. */
static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

/*
 * The handler was reset when it was entered, so the raise that follows ends
 * the process the way it would have ended without us.
 */
static void on_panic(int signal)
{
    void *frames[64];
    say("panic: ");
    say(signal == SIGABRT ? "aborted" : "bad memory access or instruction");
    say("; backtrace:\n");
    int n = backtrace(frames, (int)COUNT_OF(frames));
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    raise(signal);
}

static void catch_panics(void)
{
    /* A sanitizer tells more than a backtrace. */
    if (SANITIZED) {
        return;
    }
    /* The first call loads a library, which a broken process cannot. */
    void *frame[1];
    int n = backtrace(frame, 1);
    must(n >= 0);
    /* A stack that overflowed cannot hold the handler's frame. */
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    int rc = sigaltstack(&alternate, NULL);
    must(rc == 0);
    for (size_t i = 0; i < COUNT_OF(panic_signals); i++) {
        handle(panic_signals[i], on_panic,
               (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK));
    }
}

static void catch_term(void)
{
    if (term_fd < 0) {
        term_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    must(term_fd >= 0);
    handle(SIGTERM, on_term, SA_RESTART);
    handle(SIGINT, on_term, SA_RESTART);
    handle(SIGPIPE, SIG_IGN, 0);
    handle(SIGHUP, SIG_IGN, 0);
    /* CZMQ would put its own handlers over ours. */
    setenv("ZSYS_SIGHANDLER", "false", 1);
}

int proc_term_fd(void)
{
    must(term_fd >= 0);
    return term_fd;
}

bool proc_term_asked(void)
{
    return atomic_load(&term_count) > 0;
}

void proc_term_ask(void)
{
    if (atomic_fetch_add(&term_count, 1) > 0) {
        _exit(130);
    }
    uint64_t one = 1;
    ssize_t n = write(term_fd, &one, sizeof(one));
    (void)n;
}

void proc_signals_restore(void)
{
    for (size_t i = 0; i < COUNT_OF(panic_signals) && !SANITIZED; i++) {
        handle(panic_signals[i], SIG_DFL, 0);
    }
    handle(SIGTERM, SIG_DFL, 0);
    handle(SIGINT, SIG_DFL, 0);
    handle(SIGPIPE, SIG_DFL, 0);
    handle(SIGHUP, SIG_DFL, 0);
}

/* --- start ------------------------------------------------------------------
 */

/* Streams, store and sockets want many descriptors; take what is allowed. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_warn("proc.files", "error=%s", LOG_Q(strerror(errno)));
    }
}

/* Standard streams that are closed would be reused for sockets. */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            int opened = open("/dev/null", O_RDWR);
            must(opened == fd);
        }
    }
}

static void print_usage(const struct proc_spec *spec)
{
    printf("%s: %s\n\nusage: %s [OPTION]...\n\n", spec->name, spec->about,
           spec->name);
    conf_print_help(stdout, spec->proc);
}

/* "leat-broker" logs as broker, "leat dev" as dev. */
static const char *short_name(const char *name)
{
    bool ours =
        strncmp(name, "leat-", 5) == 0 || strncmp(name, "leat ", 5) == 0;
    return ours ? name + 5 : name;
}

static void set_log(const struct proc_spec *spec, const conf_t *conf)
{
    enum log_level level;
    bool known = log_level_parse(conf_str(conf, CONF_LOG_LEVEL), &level);
    must(known);
    log_level_set(level);
    log_who_set(short_name(spec->name));
}

conf_t *proc_start(const struct proc_spec *spec, int argc, char *const *argv,
                   int *exit_code)
{
    must(spec != NULL && spec->name != NULL && spec->about != NULL);
    must(exit_code != NULL);
    open_standard_streams();
    conf_t *conf = conf_new(spec->proc);
    struct err err = ERR_INIT;
    if (!conf_load(conf, argc, argv, &err) ||
        !fault_set(spec->proc, getenv("LEAT_FAULT"), &err)) {
        fprintf(stderr, "%s: %s\n", spec->name, err.text);
        conf_destroy(&conf);
        *exit_code = 2;
        return NULL;
    }
    if (conf_wants_help(conf) || conf_wants_version(conf)) {
        if (conf_wants_help(conf)) {
            print_usage(spec);
        } else {
            printf("%s %s\n", spec->name, LEAT_VERSION);
        }
        conf_destroy(&conf);
        *exit_code = 0;
        return NULL;
    }
    set_log(spec, conf);
    raise_file_limit();
    catch_term();
    catch_panics();
    stat_set(STAT_START_TIME, clock_wall_ms() / 1000);
    *exit_code = 0;
    return conf;
}

/* --- ready and failed -------------------------------------------------------
 */

/* systemd's readiness protocol: one datagram to a socket it named. */
static void notify_manager(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        !base_copy(to.sun_path, sizeof(to.sun_path), path)) {
        return;
    }
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@') {
        to.sun_path[0] = '\0'; /* the abstract namespace */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    static const char message[] = "READY=1";
    if (sendto(fd, message, sizeof(message) - 1, MSG_NOSIGNAL,
               (struct sockaddr *)&to, size) < 0) {
        log_warn("proc.notify", "error=%s", LOG_Q(strerror(errno)));
    }
    close(fd);
}

static atomic_bool ready;

void proc_ready(const char *addr)
{
    must(addr != NULL && addr[0] != '\0');
    atomic_store(&ready, true);
    printf("ready %s\n", addr);
    fflush(stdout);
    notify_manager();
    log_info("proc.ready", "addr=%s version=%s", LOG_Q(addr), LEAT_VERSION);
}

bool proc_is_ready(void)
{
    return atomic_load(&ready);
}

int proc_failed(const struct err *err)
{
    must(err != NULL && err->code != ERR_NONE);
    log_error("proc.failed", "code=%s error=%s", err_name((int)err->code),
              LOG_Q(err->text));
    return 1;
}
