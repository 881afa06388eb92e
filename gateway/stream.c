/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c: chunks and their way into a socket. Writes are gathered: one
 * sendmsg() for all that waits.
 */
#include "gateway/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/stat.h"

#define STREAM_MAGIC LEAT_MAGIC(0x9a7e0001)
#define IOV_MOST 64

/* A chunk that every reader gets, made once and never freed. */
static struct gw_chunk *constant(struct gw_chunk **kept, bool framed,
                                 const char *text)
{
    if (*kept == NULL) {
        *kept = gw_chunk_of(framed, text, strlen(text));
    }
    return *kept;
}

/* ---- streams ----------------------------------------------------------- */

static const uint8_t next_states[] = {
#define STREAM_STATE(name, next, text) (uint8_t)(next),
#include "gateway/stream.tbl.h"
#undef STREAM_STATE
};

struct gw_stream *gw_stream_new(enum gw_stream_kind kind)
{
    struct gw_stream *s = base_zalloc(sizeof(*s));
    s->magic = STREAM_MAGIC;
    s->fd = -1;
    s->kind = (uint8_t)kind;
    s->state = GW_STREAM_UNATTACHED;
    s->filter = SSE_FILTER_ALL;
    s->out_end = &s->out;
    return s;
}

void gw_stream_count(struct gw_stream *s, atomic_int *open)
{
    check_magic(s, STREAM_MAGIC);
    must(s->open == NULL);
    s->open = open;
    atomic_fetch_add(open, 1);
}

static void drop_oldest(struct gw_stream *s)
{
    struct gw_out *o = s->out;
    s->out = o->next;
    s->out_sent = 0;
    if (s->out == NULL) {
        s->out_end = &s->out;
    }
    gw_chunk_drop(&o->chunk);
    free(o);
}

void gw_stream_destroy(struct gw_stream **p)
{
    must(p != NULL);
    struct gw_stream *s = *p;
    *p = NULL;
    if (s == NULL) {
        return;
    }
    check_magic(s, STREAM_MAGIC);
    must(s->group == NULL && s->timer.place == 0);
    while (s->out != NULL) {
        drop_oldest(s);
    }
    gw_chunk_drop(&s->last_words);
    gw_chunk_drop(&s->head);
    free(s->headers);
    if (s->open != NULL) {
        atomic_fetch_sub(s->open, 1);
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    s->magic = 0;
    free(s);
}

void gw_stream_move(struct gw_stream *s, enum gw_stream_state to)
{
    check_magic(s, STREAM_MAGIC);
    must((next_states[s->state] >> to) & 1U);
    s->state = (uint8_t)to;
}

void gw_stream_push(struct gw_stream *s, struct gw_chunk *chunk)
{
    check_magic(s, STREAM_MAGIC);
    must(chunk != NULL && chunk->sealed);
    struct gw_out *o = base_zalloc(sizeof(*o));
    o->chunk = gw_chunk_hold(chunk);
    *s->out_end = o;
    s->out_end = &o->next;
    s->out_bytes += chunk->bytes.len;
}

static void unhold(struct gw_stream *s)
{
    must(s->held);
    s->held = false;
    s->call_tag = 0;
    free(s->headers);
    s->headers = NULL;
}

void gw_stream_release(struct gw_stream *s)
{
    check_magic(s, STREAM_MAGIC);
    unhold(s);
    struct gw_out *first = base_zalloc(sizeof(*first));
    first->chunk = s->head;
    first->next = s->out;
    s->head = NULL;
    if (s->out == NULL) {
        s->out_end = &first->next;
    }
    s->out = first;
    s->out_bytes += first->chunk->bytes.len;
}

void gw_stream_refuse(struct gw_stream *s, struct gw_chunk *answer)
{
    check_magic(s, STREAM_MAGIC);
    must(s->state == GW_STREAM_OPEN);
    unhold(s);
    gw_chunk_drop(&s->head);
    while (s->out != NULL) {
        drop_oldest(s);
    }
    s->out_bytes = 0;
    gw_stream_push(s, answer);
    gw_stream_move(s, GW_STREAM_FINISHING);
}

void gw_stream_finish(struct gw_stream *s)
{
    static struct gw_chunk *last;
    check_magic(s, STREAM_MAGIC);
    if (s->kind != GW_STREAM_DONE) {
        gw_stream_push(s, constant(&last, false, "0\r\n\r\n"));
    } else if (s->last_words != NULL) {
        gw_stream_push(s, s->last_words);
    }
    gw_stream_move(s, s->state == GW_STREAM_UNATTACHED ? GW_STREAM_ENDED
                                                       : GW_STREAM_FINISHING);
}

static size_t gather(const struct gw_stream *s, struct iovec *iov)
{
    size_t n = 0;
    size_t skip = s->out_sent;
    for (struct gw_out *o = s->out; o != NULL && n < IOV_MOST; o = o->next) {
        iov[n].iov_base = o->chunk->bytes.data + skip;
        iov[n].iov_len = o->chunk->bytes.len - skip;
        skip = 0;
        n++;
    }
    return n;
}

static void sent(struct gw_stream *s, size_t n)
{
    must(n <= s->out_bytes);
    s->out_bytes -= n;
    while (n > 0) {
        size_t left = s->out->chunk->bytes.len - s->out_sent;
        if (n < left) {
            s->out_sent += n;
            return;
        }
        n -= left;
        drop_oldest(s);
    }
}

enum gw_flush gw_stream_flush(struct gw_stream *s, int64_t now_ms)
{
    check_magic(s, STREAM_MAGIC);
    must(s->fd >= 0);
    /* The end of the body and of the connection go out together: no client may
     * think in between that it can send its next request on this one. */
    bool last = s->state == GW_STREAM_FINISHING && s->keep_s == 0;
    int more = last ? MSG_MORE : 0;
    while (s->out != NULL) {
        struct iovec iov[IOV_MOST];
        struct msghdr message = {.msg_iov = iov};
        message.msg_iovlen = gather(s, iov);
        ssize_t n =
            sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? GW_FLUSH_BLOCKED
                                                           : GW_FLUSH_BROKEN;
        }
        stat_add(STAT_STREAM_BYTES, n);
        s->moved_ms = now_ms;
        sent(s, (size_t)n);
        (void)fault_at(FAULT_GATEWAY_WRITTEN);
    }
    return GW_FLUSH_DRAINED;
}

struct gw_chunk *gw_stream_heartbeat(const struct gw_stream *s)
{
    static struct gw_chunk *comment;
    static struct gw_chunk *line_feed;
    check_magic(s, STREAM_MAGIC);
    switch (s->kind) {
    case GW_STREAM_SSE:
        return constant(&comment, true, ": heartbeat\n");
    case GW_STREAM_WAIT:
        return constant(&line_feed, true, "\n");
    default:
        return NULL;
    }
}
