/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/interrupt.c: static interrupts and open questions (interrupt.h,
 * spec/engine.md 4.5 and 7).
 */
#include "worker/graph/interrupt.h"
#include "common/id.h"

#include <stdlib.h>
#include <string.h>

void graph_interrupt_id(const char *task_ns, char out[33])
{
    id_xxh3_hex(task_ns, strlen(task_ns), out);
}

/* ---- questions ---------------------------------------------------------- */

size_t graph_interrupts_open(const struct pendings *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct pending *it = &p->at[i];
        if (it->write.channel == WRITE_INTERRUPT &&
            graph_pendings_get(p, it->task_id, WRITE_RESUME) == NULL) {
            n++;
        }
    }
    return n;
}

static bool is_named(leat_view named, const char *node)
{
    for (leat_iter it = leat_iter_of(named); leat_next(&it);) {
        if (leat_is(it.item, node) || leat_is(it.item, "*")) {
            return true;
        }
    }
    return false;
}

static bool stops_at(const struct graph_node *n,
                     const struct graph_stops *compiled, leat_view named)
{
    if (leat_is(named, "*")) {
        return !n->hidden;
    }
    if (leat_count(named) > 0) {
        return !n->hidden && is_named(named, n->name);
    }
    return (compiled->all && !n->hidden) ||
           (compiled->nodes != NULL && compiled->nodes[n->number]);
}

static bool changed_since(const struct checkpoint *cp)
{
    for (size_t i = 0; i < cp->graph->channel_count; i++) {
        if (cp->versions[i] > cp->seen_interrupt[i]) {
            return true;
        }
    }
    return false;
}

bool graph_interrupt_static(const struct checkpoint *cp,
                            const struct tasks *tasks,
                            const struct graph_stops *compiled,
                            leat_view named)
{
    bool any = false;
    for (size_t i = 0; i < tasks->count && !any; i++) {
        any = stops_at(tasks->at[i].node, compiled, named);
    }
    return any && changed_since(cp);
}

void graph_interrupt_seen(struct checkpoint *cp)
{
    memcpy(cp->seen_interrupt, cp->versions,
           cp->graph->channel_count * sizeof *cp->versions);
}
