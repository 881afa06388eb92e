/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit.c: what a run is made of. A stateless run that its client waits for
 * stays out of the store; everything else is a row before it is answered.
 */
#include "gateway/submit.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "gateway/assistants.h"
#include "gateway/hook_url.h"
#include "gateway/server.h"

#define NAME_MAX_LEN 128

struct id gw_submit_thread_of(const struct id *run, const char *owner)
{
    char name[STORE_OWNER_MAX + 16];
    int n = snprintf(name, sizeof(name), "thread%s%s",
                     *owner == '\0' ? "" : " of ", owner);
    must(n > 0 && (size_t)n < sizeof(name));
    struct id thread = id_uuid5(run, name, (size_t)n);
    wire_home(run, &thread);
    return thread;
}

bool gw_submit_find(struct gw_req *r, const struct id *run, struct id *thread,
                    struct err *err)
{
    struct id mine = gw_submit_thread_of(run, r->owner);
    struct id found = mine;
    if (!gw_hub_find(r->app->hub, run, &found, err)) {
        return false;
    }
    *thread = id_is_nil(&found) ? mine : found;
    return *r->owner == '\0' || id_eq(&found, &mine) ||
           err_set(err, ERR_NOT_FOUND, "Run not found");
}

/* ---- headers that become part of the run ------------------------------- */

struct copying {
    const char *const *patterns;
    size_t count;
    leat_writer *out;
};

static void copy_header(void *arg, const char *name, const char *value)
{
    static const char *const never[] = {"x-api-key", "x-tenant-id",
                                        "x-service-key", "authorization"};
    struct copying *c = arg;
    char lower[NAME_MAX_LEN];
    size_t n = strlen(name);
    if (n >= sizeof(lower)) {
        return;
    }
    for (size_t i = 0; i <= n; i++) {
        lower[i] = (char)tolower((unsigned char)name[i]);
    }
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (strcmp(lower, never[i]) == 0) {
            return;
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        if (fnmatch(c->patterns[i], lower, FNM_CASEFOLD) == 0) {
            leat_write_key(c->out, lower);
            leat_write_string(c->out, value);
            return;
        }
    }
}

static leat_value *headers_of(const struct gw_req *r)
{
    struct copying c = {.out = leat_writer_new()};
    c.patterns = conf_list(r->app->conf, CONF_CONFIGURABLE_HEADERS, &c.count);
    leat_write_object(c.out);
    if (c.count > 0) {
        gw_req_headers(r, copy_header, &c);
    }
    leat_write_end(c.out);
    return leat_writer_finish(&c.out);
}

/* ---- preparing --------------------------------------------------------- */

static bool find_thread(struct gw_req *r, struct gw_submit *s,
                        struct store_thread *t, struct err *err)
{
    *t = (struct store_thread){.status = ""};
    if (s->stateless) {
        s->make_thread = true;
        s->thread_id = gw_submit_thread_of(&s->run_id, r->owner);
        return true;
    }
    if (store_threads_look(r->store, &s->thread_id, t, err)) {
        return true;
    }
    *t = (struct store_thread){.status = ""};
    if (err->code != ERR_NOT_FOUND) {
        return false;
    }
    bool taken = false; /* by another owner */
    if (s->spec.make_thread && *r->owner != '\0' &&
        !store_threads_taken(r->store, &s->thread_id, &taken, err)) {
        return false;
    }
    if (!s->spec.make_thread || taken) {
        return err_set(err, ERR_NOT_FOUND, "Thread with ID %s not found",
                       ID_TEXT(&s->thread_id));
    }
    err_clear(err);
    s->make_thread = true;
    return true;
}

static void compose(struct gw_submit *s, leat_view headers,
                    const struct store_assistant *a,
                    const struct store_thread *t)
{
    struct gw_run_base base = {
        .run_id = s->run_id,
        .thread_id = s->thread_id,
        .assistant_id = a->assistant_id,
        .graph_id = a->graph_id,
        .owner = s->owner,
        .assistant_config = a->config,
        .assistant_context = a->context,
        .assistant_metadata = a->metadata,
        .thread_config = t->config,
        .thread_metadata = t->metadata,
        .headers = headers,
        .temporary = s->stateless && !s->spec.keep_thread,
        .answer = s->answer,
    };
    s->assistant_id = a->assistant_id;
    s->graph_id = base_strdup(a->graph_id);
    s->webhook = value_strdup(s->spec.webhook);
    s->kwargs = gw_runspec_kwargs(&s->spec, &base);
    s->metadata = gw_runspec_metadata(&s->spec, &base);
}

/* Nobody can tell the difference when it is not stored. */
static bool may_stay_in_memory(const struct gw_submit *s)
{
    return s->stateless && !s->spec.keep_thread &&
           s->answer != GW_ANSWER_BACKGROUND && s->spec.after_ms == 0 &&
           s->key == NULL && leat_type_of(s->spec.webhook) == LEAT_MISSING;
}

static void compose_for(struct gw_req *r, struct gw_submit *s,
                        const struct store_assistant *a,
                        const struct store_thread *t)
{
    leat_value *headers = headers_of(r);
    s->stored = !may_stay_in_memory(s);
    compose(s, leat_view_of(headers), a, t);
    leat_drop(headers);
}

static bool prepare(struct gw_req *r, const struct gw_submit_part *part,
                    struct gw_submit *s, struct err *err)
{
    if (!gw_runspec_parse(part->body, part->path, &s->spec, err) ||
        !gw_hook_url_check(r->app->conf, s->spec.webhook, part->path, err) ||
        (!s->stateless && !gw_req_id(r, "thread_id", &s->thread_id, err)) ||
        !gw_server_has_room(r, err)) {
        return false;
    }
    struct store_assistant a;
    struct store_thread t;
    if (!gw_assistants_resolve(r, s->spec.assistant, &a, err)) {
        return false;
    }
    bool ok = find_thread(r, s, &t, err);
    if (ok) {
        s->owner = base_strdup(t.owner == NULL ? r->owner : t.owner);
        (void)clock_to_iso(clock_wall_us(), s->created_at);
        ok = gw_submit_claim(r, part, s, err);
        if (ok) {
            compose_for(r, s, &a, &t);
        }
        store_thread_fini(&t);
    }
    store_assistant_fini(&a);
    return ok;
}

static void begin(const struct gw_req *r, struct gw_submit *s,
                  enum gw_run_answer answer, bool stateless)
{
    *s = (struct gw_submit){.answer = answer,
                            .run_id = gw_hub_new_run_id(r->app->hub),
                            .stateless = stateless};
}

bool gw_submit_prepare(struct gw_req *r, enum gw_run_answer answer,
                       struct gw_submit *s, struct err *err)
{
    must(r != NULL && r->body != NULL && s != NULL);
    const struct gw_submit_part part = {.body = r->body, .path = ""};
    r->body = NULL;
    begin(r, s, answer, !gw_req_has_param(r, "thread_id"));
    return prepare(r, &part, s, err);
}

bool gw_submit_prepare_part(struct gw_req *r, const struct gw_submit_part *part,
                            struct gw_submit *s, struct err *err)
{
    must(r != NULL && part->body != NULL && s != NULL);
    begin(r, s, GW_ANSWER_BACKGROUND, true);
    return prepare(r, part, s, err);
}

/* ---- ticks ------------------------------------------------------------- */

/* The same tick makes the same run, whoever submits it. */
static struct id run_of_tick(const struct store_tick *t)
{
    char name[64];
    int n = snprintf(name, sizeof(name), "tick %lld", (long long)t->due_us);
    return id_uuid5(&t->cron_id, name, (size_t)n);
}

static bool thread_of_tick(store_t *store, const struct store_cron *c,
                           struct gw_submit *s, struct store_thread *t,
                           struct err *err)
{
    *t = (struct store_thread){.status = ""};
    if (!s->stateless) {
        s->thread_id = c->thread_id;
        return store_threads_look(store, &c->thread_id, t, err);
    }
    s->make_thread = true;
    s->thread_id = gw_submit_thread_of(&s->run_id, c->owner);
    return true;
}

bool gw_submit_prepare_tick(store_t *store, const struct store_cron *c,
                            const struct store_tick *tick, struct gw_submit *s,
                            struct err *err)
{
    struct store_assistant a;
    struct store_thread t;
    *s = (struct gw_submit){.answer = GW_ANSWER_BACKGROUND,
                            .run_id = run_of_tick(tick),
                            .stateless = id_is_nil(&c->thread_id),
                            .stored = true,
                            .tick = *tick};
    leat_value *named =
        leat_with(leat_get(leat_view_of(c->payload), "metadata"), "cron_id",
                  leat_new_string(ID_TEXT(&c->cron_id)));
    leat_value *body = leat_with(leat_view_of(c->payload), "metadata", named);
    if (!gw_runspec_parse(body, "payload", &s->spec, err) ||
        !store_assistants_get(store, &c->assistant_id, &a, err)) {
        return false;
    }
    bool ok = thread_of_tick(store, c, s, &t, err);
    if (ok) {
        s->spec.keep_thread =
            c->on_completed != NULL && strcmp(c->on_completed, "keep") == 0;
        s->owner = base_strdup(c->owner == NULL ? "" : c->owner);
        (void)clock_to_iso(clock_wall_us(), s->created_at);
        leat_value *none = leat_new_object(0, NULL, NULL);
        compose(s, leat_view_of(none), &a, &t);
        leat_drop(none);
        store_thread_fini(&t);
    }
    store_assistant_fini(&a);
    return ok;
}

void gw_submit_fini(struct gw_submit *s)
{
    must(s != NULL);
    gw_runspec_fini(&s->spec);
    free(s->graph_id);
    free(s->owner);
    free(s->key);
    free(s->webhook);
    leat_drop(s->kwargs);
    leat_drop(s->metadata);
    *s = (struct gw_submit){.kwargs = NULL};
}

/* ---- sending ----------------------------------------------------------- */

/* Graphs that are made with a config read it on state calls too. */
static leat_value *thread_config(const struct gw_submit *s)
{
    leat_view configurable = leat_get(s->spec.config, "configurable");
    if (s->stateless || leat_count(configurable) == 0) {
        return NULL;
    }
    return leat_pack("{s:v}", "configurable", configurable);
}

static leat_value *tick_of(const struct gw_submit *s)
{
    return id_is_nil(&s->tick.cron_id)
               ? NULL
               : leat_pack("{s:s, s:I, s:I}", "cron_id",
                           ID_TEXT(&s->tick.cron_id), "due_us", s->tick.due_us,
                           "next_us", s->tick.next_us);
}

leat_value *gw_submit_body(const struct gw_submit *s)
{
    must(s != NULL && s->kwargs != NULL);
    return leat_pack(
        "{s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:s, s:W, s:W, s:b, s:?V, s:s, "
        "s:?s, s:?s, s:?V}",
        "graph_id", s->graph_id, "assistant_id", ID_TEXT(&s->assistant_id),
        "strategy", s->spec.strategy, "after_ms", s->spec.after_ms, "stored",
        (int)s->stored, "temporary",
        (int)(s->stateless && !s->spec.keep_thread), "watched",
        (int)(s->answer != GW_ANSWER_BACKGROUND), "created_at", s->created_at,
        "kwargs", s->kwargs, "metadata", s->metadata, "thread_make",
        (int)s->make_thread, "thread_config", thread_config(s), "owner",
        s->owner, "webhook", s->webhook, "key", s->key, "tick", tick_of(s));
}

leat_value *gw_submit_run(const struct gw_submit *s)
{
    must(s != NULL && s->kwargs != NULL);
    return leat_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:W, s:W, s:s}", "run_id",
                     ID_TEXT(&s->run_id), "thread_id", ID_TEXT(&s->thread_id),
                     "assistant_id", ID_TEXT(&s->assistant_id), "created_at",
                     s->created_at, "updated_at", s->created_at, "status",
                     "pending", "metadata", s->metadata, "kwargs", s->kwargs,
                     "multitask_strategy", s->spec.strategy);
}

bool gw_submit_send(struct gw_req *r, const struct gw_submit *s,
                    struct gw_stream *reader, struct gw_chunk *head,
                    struct err *err)
{
    must(r != NULL && s != NULL && s->kwargs != NULL);
    reader->held = true;
    reader->head = head;
    reader->headers = gw_req_plain_headers(r);
    int fd = gw_server_take(r, err);
    if (fd < 0) {
        gw_stream_destroy(&reader);
        return false;
    }
    leat_value *body = gw_submit_body(s);
    struct gw_ask ask = {
        .type = WIRE_RUN_SUBMIT,
        .run = s->run_id,
        .thread = s->thread_id,
        .body = body,
        .wait_ms = conf_ms(r->app->conf, CONF_SUBMIT_WAIT),
    };
    gw_hub_submit(r->app->hub, &ask, reader, fd);
    leat_drop(body);
    return true;
}
