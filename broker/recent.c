/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list in the order of arrival, with a map beside it. All entries live
 * equally long, so the list is in the order of expiry too.
 */
#include "broker/recent.h"

static void drop_oldest(struct brk_recent *r);

void brk_recent_init(struct brk_recent *r, size_t max, int64_t keep_ms,
                     void (*drop)(struct brk_recent_entry *e))
{
    must(max > 0 && drop != NULL);
    *r = (struct brk_recent){.max = max, .keep_ms = keep_ms, .drop = drop};
    idmap_init(&r->map);
}

void brk_recent_fini(struct brk_recent *r)
{
    while (r->oldest != NULL) {
        drop_oldest(r);
    }
    idmap_fini(&r->map);
}

void brk_recent_put(struct brk_recent *r, struct brk_recent_entry *e,
                    int64_t now_ms)
{
    while (r->oldest != NULL &&
           (r->oldest->until_ms <= now_ms || r->count >= r->max)) {
        drop_oldest(r);
    }
    (void)idmap_take(&r->map, &e->id);
    idmap_put(&r->map, &e->id, e);
    e->until_ms = now_ms + r->keep_ms;
    e->next = NULL;
    if (r->newest == NULL) {
        r->oldest = e;
    } else {
        r->newest->next = e;
    }
    r->newest = e;
    r->count++;
}

void *brk_recent_get(const struct brk_recent *r, const struct id *id)
{
    return idmap_get(&r->map, id);
}

static void drop_oldest(struct brk_recent *r)
{
    struct brk_recent_entry *e = r->oldest;
    r->oldest = e->next;
    r->count--;
    if (r->oldest == NULL) {
        r->newest = NULL;
    }
    if (idmap_get(&r->map, &e->id) == e) {
        (void)idmap_take(&r->map, &e->id);
    }
    r->drop(e);
}
