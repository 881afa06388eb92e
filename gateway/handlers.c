/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers.c: routes.tbl.h as a table.
 */
#include "gateway/handlers.h"

static const struct gw_route table[] = {
#define ROUTE(method, path, handler, flags)                                    \
    {#method, path, gw_##handler, flags},
#include "gateway/routes.tbl.h"
#undef ROUTE
    {NULL, NULL, NULL, 0},
};

const struct gw_route *gw_handlers_table(void)
{
    return table;
}
