/* SPDX-License-Identifier: Apache-2.0 */
#include "common/dyn.h"

#include "tests/harness/harness.h"

TEST(dyn_finds_functions)
{
    double (*root)(double) = NULL;
    const struct dyn_call calls[] = {{"sqrt", (void **)&root}};
    struct err err = ERR_INIT;
    EXPECT_MSG(dyn_load("libm.so.6", calls, 1, &err), "%s", err.text);
    EXPECT(root != NULL && root(9) == 3);
}

TEST(dyn_says_what_is_missing)
{
    void *nothing = NULL;
    const struct dyn_call calls[] = {{"no_such_function", &nothing}};
    struct err err = ERR_INIT;
    EXPECT(!dyn_load("libnothing.so.1", NULL, 0, &err));
    EXPECT_EQ(err.code, ERR_UNSUPPORTED);
    EXPECT_HAS(err.text, "libnothing.so.1 cannot be loaded: ");
    EXPECT(!dyn_load("libm.so.6", calls, 1, &err));
    EXPECT_HAS(err.text, "libm.so.6 is too old: ");
    EXPECT_HAS(err.text, "no_such_function");
}
