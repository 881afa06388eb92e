/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk.c: a frame's length has a fixed width, so that a chunk can be filled
 * before its length is known.
 */
#include "gateway/chunk.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD 10 /* "0000002a\r\n" */
#define FRAME_FOOT "\r\n"
/* JSON of the largest message may be longer than the message. */
#define CHUNK_MAX ((size_t)2 << 30)

struct gw_chunk *gw_chunk_new(bool framed)
{
    struct gw_chunk *c = base_zalloc(sizeof(*c));
    c->refs = 1;
    c->framed = framed;
    buf_init(&c->bytes, CHUNK_MAX);
    if (framed) {
        must(buf_append(&c->bytes, "00000000\r\n", FRAME_HEAD));
    }
    return c;
}

struct gw_chunk *gw_chunk_hold(struct gw_chunk *c)
{
    must(c != NULL && c->refs > 0);
    c->refs++;
    return c;
}

void gw_chunk_drop(struct gw_chunk **c)
{
    must(c != NULL);
    struct gw_chunk *gone = *c;
    *c = NULL;
    if (gone == NULL || --gone->refs > 0) {
        return;
    }
    buf_fini(&gone->bytes);
    free(gone);
}

bool gw_chunk_is_empty(const struct gw_chunk *c)
{
    must(c != NULL);
    return c->bytes.len == (c->framed ? FRAME_HEAD : 0);
}

void gw_chunk_seal(struct gw_chunk *c)
{
    must(c != NULL && !c->sealed);
    must(!gw_chunk_is_empty(c)); /* an empty HTTP chunk would end the body */
    c->sealed = true;
    if (!c->framed) {
        return;
    }
    size_t len = c->bytes.len - FRAME_HEAD;
    for (int i = 7; i >= 0; i--) {
        c->bytes.data[i] = "0123456789abcdef"[len & 15];
        len >>= 4;
    }
    must(buf_append(&c->bytes, FRAME_FOOT, sizeof(FRAME_FOOT) - 1));
}

struct gw_chunk *gw_chunk_of(bool framed, const void *bytes, size_t len)
{
    struct gw_chunk *c = gw_chunk_new(framed);
    must(buf_append(&c->bytes, bytes, len));
    gw_chunk_seal(c);
    return c;
}
