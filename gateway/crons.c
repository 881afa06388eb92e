/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crons.c: crons are made, changed, read and deleted here; crons_tick.c makes
 * their runs. The run that a cron makes is kept as the body that would ask for
 * it (payload), and checked as such when the cron is made or changed.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cron.h"
#include "common/zone.h"
#include "gateway/assistants.h"
#include "gateway/check.h"
#include "gateway/clerk.h"
#include "gateway/crons.h"
#include "gateway/handlers.h"
#include "gateway/hook_url.h"
#include "gateway/render.h"
#include "gateway/runspec.h"
#include "gateway/threads.h"

#define CRON_FIELDS                                                            \
    "cron_id|assistant_id|thread_id|on_run_completed|end_time|schedule|"       \
    "timezone|created_at|updated_at|user_id|payload|next_run_date|metadata|"   \
    "enabled|now"
#define SORTS                                                                  \
    "cron_id|assistant_id|thread_id|next_run_date|end_time|created_at|"        \
    "updated_at"
#define TRIES 20 /* a change that others get in the way of */

/* What belongs to the run; the rest of a body is the cron's own. */
static const char *const run_keys[] = {
    "assistant_id",      "input",
    "command",           "checkpoint",
    "checkpoint_id",     "config",
    "context",           "webhook",
    "interrupt_before",  "interrupt_after",
    "stream_mode",       "stream_subgraphs",
    "stream_resumable",  "durability",
    "checkpoint_during", "multitask_strategy",
    "feedback_keys",     "langsmith_tracer",
};

/* ---- what a body says -------------------------------------------------- */

static bool check_schedule(leat_view v, const char *path, struct err *err)
{
    struct cron_schedule s;
    struct err why = ERR_INIT;
    char *text = value_strdup(v);
    bool ok = (text != NULL && cron_parse(text, &s, &why)) ||
              err_set(err, ERR_INVALID, "%s: %s", path,
                      text == NULL ? "must be a string" : why.text);
    if (ok && cron_next(&s, "UTC", 0) == 0) {
        ok = gw_check_wrong(err, path, "a schedule of days that there are");
    }
    free(text);
    return ok;
}

static bool check_zone(leat_view v, const char *path, struct err *err)
{
    char *name = value_strdup(v);
    bool ok = name != NULL && zone_is_known(name);
    free(name);
    return ok || gw_check_wrong(err, path,
                                "a time zone of the IANA database, such as "
                                "Europe/Berlin");
}

static int64_t time_of(leat_view v)
{
    int64_t us = 0;
    char *text = value_strdup(v);
    bool ok = text != NULL && clock_from_iso(text, &us);
    free(text);
    return ok ? us : 0;
}

static bool check_end(leat_view v, const char *path, struct err *err)
{
    int64_t us = time_of(v);
    if (us <= 0) {
        return gw_check_wrong(err, path, "a date and time (ISO 8601)");
    }
    return us > clock_wall_us() ||
           gw_check_wrong(err, path, "a time that is still to come");
}

static const struct gw_check_field fields[] = {
    {"schedule", check_schedule, NULL, false},
    {"timezone", check_zone, NULL, false},
    {"end_time", check_end, NULL, false},
    {"enabled", gw_check_bool, NULL, false},
    {"metadata", gw_check_object, NULL, false},
    {"on_run_completed", NULL, "delete|keep", false},
};

/* The body of the runs: what is given over what was there. */
static leat_value *payload_of(leat_view before, leat_view body,
                              leat_view metadata)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    for (size_t i = 0; i < COUNT_OF(run_keys); i++) {
        leat_view v = leat_get(body, run_keys[i]);
        if (!gw_check_present(v)) {
            v = leat_get(before, run_keys[i]);
        }
        if (gw_check_present(v)) {
            leat_write_key(w, run_keys[i]);
            leat_write_view(w, v);
        }
    }
    leat_write_key(w, "metadata");
    leat_write_view(w, metadata);
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static bool check_payload(struct gw_req *r, const leat_value *payload,
                          struct err *err)
{
    struct gw_runspec spec;
    if (!gw_runspec_parse(leat_hold(payload), "", &spec, err)) {
        return false;
    }
    bool ok = gw_hook_url_check(r->app->conf, spec.webhook, "", err);
    gw_runspec_fini(&spec);
    return ok;
}

static char *text_or(leat_view v, const char *otherwise)
{
    char *text = value_strdup(v);
    return text != NULL || otherwise == NULL ? text : base_strdup(otherwise);
}

int64_t gw_crons_next(const struct store_cron *c, int64_t after_us)
{
    struct cron_schedule s;
    if (!cron_parse(c->schedule, &s, NULL)) {
        return 0; /* of another version's making */
    }
    const char *zone = c->timezone == NULL ? "UTC" : c->timezone;
    int64_t next = cron_next(&s, zone, after_us);
    return c->end_us > 0 && next >= c->end_us ? 0 : next;
}

/* ---- answering --------------------------------------------------------- */

static leat_value *iso_of(int64_t us)
{
    char text[CLOCK_ISO_SIZE];
    return us == 0 ? leat_new_null() : leat_new_string(clock_to_iso(us, text));
}

static leat_value *render(const struct store_cron *c)
{
    bool threaded = !id_is_nil(&c->thread_id);
    const char *owner = c->owner != NULL && *c->owner != '\0' ? c->owner : NULL;
    return leat_pack(
        "{s:s, s:s, s:s, s:s, s:V, s:s, s:s, s:V, s:V, s:s, s:W, s:V, s:W, "
        "s:b}",
        "cron_id", ID_TEXT(&c->cron_id), "assistant_id",
        ID_TEXT(&c->assistant_id), "thread_id",
        threaded ? ID_TEXT(&c->thread_id) : NULL, "on_run_completed",
        c->on_completed, "end_time", iso_of(c->end_us), "schedule", c->schedule,
        "timezone", c->timezone, "created_at", iso_of(c->created_us),
        "updated_at", iso_of(c->updated_us), "user_id", owner, "payload",
        c->payload, "next_run_date", iso_of(c->next_us), "metadata",
        c->metadata, "enabled", (int)c->enabled);
}

static bool reply_row(struct gw_req *r, const struct id *cron_id,
                      struct err *err)
{
    struct store_cron c;
    if (!store_crons_get(r->store, cron_id, &c, err)) {
        return err->code == ERR_NOT_FOUND
                   ? err_set(err, ERR_NOT_FOUND, "Cron not found")
                   : false;
    }
    leat_value *v = render(&c);
    store_cron_fini(&c);
    return gw_req_json_take(r, v);
}

static bool require(struct gw_req *r, struct id *cron_id, struct store_cron *c,
                    struct err *err)
{
    if (!gw_req_id(r, "cron_id", cron_id, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    if (store_crons_get(r->store, cron_id, c, err)) {
        return true;
    }
    return err->code == ERR_NOT_FOUND
               ? err_set(err, ERR_NOT_FOUND, "Cron not found")
               : false;
}

/* ---- making ------------------------------------------------------------ */

static bool insert(struct gw_req *r, struct store_cron *c, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    leat_view metadata = leat_get(body, "metadata");
    c->cron_id = id_uuid7();
    c->schedule = text_or(leat_get(body, "schedule"), NULL);
    c->timezone = text_or(leat_get(body, "timezone"), NULL);
    c->end_us = time_of(leat_get(body, "end_time"));
    c->enabled = leat_bool(leat_get(body, "enabled"), true);
    c->metadata = gw_check_present(metadata) ? leat_value_of(metadata)
                                             : leat_new_object(0, NULL, NULL);
    c->payload = payload_of((leat_view){0}, body, leat_view_of(c->metadata));
    c->next_us = gw_crons_next(c, clock_wall_us());
    bool ok = check_payload(r, c->payload, err) &&
              store_crons_create(r->store, c, err);
    struct id made = c->cron_id;
    store_cron_fini(c);
    return ok && reply_row(r, &made, err);
}

static bool check_body(struct gw_req *r, struct store_assistant *a,
                       struct err *err)
{
    leat_view body = leat_view_of(r->body);
    static const struct gw_check_field needed[] = {
        {"schedule", gw_check_text, NULL, true},
        {"assistant_id", gw_check_text, NULL, true},
    };
    return gw_check_fields(body, "", needed, COUNT_OF(needed), err) &&
           gw_check_fields(body, "", fields, COUNT_OF(fields), err) &&
           gw_assistants_resolve(r, leat_string(leat_get(body, "assistant_id")),
                                 a, err);
}

bool gw_crons_create(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    if (!check_body(r, &a, err)) {
        return false;
    }
    leat_view body = leat_view_of(r->body);
    struct store_cron c = {.assistant_id = a.assistant_id};
    c.on_completed = text_or(leat_get(body, "on_run_completed"), "delete");
    store_assistant_fini(&a);
    return insert(r, &c, err);
}

bool gw_crons_create_for_thread(struct gw_req *r, struct err *err)
{
    struct store_assistant a;
    struct store_thread t;
    if (!check_body(r, &a, err)) {
        return false;
    }
    struct store_cron c = {.assistant_id = a.assistant_id};
    store_assistant_fini(&a);
    if (!gw_threads_require(r, &t, err)) {
        return false;
    }
    c.thread_id = t.thread_id;
    store_thread_fini(&t);
    return insert(r, &c, err);
}

/* ---- changing ---------------------------------------------------------- */

static void set_text(char **slot, leat_view v)
{
    if (gw_check_present(v)) {
        free(*slot);
        *slot = value_strdup(v);
    }
}

static leat_value *merge(leat_view before, leat_view more)
{
    leat_value *out = leat_value_of(before);
    leat_iter it = leat_iter_of(more);
    while (leat_next(&it)) {
        char *key = base_memdup(it.key.ptr, it.key.len);
        leat_value *with =
            leat_with(leat_view_of(out), key, leat_value_of(it.item));
        leat_drop(out);
        out = with;
        free(key);
    }
    return out;
}

/* What the body says over what the row says. The tick that comes next stays
 * unless the clock that tells it was changed. */
static void change(struct store_cron *c, leat_view body)
{
    leat_view end = leat_get(body, "end_time");
    leat_view enabled = leat_get(body, "enabled");
    bool on = leat_bool(enabled, c->enabled);
    bool moved = gw_check_present(leat_get(body, "schedule")) ||
                 gw_check_present(leat_get(body, "timezone")) ||
                 leat_type_of(end) != LEAT_MISSING || (on && !c->enabled);
    set_text(&c->schedule, leat_get(body, "schedule"));
    set_text(&c->timezone, leat_get(body, "timezone"));
    if (id_is_nil(&c->thread_id)) {
        set_text(&c->on_completed, leat_get(body, "on_run_completed"));
    }
    if (leat_type_of(end) != LEAT_MISSING) {
        c->end_us = time_of(end); /* null clears it */
    }
    c->enabled = on;
    leat_value *metadata =
        merge(leat_view_of(c->metadata), leat_get(body, "metadata"));
    leat_drop(c->metadata);
    c->metadata = metadata;
    leat_value *payload =
        payload_of(leat_view_of(c->payload), body, leat_view_of(metadata));
    leat_drop(c->payload);
    c->payload = payload;
    if (moved) {
        c->next_us = gw_crons_next(c, clock_wall_us());
    }
}

bool gw_crons_update(struct gw_req *r, struct err *err)
{
    struct id cron_id;
    leat_view body = leat_view_of(r->body);
    leat_value *own = leat_with(body, "assistant_id", NULL);
    bool ok = gw_check_fields(body, "", fields, COUNT_OF(fields), err);
    bool again = ok;
    for (int i = 0; again && i < TRIES; i++) {
        struct store_cron c;
        err_clear(err);
        ok = require(r, &cron_id, &c, err);
        if (!ok) {
            break;
        }
        change(&c, leat_view_of(own));
        ok = check_payload(r, c.payload, err) &&
             store_crons_replace(r->store, &c, err);
        again = !ok && err->code == ERR_CONFLICT;
        store_cron_fini(&c);
    }
    leat_drop(own);
    return ok && reply_row(r, &cron_id, err);
}

/* ---- reading and deleting ---------------------------------------------- */

bool gw_crons_get(struct gw_req *r, struct err *err)
{
    struct id cron_id;
    return gw_req_id(r, "cron_id", &cron_id, err) &&
           gw_req_store(r, err) != NULL && reply_row(r, &cron_id, err);
}

bool gw_crons_delete(struct gw_req *r, struct err *err)
{
    struct id cron_id;
    struct store_cron c;
    if (!require(r, &cron_id, &c, err)) {
        return false;
    }
    store_cron_fini(&c);
    return store_crons_delete(r->store, &cron_id, err) &&
           gw_req_reply(r, 204, NULL, NULL, 0);
}

static const struct gw_check_field search_fields[] = {
    {"assistant_id", gw_check_text, NULL, false},
    {"thread_id", gw_check_uuid, NULL, false},
    {"metadata", gw_check_object, NULL, false},
    {"enabled", gw_check_bool, NULL, false},
    {"limit", gw_check_limit, NULL, false},
    {"offset", gw_check_offset, NULL, false},
    {"sort_by", NULL, SORTS, false},
    {"sort_order", NULL, "asc|desc", false},
    {"select", gw_check_strings, NULL, false},
};

/* What the query points to. */
struct wanted {
    struct id assistant_id;
    struct id thread_id;
    bool enabled;
    char *sort_by;
};

static struct store_crons_query query_of(const struct gw_req *r,
                                         struct wanted *w)
{
    leat_view body = leat_view_of(r->body);
    leat_view metadata = leat_get(body, "metadata");
    leat_view enabled = leat_get(body, "enabled");
    leat_text thread = leat_string(leat_get(body, "thread_id"));
    char *name = value_strdup(leat_get(body, "assistant_id"));
    *w = (struct wanted){.sort_by = value_strdup(leat_get(body, "sort_by"))};
    w->enabled = leat_bool(enabled, false);
    if (name != NULL && !id_parse(name, &w->assistant_id)) {
        w->assistant_id = gw_clerk_system_id(name);
    }
    bool threaded =
        thread.ptr != NULL && id_parse_n(thread.ptr, thread.len, &w->thread_id);
    struct store_crons_query q = {
        .assistant_id = name != NULL ? &w->assistant_id : NULL,
        .thread_id = threaded ? &w->thread_id : NULL,
        .enabled = gw_check_present(enabled) ? &w->enabled : NULL,
        .metadata = gw_check_present(metadata) ? metadata : (leat_view){0},
        .sort_by = w->sort_by,
        .ascending = leat_is(leat_get(body, "sort_order"), "asc"),
        .limit = (size_t)leat_int(leat_get(body, "limit"), 10),
        .offset = (size_t)leat_int(leat_get(body, "offset"), 0),
    };
    free(name);
    return q;
}

static leat_value *render_list(const struct store_crons_page *page,
                               leat_view select)
{
    leat_value **items = base_zalloc((page->n + 1) * sizeof(*items));
    for (size_t i = 0; i < page->n; i++) {
        leat_value *whole = render(&page->list[i]);
        items[i] = whole;
        if (leat_count(select) > 0) {
            leat_value *with =
                leat_with(leat_view_of(whole), "now", iso_of(clock_wall_us()));
            leat_drop(whole);
            items[i] = gw_render_select(with, select);
        }
    }
    leat_value *v = leat_new_list(page->n, items);
    free(items);
    return v;
}

bool gw_crons_search(struct gw_req *r, struct err *err)
{
    leat_view body = leat_view_of(r->body);
    leat_view select = leat_get(body, "select");
    struct store_crons_page page;
    struct wanted w;
    if (!gw_check_fields(body, "", search_fields, COUNT_OF(search_fields),
                         err) ||
        !gw_check_words(select, "select", CRON_FIELDS, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    const struct store_crons_query q = query_of(r, &w);
    bool ok = store_crons_search(r->store, &q, &page, err);
    free(w.sort_by);
    if (!ok) {
        return false;
    }
    gw_req_add_header(r, "X-Pagination-Total", "%zu", page.total);
    if (q.offset + page.n < page.total) {
        gw_req_add_header(r, "X-Pagination-Next", "%zu", q.offset + page.n);
    }
    leat_value *v = render_list(&page, select);
    store_crons_free(&page.list, page.n);
    return gw_req_json_take(r, v);
}

bool gw_crons_count(struct gw_req *r, struct err *err)
{
    struct store_crons_page page;
    struct wanted w;
    if (!gw_check_fields(leat_view_of(r->body), "", search_fields, 4, err) ||
        gw_req_store(r, err) == NULL) {
        return false;
    }
    struct store_crons_query q = query_of(r, &w);
    q.limit = q.offset = 0;
    bool ok = store_crons_search(r->store, &q, &page, err);
    free(w.sort_by);
    return ok && gw_req_json_take(r, leat_new_int((int64_t)page.total));
}
