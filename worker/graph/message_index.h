/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_index.h: where in a list of messages each id stands. An index
 * is made while messages are merged and kept beside the items of the list
 * (value.h, notes), so that adding one message to thousands looks at one.
 */
#ifndef GRAPH_MESSAGE_INDEX_H
#define GRAPH_MESSAGE_INDEX_H

#include "common/base.h"
#include <leat/value.h>

struct message_slot {
    leat_text id; /* in the message itself; ptr NULL: free */
    size_t index; /* in the list */
    bool removed;
};

struct message_index;

struct message_index *graph_message_index_new(size_t count);
void graph_message_index_destroy(struct message_index **x);
/* The slot of an id, or the free one where it belongs; fill it at once. At
 * most as many ids as `count` said. */
struct message_slot *graph_message_index_find(struct message_index *x,
                                              leat_text id);
/* Keeps the index, whose slots are those of all messages in `list`, beside
 * it; uses it up. */
void graph_message_index_keep(struct message_index **x,
                              const leat_value *list);
/* Is it known that `list` has nothing but whole messages with ids? False for
 * lists that have no index. Any thread. */
bool graph_message_index_covers(const leat_value *list);
/* Of such a list: are the ids of the n messages new to it and to each other?
 * False as well where that would be slow to find out. Any thread. */
bool graph_message_index_absent(const leat_value *list,
                                leat_value *const messages[], size_t n);

#endif
