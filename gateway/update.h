/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.h: changing the state of a thread, also of one that is being
 * made.
 */
#ifndef GATEWAY_UPDATE_H
#define GATEWAY_UPDATE_H

#include "gateway/req.h"

struct gw_update {
    leat_view supersteps; /* list of lists of {values, command?, as_node?} */
    const char *checkpoint_id; /* NULL: the latest */
    const char *checkpoint_ns; /* NULL: the root */
};
/* Applies it and brings the thread's row up to date; ERR_BAD_REQUEST without
 * a graph id. *result: {"checkpoint"}, one reference. */
MUST_USE bool gw_update_apply(struct gw_req *r, const struct store_thread *t,
                              const struct gw_update *u, leat_value **result,
                              struct err *err);
/* Fits struct gw_check_field: what `values` may be. */
bool gw_update_check_values(leat_view v, const char *path, struct err *err);

#endif
