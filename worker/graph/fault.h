/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/fault.h: an error as LangGraph's clients see it: the name of a class
 * and a text of any length. What a node, a rule of the engine or a graph's
 * own code reports travels in one of these until the run ends with it.
 */
#ifndef GRAPH_FAULT_H
#define GRAPH_FAULT_H

#include "common/base.h"
#include "common/err.h"
#include <leat/value.h>
#include <stdarg.h>

#define GRAPH_DOCS "https://docs.langchain.com/oss/python/langgraph/"

struct fault {
    char type[128];     /* "" none */
    char *text;         /* owned; NULL while there is none */
    enum err_code code; /* ERR_GRAPH, or what the saver answered */
};

#define FAULT_INIT {.type = "", .text = NULL, .code = ERR_NONE}

/* Fills it (the first one stays) and returns false. */
bool graph_fault_set(struct fault *f, const char *type, const char *fmt, ...)
    PRINTF(3, 4);
bool graph_fault_setv(struct fault *f, const char *type, const char *fmt,
                      va_list ap) PRINTF(3, 0);
/* An error of the store: keeps its code. Returns false. */
bool graph_fault_err(struct fault *f, const struct err *err);
bool graph_fault_is(const struct fault *f);
/* Python's repr of the exception: ValueError('text'); one reference. */
leat_value *graph_fault_repr(const struct fault *f);
/* The text of a KeyError, the key as Python shows it; free() it. */
char *graph_fault_key(leat_view key);
/* Moves `from` into `to` (which must be empty); `from` is then empty. */
void graph_fault_move(struct fault *to, struct fault *from);
void graph_fault_fini(struct fault *f);

#endif
