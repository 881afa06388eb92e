/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of FIPS 180-4 and RFC 4231, and every length around a block. */
#include "common/sha256.h"
#include "tests/harness/harness.h"

static const char *digest_of(const char *text)
{
    static char out[SHA256_TEXT_SIZE];
    struct sha256 d = sha256_of(text, strlen(text));
    return sha256_print(&d, out);
}

TEST(sha256_of_known_texts)
{
    EXPECT_STR(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb924"
                              "27ae41e4649b934ca495991b7852b855");
    EXPECT_STR(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223"
                                 "b00361a396177a9cb410ff61f20015ad");
    EXPECT_STR(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmno"
                         "mnopnopq"),
               "248d6a61d20638b8e5c026930c3e6039"
               "a33ce45964ff2167f6ecedd419db06c1");
}

/* The digest of the digests of n bytes 'a', n from 0 to 199. */
TEST(sha256_of_all_lengths)
{
    char text[200];
    struct sha256 all[200];
    memset(text, 'a', sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        all[n] = sha256_of(text, n);
    }
    char out[SHA256_TEXT_SIZE];
    struct sha256 d = sha256_of(all, sizeof all);
    EXPECT_STR(sha256_print(&d, out), "752c007f38611cfbf5fa42cb1cea3d8e"
                                      "086491c844d0cc4defd632cb81423506");
}

static const char *hmac_of(struct sha256_key key, const char *text)
{
    static char out[SHA256_TEXT_SIZE];
    struct sha256 d = sha256_hmac(key, text, strlen(text));
    return sha256_print(&d, out);
}

TEST(sha256_hmac_of_known_texts)
{
    char long_key[131];
    memset(long_key, 0xaa, sizeof long_key);
    EXPECT_STR(hmac_of((struct sha256_key){"Jefe", 4},
                       "what do ya want for nothing?"),
               "5bdcc146bf60754e6a042426089575c7"
               "5a003f089d2739839dec58b964ec3843");
    EXPECT_STR(hmac_of((struct sha256_key){long_key, sizeof long_key},
                       "Test Using Larger Than Block-Size Key - Hash Key "
                       "First"),
               "60e431591ee0b67f0d8a26aacbf5b77f"
               "8e0bc6213728c5140546040f0ee37f54");
}

TEST(sha256_text_is_read_back)
{
    char out[SHA256_TEXT_SIZE];
    struct sha256 d = sha256_of("abc", 3);
    struct sha256 read;
    EXPECT(sha256_parse(sha256_print(&d, out), &read));
    EXPECT(sha256_equal(&d, &read));
    out[0] = 'B'; /* upper case */
    EXPECT(sha256_parse(out, &read));
    EXPECT(sha256_equal(&d, &read));
    read.bytes[31] ^= 1;
    EXPECT(!sha256_equal(&d, &read));
    out[5] = 'g';
    EXPECT(!sha256_parse(out, &read));
    EXPECT(!sha256_parse("ab", &read));
}
