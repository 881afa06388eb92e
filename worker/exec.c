/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c: one job from RUN_START to the body of RUN_DONE. What a run is told
 * about itself (metadata, configurable) is put together here; what it does is
 * the engine's; when it starts and whether it counts is the broker's.
 */
#include "worker/exec.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"
#include "worker/emit.h"
#include "worker/graph/memory.h"
#include "worker/pool.h"
#include "worker/saver.h"

#define EXEC_MAGIC LEAT_MAGIC(0x65780001)
/* The library whose behaviour the engine has. */
#define LANGGRAPH_VERSION "1.2.11"
#define STACK_BYTES ((size_t)512 << 10)

struct exec {
    uint32_t magic;
    struct exec_conf conf;
    mbox_t *jobs;
    pthread_t *threads;
    size_t thread_count;
    size_t slots;
    _Atomic size_t idle;
    wrk_pool_t *pool; /* of the savers' connections */
};

/* What one executor thread keeps from run to run. */
struct seat {
    exec_t *exec;
    wrk_saver_t *saver; /* made at the first stored run */
};

/* Everything of one attempt while it runs. */
struct attempt {
    struct seat *seat;
    struct job *job;
    leat_view kwargs;
    leat_view start;
    char run[ID_TEXT_SIZE];
    char thread[ID_TEXT_SIZE];
    leat_value *config;
    struct graph *graph;
    emit_t *emit;
    graph_memory_t *memory;
    const struct graph_saver *saver;
    struct graph_items items;
    pthread_mutex_t binding;
    bool bound; /* the seat's saver, to this run */
};

/* ---- what the run is told ------------------------------------------------ */

static const char *text_of(leat_view v, char *out, size_t cap)
{
    leat_text t = leat_string(v);
    size_t n = t.ptr == NULL ? 0 : min_size(t.len, cap - 1);
    if (n > 0) {
        memcpy(out, t.ptr, n);
    }
    out[n] = '\0';
    return out;
}

/* The pairs of `layer` whose key no later layer has. */
static void write_layer(leat_writer *w, leat_view layer,
                        const leat_view later[2])
{
    leat_iter it = leat_iter_of(layer);
    while (leat_next(&it)) {
        bool again = false;
        for (int i = 0; i < 2; i++) {
            leat_view v = leat_get_n(later[i], it.key.ptr, it.key.len);
            again = again || leat_type_of(v) != LEAT_MISSING;
        }
        if (!again) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
}

/* The config's metadata, over it the run's, over it what the server knows. */
static leat_value *metadata_of(const struct attempt *a)
{
    leat_view config = leat_get(leat_get(a->kwargs, "config"), "metadata");
    leat_view run = leat_get(a->start, "metadata");
    leat_value *own = leat_pack(
        "{s:v, s:v, s:s, s:s, s:i, s:s, s:s, s:s, s:n}", "graph_id",
        leat_get(a->start, "graph_id"), "assistant_id",
        leat_get(a->start, "assistant_id"), "run_id", a->run, "thread_id",
        a->thread, "run_attempt", (int)a->job->attempt, "langgraph_version",
        LANGGRAPH_VERSION, "langgraph_plan", "developer", "langgraph_host",
        "self-hosted", "langgraph_api_url");
    leat_view server = leat_view_of(own);
    leat_view none = {NULL, NULL};
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    write_layer(w, config, (const leat_view[2]){run, server});
    write_layer(w, run, (const leat_view[2]){server, none});
    write_layer(w, server, (const leat_view[2]){none, none});
    leat_write_end(w);
    leat_drop(own);
    return leat_writer_finish(&w);
}

static leat_value *config_of(const struct attempt *a)
{
    leat_view given = leat_get(a->kwargs, "config");
    leat_view configurable = leat_get(given, "configurable");
    leat_value *own = leat_with(configurable, "thread_id",
                                leat_new_string(a->thread));
    leat_value *both = leat_with(leat_view_of(own), "run_id",
                                 leat_new_string(a->run));
    leat_drop(own);
    leat_value *with_config = leat_with(given, "configurable", both);
    leat_value *config = leat_with(leat_view_of(with_config), "metadata",
                                   metadata_of(a));
    leat_drop(with_config);
    return config;
}

/*
 * A run that has lost its worker may be why: it goes on with care. Every step
 * is stored before the next one begins, and readers know of the attempt before
 * any node runs, so that a node that ends its process again takes no more
 * with it than itself.
 */
static bool is_careful(const struct job *j)
{
    return j->attempt > 1;
}

static enum graph_durability durability_of(leat_view kwargs)
{
    leat_view d = leat_get(kwargs, "durability");
    if (leat_is(d, "sync")) {
        return GRAPH_DURABILITY_SYNC;
    }
    if (leat_is(d, "exit")) {
        return GRAPH_DURABILITY_EXIT;
    }
    leat_view during = leat_get(kwargs, "checkpoint_during");
    bool at_exit = leat_type_of(d) != LEAT_STRING &&
                   leat_type_of(during) == LEAT_BOOL &&
                   !leat_bool(during, true);
    return at_exit ? GRAPH_DURABILITY_EXIT : GRAPH_DURABILITY_ASYNC;
}

static enum graph_durability stored_durability(const struct job *j,
                                               leat_view kwargs)
{
    enum graph_durability d = durability_of(kwargs);
    return d == GRAPH_DURABILITY_ASYNC && is_careful(j)
               ? GRAPH_DURABILITY_SYNC
               : d;
}

/*
 * Nobody can read the checkpoints of a run that is not stored. Unless its own
 * events show them, only the last one matters, for a question the run may end
 * with.
 */
static enum graph_durability durability_in_memory(leat_view kwargs,
                                                  unsigned modes)
{
    const unsigned shown =
        GRAPH_MODE_CHECKPOINTS | GRAPH_MODE_DEBUG | GRAPH_MODE_TASKS;
    return (modes & shown) == 0 ? GRAPH_DURABILITY_EXIT : durability_of(kwargs);
}

/* ---- the parts of an attempt ---------------------------------------------- */

/* Nodes act as their run's owner, whom the gateway has named. */
static void own_items(struct attempt *a)
{
    leat_view configurable =
        leat_get(leat_get(a->kwargs, "config"), "configurable");
    char *owner =
        value_strdup(leat_get(configurable, "langgraph_auth_user_id"));
    wrk_saver_own(a->seat->saver, owner);
    free(owner);
}

static bool bind_saver(struct attempt *a, struct err *err)
{
    struct seat *seat = a->seat;
    struct job *j = a->job;
    if (seat->saver == NULL) {
        const conf_t *c = seat->exec->conf.conf;
        const struct wrk_saver_conf conf = {
            .store = conf_str(c, CONF_STORE),
            .brokers = seat->exec->conf.brokers,
            .frame_bytes = conf_bytes(c, CONF_FRAME_BYTES),
            .connections = (unsigned)conf_int(c, CONF_STORE_CONNECTIONS),
            .item_ttl_ms = conf_ms(c, CONF_ITEM_TTL),
            .item_ttl_fixed = !conf_bool(c, CONF_ITEM_REFRESH),
            .pool = seat->exec->pool,
        };
        seat->saver = wrk_saver_new(&conf);
    }
    a->bound = wrk_saver_bind(seat->saver, &j->thread, &j->run, j->attempt,
                              err);
    if (a->bound) {
        own_items(a);
        atomic_store(&j->saver, seat->saver);
    }
    return a->bound;
}

/* A run that is not stored reaches the store only when a node asks for it. */
static bool bind_once(struct attempt *a, struct err *err)
{
    must(pthread_mutex_lock(&a->binding) == 0);
    bool ok = a->bound || bind_saver(a, err);
    must(pthread_mutex_unlock(&a->binding) == 0);
    return ok;
}

static bool put_item(void *self, leat_view space, const char *key,
                     const leat_value *value, struct err *err)
{
    struct attempt *a = self;
    if (!bind_once(a, err)) {
        return false;
    }
    const struct graph_items *items = wrk_saver_items(a->seat->saver);
    return items->put(items->self, space, key, value, err);
}

static bool get_item(void *self, leat_view space, const char *key,
                     leat_value **value, struct err *err)
{
    struct attempt *a = self;
    if (!bind_once(a, err)) {
        return false;
    }
    const struct graph_items *items = wrk_saver_items(a->seat->saver);
    return items->get(items->self, space, key, value, err);
}

static bool search_items(void *self, const struct graph_item_query *q,
                         leat_value **list, struct err *err)
{
    struct attempt *a = self;
    if (!bind_once(a, err)) {
        return false;
    }
    const struct graph_items *items = wrk_saver_items(a->seat->saver);
    return items->search(items->self, q, list, err);
}

static bool open_saver(struct attempt *a, struct err *err)
{
    a->items = (struct graph_items){
        .self = a, .put = put_item, .get = get_item, .search = search_items};
    if (!a->job->stored) {
        a->memory = graph_memory_new();
        a->saver = graph_memory_saver(a->memory);
        return true;
    }
    if (!bind_once(a, err)) {
        return false;
    }
    a->saver = wrk_saver_ops(a->seat->saver);
    return true;
}

/* Whether an earlier attempt of this run left checkpoints to go on from. */
static bool went_before(const struct attempt *a, bool *continued,
                        struct err *err)
{
    *continued = false;
    if (a->job->attempt <= 1 || a->saver == NULL) {
        return true;
    }
    struct graph_saved saved;
    memset(&saved, 0, sizeof saved);
    if (!a->saver->load(a->saver->self, "", NULL, &saved, err)) {
        return err_wrap(err, "loading the latest checkpoint");
    }
    *continued = saved.found &&
                 leat_is(leat_get(leat_view_of(saved.cp.metadata), "run_id"),
                         a->run);
    graph_saved_fini(&saved);
    return true;
}

static void on_event(void *arg, const struct graph_event *ev)
{
    const struct attempt *a = arg;
    (void)fault_at(FAULT_WORKER_EVENT);
    (void)fault_at(FAULT_WORKER_STOP);
    wrk_emit_event(a->emit, ev);
}

static void on_busy(void *arg, bool executing)
{
    struct attempt *a = arg;
    atomic_fetch_add(&a->job->executing, executing ? 1 : -1);
    if (executing) {
        (void)fault_at(FAULT_WORKER_STEP);
    }
}

/* ---- the end ---------------------------------------------------------------- */

static const char *run_status(enum graph_status s)
{
    switch (s) {
    case GRAPH_DONE:
    case GRAPH_INTERRUPTED:
        return "success";
    case GRAPH_FAILED:
        return "error";
    case GRAPH_CANCELLED:
    case GRAPH_FENCED:
        return "interrupted";
    }
    must_not("a status of the engine");
    return "";
}

static const char *thread_status(const struct graph_result *r)
{
    if (r->status == GRAPH_FAILED) {
        return "error";
    }
    if (r->status == GRAPH_CANCELLED) {
        return "idle";
    }
    return r->next || r->status == GRAPH_INTERRUPTED ? "interrupted" : "idle";
}

static leat_value *done_body(const struct graph_result *r)
{
    leat_value *error = NULL;
    if (r->status == GRAPH_FAILED) {
        error = leat_pack("{s:s, s:s}", "error", r->error_type, "message",
                          r->error_text);
    }
    return leat_pack("{s:s, s:?V, s:s, s:?W, s:?W}", "status",
                     run_status(r->status), "error", error, "thread_status",
                     thread_status(r), "values", r->values, "interrupts",
                     r->interrupts);
}

static void finish(struct attempt *a, struct graph_result *r)
{
    struct job *j = a->job;
    int stop = atomic_load(&j->stop);
    if (r->status == GRAPH_FENCED || stop == JOB_STOP_FENCED) {
        stat_inc(STAT_WORKER_FENCED);
        return;
    }
    if (r->status == GRAPH_CANCELLED && stop == JOB_STOP_YIELD) {
        j->yielded = true;
        return;
    }
    if (r->status == GRAPH_FAILED) {
        wrk_emit_error(a->emit, r->error_type, r->error_text);
    }
    wrk_emit_end(a->emit, run_status(r->status));
    j->done = done_body(r);
}

static void fail(struct graph_result *r, const char *type,
                 const struct err *err)
{
    r->status = GRAPH_FAILED;
    must(base_copy(r->error_type, sizeof r->error_type, type));
    r->error_text = base_strdup(err->text);
}

/* ---- an attempt ----------------------------------------------------------- */

static void engine_run(struct attempt *a, bool continued,
                       struct graph_result *r)
{
    const conf_t *c = a->seat->exec->conf.conf;
    leat_view kw = a->kwargs;
    char cp_id[64];
    char cp_ns[512];
    leat_view configurable =
        leat_get(leat_view_of(a->config), "configurable");
    text_of(leat_get(configurable, "checkpoint_id"), cp_id, sizeof cp_id);
    text_of(leat_get(configurable, "checkpoint_ns"), cp_ns, sizeof cp_ns);
    unsigned modes = wrk_emit_modes(leat_get(kw, "stream_mode"));
    const struct graph_request req = {
        .thread_id = a->thread,
        .run_id = a->run,
        .attempt = a->job->attempt,
        .input = leat_get(kw, "input"),
        .command = leat_get(kw, "command"),
        .checkpoint_id = cp_id[0] != '\0' ? cp_id : NULL,
        .checkpoint_ns = cp_ns,
        .config = leat_view_of(a->config),
        .context = leat_get(kw, "context"),
        .interrupt_before = leat_get(kw, "interrupt_before"),
        .interrupt_after = leat_get(kw, "interrupt_after"),
        .durability = a->job->stored ? stored_durability(a->job, kw)
                                     : durability_in_memory(kw, modes),
        .modes = modes,
        .subgraphs = leat_bool(leat_get(kw, "subgraphs"), false),
        .recursion_limit = (unsigned)conf_int(c, CONF_RECURSION_LIMIT),
        .continued = continued,
    };
    const struct graph_host host = {
        .arg = a,
        .emit = on_event,
        .saver = a->saver,
        .items = &a->items,
        .cancel = a->job->cancel,
        .busy = on_busy,
        .node_threads = (unsigned)conf_int(c, CONF_NODE_THREADS),
    };
    graph_run(a->graph, &req, &host, r);
}

static void attempt_run(struct attempt *a, struct graph_result *r)
{
    struct err err = ERR_INIT;
    char graph_id[256];
    bool continued = false;
    text_of(leat_get(a->start, "graph_id"), graph_id, sizeof graph_id);
    wrk_emit_metadata(a->emit, &a->job->run, a->job->attempt);
    if (is_careful(a->job)) {
        wrk_outbox_await(a->job->outbox);
    }
    if (!wrk_load_get(a->seat->exec->conf.registry, graph_id,
                      leat_view_of(a->config), &a->graph, &err)) {
        fail(r, "GraphLoadError", &err);
        return;
    }
    if (!open_saver(a, &err) || !went_before(a, &continued, &err)) {
        if (err.code == ERR_FENCED) {
            r->status = GRAPH_FENCED;
            return;
        }
        fail(r, "StoreError", &err);
        return;
    }
    engine_run(a, continued, r);
}

static void job_run(struct seat *seat, struct job *j)
{
    struct attempt a = {.seat = seat,
                        .job = j,
                        .start = leat_view_of(j->start),
                        .binding = PTHREAD_MUTEX_INITIALIZER};
    a.kwargs = leat_get(a.start, "kwargs");
    id_print(&j->run, a.run);
    id_print(&j->thread, a.thread);
    a.config = config_of(&a);
    a.emit = wrk_emit_new(j->outbox, leat_get(a.kwargs, "stream_mode"));
    struct graph_result r;
    memset(&r, 0, sizeof r);
    attempt_run(&a, &r);
    (void)fault_at(FAULT_WORKER_END);
    finish(&a, &r);
    if (a.bound) {
        wrk_saver_unbind(seat->saver);
    }
    wrk_outbox_close(j->outbox);
    graph_result_fini(&r);
    wrk_emit_destroy(&a.emit);
    if (a.graph != NULL) {
        graph_drop(&a.graph);
    }
    graph_memory_destroy(&a.memory);
    leat_drop(a.config);
}

/* ---- threads ---------------------------------------------------------------- */

static void *executor(void *arg)
{
    exec_t *e = arg;
    check_magic(e, EXEC_MAGIC);
    struct seat seat = {.exec = e};
    bool promised = true; /* to the job that it was started for */
    for (;;) {
        if (!promised) {
            atomic_fetch_add(&e->idle, 1);
        }
        promised = false;
        struct job *j = mbox_wait(e->jobs, -1);
        if (j == NULL) {
            break;
        }
        log_ctx_set("run=%s thread=%s attempt=%u", ID_TEXT(&j->run),
                    ID_TEXT(&j->thread), (unsigned)j->attempt);
        stat_inc(STAT_WORKER_RUNS);
        job_run(&seat, j);
        log_ctx_clear();
        must(mbox_put(e->conf.done, j));
    }
    wrk_saver_destroy(&seat.saver);
    return NULL;
}

static void start_thread(exec_t *e)
{
    pthread_attr_t attr;
    must(e->thread_count < e->slots);
    must(pthread_attr_init(&attr) == 0);
    must(pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
    must(pthread_create(&e->threads[e->thread_count], &attr, executor, e) ==
         0);
    pthread_attr_destroy(&attr);
    e->thread_count++;
}

exec_t *wrk_exec_new(const struct exec_conf *conf)
{
    must(conf != NULL && conf->done != NULL && conf->registry != NULL);
    exec_t *e = base_zalloc(sizeof *e);
    e->magic = EXEC_MAGIC;
    e->conf = *conf;
    e->slots = (size_t)conf_int(conf->conf, CONF_SLOTS);
    e->jobs = mbox_new(e->slots);
    e->threads = base_zalloc(e->slots * sizeof *e->threads);
    atomic_init(&e->idle, 0);
    e->pool = wrk_pool_new();
    return e;
}

void wrk_exec_destroy(exec_t **e)
{
    must(e != NULL);
    if (*e == NULL) {
        return;
    }
    check_magic(*e, EXEC_MAGIC);
    mbox_close((*e)->jobs);
    for (size_t i = 0; i < (*e)->thread_count; i++) {
        must(pthread_join((*e)->threads[i], NULL) == 0);
    }
    graph_pool_stop();
    wrk_pool_destroy(&(*e)->pool);
    mbox_destroy(&(*e)->jobs, NULL);
    free((*e)->threads);
    (*e)->magic = 0;
    free(*e);
    *e = NULL;
}

void wrk_exec_put(exec_t *e, struct job *j)
{
    check_magic(e, EXEC_MAGIC);
    must(j != NULL && j->outbox != NULL);
    size_t idle = atomic_load(&e->idle);
    bool taken = false;
    while (idle > 0 && !taken) {
        taken = atomic_compare_exchange_weak(&e->idle, &idle, idle - 1);
    }
    if (!taken) {
        start_thread(e);
    }
    must(mbox_put(e->jobs, j));
}
