/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.c: the digest by its definition, block by block.
 */
#include "common/sha256.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 64
#define LENGTH_AT (BLOCK - 8) /* of the message in bits, in its last block */

struct state {
    uint32_t h[8];
    uint8_t block[BLOCK];
    uint64_t len;
};

static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                  0xa54ff53a, 0x510e527f, 0x9b05688c,
                                  0x1f83d9ab, 0x5be0cd19};

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           (uint32_t)p[3];
}

static void put_big_endian(uint8_t *p, uint32_t n)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(n >> (24 - 8 * i));
    }
}

static void spread(const uint8_t *block, uint32_t w[64])
{
    for (size_t i = 0; i < 16; i++) {
        w[i] = big_endian(block + 4 * i);
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = w[i - 15];
        uint32_t b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] +
               (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
}

static void mix(struct state *s)
{
    uint32_t w[64];
    uint32_t v[8]; /* a to h */
    spread(s->block, w);
    memcpy(v, s->h, sizeof v);
    for (size_t i = 0; i < 64; i++) {
        uint32_t e = v[4];
        uint32_t a = v[0];
        uint32_t one = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
                       ((e & v[5]) ^ (~e & v[6])) + constants[i] + w[i];
        uint32_t two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
                       ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += one;
        v[0] = one + two;
    }
    for (size_t i = 0; i < 8; i++) {
        s->h[i] += v[i];
    }
}

static void begin(struct state *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->h, first, sizeof s->h);
}

static void add(struct state *s, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        size_t at = s->len % BLOCK;
        size_t n = min_size(BLOCK - at, len);
        memcpy(s->block + at, from, n);
        s->len += n;
        from += n;
        len -= n;
        if (at + n == BLOCK) {
            mix(s);
        }
    }
}

static struct sha256 end(struct state *s)
{
    struct sha256 out;
    uint64_t bits = s->len * 8;
    size_t at = s->len % BLOCK;
    s->block[at++] = 0x80;
    if (at > LENGTH_AT) {
        memset(s->block + at, 0, BLOCK - at);
        mix(s);
        at = 0;
    }
    memset(s->block + at, 0, LENGTH_AT - at);
    put_big_endian(s->block + LENGTH_AT, (uint32_t)(bits >> 32));
    put_big_endian(s->block + LENGTH_AT + 4, (uint32_t)bits);
    mix(s);
    for (size_t i = 0; i < 8; i++) {
        put_big_endian(out.bytes + 4 * i, s->h[i]);
    }
    return out;
}

struct sha256 sha256_of(const void *data, size_t len)
{
    must(data != NULL || len == 0);
    struct state s;
    begin(&s);
    add(&s, data, len);
    return end(&s);
}

static struct sha256 keyed(const uint8_t key[BLOCK], uint8_t with,
                           const void *data, size_t len)
{
    uint8_t pad[BLOCK];
    struct state s;
    for (size_t i = 0; i < BLOCK; i++) {
        pad[i] = key[i] ^ with;
    }
    begin(&s);
    add(&s, pad, sizeof pad);
    add(&s, data, len);
    return end(&s);
}

struct sha256 sha256_hmac(struct sha256_key key, const void *data, size_t len)
{
    must(data != NULL || len == 0);
    uint8_t block[BLOCK] = {0};
    if (key.len > BLOCK) {
        struct sha256 digest = sha256_of(key.bytes, key.len);
        memcpy(block, digest.bytes, sizeof digest.bytes);
    } else if (key.len > 0) {
        memcpy(block, key.bytes, key.len);
    }
    struct sha256 inner = keyed(block, 0x36, data, len);
    return keyed(block, 0x5c, inner.bytes, sizeof inner.bytes);
}

/* ---- as text ----------------------------------------------------------- */

char *sha256_print(const struct sha256 *digest, char out[SHA256_TEXT_SIZE])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", digest->bytes[i]);
    }
    return out;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sha256_parse(const char *text, struct sha256 *out)
{
    must(text != NULL && out != NULL);
    if (strlen(text) != 2 * SHA256_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool sha256_equal(const struct sha256 *a, const struct sha256 *b)
{
    unsigned differ = 0;
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        differ |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    }
    return differ == 0;
}
