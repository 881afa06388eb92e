/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing in a table at most half full; taking an item moves the ones
 * behind it back, so that a probe ends at the first empty slot.
 */
#include "common/idmap.h"

#include <stdlib.h>

#define ROOM_MIN 64

static size_t home_of(const struct idmap *m, const struct id *id);
static size_t slot_of(const struct idmap *m, const struct id *id);
static void grow(struct idmap *m);

void idmap_init(struct idmap *m)
{
    *m = (struct idmap){0};
}

void idmap_fini(struct idmap *m)
{
    free(m->slots);
    *m = (struct idmap){0};
}

void *idmap_get(const struct idmap *m, const struct id *id)
{
    if (m->count == 0) {
        return NULL;
    }
    return m->slots[slot_of(m, id)].item;
}

void idmap_put(struct idmap *m, const struct id *id, void *item)
{
    must(item != NULL);
    if ((m->count + 1) * 2 > m->room) {
        grow(m);
    }
    struct idmap_slot *slot = &m->slots[slot_of(m, id)];
    must(slot->item == NULL);
    *slot = (struct idmap_slot){.id = *id, .item = item};
    m->count++;
}

void *idmap_take(struct idmap *m, const struct id *id)
{
    if (m->count == 0) {
        return NULL;
    }
    size_t hole = slot_of(m, id);
    void *item = m->slots[hole].item;
    if (item == NULL) {
        return NULL;
    }
    size_t mask = m->room - 1;
    for (size_t at = (hole + 1) & mask; m->slots[at].item != NULL;
         at = (at + 1) & mask) {
        size_t home = home_of(m, &m->slots[at].id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            m->slots[hole] = m->slots[at];
            hole = at;
        }
    }
    m->slots[hole].item = NULL;
    m->count--;
    return item;
}

void *idmap_next(const struct idmap *m, size_t *at)
{
    while (*at < m->room) {
        void *item = m->slots[(*at)++].item;
        if (item != NULL) {
            return item;
        }
    }
    return NULL;
}

static size_t home_of(const struct idmap *m, const struct id *id)
{
    return (size_t)id_hash(id) & (m->room - 1);
}

/* Where the id is, or the empty slot where it would be put. */
static size_t slot_of(const struct idmap *m, const struct id *id)
{
    size_t at = home_of(m, id);
    while (m->slots[at].item != NULL && !id_eq(&m->slots[at].id, id)) {
        at = (at + 1) & (m->room - 1);
    }
    return at;
}

static void grow(struct idmap *m)
{
    struct idmap old = *m;
    m->room = old.room == 0 ? ROOM_MIN : old.room * 2;
    m->slots = base_zalloc(m->room * sizeof *m->slots);
    for (size_t i = 0; i < old.room; i++) {
        if (old.slots[i].item != NULL) {
            m->slots[slot_of(m, &old.slots[i].id)] = old.slots[i];
        }
    }
    free(old.slots);
}
