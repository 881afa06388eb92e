/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot.c: random numbers, and what is done to a thread with them: inputs,
 * answers, commands, forks, edits, whatever makes sense where it stands.
 */
#include "tests/property/property.h"

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

/* ---- parts of a run ------------------------------------------------------ */

static leat_value *some_input(struct trial *t)
{
    size_t n = leat_count(t->inputs);
    return leat_value_of(leat_at(t->inputs, (long)dice_below(&t->dice, n)));
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

/* Every question or some of them, in their order; null: not this one. */
static leat_value *some_answers(struct trial *t, size_t questions)
{
    leat_value *list = leat_new_list(0, NULL);
    for (size_t i = 0; i < questions; i++) {
        bool left = i > 0 && dice_chance(&t->dice, 30);
        leat_value *answer = left ? leat_new_null() : some_answer(t);
        leat_value *more = leat_append(leat_view_of(list), 1, &answer);
        leat_drop(list);
        list = more;
    }
    return list;
}

/* Adds to the spec; takes both. */
static leat_value *with(leat_value *spec, const char *key, leat_value *item)
{
    leat_value *more = leat_with(leat_view_of(spec), key, item);
    leat_drop(spec);
    return more;
}

/* The place in the history of any checkpoint of the thread, or NULL. */
static leat_value *some_checkpoint(struct trial *t, struct world *w)
{
    leat_value *history = world_history(w);
    size_t n = leat_count(leat_view_of(history));
    leat_drop(history);
    return n > 0 ? leat_new_int((int64_t)dice_below(&t->dice, n)) : NULL;
}

static leat_value *answer_run(struct trial *t, struct world *w,
                              size_t questions)
{
    bool one = questions == 1 && dice_chance(&t->dice, 60);
    leat_value *spec =
        one ? leat_pack("{s:{s:V}}", "command", "resume", some_answer(t))
            : leat_pack("{s:V}", "answers", some_answers(t, questions));
    if (dice_chance(&t->dice, 10)) {
        spec = with(spec, "checkpoint", some_checkpoint(t, w));
    }
    if (!dice_chance(&t->dice, 25)) {
        return spec;
    }
    leat_value *command = leat_with(leat_get(leat_view_of(spec), "command"),
                                    "update",
                                    leat_pack("{s:[s]}", "log", "with-answer"));
    return with(spec, "command", command);
}

static leat_value *steer_command(struct trial *t)
{
    switch (dice_below(&t->dice, 5)) {
    case 0:
        return leat_pack("{s:{s:[s]}}", "update", "log", "only-update");
    case 3:
        return leat_pack("{s:[{s:v, s:{s:[s]}}, v]}", "goto", "node",
                         some_name(t), "input", "log", "sent", some_name(t));
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

/* ---- the next run ------------------------------------------------------- */

static leat_value *some_options(struct trial *t, leat_value *spec)
{
    if (dice_chance(&t->dice, 15)) {
        spec = with(spec, dice_chance(&t->dice, 50) ? "before" : "after",
                    some_stops(t));
    }
    if (dice_chance(&t->dice, 15)) {
        spec = with(spec, "limit",
                    leat_new_int(1 + (int64_t)dice_below(&t->dice, 5)));
    }
    if (dice_chance(&t->dice, 30)) {
        const char *name = dice_chance(&t->dice, 70) ? "exit" : "sync";
        spec = with(spec, "durability", leat_new_string(name));
    }
    return spec;
}

static leat_value *some_edit(struct trial *t, struct world *w)
{
    leat_value *edit = leat_pack("{s:v, s:{s:[s]}}", "as_node", some_name(t),
                                 "values", "log", "edited");
    if (dice_chance(&t->dice, 40)) {
        edit = with(edit, "checkpoint", some_checkpoint(t, w));
    }
    return edit;
}

static leat_value *any_run(struct trial *t, struct world *w)
{
    leat_value *spec = leat_new_object(0, NULL, NULL);
    switch (dice_below(&t->dice, 7)) {
    case 0:
    case 1:
        return with(spec, "input", some_input(t));
    case 2:
        return with(spec, "command", steer_command(t));
    case 3:
        return with(spec, "checkpoint", some_checkpoint(t, w));
    case 4:
        spec = with(spec, "checkpoint", some_checkpoint(t, w));
        return with(spec, "input", some_input(t));
    case 5:
        spec = with(spec, "checkpoint", some_checkpoint(t, w));
        return with(spec, "command", steer_command(t));
    default:
        return with(spec, "edit", some_edit(t, w));
    }
}

leat_value *plot_run(struct trial *t, struct world *w, size_t n)
{
    leat_value *spec;
    leat_value *state = n > 0 ? world_state(w, NULL) : NULL;
    leat_view s = leat_view_of(state);
    size_t questions = leat_count(leat_get(s, "interrupts"));
    if (n == 0) {
        spec = leat_pack("{s:V}", "input", some_input(t));
    } else if (questions > 0 && dice_chance(&t->dice, 75)) {
        spec = answer_run(t, w, questions);
    } else if (leat_count(leat_get(s, "next")) == 0 ||
               dice_chance(&t->dice, 50)) {
        spec = any_run(t, w);
    } else {
        spec = leat_new_object(0, NULL, NULL);
    }
    leat_drop(state);
    return some_options(t, spec);
}
