/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/cache.c: a set-associative table of writes (cache.h): the key is a
 * 128-bit hash of the input, the node and the graph.
 */
#include "worker/graph/cache.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/value.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS 256
#define WAYS 8
#define ENTRY_BYTES_MAX (256 * 1024) /* more is not worth keeping */

struct entry {
    uint64_t graph;       /* identity; 0: free */
    uint32_t node;
    char input[ID_HEX_SIZE];
    int64_t until_ms;     /* INT64_MAX: for ever */
    int64_t put_ms;
    struct writes writes;
};

static struct entry table[SETS][WAYS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool graph_cache_key(const struct task *t, char out[ID_HEX_SIZE])
{
    if (t->node->cache_ttl_s == 0) {
        return false;
    }
    leat_cache_key_fn key = t->node->cache_key;
    leat_value *by = key != NULL ? key(leat_view_of(t->input))
                                 : leat_hold(t->input);
    if (by == NULL) {
        return false;
    }
    leat_value *packed = value_packed(by);
    struct value_bytes bytes = value_bytes_of(packed);
    id_xxh3_hex(bytes.ptr, bytes.len, out);
    leat_drop(packed);
    leat_drop(by);
    return true;
}

static struct entry *set_of(const char *input)
{
    unsigned set = 0;
    for (size_t i = 0; i < 8; i++) {
        set = set * 31 + (unsigned char)input[i];
    }
    return table[set % SETS];
}

static struct entry *find(const struct graph *g, const struct task *t,
                          const char *input)
{
    struct entry *set = set_of(input);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].graph == g->identity && set[i].node == t->node->number &&
            strcmp(set[i].input, input) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

bool graph_cache_get(const struct graph *g, struct task *t,
                     const char key[ID_HEX_SIZE])
{
    pthread_mutex_lock(&lock);
    const struct entry *e = find(g, t, key);
    bool hit = e != NULL && e->until_ms > clock_mono_ms();
    if (hit) {
        graph_writes_append(&t->writes, &e->writes);
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

static size_t weight(const struct writes *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        n += value_weight(w->at[i].value);
    }
    return n;
}

static struct entry *oldest(const char *input)
{
    struct entry *set = set_of(input);
    struct entry *out = &set[0];
    for (size_t i = 1; i < WAYS && out->graph != 0; i++) {
        if (set[i].graph == 0 || set[i].put_ms < out->put_ms) {
            out = &set[i];
        }
    }
    return out;
}

void graph_cache_put(const struct graph *g, const struct task *t)
{
    int ttl_s = t->node->cache_ttl_s;
    char input[ID_HEX_SIZE];
    if (ttl_s == 0 || weight(&t->writes) > ENTRY_BYTES_MAX ||
        !graph_cache_key(t, input)) {
        return;
    }
    pthread_mutex_lock(&lock);
    struct entry *e = find(g, t, input);
    e = e != NULL ? e : oldest(input);
    e->graph = g->identity;
    e->node = t->node->number;
    memcpy(e->input, input, sizeof e->input);
    e->put_ms = clock_mono_ms();
    e->until_ms = ttl_s < 0 ? INT64_MAX : e->put_ms + (int64_t)ttl_s * 1000;
    graph_writes_clear(&e->writes);
    graph_writes_append(&e->writes, &t->writes);
    pthread_mutex_unlock(&lock);
}

void graph_cache_clear(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < WAYS; j++) {
            graph_writes_fini(&table[i][j].writes);
            table[i][j] = (struct entry){0};
        }
    }
    pthread_mutex_unlock(&lock);
}
