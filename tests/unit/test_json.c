/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "tests/harness/harness.h"

#define LITERAL(text) (text), sizeof(text) - 1

/* ---- helpers ------------------------------------------------------------- */

static leat_value *parse(const char *text, size_t len)
{
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT_MSG(json_parse(text, len, NULL, &v, &err), "%.*s: %s", (int)len,
               text, err.text);
    /* What the parser writes must pass the check of foreign bytes. */
    EXPECT_EQ(value_check(value_bytes_of(v).ptr, value_bytes_of(v).len),
              value_bytes_of(v).len);
    return v;
}

static leat_value *parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void expect_json(leat_view v, const char *want)
{
    char *text = leat_to_json(v);
    EXPECT_STR(text, want);
    leat_free_text(text);
}

static void expect_round(const char *text, const char *want)
{
    leat_value *v = parse_text(text);
    expect_json(leat_view_of(v), want);
    leat_drop(v);
}

static void expect_bad(const char *text, size_t len, const char *why)
{
    leat_value *v = (leat_value *)1;
    struct err err = ERR_INIT;
    EXPECT_MSG(!json_parse(text, len, NULL, &v, &err), "took %.*s", (int)len,
               text);
    EXPECT(v == NULL);
    EXPECT_EQ(err.code, ERR_BAD_JSON);
    EXPECT_STR(err.text, why);
}

/* ---- the grammar --------------------------------------------------------- */

TEST(json_round_trips)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"null", "null"},
        {" true ", "true"},
        {"\t\r\n false\n", "false"},
        {"0", "0"},
        {"-0", "0"},
        {"-17", "-17"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[[],{},[[]]]", "[[],{},[[]]]"},
        {" [ 1 , 2 ] ", "[1,2]"},
        {"{ \"a\" : 1 , \"b\" : [ { } ] }", "{\"a\":1,\"b\":[{}]}"},
        {"{\"z\":1,\"a\":2,\"m\":3}", "{\"z\":1,\"a\":2,\"m\":3}"},
        {"{\"\":{\"\":\"\"}}", "{\"\":{\"\":\"\"}}"},
        {"\"\"", "\"\""},
        {"\"a\\/b\"", "\"a/b\""},
        {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\""},
        {"\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\"é€😀\""},
        {"\"é€😀\"", "\"é€😀\""},
        {"\"\\u2028 \\u2029\"", "\"\xe2\x80\xa8 \xe2\x80\xa9\""},
        {"{\"k\\n\":\"v\"}", "{\"k\\n\":\"v\"}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_round(rows[i].text, rows[i].want);
    }
}

TEST(json_refuses_with_the_place)
{
    static const struct {
        const char *text;
        size_t len;
        const char *why;
    } rows[] = {
        {LITERAL(""), "text ends too early at byte 0"},
        {LITERAL("  "), "text ends too early at byte 2"},
        {LITERAL("nul"), "unexpected character at byte 0"},
        {LITERAL("nulL"), "unexpected character at byte 0"},
        {LITERAL("True"), "unexpected character at byte 0"},
        {LITERAL("NaN"), "unexpected character at byte 0"},
        {LITERAL("Infinity"), "unexpected character at byte 0"},
        {LITERAL("'a'"), "unexpected character at byte 0"},
        {LITERAL("\xef\xbb\xbf{}"), "unexpected character at byte 0"},
        {LITERAL("1 2"), "text behind the value at byte 2"},
        {LITERAL("1\0"), "text behind the value at byte 1"},
        {LITERAL("{}}"), "text behind the value at byte 2"},
        {LITERAL("["), "text ends too early at byte 1"},
        {LITERAL("[1"), "text ends too early at byte 2"},
        {LITERAL("[1,"), "text ends too early at byte 3"},
        {LITERAL("[1,]"), "unexpected character at byte 3"},
        {LITERAL("[,1]"), "unexpected character at byte 1"},
        {LITERAL("[1 2]"), "unexpected character at byte 3"},
        {LITERAL("[1}"), "unexpected character at byte 2"},
        {LITERAL("]"), "unexpected character at byte 0"},
        {LITERAL("{"), "text ends too early at byte 1"},
        {LITERAL("{\"a\""), "text ends too early at byte 4"},
        {LITERAL("{\"a\" 1}"), "unexpected character at byte 5"},
        {LITERAL("{\"a\":}"), "unexpected character at byte 5"},
        {LITERAL("{\"a\":1,}"), "unexpected character at byte 7"},
        {LITERAL("{\"a\":1]"), "unexpected character at byte 6"},
        {LITERAL("{a:1}"), "unexpected character at byte 1"},
        {LITERAL("{1:1}"), "unexpected character at byte 1"},
        {LITERAL("{,}"), "unexpected character at byte 1"},
        {LITERAL("01"), "bad number at byte 0"},
        {LITERAL("-"), "bad number at byte 0"},
        {LITERAL("-a"), "bad number at byte 0"},
        {LITERAL("+1"), "unexpected character at byte 0"},
        {LITERAL(".5"), "unexpected character at byte 0"},
        {LITERAL("1."), "bad number at byte 0"},
        {LITERAL("1.e1"), "bad number at byte 0"},
        {LITERAL("1e"), "bad number at byte 0"},
        {LITERAL("1e+"), "bad number at byte 0"},
        {LITERAL("[1,-]"), "bad number at byte 3"},
        {LITERAL("1x"), "text behind the value at byte 1"},
        {LITERAL("\""), "unterminated string at byte 1"},
        {LITERAL("\"abc"), "unterminated string at byte 4"},
        {LITERAL("\"abcdefghijk"), "unterminated string at byte 12"},
        {LITERAL("\"\\\""), "unterminated string at byte 3"},
        {LITERAL("\"\\"), "unterminated string at byte 1"},
        {LITERAL("\"a\nb\""), "control character in a string at byte 2"},
        {LITERAL("\"12345678\x1f\""),
         "control character in a string at byte 9"},
        {LITERAL("\"\0\""), "control character in a string at byte 1"},
        {LITERAL("\"\\x41\""), "bad escape at byte 1"},
        {LITERAL("\"ab\\u12g4\""), "bad escape at byte 3"},
        {LITERAL("\"\\u12\""), "bad escape at byte 1"},
        {LITERAL("\"\\\xc3\xa9\""), "bad escape at byte 1"},
        {LITERAL("\"\\\x01\""), "bad escape at byte 1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_bad(rows[i].text, rows[i].len, rows[i].why);
    }
}

TEST(json_every_cut_of_a_text_is_refused)
{
    static const char text[] =
        "{\"a\":[1,-2.5e+3,true,false,null],\"b\\u00e9\":\"x\\n\\ud83d\\ude00"
        "é€😀\",\"c\":{\"d\":{}}}";
    size_t len = sizeof(text) - 1;
    for (size_t n = 0; n < len; n++) {
        char *cut = base_realloc(NULL, n > 0 ? n : 1);
        leat_value *v;
        struct err err = ERR_INIT;
        memcpy(cut, text, n);
        EXPECT_MSG(!json_parse(cut, n, NULL, &v, &err), "%zu bytes", n);
        free(cut);
    }
    leat_drop(parse(text, len));
}

/* ---- numbers ------------------------------------------------------------- */

TEST(json_whole_numbers_are_exact_to_64_bits)
{
    static const struct {
        const char *text;
        enum leat_type type;
        const char *want;
    } rows[] = {
        {"9223372036854775807", LEAT_INT, "9223372036854775807"},
        {"9223372036854775808", LEAT_INT, "9223372036854775808"},
        {"18446744073709551615", LEAT_INT, "18446744073709551615"},
        {"18446744073709551616", LEAT_DOUBLE, "1.8446744073709552e+19"},
        {"-9223372036854775808", LEAT_INT, "-9223372036854775808"},
        {"-9223372036854775809", LEAT_DOUBLE, "-9.223372036854776e+18"},
        {"100000000000000000000000", LEAT_DOUBLE, "1e+23"},
        {"1.0", LEAT_DOUBLE, "1.0"},
        {"-0.0", LEAT_DOUBLE, "-0.0"},
        {"1e2", LEAT_DOUBLE, "100.0"},
        {"1E2", LEAT_DOUBLE, "100.0"},
        {"100", LEAT_INT, "100"},
        {"-2147483649", LEAT_INT, "-2147483649"},
        {"4294967296", LEAT_INT, "4294967296"},
        {"1e400", LEAT_DOUBLE, "null"},
        {"-1e400", LEAT_DOUBLE, "null"},
        {"1e-400", LEAT_DOUBLE, "0.0"},
        {"1e99999999999999999999", LEAT_DOUBLE, "null"},
        {"1e-99999999999999999999", LEAT_DOUBLE, "0.0"},
        {"0e99999999999999999999", LEAT_DOUBLE, "0.0"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = parse_text(rows[i].text);
        EXPECT_MSG(leat_type_of(leat_view_of(v)) == rows[i].type, "%s",
                   rows[i].text);
        expect_json(leat_view_of(v), rows[i].want);
        leat_drop(v);
    }
}

TEST(json_doubles_have_the_fewest_digits)
{
    static const struct {
        double d;
        const char *want;
    } rows[] = {
        {0.1, "0.1"},
        {0.2 + 0.1, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {100, "100.0"},
        {123456.789, "123456.789"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {0.000123, "0.000123"},
        {1e15, "1000000000000000.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1.5e300, "1.5e+300"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
        {4.35, "4.35"},
        {-2.5, "-2.5"},
        {(double)NAN, "null"},
        {(double)INFINITY, "null"},
        {-(double)INFINITY, "null"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_value *v = leat_new_double(rows[i].d);
        expect_json(leat_view_of(v), rows[i].want);
        leat_drop(v);
    }
    /* A C float, as other programs may send it. */
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT(value_from_bytes("\xca\x3d\xcc\xcc\xcd", 5, &v, &err));
    expect_json(leat_view_of(v), "0.10000000149011612");
    leat_drop(v);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void expect_shortest(double d)
{
    leat_value *v = leat_new_double(d);
    char *text = leat_to_json(leat_view_of(v));
    EXPECT_MSG(strtod(text, NULL) == d, "%s for %.17g", text, d);
    leat_value *back = parse_text(text);
    EXPECT_MSG(leat_double(leat_view_of(back), 0) == d, "%s", text);
    /* No shorter form may read back. */
    int digits = 0;
    for (const char *c = text; *c != '\0' && *c != 'e'; c++) {
        digits += *c >= '0' && *c <= '9' && (digits > 0 || *c != '0');
    }
    if (digits > 1) {
        char shorter[400];
        snprintf(shorter, sizeof(shorter), "%.*g", digits - 1, d);
        bool whole = strstr(text, ".0") != NULL;
        EXPECT_MSG(whole || strtod(shorter, NULL) != d, "%s for %s", text,
                   shorter);
    }
    leat_free_text(text);
    leat_drop(back);
    leat_drop(v);
}

TEST(json_random_doubles_read_back)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random64();
        double d;
        memcpy(&d, &bits, sizeof(d));
        if (isfinite(d)) {
            expect_shortest(d);
        }
        expect_shortest((double)(int64_t)random64() / 65536.0 / 65536.0);
    }
    for (int e = -1074; e < 1024; e++) {
        expect_shortest(ldexp(1.0, e));
    }
}

TEST(json_long_numbers_round_correctly)
{
    leat_value *v = parse_text("0.1000000000000000055511151231257827021181583"
                               "404541015625000000000000000000000000000000000");
    EXPECT(leat_double(leat_view_of(v), 0) == 0.1);
    leat_drop(v);
    v = parse_text("9007199254740993.00000000000000000000000000000000000001");
    EXPECT(leat_double(leat_view_of(v), 0) == 9007199254740994.0);
    leat_drop(v);
    v = parse_text("9007199254740993.0");
    EXPECT(leat_double(leat_view_of(v), 0) == 9007199254740992.0);
    leat_drop(v);
    char *text = base_zalloc(5001);
    memset(text, '0', 5000);
    memcpy(text, "0.", 2);
    memcpy(text + 4998, "25", 2);
    v = parse(text, 5000);
    EXPECT(leat_double(leat_view_of(v), 1) == 0.0);
    leat_drop(v);
    memset(text, '7', 5000);
    v = parse(text, 5000);
    EXPECT(isinf(leat_double(leat_view_of(v), 1)));
    leat_drop(v);
    free(text);
}

TEST(json_does_not_follow_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"};
    const char *set = NULL;
    for (size_t i = 0; i < COUNT_OF(names) && set == NULL; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    /* Without such a locale the same must hold, which is checked anyway. */
    expect_round("[0.5,1.2345678901234567890123]", "[0.5,1.2345678901234567]");
    setlocale(LC_ALL, "C");
}

/* ---- strings ------------------------------------------------------------- */

TEST(json_lone_surrogates_become_the_replacement)
{
    expect_round("\"\\ud800\"", "\"\xef\xbf\xbd\"");
    expect_round("\"\\udc00\"", "\"\xef\xbf\xbd\"");
    expect_round("\"\\ud800x\"", "\"\xef\xbf\xbdx\"");
    expect_round("\"\\ud800\\n\"", "\"\xef\xbf\xbd\\n\"");
    expect_round("\"\\ud800\\ud800\\udc00\"",
                 "\"\xef\xbf\xbd\xf0\x90\x80\x80\"");
    expect_round("\"\\udc00\\ud800\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_round("\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\"");
    expect_bad(LITERAL("\"\\ud800\\u12\""), "bad escape at byte 7");
}

TEST(json_text_must_be_utf8)
{
    static const struct {
        const char *text;
        size_t len;
        bool good;
    } rows[] = {
        {LITERAL("\x7f"), true},
        {LITERAL("\x80"), false},
        {LITERAL("\xbf"), false},
        {LITERAL("\xc0\x80"), false},
        {LITERAL("\xc1\xbf"), false},
        {LITERAL("\xc2\x80"), true},
        {LITERAL("\xc2"), false},
        {LITERAL("\xc2\x7f"), false},
        {LITERAL("\xc2\xc0"), false},
        {LITERAL("\xdf\xbf"), true},
        {LITERAL("\xe0\x9f\xbf"), false},
        {LITERAL("\xe0\xa0\x80"), true},
        {LITERAL("\xe2\x82"), false},
        {LITERAL("\xed\x9f\xbf"), true},
        {LITERAL("\xed\xa0\x80"), false},
        {LITERAL("\xee\x80\x80"), true},
        {LITERAL("\xef\xbf\xbf"), true},
        {LITERAL("\xf0\x8f\xbf\xbf"), false},
        {LITERAL("\xf0\x90\x80\x80"), true},
        {LITERAL("\xf0\x90\x80"), false},
        {LITERAL("\xf4\x8f\xbf\xbf"), true},
        {LITERAL("\xf4\x90\x80\x80"), false},
        {LITERAL("\xf5\x80\x80\x80"), false},
        {LITERAL("\xff"), false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t before = 0; before < 10; before++) {
            char text[40];
            memset(text, 'x', sizeof(text));
            text[0] = '"';
            memcpy(text + 1 + before, rows[i].text, rows[i].len);
            size_t len = 1 + before + rows[i].len;
            text[len++] = '"';
            leat_value *v;
            struct err err = ERR_INIT;
            bool good = json_parse(text, len, NULL, &v, &err);
            EXPECT_MSG(good == rows[i].good, "row %zu", i);
            if (good) {
                struct buf b;
                buf_init(&b, 100);
                EXPECT(json_write(leat_view_of(v), &b));
                EXPECT_EQ(b.len, len);
                EXPECT_MEM(b.data, text, len);
                buf_fini(&b);
            }
            leat_drop(v);
        }
    }
}

TEST(json_writes_foreign_text_as_utf8)
{
    leat_value *v =
        leat_new_string_n("a\xff"
                          "b\xc3(\xe2\x82z\xf0\x9f\x98\x80\xc0",
                          13);
    expect_json(leat_view_of(v),
                "\"a\xef\xbf\xbd"
                "b\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbdz\xf0\x9f\x98\x80"
                "\xef\xbf\xbd\"");
    leat_drop(v);
}

TEST(json_escapes_at_every_place)
{
    for (size_t at = 0; at < 20; at++) {
        for (unsigned c = 0; c < 0x80; c++) {
            char text[21];
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            leat_value *v = leat_new_string_n(text, 20);
            char *json = leat_to_json(leat_view_of(v));
            leat_value *back = parse_text(json);
            EXPECT_MSG(leat_equal(leat_view_of(v), leat_view_of(back)),
                       "%s", json);
            leat_free_text(json);
            leat_drop(back);
            leat_drop(v);
        }
    }
}

TEST(json_string_heads_after_unescaping)
{
    static const size_t sizes[] = {0, 5, 6, 31, 32, 60, 255, 256, 300, 65535,
                                   65536, 70000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        char *text = base_realloc(NULL, 6 * n + 3);
        size_t len = 0;
        text[len++] = '"';
        for (size_t k = 0; k < n; k++) {
            const char *piece = k % 3 == 0 ? "\\u0041" : "\\n";
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        text[len++] = '"';
        leat_value *v = parse(text, len);
        leat_text got = leat_string(leat_view_of(v));
        EXPECT_EQ(got.len, n);
        for (size_t k = 0; k < n; k++) {
            EXPECT(got.ptr[k] == (k % 3 == 0 ? 'A' : '\n'));
        }
        leat_drop(v);
        free(text);
    }
}

TEST(json_bytes_are_base64)
{
    static const struct {
        const char *bytes, *want;
    } rows[] = {{"", "\"\""},           {"f", "\"Zg==\""},
                {"fo", "\"Zm8=\""},     {"foo", "\"Zm9v\""},
                {"foob", "\"Zm9vYg==\""}, {"\xff\xfe\xfd", "\"//79\""}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        leat_writer *w = leat_writer_new();
        leat_write_bytes(w, rows[i].bytes, strlen(rows[i].bytes));
        leat_value *v = leat_writer_finish(&w);
        expect_json(leat_view_of(v), rows[i].want);
        leat_drop(v);
    }
}

/* ---- duplicate keys ------------------------------------------------------ */

TEST(json_last_duplicate_wins_in_the_place_of_the_first)
{
    expect_round("{\"a\":1,\"a\":2}", "{\"a\":2}");
    expect_round("{\"a\":1,\"b\":[1,{\"x\":0,\"x\":9}],\"a\":{\"c\":3}}",
                 "{\"a\":{\"c\":3},\"b\":[1,{\"x\":9}]}");
    expect_round("{\"\":1,\"\":2,\"\":3}", "{\"\":3}");
    expect_round("{\"b\":1,\"a\":2,\"c\":3,\"a\":4,\"b\":5,\"a\":6}",
                 "{\"b\":5,\"a\":6,\"c\":3}");
    expect_round("{\"\\u0061\":1,\"a\":2}", "{\"a\":2}");
    expect_round("[{\"a\":1,\"a\":\"longer than the first\"},\"behind\"]",
                 "[{\"a\":\"longer than the first\"},\"behind\"]");
}

TEST(json_duplicates_among_many_keys)
{
    static const size_t sizes[] = {14, 16, 17, 63, 64, 65, 66, 200, 3000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        struct buf b;
        buf_init(&b, 1 << 20);
        EXPECT(buf_putc(&b, '{'));
        for (size_t k = 0; k < 2 * n; k++) { /* each key twice */
            EXPECT(buf_printf(&b, "%s\"key%zu\":%zu", k > 0 ? "," : "", k % n,
                              k));
        }
        EXPECT(buf_putc(&b, '}'));
        leat_value *v = parse(b.data, b.len);
        EXPECT_EQ(leat_count(leat_view_of(v)), n);
        for (leat_iter it = leat_iter_of(leat_view_of(v)); leat_next(&it);) {
            char key[24];
            snprintf(key, sizeof(key), "key%zu", it.index);
            EXPECT_EQ(it.key.len, strlen(key));
            EXPECT_MEM(it.key.ptr, key, it.key.len);
            EXPECT_EQ(leat_int(it.item, -1), it.index + n);
        }
        leat_drop(v);
        buf_fini(&b);
    }
}

/* ---- limits -------------------------------------------------------------- */

static char *nested(unsigned depth, char open, char close)
{
    char *text = base_zalloc(2 * (size_t)depth + 1);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    return text;
}

TEST(json_depth_has_a_limit)
{
    struct value_limits limits = {.depth_max = 3};
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT(json_parse(LITERAL("[{\"a\":[1]}]"), &limits, &v, &err));
    leat_drop(v);
    EXPECT(!json_parse(LITERAL("[{\"a\":[[]]}]"), &limits, &v, &err));
    EXPECT_EQ(err.code, ERR_INVALID);
    EXPECT_STR(err.text, "nested deeper than 3 at byte 7");
    char *text = nested(LEAT_DEPTH_MAX, '[', ']');
    v = parse_text(text);
    expect_json(leat_view_of(v), text);
    leat_drop(v);
    free(text);
    text = nested(LEAT_DEPTH_MAX + 1, '[', ']');
    limits.depth_max = 1000; /* more than there is */
    EXPECT(!json_parse(text, strlen(text), &limits, &v, &err));
    EXPECT_EQ(err.code, ERR_INVALID);
    EXPECT(!json_parse(text, strlen(text), NULL, &v, &err));
    EXPECT_EQ(err.code, ERR_INVALID);
    free(text);
}

TEST(json_bytes_have_a_limit)
{
    struct value_limits limits = {.bytes_max = 4};
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT(json_parse(LITERAL("1234"), &limits, &v, &err));
    leat_drop(v);
    EXPECT(!json_parse(LITERAL("12345"), &limits, &v, &err));
    EXPECT_EQ(err.code, ERR_TOO_LARGE);
}

TEST(json_write_stops_at_the_cap_and_leaves_nothing)
{
    leat_value *v = parse_text("{\"a\":[1,2.5,\"text\\n\",true,null],\"b\":{}}");
    leat_value *list = leat_new_list(
        2, (leat_value *const[]){leat_hold(v), leat_hold(v)});
    char *whole = leat_to_json(leat_view_of(list));
    size_t len = strlen(whole);
    for (size_t cap = 0; cap <= len + 1; cap++) {
        struct buf b;
        buf_init(&b, cap + 3);
        EXPECT(buf_puts(&b, "ab"));
        bool fits = json_write(leat_view_of(list), &b);
        EXPECT_EQ(fits, cap + 1 >= len);
        EXPECT_EQ(b.len, fits ? len + 2 : 2);
        EXPECT_MEM(b.data, "ab", 2);
        if (fits) {
            EXPECT_MEM(b.data + 2, whole, len);
        }
        buf_fini(&b);
    }
    leat_free_text(whole);
    leat_drop(list);
    leat_drop(v);
}

TEST(json_write_string)
{
    struct buf b;
    buf_init(&b, 12);
    EXPECT(json_write_string("a\"b", 3, &b));
    EXPECT_STR(buf_text(&b), "\"a\\\"b\"");
    EXPECT(!json_write_string("12345", 5, &b));
    EXPECT_EQ(b.len, 6);
    EXPECT(json_write_string(NULL, 0, &b));
    EXPECT_STR(buf_text(&b), "\"a\\\"b\"\"\"");
    buf_fini(&b);
}

TEST(json_of_missing_and_composed)
{
    expect_json(leat_view_of(NULL), "null");
    leat_value *empty[] = {leat_new_list(0, NULL),
                           leat_new_object(0, NULL, NULL)};
    leat_value *list = leat_new_list(2, empty);
    leat_value *object = leat_tagged(
        leat_new_object(1, (const char *const[]){"q\""}, &list),
        LEAT_MESSAGE);
    expect_json(leat_view_of(object), "{\"q\\\"\":[[],{}]}");
    leat_drop(object);
}

TEST(json_errors_reach_the_public_call)
{
    char why[64] = "";
    EXPECT(leat_from_json("[", 1, why, sizeof(why)) == NULL);
    EXPECT_STR(why, "text ends too early at byte 1");
    EXPECT(leat_from_json("[", 1, why, 5) == NULL);
    EXPECT_STR(why, "text");
    EXPECT(leat_from_json("[", 1, NULL, 0) == NULL);
    EXPECT(leat_from_json(NULL, 0, why, sizeof(why)) == NULL);
}

/* ---- anything at all ----------------------------------------------------- */

static leat_value *random_value(unsigned depth);

static leat_value *random_string(void)
{
    static const char *const pieces[] = {"a", "\"", "\\", "\n", "é", "😀",
                                         "", "key", "0123456789abcdef",
                                         "\x01", "\x7f", "/", "€"};
    struct buf b;
    buf_init(&b, 1 << 12);
    for (uint64_t n = random64() % 12; n > 0; n--) {
        EXPECT(buf_puts(&b, pieces[random64() % COUNT_OF(pieces)]));
    }
    leat_value *v = leat_new_string_n(b.data, b.len);
    buf_fini(&b);
    return v;
}

static leat_value *random_scalar(void)
{
    uint64_t bits = random64();
    double d;
    switch (random64() % 7) {
    case 0:
        return leat_new_null();
    case 1:
        return leat_new_bool(bits & 1);
    case 2:
        return leat_new_int((int64_t)bits);
    case 3:
        return leat_new_int((int64_t)(bits % 2001) - 1000);
    case 4: {
        leat_writer *w = leat_writer_new();
        leat_write_uint(w, bits);
        return leat_writer_finish(&w);
    }
    case 5:
        memcpy(&d, &bits, sizeof(d));
        return leat_new_double(isfinite(d) ? d : 0.5);
    default:
        return random_string();
    }
}

static leat_value *random_list(unsigned depth)
{
    leat_value *items[20];
    size_t n = random64() % COUNT_OF(items);
    for (size_t i = 0; i < n; i++) {
        items[i] = random_value(depth - 1);
    }
    leat_value *v = leat_new_list(n, items);
    if (random64() % 2 == 0) {
        leat_value *packed = value_packed(v);
        leat_drop(v);
        v = packed;
    }
    return v;
}

static leat_value *random_object(unsigned depth)
{
    leat_value *v = leat_pack("{}");
    for (uint64_t n = random64() % 20; n > 0; n--) {
        char key[32];
        snprintf(key, sizeof(key), "%x%s", (unsigned)(random64() % 40),
                 random64() % 4 == 0 ? "-\"long\"-key" : "");
        leat_value *with =
            leat_with(leat_view_of(v), key, random_value(depth - 1));
        leat_drop(v);
        v = with;
    }
    return leat_tagged(v, (enum leat_tag)(random64() % 5));
}

static leat_value *random_value(unsigned depth)
{
    uint64_t choice = random64() % 4;
    if (depth == 0 || choice < 2) {
        return random_scalar();
    }
    return choice == 2 ? random_list(depth) : random_object(depth);
}

TEST(json_any_value_survives_packing_and_text)
{
    for (int i = 0; i < 2000; i++) {
        leat_value *v = random_value(4);
        leat_value *packed = value_packed(v);
        EXPECT(leat_equal(leat_view_of(v), leat_view_of(packed)));
        struct value_bytes bytes = value_bytes_of(packed);
        EXPECT_EQ(bytes.len, value_packed_size(leat_view_of(v)));
        EXPECT_EQ(value_check(bytes.ptr, bytes.len), bytes.len);
        char *a = leat_to_json(leat_view_of(v));
        char *b = leat_to_json(leat_view_of(packed));
        EXPECT_STR(a, b);
        leat_value *back = parse_text(a);
        EXPECT(leat_equal(leat_view_of(v), leat_view_of(back)));
        EXPECT(leat_equal(leat_view_of(back), leat_view_of(packed)));
        char *c = leat_to_json(leat_view_of(back));
        EXPECT_STR(a, c);
        leat_free_text(a);
        leat_free_text(b);
        leat_free_text(c);
        leat_drop(back);
        leat_drop(packed);
        leat_drop(v);
    }
}

TEST(json_large_text_keeps_its_bytes)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    EXPECT(buf_putc(&b, '['));
    for (int i = 0; i < 20000; i++) {
        EXPECT(buf_printf(&b, "%s{\"i\":%d,\"text\":\"some text\"}",
                          i > 0 ? "," : "", i));
    }
    EXPECT(buf_putc(&b, ']'));
    leat_value *v = parse(b.data, b.len);
    EXPECT_EQ(leat_count(leat_view_of(v)), 20000);
    leat_view last = leat_at(leat_view_of(v), -1);
    leat_value *part = leat_value_of(last);
    char *text = leat_to_json(leat_view_of(v));
    EXPECT_STR(text, buf_text(&b));
    leat_drop(v);
    EXPECT_EQ(leat_int(leat_get(leat_view_of(part), "i"), 0), 19999);
    leat_drop(part);
    leat_free_text(text);
    buf_fini(&b);
}
