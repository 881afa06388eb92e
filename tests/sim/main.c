/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds, each in a process of its own: what goes wrong in one (a broken
 * promise, an assertion, a crash, a world that does not come to rest) is
 * printed with its seed, and happens again in the same way with that seed.
 *
 *     sim [--seed N] [--n N] [--trace] [--jobs N]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/sim/sim.h"

#define WALL_US 1700000000000000 /* when a world begins, by the calendar */
#define REST_US (90 * SEC) /* in which all must end once faults have stopped */
#define STEPS_MAX 3000000
#define SEED_S 60 /* a world that takes longer hangs */

static struct options {
    uint64_t seed;
    uint64_t n;
    unsigned jobs;
    bool trace;
} options = {.seed = 1, .n = 1, .jobs = 2};

/* ---- one world ----------------------------------------------------------- */

static int64_t mono_ns(void *arg)
{
    (void)arg;
    return sim.now_us * 1000;
}

static int64_t wall_us(void *arg)
{
    (void)arg;
    return WALL_US + sim.now_us;
}

static void heal(void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    TRACE("from here on nothing breaks");
    sim.healed = true;
    sim.healed_us = sim.now_us;
    disk_away(0);
}

static void step(void)
{
    if (broker_next_us() <= sim_next_us()) {
        broker_step();
    } else {
        sim_step();
    }
}

/* Until all is over, or something does not hold. */
static void live(void)
{
    char why[128] = "";
    int64_t look_us = 0;
    for (long i = 0; sim.failed[0] == '\0'; i++) {
        step();
        if (sim.healed && sim.now_us >= look_us) {
            look_us = sim.now_us + 500 * MS;
            if (gateway_all_done(why, sizeof why)) {
                return;
            }
        }
        bool rests = sim.healed && sim.now_us - sim.healed_us > REST_US;
        HOLDS(i < STEPS_MAX && !rests, "stuck: %s", why);
    }
}

/* What nobody waits for any more is written, too. */
static void settle(void)
{
    int64_t until = sim.now_us + 10 * SEC;
    while (sim.now_us < until && sim.failed[0] == '\0') {
        step();
    }
}

/* What the broker logs, without its own time. */
static void take_line(const char *line, size_t len)
{
    const char *word = memchr(line, ' ', len);
    size_t skip = word == NULL ? 0 : (size_t)(word - line) + 1;
    sim_trace("  %.*s", (int)(len - skip) - 1, line + skip);
}

static void play(uint64_t seed)
{
    const struct clock_source clocks = {mono_ns, wall_us, NULL};
    sim.seed = seed;
    sim.dice = seed * 0x2545f4914f6cdd1du + 1;
    sim.tracing = options.trace;
    sim.now_us = SEC;
    clock_source_set(&clocks);
    log_sink_set(take_line);
    log_level_set(options.trace ? LOG_LEVEL_INFO : LOG_LEVEL_OFF);
    (void)alarm(SEED_S);
    disk_open();
    faults_setup();
    broker_setup();
    broker_start(NULL, 0);
    worker_setup();
    gateway_setup();
    sim_at(sim.plan.active_us + 3 * SEC, heal, NULL, 0);
    live();
    settle();
    if (sim.failed[0] == '\0') {
        check_store();
    }
    if (sim.failed[0] != '\0') {
        printf("FAIL sim: seed %llu: %s\n", (unsigned long long)seed,
               sim.failed);
    }
    disk_close();
    (void)fflush(NULL);
    _exit(sim.failed[0] != '\0');
}

/* ---- all of them --------------------------------------------------------- */

struct tally {
    uint64_t passed, failed;
};

static struct child {
    pid_t pid;
    uint64_t seed;
} children[64];

static void await_one(struct tally *t)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    must(pid > 0);
    disk_drop(pid);
    uint64_t seed = 0;
    for (size_t i = 0; i < COUNT_OF(children); i++) {
        if (children[i].pid == pid) {
            seed = children[i].seed;
            children[i].pid = 0;
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        t->passed++;
        return;
    }
    t->failed++;
    if (WIFSIGNALED(status)) {
        printf("FAIL sim: seed %llu: ended by signal %d (%s)\n",
               (unsigned long long)seed, WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    }
    printf("     again, with its history: make sim SEED=%llu N=1 TRACE=1\n",
           (unsigned long long)seed);
    (void)fflush(stdout);
}

static void begin_one(uint64_t seed)
{
    size_t i = 0;
    while (children[i].pid != 0) {
        i++;
    }
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        play(seed);
    }
    children[i] = (struct child){pid, seed};
}

static bool read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--trace") == 0) {
            options.trace = true;
        } else if (more && strcmp(argv[i], "--seed") == 0) {
            options.seed = strtoull(argv[++i], NULL, 10);
        } else if (more && strcmp(argv[i], "--n") == 0) {
            options.n = strtoull(argv[++i], NULL, 10);
        } else if (more && strcmp(argv[i], "--jobs") == 0) {
            options.jobs = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return options.jobs >= 1 && options.jobs <= COUNT_OF(children);
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: sim [--seed N] [--n N] [--trace] [--jobs N]\n");
        return 2;
    }
    log_level_set(LOG_LEVEL_OFF);
    disk_init();
    struct tally t = {0, 0};
    unsigned busy = 0;
    for (uint64_t i = 0; i < options.n; i++) {
        if (busy == options.jobs) {
            await_one(&t);
            busy--;
        }
        begin_one(options.seed + i);
        busy++;
    }
    for (; busy > 0; busy--) {
        await_one(&t);
    }
    disk_fini();
    printf("%llu passed, %llu failed, 0 skipped\n",
           (unsigned long long)t.passed, (unsigned long long)t.failed);
    return t.failed == 0 ? 0 : 1;
}
