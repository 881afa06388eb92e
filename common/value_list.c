/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_list.c: lists that grow. Owns the stores that such lists share
 * (value_node.h): adding to a list of thousands takes the time of what is
 * added, and a history of such lists has each item once.
 */
#include "common/value_node.h"

#include <stdlib.h>

/* ---- stores -------------------------------------------------------------- */

static struct value_store *new_store(size_t count)
{
    size_t room = count + count / 2 + 8;
    must(room <= UINT32_MAX);
    struct value_store *s = base_realloc(
        NULL, sizeof(*s) + room * sizeof(s->items[0]));
    atomic_init(&s->refs, 1);
    atomic_init(&s->used, 0);
    atomic_init(&s->note, NULL);
    s->room = (uint32_t)room;
    return s;
}

void value_store_drop(struct value_store *s)
{
    unsigned before =
        atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
    must(before > 0 && before < UINT32_MAX / 2);
    if (before > 1) {
        return;
    }
    struct value_note *note = atomic_load(&s->note);
    if (note != NULL) {
        note->destroy(note);
    }
    uint32_t used = atomic_load(&s->used);
    for (uint32_t i = 0; i < used; i++) {
        leat_drop(s->items[i]); /* as deep as the value nests, at most */
    }
    free(s);
}

/* Takes the places behind the first `count` for a list of `count` + n: only
 * one of several that grow out of the same list gets them. */
static bool take_places(struct value_store *s, uint32_t count, size_t n)
{
    return n <= s->room - count &&
           atomic_compare_exchange_strong(&s->used, &count,
                                          (uint32_t)(count + n));
}

/* The store of a list that has room for more; one reference. */
static struct value_store *require_store(const struct value_composed *c,
                                         size_t n)
{
    if (c->store != NULL && take_places(c->store, c->count, n)) {
        atomic_fetch_add_explicit(&c->store->refs, 1, memory_order_relaxed);
        return c->store;
    }
    struct value_store *s = new_store(c->count + n);
    for (uint32_t i = 0; i < c->count; i++) {
        s->items[i] = leat_hold(c->items[i]);
    }
    atomic_store(&s->used, (uint32_t)(c->count + n));
    return s;
}

/* ---- lists --------------------------------------------------------------- */

leat_value *value_list_grow(const leat_value *before, size_t n,
                            leat_value *const items[])
{
    const struct value_composed *from = value_node_composed(before);
    must(before->kind == VALUE_LIST && n <= UINT32_MAX / 2 - from->count);
    struct value_composed *c = base_realloc(NULL, sizeof(*c));
    atomic_init(&c->head.refs, 1);
    c->head.kind = VALUE_LIST;
    c->head.tag = LEAT_PLAIN;
    c->head.depth = from->head.depth;
    c->packed_len = from->packed_len;
    c->count = from->count;
    c->keys = NULL;
    c->store = require_store(from, n);
    c->items = c->store->items;
    for (size_t i = 0; i < n; i++) {
        leat_value *item = items[i] != NULL ? items[i] : leat_new_null();
        c->store->items[c->count++] = item;
        value_node_count_item(c, item);
    }
    c->packed_len += value_bytes_container_head(c->count);
    c->packed_len -= value_bytes_container_head(from->count);
    return &c->head;
}

leat_value *value_list_new(size_t n, leat_value *const items[])
{
    leat_value *none = leat_new_list(0, NULL);
    leat_value *list = value_list_grow(none, n, items);
    leat_drop(none);
    return list;
}

/* ---- notes --------------------------------------------------------------- */

static struct value_store *store_of(const leat_value *list)
{
    bool is_list = list != NULL && list->kind == VALUE_LIST;
    return is_list ? value_node_composed(list)->store : NULL;
}

bool value_list_shares(const leat_value *list)
{
    return store_of(list) != NULL;
}

struct value_note *value_list_note(const leat_value *list)
{
    struct value_store *s = store_of(list);
    return s != NULL ? atomic_load(&s->note) : NULL;
}

struct value_note *value_list_annotate(const leat_value *list,
                                       struct value_note *note)
{
    struct value_store *s = store_of(list);
    struct value_note *kept = NULL;
    must(note != NULL && note->destroy != NULL);
    if (s != NULL && atomic_compare_exchange_strong(&s->note, &kept, note)) {
        return note;
    }
    note->destroy(note);
    return kept;
}
