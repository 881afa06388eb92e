/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h: civetweb, started and stopped, and the one entry point of every
 * request.
 */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "gateway/req.h"

typedef struct gw_server gw_server_t;

/* Listens on --host and --port and serves from then on. */
gw_server_t *gw_server_new(struct gw_app *app, struct err *err) MUST_USE;
/* The port it got. */
int gw_server_port(const gw_server_t *s);
/* Waits for the requests in hand. Streams that were handed over stay. */
void gw_server_destroy(gw_server_t **s);

/*
 * Is there room for one more long answer? Ask before anything is done that a
 * repeated request would do again. ERR_UNAVAILABLE.
 */
MUST_USE bool gw_server_has_room(const struct gw_req *r, struct err *err);
/*
 * The request's answer goes on in the hub: the socket for it, which is the
 * caller's. Where sockets cannot be taken out of civetweb it is one end of a
 * pair, and this thread carries the bytes between them when the handler has
 * returned. -1 with ERR_UNAVAILABLE.
 */
MUST_USE int gw_server_take(struct gw_req *r, struct err *err);

#endif
