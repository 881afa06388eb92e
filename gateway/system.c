/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.c: what this server is and how it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/stat.h"
#include "gateway/handlers.h"

#define METRICS_MAX ((size_t)4 << 20)

static bool say_ok(struct gw_req *r)
{
    return gw_req_json_take(r, leat_pack("{s:b}", "ok", 1));
}

bool gw_system_root(struct gw_req *r, struct err *err)
{
    (void)err;
    return say_ok(r);
}

static bool ping(struct gw_req *r, struct err *err)
{
    store_t *store = gw_req_store(r, err);
    return store != NULL && store_ping(store, err);
}

bool gw_system_ok(struct gw_req *r, struct err *err)
{
    bool check = false;
    if (!gw_req_query_bool(r, "check_db", false, &check, err)) {
        return false;
    }
    struct err why = ERR_INIT;
    if (check && !ping(r, &why)) {
        return err_set(err, ERR_STORE, "the store does not answer: %s",
                       why.text);
    }
    return say_ok(r);
}

bool gw_system_info(struct gw_req *r, struct err *err)
{
    (void)err;
    return gw_req_json_take(
        r, leat_pack("{s:s, s:s, s:s, s:{s:b, s:b, s:b, s:b}, s:{s:s}}",
                     "version", LEAT_VERSION, "langgraph_py_version", "1.0.0",
                     "context", "leat", "flags", "assistants", 1, "crons", 0,
                     "langsmith", 0, "langsmith_tracing_replicas", 0,
                     "metadata", "server", "leat"));
}

/* Fit to take requests: a broker has welcomed us and the store answers. */
bool gw_system_ready(struct gw_req *r, struct err *err)
{
    struct err why = ERR_INIT;
    if (!gw_hub_is_connected(r->app->hub)) {
        return err_set(err, ERR_UNAVAILABLE, "no broker");
    }
    if (!ping(r, &why)) {
        return err_set(err, ERR_UNAVAILABLE, "the store does not answer: %s",
                       why.text);
    }
    return say_ok(r);
}

bool gw_system_health(struct gw_req *r, struct err *err)
{
    return gw_system_ready(r, err);
}

bool gw_system_live(struct gw_req *r, struct err *err)
{
    (void)err;
    return say_ok(r);
}

/* Lines "name{labels} number" as {"name{labels}": number}. */
static leat_value *metrics_object(const char *text)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        const char *end = text + len;
        const char *space = end;
        while (space > text && *space != ' ') {
            space--;
        }
        if (*text != '#' && space > text) {
            leat_write_key_n(w, text, (size_t)(space - text));
            leat_write_double(w, strtod(space, NULL));
        }
        text = end + (*end != '\0');
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

bool gw_system_metrics(struct gw_req *r, struct err *err)
{
    const char *format = gw_req_query(r, "format");
    bool json = format != NULL && strcmp(format, "json") == 0;
    if (format != NULL && !json && strcmp(format, "prometheus") != 0) {
        return err_set(err, ERR_INVALID,
                       "format: must be one of prometheus|json");
    }
    struct buf text;
    buf_init(&text, METRICS_MAX);
    must(stat_render(&text, PROC_GATEWAY));
    bool done =
        json ? gw_req_json_take(r, metrics_object(buf_text(&text)))
             : gw_req_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8",
                            text.data, text.len);
    buf_fini(&text);
    return done;
}
