/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial.c: a list of the messages of this run by id. A run has as many as
 * its models gave answers, so a list is searched from its newest end.
 */
#include "worker/partial.h"

#include <stdlib.h>
#include <string.h>

#include "common/value.h"
#include "worker/graph/message.h"

#define PARTIAL_MAGIC LEAT_MAGIC(0x70610001)

struct heard {
    char *id;
    leat_value *sum; /* of its chunks so far; NULL for a whole message */
    bool complete;
};

struct partial {
    uint32_t magic;
    wrk_partial_put_fn *put;
    void *arg;
    struct heard *heard;
    size_t count;
    size_t room;
};

partial_t *wrk_partial_new(wrk_partial_put_fn *put, void *arg)
{
    must(put != NULL);
    partial_t *p = base_zalloc(sizeof *p);
    p->magic = PARTIAL_MAGIC;
    p->put = put;
    p->arg = arg;
    return p;
}

void wrk_partial_destroy(partial_t **p)
{
    must(p != NULL);
    if (*p == NULL) {
        return;
    }
    check_magic(*p, PARTIAL_MAGIC);
    for (size_t i = 0; i < (*p)->count; i++) {
        free((*p)->heard[i].id);
        leat_drop((*p)->heard[i].sum);
    }
    free((*p)->heard);
    (*p)->magic = 0;
    free(*p);
    *p = NULL;
}

static struct heard *find(partial_t *p, const char *id)
{
    for (size_t i = p->count; i > 0; i--) {
        if (strcmp(p->heard[i - 1].id, id) == 0) {
            return &p->heard[i - 1];
        }
    }
    return NULL;
}

static struct heard *add(partial_t *p, const char *id)
{
    if (p->count == p->room) {
        p->room = p->room == 0 ? 8 : p->room * 2;
        p->heard = base_realloc(p->heard, p->room * sizeof *p->heard);
    }
    p->heard[p->count] = (struct heard){.id = base_strdup(id)};
    return &p->heard[p->count++];
}

static void put_metadata(partial_t *p, const char *ns, const char *id,
                         leat_view metadata)
{
    p->put(p->arg, "messages/metadata", ns,
           leat_pack("{s:{s:v}}", id, "metadata", metadata));
}

/* The message with all that has come of it, as a whole one. */
static leat_value *whole(const struct heard *h, leat_view message)
{
    return h->sum != NULL ? graph_message_from_chunk(leat_view_of(h->sum))
                          : leat_value_of(message);
}

static void add_chunk(struct heard *h, leat_view chunk)
{
    if (h->sum == NULL) {
        h->sum = leat_value_of(chunk);
        return;
    }
    leat_value *sum = graph_message_add_chunk(leat_view_of(h->sum), chunk);
    leat_drop(h->sum);
    h->sum = sum;
}

static void put_list(partial_t *p, const char *name, const char *ns,
                     leat_value *message)
{
    p->put(p->arg, name, ns, leat_pack("[V]", message));
}

void wrk_partial_on_message(partial_t *p, const struct graph_event *ev)
{
    check_magic(p, PARTIAL_MAGIC);
    must(ev != NULL && (ev->mode == GRAPH_MODE_MESSAGES ||
                        ev->mode == GRAPH_MODE_MESSAGE_ENDS));
    leat_view message = leat_at(leat_view_of(ev->payload), 0);
    leat_view metadata = leat_at(leat_view_of(ev->payload), 1);
    char *id = value_strdup(leat_get(message, "id"));
    if (id == NULL) {
        return;
    }
    struct heard *h = find(p, id);
    if (h == NULL) {
        h = add(p, id);
        put_metadata(p, ev->ns, id, metadata);
    }
    free(id);
    if (h->complete) {
        return;
    }
    bool chunk = leat_tag_of(message) == LEAT_CHUNK;
    if (chunk) {
        add_chunk(h, message);
        put_list(p, "messages/partial", ev->ns, whole(h, message));
    }
    if (!chunk || ev->message_final) {
        h->complete = true;
        put_list(p, "messages/complete", ev->ns, whole(h, message));
        leat_drop(h->sum);
        h->sum = NULL;
    }
}
