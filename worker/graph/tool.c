/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph/tool.c: tools in the tree of `events` (tool.h).
 */
#include "worker/graph/tool.h"
#include "worker/graph/events.h"
#include "worker/graph/stream.h"

#include <stdlib.h>

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

void graph_tool_fail(struct tool_run *t, leat_value *error,
                     const char *tool_call_id)
{
    if (t == NULL) {
        leat_drop(error);
        return;
    }
    graph_event_fail(&t->event, error, tool_call_id);
    free(t);
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
