/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_merge.h: how the parts of two chunks become one, for the
 * message files only. All borrow what they are given.
 */
#ifndef GRAPH_MESSAGE_MERGE_H
#define GRAPH_MESSAGE_MERGE_H

#include <leat/value.h>

/* Text and text: one after the other. Lists: elements with the same index
 * become one. Text and list: the text is the list's first element. */
leat_value *graph_message_merge_content(leat_view a, leat_view b);
/* Objects: keys of both; texts behind each other, numbers added, objects and
 * lists merged; null gives way. */
leat_value *graph_message_merge_objects(leat_view a, leat_view b);
/* Counts of tokens: every number added, however deep. */
leat_value *graph_message_merge_usage(leat_view a, leat_view b);
/* Tool call chunks: by index; id and name from the first that has them. */
leat_value *graph_message_merge_calls(leat_view a, leat_view b);

#endif
