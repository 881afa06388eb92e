/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clerk.c: a mailbox of small jobs and one store handle. A job that fails for
 * want of the store is tried again; the newest list of graphs replaces older
 * ones.
 */
#include "gateway/clerk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "common/log.h"
#include "common/mbox.h"
#include "gateway/hub_follow.h"
#include "gateway/snapshot.h"
#include "gateway/stores.h"
#include "gateway/wait.h"

#define CLERK_MAGIC LEAT_MAGIC(0x9a7e0007)
#define BOX_LIMIT 1000000
#define LIST_MAX 256 /* runs of a thread at a time */
#define AGAIN_MS 500
#define LOOK_MS 2
#define PATIENCE_MS 1000

struct job {
    leat_value *graphs;       /* make their assistants; or NULL */
    unsigned number;          /* of these graphs, from 1 */
    struct gw_stream *stream; /* of whom `what` is wanted; or NULL */
    enum { DOCUMENT, LIST, STATE } what;
    uint64_t after_ms;   /* LIST */
    struct sse_id id;    /* STATE: of its event */
    leat_value *refused; /* submit with a key that is free; or NULL */
    struct id run;
    struct id thread;
};

struct gw_clerk {
    uint32_t magic;
    struct gw_app *app;
    mbox_t *box;
    pthread_t thread;
    bool started;
    leat_value *config; /* LANGGRAPH_CONFIG: graph id -> config */
    leat_value *graphs; /* whose assistants are still to be made */
    unsigned number;    /* theirs */
    atomic_uint asked;  /* the newest graphs that came */
    atomic_uint made;   /* those whose assistants are there */
};

static bool read_config(gw_clerk_t *c, struct err *err)
{
    const char *text = getenv("LANGGRAPH_CONFIG");
    if (text == NULL || *text == '\0') {
        return true;
    }
    if (!json_parse(text, strlen(text), NULL, &c->config, err)) {
        return err_wrap(err, "LANGGRAPH_CONFIG");
    }
    leat_iter it = leat_iter_of(leat_view_of(c->config));
    bool ok = leat_type_of(leat_view_of(c->config)) == LEAT_OBJECT;
    while (ok && leat_next(&it)) {
        ok = leat_type_of(it.item) == LEAT_OBJECT;
    }
    return ok || err_set(err, ERR_INVALID,
                         "LANGGRAPH_CONFIG: must be an object of objects, "
                         "one for each graph");
}

gw_clerk_t *gw_clerk_new(struct err *err)
{
    gw_clerk_t *c = base_zalloc(sizeof(*c));
    c->magic = CLERK_MAGIC;
    c->box = mbox_new(BOX_LIMIT);
    if (!read_config(c, err)) {
        gw_clerk_destroy(&c);
    }
    return c;
}

static void drop_job(void *message)
{
    struct job *j = message;
    leat_drop(j->graphs);
    leat_drop(j->refused);
    free(j);
}

void gw_clerk_destroy(gw_clerk_t **p)
{
    must(p != NULL);
    gw_clerk_t *c = *p;
    *p = NULL;
    if (c == NULL) {
        return;
    }
    check_magic(c, CLERK_MAGIC);
    gw_clerk_stop(c);
    mbox_destroy(&c->box, drop_job);
    leat_drop(c->config);
    leat_drop(c->graphs);
    c->magic = 0;
    free(c);
}

/* ---- system assistants ------------------------------------------------- */

struct id gw_clerk_system_id(const char *graph_id)
{
    struct id space;
    must(graph_id != NULL);
    must(id_parse("6ba7b821-9dad-11d1-80b4-00c04fd430c8", &space));
    return id_uuid5(&space, graph_id, strlen(graph_id));
}

bool gw_clerk_ensure(const gw_clerk_t *c, store_t *store, const char *graph_id,
                     struct err *err)
{
    check_magic(c, CLERK_MAGIC);
    leat_view conf = leat_get(leat_view_of(c->config), graph_id);
    leat_view context = leat_get(conf, "context");
    char *name = base_strdup(graph_id);
    char everybody[] = STORE_EVERYBODY;
    struct store_assistant a = {
        .owner = everybody,
        .assistant_id = gw_clerk_system_id(graph_id),
        .graph_id = name,
        .name = name,
        .metadata = leat_pack("{s:s}", "created_by", "system"),
        .config = leat_with(conf, "context", NULL),
        .context = leat_type_of(context) == LEAT_OBJECT ? leat_value_of(context)
                                                        : NULL,
    };
    bool created = false;
    bool ok = store_assistants_create(store, &a, &created, err);
    if (ok && created) {
        log_info("assistant.created", "graph=%s assistant=%s", LOG_Q(graph_id),
                 ID_TEXT(&a.assistant_id));
    }
    leat_drop(a.metadata);
    leat_drop(a.config);
    leat_drop(a.context);
    free(name);
    return ok;
}

void gw_clerk_catch_up(gw_clerk_t *c)
{
    check_magic(c, CLERK_MAGIC);
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    unsigned asked = atomic_load(&c->asked);
    for (int64_t ms = 0; ms < PATIENCE_MS && atomic_load(&c->made) < asked;
         ms += LOOK_MS) {
        (void)nanosleep(&pause, NULL);
    }
}

static bool ensure_all(gw_clerk_t *c, struct err *err)
{
    store_t *store = gw_stores_take(c->app->stores, "", err);
    bool ok = store != NULL;
    leat_view list = leat_get(leat_view_of(c->graphs), "graphs");
    leat_iter it = leat_iter_of(list);
    while (ok && leat_next(&it)) {
        char *graph_id = value_strdup(leat_get(it.item, "id"));
        ok = graph_id == NULL || gw_clerk_ensure(c, store, graph_id, err);
        free(graph_id);
    }
    if (store != NULL) {
        gw_stores_give(c->app->stores, store);
    }
    return ok;
}

/* ---- documents --------------------------------------------------------- */

/* A thread has them by task. */
static leat_value *all_interrupts(const struct store_thread *t)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    leat_iter task = leat_iter_of(leat_view_of(t->interrupts));
    while (leat_next(&task)) {
        leat_iter it = leat_iter_of(task.item);
        while (leat_next(&it)) {
            leat_write_view(w, it.item);
        }
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *document_of(store_t *store, const struct job *j)
{
    struct store_run run;
    struct store_thread thread;
    leat_value *document = NULL;
    struct err err = ERR_INIT;
    if (store_runs_get(store, &j->run, &run, &err)) {
        if (run.error != NULL) {
            document = leat_pack("{s:W}", "__error__", run.error);
        }
        store_run_fini(&run);
    }
    if (document == NULL &&
        store_threads_get(store, &j->thread, &thread, &err)) {
        leat_value *interrupts = all_interrupts(&thread);
        document = gw_wait_document(thread.values, interrupts);
        leat_drop(interrupts);
        store_thread_fini(&thread);
    }
    return document;
}

static void look_up(gw_clerk_t *c, const struct job *j)
{
    struct err err = ERR_INIT;
    store_t *store = gw_stores_take(c->app->stores, "", &err);
    leat_value *document = NULL;
    if (store != NULL) {
        document = document_of(store, j);
        gw_stores_give(c->app->stores, store);
    }
    struct buf text;
    buf_init(&text, (size_t)1 << 31);
    if (document == NULL || !json_write(leat_view_of(document), &text)) {
        buf_reset(&text);
        must(buf_puts(&text, "null"));
    }
    gw_hub_say(c->app->hub, j->stream, text.data, text.len);
    buf_fini(&text);
    leat_drop(document);
}

/* ---- readers of threads ------------------------------------------------ */

/* What cannot be listed now is listed when it is asked for again. */
static void list_runs(gw_clerk_t *c, const struct job *j)
{
    struct err err = ERR_INIT;
    struct store_thread t;
    struct store_run_ids ids[LIST_MAX];
    size_t n = 0;
    const struct store_ids_query q = {
        .thread_id = j->thread, .after_ms = j->after_ms, .limit = LIST_MAX};
    struct gw_follow_list *list =
        base_zalloc(sizeof(*list) + LIST_MAX * sizeof(struct gw_follow_run));
    store_t *store = gw_stores_take(c->app->stores, "", &err);
    bool ok = store != NULL && store_threads_get(store, &j->thread, &t, &err);
    if (ok) {
        list->last_ms = t.last_ms;
        store_thread_fini(&t);
        ok = store_runs_ids(store, &q, ids, &n, &err);
    }
    for (size_t i = 0; ok && i < n; i++) {
        list->runs[list->n++] =
            (struct gw_follow_run){.run = ids[i].run_id,
                                   .ms = ids[i].ms,
                                   .first_seq = ids[i].first_seq};
    }
    list->more = ok && n == LIST_MAX;
    list->gone = !ok && err.code == ERR_NOT_FOUND;
    list->failed = !ok && !list->gone;
    if (store != NULL) {
        gw_stores_give(c->app->stores, store);
    }
    gw_hub_listed(c->app->hub, j->stream, list);
}

/* The state that the run left: its last checkpoint. */
static bool state_of(store_t *store, const struct job *j, leat_value **out,
                     struct err *err)
{
    struct store_checkpoint *list = NULL;
    size_t n = 0;
    leat_value *own = leat_pack("{s:s}", "run_id", ID_TEXT(&j->run));
    const struct store_checkpoints_query q = {
        .thread_id = j->thread, .metadata = leat_view_of(own), .limit = 1};
    bool ok = store_checkpoints_list(store, &q, &list, &n, err);
    leat_drop(own);
    if (!ok) {
        return false;
    }
    const struct gw_snapshot s = {
        .store = store, .thread_id = j->thread, .latest = true};
    if (n == 0) {
        *out = gw_snapshot_empty();
    } else {
        ok = gw_snapshot_build(&s, &list[0], out, err);
    }
    store_checkpoints_free(&list, n);
    return ok;
}

static void tell_state(gw_clerk_t *c, const struct job *j)
{
    struct err err = ERR_INIT;
    struct buf text;
    leat_value *state = NULL;
    store_t *store = gw_stores_take(c->app->stores, "", &err);
    buf_init(&text, (size_t)1 << 31);
    if (store != NULL && state_of(store, j, &state, &err)) {
        const struct wire_event event = {.name = {"state_update", 12},
                                         .ns = {"", 0},
                                         .payload = leat_view_of(state)};
        if (!gw_sse_encode(&event, j->id, &text)) {
            (void)err_set(&err, ERR_TOO_LARGE, "it is too large");
        }
    }
    if (err.code != ERR_NONE) {
        log_error("state.not_told", "run=%s error=%s", ID_TEXT(&j->run),
                  LOG_Q(err.text));
    }
    if (store != NULL) {
        gw_stores_give(c->app->stores, store);
    }
    gw_hub_say(c->app->hub, j->stream, text.data, text.len);
    buf_fini(&text);
    leat_drop(state);
}

/* ---- keys -------------------------------------------------------------- */

/* A key that cannot be freed is free later: nothing came of its run. */
static void release(gw_clerk_t *c, const struct job *j)
{
    struct err err = ERR_INIT;
    leat_view submit = leat_view_of(j->refused);
    char *owner = value_strdup(leat_get(submit, "owner"));
    char *key = value_strdup(leat_get(submit, "key"));
    const struct store_key k = {.owner = owner, .key = key};
    store_t *store = gw_stores_take(c->app->stores, "", &err);
    bool ok = store != NULL && store_keys_release(store, &k, &j->run, &err);
    if (!ok) {
        log_warn("key.kept", "run=%s error=%s", ID_TEXT(&j->run),
                 LOG_Q(err.text));
    }
    if (store != NULL) {
        gw_stores_give(c->app->stores, store);
    }
    free(owner);
    free(key);
}

/* ---- the thread -------------------------------------------------------- */

static void serve(gw_clerk_t *c, const struct job *j)
{
    switch (j->what) {
    case DOCUMENT:
        look_up(c, j);
        break;
    case LIST:
        list_runs(c, j);
        break;
    case STATE:
        tell_state(c, j);
        break;
    }
}

static void *clerk_main(void *arg)
{
    gw_clerk_t *c = arg;
    struct job *j;
    log_ctx_set("thread=clerk");
    while ((j = mbox_wait(c->box, c->graphs == NULL ? -1 : AGAIN_MS)) != NULL ||
           c->graphs != NULL) {
        struct err err = ERR_INIT;
        if (j != NULL && j->graphs != NULL) {
            leat_drop(c->graphs);
            c->graphs = j->graphs;
            c->number = j->number;
            j->graphs = NULL;
        }
        if (j != NULL && j->stream != NULL) {
            serve(c, j);
        }
        if (j != NULL && j->refused != NULL) {
            release(c, j);
        }
        if (j != NULL) {
            drop_job(j);
        }
        if (c->graphs == NULL) {
            continue;
        }
        bool made = ensure_all(c, &err);
        if (!made) {
            log_warn("assistants.waiting", "error=%s", LOG_Q(err.text));
        }
        if (made || atomic_load(&c->app->draining)) {
            atomic_store(&c->made, c->number);
            leat_drop(c->graphs);
            c->graphs = NULL;
        }
    }
    return NULL;
}

void gw_clerk_start(gw_clerk_t *c, struct gw_app *app)
{
    check_magic(c, CLERK_MAGIC);
    must(!c->started && app->hub != NULL && app->stores != NULL);
    c->app = app;
    must(pthread_create(&c->thread, NULL, clerk_main, c) == 0);
    c->started = true;
}

void gw_clerk_stop(gw_clerk_t *c)
{
    check_magic(c, CLERK_MAGIC);
    mbox_close(c->box);
    if (c->started) {
        must(pthread_join(c->thread, NULL) == 0);
        c->started = false;
    }
}

static void put(gw_clerk_t *c, const struct job *like)
{
    struct job *j = base_memdup(like, sizeof(*like));
    if (!mbox_put(c->box, j)) {
        drop_job(j); /* closed: the process is ending */
    }
}

void gw_clerk_on_graphs(void *self, const leat_value *graphs)
{
    gw_clerk_t *c = self;
    unsigned number = atomic_fetch_add(&c->asked, 1) + 1;
    put(c, &(struct job){.graphs = leat_hold(graphs), .number = number});
}

void gw_clerk_look_up(void *self, struct gw_stream *s)
{
    put(self, &(struct job){.stream = s, .run = s->run, .thread = s->thread});
}

void gw_clerk_refused(void *self, const struct id *run, leat_view submit)
{
    put(self, &(struct job){.refused = leat_value_of(submit), .run = *run});
}

void gw_clerk_list(void *self, struct gw_stream *s, uint64_t after_ms)
{
    put(self, &(struct job){.stream = s,
                            .what = LIST,
                            .thread = s->thread,
                            .after_ms = after_ms});
}

void gw_clerk_state(void *self, struct gw_stream *s, const struct id *run,
                    struct sse_id id)
{
    put(self, &(struct job){.stream = s,
                            .what = STATE,
                            .run = *run,
                            .thread = s->thread,
                            .id = id});
}
