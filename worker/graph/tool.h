/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool.h: for code that runs tools inside a node: tells the readers of
 * `events` about them.
 */
#ifndef GRAPH_TOOL_H
#define GRAPH_TOOL_H

#include "worker/graph/engine.h"

/* A tool runs between begin and end: on_tool_start and on_tool_end, or
 * on_tool_error, in `events`. NULL while nobody listens; end and fail take
 * that too. `output` borrowed, `error` taken. */
struct tool_run;
struct tool_run *graph_tool_begin(leat_context *ctx, const char *name,
                                  leat_view input);
void graph_tool_end(struct tool_run *t, leat_view output);
void graph_tool_fail(struct tool_run *t, leat_value *error,
                     const char *tool_call_id);

#endif
