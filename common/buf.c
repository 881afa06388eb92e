/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c: a growing byte buffer with a hard cap. Memory is always one byte
 * larger than `room`, so that buf_text and buf_take can end it with a NUL.
 */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 256

static void check_buf(const struct buf *b)
{
    must(b != NULL);
    must(b->len <= b->room || b->data == NULL);
    must(b->len <= b->max);
}

void buf_init(struct buf *b, size_t max)
{
    must(b != NULL);
    must(max < SIZE_MAX);
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    check_buf(b);
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    check_buf(b);
    b->len = 0;
}

static void grow(struct buf *b, size_t need)
{
    size_t room = max_size(b->room, ROOM_FIRST);
    while (room < need) {
        room = room > SIZE_MAX / 2 ? need : room * 2;
    }
    room = min_size(room, b->max);
    must(room >= need);
    b->data = base_realloc(b->data, room + 1);
    b->room = room;
}

char *buf_reserve(struct buf *b, size_t size)
{
    check_buf(b);
    if (size > b->max - b->len) {
        return NULL;
    }
    if (b->data == NULL || b->len + size > b->room) {
        grow(b, b->len + size);
    }
    return b->data + b->len;
}

void buf_added(struct buf *b, size_t size)
{
    check_buf(b);
    must(size <= b->room - b->len);
    b->len += size;
}

bool buf_append(struct buf *b, const void *data, size_t size)
{
    must(data != NULL || size == 0);
    char *to = buf_reserve(b, size);
    if (to == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy(to, data, size);
        b->len += size;
    }
    return true;
}

bool buf_puts(struct buf *b, const char *text)
{
    must(text != NULL);
    return buf_append(b, text, strlen(text));
}

bool buf_putc(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool ok = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return ok;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    check_buf(b);
    must(fmt != NULL);
    size_t spare = b->data != NULL ? b->room - b->len + 1 : 0;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(spare > 0 ? b->data + b->len : NULL, spare, fmt, ap);
    must(n >= 0);
    bool ok = true;
    if ((size_t)n >= spare) {
        char *to = buf_reserve(b, (size_t)n);
        ok = to != NULL;
        if (ok) {
            vsnprintf(to, (size_t)n + 1, fmt, again);
        }
    }
    va_end(again);
    b->len += ok ? (size_t)n : 0;
    return ok;
}

void buf_drop(struct buf *b, size_t size)
{
    check_buf(b);
    must(size <= b->len);
    if (size > 0) {
        memmove(b->data, b->data + size, b->len - size);
        b->len -= size;
    }
}

void buf_cut(struct buf *b, size_t size)
{
    check_buf(b);
    must(size <= b->len);
    b->len = size;
}

const char *buf_text(struct buf *b)
{
    check_buf(b);
    if (b->data == NULL) {
        return "";
    }
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_take(struct buf *b, size_t *size)
{
    check_buf(b);
    must(size != NULL);
    if (b->data == NULL) {
        grow(b, 0);
    }
    char *data = b->data;
    data[b->len] = '\0';
    *size = b->len;
    buf_init(b, b->max);
    return data;
}
