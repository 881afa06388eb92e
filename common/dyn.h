/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dyn.h: libraries that are loaded when somebody first needs them. The clients
 * of PostgreSQL and of HTTP bring thirty others with them, megabytes in every
 * process, and most processes need neither.
 */
#ifndef COMMON_DYN_H
#define COMMON_DYN_H

#include "common/err.h"

struct dyn_call {
    const char *name;
    void **at; /* where the function's address is wanted */
};

/*
 * Loads the library, for as long as the process lives, and fills in the `n`
 * addresses. ERR_UNSUPPORTED when it is not installed or lacks a function.
 * Calling it again with the same is harmless; not at the same time.
 */
MUST_USE bool dyn_load(const char *library, const struct dyn_call *calls,
                       size_t n, struct err *err);

#endif
