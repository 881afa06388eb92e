/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool.h: for code that runs tools inside a node: tells the readers of
 * `events` about them.
 */
#ifndef GRAPH_TOOL_H
#define GRAPH_TOOL_H

#include "worker/graph/engine.h"

/* A tool runs between begin and end: on_tool_start / on_tool_end in `events`.
 * NULL while nobody listens; end takes both. `output` borrowed. */
struct tool_run;
struct tool_run *graph_tool_begin(leat_context *ctx, const char *name,
                                  leat_view input);
void graph_tool_end(struct tool_run *t, leat_view output);

/* What a tool returned as the content of its message: a text as it is,
 * anything else as JSON the way Python writes it, with blanks. One
 * reference. */
leat_value *graph_tool_content(leat_view result);

#endif
