/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id.c: makes, reads and prints ids. Owns the randomness of the process and
 * the two high-water marks that keep time-ordered ids growing when the clock
 * stands still or goes back.
 */
#define XXH_INLINE_ALL
#include "common/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "common/clock.h"

/* 100 ns ticks between 1582-10-15, where uuid6 counts from, and 1970. */
#define GREGORIAN_TICKS INT64_C(0x01B21DD213814000)

static _Atomic(id_random_fn *) random_now;
static _Atomic int64_t last_ticks; /* of uuid6 */
static _Atomic int64_t last_stamp; /* of uuid7: ms << 12 | fraction */

/*
 * The time given, or one more than the last one returned: ids made within
 * one tick, or after the clock went back, still grow.
 */
static int64_t next_after(_Atomic int64_t *last, int64_t now)
{
    int64_t seen = atomic_load(last);
    int64_t next;
    do {
        next = now > seen ? now : seen + 1;
    } while (!atomic_compare_exchange_weak(last, &seen, next));
    return next;
}

static void put_be(uint8_t *out, uint64_t value, int size)
{
    for (int i = size - 1; i >= 0; i--) {
        out[i] = (uint8_t)value;
        value >>= 8;
    }
}

static void set_version(struct id *id, int version)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | (version << 4));
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80);
}

struct id id_uuid4(void)
{
    struct id id;
    id_random(id.bytes, sizeof(id.bytes));
    set_version(&id, 4);
    return id;
}

struct id id_uuid7(void)
{
    int64_t us = clock_wall_us();
    int64_t now = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
    int64_t stamp = next_after(&last_stamp, now);
    struct id id;
    id_random(id.bytes, sizeof(id.bytes));
    put_be(id.bytes, (uint64_t)(stamp >> 12), 6);
    put_be(id.bytes + 6, (uint64_t)(stamp & 0xfff), 2);
    set_version(&id, 7);
    return id;
}

struct id id_uuid6(int step)
{
    int64_t now = clock_wall_us() * 10 + GREGORIAN_TICKS;
    uint64_t ticks = (uint64_t)next_after(&last_ticks, now);
    unsigned low = (unsigned)step & (step < 0 ? 0xffffU : 0x3fffU);
    struct id id;
    id_random(id.bytes, sizeof(id.bytes));
    put_be(id.bytes, ticks >> 12, 6);
    put_be(id.bytes + 6, 0x6000 | (ticks & 0xfff), 2);
    put_be(id.bytes + 8, 0x8000 | low, 2);
    return id;
}

/*
 * SHA-1, which version 5 ids are defined with. Names are short, so it is
 * written to be read, not for speed. Not for anything secret.
 */
struct sha1 {
    uint32_t state[5];
    uint8_t block[64];
    size_t used;
    uint64_t total;
};

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static uint32_t sha1_mix(int round, const uint32_t v[5])
{
    if (round < 20) {
        return ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999U;
    }
    if (round < 40) {
        return (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1U;
    }
    if (round < 60) {
        uint32_t most = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
        return most + 0x8f1bbcdcU;
    }
    return (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6U;
}

static void sha1_block(struct sha1 *s)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++) {
        const uint8_t *p = s->block + (size_t)i * 4;
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
               (uint32_t)p[2] << 8 | p[3];
    }
    for (int i = 16; i < 80; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t v[5];
    memcpy(v, s->state, sizeof(v));
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(v[0], 5) + sha1_mix(i, v) + v[4] + w[i];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = next;
    }
    for (int i = 0; i < 5; i++) {
        s->state[i] += v[i];
    }
    s->used = 0;
}

static void sha1_add(struct sha1 *s, const void *data, size_t size)
{
    const uint8_t *p = data;
    s->total += size;
    while (size > 0) {
        size_t n = min_size(size, sizeof(s->block) - s->used);
        memcpy(s->block + s->used, p, n);
        s->used += n;
        p += n;
        size -= n;
        if (s->used == sizeof(s->block)) {
            sha1_block(s);
        }
    }
}

static void sha1_end(struct sha1 *s, uint8_t out[20])
{
    uint64_t bits = s->total * 8;
    uint8_t length[8];
    put_be(length, bits, 8);
    sha1_add(s, "\x80", 1);
    while (s->used != 56) {
        sha1_add(s, "", 1);
    }
    sha1_add(s, length, sizeof(length));
    must(s->used == 0);
    for (size_t i = 0; i < 5; i++) {
        put_be(out + i * 4, s->state[i], 4);
    }
}

struct id id_uuid5(const struct id *space, const void *name, size_t size)
{
    must(space != NULL);
    must(name != NULL || size == 0);
    struct sha1 s = {.state = {0x67452301U, 0xefcdab89U, 0x98badcfeU,
                               0x10325476U, 0xc3d2e1f0U}};
    uint8_t digest[20];
    sha1_add(&s, space->bytes, sizeof(space->bytes));
    sha1_add(&s, name, size);
    sha1_end(&s, digest);
    struct id id;
    memcpy(id.bytes, digest, sizeof(id.bytes));
    set_version(&id, 5);
    return id;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_dash_place(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool id_parse(const char *text, struct id *out)
{
    must(text != NULL);
    return id_parse_n(text, strnlen(text, ID_TEXT_SIZE), out);
}

bool id_parse_n(const char *text, size_t n, struct id *out)
{
    must(out != NULL);
    must(text != NULL || n == 0);
    *out = (struct id){{0}};
    if (n != ID_TEXT_SIZE - 1) {
        return false;
    }
    struct id id;
    size_t byte = 0;
    for (size_t i = 0; i < n;) {
        if (is_dash_place(i)) {
            if (text[i++] != '-') {
                return false;
            }
            continue;
        }
        int high = hex_value(text[i]);
        int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        id.bytes[byte++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    must(byte == sizeof(id.bytes));
    *out = id;
    return true;
}

static void print_hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[i * 2] = digits[bytes[i] >> 4];
        out[i * 2 + 1] = digits[bytes[i] & 15];
    }
}

char *id_print(const struct id *id, char out[ID_TEXT_SIZE])
{
    static const struct {
        size_t from, count, at;
    } groups[] = {{0, 4, 0}, {4, 2, 9}, {6, 2, 14}, {8, 2, 19}, {10, 6, 24}};
    must(id != NULL && out != NULL);
    memset(out, '-', ID_TEXT_SIZE - 1);
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        print_hex(id->bytes + groups[i].from, groups[i].count,
                  out + groups[i].at);
    }
    out[ID_TEXT_SIZE - 1] = '\0';
    return out;
}

bool id_is_nil(const struct id *id)
{
    static const struct id nil;
    return id_eq(id, &nil);
}

bool id_eq(const struct id *a, const struct id *b)
{
    return id_cmp(a, b) == 0;
}

int id_cmp(const struct id *a, const struct id *b)
{
    must(a != NULL && b != NULL);
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

uint64_t id_hash(const struct id *id)
{
    must(id != NULL);
    return XXH3_64bits(id->bytes, sizeof(id->bytes));
}

char *id_xxh3_hex(const void *data, size_t size, char out[ID_HEX_SIZE])
{
    must(out != NULL);
    must(data != NULL || size == 0);
    XXH128_hash_t hash = XXH3_128bits(data, size);
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    print_hex(bytes.digest, sizeof(bytes.digest), out);
    out[ID_HEX_SIZE - 1] = '\0';
    return out;
}

static void kernel_random(void *out, size_t size)
{
    uint8_t *p = out;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        must(n > 0 || errno == EINTR);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
}

/* A thread's stock of random bytes: one system call for many ids. */
static _Thread_local struct {
    uint8_t bytes[512];
    size_t left;
} stock;

static void forget_stock(void)
{
    stock.left = 0;
}

/* A forked child must not go on with its parent's bytes. */
static void watch_forks(void)
{
    int rc = pthread_atfork(NULL, NULL, forget_stock);
    must(rc == 0);
}

static uint64_t text_seed;
static pthread_once_t text_seeded = PTHREAD_ONCE_INIT;

static void seed_texts(void)
{
    kernel_random(&text_seed, sizeof(text_seed));
}

uint64_t id_hash_text(const void *text, size_t size)
{
    must(text != NULL || size == 0);
    must(pthread_once(&text_seeded, seed_texts) == 0);
    return XXH3_64bits_withSeed(text, size, text_seed);
}

void id_random(void *out, size_t size)
{
    must(out != NULL || size == 0);
    id_random_fn *source = atomic_load(&random_now);
    if (source != NULL) {
        source(out, size);
        return;
    }
    if (size > sizeof(stock.bytes)) {
        kernel_random(out, size);
        return;
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    if (stock.left < size) {
        kernel_random(stock.bytes, sizeof(stock.bytes));
        stock.left = sizeof(stock.bytes);
    }
    stock.left -= size;
    memcpy(out, stock.bytes + stock.left, size);
}

void id_random_set(id_random_fn *source)
{
    atomic_store(&random_now, source);
}

void id_order_reset(void)
{
    atomic_store(&last_ticks, 0);
    atomic_store(&last_stamp, 0);
}
