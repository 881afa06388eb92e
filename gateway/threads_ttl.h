/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads_ttl.h: how long threads live, as requests say it and answers show
 * it.
 */
#ifndef GATEWAY_THREADS_TTL_H
#define GATEWAY_THREADS_TTL_H

#include "common/store/store.h"

/* Fits struct gw_check_field: {"strategy"?, "ttl": minutes}, or minutes. */
bool gw_threads_check_ttl(leat_view v, const char *path, struct err *err);
/* What passed the check; false when it is absent. */
bool gw_threads_read_ttl(leat_view v, struct store_ttl *out);
/* {"strategy", "ttl_minutes", "expires_at"}, or null when it has no end. */
leat_value *gw_threads_render_ttl(const struct store_ttl *ttl) MUST_USE;

#endif
