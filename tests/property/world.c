/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.c: see world.h.
 */
#include "tests/property/world.h"

#include "common/value.h"
#include "tests/conformance/compare.h"
#include "worker/graph/checkpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD "t1"
/* Some graphs double their state in every step. */
#define STATE_BYTES_MAX ((size_t)64 * 1024)
#define EXECUTED_MAX 2000 /* or their number */
#define RECURSION_LIMIT 12

/* ---- the journal -------------------------------------------------------- */

enum kind { PUT, WRITES, VIEW };

struct note {
    enum kind kind;
    char *ns;
    char id[ID_TEXT_SIZE];
    struct graph_checkpoint cp; /* PUT */
    char ts[40];
    struct graph_write *writes; /* WRITES */
    size_t count;
    leat_value *view;           /* VIEW */
};

struct journal {
    struct note *at;
    size_t count, room;
};

static struct note *add_note(struct journal *j, enum kind kind,
                             const struct graph_spot *spot)
{
    if (j->count == j->room) {
        j->room = j->room == 0 ? 32 : j->room * 2;
        j->at = base_realloc(j->at, j->room * sizeof *j->at);
    }
    struct note *n = &j->at[j->count++];
    *n = (struct note){.kind = kind, .ns = base_strdup(spot->ns)};
    must(base_copy(n->id, sizeof n->id, spot->id));
    return n;
}

static void note_put(struct journal *j, const struct graph_checkpoint *cp)
{
    const struct graph_spot spot = {cp->ns, cp->id};
    struct note *n = add_note(j, PUT, &spot);
    n->cp = *cp;
    must(base_copy(n->ts, sizeof n->ts, cp->ts));
    leat_hold(cp->channel_values);
    leat_hold(cp->channel_versions);
    leat_hold(cp->versions_seen);
    leat_hold(cp->metadata);
    leat_hold(cp->view);
}

static void note_writes(struct journal *j, const struct graph_spot *spot,
                        const struct graph_write *w, size_t n)
{
    struct note *to = add_note(j, WRITES, spot);
    to->writes = base_zalloc((n + 1) * sizeof *to->writes);
    to->count = n;
    for (size_t i = 0; i < n; i++) {
        to->writes[i] = w[i];
        to->writes[i].channel = base_strdup(w[i].channel);
        leat_hold(w[i].value);
    }
}

static void note_fini(struct note *n)
{
    graph_stored_fini(&n->cp);
    for (size_t i = 0; i < n->count; i++) {
        free((char *)(uintptr_t)n->writes[i].channel);
        leat_drop((leat_value *)(uintptr_t)n->writes[i].value);
    }
    free(n->writes);
    leat_drop(n->view);
    free(n->ns);
}

/* Does to a store what was done to the first one. */
static void replay(struct note *n, const struct graph_saver *s)
{
    struct err err = ERR_INIT;
    const struct graph_spot spot = {n->ns, n->id};
    bool fine = false;
    switch (n->kind) {
    case PUT: {
        struct graph_checkpoint cp = n->cp;
        cp.ns = n->ns;
        cp.ts = n->ts;
        fine = s->put(s->self, &cp, &err);
        break;
    }
    case WRITES:
        fine = s->put_writes(s->self, &spot, n->writes, n->count, &err);
        break;
    case VIEW:
        fine = s->put_view(s->self, n->ns, n->id, n->view, &err);
        break;
    }
    must(fine);
}

/* ---- the saver in front of the memory ----------------------------------- */

static const struct graph_saver *inner(const void *self)
{
    const struct world *w = self;
    return graph_memory_saver(w->memory);
}

static bool on_load(void *self, const char *ns, const char *id,
                    struct graph_saved *out, struct err *err)
{
    const struct graph_saver *s = inner(self);
    return s->load(s->self, ns, id, out, err);
}

static bool on_list(void *self, const struct graph_query *q,
                    struct graph_saved **out, size_t *n, struct err *err)
{
    const struct graph_saver *s = inner(self);
    return s->list(s->self, q, out, n, err);
}

static bool on_put(void *self, const struct graph_checkpoint *cp,
                   struct err *err)
{
    const struct graph_saver *s = inner(self);
    struct world *w = self;
    leat_view values = leat_view_of(cp->channel_values);
    note_put(w->journal, cp);
    if (value_packed_size(values) > STATE_BYTES_MAX) {
        w->grew = true;
        graph_cancel_set(w->cancel);
    }
    return s->put(s->self, cp, err);
}

static bool on_put_writes(void *self, const struct graph_spot *at,
                          const struct graph_write *w, size_t n,
                          struct err *err)
{
    const struct graph_saver *s = inner(self);
    note_writes(((struct world *)self)->journal, at, w, n);
    return s->put_writes(s->self, at, w, n, err);
}

static bool on_put_view(void *self, const char *ns, const char *id,
                        const leat_value *view, struct err *err)
{
    const struct graph_saver *s = inner(self);
    const struct graph_spot spot = {ns, id};
    add_note(((struct world *)self)->journal, VIEW, &spot)->view =
        leat_hold(view);
    return s->put_view(s->self, ns, id, view, err);
}

static bool on_flush(void *self, struct err *err)
{
    (void)self;
    (void)err;
    return true;
}

/* ---- worlds ------------------------------------------------------------- */

void ask_fini(struct ask *a)
{
    leat_drop(a->input);
    leat_drop(a->command);
    leat_drop(a->before);
    leat_drop(a->after);
    *a = (struct ask){0};
}

void world_init(struct world *w, const struct graph *g)
{
    *w = (struct world){.graph = g};
    w->journal = base_zalloc(sizeof *w->journal);
    w->memory = graph_memory_new();
    w->cancel = graph_cancel_new();
    w->saver = (struct graph_saver){
        .self = w,
        .load = on_load,
        .list = on_list,
        .put = on_put,
        .put_writes = on_put_writes,
        .put_view = on_put_view,
        .flush = on_flush,
    };
}

void world_branch(struct world *w, const struct world *from, size_t n)
{
    must(n <= from->journal->count);
    world_init(w, from->graph);
    for (size_t i = 0; i < n; i++) {
        replay(&from->journal->at[i], &w->saver);
    }
}

void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->journal->count; i++) {
        note_fini(&w->journal->at[i]);
    }
    free(w->journal->at);
    free(w->journal);
    graph_memory_destroy(&w->memory);
    graph_cancel_destroy(&w->cancel);
    graph_result_fini(&w->result);
}

size_t world_writes(const struct world *w)
{
    return w->journal->count;
}

static void print_note(size_t at, const struct note *n)
{
    static const char *const kinds[] = {"put", "writes", "view"};
    printf("    %3zu %-6s %.8s ns '%s'", at, kinds[n->kind], n->id + 9, n->ns);
    if (n->kind == PUT) {
        char *metadata = leat_to_json(leat_view_of(n->cp.metadata));
        printf(" %s", metadata);
        leat_free_text(metadata);
    }
    for (size_t i = 0; i < n->count; i++) {
        char *value = leat_to_json(leat_view_of(n->writes[i].value));
        printf(" %.4s[%d] %s=%.40s", n->writes[i].task_id,
               n->writes[i].index, n->writes[i].channel, value);
        leat_free_text(value);
    }
    printf("\n");
}

static void write_value(FILE *f, const leat_value *v)
{
    char *json = leat_to_json(leat_view_of(v));
    fprintf(f, " %s", json);
    leat_free_text(json);
}

static void write_note(FILE *f, const struct note *n)
{
    fprintf(f, "%d %s %s", (int)n->kind, n->id, n->ns);
    if (n->kind == PUT) {
        fprintf(f, " %s %s", n->cp.parent_id, n->ts);
        write_value(f, n->cp.channel_values);
        write_value(f, n->cp.channel_versions);
        write_value(f, n->cp.versions_seen);
        write_value(f, n->cp.metadata);
        write_value(f, n->cp.view);
    }
    for (size_t i = 0; i < n->count; i++) {
        const struct graph_write *w = &n->writes[i];
        fprintf(f, " %s %d %s", w->task_id, w->index, w->channel);
        write_value(f, w->value);
    }
    if (n->kind == VIEW) {
        write_value(f, n->view);
    }
    fprintf(f, "\n");
}

void world_write(const struct world *w, FILE *f)
{
    for (size_t i = 0; i < w->journal->count; i++) {
        write_note(f, &w->journal->at[i]);
    }
}

void world_print(const struct world *w, size_t from)
{
    for (size_t i = from; i < w->journal->count; i++) {
        print_note(i, &w->journal->at[i]);
    }
}

/* ---- the host ----------------------------------------------------------- */

static void on_emit(void *arg, const struct graph_event *ev)
{
    struct world *w = arg;
    if (w->emit != NULL) {
        w->emit(w->arg, ev);
    }
}

static void on_busy(void *arg, bool executing)
{
    struct world *w = arg;
    w->executed += executing ? 1 : 0;
    if (w->executed > EXECUTED_MAX) {
        w->grew = true;
        graph_cancel_set(w->cancel);
    }
}

/* ---- runs --------------------------------------------------------------- */

static bool is_own(struct world *w, const char *run_id)
{
    struct graph_saved saved = {0};
    struct err err = ERR_INIT;
    must(on_load(w, "", NULL, &saved, &err));
    bool own = saved.found &&
               leat_is(leat_get(leat_view_of(saved.cp.metadata), "run_id"),
                       run_id);
    graph_saved_fini(&saved);
    return own;
}

static leat_value *config_of(const struct ask *a)
{
    return leat_pack("{s:{s:s}, s:{s:s}}", "configurable", "thread_id",
                     THREAD, "metadata", "run_id", a->run_id);
}

void world_run(struct world *w, const struct ask *a, int attempt)
{
    leat_value *config = config_of(a);
    const struct graph_request req = {
        .thread_id = THREAD,
        .run_id = a->run_id,
        .attempt = attempt,
        .input = leat_view_of(a->input),
        .command = leat_view_of(a->command),
        .checkpoint_id = a->checkpoint_id,
        .config = leat_view_of(config),
        .interrupt_before = leat_view_of(a->before),
        .interrupt_after = leat_view_of(a->after),
        .durability = a->durability,
        .modes = w->modes,
        .subgraphs = true,
        .recursion_limit = a->recursion_limit > 0 ? a->recursion_limit
                                                  : RECURSION_LIMIT,
        .continued = attempt > 1 && is_own(w, a->run_id),
    };
    const struct graph_host host = {
        .arg = w,
        .emit = on_emit,
        .busy = on_busy,
        .saver = &w->saver,
        .cancel = w->cancel,
    };
    graph_result_fini(&w->result);
    w->executed = 0;
    graph_run(w->graph, &req, &host, &w->result);
    leat_drop(config);
}

bool world_update(struct world *w, const struct ask *a, leat_view values,
                  const char *as_node)
{
    leat_value *config = config_of(a);
    leat_value *steps = leat_pack("[[{s:v, s:?s}]]", "values", values,
                                  "as_node", as_node);
    const struct graph_request req = {
        .thread_id = THREAD,
        .run_id = a->run_id,
        .checkpoint_id = a->checkpoint_id,
        .config = leat_view_of(config),
    };
    const struct graph_host host = {.saver = &w->saver};
    const struct graph_asked asked = {w->graph, &req, &host};
    struct graph_updated updated = {0};
    struct err err = ERR_INIT;
    bool fine = graph_state_update(&asked, leat_view_of(steps), &updated,
                                   &err);
    leat_drop(updated.config);
    leat_drop(steps);
    leat_drop(config);
    return fine;
}

/* ---- looking ------------------------------------------------------------ */

leat_value *world_state(struct world *w, const char *checkpoint_id)
{
    const struct graph_request req = {
        .thread_id = THREAD,
        .run_id = "",
        .checkpoint_id = checkpoint_id,
        .subgraphs = true,
    };
    const struct graph_host host = {.saver = &w->saver};
    const struct graph_asked asked = {w->graph, &req, &host};
    struct err err = ERR_INIT;
    leat_value *out = NULL;
    return graph_state_get(&asked, &out, &err) ? out : NULL;
}

leat_value *world_history(struct world *w)
{
    const struct graph_request req = {.thread_id = THREAD, .run_id = ""};
    const struct graph_host host = {.saver = &w->saver};
    const struct graph_asked asked = {w->graph, &req, &host};
    const struct graph_query all = {0};
    struct err err = ERR_INIT;
    leat_value *out = NULL;
    must(graph_state_history(&asked, &all, &out, &err));
    return out;
}

static tree *result_tree(const struct graph_result *r)
{
    static const char *const names[] = {"done", "interrupted", "failed",
                                        "cancelled", "fenced"};
    tree *t = tree_object();
    tree_set(t, "status", tree_text(names[r->status]));
    tree_set(t, "error_type", tree_text(r->error_type));
    tree_set(t, "error_text",
             tree_text(r->error_text == NULL ? "" : r->error_text));
    tree_set(t, "values", tree_from_view(leat_view_of(r->values)));
    tree_set(t, "interrupts", tree_from_view(leat_view_of(r->interrupts)));
    tree_set(t, "next", tree_text(r->next ? "yes" : "no"));
    return t;
}

static void add(tree *list, const char *name, tree *item)
{
    tree *t = tree_object();
    tree_set(t, name, item);
    tree_push(list, t);
}

tree *world_look(struct world *w)
{
    tree *out = tree_list();
    leat_value *history = world_history(w);
    leat_value *state = world_state(w, NULL);
    add(out, "history", tree_from_view(leat_view_of(history)));
    add(out, "state", tree_from_view(leat_view_of(state)));
    add(out, "result", result_tree(&w->result));
    leat_drop(state);
    leat_drop(history);
    compare_renumber(out);
    return out;
}
