/* SPDX-License-Identifier: Apache-2.0 */
/* Turns to write, and when what was written is on the disk. */
#include "common/store/writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/harness/harness.h"

enum { WRITERS = 8, TURNS = 50 };

struct shop {
    struct store_writer *writer;
    char log[256];
    int inside; /* of a turn */
    int turns;
};

static void open_shop(struct shop *s)
{
    struct err err = ERR_INIT;
    char path[200];
    memset(s, 0, sizeof *s);
    (void)snprintf(path, sizeof path, "%s/data", test_dir());
    (void)snprintf(s->log, sizeof s->log, "%s-log", path);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT(fd >= 0);
    (void)close(fd);
    s->writer = store_writer_get(path, &err);
    EXPECT_MSG(s->writer != NULL, "%s", err.text);
}

static void make_log(const struct shop *s)
{
    int fd = open(s->log, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT(fd >= 0);
    (void)close(fd);
}

static void *write_often(void *arg)
{
    struct shop *s = arg;
    struct err err = ERR_INIT;
    for (int i = 0; i < TURNS; i++) {
        store_writer_lock(s->writer);
        EXPECT_EQ(s->inside++, 0);
        s->turns++;
        uint64_t number = store_writer_wrote(s->writer);
        s->inside--;
        store_writer_unlock(s->writer);
        EXPECT(store_writer_sync(s->writer, s->log, number, &err));
    }
    return NULL;
}

TEST(store_writer_takes_turns_and_waits_for_the_disk)
{
    struct shop s;
    pthread_t threads[WRITERS];
    open_shop(&s);
    make_log(&s);
    for (int i = 0; i < WRITERS; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, write_often, &s), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    }
    EXPECT_EQ(s.turns, WRITERS * TURNS);
    *store_writer_shared(s.writer) = &s;
    EXPECT(store_writer_put(&s.writer) == &s);
}

TEST(store_writer_never_trusts_a_disk_that_failed)
{
    struct shop s;
    struct err err = ERR_INIT;
    open_shop(&s);
    make_log(&s);
    uint64_t first = store_writer_wrote(s.writer);
    EXPECT(store_writer_sync(s.writer, s.log, first, &err));
    EXPECT(store_writer_put(&s.writer) == NULL);
    (void)unlink(s.log);
    open_shop(&s);
    first = store_writer_wrote(s.writer);
    EXPECT(!store_writer_sync(s.writer, s.log, first, &err));
    EXPECT_STR(err_name(err.code), "store");
    make_log(&s); /* it works again, but what was lost stays so */
    EXPECT(!store_writer_sync(s.writer, s.log, first, &err));
    uint64_t second = store_writer_wrote(s.writer);
    EXPECT(!store_writer_sync(s.writer, s.log, second, &err));
    EXPECT(store_writer_put(&s.writer) == NULL);
}
