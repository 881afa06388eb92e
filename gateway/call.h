/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h: questions of HTTP threads to the broker that wait for an answer.
 * An HTTP thread fills a struct gw_ask and sleeps on its ticket; the hub keeps
 * a call for it, with a tag by which the answer finds it, a deadline, and
 * repeats where repeating does no harm.
 */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "gateway/ticket.h"
#include "gateway/timer.h"

struct gw_stream;

/* A question. Everything is borrowed until it is answered. */
struct gw_ask {
    enum wire_type type;
    struct id run;
    struct id thread;
    uint16_t attempt;
    uint64_t seq;
    const leat_value *body;    /* packed; NULL: none */
    int64_t wait_ms;           /* for the answer, then ERR_UNAVAILABLE */
};

struct gw_call {
    uint32_t tag;              /* the top bit is set in tags of calls */
    bool again;                /* a run kept in memory, after a restart */
    uint8_t type;              /* enum wire_type */
    struct id run;
    struct id thread;
    uint16_t attempt;
    uint64_t seq;
    leat_value *body;
    struct gw_ticket *ticket;  /* NULL: nobody waits */
    struct gw_stream *reader;  /* of a submit: who is answered; NULL: left */
    int64_t deadline_ms;
    struct gw_timer timer;
};

struct gw_calls {
    struct gw_call **slots;
    size_t room;
    size_t count;
    uint32_t turn;             /* makes tags of a reused slot differ */
    size_t next;               /* where to look for a free slot */
};

void gw_calls_init(struct gw_calls *cs);
/* Every call must be gone. */
void gw_calls_fini(struct gw_calls *cs);
/* NULL when too many are pending. Takes its own references. */
struct gw_call *gw_call_new(struct gw_calls *cs, const struct gw_ask *ask,
                            struct gw_ticket *ticket);
struct gw_call *gw_call_get(const struct gw_calls *cs, uint32_t tag);
/* The timer must not be set. */
void gw_call_free(struct gw_calls *cs, struct gw_call *call);
/* `for (size_t at = 0; (c = gw_call_next(cs, &at)) != NULL;)`; c may go. */
struct gw_call *gw_call_next(const struct gw_calls *cs, size_t *at);

/* The error that a REFUSED says. */
void gw_call_refusal(leat_view body, struct err *err);

#endif
