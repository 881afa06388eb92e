/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h: what is left after the masks is put into one order, ids are
 * renumbered, and the rest must be equal.
 */
#ifndef CONFORMANCE_COMPARE_H
#define CONFORMANCE_COMPARE_H

#include "tests/conformance/tree.h"

/*
 * Events of parallel nested graphs come as they come and are ordered only
 * within their namespace: each nested event is put behind the start of the
 * task it belongs to, the events of one namespace keep their order. Parallel
 * tasks that never sleep (in `graphs`) may end in any order: they are put in
 * the order of their starts.
 */
void compare_order(const tree *graphs, tree *results);

/* Ids by first appearance, in keys and texts: "#1", "#2", ... */
void compare_renumber(tree *results);

/* Prints up to `limit` differences; gives how many there are. */
size_t compare_diff(const tree *expected, const tree *got, size_t limit);

#endif
