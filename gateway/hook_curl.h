/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook_curl.h: libcurl, loaded when the first webhook is named or sent. Its
 * functions are called as curl.easy_init(), which is curl_easy_init().
 */
#ifndef GATEWAY_HOOK_CURL_H
#define GATEWAY_HOOK_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "common/err.h"

struct gw_hook_curl {
#define CURL_CALL(name) __typeof__(&curl_##name) name;
#include "gateway/hook_curl.tbl.h"
#undef CURL_CALL
};

/* Read only; filled in by gw_hook_curl_load(). */
extern struct gw_hook_curl curl;

/* Any thread, any number of times; before the first call through `curl`. */
MUST_USE bool gw_hook_curl_load(struct err *err);

#endif
