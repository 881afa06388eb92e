/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.h: the bytes of HTTP answers. Pure; used by HTTP threads and by the
 * hub, which answers for requests that have left their thread.
 */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include "common/buf.h"
#include "common/err.h"

struct gw_reply {
    int status;
    const char *headers; /* more lines, each ended by CRLF; "" for none */
    const char *type;    /* NULL: no body */
    const void *body;
    size_t len;
    bool chunked;        /* the body follows in chunks, of unknown length */
    bool head_only;      /* leave the body out */
    int keep_s;          /* so long the connection waits for another request
                          * afterwards; 0: it is closed */
};
/* Appends the whole answer; false when the buffer is at its cap. */
MUST_USE bool gw_reply_write(const struct gw_reply *r, struct buf *out);
/* {"detail": text}, with the status of the code. */
MUST_USE bool gw_reply_error(const struct err *err, const char *headers,
                             int keep_s, struct buf *out);

#endif
