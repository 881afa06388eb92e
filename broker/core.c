/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn, and the way of each message to its handler. A message of an older
 * epoch is not acted on: its sender is asked to say HELLO again.
 */
#include "broker/core.h"

#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "common/log.h"
#include "common/stat.h"

/* A turn that took longer than this counts as this long for leases: in the
 * rest of it the desk did not read. */
#define TURN_MS_MAX 250
#define PAST_MAX 65536
#define SUBSCRIBED_MAX 65536
#define SUBSCRIBED_MS 60000
#define LOOKED_MAX 65536
#define LOOKED_MS 2000
#define REFUSED_MAX 65536
#define REFUSED_MS 60000
#define LOOK_MS 50     /* pause between looks at leases */
#define GRAPHS_MS 1000 /* pause between tellings of who is busy */

static void drop_past(struct brk_recent_entry *e);
static void drop_plain(struct brk_recent_entry *e);
static void drop_run(struct brk_core *core, struct brk_run *run);
static struct brk_out *add_out(struct brk_core *core, enum brk_out_to to);
static bool is_old(struct brk_core *core, bool gateway,
                   const struct link_in *in);

struct brk_core *brk_core_new(const struct brk_core_conf *conf,
                              struct brk_now now)
{
    must(conf->lease_ms > 0 && conf->max_attempts > 0);
    must(conf->lane_runs > 0 && conf->run_timeout_ms > 0);
    struct brk_core *core = base_zalloc(sizeof *core);
    core->magic = BRK_CORE_MAGIC;
    core->conf = *conf;
    core->now = now;
    core->began_wall_ms = now.wall_ms;
    core->adopting = true;
    core->adopt_until_ms = conf->lease_ms;
    core->leases_seen_ms = now.mono_ms;
    core->graphs_sent_ms = now.mono_ms;
    brk_recent_init(&core->past, PAST_MAX, conf->past_ms, drop_past);
    brk_recent_init(&core->subscribed, SUBSCRIBED_MAX, SUBSCRIBED_MS,
                    drop_plain);
    brk_recent_init(&core->looked, LOOKED_MAX, LOOKED_MS, drop_plain);
    brk_recent_init(&core->refused, REFUSED_MAX, REFUSED_MS, drop_plain);
    return core;
}

void brk_core_destroy(struct brk_core **p)
{
    must(p != NULL);
    struct brk_core *core = *p;
    if (core == NULL) {
        return;
    }
    check_magic(core, BRK_CORE_MAGIC);
    size_t at = 0;
    struct brk_run *run;
    while ((run = idmap_next(&core->runs, &at)) != NULL) {
        drop_run(core, run);
    }
    at = 0;
    struct brk_lane *lane;
    while ((lane = idmap_next(&core->lanes, &at)) != NULL) {
        free(lane->askers);
        free(lane);
    }
    at = 0;
    struct brk_claim *claim;
    while ((claim = idmap_next(&core->claims, &at)) != NULL) {
        free(claim);
    }
    struct brk_out out;
    while (brk_core_take_out(core, &out)) {
        leat_drop(out.body);
        brk_note_destroy(&out.note);
    }
    brk_batch_destroy(&core->batch);
    brk_call_fini(core);
    brk_peers_fini(&core->peers);
    brk_queue_fini(&core->queue);
    brk_recent_fini(&core->past);
    brk_recent_fini(&core->subscribed);
    brk_recent_fini(&core->looked);
    brk_recent_fini(&core->refused);
    brk_homes_fini(&core->homes);
    idmap_fini(&core->runs);
    idmap_fini(&core->lanes);
    idmap_fini(&core->claims);
    free(core->out);
    core->magic = 0;
    free(core);
    *p = NULL;
}

static void drop_run(struct brk_core *core, struct brk_run *run)
{
    brk_queue_take(&core->queue, run);
    brk_queue_unwake(&core->queue, run);
    brk_peer_take_back(run);
    brk_lane_take(run->lane, run);
    brk_run_destroy(&run);
}

static void drop_past(struct brk_recent_entry *e)
{
    struct brk_past *past = CONTAINER_OF(e, struct brk_past, entry);
    leat_drop(past->error);
    free(past);
}

static void drop_plain(struct brk_recent_entry *e)
{
    free(e);
}

/* ---- the turn
 * -------------------------------------------------------------------- */

void brk_core_begin(struct brk_core *core, struct brk_now now)
{
    check_magic(core, BRK_CORE_MAGIC);
    must(now.mono_ms >= core->now.mono_ms);
    core->lease_clock_ms +=
        min_i64(now.mono_ms - core->now.mono_ms, TURN_MS_MAX);
    core->now = now;
}

void brk_core_end(struct brk_core *core)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_run *run;
    while ((run = brk_queue_due(&core->queue, core->now.mono_ms)) != NULL) {
        brk_attempt_on_timer(core, run);
    }
    if (core->now.mono_ms - core->leases_seen_ms >= LOOK_MS) {
        core->leases_seen_ms = core->now.mono_ms;
        brk_member_tick(core);
    }
    if (!core->draining) {
        brk_attempt_pump(core);
    }
    brk_call_tick(core);
    bool late = core->now.mono_ms - core->graphs_sent_ms >= GRAPHS_MS;
    if (core->graphs_changed || (core->busy_changed && late)) {
        brk_member_tell_graphs(core);
    }
}

int64_t brk_core_next_ms(const struct brk_core *core)
{
    check_magic(core, BRK_CORE_MAGIC);
    int64_t next = min_i64(brk_queue_next_ms(&core->queue),
                           brk_call_next_ms(core));
    if (core->peers.first != NULL || core->adopting) {
        next = min_i64(next, core->leases_seen_ms + LOOK_MS);
    }
    return next;
}

void brk_core_drain(struct brk_core *core)
{
    check_magic(core, BRK_CORE_MAGIC);
    core->draining = true;
}

/* ---- what comes in
 * --------------------------------------------------------------- */

void brk_core_on_gateway(struct brk_core *core, struct link_in *in)
{
    check_magic(core, BRK_CORE_MAGIC);
    if (is_old(core, true, in)) {
        return;
    }
    struct brk_peer *gateway = brk_member_of(core, true, in);
    if (gateway == NULL) {
        return;
    }
    switch (in->head.type) {
    case WIRE_RUN_SUBMIT:
        brk_submit_on_submit(core, gateway, in);
        break;
    case WIRE_RUN_FORGET:
        brk_submit_on_forget(core, in);
        break;
    case WIRE_RUN_WATCH:
        brk_submit_on_watch(core, gateway, in);
        break;
    case WIRE_RUN_UNWATCH:
        brk_submit_on_unwatch(core, gateway, in);
        break;
    case WIRE_RUN_CANCEL:
        brk_submit_on_cancel(core, in);
        break;
    case WIRE_THREAD_DELETE:
        brk_submit_on_delete(core, in);
        break;
    case WIRE_CALL:
        brk_call_on_call(core, gateway, in);
        break;
    default: /* HELLO and its like were dealt with by the member */
        break;
    }
}

void brk_core_on_worker(struct brk_core *core, struct link_in *in)
{
    check_magic(core, BRK_CORE_MAGIC);
    if (is_old(core, false, in)) {
        return;
    }
    struct brk_peer *worker = brk_member_of(core, false, in);
    if (worker == NULL) {
        return;
    }
    switch (in->head.type) {
    case WIRE_RUN_STARTED:
        brk_attempt_on_started(core, worker, in);
        break;
    case WIRE_RUN_DONE:
        brk_attempt_on_done(core, worker, in);
        break;
    case WIRE_RUN_YIELD:
        brk_attempt_on_yield(core, worker, in);
        break;
    case WIRE_RUN_BUSY:
        brk_attempt_on_busy(core, worker, in);
        break;
    case WIRE_CALL_DONE:
        brk_call_on_done(core, worker, in);
        break;
    default:
        break;
    }
}

void brk_core_on_relay(struct brk_core *core, struct brk_note **p)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_note *note = *p;
    check_magic(note, BRK_NOTE_MAGIC);
    if (note->type == BRK_NOTE_FENCED) {
        brk_attempt_on_fenced(core, note);
    } else if (note->type == BRK_NOTE_CLOSED) {
        brk_finish_on_closed(core, note);
    } else if (note->type == BRK_NOTE_REACHED) {
        brk_attempt_on_reached(core, note);
    } else if (note->type == BRK_NOTE_UNKNOWN) {
        brk_finish_on_unknown(core, note);
    } else if (note->type == BRK_NOTE_HOME) {
        brk_homes_put(&core->homes, &note->thread, note->seq != 0);
    } else {
        must(note->type == BRK_NOTE_SUBSCRIBED);
        if (!id_is_nil(&note->run)) {
            brk_attempt_on_subscribed(core, &note->run);
        }
    }
    brk_note_destroy(p);
}

void brk_core_on_ledger(struct brk_core *core, struct brk_batch **p)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_batch *batch = *p;
    check_magic(batch, BRK_BATCH_MAGIC);
    must(core->uncommitted >= batch->n);
    core->uncommitted -= batch->n;
    for (size_t i = 0; i < batch->n; i++) {
        brk_commit_on_op(core, &batch->ops[i]);
    }
    brk_batch_destroy(p);
}

void brk_core_on_gone(struct brk_core *core, bool gateway,
                      const struct link_route *route)
{
    check_magic(core, BRK_CORE_MAGIC);
    brk_member_gone(core, gateway, route);
}

void brk_core_on_full(struct brk_core *core, bool gateway,
                      const struct link_route *route)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_peer *peer = brk_peer_of_route(&core->peers, route);
    if (peer != NULL && peer->gateway == gateway) {
        brk_member_lose(core, peer, "it takes no messages");
    }
}

void brk_core_probe(struct brk_core *core, bool gateways)
{
    check_magic(core, BRK_CORE_MAGIC);
    brk_member_probe(core, gateways);
}

void brk_core_restore(struct brk_core *core, const struct store_run *rows,
                      size_t n)
{
    check_magic(core, BRK_CORE_MAGIC);
    brk_commit_restore(core, rows, n);
}

/* Sent before this broker took over: what it says may be decided already. */
static bool is_old(struct brk_core *core, bool gateway,
                   const struct link_in *in)
{
    uint32_t epoch = in->head.epoch;
    if (epoch == core->conf.epoch || epoch == 0 ||
        in->head.type == WIRE_HELLO) {
        return false;
    }
    if (epoch > core->conf.epoch) {
        log_error("core.newer_epoch", "ours=%u theirs=%u", core->conf.epoch,
                  epoch);
    }
    struct wire_head head = brk_core_head(core, WIRE_WHO, NULL);
    if (gateway) {
        brk_core_to_gateway(core, &in->from, &head, NULL);
    } else {
        brk_core_to_worker(core, &in->from, &head, NULL);
    }
    return true;
}

/* ---- what goes out
 * --------------------------------------------------------------- */

struct wire_head brk_core_head(const struct brk_core *core, uint8_t type,
                               const struct brk_run *run)
{
    struct wire_head head = {.type = type, .epoch = core->conf.epoch};
    if (run != NULL) {
        head.run = run->id;
        head.thread = run->thread;
        head.attempt = run->attempt;
    }
    return head;
}

void brk_core_to_gateway(struct brk_core *core, const struct link_route *route,
                         const struct wire_head *head, leat_value *body)
{
    struct brk_out *out = add_out(core, BRK_OUT_GATEWAY);
    out->route = *route;
    out->head = *head;
    out->body = body;
}

void brk_core_to_worker(struct brk_core *core, const struct link_route *route,
                        const struct wire_head *head, leat_value *body)
{
    struct brk_out *out = add_out(core, BRK_OUT_WORKER);
    out->route = *route;
    out->head = *head;
    out->body = body;
}

void brk_core_to_relay(struct brk_core *core, struct brk_note *note)
{
    check_magic(note, BRK_NOTE_MAGIC);
    add_out(core, BRK_OUT_RELAY)->note = note;
}

void brk_core_refuse(struct brk_core *core, const struct link_in *in,
                     const struct err *err)
{
    struct wire_head head = brk_core_head(core, WIRE_REFUSED, NULL);
    head.tag = in->head.tag;
    head.run = in->head.run;
    head.thread = in->head.thread;
    brk_core_to_gateway(core, &in->from, &head,
                        leat_pack("{s:s,s:s}", "code", err_name((int)err->code),
                                  "text", err->text));
}

struct brk_op *brk_core_op(struct brk_core *core, enum brk_op_type type,
                           const struct brk_run *run)
{
    must(run->stored);
    if (core->batch == NULL) {
        core->batch = brk_batch_new();
    }
    struct brk_op *op =
        brk_batch_add(core->batch, type, &run->id, &run->thread);
    op->attempt = run->attempt;
    return op;
}

struct brk_op *brk_core_op_thread(struct brk_core *core, enum brk_op_type type,
                                  const struct id *thread)
{
    static const struct id nil;
    if (core->batch == NULL) {
        core->batch = brk_batch_new();
    }
    return brk_batch_add(core->batch, type, &nil, thread);
}

bool brk_core_take_out(struct brk_core *core, struct brk_out *out)
{
    check_magic(core, BRK_CORE_MAGIC);
    if (core->out_first == core->out_count) {
        core->out_first = core->out_count = 0;
        return false;
    }
    *out = core->out[core->out_first++];
    return true;
}

struct brk_batch *brk_core_take_batch(struct brk_core *core)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_batch *batch = core->batch;
    core->batch = NULL;
    core->uncommitted += batch == NULL ? 0 : batch->n;
    return batch;
}

static struct brk_out *add_out(struct brk_core *core, enum brk_out_to to)
{
    if (core->out_count == core->out_room) {
        core->out_room = core->out_room == 0 ? 64 : core->out_room * 2;
        core->out = base_realloc(core->out, core->out_room * sizeof *core->out);
    }
    struct brk_out *out = &core->out[core->out_count++];
    *out = (struct brk_out){.to = to};
    return out;
}

/* ---- counts
 * ------------------------------------------------------------------------ */

struct brk_core_counts brk_core_count(const struct brk_core *core)
{
    check_magic(core, BRK_CORE_MAGIC);
    struct brk_core_counts counts = {
        .runs = core->runs.count,
        .lanes = core->lanes.count,
        .workers = core->peers.workers,
        .gateways = core->peers.gateways,
        .uncommitted = core->uncommitted,
    };
    for (const struct brk_peer *p = core->peers.first; p != NULL; p = p->next) {
        counts.busy += p->busy;
        counts.slots += p->slots;
    }
    return counts;
}

void brk_core_each(const struct brk_core *core,
                   void (*see)(void *arg, const struct brk_run *run), void *arg)
{
    check_magic(core, BRK_CORE_MAGIC);
    size_t at = 0;
    const struct brk_run *run;
    while ((run = idmap_next(&core->runs, &at)) != NULL) {
        see(arg, run);
    }
}
