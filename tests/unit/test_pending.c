/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/harness.h"
#include "worker/graph/pending.h"

#include <stdio.h>
#include <string.h>

enum { TASKS = 300, CHANNEL = 7 };

static const char *task_of(int i)
{
    static char id[37];
    snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", (unsigned)i);
    return id;
}

static void add(struct pendings *p, int task, int channel, int value)
{
    leat_value *v = leat_new_int(value);
    graph_pendings_add(p, task_of(task), channel, v);
    leat_drop(v);
}

static int got(const struct pendings *p, int task, int channel)
{
    const leat_value *v = graph_pendings_get(p, task_of(task), channel);
    return (int)leat_int(leat_view_of(v), -1);
}

/* What each task has, in turns: an ordinary write, an answer, another one. */
static struct pendings filled(void)
{
    struct pendings p = {0};
    for (int i = 0; i < TASKS; i++) {
        add(&p, i, CHANNEL, i);
    }
    for (int i = 0; i < TASKS; i++) {
        add(&p, i, WRITE_RESUME, 1000 + i);
        add(&p, i, CHANNEL, 2000 + i);
    }
    return p;
}

TEST(pending_writes_are_found_by_task_in_their_order)
{
    struct pendings p = filled();
    for (int i = 0; i < TASKS; i++) {
        struct writes w = {0};
        EXPECT_EQ(got(&p, i, CHANNEL), i);
        EXPECT_EQ(got(&p, i, WRITE_RESUME), 1000 + i);
        EXPECT_EQ(got(&p, i, WRITE_ERROR), -1);
        graph_pendings_to_writes(&p, task_of(i), &w);
        EXPECT_EQ(w.count, 2);
        EXPECT_EQ(leat_int(leat_view_of(w.at[0].value), -1), i);
        EXPECT_EQ(leat_int(leat_view_of(w.at[1].value), -1), 2000 + i);
        graph_writes_fini(&w);
        uint32_t at = graph_pendings_next(&p, task_of(i), PENDING_NONE);
        EXPECT_EQ(at, i);
        EXPECT_EQ(graph_pendings_next(&p, task_of(i), at), TASKS + 2 * i);
    }
    EXPECT_EQ(got(&p, TASKS, CHANNEL), -1);
    graph_pendings_fini(&p);
}

TEST(pending_writes_go_by_task_by_kind_and_all)
{
    struct pendings p = filled();
    graph_pendings_drop(&p, task_of(TASKS), PENDING_ANY);
    EXPECT_EQ(p.count, 3 * TASKS);
    graph_pendings_drop(&p, task_of(5), PENDING_ANY);
    EXPECT_EQ(p.count, 3 * TASKS - 3);
    EXPECT_EQ(got(&p, 5, CHANNEL), -1);
    EXPECT_EQ(got(&p, 6, CHANNEL), 6);
    graph_pendings_drop(&p, NULL, WRITE_RESUME);
    EXPECT_EQ(p.count, 2 * (TASKS - 1));
    EXPECT_EQ(got(&p, 6, WRITE_RESUME), -1);
    graph_pendings_drop(&p, task_of(7), CHANNEL);
    EXPECT_EQ(got(&p, 7, CHANNEL), -1);
    EXPECT_EQ(got(&p, TASKS - 1, CHANNEL), TASKS - 1);
    graph_pendings_drop(&p, NULL, PENDING_ANY);
    EXPECT_EQ(p.count, 0);
    EXPECT_EQ(got(&p, 8, CHANNEL), -1);
    add(&p, 8, CHANNEL, 80);
    EXPECT_EQ(got(&p, 8, CHANNEL), 80);
    graph_pendings_fini(&p);
}
