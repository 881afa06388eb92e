/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runspec.c: one table of fields, then the merges. Later parts win, key by
 * key: assistant, thread, request, server.
 */
#include "gateway/runspec.h"

#include <string.h>

#include "gateway/check.h"
#include "gateway/sse.h"

#define BACKGROUND_MODES                                                       \
    (SSE_VALUES | SSE_UPDATES | SSE_MESSAGES_TUPLE | SSE_CUSTOM | SSE_TASKS |  \
     SSE_CHECKPOINTS)

static const struct gw_check_field fields[] = {
    {"assistant_id", gw_check_text, NULL, true},
    {"input", gw_check_any, NULL, false},
    {"command", gw_check_command, NULL, false},
    {"checkpoint", gw_check_checkpoint, NULL, false},
    {"checkpoint_id", gw_check_string, NULL, false},
    {"config", gw_check_config, NULL, false},
    {"context", gw_check_object, NULL, false},
    {"metadata", gw_check_object, NULL, false},
    {"webhook", gw_check_webhook, NULL, false},
    {"interrupt_before", gw_check_nodes, NULL, false},
    {"interrupt_after", gw_check_nodes, NULL, false},
    {"stream_mode", gw_check_mode, NULL, false},
    {"stream_subgraphs", gw_check_bool, NULL, false},
    {"stream_resumable", gw_check_bool, NULL, false},
    {"on_disconnect", NULL, "cancel|continue", false},
    {"on_completion", NULL, "delete|keep", false},
    {"multitask_strategy", NULL, "reject|interrupt|rollback|enqueue", false},
    {"if_not_exists", NULL, "reject|create", false},
    {"after_seconds", gw_check_seconds, NULL, false},
    {"feedback_keys", gw_check_strings, NULL, false},
    {"checkpoint_during", gw_check_bool, NULL, false},
    {"durability", NULL, "sync|async|exit", false},
    {"langsmith_tracer", gw_check_tracer, NULL, false},
};

static leat_view given(leat_view body, const char *key)
{
    leat_view v = leat_get(body, key);
    return gw_check_present(v) ? v : (leat_view){0};
}

static unsigned modes_of(leat_view v)
{
    if (leat_type_of(v) != LEAT_LIST) {
        leat_text text = leat_string(v);
        return text.ptr == NULL ? 0 : gw_sse_mode(text);
    }
    unsigned modes = 0;
    leat_iter it = leat_iter_of(v);
    while (leat_next(&it)) {
        modes |= gw_sse_mode(leat_string(it.item));
    }
    return modes;
}

static const char *strategy_of(leat_view v)
{
    static const char *const words[] = {"reject", "interrupt", "rollback"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (leat_is(v, words[i])) {
            return words[i];
        }
    }
    return "enqueue";
}

static void fill(leat_view body, struct gw_runspec *s)
{
    s->assistant = leat_string(leat_get(body, "assistant_id"));
    s->input = leat_get(body, "input");
    s->command = given(body, "command");
    if (leat_count(s->command) == 0) {
        s->command = (leat_view){0};
    }
    s->checkpoint = given(body, "checkpoint");
    s->checkpoint_id = given(body, "checkpoint_id");
    s->config = given(body, "config");
    s->context = given(body, "context");
    s->metadata = given(body, "metadata");
    s->webhook = given(body, "webhook");
    s->interrupt_before = given(body, "interrupt_before");
    s->interrupt_after = given(body, "interrupt_after");
    s->feedback_keys = given(body, "feedback_keys");
    s->durability = given(body, "durability");
    s->checkpoint_during = given(body, "checkpoint_during");
    s->tracer = given(body, "langsmith_tracer");
    s->modes = modes_of(leat_get(body, "stream_mode"));
    s->subgraphs = leat_bool(leat_get(body, "stream_subgraphs"), false);
    s->resumable = leat_bool(leat_get(body, "stream_resumable"), false);
    s->cancel_on_disconnect =
        leat_is(leat_get(body, "on_disconnect"), "cancel");
    s->keep_thread = leat_is(leat_get(body, "on_completion"), "keep");
    s->make_thread = leat_is(leat_get(body, "if_not_exists"), "create");
    s->strategy = strategy_of(leat_get(body, "multitask_strategy"));
    s->after_ms =
        (int64_t)(leat_double(leat_get(body, "after_seconds"), 0) * 1000);
}

bool gw_runspec_parse(leat_value *body, const char *path,
                      struct gw_runspec *out, struct err *err)
{
    must(body != NULL && path != NULL && out != NULL);
    *out = (struct gw_runspec){.body = body};
    leat_view view = leat_view_of(body);
    if (!gw_check_fields(view, path, fields, COUNT_OF(fields), err)) {
        gw_runspec_fini(out);
        return false;
    }
    fill(view, out);
    return true;
}

void gw_runspec_fini(struct gw_runspec *spec)
{
    must(spec != NULL);
    leat_drop(spec->body);
    *spec = (struct gw_runspec){0};
}

unsigned gw_runspec_modes(const struct gw_runspec *spec,
                          enum gw_run_answer answer)
{
    must(spec != NULL);
    if (answer == GW_ANSWER_WAIT) {
        return spec->modes | SSE_VALUES;
    }
    if (spec->modes != 0) {
        return spec->modes;
    }
    return answer == GW_ANSWER_BACKGROUND ? BACKGROUND_MODES : SSE_VALUES;
}

/* ---- merging ----------------------------------------------------------- */

static bool is_above(const leat_view *layers, size_t n, leat_text key)
{
    for (size_t i = 0; i < n; i++) {
        if (leat_type_of(leat_get_n(layers[i], key.ptr, key.len)) !=
            LEAT_MISSING) {
            return true;
        }
    }
    return false;
}

static bool text_is(leat_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

/* Writes the pairs of all layers, each key as the last one that has it says.
 * `but`: keys that are left out, ended by NULL; or NULL. */
static void write_merged(leat_writer *w, const leat_view *layers, size_t n,
                         const char *const *but)
{
    for (size_t i = 0; i < n; i++) {
        if (leat_type_of(layers[i]) != LEAT_OBJECT) {
            continue;
        }
        leat_iter it = leat_iter_of(layers[i]);
        while (leat_next(&it)) {
            bool skip = is_above(layers + i + 1, n - i - 1, it.key);
            for (size_t k = 0; but != NULL && but[k] != NULL && !skip; k++) {
                skip = text_is(it.key, but[k]);
            }
            if (!skip) {
                leat_write_key_n(w, it.key.ptr, it.key.len);
                leat_write_view(w, it.item);
            }
        }
    }
}

static leat_value *merged(const leat_view *layers, size_t n,
                          const char *const *but)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    write_merged(w, layers, n, but);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_view part(const leat_value *object, const char *key)
{
    return leat_get(leat_view_of(object), key);
}

static leat_value *text_value(leat_view v)
{
    return gw_check_present(v) ? leat_value_of(v) : NULL;
}

/* What the request says outside of `config` about where and how to run. */
static leat_value *request_keys(const struct gw_runspec *s)
{
    leat_view checkpoint_id = leat_get(s->checkpoint, "checkpoint_id");
    if (!gw_check_present(checkpoint_id)) {
        checkpoint_id = s->checkpoint_id;
    }
    return leat_pack(
        "{s:?V, s:?V, s:?V, s:?V, s:?V}", "checkpoint_id",
        text_value(checkpoint_id), "checkpoint_ns",
        text_value(leat_get(s->checkpoint, "checkpoint_ns")), "checkpoint_map",
        text_value(leat_get(s->checkpoint, "checkpoint_map")),
        "langsmith_project", text_value(leat_get(s->tracer, "project_name")),
        "langsmith_example_id", text_value(leat_get(s->tracer, "example_id")));
}

static bool is_owned(const struct gw_run_base *base)
{
    return base->owner != NULL && *base->owner != '\0';
}

/* As whom the run acts; NULL: as nobody. */
static leat_value *user_keys(const struct gw_run_base *base)
{
    if (!is_owned(base)) {
        return NULL;
    }
    return leat_pack("{s:s, s:s, s:b, s:[]}", "identity", base->owner,
                     "display_name", base->owner, "is_authenticated", 1,
                     "permissions");
}

static leat_value *server_keys(const struct gw_run_base *base)
{
    leat_value *user = user_keys(base);
    leat_view id = leat_get(leat_view_of(user), "identity");
    leat_value *keys = leat_pack(
        "{s:s, s:s, s:s, s:s, s:?v, s:?v, s:?W, s:?v}", "run_id",
        ID_TEXT(&base->run_id), "thread_id", ID_TEXT(&base->thread_id),
        "graph_id", base->graph_id, "assistant_id",
        ID_TEXT(&base->assistant_id), "user_id", id, "langgraph_auth_user_id",
        id, "langgraph_auth_user", user, "langgraph_auth_permissions",
        leat_get(leat_view_of(user), "permissions"));
    leat_drop(user);
    return keys;
}

static leat_value *configurable_of(const struct gw_runspec *s,
                                   const struct gw_run_base *base)
{
    /* who acts is not for clients to say */
    static const char *const reserved[] = {"langgraph_auth_user",
                                           "langgraph_auth_user_id",
                                           "langgraph_auth_permissions", NULL};
    leat_value *asked = request_keys(s);
    leat_value *server = server_keys(base);
    const leat_view layers[] = {
        part(base->assistant_config, "configurable"),
        part(base->thread_config, "configurable"),
        leat_get(s->config, "configurable"),
        leat_view_of(asked),
        base->headers,
        leat_view_of(server),
    };
    leat_value *out =
        merged(layers, COUNT_OF(layers), is_owned(base) ? NULL : reserved);
    leat_drop(asked);
    leat_drop(server);
    return out;
}

leat_value *gw_runspec_metadata(const struct gw_runspec *spec,
                                const struct gw_run_base *base)
{
    must(spec != NULL && base != NULL);
    leat_value *server =
        leat_pack("{s:s, s:s}", "graph_id", base->graph_id, "assistant_id",
                  ID_TEXT(&base->assistant_id));
    const leat_view layers[] = {
        leat_view_of(base->assistant_metadata),
        leat_view_of(base->thread_metadata),
        spec->metadata,
        leat_view_of(server),
    };
    leat_value *out = merged(layers, COUNT_OF(layers), NULL);
    leat_drop(server);
    return out;
}

static leat_value *config_of(const struct gw_runspec *s,
                             const struct gw_run_base *base)
{
    static const char *const own[] = {"configurable", "metadata", NULL};
    leat_value *configurable = configurable_of(s, base);
    leat_value *run = gw_runspec_metadata(s, base);
    const leat_view layers[] = {leat_view_of(base->assistant_config),
                                s->config};
    const leat_view metadata[] = {part(base->assistant_config, "metadata"),
                                  leat_get(s->config, "metadata"),
                                  leat_view_of(run)};
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    write_merged(w, layers, COUNT_OF(layers), own);
    leat_write_key(w, "configurable");
    leat_write_view(w, leat_view_of(configurable));
    leat_write_key(w, "metadata");
    leat_write_object(w);
    write_merged(w, metadata, COUNT_OF(metadata), NULL);
    leat_write_end(w);
    leat_write_end(w);
    leat_drop(configurable);
    leat_drop(run);
    return leat_writer_finish(&w);
}

static leat_value *context_of(const struct gw_runspec *s,
                              const struct gw_run_base *base)
{
    leat_view own = leat_view_of(base->assistant_context);
    if (gw_check_present(own) && leat_type_of(own) != LEAT_OBJECT) {
        return leat_hold(base->assistant_context);
    }
    const leat_view layers[] = {own, s->context};
    return merged(layers, COUNT_OF(layers), NULL);
}

static leat_value *mode_list(unsigned modes)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (unsigned bit = 1; bit < SSE_ALL_MODES; bit <<= 1) {
        if ((modes & bit) != 0) {
            leat_write_string(w, gw_sse_mode_name(bit));
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

leat_value *gw_runspec_kwargs(const struct gw_runspec *spec,
                              const struct gw_run_base *base)
{
    must(spec != NULL && base != NULL && base->graph_id != NULL);
    leat_value *modes = mode_list(gw_runspec_modes(spec, base->answer));
    /* the input may be large: it is shared, not copied */
    return leat_pack(
        "{s:v, s:?v, s:V, s:V, s:V, s:b, s:b, s:b, s:s, s:?v, s:?v, s:?v, "
        "s:?v, s:?v, s:?v}",
        "input", spec->input, "command", spec->command, "config",
        config_of(spec, base), "context", context_of(spec, base), "stream_mode",
        modes, "subgraphs", (int)spec->subgraphs, "resumable",
        (int)spec->resumable, "temporary", (int)base->temporary,
        "on_disconnect", spec->cancel_on_disconnect ? "cancel" : "continue",
        "interrupt_before", spec->interrupt_before, "interrupt_after",
        spec->interrupt_after, "durability", spec->durability,
        "checkpoint_during", spec->checkpoint_during, "webhook", spec->webhook,
        "feedback_keys", spec->feedback_keys);
}
