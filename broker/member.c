/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is there. A peer says HELLO once per epoch and connection; a worker that
 * falls silent, or whose connection is gone and does not come back within a
 * moment, loses its runs; one that comes back gets those that nobody else has
 * begun.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "common/log.h"
#include "common/stat.h"

#define WORKER_GONE_MS 500    /* a dealer reconnects within 50 to 500 ms */
#define GATEWAY_GONE_MS 10000 /* its readers may be on their way back */
#define WINDOW 2048

static void on_hello(struct brk_core *core, bool gateway, struct link_in *in);
static struct brk_peer *greet(struct brk_core *core, bool gateway,
                              struct link_in *in, struct err *err);
static bool read_hello(struct brk_core *core, struct brk_peer *peer,
                       leat_view body, struct err *err);
static void welcome(struct brk_core *core, const struct brk_peer *peer);
static void reply(struct brk_core *core, bool gateway, const struct link_in *in,
                  uint8_t type);
static void take_runs(struct brk_core *core, struct brk_peer *worker,
                      leat_view runs);
static bool read_run(leat_view item, struct brk_claim *out);
static void take_run(struct brk_core *core, struct brk_peer *worker,
                     const struct brk_claim *it);
static void lose_unlisted(struct brk_core *core, struct brk_peer *worker);
static void drop_claims(struct brk_core *core, const struct brk_peer *worker);
static void end_adopting(struct brk_core *core);
static leat_value *graphs_body(const struct brk_core *core);

struct brk_peer *brk_member_of(struct brk_core *core, bool gateway,
                               struct link_in *in)
{
    struct brk_peer *peer = brk_peer_of_route(&core->peers, &in->from);
    if (in->head.type == WIRE_HELLO) {
        on_hello(core, gateway, in);
        return NULL;
    }
    if (in->head.type == WIRE_PING) {
        reply(core, gateway, in, WIRE_PONG);
    }
    if (peer == NULL) {
        if (in->head.type != WIRE_PONG && in->head.type != WIRE_GOODBYE) {
            reply(core, gateway, in, WIRE_WHO);
        }
        return NULL;
    }
    peer->lease_ms = core->lease_clock_ms + core->conf.lease_ms;
    peer->gone_ms = 0;
    if (in->head.type == WIRE_GOODBYE) {
        log_info("peer.goodbye", "peer=%s", LOG_Q(peer->id));
        peer->draining = true;
        core->graphs_changed = true;
    }
    return peer;
}

/* ---- hello
 * ---------------------------------------------------------------------------
 */

static void on_hello(struct brk_core *core, bool gateway, struct link_in *in)
{
    struct err err = ERR_INIT;
    struct brk_peer *peer = greet(core, gateway, in, &err);
    if (peer == NULL) {
        log_warn("peer.refused", "error=%s", LOG_Q(err.text));
        struct wire_head head = brk_core_head(core, WIRE_REFUSED, NULL);
        head.tag = in->head.tag;
        leat_value *body = leat_pack("{s:s,s:s}", "code",
                                     err_name((int)err.code), "text", err.text);
        if (gateway) {
            brk_core_to_gateway(core, &in->from, &head, body);
        } else {
            brk_core_to_worker(core, &in->from, &head, body);
        }
        return;
    }
    welcome(core, peer);
    if (!gateway) {
        take_runs(core, peer, leat_get(leat_view_of(in->body), "runs"));
    }
    core->graphs_changed = true;
}

/* The peer at this route, with what its HELLO says; NULL with err. */
static struct brk_peer *greet(struct brk_core *core, bool gateway,
                              struct link_in *in, struct err *err)
{
    leat_view body = leat_view_of(in->body);
    if (!leat_is(leat_get(body, "kind"), gateway ? "gateway" : "worker")) {
        (void)err_set(err, ERR_INVALID, "this address is for %s",
                      gateway ? "gateways" : "workers");
        return NULL;
    }
    leat_text id = leat_string(leat_get(body, "id"));
    if (id.len == 0 || id.len > BRK_PEER_ID_MAX ||
        memchr(id.ptr, '\0', id.len) != NULL) {
        (void)err_set(err, ERR_INVALID, "an id of %zu bytes", id.len);
        return NULL;
    }
    char name[BRK_PEER_ID_MAX + 1] = "";
    memcpy(name, id.ptr, id.len);
    struct brk_peer *peer = brk_peer_of_id(&core->peers, gateway, name);
    int64_t pid = leat_int(leat_get(body, "pid"), 0);
    if (peer != NULL && peer->pid != pid) { /* another process of that name */
        brk_member_lose(core, peer, "another process took its id");
        peer = NULL;
    }
    struct brk_peer *there = brk_peer_of_route(&core->peers, &in->from);
    if (there != NULL && there != peer) {
        brk_member_lose(core, there, "its connection says it is another");
    }
    bool known = peer != NULL;
    if (!known) {
        peer = brk_peer_new(&core->peers, gateway, &in->from, err);
        if (peer == NULL) {
            return NULL;
        }
        (void)base_copy(peer->id, sizeof peer->id, name);
        peer->pid = pid;
    } else if (!link_route_eq(&peer->route, &in->from)) {
        brk_peer_bind(&core->peers, peer, &in->from);
        if (!gateway) { /* what was sent the old way may not have arrived */
            brk_call_lose(core, peer);
        }
    }
    peer->lease_ms = core->lease_clock_ms + core->conf.lease_ms;
    peer->gone_ms = 0;
    if (!read_hello(core, peer, body, err)) {
        brk_member_lose(core, peer, "its HELLO cannot be used");
        return NULL;
    }
    log_info("peer.hello", "peer=%s kind=%s pid=%lld slots=%u graphs=%zu",
             LOG_Q(peer->id), gateway ? "gateway" : "worker", (long long)pid,
             peer->slots, peer->graph_count);
    return peer;
}

static bool read_hello(struct brk_core *core, struct brk_peer *peer,
                       leat_view body, struct err *err)
{
    char *host = value_strdup(leat_get(body, "host"));
    (void)base_copy(peer->host, sizeof peer->host, host == NULL ? "" : host);
    free(host);
    if (peer->gateway) {
        return true;
    }
    int64_t slots = leat_int(leat_get(body, "slots"), 1);
    if (slots < 0 || slots > BRK_PEER_SLOTS_MAX) {
        return err_set(err, ERR_INVALID, "%lld slots", (long long)slots);
    }
    stat_add(STAT_SLOTS, slots - (int64_t)peer->slots);
    peer->slots = (unsigned)slots;
    peer->draining = false;
    peer->pause_ms = 0;
    return brk_peer_serve(peer, &core->queue, leat_get(body, "graphs"), err);
}

static void welcome(struct brk_core *core, const struct brk_peer *peer)
{
    struct wire_head head = brk_core_head(core, WIRE_WELCOME, NULL);
    leat_value *body = leat_pack("{s:I,s:i}", "lease_ms", core->conf.lease_ms,
                                 "window", WINDOW);
    if (peer->gateway) {
        brk_core_to_gateway(core, &peer->route, &head, body);
    } else {
        brk_core_to_worker(core, &peer->route, &head, body);
    }
}

static void reply(struct brk_core *core, bool gateway, const struct link_in *in,
                  uint8_t type)
{
    struct wire_head head = brk_core_head(core, type, NULL);
    head.tag = in->head.tag;
    if (gateway) {
        brk_core_to_gateway(core, &in->from, &head, NULL);
    } else {
        brk_core_to_worker(core, &in->from, &head, NULL);
    }
}

/* ---- runs that a worker says it holds
 * ------------------------------------------- */

static void take_runs(struct brk_core *core, struct brk_peer *worker,
                      leat_view runs)
{
    size_t n = 0;
    drop_claims(core, worker);
    struct leat_iter it = leat_iter_of(runs);
    while (n < BRK_PEER_RUNS_MAX && leat_next(&it)) {
        struct brk_claim claim;
        if (read_run(it.item, &claim)) {
            claim.peer = worker;
            take_run(core, worker, &claim);
            n++;
        }
    }
    lose_unlisted(core, worker);
}

static bool read_run(leat_view item, struct brk_claim *out)
{
    leat_text run = leat_string(leat_get(item, "run"));
    leat_text thread = leat_string(leat_get(item, "thread"));
    int64_t attempt = leat_int(leat_get(item, "attempt"), 0);
    *out = (struct brk_claim){0};
    out->attempt =
        (uint16_t)(attempt > 0 && attempt <= UINT16_MAX ? attempt : 0);
    out->first = leat_uint(leat_get(item, "first"), 0);
    return run.ptr != NULL && thread.ptr != NULL && out->attempt > 0 &&
           id_parse_n(run.ptr, run.len, &out->run) &&
           id_parse_n(thread.ptr, thread.len, &out->thread);
}

static void take_run(struct brk_core *core, struct brk_peer *worker,
                     const struct brk_claim *it)
{
    struct brk_run *run = idmap_get(&core->runs, &it->run);
    if (run != NULL && run->worker == worker && run->attempt == it->attempt) {
        run->binding = worker->binding; /* it has it, as we thought */
        if (run->state == BRK_RUN_RUNNING && run->cancel != BRK_CANCEL_NONE) {
            brk_attempt_send_cancel(core, run);
        }
    } else if (run != NULL && brk_attempt_may_adopt(run, it->attempt)) {
        brk_attempt_adopt(core, run, it);
    } else if (run == NULL && core->adopting &&
               brk_recent_get(&core->past, &it->run) == NULL &&
               idmap_get(&core->claims, &it->run) == NULL) {
        struct brk_claim *claim = base_memdup(it, sizeof *it);
        idmap_put(&core->claims, &claim->run, claim);
    } else if (run == NULL && brk_recent_get(&core->past, &it->run) != NULL) {
        brk_attempt_send_kept(core, &worker->route, &it->run, it->attempt);
    } else {
        brk_attempt_send_stop(core, worker, &it->run, it->attempt);
    }
}

/* Runs that were sent over a connection that is no more, and did not arrive. */
static void lose_unlisted(struct brk_core *core, struct brk_peer *worker)
{
    struct brk_run *run = worker->runs;
    while (run != NULL) {
        struct brk_run *next = run->peer_next;
        if (run->state == BRK_RUN_RUNNING && run->binding != worker->binding) {
            brk_attempt_lose(core, run, false, "its start did not arrive");
        }
        run = next;
    }
}

bool brk_member_claim(struct brk_core *core, struct brk_run *run)
{
    struct brk_claim *claim = idmap_take(&core->claims, &run->id);
    bool waits = core->adopting && run->lane->turn == NULL;
    if (waits) {
        brk_run_move(run, BRK_RUN_ADOPTING, "submitted again");
        run->lane->turn = run;
    }
    if (claim != NULL) {
        bool may = brk_attempt_may_adopt(run, claim->attempt);
        if (may) {
            brk_attempt_adopt(core, run, claim);
        } else {
            brk_attempt_send_stop(core, claim->peer, &claim->run,
                                  claim->attempt);
        }
        free(claim);
        return may || waits;
    }
    return waits;
}

static void drop_claims(struct brk_core *core, const struct brk_peer *worker)
{
    bool found = core->claims.count > 0;
    while (found) { /* a map must not change while it is walked */
        size_t at = 0;
        struct brk_claim *claim;
        found = false;
        while ((claim = idmap_next(&core->claims, &at)) != NULL) {
            if (worker == NULL || claim->peer == worker) {
                (void)idmap_take(&core->claims, &claim->run);
                free(claim);
                found = true;
                break;
            }
        }
    }
}

/* ---- leaving
 * ----------------------------------------------------------------------------
 */

void brk_member_lose(struct brk_core *core, struct brk_peer *peer,
                     const char *why)
{
    log_info("peer.lost", "peer=%s kind=%s busy=%u why=%s", LOG_Q(peer->id),
             peer->gateway ? "gateway" : "worker", peer->busy, LOG_Q(why));
    peer->draining = true; /* nothing of what follows is for this one */
    while (peer->runs != NULL) {
        struct brk_run *run = peer->runs;
        brk_attempt_lose(core, run, run->executing, why);
    }
    drop_claims(core, peer);
    brk_call_lose(core, peer);
    if (peer->gateway) {
        size_t at = 0;
        struct brk_run *run;
        while ((run = idmap_next(&core->runs, &at)) != NULL) {
            run->watchers &= ~peer->bit;
        }
    }
    stat_add(STAT_SLOTS, -(int64_t)peer->slots);
    brk_peer_destroy(&core->peers, &peer);
    core->graphs_changed = true;
}

void brk_member_gone(struct brk_core *core, bool gateway,
                     const struct link_route *route)
{
    struct brk_peer *peer = brk_peer_of_route(&core->peers, route);
    if (peer != NULL && peer->gateway == gateway && peer->gone_ms == 0) {
        peer->gone_ms =
            core->now.mono_ms +
            (gateway ? GATEWAY_GONE_MS
                     : min_i64(WORKER_GONE_MS, core->conf.lease_ms));
    }
}

void brk_member_probe(struct brk_core *core, bool gateways)
{
    for (const struct brk_peer *p = core->peers.first; p != NULL; p = p->next) {
        struct wire_head head = brk_core_head(core, WIRE_PING, NULL);
        if (p->gateway && gateways) {
            brk_core_to_gateway(core, &p->route, &head, NULL);
        } else if (!p->gateway && !gateways) {
            brk_core_to_worker(core, &p->route, &head, NULL);
        }
    }
}

void brk_member_tick(struct brk_core *core)
{
    struct brk_peer *peer = core->peers.first;
    while (peer != NULL) {
        struct brk_peer *next = peer->next;
        if (peer->gone_ms != 0 && peer->gone_ms <= core->now.mono_ms) {
            brk_member_lose(core, peer, "its connection is gone");
        } else if (!peer->gateway && peer->lease_ms <= core->lease_clock_ms) {
            stat_inc(STAT_LEASE_EXPIRED);
            brk_member_lose(core, peer, "its lease ran out");
        }
        peer = next;
    }
    if (core->adopting && core->lease_clock_ms >= core->adopt_until_ms) {
        core->adopting = false;
        end_adopting(core);
    }
}

/* Whoever has not come back within a lease does not. */
static void end_adopting(struct brk_core *core)
{
    size_t at = 0;
    size_t n = 0;
    struct brk_run *run;
    struct brk_run **late = base_zalloc((core->runs.count + 1) * sizeof *late);
    while ((run = idmap_next(&core->runs, &at)) != NULL) {
        if (run->state == BRK_RUN_ADOPTING) {
            late[n++] = run;
        }
    }
    for (size_t i = 0; i < n; i++) { /* each is on its own */
        late[i]->torn_ms = late[i]->stored ? late[i]->ms : 0;
        brk_attempt_lose(core, late[i], false, "its worker did not come back");
    }
    free(late);
    at = 0;
    const struct brk_claim *claim;
    while ((claim = idmap_next(&core->claims, &at)) != NULL) {
        brk_attempt_send_stop(core, claim->peer, &claim->run, claim->attempt);
    }
    drop_claims(core, NULL);
    brk_finish_ask_torn(core);
}

/* ---- telling gateways
 * ----------------------------------------------------------- */

void brk_member_tell_graphs(struct brk_core *core)
{
    core->graphs_changed = core->busy_changed = false;
    core->graphs_sent_ms = core->now.mono_ms;
    if (core->peers.gateways == 0) {
        return;
    }
    leat_value *body = graphs_body(core);
    struct wire_head head = brk_core_head(core, WIRE_GRAPHS, NULL);
    for (const struct brk_peer *p = core->peers.first; p != NULL; p = p->next) {
        if (p->gateway) {
            brk_core_to_gateway(core, &p->route, &head, leat_hold(body));
        }
    }
    leat_drop(body);
}

static void write_graph(leat_writer *w, const struct brk_graph *graph)
{
    int64_t slots = 0;
    int64_t busy = 0;
    for (size_t i = 0; i < graph->peer_count; i++) {
        slots += graph->peers[i]->slots;
        busy +=
            min_int((int)graph->peers[i]->busy, (int)graph->peers[i]->slots);
    }
    leat_value *row = leat_pack("{s:s,s:I,s:I,s:I}", "id", graph->name,
                                "workers", (int64_t)graph->peer_count, "slots",
                                slots, "free", slots - busy);
    leat_write_view(w, leat_view_of(row));
    leat_drop(row);
}

static void write_worker(leat_writer *w, const struct brk_peer *peer)
{
    leat_write_object(w);
    leat_write_key(w, "id");
    leat_write_string(w, peer->id);
    leat_write_key(w, "pid");
    leat_write_int(w, peer->pid);
    leat_write_key(w, "host");
    leat_write_string(w, peer->host);
    leat_write_key(w, "graphs");
    leat_write_list(w);
    for (size_t i = 0; i < peer->graph_count; i++) {
        leat_write_string(w, peer->graphs[i]->name);
    }
    leat_write_end(w);
    leat_write_key(w, "slots");
    leat_write_int(w, peer->slots);
    leat_write_key(w, "busy");
    leat_write_int(w, peer->busy);
    leat_write_end(w);
}

/* Of first attempts: gateways show it, by the name that the API has for it. */
static void write_queue_wait(leat_writer *w)
{
    struct stat_counts c;
    size_t n = STAT_BUCKETS;
    stat_take(STAT_QUEUE_WAIT_FIRST, &c);
    while (n > 0 && c.counts[n - 1] == 0) {
        n--;
    }
    leat_write_object(w);
    leat_write_key(w, "sum_us");
    leat_write_int(w, c.sum_us);
    leat_write_key(w, "counts");
    leat_write_list(w);
    for (size_t i = 0; i < n; i++) {
        leat_write_int(w, c.counts[i]);
    }
    leat_write_end(w);
    leat_write_end(w);
}

static leat_value *graphs_body(const struct brk_core *core)
{
    leat_writer *w = leat_writer_new();
    leat_write_object(w);
    leat_write_key(w, "graphs");
    leat_write_list(w);
    for (const struct brk_graph *g = core->queue.first; g != NULL;
         g = g->next) {
        if (g->registered) {
            write_graph(w, g);
        }
    }
    leat_write_end(w);
    leat_write_key(w, "workers");
    leat_write_list(w);
    for (const struct brk_peer *p = core->peers.first; p != NULL; p = p->next) {
        if (!p->gateway) {
            write_worker(w, p);
        }
    }
    leat_write_end(w);
    leat_write_key(w, "queue_wait");
    write_queue_wait(w);
    leat_write_end(w);
    return leat_writer_finish(&w);
}
