/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.h: SHA-256 (FIPS 180-4) and the HMAC made with it (RFC 2104), for
 * keys that are kept as digests and for signatures. Pure.
 */
#ifndef LEAT_COMMON_SHA256_H
#define LEAT_COMMON_SHA256_H

#include "common/base.h"

#define SHA256_BYTES 32
#define SHA256_TEXT_SIZE (2 * SHA256_BYTES + 1)

struct sha256 {
    uint8_t bytes[SHA256_BYTES];
};

struct sha256 sha256_of(const void *data, size_t len);

struct sha256_key {
    const void *bytes;
    size_t len;
};
struct sha256 sha256_hmac(struct sha256_key key, const void *data, size_t len);

/* Lower-case hexadecimal; returns out. Reading takes both cases; false when
 * the text is anything else. */
char *sha256_print(const struct sha256 *digest, char out[SHA256_TEXT_SIZE]);
MUST_USE bool sha256_parse(const char *text, struct sha256 *out);

/* Takes the same time wherever the two differ. */
bool sha256_equal(const struct sha256 *a, const struct sha256 *b);

#endif
