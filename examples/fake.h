/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h: a chat model for examples and tests: it answers by the state it is
 * given, with an even number of AI messages the first text, with an odd number
 * the second, so any worker gives the same answer. Streams one piece for each
 * character.
 */
#ifndef EXAMPLES_FAKE_H
#define EXAMPLES_FAKE_H

#include <leat/graph.h>
#include <string.h>

static inline bool fake_is_ai(leat_view message)
{
    return leat_is(leat_get(message, "type"), "ai");
}

static inline const char *fake_pick(leat_view messages, const char *first,
                                    const char *second)
{
    int answers = 0;
    leat_iter it = leat_iter_of(messages);
    while (leat_next(&it)) {
        answers += fake_is_ai(it.item);
    }
    return answers % 2 == 0 ? first : second;
}

/* Bytes of the UTF-8 character that begins with `c`. */
static inline size_t fake_char_len(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Streams `text` and gives the message; NULL when the node must stop. */
static inline leat_value *fake_answer(leat_context *ctx, leat_view messages,
                                      const char *text)
{
    struct leat_model_spec spec;
    memset(&spec, 0, sizeof spec);
    spec.name = "FakeChatModel";
    spec.messages = messages;
    leat_model *m = leat_model_begin(ctx, &spec);
    bool go_on = true;
    while (*text != '\0' && go_on) {
        size_t len = fake_char_len((unsigned char)*text);
        go_on = leat_model_text(m, text, len);
        text += len;
    }
    return leat_model_end(m);
}

#endif
