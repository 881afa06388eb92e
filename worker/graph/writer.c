/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/writer.c: how a node's result becomes writes: state update, goto,
 * edges, waiting edges, branches, in this order (writer.h,
 * spec/engine.md 1.2).
 */
#include "worker/graph/writer.h"
#include "worker/graph/context.h"

#include <stdlib.h>
#include <string.h>

/* ---- state updates ------------------------------------------------------ */

/* One run of the writers. */
struct writing {
    const struct task_writer *w;
    struct writes *out;
    struct fault *fault;
};

static const struct graph_keys *keys_written(const struct task_writer *w)
{
    return w->node->branch_channel == CHANNEL_START ? &w->graph->input
                                                    : &w->graph->state;
}

static void write_key(struct writing *s, leat_text key, leat_view value)
{
    int channel = graph_channel_number(s->w->graph, key.ptr, key.len);
    if (graph_keys_has(keys_written(s->w), channel)) {
        graph_writes_add(s->out, channel, leat_value_of(value));
    }
}

static bool is_parent(leat_view command)
{
    return leat_is(leat_get(command, "graph"), "__parent__");
}

/* An object, or a list of [key, value] pairs. */
static void write_update(struct writing *s, leat_view update)
{
    if (leat_type_of(update) == LEAT_OBJECT) {
        for (leat_iter it = leat_iter_of(update); leat_next(&it);) {
            write_key(s, it.key, it.item);
        }
        return;
    }
    for (leat_iter it = leat_iter_of(update); leat_next(&it);) {
        leat_text key = leat_string(leat_at(it.item, 0));
        leat_view value = leat_at(it.item, 1);
        if (key.ptr != NULL && leat_type_of(value) != LEAT_MISSING) {
            write_key(s, key, value);
        }
    }
}

static bool has_command(leat_view list)
{
    for (leat_iter it = leat_iter_of(list); leat_next(&it);) {
        if (leat_tag_of(it.item) == LEAT_COMMAND) {
            return true;
        }
    }
    return false;
}

static bool bad_result(struct writing *s, leat_view result)
{
    leat_text text = leat_string(result);
    char *json = text.ptr == NULL ? leat_to_json(result) : NULL;
    graph_fault_set(
        s->fault, "InvalidUpdateError",
        "Expected dict, got %.*s\nFor troubleshooting, visit: " GRAPH_DOCS
        "errors/INVALID_GRAPH_NODE_RETURN_VALUE",
        json != NULL ? (int)strlen(json) : (int)text.len,
        json != NULL ? json : text.ptr);
    leat_free_text(json);
    return false;
}

/* A single element: null, an object, a command, a send. */
static bool write_state(struct writing *s, leat_view result)
{
    switch (leat_type_of(result)) {
    case LEAT_MISSING:
    case LEAT_NULL:
        return true;
    case LEAT_OBJECT:
        break;
    default:
        return bad_result(s, result);
    }
    if (leat_tag_of(result) == LEAT_COMMAND) {
        if (!is_parent(result)) {
            write_update(s, leat_get(result, "update"));
        }
    } else if (leat_tag_of(result) != LEAT_SEND) {
        write_update(s, result);
    }
    return true;
}

static bool write_states(struct writing *s, leat_view result)
{
    if (leat_type_of(result) != LEAT_LIST || !has_command(result)) {
        return write_state(s, result);
    }
    for (leat_iter it = leat_iter_of(result); leat_next(&it);) {
        if (!write_state(s, it.item)) {
            return false;
        }
    }
    return true;
}

/* ---- routing ------------------------------------------------------------ */

static bool write_send(struct writing *s, leat_view send)
{
    leat_text name = leat_string(leat_get(send, "node"));
    const char *text = name.ptr != NULL ? name.ptr : "";
    const struct graph_node *n =
        graph_node_get(s->w->graph, text, name.len);
    if (leat_is(leat_get(send, "node"), LEAT_END)) {
        return graph_fault_set(s->fault, "InvalidUpdateError",
                               "Cannot send a packet to the END node");
    }
    if (n == NULL || n->hidden) {
        return graph_fault_set(s->fault, "InvalidUpdateError",
                               "Invalid node name %.*s in packet",
                               (int)name.len, text);
    }
    graph_writes_add(s->out, CHANNEL_TASKS, leat_value_of(send));
    return true;
}

/* A name or a send. Unknown names are dropped, as a write to no channel is. */
static bool write_target(struct writing *s, leat_view target)
{
    if (leat_tag_of(target) == LEAT_SEND) {
        return write_send(s, target);
    }
    leat_text name = leat_string(target);
    const struct graph_node *n =
        name.ptr == NULL ? NULL
                         : graph_node_get(s->w->graph, name.ptr, name.len);
    if (n != NULL && n->branch_channel != CHANNEL_START) {
        graph_writes_add(s->out, (int)n->branch_channel, NULL);
    }
    return true;
}

static bool write_goto(struct writing *s, leat_view target)
{
    if (leat_type_of(target) != LEAT_LIST) {
        return write_target(s, target);
    }
    for (leat_iter it = leat_iter_of(target); leat_next(&it);) {
        if (!write_target(s, it.item)) {
            return false;
        }
    }
    return true;
}

static enum task_end write_command(struct writing *s, leat_view v,
                                   leat_value **parent)
{
    if (leat_tag_of(v) == LEAT_SEND) {
        return write_send(s, v) ? TASK_DONE : TASK_FAILED;
    }
    if (leat_tag_of(v) != LEAT_COMMAND) {
        return TASK_DONE;
    }
    if (is_parent(v)) {
        *parent = leat_value_of(v);
        return TASK_PARENT;
    }
    return write_goto(s, leat_get(v, "goto")) ? TASK_DONE : TASK_FAILED;
}

static enum task_end write_commands(struct writing *s, leat_view result,
                                    leat_value **parent)
{
    if (leat_type_of(result) != LEAT_LIST) {
        return write_command(s, result, parent);
    }
    for (leat_iter it = leat_iter_of(result); leat_next(&it);) {
        enum task_end end = write_command(s, it.item, parent);
        if (end != TASK_DONE) {
            return end;
        }
    }
    return TASK_DONE;
}

static void write_edges(struct writing *s)
{
    const struct graph *g = s->w->graph;
    const struct graph_node *n = s->w->node;
    for (size_t i = 0; i < n->edge_count; i++) {
        graph_writes_add(s->out, (int)g->nodes[n->edges[i]].branch_channel,
                         NULL);
    }
    for (size_t i = 0; i < n->join_count; i++) {
        graph_writes_add(s->out, (int)n->joins[i], leat_new_string(n->name));
    }
}

/* ---- branches ----------------------------------------------------------- */

/* The channels with this task's own writes reduced in. */
static bool fresh_channels(struct writing *s, struct channels *fresh)
{
    graph_channels_copy(fresh, s->w->channels);
    const struct writes *all = s->out;
    const leat_value **values =
        base_zalloc((all->count + 1) * sizeof *values);
    bool fine = true;
    for (size_t k = 0; fine && k < s->w->graph->state.count; k++) {
        uint32_t channel = s->w->graph->state.at[k];
        size_t n = 0;
        for (size_t i = 0; i < all->count; i++) {
            if (all->at[i].channel == (int)channel) {
                values[n++] = all->at[i].value;
            }
        }
        bool changed;
        fine = n == 0 ||
               graph_channel_update(fresh, channel,
                                    (struct channel_values){values, n},
                                    &changed, s->fault);
    }
    free(values);
    return fine;
}

/* The route with its labels followed (takes and gives a reference). */
static leat_value *follow_labels(const struct graph_branch *b,
                                 leat_value *route)
{
    leat_view v = leat_view_of(route);
    bool list = leat_type_of(v) == LEAT_LIST;
    if (b->labels == NULL || route == NULL) {
        return route;
    }
    size_t n = list ? leat_count(v) : 1;
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        leat_view one = list ? leat_at(v, (long)i) : v;
        items[i] = leat_value_of(one);
        for (size_t k = 0; b->labels[k] != NULL; k++) {
            if (leat_is(one, b->labels[k])) {
                leat_drop(items[i]);
                items[i] = leat_new_string(b->targets[k]);
                break;
            }
        }
    }
    leat_value *out = leat_new_list(n, items);
    free(items);
    leat_drop(route);
    return out;
}

static bool is_among(char *const *names, leat_view name)
{
    while (*names != NULL && !leat_is(name, *names)) {
        names++;
    }
    return *names != NULL;
}

/* Where targets are named the look-up fails as that in a dict; where not,
 * only nothing and the start are nowhere to go. */
static bool check_destination(struct writing *s,
                              const struct graph_branch *branch,
                              leat_view to)
{
    enum leat_type t = leat_type_of(to);
    if (leat_tag_of(to) == LEAT_SEND) {
        return true;
    }
    char *const *names =
        branch->labels != NULL ? branch->labels : branch->targets;
    if (names != NULL && is_among(names, to)) {
        return true;
    }
    if (names != NULL) {
        char *shown = graph_fault_key(to);
        graph_fault_set(s->fault, "KeyError", "%s", shown);
        free(shown);
        return false;
    }
    bool nowhere = t == LEAT_MISSING || t == LEAT_NULL ||
                   leat_is(to, LEAT_START);
    return !nowhere || graph_fault_set(s->fault, "ValueError",
                                       "Branch did not return a valid "
                                       "destination");
}

/* A branch leads to where a goto would, but has to lead somewhere. */
static bool check_route(struct writing *s, const struct graph_branch *branch,
                        leat_view route)
{
    bool fine = true;
    if (leat_type_of(route) != LEAT_LIST) {
        fine = check_destination(s, branch, route);
    }
    for (size_t i = 0; fine && leat_type_of(route) == LEAT_LIST &&
                       i < leat_count(route); i++) {
        fine = check_destination(s, branch, leat_at(route, (long)i));
    }
    return fine;
}

static enum task_end write_branch(struct writing *s,
                                  const struct graph_branch *branch,
                                  leat_view state)
{
    leat_value *route = graph_context_route(s->w->ctx, branch, state);
    enum task_end end = graph_context_end(s->w->ctx, s->fault);
    if (end == TASK_DONE && !check_route(s, branch, leat_view_of(route))) {
        end = TASK_FAILED;
    }
    route = follow_labels(branch, route);
    if (end == TASK_DONE && !write_goto(s, leat_view_of(route))) {
        end = TASK_FAILED;
    }
    leat_drop(route);
    return end;
}

/* What a branch sees: the state, and keys of the result that are none of it. */
static leat_value *seen_by_branch(struct writing *s, struct channels *fresh,
                                  leat_view result)
{
    leat_value *state = graph_managed_add(
        s->w->graph, graph_channels_read(fresh, &s->w->graph->state),
        graph_context_steps_left(s->w->ctx));
    if (leat_type_of(result) != LEAT_OBJECT || leat_tag_of(result) != 0) {
        return state;
    }
    leat_value *all = leat_value_of(result);
    for (leat_iter it = leat_iter_of(leat_view_of(state)); leat_next(&it);) {
        char *key = base_memdup(it.key.ptr, it.key.len);
        leat_value *more =
            leat_with(leat_view_of(all), key, leat_value_of(it.item));
        free(key);
        leat_drop(all);
        all = more;
    }
    leat_drop(state);
    return all;
}

static enum task_end write_branches(struct writing *s, leat_view result)
{
    const struct graph_node *n = s->w->node;
    if (n->branch_count == 0) {
        return TASK_DONE;
    }
    struct channels fresh;
    leat_value *state = NULL;
    enum task_end end = TASK_FAILED;
    if (fresh_channels(s, &fresh)) {
        state = seen_by_branch(s, &fresh, result);
        end = TASK_DONE;
    }
    for (size_t i = 0; end == TASK_DONE && i < n->branch_count; i++) {
        end = write_branch(s, &n->branches[i], leat_view_of(state));
    }
    leat_drop(state);
    graph_channels_fini(&fresh);
    return end;
}

enum task_end graph_writer_run(const struct task_writer *w, leat_view result,
                               struct writes *out, leat_value **parent,
                               struct fault *f)
{
    must(w->graph == w->channels->graph);
    must(parent != NULL && *parent == NULL);
    struct writing s = {.w = w, .out = out, .fault = f};
    if (!write_states(&s, result)) {
        return TASK_FAILED;
    }
    enum task_end end = write_commands(&s, result, parent);
    if (end != TASK_DONE) {
        return end;
    }
    write_edges(&s);
    return write_branches(&s, result);
}
