/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter lets pass, and what is no filter. */
#include "common/store/filter.h"
#include "tests/unit/store_rig.h"

TEST(filter_lets_pass)
{
    static const struct {
        const char *value;
        const char *filter;
        bool passes;
    } rows[] = {
        {"{\"a\":1}", "{}", true},
        {"{\"a\":1}", "null", true},
        {"{\"a\":1,\"b\":2}", "{\"a\":1}", true},
        {"{\"a\":1.0}", "{\"a\":1}", true},
        {"{\"a\":\"1\"}", "{\"a\":1}", false},
        {"{}", "{\"a\":null}", true},
        {"{\"a\":0}", "{\"a\":null}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":{\"b\":{\"c\":1},\"d\":2}}", "{\"a\":{\"b\":{\"c\":1}}}",
         true},
        {"{\"a\":5}", "{\"a\":{\"b\":1}}", false},
        {"{\"a\":[1,2]}", "{\"a\":[1,2]}", true},
        {"{\"a\":[1,2]}", "{\"a\":[1]}", false},
        {"{\"a\":[1,2]}", "{\"a\":[2,1]}", false},
        {"{\"a\":[{\"x\":1,\"y\":2}]}", "{\"a\":[{\"x\":1}]}", true},
        {"{\"a\":1}", "{\"a\":{\"$eq\":1}}", true},
        {"{\"a\":1}", "{\"a\":{\"$ne\":1}}", false},
        {"{}", "{\"a\":{\"$ne\":1}}", true},
        {"{}", "{\"a\":{\"$eq\":null}}", true},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"$eq\":{\"b\":1}}}", true},
        {"{\"a\":5}", "{\"a\":{\"$gt\":4,\"$lt\":6}}", true},
        {"{\"a\":6}", "{\"a\":{\"$gt\":4,\"$lt\":6}}", false},
        {"{\"a\":6}", "{\"a\":{\"$gte\":6,\"$lte\":6}}", true},
        {"{\"a\":5.5}", "{\"a\":{\"$gt\":5}}", true},
        {"{\"a\":-1}", "{\"a\":{\"$lt\":1}}", true},
        {"{\"a\":-1}", "{\"a\":{\"$gt\":-2}}", true},
        {"{\"a\":18446744073709551615}", "{\"a\":{\"$gt\":-1}}", true},
        {"{\"a\":9007199254740993}", "{\"a\":{\"$gt\":9007199254740992}}",
         true},
        {"{\"a\":\"b\"}", "{\"a\":{\"$gt\":\"a\"}}", true},
        {"{\"a\":\"b\"}", "{\"a\":{\"$lt\":\"ba\"}}", true},
        {"{\"a\":\"5\"}", "{\"a\":{\"$gt\":4}}", false},
        {"{\"a\":\"5\"}", "{\"a\":{\"$lt\":6}}", false},
        {"{\"a\":null}", "{\"a\":{\"$lte\":6}}", false},
        {"{}", "{\"a\":{\"$gte\":0}}", false},
        {"{\"a\":[1]}", "{\"a\":{\"$gte\":0}}", false},
        {"5", "{\"a\":1}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = ERR_INIT;
        EXPECT_MSG(store_filter_check(JV(rows[i].filter), "filter", &err),
                   "%s: %s", rows[i].filter, err.text);
        EXPECT_MSG(store_filter_matches(JV(rows[i].value),
                                        JV(rows[i].filter)) == rows[i].passes,
                   "%s by %s", rows[i].value, rows[i].filter);
    }
}

TEST(filter_is_checked)
{
    static const struct {
        const char *filter;
        const char *place;
    } rows[] = {
        {"5", "filter: must be an object"},
        {"[]", "filter: must be an object"},
        {"{\"a\":{\"$in\":[1]}}", "filter.a.$in: must be one of $eq|"},
        {"{\"$nor\":1}", "filter.$nor: must be one of"},
        {"{\"a\":{\"b\":{\"$gt\":[]}}}", "filter.a.b.$gt: must be a number"},
        {"{\"a\":[{\"$lt\":null}]}", "filter.a[0].$lt: must be a number"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = ERR_INIT;
        EXPECT(!store_filter_check(JV(rows[i].filter), "filter", &err));
        EXPECT_EQ(err.code, ERR_INVALID);
        EXPECT_HAS(err.text, rows[i].place);
    }
    struct err err = ERR_INIT;
    EXPECT(store_filter_check(leat_view_of(NULL), "filter", &err));
}
