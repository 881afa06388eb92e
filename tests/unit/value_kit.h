/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_kit.h: what the tests of values share.
 */
#ifndef TESTS_UNIT_VALUE_KIT_H
#define TESTS_UNIT_VALUE_KIT_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/value.h"
#include "tests/harness/harness.h"

#define LITERAL(text) (text), sizeof(text) - 1

/* Whether `f` ends its process with an assertion. */
UNUSED static bool aborts(void (*f)(void))
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        f();
        _exit(0);
    }
    int status;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

UNUSED static leat_value *from_bytes(const char *bytes, size_t len)
{
    leat_value *v;
    struct err err = ERR_INIT;
    EXPECT_MSG(value_from_bytes(bytes, len, &v, &err), "%s", err.text);
    return v;
}

UNUSED static void expect_bytes(leat_view v, const char *bytes, size_t len)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    EXPECT(value_pack_into(v, &b));
    EXPECT_EQ(b.len, len);
    EXPECT_MEM(b.data, bytes, len);
    EXPECT_EQ(value_packed_size(v), len);
    buf_fini(&b);
}

UNUSED static void expect_text(leat_view v, const char *text)
{
    char *copy = value_strdup(v);
    EXPECT_STR(copy, text);
    free(copy);
}

UNUSED static void expect_json(leat_value *v, const char *json)
{
    char *text = leat_to_json(leat_view_of(v));
    EXPECT_STR(text, json);
    leat_free_text(text);
    leat_drop(v);
}

/* The same value, composed all through, where it is a container. */
UNUSED static leat_value *compose(leat_view v)
{
    size_t n = leat_count(v);
    if (leat_type_of(v) == LEAT_LIST) {
        leat_value **items = base_zalloc(n * sizeof(*items));
        for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
            items[it.index] = compose(it.item);
        }
        leat_value *list = leat_new_list(n, items);
        free(items);
        return list;
    }
    if (leat_type_of(v) != LEAT_OBJECT) {
        return leat_value_of(v);
    }
    leat_value **items = base_zalloc(n * sizeof(*items));
    char **keys = base_zalloc(n * sizeof(*keys));
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        items[it.index] = compose(it.item);
        keys[it.index] = base_memdup(it.key.ptr, it.key.len);
    }
    leat_value *object =
        leat_new_object(n, (const char *const *)keys, items);
    for (size_t i = 0; i < n; i++) {
        free(keys[i]);
    }
    free(keys);
    free(items);
    return leat_tagged(object, leat_tag_of(v));
}

UNUSED static leat_value *example(void)
{
    return leat_pack("{s:i, s:[s,b,n,f], s:{s:t}, s:s}", "n", 7, "list", "a",
                     1, 2.5, "inner", "key", (leat_text){"x\0y", 3}, "long",
                     "This text is longer than what a slice would be copied "
                     "for, which is why it stands here.");
}

#endif
