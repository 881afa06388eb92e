/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leat/graph.h: how a graph is written in C.
 *
 * A graph is a shared object that exports one symbol, `leat_graph_v1`, which
 * LEAT_GRAPHS() defines. This header and value.h are all that its author
 * includes; it links against nothing, because the worker that loads it hands
 * it a table of functions. The smallest one:
 *
 *     #include <leat/graph.h>
 *
 *     static leat_value *inc(leat_context *ctx, leat_view state)
 *     {
 *         (void)ctx;
 *         return leat_pack("{s:I}", "x", leat_int(leat_get(state, "x"), 0) + 1);
 *     }
 *
 *     static void build(leat_graph *g, leat_view config)
 *     {
 *         (void)config;
 *         leat_add_channel(g, "x", LEAT_LAST_VALUE);
 *         leat_add_node(g, "inc", inc);
 *         leat_add_edge(g, LEAT_START, "inc");
 *         leat_add_edge(g, "inc", LEAT_END);
 *     }
 *
 *     LEAT_GRAPHS({"counter", build})
 *
 * Versions. LEAT_ABI_MAJOR changes when something here changes its meaning or
 * goes: a worker refuses a graph of another major with a text that says so.
 * LEAT_ABI_MINOR grows when something is added at the end of a table: a worker
 * refuses a graph of a newer minor than its own.
 *   1.0  the first version
 *   1.1  agent.h (models, tools, agents); keys that show the steps left;
 *        leat_remaining_steps(), leat_add_subgraph_with(),
 *        leat_add_branch_with(), leat_model_drop(), leat_item_search()
 *   1.2  leat_set_retry_on(), leat_set_cache_key()
 */
#ifndef LEAT_GRAPH_H
#define LEAT_GRAPH_H

#include <leat/value.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_ABI_MAJOR 1
#define LEAT_ABI_MINOR 2

#define LEAT_START "__start__" /* where a run enters */
#define LEAT_END "__end__"     /* where it leaves */

typedef struct leat_graph leat_graph;     /* being built, then compiled */
typedef struct leat_context leat_context; /* one execution of one node */
typedef struct leat_model leat_model;     /* one answer of a chat model */

/*
 * A node. `state` shows the keys of the state that have a value and lives for
 * the call. Returns what it writes, one reference, as LangGraph has it:
 *   an object         one write per key that is a key of the state
 *   NULL or null      nothing
 *   a command         leat_command(); a list of objects and commands as well
 *   leat_fail()       the node failed; the run ends with that error
 * When a function below says that the node must stop (an interrupt, a
 * cancel), the node returns NULL at once.
 */
typedef leat_value *(*leat_node_fn)(leat_context *ctx, leat_view state);

/*
 * Where to go after a node: a string (the name of a node or LEAT_END), a
 * leat_send(), or a list of both. `state` is the state with this node's own
 * writes already in it. NULL is an error unless leat_fail() gave the reason.
 */
typedef leat_value *(*leat_route_fn)(leat_context *ctx, leat_view state);

/* A reducer: the new value of a channel. Pure: no context, no side effects. */
typedef leat_value *(*leat_reduce_fn)(leat_view current, leat_view update);

/* ---- building a graph --------------------------------------------------
 * A mistake (an unknown node in an edge, a name twice, a reserved name) does
 * not stop the building; the graph is refused when it is compiled, with all
 * reasons in one text. Names and specs are copied. */

enum leat_channel_kind {
    LEAT_LAST_VALUE = 0, /* keeps the last; two writes in a step are an error */
    LEAT_APPEND,         /* a list; updates (a list or one element) are added */
    LEAT_SUM,            /* a number, from 0; updates are added */
    LEAT_MESSAGES,       /* chat messages, merged by id */
    LEAT_REDUCE,         /* your own reducer, see struct leat_channel */
    LEAT_TOPIC,          /* a list of what one step wrote; see `accumulate` */
    LEAT_EPHEMERAL,      /* lives for one step */
    LEAT_ANY_VALUE,      /* like the last, assumes that all writes are equal */
    LEAT_UNTRACKED,      /* like the last, never in a checkpoint */
    /* Not kept at all: nodes and routes see them beside the state (1.1). */
    LEAT_REMAINING_STEPS, /* steps that the recursion limit still allows */
    LEAT_IS_LAST_STEP,    /* true in the last of them */
};

struct leat_channel {
    enum leat_channel_kind kind;
    leat_reduce_fn reduce;  /* LEAT_REDUCE only */
    leat_value *initial;    /* LEAT_REDUCE: value before any write, or NULL;
                               the reference is taken */
    bool no_default;        /* LEAT_APPEND, LEAT_SUM, LEAT_MESSAGES: absent
                               until first written, which is stored as it is */
    bool accumulate;        /* LEAT_TOPIC: keep earlier steps' values */
    const char *schema;     /* JSON Schema of the value as text, or NULL */
};

struct leat_retry {
    int max_attempts;       /* including the first; 0 or 1: no retry */
    int initial_ms;         /* before the first retry; 0: 500 */
    double backoff;         /* factor from one delay to the next; 0: 2.0 */
    int max_ms;             /* 0: 128000 */
    bool no_jitter;         /* else up to a second is added */
};

struct leat_node {
    leat_node_fn run;
    struct leat_retry retry;
    int cache_ttl_s;        /* > 0: same input, same writes for so long;
                               -1: for as long as the process lives */
    bool defer;             /* runs when nothing else is left to run */
    leat_value *metadata;   /* object, shown with its tasks; taken; or NULL */
    const char *const *ends; /* where its commands go, NULL-terminated; only
                               for drawing; or NULL */
    void *data;             /* leat_node_data() in the node; not owned */
};

/* A state key. Keys are shown in the order they are added. */
void leat_add_channel(leat_graph *g, const char *key,
                      enum leat_channel_kind kind);
void leat_add_channel_with(leat_graph *g, const char *key,
                           const struct leat_channel *spec);
/* Which keys the graph takes as input and gives as output; NULL-terminated
 * lists. Without: all of them. */
void leat_input_keys(leat_graph *g, const char *const keys[]);
void leat_output_keys(leat_graph *g, const char *const keys[]);

void leat_add_node(leat_graph *g, const char *name, leat_node_fn run);
void leat_add_node_with(leat_graph *g, const char *name,
                        const struct leat_node *spec);

/* Is a node that failed with this error worth another attempt? Asked while its
 * policy (max_attempts) has one left, instead of the rule that errors of the
 * program ("ValueError", "TypeError", ...) are not. Pure. (1.2) */
typedef bool (*leat_retry_fn)(const char *type, const char *message);
/* What a node's cached writes are found by, instead of all of its input: one
 * reference. Inputs with equal keys are the same to it. NULL: this one is not
 * cached. Pure. (1.2) */
typedef leat_value *(*leat_cache_key_fn)(leat_view input);
/* For a node or subgraph that has been added. */
void leat_set_retry_on(leat_graph *g, const char *node, leat_retry_fn retried);
void leat_set_cache_key(leat_graph *g, const char *node,
                        leat_cache_key_fn key);

/* A graph inside a graph. The child is built by `build` at once. */
enum leat_memory {
    LEAT_MEMORY_INHERIT = 0, /* the parent's checkpoints, fresh each task */
    LEAT_MEMORY_NONE,        /* none; its interrupts cannot be resumed */
    LEAT_MEMORY_OWN,         /* its own state, kept from run to run */
};
typedef void (*leat_build_fn)(leat_graph *g, leat_view config);
void leat_add_subgraph(leat_graph *g, const char *name, leat_build_fn build);
/* One that nodes run themselves with leat_call_graph(ctx, name, ...). */
void leat_add_callable(leat_graph *g, const char *name, leat_build_fn build);
/* The same with what other nodes have; spec->run and spec->data unused. */
void leat_add_subgraph_with(leat_graph *g, const char *name,
                            leat_build_fn build, const struct leat_node *spec);
/* Called inside the child's own build function. */
void leat_set_memory(leat_graph *g, enum leat_memory memory);

void leat_add_edge(leat_graph *g, const char *from, const char *to);
/* Waits for all of `from` (NULL-terminated) before `to` runs. */
void leat_add_join(leat_graph *g, const char *const from[], const char *to);
/* `targets` (NULL-terminated) is what the route may name, LEAT_END included;
 * anything else it names is a KeyError. NULL: any node, and a name that is no
 * node's leads nowhere. */
void leat_add_branch(leat_graph *g, const char *from, leat_route_fn route,
                     const char *const targets[]);
struct leat_branch {
    leat_route_fn route;
    const char *name;            /* in `events`; NULL: "RunnableLambda" */
    const char *const *targets;  /* as above */
    const char *const *labels;   /* the route returns one of these (as many as
                                    targets) and means the target in the same
                                    place; NULL: it returns targets */
    void *data;                  /* leat_node_data() in the route; not owned */
};
void leat_add_branch_with(leat_graph *g, const char *from,
                          const struct leat_branch *spec);
/* Stops before / after these nodes in every run; "*" alone means all. */
void leat_interrupt_before(leat_graph *g, const char *const nodes[]);
void leat_interrupt_after(leat_graph *g, const char *const nodes[]);
/* How the graph calls itself in `events`; without: "LangGraph". */
void leat_set_name(leat_graph *g, const char *name);
/* JSON Schemas as text, where the derived ones say too little:
 * which = "input", "output", "state", "config" or "context". */
void leat_set_schema(leat_graph *g, const char *which, const char *json);

/* ---- inside a node ----------------------------------------------------- */

/* Ends the node with an error; returns NULL so that a node can return it.
 * `type` is the error's class name as clients see it ("ValueError"). */
leat_value *leat_fail(leat_context *ctx, const char *type, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/*
 * Pauses the run until somebody answers. When there is an answer, *answer
 * shows it (for as long as the node runs) and true is returned. Else the node
 * must stop; it will be run again from its first line when the answer is
 * there. Takes the reference to `question`.
 */
bool leat_interrupt(leat_context *ctx, leat_value *question,
                    leat_view *answer);

/* A piece of the `custom` stream, sent at once. Takes the reference. */
void leat_emit(leat_context *ctx, leat_value *payload);

/* Sleeps; false: the run was cancelled and the node must stop. */
bool leat_sleep_ms(leat_context *ctx, int64_t ms);
/* Waits until `fd` has one of `events` (poll(2)); < 0 timeout: for ever.
 * 1 ready, 0 timed out, -1 cancelled: the node must stop. */
int leat_wait_fd(leat_context *ctx, int fd, short events, int64_t timeout_ms);
bool leat_cancelled(leat_context *ctx);

/* Routing, as values. NULL `update` or `go_to` leaves it out; both taken. */
leat_value *leat_send(const char *node, leat_value *arg);
leat_value *leat_command(leat_value *update, leat_value *go_to);
/* The same for the graph around this one. */
leat_value *leat_command_parent(leat_value *update, leat_value *go_to);
/* Replaces a reduced value instead of reducing into it. Takes `value`. */
leat_value *leat_overwrite(leat_value *value);

/* What the run was started with; borrowed, for as long as the node runs. */
leat_view leat_config(leat_context *ctx);       /* the whole config object */
leat_view leat_configurable(leat_context *ctx); /* config.configurable */
leat_view leat_runtime_context(leat_context *ctx); /* the run's `context` */
const char *leat_thread_id(leat_context *ctx);  /* "" without a thread */
const char *leat_run_id(leat_context *ctx);
const char *leat_node_name(leat_context *ctx);
void *leat_node_data(leat_context *ctx);
int leat_attempt(leat_context *ctx);            /* of the node, from 1 */
/* Steps that the recursion limit allows after this one. */
int leat_remaining_steps(leat_context *ctx);

/* Runs a graph added with leat_add_callable() and gives its output; NULL when
 * the node must stop (it failed or was interrupted in there). Takes `input`. */
leat_value *leat_call_graph(leat_context *ctx, const char *name,
                            leat_value *input);

/* ---- items: what outlives a thread ------------------------------------- */

/* Namespaces are NULL-terminated lists of labels. False: the store cannot be
 * reached or refused; leat_fail() was called with the reason and the node
 * must stop. put takes `value` (an object); NULL deletes the item. */
bool leat_item_put(leat_context *ctx, const char *const space[],
                   const char *key, leat_value *value);
/* *value: one reference, or NULL when there is no such item. */
bool leat_item_get(leat_context *ctx, const char *const space[],
                   const char *key, leat_value **value);

struct leat_item_query {
    leat_view filter; /* keys that the values must have, as over HTTP; missing:
                         all items */
    size_t limit;     /* 0: 10 */
    size_t offset;
};
/* *list: one reference to [{"namespace", "key", "value"}], last updated first,
 * of all namespaces that begin with these labels (NULL: of all). (1.1) */
bool leat_item_search(leat_context *ctx, const char *const space[],
                      const struct leat_item_query *how, leat_value **list);

/* ---- messages ---------------------------------------------------------- */

leat_value *leat_human_message(const char *content);
leat_value *leat_ai_message(const char *content);
leat_value *leat_system_message(const char *content);
leat_value *leat_tool_message(const char *content, const char *tool_call_id,
                              const char *name);
leat_value *leat_remove_message(const char *id);
/* Any message from its fields ({"type": "ai", "content": ...}); taken.
 * NULL when the type is none of the above. */
leat_value *leat_message_from(leat_value *fields);

/*
 * A chat model's answer while it comes in. Each piece is streamed to the
 * readers of `messages` at once; leat_model_end() gives the whole message to
 * return from the node. Between begin and end there is nothing to free.
 */
struct leat_model_spec {
    const char *name;      /* as `events` show it; NULL: "ChatModel" */
    const char *provider;  /* ls_provider, or NULL */
    const char *model;     /* ls_model_name, or NULL */
    const char *id;        /* the message's id; NULL: one is made */
    const char *const *tags; /* NULL-terminated; "nostream" hides the pieces */
    bool no_stream;        /* pieces are kept and shown as one message */
    leat_view messages;    /* what it was asked; may be missing */
};
leat_model *leat_model_begin(leat_context *ctx,
                             const struct leat_model_spec *spec);
/* False: cancelled; end the model and stop. */
bool leat_model_text(leat_model *m, const char *text, size_t len);
/* A piece of a tool call: `id` and `name` with the first piece, else NULL. */
bool leat_model_tool_call(leat_model *m, int index, const char *id,
                          const char *name, const char *args);
bool leat_model_usage(leat_model *m, int64_t input_tokens,
                      int64_t output_tokens);
leat_value *leat_model_end(leat_model *m); /* the AI message, one reference */
/* Instead of the end: it failed. Readers keep what they got. (1.1) */
void leat_model_drop(leat_model *m);

#ifdef __cplusplus
}
#endif
#include <leat/agent.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- the exported symbol ----------------------------------------------- */

struct leat_graph_entry {
    const char *id;        /* the graph id, as in `assistant_id` */
    /*
     * Builds the graph. `config` is missing, and the graph is built once for
     * all runs, unless `factory` is set: then it is called for every run with
     * that run's config and must be quick.
     */
    leat_build_fn build;
    bool factory;
};

/* Every function above, in this order; added to at the end only. */
#define LEAT_API_TABLE(X)                                                     \
    X(hold) X(drop) X(view_of) X(value_of) X(type_of) X(tag_of) X(bool)       \
    X(int) X(uint) X(double) X(string) X(bytes) X(is) X(true) X(count)        \
    X(get) X(get_n) X(at) X(equal) X(iter_of) X(next)                         \
    X(new_null) X(new_bool) X(new_int) X(new_double) X(new_string)            \
    X(new_string_n) X(new_format) X(pack) X(new_list) X(new_object)           \
    X(append) X(with) X(tagged)                                               \
    X(writer_new) X(writer_destroy) X(write_object) X(write_tagged)           \
    X(write_list) X(write_end) X(write_key) X(write_key_n) X(write_null)      \
    X(write_bool) X(write_int) X(write_uint) X(write_double) X(write_string)  \
    X(write_string_n) X(write_bytes) X(write_view) X(writer_finish)           \
    X(from_json) X(to_json) X(free_text)                                      \
    X(add_channel) X(add_channel_with) X(input_keys) X(output_keys)           \
    X(add_node) X(add_node_with) X(add_subgraph) X(add_callable)              \
    X(set_memory) X(add_edge) X(add_join) X(add_branch)                       \
    X(interrupt_before) X(interrupt_after) X(set_name) X(set_schema)          \
    X(fail) X(interrupt) X(emit) X(sleep_ms) X(wait_fd) X(cancelled)          \
    X(send) X(command) X(command_parent) X(overwrite)                         \
    X(config) X(configurable) X(runtime_context) X(thread_id) X(run_id)       \
    X(node_name) X(node_data) X(attempt) X(call_graph)                        \
    X(item_put) X(item_get)                                                   \
    X(human_message) X(ai_message) X(system_message) X(tool_message)          \
    X(remove_message) X(message_from)                                         \
    X(model_begin) X(model_text) X(model_tool_call) X(model_usage)            \
    X(model_end)                                                              \
    /* 1.1 */                                                                 \
    X(add_subgraph_with) X(add_branch_with) X(remaining_steps)                \
    X(model_drop)                                                             \
    X(fake_model) X(fake_answer) X(tool_node) X(tools_condition)              \
    X(tool_state) X(tool_call_id) X(react_agent) X(item_search)               \
    /* 1.2 */                                                                 \
    X(set_retry_on) X(set_cache_key)

#define LEAT_API_MEMBER(name) __typeof__(leat_##name) *name##_;
struct leat_api {
    uint32_t size; /* of this struct in the program that fills it */
    LEAT_API_TABLE(LEAT_API_MEMBER)
};

#define LEAT_MODULE_MAGIC 0x4c454154u /* "LEAT" */
struct leat_module {
    uint32_t magic;
    uint16_t major, minor;
    const struct leat_api **api; /* the worker stores its table here */
    const struct leat_graph_entry *graphs;
    uint32_t graph_count;
};

#ifdef __cplusplus
}
#endif

#ifndef LEAT_HOST /* in a graph: reach the functions through the table */
#ifdef __cplusplus
#define LEAT_EXTERN_C extern "C"
#else
#define LEAT_EXTERN_C extern
#endif
LEAT_EXTERN_C __attribute__((visibility("hidden")))
const struct leat_api *leat_api_;

/* Once per shared object, at file scope: LEAT_GRAPHS({"id", build}, ...). */
#define LEAT_GRAPHS(...)                                                      \
    __attribute__((visibility("hidden"))) const struct leat_api *leat_api_;   \
    static const struct leat_graph_entry leat_entries_[] = {__VA_ARGS__};     \
    LEAT_EXTERN_C __attribute__((visibility("default")))                      \
    const struct leat_module leat_graph_v1;                                   \
    const struct leat_module leat_graph_v1 = {                                \
        LEAT_MODULE_MAGIC, LEAT_ABI_MAJOR, LEAT_ABI_MINOR, &leat_api_,        \
        leat_entries_, sizeof leat_entries_ / sizeof leat_entries_[0]};

#include <leat/bind.h>
#endif

#endif
