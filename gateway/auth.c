/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c: the table of keys, made once at the start. A line of the file of
 * keys is what sha256sum prints of a key, and then an owner: "<hex> <owner>",
 * where "-" (what sha256sum calls its standard input) or nothing is none.
 */
#include "gateway/auth.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/sha256.h"
#include "common/store/store.h"

#define AUTH_MAGIC LEAT_MAGIC(0x9a7e0017)
#define LINE_MAX_BYTES 1024
#define KEYS_MAX 100000

struct key {
    struct sha256 digest;
    struct gw_caller caller;
    char owner[STORE_OWNER_MAX + 1];
};

struct gw_auth {
    uint32_t magic;
    struct gw_caller anybody;
    struct key **keys;
    size_t count;
    size_t room;
    bool asks; /* for a key */
};

/* ---- the table --------------------------------------------------------- */

/* Words of printable ASCII; "*" stands for everybody (store.h). */
static bool is_owner(const char *name)
{
    size_t n = strlen(name);
    bool ok = n > 0 && n <= STORE_OWNER_MAX && strcmp(name, "*") != 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = isgraph((unsigned char)name[i]) != 0;
    }
    return ok;
}

static bool add(gw_auth_t *a, const struct sha256 *digest, const char *owner,
                struct err *err)
{
    if (*owner != '\0' && !is_owner(owner)) {
        return err_set(err, ERR_INVALID,
                       "an owner is a word of 1 to %d printable characters, "
                       "not \"*\"",
                       STORE_OWNER_MAX);
    }
    for (size_t i = 0; i < a->count; i++) {
        if (sha256_equal(&a->keys[i]->digest, digest) &&
            strcmp(a->keys[i]->owner, owner) != 0) {
            return err_set(err, ERR_INVALID, "the key has another owner too");
        }
    }
    if (a->count == KEYS_MAX) {
        return err_set(err, ERR_INVALID, "more than %d keys", KEYS_MAX);
    }
    if (a->count == a->room) {
        a->room = a->room == 0 ? 16 : a->room * 2;
        a->keys = base_realloc(a->keys, a->room * sizeof(*a->keys));
    }
    struct key *k = base_zalloc(sizeof(*k));
    k->digest = *digest;
    must(base_copy(k->owner, sizeof(k->owner), owner));
    k->caller.owner = k->owner;
    k->caller.known = true;
    a->keys[a->count++] = k;
    return true;
}

/* KEY or KEY=OWNER; a key may end in '=', as base64 does. */
static bool add_option(gw_auth_t *a, const char *text, struct err *err)
{
    const char *at = strrchr(text, '=');
    if (at == NULL || at[1] == '\0' || at == text) {
        at = text + strlen(text);
    }
    struct sha256 digest = sha256_of(text, (size_t)(at - text));
    return add(a, &digest, *at == '\0' ? at : at + 1, err);
}

/* ---- the file ---------------------------------------------------------- */

static bool add_line(gw_auth_t *a, char *line, struct err *err)
{
    static const char space[] = " \t\r\n";
    char *rest = NULL;
    const char *digest = strtok_r(line, space, &rest);
    if (digest == NULL || digest[0] == '#') {
        return true;
    }
    const char *owner = strtok_r(NULL, space, &rest);
    if (owner == NULL || strcmp(owner, "-") == 0) {
        owner = "";
    }
    struct sha256 d;
    if (!sha256_parse(digest, &d) || strtok_r(NULL, space, &rest) != NULL) {
        return err_set(err, ERR_INVALID,
                       "a line is the SHA-256 of a key and an owner");
    }
    return add(a, &d, owner, err);
}

static bool read_lines(gw_auth_t *a, FILE *file, struct err *err)
{
    char line[LINE_MAX_BYTES];
    int number = 0;
    bool ok = true;
    while (ok && fgets(line, sizeof(line), file) != NULL) {
        number++;
        ok = strchr(line, '\n') != NULL || feof(file)
                 ? add_line(a, line, err)
                 : err_set(err, ERR_INVALID, "the line is too long");
    }
    if (!ok) {
        return err_wrap(err, "line %d", number);
    }
    return ferror(file) == 0 ||
           err_set(err, ERR_IO, "cannot be read: %s", strerror(errno));
}

static bool read_file(gw_auth_t *a, const char *path, struct err *err)
{
    if (*path == '\0') {
        return true;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(err, ERR_INVALID, "--api-keys-file %s: %s", path,
                       strerror(errno));
    }
    bool ok = read_lines(a, file, err) ||
              err_wrap(err, "--api-keys-file %s", path);
    (void)fclose(file);
    return ok;
}

/* ---- life -------------------------------------------------------------- */

gw_auth_t *gw_auth_new(const conf_t *conf, struct err *err)
{
    must(conf != NULL);
    gw_auth_t *a = base_zalloc(sizeof(*a));
    a->magic = AUTH_MAGIC;
    a->anybody.owner = "";
    size_t n = 0;
    const char *const *keys = conf_list(conf, CONF_API_KEY, &n);
    const char *path = conf_str(conf, CONF_API_KEYS_FILE);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_option(a, keys[i], err) || err_wrap(err, "--api-key");
    }
    ok = ok && read_file(a, path, err);
    /* an empty file lets nobody in */
    a->asks = n > 0 || *path != '\0';
    if (!ok) {
        gw_auth_destroy(&a);
    }
    return a;
}

void gw_auth_destroy(gw_auth_t **p)
{
    must(p != NULL);
    gw_auth_t *a = *p;
    *p = NULL;
    if (a == NULL) {
        return;
    }
    check_magic(a, AUTH_MAGIC);
    for (size_t i = 0; i < a->count; i++) {
        must(atomic_load(&a->keys[i]->caller.streams) == 0);
        free(a->keys[i]);
    }
    free(a->keys);
    a->magic = 0;
    free(a);
}

/* ---- who asks ---------------------------------------------------------- */

static const char *bearer_of(const char *authorization)
{
    if (authorization == NULL ||
        strncasecmp(authorization, "bearer ", 7) != 0) {
        return NULL;
    }
    return authorization + 7 + strspn(authorization + 7, " ");
}

struct gw_caller *gw_auth_check(gw_auth_t *a, const char *api_key,
                                const char *authorization, struct err *err)
{
    check_magic(a, AUTH_MAGIC);
    if (!a->asks) {
        return &a->anybody;
    }
    const char *given = api_key != NULL && *api_key != '\0'
                            ? api_key
                            : bearer_of(authorization);
    if (given == NULL) {
        (void)err_set(err, ERR_UNAUTHORIZED, "an API key is needed");
        return NULL;
    }
    struct sha256 digest = sha256_of(given, strlen(given));
    struct key *found = NULL;
    for (size_t i = 0; i < a->count; i++) {
        if (sha256_equal(&digest, &a->keys[i]->digest)) {
            found = a->keys[i];
        }
    }
    if (found == NULL) {
        (void)err_set(err, ERR_UNAUTHORIZED, "wrong API key");
        return NULL;
    }
    return &found->caller;
}

bool gw_auth_asks(const gw_auth_t *a)
{
    check_magic(a, AUTH_MAGIC);
    return a->asks;
}

struct gw_caller *gw_auth_anybody(gw_auth_t *a)
{
    check_magic(a, AUTH_MAGIC);
    return &a->anybody;
}
