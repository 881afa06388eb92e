/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.c: the table of pending calls. A tag is a slot and a turn, so that an
 * answer that comes too late finds nothing.
 */
#include "gateway/call.h"

#include <stdlib.h>

#define TAG_BIT UINT32_C(0x80000000)
#define SLOT_BITS 16
#define SLOTS_MAX ((size_t)1 << SLOT_BITS)

/* ---- calls ------------------------------------------------------------- */

void gw_calls_init(struct gw_calls *cs)
{
    must(cs != NULL);
    *cs = (struct gw_calls){0};
}

void gw_calls_fini(struct gw_calls *cs)
{
    must(cs != NULL && cs->count == 0);
    free(cs->slots);
    *cs = (struct gw_calls){0};
}

static bool make_room(struct gw_calls *cs)
{
    if (cs->count < cs->room) {
        return true;
    }
    if (cs->room == SLOTS_MAX) {
        return false;
    }
    size_t room = cs->room == 0 ? 64 : cs->room * 2;
    cs->slots = base_realloc(cs->slots, room * sizeof(struct gw_call *));
    for (size_t i = cs->room; i < room; i++) {
        cs->slots[i] = NULL;
    }
    cs->next = cs->room;
    cs->room = room;
    return true;
}

struct gw_call *gw_call_new(struct gw_calls *cs, const struct gw_ask *ask,
                            struct gw_ticket *ticket)
{
    must(cs != NULL && ask != NULL);
    if (!make_room(cs)) {
        return NULL;
    }
    while (cs->slots[cs->next] != NULL) {
        cs->next = (cs->next + 1) % cs->room;
    }
    struct gw_call *c = base_zalloc(sizeof(*c));
    cs->turn = (cs->turn + 1) & 0x7fff;
    c->tag = TAG_BIT | cs->turn << SLOT_BITS | (uint32_t)cs->next;
    c->type = (uint8_t)ask->type;
    c->run = ask->run;
    c->thread = ask->thread;
    c->attempt = ask->attempt;
    c->seq = ask->seq;
    c->body = leat_hold(ask->body);
    c->ticket = ticket;
    c->timer.kind = GW_TIMER_CALL;
    cs->slots[cs->next] = c;
    cs->next = (cs->next + 1) % cs->room;
    cs->count++;
    return c;
}

struct gw_call *gw_call_get(const struct gw_calls *cs, uint32_t tag)
{
    must(cs != NULL);
    size_t slot = tag & (SLOTS_MAX - 1);
    if (slot >= cs->room || cs->slots[slot] == NULL ||
        cs->slots[slot]->tag != tag) {
        return NULL;
    }
    return cs->slots[slot];
}

void gw_call_free(struct gw_calls *cs, struct gw_call *c)
{
    must(c != NULL && gw_call_get(cs, c->tag) == c);
    must(c->timer.place == 0);
    cs->slots[c->tag & (SLOTS_MAX - 1)] = NULL;
    cs->count--;
    leat_drop(c->body);
    free(c);
}

struct gw_call *gw_call_next(const struct gw_calls *cs, size_t *at)
{
    must(cs != NULL && at != NULL);
    while (*at < cs->room) {
        struct gw_call *c = cs->slots[(*at)++];
        if (c != NULL) {
            return c;
        }
    }
    return NULL;
}

void gw_call_refusal(leat_view body, struct err *err)
{
    leat_text text = leat_string(leat_get(body, "text"));
    enum err_code code = ERR_INTERNAL;
    for (int i = 1; i < ERR_COUNT; i++) {
        if (leat_is(leat_get(body, "code"), err_name(i))) {
            code = (enum err_code)i;
        }
    }
    (void)err_set(err, code, "%.*s", (int)min_size(text.len, 400),
                  text.ptr == NULL ? "" : text.ptr);
}
