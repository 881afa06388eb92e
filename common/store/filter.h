/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h: the filters of a search for items: an object whose keys must be
 * in the item's value. What stands for a key is a value that must be equal, an
 * object of operators ($eq $ne $gt $gte $lt $lte) of which all must hold, or
 * an object of keys to look at in turn. A list matches one of its length whose
 * elements match. Pure; the filter comes from a client.
 */
#ifndef COMMON_STORE_FILTER_H
#define COMMON_STORE_FILTER_H

#include "common/err.h"
#include "common/value.h"

/* ERR_INVALID names the place of what is no filter, beginning with `path`.
 * Missing and null are filters that everything passes. */
MUST_USE bool store_filter_check(leat_view filter, const char *path,
                                 struct err *err);
/* The filter has been checked. */
bool store_filter_matches(leat_view value, leat_view filter);

#endif
