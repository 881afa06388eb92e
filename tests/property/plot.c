/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot.c: random numbers, and what is done to a thread with them: inputs,
 * answers, commands, forks, edits, whatever makes sense where it stands.
 */
#include "tests/property/property.h"

#include "tests/conformance/compare.h"
#include "worker/graph/expr.h"
#include <stdio.h>
#include <string.h>

/* ---- dice --------------------------------------------------------------- */

uint64_t dice_next(struct dice *d)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t dice_below(struct dice *d, size_t n)
{
    must(n > 0);
    return (size_t)(dice_next(d) % n);
}

bool dice_chance(struct dice *d, unsigned percent)
{
    return dice_next(d) % 100 < percent;
}

/* ---- parts of a request ------------------------------------------------- */

/* An expression of the case without any state. */
static leat_value *evaluate(leat_view expr)
{
    struct graph_scope scope = {0};
    struct err err = ERR_INIT;
    leat_value *out = NULL;
    must(graph_expr_eval(expr, &scope, &out, &err));
    return out != NULL ? out : leat_new_null();
}

static leat_value *some_input(struct trial *t)
{
    size_t n = leat_count(t->inputs);
    return evaluate(leat_at(t->inputs, (long)dice_below(&t->dice, n)));
}

static leat_view some_name(struct trial *t)
{
    size_t n = leat_count(t->names);
    return leat_at(t->names, (long)dice_below(&t->dice, n));
}

static leat_value *some_stops(struct trial *t)
{
    if (dice_chance(&t->dice, 30)) {
        return leat_new_string("*");
    }
    return leat_pack("[v]", some_name(t));
}

static leat_value *some_answer(struct trial *t)
{
    static const char *const answers[] = {"\"yes\"", "1", "false", "\"\"",
                                          "{\"k\":1}", "[\"l\"]"};
    const char *json = answers[dice_below(&t->dice, COUNT_OF(answers))];
    return leat_from_json(json, strlen(json), NULL, 0);
}

/* Every question or some of them, by id. */
static leat_value *some_answers(struct trial *t, leat_view questions)
{
    leat_value *map = leat_new_object(0, NULL, NULL);
    for (leat_iter it = leat_iter_of(questions); leat_next(&it);) {
        char id[ID_HEX_SIZE] = "";
        leat_text text = leat_string(leat_get(it.item, "id"));
        if (it.index > 0 && dice_chance(&t->dice, 30)) {
            continue;
        }
        must(text.len < sizeof id);
        memcpy(id, text.ptr, text.len);
        leat_value *more = leat_with(leat_view_of(map), id, some_answer(t));
        leat_drop(map);
        map = more;
    }
    return map;
}

static leat_value *answer_command(struct trial *t, leat_view questions)
{
    bool one = leat_count(questions) == 1 && dice_chance(&t->dice, 60);
    leat_value *resume = one ? some_answer(t) : some_answers(t, questions);
    if (dice_chance(&t->dice, 25)) {
        return leat_pack("{s:V, s:{s:[s]}}", "resume", resume, "update",
                         "log", "with-answer");
    }
    return leat_pack("{s:V}", "resume", resume);
}

static leat_value *steer_command(struct trial *t)
{
    switch (dice_below(&t->dice, 4)) {
    case 0:
        return leat_pack("{s:{s:[s]}}", "update", "log", "only-update");
    case 1:
        return leat_pack("{s:v}", "goto", some_name(t));
    case 2:
        return leat_pack("{s:[v,v], s:{s:[s]}}", "goto", some_name(t),
                         some_name(t), "update", "log", "steer");
    default:
        return leat_pack("{s:v, s:{s:[s]}}", "goto", some_name(t), "update",
                         "log", "steer");
    }
}

/* The id of any checkpoint of the thread. */
static void some_checkpoint(struct trial *t, struct world *w,
                            char out[ID_TEXT_SIZE])
{
    leat_value *history = world_history(w);
    size_t n = leat_count(leat_view_of(history));
    out[0] = '\0';
    if (n > 0) {
        leat_view at = leat_at(leat_view_of(history),
                               (long)dice_below(&t->dice, n));
        leat_text id = leat_string(
            leat_get(leat_get(leat_get(at, "config"), "configurable"),
                     "checkpoint_id"));
        must(id.len == ID_TEXT_SIZE - 1);
        memcpy(out, id.ptr, id.len);
        out[id.len] = '\0';
    }
    leat_drop(history);
}

/* ---- the next run ------------------------------------------------------- */

static void some_options(struct trial *t, struct ask *a)
{
    if (dice_chance(&t->dice, 15)) {
        *(dice_chance(&t->dice, 50) ? &a->before : &a->after) =
            some_stops(t);
    }
    if (dice_chance(&t->dice, 15)) {
        a->recursion_limit = 1 + (unsigned)dice_below(&t->dice, 5);
    }
    /* With exit nothing is stored but at the end, in several writes: there
     * the places of a task's writes follow the library, which moves them. */
    if (dice_chance(&t->dice, 15)) {
        a->durability = GRAPH_DURABILITY_SYNC;
    }
}

static void edit(struct trial *t, struct world *w)
{
    struct ask a = {.run_id = "11111111-0000-4000-8000-0000000000ed"};
    leat_value *values = leat_pack("{s:[s]}", "log", "edited");
    leat_value *node = leat_value_of(some_name(t));
    leat_text name = leat_string(leat_view_of(node));
    char as_node[64];
    snprintf(as_node, sizeof as_node, "%.*s", (int)name.len, name.ptr);
    if (dice_chance(&t->dice, 40)) {
        some_checkpoint(t, w, a.checkpoint_id);
    }
    (void)world_update(w, &a, leat_view_of(values), as_node);
    leat_drop(node);
    leat_drop(values);
}

static void any_next(struct trial *t, struct world *w, struct ask *a)
{
    switch (dice_below(&t->dice, 7)) {
    case 0:
    case 1:
        a->input = some_input(t);
        break;
    case 2:
        a->command = steer_command(t);
        break;
    case 3:
        some_checkpoint(t, w, a->checkpoint_id);
        break;
    case 4:
        some_checkpoint(t, w, a->checkpoint_id);
        a->input = some_input(t);
        break;
    case 5:
        some_checkpoint(t, w, a->checkpoint_id);
        a->command = steer_command(t);
        break;
    default:
        edit(t, w);
        break;
    }
}

void plot_next(struct trial *t, struct world *w, size_t n, struct ask *out)
{
    *out = (struct ask){0};
    snprintf(out->run_id, sizeof out->run_id,
             "11111111-0000-4000-8000-%012zu", n);
    leat_value *state = n > 0 ? world_state(w, NULL) : NULL;
    leat_view s = leat_view_of(state);
    leat_view questions = leat_get(s, "interrupts");
    if (n == 0) {
        out->input = some_input(t);
    } else if (leat_count(questions) > 0 && dice_chance(&t->dice, 75)) {
        out->command = answer_command(t, questions);
    } else if (leat_count(leat_get(s, "next")) == 0 ||
               dice_chance(&t->dice, 50)) {
        any_next(t, w, out);
    }
    leat_drop(state);
    some_options(t, out);
}

/* ---- comparing ---------------------------------------------------------- */

bool same(const struct trial *t, const char *what, tree *want, tree *got)
{
    bool equal = tree_equal(want, got);
    if (!equal) {
        printf("    seed %llu: %s\n", (unsigned long long)t->seed, what);
        (void)compare_diff(want, got, 6);
    }
    tree_destroy(&want);
    tree_destroy(&got);
    return equal;
}
