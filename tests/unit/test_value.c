/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "tests/unit/value_kit.h"

/* ---- scalars ------------------------------------------------------------- */

TEST(value_ints_take_their_shortest_form_and_read_back)
{
    static const struct {
        int64_t n;
        const char *bytes;
        size_t len;
    } rows[] = {
        {0, LITERAL("\x00")},
        {127, LITERAL("\x7f")},
        {128, LITERAL("\xcc\x80")},
        {255, LITERAL("\xcc\xff")},
        {256, LITERAL("\xcd\x01\x00")},
        {65535, LITERAL("\xcd\xff\xff")},
        {65536, LITERAL("\xce\x00\x01\x00\x00")},
        {UINT32_MAX, LITERAL("\xce\xff\xff\xff\xff")},
        {(int64_t)UINT32_MAX + 1,
         LITERAL("\xcf\x00\x00\x00\x01\x00\x00\x00\x00")},
        {INT64_MAX, LITERAL("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff")},
        {-1, LITERAL("\xff")},
        {-32, LITERAL("\xe0")},
        {-33, LITERAL("\xd0\xdf")},
        {-128, LITERAL("\xd0\x80")},
        {-129, LITERAL("\xd1\xff\x7f")},
        {-32768, LITERAL("\xd1\x80\x00")},
        {-32769, LITERAL("\xd2\xff\xff\x7f\xff")},
        {INT32_MIN, LITERAL("\xd2\x80\x00\x00\x00")},
        {(int64_t)INT32_MIN - 1,
         LITERAL("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff")},
        {INT64_MIN, LITERAL("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = leat_new_int(rows[i].n);
        expect_bytes(leat_view_of(v), rows[i].bytes, rows[i].len);
        EXPECT_EQ(leat_type_of(leat_view_of(v)), LEAT_INT);
        EXPECT(leat_int(leat_view_of(v), 42) == rows[i].n);
        leat_drop(v);
        v = leat_pack("I", rows[i].n); /* the other way to write it */
        expect_bytes(leat_view_of(v), rows[i].bytes, rows[i].len);
        leat_drop(v);
    }
}

TEST(value_reads_every_number_form)
{
    leat_value *v = from_bytes(LITERAL("\x9a"
                                       "\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"
                                       "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
                                       "\xca\x40\x20\x00\x00"
                                       "\xcb\xc0\x04\x00\x00\x00\x00\x00\x00"
                                       "\xcc\x05\xcd\x00\x06\xd0\x07"
                                       "\xd1\xff\xff\xd2\x00\x00\x00\x09"
                                       "\xce\x80\x00\x00\x00"));
    leat_view list = leat_view_of(v);
    EXPECT_EQ(leat_int(leat_at(list, 0), 0), -2);
    EXPECT(leat_uint(leat_at(list, 1), 0) == UINT64_MAX);
    EXPECT_EQ(leat_int(leat_at(list, 1), -7), -7);
    EXPECT(leat_double(leat_at(list, 1), 0) == 18446744073709551616.0);
    EXPECT(leat_double(leat_at(list, 2), 0) == 2.5);
    EXPECT(leat_double(leat_at(list, 3), 0) == -2.5);
    EXPECT_EQ(leat_int(leat_at(list, 4), 0), 5);
    EXPECT_EQ(leat_int(leat_at(list, 5), 0), 6);
    EXPECT_EQ(leat_int(leat_at(list, 6), 0), 7);
    EXPECT_EQ(leat_int(leat_at(list, 7), 0), -1);
    EXPECT_EQ(leat_int(leat_at(list, 8), 0), 9);
    EXPECT_EQ(leat_int(leat_at(list, 9), 0), 2147483648LL);
    leat_drop(v);
}

TEST(value_numbers_convert_only_without_loss)
{
    leat_value *v = leat_pack("[f,f,f,f,f,f,f,I,f]", 3.0, 3.5, 1e300, -1.0,
                              9223372036854775808.0, (double)NAN, -0.0,
                              INT64_MIN, -9223372036854775808.0);
    leat_view list = leat_view_of(v);
    EXPECT_EQ(leat_int(leat_at(list, 0), -9), 3);
    EXPECT_EQ(leat_uint(leat_at(list, 0), 9), 3);
    EXPECT_EQ(leat_int(leat_at(list, 1), -9), -9);
    EXPECT_EQ(leat_int(leat_at(list, 2), -9), -9);
    EXPECT_EQ(leat_uint(leat_at(list, 2), 9), 9);
    EXPECT_EQ(leat_int(leat_at(list, 3), -9), -1);
    EXPECT_EQ(leat_uint(leat_at(list, 3), 9), 9);
    EXPECT_EQ(leat_int(leat_at(list, 4), -9), -9);
    EXPECT(leat_uint(leat_at(list, 4), 9) == (uint64_t)1 << 63);
    EXPECT_EQ(leat_int(leat_at(list, 5), -9), -9);
    EXPECT_EQ(leat_uint(leat_at(list, 6), 9), 0);
    EXPECT(leat_double(leat_at(list, 7), 0) == -9223372036854775808.0);
    EXPECT(leat_int(leat_at(list, 8), 0) == INT64_MIN);
    leat_drop(v);
}

TEST(value_text_heads_at_their_limits)
{
    static const size_t sizes[] = {0,   1,   31,    32,    255,
                                   256, 257, 65535, 65536, 70000};
    char *text = base_zalloc(70001);
    memset(text, 'x', 70000);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        size_t head = n < 32 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : 5;
        leat_value *v = leat_new_string_n(text, n);
        leat_value *w = leat_pack("t", (leat_text){text, n});
        EXPECT_EQ(leat_count(leat_view_of(v)), n);
        EXPECT_EQ(leat_string(leat_view_of(v)).len, n);
        EXPECT_EQ(value_packed_size(leat_view_of(v)), head + n);
        EXPECT_MEM(value_bytes_of(v).ptr, value_bytes_of(w).ptr, head + n);
        leat_drop(v);
        leat_drop(w);
    }
    free(text);
}

TEST(value_strings_and_bytes_are_not_each_other)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_write_bytes(w, "\x00\xff", 2);
    leat_write_string(w, "ab");
    leat_write_string(w, NULL);
    leat_write_string_n(w, NULL, 0);
    leat_write_bytes(w, NULL, 0);
    leat_write_end(w);
    leat_value *v = leat_writer_finish(&w);
    EXPECT(w == NULL);
    leat_view list = leat_view_of(v);
    EXPECT_EQ(leat_type_of(leat_at(list, 0)), LEAT_BYTES);
    EXPECT_EQ(leat_bytes(leat_at(list, 0)).len, 2);
    EXPECT(leat_string(leat_at(list, 0)).ptr == NULL);
    EXPECT_EQ(leat_count(leat_at(list, 0)), 0);
    EXPECT(leat_bytes(leat_at(list, 1)).ptr == NULL);
    EXPECT(leat_is(leat_at(list, 1), "ab"));
    EXPECT(!leat_is(leat_at(list, 1), "a"));
    EXPECT(!leat_is(leat_at(list, 1), "abc"));
    EXPECT(!leat_is(leat_at(list, 0), ""));
    EXPECT_EQ(leat_type_of(leat_at(list, 2)), LEAT_NULL);
    EXPECT(leat_is(leat_at(list, 3), ""));
    EXPECT(leat_string(leat_at(list, 3)).ptr != NULL);
    EXPECT_EQ(leat_type_of(leat_at(list, 4)), LEAT_BYTES);
    leat_drop(v);
}

TEST(value_truth_is_pythons)
{
    leat_value *v = leat_pack("[n,b,b,i,i,f,f,s,s,[],[n],{},{s:n}]", 0, 1, 0,
                              -1, 0.0, 0.1, "", "x", "k");
    static const bool want[] = {false, false, true,  false, true,  false, true,
                                false, true,  false, true,  false, true};
    for (leat_iter it = leat_iter_of(leat_view_of(v)); leat_next(&it);) {
        EXPECT_MSG(leat_true(it.item) == want[it.index], "element %zu",
                   it.index);
    }
    EXPECT(!leat_true(leat_view_of(NULL)));
    leat_drop(v);
}

TEST(value_formats)
{
    leat_value *v = leat_new_format("%d-%s", 12, "x");
    expect_text(leat_view_of(v), "12-x");
    leat_drop(v);
    char *text = base_zalloc(3001);
    memset(text, 'y', 3000);
    v = leat_new_format("%s!", text);
    EXPECT_EQ(leat_count(leat_view_of(v)), 3001);
    leat_drop(v);
    free(text);
    v = leat_new_string(NULL);
    EXPECT_EQ(leat_type_of(leat_view_of(v)), LEAT_NULL);
    leat_drop(v);
}

/* ---- what is not there --------------------------------------------------- */

TEST(value_missing_reads_as_the_default)
{
    leat_view no = leat_view_of(NULL);
    EXPECT_EQ(leat_type_of(no), LEAT_MISSING);
    EXPECT_EQ(leat_tag_of(no), LEAT_PLAIN);
    EXPECT(leat_bool(no, true));
    EXPECT_EQ(leat_int(no, 5), 5);
    EXPECT_EQ(leat_uint(no, 5), 5);
    EXPECT(leat_double(no, 1.5) == 1.5);
    EXPECT(leat_string(no).ptr == NULL);
    EXPECT(leat_bytes(no).ptr == NULL);
    EXPECT_EQ(leat_count(no), 0);
    EXPECT_EQ(leat_type_of(leat_get(no, "x")), LEAT_MISSING);
    EXPECT_EQ(leat_type_of(leat_at(no, 0)), LEAT_MISSING);
    leat_iter it = leat_iter_of(no);
    EXPECT(!leat_next(&it));
    EXPECT(leat_value_of(no) == NULL);
    EXPECT(leat_hold(NULL) == NULL);
    leat_drop(NULL);
    EXPECT(value_strdup(no) == NULL);
    expect_bytes(no, "\xc0", 1);
    EXPECT_EQ(value_weight(NULL), 0);
}

TEST(value_of_another_type_reads_as_the_default)
{
    leat_value *packed = example();
    leat_value *composed = compose(leat_view_of(packed));
    leat_view views[] = {leat_view_of(packed), leat_view_of(composed)};
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        leat_view v = views[i];
        EXPECT_EQ(leat_type_of(v), LEAT_OBJECT);
        EXPECT_EQ(leat_int(v, 3), 3);
        EXPECT(leat_bool(v, true));
        EXPECT(leat_string(v).ptr == NULL);
        EXPECT_EQ(leat_type_of(leat_at(v, 0)), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_get(v, "nothing")), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_get(v, "")), LEAT_MISSING);
        leat_view list = leat_get(v, "list");
        EXPECT_EQ(leat_type_of(leat_get(list, "a")), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_get(leat_get(v, "n"), "a")),
                  LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_at(list, 4)), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_at(list, -5)), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_at(list, LONG_MAX)), LEAT_MISSING);
        EXPECT_EQ(leat_type_of(leat_at(list, LONG_MIN)), LEAT_MISSING);
        leat_iter it = leat_iter_of(leat_get(v, "n"));
        EXPECT(!leat_next(&it));
    }
    leat_drop(packed);
    leat_drop(composed);
}

/* ---- containers ---------------------------------------------------------- */

TEST(value_reads_packed_and_composed_alike)
{
    leat_value *packed = example();
    leat_value *composed = compose(leat_view_of(packed));
    leat_view views[] = {leat_view_of(packed), leat_view_of(composed)};
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        leat_view v = views[i];
        EXPECT_EQ(leat_count(v), 4);
        EXPECT_EQ(leat_int(leat_get(v, "n"), 0), 7);
        leat_view list = leat_get(v, "list");
        EXPECT_EQ(leat_count(list), 4);
        expect_text(leat_at(list, 0), "a");
        expect_text(leat_at(list, -4), "a");
        EXPECT(leat_bool(leat_at(list, 1), false));
        EXPECT_EQ(leat_type_of(leat_at(list, 2)), LEAT_NULL);
        EXPECT(leat_double(leat_at(list, -1), 0) == 2.5);
        leat_text text = leat_string(leat_get(leat_get(v, "inner"), "key"));
        EXPECT_EQ(text.len, 3);
        EXPECT_MEM(text.ptr, "x\0y", 3);
        static const char *const keys[] = {"n", "list", "inner", "long"};
        size_t n = 0;
        for (leat_iter it = leat_iter_of(v); leat_next(&it); n++) {
            EXPECT_EQ(it.index, n);
            EXPECT_EQ(it.key.len, strlen(keys[n]));
            EXPECT_MEM(it.key.ptr, keys[n], it.key.len);
            EXPECT(leat_equal(it.item, leat_get(v, keys[n])));
        }
        EXPECT_EQ(n, 4);
    }
    struct value_bytes bytes = value_bytes_of(packed);
    expect_bytes(leat_view_of(composed), (const char *)bytes.ptr, bytes.len);
    leat_value *again = value_packed(composed);
    EXPECT_EQ(value_bytes_of(again).len, bytes.len);
    EXPECT_MEM(value_bytes_of(again).ptr, bytes.ptr, bytes.len);
    leat_drop(again);
    leat_drop(packed);
    leat_drop(composed);
}

TEST(value_view_of_a_node_without_its_bytes)
{
    leat_value *v = example();
    leat_view bare = {v, NULL};
    EXPECT_EQ(leat_type_of(bare), LEAT_OBJECT);
    EXPECT_EQ(leat_int(leat_get(bare, "n"), 0), 7);
    leat_iter it = leat_iter_of(bare);
    EXPECT(leat_next(&it) && it.key.len == 1);
    leat_value *same = leat_value_of(bare);
    EXPECT(same == v);
    leat_drop(same);
    leat_drop(v);
}

TEST(value_container_heads_at_their_limits)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 65535, 65536, 65537};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        size_t head = n < 16 ? 1 : n < 65536 ? 3 : 5;
        leat_writer *w = leat_writer_new();
        leat_write_list(w);
        leat_write_list(w);
        for (size_t k = 0; k < n; k++) {
            leat_write_int(w, (int64_t)(k % 100));
        }
        leat_write_end(w);
        leat_write_string(w, "behind");
        leat_write_end(w);
        leat_value *v = leat_writer_finish(&w);
        leat_view inner = leat_at(leat_view_of(v), 0);
        EXPECT_EQ(leat_count(inner), n);
        EXPECT_EQ(value_packed_size(inner), head + n);
        EXPECT(leat_is(leat_at(leat_view_of(v), 1), "behind"));
        EXPECT_EQ(leat_int(leat_at(inner, (long)n - 1), 0),
                  n > 0 ? (n - 1) % 100 : 0);
        leat_value *composed = compose(leat_view_of(v));
        struct value_bytes bytes = value_bytes_of(v);
        expect_bytes(leat_view_of(composed), (const char *)bytes.ptr,
                     bytes.len);
        leat_drop(composed);
        leat_drop(v);
    }
}

TEST(value_large_objects_and_their_heads)
{
    static const size_t sizes[] = {15, 16, 70000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        leat_writer *w = leat_writer_new();
        leat_write_tagged(w, LEAT_MESSAGE);
        for (size_t k = 0; k < sizes[i]; k++) {
            char key[24];
            snprintf(key, sizeof(key), "k%zu", k);
            leat_write_key(w, key);
            leat_write_uint(w, k);
        }
        leat_write_end(w);
        leat_value *v = leat_writer_finish(&w);
        EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_MESSAGE);
        EXPECT_EQ(leat_count(leat_view_of(v)), sizes[i]);
        EXPECT_EQ(leat_int(leat_get(leat_view_of(v), "k14"), 0), 14);
        leat_value *composed = compose(leat_view_of(v));
        struct value_bytes bytes = value_bytes_of(v);
        expect_bytes(leat_view_of(composed), (const char *)bytes.ptr,
                     bytes.len);
        EXPECT_EQ(value_check(bytes.ptr, bytes.len), bytes.len);
        leat_drop(composed);
        leat_drop(v);
    }
}

TEST(value_last_duplicate_key_wins)
{
    leat_value *v = from_bytes(LITERAL("\x83\xa1"
                                       "a\x01\xa1"
                                       "b\x02\xa1"
                                       "a\x03"));
    EXPECT_EQ(leat_int(leat_get(leat_view_of(v), "a"), 0), 3);
    leat_value *composed = compose(leat_view_of(v));
    EXPECT_EQ(leat_int(leat_get(leat_view_of(composed), "a"), 0), 3);
    leat_value *unique = leat_pack("{s:i,s:i}", "b", 2, "a", 3);
    EXPECT(leat_equal(leat_view_of(v), leat_view_of(unique)));
    EXPECT(leat_equal(leat_view_of(unique), leat_view_of(composed)));
    leat_drop(unique);
    unique = leat_pack("{s:i,s:i}", "a", 1, "b", 2);
    EXPECT(!leat_equal(leat_view_of(v), leat_view_of(unique)));
    leat_drop(unique);
    expect_json(leat_with(leat_view_of(v), "a", leat_new_int(9)),
                "{\"a\":9,\"b\":2}");
    expect_json(leat_with(leat_view_of(v), "a", NULL), "{\"b\":2}");
    leat_drop(composed);
    leat_drop(v);
}

TEST(value_duplicates_that_differ_where_hidden_are_equal)
{
    leat_value *a = from_bytes(LITERAL("\x82\xa1"
                                       "a\x01\xa1"
                                       "a\x03"));
    leat_value *b = from_bytes(LITERAL("\x82\xa1"
                                       "a\x02\xa1"
                                       "a\x03"));
    leat_value *c = from_bytes(LITERAL("\x82\xa1"
                                       "a\x01\xa1"
                                       "a\x04"));
    EXPECT(leat_equal(leat_view_of(a), leat_view_of(b)));
    EXPECT(!leat_equal(leat_view_of(a), leat_view_of(c)));
    leat_drop(a);
    leat_drop(b);
    leat_drop(c);
}

/* ---- equality ------------------------------------------------------------ */

TEST(value_equality)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"1", "1", true},
        {"1", "1.0", true},
        {"-0.0", "0", true},
        {"1", "2", false},
        {"1", "\"1\"", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"18446744073709551615", "18446744073709551615", true},
        {"18446744073709551615", "18446744073709551616.0", false},
        {"9223372036854775808", "9223372036854775808.0", true},
        {"9223372036854775807", "9223372036854775808", false},
        {"-1", "18446744073709551615", false},
        {"1.5", "1.5", true},
        {"1.5", "1", false},
        {"null", "null", true},
        {"null", "false", false},
        {"true", "true", true},
        {"true", "1", false},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"\"a\"", "\"ab\"", false},
        {"[]", "{}", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,2]", false},
        {"{}", "{}", true},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}", true},
        {"{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":2}}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *a =
            leat_from_json(rows[i].a, strlen(rows[i].a), NULL, 0);
        leat_value *b =
            leat_from_json(rows[i].b, strlen(rows[i].b), NULL, 0);
        leat_value *c = compose(leat_view_of(b));
        EXPECT_MSG(leat_equal(leat_view_of(a), leat_view_of(b)) ==
                       rows[i].equal,
                   "%s and %s", rows[i].a, rows[i].b);
        EXPECT(leat_equal(leat_view_of(b), leat_view_of(a)) == rows[i].equal);
        EXPECT(leat_equal(leat_view_of(c), leat_view_of(a)) == rows[i].equal);
        EXPECT(leat_equal(leat_view_of(c), leat_view_of(b)));
        leat_drop(a);
        leat_drop(b);
        leat_drop(c);
    }
    EXPECT(leat_equal(leat_view_of(NULL), leat_view_of(NULL)));
}

TEST(value_equality_of_deep_differences_is_quick)
{
    /* A comparison that looked twice at each level would never end. */
    leat_value *a = leat_new_int(1), *b = leat_new_int(2);
    for (int i = 0; i < LEAT_DEPTH_MAX; i++) {
        a = leat_pack("{s:V,s:i}", "x", a, "y", 0);
        b = leat_pack("{s:V,s:i}", "x", b, "y", 0);
    }
    EXPECT(!leat_equal(leat_view_of(a), leat_view_of(b)));
    leat_drop(a);
    leat_drop(b);
}

TEST(value_equality_ignores_tags_and_nan_equals_nothing)
{
    leat_value *a = leat_pack("{s:i}", "a", 1);
    leat_value *b = leat_tagged(leat_hold(a), LEAT_COMMAND);
    EXPECT(leat_equal(leat_view_of(a), leat_view_of(b)));
    leat_drop(a);
    leat_drop(b);
    a = leat_new_double((double)NAN);
    EXPECT(!leat_equal(leat_view_of(a), leat_view_of(a)));
    leat_drop(a);
}

/* ---- references ---------------------------------------------------------- */

TEST(value_slices_outlive_their_owner)
{
    leat_value *v = example();
    leat_value *text = leat_value_of(leat_get(leat_view_of(v), "long"));
    leat_value *inner = leat_value_of(leat_get(leat_view_of(v), "inner"));
    leat_drop(v);
    EXPECT_EQ(leat_count(leat_view_of(text)), 87);
    EXPECT_EQ(leat_count(leat_get(leat_view_of(inner), "key")), 3);
    leat_value *outer = leat_pack("{s:V,s:i}", "text", text, "n", 1);
    leat_value *slice = leat_value_of(leat_get(leat_view_of(outer), "text"));
    leat_drop(outer);
    leat_value *same = leat_value_of(leat_view_of(slice));
    EXPECT(same == slice);
    leat_drop(same);
    EXPECT_EQ(leat_count(leat_view_of(slice)), 87);
    leat_drop(slice);
    leat_drop(inner);
}

TEST(value_slice_of_a_slice)
{
    leat_value *deep = leat_pack(
        "{s:{s:{s:s}}}", "a", "b", "c",
        "long enough, long enough, long enough, long enough to be a slice");
    leat_value *a = leat_value_of(leat_get(leat_view_of(deep), "a"));
    leat_drop(deep);
    leat_value *b = leat_value_of(leat_get(leat_view_of(a), "b"));
    leat_drop(a);
    EXPECT_EQ(leat_count(leat_get(leat_view_of(b), "c")), 64);
    leat_drop(b);
}

static void count_release(void *arg)
{
    ++*(int *)arg;
}

TEST(value_foreign_bytes_are_released_once_with_the_last_reference)
{
    static const char bytes[] = "\x92\xd9\x46"
                                "0123456789012345678901234567890123456789012345"
                                "678901234567890123456789\x01";
    int released = 0;
    leat_value *v;
    struct err err = ERR_INIT;
    struct value_owner owner = {count_release, &released};
    EXPECT(value_from_foreign(bytes, sizeof(bytes) - 1, owner, &v, &err));
    EXPECT(value_bytes_of(v).ptr == (const unsigned char *)bytes);
    leat_value *text = leat_value_of(leat_at(leat_view_of(v), 0));
    leat_drop(v);
    EXPECT_EQ(released, 0);
    EXPECT_EQ(leat_count(leat_view_of(text)), 70);
    leat_drop(text);
    EXPECT_EQ(released, 1);
    EXPECT(!value_from_foreign(bytes, 3, owner, &v, &err));
    EXPECT(v == NULL);
    EXPECT_EQ(err.code, ERR_WIRE);
    EXPECT_EQ(released, 1);
}

static void *hold_and_drop(void *arg)
{
    leat_value *shared = arg;
    for (int i = 0; i < 20000; i++) {
        leat_value *mine = leat_hold(shared);
        leat_value *part = leat_value_of(leat_get(leat_view_of(mine), "long"));
        leat_value *other = leat_pack("{s:W}", "x", part);
        leat_drop(mine);
        leat_drop(part);
        leat_drop(other);
    }
    return NULL;
}

TEST(value_references_are_counted_across_threads)
{
    leat_value *v = example();
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, hold_and_drop, v), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        EXPECT_EQ(pthread_join(threads[i], NULL), 0);
    }
    EXPECT_EQ(leat_int(leat_get(leat_view_of(v), "n"), 0), 7);
    leat_drop(v);
}

static void *finish_writer(void *arg)
{
    leat_writer *w = arg;
    leat_write_end(w);
    return leat_writer_finish(&w);
}

TEST(value_writer_may_change_threads)
{
    leat_drop(leat_pack("[]"));
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_writer *second = leat_writer_new(); /* two at a time */
    leat_write_int(second, 1);
    pthread_t thread;
    void *v;
    EXPECT_EQ(pthread_create(&thread, NULL, finish_writer, w), 0);
    EXPECT_EQ(pthread_join(thread, &v), 0);
    EXPECT_EQ(leat_type_of(leat_view_of(v)), LEAT_LIST);
    leat_drop(v);
    leat_drop(leat_writer_finish(&second));
    w = leat_writer_new();
    leat_write_list(w);
    leat_writer_destroy(&w);
    EXPECT(w == NULL);
    leat_writer_destroy(&w);
    leat_writer_destroy(NULL);
}

TEST(value_of_raw_bytes_copies)
{
    char bytes[] = "\x92\x01\xa1z";
    leat_view v = value_view_raw(bytes);
    leat_value *item = leat_value_of(leat_at(v, 1));
    leat_value *all = leat_value_of(v);
    memset(bytes, 0xc1, sizeof(bytes));
    EXPECT(leat_is(leat_view_of(item), "z"));
    EXPECT_EQ(leat_count(leat_view_of(all)), 2);
    leat_drop(item);
    leat_drop(all);
}

/* ---- foreign bytes ------------------------------------------------------- */

TEST(value_check_refuses_what_is_not_ours)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"nothing", LITERAL("")},
        {"never used", LITERAL("\xc1")},
        {"cut int", LITERAL("\xcd\x01")},
        {"cut double", LITERAL("\xcb\x00\x00\x00\x00\x00\x00\x00")},
        {"cut float", LITERAL("\xca\x00\x00\x00")},
        {"cut fixstr", LITERAL("\xa2x")},
        {"cut str8 head", LITERAL("\xd9")},
        {"cut str8", LITERAL("\xd9\x02x")},
        {"cut str16", LITERAL("\xda\x00")},
        {"cut str32", LITERAL("\xdb\xff\xff\xff\xffx")},
        {"cut bin", LITERAL("\xc4\x01")},
        {"cut list", LITERAL("\x92\x01")},
        {"list of 2^32-1", LITERAL("\xdd\xff\xff\xff\xff\x01")},
        {"map of 2^32-1", LITERAL("\xdf\xff\xff\xff\xff\xa0\x01")},
        {"cut list head", LITERAL("\xdc\x00")},
        {"map without value", LITERAL("\x81\xa1k")},
        {"map with int key", LITERAL("\x81\x01\x01")},
        {"map with nil key", LITERAL("\x81\xc0\x01")},
        {"map with bin key", LITERAL("\x81\xc4\x01k\x01")},
        {"map with list key", LITERAL("\x81\x90\x01")},
        {"map with tagged key", LITERAL("\x81\xd4\x01\x80\x01")},
        {"tag 0", LITERAL("\xd4\x00\x80")},
        {"tag 5", LITERAL("\xd4\x05\x80")},
        {"tag -1", LITERAL("\xd4\xff\x80")},
        {"tag on nil", LITERAL("\xd4\x01\xc0")},
        {"tag on list", LITERAL("\xd4\x01\x90")},
        {"tag on tag", LITERAL("\xc7\x03\x01\xd4\x01\x80")},
        {"tag on nothing", LITERAL("\xc7\x00\x01")},
        {"cut tag", LITERAL("\xd4\x01")},
        {"tag without type", LITERAL("\xc7\x01")},
        {"tag shorter than object", LITERAL("\xc7\x02\x01\x81\xa1k\x01")},
        {"tag longer than object", LITERAL("\xc7\x05\x01\x81\xa1k\x01\x01")},
        {"tag longer than bytes", LITERAL("\xc9\xff\xff\xff\xff\x01\x80")},
        {"typed without bin", LITERAL("\xd5\x05\xa0\x01")},
        {"typed with nothing behind", LITERAL("\xd5\x05\xc4\x00")},
        {"typed with two values", LITERAL("\xd6\x05\xc4\x00\x01\x01")},
        {"typed with a tag", LITERAL("\xc7\x05\x05\xc4\x00\xd4\x01\x80")},
        {"typed longer than bytes", LITERAL("\xc7\x09\x05\xc4\x00\x01")},
        {"bin over the end", LITERAL("\xc7\x03\x05\xc4\x02\x01\x01\x01")},
        {"typed cut list", LITERAL("\xc7\x04\x05\xc4\x00\x92\x01\x01")},
        {"timestamp", LITERAL("\xd6\xff\x00\x00\x00\x00")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = (leat_value *)1;
        struct err err = ERR_INIT;
        EXPECT_MSG(value_check(rows[i].bytes, rows[i].len) == 0, "%s",
                   rows[i].what);
        EXPECT(!value_from_bytes(rows[i].bytes, rows[i].len, &v, &err));
        EXPECT(v == NULL);
        EXPECT_EQ(err.code, ERR_WIRE);
    }
}

TEST(value_check_walks_one_after_the_other)
{
    static const char bytes[] = "\x01\x92\x01\x02\xa1x\xd4\x02\x80\xc0";
    static const size_t lengths[] = {1, 3, 2, 3, 1};
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        size_t n = value_check(bytes + at, sizeof(bytes) - 1 - at);
        EXPECT_EQ(n, lengths[i]);
        at += n;
    }
    EXPECT_EQ(at, sizeof(bytes) - 1);
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT(!value_from_bytes(bytes, sizeof(bytes) - 1, &v, &err));
    EXPECT_HAS(err.text, "behind");
}

TEST(value_accepts_every_form_of_a_tag)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {LITERAL("\xd4\x01\x80")},
        {LITERAL("\xd6\x01\x81\xa1k\x01")},
        {LITERAL("\xc7\x04\x01\x81\xa1k\x01")},
        {LITERAL("\xc8\x00\x04\x01\x81\xa1k\x01")},
        {LITERAL("\xc9\x00\x00\x00\x04\x01\x81\xa1k\x01")},
        {LITERAL("\xc7\x06\x01\xde\x00\x01\xa1k\x01")},
        {LITERAL("\xc7\x08\x01\xdf\x00\x00\x00\x01\xa1k\x01")},
        {LITERAL("\xd7\x01\x81\xa5"
                 "abcde\x01")},
        {LITERAL("\xd8\x01\x81\xad"
                 "abcdefghijklm\x01")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = from_bytes(rows[i].bytes, rows[i].len);
        EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_MESSAGE);
        EXPECT_EQ(leat_count(leat_view_of(v)), i > 0);
        leat_iter it = leat_iter_of(leat_view_of(v));
        EXPECT(leat_next(&it) == (i > 0));
        EXPECT(i == 0 || leat_int(it.item, 0) == 1);
        leat_value *outer = leat_pack("[W,i]", v, 5);
        EXPECT_EQ(leat_int(leat_at(leat_view_of(outer), 1), 0), 5);
        leat_drop(outer);
        leat_drop(v);
    }
}

TEST(value_shows_what_is_behind_the_type)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *json;
    } rows[] = {
        {LITERAL("\xd6\x05\xc4\x01z\x07"), "7"},
        {LITERAL("\xd6\x05\xc4\x01z\xc3"), "true"},
        {LITERAL("\xc7\x07\x05\xc4\x01z\xa3" "abc"), "\"abc\""},
        {LITERAL("\xc7\x06\x05\xc4\x01z\x92\x01\x02"), "[1,2]"},
        {LITERAL("\xc7\x07\x05\xc4\x01z\x81\xa1k\x01"), "{\"k\":1}"},
        {LITERAL("\xc7\x05\x05\xc5\x00\x01z\xc0"), "null"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = from_bytes(rows[i].bytes, rows[i].len);
        leat_view one = leat_view_of(v);
        EXPECT_EQ(leat_tag_of(one), LEAT_PLAIN);
        leat_value *outer = leat_pack("{s:W,s:[W,i]}", "a", v, "b", v, 5);
        leat_value *packed = value_packed(outer);
        char *text = leat_to_json(leat_view_of(packed));
        EXPECT_HAS(text, rows[i].json);
        leat_view list = leat_get(leat_view_of(packed), "b");
        EXPECT_EQ(leat_int(leat_at(list, 1), 0), 5);
        EXPECT(leat_equal(leat_at(list, 0), one));
        leat_value *taken = leat_value_of(leat_at(list, 0));
        EXPECT_EQ(value_packed_size(leat_view_of(taken)), rows[i].len);
        leat_iter it = leat_iter_of(one);
        size_t n = 0;
        while (leat_next(&it)) {
            n++;
            EXPECT_EQ(leat_int(it.item, 0), (int64_t)n);
        }
        EXPECT(n == leat_count(one) || leat_type_of(one) == LEAT_STRING);
        leat_free_text(text);
        leat_drop(taken);
        leat_drop(packed);
        leat_drop(outer);
        leat_drop(v);
    }
    leat_value *seven = from_bytes(rows[0].bytes, rows[0].len);
    EXPECT_EQ(leat_int(leat_view_of(seven), 0), 7);
    leat_drop(seven);
}

TEST(value_check_never_reads_past_the_end)
{
    /* Every cut of a valid value, in memory of exactly its size. */
    leat_value *v = leat_tagged(example(), LEAT_MESSAGE);
    struct value_bytes bytes = value_bytes_of(v);
    for (size_t n = 0; n < bytes.len; n++) {
        unsigned char *cut = base_realloc(NULL, n > 0 ? n : 1);
        memcpy(cut, bytes.ptr, n);
        EXPECT_EQ(value_check(cut, n), 0);
        free(cut);
    }
    leat_drop(v);
}

TEST(value_pack_into_stops_at_the_cap)
{
    leat_value *v = example();
    leat_value *composed = compose(leat_view_of(v));
    size_t len = value_packed_size(leat_view_of(v));
    struct buf b;
    buf_init(&b, len + 1);
    EXPECT(value_pack_into(leat_view_of(composed), &b));
    EXPECT_EQ(b.len, len);
    EXPECT(!value_pack_into(leat_view_of(composed), &b));
    EXPECT_EQ(b.len, len);
    EXPECT(value_pack_into(leat_view_of(NULL), &b));
    EXPECT(!value_pack_into(leat_view_of(NULL), &b));
    buf_fini(&b);
    leat_drop(composed);
    leat_drop(v);
}

TEST(value_weight_grows_with_what_is_held)
{
    leat_value *v = example();
    leat_value *list = leat_new_list(
        2, (leat_value *const[]){leat_hold(v), leat_hold(v)});
    EXPECT(value_weight(v) > value_bytes_of(v).len);
    EXPECT(value_weight(list) > 2 * value_weight(v));
    leat_drop(list);
    leat_drop(v);
}

static void bytes_of_composed(void)
{
    value_bytes_of(leat_new_list(0, NULL));
}

TEST(value_bytes_of_composed_aborts)
{
    EXPECT(aborts(bytes_of_composed));
}
