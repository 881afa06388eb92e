/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/builder.h: a graph while it is being described (leat_graph). Only
 * builder.c, which fills it, and graph.c, which compiles it, look inside.
 */
#ifndef GRAPH_BUILDER_H
#define GRAPH_BUILDER_H

#include "common/buf.h"
#include "worker/graph/graph.h"

struct build_node {
    char *name;
    struct leat_node spec; /* metadata owned, ends copied */
    leat_graph *child;     /* a subgraph's builder, owned */
    leat_retry_fn retry_on;      /* or NULL */
    leat_cache_key_fn cache_key; /* or NULL */
};

struct build_edge {
    char *from, *to;
};

struct build_join {
    char **from; /* NULL-terminated */
    char *to;
};

struct build_branch {
    char *from;
    struct graph_branch branch; /* name and targets copied */
};

struct build_callable {
    char *name;
    leat_graph *child;
};

/* What dies with the compiled graph; counted there by references. */
struct graph_kept {
    struct graph_kept *next;
    void *data;
    void (*destroy)(void *data);
};

struct leat_graph {
    uint32_t magic;
    char *name;
    enum leat_memory memory;
    struct graph_channel *keys; /* state keys: name, kind, reduce, ... */
    size_t key_count;
    struct graph_managed *managed;
    size_t managed_count;
    struct build_node *nodes;
    size_t node_count;
    struct build_edge *edges;
    size_t edge_count;
    struct build_join *joins;
    size_t join_count;
    struct build_branch *branches;
    size_t branch_count;
    struct build_callable *callables;
    size_t callable_count;
    char **input, **output, **before, **after; /* NULL: not said */
    leat_value *schemas;
    struct graph_kept *kept;
    struct buf mistakes;
    unsigned depth; /* graphs around this one */
};

/* Notes every mistake of this graph (not of its children). (check.c) */
void graph_check_all(leat_graph *b);

void graph_names_free(char ***names);
/* Frees what hangs on a chain of kept data. */
void graph_kept_destroy(struct graph_kept **kept);

#endif
