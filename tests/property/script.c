/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.c: runs as data (property.h), and what a trial says about itself.
 */
#include "tests/property/property.h"

#include "tests/conformance/compare.h"
#include "worker/graph/expr.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from a spec to a request -------------------------------------------- */

/* An expression without any state; NULL where there is none. */
static leat_value *evaluate(leat_view expr)
{
    struct graph_scope scope = {0};
    struct err err = ERR_INIT;
    leat_value *out = NULL;
    if (leat_type_of(expr) == LEAT_MISSING) {
        return NULL;
    }
    must(graph_expr_eval(expr, &scope, &out, &err));
    return out != NULL ? out : leat_new_null();
}

/* The id of the checkpoint at a place of the history, newest first. */
static void find_checkpoint(struct world *w, leat_view place,
                            char out[ID_TEXT_SIZE])
{
    out[0] = '\0';
    if (leat_type_of(place) != LEAT_INT) {
        return;
    }
    leat_value *history = world_history(w);
    leat_view at = leat_at(leat_view_of(history), (long)leat_int(place, 0));
    leat_text id = leat_string(leat_get(
        leat_get(leat_get(at, "config"), "configurable"), "checkpoint_id"));
    must(id.len == ID_TEXT_SIZE - 1);
    memcpy(out, id.ptr, id.len);
    out[id.len] = '\0';
    leat_drop(history);
}

/* A command that answers questions by their ids; one reference. */
static leat_value *answer(struct world *w, leat_view command,
                          leat_view answers)
{
    leat_value *state = world_state(w, NULL);
    leat_view questions = leat_get(leat_view_of(state), "interrupts");
    leat_value *map = leat_new_object(0, NULL, NULL);
    for (leat_iter it = leat_iter_of(answers); leat_next(&it);) {
        leat_text id = leat_string(
            leat_get(leat_at(questions, (long)it.index), "id"));
        char key[ID_HEX_SIZE] = "";
        if (leat_type_of(it.item) == LEAT_NULL) {
            continue;
        }
        must(id.ptr != NULL && id.len < sizeof key);
        memcpy(key, id.ptr, id.len);
        leat_value *more = leat_with(leat_view_of(map), key,
                                     leat_value_of(it.item));
        leat_drop(map);
        map = more;
    }
    leat_drop(state);
    return leat_with(command, "resume", map);
}

static void edit(struct world *w, leat_view spec)
{
    struct ask a = {.run_id = "11111111-0000-4000-8000-0000000000ed"};
    leat_text name = leat_string(leat_get(spec, "as_node"));
    char as_node[64] = "";
    must(name.len < sizeof as_node);
    memcpy(as_node, name.ptr, name.len);
    find_checkpoint(w, leat_get(spec, "checkpoint"), a.checkpoint_id);
    (void)world_update(w, &a, leat_get(spec, "values"), as_node);
}

static enum graph_durability durability_of(leat_view name)
{
    if (leat_is(name, "sync")) {
        return GRAPH_DURABILITY_SYNC;
    }
    return leat_is(name, "exit") ? GRAPH_DURABILITY_EXIT
                                 : GRAPH_DURABILITY_ASYNC;
}

static void to_ask(struct world *w, leat_view spec, size_t n, struct ask *out)
{
    leat_view command = leat_get(spec, "command");
    leat_view answers = leat_get(spec, "answers");
    *out = (struct ask){0};
    snprintf(out->run_id, sizeof out->run_id,
             "11111111-0000-4000-8000-%012zu", n);
    if (leat_type_of(leat_get(spec, "edit")) == LEAT_OBJECT) {
        edit(w, leat_get(spec, "edit"));
    }
    find_checkpoint(w, leat_get(spec, "checkpoint"), out->checkpoint_id);
    out->input = evaluate(leat_get(spec, "input"));
    if (leat_type_of(answers) == LEAT_LIST) {
        out->command = answer(w, command, answers);
    } else if (leat_type_of(command) == LEAT_OBJECT) {
        out->command = leat_value_of(command);
    }
    out->before = leat_value_of(leat_get(spec, "before"));
    out->after = leat_value_of(leat_get(spec, "after"));
    out->recursion_limit = (unsigned)leat_uint(leat_get(spec, "limit"), 0);
    out->durability = durability_of(leat_get(spec, "durability"));
}

/* ---- a trial ------------------------------------------------------------- */

bool trial_next(struct trial *t, struct world *w, struct ask *out)
{
    size_t n = t->begun;
    bool scripted = leat_type_of(t->runs) == LEAT_LIST;
    if (n >= (scripted ? leat_count(t->runs) : TRIAL_RUNS)) {
        return false;
    }
    t->told[n] = scripted ? leat_value_of(leat_at(t->runs, (long)n))
                          : plot_run(t, w, n);
    t->begun++;
    to_ask(w, leat_view_of(t->told[n]), n, out);
    return true;
}

void trial_tell(const struct trial *t)
{
    printf("    \"runs\": [");
    for (size_t i = 0; i < t->begun; i++) {
        char *text = leat_to_json(leat_view_of(t->told[i]));
        printf("%s%s", i > 0 ? ", " : "", text);
        leat_free_text(text);
    }
    printf("]\n");
}

void trial_forget(struct trial *t)
{
    for (size_t i = 0; i < t->begun; i++) {
        leat_drop(t->told[i]);
    }
    t->begun = 0;
}

bool same(const struct trial *t, const char *what, tree *want, tree *got)
{
    bool equal = tree_equal(want, got);
    if (!equal) {
        printf("    %s: %s\n", t->name, what);
        (void)compare_diff(want, got, 6);
    }
    tree_destroy(&want);
    tree_destroy(&got);
    return equal;
}
