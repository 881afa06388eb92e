/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool.c: tools in the tree of `events`, and the text of their answers
 * (tool.h).
 */
#include "worker/graph/tool.h"
#include "worker/graph/events.h"
#include "worker/graph/stream.h"

#include <stdlib.h>
#include <string.h>

struct tool_run {
    struct event_run *event;
};

struct tool_run *graph_tool_begin(leat_context *ctx, const char *name,
                                  leat_view input)
{
    must(ctx != NULL && name != NULL);
    struct work *w = ctx->work;
    if (w == NULL || w->event == NULL) {
        return NULL;
    }
    struct event_spec spec = {
        .kind = "tool",
        .name = name,
        .parent = w->event,
        .tags = leat_value_of(leat_get(ctx->req->config, "tags")),
        .metadata = leat_hold(graph_talk_base(w)),
        .input = leat_value_of(input),
    };
    struct tool_run *t = base_zalloc(sizeof *t);
    t->event = graph_event_start(w->loop->run, &spec);
    return t;
}

void graph_tool_end(struct tool_run *t, leat_view output)
{
    if (t != NULL) {
        leat_value *v = leat_value_of(output);
        graph_event_end(&t->event, v);
        leat_drop(v);
        free(t);
    }
}

/* A blank behind each comma and colon that is not inside a text. */
static char *with_blanks(const char *json)
{
    char *out = base_zalloc(2 * strlen(json) + 1), *to = out;
    bool quoted = false;
    for (const char *p = json; *p != '\0'; p++) {
        *to++ = *p;
        if (quoted && *p == '\\') {
            *to++ = *++p; /* never the end: a text is closed */
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == ',' || *p == ':')) {
            *to++ = ' ';
        }
    }
    return out;
}

leat_value *graph_tool_content(leat_view result)
{
    if (leat_type_of(result) == LEAT_STRING) {
        return leat_value_of(result);
    }
    char *json = leat_to_json(result);
    char *text = with_blanks(json);
    leat_value *content = leat_new_string(text);
    free(text);
    leat_free_text(json);
    return content;
}
