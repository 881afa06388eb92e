/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.c: the few functions behind base.h. It must not use the log or
 * anything else that could itself fail an assertion.
 */
#include "common/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void base_must_failed(const char *expr, const char *file, int line,
                      const char *func)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "%s:%d: %s: must hold: %s\n", file,
                     line, func, expr);
    if (n > 0) {
        size_t len = min_size((size_t)n, sizeof(text) - 1);
        ssize_t written = write(STDERR_FILENO, text, len);
        (void)written;
    }
    abort();
}

void *base_zalloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    must(p != NULL);
    return p;
}

void *base_realloc(void *old, size_t size)
{
    void *p = realloc(old, size > 0 ? size : 1);
    must(p != NULL);
    return p;
}

char *base_strdup(const char *s)
{
    must(s != NULL);
    return base_memdup(s, strlen(s));
}

void *base_memdup(const void *data, size_t size)
{
    must(data != NULL || size == 0);
    must(size < SIZE_MAX);
    char *p = base_realloc(NULL, size + 1);
    if (size > 0) {
        memcpy(p, data, size);
    }
    p[size] = '\0';
    return p;
}

bool base_copy(char *out, size_t cap, const char *s)
{
    must(out != NULL && cap > 0);
    must(s != NULL);
    size_t n = strnlen(s, cap);
    bool fits = n < cap;
    size_t take = fits ? n : cap - 1;
    memcpy(out, s, take);
    out[take] = '\0';
    return fits;
}
