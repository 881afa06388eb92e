/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/graph.h: the compiled graph. Built once, checked once, then read by
 * any number of runs at a time: nothing in it changes but the count of
 * references. Channels, nodes and triggers are numbered, so that the rest of
 * the engine works with arrays and never looks up a name in a step.
 */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "worker/graph/engine.h"
#include "worker/graph/fault.h"

/* Graphs in graphs; each level stands on the stack of the one above. */
#define GRAPH_DEPTH_MAX 16
#define GRAPH_NAME_MAX 200 /* bytes of a node's or a state key's name */

enum channel_kind {
    CHANNEL_LAST,
    CHANNEL_APPEND,
    CHANNEL_SUM,
    CHANNEL_MESSAGES,
    CHANNEL_REDUCE,
    CHANNEL_TOPIC,
    CHANNEL_EPHEMERAL,
    CHANNEL_ANY,
    CHANNEL_UNTRACKED,
    CHANNEL_BARRIER,        /* waiting edge */
    CHANNEL_LAST_FINISH,    /* branch:to:<a deferred node> */
    CHANNEL_BARRIER_FINISH, /* waiting edge into a deferred node */
};

/* Fixed channel numbers; the state keys follow, then branch:to:, join:. */
enum {
    CHANNEL_START = 0, /* "__start__", receives the input */
    CHANNEL_TASKS = 1, /* "__pregel_tasks", the sends */
    CHANNEL_STATE = 2, /* the first state key */
};

/* Numbers of writes that go to no channel (spec/engine.md 1.3). The first
 * four and the last are also their stored index. */
enum {
    WRITE_ERROR = -1,
    WRITE_SCHEDULED = -2,
    WRITE_INTERRUPT = -3,
    WRITE_RESUME = -4,
    WRITE_NONE = -5,    /* "__no_writes__" */
    WRITE_UNKNOWN = -6, /* no channel of this graph; dropped when applied */
    WRITE_TAKEN = -7,   /* "__taken__": by which run, see again.c */
};

#define GRAPH_NULL_TASK "00000000-0000-0000-0000-000000000000"

struct graph_channel {
    char *name;
    enum channel_kind kind;
    leat_reduce_fn reduce;     /* CHANNEL_REDUCE */
    leat_value *initial;       /* value before any write; NULL: absent */
    bool accumulate;           /* CHANNEL_TOPIC */
    bool guard;                /* CHANNEL_EPHEMERAL: one write per step */
    uint32_t *waits;           /* barriers: node numbers waited for */
    size_t wait_count;
    uint32_t *wakes;           /* nodes this channel triggers */
    size_t wake_count;
    leat_value *schema;        /* JSON Schema of a state key, or NULL */
};

struct graph_branch {
    leat_route_fn route;
    void *data;                /* leat_node_data() in the route */
    char *name;                /* of the function, for `events` */
    char **targets;            /* NULL-terminated; NULL: any node */
    char **labels;             /* what the route says for each; or NULL */
};

struct graph_node {
    char *name;
    uint32_t number;
    leat_node_fn run;          /* NULL: `__start__` or a subgraph */
    void *data;
    struct graph *child;       /* a subgraph node's graph, or NULL */
    struct leat_retry retry;
    leat_retry_fn retry_on;    /* NULL: the usual rule */
    int cache_ttl_s;
    leat_cache_key_fn cache_key; /* NULL: the whole input */
    bool defer;
    bool hidden;               /* `__start__` */
    leat_value *metadata;      /* object or NULL */
    char **ends;               /* NULL-terminated or NULL */
    uint32_t branch_channel;   /* its branch:to: (START: CHANNEL_START) */
    uint32_t *triggers;        /* channel numbers; branch:to: first */
    size_t trigger_count;
    uint32_t seen_at;          /* first of its places in checkpoint.seen */
    leat_value *triggers_shown; /* names, sorted, as payloads have them */
    uint32_t *edges;           /* node numbers, declaration order; END is
                                  not in it (see ends_here) */
    size_t edge_count;
    bool ends_here;            /* an edge to `__end__`, for drawing */
    uint32_t *joins;           /* waiting-edge channels it writes to */
    size_t join_count;
    struct graph_branch *branches;
    size_t branch_count;
};

struct graph_callable {
    char *name;
    struct graph *child;
};

struct graph_managed {         /* a key that is read and never kept */
    char *name;
    bool last;                 /* LEAT_IS_LAST_STEP; else the count of steps */
};

struct graph_keys {            /* a list of channel numbers */
    uint32_t *at;
    size_t count;
};

struct graph_stops {           /* interrupt_before / interrupt_after */
    bool all;
    bool *nodes;               /* by node number; NULL: none */
};

struct graph {
    uint32_t magic;
    atomic_uint refs;
    char *name;                /* "LangGraph" */
    enum leat_memory memory;   /* as a subgraph */
    struct graph_channel *channels;
    size_t channel_count;
    uint32_t *channels_by_name; /* channel numbers sorted by name */
    struct graph_node *nodes;  /* [0] is `__start__`, then as declared */
    size_t node_count;
    uint32_t *by_name;         /* node numbers sorted by name */
    size_t seen_count;         /* all triggers of all nodes */
    struct graph_managed *managed;
    size_t managed_count;
    struct graph_keys state;   /* all state keys, declaration order */
    leat_value *keys_shown;    /* their names, a list */
    struct graph_keys input;   /* of the input schema */
    struct graph_keys output;  /* of the output schema */
    struct graph_stops before, after;
    struct graph_callable *callables;
    size_t callable_count;
    leat_value *schemas;       /* leat_set_schema(): {"input": {...}} */
    uint64_t identity;         /* for the node cache: different per graph */
    struct graph_kept *kept;   /* what graph_builder_keep() handed over */
    bool has_untracked;
};

/* NULL when there is none of that name. */
const struct graph_node *graph_node_get(const struct graph *g,
                                        const char *name, size_t len);
/* The channel's number, or a WRITE_ number; WRITE_UNKNOWN when none. */
int graph_channel_number(const struct graph *g, const char *name, size_t len);
/* A channel's or a special write's name. */
const char *graph_channel_name(const struct graph *g, int number);
const struct graph *graph_callable_get(const struct graph *g,
                                       const char *name);
/* `state` (taken) with the managed keys, `left` steps before the limit. */
leat_value *graph_managed_add(const struct graph *g, leat_value *state,
                              int left);
/* Is it one of the keys? */
bool graph_keys_has(const struct graph_keys *k, int channel);

/* ---- building, what the public calls do not offer ---------------------- */

/* Take over a child builder (graph/decl.c builds children by itself). The
 * child is compiled with its parent; its mistakes are the parent's. */
void graph_builder_subgraph(leat_graph *g, const char *name, leat_graph *child);
void graph_builder_callable(leat_graph *g, const char *name, leat_graph *child);
/* Metadata, defer, retry, cache of a subgraph node (spec->run unused). */
void graph_builder_subgraph_with(leat_graph *g, const char *name,
                                 leat_graph *child,
                                 const struct leat_node *spec);
/* A branch whose route finds `data` with leat_node_data(). `name` is what
 * `events` calls the function (NULL: the default). */
void graph_builder_branch(leat_graph *g, const char *from,
                          const struct graph_branch *branch);
/* Calls destroy(data) when the compiled graph (or the builder) dies. */
void graph_builder_keep(leat_graph *g, void *data, void (*destroy)(void *));
/* Notes a mistake; the graph is then refused with this among the reasons. */
void graph_builder_mistake(leat_graph *g, const char *fmt, ...) PRINTF(2, 3);

#endif
