/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render.h: rows of the store as the objects of the API (http-api section 2).
 * Each gives one reference.
 */
#ifndef GATEWAY_RENDER_H
#define GATEWAY_RENDER_H

#include "common/store/store.h"

leat_value *gw_render_assistant(const struct store_assistant *a) MUST_USE;
leat_value *gw_render_thread(const struct store_thread *t) MUST_USE;
leat_value *gw_render_run(const struct store_run *r) MUST_USE;
/* The object with only these keys (a list of names); `select` missing: all.
 * Takes the reference. */
leat_value *gw_render_select(leat_value *object, leat_view select) MUST_USE;

#endif
