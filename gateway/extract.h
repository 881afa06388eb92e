/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extract.h: single values out of an object, by paths such as
 * values.messages[-1].content.
 */
#ifndef GATEWAY_EXTRACT_H
#define GATEWAY_EXTRACT_H

#include "common/err.h"
#include "common/value.h"

/* Fits struct gw_check_field: an object of at most 10 paths, each beginning
 * with values, metadata, config or interrupts. */
bool gw_extract_check(leat_view v, const char *path, struct err *err);
/* {alias: what is there, or null}; `paths` passed the check. */
leat_value *gw_extract(leat_view from, leat_view paths) MUST_USE;

#endif
