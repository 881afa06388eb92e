/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters of JSON strings, for the parser and the writer: how far text can
 * be copied as it is, and whether bytes are UTF-8. Only the json files
 * include it.
 */
#ifndef COMMON_JSON_TEXT_H
#define COMMON_JSON_TEXT_H

#include "common/base.h"
#include <string.h>

/* Eight bytes at a time: the index of the first that is a quote, a backslash,
 * a control character or not ASCII; 8 when there is none. */
static inline unsigned json_text_plain8(const unsigned char *at)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, at, sizeof(x));
    uint64_t control = x - ones * 0x20;
    uint64_t quote = (x ^ (ones * '"')) - ones;
    uint64_t slash = (x ^ (ones * '\\')) - ones;
    uint64_t marks = (((control | quote | slash) & ~x) | x) & tops;
    if (marks == 0) {
        return 8;
    }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (unsigned)__builtin_ctzll(marks) / 8;
#else
    return (unsigned)__builtin_clzll(marks) / 8;
#endif
}

/* The first byte at or after `at` that json_text_plain8() would find. */
static inline const unsigned char *json_text_plain(const unsigned char *at,
                                                   const unsigned char *end)
{
    while (end - at >= 8) {
        unsigned n = json_text_plain8(at);
        at += n;
        if (n < 8) {
            return at;
        }
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' &&
           *at != '\\') {
        at++;
    }
    return at;
}

/*
 * The length of the UTF-8 character at `at`, 2 to 4, whose first byte is not
 * ASCII; 0 when it is none (cut, overlong, a surrogate, above U+10FFFF).
 */
static inline unsigned json_text_utf8(const unsigned char *at,
                                      const unsigned char *end)
{
    ptrdiff_t left = end - at;
    unsigned a = at[0];
    if (a < 0xc2 || a > 0xf4 || left < 2 || (at[1] & 0xc0) != 0x80) {
        return 0;
    }
    if (a < 0xe0) {
        return 2;
    }
    if (left < 3 || (at[2] & 0xc0) != 0x80) {
        return 0;
    }
    if (a < 0xf0) {
        bool overlong = a == 0xe0 && at[1] < 0xa0;
        bool surrogate = a == 0xed && at[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    bool outside = (a == 0xf0 && at[1] < 0x90) || (a == 0xf4 && at[1] > 0x8f);
    return left < 4 || (at[3] & 0xc0) != 0x80 || outside ? 0 : 4;
}

/*
 * Writes the text from *at to `end`, where each backslash is followed by
 * another character, without its escapes; never more bytes than it has.
 * Returns the place behind the last byte written, or NULL with *at on an
 * escape that is malformed. A surrogate without its other half is U+FFFD.
 */
unsigned char *json_text_unescape(const unsigned char **at,
                                  const unsigned char *end,
                                  unsigned char *to);

#endif
