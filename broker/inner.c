/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and freeing what the broker's threads send each other.
 */
#include "broker/inner.h"

#include <stdlib.h>

#include "common/store/store.h"

#define BATCH_ROOM_MIN 16

struct brk_note *brk_note_new(enum brk_note_type type, const struct id *run,
                              const struct id *thread)
{
    must(type >= BRK_NOTE_FENCE && type <= BRK_NOTE_UNKNOWN);
    struct brk_note *note = base_zalloc(sizeof *note);
    note->magic = BRK_NOTE_MAGIC;
    note->type = type;
    note->run = *run;
    note->thread = *thread;
    return note;
}

void brk_note_destroy(struct brk_note **p)
{
    struct brk_note *note = *p;
    if (note == NULL) {
        return;
    }
    check_magic(note, BRK_NOTE_MAGIC);
    free(note->body);
    note->magic = 0;
    free(note);
    *p = NULL;
}

struct brk_log *brk_log_new(enum brk_log_type type, const struct id *run,
                            const struct id *thread)
{
    must(type >= BRK_LOG_APPEND && type <= BRK_LOG_MARKS);
    struct brk_log *log = base_zalloc(sizeof *log);
    log->magic = BRK_LOG_MAGIC;
    log->type = type;
    log->run = *run;
    log->thread = *thread;
    (void)zmq_msg_init(&log->body);
    return log;
}

void brk_log_destroy(struct brk_log **p)
{
    struct brk_log *log = *p;
    if (log == NULL) {
        return;
    }
    check_magic(log, BRK_LOG_MAGIC);
    (void)zmq_msg_close(&log->body);
    log->magic = 0;
    free(log);
    *p = NULL;
}

struct brk_batch *brk_batch_new(void)
{
    struct brk_batch *b = base_zalloc(sizeof *b);
    b->magic = BRK_BATCH_MAGIC;
    return b;
}

void brk_batch_destroy(struct brk_batch **p)
{
    struct brk_batch *b = *p;
    if (b == NULL) {
        return;
    }
    check_magic(b, BRK_BATCH_MAGIC);
    for (size_t i = 0; i < b->n; i++) {
        leat_drop(b->ops[i].submit);
        leat_drop(b->ops[i].error);
        leat_drop(b->ops[i].values);
        leat_drop(b->ops[i].interrupts);
        store_runs_free(&b->ops[i].rows, b->ops[i].row_count);
    }
    free(b->ops);
    b->magic = 0;
    free(b);
    *p = NULL;
}

struct brk_op *brk_batch_add(struct brk_batch *b, enum brk_op_type type,
                             const struct id *run, const struct id *thread)
{
    check_magic(b, BRK_BATCH_MAGIC);
    must(type >= BRK_OP_INSERT && type <= BRK_OP_TORN);
    if (b->n == b->room) {
        b->room = b->room == 0 ? BATCH_ROOM_MIN : b->room * 2;
        b->ops = base_realloc(b->ops, b->room * sizeof *b->ops);
    }
    struct brk_op *op = &b->ops[b->n++];
    *op = (struct brk_op){.type = type, .run = *run, .thread = *thread};
    return op;
}
