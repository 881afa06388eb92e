/* SPDX-License-Identifier: Apache-2.0 */
/* Errors with a class name. */
#include "worker/graph/fault.h"

#include "tests/harness/harness.h"

static void expect_repr(const char *text, const char *want)
{
    struct fault f = FAULT_INIT;
    graph_fault_set(&f, "E", "%s", text);
    leat_value *v = graph_fault_repr(&f);
    leat_text got = leat_string(leat_view_of(v));
    EXPECT_EQ(got.len, strlen(want));
    EXPECT_MEM(got.ptr, want, got.len);
    leat_drop(v);
    graph_fault_fini(&f);
}

TEST(fault_repr_is_pythons)
{
    expect_repr("boom", "E('boom')");
    expect_repr("", "E()");
    expect_repr("it's", "E(\"it's\")");
    expect_repr("it's \"so\"", "E('it\\'s \"so\"')");
    expect_repr("a\nb\\", "E('a\\nb\\\\')");
}

TEST(fault_first_one_stays)
{
    struct fault f = FAULT_INIT;
    struct fault moved = FAULT_INIT;
    struct err err = ERR_INIT;
    EXPECT(!graph_fault_is(&f));
    EXPECT(!graph_fault_set(&f, "", "first %d", 1));
    graph_fault_set(&f, "Other", "second");
    EXPECT_STR(f.type, "Error");
    EXPECT_STR(f.text, "first 1");
    EXPECT_EQ(f.code, ERR_GRAPH);
    graph_fault_move(&moved, &f);
    EXPECT(!graph_fault_is(&f));
    EXPECT_STR(moved.text, "first 1");
    graph_fault_fini(&moved);
    err_set(&err, ERR_FENCED, "lost");
    graph_fault_err(&f, &err);
    EXPECT_EQ(f.code, ERR_FENCED);
    graph_fault_fini(&f);
}
