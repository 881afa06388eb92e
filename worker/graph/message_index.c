/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_index.c: an open table of ids, at most half full
 * (message_index.h).
 */
#include "worker/graph/message_index.h"

#include "common/id.h"
#include "common/value.h"
#include "worker/graph/message_draft.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct message_index {
    struct value_note note;
    pthread_mutex_t lock; /* once it is kept */
    struct message_slot *slots;
    size_t mask;
    size_t known;         /* leading items of the list that are in it */
    bool spoilt;          /* the next one is no whole message with an id */
};

/* ---- the table ---------------------------------------------------------- */

static size_t room_for(size_t count)
{
    size_t room = 16;
    while (room < 2 * count) {
        room *= 2;
    }
    return room;
}

static void destroy_note(struct value_note *note)
{
    struct message_index *x = (struct message_index *)(void *)note;
    pthread_mutex_destroy(&x->lock);
    free(x->slots);
    free(x);
}

struct message_index *graph_message_index_new(size_t count)
{
    struct message_index *x = base_zalloc(sizeof *x);
    size_t room = room_for(count);
    x->note.destroy = destroy_note;
    pthread_mutex_init(&x->lock, NULL);
    x->slots = base_zalloc(room * sizeof *x->slots);
    x->mask = room - 1;
    return x;
}

void graph_message_index_destroy(struct message_index **x)
{
    if (*x != NULL) {
        destroy_note(&(*x)->note);
        *x = NULL;
    }
}

struct message_slot *graph_message_index_find(struct message_index *x,
                                              leat_text id)
{
    must(id.ptr != NULL);
    size_t i = (size_t)id_hash_text(id.ptr, id.len) & x->mask;
    while (x->slots[i].id.ptr != NULL &&
           (x->slots[i].id.len != id.len ||
            memcmp(x->slots[i].id.ptr, id.ptr, id.len) != 0)) {
        i = (i + 1) & x->mask;
    }
    return &x->slots[i];
}

static void grow(struct message_index *x, size_t count)
{
    size_t room = x->mask + 1;
    struct message_slot *old = x->slots;
    if (2 * count <= room) {
        return;
    }
    x->mask = room_for(2 * count) - 1;
    x->slots = base_zalloc((x->mask + 1) * sizeof *x->slots);
    for (size_t i = 0; i < room; i++) {
        if (old[i].id.ptr != NULL) {
            *graph_message_index_find(x, old[i].id) = old[i];
        }
    }
    free(old);
}

/* ---- beside a list ------------------------------------------------------ */

void graph_message_index_keep(struct message_index **x, const leat_value *list)
{
    (*x)->known = leat_count(leat_view_of(list));
    value_list_annotate(list, &(*x)->note);
    *x = NULL;
}

static struct message_index *index_of(const leat_value *list)
{
    struct value_note *note = value_list_note(list);
    if (note == NULL && value_list_shares(list)) {
        struct message_index *x =
            graph_message_index_new(leat_count(leat_view_of(list)));
        note = value_list_annotate(list, &x->note);
    }
    bool ours = note != NULL && note->destroy == destroy_note;
    return ours ? (struct message_index *)(void *)note : NULL;
}

static leat_text id_of(leat_view message)
{
    return leat_string(leat_get(message, "id"));
}

/* Merging would leave it as it is. */
static bool is_settled(leat_view message)
{
    return leat_tag_of(message) == LEAT_MESSAGE && id_of(message).len > 0 &&
           graph_message_draft_complete(message);
}

/* Takes in what was added to the list since; false: it is not all messages. */
static bool catch_up(struct message_index *x, leat_view list)
{
    size_t count = leat_count(list);
    grow(x, count);
    for (; x->known < count && !x->spoilt; x->known++) {
        leat_view message = leat_at(list, (long)x->known);
        x->spoilt = !is_settled(message);
        if (x->spoilt) {
            return false;
        }
        leat_text id = id_of(message);
        struct message_slot *slot = graph_message_index_find(x, id);
        if (slot->id.ptr == NULL) {
            *slot = (struct message_slot){.id = id, .index = x->known};
        }
    }
    return x->known >= count;
}

static bool is_repeated(leat_value *const messages[], size_t at, leat_text id)
{
    for (size_t i = 0; i < at; i++) {
        leat_text other = id_of(leat_view_of(messages[i]));
        if (other.len == id.len && memcmp(other.ptr, id.ptr, id.len) == 0) {
            return true;
        }
    }
    return false;
}

/* More are merged: looking for repetitions among them would be slow. */
#define ADDED_MAX 16

bool graph_message_index_covers(const leat_value *list)
{
    struct message_index *x = index_of(list);
    if (x == NULL) {
        return false;
    }
    pthread_mutex_lock(&x->lock);
    bool covers = catch_up(x, leat_view_of(list));
    pthread_mutex_unlock(&x->lock);
    return covers;
}

bool graph_message_index_absent(const leat_value *list,
                                leat_value *const messages[], size_t n)
{
    struct message_index *x = index_of(list);
    size_t count = leat_count(leat_view_of(list));
    bool absent = x != NULL && n <= ADDED_MAX;
    if (!absent) {
        return false;
    }
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; absent && i < n; i++) {
        leat_text id = id_of(leat_view_of(messages[i]));
        const struct message_slot *slot = graph_message_index_find(x, id);
        /* Items behind our own are of lists that grew out of ours. */
        absent = (slot->id.ptr == NULL || slot->index >= count) &&
                 !is_repeated(messages, i, id);
    }
    pthread_mutex_unlock(&x->lock);
    return absent;
}
