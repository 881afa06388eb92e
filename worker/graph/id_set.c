/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/id_set.c: a set of texts: open addressing, a power of two of places
 * (id_set.h).
 */
#include "worker/graph/id_set.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *id)
{
    uint64_t h = UINT64_C(1469598103934665603);
    for (; *id != '\0'; id++) {
        h = (h ^ (unsigned char)*id) * UINT64_C(1099511628211);
    }
    return h;
}

static size_t place_of(char *const *at, size_t room, const char *id)
{
    size_t i = (size_t)hash_of(id) & (room - 1);
    while (at[i] != NULL && strcmp(at[i], id) != 0) {
        i = (i + 1) & (room - 1);
    }
    return i;
}

bool graph_id_set_has(const struct id_set *s, const char *id)
{
    return s->room > 0 && s->at[place_of(s->at, s->room, id)] != NULL;
}

static void grow(struct id_set *s)
{
    size_t room = s->room > 0 ? s->room * 2 : 16;
    char **at = base_zalloc(room * sizeof *at);
    for (size_t i = 0; i < s->room; i++) {
        if (s->at[i] != NULL) {
            at[place_of(at, room, s->at[i])] = s->at[i];
        }
    }
    free(s->at);
    s->at = at;
    s->room = room;
}

void graph_id_set_add(struct id_set *s, const char *id)
{
    if (graph_id_set_has(s, id)) {
        return;
    }
    if ((s->count + 1) * 4 > s->room * 3) {
        grow(s);
    }
    s->at[place_of(s->at, s->room, id)] = base_strdup(id);
    s->count++;
}

void graph_id_set_fini(struct id_set *s)
{
    for (size_t i = 0; i < s->room; i++) {
        free(s->at[i]);
    }
    free(s->at);
    *s = (struct id_set){0};
}
