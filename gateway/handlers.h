/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers.h: the handlers that routes.tbl.h names, one function each. A
 * handler answers the request and returns true, or returns false and leaves
 * the answer to its err.
 */
#ifndef GATEWAY_HANDLERS_H
#define GATEWAY_HANDLERS_H

#include "gateway/req.h"

#define ROUTE(method, path, handler, flags) gw_handler_fn gw_##handler;
#include "gateway/routes.tbl.h"
#undef ROUTE

/* The table, ended by a row without a method. */
const struct gw_route *gw_handlers_table(void);

#endif
