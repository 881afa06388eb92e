/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h: what each main() begins and ends with: options, log level, signals,
 * limits of the operating system, the ready line, and a backtrace when the
 * process breaks. It starts no threads and knows no sockets.
 */
#ifndef LEAT_COMMON_PROC_H
#define LEAT_COMMON_PROC_H

#include "common/conf.h"

struct proc_spec {
    const char *name;  /* "leat-broker" */
    unsigned proc;     /* its PROC_ bit */
    const char *about; /* one sentence for --help */
};

/*
 * Call first in main, before any thread. Reads the options (main owns the
 * result: conf_destroy), sets the log level, turns SIGTERM and SIGINT into
 * proc_term_fd (the main thread's poll may still see EINTR), keeps CZMQ from
 * catching them itself, ignores SIGPIPE and SIGHUP, raises the limit of open
 * files to what is allowed, installs the panic dump. Returns NULL when
 * the program is to end at once with *exit_code: 0 after --help or --version,
 * 2 after a wrong option (already told on standard error).
 */
conf_t *proc_start(const struct proc_spec *spec, int argc, char *const *argv,
                   int *exit_code) MUST_USE;

/*
 * Readable from the first SIGTERM or SIGINT on and for ever: loops poll it
 * and need not read it. A second signal ends the process at once, status 130.
 */
int proc_term_fd(void);
/* The same as a question; never blocks. */
bool proc_term_asked(void);
/* What the signal does, from inside (tests, fatal errors of a thread). */
void proc_term_ask(void);

/*
 * Prints "ready ADDR" on standard output and tells systemd (NOTIFY_SOCKET).
 * Call once, when the process serves.
 */
void proc_ready(const char *addr);
/* Has it been called? From any thread. */
bool proc_is_ready(void);

/* Logs why the program could not start or go on, and returns 1 for main. */
MUST_USE int proc_failed(const struct err *err);

/* Undoes what proc_start did to signals (a child before exec; tests). */
void proc_signals_restore(void);

#endif
