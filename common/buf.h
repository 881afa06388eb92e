/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h: a byte buffer that grows up to a hard cap. Every append says
 * whether there was room; at the cap it changes nothing and returns false.
 * Not shared between threads.
 */
#ifndef LEAT_COMMON_BUF_H
#define LEAT_COMMON_BUF_H

#include <stdarg.h>

#include "common/base.h"

struct buf {
    char *data;  /* len bytes, NULL while nothing was ever reserved */
    size_t len;  /* bytes in use */
    size_t room; /* bytes allocated */
    size_t max;  /* len never exceeds this */
};

/* A buffer that may hold up to max bytes. No memory is taken yet. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer is empty and may be used again. */
void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);

MUST_USE bool buf_append(struct buf *b, const void *data, size_t size);
MUST_USE bool buf_puts(struct buf *b, const char *text);
MUST_USE bool buf_putc(struct buf *b, char c);
MUST_USE bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
MUST_USE bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    PRINTF(2, 0);

/*
 * Room for `size` bytes after the last one, to be filled by the caller and
 * then counted with buf_added; NULL at the cap. Other calls void it.
 */
char *buf_reserve(struct buf *b, size_t size) MUST_USE;
void buf_added(struct buf *b, size_t size);

/*
 * buf_drop takes `size` bytes off the front and moves the rest, so it is not
 * for long queues; buf_cut keeps only the first `size` bytes.
 */
void buf_drop(struct buf *b, size_t size);
void buf_cut(struct buf *b, size_t size);

/* The bytes followed by a NUL that does not count; never NULL. */
const char *buf_text(struct buf *b);

/*
 * Hands the bytes (with a NUL after them) to the caller, who frees them;
 * never NULL. The buffer is empty and may be used again.
 */
char *buf_take(struct buf *b, size_t *size) MUST_USE;

#endif
