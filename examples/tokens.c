/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.c: one fake answer of 1,000 tokens of one character. */
#include <leat/graph.h>
#include <string.h>

static leat_value *model(leat_context *ctx, leat_view state)
{
    char text[1001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const struct leat_fake_reply reply = {.text = text};
    const struct leat_fake fake = {.replies = &reply, .count = 1, .chunk = 1};
    leat_value *answer =
        leat_fake_answer(ctx, &fake, leat_get(state, "messages"));
    return answer == NULL ? NULL : leat_pack("{s:[V]}", "messages", answer);
}

static void tokens(leat_graph *g, leat_view config)
{
    (void)config;
    leat_add_channel(g, "messages", LEAT_MESSAGES);
    leat_add_node(g, "model", model);
    leat_add_edge(g, LEAT_START, "model");
    leat_add_edge(g, "model", LEAT_END);
}

LEAT_GRAPHS({"tokens", tokens, false})
