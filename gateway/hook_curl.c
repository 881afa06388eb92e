/* SPDX-License-Identifier: Apache-2.0 */
/* hook_curl.c: where libcurl's functions are in this process. */
#include "gateway/hook_curl.h"

#include <pthread.h>

#include "common/dyn.h"

struct gw_hook_curl curl;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

bool gw_hook_curl_load(struct err *err)
{
    static const struct dyn_call calls[] = {
#define CURL_CALL(name) {"curl_" #name, (void **)&curl.name},
#include "gateway/hook_curl.tbl.h"
#undef CURL_CALL
    };
    must(pthread_mutex_lock(&lock) == 0);
    if (!loaded && dyn_load("libcurl.so.4", calls, COUNT_OF(calls), err)) {
        loaded = curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ||
                 err_set(err, ERR_UNSUPPORTED, "libcurl does not start");
    }
    bool done = loaded;
    must(pthread_mutex_unlock(&lock) == 0);
    return done;
}
