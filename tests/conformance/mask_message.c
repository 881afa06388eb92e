/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask_message.c: the rows about messages: their fields, their metadata, the
 * ids that were made up for them.
 */
#include "tests/conformance/mask.h"

#include "common/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool message_ns(struct mask_event *e)
{
    tree *ns = tree_at(e->event, 0);
    if (strcmp(e->mode, "messages") == 0 && tree_count(ns) > 0) {
        tree_drop_at(ns, ns->count - 1);
    }
    return false;
}

void mask_message_namespace(struct mask *m, tree *results)
{
    mask_events(m, results, message_ns);
}

/* ---- fields ------------------------------------------------------------- */

/* A message object, not a raw dict that only looks like one. */
static bool is_message(const tree *t)
{
    return t->type == TREE_OBJECT && tree_string(tree_get(t, "type")) &&
           tree_get(t, "content") != NULL &&
           tree_get(t, "additional_kwargs") != NULL &&
           tree_get(t, "response_metadata") != NULL;
}

static void drop_if_null(tree *t, const char *key)
{
    const tree *item = tree_get(t, key);
    if (item != NULL && item->type == TREE_NULL) {
        tree_drop(t, key);
    }
}

static void drop_if_empty(tree *t, const char *key)
{
    if (tree_is_empty(tree_get(t, key))) {
        tree_drop(t, key);
    }
}

/* Parts of calls: unset name and id, and the text of why it does not parse. */
static void trim_calls(tree *message, const char *key)
{
    tree *calls = tree_get(message, key);
    for (size_t i = 0; i < tree_count(calls); i++) {
        drop_if_null(tree_at(calls, i), "name");
        drop_if_null(tree_at(calls, i), "id");
        drop_if_null(tree_at(calls, i), "error");
        if (tree_is(tree_get(tree_at(calls, i), "name"), "")) {
            tree_drop(tree_at(calls, i), "name");
        }
        if (tree_is(tree_get(tree_at(calls, i), "error"), "Malformed args.")) {
            tree_drop(tree_at(calls, i), "error");
        }
    }
}

static void trim_message(tree *t, void *arg)
{
    static const char *const unset[] = {"name", "usage_metadata", "artifact",
                                        "tool_call_id", "id"};
    (void)arg;
    if (!is_message(t)) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(unset); i++) {
        drop_if_null(t, unset[i]);
    }
    const tree *example = tree_get(t, "example");
    if (example != NULL && !example->flag) {
        tree_drop(t, "example");
    }
    tree *usage = tree_get(t, "usage_metadata");
    drop_if_empty(usage, "input_token_details");
    drop_if_empty(usage, "output_token_details");
    trim_calls(t, "tool_call_chunks");
    trim_calls(t, "invalid_tool_calls");
    drop_if_empty(t, "tool_call_chunks");
    tree_drop(t, "chunk_position");
    if (tree_get(tree_get(t, "metadata"), "versions") != NULL) {
        tree_drop(t, "metadata"); /* JS's core notes its version there */
    }
}

/* JS writes chunks with the type `ai`, keeps whole answers as chunks, leaves
 * the status of a tool message that was coerced unset, and makes a list of no
 * content. */
static void python_message(tree *t, void *arg)
{
    (void)arg;
    if (is_message(t) && tree_is_empty(tree_get(t, "content"))) {
        tree_set(t, "content", tree_text(""));
    }
    if (is_message(t) && tree_is(tree_get(t, "type"), "ai")) {
        tree_drop(t, "tool_call_chunks");
    }
    if (is_message(t) && tree_is(tree_get(t, "type"), "tool") &&
        tree_get(t, "status") == NULL) {
        tree_set(t, "status", tree_text("success"));
    }
}

static bool python_chunk(struct mask_event *e)
{
    tree *message = tree_at(e->payload, 0);
    const tree *metadata = tree_at(e->payload, 1);
    if (strcmp(e->mode, "messages") == 0 &&
        tree_get(metadata, "ls_model_type") != NULL &&
        tree_get(message, "tool_call_chunks") != NULL) {
        tree_set(message, "type", tree_text("AIMessageChunk"));
    }
    return false;
}

void mask_message_fields(struct mask *m, tree *results)
{
    if (results == m->recorded && m->library != PY) {
        mask_events(m, results, python_chunk);
        mask_all(results, python_message, NULL);
    }
    mask_all(results, trim_message, NULL);
}

/* ---- metadata ----------------------------------------------------------- */

static void trim_tags(tree *metadata)
{
    tree *tags = tree_get(metadata, "tags");
    for (size_t i = tree_count(tags); i > 0; i--) {
        const char *tag = tree_string(tree_at(tags, i - 1));
        if (strncmp(tag, "graph:step:", 11) == 0 ||
            strncmp(tag, "seq:step:", 9) == 0) {
            tree_drop_at(tags, i - 1);
        }
    }
    drop_if_empty(metadata, "tags");
}

static bool trim_metadata(struct mask_event *e)
{
    static const char *const own[] = {"versions", "lc_versions"};
    tree *metadata = tree_at(e->payload, 1);
    if (strcmp(e->mode, "messages") != 0) {
        return false;
    }
    trim_tags(metadata);
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        tree_drop(metadata, own[i]);
    }
    tree_drop(metadata, "checkpoint_id");
    if (e->mask->library == PY) {
        tree_drop(metadata, "ls_provider");
        tree_drop(metadata, "checkpoint_ns");
    }
    if (tree_equal(tree_get(metadata, "name"),
                   tree_get(metadata, "langgraph_node"))) {
        tree_drop(metadata, "name");
    }
    tree *integration = tree_get(metadata, "ls_integration");
    if (tree_is(integration, "langchain_chat_model")) {
        tree_set_text(integration, "langgraph"); /* the model's core did it */
    }
    return false;
}

void mask_message_metadata(struct mask *m, tree *results)
{
    mask_events(m, results, trim_metadata);
}

/* ---- texts and ids ------------------------------------------------------ */

/* "a, b": the names of the tools of the description's tool nodes. */
static void name_tools(const tree *t, struct buf *out)
{
    const tree *tools = t->type == TREE_OBJECT ? tree_get(t, "tool_node")
                                               : NULL;
    for (size_t i = 0; i < tree_count(tools); i++) {
        bool ok = buf_printf(out, "%s%s", out->len == 0 ? "" : ", ",
                             tree_string(tree_get(tree_at(tools, i), "name")));
        must(ok);
    }
    for (size_t i = 0; i < t->count; i++) {
        name_tools(t->items[i], out);
    }
}

static void python_tool_error(tree *t, void *arg)
{
    static const char head[] = "Error: Tool \"";
    static const char tail[] = "\" not found.\n Please fix your mistakes.";
    const struct mask *m = arg;
    const char *text = tree_string(t);
    const char *end = text == NULL ? NULL : strstr(text, tail);
    struct buf tools, out;
    if (end == NULL || strncmp(text, head, sizeof head - 1) != 0) {
        return;
    }
    text += sizeof head - 1;
    buf_init(&tools, 65536);
    buf_init(&out, 65536);
    name_tools(m->graphs, &tools);
    bool ok = buf_printf(
        &out, "Error: %.*s is not a valid tool, try one of [%s].",
        (int)(end - text), text, buf_text(&tools));
    must(ok);
    tree_set_text(t, buf_text(&out));
    buf_fini(&tools);
    buf_fini(&out);
}

void mask_tool_error_text(struct mask *m, tree *results)
{
    mask_all(results, python_tool_error, m);
}

/* JSON without the blanks that are outside its texts. */
static char *squeeze(const char *json)
{
    char *out = base_strdup(json), *to = out;
    bool quoted = false;
    for (const char *p = json; *p != '\0'; p++) {
        if (*p == ' ' && !quoted) {
            continue;
        }
        if (*p == '\\' && p[1] != '\0') {
            *to++ = *p++;
        } else if (*p == '"') {
            quoted = !quoted;
        }
        *to++ = *p;
    }
    *to = '\0';
    return out;
}

static void squeeze_answer(tree *t, void *arg)
{
    tree *content = tree_get(t, "content");
    const char *text = tree_string(content);
    (void)arg;
    if (tree_is(tree_get(t, "type"), "tool") && text != NULL &&
        (text[0] == '{' || text[0] == '[')) {
        char *json = squeeze(text);
        tree_set_text(content, json);
        free(json);
    }
}

void mask_tool_json(struct mask *m, tree *results)
{
    (void)m;
    mask_all(results, squeeze_answer, NULL);
}

/* Length of the uuid (or its recorded number) at `s`; 0: there is none. */
static size_t uuid_length(const char *s)
{
    if (strncmp(s, "<uuid:", 6) == 0) {
        return strcspn(s, ">") + 1;
    }
    return strspn(s, "0123456789abcdef-") >= 36 ? 36 : 0;
}

static void one_id(tree *t, void *arg)
{
    (void)arg;
    const char *text = tree_string(t);
    if (text == NULL) {
        return;
    }
    size_t head = strncmp(text, "run-", 4) == 0        ? 4
                  : strncmp(text, "lc_run--", 8) == 0 ? 8
                                                      : 0;
    size_t len = head == 0 ? 0 : uuid_length(text + head);
    const char *rest = text + head + len;
    if (len == 0 || (*rest != '\0' && strncmp(rest, "-tool-", 6) != 0)) {
        return;
    }
    /* another of the run's tools is another id */
    struct buf out;
    buf_init(&out, 4096);
    bool ok = buf_puts(&out, "<uuid:made ") && buf_puts(&out, text);
    must(ok);
    for (size_t i = 0; i < out.len; i++) {
        out.data[i] = i > 0 && (out.data[i] == '<' || out.data[i] == '>')
                          ? '/'
                          : out.data[i];
    }
    ok = buf_putc(&out, '>');
    must(ok);
    tree_set_text(t, buf_text(&out));
    buf_fini(&out);
}

void mask_message_ids(struct mask *m, tree *results)
{
    (void)m;
    mask_all(results, one_id, NULL);
}
