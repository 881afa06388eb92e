/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/command.c: takes a Command that a run was started with apart
 * (command.h, spec/engine.md 7.3).
 */
#include "worker/graph/command.h"

#include <stdlib.h>
#include <string.h>

static bool is_hex32(leat_text key)
{
    if (key.len != 32) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_resume_map(leat_view resume)
{
    if (leat_type_of(resume) != LEAT_OBJECT) {
        return false; /* an empty one is a map: it answers nobody */
    }
    for (leat_iter it = leat_iter_of(resume); leat_next(&it);) {
        if (!is_hex32(it.key)) {
            return false;
        }
    }
    return true;
}

/* Over HTTP a send is {"node", "input"}; from C it is tagged. */
static leat_value *send_of(leat_view target)
{
    if (leat_tag_of(target) == LEAT_SEND) {
        return leat_value_of(target);
    }
    leat_view arg = leat_get(target, "input");
    if (leat_type_of(arg) == LEAT_MISSING) {
        arg = leat_get(target, "arg");
    }
    leat_value *v =
        leat_pack("{s:v, s:v}", "node", leat_get(target, "node"), "arg", arg);
    return leat_tagged(v, LEAT_SEND);
}

static bool parse_target(const struct graph *g, leat_view target,
                         struct command *out, struct fault *f)
{
    if (leat_type_of(target) == LEAT_OBJECT) {
        leat_text name = leat_string(leat_get(target, "node"));
        const char *text = name.ptr != NULL ? name.ptr : "";
        const struct graph_node *to = graph_node_get(g, text, name.len);
        if (to == NULL || to->hidden) {
            return graph_fault_set(f, "InvalidUpdateError",
                                   "Invalid node name %.*s in packet",
                                   (int)name.len, text);
        }
        graph_writes_add(&out->writes, CHANNEL_TASKS, send_of(target));
        return true;
    }
    leat_text name = leat_string(target);
    if (name.ptr == NULL) {
        return graph_fault_set(f, "TypeError",
                               "In Command.goto, expected Send or string");
    }
    const struct graph_node *n = graph_node_get(g, name.ptr, name.len);
    bool fine = n != NULL && n->branch_channel != CHANNEL_START;
    graph_writes_add(&out->writes,
                     fine ? (int)n->branch_channel : WRITE_UNKNOWN, NULL);
    return true;
}

static bool parse_goto(const struct graph *g, leat_view target,
                       struct command *out, struct fault *f)
{
    if (!leat_true(target)) {
        return true;
    }
    if (leat_type_of(target) != LEAT_LIST) {
        return parse_target(g, target, out, f);
    }
    for (leat_iter it = leat_iter_of(target); leat_next(&it);) {
        if (!parse_target(g, it.item, out, f)) {
            return false;
        }
    }
    return true;
}

static void parse_key(const struct graph *g, leat_text key, leat_view value,
                      struct command *out)
{
    int channel = graph_channel_number(g, key.ptr, key.len);
    bool known = graph_keys_has(&g->state, channel);
    graph_writes_add(&out->writes, known ? channel : WRITE_UNKNOWN,
                     leat_value_of(value));
}

static void parse_update(const struct graph *g, leat_view update,
                         struct command *out)
{
    if (leat_type_of(update) == LEAT_OBJECT) {
        for (leat_iter it = leat_iter_of(update); leat_next(&it);) {
            parse_key(g, it.key, it.item, out);
        }
        return;
    }
    for (leat_iter it = leat_iter_of(update); leat_next(&it);) {
        leat_text key = leat_string(leat_at(it.item, 0));
        leat_view value = leat_at(it.item, 1);
        if (key.ptr != NULL && leat_type_of(value) != LEAT_MISSING) {
            parse_key(g, key, value, out);
        }
    }
}

static void parse_resume(leat_view resume, struct command *out)
{
    enum leat_type type = leat_type_of(resume);
    if (type == LEAT_MISSING || type == LEAT_NULL) {
        return;
    }
    out->resumes = true;
    if (is_resume_map(resume)) {
        out->resume_map = leat_value_of(resume);
    } else {
        graph_writes_add(&out->writes, WRITE_RESUME, leat_value_of(resume));
    }
}

bool graph_command_parse(const struct graph *g, leat_view command,
                         struct command *out, struct fault *f)
{
    *out = (struct command){0};
    if (leat_is(leat_get(command, "graph"), "__parent__")) {
        return graph_fault_set(f, "InvalidUpdateError",
                               "There is no parent graph");
    }
    if (!parse_goto(g, leat_get(command, "goto"), out, f)) {
        return false;
    }
    parse_resume(leat_get(command, "resume"), out);
    parse_update(g, leat_get(command, "update"), out);
    if (out->writes.count == 0 && out->resume_map == NULL) {
        return graph_fault_set(f, "EmptyInputError",
                               "Received empty Command input");
    }
    return true;
}

void graph_command_fini(struct command *c)
{
    graph_writes_fini(&c->writes);
    leat_drop(c->resume_map);
    *c = (struct command){0};
}
