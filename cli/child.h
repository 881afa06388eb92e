/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h: one child process of leat dev: how it is started, what it says on
 * its standard output, and how it ended. It does not decide when.
 */
#ifndef LEAT_CLI_CHILD_H
#define LEAT_CLI_CHILD_H

#include <sys/types.h>

#include "cli/words.h"
#include "common/buf.h"
#include "common/err.h"

enum cli_child_state {
    CHILD_DOWN,     /* not running; to be started at due_ms */
    CHILD_STARTING, /* running, has not said ready */
    CHILD_READY,
    CHILD_ENDED /* not running and not to be started again */
};

struct cli_child {
    const char *kind;      /* "broker" "gateway" "worker" */
    char *program;         /* path of the binary */
    struct cli_words args; /* args.list[0] is the program's name */
    struct cli_words env;  /* NAME=value, put over what is inherited */
    enum cli_child_state state;
    pid_t pid;
    int pid_fd;      /* readable when the process has ended */
    int out_fd;      /* its standard output */
    struct buf line; /* what it has said of its current line */
    int failures;    /* ends in a row before it was ready */
    int64_t due_ms;  /* DOWN: when to start it, by the monotonic clock */
};

void cli_child_init(struct cli_child *child, const char *kind,
                    const char *program);
void cli_child_fini(struct cli_child *child);

/*
 * Forks and executes. The child is the leader of its own process group, so
 * that a terminal's Ctrl-C reaches leat dev alone, and dies with it.
 */
MUST_USE bool cli_child_start(struct cli_child *child, struct err *err);

/*
 * Reads what its standard output has; lines go on to standard error, the
 * first "ready ..." moves it to READY.
 */
void cli_child_read(struct cli_child *child);

/* Reaps it if it has ended: true, with the status of waitpid. */
MUST_USE bool cli_child_reap(struct cli_child *child, int *status);

/* Sends a signal if it runs. */
void cli_child_signal(const struct cli_child *child, int signal);

bool cli_child_runs(const struct cli_child *child);

#endif
