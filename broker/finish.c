/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a run. Ended by its worker: settle. Ended by the broker (cancel
 * before a worker had it, time-out, too many losses): first the relay writes
 * the end of its log, then settle. Rolled back: its row goes. In each case
 * RUN_ENDED leaves only when the ledger has committed, and then the lane goes
 * on.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/state.h"
#include "common/log.h"
#include "common/stat.h"

#define CLOSE_BODY_MAX 65536

static void tell_watchers(struct brk_core *core, const struct brk_run *run);
static leat_value *ended_body(const char *status, const leat_value *error);
static void count_end(const struct brk_core *core, const struct brk_run *run);

/* ---- by the broker
 * ------------------------------------------------------------- */

void brk_finish_close(struct brk_core *core, struct brk_run *run,
                      const char *status, const char *error,
                      const char *message)
{
    must(run->worker == NULL);
    brk_attempt_disarm(core, run);
    brk_run_end_fini(&run->end);
    (void)base_copy(run->end.status, sizeof run->end.status, status);
    (void)base_copy(run->end.thread_status, sizeof run->end.thread_status,
                    error != NULL ? "error" : "idle");
    struct buf body;
    buf_init(&body, CLOSE_BODY_MAX);
    bool fits = true;
    struct brk_note *note =
        brk_note_new(BRK_NOTE_CLOSE, &run->id, &run->thread);
    if (error != NULL) {
        run->end.error =
            leat_pack("{s:s,s:s}", "error", error, "message", message);
        fits = wire_event_put(&body, "error", "", leat_view_of(run->end.error));
        note->count++;
    }
    leat_value *end = leat_pack("{s:s}", "status", status);
    fits = fits && wire_event_put(&body, "end", "", leat_view_of(end));
    leat_drop(end);
    must(fits);
    note->count++;
    /* Higher than what any worker was given, so that nothing comes behind. */
    note->attempt = (uint16_t)min_int(run->attempt + 1, UINT16_MAX);
    note->ms = brk_lane_next_ms(run->lane, core->now.wall_ms);
    run->end.ms = note->ms;
    note->torn_ms = run->torn_ms;
    note->stored = run->stored;
    note->body = buf_take(&body, &note->body_len);
    brk_run_move(run, BRK_RUN_CLOSING, error != NULL ? error : status);
    brk_core_to_relay(core, note);
}

void brk_finish_on_closed(struct brk_core *core, const struct brk_note *note)
{
    struct brk_run *run = idmap_get(&core->runs, &note->run);
    if (run == NULL || run->state != BRK_RUN_CLOSING) {
        return;
    }
    run->end.seq = note->seq;
    if (run->cancel == BRK_CANCEL_ROLLBACK) {
        brk_finish_rollback(core, run, "rolled back");
    } else {
        brk_finish_settle(core, run, "its log is closed");
    }
}

void brk_finish_cancelled(struct brk_core *core, struct brk_run *run)
{
    must(run->cancel != BRK_CANCEL_NONE && run->worker == NULL);
    if (run->cancel == BRK_CANCEL_ROLLBACK) {
        brk_finish_rollback(core, run, "cancelled");
    } else {
        brk_finish_close(core, run, "interrupted", NULL, NULL);
    }
}

/* ---- writing it down
 * ----------------------------------------------------------- */

void brk_finish_settle(struct brk_core *core, struct brk_run *run,
                       const char *why)
{
    bool by_worker = run->state == BRK_RUN_RUNNING;
    brk_run_move(run, BRK_RUN_ENDING, why);
    if (!run->stored) {
        brk_finish_ended(core, run);
        return;
    }
    struct brk_op *op = brk_core_op(core, BRK_OP_FINISH, run);
    op->attempt = by_worker ? run->attempt : 0;
    op->seq = run->end.seq;
    op->ms = run->end.ms;
    op->no_webhook = run->no_webhook;
    (void)base_copy(op->status, sizeof op->status, run->end.status);
    (void)base_copy(op->thread_status, sizeof op->thread_status,
                    run->end.thread_status);
    op->error = leat_hold(run->end.error);
    op->values = leat_hold(run->end.values);
    op->interrupts = leat_hold(run->end.interrupts);
    if (run->temporary) {
        (void)brk_core_op_thread(core, BRK_OP_THREAD_DELETE, &run->thread);
    }
}

void brk_finish_rollback(struct brk_core *core, struct brk_run *run,
                         const char *why)
{
    uint64_t seq = run->end.seq;
    brk_attempt_disarm(core, run);
    brk_run_end_fini(&run->end);
    run->end.seq = seq;
    (void)base_copy(run->end.status, sizeof run->end.status, "deleted");
    brk_run_move(run, BRK_RUN_ENDING, why);
    if (!run->stored) {
        brk_finish_ended(core, run);
        return;
    }
    struct brk_op *op = brk_core_op(core, BRK_OP_ROLLBACK, run);
    op->busy = run->lane->count > 1;
    if (run->temporary) {
        (void)brk_core_op_thread(core, BRK_OP_THREAD_DELETE, &run->thread);
    }
}

/* ---- written down
 * ---------------------------------------------------------------- */

void brk_finish_ended(struct brk_core *core, struct brk_run *run)
{
    must(run->state == BRK_RUN_ENDING);
    tell_watchers(core, run);
    brk_submit_cancel_done(core, run);
    count_end(core, run);
    if (run->worker != NULL) {
        brk_attempt_send_kept(core, &run->worker->route, &run->id,
                              run->attempt);
    }
    if (strcmp(run->end.status, "deleted") == 0 ||
        (run->stored && run->temporary)) {
        brk_finish_tell_deleted(core, run);
    }
    brk_finish_remember(core, run, false);
    brk_run_move(run, BRK_RUN_ENDED, run->end.status);
    brk_finish_remove(core, run);
}

void brk_finish_remove(struct brk_core *core, struct brk_run *run)
{
    struct brk_lane *lane = run->lane;
    brk_attempt_disarm(core, run);
    brk_peer_take_back(run);
    brk_lane_take(lane, run);
    must(idmap_take(&core->runs, &run->id) == run);
    brk_run_destroy(&run);
    core->busy_changed = true;
    brk_finish_next(core, lane);
}

void brk_finish_next(struct brk_core *core, struct brk_lane *lane)
{
    if (lane->count > 0) {
        brk_attempt_arm(core, brk_lane_head(lane));
    } else if (!lane->deleting) {
        brk_lane_release(&core->lanes, lane);
    } else if (!lane->delete_sent) {
        lane->delete_sent = true;
        (void)brk_core_op_thread(core, BRK_OP_THREAD_DELETE, &lane->thread);
    }
}

void brk_finish_remember(struct brk_core *core, const struct brk_run *run,
                         bool forgotten)
{
    struct brk_past *past = base_zalloc(sizeof *past);
    past->entry.id = run->id;
    past->thread = run->thread;
    past->attempt = run->attempt;
    past->forgotten = forgotten;
    past->seq = run->end.seq;
    past->error = leat_hold(run->end.error);
    (void)base_copy(past->status, sizeof past->status, run->end.status);
    brk_recent_put(&core->past, &past->entry, core->now.mono_ms);
}

/* ---- ended before this broker began
 * ---------------------------------------------- */

void brk_finish_on_unknown(struct brk_core *core, const struct brk_note *note)
{
    const struct brk_recent_entry *before =
        brk_recent_get(&core->looked, &note->run);
    const struct brk_past *past = brk_recent_get(&core->past, &note->run);
    if (idmap_get(&core->runs, &note->run) != NULL ||
        (past != NULL && !past->before) ||
        (before != NULL && before->until_ms > core->now.mono_ms)) {
        return;
    }
    struct brk_recent_entry *looked = base_zalloc(sizeof *looked);
    looked->id = note->run;
    brk_recent_put(&core->looked, looked, core->now.mono_ms);
    struct brk_op *op = brk_core_op_thread(core, BRK_OP_LOOKUP, &note->thread);
    op->run = note->run;
    op->attempt = note->attempt;
}

void brk_finish_on_lookup(struct brk_core *core, const struct brk_op *op)
{
    if (op->err.code != ERR_NONE || !op->existed || op->seq == 0 ||
        idmap_get(&core->runs, &op->run) != NULL) {
        return;
    }
    log_info("run.log_short", "run=%s thread=%s attempt=%u last=%llu",
             ID_TEXT(&op->run), ID_TEXT(&op->thread), op->attempt,
             (unsigned long long)op->seq);
    struct brk_note *fence =
        brk_note_new(BRK_NOTE_FENCE, &op->run, &op->thread);
    fence->attempt = op->attempt;
    fence->ms = op->ms;
    fence->stored = fence->adopt = true;
    brk_core_to_relay(core, fence);
    struct brk_note *ended =
        brk_note_new(BRK_NOTE_ENDED, &op->run, &op->thread);
    ended->attempt = op->attempt;
    ended->seq = op->seq;
    brk_core_to_relay(core, ended);
}

void brk_finish_ask_torn(struct brk_core *core)
{
    struct id none = {0};
    struct brk_op *op = brk_core_op_thread(core, BRK_OP_TORN, &none);
    op->due_us = core->began_wall_ms * 1000;
}

/*
 * The broker before this one died after it had committed the end of the run,
 * and so did the worker that could say the rest again: its lease is over. The
 * log gets its end; readers are told of the gap before it.
 */
static void close_torn(struct brk_core *core, const struct store_run *row)
{
    const struct brk_past *past = brk_recent_get(&core->past, &row->run_id);
    if (idmap_get(&core->runs, &row->run_id) != NULL ||
        (past != NULL && !past->before)) {
        return;
    }
    struct buf body;
    buf_init(&body, CLOSE_BODY_MAX);
    leat_value *end = leat_pack("{s:s}", "status", row->status);
    must(wire_event_put(&body, "end", "", leat_view_of(end)));
    leat_drop(end);
    struct brk_note *note =
        brk_note_new(BRK_NOTE_CLOSE, &row->run_id, &row->thread_id);
    note->attempt = row->attempt;
    note->ms = row->ms;
    note->stored = true;
    note->seq = row->last_seq;
    note->count = 1;
    note->body = buf_take(&body, &note->body_len);
    brk_core_to_relay(core, note);
}

void brk_finish_on_torn(struct brk_core *core, const struct brk_op *op)
{
    for (size_t i = 0; op->err.code == ERR_NONE && i < op->row_count; i++) {
        close_torn(core, &op->rows[i]);
    }
}

/* ---- telling
 * ------------------------------------------------------------------------ */

static void tell_watchers(struct brk_core *core, const struct brk_run *run)
{
    for (uint64_t left = run->watchers; left != 0; left &= left - 1) {
        const struct brk_peer *peer = core->peers.of_bit[__builtin_ctzll(left)];
        struct wire_head head = brk_core_head(core, WIRE_RUN_ENDED, run);
        head.seq = run->end.seq;
        brk_core_to_gateway(core, &peer->route, &head,
                            ended_body(run->end.status, run->end.error));
    }
}

void brk_finish_tell_past(struct brk_core *core, const struct brk_past *past,
                          const struct link_in *in)
{
    struct wire_head head = brk_core_head(core, WIRE_RUN_ENDED, NULL);
    head.tag = in->head.tag;
    head.run = past->entry.id;
    head.thread = past->thread;
    head.attempt = past->attempt;
    head.seq = past->seq;
    brk_core_to_gateway(core, &in->from, &head,
                        ended_body(past->status, past->error));
}

static leat_value *ended_body(const char *status, const leat_value *error)
{
    return error == NULL
               ? leat_pack("{s:s}", "status", status)
               : leat_pack("{s:s,s:W}", "status", status, "error", error);
}

void brk_finish_tell_deleted(struct brk_core *core, const struct brk_run *run)
{
    struct brk_note *note =
        brk_note_new(BRK_NOTE_FORGET, &run->id, &run->thread);
    note->stored = run->stored;
    bool ended = strcmp(run->end.status, "deleted") != 0;
    note->seq = ended ? run->end.seq : 0; /* its readers see it to the end */
    brk_core_to_relay(core, note);
}

static void count_end(const struct brk_core *core, const struct brk_run *run)
{
    const char *status = run->end.status;
    enum stat_id id = STAT_RUNS_SUCCESS;
    if (run->timed_out) {
        id = STAT_RUNS_TIMEOUT;
    } else if (run->dead) {
        id = STAT_RUNS_DEAD;
    } else if (run->cancel != BRK_CANCEL_NONE) {
        id = STAT_RUNS_CANCELLED;
    } else if (strcmp(status, "error") == 0) {
        id = STAT_RUNS_ERROR;
    } else if (strcmp(status, "interrupted") == 0) {
        id = STAT_RUNS_INTERRUPTED;
    }
    stat_inc(id);
    if (run->began_ms != 0) {
        stat_observe_us(STAT_RUN_DURATION,
                        (core->now.mono_ms - run->began_ms) * 1000);
    }
}
