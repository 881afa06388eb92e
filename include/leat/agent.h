/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leat/agent.h: models, tools and the agent that most people write, ready
 * made. Part of leat/graph.h, which includes it. A whole agent:
 *
 *     static leat_value *add(leat_context *ctx, leat_view args)
 *     {
 *         (void)ctx;
 *         return leat_new_int(leat_int(leat_get(args, "a"), 0) +
 *                             leat_int(leat_get(args, "b"), 0));
 *     }
 *
 *     static const struct leat_tool tools[] = {
 *         {.name = "add", .description = "Adds two numbers.", .run = add},
 *     };
 *
 *     static void build(leat_graph *g, leat_view config)
 *     {
 *         (void)config;
 *         leat_react_agent(g, &(struct leat_react){
 *             .model = my_model, .tools = {.at = tools, .count = 1},
 *             .prompt = "You are good at sums."});
 *     }
 *
 * All of this is 1.1. Specs are copied, except what a `data` points to.
 */
#ifndef LEAT_AGENT_H
#define LEAT_AGENT_H

#ifndef LEAT_GRAPH_H
#error "include <leat/graph.h>"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- chat models -------------------------------------------------------- */

/* What a model is asked; borrowed for the call. */
struct leat_ask {
    leat_view messages; /* a list of messages, a prompt in front */
    leat_view tools;    /* [{"name", "description", "parameters"}] that it may
                           call; missing: none */
    leat_view schema;   /* JSON Schema that the answer must fit; missing: any */
    void *data;         /* what was given with the function */
};
/*
 * A chat model: gives its answer, an AI message (leat_model_end(), or
 * leat_ai_message()), one reference; NULL when the node must stop or after
 * leat_fail(). With a `schema` the answer is the JSON text, or the arguments
 * of its first tool call.
 */
typedef leat_value *(*leat_chat_fn)(leat_context *ctx,
                                    const struct leat_ask *ask);

/* ---- a model for tests and examples ------------------------------------- */

struct leat_fake_call {
    const char *name;
    const char *args;      /* a JSON object as text; NULL: {} */
    const char *id;        /* NULL: "call_N", counted along the messages */
};

#define LEAT_FAKE_CALLS 8
struct leat_fake_reply {
    const char *text;      /* NULL: none */
    struct leat_fake_call calls[LEAT_FAKE_CALLS]; /* up to one without name */
    const char *id;        /* of the message; NULL: one is made */
    int64_t input_tokens;  /* usage, told in a last piece unless both are 0 */
    int64_t output_tokens;
    const char *error_type; /* it fails with this class (NULL: it does not) */
    const char *error_text;
    size_t error_after;    /* after so many pieces */
};

/*
 * Answers from a script, so that the same conversation has the same answers on
 * any worker and after any restart: the reply whose number is the count of AI
 * messages it was asked with, beginning again after the last.
 */
struct leat_fake {
    const struct leat_fake_reply *replies;
    size_t count;
    size_t chunk;          /* characters in a piece; 0: words, and the blanks
                              between them, each a piece of its own */
    bool no_stream;        /* whole answers, as from a model without streaming */
    int64_t delay_ms;      /* before each piece */
    const char *name;      /* in `events`; NULL: "FakeChatModel" */
    const char *const *tags; /* NULL-terminated, or NULL */
};
/* A leat_chat_fn; ask->data is a struct leat_fake. */
leat_value *leat_fake_model(leat_context *ctx, const struct leat_ask *ask);
/* The same for nodes of one's own. */
leat_value *leat_fake_answer(leat_context *ctx, const struct leat_fake *fake,
                             leat_view messages);

/* ---- tools -------------------------------------------------------------- */

/*
 * A tool. `args` is what the model gave, checked against the schema. What it
 * returns answers the call: a string as it is, anything else as JSON text, a
 * list of content blocks, a tool message. Or a command, whose update brings a
 * message for the call, or a list of tool messages and commands. NULL after
 * leat_fail(), an interrupt or a cancel; else the answer is `null`.
 * leat_item_get(), leat_interrupt() and all else work as in a node.
 */
typedef leat_value *(*leat_tool_fn)(leat_context *ctx, leat_view args);

struct leat_tool {
    const char *name;
    const char *description; /* for the model; or NULL */
    const char *schema;      /* JSON Schema of the arguments, an object's, as
                                text; NULL: any arguments */
    leat_tool_fn run;
    bool return_direct;      /* in leat_react_agent(): its answer is the end */
    void *data;              /* leat_node_data() in the tool; not owned */
};

enum leat_tool_errors {
    LEAT_TOOL_ERRORS_ARGS = 0, /* wrong arguments are answered, with status
                                  "error"; what a tool fails with fails the
                                  node */
    LEAT_TOOL_ERRORS_ANSWER,   /* both are answered */
    LEAT_TOOL_ERRORS_FAIL,     /* both fail the node */
};

struct leat_tools {
    const struct leat_tool *at;
    size_t count;
    enum leat_tool_errors errors;
    const char *error_text; /* LEAT_TOOL_ERRORS_ANSWER: says this and not why */
    const char *key;        /* where messages are; NULL: "messages" */
};

/*
 * A node that runs the tool calls of the last AI message, several at a time,
 * and adds the answers in the order of the calls. A call to a tool that there
 * is not is answered with the names of those there are. Asking a person
 * (leat_interrupt) and calling graphs wait for the calls before it, so that
 * each run of the node asks in the same order.
 */
void leat_tool_node(leat_graph *g, const char *name,
                    const struct leat_tools *tools);
/* A route: to the node "tools" when the last message calls some, else out. */
leat_value *leat_tools_condition(leat_context *ctx, leat_view state);

/* Inside a tool. The state of the graph as the node sees it. */
leat_view leat_tool_state(leat_context *ctx);
/* The id to answer to, for commands; "" outside a tool. */
const char *leat_tool_call_id(leat_context *ctx);

/* ---- the agent ---------------------------------------------------------- */

struct leat_react {
    leat_chat_fn model;
    void *model_data;        /* ask->data; not owned */
    struct leat_tools tools; /* none: the graph is one call of the model */
    const char *prompt;      /* a system message in front; or NULL */
    leat_node_fn prompt_with; /* instead: the messages to ask with, a list,
                                 made of the state */
    const char *name;        /* of the graph and in its AI messages; or NULL */
    const char *schema;      /* JSON Schema: when all is said the model is asked
                                once more, and `structured_response` has what
                                it answered; or NULL */
    const char *schema_prompt; /* a system message for that question; or NULL */
    leat_node_fn before_model; /* node `pre_model_hook`; or NULL */
    leat_node_fn after_model;  /* node `post_model_hook`; or NULL */
    bool one_task;           /* all calls of a message in one task; else each in
                                a task of its own */
    const char *const *interrupt_before; /* as leat_interrupt_before(), NULL */
    const char *const *interrupt_after;
};
/*
 * Makes `g` an agent that asks the model, runs the tools it calls and asks
 * again until it calls none: nodes `agent` and `tools`, keys `messages` and
 * `remaining_steps`. The author may add keys, and nodes that lead here.
 * When the recursion limit leaves no step for another round, the answer is
 * "Sorry, need more steps to process this request.".
 */
void leat_react_agent(leat_graph *g, const struct leat_react *spec);

#ifdef __cplusplus
}
#endif
#endif
