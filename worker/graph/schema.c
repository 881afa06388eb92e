/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/schema.c: what a graph takes, keeps and gives, as JSON Schemas: those
 * its author wrote, else what the kinds of its channels say (engine.h).
 */
#include "worker/graph/fields.h"
#include "worker/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one graph ---------------------------------------------------------- */

static leat_value *key_schema(const struct graph_channel *c)
{
    if (c->schema != NULL) {
        return leat_hold(c->schema);
    }
    switch (c->kind) {
    case CHANNEL_APPEND:
    case CHANNEL_TOPIC:
        return leat_pack("{s:s}", "type", "array");
    case CHANNEL_SUM:
        return leat_pack("{s:s}", "type", "number");
    case CHANNEL_MESSAGES:
        return leat_pack("{s:s, s:{s:s}, s:s}", "type", "array", "items",
                         "type", "object", "langgraph_type", "messages");
    default:
        return leat_new_object(0, NULL, NULL); /* anything */
    }
}

static leat_value *keys_schema(const struct graph *g,
                               const struct graph_keys *keys)
{
    const char **names = base_zalloc((keys->count + 1) * sizeof *names);
    leat_value **items = base_zalloc((keys->count + 1) * sizeof *items);
    for (size_t i = 0; i < keys->count; i++) {
        names[i] = g->channels[keys->at[i]].name;
        items[i] = key_schema(&g->channels[keys->at[i]]);
    }
    struct fields f = {0};
    graph_fields_text(&f, "type", "object");
    graph_fields_add(&f, "properties",
                     leat_new_object(keys->count, names, items));
    free(names);
    free(items);
    return graph_fields_object(&f);
}

static leat_value *written(const struct graph *g, const char *which)
{
    return leat_value_of(leat_get(leat_view_of(g->schemas), which));
}

static leat_value *schema_of(const struct graph *g, const char *which,
                             const struct graph_keys *keys)
{
    leat_value *own = written(g, which);
    return own != NULL ? own : keys_schema(g, keys);
}

leat_value *graph_schema(const struct graph *g)
{
    must(g != NULL);
    leat_value *config = written(g, "config");
    leat_value *context = written(g, "context");
    struct fields f = {0};
    graph_fields_add(&f, "input_schema", schema_of(g, "input", &g->input));
    graph_fields_add(&f, "output_schema", schema_of(g, "output", &g->output));
    graph_fields_add(&f, "state_schema", schema_of(g, "state", &g->state));
    graph_fields_add(&f, "config_schema",
                     config != NULL ? config
                                    : leat_pack("{s:s, s:{}}", "type",
                                                "object", "properties"));
    graph_fields_add(&f, "context_schema",
                     context != NULL ? context : leat_new_null());
    return graph_fields_object(&f);
}

/* ---- the graphs in it --------------------------------------------------- */

struct listing {
    const char *only; /* NULL: all */
    bool recurse;
    leat_value *out;
};

/* Is it the one that is looked for, or on the way there? */
static bool leads_to(const struct listing *l, const char *ns)
{
    size_t n = strlen(ns);
    return l->only == NULL ||
           (strncmp(l->only, ns, n) == 0 &&
            (l->only[n] == '\0' || l->only[n] == '|'));
}

static void list(struct listing *l, const struct graph *g, const char *ns)
{
    for (size_t i = 1; i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[i];
        char *own = NULL;
        if (n->child == NULL) {
            continue;
        }
        must(asprintf(&own, "%s%s%s", ns, ns[0] != '\0' ? "|" : "",
                      n->name) >= 0);
        if (l->only == NULL || strcmp(l->only, own) == 0) {
            leat_value *more = leat_with(leat_view_of(l->out), own,
                                         graph_schema(n->child));
            leat_drop(l->out);
            l->out = more;
        }
        if (leads_to(l, own) && (l->recurse || l->only != NULL)) {
            list(l, n->child, own);
        }
        free(own);
    }
}

leat_value *graph_schema_subgraphs(const struct graph *g, const char *ns,
                                   bool recurse)
{
    must(g != NULL);
    struct listing l = {
        .only = ns,
        .recurse = recurse,
        .out = leat_new_object(0, NULL, NULL),
    };
    list(&l, g, "");
    return l.out;
}
