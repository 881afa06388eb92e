/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/messages.c: lists of messages. Owns the add_messages reducer and the
 * rule of where in a node's output messages are found.
 */
#include "worker/graph/message.h"

#include "common/value.h"
#include "worker/graph/message_index.h"
#include <stdlib.h>
#include <string.h>

/* ---- a list under way ---------------------------------------------------- */

struct list {
    leat_value **items;
    size_t count, room;
};

/* Takes the reference. */
static void push(struct list *l, leat_value *item)
{
    if (l->count == l->room) {
        l->room = max_size(16, l->room * 2);
        l->items = base_realloc(l->items, l->room * sizeof(*l->items));
    }
    l->items[l->count++] = item;
}

static void list_fini(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        leat_drop(l->items[i]);
    }
    free(l->items);
    *l = (struct list){0};
}

static bool push_message(struct list *l, leat_view like, struct fault *fault)
{
    leat_value *message;
    if (!graph_message_coerce(like, &message, fault)) {
        return false;
    }
    if (leat_tag_of(leat_view_of(message)) == LEAT_CHUNK) {
        leat_value *whole = graph_message_from_chunk(leat_view_of(message));
        leat_drop(message);
        message = whole;
    }
    push(l, graph_message_identify(message));
    return true;
}

/* One message(-like) or a list of them, each as a whole message with an id. */
static bool push_messages(struct list *l, leat_view v, struct fault *fault)
{
    if (leat_type_of(v) != LEAT_LIST) {
        return push_message(l, v, fault);
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        if (!push_message(l, it.item, fault)) {
            return false;
        }
    }
    return true;
}

/* ---- the reducer --------------------------------------------------------- */

static leat_text id_of(const leat_value *message)
{
    return leat_string(leat_get(leat_view_of(message), "id"));
}

static bool is_remove(const leat_value *message)
{
    return leat_is(leat_get(leat_view_of(message), "type"), "remove");
}

/* Where the messages behind the last "remove all" begin; 0: there is none. */
static size_t behind_remove_all(const struct list *right)
{
    for (size_t i = right->count; i > 0; i--) {
        leat_view v = leat_view_of(right->items[i - 1]);
        if (is_remove(right->items[i - 1]) &&
            leat_is(leat_get(v, "id"), GRAPH_MESSAGE_REMOVE_ALL)) {
            return i;
        }
    }
    return 0;
}

/* A list while messages are merged into it. */
struct merging {
    struct list list;
    struct message_index *ids;
    bool any_removed;
};

/* Puts `message`, whose reference is taken, where it belongs in the list. */
static bool merge_one(struct merging *m, leat_value *message,
                      struct fault *fault)
{
    leat_text id = id_of(message);
    struct message_slot *slot = graph_message_index_find(m->ids, id);
    bool known = slot->id.ptr != NULL;
    if (is_remove(message)) {
        if (!known) {
            graph_fault_set(fault, "ValueError",
                            "Attempting to delete a message with an ID that "
                            "doesn't exist ('%.*s')",
                            (int)min_size(id.len, 1000), id.ptr);
        } else {
            slot->removed = m->any_removed = true;
        }
        leat_drop(message);
        return known;
    }
    if (!known) {
        *slot = (struct message_slot){id, m->list.count, false};
        push(&m->list, message);
        return true;
    }
    leat_drop(m->list.items[slot->index]);
    m->list.items[slot->index] = message;
    slot->id = id; /* the old text may have gone with its message */
    slot->removed = false;
    return true;
}

static void drop_removed(struct merging *m)
{
    struct list *l = &m->list;
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        leat_value *message = l->items[i];
        if (graph_message_index_find(m->ids, id_of(message))->removed) {
            continue;
        }
        l->items[i] = l->items[kept];
        l->items[kept++] = message;
    }
    while (l->count > kept) {
        leat_drop(l->items[--l->count]);
    }
}

/* Takes the references out of the list, from `first` on. */
static leat_value *take_list(struct list *l, size_t first)
{
    leat_value *v = value_list_new(
        l->count - first, l->items != NULL ? l->items + first : NULL);
    l->count = first;
    return v;
}

/* The merged list with its index beside it, or NULL. */
static leat_value *merge(struct merging *m, const struct list *right,
                         struct fault *fault)
{
    leat_value *out = NULL;
    bool ok = true;
    m->ids = graph_message_index_new(m->list.count + right->count);
    for (size_t i = 0; i < m->list.count; i++) {
        leat_text id = id_of(m->list.items[i]);
        *graph_message_index_find(m->ids, id) =
            (struct message_slot){id, i, false};
    }
    for (size_t i = 0; ok && i < right->count; i++) {
        ok = merge_one(m, leat_hold(right->items[i]), fault);
    }
    if (ok && m->any_removed) {
        drop_removed(m);
        out = take_list(&m->list, 0);
    } else if (ok) {
        out = take_list(&m->list, 0);
        graph_message_index_keep(&m->ids, out);
    }
    graph_message_index_destroy(&m->ids);
    return out;
}

/* Only new messages: the list goes on as it is. NULL: they are to be merged. */
static leat_value *extend(leat_view left, struct list *added)
{
    size_t n = added->count;
    for (size_t i = 0; i < n; i++) {
        if (is_remove(added->items[i])) {
            return NULL;
        }
    }
    if (!graph_message_index_absent(left.node, added->items, n)) {
        return NULL;
    }
    added->count = 0;
    return leat_append(left, n, added->items);
}

static bool check_given(leat_view left, leat_view right, struct fault *fault)
{
    bool has_left = leat_type_of(left) != LEAT_NULL;
    bool has_right = leat_type_of(right) != LEAT_NULL &&
                     leat_type_of(right) != LEAT_MISSING;
    if (has_left && has_right) {
        return true;
    }
    /* Python names the side by its truth, so an empty left is "right". */
    return graph_fault_set(fault, "ValueError",
                           "Must specify non-null arguments for both 'left' "
                           "and 'right'. Only received: '%s'.",
                           leat_true(left) ? "left" : "right");
}

static bool push_left(struct merging *m, leat_view left, struct fault *fault)
{
    return leat_type_of(left) == LEAT_MISSING ||
           push_messages(&m->list, left, fault);
}

bool graph_messages_add(leat_view left, leat_view right, leat_value **out,
                        struct fault *fault)
{
    must(out != NULL && fault != NULL);
    *out = NULL;
    if (!check_given(left, right, fault)) {
        return false;
    }
    struct merging m = {0};
    struct list added = {0};
    bool known = left.at == NULL && graph_message_index_covers(left.node);
    bool ok = (known || push_left(&m, left, fault)) &&
              push_messages(&added, right, fault);
    size_t behind = ok ? behind_remove_all(&added) : 0;
    if (behind > 0) {
        *out = take_list(&added, behind);
    } else if (ok && known) {
        *out = extend(left, &added);
        ok = *out != NULL || push_left(&m, left, fault);
    }
    if (ok && *out == NULL) {
        *out = merge(&m, &added, fault);
    }
    list_fini(&m.list);
    list_fini(&added);
    return *out != NULL;
}

/* ---- messages in an output ----------------------------------------------- */

static bool is_message(leat_view v)
{
    enum leat_tag tag = leat_tag_of(v);
    return tag == LEAT_MESSAGE || tag == LEAT_CHUNK;
}

static bool is_command(leat_view v)
{
    return leat_tag_of(v) == LEAT_COMMAND;
}

static bool is_plain_object(leat_view v)
{
    return leat_type_of(v) == LEAT_OBJECT && leat_tag_of(v) == LEAT_PLAIN;
}

/* A message, or those of a list. */
static void scan_list(leat_view v, graph_messages_fn *f, void *arg)
{
    if (is_message(v)) {
        f(arg, v);
        return;
    }
    if (leat_type_of(v) != LEAT_LIST) {
        return;
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        if (is_message(it.item)) {
            f(arg, it.item);
        }
    }
}

/* What a node may have returned, but for commands. */
static void scan_update(leat_view v, graph_messages_fn *f, void *arg)
{
    if (!is_plain_object(v)) {
        scan_list(v, f, arg);
        return;
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        scan_list(it.item, f, arg);
    }
}

static bool has_command(leat_view v)
{
    if (leat_type_of(v) != LEAT_LIST) {
        return false;
    }
    for (leat_iter it = leat_iter_of(v); leat_next(&it);) {
        if (is_command(it.item)) {
            return true;
        }
    }
    return false;
}

static leat_view update_of(leat_view v)
{
    return is_command(v) ? leat_get(v, "update") : v;
}

void graph_messages_scan(leat_view output, graph_messages_fn *f, void *arg)
{
    must(f != NULL);
    if (!has_command(output)) {
        scan_update(update_of(output), f, arg);
        return;
    }
    for (leat_iter it = leat_iter_of(output); leat_next(&it);) {
        scan_update(update_of(it.item), f, arg);
    }
}

/* ---- ids for messages in an output --------------------------------------- */

static void note_anonymous(void *arg, leat_view message)
{
    bool *anonymous = arg;
    *anonymous =
        *anonymous || leat_count(leat_get(message, "id")) == 0;
}

typedef leat_value *identify_fn(leat_value *v);

/* The list with `f` applied to each element; takes the reference. */
static leat_value *identify_each(leat_value *v, identify_fn *f)
{
    struct list made = {0};
    for (leat_iter it = leat_iter_of(leat_view_of(v)); leat_next(&it);) {
        push(&made, f(leat_value_of(it.item)));
    }
    leat_value *list = take_list(&made, 0);
    list_fini(&made);
    leat_drop(v);
    return list;
}

static leat_value *identify_list(leat_value *v)
{
    return leat_type_of(leat_view_of(v)) == LEAT_LIST
               ? identify_each(v, graph_message_identify)
               : graph_message_identify(v);
}

static leat_value *identify_update(leat_value *v)
{
    if (!is_plain_object(leat_view_of(v))) {
        return identify_list(v);
    }
    leat_value *object = leat_hold(v);
    for (leat_iter it = leat_iter_of(leat_view_of(v)); leat_next(&it);) {
        bool anonymous = false;
        scan_list(it.item, note_anonymous, &anonymous);
        if (anonymous) {
            char *key = base_memdup(it.key.ptr, it.key.len);
            leat_value *item = identify_list(leat_value_of(it.item));
            leat_value *with = leat_with(leat_view_of(object), key, item);
            free(key);
            leat_drop(object);
            object = with;
        }
    }
    leat_drop(v);
    return object;
}

static leat_value *identify_command(leat_value *v)
{
    leat_view update = update_of(leat_view_of(v));
    if (!is_command(leat_view_of(v)) ||
        leat_type_of(update) == LEAT_MISSING) {
        return is_command(leat_view_of(v)) ? v : identify_update(v);
    }
    leat_value *with = leat_with(leat_view_of(v), "update",
                                 identify_update(leat_value_of(update)));
    leat_drop(v);
    return with;
}

leat_value *graph_messages_identify(leat_value *output)
{
    bool anonymous = false;
    graph_messages_scan(leat_view_of(output), note_anonymous, &anonymous);
    if (!anonymous) {
        return output;
    }
    return has_command(leat_view_of(output))
               ? identify_each(output, identify_command)
               : identify_command(output);
}
