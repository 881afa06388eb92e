/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h: the newest events of each live or just-ended run in memory, by
 * sequence, and what is known of each run's log: its fence, its marks, its
 * end. Pure data: no sockets, no clock, bodies are never opened.
 *
 * A log's events come in chunks as the worker batched them. The bytes of all
 * logs together are kept within a budget: what goes first is logs that have
 * ended (oldest end first), then chunks of live logs that are stored already,
 * then the oldest chunks of live logs that are nowhere else.
 */
#ifndef BROKER_RING_H
#define BROKER_RING_H

#include <zmq.h>

#include "common/base.h"
#include "common/id.h"
#include "common/link.h"

struct ring_chunk {
    struct ring_chunk *next;
    uint64_t seq; /* of its first event */
    uint64_t ms;
    uint32_t count;
    uint16_t attempt;
    zmq_msg_t body;
};

struct ring_log {
    struct id run;
    struct id thread;

    uint16_t attempt;  /* the fence: whose events are taken */
    bool stored;       /* goes to the journal as well */
    bool complete;     /* everything up to the end is here */
    bool asked;        /* the journal was asked for its marks */
    uint64_t ms;       /* first half of this attempt's ids */
    uint64_t next;     /* sequence expected next */
    uint64_t durable;  /* all up to it is stored (0: nothing) */
    uint64_t safe;     /* not stored: all up to it need not come again */
    uint64_t safe_next; /* what `safe` will be after some more bytes */
    uint64_t safe_told; /* the worker knows of it */
    size_t safe_bytes; /* taken since safe_next was set */
    uint64_t end;      /* last sequence, once the end is known; else 0 */
    int64_t expires_ms; /* of an ended log; 0: live */
    struct link_route worker; /* who sends */

    struct ring_chunk *first; /* oldest in memory */
    struct ring_chunk *last;
    size_t bytes;

    bool closing;   /* the desk waits until the end is durable */
    bool awaited;   /* the desk waits until `reach` is here, of attempt */
    uint16_t reach_of; /* `reach_of` */
    uint64_t reach;
    int64_t ask_ms; /* when the marks are asked for again; 0: not */
    void *owner; /* the relay's: what waits for the journal */

    struct ring_log *hash_next;
    struct ring_log *older, *newer; /* in the list of its kind */
    bool listed_ended;
};

typedef struct ring ring_t;

ring_t *brk_ring_new(size_t bytes_max) MUST_USE;
void brk_ring_destroy(ring_t **r);

struct ring_log *brk_ring_get(ring_t *r, const struct id *run);
/* The log, made if there is none: nothing in it, next = 1. */
struct ring_log *brk_ring_require(ring_t *r, const struct id *run,
                                  const struct id *thread);
void brk_ring_remove(ring_t *r, struct ring_log *log);

/*
 * Adds events log->next .. next + count - 1. The bytes of `body` are shared,
 * the message stays the caller's. Older chunks may go to make room.
 */
void brk_ring_put(ring_t *r, struct ring_log *log, uint32_t count,
                  zmq_msg_t *body);
/* The chunk that holds `seq`, or the oldest one behind it; NULL: none. */
const struct ring_chunk *brk_ring_find(const struct ring_log *log,
                                       uint64_t seq);
/* Sequence of the oldest event in memory; log->next when there is none. */
uint64_t brk_ring_first(const struct ring_log *log);

/* The log is complete, or will be shortly; it goes when its time comes or room
 * is needed. */
void brk_ring_ended(ring_t *r, struct ring_log *log, int64_t expires_ms);
/* Not complete after all: more comes behind its end. */
void brk_ring_reopen(ring_t *r, struct ring_log *log);
/* Removes ended logs whose time has come; when to look again, -1: never. */
int64_t brk_ring_expire(ring_t *r, int64_t now_ms);

/* Calls for every log; the function must not remove any. */
void brk_ring_each(ring_t *r, void (*on_log)(struct ring_log *log, void *arg),
                   void *arg);

size_t brk_ring_bytes(const ring_t *r);
size_t brk_ring_count(const ring_t *r);

#endif
