/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text.c: what the escapes in a JSON string stand for.
 */
#include "common/json_text.h"

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits, or -1. */
static int32_t hex4(const unsigned char *at, const unsigned char *end)
{
    int32_t n = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) {
            return -1;
        }
        n = n << 4 | digit;
    }
    return n;
}

static unsigned char *put_utf8(unsigned char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (unsigned char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (unsigned char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (unsigned char)(0xe0 | c >> 12);
        } else {
            *to++ = (unsigned char)(0xf0 | c >> 18);
            *to++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (unsigned char)(0x80 | (c & 0x3f));
    return to;
}

/* The character of a \u escape at *at, which is moved behind it; a surrogate
 * without its other half is U+FFFD. -1: not four hex digits. */
static int32_t take_unicode(const unsigned char **at, const unsigned char *end)
{
    int32_t c = hex4(*at + 2, end);
    if (c < 0) {
        return -1;
    }
    *at += 6;
    if (c < 0xd800 || c > 0xdfff) {
        return c;
    }
    if (c > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
        return 0xfffd;
    }
    int32_t low = hex4(*at + 2, end);
    if (low < 0xdc00 || low > 0xdfff) {
        return 0xfffd;
    }
    *at += 6;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* What a one-letter escape stands for; 0: there is no such escape. */
static unsigned char simple_escape(unsigned char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

unsigned char *json_text_unescape(const unsigned char **at,
                                  const unsigned char *end, unsigned char *to)
{
    while (*at < end) {
        const unsigned char *plain = *at;
        while (*at < end && **at != '\\') {
            (*at)++;
        }
        memcpy(to, plain, (size_t)(*at - plain));
        to += *at - plain;
        if (*at == end) {
            break;
        }
        if ((*at)[1] == 'u') {
            int32_t c = take_unicode(at, end);
            if (c < 0) {
                return NULL;
            }
            to = put_utf8(to, (uint32_t)c);
            continue;
        }
        *to = simple_escape((*at)[1]);
        if (*to++ == 0) {
            return NULL;
        }
        *at += 2;
    }
    return to;
}
