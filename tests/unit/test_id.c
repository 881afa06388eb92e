/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "tests/harness/fake.h"
#include "tests/harness/harness.h"

static struct id parsed(const char *text)
{
    struct id id;
    EXPECT_MSG(id_parse(text, &id), "\"%s\" to be an id", text);
    return id;
}

static int version(const struct id *id)
{
    return id->bytes[6] >> 4;
}

static void expect_form(const struct id *id, int wanted_version)
{
    EXPECT_EQ(version(id), wanted_version);
    EXPECT_EQ(id->bytes[8] & 0xc0, 0x80);
}

TEST(id_prints_what_it_parsed)
{
    const char *text = "1f1e76fd-52ab-6cd0-fffe-fc1be21fcc0d";
    struct id id = parsed(text);
    EXPECT_STR(ID_TEXT(&id), text);
    struct id upper = parsed("1F1E76FD-52AB-6CD0-FFFE-FC1BE21FCC0D");
    EXPECT(id_eq(&id, &upper));
    EXPECT_EQ(id_hash(&id), id_hash(&upper));
}

TEST(id_parse_refuses_everything_else)
{
    static const char *const bad[] = {
        "",
        "x",
        "1f1e76fd52ab6cd0fffefc1be21fcc0d",
        "1f1e76fd-52ab-6cd0-fffe-fc1be21fcc0",
        "1f1e76fd-52ab-6cd0-fffe-fc1be21fcc0d0",
        "1f1e76fd-52ab-6cd0-fffe_fc1be21fcc0d",
        "1f1e76f-d52ab-6cd0-fffe-fc1be21fcc0d",
        "1f1e76fg-52ab-6cd0-fffe-fc1be21fcc0d",
        "{f1e76fd-52ab-6cd0-fffe-fc1be21fcc0}",
        "1f1e76fd-52ab-6cd0-fffe-fc1be21fcc-d",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct id id = id_uuid4();
        EXPECT_MSG(!id_parse(bad[i], &id), "\"%s\" to be refused", bad[i]);
        EXPECT(id_is_nil(&id));
    }
    struct id id;
    EXPECT(!id_parse_n(NULL, 0, &id));
    EXPECT(id_parse_n("1f1e76fd-52ab-6cd0-fffe-fc1be21fcc0d,rest", 36, &id));
}

TEST(id_nil_is_only_zero)
{
    struct id id = {{0}};
    EXPECT(id_is_nil(&id));
    id.bytes[15] = 1;
    EXPECT(!id_is_nil(&id));
}

TEST(id_uuid4_is_random_and_well_formed)
{
    struct id before = {{0}};
    for (int i = 0; i < 1000; i++) {
        struct id id = id_uuid4();
        expect_form(&id, 4);
        EXPECT(!id_eq(&id, &before));
        before = id;
    }
}

TEST(id_random_source_can_be_replaced)
{
    fake_random(0);
    struct id id = id_uuid4();
    EXPECT_STR(ID_TEXT(&id), "00010203-0405-4607-8809-0a0b0c0d0e0f");
    fake_end();
}

TEST(id_uuid7_holds_the_time)
{
    fake_clock();
    fake_random(0);
    struct id id = id_uuid7();
    expect_form(&id, 7);
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | id.bytes[i];
    }
    EXPECT_EQ(ms, FAKE_WALL_US / 1000);
}

TEST(id_uuid7_grows_when_the_clock_does_not)
{
    fake_clock();
    struct id before = id_uuid7();
    for (int i = 0; i < 10000; i++) {
        struct id id = id_uuid7();
        expect_form(&id, 7);
        EXPECT(id_cmp(&before, &id) < 0);
        before = id;
    }
    fake_clock_wall_set(FAKE_WALL_US - 3600000000);
    struct id id = id_uuid7();
    EXPECT(id_cmp(&before, &id) < 0);
}

static void expect_group(int step, const char *group)
{
    struct id id = id_uuid6(step);
    char text[ID_TEXT_SIZE];
    id_print(&id, text);
    EXPECT_EQ(version(&id), 6);
    text[23] = '\0';
    EXPECT_STR(text + 19, group);
}

TEST(id_uuid6_carries_the_step)
{
    expect_group(-2, "fffe");
    expect_group(-1, "ffff");
    expect_group(0, "8000");
    expect_group(1, "8001");
    expect_group(25, "8019");
    expect_group(0x3fff, "bfff");
    expect_group(0x4001, "8001");
}

TEST(id_uuid6_holds_the_time)
{
    /* 12219292800 s lie between 1582-10-15 and 1970. */
    fake_clock();
    struct id id = id_uuid6(0);
    uint64_t ticks = 0;
    for (int i = 0; i < 6; i++) {
        ticks = ticks << 8 | id.bytes[i];
    }
    ticks = ticks << 12 | (uint64_t)(id.bytes[6] & 15) << 8 | id.bytes[7];
    EXPECT_EQ((int64_t)ticks / 10 - INT64_C(12219292800000000), FAKE_WALL_US);
}

TEST(id_uuid6_grows_whatever_the_steps)
{
    fake_clock();
    struct id before = id_uuid6(1000);
    for (int i = 1000; i > -1000; i--) {
        struct id id = id_uuid6(i);
        EXPECT(id_cmp(&before, &id) < 0);
        before = id;
    }
}

struct made {
    struct id ids[5000];
};

static void *make_ids(void *arg)
{
    struct made *made = arg;
    for (size_t i = 0; i < COUNT_OF(made->ids); i++) {
        made->ids[i] = id_uuid6(0);
    }
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(a, b);
}

TEST(id_uuid6_is_unique_between_threads)
{
    static struct made made[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, make_ids, &made[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    struct id *all = made[0].ids;
    size_t n = 4 * COUNT_OF(made[0].ids);
    qsort(all, n, sizeof(*all), compare_ids);
    for (size_t i = 1; i < n; i++) {
        /* Distinct in their time already, not by luck of randomness. */
        EXPECT(memcmp(all[i - 1].bytes, all[i].bytes, 8) != 0);
    }
}

TEST(id_forked_child_has_its_own_randomness)
{
    struct id first = id_uuid4();
    EXPECT(!id_is_nil(&first));
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_t child = fork();
    struct id id = id_uuid4();
    if (child == 0) {
        ssize_t n = write(ends[1], &id, sizeof(id));
        _exit(n == (ssize_t)sizeof(id) ? 0 : 1);
    }
    struct id of_child;
    EXPECT_EQ(read(ends[0], &of_child, sizeof(of_child)), sizeof(of_child));
    waitpid(child, NULL, 0);
    EXPECT(!id_eq(&id, &of_child));
}

TEST(id_uuid5_names)
{
    struct id space = parsed("6ba7b821-9dad-11d1-80b4-00c04fd430c8");
    struct id agent = id_uuid5(&space, "agent", 5);
    EXPECT_STR(ID_TEXT(&agent), "fe096781-5601-53d2-b2f6-0d3403f7e9ca");
}

TEST(id_uuid5_of_every_block_length)
{
    /* A chain of 300 ids of growing names, made with Python's uuid.uuid5. */
    struct id id = parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    char name[300];
    memset(name, 'n', sizeof(name));
    for (size_t n = 0; n < sizeof(name); n++) {
        id = id_uuid5(&id, name, n);
    }
    EXPECT_STR(ID_TEXT(&id), "a442af39-b836-590b-aaf9-b1b57955cd3d");
}

TEST(id_xxh3_hex_matches_the_recorded_vectors)
{
    static const struct {
        const char *text;
        size_t times;
        const char *hex;
    } rows[] = {
        {"", 1, "99aa06d3014798d86001c324468d497f"},
        {"a", 1, "a96faf705af16834e6c632b61e964e1f"},
        {"abc", 1, "06b05ab6733a618578af5f94892f3950"},
        {"ask:3f2504e0-4f89-11d3-9a0c-0305e82c3301", 1,
         "efc9fed8749c381cfd80ac7e3f69b219"},
        {"sub:3f2504e0-4f89-11d3-9a0c-0305e82c3301|ask:6ba7b810-9dad-11d1-80b4-"
         "00c04fd430c8",
         1, "ecfd01852e07861a5fb111b7dffc87b7"},
        {"x", 17, "9e8a29b5dfc13013416e526dfb687d89"},
        {"y", 129, "bb7c9d33213620ab23521396c7b8fd20"},
        {"z", 240, "3e15da7d5639f4ef9bd028f33a2135a7"},
        {"w", 241, "e12960801ed77589e4522033e988b656"},
        {"0123456789", 110, "b7c2900605a5ed16d3e6a7856b10e640"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[2048];
        char hex[ID_HEX_SIZE];
        size_t size = strlen(rows[i].text);
        for (size_t j = 0; j < rows[i].times; j++) {
            memcpy(text + j * size, rows[i].text, size);
        }
        id_xxh3_hex(text, size * rows[i].times, hex);
        EXPECT_STR(hex, rows[i].hex);
    }
}

TEST(id_uuid5_matches_the_recorded_vectors)
{
    static const struct {
        const char *space, *name, *id;
    } rows[] = {
        {"1ef4f797-8335-6428-8001-8a1503f9b875",
         "[\"ask\",\"1\",\"ask\",\"__pregel_pull\",[\"branch:to:ask\"]]",
         "1923b123-c5e5-5624-aa27-e72a89615b75"},
        {"1ef4f797-8335-6428-8001-8a1503f9b875",
         "[\"w\",\"2\",\"w\",\"__pregel_push\",\"0\"]",
         "40587a14-2323-55e9-a5ee-7e997d61241a"},
        {"1ef4f797-8335-6428-8001-8a1503f9b875",
         "[\"sub:3f2504e0-4f89-11d3-9a0c-0305e82c3301|s\",\"0\",\"s\",\"__"
         "pregel_pull\",[\"__start__\"]]",
         "7177f4b9-2425-59f5-b1c1-0fe28ed8ce6e"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct id space = parsed(rows[i].space);
        struct id id = id_uuid5(&space, rows[i].name, strlen(rows[i].name));
        EXPECT_STR(ID_TEXT(&id), rows[i].id);
    }
}
