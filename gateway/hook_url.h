/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook_url.h: where a webhook may point to. A server that fetches what its
 * clients name must not be a way to the services of its own host.
 */
#ifndef GATEWAY_HOOK_URL_H
#define GATEWAY_HOOK_URL_H

#include "common/conf.h"
#include "common/err.h"
#include "common/value.h"

struct sockaddr;

/* An http URL of another host, or with --webhook-loopback also of this one or
 * a path of this server; missing is fine. 422 with the field's path, which
 * begins with `path` (of the body). */
MUST_USE bool gw_hook_url_check(const conf_t *conf, leat_view url,
                                const char *path, struct err *err);
/* An address of this host, as a name may turn out to be one. */
bool gw_hook_url_is_loopback(const struct sockaddr *addr);

#endif
