/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.c: from events to the shared chunks of groups.
 */
#include "gateway/feed.h"

#include <stdlib.h>

#include "common/stat.h"

#define GROUP_MAGIC LEAT_MAGIC(0x9a7e0002)

struct gw_group *gw_feed_group_new(const struct gw_stream *like)
{
    must(like != NULL);
    struct gw_group *g = base_zalloc(sizeof(*g));
    g->magic = GROUP_MAGIC;
    g->kind = like->kind;
    g->filter = like->filter;
    gw_wait_init(&g->wait);
    return g;
}

void gw_feed_group_destroy(struct gw_group **p)
{
    must(p != NULL);
    struct gw_group *g = *p;
    *p = NULL;
    if (g == NULL) {
        return;
    }
    check_magic(g, GROUP_MAGIC);
    must(g->first == NULL && g->count == 0);
    gw_chunk_drop(&g->open);
    gw_wait_fini(&g->wait);
    g->magic = 0;
    free(g);
}

void gw_feed_add(struct gw_group *g, struct gw_stream *s)
{
    check_magic(g, GROUP_MAGIC);
    must(s->group == NULL && gw_feed_fits(g, s));
    s->group = g;
    s->prev = NULL;
    s->next = g->first;
    if (g->first != NULL) {
        g->first->prev = s;
    }
    g->first = s;
    g->count++;
}

void gw_feed_remove(struct gw_stream *s)
{
    struct gw_group *g = s->group;
    check_magic(g, GROUP_MAGIC);
    must(g->count > 0);
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        g->first = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    s->next = NULL;
    s->prev = NULL;
    s->group = NULL;
    g->count--;
}

bool gw_feed_fits(const struct gw_group *g, const struct gw_stream *s)
{
    return g->kind == s->kind && g->filter.modes == s->filter.modes &&
           g->filter.subgraphs == s->filter.subgraphs &&
           g->filter.thread == s->filter.thread;
}

static struct buf *open_buf(struct gw_group *g)
{
    if (g->open == NULL) {
        g->open = gw_chunk_new(true);
    }
    return &g->open->bytes;
}

static bool wants(const struct gw_group *g, const struct wire_event *event,
                  struct sse_id id)
{
    return g->kind == GW_STREAM_SSE &&
           (g->live || (gw_sse_id_cmp(id, g->cursor) > 0 &&
                        gw_sse_id_cmp(id, g->dealt) > 0)) &&
           gw_sse_wants(g->filter, event);
}

/* Text that one group has already written is copied to the others. */
struct text {
    const struct gw_group *from;
    size_t start;
    size_t len;
};

static bool put(struct gw_group *g, const struct wire_event *event,
                struct sse_id id, struct text *text)
{
    struct buf *out = open_buf(g);
    size_t start = out->len;
    bool ok;
    if (text->from == NULL) {
        ok = gw_sse_encode(event, id, out);
        *text = (struct text){g, start, out->len - start};
    } else {
        const struct buf *in = &text->from->open->bytes;
        ok = buf_append(out, in->data + text->start, text->len);
    }
    if (ok) {
        g->open_events++;
    }
    return ok;
}

bool gw_feed_event(struct gw_group *const groups[], size_t n,
                   const struct wire_event *event, struct sse_id id)
{
    must(event != NULL);
    struct text text = {0};
    for (size_t i = 0; i < n; i++) {
        struct gw_group *g = groups[i];
        check_magic(g, GROUP_MAGIC);
        if (g->kind == GW_STREAM_WAIT) {
            gw_wait_on_event(&g->wait, event);
        } else if (wants(g, event, id) && !put(g, event, id, &text)) {
            return false;
        }
    }
    return true;
}

void gw_feed_gap(struct gw_group *g, struct sse_id from, struct sse_id to)
{
    check_magic(g, GROUP_MAGIC);
    if (g->kind != GW_STREAM_SSE) {
        return;
    }
    if (gw_sse_encode_gap(from, to, open_buf(g))) {
        g->open_events++;
        stat_inc(STAT_EVENT_GAPS);
    }
}

struct gw_chunk *gw_feed_take(struct gw_group *g, uint32_t *events)
{
    check_magic(g, GROUP_MAGIC);
    struct gw_chunk *c = g->open;
    g->open = NULL;
    *events = g->open_events;
    g->open_events = 0;
    if (c != NULL && gw_chunk_is_empty(c)) {
        gw_chunk_drop(&c);
    }
    if (c != NULL) {
        gw_chunk_seal(c);
    }
    return c;
}

size_t gw_feed_open_bytes(const struct gw_group *g)
{
    check_magic(g, GROUP_MAGIC);
    return g->open == NULL ? 0 : g->open->bytes.len;
}
