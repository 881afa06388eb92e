/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_graph.c: an in-process host for graphs (rig_graph.h).
 */
#include "tests/unit/rig_graph.h"

#include "tests/harness/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MAX (1 << 20)

/* ---- text --------------------------------------------------------------- */

const char *rig_json(const leat_value *v)
{
    static char texts[8][4096];
    static unsigned next;
    char *out = texts[next++ % COUNT_OF(texts)];
    if (v == NULL) {
        return "(none)";
    }
    char *json = leat_to_json(leat_view_of(v));
    base_copy(out, sizeof texts[0], json);
    leat_free_text(json);
    return out;
}

static const char *json_of(leat_view v)
{
    leat_value *own = leat_value_of(v);
    const char *text = rig_json(own);
    leat_drop(own);
    return text;
}

static void line(struct rig *r, const char *fmt, ...) PRINTF(2, 3);
static void line(struct rig *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    EXPECT(buf_vprintf(&r->log, fmt, ap));
    EXPECT(buf_putc(&r->log, '\n'));
    va_end(ap);
}

/* "a:id|b:id" as "a|b " */
static void put_namespace(struct rig *r, const char *ns)
{
    bool in_id = false;
    for (const char *p = ns; *p != '\0'; p++) {
        in_id = *p == '|' ? false : in_id || *p == ':';
        if (!in_id) {
            EXPECT(buf_putc(&r->log, *p));
        }
    }
    if (ns[0] != '\0') {
        EXPECT(buf_putc(&r->log, ' '));
    }
}

/* Interrupts without their ids, which differ from run to run. */
static const char *asked(leat_view interrupts)
{
    static char text[1024];
    size_t n = 0;
    text[0] = '\0';
    for (leat_iter it = leat_iter_of(interrupts); leat_next(&it);) {
        n += (size_t)snprintf(text + n, sizeof text - n, " ?%s",
                              json_of(leat_get(it.item, "value")));
    }
    return text;
}

static void put_values(struct rig *r, leat_view v)
{
    leat_view questions = leat_get(v, "__interrupt__");
    leat_value *rest = leat_with(v, "__interrupt__", NULL);
    bool any = leat_type_of(questions) != LEAT_MISSING;
    line(r, "values %s%s%s", rig_json(rest), any ? " !" : "",
         asked(questions));
    leat_drop(rest);
}

static void put_updates(struct rig *r, leat_view v)
{
    leat_view questions = leat_get(v, "__interrupt__");
    if (leat_type_of(questions) != LEAT_MISSING) {
        line(r, "updates !%s", asked(questions));
    } else {
        line(r, "updates %s", json_of(v));
    }
}

static void put_task(struct rig *r, leat_view v)
{
    const char *name = json_of(leat_get(v, "name"));
    leat_view result = leat_get(v, "result");
    if (leat_type_of(result) == LEAT_MISSING) {
        line(r, "task %s %s", name, json_of(leat_get(v, "input")));
        return;
    }
    leat_view error = leat_get(v, "error");
    bool failed = leat_type_of(error) == LEAT_STRING;
    line(r, "result %s %s%s%s%s", name, json_of(result),
         failed ? " " : "", failed ? json_of(error) : "",
         asked(leat_get(v, "interrupts")));
}

static void put_checkpoint(struct rig *r, leat_view v)
{
    leat_view m = leat_get(v, "metadata");
    line(r, "checkpoint %d %s %s", (int)leat_int(leat_get(m, "step"), -99),
         json_of(leat_get(m, "source")), json_of(leat_get(v, "next")));
}

static void put_message(struct rig *r, const char *mode, leat_view v,
                        bool final)
{
    leat_view message = leat_at(v, 0);
    line(r, "%s %s %s %s%s", mode, json_of(leat_get(message, "type")),
         json_of(leat_get(message, "content")),
         json_of(leat_get(leat_at(v, 1), "langgraph_node")),
         final ? " final" : "");
}

static void put_event(struct rig *r, leat_view v)
{
    line(r, "%s %s %d", json_of(leat_get(v, "event")),
         json_of(leat_get(v, "name")),
         (int)leat_count(leat_get(v, "parent_ids")));
}

static void put_debug(struct rig *r, leat_view v)
{
    line(r, "debug %d %s", (int)leat_int(leat_get(v, "step"), -99),
         json_of(leat_get(v, "type")));
}

static void on_emit(void *arg, const struct graph_event *ev)
{
    struct rig *r = arg;
    leat_view v = leat_view_of(ev->payload);
    EXPECT(!atomic_exchange(&r->emitting, true)); /* never two at a time */
    put_namespace(r, ev->ns);
    switch (ev->mode) {
    case GRAPH_MODE_VALUES:
        put_values(r, v);
        break;
    case GRAPH_MODE_UPDATES:
        put_updates(r, v);
        break;
    case GRAPH_MODE_MESSAGES:
        put_message(r, "message", v, ev->message_final);
        break;
    case GRAPH_MODE_MESSAGE_ENDS:
        put_message(r, "message-end", v, ev->message_final);
        break;
    case GRAPH_MODE_CUSTOM:
        line(r, "custom %s", json_of(v));
        break;
    case GRAPH_MODE_TASKS:
        put_task(r, v);
        break;
    case GRAPH_MODE_CHECKPOINTS:
        put_checkpoint(r, v);
        break;
    case GRAPH_MODE_DEBUG:
        put_debug(r, v);
        break;
    case GRAPH_MODE_EVENTS:
        put_event(r, v);
        break;
    }
    if (r->on_event != NULL) {
        r->on_event(r, ev);
    }
    atomic_store(&r->emitting, false);
}

/* ---- the saver ---------------------------------------------------------- */

static const struct graph_saver *inner(const struct rig *r)
{
    return graph_memory_saver(r->memory);
}

static bool rig_load(void *self, const char *ns, const char *id,
                     struct graph_saved *out, struct err *err)
{
    const struct graph_saver *s = inner(self);
    return s->load(s->self, ns, id, out, err);
}

static bool rig_list(void *self, const struct graph_query *q,
                     struct graph_saved **out, size_t *n, struct err *err)
{
    const struct graph_saver *s = inner(self);
    return s->list(s->self, q, out, n, err);
}

static bool rig_put(void *self, const struct graph_checkpoint *cp,
                    struct err *err)
{
    struct rig *r = self;
    const struct graph_saver *s = inner(r);
    if (r->fail_put > 0 && --r->fail_put == 0) {
        return err_set(err, ERR_FENCED, "the attempt has lost its lease");
    }
    if (r->saver_log) {
        leat_view m = leat_view_of(cp->metadata);
        put_namespace(r, cp->ns);
        line(r, "put %d", (int)leat_int(leat_get(m, "step"), -99));
    }
    return s->put(s->self, cp, err);
}

static bool rig_put_writes(void *self, const struct graph_spot *at,
                           const struct graph_write *w, size_t n,
                           struct err *err)
{
    struct rig *r = self;
    const struct graph_saver *s = inner(r);
    if (r->saver_log) {
        put_namespace(r, at->ns);
        line(r, "writes %d", (int)n);
    }
    return s->put_writes(s->self, at, w, n, err);
}

static bool rig_put_view(void *self, const char *ns, const char *id,
                         const leat_value *view, struct err *err)
{
    const struct graph_saver *s = inner(self);
    return s->put_view(s->self, ns, id, view, err);
}

static bool rig_flush(void *self, struct err *err)
{
    struct rig *r = self;
    (void)err;
    if (r->saver_log) {
        line(r, "flush");
    }
    return true;
}

/* ---- runs --------------------------------------------------------------- */

static struct graph *compile(leat_build_fn build, struct err *err)
{
    struct graph *g = NULL;
    leat_graph *b = graph_builder_new();
    build(b, (leat_view){0});
    return graph_compile(&b, &g, err) ? g : NULL;
}

const char *rig_mistakes(leat_build_fn build)
{
    static struct err err;
    err = (struct err)ERR_INIT;
    struct graph *g = compile(build, &err);
    graph_drop(&g);
    return err.text;
}

void rig_init(struct rig *r, leat_build_fn build, unsigned modes)
{
    struct err err = ERR_INIT;
    *r = (struct rig){0};
    r->graph = compile(build, &err);
    EXPECT_STR(err.text, "");
    r->memory = graph_memory_new();
    r->cancel = graph_cancel_new();
    buf_init(&r->log, LOG_MAX);
    r->saver = (struct graph_saver){
        .self = r,
        .load = rig_load,
        .list = rig_list,
        .put = rig_put,
        .put_writes = rig_put_writes,
        .put_view = rig_put_view,
        .flush = rig_flush,
    };
    r->req = (struct graph_request){
        .thread_id = "t1",
        .run_id = "11111111-1111-4111-8111-111111111111",
        .attempt = 1,
        .modes = modes,
    };
    r->host = (struct graph_host){
        .arg = r,
        .emit = on_emit,
        .saver = &r->saver,
        .cancel = r->cancel,
    };
}

void rig_fini(struct rig *r)
{
    graph_result_fini(&r->result);
    graph_memory_destroy(&r->memory);
    graph_cancel_destroy(&r->cancel);
    graph_drop(&r->graph);
    buf_fini(&r->log);
    graph_pool_stop();
}

static leat_value *parse(const char *json)
{
    char why[128] = "";
    leat_value *v = leat_from_json(json, strlen(json), why, sizeof why);
    EXPECT_MSG(v != NULL, "%s: %s", json, why);
    return v;
}

static void run(struct rig *r, leat_view input, leat_view command)
{
    buf_reset(&r->log);
    graph_result_fini(&r->result);
    r->req.input = input;
    r->req.command = command;
    graph_run(r->graph, &r->req, &r->host, &r->result);
}

void rig_run(struct rig *r, const char *input)
{
    leat_value *v = input != NULL ? parse(input) : NULL;
    run(r, leat_view_of(v), (leat_view){0});
    leat_drop(v);
}

void rig_command(struct rig *r, const char *command)
{
    leat_value *v = parse(command);
    run(r, (leat_view){0}, leat_view_of(v));
    leat_drop(v);
}

const char *rig_log(struct rig *r)
{
    return buf_text(&r->log);
}

const char *rig_output(const struct rig *r)
{
    return rig_json(r->result.output);
}

const char *rig_values(const struct rig *r)
{
    return rig_json(r->result.values);
}

const char *rig_view(struct rig *r, const char *key)
{
    struct err err = ERR_INIT;
    struct graph_saved saved = {0};
    EXPECT(rig_load(r, "", NULL, &saved, &err) && saved.found);
    leat_value *v = leat_value_of(leat_get(leat_view_of(saved.cp.view), key));
    const char *text = rig_json(v);
    leat_drop(v);
    graph_saved_fini(&saved);
    return text;
}
