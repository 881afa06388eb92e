/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/id_set.h: which ids were seen: of messages that were streamed, of
 * namespaces that were visited. Grows with what a run shows.
 */
#ifndef GRAPH_ID_SET_H
#define GRAPH_ID_SET_H

#include "common/base.h"

struct id_set {
    char **at; /* texts, owned; NULL: free */
    size_t count, room;
};
bool graph_id_set_has(const struct id_set *s, const char *id);
void graph_id_set_add(struct id_set *s, const char *id);
void graph_id_set_fini(struct id_set *s);

#endif
