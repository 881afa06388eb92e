/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h: one turn to write per database file and process, and what those
 * who write have in common: whoever asks first writes first; the others sleep.
 * What was written is made durable outside the turn, so that the next one
 * writes meanwhile, and once for all who wait for it. Found by the file itself
 * (device and inode), so that two ways of writing a path are one. Knows no
 * database. Any thread.
 */
#ifndef COMMON_STORE_WRITER_H
#define COMMON_STORE_WRITER_H

#include "common/err.h"

struct store_writer;

/* Of this existing file; give it back with put. NULL with ERR_IO. */
struct store_writer *store_writer_get(const char *path,
                                      struct err *err) MUST_USE;
/* What the writers shared, when this was the last one; else NULL. */
void *store_writer_put(struct store_writer **w);

void store_writer_lock(struct store_writer *w);
void store_writer_unlock(struct store_writer *w);

/* What they share, for who has the turn; NULL at first. */
void **store_writer_shared(struct store_writer *w);
/* With the turn: something was written to the file `log`. The number that
 * store_writer_sync() is to be asked for. */
uint64_t store_writer_wrote(struct store_writer *w);
/*
 * Without the turn: waits until all up to this number is on the disk. Once
 * that has failed nobody knows what is, and it fails until the process ends.
 */
MUST_USE bool store_writer_sync(struct store_writer *w, const char *log,
                                uint64_t number, struct err *err);

#endif
