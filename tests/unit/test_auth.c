/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from options and from a file, and whose they are. */
#include <stdio.h>

#include "common/sha256.h"
#include "gateway/auth.h"
#include "tests/harness/harness.h"

struct keys {
    conf_t *conf;
    struct err err;
    gw_auth_t *auth;
};

/* `file` NULL: there is none. */
static bool load(struct keys *k, const char *options, const char *file)
{
    *k = (struct keys){.conf = conf_new(PROC_GATEWAY)};
    EXPECT(conf_set(k->conf, CONF_API_KEY, options, CONF_FROM_FLAG, &k->err));
    if (file != NULL) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/keys", test_dir());
        FILE *f = fopen(path, "w");
        EXPECT(f != NULL && fputs(file, f) >= 0 && fclose(f) == 0);
        EXPECT(conf_set(k->conf, CONF_API_KEYS_FILE, path, CONF_FROM_FLAG,
                        &k->err));
    }
    k->auth = gw_auth_new(k->conf, &k->err);
    return k->auth != NULL;
}

static void done(struct keys *k)
{
    gw_auth_destroy(&k->auth);
    conf_destroy(&k->conf);
}

/* The owner of who brings these; NULL: nobody may come in with them. */
static const char *owner_of(struct keys *k, const char *key,
                            const char *authorization)
{
    struct gw_caller *c =
        gw_auth_check(k->auth, key, authorization, &k->err);
    return c == NULL ? NULL : c->owner;
}

TEST(auth_lets_everybody_in_without_keys)
{
    struct keys k;
    EXPECT(load(&k, "", NULL));
    EXPECT_STR(owner_of(&k, NULL, NULL), "");
    EXPECT_STR(owner_of(&k, "whatever", NULL), "");
    EXPECT(!gw_auth_anybody(k.auth)->known);
    done(&k);
}

TEST(auth_knows_keys_and_their_owners)
{
    struct keys k;
    EXPECT(load(&k, "one,two=ann,YWJj=,c2VjcmV0==bob", NULL));
    EXPECT_STR(owner_of(&k, "one", NULL), "");
    EXPECT_STR(owner_of(&k, "two", NULL), "ann");
    EXPECT_STR(owner_of(&k, NULL, "Bearer two"), "ann");
    EXPECT_STR(owner_of(&k, "", "bearer  two"), "ann");
    EXPECT_STR(owner_of(&k, "c2VjcmV0=", NULL), "bob");
    EXPECT_STR(owner_of(&k, "YWJj=", NULL), "");
    EXPECT(owner_of(&k, "two=ann", NULL) == NULL);
    EXPECT(owner_of(&k, "on", NULL) == NULL);
    EXPECT(owner_of(&k, "", NULL) == NULL);
    EXPECT(owner_of(&k, NULL, "Basic two") == NULL);
    EXPECT(owner_of(&k, NULL, NULL) == NULL);
    EXPECT_EQ(k.err.code, ERR_UNAUTHORIZED);
    done(&k);
}

TEST(auth_reads_a_file_of_digests)
{
    char hex[SHA256_TEXT_SIZE];
    char text[1000];
    struct sha256 one = sha256_of("one", 3);
    struct sha256 two = sha256_of("two", 3);
    (void)sha256_print(&one, hex);
    int n = snprintf(text, sizeof text, "# keys\n\n%s  -\n", hex);
    (void)sha256_print(&two, hex);
    (void)snprintf(text + n, sizeof text - (size_t)n, "%s ann", hex);
    struct keys k;
    EXPECT(load(&k, "three", text));
    EXPECT_STR(owner_of(&k, "one", NULL), "");
    EXPECT_STR(owner_of(&k, "two", NULL), "ann");
    EXPECT_STR(owner_of(&k, "three", NULL), "");
    EXPECT(owner_of(&k, hex, NULL) == NULL);
    done(&k);
    EXPECT(load(&k, "", "# none\n"));
    EXPECT(owner_of(&k, "one", NULL) == NULL); /* it asks all the same */
    done(&k);
}

TEST(auth_refuses_what_is_wrong)
{
    static const char digest[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char twice[400];
    (void)snprintf(twice, sizeof twice, "%s ann\n%s bob\n", digest, digest);
    char words[200];
    (void)snprintf(words, sizeof words, "%s ann lee\n", digest);
    const struct {
        const char *options;
        const char *file;
        const char *text;
    } rows[] = {
        {"key=*", NULL, "--api-key: an owner is a word"},
        {"key=a b", NULL, "--api-key: an owner is a word"},
        {"abc=ann,abc=bob", NULL, "the key has another owner too"},
        {"", "nonsense\n", "line 1: a line is the SHA-256"},
        {"", words, "line 1: a line is the SHA-256"},
        {"", twice, "line 2: the key has another owner too"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct keys k;
        EXPECT_MSG(!load(&k, rows[i].options, rows[i].file), "row %zu", i);
        EXPECT_HAS(k.err.text, rows[i].text);
        done(&k);
    }
    struct keys k = {.conf = conf_new(PROC_GATEWAY)};
    EXPECT(conf_set(k.conf, CONF_API_KEYS_FILE, "/nowhere", CONF_FROM_FLAG,
                    &k.err));
    EXPECT(gw_auth_new(k.conf, &k.err) == NULL);
    EXPECT_HAS(k.err.text, "--api-keys-file /nowhere: No such file");
    done(&k);
}
