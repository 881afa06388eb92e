/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c: the graph that runs while processes die. It takes `length` steps;
 * each tells about itself `beats` times, a few milliseconds apart, and then
 * adds its number to the state: a step that was applied twice, or never, is
 * seen in the numbers. At the end a model says so, letter by letter.
 */
#include <leat/graph.h>

static const struct leat_fake_reply replies[] = {{.text = "arrived"}};
static const struct leat_fake model = {
    .replies = replies, .count = 1, .chunk = 1, .delay_ms = 2};

static int64_t given(leat_view state, const char *key, int64_t otherwise)
{
    return leat_int(leat_get(state, key), otherwise);
}

static leat_value *step(leat_context *ctx, leat_view state)
{
    int64_t at = (int64_t)leat_count(leat_get(state, "steps"));
    int64_t beats = given(state, "beats", 1);
    for (int64_t beat = 0; beat < beats; beat++) {
        leat_emit(ctx, leat_pack("{s:I, s:I}", "step", at, "beat", beat));
        if (!leat_sleep_ms(ctx, given(state, "ms", 1))) {
            return NULL;
        }
    }
    return leat_pack("{s:[I]}", "steps", at);
}

static leat_value *speak(leat_context *ctx, leat_view state)
{
    leat_value *reply =
        leat_fake_answer(ctx, &model, leat_get(state, "messages"));
    return reply == NULL ? NULL : leat_pack("{s:[V]}", "messages", reply);
}

static leat_value *next(leat_context *ctx, leat_view state)
{
    (void)ctx;
    int64_t at = (int64_t)leat_count(leat_get(state, "steps"));
    return leat_new_string(at < given(state, "length", 1) ? "step" : "speak");
}

static void build(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "length", LEAT_LAST_VALUE);
    leat_add_channel(g, "beats", LEAT_LAST_VALUE);
    leat_add_channel(g, "ms", LEAT_LAST_VALUE);
    leat_add_channel(g, "steps", LEAT_APPEND);
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "step", step);
    leat_add_node(g, "speak", speak);
    leat_add_edge(g, LEAT_START, "step");
    leat_add_branch(g, "step", next, NULL);
    leat_add_edge(g, "speak", LEAT_END);
}

/* A node that follows no cancel: its process has to go. */
static leat_value *deaf(leat_context *ctx, leat_view state)
{
    (void)state;
    for (int64_t i = 0;; i++) {
        if (i % 100000000 == 0) {
            leat_emit(ctx, leat_pack("{s:I}", "turn", i / 100000000));
        }
    }
}

static void build_deaf(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "x", LEAT_LAST_VALUE);
    leat_add_node(g, "deaf", deaf);
    leat_add_edge(g, LEAT_START, "deaf");
    leat_add_edge(g, "deaf", LEAT_END);
}

LEAT_GRAPHS({"walk", build, false}, {"deaf", build_deaf, false})
