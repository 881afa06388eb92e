/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool_text.h: values as texts for tool messages: Python's JSON, with
 * blanks, and its repr. Knows nothing of tools or runs.
 */
#ifndef GRAPH_TOOL_TEXT_H
#define GRAPH_TOOL_TEXT_H

#include "common/buf.h"
#include <leat/value.h>

/* A longer text is cut. */
#define GRAPH_TOOL_TEXT_MAX ((size_t)16 << 20)

/* False when the buffer is full; what fits is in it. */
bool graph_tool_text_json(struct buf *out, leat_view v);
bool graph_tool_text_repr(struct buf *out, leat_view v);

#endif
