/* SPDX-License-Identifier: Apache-2.0 */
/* call.c: see call.h. Knows the ops and their arguments, nothing of sockets. */
#include "worker/call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "worker/update.h"

#define CALL_MAGIC LEAT_MAGIC(0x63610001)
#define STACK_BYTES ((size_t)512 << 10) /* a factory is its author's code */

struct call {
    uint32_t magic;
    struct call_tools tools;
    mbox_t *asked; /* struct call_job */
    mbox_t *done;  /* the maker's */
    pthread_t thread;
};

static void *serve(void *arg)
{
    call_t *c = arg;
    check_magic(c, CALL_MAGIC);
    struct call_job *j;
    while ((j = mbox_wait(c->asked, -1)) != NULL) {
        leat_value *answer =
            wrk_call_run(&c->tools, &j->head, leat_view_of(j->body));
        leat_drop(j->body);
        j->body = answer;
        must(mbox_put(c->done, j));
    }
    return NULL;
}

call_t *wrk_call_new(const struct call_conf *conf)
{
    must(conf != NULL && conf->registry != NULL && conf->done != NULL);
    call_t *c = base_zalloc(sizeof *c);
    c->magic = CALL_MAGIC;
    c->tools.registry = conf->registry;
    c->tools.saver = wrk_saver_new(&conf->saver);
    c->asked = mbox_new(WRK_CALLS_MAX);
    c->done = conf->done;
    pthread_attr_t attr;
    must(pthread_attr_init(&attr) == 0);
    must(pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
    must(pthread_create(&c->thread, &attr, serve, c) == 0);
    pthread_attr_destroy(&attr);
    return c;
}

static void drop_job(void *job)
{
    struct call_job *j = job;
    wrk_call_job_destroy(&j);
}

void wrk_call_destroy(call_t **p)
{
    must(p != NULL);
    call_t *c = *p;
    if (c == NULL) {
        return;
    }
    check_magic(c, CALL_MAGIC);
    mbox_close(c->asked);
    must(pthread_join(c->thread, NULL) == 0);
    mbox_destroy(&c->asked, drop_job);
    wrk_saver_destroy(&c->tools.saver);
    c->magic = 0;
    free(c);
    *p = NULL;
}

bool wrk_call_put(call_t *c, const struct wire_head *head, leat_value **body)
{
    check_magic(c, CALL_MAGIC);
    must(head->type == WIRE_CALL && *body != NULL);
    struct call_job *j = base_zalloc(sizeof *j);
    j->head = *head;
    j->body = *body;
    if (!mbox_put(c->asked, j)) {
        free(j);
        return false;
    }
    *body = NULL;
    return true;
}

void wrk_call_job_destroy(struct call_job **j)
{
    must(j != NULL);
    if (*j != NULL) {
        leat_drop((*j)->body);
        free(*j);
        *j = NULL;
    }
}

/* ---- the ops -------------------------------------------------------------- */

struct ask {
    const struct graph *graph;
    struct id thread;
    wrk_saver_t *saver;
    leat_view args;
    const char *graph_id;
};

/* `xray` is a truth, or a number of levels; true is all of them. */
static bool op_draw(const struct ask *a, leat_value **out, struct err *err)
{
    leat_view xray = leat_get(a->args, "xray");
    bool all = leat_bool(xray, false);
    int64_t depth = all ? INT64_MAX : leat_int(xray, 0);
    if (depth < 0) {
        return err_set(err, ERR_INVALID, "xray: %lld is below 0",
                       (long long)depth);
    }
    *out = graph_draw(a->graph, (unsigned)min_i64(depth, UINT32_MAX));
    return true;
}

static bool op_schemas(const struct ask *a, leat_value **out, struct err *err)
{
    (void)err;
    leat_value *schemas = graph_schema(a->graph);
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "graph_id");
    leat_write_string(w, a->graph_id);
    leat_iter it = leat_iter_of(leat_view_of(schemas));
    while (leat_next(&it)) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
    leat_write_end(w);
    leat_drop(schemas);
    *out = leat_writer_finish(&w);
    return true;
}

static bool op_subgraphs(const struct ask *a, leat_value **out,
                         struct err *err)
{
    (void)err;
    char *ns = value_strdup(leat_get(a->args, "namespace"));
    *out = graph_schema_subgraphs(
        a->graph, ns, leat_bool(leat_get(a->args, "recurse"), false));
    free(ns);
    return true;
}

static bool op_update_state(const struct ask *a, leat_value **out,
                            struct err *err)
{
    const struct wrk_update u = {.graph = a->graph,
                                 .thread = a->thread,
                                 .args = a->args,
                                 .saver = a->saver};
    return wrk_update_run(&u, out, err);
}

static const struct op {
    const char *name;
    bool (*run)(const struct ask *a, leat_value **out, struct err *err);
} ops[] = {
    {"draw", op_draw},
    {"schemas", op_schemas},
    {"subgraphs", op_subgraphs},
    {"update_state", op_update_state},
};

static const struct op *find_op(leat_view name)
{
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (leat_is(name, ops[i].name)) {
            return &ops[i];
        }
    }
    return NULL;
}

static bool run(const struct call_tools *tools, const struct wire_head *head,
                leat_view asked, leat_value **out, struct err *err)
{
    const struct op *op = find_op(leat_get(asked, "op"));
    if (op == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "This worker does not know the op.");
    }
    char *id = value_strdup(leat_get(asked, "graph_id"));
    must(id != NULL); /* the wire has checked it */
    struct graph *graph = NULL;
    bool ok = wrk_load_get(tools->registry, id, leat_get(asked, "config"), &graph,
                           err);
    if (ok) {
        const struct ask ask = {.graph = graph,
                                .thread = head->thread,
                                .saver = tools->saver,
                                .args = leat_get(asked, "args"),
                                .graph_id = id};
        ok = op->run(&ask, out, err);
        graph_drop(&graph);
    }
    free(id);
    return ok;
}

leat_value *wrk_call_run(const struct call_tools *tools,
                         const struct wire_head *head, leat_view asked)
{
    must(tools->registry != NULL && leat_type_of(asked) == LEAT_OBJECT);
    struct err err = ERR_INIT;
    leat_value *result = NULL;
    if (run(tools, head, asked, &result, &err)) {
        return leat_pack("{s:V}", "result", result);
    }
    log_warn("call.failed", "why=%s", LOG_Q(err.text));
    return leat_pack("{s:s, s:s}", "code", err_name((int)err.code), "text",
                     err.text);
}
