/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system_metrics.c: this process's numbers, and those that dashboards of the
 * API ask for by its own names.
 */
#include <stdlib.h>
#include <string.h>

#include "common/stat.h"
#include "gateway/handlers.h"

#define METRICS_MAX ((size_t)4 << 20)

/* ---- by the API's names ------------------------------------------------ */

static bool put_number(struct buf *out, const char *name, const char *help,
                       int64_t n)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name,
                      help, name, name, (long long)n);
}

static bool put_requests(struct buf *out)
{
    static const struct {
        enum stat_id id;
        const char *label;
    } rows[] = {{STAT_HTTP_2XX, "2xx"},
                {STAT_HTTP_4XX, "4xx"},
                {STAT_HTTP_5XX, "5xx"}};
    bool ok = buf_puts(out, "# HELP lg_api_http_requests_total Requests "
                            "answered, by class of status.\n"
                            "# TYPE lg_api_http_requests_total counter\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ok = ok && buf_printf(out,
                              "lg_api_http_requests_total{status=\"%s\"} "
                              "%lld\n",
                              rows[i].label, (long long)stat_get(rows[i].id));
    }
    struct stat_counts latency;
    stat_take(STAT_HTTP_SECONDS, &latency);
    return ok &&
           stat_render_ms(out, &latency, "lg_api_http_requests_latency");
}

/* What the broker last told of how long runs wait for a worker. */
static bool put_queue_wait(leat_view told, struct buf *out)
{
    struct stat_counts c = {.sum_us = leat_int(leat_get(told, "sum_us"), 0)};
    leat_iter it = leat_iter_of(leat_get(told, "counts"));
    while (leat_next(&it) && it.index < STAT_BUCKETS) {
        c.counts[it.index] = leat_int(it.item, 0);
    }
    return stat_render_ms(out, &c, "lg_api_run_queue_wait_time_1st_attempt");
}

/* What the broker last told of its workers. */
static bool put_workers(struct gw_req *r, struct buf *out)
{
    int64_t most = 0;
    int64_t active = 0;
    leat_value *graphs = gw_hub_graphs(r->app->hub);
    bool ok =
        put_queue_wait(leat_get(leat_view_of(graphs), "queue_wait"), out);
    leat_iter it = leat_iter_of(leat_get(leat_view_of(graphs), "workers"));
    while (leat_next(&it)) {
        most += leat_int(leat_get(it.item, "slots"), 0);
        active += leat_int(leat_get(it.item, "busy"), 0);
    }
    leat_drop(graphs);
    return ok &&
           put_number(out, "lg_api_workers_max",
                      "Runs that all workers can execute at a time.", most) &&
           put_number(out, "lg_api_workers_active", "Of them in use.",
                      active) &&
           put_number(out, "lg_api_workers_available", "Of them free.",
                      max_i64(most - active, 0));
}

static bool put_runs(struct gw_req *r, struct buf *out, struct err *err)
{
    uint64_t pending = 0;
    uint64_t running = 0;
    return gw_req_store(r, err) != NULL &&
           store_runs_count(r->store, "pending", &pending, err) &&
           store_runs_count(r->store, "running", &running, err) &&
           put_number(out, "lg_api_num_pending_runs", "Runs that wait.",
                      (int64_t)pending) &&
           put_number(out, "lg_api_num_running_runs",
                      "Runs that are executed now.", (int64_t)running);
}

/* Numbers that the store does not give now are left out. */
static void put_all(struct gw_req *r, struct buf *out)
{
    struct err err = ERR_INIT;
    must(stat_render(out, PROC_GATEWAY) && put_requests(out) &&
         put_workers(r, out));
    (void)put_runs(r, out, &err);
}

/* ---- as JSON ----------------------------------------------------------- */

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
    put_all(r, &text);
    bool done =
        json ? gw_req_json_take(r, metrics_object(buf_text(&text)))
             : gw_req_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8",
                            text.data, text.len);
    buf_fini(&text);
    return done;
}
