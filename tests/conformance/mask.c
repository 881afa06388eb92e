/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.c: runs the rows of mask.tbl.h, and the walks that their functions
 * share.
 */
#include "tests/conformance/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum side { RECORDED, BOTH };

static const struct row {
    void (*run)(struct mask *m, tree *results);
    enum side side;
    unsigned libraries;
} rows[] = {
#define MASK(name, side, libraries, where, why) {mask_##name, side, libraries},
#define EXPECT(trace, libraries, file, why)
#include "tests/conformance/mask.tbl.h"
#undef MASK
#undef EXPECT
};

static const struct expectation {
    const char *trace;
    unsigned libraries;
    const char *file;
} expectations[] = {
#define MASK(name, side, libraries, where, why)
#define EXPECT(trace, libraries, file, why) {trace, libraries, file},
#include "tests/conformance/mask.tbl.h"
#undef MASK
#undef EXPECT
};

void mask_apply(struct mask *m)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((rows[i].libraries & (unsigned)m->library) == 0) {
            continue;
        }
        rows[i].run(m, m->recorded);
        if (rows[i].side == BOTH) {
            rows[i].run(m, m->ours);
        }
    }
}

enum mask_library mask_library_of(const tree *trace)
{
    const tree *library = tree_get(trace, "library");
    const char *js = tree_string(tree_get(library, "@langchain/langgraph"));
    int major = 0, minor = 0;
    if (js == NULL || sscanf(js, "%d.%d", &major, &minor) != 2) {
        return PY;
    }
    return major > 1 || minor >= 7 ? V17 : V14;
}

const char *mask_expectation(const char *name, enum mask_library library)
{
    size_t len = strcspn(name, "-");
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        const struct expectation *e = &expectations[i];
        if ((e->libraries & (unsigned)library) != 0 &&
            strlen(e->trace) == len && strncmp(e->trace, name, len) == 0) {
            return e->file;
        }
    }
    return NULL;
}

/* ---- walks -------------------------------------------------------------- */

static const char *twin_of(const tree *debug)
{
    const tree *type = tree_get(debug, "type");
    return tree_is(type, "checkpoint") ? "checkpoints" : "tasks";
}

static bool read_event(struct mask_event *e)
{
    e->event = tree_at(e->events, e->index);
    e->mode = tree_string(tree_at(e->event, 1));
    e->payload = tree_at(e->event, 2);
    if (e->mode == NULL || e->payload == NULL) {
        return false;
    }
    e->debug = strcmp(e->mode, "debug") == 0;
    if (e->debug) {
        e->mode = twin_of(e->payload);
        e->payload = tree_get(e->payload, "payload");
    }
    return e->payload != NULL;
}

void mask_events(struct mask *m, tree *results, mask_event_fn *fn)
{
    for (size_t r = 0; r < tree_count(results); r++) {
        struct mask_event e = {.mask = m};
        e.step = tree_get(tree_at(results, r), "step");
        e.events = tree_get(tree_at(results, r), "events");
        while (e.index < tree_count(e.events)) {
            if (read_event(&e) && fn(&e)) {
                tree_drop_at(e.events, e.index);
            } else {
                e.index++;
            }
        }
    }
}

static void walk_state(struct mask *m, tree *state,
                       void (*fn)(struct mask *m, tree *state), int depth)
{
    if (tree_get(state, "values") == NULL || depth > 16) {
        return;
    }
    tree *tasks = tree_get(state, "tasks");
    for (size_t i = 0; i < tree_count(tasks); i++) {
        walk_state(m, tree_get(tree_at(tasks, i), "state"), fn, depth + 1);
    }
    fn(m, state);
}

void mask_states(struct mask *m, tree *results,
                 void (*fn)(struct mask *m, tree *state))
{
    for (size_t r = 0; r < tree_count(results); r++) {
        tree *result = tree_at(results, r);
        tree *history = tree_get(result, "history");
        walk_state(m, tree_get(result, "state"), fn, 0);
        for (size_t i = 0; i < tree_count(history); i++) {
            walk_state(m, tree_at(history, i), fn, 0);
        }
    }
}

void mask_all(tree *t, void (*fn)(tree *t, void *arg), void *arg)
{
    if (t == NULL) {
        return;
    }
    fn(t, arg);
    for (size_t i = 0; i < t->count; i++) {
        mask_all(t->items[i], fn, arg);
    }
}

/* ---- namespaces --------------------------------------------------------- */

bool mask_same_ns(const tree *a, const tree *b)
{
    if (tree_count(a) == 0 || tree_count(b) == 0) {
        return tree_count(a) == tree_count(b);
    }
    return tree_equal(a, b);
}

char *mask_ns_text(const tree *ns)
{
    size_t len = 1;
    for (size_t i = 0; i < tree_count(ns); i++) {
        len += strlen(tree_string(tree_at(ns, i))) + 1;
    }
    char *text = base_zalloc(len);
    size_t at = 0;
    for (size_t i = 0; i < tree_count(ns); i++) {
        int n = snprintf(text + at, len - at, "%s%s", i == 0 ? "" : "|",
                         tree_string(tree_at(ns, i)));
        at += (size_t)n;
    }
    return text;
}

/* The graph that a node is or calls. */
static const tree *graph_of_node(const struct mask *m, const tree *node)
{
    const char *name = tree_string(tree_get(node, "graph"));
    const tree *ops = tree_get(node, "do");
    for (size_t i = 0; name == NULL && i < tree_count(ops); i++) {
        name = tree_string(tree_get(tree_at(ops, i), "graph"));
    }
    return name == NULL ? NULL : tree_get(m->graphs, name);
}

const tree *mask_graph_of(const struct mask *m, const tree *ns)
{
    const tree *graph = tree_get(m->graphs, "main");
    for (size_t i = 0; graph != NULL && i < tree_count(ns); i++) {
        const char *segment = tree_string(tree_at(ns, i));
        size_t len = strcspn(segment, ":");
        if (strspn(segment, "0123456789") == strlen(segment)) {
            continue; /* another call of the same graph in the same task */
        }
        char *node = base_memdup(segment, len);
        graph = graph_of_node(m, tree_get(tree_get(graph, "nodes"), node));
        free(node);
    }
    return graph;
}

/* ---- pieces that rows share --------------------------------------------- */

tree *mask_repr(const tree *error)
{
    const char *name = tree_string(tree_get(error, "name"));
    const char *message = tree_string(tree_get(error, "message"));
    must(name != NULL && message != NULL);
    bool shown = strcmp(name, "KeyError") == 0 &&
                 (message[0] == '\'' || strcmp(message, "None") == 0);
    if (shown) { /* the message is the key's own repr */
        char *out = NULL;
        must(asprintf(&out, "%s(%s)", name, message) >= 0);
        tree *t = tree_text(out);
        free(out);
        return t;
    }
    const char *quote = strchr(message, '\'') != NULL &&
                                strchr(message, '"') == NULL
                            ? "\""
                            : "'";
    size_t size = strlen(name) + 2 * strlen(message) + 8;
    char *text = base_zalloc(size);
    int at = snprintf(text, size, "%s(%s", name, quote);
    for (const char *c = message; *c != '\0'; c++) {
        bool escape = *c == '\n' || *c == '\\' ||
                      (*c == '\'' && quote[0] == '\'');
        if (escape) {
            text[at++] = '\\';
        }
        text[at++] = *c == '\n' ? 'n' : *c;
    }
    text[at++] = quote[0];
    text[at] = ')';
    tree *out = tree_text(text);
    free(text);
    return out;
}

bool mask_is_start(const struct mask_event *e)
{
    return strcmp(e->mode, "tasks") == 0 &&
           tree_get(e->payload, "result") == NULL;
}

bool mask_is_result(const struct mask_event *e)
{
    return strcmp(e->mode, "tasks") == 0 &&
           tree_get(e->payload, "result") != NULL;
}
