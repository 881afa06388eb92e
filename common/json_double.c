/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_double.c: shortest digits of a double, by the Schubfach method
 * (R. Giulietti, "The Schubfach way to render doubles"): the interval of
 * numbers that read back as `d` is scaled by a power of ten with one 128-bit
 * multiplication, so that looking at one or two whole numbers is enough.
 * Knows nothing of JSON but the layout of its numbers.
 */
#include "common/json_double.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define POW10_FIRST (-292)

struct pow10 {
    uint64_t high, low;
};

static const struct pow10 pow10_table[] = {
#define POW10(high, low) {high, low},
#include "common/json_pow10.tbl.h"
#undef POW10
};

_Static_assert(sizeof(pow10_table) / sizeof(pow10_table[0]) == 617,
               "powers from -292 to 324");

/* digits * 10^exponent */
struct decimal {
    uint64_t digits;
    int exponent;
};

/* ---- shortest digits ----------------------------------------------------- */

/* floor(log10(2^e)), or of 3/4 of it; right for every exponent of a double. */
static int floor_log10_pow2(int e)
{
    return (e * 1262611) >> 22;
}

static int floor_log10_three_quarters_pow2(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* The upper 64 bits of power * n / 2^64, with the lowest bit set when bits
 * were lost ("round to odd": comparisons stay right). */
static uint64_t scale(struct pow10 power, uint64_t n)
{
    unsigned __int128 low = (unsigned __int128)power.low * n;
    unsigned __int128 high = (unsigned __int128)power.high * n;
    high += low >> 64;
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* `c` * 2^`q`, the fraction with its implied bit; `closer`: the neighbour
 * below is only half as far as the one above (c is a power of two). */
static struct decimal shortest(uint64_t c, int q, bool closer)
{
    uint64_t odd = c & 1;
    int k = closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int h = q + floor_log2_pow10(-k) + 1;
    must(h >= 1 && h <= 4);
    must(-k >= POW10_FIRST && -k <= 324);
    struct pow10 power = pow10_table[-k - POW10_FIRST];
    uint64_t below = scale(power, (4 * c - 2 + closer) << h) + odd;
    uint64_t value = scale(power, (4 * c) << h);
    uint64_t above = scale(power, (4 * c + 2) << h) - odd;

    uint64_t s = value / 4;
    if (s >= 10) { /* one digit less, if that still reads back */
        uint64_t tens = s / 10;
        bool low_fits = below <= 40 * tens;
        bool high_fits = 40 * tens + 40 <= above;
        if (low_fits != high_fits) {
            return (struct decimal){tens + high_fits, k + 1};
        }
    }
    bool low_fits = below <= 4 * s;
    bool high_fits = 4 * s + 4 <= above;
    if (low_fits != high_fits) {
        return (struct decimal){s + high_fits, k};
    }
    uint64_t middle = 4 * s + 2;
    bool up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){s + up, k};
}

static struct decimal decimal_of(uint64_t fraction, int biased)
{
    const uint64_t implied = (uint64_t)1 << 52;
    if (biased == 0) {
        return shortest(fraction, -1074, false);
    }
    uint64_t c = fraction | implied;
    int q = biased - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        return (struct decimal){c >> -q, 0}; /* a small whole number */
    }
    return shortest(c, q, fraction == 0 && biased > 1);
}

/* ---- layout -------------------------------------------------------------- */

static size_t print_digits(uint64_t n, char out[20])
{
    char backwards[20];
    size_t len = 0;
    do {
        backwards[len++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    for (size_t i = 0; i < len; i++) {
        out[i] = backwards[len - 1 - i];
    }
    return len;
}

/* 12.5, 0.0125, 12500.0; `point` digits stand before the point. */
static char *lay_out_fixed(char *to, const char *digits, int len, int point)
{
    if (point <= 0) {
        memcpy(to, "0.000", (size_t)(2 - point));
        to += 2 - point;
        memcpy(to, digits, (size_t)len);
        return to + len;
    }
    for (int i = 0; i < point; i++) {
        *to++ = i < len ? digits[i] : '0';
    }
    *to++ = '.';
    if (len <= point) {
        *to++ = '0';
        return to;
    }
    memcpy(to, digits + point, (size_t)(len - point));
    return to + (len - point);
}

/* 1.25e+20 */
static char *lay_out_exponent(char *to, const char *digits, int len,
                              int exponent)
{
    *to++ = digits[0];
    if (len > 1) {
        *to++ = '.';
        memcpy(to, digits + 1, (size_t)(len - 1));
        to += len - 1;
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    exponent = abs(exponent);
    if (exponent >= 100) {
        *to++ = (char)('0' + exponent / 100);
    }
    *to++ = (char)('0' + exponent / 10 % 10);
    *to++ = (char)('0' + exponent % 10);
    return to;
}

size_t json_double_print(double d, char out[JSON_DOUBLE_SIZE])
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    int biased = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    must(biased != 0x7ff);
    char *to = out;
    if (bits >> 63 != 0) {
        *to++ = '-';
    }
    if (biased == 0 && fraction == 0) {
        memcpy(to, "0.0", 3);
        return (size_t)(to + 3 - out);
    }
    struct decimal decimal = decimal_of(fraction, biased);
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    char digits[20] = {0};
    int len = (int)print_digits(decimal.digits, digits);
    int point = len + decimal.exponent;
    to = point > -4 && point <= 16
             ? lay_out_fixed(to, digits, len, point)
             : lay_out_exponent(to, digits, len, point - 1);
    must(to <= out + JSON_DOUBLE_SIZE);
    return (size_t)(to - out);
}

/* ---- reading ------------------------------------------------------------- */

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    must(c_locale != (locale_t)0);
}

/* Any number, through the C library; a graph may have set another locale. */
static double parse_slowly(const char *text, size_t len)
{
    must(pthread_once(&c_locale_once, make_c_locale) == 0);
    char few[64];
    char *copy = len < sizeof(few) ? few : base_realloc(NULL, len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    double d = strtod_l(copy, NULL, c_locale);
    if (copy != few) {
        free(copy);
    }
    return d;
}

struct reading {
    uint64_t digits;
    int count;    /* digits after leading zeros */
    int exponent; /* of the last digit taken */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(struct reading *r, char c)
{
    r->digits = r->digits * 10 + (uint64_t)(c - '0');
    r->count += r->digits > 0;
}

static int parse_exponent(const char *at, const char *end)
{
    int sign = 1, e = 0;
    if (at < end && (*at == '-' || *at == '+')) {
        sign = *at++ == '-' ? -1 : 1;
    }
    for (; at < end && e < 100000; at++) {
        e = e * 10 + (*at - '0');
    }
    return sign * e;
}

double json_double_parse(const char *text, size_t len)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
                                    1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
                                    1e18, 1e19, 1e20, 1e21, 1e22};
    must(text != NULL && len > 0);
    const char *at = text, *end = text + len;
    struct reading r = {0};
    bool minus = *at == '-';
    at += minus;
    for (; at < end && is_digit(*at) && r.count < 19; at++) {
        take_digit(&r, *at);
    }
    if (at < end && *at == '.') {
        for (at++; at < end && is_digit(*at) && r.count < 19; at++) {
            take_digit(&r, *at);
            r.exponent--;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        r.exponent += parse_exponent(at + 1, end);
        at = end;
    }
    /* Both factors are exact, so that the one operation rounds rightly. */
    if (at != end || r.digits > (uint64_t)1 << 53 || r.exponent < -22 ||
        r.exponent > 22) {
        return parse_slowly(text, len);
    }
    double d = (double)r.digits;
    d = r.exponent < 0 ? d / powers[-r.exponent] : d * powers[r.exponent];
    return minus ? -d : d;
}
