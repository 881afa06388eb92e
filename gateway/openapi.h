/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi.h: the description of this API that clients get.
 */
#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include "common/value.h"

/*
 * The OpenAPI document of a server that is mounted at `prefix` ("" for none)
 * and asks for keys or does not. One reference; the same for equal arguments.
 */
leat_value *gw_openapi_new(const char *prefix, bool keyed) MUST_USE;

#endif
