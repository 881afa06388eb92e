/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h: takes a client's socket out of civetweb, so that a long answer
 * does not hold one of its threads. civetweb has no call for it; how it is
 * done is explained in handover.c, the only file that knows.
 */
#ifndef GATEWAY_HANDOVER_H
#define GATEWAY_HANDOVER_H

#include "common/err.h"

struct mg_connection;

/*
 * Tries with one request to this process's own server whether taking a socket
 * works with the civetweb it runs with. Once, right after the server started.
 * False (the reason in err) means that every gw_handover_take() fails from
 * then on; gw_handover_works() tells so later.
 */
MUST_USE bool gw_handover_selftest(const char *host, int port,
                                   struct err *err);
bool gw_handover_works(void);
/* Is this request the self-test's? Then it has been dealt with. */
bool gw_handover_is_trial(struct mg_connection *conn, int noted);

/* The descriptor this thread read from last, -1 for none: note it first thing
 * in a request, before anything else on this thread reads from a socket. */
int gw_handover_noted(void);
/* How many bytes of that connection this thread has read since it began with
 * it, that is, since it last forgot one: to be done at a connection's end. */
size_t gw_handover_bytes(void);
void gw_handover_forget(void);
/* While a request is served, what the thread reads elsewhere is not noted. */
void gw_handover_hold(bool on);

/*
 * Takes the socket of a request whose body has been read: the caller owns the
 * descriptor that is returned, civetweb closes a dummy in its place when the
 * handler returns. -1 when `noted` is not this request's socket; then nothing
 * has changed.
 */
int gw_handover_take(struct mg_connection *conn, int noted);

#endif
