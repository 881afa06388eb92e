/* SPDX-License-Identifier: Apache-2.0 */
#include "common/err.h"
#include "tests/harness/harness.h"

TEST(err_set_fills_and_is_false)
{
    struct err err = ERR_INIT;
    EXPECT(!err_set(&err, ERR_NOT_FOUND, "no thread %s", "t1"));
    EXPECT_EQ(err.code, ERR_NOT_FOUND);
    EXPECT_STR(err.text, "no thread t1");
    EXPECT(!err_set(NULL, ERR_IO, "nobody listens"));
}

TEST(err_wrap_puts_context_in_front)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_STORE, "disk full");
    EXPECT(!err_wrap(&err, "opening %s", "leat.db"));
    EXPECT_EQ(err.code, ERR_STORE);
    EXPECT_STR(err.text, "opening leat.db: disk full");
}

TEST(err_may_quote_itself)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_IO, "inner");
    err_set(&err, ERR_WIRE, "outer (%s)", err.text);
    EXPECT_STR(err.text, "outer (inner)");
}

TEST(err_text_is_cut_to_fit)
{
    struct err err = ERR_INIT;
    char big[2000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    err_set(&err, ERR_IO, "%s", big);
    EXPECT_EQ(strlen(err.text), sizeof(err.text) - 1);
    err_wrap(&err, "context");
    EXPECT_EQ(strlen(err.text), sizeof(err.text) - 1);
    EXPECT_HAS(err.text, "context: xxx");
}

TEST(err_clear_leaves_nothing)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_IO, "x");
    err_clear(&err);
    EXPECT_EQ(err.code, ERR_NONE);
    EXPECT_STR(err.text, "");
}

TEST(err_table_maps_to_http)
{
    EXPECT_EQ(err_status(ERR_NOT_FOUND), 404);
    EXPECT_EQ(err_status(ERR_INVALID), 422);
    EXPECT_EQ(err_status(ERR_LIMIT), 429);
    EXPECT_EQ(err_status(ERR_UNAVAILABLE), 503);
    EXPECT_STR(err_name(ERR_TOO_LARGE), "too_large");
    EXPECT(err_retryable(ERR_UNAVAILABLE));
    EXPECT(!err_retryable(ERR_CONFLICT));
}

TEST(err_names_are_distinct_and_statuses_sane)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        EXPECT_MSG(err_status(i) >= 200 && err_status(i) < 600, "a status: %d",
                   err_status(i));
        for (int j = 0; j < i; j++) {
            EXPECT(strcmp(err_name(i), err_name(j)) != 0);
        }
    }
}

TEST(err_from_wire_never_trusts_a_number)
{
    EXPECT_EQ(err_from_wire(-1), ERR_INTERNAL);
    EXPECT_EQ(err_from_wire(ERR_COUNT), ERR_INTERNAL);
    EXPECT_EQ(err_from_wire(2147483647), ERR_INTERNAL);
    EXPECT_EQ(err_from_wire(ERR_FENCED), ERR_FENCED);
    EXPECT_STR(err_name(9999), "internal");
}
