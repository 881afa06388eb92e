/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h: lets only whole requests into civetweb. A client that sends half a
 * request, or nothing, would hold one of its threads for the request timeout;
 * a hundred of them would hold them all. Here they wait without a thread, and
 * so do connections that may bring another request.
 */
#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

#include <stdint.h>

#include "common/base.h"

/*
 * The next socket on which this thread calls listen() is civetweb's, its
 * connections go through the gate. Call right before mg_start().
 * `body_bytes`: longer bodies are passed on at once, to be refused.
 */
void gw_gate_arm(int64_t body_bytes);
/* Is the gate in place? Where the executable's functions do not take the
 * place of libc's, civetweb works without it. */
bool gw_gate_is_on(void);
/*
 * How long the request is, in bytes, that was let in on this descriptor last;
 * 0 when that is not known or more than the one request had come. A thread
 * that read just so much of it has left nothing in the socket.
 */
size_t gw_gate_length(int fd);
/* The client is told `keep_s`; it must not find us closing at just that time. */
#define GW_GATE_IDLE_MS(keep_s) (((int64_t)(keep_s) + 1) * 1000)
/*
 * Takes a connection back whose answer has gone out: its next request comes in
 * through the gate, or it is closed after `idle_ms`. Any thread; owns the
 * descriptor, which no other epoll set may watch.
 */
void gw_gate_return(int fd, int64_t idle_ms);
/* Nobody comes in any more; call before mg_stop(), which then is quick. */
void gw_gate_close(void);
/* After mg_stop(): forgets the socket. */
void gw_gate_reset(void);

/*
 * Is what came of a request so far enough to be passed on? Pure; `want` gets
 * how many bytes make it whole (0: not known yet) and whether its client
 * waits for "100 Continue".
 */
struct gw_gate_look {
    size_t want;
    bool expects;
};
bool gw_gate_is_whole(const char *bytes, size_t len, int64_t body_bytes,
                      struct gw_gate_look *look);

#endif
