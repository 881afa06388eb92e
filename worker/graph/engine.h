/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as its host sees it: compile a graph, run it, ask for its state.
 * The host (the worker's executor, the conformance runner, a unit test) gives
 * a saver for checkpoints, an item store, and a function that takes events;
 * the engine knows no sockets, no SQL and no threads but its own pool.
 *
 * Threads: graph_run() works on the calling thread and on pool threads, and
 * returns when the run has ended. `emit` is called from any of them, but never
 * from two at a time for one run, and in the order the events have. Saver and
 * items are called from the run's threads, the saver never from two at a time.
 */
#ifndef GRAPH_ENGINE_H
#define GRAPH_ENGINE_H

#ifndef LEAT_HOST
#define LEAT_HOST /* we are what the table of functions points to */
#endif

#include "common/base.h"
#include "common/err.h"
#include <leat/graph.h>
#include <stdatomic.h>

struct graph; /* compiled; immutable; shared by all its runs */

/* ---- modes and events --------------------------------------------------- */

/* Bits of graph_request.modes. The engine computes only what is asked for.
 * GRAPH_MODE_MESSAGES is the engine's [message, metadata] mode; the legacy
 * `messages/partial` events are made from it by the host. */
enum graph_mode {
    GRAPH_MODE_VALUES = 1 << 0,
    GRAPH_MODE_UPDATES = 1 << 1,
    GRAPH_MODE_MESSAGES = 1 << 2,
    GRAPH_MODE_CUSTOM = 1 << 3,
    GRAPH_MODE_TASKS = 1 << 4,
    GRAPH_MODE_CHECKPOINTS = 1 << 5,
    GRAPH_MODE_DEBUG = 1 << 6,
    GRAPH_MODE_EVENTS = 1 << 7,
    /* For the legacy messages mode: after the last piece of a streamed answer,
     * [whole message, metadata]. Not a mode that clients know. */
    GRAPH_MODE_MESSAGE_ENDS = 1 << 8,
};

/* One event. Borrowed for the call; hold `payload` to keep it. */
struct graph_event {
    enum graph_mode mode;
    const char *ns;            /* "" root; else "node:task|node2:task2" */
    const leat_value *payload; /* spec/streaming.md section 3, Python flavour */
    /* GRAPH_MODE_MESSAGES: a whole message, not a piece of one (pieces are
     * followed by GRAPH_MODE_MESSAGE_ENDS, where it is set too). */
    bool message_final;
    /* GRAPH_MODE_VALUES: the state after an interrupt ("__interrupt__"). */
    bool interrupt;
};

/* ---- checkpoints ------------------------------------------------------- */

/* One write that is kept with a checkpoint. */
struct graph_write {
    char task_id[37];
    int index;                /* spec/engine.md 1.3; special ones negative */
    const char *channel;
    const leat_value *value;
};

/*
 * One checkpoint. channel_values is an object channel -> stored form,
 * channel_versions channel -> integer, versions_seen node -> channel ->
 * integer. A saver may store each (channel, version) once: a channel's stored
 * form never changes for a version of a namespace.
 * `view` is what readers of state need without the graph:
 *   {"keys": [state keys shown, in order], "next": [...],
 *    "tasks": [{"id","name","path", "ns"?: <subgraph's checkpoint_ns>}],
 *    "values"?: {...} (only where they differ from the channels: writes of a
 *     Command or of finished tasks applied), "applied_next"?: [...],
 *    "base_values"?: {...} (only a Command's writes applied),
 *    "run": {...} (for later attempts of the run, nobody else's)}
 * The latest state shows values and applied_next where they are, else what an
 * older one shows: base_values where they are, else the channels; and next.
 */
struct graph_checkpoint {
    char id[37];
    char parent_id[37];       /* "" none */
    const char *ns;
    const char *ts;           /* ISO-8601 */
    leat_value *channel_values;
    leat_value *channel_versions;
    leat_value *versions_seen;
    leat_value *metadata;     /* source, step, parents and the run's */
    leat_value *view;
};

/* What load gives back; free with graph_saved_fini(). */
struct graph_saved {
    bool found;
    char ns[512];
    char ts[40];
    struct graph_checkpoint cp; /* cp.ns and cp.ts point to the arrays */
    size_t write_count;
    struct graph_write *writes; /* channel and value owned by the struct */
};
void graph_saved_fini(struct graph_saved *s);

/* Which checkpoints a history asks for. Zero/NULL fields do not restrict. */
struct graph_query {
    const char *ns;
    const char *id;           /* exactly this one */
    const char *before;       /* ids smaller than this one */
    leat_view metadata;       /* top level keys that must be equal */
    size_t limit;             /* 0: all */
};

/*
 * The checkpoints of one thread. Every function returns false with err on
 * failure of the store (ERR_FENCED: the attempt has lost its lease; the run
 * stops and nothing more is written). NULL saver: run without checkpoints.
 * put, put_writes and put_view may return before the data is durable;
 * flush() returns when all before it is (or failed).
 */
struct graph_spot {
    const char *ns;
    const char *id; /* of the checkpoint */
};
struct graph_saver {
    void *self;
    /* ns required; id NULL: the latest of the namespace. */
    bool (*load)(void *self, const char *ns, const char *id,
                 struct graph_saved *out, struct err *err);
    /* Newest first. *out: array of *n, freed by the caller (each fini). */
    bool (*list)(void *self, const struct graph_query *q,
                 struct graph_saved **out, size_t *n, struct err *err);
    bool (*put)(void *self, const struct graph_checkpoint *cp,
                struct err *err);
    /* Negative index replaces, others keep what is there (first wins). */
    bool (*put_writes)(void *self, const struct graph_spot *at,
                       const struct graph_write *w, size_t n,
                       struct err *err);
    bool (*put_view)(void *self, const char *ns, const char *checkpoint_id,
                     const leat_value *view, struct err *err);
    bool (*flush)(void *self, struct err *err);
};

struct graph_item_query {
    leat_view space;          /* labels that namespaces begin with */
    leat_view filter;         /* of the values; missing: all */
    size_t limit;             /* 0: all */
    size_t offset;
};

/* Items of nodes. value NULL in put deletes. All may be NULL functions.
 * *list of search: [{"namespace", "key", "value"}], last updated first. */
struct graph_items {
    void *self;
    bool (*put)(void *self, leat_view space, const char *key,
                const leat_value *value, struct err *err);
    bool (*get)(void *self, leat_view space, const char *key,
                leat_value **value, struct err *err);
    bool (*search)(void *self, const struct graph_item_query *q,
                   leat_value **list, struct err *err);
};

/* ---- a run ------------------------------------------------------------- */

enum graph_durability {
    GRAPH_DURABILITY_ASYNC = 0,
    GRAPH_DURABILITY_SYNC,
    GRAPH_DURABILITY_EXIT,
};

struct graph_request {
    const char *thread_id;    /* "" without */
    const char *run_id;       /* uuid text */
    int attempt;              /* of the run, from 1 */
    leat_view input;          /* missing or null: go on where it stopped */
    leat_view command;        /* missing: none; wins over input */
    const char *checkpoint_id; /* NULL: the latest */
    const char *checkpoint_ns; /* NULL or "": the root */
    leat_view config;         /* tags, recursion_limit, configurable, metadata */
    leat_view context;
    leat_view interrupt_before; /* "*" or list of names; missing: compiled */
    leat_view interrupt_after;
    enum graph_durability durability;
    unsigned modes;           /* enum graph_mode bits */
    bool subgraphs;           /* also events of nested graphs */
    unsigned recursion_limit; /* default when config names none */
    /* A later attempt of a run that has checkpoints of its own: goes on from
     * the latest with null input, ignoring input, command, checkpoint_id. */
    bool continued;
};

struct graph_host {
    void *arg;
    void (*emit)(void *arg, const struct graph_event *ev); /* NULL: none */
    const struct graph_saver *saver; /* NULL: without checkpoints */
    const struct graph_items *items; /* NULL: item calls fail */
    const struct graph_cancel *cancel; /* NULL: cannot be cancelled */
    /* A node begins / ends executing user code (counts nested ones); NULL ok */
    void (*busy)(void *arg, bool executing);
    unsigned node_threads;    /* most pool threads of the process; 0: 1024 */
};

/* Set by the host to stop a run; seen between phases and by every wait of the
 * public API. graph_cancel_set() wakes the waits. */
struct graph_cancel;
struct graph_cancel *graph_cancel_new(void);
void graph_cancel_destroy(struct graph_cancel **c);
void graph_cancel_set(struct graph_cancel *c);
bool graph_cancel_get(const struct graph_cancel *c);

enum graph_status {
    GRAPH_DONE = 0,
    GRAPH_INTERRUPTED,  /* by interrupt() or a static interrupt */
    GRAPH_FAILED,
    GRAPH_CANCELLED,
    GRAPH_FENCED,       /* the saver said so; stop without a result */
};

struct graph_result {
    enum graph_status status;
    leat_value *output;   /* invoke()'s result (spec/engine.md 12); or NULL */
    leat_value *values;   /* of the last checkpoint, for the thread; or NULL */
    leat_value *interrupts; /* {task id: [interrupt...]}, non-empty only */
    bool next;            /* the last checkpoint has something to run next */
    char error_type[128]; /* GRAPH_FAILED: class name, "GraphRecursionError" */
    char *error_text;     /* and its message; freed by fini */
};
void graph_result_fini(struct graph_result *r);

void graph_run(const struct graph *g, const struct graph_request *req,
               const struct graph_host *host, struct graph_result *out);
/* At the end of a process: ends the pool's threads, which must be idle. */
void graph_pool_stop(void);

/* ---- state -------------------------------------------------------------- */

/* Whose state: the graph, the thread and checkpoint of the request, and where
 * checkpoints are. */
struct graph_asked {
    const struct graph *graph;
    const struct graph_request *req;
    const struct graph_host *host;
};

/* get_state: spec/engine.md 9, as an object {values, next, tasks, metadata,
 * config, created_at, parent_config, interrupts}. */
MUST_USE bool graph_state_get(const struct graph_asked *a, leat_value **out,
                              struct err *err);
/* A list of states, newest first; q->ns is taken from the request. */
MUST_USE bool graph_state_history(const struct graph_asked *a,
                                  const struct graph_query *q,
                                  leat_value **out, struct err *err);
/* update_state / bulk_update: `supersteps` is a list of lists of
 * {"values", "as_node"?}. Gives the new config, one reference; on a rule broken
 * ERR_GRAPH and the class of the error. */
struct graph_updated {
    leat_value *config;
    char error_type[128];
};
MUST_USE bool graph_state_update(const struct graph_asked *a,
                                 leat_view supersteps,
                                 struct graph_updated *out, struct err *err);

/* ---- compiling ---------------------------------------------------------- */

/* A fresh builder for the public leat_add_*() calls. */
leat_graph *graph_builder_new(void);
void graph_builder_destroy(leat_graph **b);
/* Checks and compiles; false with every reason in err (ERR_GRAPH). The
 * builder is used up either way. */
MUST_USE bool graph_compile(leat_graph **b, struct graph **out,
                            struct err *err);
struct graph *graph_hold(const struct graph *g);
void graph_drop(struct graph **g);

/* From the JSON description of recorded traces (spec/engine.md 13):
 * `graphs` is {"main": {...}, name: {...}}. (graph/decl.c) */
MUST_USE bool graph_decl_compile(leat_view graphs, struct graph **out,
                                 struct err *err);

/* ---- looking at a graph --------------------------------------------------- */

/* {"nodes": [{"id", "type", "data", "metadata"?}], "edges": [{"source",
 * "target", "conditional"}]}. Nested graphs down to `depth` are drawn in the
 * place of their node (xray); 0: none. */
leat_value *graph_draw(const struct graph *g, unsigned depth);
/* {"input_schema", "output_schema", "state_schema", "config_schema",
 * "context_schema"}: JSON Schemas; context null when there is none. */
leat_value *graph_schema(const struct graph *g);
/* {namespace: as above} of the graphs that are nodes of this one ("a", with
 * `recurse` also "a|b"); ns not NULL: only that one, wherever it is. */
leat_value *graph_schema_subgraphs(const struct graph *g, const char *ns,
                                   bool recurse);

/* The table handed to a loaded module. */
const struct leat_api *graph_api(void);

#endif
