/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev.c: the loop that looks after the children of leat dev. It decides when
 * each is started, started again or stopped; how that is done is child.c's,
 * and what they are is plan.c's.
 */
#include "cli/dev.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/net.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"

/* Ends in a row before ready after which a child is given up. */
#define FAILURES_MAX 3
#define BACKOFF_FIRST_MS 100
#define PROBE_PAUSE_MS 20
/* How long a draining child may take before it is killed. */
#define DRAIN_MS 10000

struct dev {
    struct cli_plan *plan;
    bool show_pids;
    bool announced;       /* "ready" was printed */
    struct pollfd *polls; /* term fd, then two per child */
};

static struct cli_child *child_at(const struct dev *dev, size_t i)
{
    must(i < dev->plan->n);
    return &dev->plan->children[i];
}

/* --- one turn of the loop ---------------------------------------------------
 */

static void fill_polls(struct dev *dev)
{
    dev->polls[0] = (struct pollfd){.fd = proc_term_fd(), .events = POLLIN};
    for (size_t i = 0; i < dev->plan->n; i++) {
        const struct cli_child *child = child_at(dev, i);
        struct pollfd *pair = dev->polls + 1 + i * 2;
        pair[0] = (struct pollfd){.fd = child->out_fd, .events = POLLIN};
        pair[1] = (struct pollfd){.fd = child->pid_fd, .events = POLLIN};
    }
}

/*
 * Waits for the children or until the deadline. The signal's descriptor stays
 * readable for ever, so it is left out once the stop has begun.
 */
static void wait_turn(struct dev *dev, int64_t deadline_ms, bool stopping)
{
    fill_polls(dev);
    if (stopping) {
        dev->polls[0].fd = -1;
    }
    int64_t left = max_i64(deadline_ms - clock_mono_ms(), 0);
    int rc = poll(dev->polls, 1 + dev->plan->n * 2, (int)min_i64(left, 60000));
    must(rc >= 0 || errno == EINTR);
    for (size_t i = 0; i < dev->plan->n; i++) {
        cli_child_read(child_at(dev, i));
    }
}

static void describe_end(const struct cli_child *child, int status)
{
    if (WIFSIGNALED(status)) {
        log_warn("child.died", "kind=%s pid=%d signal=%d", child->kind,
                 (int)child->pid, WTERMSIG(status));
    } else {
        log_warn("child.died", "kind=%s pid=%d status=%d", child->kind,
                 (int)child->pid, WEXITSTATUS(status));
    }
}

/*
 * A child that was ready, or that somebody killed, is started again at once.
 * One that ends by itself while starting gets a growing pause, then up.
 */
static bool on_end(struct cli_child *child, int status, struct err *err)
{
    bool was_ready = child->state == CHILD_READY;
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    describe_end(child, status);
    child->state = CHILD_DOWN;
    child->due_ms = clock_mono_ms();
    if (was_ready || was_killed) {
        return true;
    }
    child->failures++;
    if (child->failures >= FAILURES_MAX) {
        return err_set(err, ERR_UNAVAILABLE,
                       "the %s could not start %d times in a row; its own "
                       "message is above",
                       child->kind, child->failures);
    }
    child->due_ms += (int64_t)BACKOFF_FIRST_MS << (child->failures - 1);
    return true;
}

static bool reap(struct dev *dev, struct err *err)
{
    for (size_t i = 0; i < dev->plan->n; i++) {
        struct cli_child *child = child_at(dev, i);
        int status;
        if (cli_child_runs(child) && cli_child_reap(child, &status) &&
            !on_end(child, status, err)) {
            return false;
        }
    }
    return true;
}

/*
 * The others wait for the first broker: it is the one that makes or migrates
 * the database.
 */
static bool may_start(const struct dev *dev, size_t i)
{
    return i == CLI_PLAN_BROKER || dev->announced ||
           child_at(dev, CLI_PLAN_BROKER)->state == CHILD_READY;
}

static bool start_due(struct dev *dev, struct err *err)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < dev->plan->n; i++) {
        struct cli_child *child = child_at(dev, i);
        if (child->state != CHILD_DOWN || child->due_ms > now ||
            !may_start(dev, i)) {
            continue;
        }
        if (!cli_child_start(child, err)) {
            return err_wrap(err, "starting the %s", child->kind);
        }
        if (dev->show_pids) {
            printf("pid %s %d\n", child->kind, (int)child->pid);
            fflush(stdout);
        }
    }
    return true;
}

static bool all_ready(const struct dev *dev)
{
    for (size_t i = 0; i < dev->plan->n; i++) {
        if (child_at(dev, i)->state != CHILD_READY) {
            return false;
        }
    }
    return true;
}

static void announce(struct dev *dev)
{
    const struct cli_plan *plan = dev->plan;
    if (dev->announced || !all_ready(dev) ||
        !cli_net_answers(plan->host, plan->port, plan->ok_path)) {
        return;
    }
    dev->announced = true;
    char url[300];
    bool v6 = strchr(plan->host, ':') != NULL;
    snprintf(url, sizeof(url), "http://%s%s%s:%d", v6 ? "[" : "", plan->host,
             v6 ? "]" : "", plan->port);
    proc_ready(url);
}

/* The next moment at which something is to be done without being woken. */
static int64_t next_deadline(const struct dev *dev)
{
    int64_t next = clock_mono_ms() + 60000;
    for (size_t i = 0; i < dev->plan->n; i++) {
        const struct cli_child *child = child_at(dev, i);
        if (child->state == CHILD_DOWN && may_start(dev, i)) {
            next = min_i64(next, child->due_ms);
        }
    }
    if (!dev->announced && all_ready(dev)) {
        next = min_i64(next, clock_mono_ms() + PROBE_PAUSE_MS);
    }
    return next;
}

static bool look_after(struct dev *dev, struct err *err)
{
    while (!proc_term_asked()) {
        if (!start_due(dev, err)) {
            return false;
        }
        wait_turn(dev, next_deadline(dev), false);
        if (!reap(dev, err)) {
            return false;
        }
        announce(dev);
    }
    return true;
}

/* --- stopping ---------------------------------------------------------------
 */

static bool any_runs(const struct dev *dev, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (cli_child_runs(child_at(dev, i))) {
            return true;
        }
    }
    return false;
}

static void reap_ended(struct dev *dev)
{
    for (size_t i = 0; i < dev->plan->n; i++) {
        struct cli_child *child = child_at(dev, i);
        int status;
        if (cli_child_runs(child) && cli_child_reap(child, &status)) {
            log_info("child.stopped", "kind=%s pid=%d", child->kind,
                     (int)child->pid);
            child->state = CHILD_ENDED;
        }
    }
}

/* SIGTERM to children [from, to), SIGKILL to those that take too long. */
static void stop_some(struct dev *dev, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        cli_child_signal(child_at(dev, i), SIGTERM);
    }
    int64_t limit = clock_mono_ms() + DRAIN_MS;
    bool killed = false;
    while (any_runs(dev, from, to)) {
        /* Once killed they end for certain: look again every second. */
        wait_turn(dev, killed ? clock_mono_ms() + 1000 : limit, true);
        reap_ended(dev);
        if (killed || clock_mono_ms() < limit) {
            continue;
        }
        killed = true;
        for (size_t i = from; i < to; i++) {
            if (cli_child_runs(child_at(dev, i))) {
                log_warn("child.killed", "kind=%s pid=%d",
                         child_at(dev, i)->kind, (int)child_at(dev, i)->pid);
            }
            cli_child_signal(child_at(dev, i), SIGKILL);
        }
    }
}

static void stop_all(struct dev *dev)
{
    log_info("dev.stopping");
    stop_some(dev, CLI_PLAN_GATEWAY, dev->plan->n);
    stop_some(dev, CLI_PLAN_BROKER, CLI_PLAN_BROKER + 1);
    must(!any_runs(dev, 0, dev->plan->n));
}

bool cli_dev_run(struct cli_plan *plan, bool show_pids, struct err *err)
{
    must(plan != NULL && plan->n >= CLI_PLAN_WORKERS);
    struct dev dev = {.plan = plan, .show_pids = show_pids};
    dev.polls = base_zalloc((1 + plan->n * 2) * sizeof(*dev.polls));
    bool ok = look_after(&dev, err);
    stop_all(&dev);
    free(dev.polls);
    return ok;
}
