/* SPDX-License-Identifier: Apache-2.0 */
/*
 * later.c: parts of the API that this version does not have. Clients that try
 * them are told so, and what to use instead, rather than that there is no such
 * path.
 */
#include "gateway/handlers.h"

bool gw_later_protocol(struct gw_req *r, struct err *err)
{
    (void)r;
    return err_set(err, ERR_UNSUPPORTED,
                   "The event streaming protocol (version 2) is not available. "
                   "Use runs.stream, and threads.join_stream to follow a "
                   "thread.");
}

bool gw_later_ui(struct gw_req *r, struct err *err)
{
    (void)r;
    return err_set(err, ERR_UNSUPPORTED,
                   "User interface assets are not available.");
}
