/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decl_model.c: the scripted chat model of declarative graphs. It answers
 * with the response whose number is the count of AI messages it was asked
 * with, piece by piece: texts, then each tool call in two halves, then the
 * usage. Owns the script's meaning; streaming is leat_model_*()'s.
 */
#include "worker/graph/decl.h"
#include "worker/graph/message.h"

#include <stdlib.h>
#include <string.h>

#define MODEL_NAME "ScriptedChatModel"

static char *text_dup(leat_view v)
{
    leat_text t = leat_string(v);
    return t.ptr == NULL ? NULL : base_memdup(t.ptr, t.len);
}

/* ---- choosing the response ---------------------------------------------- */

/* A list of messages from what stands for them; NULL after leat_fail(). */
static leat_value *read_messages(leat_context *ctx, leat_view likes)
{
    size_t n = leat_count(likes), done = 0;
    leat_value **items = base_zalloc((n + 1) * sizeof *items);
    struct fault fault = FAULT_INIT;
    while (done < n && graph_message_coerce(leat_at(likes, (long)done),
                                            &items[done], &fault)) {
        done++;
    }
    leat_value *out = done == n ? leat_new_list(n, items) : NULL;
    if (out == NULL) {
        leat_fail(ctx, fault.type, "%s", fault.text);
    }
    while (out == NULL && done > 0) {
        leat_drop(items[--done]);
    }
    graph_fault_fini(&fault);
    free(items);
    return out;
}

static leat_view pick_response(leat_view model, leat_view messages)
{
    leat_view responses = leat_get(model, "responses");
    size_t n = 0, last = leat_count(responses);
    for (leat_iter it = leat_iter_of(messages); leat_next(&it);) {
        enum graph_message_kind kind = graph_message_kind(it.item);
        bool ai = kind == GRAPH_MESSAGE_AI || kind == GRAPH_MESSAGE_CHUNK;
        n += ai ? 1 : 0;
    }
    return leat_at(responses, (long)min_size(n, last == 0 ? 0 : last - 1));
}

/* ---- the pieces --------------------------------------------------------- */

/* Where the first half ends: half of the UTF-16 units, rounded up, as the
 * recordings were cut. */
static size_t half_of(const char *text)
{
    size_t units = 0, len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        units += c >= 0xf0 ? 2u : (c & 0xc0) != 0x80 ? 1u : 0u;
    }
    size_t left = (units + 1) / 2, i = 0;
    while (i < len && left > 0) {
        unsigned char c = (unsigned char)text[i];
        left -= c >= 0xf0 && left > 1 ? 2u : 1u;
        do {
            i++;
        } while (i < len && ((unsigned char)text[i] & 0xc0) == 0x80);
    }
    return i;
}

static bool send_tool_call(leat_model *m, int index, leat_view call,
                           bool whole)
{
    char *args = leat_to_json(leat_get(call, "args"));
    char *name = text_dup(leat_get(call, "name"));
    char *id = text_dup(leat_get(call, "id"));
    size_t cut = whole ? strlen(args) : half_of(args);
    char *first = base_memdup(args, cut);
    bool ok = leat_model_tool_call(m, index, id, name, first);
    if (ok && !whole) {
        ok = leat_model_tool_call(m, index, NULL, NULL, args + cut);
    }
    free(first);
    free(id);
    free(name);
    leat_free_text(args);
    return ok;
}

/* False: cancelled. */
static bool send_pieces(leat_model *m, leat_view response, bool whole)
{
    leat_view chunks = leat_get(response, "chunks");
    for (leat_iter it = leat_iter_of(chunks); leat_next(&it);) {
        leat_text text = leat_string(it.item);
        if (!leat_model_text(m, text.ptr == NULL ? "" : text.ptr, text.len)) {
            return false;
        }
    }
    leat_view calls = leat_get(response, "tool_calls");
    for (leat_iter it = leat_iter_of(calls); leat_next(&it);) {
        if (!send_tool_call(m, (int)it.index, it.item, whole)) {
            return false;
        }
    }
    leat_view usage = leat_get(response, "usage");
    return leat_type_of(usage) != LEAT_OBJECT ||
           leat_model_usage(m, leat_int(leat_get(usage, "input_tokens"), 0),
                            leat_int(leat_get(usage, "output_tokens"), 0));
}

/* ---- the op ------------------------------------------------------------- */

/* The call's tags, then the model's own; NULL-terminated. */
static char **read_tags(leat_view op, leat_view model)
{
    leat_view lists[2] = {leat_get(op, "tags"), leat_get(model, "tags")};
    size_t room = leat_count(lists[0]) + leat_count(lists[1]) + 1, n = 0;
    char **tags = base_zalloc(room * sizeof *tags);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (leat_iter it = leat_iter_of(lists[i]); leat_next(&it);) {
            tags[n] = text_dup(it.item);
            n += tags[n] != NULL ? 1 : 0;
        }
    }
    return tags;
}

/* A model's name without "Chat" in front: what readers see of who made it. */
static char *read_provider(leat_view model)
{
    char *name = text_dup(leat_get(model, "name"));
    if (name == NULL) {
        return base_strdup(MODEL_NAME);
    }
    if (strncmp(name, "Chat", 4) == 0) {
        memmove(name, name + 4, strlen(name + 4) + 1);
    }
    return name;
}

/* The model's own answer to `messages`; NULL: cancelled. */
static leat_value *answer(leat_context *ctx, leat_view op, leat_view messages)
{
    leat_view model = leat_get(op, "model");
    leat_view response = pick_response(model, messages);
    bool whole = !leat_bool(leat_get(model, "streaming"), true);
    char **tags = read_tags(op, model);
    char *provider = read_provider(model);
    char *id = text_dup(leat_get(response, "id"));
    struct leat_model_spec spec = {
        .name = MODEL_NAME,
        .provider = provider,
        .id = id,
        .tags = (const char *const *)tags,
        .no_stream = whole,
        .messages = messages,
    };
    leat_model *m = leat_model_begin(ctx, &spec);
    bool ok = send_pieces(m, response, whole);
    leat_value *message = leat_model_end(m);
    if (!ok) {
        leat_drop(message);
        message = NULL;
    }
    for (size_t i = 0; tags[i] != NULL; i++) {
        free(tags[i]);
    }
    free(tags);
    free(provider);
    free(id);
    return message;
}

leat_value *graph_decl_model_run(leat_context *ctx, leat_view op,
                                 leat_view messages)
{
    leat_value *list = read_messages(ctx, messages);
    if (list == NULL) {
        return NULL;
    }
    leat_value *message = answer(ctx, op, leat_view_of(list));
    leat_drop(list);
    return message;
}

/* ---- checking ----------------------------------------------------------- */

void graph_decl_model_check(leat_graph *g, leat_view op,
                            struct graph_place *at)
{
    leat_view model = leat_get(op, "model");
    size_t mark = graph_expr_place_key(at, (leat_text){"model", 5});
    leat_view responses = leat_get(model, "responses");
    if (leat_type_of(responses) != LEAT_LIST || leat_count(responses) == 0) {
        graph_decl_mistake(g, at, "`responses` must be a list of them");
    }
    graph_expr_place_back(at, mark);
}
