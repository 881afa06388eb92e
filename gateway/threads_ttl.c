/* SPDX-License-Identifier: Apache-2.0 */
/* threads_ttl.c: see threads_ttl.h. */
#include "gateway/threads_ttl.h"

#include <math.h>

#include "common/clock.h"
#include "gateway/check.h"

#define MINUTE_US 60e6

bool gw_threads_check_ttl(leat_view v, const char *path, struct err *err)
{
    static const struct gw_check_field rows[] = {
        {"strategy", NULL, "delete|keep_latest", false},
        {"ttl", gw_check_minutes, NULL, true},
    };
    return leat_type_of(v) == LEAT_OBJECT
               ? gw_check_fields(v, path, rows, COUNT_OF(rows), err)
               : gw_check_minutes(v, path, err);
}

bool gw_threads_read_ttl(leat_view v, struct store_ttl *out)
{
    *out = (struct store_ttl){.strategy = "delete"};
    if (!gw_check_present(v)) {
        return false;
    }
    if (leat_is(leat_get(v, "strategy"), "keep_latest")) {
        must(base_copy(out->strategy, sizeof(out->strategy), "keep_latest"));
    }
    leat_view minutes = leat_type_of(v) == LEAT_OBJECT ? leat_get(v, "ttl") : v;
    out->ttl_us = gw_check_minutes_us(minutes);
    return true;
}

leat_value *gw_threads_render_ttl(const struct store_ttl *ttl)
{
    if (ttl->strategy[0] == '\0') {
        return leat_new_null();
    }
    char iso[CLOCK_ISO_SIZE];
    double minutes = (double)ttl->ttl_us / MINUTE_US;
    bool whole = minutes == floor(minutes);
    return leat_pack("{s:s,s:V,s:s}", "strategy", ttl->strategy, "ttl_minutes",
                     whole ? leat_new_int((int64_t)minutes)
                           : leat_new_double(minutes),
                     "expires_at", clock_to_iso(ttl->expires_us, iso));
}
