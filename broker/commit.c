/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger answers: each operation that is committed (or refused) lets
 * go what waited for it. And the other way: rows of the store become runs when
 * the broker starts.
 */
#include <string.h>

#include "broker/state.h"
#include "common/log.h"

static void on_insert(struct brk_core *core, struct brk_run *run,
                      const struct brk_op *op);
static void on_existed(struct brk_core *core, struct brk_run *run,
                       const struct brk_op *op);
static void on_delete(struct brk_core *core, const struct brk_op *op);
static bool is_open(const char *status);

void brk_commit_on_op(struct brk_core *core, struct brk_op *op)
{
    struct brk_run *run = idmap_get(&core->runs, &op->run);
    if (op->err.code != ERR_NONE && op->type > BRK_OP_START &&
        op->err.code != ERR_NOT_FOUND) {
        log_error("ledger.refused", "op=%d run=%s thread=%s error=%s",
                  (int)op->type, ID_TEXT(&op->run), ID_TEXT(&op->thread),
                  LOG_Q(op->err.text));
    }
    switch (op->type) {
    case BRK_OP_INSERT:
        if (run != NULL) {
            on_insert(core, run, op);
        }
        break;
    case BRK_OP_START:
        if (run != NULL) {
            brk_attempt_on_start(core, run, op);
        }
        break;
    case BRK_OP_REQUEUE:
        brk_attempt_send_kept(core, &op->ack, &op->run, op->attempt);
        break;
    case BRK_OP_CANCEL:
        brk_submit_cancelled(core, op);
        break;
    case BRK_OP_FINISH:
    case BRK_OP_ROLLBACK: /* refused or not, it is over: it must not hang */
        if (run != NULL && run->state == BRK_RUN_ENDING) {
            brk_finish_ended(core, run);
        }
        break;
    case BRK_OP_THREAD_DELETE:
        on_delete(core, op);
        break;
    case BRK_OP_LOOKUP:
        if (op->ack.len > 0) {
            brk_submit_on_looked_up(core, op);
        } else {
            brk_finish_on_lookup(core, op);
        }
        break;
    case BRK_OP_TORN:
        brk_finish_on_torn(core, op);
        break;
    }
}

static void on_insert(struct brk_core *core, struct brk_run *run,
                      const struct brk_op *op)
{
    if (op->err.code != ERR_NONE) {
        brk_submit_refused(core, run, &op->err);
        return;
    }
    if (op->existed && !is_open(op->status)) {
        on_existed(core, run, op);
        return;
    }
    run->lane->last_ms = max_u64(run->lane->last_ms, op->last_ms);
    brk_submit_accepted(core, run);
    /* The ids of this run must come after all others of its thread. */
    run = idmap_get(&core->runs, &op->run);
    if (run != NULL && run->state == BRK_RUN_FENCING &&
        run->ms <= op->last_ms) {
        brk_attempt_again(core, run, "event ids must go on from the thread's");
    }
}

/* The run has ended before: the gateway repeats a submit of long ago. */
static void on_existed(struct brk_core *core, struct brk_run *run,
                       const struct brk_op *op)
{
    struct brk_past *past = base_zalloc(sizeof *past);
    past->entry.id = run->id;
    past->thread = run->thread;
    past->seq = op->seq;
    past->before = true;
    (void)base_copy(past->status, sizeof past->status, op->status);
    brk_recent_put(&core->past, &past->entry, core->now.mono_ms);
    struct link_in in = {.from = run->submit_to};
    in.head.tag = run->submit_tag;
    struct wire_head head = brk_core_head(core, WIRE_RUN_ACCEPTED, run);
    head.tag = run->submit_tag;
    brk_core_to_gateway(core, &in.from, &head,
                        leat_pack("{s:s}", "status", op->status));
    brk_finish_tell_past(core, past, &in);
    if (run->state == BRK_RUN_FENCING) {
        brk_core_to_relay(core, brk_note_new(BRK_NOTE_UNFENCE, &run->id,
                                             &run->thread));
    }
    brk_finish_remove(core, run);
}

static void answer_delete(struct brk_core *core, const struct brk_op *op,
                          const struct brk_lane_asker *asker)
{
    struct link_in in = {.from = asker->to};
    in.head.tag = asker->tag;
    in.head.thread = op->thread;
    if (op->err.code != ERR_NONE) {
        brk_core_refuse(core, &in, &op->err);
        return;
    }
    struct wire_head head = brk_core_head(core, WIRE_DONE, NULL);
    head.tag = asker->tag;
    head.thread = op->thread;
    brk_core_to_gateway(core, &asker->to, &head, NULL);
}

static void on_delete(struct brk_core *core, const struct brk_op *op)
{
    struct brk_lane *lane = idmap_get(&core->lanes, &op->thread);
    if (lane == NULL || !lane->delete_sent) {
        return; /* of a temporary thread: nobody waits for it */
    }
    must(lane->count == 0);
    for (size_t i = 0; i < lane->asker_count; i++) {
        answer_delete(core, op, &lane->askers[i]);
    }
    brk_lane_destroy(&core->lanes, &lane);
}

static bool is_open(const char *status)
{
    return strcmp(status, "pending") == 0 || strcmp(status, "running") == 0;
}

/* ---- the start
 * ------------------------------------------------------------------------ */

static struct brk_run *run_of_row(struct brk_core *core,
                                  const struct store_run *row)
{
    struct err err = ERR_INIT;
    leat_text name = {row->graph_id,
                      row->graph_id == NULL ? 0 : strlen(row->graph_id)};
    struct brk_graph *graph = brk_queue_require(&core->queue, name, &err);
    if (graph == NULL || idmap_get(&core->runs, &row->run_id) != NULL) {
        log_error("core.not_restored", "run=%s error=%s", ID_TEXT(&row->run_id),
                  LOG_Q(err.text));
        return NULL;
    }
    struct brk_run *run = brk_run_new(&row->run_id, &row->thread_id);
    (void)id_print(&row->assistant_id, run->assistant);
    run->graph = graph;
    run->stored = run->inserted = true;
    run->strategy = BRK_ENQUEUE;
    if (row->attempt == 0 && strcmp(row->strategy, "interrupt") == 0) {
        run->strategy = BRK_INTERRUPT;
    } else if (row->attempt == 0 && strcmp(row->strategy, "rollback") == 0) {
        run->strategy = BRK_ROLLBACK;
    }
    run->temporary = row->temporary;
    run->kwargs = leat_hold(row->kwargs);
    run->metadata = leat_hold(row->metadata);
    run->attempt = row->attempt;
    run->failures = row->failures;
    run->ms = row->ms;
    run->order = ++core->order;
    int64_t due_us = row->due_us > 0 ? row->due_us : row->created_us;
    run->due_ms = core->now.mono_ms + due_us / 1000 - core->now.wall_ms;
    if (row->started_us > 0) {
        run->began_ms =
            core->now.mono_ms + row->started_us / 1000 - core->now.wall_ms;
    }
    if (strcmp(row->cancel, "rollback") == 0) {
        run->cancel = BRK_CANCEL_ROLLBACK;
    } else if (strcmp(row->cancel, "interrupt") == 0) {
        run->cancel = BRK_CANCEL_INTERRUPT;
    }
    return run;
}

void brk_commit_restore(struct brk_core *core, const struct store_run *rows,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct brk_run *run = run_of_row(core, &rows[i]);
        if (run == NULL) {
            continue;
        }
        struct brk_lane *lane = brk_lane_require(&core->lanes, &run->thread);
        lane->last_ms = max_u64(lane->last_ms, rows[i].thread_last_ms);
        idmap_put(&core->runs, &run->id, run);
        brk_lane_put(lane, run);
        if (strcmp(rows[i].status, "running") == 0 && lane->turn == NULL &&
            run->attempt > 0) {
            lane->turn = run;
            brk_run_move(run, BRK_RUN_ADOPTING, "restored");
        }
    }
    /* What a run did to those before it when it was accepted may not have been
     * written when the last broker ended. */
    for (size_t i = 0; i < n; i++) {
        struct brk_run *run = idmap_get(&core->runs, &rows[i].run_id);
        if (run != NULL) {
            brk_submit_apply_strategy(core, run);
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct brk_run *run = idmap_get(&core->runs, &rows[i].run_id);
        if (run == NULL || run->state != BRK_RUN_PENDING) {
            continue;
        }
        if (run->cancel != BRK_CANCEL_NONE) {
            brk_finish_cancelled(core, run);
        } else {
            brk_attempt_arm(core, run);
        }
    }
    log_info("core.restored", "runs=%zu threads=%zu", core->runs.count,
             core->lanes.count);
}
