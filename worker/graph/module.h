/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/module.h: the way into a loaded shared object: check that it speaks our
 * version of the interface, and give it the table of functions.
 */
#ifndef GRAPH_MODULE_H
#define GRAPH_MODULE_H

#include "worker/graph/engine.h"

/* ERR_GRAPH with a sentence for the operator when it cannot be used. */
MUST_USE bool graph_module_open(const struct leat_module *m, struct err *err);

#endif
