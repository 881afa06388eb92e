/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/value_kit.h"

/* ---- building ------------------------------------------------------------ */

TEST(value_pattern_letters)
{
    leat_value *seven = leat_new_int(7);
    leat_value *v = leat_pack(
        "{s:s, s:t s:b,s:i,s:I,s:f,s:n,s:v,s:V,s:W,s:[],s:{}}", "s", "text",
        "t", (leat_text){"abc", 2}, "b", 0, "i", -5, "I", INT64_MIN, "f", 0.5,
        "n", "v", leat_view_of(seven), "V", leat_hold(seven), "W", seven, "l",
        "o");
    expect_json(v, "{\"s\":\"text\",\"t\":\"ab\",\"b\":false,\"i\":-5,"
                   "\"I\":-9223372036854775808,\"f\":0.5,\"n\":null,\"v\":7,"
                   "\"V\":7,\"W\":7,\"l\":[],\"o\":{}}");
    leat_drop(seven);
    expect_json(leat_pack("s", "alone"), "\"alone\"");
    expect_json(leat_pack("n"), "null");
    expect_json(leat_pack("[s,t,v,V,W]", NULL, (leat_text){NULL, 0},
                          leat_view_of(NULL), NULL, NULL),
                "[null,null,null,null,null]");
}

TEST(value_pattern_leaves_out_what_is_missing)
{
    leat_value *one = leat_new_int(1);
    expect_json(leat_pack("{s:?s,s:?s,s:?t,s:?v,s:?v,s:?V,s:?V,s:?W,s:?W}",
                          "a", NULL, "b", "x", "c", (leat_text){NULL, 0}, "d",
                          leat_view_of(NULL), "e", leat_view_of(one), "f",
                          NULL, "g", leat_hold(one), "h", NULL, "i", one),
                "{\"b\":\"x\",\"e\":1,\"g\":1,\"i\":1}");
    expect_json(leat_pack("{s:?s}", "a", NULL), "{}");
    expect_json(leat_pack("[{s:?n, s:?i}]", "a", "b", 2),
                "[{\"a\":null,\"b\":2}]");
    leat_drop(one);
}

static void pattern_unknown(void) { leat_drop(leat_pack("x", 1)); }
static void pattern_open(void) { leat_drop(leat_pack("[i", 1)); }
static void pattern_crossed(void) { leat_drop(leat_pack("[i}", 1)); }
static void pattern_key(void) { leat_drop(leat_pack("{i:i}", 1, 2)); }
static void pattern_half(void) { leat_drop(leat_pack("{s}", "a")); }
static void pattern_two(void) { leat_drop(leat_pack("ii", 1, 2)); }
static void pattern_none(void) { leat_drop(leat_pack("")); }
static void pattern_maybe(void) { leat_drop(leat_pack("[?s]", "a")); }
static void pattern_no_key(void) { leat_drop(leat_pack("{s:i}", NULL, 1)); }

TEST(value_wrong_patterns_abort)
{
    EXPECT(aborts(pattern_unknown));
    EXPECT(aborts(pattern_open));
    EXPECT(aborts(pattern_crossed));
    EXPECT(aborts(pattern_key));
    EXPECT(aborts(pattern_half));
    EXPECT(aborts(pattern_two));
    EXPECT(aborts(pattern_none));
    EXPECT(aborts(pattern_maybe));
    EXPECT(aborts(pattern_no_key));
}

static void write_no_key(void)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_int(w, 1);
}

static void write_two_keys(void)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "a");
    leat_write_key(w, "b");
}

static void write_key_in_list(void)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_write_key(w, "a");
}

static void write_half_pair(void)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "a");
    leat_write_end(w);
}

static void write_end_of_nothing(void)
{
    leat_writer *w = leat_writer_new();
    leat_write_end(w);
}

static void write_nothing(void)
{
    leat_writer *w = leat_writer_new();
    leat_drop(leat_writer_finish(&w));
}

TEST(value_writer_mistakes_abort)
{
    EXPECT(aborts(write_no_key));
    EXPECT(aborts(write_two_keys));
    EXPECT(aborts(write_key_in_list));
    EXPECT(aborts(write_half_pair));
    EXPECT(aborts(write_end_of_nothing));
    EXPECT(aborts(write_nothing));
}

TEST(value_append_shares_and_keeps_the_original)
{
    leat_value *list = leat_new_list(0, NULL);
    leat_value *kept = NULL;
    for (int i = 0; i < 300; i++) {
        leat_value *item = leat_pack("{s:i}", "i", i);
        leat_value *longer = leat_append(leat_view_of(list), 1, &item);
        EXPECT_EQ(leat_count(leat_view_of(list)), i);
        EXPECT_EQ(leat_count(leat_view_of(longer)), i + 1);
        if (i == 250) {
            kept = leat_hold(longer);
        }
        leat_drop(list);
        list = longer;
    }
    for (leat_iter it = leat_iter_of(leat_view_of(list)); leat_next(&it);) {
        EXPECT_EQ(leat_int(leat_get(it.item, "i"), -1), it.index);
    }
    EXPECT_EQ(leat_count(leat_view_of(kept)), 251);
    /* An element of both is the same one, not a copy. */
    leat_value *parts[] = {leat_value_of(leat_at(leat_view_of(kept), 120)),
                           leat_value_of(leat_at(leat_view_of(list), 120))};
    EXPECT(parts[0] == parts[1]);
    leat_drop(parts[0]);
    leat_drop(parts[1]);
    leat_drop(kept);
    leat_drop(list);
}

TEST(value_append_takes_null_and_anything_but_lists)
{
    leat_value *items[] = {NULL, leat_new_int(2)};
    expect_json(leat_append(leat_view_of(NULL), 2, items), "[null,2]");
    leat_value *object = leat_pack("{s:i}", "a", 1);
    expect_json(leat_append(leat_view_of(object), 0, NULL), "[]");
    leat_value *none = NULL;
    expect_json(leat_new_list(1, &none), "[null]");
    expect_json(leat_new_object(1, (const char *const[]){"k"}, &none),
                "{\"k\":null}");
    expect_json(leat_new_object(0, NULL, NULL), "{}");
    leat_drop(object);
}

TEST(value_with_replaces_in_place_adds_at_the_end_and_removes)
{
    char *text = base_zalloc(2001);
    memset(text, 'x', 2000);
    for (int big = 0; big < 2; big++) {
        leat_value *v = leat_tagged(
            leat_pack("{s:i,s:s,s:i}", "a", 1, "text", big ? text : "x", "c",
                      3),
            LEAT_SEND);
        leat_value *w = leat_with(leat_view_of(v), "a", leat_new_int(9));
        EXPECT_EQ(leat_tag_of(leat_view_of(w)), LEAT_SEND);
        EXPECT_EQ(leat_int(leat_get(leat_view_of(v), "a"), 0), 1);
        leat_iter it = leat_iter_of(leat_view_of(w));
        EXPECT(leat_next(&it) && it.key.ptr[0] == 'a');
        EXPECT_EQ(leat_int(it.item, 0), 9);
        leat_value *x = leat_with(leat_view_of(w), "d", leat_new_int(4));
        EXPECT_EQ(leat_count(leat_view_of(x)), 4);
        EXPECT_EQ(leat_int(leat_get(leat_view_of(x), "d"), 0), 4);
        leat_value *y = leat_with(leat_view_of(x), "text", NULL);
        EXPECT_EQ(leat_count(leat_view_of(y)), 3);
        EXPECT_EQ(leat_type_of(leat_get(leat_view_of(y), "text")),
                  LEAT_MISSING);
        leat_value *z = leat_with(leat_view_of(y), "none", NULL);
        EXPECT(leat_equal(leat_view_of(y), leat_view_of(z)));
        leat_value *packed = value_packed(y);
        expect_bytes(leat_view_of(z), (const char *)value_bytes_of(packed).ptr,
                     value_packed_size(leat_view_of(y)));
        leat_drop(packed);
        packed = value_packed(x);
        EXPECT_EQ(value_check(value_bytes_of(packed).ptr,
                              value_bytes_of(packed).len),
                  value_packed_size(leat_view_of(x)));
        leat_drop(packed);
        leat_drop(v);
        leat_drop(w);
        leat_drop(x);
        leat_drop(y);
        leat_drop(z);
    }
    free(text);
    expect_json(leat_with(leat_view_of(NULL), "k", leat_new_int(1)),
                "{\"k\":1}");
    leat_value *list = leat_pack("[i]", 1);
    expect_json(leat_with(leat_view_of(list), "k", leat_new_int(1)),
                "{\"k\":1}");
    leat_drop(list);
}

TEST(value_tags_come_and_go)
{
    leat_value *v = leat_tagged(leat_pack("{s:i}", "a", 1), LEAT_COMMAND);
    EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_COMMAND);
    EXPECT_EQ(leat_type_of(leat_view_of(v)), LEAT_OBJECT);
    expect_bytes(leat_view_of(v), LITERAL("\xd6\x03\x81\xa1"
                                          "a\x01"));
    v = leat_tagged(v, LEAT_MESSAGE);
    EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_MESSAGE);
    leat_value *composed = compose(leat_view_of(v));
    EXPECT_EQ(leat_tag_of(leat_view_of(composed)), LEAT_MESSAGE);
    composed = leat_tagged(composed, LEAT_CHUNK);
    EXPECT_EQ(leat_tag_of(leat_view_of(composed)), LEAT_CHUNK);
    composed = leat_tagged(composed, LEAT_PLAIN);
    expect_bytes(leat_view_of(composed), LITERAL("\x81\xa1"
                                                 "a\x01"));
    leat_drop(composed);
    v = leat_tagged(v, LEAT_PLAIN);
    expect_bytes(leat_view_of(v), LITERAL("\x81\xa1"
                                          "a\x01"));
    leat_drop(v);
    v = leat_tagged(leat_new_int(3), LEAT_MESSAGE);
    EXPECT_EQ(leat_int(leat_view_of(v), 0), 3);
    EXPECT_EQ(leat_tag_of(leat_view_of(v)), LEAT_PLAIN);
    leat_drop(v);
    EXPECT(leat_tagged(NULL, LEAT_MESSAGE) == NULL);
}

TEST(value_tag_heads_at_their_limits)
{
    /* A payload of `n` bytes: {"k": text}. */
    static const size_t sizes[] = {8, 16, 17, 255, 256, 65535, 65536, 70000};
    char *text = base_zalloc(70001);
    memset(text, 't', 70000);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        size_t str = n - 3;
        str -= str <= 32 ? 1 : str <= 257 ? 2 : str <= 65538 ? 3 : 5;
        leat_writer *w = leat_writer_new();
        leat_write_tagged(w, LEAT_CHUNK);
        leat_write_key(w, "k");
        leat_write_string_n(w, text, str);
        leat_write_end(w);
        leat_value *v = leat_writer_finish(&w);
        size_t head = n == 8 || n == 16 ? 2 : n < 256 ? 3 : n < 65536 ? 4 : 6;
        EXPECT_EQ(value_bytes_of(v).len, head + n);
        EXPECT_EQ(value_check(value_bytes_of(v).ptr, head + n), head + n);
        EXPECT_EQ(leat_count(leat_get(leat_view_of(v), "k")), str);
        leat_value *twice = leat_tagged(
            leat_tagged(leat_hold(v), LEAT_PLAIN), LEAT_CHUNK);
        EXPECT_MEM(value_bytes_of(twice).ptr, value_bytes_of(v).ptr,
                   head + n);
        leat_value *composed = compose(leat_view_of(v));
        expect_bytes(leat_view_of(composed),
                     (const char *)value_bytes_of(v).ptr, head + n);
        leat_drop(composed);
        leat_drop(twice);
        leat_drop(v);
    }
    free(text);
}

/* ---- depth --------------------------------------------------------------- */

static leat_value *nested(unsigned depth, bool composed)
{
    leat_value *v = leat_new_int(1);
    for (unsigned i = 0; i < depth; i++) {
        v = composed ? leat_new_list(1, &v) : leat_pack("[V]", v);
    }
    return v;
}

static void nest_composed(void)
{
    leat_drop(nested(VALUE_DEPTH_HARD + 1, true));
}

static void nest_packed(void)
{
    leat_drop(nested(VALUE_DEPTH_HARD + 1, false));
}

TEST(value_depth_has_an_end)
{
    leat_value *a = nested(VALUE_DEPTH_HARD, true);
    leat_value *b = nested(VALUE_DEPTH_HARD, false);
    EXPECT(leat_equal(leat_view_of(a), leat_view_of(b)));
    struct value_bytes bytes = value_bytes_of(b);
    expect_bytes(leat_view_of(a), (const char *)bytes.ptr, bytes.len);
    EXPECT_EQ(value_check(bytes.ptr, bytes.len), 0);
    EXPECT_EQ(value_check(bytes.ptr + VALUE_DEPTH_HARD - VALUE_DEPTH_WIRE - 1,
                          VALUE_DEPTH_WIRE + 2),
              0);
    EXPECT_EQ(value_check(bytes.ptr + VALUE_DEPTH_HARD - VALUE_DEPTH_WIRE,
                          VALUE_DEPTH_WIRE + 1),
              VALUE_DEPTH_WIRE + 1);
    leat_drop(a);
    leat_drop(b);
    EXPECT(aborts(nest_composed));
    EXPECT(aborts(nest_packed));
}

TEST(value_parts_are_as_deep_as_they_are)
{
    /* Wrapping and unwrapping again and again must not add up. */
    leat_value *v = nested(100, false);
    for (int i = 0; i < 1000; i++) {
        leat_value *list = leat_new_list(1, &v);
        leat_value *object =
            leat_new_object(1, (const char *const[]){"k"}, &list);
        leat_value *packed = value_packed(object);
        v = leat_value_of(leat_at(leat_get(leat_view_of(packed), "k"), 0));
        leat_drop(packed);
        leat_drop(object);
    }
    EXPECT_EQ(leat_count(leat_view_of(v)), 1);
    leat_drop(v);
}

static void count_end(struct value_note *note)
{
    struct counted_note {
        struct value_note note;
        int ends;
    } *counted = (struct counted_note *)(void *)note;
    counted->ends++;
}

static leat_value *grown(const leat_value *list, int more)
{
    leat_value *item = leat_new_int(more);
    return leat_append(leat_view_of(list), 1, &item);
}

static void expect_last(const leat_value *list, size_t count, int last)
{
    EXPECT_EQ(leat_count(leat_view_of(list)), count);
    EXPECT_EQ(leat_int(leat_at(leat_view_of(list), -1), -1), last);
    leat_value *packed = value_packed(list);
    EXPECT_EQ(value_bytes_of(packed).len,
              value_packed_size(leat_view_of(list)));
    EXPECT(leat_equal(leat_view_of(packed), leat_view_of(list)));
    leat_drop(packed);
}

TEST(value_lists_that_grow_share_their_items)
{
    struct {
        struct value_note note;
        int ends;
    } noted = {.note.destroy = count_end}, refused = noted;
    leat_value *items[2000];
    for (int i = 0; i < 2000; i++) {
        items[i] = leat_new_int(i);
    }
    leat_value *base = value_list_new(2000, items);
    EXPECT(value_list_annotate(base, &noted.note) == &noted.note);
    leat_value *first = grown(base, 7), *second = grown(first, 8);
    /* The note is that of the items, which all three have in common. */
    EXPECT(value_list_note(second) == &noted.note);
    EXPECT(value_list_annotate(second, &refused.note) == &noted.note);
    EXPECT_EQ(refused.ends, 1);
    /* The place behind the base is taken: another branch has its own. */
    leat_value *branch = grown(base, 9);
    EXPECT(value_list_note(branch) == NULL);
    EXPECT(value_list_shares(branch));
    expect_last(base, 2000, 1999);
    expect_last(first, 2001, 7);
    expect_last(second, 2002, 8);
    expect_last(branch, 2001, 9);
    leat_drop(base);
    leat_drop(first);
    leat_drop(branch);
    EXPECT_EQ(noted.ends, 0);
    expect_last(second, 2002, 8);
    leat_drop(second);
    EXPECT_EQ(noted.ends, 1);
}

TEST(value_notes_are_kept_by_lists_that_share_only)
{
    struct {
        struct value_note note;
        int ends;
    } noted = {.note.destroy = count_end};
    leat_value *plain = leat_new_list(0, NULL), *text = leat_new_string("x");
    EXPECT(value_list_annotate(plain, &noted.note) == NULL);
    EXPECT(value_list_annotate(text, &noted.note) == NULL);
    EXPECT_EQ(noted.ends, 2);
    EXPECT(value_list_note(NULL) == NULL && !value_list_shares(plain));
    leat_drop(plain);
    leat_drop(text);
}

TEST(value_list_grows_past_its_room_and_every_head_size)
{
    leat_value *items[12], *list;
    for (int i = 0; i < 12; i++) {
        items[i] = leat_new_int(i);
    }
    list = value_list_new(12, items);
    for (int n = 12; n < 66000; n += n < 20 || n > 65500 ? 1 : n / 8) {
        size_t more = n < 20 || n > 65500 ? 1 : (size_t)n / 8;
        leat_value **added = base_zalloc(more * sizeof *added);
        leat_value *longer = leat_append(leat_view_of(list), more, added);
        EXPECT_EQ(leat_count(leat_view_of(longer)), (size_t)n + more);
        leat_drop(list);
        list = longer;
        free(added);
    }
    EXPECT(leat_type_of(leat_at(leat_view_of(list), -1)) == LEAT_NULL);
    leat_value *packed = value_packed(list);
    EXPECT(value_check(value_bytes_of(packed).ptr,
                       value_bytes_of(packed).len) > 65536);
    EXPECT_EQ(leat_count(leat_view_of(packed)), leat_count(leat_view_of(list)));
    leat_drop(packed);
    leat_drop(list);
}
