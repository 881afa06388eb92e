/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_log.h: what the journal holds of each run: events that are not yet
 * written, gathered into the segments they will be written as. Knows no store
 * and no thread.
 */
#ifndef BROKER_JOURNAL_LOG_H
#define BROKER_JOURNAL_LOG_H

#include "broker/inner.h"
#include "common/buf.h"
#include "common/idmap.h"

/* A segment to be: events of one attempt, dense. */
struct journal_part {
    struct journal_part *next; /* later */
    uint16_t attempt;
    uint64_t ms;
    uint64_t first;
    uint64_t last;
    bool tried; /* it may be stored already: it stays as it is */
    struct buf body;
};

struct journal_log {
    struct id run;
    struct id thread;
    bool known;     /* next and stored_bytes are what the store has */
    bool due;       /* in the list of logs to write */
    bool end_due;   /* the end at `end` is to be written */
    bool forgotten; /* its rows are to be deleted */
    bool ended;     /* the end is written: nothing comes any more */
    uint64_t next;  /* sequence that is expected next; 0: any */
    uint64_t end;
    uint64_t stored_bytes;
    int64_t used_ms; /* last message about it */
    struct journal_part *first;
    struct journal_part *last;
    struct journal_log *next_due;
};

struct journal_logs {
    struct idmap map;
    struct journal_log *due; /* in the order they became due */
    struct journal_log *due_last;
    size_t bytes; /* of all that is not written */
};

void brk_journal_log_init(struct journal_logs *all);
void brk_journal_log_fini(struct journal_logs *all);

struct journal_log *brk_journal_log_get(const struct journal_logs *all,
                                        const struct id *run);
struct journal_log *brk_journal_log_require(struct journal_logs *all,
                                            const struct brk_log *m,
                                            int64_t now_ms);
/* Puts it on the list of logs to write. */
void brk_journal_log_due(struct journal_logs *all, struct journal_log *log);
/* Adds the events of an APPEND behind what is there; those below `next` are
 * left out. False when the body does not hold what its head says. */
MUST_USE bool brk_journal_log_append(struct journal_logs *all,
                                     struct journal_log *log,
                                     const struct brk_log *m);
/* Writing it has failed, or nobody knows: what comes now is a part of its
 * own, so that one that is stored already is the same as the one here. */
void brk_journal_log_seal(struct journal_log *log);
/* Leaves out what is below `next`: the store has it. */
void brk_journal_log_cut(struct journal_logs *all, struct journal_log *log,
                         uint64_t next);
/* Drops the events that are not written. */
void brk_journal_log_clear(struct journal_logs *all, struct journal_log *log);
/* Removes the log; it must not be due. */
void brk_journal_log_drop(struct journal_logs *all, struct journal_log **log);

#endif
