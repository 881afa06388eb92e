/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/draw.c: a graph as nodes and edges for people to look at (engine.h).
 * A nested graph is one node, or its own nodes in its place: then edges lead
 * to where it begins and come from where it ends. Where that is not one node
 * its start or end is drawn, as Python does.
 */
#include "worker/graph/fields.h"
#include "worker/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A graph being drawn, in the node of the one around it. */
struct place {
    const struct graph *graph;
    const struct place *outer; /* NULL: the graph itself */
    const struct graph_node *node; /* in outer */
    unsigned depth;            /* nested graphs still to be opened */
    bool keeps_start, keeps_end; /* drawn, in an opened graph */
};

/* One edge as it is declared; a node NULL is the end. */
struct edge {
    const struct graph_node *from, *to;
    bool conditional;
    const char *label; /* what the branch says for it, or NULL */
};

struct drawing {
    leat_writer *nodes, *edges;
};

typedef void edge_fn(void *arg, const struct place *p, const struct edge *e);

/* ---- edges of one graph ------------------------------------------------- */

struct walk {
    const struct place *place;
    edge_fn *fn;
    void *arg;
    const struct graph_node *from; /* the node at hand */
    size_t turn;                   /* one more for each of them */
    size_t *reached;               /* by node number: the last turn */
    bool silent;                   /* only notes what is reached */
};

static size_t number_of(const struct graph *g, const struct graph_node *n)
{
    return n != NULL ? n->number : g->node_count;
}

/* Of several edges between the same nodes the first one is drawn. */
static void step(struct walk *w, const struct graph_node *to,
                 bool conditional, const char *label)
{
    size_t *reached = &w->reached[number_of(w->place->graph, to)];
    const struct edge e = {w->from, to, conditional, label};
    bool known = *reached == w->turn;
    *reached = w->turn;
    if (!known && !w->silent) {
        w->fn(w->arg, w->place, &e);
    }
}

/* A node that leads nowhere leads to the end. */
static void walk_plain(struct walk *w)
{
    const struct graph *g = w->place->graph;
    const struct graph_node *n = w->from;
    for (size_t i = 0; i < n->edge_count; i++) {
        step(w, &g->nodes[n->edges[i]], false, NULL);
    }
    for (size_t i = 0; i < n->join_count; i++) {
        step(w, &g->nodes[g->channels[n->joins[i]].wakes[0]], false, NULL);
    }
    bool leads = n->edge_count + n->join_count + n->branch_count > 0;
    if (n->ends_here || (!leads && n->ends == NULL)) {
        step(w, NULL, false, NULL);
    }
}

/* A label that is the node's name says nothing. */
static void walk_names(struct walk *w, char *const *names,
                       char *const *labels)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        const struct graph_node *to =
            graph_node_get(w->place->graph, names[i], strlen(names[i]));
        const char *label = labels != NULL ? labels[i] : names[i];
        if (to != NULL || strcmp(names[i], LEAT_END) == 0) {
            step(w, to, true, strcmp(label, names[i]) != 0 ? label : NULL);
        }
    }
}

/* A branch that does not say where it goes may go anywhere. */
static void walk_branches(struct walk *w)
{
    const struct graph *g = w->place->graph;
    const struct graph_node *n = w->from;
    for (size_t i = 0; i < n->branch_count; i++) {
        if (n->branches[i].targets != NULL) {
            walk_names(w, n->branches[i].targets, n->branches[i].labels);
            continue;
        }
        for (size_t j = 1; j < g->node_count; j++) {
            if (&g->nodes[j] != n) {
                step(w, &g->nodes[j], true, NULL);
            }
        }
        step(w, NULL, true, NULL);
    }
    walk_names(w, n->ends, NULL);
}

/* Plain edges first. */
static void walk(const struct place *p, edge_fn *fn, void *arg)
{
    const struct graph *g = p->graph;
    struct walk w = {.place = p, .fn = fn, .arg = arg};
    w.reached = base_zalloc((g->node_count + 1) * sizeof *w.reached);
    for (size_t i = 0; i < g->node_count; i++) {
        w.from = &g->nodes[i];
        w.turn++;
        walk_plain(&w);
    }
    for (size_t i = 0; i < g->node_count; i++) {
        w.from = &g->nodes[i];
        w.turn++;
        w.silent = true;
        walk_plain(&w);
        w.silent = false;
        walk_branches(&w);
    }
    free(w.reached);
}

/* ---- does an opened graph need its start and end? ------------------------ */

/* What there is at one of its ends, the end itself aside. */
struct tally {
    bool entering;  /* the start; else the end */
    size_t edges;   /* that touch it */
    bool *touched;  /* by node number, the end last: has another edge on that
                       side, so that nothing begins (ends) there */
};

static void tally_edge(void *arg, const struct place *p, const struct edge *e)
{
    struct tally *t = arg;
    bool at_end = t->entering ? e->from->hidden : e->to == NULL;
    if (at_end) {
        t->edges++;
    } else {
        t->touched[number_of(p->graph, t->entering ? e->to : e->from)] = true;
    }
}

/* With one edge, to what is then the only node where the graph begins (or
 * ends), it can go. */
static bool needs_tip(const struct place *p, bool entering)
{
    const struct graph *g = p->graph;
    struct tally t = {.entering = entering,
                      .touched = base_zalloc(g->node_count + 1)};
    size_t own = entering ? 0 : g->node_count, left = 0;
    walk(p, tally_edge, &t);
    for (size_t i = 0; i < g->node_count; i++) {
        left += i != own && !t.touched[i] ? 1 : 0;
    }
    free(t.touched);
    return t.edges > 0 && (t.edges != 1 || left != 1);
}

/* ---- names and places --------------------------------------------------- */

struct arrivals {
    bool *at; /* by node number, the end last */
};

static void note_arrival(void *arg, const struct place *p,
                         const struct edge *e)
{
    struct arrivals *a = arg;
    a->at[number_of(p->graph, e->to)] = true;
}

/* Is every node reached, and the end? Other graphs stay one node, and those
 * without memory, of which nothing can be asked, too. */
static bool can_open(const struct graph *g)
{
    const struct place p = {.graph = g};
    struct arrivals a = {base_zalloc(g->node_count + 1)};
    bool all = true;
    walk(&p, note_arrival, &a);
    for (size_t i = 1; i <= g->node_count; i++) {
        all = all && a.at[i];
    }
    free(a.at);
    return all && g->memory != LEAT_MEMORY_NONE;
}

static bool is_open(const struct place *p, const struct graph_node *n)
{
    return n != NULL && n->child != NULL && p->depth > 0 &&
           can_open(n->child);
}

static struct place inside(const struct place *p, const struct graph_node *n)
{
    struct place in = {
        .graph = n->child,
        .outer = p,
        .node = n,
        .depth = p->depth - 1,
    };
    in.keeps_start = needs_tip(&in, true);
    in.keeps_end = needs_tip(&in, false);
    return in;
}

/* "outer:inner:node"; the caller frees it. */
static char *path_of(const struct place *p, const struct graph_node *n)
{
    char *path = base_strdup(n != NULL ? n->name : LEAT_END);
    for (; p->outer != NULL; p = p->outer) {
        char *longer = NULL;
        must(asprintf(&longer, "%s:%s", p->node->name, path) >= 0);
        free(path);
        path = longer;
    }
    return path;
}

/* ---- the ends of an edge ------------------------------------------------ */

/* Calls back for each drawn node that an edge may begin or end at. */
struct tips {
    void (*fn)(void *arg, const char *id);
    void *arg;
    bool entering; /* where the graph begins; else where it ends */
};

static void visit_tips(const struct place *p, const struct graph_node *n,
                       const struct tips *t);

static void on_inner_edge(void *arg, const struct place *p,
                          const struct edge *e)
{
    const struct tips *t = arg;
    bool begins = e->from->hidden;
    if (t->entering && begins && e->to != NULL) {
        visit_tips(p, e->to, t);
    } else if (!t->entering && e->to == NULL && !begins) {
        visit_tips(p, e->from, t);
    }
}

static void tell_tip(const struct place *p, const struct graph_node *n,
                     const struct tips *t)
{
    char *id = path_of(p, n);
    t->fn(t->arg, id);
    free(id);
}

/* Depth is bounded: graphs nest GRAPH_DEPTH_MAX deep at most. */
static void visit_tips(const struct place *p, const struct graph_node *n,
                       const struct tips *t)
{
    if (is_open(p, n)) {
        struct place in = inside(p, n);
        if (t->entering ? in.keeps_start : in.keeps_end) {
            tell_tip(&in, t->entering ? &in.graph->nodes[0] : NULL, t);
        } else {
            walk(&in, on_inner_edge, (void *)(uintptr_t)t);
        }
        return;
    }
    tell_tip(p, n, t);
}

struct link {
    struct drawing *drawing;
    const struct place *place;
    const struct edge *edge;
    const char *source;
};

static void on_target(void *arg, const char *id)
{
    struct link *l = arg;
    leat_writer *w = l->drawing->edges;
    leat_write_object(w);
    leat_write_key(w, "source");
    leat_write_string(w, l->source);
    leat_write_key(w, "target");
    leat_write_string(w, id);
    if (l->edge->label != NULL) {
        leat_write_key(w, "data");
        leat_write_string(w, l->edge->label);
    }
    leat_write_key(w, "conditional");
    leat_write_bool(w, l->edge->conditional);
    leat_write_end(w);
}

static void on_source(void *arg, const char *id)
{
    struct link *l = arg;
    l->source = id;
    const struct tips targets = {
        .fn = on_target,
        .arg = l,
        .entering = true,
    };
    visit_tips(l->place, l->edge->to, &targets);
}

/* ---- drawing ------------------------------------------------------------ */

static void draw_edge(void *arg, const struct place *p, const struct edge *e)
{
    bool unseen = (e->from->hidden && !p->keeps_start) ||
                  (e->to == NULL && !p->keeps_end);
    if (p->outer != NULL && unseen) {
        return;
    }
    struct link l = {.drawing = arg, .place = p, .edge = e};
    const struct tips sources = {
        .fn = on_source,
        .arg = &l,
    };
    visit_tips(p, e->from, &sources);
}

static void draw_schema(struct drawing *d, const char *id)
{
    leat_writer *w = d->nodes;
    leat_write_object(w);
    leat_write_key(w, "id");
    leat_write_string(w, id);
    leat_write_key(w, "type");
    leat_write_string(w, "schema");
    leat_write_key(w, "data");
    leat_write_string(w, id);
    leat_write_end(w);
}

static bool stops(const struct graph_stops *at, const struct graph_node *n)
{
    return at->nodes != NULL && at->nodes[n->number];
}

/* What the author gave it, and where runs wait for others or for people. */
static leat_value *metadata_of(const struct graph *g,
                               const struct graph_node *n)
{
    bool before = stops(&g->before, n), after = stops(&g->after, n);
    leat_value *m = n->metadata != NULL ? leat_hold(n->metadata)
                                        : leat_new_object(0, NULL, NULL);
    if (n->defer) {
        leat_value *more = leat_with(leat_view_of(m), "defer",
                                     leat_new_bool(true));
        leat_drop(m);
        m = more;
    }
    if (before || after) {
        leat_value *more = leat_with(
            leat_view_of(m), "__interrupt",
            leat_new_string(!after    ? "before"
                            : !before ? "after"
                                      : "before,after"));
        leat_drop(m);
        m = more;
    }
    return m;
}

static void draw_node(struct drawing *d, const struct place *p,
                      const struct graph_node *n)
{
    char *id = path_of(p, n);
    leat_value *data = leat_pack(
        "{s:[s,s], s:s}", "id", "langgraph",
        n->child != NULL ? "CompiledStateGraph" : "RunnableCallable", "name",
        n->child != NULL ? n->child->name : n->name);
    leat_writer *w = d->nodes;
    leat_write_object(w);
    leat_write_key(w, "id");
    leat_write_string(w, id);
    leat_write_key(w, "type");
    leat_write_string(w, "runnable");
    leat_write_key(w, "data");
    leat_write_view(w, leat_view_of(data));
    leat_value *metadata = metadata_of(p->graph, n);
    if (leat_count(leat_view_of(metadata)) > 0) {
        leat_write_key(w, "metadata");
        leat_write_view(w, leat_view_of(metadata));
    }
    leat_write_end(w);
    leat_drop(metadata);
    leat_drop(data);
    free(id);
}

static void draw_tip(struct drawing *d, const struct place *p,
                     const struct graph_node *n)
{
    char *id = path_of(p, n);
    draw_schema(d, id);
    free(id);
}

static void draw_nodes(struct drawing *d, const struct place *p)
{
    if (p->keeps_start) {
        draw_tip(d, p, &p->graph->nodes[0]);
    }
    for (size_t i = 1; i < p->graph->node_count; i++) {
        const struct graph_node *n = &p->graph->nodes[i];
        if (is_open(p, n)) {
            struct place in = inside(p, n);
            draw_nodes(d, &in);
        } else {
            draw_node(d, p, n);
        }
    }
    if (p->keeps_end) {
        draw_tip(d, p, NULL);
    }
}

static void draw_edges(struct drawing *d, const struct place *p)
{
    walk(p, draw_edge, d);
    for (size_t i = 1; i < p->graph->node_count; i++) {
        if (is_open(p, &p->graph->nodes[i])) {
            struct place in = inside(p, &p->graph->nodes[i]);
            draw_edges(d, &in);
        }
    }
}

leat_value *graph_draw(const struct graph *g, unsigned depth)
{
    must(g != NULL);
    const struct place root = {
        .graph = g, .depth = depth, .keeps_start = true, .keeps_end = true};
    struct drawing d = {leat_writer_new(), leat_writer_new()};
    leat_write_list(d.nodes);
    leat_write_list(d.edges);
    draw_nodes(&d, &root);
    draw_edges(&d, &root);
    leat_write_end(d.nodes);
    leat_write_end(d.edges);
    struct fields f = {0};
    graph_fields_add(&f, "nodes", leat_writer_finish(&d.nodes));
    graph_fields_add(&f, "edges", leat_writer_finish(&d.edges));
    return graph_fields_object(&f);
}
