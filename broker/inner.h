/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inner.h: what the broker's threads say to each other. Each pair of threads
 * that talk shares one pipe (common/link.h): an inproc PAIR that carries
 * pointers to the structs below. Sending moves ownership; pipes have no limit
 * of their own, the senders keep within theirs.
 *
 *      desk  <- brk_note ->  relay  <- brk_log ->  journal
 *      desk  <- brk_batch -> ledger             vault (alone)
 *
 * Who starts whom (main.c): the store is opened and migrated by main, then
 * vault, journal, relay, ledger and desk are started in this order, each with
 * x_new() that returns once its thread serves (or failed). They are stopped in
 * the opposite order: desk first (it waits for the ledger's answers), vault
 * last. x_destroy() stops the thread, lets it finish what it has taken in
 * (journal: write what it holds) and frees what is left in its pipes.
 */
#ifndef BROKER_INNER_H
#define BROKER_INNER_H

#include "common/base.h"
#include "common/conf.h"
#include "common/id.h"
#include "common/link.h"
#include "common/value.h"

/* What every thread of the broker is given; outlives them all. */
struct brk_env {
    const conf_t *conf;
    uint32_t epoch;   /* of this broker, stored before any thread starts */
    const char *base; /* --listen; sockets by link_endpoint() */
};

/* ---- desk and relay --------------------------------------------------------
 *
 * The relay keeps one log per run (ring and journal). A log has a fence: the
 * one attempt whose events it takes. Events of a lower attempt are counted as
 * fenced and dropped; of a run without a fence they are answered with WHO.
 */
enum brk_note_type {
    /* desk -> relay */

    /* Attempt `attempt` may add events from now on, with `ms` in their ids;
     * lower ones may not. Makes the log if there is none; for a stored run the
     * journal is asked what it has. Answered by FENCED, unless it is `quiet`:
     * a first attempt begins with 1, whatever the relay says. With `adopt` the
     * attempt began before this broker did: its worker goes on, and sends again
     * from `seq` on what it was never told to be durable (0: not known; `ms` 0:
     * as its events say). */
    BRK_NOTE_FENCE = 1,
    /* The broker itself ends the run: fence as above, then append `body`
     * (`count` events laid end to end, the last one `end`) behind what is
     * there, publish them, and answer CLOSED once they are received and, for a
     * stored run, durable. Nothing more is taken for this run. */
    BRK_NOTE_CLOSE,
    /* The worker ended the run; `seq` is the last of its log, the `end`. The
     * log is complete when it has come; its time to live begins. Answered by
     * REACHED then: until that its worker alone knows how the run ended. */
    BRK_NOTE_ENDED,
    /* The worker hands the run back; `seq` is the last that it gave. Answered
     * by REACHED once it has come, so that the next attempt begins behind. */
    BRK_NOTE_REACH,
    /* The run that was fenced quietly has ended before this broker began: what
     * is stored of it stays. */
    BRK_NOTE_UNFENCE,
    /* Run and log are deleted from the store (rollback, thread deletion, end of
     * a temporary thread). Drop what is not yet written; readers may still get
     * what the ring has for --stateless-log-ttl. `seq`: the last of its log,
     * which may not have come yet and is still shown; 0: nothing more is. */
    BRK_NOTE_FORGET,

    /* relay -> desk */

    /* The fence stands: RUN_START may leave. `seq` is the first sequence the
     * attempt is to give: the last one of the log plus 1 (1 for a new log). */
    BRK_NOTE_FENCED,
    /* Answer to CLOSE; `seq` is the last one of the log. */
    BRK_NOTE_CLOSED,
    /* Answer to ENDED and REACH: all events up to the one named are here. */
    BRK_NOTE_REACHED,
    /* XPUB has a subscription of the topic `thread` `run` (`run` nil: a whole
     * thread). Told for each subscription, repeats too. */
    BRK_NOTE_SUBSCRIBED,
    /* XPUB has a subscription of the home that `thread` begins with
     * (WIRE_HOME_BYTES), or (`seq` 0) has lost its last one. */
    BRK_NOTE_HOME,
    /* Events of `attempt` came for a run that has no log here. When the run
     * ended before this broker began and its log is short, the desk answers
     * with FENCE (adopt) and ENDED; else not at all. Told each time. */
    BRK_NOTE_UNKNOWN,
};

struct brk_note {
    uint32_t magic; /* BRK_NOTE_MAGIC, set by brk_note_new */
    enum brk_note_type type;
    struct id run;
    struct id thread;
    uint16_t attempt;
    bool stored; /* FENCE, CLOSE: the log goes to the journal too */
    bool adopt;  /* FENCE */
    bool quiet;  /* FENCE: nobody waits for the answer */
    uint32_t count;
    uint64_t seq; /* CLOSE: the log ended with it, and what is missing before
                     is lost; 0: it ends with the body */
    uint64_t ms;
    uint64_t torn_ms; /* FENCE, CLOSE: ms of the attempt before, when it was
                         lost together with the broker of its time, and with
                         them the end of its log; else 0 */
    char *body; /* CLOSE: count events as on the wire; freed with the note */
    size_t body_len;
};
#define BRK_NOTE_MAGIC LEAT_MAGIC(0xb0e70001)

struct brk_note *brk_note_new(enum brk_note_type type, const struct id *run,
                              const struct id *thread);
void brk_note_destroy(struct brk_note **p);

/* ---- relay and journal -----------------------------------------------------
 *
 * The journal answers in the order it was asked. APPENDs of a run come with
 * dense sequences; a lower first sequence than expected is a repeat and is
 * skipped as far as it is known.
 */
enum brk_log_type {
    /* relay -> journal */

    BRK_LOG_APPEND = 1, /* events first..first+count-1 of the run, one attempt:
                           attempt, ms, body. Answered by DURABLE, once per
                           flush and run */
    BRK_LOG_READ, /* stored events from `first` on, up to about `limit` bytes
                     (0: all); answered by CHUNKs in order and one READ_DONE,
                     all with this `cookie` */
    BRK_LOG_MARKS_GET, /* what is stored of this run? Answered by MARKS */
    BRK_LOG_END,       /* the log is complete with sequence `last` */
    BRK_LOG_FORGET,    /* the run is deleted: drop what is not yet written */

    /* journal -> relay */

    BRK_LOG_DURABLE,   /* all up to `last` is committed */
    BRK_LOG_CHUNK,     /* events first..first+count-1: attempt, ms, body */
    BRK_LOG_READ_DONE, /* `first` the first one kept (0: nothing is), `last` the
                          last one, `ended`; `failed`: the store did not answer,
                          ask again */
    BRK_LOG_MARKS, /* `first`, `last` as above (0: none), `ended`; `failed` */
};

struct brk_log {
    uint32_t magic; /* BRK_LOG_MAGIC */
    enum brk_log_type type;
    struct id run;
    struct id thread;
    uint16_t attempt;
    bool ended;
    bool failed;
    bool fresh; /* APPEND: the log begins with it, nothing of it is stored */
    uint32_t count;
    uint64_t first;
    uint64_t last;
    uint64_t ms;
    uint64_t cookie; /* READ, MARKS_GET: handed back unread */
    uint64_t limit;  /* READ */
    zmq_msg_t body;  /* always initialised; APPEND: shares the ring's bytes */
};
#define BRK_LOG_MAGIC LEAT_MAGIC(0xb0e70002)

struct brk_log *brk_log_new(enum brk_log_type type, const struct id *run,
                            const struct id *thread);
void brk_log_destroy(struct brk_log **p);

struct store_run;

/* ---- desk and ledger -------------------------------------------------------
 *
 * A batch is what the desk decided in one turn, in order. The ledger puts as
 * many batches as wait into one transaction, and gives each batch back when it
 * is committed, in the order they came. An operation that the store refuses
 * comes back with `err` set and has changed nothing; the others of its batch
 * stand. While the store is away the ledger goes on trying, except that an
 * INSERT comes back refused when the store is full.
 */
enum brk_op_type {
    BRK_OP_INSERT = 1, /* a pending run; its thread becomes busy. `last_ms` of
                          the thread comes back. `existed`: the store has this
                          run already, with `status`; nothing was changed */
    BRK_OP_START,      /* running, attempt, failures, ms, seq; thread busy */
    BRK_OP_REQUEUE,    /* pending again (handed back); attempt stays */
    BRK_OP_CANCEL,     /* a cancel was accepted: `status` is the action,
                          interrupt or rollback */
    BRK_OP_FINISH,     /* status, error, seq; thread_status, values and
                          interrupts of the thread where given */
    BRK_OP_ROLLBACK,   /* delete the run, its checkpoints and its log; the
                          thread is as it was before the run */
    BRK_OP_THREAD_DELETE, /* the thread and all it has */
    BRK_OP_LOOKUP,        /* nothing is written. `existed`, status, attempt, ms;
                             `seq`: last one of the log when the stored log is
                             shorter than that, else 0 */
    BRK_OP_TORN,          /* nothing is written. `rows`, `row_count`: runs that
                             ended before due_us and whose stored logs have no
                             end */
};

struct brk_op {
    enum brk_op_type type;
    struct id run;
    struct id thread;
    uint16_t attempt;  /* START, FINISH (0: whatever it is) */
    uint16_t failures; /* START */
    bool existed;      /* INSERT, out */
    bool with_insert;  /* START: the ledger's, done by the run's INSERT */
    bool unsure;       /* the ledger's: an earlier try may be committed */
    bool no_webhook;   /* FINISH: none was given */
    bool busy;         /* ROLLBACK: other runs of the thread are open */
    int64_t due_us;    /* INSERT: wall time before which it must not start;
                          TORN */
    uint64_t ms;       /* START: first half of the attempt's event ids; FINISH:
                          of the last event, 0 for the attempt's */
    uint64_t seq;      /* START: first one of the attempt; REQUEUE, FINISH:
                          last one of the log (0: unchanged); INSERT, out:
                          the last one of a run that `existed` */
    uint64_t last_ms;  /* INSERT, out: highest ms used on the thread */
    uint64_t last;     /* LOOKUP, out: last one of the log of a run that is
                          over; 0: it is not */
    char status[16];   /* FINISH: success, error, interrupted; CANCEL;
                          INSERT, out */
    char thread_status[16]; /* FINISH: idle, interrupted, error; "": leave it */
    leat_value *submit;     /* INSERT: the body of RUN_SUBMIT */
    leat_value *error;      /* FINISH: {"error","message"} or NULL */
    leat_value *values;     /* FINISH: NULL leaves them */
    leat_value *interrupts; /* FINISH: NULL means none */
    struct store_run *rows; /* TORN, out: of store_events_torn() */
    size_t row_count;
    struct link_route ack;  /* the desk's: who is told when it is committed, or
                               asked (LOOKUP; .len 0: the relay) */
    uint32_t ack_tag;
    struct err err; /* out: code ERR_NONE when committed */
};

struct brk_batch {
    uint32_t magic; /* BRK_BATCH_MAGIC */
    size_t n;
    size_t room;
    struct brk_op *ops;
};
#define BRK_BATCH_MAGIC LEAT_MAGIC(0xb0e70003)

struct brk_batch *brk_batch_new(void);
void brk_batch_destroy(struct brk_batch **p);
/* A zeroed operation at the end; good until the next call. */
struct brk_op *brk_batch_add(struct brk_batch *b, enum brk_op_type type,
                             const struct id *run, const struct id *thread);

#endif
