/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h: errors of the world (network, client, graph, SQL) as returned
 * values. Fallible functions are `MUST_USE bool f(..., struct err *err)`;
 * err is filled once, where the error happened, and only wrapped above.
 * Errors of programmers are must() in base.h.
 */
#ifndef LEAT_COMMON_ERR_H
#define LEAT_COMMON_ERR_H

#include <stdarg.h>

#include "common/base.h"

enum err_code {
#define ERROR(code, name, status, retryable) ERR_##code,
#include "common/errors.tbl.h"
#undef ERROR
    ERR_COUNT
};

/* Text longer than the array is cut; it is for people, not for programs. */
struct err {
    enum err_code code;
    char text[512];
};

/* An err to start from: `struct err err = ERR_INIT;` */
#define ERR_INIT                                                               \
    {                                                                          \
        .code = ERR_NONE, .text = ""                                           \
    }

/*
 * Fills err and returns false, so that a failure is one line:
 * `return err_set(err, ERR_NOT_FOUND, "no thread %s", id);`
 * err may be NULL when the caller does not care.
 */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
    PRINTF(3, 4);
bool err_setv(struct err *err, enum err_code code, const char *fmt, va_list ap)
    PRINTF(3, 0);

/*
 * Puts context in front ("opening leat.db: disk full"); keeps the code.
 * Returns false. An err that is not set is a programmer's error.
 */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

void err_clear(struct err *err);

/* Columns of errors.tbl.h; any int is allowed, unknown ones read as INTERNAL */
const char *err_name(int code);
int err_status(int code);
bool err_retryable(int code);

/* A number from the wire to a code; out of range becomes ERR_INTERNAL. */
enum err_code err_from_wire(int number);

#endif
