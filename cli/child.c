/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c: fork, exec, pipe and reap of one child. Knows nothing of the other
 * children nor of when one should run.
 */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/proc.h"

#define LINE_MAX_BYTES 8192

void cli_child_init(struct cli_child *child, const char *kind,
                    const char *program)
{
    must(child != NULL);
    must(kind != NULL && program != NULL);
    *child = (struct cli_child){
        .kind = kind, .state = CHILD_DOWN, .pid_fd = -1, .out_fd = -1};
    child->program = base_strdup(program);
    buf_init(&child->line, LINE_MAX_BYTES);
    cli_words_add(&child->args, "leat-%s", kind);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void cli_child_fini(struct cli_child *child)
{
    must(child != NULL);
    must(!cli_child_runs(child));
    close_fd(&child->out_fd);
    close_fd(&child->pid_fd);
    buf_fini(&child->line);
    cli_words_fini(&child->args);
    cli_words_fini(&child->env);
    free(child->program);
    child->program = NULL;
}

/* In the forked process: becomes the program or ends. */
static void become(const struct cli_child *child, int out,
                   pid_t parent) NORETURN;
static void become(const struct cli_child *child, int out, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0) {
        _exit(1);
    }
    for (size_t i = 0; i < child->env.n; i++) {
        putenv(child->env.list[i]);
    }
    /* The options it names are in the environment already. */
    unsetenv("LEAT_CONFIG");
    unsetenv("NOTIFY_SOCKET");
    execv(child->program, child->args.list);
    log_error("child.exec", "kind=%s program=%s error=%s", child->kind,
              LOG_Q(child->program), LOG_Q(strerror(errno)));
    _exit(127);
}

bool cli_child_start(struct cli_child *child, struct err *err)
{
    must(child != NULL && child->state == CHILD_DOWN);
    must(child->pid_fd < 0 && child->out_fd < 0);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(err, ERR_IO, "pipe: %s", strerror(errno));
    }
    /* A signal for the child must not meet our handlers in it. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        proc_signals_restore();
        sigprocmask(SIG_SETMASK, &before, NULL);
        become(child, ends[1], parent);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return err_set(err, ERR_IO, "fork: %s", strerror(errno));
    }
    child->pid = pid;
    child->out_fd = ends[0];
    child->pid_fd = pidfd_open(pid, 0);
    must(child->pid_fd >= 0);
    fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
    buf_reset(&child->line);
    child->state = CHILD_STARTING;
    log_info("child.started", "kind=%s pid=%d", child->kind, (int)pid);
    return true;
}

static void on_line(struct cli_child *child)
{
    const char *text = buf_text(&child->line);
    if (child->state == CHILD_STARTING && strncmp(text, "ready ", 6) == 0) {
        child->state = CHILD_READY;
        child->failures = 0;
        log_info("child.ready", "kind=%s pid=%d addr=%s", child->kind,
                 (int)child->pid, LOG_Q(text + 6));
    } else {
        fprintf(stderr, "%s: %s\n", child->kind, text);
    }
    buf_reset(&child->line);
}

void cli_child_read(struct cli_child *child)
{
    must(child != NULL);
    char bytes[4096];
    while (child->out_fd >= 0) {
        ssize_t n = read(child->out_fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close_fd(&child->out_fd);
            if (child->line.len > 0) {
                on_line(child);
            }
        }
        if (n <= 0) {
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            /* A line that never ends is shown in pieces. */
            if (bytes[i] == '\n' || !buf_putc(&child->line, bytes[i])) {
                on_line(child);
            }
        }
    }
}

bool cli_child_reap(struct cli_child *child, int *status)
{
    must(child != NULL && status != NULL);
    must(cli_child_runs(child));
    pid_t pid = waitpid(child->pid, status, WNOHANG);
    if (pid == 0) {
        return false;
    }
    must(pid == child->pid);
    cli_child_read(child);
    close_fd(&child->out_fd);
    close_fd(&child->pid_fd);
    return true;
}

void cli_child_signal(const struct cli_child *child, int signal)
{
    must(child != NULL);
    if (cli_child_runs(child)) {
        kill(child->pid, signal);
    }
}

bool cli_child_runs(const struct cli_child *child)
{
    must(child != NULL);
    return child->state == CHILD_STARTING || child->state == CHILD_READY;
}
