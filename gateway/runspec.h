/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runspec.h: the body of a request that makes a run, checked field by field
 * into one struct, and what becomes of it: the invocation that a worker gets
 * (kwargs), merged from assistant, thread and request. Knows no HTTP.
 */
#ifndef GATEWAY_RUNSPEC_H
#define GATEWAY_RUNSPEC_H

#include "common/err.h"
#include "common/id.h"
#include "common/value.h"

/* What is done with the answer decides which modes are recorded. */
enum gw_run_answer {
    GW_ANSWER_STREAM,     /* as asked, else values */
    GW_ANSWER_WAIT,       /* values too, whatever was asked */
    GW_ANSWER_BACKGROUND, /* what a later join may want */
};

struct gw_runspec {
    leat_value *body;        /* owns everything below; NULL after fini */
    leat_text assistant;     /* uuid or graph id */
    leat_view input;         /* missing and null mean the same: go on */
    leat_view command;       /* these: missing when absent, null or empty */
    leat_view checkpoint;
    leat_view checkpoint_id;
    leat_view config;
    leat_view context;
    leat_view metadata;
    leat_view webhook;
    leat_view interrupt_before;
    leat_view interrupt_after;
    leat_view feedback_keys;
    leat_view durability;
    leat_view checkpoint_during;
    leat_view tracer;
    unsigned modes;          /* enum sse_mode bits, 0: none given */
    bool subgraphs;
    bool resumable;
    bool cancel_on_disconnect;
    bool keep_thread;        /* on_completion: keep */
    bool make_thread;        /* if_not_exists: create */
    const char *strategy;    /* "reject" "interrupt" "rollback" "enqueue" */
    int64_t after_ms;
};

/* Takes the reference of `body` in any case. 422 with the field's path, which
 * begins with `path` ("" for a body of its own). */
MUST_USE bool gw_runspec_parse(leat_value *body, const char *path,
                               struct gw_runspec *out, struct err *err);
void gw_runspec_fini(struct gw_runspec *spec);

/* The modes that are recorded. */
unsigned gw_runspec_modes(const struct gw_runspec *spec,
                          enum gw_run_answer answer);

/* Whose run it is, and what it inherits. All borrowed; values may be NULL. */
struct gw_run_base {
    struct id run_id;
    struct id thread_id;
    struct id assistant_id;
    const char *graph_id;
    const char *owner;                    /* "" or NULL: none */
    const leat_value *assistant_config;
    const leat_value *assistant_context;
    const leat_value *assistant_metadata;
    const leat_value *thread_config;
    const leat_value *thread_metadata;
    leat_view headers;                    /* header -> text, to be copied */
    bool temporary;
    enum gw_run_answer answer;
};
/* {input, command, config, context, stream_mode, ...}; one reference. */
leat_value *gw_runspec_kwargs(const struct gw_runspec *spec,
                              const struct gw_run_base *base) MUST_USE;
/* The run's metadata: assistant's, thread's, request's, then the server's. */
leat_value *gw_runspec_metadata(const struct gw_runspec *spec,
                                const struct gw_run_base *base) MUST_USE;

#endif
