/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.c: short jobs that need a graph and no run, on their way from a gateway
 * to some worker and back. What is asked is not opened: only which graph it is
 * about, and whether it may be asked twice. A call takes no slot and no turn,
 * and is forgotten with whoever asked.
 */
#include <stdlib.h>

#include "broker/state.h"
#include "common/log.h"

#define CALLS_MAX 4096
#define WORKER_MS 5000 /* for a worker to come */
#define ANSWER_MS 60000 /* for its answer */

static struct brk_call *add(struct brk_core *core, struct brk_peer *gateway,
                            struct link_in *in);
static void drop(struct brk_core *core, struct brk_call **at);
static void answer(struct brk_core *core, const struct brk_call *call,
                   uint8_t type, leat_value *body);
static void refuse(struct brk_core *core, const struct brk_call *call,
                   enum err_code code, const char *text);

void brk_call_on_call(struct brk_core *core, struct brk_peer *gateway,
                      struct link_in *in)
{
    must(gateway->gateway && in->body != NULL);
    struct err err = ERR_INIT;
    for (const struct brk_call *c = core->calls; c != NULL; c = c->next) {
        if (c->gateway == gateway && c->asked == in->head.tag) {
            return; /* it repeats itself */
        }
    }
    leat_text name =
        leat_string(leat_get(leat_view_of(in->body), "graph_id"));
    const struct brk_graph *graph = brk_queue_graph(&core->queue, name);
    bool known = graph != NULL && graph->registered;
    if (core->call_count >= CALLS_MAX) {
        (void)err_set(&err, ERR_LIMIT, "More than %d calls wait.", CALLS_MAX);
    } else if (!known && !core->adopting) {
        (void)err_set(&err, ERR_NOT_FOUND, "No worker ever had graph %.*s.",
                      (int)min_size(name.len, 200), name.ptr);
    } else {
        add(core, gateway, in)->until_ms = core->now.mono_ms + WORKER_MS;
        return;
    }
    brk_core_refuse(core, in, &err);
}

/* At the end of the list: the oldest is served first. */
static struct brk_call *add(struct brk_core *core, struct brk_peer *gateway,
                            struct link_in *in)
{
    struct brk_call **end = &core->calls;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    struct brk_call *call = base_zalloc(sizeof *call);
    call->gateway = gateway;
    call->asked = in->head.tag;
    call->thread = in->head.thread;
    call->body = in->body;
    in->body = NULL;
    call->tag = ++core->call_tag;
    core->call_count++;
    *end = call;
    return call;
}

static void drop(struct brk_core *core, struct brk_call **at)
{
    struct brk_call *call = *at;
    must(core->call_count > 0);
    core->call_count--;
    *at = call->next;
    leat_drop(call->body);
    free(call);
}

void brk_call_fini(struct brk_core *core)
{
    while (core->calls != NULL) {
        drop(core, &core->calls);
    }
}

/* ---- answers
 * ------------------------------------------------------------------------ */

static void answer(struct brk_core *core, const struct brk_call *call,
                   uint8_t type, leat_value *body)
{
    struct wire_head head = brk_core_head(core, type, NULL);
    head.tag = call->asked;
    head.thread = call->thread;
    brk_core_to_gateway(core, &call->gateway->route, &head, body);
}

static void refuse(struct brk_core *core, const struct brk_call *call,
                   enum err_code code, const char *text)
{
    log_warn("call.refused", "why=%s", LOG_Q(text));
    answer(core, call, WIRE_REFUSED,
           leat_pack("{s:s,s:s}", "code", err_name((int)code), "text", text));
}

void brk_call_on_done(struct brk_core *core, struct brk_peer *worker,
                      struct link_in *in)
{
    must(in->body != NULL);
    struct brk_call **at = &core->calls;
    while (*at != NULL &&
           ((*at)->worker != worker || (*at)->tag != in->head.tag)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return; /* nobody waits for it any more */
    }
    leat_view body = leat_view_of(in->body);
    leat_view code = leat_get(body, "code");
    if (leat_type_of(code) == LEAT_STRING) {
        leat_view text = leat_get(body, "text");
        answer(core, *at, WIRE_REFUSED,
               leat_pack("{s:v,s:t}", "code", code, "text",
                         leat_type_of(text) == LEAT_STRING
                             ? leat_string(text)
                             : (leat_text){"", 0}));
    } else {
        answer(core, *at, WIRE_CALL_DONE, in->body);
        in->body = NULL;
    }
    drop(core, at);
}

/* ---- workers
 * ------------------------------------------------------------------------ */

/* Slots do not matter; one that runs a last attempt is better left alone. */
static unsigned cost(const struct brk_peer *p)
{
    return p->busy + (p->alone != NULL ? BRK_PEER_SLOTS_MAX : 0);
}

/* The least busy one that serves the graph. */
static struct brk_peer *pick(const struct brk_core *core,
                             const struct brk_call *call)
{
    leat_text name =
        leat_string(leat_get(leat_view_of(call->body), "graph_id"));
    const struct brk_graph *graph = brk_queue_graph(&core->queue, name);
    struct brk_peer *best = NULL;
    for (size_t i = 0; graph != NULL && i < graph->peer_count; i++) {
        struct brk_peer *p = graph->peers[i];
        if (!p->draining && p->gone_ms == 0 &&
            (best == NULL || cost(p) < cost(best))) {
            best = p;
        }
    }
    return best;
}

static void hand_out(struct brk_core *core, struct brk_call *call)
{
    call->worker = pick(core, call);
    if (call->worker == NULL) {
        return;
    }
    call->until_ms = core->now.mono_ms + ANSWER_MS;
    struct wire_head head = brk_core_head(core, WIRE_CALL, NULL);
    head.tag = call->tag;
    head.thread = call->thread;
    brk_core_to_worker(core, &call->worker->route, &head,
                       leat_hold(call->body));
}

void brk_call_tick(struct brk_core *core)
{
    struct brk_call **at = &core->calls;
    while (*at != NULL) {
        struct brk_call *call = *at;
        if (call->worker == NULL && !core->draining) {
            hand_out(core, call);
        }
        if (core->now.mono_ms < call->until_ms) {
            at = &call->next;
            continue;
        }
        refuse(core, call, ERR_UNAVAILABLE,
               call->worker == NULL ? "No worker serves this graph now."
                                    : "The worker did not answer in time.");
        drop(core, at);
    }
}

int64_t brk_call_next_ms(const struct brk_core *core)
{
    int64_t next = INT64_MAX;
    for (const struct brk_call *c = core->calls; c != NULL; c = c->next) {
        next = min_i64(next, c->until_ms);
    }
    return next;
}

void brk_call_lose(struct brk_core *core, const struct brk_peer *peer)
{
    struct brk_call **at = &core->calls;
    while (*at != NULL) {
        struct brk_call *call = *at;
        bool again =
            leat_bool(leat_get(leat_view_of(call->body), "repeat"), false);
        if (call->gateway == peer) {
            drop(core, at);
        } else if (call->worker == peer && !again) {
            refuse(core, call, ERR_UNAVAILABLE,
                   "The worker was lost; the call may have been done.");
            drop(core, at);
        } else {
            if (call->worker == peer) {
                call->worker = NULL;
                call->until_ms = core->now.mono_ms + WORKER_MS;
            }
            at = &call->next;
        }
    }
}
