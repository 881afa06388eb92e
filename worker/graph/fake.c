/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/fake.c: the chat model of tests and examples (leat_fake_model): which
 * reply of the script it is, and in which pieces it comes. Streaming is
 * leat_model_*()'s.
 */
#include "common/base.h"
#include "worker/graph/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One answer while it comes. */
struct reply {
    leat_context *ctx;
    const struct leat_fake *fake;
    const struct leat_fake_reply *script;
    leat_model *model;
    size_t pieces;   /* sent so far */
    bool failed;     /* as the script says */
    size_t calls;    /* in the messages before */
};

static bool is_ai(leat_view message)
{
    leat_view type = leat_get(message, "type");
    return leat_is(type, "ai") || leat_is(type, "AIMessageChunk");
}

static const struct leat_fake_reply *
pick(const struct leat_fake *fake, leat_view messages, size_t *calls)
{
    size_t n = 0;
    for (leat_iter it = leat_iter_of(messages); leat_next(&it);) {
        n += is_ai(it.item) ? 1 : 0;
        *calls += leat_count(leat_get(it.item, "tool_calls"));
    }
    return &fake->replies[n % fake->count];
}

/* ---- pieces --------------------------------------------------------------- */

/* Before each piece: the delay, and the failure when it is its time. */
static bool ready(struct reply *r)
{
    const struct leat_fake_reply *s = r->script;
    bool once = r->fake->no_stream && r->pieces > 0;
    if (!once && r->fake->delay_ms > 0 &&
        !leat_sleep_ms(r->ctx, r->fake->delay_ms)) {
        return false;
    }
    if (s->error_type != NULL && r->pieces >= s->error_after) {
        r->failed = true;
        return false;
    }
    r->pieces++;
    return true;
}

static size_t char_len(const char *text)
{
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80) {
        len++;
    }
    return len;
}

/* Length of the piece that begins here. */
static size_t piece_len(const struct leat_fake *fake, const char *text)
{
    size_t len = 0;
    if (fake->no_stream) {
        return strlen(text);
    }
    if (fake->chunk == 0) {
        size_t word = strcspn(text, " \t\n\r");
        return word > 0 ? word : 1;
    }
    for (size_t i = 0; i < fake->chunk && text[len] != '\0'; i++) {
        len += char_len(text + len);
    }
    return len;
}

static bool send_text(struct reply *r)
{
    const char *text = r->script->text != NULL ? r->script->text : "";
    while (*text != '\0') {
        size_t len = piece_len(r->fake, text);
        if (!ready(r) || !leat_model_text(r->model, text, len)) {
            return false;
        }
        text += len;
    }
    return true;
}

/* Name and id first, then the arguments, as models send them. */
static bool send_call(struct reply *r, int index)
{
    const struct leat_fake_call *call = &r->script->calls[index];
    const char *args = call->args != NULL ? call->args : "{}";
    char made[32];
    snprintf(made, sizeof made, "call_%zu", r->calls + (size_t)index + 1);
    const char *id = call->id != NULL ? call->id : made;
    if (r->fake->no_stream) {
        return ready(r) && leat_model_tool_call(r->model, index, id,
                                                call->name, args);
    }
    return ready(r) &&
           leat_model_tool_call(r->model, index, id, call->name, "") &&
           ready(r) && leat_model_tool_call(r->model, index, NULL, NULL, args);
}

static bool send_all(struct reply *r)
{
    const struct leat_fake_reply *s = r->script;
    if (!send_text(r)) {
        return false;
    }
    for (int i = 0; i < LEAT_FAKE_CALLS && s->calls[i].name != NULL; i++) {
        if (!send_call(r, i)) {
            return false;
        }
    }
    bool usage = s->input_tokens != 0 || s->output_tokens != 0;
    if (usage && !leat_model_usage(r->model, s->input_tokens,
                                   s->output_tokens)) {
        return false;
    }
    bool fails = s->error_type != NULL; /* after all it has to say */
    r->failed = r->failed || fails;
    return !fails;
}

/* ---- the model ------------------------------------------------------------ */

leat_value *leat_fake_answer(leat_context *ctx, const struct leat_fake *fake,
                             leat_view messages)
{
    must(fake != NULL && fake->replies != NULL && fake->count > 0);
    struct reply r = {.ctx = ctx, .fake = fake};
    r.script = pick(fake, messages, &r.calls);
    const struct leat_model_spec spec = {
        .name = fake->name != NULL ? fake->name : "FakeChatModel",
        .id = r.script->id,
        .tags = fake->tags,
        .no_stream = fake->no_stream,
        .messages = messages,
    };
    r.model = leat_model_begin(ctx, &spec);
    bool whole = send_all(&r);
    leat_value *message = whole ? leat_model_end(r.model) : NULL;
    if (!whole) {
        leat_model_drop(r.model);
    }
    if (r.failed) {
        return leat_fail(ctx, r.script->error_type, "%s",
                         r.script->error_text != NULL ? r.script->error_text
                                                      : "");
    }
    return message;
}

leat_value *leat_fake_model(leat_context *ctx, const struct leat_ask *ask)
{
    must(ask != NULL && ask->data != NULL);
    return leat_fake_answer(ctx, ask->data, ask->messages);
}
