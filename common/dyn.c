/* SPDX-License-Identifier: Apache-2.0 */
/* dyn.c: dlopen() and dlsym(), with their reasons as errors. */
#include "common/dyn.h"

#include <dlfcn.h>

static const char *reason(void)
{
    const char *text = dlerror();
    return text == NULL ? "no reason given" : text;
}

bool dyn_load(const char *library, const struct dyn_call *calls, size_t n,
              struct err *err)
{
    must(library != NULL && (calls != NULL || n == 0));
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "%s cannot be loaded: %s", library,
                       reason());
    }
    for (size_t i = 0; i < n; i++) {
        *calls[i].at = dlsym(handle, calls[i].name);
        if (*calls[i].at == NULL) {
            return err_set(err, ERR_UNSUPPORTED, "%s is too old: %s", library,
                           reason());
        }
    }
    return true;
}
