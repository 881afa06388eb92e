/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap.h: a hash table from ids to pointers: runs, threads, logs. Open
 * addressing, no tombstones. It owns nothing but itself. Not shared between
 * threads.
 */
#ifndef COMMON_IDMAP_H
#define COMMON_IDMAP_H

#include "common/base.h"
#include "common/id.h"

struct idmap_slot {
    struct id id;
    void *item; /* NULL: the slot is empty */
};

struct idmap {
    struct idmap_slot *slots;
    size_t room; /* a power of two, or 0 before the first put */
    size_t count;
};

void idmap_init(struct idmap *m);
void idmap_fini(struct idmap *m);

/* The item, or NULL. */
void *idmap_get(const struct idmap *m, const struct id *id);
/* Adds the item; the id must not be there yet, the item not be NULL. */
void idmap_put(struct idmap *m, const struct id *id, void *item);
/* Removes and returns the item, NULL when there is none. */
void *idmap_take(struct idmap *m, const struct id *id);

/*
 * Walks all: `for (size_t at = 0; (item = idmap_next(m, &at)) != NULL;)`. The
 * map must not change meanwhile.
 */
void *idmap_next(const struct idmap *m, size_t *at);

#endif
