/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_events.c: the rows about which events there are, and in what order.
 */
#include "tests/conformance/mask.h"

#include "common/buf.h"
#include <stdlib.h>
#include <string.h>

/* The event before this one in its namespace that is no debug twin. */
static tree *previous_in_ns(const struct mask_event *e)
{
    for (size_t i = e->index; i > 0; i--) {
        tree *other = tree_at(e->events, i - 1);
        if (!tree_is(tree_at(other, 1), "debug") &&
            mask_same_ns(tree_at(other, 0), tree_at(e->event, 0))) {
            return other;
        }
    }
    return NULL;
}

/* A result that no `updates` of its task came before. */
static bool is_bare_result(const struct mask_event *e)
{
    const char *name = tree_string(tree_get(e->payload, "name"));
    tree *before = previous_in_ns(e);
    if (e->debug || !mask_is_result(e) || name == NULL ||
        !tree_is_empty(tree_get(e->payload, "result")) ||
        !tree_is_empty(tree_get(e->payload, "interrupts"))) {
        return false;
    }
    return !tree_is(tree_at(before, 1), "updates") ||
           tree_get(tree_at(before, 2), name) == NULL;
}

/* Removes the debug event behind this one; the caller removes this one. */
static bool with_twin(struct mask_event *e)
{
    if (tree_is(tree_at(tree_at(e->events, e->index + 1), 1), "debug")) {
        tree_drop_at(e->events, e->index + 1);
    }
    return true;
}

/* ---- rows --------------------------------------------------------------- */

static bool is_tools(struct mask_event *e)
{
    return strcmp(e->mode, "tools") == 0;
}

void mask_tools_mode(struct mask *m, tree *results)
{
    mask_events(m, results, is_tools);
}

static bool is_static_values(struct mask_event *e)
{
    return strcmp(e->mode, "values") == 0 &&
           tree_is_empty(tree_get(e->payload, "__interrupt__"));
}

void mask_static_interrupt(struct mask *m, tree *results)
{
    mask_events(m, results, is_static_values);
    for (size_t i = 0; i < tree_count(results); i++) {
        tree *output = tree_get(tree_at(results, i), "output");
        if (tree_is_empty(tree_get(output, "__interrupt__"))) {
            tree_drop(output, "__interrupt__");
        }
    }
}

/* Can the node of this event leave for its parent? */
static bool may_leave(const struct mask_event *e)
{
    const tree *graph = mask_graph_of(e->mask, tree_at(e->event, 0));
    const char *name = tree_string(tree_get(e->payload, "name"));
    const tree *node = name == NULL
                           ? NULL
                           : tree_get(tree_get(graph, "nodes"), name);
    char *text = tree_to_json(node);
    bool may = tree_count(tree_at(e->event, 0)) > 0 &&
               strstr(text, "\"PARENT\"") != NULL;
    free(text);
    return may;
}

static bool is_parent_command(struct mask_event *e)
{
    const tree *error = tree_get(e->payload, "error");
    bool named = tree_is(tree_get(error, "name"), "ParentCommand");
    if (!is_bare_result(e) || !may_leave(e)) {
        return false;
    }
    return (e->mask->library == V14 || named) && with_twin(e);
}

void mask_parent_command(struct mask *m, tree *results)
{
    mask_events(m, results, is_parent_command);
}

static bool is_abort(const tree *error)
{
    return tree_is(tree_get(error, "name"), "AbortError") &&
           tree_is(tree_get(error, "message"), "This operation was aborted");
}

/* A failed result of this namespace and step came before: the first failure
 * is the run's, later ones are aborts. 1.4 does not name them. */
static bool is_after_failure(struct mask_event *e)
{
    struct mask_event other = *e;
    for (size_t i = e->index; i > 0; i--) {
        other.index = i - 1;
        other.event = tree_at(e->events, other.index);
        other.mode = tree_string(tree_at(other.event, 1));
        other.payload = tree_at(other.event, 2);
        other.debug = strcmp(other.mode, "debug") == 0;
        if (!mask_same_ns(tree_at(other.event, 0), tree_at(e->event, 0))) {
            continue;
        }
        if (strcmp(other.mode, "checkpoints") == 0) {
            return false;
        }
        if (!other.debug && is_bare_result(&other)) {
            return true;
        }
    }
    return false;
}

static bool is_aborted(struct mask_event *e)
{
    if (!is_bare_result(e)) {
        return false;
    }
    bool aborted = e->mask->library == V14
                       ? is_after_failure(e)
                       : is_abort(tree_get(e->payload, "error"));
    return aborted && with_twin(e);
}

static void rename_aborts(tree *t, void *arg)
{
    (void)arg;
    if (t->type == TREE_OBJECT && is_abort(tree_get(t, "error"))) {
        tree_set(t, "error", tree_text("CancelledError()"));
    }
}

void mask_aborted_sibling(struct mask *m, tree *results)
{
    for (size_t i = 0; i < tree_count(results); i++) {
        tree *result = tree_at(results, i);
        if (tree_get(result, "error") != NULL) {
            tree *failed = tree_list(); /* only runs that failed */
            tree_push(failed, result);
            mask_events(m, failed, is_aborted);
            (void)tree_take_at(failed, 0);
            tree_destroy(&failed);
        }
    }
    mask_all(results, rename_aborts, NULL);
}

/* ---- nested events that were not asked for ------------------------------ */

static bool wants_subgraphs(const tree *step)
{
    const tree *wanted = tree_get(step, "subgraphs");
    return wanted == NULL || wanted->flag;
}

/* Do only nodes run that are graphs, so that an event must be of one? */
static bool only_graphs_run(const struct mask_event *e)
{
    const tree *nodes = tree_get(tree_get(e->mask->graphs, "main"), "nodes");
    int graphs = 0, others = 0;
    for (size_t i = 0; i < e->index; i++) {
        const tree *event = tree_at(e->events, i);
        const tree *payload = tree_at(event, 2);
        const char *name = tree_string(tree_get(payload, "name"));
        if (!tree_is(tree_at(event, 1), "tasks") || name == NULL) {
            continue;
        }
        bool graph = tree_get(tree_get(nodes, name), "graph") != NULL;
        int change = tree_get(payload, "result") == NULL ? 1 : -1;
        *(graph ? &graphs : &others) += change;
    }
    return graphs > 0 && others <= 0;
}

static bool is_nested_custom(struct mask_event *e)
{
    return !wants_subgraphs(e->step) && strcmp(e->mode, "custom") == 0 &&
           only_graphs_run(e);
}

void mask_nested_custom(struct mask *m, tree *results)
{
    mask_events(m, results, is_nested_custom);
}

/* The start of the last task of that name before the event, its debug twin. */
static const tree *last_start(const struct mask_event *e, const char *name)
{
    for (size_t i = e->index; i > 0; i--) {
        const tree *event = tree_at(e->events, i - 1);
        const tree *twin = tree_at(event, 2);
        if (tree_is(tree_at(event, 1), "debug") &&
            tree_is(tree_get(twin, "type"), "task") &&
            tree_is(tree_get(tree_get(twin, "payload"), "name"), name)) {
            return twin;
        }
    }
    return NULL;
}

/* The path of a task: as the last checkpoint of its namespace lists it. */
static tree *path_of(const struct mask_event *e, const tree *task)
{
    for (size_t i = e->index; i > 0; i--) {
        const tree *event = tree_at(e->events, i - 1);
        const tree *tasks = tree_get(tree_at(event, 2), "tasks");
        for (size_t k = 0; tree_is(tree_at(event, 1), "checkpoints") &&
                           k < tree_count(tasks); k++) {
            if (tree_equal(tree_get(tree_at(tasks, k), "id"),
                           tree_get(task, "id"))) {
                return tree_copy(tree_get(tree_at(tasks, k), "path"));
            }
        }
    }
    tree *path = tree_list(); /* a run without checkpoints */
    tree_push(path, tree_text("__pregel_pull"));
    tree_push(path, tree_copy(tree_get(task, "name")));
    return path;
}

/* Metadata of a message that the task `name` of `ns` itself put out. */
static tree *output_metadata(const struct mask_event *e, const tree *ns,
                             const char *name)
{
    const tree *twin = last_start(e, name);
    const tree *task = tree_get(twin, "payload");
    const tree *own = tree_get(task, "metadata");
    const char *thread = tree_string(tree_get(e->step, "thread"));
    tree *out = own == NULL ? tree_object() : tree_copy(own);
    char *above = mask_ns_text(ns);
    struct buf place;
    buf_init(&place, 4096);
    bool ok = buf_printf(&place, "%s%s%s:%s", above,
                         above[0] == '\0' ? "" : "|", name,
                         tree_string(tree_get(task, "id")));
    must(ok);
    tree_set(out, "ls_integration", tree_text("langgraph"));
    tree_set(out, "thread_id", tree_text(thread == NULL ? "t1" : thread));
    tree_set(out, "langgraph_step", tree_copy(tree_get(twin, "step")));
    tree_set(out, "langgraph_node", tree_text(name));
    tree_set(out, "langgraph_triggers", tree_copy(tree_get(task, "triggers")));
    tree_set(out, "langgraph_path", path_of(e, task));
    tree_set(out, "langgraph_checkpoint_ns", tree_text(buf_text(&place)));
    tree_set(out, "checkpoint_ns", tree_text(buf_text(&place)));
    buf_fini(&place);
    free(above);
    return out;
}

/* [ns, "messages", [message, metadata]] before the event at `index`. */
static void insert_output(const struct mask_event *e, size_t index,
                          const tree *message, const char *name)
{
    const tree *ns = tree_at(tree_at(e->events, index), 0);
    tree *whole = tree_list(), *pair = tree_list();
    tree_push(pair, tree_copy(message));
    tree_push(pair, output_metadata(e, ns, name));
    tree_push(whole, ns == NULL ? tree_null() : tree_copy(ns));
    tree_push(whole, tree_text("messages"));
    tree_push(whole, pair);
    tree_insert(e->events, index, whole);
}

/* The message with that id in a node's output, or NULL. */
static const tree *find_message(const tree *output, const tree *id)
{
    for (size_t k = 0; k < tree_count(output); k++) {
        const tree *list = tree_at(output, k);
        for (size_t i = 0; i < tree_count(list); i++) {
            const tree *message = tree_at(list, i);
            if (tree_get(message, "type") != NULL &&
                tree_equal(tree_get(message, "id"), id)) {
                return message;
            }
        }
    }
    return NULL;
}

/* Moves on from the first nested piece: removes all pieces of its message
 * and puts the whole message where the node that holds the graph answers. */
static bool gather_nested(struct mask_event *e)
{
    const tree *metadata = tree_at(e->payload, 1);
    const char *ns = tree_string(tree_get(metadata, "langgraph_checkpoint_ns"));
    if (wants_subgraphs(e->step) || strcmp(e->mode, "messages") != 0 ||
        ns == NULL || strchr(ns, '|') == NULL) {
        return false;
    }
    char *name = base_memdup(ns, strcspn(ns, ":"));
    const tree *id = tree_get(tree_at(e->payload, 0), "id");
    for (size_t i = e->index + 1; i < tree_count(e->events); i++) {
        tree *event = tree_at(e->events, i);
        const tree *payload = tree_at(event, 2);
        if (tree_is(tree_at(event, 1), "messages") &&
            tree_equal(tree_get(tree_at(payload, 0), "id"), id)) {
            break; /* a later piece does it */
        }
        const tree *message = tree_is(tree_at(event, 1), "updates")
                                  ? find_message(tree_get(payload, name), id)
                                  : NULL;
        if (message == NULL) {
            continue;
        }
        insert_output(e, i, message, name);
        break;
    }
    free(name);
    return true;
}

void mask_nested_messages(struct mask *m, tree *results)
{
    mask_events(m, results, gather_nested);
}

/* ---- messages of commands ------------------------------------------------- */

/* Was a message with this id shown, or given to the task, before? */
static bool is_seen(const struct mask_event *e, const tree *id)
{
    for (size_t i = 0; i < e->index; i++) {
        const tree *event = tree_at(e->events, i);
        const tree *payload = tree_at(event, 2);
        if (tree_is(tree_at(event, 1), "messages") &&
            tree_equal(tree_get(tree_at(payload, 0), "id"), id)) {
            return true;
        }
        if (tree_is(tree_at(event, 1), "tasks") &&
            find_message(tree_get(payload, "input"), id) != NULL) {
            return true;
        }
    }
    return false;
}

static void show_unseen(struct mask_event *e, const tree *message,
                        const char *name)
{
    const tree *id = tree_get(message, "id");
    if (message->type == TREE_OBJECT && id != NULL &&
        tree_get(message, "response_metadata") != NULL &&
        tree_get(message, "content") != NULL && !is_seen(e, id)) {
        insert_output(e, e->index, message, name);
        e->index++;
        e->event = tree_at(e->events, e->index);
    }
}

/* One update: its values are messages or lists of them. */
static void show_update(struct mask_event *e, const tree *update,
                        const char *name)
{
    for (size_t i = 0; i < tree_count(update); i++) {
        const tree *value = tree_at(update, i);
        show_unseen(e, value, name);
        for (size_t k = 0; value->type == TREE_LIST && k < value->count;
             k++) {
            show_unseen(e, value->items[k], name);
        }
    }
}

/* What JS finds in a plain result it has shown by now: what was not shown
 * came in a Command. */
static bool show_command(struct mask_event *e)
{
    if (e->debug || strcmp(e->mode, "updates") != 0 ||
        tree_get(e->payload, "__metadata__") != NULL ||
        tree_get(e->payload, "__interrupt__") != NULL) {
        return false;
    }
    const tree *payload = e->payload;
    for (size_t i = 0; i < payload->count; i++) {
        const tree *update = payload->items[i];
        if (update->type == TREE_OBJECT) {
            show_update(e, update, payload->keys[i]);
        }
        for (size_t k = 0; update->type == TREE_LIST && k < update->count;
             k++) {
            show_update(e, update->items[k], payload->keys[i]);
        }
    }
    return false;
}

void mask_command_messages(struct mask *m, tree *results)
{
    mask_events(m, results, show_command);
}

/* ---- order -------------------------------------------------------------- */

static bool is_cached(const tree *event)
{
    const tree *mark = tree_get(tree_at(event, 2), "__metadata__");
    return tree_is(tree_at(event, 1), "updates") &&
           tree_get(mark, "cached") != NULL;
}

static bool is_start(const tree *event)
{
    const tree *payload = tree_at(event, 2);
    if (tree_is(tree_at(event, 1), "debug")) {
        return tree_is(tree_get(payload, "type"), "task");
    }
    return tree_is(tree_at(event, 1), "tasks") &&
           tree_get(payload, "result") == NULL;
}

/* Cached updates go behind the starts that follow them. */
static bool sink_cached(struct mask_event *e)
{
    size_t to = e->index;
    if (e->debug || !is_cached(e->event)) {
        return false;
    }
    for (size_t i = e->index + 1; i < tree_count(e->events); i++) {
        const tree *other = tree_at(e->events, i);
        bool here = mask_same_ns(tree_at(other, 0), tree_at(e->event, 0));
        if (!here || (!is_start(other) && !is_cached(other))) {
            break;
        }
        to = is_start(other) ? i : to;
    }
    if (to > e->index) {
        tree *event = tree_take_at(e->events, e->index);
        tree_insert(e->events, to, event);
        e->index--; /* what moved up here is looked at as well */
    }
    return false;
}

void mask_cached_order(struct mask *m, tree *results)
{
    mask_events(m, results, sink_cached);
}

static bool is_last_chunk(struct mask_event *e)
{
    const tree *message = tree_at(e->payload, 0);
    return strcmp(e->mode, "messages") == 0 &&
           tree_is(tree_get(message, "chunk_position"), "last") &&
           tree_is(tree_get(message, "content"), "");
}

void mask_last_chunk(struct mask *m, tree *results)
{
    mask_events(m, results, is_last_chunk);
}
