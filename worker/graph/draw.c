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
    bool any; /* of the node at hand */
};

static void step(struct walk *w, const struct graph_node *from,
                 const struct graph_node *to, bool conditional)
{
    const struct edge e = {from, to, conditional};
    w->any = true;
    w->fn(w->arg, w->place, &e);
}

static void walk_plain(struct walk *w, const struct graph_node *n)
{
    const struct graph *g = w->place->graph;
    for (size_t i = 0; i < n->edge_count; i++) {
        step(w, n, &g->nodes[n->edges[i]], false);
    }
    for (size_t i = 0; i < n->join_count; i++) {
        step(w, n, &g->nodes[g->channels[n->joins[i]].wakes[0]], false);
    }
    if (n->ends_here) {
        step(w, n, NULL, false);
    }
}

static void walk_names(struct walk *w, const struct graph_node *n,
                       char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        const struct graph_node *to =
            graph_node_get(w->place->graph, *names, strlen(*names));
        if (to != NULL || strcmp(*names, LEAT_END) == 0) {
            step(w, n, to, true);
        }
    }
}

/* A branch that does not say where it goes may go anywhere. */
static void walk_branches(struct walk *w, const struct graph_node *n)
{
    const struct graph *g = w->place->graph;
    for (size_t i = 0; i < n->branch_count; i++) {
        if (n->branches[i].targets != NULL) {
            walk_names(w, n, n->branches[i].targets);
            continue;
        }
        for (size_t j = 1; j < g->node_count; j++) {
            if (&g->nodes[j] != n) {
                step(w, n, &g->nodes[j], true);
            }
        }
        step(w, n, NULL, true);
    }
    walk_names(w, n, n->ends);
}

/* Plain edges first; a node that leads nowhere leads to the end. */
static void walk(const struct place *p, edge_fn *fn, void *arg)
{
    struct walk w = {.place = p, .fn = fn, .arg = arg};
    for (size_t i = 0; i < p->graph->node_count; i++) {
        const struct graph_node *n = &p->graph->nodes[i];
        w.any = n->branch_count > 0 || n->ends != NULL;
        walk_plain(&w, n);
        if (!w.any) {
            step(&w, n, NULL, false);
        }
    }
    for (size_t i = 0; i < p->graph->node_count; i++) {
        walk_branches(&w, &p->graph->nodes[i]);
    }
}

/* ---- does an opened graph need its start and end? ------------------------ */

/* What there is at one of its ends, the end itself aside. */
struct tally {
    bool entering;  /* the start; else the end */
    size_t edges;   /* that touch it */
    bool *touched;  /* by node number, the end last: has another edge on that
                       side, so that nothing begins (ends) there */
};

static size_t number_of(const struct graph *g, const struct graph_node *n)
{
    return n != NULL ? n->number : g->node_count;
}

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

static bool is_open(const struct place *p, const struct graph_node *n)
{
    return n != NULL && n->child != NULL && p->depth > 0;
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
    void (*fn)(void *arg, const char *id, bool conditional);
    void *arg;
    bool entering;    /* where the graph begins; else where it ends */
    bool conditional;
};

static void visit_tips(const struct place *p, const struct graph_node *n,
                       const struct tips *t);

static void on_inner_edge(void *arg, const struct place *p,
                          const struct edge *e)
{
    const struct tips *t = arg;
    struct tips inner = *t;
    inner.conditional = t->conditional || e->conditional;
    bool begins = e->from->hidden;
    if (t->entering && begins && e->to != NULL) {
        visit_tips(p, e->to, &inner);
    } else if (!t->entering && e->to == NULL && !begins) {
        visit_tips(p, e->from, &inner);
    }
}

static void tell_tip(const struct place *p, const struct graph_node *n,
                     const struct tips *t)
{
    char *id = path_of(p, n);
    t->fn(t->arg, id, t->conditional);
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
    bool conditional;
};

static void on_target(void *arg, const char *id, bool conditional)
{
    struct link *l = arg;
    leat_writer *w = l->drawing->edges;
    leat_write_object(w);
    leat_write_key(w, "source");
    leat_write_string(w, l->source);
    leat_write_key(w, "target");
    leat_write_string(w, id);
    leat_write_key(w, "conditional");
    leat_write_bool(w, conditional);
    leat_write_end(w);
}

static void on_source(void *arg, const char *id, bool conditional)
{
    struct link *l = arg;
    l->source = id;
    const struct tips targets = {
        .fn = on_target,
        .arg = l,
        .entering = true,
        .conditional = conditional,
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
        .conditional = e->conditional,
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
    if (n->metadata != NULL) {
        leat_write_key(w, "metadata");
        leat_write_view(w, leat_view_of(n->metadata));
    }
    leat_write_end(w);
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
