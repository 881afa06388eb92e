/* SPDX-License-Identifier: Apache-2.0 */
/* Points at which a process breaks: the table, the text that sets them. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/log.h"
#include "common/proc.h"
#include "tests/harness/harness.h"

static void quiet(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

static bool set(unsigned program, const char *text)
{
    struct err err = ERR_INIT;
    bool ok = fault_set(program, text, &err);
    EXPECT(ok || err.code == ERR_INVALID);
    return ok;
}

TEST(fault_point_nothing_set_is_nothing)
{
    EXPECT(set(PROC_BROKER, NULL) && set(PROC_BROKER, ""));
    EXPECT(!atomic_load(&fault_armed));
    for (int i = 0; i < FAULT_COUNT; i++) {
        EXPECT(!fault_at((enum fault_point)i));
    }
}

TEST(fault_point_fails_the_nth_time_only)
{
    log_sink_set(quiet);
    EXPECT(set(PROC_BROKER, "batch-full:2,journal-full:1"));
    EXPECT(!fault_at(FAULT_BATCH_FULL));
    EXPECT(fault_at(FAULT_BATCH_FULL));
    EXPECT(!fault_at(FAULT_BATCH_FULL));
    EXPECT(fault_at(FAULT_JOURNAL_FULL));
    EXPECT(!fault_at(FAULT_LEDGER_FULL));
    EXPECT(set(PROC_BROKER, NULL));
    EXPECT(!fault_at(FAULT_BATCH_FULL));
    log_sink_set(NULL);
}

TEST(fault_point_of_another_program_is_passed_over)
{
    EXPECT(set(PROC_GATEWAY, "batch-full:1"));
    EXPECT(!atomic_load(&fault_armed));
    EXPECT(!fault_at(FAULT_BATCH_FULL));
}

TEST(fault_point_text_that_is_not_understood)
{
    static const char *const wrong[] = {
        "batch", "batch-full", "batch-full:", "batch-full:0", "batch-full:x",
        "batch-full:1x", "batch-full:-1", ":1", "batch-full:1,,", "a,b",
        "batch-full:99999999999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT(!set(PROC_BROKER, wrong[i]));
        EXPECT(!set(PROC_WORKER, wrong[i]));
    }
    EXPECT(set(PROC_BROKER, NULL));
}

static int status_after(enum fault_point point, int options)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)fault_at(point);
        _exit(7);
    }
    EXPECT(waitpid(pid, &status, options) == pid);
    if (WIFSTOPPED(status)) {
        int later = 0;
        EXPECT(kill(pid, SIGCONT) == 0);
        EXPECT(waitpid(pid, &later, 0) == pid);
        EXPECT(WIFEXITED(later) && WEXITSTATUS(later) == 7);
    }
    return status;
}

/* Every row does what it says, when it was set. */
TEST(fault_point_effects)
{
    log_sink_set(quiet);
    for (int i = 0; i < FAULT_COUNT; i++) {
        enum fault_point point = (enum fault_point)i;
        const struct fault_row *row = fault_row(point);
        char text[80];
        (void)snprintf(text, sizeof text, "%s:1", row->name);
        EXPECT(set(row->programs, text));
        int status = status_after(point, WUNTRACED);
        if (row->effect == FAULT_KILL) {
            EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        } else if (row->effect == FAULT_STOP) {
            EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        } else {
            EXPECT(WIFEXITED(status));
        }
        EXPECT(row->moment[0] != '\0');
    }
    EXPECT(set(PROC_BROKER, NULL));
    log_sink_set(NULL);
}
