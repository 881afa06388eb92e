/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/message_chunk.c: a model's answer while it comes in: making pieces,
 * adding them up, and the whole message they are at the end. A chunk's tool
 * calls always are what its tool call chunks say so far.
 */
#include "worker/graph/message.h"

#include "worker/graph/message_draft.h"
#include "worker/graph/message_merge.h"
#include <string.h>

/* ---- tool calls ---------------------------------------------------------- */

static void derive_call(struct message_calls *c, leat_view chunk)
{
    leat_view name = leat_get(chunk, "name"), id = leat_get(chunk, "id");
    leat_view args = leat_get(chunk, "args");
    leat_text text = leat_string(args);
    if (text.len == 0) {
        graph_message_calls_good(c, name, leat_view_of(NULL), id);
        return;
    }
    leat_value *parsed = graph_message_partial_parse(text);
    if (leat_type_of(leat_view_of(parsed)) == LEAT_OBJECT) {
        graph_message_calls_good(c, name, leat_view_of(parsed), id);
    } else {
        graph_message_calls_bad(c, name, args, id, leat_view_of(NULL));
    }
    leat_drop(parsed);
}

/* Sets the draft's calls to what its call chunks say; none: leaves them. */
static void derive_calls(struct message_draft *d)
{
    leat_view chunks = d->fields[FIELD_CALL_CHUNKS];
    if (leat_count(chunks) == 0) {
        return;
    }
    struct message_calls c = graph_message_calls_new();
    for (leat_iter it = leat_iter_of(chunks); leat_next(&it);) {
        derive_call(&c, it.item);
    }
    graph_message_calls_finish(&c, d);
}

static void write_call_chunk(leat_writer *w, leat_view call)
{
    leat_view args = leat_get(call, "args");
    char *text = leat_type_of(args) == LEAT_OBJECT ? leat_to_json(args) : NULL;
    leat_value *chunk = leat_pack(
        "{s:v,s:v,s:v,s:n,s:s}", "name", leat_get(call, "name"), "args", args,
        "id", leat_get(call, "id"), "index", "type", "tool_call_chunk");
    if (text != NULL) {
        leat_value *with =
            leat_with(leat_view_of(chunk), "args", leat_new_string(text));
        leat_drop(chunk);
        chunk = with;
        leat_free_text(text);
    }
    leat_write_view(w, leat_view_of(chunk));
    leat_drop(chunk);
}

/* The call chunks of a message; made of its calls when it has none. */
static leat_value *call_chunks_of(leat_view message)
{
    leat_view chunks = leat_get(message, "tool_call_chunks");
    if (leat_count(chunks) > 0) {
        return leat_value_of(chunks);
    }
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_view lists[] = {leat_get(message, "tool_calls"),
                         leat_get(message, "invalid_tool_calls")};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (leat_iter it = leat_iter_of(lists[i]); leat_next(&it);) {
            write_call_chunk(w, it.item);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

/* ---- pieces -------------------------------------------------------------- */

static leat_value *usage_of(const struct graph_message_piece *p)
{
    return leat_pack("{s:I,s:I,s:I}", "input_tokens", p->input_tokens,
                     "output_tokens", p->output_tokens, "total_tokens",
                     p->input_tokens + p->output_tokens);
}

leat_value *graph_message_chunk(const struct graph_message_piece *piece)
{
    must(piece != NULL);
    struct message_draft d = {.kind = GRAPH_MESSAGE_CHUNK};
    if (piece->id != NULL) {
        graph_message_draft_set(&d, FIELD_ID, leat_new_string(piece->id));
    }
    if (piece->content.ptr != NULL) {
        graph_message_draft_set(
            &d, FIELD_CONTENT,
            leat_new_string_n(piece->content.ptr, piece->content.len));
    }
    if (piece->has_tool_call) {
        graph_message_draft_set(
            &d, FIELD_CALL_CHUNKS,
            leat_pack("[{s:s,s:s,s:s,s:i,s:s}]", "name", piece->name, "args",
                      piece->args, "id", piece->call_id, "index",
                      piece->index, "type", "tool_call_chunk"));
        derive_calls(&d);
    }
    if (piece->has_usage) {
        graph_message_draft_set(&d, FIELD_USAGE, usage_of(piece));
    }
    if (piece->last) {
        graph_message_draft_set(&d, FIELD_POSITION, leat_new_string("last"));
    }
    d.fields[FIELD_RESPONSE] = piece->response_metadata;
    return graph_message_draft_finish(&d);
}

/* ---- adding up ----------------------------------------------------------- */

static bool starts_with(leat_view id, const char *prefix)
{
    leat_text text = leat_string(id);
    return text.len >= strlen(prefix) &&
           memcmp(text.ptr, prefix, strlen(prefix)) == 0;
}

/* 3: a provider's id, 2: of a run, 1: any other that was made up, 0: none. */
static int id_rank(leat_view id)
{
    if (leat_count(id) == 0) {
        return 0;
    }
    if (starts_with(id, "run-") || starts_with(id, "lc_run-")) {
        return 2;
    }
    return starts_with(id, "lc_") ? 1 : 3;
}

static leat_view either(leat_view a, leat_view b)
{
    return graph_message_draft_is_set(a) ? a : b;
}

static leat_value *merge_set(leat_view a, leat_view b)
{
    bool both = leat_type_of(a) == LEAT_OBJECT && leat_type_of(b) == LEAT_OBJECT;
    return both ? graph_message_merge_objects(a, b)
                : leat_value_of(either(a, b));
}

static void merge_fields(struct message_draft *d, const leat_view *a,
                         const leat_view *b)
{
    graph_message_draft_set(
        d, FIELD_CONTENT,
        graph_message_merge_content(a[FIELD_CONTENT], b[FIELD_CONTENT]));
    graph_message_draft_set(d, FIELD_EXTRA,
                            merge_set(a[FIELD_EXTRA], b[FIELD_EXTRA]));
    graph_message_draft_set(d, FIELD_RESPONSE,
                            merge_set(a[FIELD_RESPONSE], b[FIELD_RESPONSE]));
    graph_message_draft_set(
        d, FIELD_USAGE,
        graph_message_merge_usage(a[FIELD_USAGE], b[FIELD_USAGE]));
    d->fields[FIELD_NAME] = either(a[FIELD_NAME], b[FIELD_NAME]);
    d->fields[FIELD_EXAMPLE] = a[FIELD_EXAMPLE];
    d->fields[FIELD_POSITION] =
        either(a[FIELD_POSITION], b[FIELD_POSITION]);
    d->fields[FIELD_ID] = id_rank(a[FIELD_ID]) >= id_rank(b[FIELD_ID])
                              ? a[FIELD_ID]
                              : b[FIELD_ID];
}

static void merge_calls(struct message_draft *d, leat_view a, leat_view b)
{
    leat_value *calls_a = call_chunks_of(a), *calls_b = call_chunks_of(b);
    graph_message_draft_set(d, FIELD_CALL_CHUNKS,
                            graph_message_merge_calls(leat_view_of(calls_a),
                                                      leat_view_of(calls_b)));
    leat_drop(calls_a);
    leat_drop(calls_b);
    derive_calls(d);
}

leat_value *graph_message_add_chunk(leat_view sum, leat_view chunk)
{
    struct message_draft a = graph_message_draft_of(GRAPH_MESSAGE_CHUNK, sum);
    struct message_draft b =
        graph_message_draft_of(GRAPH_MESSAGE_CHUNK, chunk);
    struct message_draft d = {.kind = GRAPH_MESSAGE_CHUNK};
    merge_fields(&d, a.fields, b.fields);
    merge_calls(&d, sum, chunk);
    return graph_message_draft_finish(&d);
}

/* ---- whole messages ------------------------------------------------------ */

leat_value *graph_message_from_chunk(leat_view chunk)
{
    if (leat_tag_of(chunk) != LEAT_CHUNK) {
        return leat_value_of(chunk);
    }
    struct message_draft d =
        graph_message_draft_of(GRAPH_MESSAGE_AI, chunk);
    return graph_message_draft_finish(&d);
}

leat_value *graph_message_to_chunk(leat_view message)
{
    if (leat_tag_of(message) == LEAT_CHUNK) {
        return leat_value_of(message);
    }
    struct message_draft d =
        graph_message_draft_of(GRAPH_MESSAGE_CHUNK, message);
    graph_message_draft_set(&d, FIELD_CALL_CHUNKS, call_chunks_of(message));
    return graph_message_draft_finish(&d);
}
