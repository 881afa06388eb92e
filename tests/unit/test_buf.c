/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/buf.h"
#include "tests/harness/harness.h"

TEST(buf_appends_and_reads_back)
{
    struct buf b;
    buf_init(&b, 1000);
    EXPECT_STR(buf_text(&b), "");
    EXPECT(buf_puts(&b, "run "));
    EXPECT(buf_append(&b, "1\0002", 3));
    EXPECT(buf_putc(&b, '!'));
    EXPECT_EQ(b.len, 8);
    EXPECT_MEM(buf_text(&b), "run 1\0002!", 9);
    buf_fini(&b);
    EXPECT_EQ(b.len, 0);
}

TEST(buf_refuses_at_its_cap_and_keeps_what_it_had)
{
    struct buf b;
    buf_init(&b, 4);
    EXPECT(buf_puts(&b, "abcd"));
    EXPECT(!buf_putc(&b, 'e'));
    EXPECT(!buf_puts(&b, "ef"));
    EXPECT(!buf_printf(&b, "%d", 7));
    EXPECT(buf_reserve(&b, 1) == NULL);
    EXPECT(buf_puts(&b, ""));
    EXPECT_STR(buf_text(&b), "abcd");
    buf_fini(&b);
}

TEST(buf_with_no_room_at_all)
{
    struct buf b;
    buf_init(&b, 0);
    EXPECT(!buf_putc(&b, 'x'));
    EXPECT(buf_append(&b, NULL, 0));
    size_t n = 9;
    char *taken = buf_take(&b, &n);
    EXPECT_EQ(n, 0);
    EXPECT_STR(taken, "");
    free(taken);
}

TEST(buf_printf_grows_as_needed)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 5000; i++) {
        EXPECT(buf_printf(&b, "%05d,", i));
    }
    EXPECT_EQ(b.len, 30000);
    EXPECT_MEM(b.data, "00000,00001,", 12);
    EXPECT_STR(buf_text(&b) + b.len - 6, "04999,");
    buf_fini(&b);
}

TEST(buf_printf_fits_exactly_at_every_length)
{
    for (size_t max = 0; max < 600; max++) {
        struct buf b;
        buf_init(&b, max);
        size_t written = 0;
        while (buf_printf(&b, "%s", "x")) {
            written++;
        }
        EXPECT_EQ(written, max);
        EXPECT_EQ(strlen(buf_text(&b)), max);
        buf_fini(&b);
    }
}

TEST(buf_take_moves_the_bytes_out)
{
    struct buf b;
    buf_init(&b, 100);
    EXPECT(buf_puts(&b, "payload"));
    size_t n = 0;
    char *taken = buf_take(&b, &n);
    EXPECT_EQ(n, 7);
    EXPECT_STR(taken, "payload");
    EXPECT_EQ(b.len, 0);
    EXPECT(buf_puts(&b, "again"));
    EXPECT_STR(buf_text(&b), "again");
    free(taken);
    buf_fini(&b);
}

TEST(buf_drop_and_cut)
{
    struct buf b;
    buf_init(&b, 100);
    EXPECT(buf_puts(&b, "head body tail"));
    buf_drop(&b, 5);
    EXPECT_STR(buf_text(&b), "body tail");
    buf_cut(&b, 4);
    EXPECT_STR(buf_text(&b), "body");
    buf_drop(&b, 4);
    buf_drop(&b, 0);
    EXPECT_EQ(b.len, 0);
    buf_fini(&b);
}

TEST(buf_reserve_then_added)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    char *to = buf_reserve(&b, 70000);
    EXPECT(to != NULL);
    memset(to, 'z', 70000);
    buf_added(&b, 70000);
    EXPECT_EQ(b.len, 70000);
    EXPECT_EQ(b.data[69999], 'z');
    buf_reset(&b);
    EXPECT_EQ(b.len, 0);
    EXPECT(b.room >= 70000);
    buf_fini(&b);
}
