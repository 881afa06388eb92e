/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk.h: bytes on their way to sockets, shared by all who get them. Knows
 * the frames of HTTP chunks and nothing else. A chunk is used by one thread at
 * a time: whoever makes it may hand it on.
 */
#ifndef GATEWAY_CHUNK_H
#define GATEWAY_CHUNK_H

#include "common/buf.h"

/*
 * Bytes for sockets, counted by reference. A framed chunk is one HTTP chunk:
 * its frame is laid around what was appended by gw_chunk_seal().
 */
struct gw_chunk {
    uint32_t refs;
    bool framed;
    bool sealed;
    struct buf bytes; /* append here until it is sealed */
};
struct gw_chunk *gw_chunk_new(bool framed) MUST_USE;
struct gw_chunk *gw_chunk_hold(struct gw_chunk *c);
void gw_chunk_drop(struct gw_chunk **c);
/* Whether nothing was appended yet. */
bool gw_chunk_is_empty(const struct gw_chunk *c);
void gw_chunk_seal(struct gw_chunk *c);
/* A sealed chunk of these bytes. */
struct gw_chunk *gw_chunk_of(bool framed, const void *bytes,
                             size_t len) MUST_USE;

#endif
