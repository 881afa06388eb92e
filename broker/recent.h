/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recent.h: what happened lately, by id: runs that have ended, subscriptions
 * that were seen. Bounded in number and time; the oldest goes first. Entries
 * are plain structs that begin with struct brk_recent_entry.
 */
#ifndef BROKER_RECENT_H
#define BROKER_RECENT_H

#include "common/idmap.h"

struct brk_recent_entry {
    struct id id;
    int64_t until_ms;
    struct brk_recent_entry *next; /* younger */
};

struct brk_recent {
    struct idmap map;
    struct brk_recent_entry *oldest;
    struct brk_recent_entry *newest;
    size_t count; /* in the list: replaced ones too */
    size_t max;
    int64_t keep_ms;
    void (*drop)(struct brk_recent_entry *e); /* frees an entry */
};

void brk_recent_init(struct brk_recent *r, size_t max, int64_t keep_ms,
                     void (*drop)(struct brk_recent_entry *e));
void brk_recent_fini(struct brk_recent *r);
/* Takes the entry; one of the same id is dropped by time, no longer found. */
void brk_recent_put(struct brk_recent *r, struct brk_recent_entry *e,
                    int64_t now_ms);
/* Borrowed until the next put; NULL when it is not known any more. */
void *brk_recent_get(const struct brk_recent *r, const struct id *id);

#endif
