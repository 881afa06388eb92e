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

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c & 0x80) != 0; /* of other scripts: stays as it is */
}

/* "next_step" is headed "Next Step", as Python does. */
static leat_value *title_of(const char *key)
{
    while (*key == '_') {
        key++;
    }
    char *title = base_strdup(key);
    size_t len = strlen(title);
    while (len > 0 && title[len - 1] == '_') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        bool inside = i > 0 && is_letter(title[i - 1]);
        if (title[i] == '_') {
            title[i] = ' ';
        } else if (inside && title[i] >= 'A' && title[i] <= 'Z') {
            title[i] = (char)(title[i] - 'A' + 'a');
        } else if (!inside && title[i] >= 'a' && title[i] <= 'z') {
            title[i] = (char)(title[i] - 'a' + 'A');
        }
    }
    leat_value *v = leat_new_string_n(title, len);
    free(title);
    return v;
}

/* What a key of this kind holds; a key of any kind has a title. */
static leat_value *key_schema(const struct graph_channel *c)
{
    struct fields f = {0};
    if (c->schema != NULL) {
        return leat_hold(c->schema);
    }
    graph_fields_add(&f, "title", title_of(c->name));
    switch (c->kind) {
    case CHANNEL_APPEND:
        if (c->initial != NULL) { /* else the first value may be any */
            graph_fields_text(&f, "type", "array");
        }
        break;
    case CHANNEL_SUM:
        graph_fields_text(&f, "type", "number");
        break;
    case CHANNEL_MESSAGES:
        graph_fields_text(&f, "type", "array");
        graph_fields_add(&f, "items", leat_pack("{s:s}", "type", "object"));
        graph_fields_text(&f, "langgraph_type", "messages");
        break;
    default: /* anything */
        break;
    }
    return graph_fields_object(&f);
}

static leat_value *keys_schema(const struct graph *g, const char *title,
                               const struct graph_keys *keys)
{
    const char **names = base_zalloc((keys->count + 1) * sizeof *names);
    leat_value **items = base_zalloc((keys->count + 1) * sizeof *items);
    for (size_t i = 0; i < keys->count; i++) {
        names[i] = g->channels[keys->at[i]].name;
        items[i] = key_schema(&g->channels[keys->at[i]]);
    }
    struct fields f = {0};
    graph_fields_text(&f, "title", title);
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
    bool whole = keys->count == g->state.count;
    const char *title = whole                          ? "State"
                        : strcmp(which, "input") == 0 ? "Input"
                                                      : "Output";
    return own != NULL ? own : keys_schema(g, title, keys);
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
