/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h: one turn to write per database file and process. Whoever asks
 * first writes first; the others sleep. Found by the file itself (device and
 * inode), so that two ways of writing a path are one lock. Any thread.
 */
#ifndef COMMON_STORE_WRITER_H
#define COMMON_STORE_WRITER_H

#include "common/err.h"

struct store_writer;

/* The lock of this existing file; give it back with put. NULL with ERR_IO. */
struct store_writer *store_writer_get(const char *path,
                                      struct err *err) MUST_USE;
void store_writer_put(struct store_writer **w);

void store_writer_lock(struct store_writer *w);
void store_writer_unlock(struct store_writer *w);

#endif
