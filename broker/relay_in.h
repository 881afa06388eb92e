/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_in.h: what the relay's files share, and only they: relay.c (sockets and
 * loop), intake.c (events in), notes.c (what desk and journal say), mark.c (what
 * a worker is told about its log), replay.c (reading a log again).
 */
#ifndef BROKER_RELAY_IN_H
#define BROKER_RELAY_IN_H

#include "broker/relay.h"
#include "broker/ring.h"

/* One gateway's wish to read a log, while the journal is asked. */
struct replay {
    struct replay *next;
    uint64_t cookie;
    struct link_route to;
    uint32_t tag;
    uint64_t want; /* next sequence it is to get */
    uint64_t room; /* bytes it may still get now; UINT64_MAX: no limit */
    struct id run;
    struct id thread;
};

/* Logs whose first mark waits, in the order of their time: a ring. */
struct relay_owed {
    struct relay_debt {
        struct id run;
        int64_t due_ms;
    } *list;
    size_t room;
    size_t first;
    size_t count;
};

struct relay {
    const struct brk_env *env;
    struct link_pipe *desk;
    struct link_pipe *journal;
    link_t *events; /* ROUTER: workers */
    link_t *pub;    /* XPUB: gateways */
    link_t *gets;   /* ROUTER: replays */
    ring_t *ring;
    struct replay *replays; /* that wait for the journal */
    struct relay_owed owed;
    uint64_t cookies;
    int64_t now_ms; /* when this turn began */
    int64_t ended_ttl_ms;
    int64_t expire_ms; /* when the oldest ended log goes; -1: none */
    int64_t monitor_ms; /* when the socket monitors are emptied next */
    int64_t ask_ms;    /* when marks are asked for again; -1: none */
};

/* ---- intake.c -------------------------------------------------------------- */

/* EVENTS came. */
void brk_intake_on_events(struct relay *r, struct link_in *in);
/* The next `count` events of the log, whoever wrote them: kept, published, and
 * on their way to the journal. The message stays the caller's. */
void brk_intake_take(struct relay *r, struct ring_log *log, uint32_t count,
                     zmq_msg_t *body);
/* Is what the desk waits for here, is all of it? Then it is closed, and its
 * time to live begins. */
void brk_intake_check(struct relay *r, struct ring_log *log);

/* ---- notes.c ---------------------------------------------------------------- */

/* Takes what the desk and the journal have sent. */
void brk_notes_read(struct relay *r);
void brk_notes_read_journal(struct relay *r);
/* Asks for the marks again that the store did not give. */
void brk_notes_ask_again(struct relay *r);
/* Tells the desk something about a log, or anything; the note is taken. */
void brk_notes_tell(struct relay *r, enum brk_note_type type,
                    const struct ring_log *log, uint64_t seq);
void brk_notes_offer(struct relay *r, struct brk_note *n);

/* ---- mark.c: up to which event a log has come (which opens its run's window),
 * and up to which it need not come again ------------------------------------ */

/* One mark, now; nobody is told of a log that nobody writes. */
void brk_mark_send(struct relay *r, const struct ring_log *log,
                   enum wire_type type, uint64_t seq);
/* All that is new about it. */
void brk_mark_received(struct relay *r, struct ring_log *log);
/* The same a few milliseconds later, unless the log is complete by then: a
 * short run is told once, at its end. For its first events. */
void brk_mark_owe(struct relay *r, const struct ring_log *log);
/* A log that is not stored has grown by so many bytes. */
void brk_mark_safe(struct ring_log *log, size_t bytes);

/* When brk_mark_tick is to be called; INT64_MAX: nothing is owed. */
int64_t brk_mark_due(const struct relay *r);
void brk_mark_tick(struct relay *r, int64_t now_ms);
void brk_mark_fini(struct relay *r);

/* ---- replay.c ------------------------------------------------------------- */

/* REPLAY_GET came. */
void brk_replay_get(struct relay *r, const struct link_in *in);
/* The journal answers a READ. */
void brk_replay_on_chunk(struct relay *r, struct brk_log *m);
void brk_replay_on_read_done(struct relay *r, const struct brk_log *m);
void brk_replay_fini(struct relay *r);

#endif
