/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c: returned errors. Owns the mapping of codes to names, HTTP statuses
 * and whether repeating helps; knows nothing of who shows them.
 */
#include "common/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
    bool retryable;
} rows[ERR_COUNT] = {
#define ERROR(code, name, status, retryable)                                   \
    [ERR_##code] = {name, status, retryable},
#include "common/errors.tbl.h"
#undef ERROR
};

static bool is_code(int code)
{
    return code >= 0 && code < ERR_COUNT;
}

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool result = err_setv(err, code, fmt, ap);
    va_end(ap);
    return result;
}

bool err_setv(struct err *err, enum err_code code, const char *fmt, va_list ap)
{
    must(fmt != NULL);
    must(is_code((int)code) && code != ERR_NONE);
    if (err == NULL) {
        return false;
    }
    /* The arguments may point into err itself, so build beside it. */
    char text[sizeof(err->text)];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    must(n >= 0);
    memcpy(err->text, text, sizeof(text));
    err->code = code;
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    must(fmt != NULL);
    if (err == NULL) {
        return false;
    }
    must(err->code != ERR_NONE);
    char context[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);
    must(n >= 0);
    return err_set(err, err->code, "%s: %s", context, err->text);
}

void err_clear(struct err *err)
{
    must(err != NULL);
    err->code = ERR_NONE;
    err->text[0] = '\0';
}

const char *err_name(int code)
{
    return rows[err_from_wire(code)].name;
}

int err_status(int code)
{
    return rows[err_from_wire(code)].status;
}

bool err_retryable(int code)
{
    return rows[err_from_wire(code)].retryable;
}

enum err_code err_from_wire(int number)
{
    return is_code(number) ? (enum err_code)number : ERR_INTERNAL;
}
