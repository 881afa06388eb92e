/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_v2.c: the rows about the `events` mode (`stream_events_v2` of a trace,
 * `v2` of a result).
 */
#include "tests/conformance/mask.h"

#include <string.h>

static void each(struct mask *m, tree *results,
                 bool (*fn)(struct mask *m, tree *event))
{
    for (size_t r = 0; r < tree_count(results); r++) {
        tree *events = tree_get(tree_at(results, r), "v2");
        for (size_t i = 0; i < tree_count(events);) {
            if (fn(m, tree_at(events, i))) {
                tree_drop_at(events, i);
            } else {
                i++;
            }
        }
    }
}

static bool is_event(const tree *event, const char *name)
{
    return tree_is(tree_get(event, "event"), name);
}

static bool is_left_out(struct mask *m, tree *event)
{
    const tree *tags = tree_get(event, "tags");
    (void)m;
    for (size_t i = 0; i < tree_count(tags); i++) {
        if (tree_is(tree_at(tags, i), "langsmith:hidden")) {
            return true;
        }
    }
    return is_event(event, "on_chain_stream");
}

void mask_v2_left_out(struct mask *m, tree *results)
{
    each(m, results, is_left_out);
}

static bool trim_event(struct mask *m, tree *event)
{
    static const char *const own[] = {"versions", "lc_versions",
                                      "ls_integration", "tags"};
    tree *metadata = tree_get(event, "metadata");
    (void)m;
    tree_drop(event, "parent_ids");
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        tree_drop(metadata, own[i]);
    }
    if (is_event(event, "on_chain_end") &&
        tree_get(metadata, "langgraph_node") == NULL) {
        tree_drop(tree_get(event, "data"), "input");
    }
    return false;
}

void mask_v2_fields(struct mask *m, tree *results)
{
    each(m, results, trim_event);
}

static void drop_step_tags(tree *tags)
{
    for (size_t i = tree_count(tags); i > 0; i--) {
        const char *tag = tree_string(tree_at(tags, i - 1));
        if (tag != NULL && strncmp(tag, "seq:step:", 9) == 0) {
            tree_drop_at(tags, i - 1);
        }
    }
}

/* Python's validation has texts of its own for wrong arguments. */
static void drop_invalid(tree *event)
{
    tree *data = tree_get(event, "data");
    const char *error = tree_string(tree_get(data, "error"));
    if (error != NULL && (strstr(error, "validation error") != NULL ||
                          strstr(error, "ToolInvocationError") == error)) {
        tree_drop(data, "error");
    }
}

static bool as_python(struct mask *m, tree *event)
{
    tree *metadata = tree_get(event, "metadata");
    const tree *chunk = tree_get(tree_get(event, "data"), "chunk");
    (void)m;
    drop_step_tags(tree_get(event, "tags"));
    drop_invalid(event);
    tree_drop(metadata, "checkpoint_ns");
    tree_drop(metadata, "ls_provider");
    if (tree_is(tree_get(event, "name"), "StreamingChatModel")) {
        tree_set(event, "name", tree_text("ScriptedChatModel"));
    }
    return is_event(event, "on_chat_model_stream") &&
           tree_is(tree_get(chunk, "chunk_position"), "last") &&
           tree_is(tree_get(chunk, "content"), "") &&
           tree_get(tree_get(chunk, "usage_metadata"), "input_tokens") == NULL;
}

void mask_v2_python(struct mask *m, tree *results)
{
    each(m, results, as_python);
}

static bool name_chunk(struct mask *m, tree *event)
{
    tree *chunk = tree_get(tree_get(event, "data"), "chunk");
    (void)m;
    if (is_event(event, "on_chat_model_stream") &&
        tree_is(tree_get(chunk, "type"), "ai")) {
        tree_set(chunk, "type", tree_text("AIMessageChunk"));
    }
    return false;
}

void mask_v2_chunk(struct mask *m, tree *results)
{
    each(m, results, name_chunk);
}
