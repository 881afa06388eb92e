/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mbox.h: a mailbox between threads of one process. Any thread puts pointers
 * in; one thread takes them out beside its sockets (mbox_fd is readable while
 * there is something), or several threads wait in turn (mbox_wait). A message
 * is put whole and owned by whoever took it: this is how threads talk where a
 * ZeroMQ socket per sender would cost more than the message.
 */
#ifndef LEAT_COMMON_MBOX_H
#define LEAT_COMMON_MBOX_H

#include "common/base.h"

typedef struct mbox mbox_t;

/* Holds at most `limit` messages. */
mbox_t *mbox_new(size_t limit) MUST_USE;
/* Must be empty of users; messages still inside are given to `drop`. */
void mbox_destroy(mbox_t **m, void (*drop)(void *message));

/* False when the box is full or closed: the message stays the caller's. */
MUST_USE bool mbox_put(mbox_t *m, void *message);
/* The oldest message, NULL when there is none. */
void *mbox_take(mbox_t *m);
/* Waits for one; NULL once the box is closed and empty, or after wait_ms
 * (negative: no limit). */
void *mbox_wait(mbox_t *m, int64_t wait_ms);
/* No more messages; those inside can still be taken. Wakes all waiters. */
void mbox_close(mbox_t *m);
bool mbox_closed(mbox_t *m);
/* Readable while there may be messages; only for the thread that takes. */
int mbox_fd(const mbox_t *m);
size_t mbox_count(mbox_t *m);

#endif
