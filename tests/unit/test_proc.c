/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/proc.h"
#include "tests/harness/harness.h"

static const struct proc_spec spec = {
    .name = "leat-broker", .proc = PROC_BROKER, .about = "decides when"};

static conf_t *started(void)
{
    char *argv[] = {"leat-broker", "--log-level=off"};
    int code = -1;
    conf_t *conf = proc_start(&spec, 2, argv, &code);
    EXPECT(conf != NULL);
    EXPECT_EQ(code, 0);
    return conf;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* Standard output or error of a function, as text in static memory. */
static const char *captured(int stream, void (*run)(void))
{
    static char text[32768];
    FILE *file = tmpfile();
    EXPECT(file != NULL);
    fflush(stdout);
    int kept = dup(stream);
    dup2(fileno(file), stream);
    run();
    fflush(stdout);
    dup2(kept, stream);
    close(kept);
    rewind(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

TEST(proc_term_fd_stays_readable)
{
    conf_t *conf = started();
    EXPECT(!proc_term_asked());
    EXPECT(!readable(proc_term_fd()));
    raise(SIGTERM);
    EXPECT(proc_term_asked());
    EXPECT(readable(proc_term_fd()));
    EXPECT(readable(proc_term_fd()));
    conf_destroy(&conf);
}

TEST(proc_survives_pipe_and_hangup)
{
    conf_t *conf = started();
    raise(SIGPIPE);
    raise(SIGHUP);
    EXPECT(!proc_term_asked());
    conf_destroy(&conf);
}

TEST(proc_second_signal_ends_at_once)
{
    pid_t child = fork();
    if (child == 0) {
        conf_t *conf = started();
        raise(SIGINT);
        raise(SIGINT);
        conf_destroy(&conf);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 130);
}

TEST(proc_takes_all_files_it_may)
{
    conf_t *conf = started();
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
    conf_destroy(&conf);
}

static void start_wrongly(void)
{
    char *argv[] = {"leat-broker", "--nonsense"};
    int code = 0;
    EXPECT(proc_start(&spec, 2, argv, &code) == NULL);
    EXPECT_EQ(code, 2);
}

TEST(proc_refuses_a_wrong_option)
{
    EXPECT_STR(captured(STDERR_FILENO, start_wrongly),
               "leat-broker: unknown option --nonsense (try leat-broker "
               "--help)\n");
}

static void ask_help(void)
{
    char *argv[] = {"leat-broker", "--help"};
    int code = 1;
    EXPECT(proc_start(&spec, 2, argv, &code) == NULL);
    EXPECT_EQ(code, 0);
}

static void ask_version(void)
{
    char *argv[] = {"leat-broker", "--version"};
    int code = 1;
    EXPECT(proc_start(&spec, 2, argv, &code) == NULL);
    EXPECT_EQ(code, 0);
}

TEST(proc_prints_help_and_version)
{
    const char *help = captured(STDOUT_FILENO, ask_help);
    EXPECT_HAS(help, "leat-broker: decides when\n");
    EXPECT_HAS(help, "usage: leat-broker [OPTION]...\n");
    EXPECT_HAS(help, "--listen TEXT\n");
    EXPECT_STR(captured(STDOUT_FILENO, ask_version),
               "leat-broker " LEAT_VERSION "\n");
}

static void say_ready(void)
{
    proc_ready("tcp://127.0.0.1:7410");
}

TEST(proc_ready_is_one_line)
{
    conf_t *conf = started();
    EXPECT_STR(captured(STDOUT_FILENO, say_ready),
               "ready tcp://127.0.0.1:7410\n");
    conf_destroy(&conf);
}

TEST(proc_ready_tells_the_service_manager)
{
    conf_t *conf = started();
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", test_dir());
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    captured(STDOUT_FILENO, say_ready);
    char got[32];
    ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
    EXPECT_EQ(n, 7);
    EXPECT_MEM(got, "READY=1", 7);
    conf_destroy(&conf);
}

static int last_status;

static void break_a_promise(void)
{
    pid_t child = fork();
    if (child == 0) {
        conf_t *conf = started();
        must(conf == NULL);
        _exit(0);
    }
    waitpid(child, &last_status, 0);
}

TEST(proc_panic_tells_where_and_dies_of_the_signal)
{
    const char *text = captured(STDERR_FILENO, break_a_promise);
    EXPECT(WIFSIGNALED(last_status));
    EXPECT_EQ(WTERMSIG(last_status), SIGABRT);
    EXPECT_HAS(text, "test_proc.c:");
    EXPECT_HAS(text, "must hold: conf == NULL");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_HAS(text, "panic: aborted; backtrace:\n");
#endif
}

static void fail_to_start(void)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_IO, "port 8123 is in use");
    EXPECT_EQ(proc_failed(&err), 1);
}

TEST(proc_failed_logs_why)
{
    conf_t *conf = started();
    log_level_set(LOG_LEVEL_INFO);
    EXPECT_HAS(captured(STDERR_FILENO, fail_to_start),
               " error proc.failed code=io error=\"port 8123 is in use\" "
               "who=broker/");
    conf_destroy(&conf);
}
