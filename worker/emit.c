/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.c: see emit.h. Source of the shapes: spec of the streaming modes,
 * Python flavour.
 */
#include "worker/emit.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "worker/partial.h"
#include "worker/refs.h"

#define EMIT_MAGIC LEAT_MAGIC(0x656d0001)

struct emit {
    uint32_t magic;
    outbox_t *out;
    bool tuples;         /* messages-tuple was asked for */
    partial_t *partials; /* legacy messages was; or NULL */
};

static const struct {
    const char *word; /* as clients say it */
    unsigned mode;
} words[] = {
    {"values", GRAPH_MODE_VALUES},
    {"updates", GRAPH_MODE_UPDATES},
    {"messages", GRAPH_MODE_MESSAGES | GRAPH_MODE_MESSAGE_ENDS},
    {"messages-tuple", GRAPH_MODE_MESSAGES},
    {"custom", GRAPH_MODE_CUSTOM},
    {"tasks", GRAPH_MODE_TASKS},
    {"checkpoints", GRAPH_MODE_CHECKPOINTS},
    {"debug", GRAPH_MODE_DEBUG},
    {"events", GRAPH_MODE_EVENTS},
};

static bool asks_for(leat_view stream_mode, const char *word)
{
    leat_iter it = leat_iter_of(stream_mode);
    while (leat_next(&it)) {
        if (leat_is(it.item, word)) {
            return true;
        }
    }
    return false;
}

unsigned wrk_emit_modes(leat_view stream_mode)
{
    unsigned modes = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (asks_for(stream_mode, words[i].word)) {
            modes |= words[i].mode;
        }
    }
    return modes;
}

/* A reader learns of it by the sequence: nothing more follows. */
static void put(emit_t *e, const char *name, const char *ns, leat_view v)
{
    if (!wrk_outbox_put(e->out, name, ns, v)) {
        log_debug("event.refused", "event=%s", name);
    }
}

static void put_value(void *arg, const char *name, const char *ns,
                      leat_value *v)
{
    put(arg, name, ns, leat_view_of(v));
    leat_drop(v);
}

emit_t *wrk_emit_new(outbox_t *out, leat_view stream_mode)
{
    must(out != NULL);
    emit_t *e = base_zalloc(sizeof *e);
    e->magic = EMIT_MAGIC;
    e->out = out;
    e->tuples = asks_for(stream_mode, "messages-tuple");
    if (asks_for(stream_mode, "messages")) {
        e->partials = wrk_partial_new(put_value, e);
    }
    return e;
}

void wrk_emit_destroy(emit_t **e)
{
    must(e != NULL);
    if (*e == NULL) {
        return;
    }
    check_magic(*e, EMIT_MAGIC);
    wrk_partial_destroy(&(*e)->partials);
    (*e)->magic = 0;
    free(*e);
    *e = NULL;
}

void wrk_emit_metadata(emit_t *e, const struct id *run, unsigned attempt)
{
    check_magic(e, EMIT_MAGIC);
    put_value(e, "metadata", "",
              leat_pack("{s:s, s:i}", "run_id", ID_TEXT(run), "attempt",
                        (int)attempt));
}

static const char *name_of(enum graph_mode mode)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (words[i].mode == (unsigned)mode) {
            return words[i].word;
        }
    }
    must_not("a mode of the table");
    return "";
}

static void put_messages(emit_t *e, const struct graph_event *ev)
{
    if (e->tuples) {
        put(e, "messages", ev->ns, leat_view_of(ev->payload));
    }
    if (e->partials != NULL) {
        wrk_partial_on_message(e->partials, ev);
    }
}

void wrk_emit_event(void *arg, const struct graph_event *ev)
{
    emit_t *e = arg;
    check_magic(e, EMIT_MAGIC);
    must(ev != NULL && ev->ns != NULL);
    leat_view payload = leat_view_of(ev->payload);
    switch (ev->mode) {
    case GRAPH_MODE_MESSAGES:
        put_messages(e, ev);
        break;
    case GRAPH_MODE_MESSAGE_ENDS:
        if (e->partials != NULL) {
            wrk_partial_on_message(e->partials, ev);
        }
        break;
    case GRAPH_MODE_CHECKPOINTS:
        put_value(e, "checkpoints", ev->ns, wrk_refs_checkpoint(payload));
        break;
    case GRAPH_MODE_DEBUG:
        put_value(e, "debug", ev->ns, wrk_refs_debug(payload));
        break;
    case GRAPH_MODE_VALUES:
    case GRAPH_MODE_UPDATES:
    case GRAPH_MODE_CUSTOM:
    case GRAPH_MODE_TASKS:
    case GRAPH_MODE_EVENTS:
        put(e, name_of(ev->mode), ev->ns, payload);
        break;
    }
}

void wrk_emit_error(emit_t *e, const char *type, const char *text)
{
    check_magic(e, EMIT_MAGIC);
    put_value(e, "error", "",
              leat_pack("{s:s, s:s}", "error", type, "message", text));
}

void wrk_emit_end(emit_t *e, const char *status)
{
    check_magic(e, EMIT_MAGIC);
    put_value(e, "end", "", leat_pack("{s:s}", "status", status));
}
