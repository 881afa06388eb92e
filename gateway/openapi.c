/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi.c: the OpenAPI document. What each operation takes and answers is
 * written in openapi/, one file for each resource; what a route answers because
 * of its kind (no key, a body that cannot be read) is added here from
 * routes.tbl.h, and an operation that is no route is left out: so the document
 * cannot promise what is not there. That nothing is missing the tests see to.
 */
#include "gateway/openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/embed.h"
#include "common/json.h"
#include "gateway/handlers.h"

EMBED(gw_openapi_base, "gateway/openapi/base.json");
EMBED(gw_openapi_assistants, "gateway/openapi/assistants.json");
EMBED(gw_openapi_threads, "gateway/openapi/threads.json");
EMBED(gw_openapi_runs, "gateway/openapi/runs.json");
EMBED(gw_openapi_crons, "gateway/openapi/crons.json");
EMBED(gw_openapi_store, "gateway/openapi/store.json");
EMBED(gw_openapi_system, "gateway/openapi/system.json");
EMBED(gw_openapi_docs, "gateway/openapi/docs.html");

#define PAGE_MAX ((size_t)8 << 20)
/* Where the page has the document. */
#define PLACE "{\"paths\": {}}"
/* Its scripts and styles are in it, and it asks nobody for anything. */
#define PAGE_POLICY                                                            \
    "default-src 'none'; script-src 'unsafe-inline'; style-src "               \
    "'unsafe-inline'"

static const char *const part_texts[] = {
    gw_openapi_assistants, gw_openapi_threads, gw_openapi_runs,
    gw_openapi_crons,      gw_openapi_store,   gw_openapi_system,
};

struct parts {
    leat_value *base;
    leat_value *list[COUNT_OF(part_texts)];
};

/* They are ours: a part that cannot be read was never built. */
static leat_value *parse(const char *text)
{
    leat_value *v = NULL;
    struct err err = ERR_INIT;
    bool ok = json_parse(text, strlen(text), NULL, &v, &err);
    must(ok);
    return v;
}

static void parts_init(struct parts *p)
{
    p->base = parse(gw_openapi_base);
    for (size_t i = 0; i < COUNT_OF(p->list); i++) {
        p->list[i] = parse(part_texts[i]);
    }
}

static void parts_fini(struct parts *p)
{
    leat_drop(p->base);
    for (size_t i = 0; i < COUNT_OF(p->list); i++) {
        leat_drop(p->list[i]);
    }
}

/* ---- operations -------------------------------------------------------- */

static bool is_method(const char *method, leat_text lower)
{
    bool same = strlen(method) == lower.len;
    for (size_t i = 0; same && i < lower.len; i++) {
        same = tolower((unsigned char)method[i]) == lower.ptr[i];
    }
    return same;
}

static const struct gw_route *route_of(leat_text path, leat_text method)
{
    const struct gw_route *row = gw_handlers_table();
    for (; row->method != NULL; row++) {
        if (is_method(row->method, method) && strlen(row->path) == path.len &&
            memcmp(row->path, path.ptr, path.len) == 0) {
            return row;
        }
    }
    return NULL;
}

/* Answers in their order; what routes of a kind answer, and which kind. */
static const struct {
    const char *status;
    const char *common; /* "#/components/responses/..." or NULL: none has it */
    unsigned of;        /* these flags; 0: every route */
    unsigned but;       /* not with these */
} answers[] = {
    {"200", NULL, 0, 0},
    {"202", NULL, 0, 0},
    {"204", NULL, 0, 0},
    {"400", "BadRequest", 0, 0},
    {"401", "Unauthorized", 0, GW_OPEN},
    {"403", NULL, 0, 0},
    {"404", NULL, 0, 0},
    {"409", NULL, 0, 0},
    {"413", "TooLarge", GW_JSON | GW_MAYBE_JSON, 0},
    {"422", "Invalid", GW_JSON | GW_MAYBE_JSON, 0},
    {"429", NULL, 0, 0},
    {"500", NULL, 0, 0},
    {"501", NULL, 0, 0},
    {"503", "Unavailable", 0, 0},
};

static void write_common(leat_writer *w, const char *name)
{
    char ref[64];
    int n = snprintf(ref, sizeof(ref), "#/components/responses/%s", name);
    must(n > 0 && (size_t)n < sizeof(ref));
    leat_write_object(w);
    leat_write_key(w, "$ref");
    leat_write_string(w, ref);
    leat_write_end(w);
}

static void write_answers(leat_writer *w, const struct gw_route *route,
                          leat_view own)
{
    leat_write_object(w);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        leat_view v = leat_get(own, answers[i].status);
        bool common =
            answers[i].common != NULL &&
            (answers[i].of == 0 || (route->flags & answers[i].of) != 0) &&
            (route->flags & answers[i].but) == 0;
        if (leat_type_of(v) != LEAT_MISSING) {
            leat_write_key(w, answers[i].status);
            leat_write_view(w, v);
        } else if (common) {
            leat_write_key(w, answers[i].status);
            write_common(w, answers[i].common);
        }
    }
    leat_write_end(w);
}

static void write_operation(leat_writer *w, const struct gw_route *route,
                            leat_view operation)
{
    leat_write_object(w);
    leat_iter it = leat_iter_of(operation);
    while (leat_next(&it)) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        if (it.key.len == 9 && memcmp(it.key.ptr, "responses", 9) == 0) {
            write_answers(w, route, it.item);
        } else {
            leat_write_view(w, it.item);
        }
    }
    if ((route->flags & GW_OPEN) != 0) {
        leat_write_key(w, "security");
        leat_write_list(w);
        leat_write_end(w);
    }
    leat_write_end(w);
}

static void write_path(leat_writer *w, leat_text path, leat_view methods)
{
    leat_write_object(w);
    leat_iter it = leat_iter_of(methods);
    while (leat_next(&it)) {
        const struct gw_route *route = route_of(path, it.key);
        if (route != NULL) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            write_operation(w, route, it.item);
        }
    }
    leat_write_end(w);
}

/* ---- the whole --------------------------------------------------------- */

static void write_paths(leat_writer *w, const struct parts *p)
{
    leat_write_object(w);
    for (size_t i = 0; i < COUNT_OF(p->list); i++) {
        leat_iter it =
            leat_iter_of(leat_get(leat_view_of(p->list[i]), "paths"));
        while (leat_next(&it)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            write_path(w, it.key, it.item);
        }
    }
    leat_write_end(w);
}

static void write_components(leat_writer *w, const struct parts *p)
{
    leat_write_object(w);
    leat_iter it =
        leat_iter_of(leat_get(leat_view_of(p->base), "components"));
    while (leat_next(&it)) {
        leat_write_key_n(w, it.key.ptr, it.key.len);
        leat_write_view(w, it.item);
    }
    leat_write_key(w, "schemas");
    leat_write_object(w);
    for (size_t i = 0; i < COUNT_OF(p->list); i++) {
        it = leat_iter_of(leat_get(leat_view_of(p->list[i]), "schemas"));
        while (leat_next(&it)) {
            leat_write_key_n(w, it.key.ptr, it.key.len);
            leat_write_view(w, it.item);
        }
    }
    leat_write_end(w);
    leat_write_end(w);
}

/* Either kind of key will do; a server that asks for none takes any. */
static leat_value *security(bool keyed)
{
    return keyed ? leat_pack("[{s:[]}, {s:[]}]", "ApiKey", "Bearer")
                 : leat_pack("[{}, {s:[]}, {s:[]}]", "ApiKey", "Bearer");
}

static leat_value *info(const struct parts *p)
{
    return leat_with(leat_get(leat_view_of(p->base), "info"), "version",
                     leat_new_string(LEAT_VERSION));
}

static void write_taken(leat_writer *w, const char *key, leat_value *v)
{
    leat_write_key(w, key);
    leat_write_view(w, leat_view_of(v));
    leat_drop(v);
}

leat_value *gw_openapi_new(const char *prefix, bool keyed)
{
    must(prefix != NULL);
    struct parts p;
    parts_init(&p);
    leat_view base = leat_view_of(p.base);
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "openapi");
    leat_write_view(w, leat_get(base, "openapi"));
    write_taken(w, "info", info(&p));
    write_taken(w, "servers",
                leat_pack("[{s:s}]", "url", *prefix == '\0' ? "/" : prefix));
    write_taken(w, "security", security(keyed));
    leat_write_key(w, "tags");
    leat_write_view(w, leat_get(base, "tags"));
    leat_write_key(w, "paths");
    write_paths(w, &p);
    leat_write_key(w, "components");
    write_components(w, &p);
    leat_write_end(w);
    parts_fini(&p);
    return leat_writer_finish(&w);
}

/* ---- answering --------------------------------------------------------- */

static leat_value *document_for(const struct gw_req *r)
{
    return gw_openapi_new(conf_str(r->app->conf, CONF_MOUNT_PREFIX),
                          gw_auth_asks(r->app->auth));
}

bool gw_openapi_document(struct gw_req *r, struct err *err)
{
    (void)err;
    return gw_req_json_take(r, document_for(r));
}

/* JSON within a script: no "</script>" may come of it. */
static bool put_script(const struct buf *json, struct buf *out)
{
    bool ok = true;
    const char *at = json->data;
    const char *end = at + json->len;
    while (ok && at < end) {
        const char *stop = memchr(at, '<', (size_t)(end - at));
        size_t n = (size_t)((stop == NULL ? end : stop) - at);
        ok = buf_append(out, at, n) &&
             (stop == NULL || buf_puts(out, "\\u003c"));
        at += n + (stop != NULL);
    }
    return ok;
}

bool gw_openapi_page(struct gw_req *r, struct err *err)
{
    (void)err;
    const char *place = strstr(gw_openapi_docs, PLACE);
    must(place != NULL);
    struct buf json;
    struct buf page;
    buf_init(&json, PAGE_MAX);
    buf_init(&page, PAGE_MAX);
    leat_value *document = document_for(r);
    must(json_write(leat_view_of(document), &json) &&
         buf_append(&page, gw_openapi_docs,
                    (size_t)(place - gw_openapi_docs)) &&
         put_script(&json, &page) && buf_puts(&page, place + strlen(PLACE)));
    leat_drop(document);
    gw_req_add_header(r, "Content-Security-Policy", "%s", PAGE_POLICY);
    bool done = gw_req_reply(r, 200, "text/html; charset=utf-8", page.data,
                             page.len);
    buf_fini(&json);
    buf_fini(&page);
    return done;
}
