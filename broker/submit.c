/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gateways ask of the desk. Every request may come twice: an answer can
 * be lost with a connection, and then the gateway asks again.
 */
#include <stdlib.h>

#include "broker/state.h"
#include "common/stat.h"

/* How long a watched run waits for its reader's subscription. */
#define READER_MS 100
/* Operations that may wait for the store before new runs are refused. */
#define UNCOMMITTED_MAX 50000
#define AFTER_MS_MAX ((int64_t)1000 * 3600 * 24 * 3650)

static bool answer_known(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in);
static void remember_refused(struct brk_core *core, const struct id *run,
                             const struct err *err);
static struct brk_run *make_run(struct brk_core *core, struct link_in *in,
                                struct err *err);
static bool read_submit(struct brk_core *core, struct brk_run *run,
                        leat_view body, struct err *err);
static bool store_keeps_up(const struct brk_core *core,
                           const struct brk_run *run, struct err *err);
static void insert(struct brk_core *core, struct brk_run *run,
                   const struct link_in *in);
static void answer_submit(struct brk_core *core, struct brk_run *run);
static void send_accepted(struct brk_core *core, const struct link_route *to,
                          uint32_t tag, const struct id *run,
                          const char *status);
static void answer_watch(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in);

/* ---- submit
 * ---------------------------------------------------------------------- */

void brk_submit_on_submit(struct brk_core *core, struct brk_peer *gateway,
                          struct link_in *in)
{
    if (answer_known(core, gateway, in) || core->draining) {
        return; /* while draining the gateway keeps it for the next broker */
    }
    struct err err = ERR_INIT;
    struct brk_run *run = make_run(core, in, &err);
    if (run == NULL) {
        stat_inc(STAT_RUNS_REJECTED);
        remember_refused(core, &in->head.run, &err);
        brk_core_refuse(core, in, &err);
        return;
    }
    run->watchers = gateway->bit;
    run->submit_to = in->from;
    run->submit_tag = in->head.tag;
    run->submit_owed = true;
    if (run->stored) {
        insert(core, run, in);
    } else {
        brk_submit_accepted(core, run);
    }
    bool again = leat_bool(leat_get(leat_view_of(in->body), "again"), false);
    if (!again || run->stored || !brk_member_claim(core, run)) {
        brk_attempt_arm(core, run);
    }
}

/* A repeat of what is known already; true when that was all. */
static bool answer_known(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run != NULL) {
        run->watchers |= gateway->bit;
        run->submit_to = in->from;
        run->submit_tag = in->head.tag;
        run->submit_owed = true;
        if (run->inserted) {
            answer_submit(core, run);
        }
        return true;
    }
    const struct brk_past *past = brk_recent_get(&core->past, &in->head.run);
    bool refused = brk_recent_get(&core->refused, &in->head.run) != NULL;
    if (past == NULL && !refused) {
        return false;
    }
    if (refused || past->forgotten) {
        struct err err = ERR_INIT;
        (void)err_set(&err, refused ? ERR_CONFLICT : ERR_CANCELLED,
                      "This run was %s before.",
                      refused ? "refused" : "given up");
        brk_core_refuse(core, in, &err);
        return true;
    }
    send_accepted(core, &in->from, in->head.tag, &past->entry.id, past->status);
    brk_finish_tell_past(core, past, in);
    return true;
}

/* Its client has been told so: of a submit that was repeated while the broker
 * was away, the next copy must not be taken. What failed for want of room or
 * of the store may come again, as ticks of crons do. */
static void remember_refused(struct brk_core *core, const struct id *run,
                             const struct err *err)
{
    if (err->code != ERR_CONFLICT) {
        return;
    }
    struct brk_recent_entry *entry = base_zalloc(sizeof *entry);
    entry->id = *run;
    brk_recent_put(&core->refused, entry, core->now.mono_ms);
}

/* The run, on its lane; NULL with err. */
static struct brk_run *make_run(struct brk_core *core, struct link_in *in,
                                struct err *err)
{
    if (id_is_nil(&in->head.run) || id_is_nil(&in->head.thread)) {
        (void)err_set(err, ERR_INVALID, "a submit without run or thread");
        return NULL;
    }
    struct brk_run *run = brk_run_new(&in->head.run, &in->head.thread);
    struct brk_lane *lane = brk_lane_require(&core->lanes, &run->thread);
    if (!read_submit(core, run, leat_view_of(in->body), err) ||
        !store_keeps_up(core, run, err) ||
        !brk_lane_admit(lane, run->strategy, core->conf.lane_runs, err)) {
        brk_lane_release(&core->lanes, lane);
        brk_run_destroy(&run);
        return NULL;
    }
    if (leat_bool(leat_get(leat_view_of(in->body), "again"), false)) {
        /* A worker may be at an attempt that its readers have seen. */
        run->attempt = in->head.attempt;
    }
    run->order = ++core->order;
    idmap_put(&core->runs, &run->id, run);
    brk_lane_put(lane, run);
    return run;
}

static bool read_submit(struct brk_core *core, struct brk_run *run,
                        leat_view body, struct err *err)
{
    leat_text assistant = leat_string(leat_get(body, "assistant_id"));
    struct id parsed;
    if (!id_parse_n(assistant.ptr, assistant.len, &parsed)) {
        return err_set(err, ERR_INVALID, "assistant_id is no uuid");
    }
    (void)id_print(&parsed, run->assistant);
    if (!brk_run_strategy_parse(leat_get(body, "strategy"), &run->strategy)) {
        return err_set(err, ERR_INVALID, "there is no such strategy");
    }
    int64_t after = leat_int(leat_get(body, "after_ms"), 0);
    if (after < 0 || after > AFTER_MS_MAX) {
        return err_set(err, ERR_INVALID, "after_ms is out of range");
    }
    run->graph = brk_queue_require(
        &core->queue, leat_string(leat_get(body, "graph_id")), err);
    run->due_ms = core->now.mono_ms + after;
    run->reader_ms = core->now.mono_ms + READER_MS;
    run->stored = leat_bool(leat_get(body, "stored"), true);
    run->temporary = leat_bool(leat_get(body, "temporary"), false);
    run->no_webhook = leat_type_of(leat_get(body, "webhook")) != LEAT_STRING;
    run->watched = leat_bool(leat_get(body, "watched"), false);
    run->kwargs = leat_value_of(leat_get(body, "kwargs"));
    run->metadata = leat_value_of(leat_get(body, "metadata"));
    run->inserted = !run->stored;
    return run->graph != NULL;
}

static bool store_keeps_up(const struct brk_core *core,
                           const struct brk_run *run, struct err *err)
{
    return !run->stored || core->uncommitted <= UNCOMMITTED_MAX ||
           err_set(err, ERR_UNAVAILABLE,
                   "The database is behind; try again later.");
}

static void insert(struct brk_core *core, struct brk_run *run,
                   const struct link_in *in)
{
    struct brk_op *op = brk_core_op(core, BRK_OP_INSERT, run);
    op->submit = leat_hold(in->body);
    int64_t after = run->due_ms - core->now.mono_ms;
    op->due_us = after == 0 ? 0 : (core->now.wall_ms + after) * 1000;
}

void brk_submit_accepted(struct brk_core *core, struct brk_run *run)
{
    run->inserted = true;
    stat_inc(STAT_RUNS_SUBMITTED);
    answer_submit(core, run);
    brk_submit_apply_strategy(core, run);
}

static void answer_submit(struct brk_core *core, struct brk_run *run)
{
    if (run->submit_owed) {
        run->submit_owed = false;
        send_accepted(core, &run->submit_to, run->submit_tag, &run->id,
                      brk_run_status(run));
    }
}

void brk_submit_refused(struct brk_core *core, struct brk_run *run,
                        const struct err *err)
{
    stat_inc(STAT_RUNS_REJECTED);
    if (run->submit_owed) {
        struct link_in in = {.from = run->submit_to};
        in.head.tag = run->submit_tag;
        in.head.run = run->id;
        in.head.thread = run->thread;
        brk_core_refuse(core, &in, err);
    }
    if (run->state == BRK_RUN_FENCING) {
        brk_finish_tell_deleted(core, run);
    }
    brk_finish_remove(core, run);
}

/* A new run that interrupts or rolls back stops all that came before it; it
 * starts when they are gone from the lane. */
void brk_submit_apply_strategy(struct brk_core *core, struct brk_run *run)
{
    bool over = run->state == BRK_RUN_CLOSING || run->state == BRK_RUN_ENDING;
    if (over ||
        (run->strategy != BRK_INTERRUPT && run->strategy != BRK_ROLLBACK)) {
        return;
    }
    enum brk_cancel action = run->strategy == BRK_ROLLBACK
                                 ? BRK_CANCEL_ROLLBACK
                                 : BRK_CANCEL_INTERRUPT;
    struct brk_run *other = run->lane->first;
    while (other != NULL) {
        struct brk_run *next = other->lane_next;
        if (other->order < run->order) {
            brk_submit_cancel(core, other, action);
        }
        other = next;
    }
}

/* ---- cancel, forget, delete
 * --------------------------------------------------- */

/* Who cancels a run that nobody executes reads its end right after: it is told
 * once that is written. Else the answer says that the wish is. */
static void owe_answer(struct brk_run *run, const struct link_in *in,
                       struct brk_op *op)
{
    if (run->state == BRK_RUN_PENDING && run->cancel_to.len == 0) {
        run->cancel_to = in->from;
        run->cancel_tag = in->head.tag;
    } else {
        op->ack = in->from;
        op->ack_tag = in->head.tag;
    }
}

void brk_submit_on_cancel(struct brk_core *core, const struct link_in *in)
{
    struct err err = ERR_INIT;
    enum brk_cancel action;
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (!brk_run_cancel_parse(leat_get(leat_view_of(in->body), "action"),
                              &action)) {
        (void)err_set(&err, ERR_INVALID, "action is interrupt or rollback");
    } else if (run == NULL &&
               brk_recent_get(&core->past, &in->head.run) != NULL) {
        (void)err_set(&err, ERR_CONFLICT, "The run is not pending or running.");
    } else if (run == NULL) {
        (void)err_set(&err, ERR_NOT_FOUND, "Run not found");
    }
    if (err.code != ERR_NONE) {
        brk_core_refuse(core, in, &err);
        return;
    }
    if (run->stored) {
        struct brk_op *op = brk_core_op(core, BRK_OP_CANCEL, run);
        (void)base_copy(op->status, sizeof op->status,
                        brk_run_cancel_name(action));
        owe_answer(run, in, op);
    } else {
        send_accepted(core, &in->from, in->head.tag, &run->id,
                      brk_run_status(run));
    }
    brk_submit_cancel(core, run, action);
}

void brk_submit_cancelled(struct brk_core *core, const struct brk_op *op)
{
    if (op->ack.len == 0) {
        return; /* told at the end: brk_submit_cancel_done */
    }
    const struct brk_run *run = idmap_get(&core->runs, &op->run);
    const struct brk_past *past = brk_recent_get(&core->past, &op->run);
    const char *status = run != NULL    ? brk_run_status(run)
                         : past != NULL ? past->status
                                        : "interrupted";
    send_accepted(core, &op->ack, op->ack_tag, &op->run, status);
}

void brk_submit_cancel_done(struct brk_core *core, const struct brk_run *run)
{
    if (run->cancel_to.len > 0) {
        send_accepted(core, &run->cancel_to, run->cancel_tag, &run->id,
                      run->end.status);
    }
}

void brk_submit_cancel(struct brk_core *core, struct brk_run *run,
                       enum brk_cancel action)
{
    if (run->cancel >= action) {
        return;
    }
    run->cancel = action;
    if (run->state == BRK_RUN_RUNNING) {
        brk_attempt_send_cancel(core, run);
    } else if (run->state == BRK_RUN_PENDING) {
        brk_attempt_disarm(core, run);
        brk_finish_cancelled(core, run);
    }
    /* FENCING and ADOPTING look at it when they know more; what is CLOSING or
     * ENDING is over already. */
}

void brk_submit_on_forget(struct brk_core *core, const struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run != NULL) {
        run->submit_owed = false;
        brk_submit_cancel(core, run, BRK_CANCEL_ROLLBACK);
        return;
    }
    if (brk_recent_get(&core->past, &in->head.run) == NULL &&
        !id_is_nil(&in->head.run)) {
        struct brk_past *past = base_zalloc(sizeof *past);
        past->entry.id = in->head.run;
        past->forgotten = true;
        (void)base_copy(past->status, sizeof past->status, "deleted");
        brk_recent_put(&core->past, &past->entry, core->now.mono_ms);
    }
}

void brk_submit_on_delete(struct brk_core *core, const struct link_in *in)
{
    struct err err = ERR_INIT;
    if (id_is_nil(&in->head.thread)) {
        (void)err_set(&err, ERR_INVALID, "no thread is named");
        brk_core_refuse(core, in, &err);
        return;
    }
    struct brk_lane *lane = idmap_get(&core->lanes, &in->head.thread);
    if (in->head.seq == 1 && lane != NULL && lane->count > 0) {
        (void)err_set(&err, ERR_CONFLICT, "the thread has runs");
        brk_core_refuse(core, in, &err);
        return;
    }
    lane = brk_lane_require(&core->lanes, &in->head.thread);
    lane->deleting = true;
    const struct brk_lane_asker asker = {in->from, in->head.tag};
    if (!brk_lane_ask_deleted(lane, &asker, &err)) {
        brk_core_refuse(core, in, &err);
        return;
    }
    struct brk_run *run = lane->first;
    while (run != NULL) {
        struct brk_run *next = run->lane_next;
        brk_submit_cancel(core, run, BRK_CANCEL_ROLLBACK);
        run = next;
    }
    brk_finish_next(core, lane);
}

/* ---- watch
 * ------------------------------------------------------------------------ */

void brk_submit_on_watch(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in)
{
    if (idmap_get(&core->runs, &in->head.run) != NULL ||
        brk_recent_get(&core->past, &in->head.run) != NULL) {
        answer_watch(core, gateway, in);
        return;
    }
    /* It may have ended before this broker began: the store knows where. */
    struct brk_op *op = brk_core_op_thread(core, BRK_OP_LOOKUP, &in->head.run);
    op->run = in->head.run;
    op->ack = in->from;
    op->ack_tag = in->head.tag;
}

void brk_submit_on_looked_up(struct brk_core *core, const struct brk_op *op)
{
    struct link_in in = {.from = op->ack};
    in.head.tag = op->ack_tag;
    in.head.run = op->run;
    struct brk_peer *gateway = brk_peer_of_route(&core->peers, &op->ack);
    if (gateway == NULL) {
        return;
    }
    if (op->existed && op->last > 0 &&
        idmap_get(&core->runs, &op->run) == NULL &&
        brk_recent_get(&core->past, &op->run) == NULL) {
        struct brk_past *past = base_zalloc(sizeof *past);
        past->entry.id = op->run;
        past->thread = op->thread;
        past->seq = op->last;
        past->before = true;
        (void)base_copy(past->status, sizeof past->status, op->status);
        brk_recent_put(&core->past, &past->entry, core->now.mono_ms);
    }
    answer_watch(core, gateway, &in);
}

static void answer_watch(struct brk_core *core, struct brk_peer *gateway,
                         const struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    const struct brk_past *past = brk_recent_get(&core->past, &in->head.run);
    if (run == NULL && past != NULL && !past->forgotten) {
        brk_finish_tell_past(core, past, in);
        return;
    }
    if (run == NULL) {
        struct err err = ERR_INIT;
        (void)err_set(&err, ERR_NOT_FOUND, "The run is not live.");
        brk_core_refuse(core, in, &err);
        return;
    }
    run->watchers |= gateway->bit;
    struct wire_head head = brk_core_head(core, WIRE_RUN_STATE, run);
    head.tag = in->head.tag;
    char *why = brk_attempt_why(core, run);
    brk_core_to_gateway(
        core, &in->from, &head,
        leat_pack("{s:s,s:?s}", "status", brk_run_status(run), "why", why));
    free(why);
}

void brk_submit_on_unwatch(struct brk_core *core, struct brk_peer *gateway,
                           const struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run != NULL) {
        run->watchers &= ~gateway->bit;
    }
}

static void send_accepted(struct brk_core *core, const struct link_route *to,
                          uint32_t tag, const struct id *run,
                          const char *status)
{
    struct wire_head head = brk_core_head(core, WIRE_RUN_ACCEPTED, NULL);
    head.tag = tag;
    head.run = *run;
    brk_core_to_gateway(core, to, &head, leat_pack("{s:s}", "status", status));
}
