/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/harness/harness.h"

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

TEST(mbox_gives_messages_in_order_and_rings_only_when_some)
{
    mbox_t *m = mbox_new(100);
    int n[40];
    EXPECT(!readable(mbox_fd(m)));
    for (int i = 0; i < 40; i++) {
        EXPECT(mbox_put(m, &n[i]));
    }
    EXPECT(readable(mbox_fd(m)));
    for (int i = 0; i < 40; i++) {
        EXPECT(mbox_take(m) == &n[i]);
    }
    EXPECT(!readable(mbox_fd(m)));
    EXPECT(mbox_take(m) == NULL);
    mbox_destroy(&m, NULL);
    EXPECT(m == NULL);
}

TEST(mbox_keeps_its_limit_and_refuses_when_closed)
{
    mbox_t *m = mbox_new(2);
    int n = 0;
    EXPECT(mbox_put(m, &n));
    EXPECT(mbox_put(m, &n));
    EXPECT(!mbox_put(m, &n));
    EXPECT_EQ(mbox_count(m), 2);
    mbox_close(m);
    EXPECT(mbox_wait(m, -1) == &n);
    EXPECT(mbox_wait(m, -1) == &n);
    EXPECT(mbox_wait(m, -1) == NULL);
    EXPECT(!mbox_put(m, &n));
    mbox_destroy(&m, NULL);
}

TEST(mbox_wait_gives_up_after_its_time)
{
    mbox_t *m = mbox_new(1);
    EXPECT(mbox_wait(m, 0) == NULL);
    EXPECT(mbox_wait(m, 5) == NULL);
    mbox_destroy(&m, NULL);
}

#define SENDERS 4
#define EACH 2000
static int numbers[SENDERS * EACH];

struct sender {
    mbox_t *box;
    int *first;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < EACH; i++) {
        while (!mbox_put(s->box, &s->first[i])) {
        }
    }
    return NULL;
}

static void *take_all(void *arg)
{
    mbox_t *box = arg;
    int *n;
    while ((n = mbox_wait(box, -1)) != NULL) {
        __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

TEST(mbox_loses_and_doubles_nothing_between_threads)
{
    mbox_t *box = mbox_new(64);
    pthread_t senders[SENDERS];
    pthread_t takers[3];
    struct sender s[SENDERS];
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(pthread_create(&takers[i], NULL, take_all, box), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){box, &numbers[i * EACH]};
        EXPECT_EQ(pthread_create(&senders[i], NULL, send_all, &s[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        EXPECT_EQ(pthread_join(senders[i], NULL), 0);
    }
    mbox_close(box);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(pthread_join(takers[i], NULL), 0);
    }
    for (int i = 0; i < SENDERS * EACH; i++) {
        EXPECT_EQ(numbers[i], 1);
    }
    mbox_destroy(&box, NULL);
}
