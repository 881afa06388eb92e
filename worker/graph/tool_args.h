/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool_args.h: do the arguments that a model gave fit a tool's schema?
 * As much of JSON Schema as descriptions of tools use: `required`, and of each
 * property `type` (one or several), `enum`, `items`, and the same
 * inside objects. What says nothing about these fits.
 */
#ifndef GRAPH_TOOL_ARGS_H
#define GRAPH_TOOL_ARGS_H

#include "common/buf.h"
#include <leat/value.h>

/* Writes one line for each fault, "name: what is wrong", as Python's
 * validation says it. True: there is none. */
bool graph_tool_args_check(leat_view args, leat_view schema,
                           struct buf *faults);

#endif
