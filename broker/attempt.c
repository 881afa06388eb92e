/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of a run: when it may begin, who gets it, the fence before it,
 * and what its worker says about it. The number of an attempt only goes up;
 * whoever has a lower one has lost the run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker/state.h"
#include "common/log.h"
#include "common/stat.h"

#define HOLD_MS 500   /* pause after a start that the store refused */
#define FULL_MS 100   /* pause after a worker said it was full */
#define SPARED_MAX 10 /* losses in a row that may not count */
#define ATTEMPT_MAX UINT16_MAX
/* How long a run that has ended waits for its last events while its worker
 * lives: they are on their way, or will never be. */
#define LOG_MS 30000

static void give(struct brk_core *core, struct brk_run *run,
                 struct brk_peer *worker);
static bool is_first(const struct brk_run *run);
static void send_fence(struct brk_core *core, const struct brk_run *run,
                       bool adopt, uint64_t seq);
static void commit_start(struct brk_core *core, struct brk_run *run);
static void start_if_ready(struct brk_core *core, struct brk_run *run);
static void send_start(struct brk_core *core, struct brk_run *run);
static void take_back(struct brk_core *core, struct brk_run *run);
static void hold(struct brk_core *core, struct brk_run *run, int64_t ms,
                 const char *why);
static bool count_loss(struct brk_core *core, struct brk_run *run, bool counts);
static bool is_of(const struct brk_run *run, const struct brk_peer *worker,
                  const struct link_in *in);
static void await_log(struct brk_core *core, struct brk_run *run,
                      enum brk_note_type type, uint64_t seq);
static void end_attempt(struct brk_core *core, struct brk_run *run);
static void give_back(struct brk_core *core, struct brk_run *run);
static void read_end(struct brk_run *run, const struct link_in *in);
static const char *word_of(leat_view v, const char *const words[], size_t n,
                           const char *otherwise);

/* ---- when
 * ------------------------------------------------------------------------- */

void brk_attempt_arm(struct brk_core *core, struct brk_run *run)
{
    must(run->lane != NULL && run->graph != NULL);
    if (run->state != BRK_RUN_PENDING || brk_queue_has(run) ||
        brk_lane_head(run->lane) != run) {
        return;
    }
    int64_t wait = max_i64(run->due_ms, run->hold_ms);
    if (run->watched && !brk_homes_have(&core->homes, &run->id) &&
        brk_recent_get(&core->subscribed, &run->id) == NULL) {
        wait = max_i64(wait, run->reader_ms);
    }
    if (wait > core->now.mono_ms) {
        brk_queue_wake(&core->queue, run, wait);
        return;
    }
    brk_queue_unwake(&core->queue, run);
    run->ready_ms = core->now.mono_ms;
    if (brk_run_needs_worker_alone(run, core->conf.max_attempts)) {
        brk_queue_put_last(&core->queue, run);
    } else {
        brk_queue_put(&core->queue, run);
    }
}

void brk_attempt_disarm(struct brk_core *core, struct brk_run *run)
{
    if (run->in_last) {
        brk_peer_unreserve(run->graph, run);
    }
    brk_queue_take(&core->queue, run);
    brk_queue_unwake(&core->queue, run);
}

void brk_attempt_on_timer(struct brk_core *core, struct brk_run *run)
{
    if (run->state != BRK_RUN_RUNNING) {
        brk_attempt_arm(core, run);
        return;
    }
    if (run->wait_log) {
        log_error("run.log_behind", "run=%s attempt=%u", ID_TEXT(&run->id),
                  run->attempt);
        end_attempt(core, run);
        return;
    }
    char text[128];
    (void)snprintf(text, sizeof text,
                   "The run took longer than %lld s (--run-timeout).",
                   (long long)core->conf.run_timeout_ms / 1000);
    run->timed_out = true;
    brk_attempt_send_stop(core, run->worker, &run->id, run->attempt);
    take_back(core, run);
    brk_finish_close(core, run, "error", "TimeoutError", text);
}

void brk_attempt_on_subscribed(struct brk_core *core, const struct id *id)
{
    struct brk_recent_entry *entry = base_zalloc(sizeof *entry);
    entry->id = *id;
    brk_recent_put(&core->subscribed, entry, core->now.mono_ms);
    struct brk_run *run = idmap_get(&core->runs, id);
    if (run != NULL && run->watched) {
        brk_attempt_arm(core, run);
    }
}

/* ---- who
 * ----------------------------------------------------------------------------
 */

void brk_attempt_pump(struct brk_core *core)
{
    struct brk_run *run = core->queue.last_first;
    while (run != NULL) {
        struct brk_run *next = run->last_next;
        struct brk_peer *worker =
            brk_peer_pick_alone(run->graph, run, core->now.mono_ms);
        if (worker != NULL) {
            run->alone = true;
            give(core, run, worker);
        }
        run = next;
    }
    for (;;) { /* the oldest run that some worker has room for */
        struct brk_peer *worker = NULL;
        run = NULL;
        for (struct brk_graph *g = core->queue.hot; g != NULL;
             g = g->hot_next) {
            struct brk_run *head = brk_queue_head(g);
            if (run != NULL &&
                (head->due_ms > run->due_ms ||
                 (head->due_ms == run->due_ms && head->order > run->order))) {
                continue;
            }
            struct brk_peer *peer = brk_peer_pick(g, core->now.mono_ms);
            if (peer != NULL) {
                run = head;
                worker = peer;
            }
        }
        if (run == NULL) {
            return;
        }
        give(core, run, worker);
    }
}

/* The run is this worker's; relay and ledger are told before the worker. */
static void give(struct brk_core *core, struct brk_run *run,
                 struct brk_peer *worker)
{
    must(run->state == BRK_RUN_PENDING);
    brk_attempt_disarm(core, run);
    if (run->attempt == ATTEMPT_MAX) {
        brk_finish_close(core, run, "error", "RunLost",
                         "The run was given to workers too often.");
        return;
    }
    int64_t now = core->now.mono_ms;
    stat_observe_us(STAT_QUEUE_WAIT, (now - run->ready_ms) * 1000);
    if (run->attempt == 0) {
        stat_observe_us(STAT_QUEUE_WAIT_FIRST, (now - run->ready_ms) * 1000);
    }
    if (run->lost_ms != 0) {
        stat_observe_us(STAT_REDISPATCH, (now - run->lost_ms) * 1000);
        stat_inc(STAT_RUNS_RETRIED);
        run->lost_ms = 0;
    }
    run->attempt++;
    run->ms = brk_lane_next_ms(run->lane, core->now.wall_ms);
    run->first_seq = 0;
    run->lane->turn = run;
    run->started = run->executing = false;
    run->wait_fence = !is_first(run);
    run->wait_start = false;
    worker->given = ++core->given;
    brk_peer_give(worker, run);
    brk_run_move(run, BRK_RUN_FENCING, worker->id);
    send_fence(core, run, false, 0);
    run->torn_ms = 0;
    core->busy_changed = true;
    if (is_first(run)) {
        run->first_seq = 1;
        if (run->stored) {
            commit_start(core, run);
        }
        start_if_ready(core, run);
    }
}

/* Its log begins with 1, and the relay reads who may speak before what comes
 * from workers: nothing has to be waited for. */
static bool is_first(const struct brk_run *run)
{
    return run->attempt == 1;
}

static void send_fence(struct brk_core *core, const struct brk_run *run,
                       bool adopt, uint64_t seq)
{
    struct brk_note *note =
        brk_note_new(BRK_NOTE_FENCE, &run->id, &run->thread);
    note->attempt = run->attempt;
    note->ms = run->ms;
    note->stored = run->stored;
    note->adopt = adopt;
    note->quiet = !run->wait_fence && !adopt;
    note->torn_ms = adopt ? 0 : run->torn_ms;
    note->seq = seq;
    brk_core_to_relay(core, note);
}

static void commit_start(struct brk_core *core, struct brk_run *run)
{
    struct brk_op *op = brk_core_op(core, BRK_OP_START, run);
    op->failures = run->failures;
    op->ms = run->ms;
    op->seq = run->first_seq;
    run->wait_start = true;
}

void brk_attempt_on_fenced(struct brk_core *core, const struct brk_note *note)
{
    struct brk_run *run = idmap_get(&core->runs, &note->run);
    if (run == NULL || run->state != BRK_RUN_FENCING || !run->wait_fence ||
        run->attempt != note->attempt) {
        return; /* the attempt was given up meanwhile, or was adopted */
    }
    run->wait_fence = false;
    run->first_seq = note->seq;
    if (run->stored && run->attempt > 1) {
        commit_start(core, run);
    }
    start_if_ready(core, run);
}

void brk_attempt_on_start(struct brk_core *core, struct brk_run *run,
                          const struct brk_op *op)
{
    if (run->state != BRK_RUN_FENCING || !run->wait_start ||
        run->attempt != op->attempt) {
        return;
    }
    run->wait_start = false;
    if (op->err.code == ERR_NONE) {
        start_if_ready(core, run);
        return;
    }
    log_warn("run.not_started", "run=%s attempt=%u error=%s", ID_TEXT(&run->id),
             run->attempt, LOG_Q(op->err.text));
    take_back(core, run);
    if (op->err.code == ERR_NOT_FOUND) { /* its row was deleted */
        (void)base_copy(run->end.status, sizeof run->end.status, "deleted");
        brk_run_move(run, BRK_RUN_ENDING, "its row is gone");
        brk_finish_ended(core, run);
        return;
    }
    hold(core, run, HOLD_MS, "the store refused the start");
}

void brk_attempt_again(struct brk_core *core, struct brk_run *run,
                       const char *why)
{
    must(run->state == BRK_RUN_FENCING);
    take_back(core, run);
    hold(core, run, 0, why);
}

static void hold(struct brk_core *core, struct brk_run *run, int64_t ms,
                 const char *why)
{
    brk_run_move(run, BRK_RUN_PENDING, why);
    run->hold_ms = ms == 0 ? 0 : core->now.mono_ms + ms;
    if (run->cancel != BRK_CANCEL_NONE) {
        brk_finish_cancelled(core, run);
    } else {
        brk_attempt_arm(core, run);
    }
}

static void start_if_ready(struct brk_core *core, struct brk_run *run)
{
    if (run->wait_fence || run->wait_start) {
        return;
    }
    if (run->cancel != BRK_CANCEL_NONE) { /* before its worker heard of it */
        take_back(core, run);
        brk_finish_cancelled(core, run);
        return;
    }
    send_start(core, run);
    run->executing = true; /* until its worker says otherwise */
    run->binding = run->worker->binding;
    if (run->began_ms == 0) {
        run->began_ms = core->now.mono_ms;
    }
    brk_run_move(run, BRK_RUN_RUNNING, run->worker->id);
    brk_queue_wake(&core->queue, run,
                   run->began_ms + core->conf.run_timeout_ms);
}

static void send_start(struct brk_core *core, struct brk_run *run)
{
    struct wire_head head = brk_core_head(core, WIRE_RUN_START, run);
    head.seq = run->first_seq;
    head.ms = run->ms;
    leat_value *body =
        leat_pack("{s:s,s:s,s:b,s:b,s:W,s:W,s:b}", "graph_id", run->graph->name,
                  "assistant_id", run->assistant, "stored", (int)run->stored,
                  "temporary", (int)run->temporary, "kwargs", run->kwargs,
                  "metadata", run->metadata, "last", (int)run->alone);
    brk_core_to_worker(core, &run->worker->route, &head, body);
}

/* ---- lost and found
 * ------------------------------------------------------------- */

/* No worker has it any more. */
static void take_back(struct brk_core *core, struct brk_run *run)
{
    brk_peer_take_back(run);
    brk_queue_unwake(&core->queue, run);
    run->alone = false;
    run->wait_fence = run->wait_start = run->wait_log = false;
    core->busy_changed = true;
}

void brk_attempt_lose(struct brk_core *core, struct brk_run *run, bool counts,
                      const char *why)
{
    enum brk_run_state was = run->state;
    take_back(core, run);
    if (was == BRK_RUN_CLOSING || was == BRK_RUN_ENDING) {
        return; /* it is over, whoever had it */
    }
    run->lost_ms = core->now.mono_ms;
    run->lost_counted = false;
    if (run->cancel != BRK_CANCEL_NONE) {
        brk_finish_cancelled(core, run);
    } else if (was != BRK_RUN_FENCING && count_loss(core, run, counts)) {
        char text[256], times[32] = "once";
        if (run->failures > 1) {
            (void)snprintf(times, sizeof times, "%u times", run->failures);
        }
        (void)snprintf(text, sizeof text,
                       "The worker that executed a node of this run was lost "
                       "%s, the last time because %s (--max-attempts=%u).",
                       times, why, core->conf.max_attempts);
        run->dead = true;
        brk_finish_close(core, run, "error", "WorkerLost", text);
    } else {
        brk_run_move(run, BRK_RUN_PENDING, why);
        brk_attempt_arm(core, run);
    }
}

/* True when there may be no further attempt. A run that again and again is
 * near when workers die is taken for the cause in the end. */
static bool count_loss(struct brk_core *core, struct brk_run *run, bool counts)
{
    if (!counts && ++run->spared < SPARED_MAX) {
        return false;
    }
    run->spared = 0;
    run->failures++;
    run->lost_counted = true;
    return run->failures >= core->conf.max_attempts;
}

bool brk_attempt_may_adopt(const struct brk_run *run, uint16_t attempt)
{
    /* Of a stateless run that was submitted again nobody but its worker knows
     * how far it got. */
    bool told = !run->stored && run->state == BRK_RUN_ADOPTING;
    return run->worker == NULL && attempt > 0 &&
           (run->attempt == attempt || (told && run->attempt < attempt)) &&
           (run->state == BRK_RUN_PENDING || run->state == BRK_RUN_ADOPTING) &&
           (run->lane->turn == NULL || run->lane->turn == run);
}

void brk_attempt_adopt(struct brk_core *core, struct brk_run *run,
                       const struct brk_claim *claim)
{
    must(brk_attempt_may_adopt(run, claim->attempt));
    run->attempt = claim->attempt;
    brk_attempt_disarm(core, run);
    if (run->lost_counted) {
        run->lost_counted = false;
        run->failures--;
    }
    run->lost_ms = 0;
    run->torn_ms = 0;
    run->lane->turn = run;
    run->started = run->executing = true;
    brk_peer_give(claim->peer, run);
    brk_run_move(run, BRK_RUN_RUNNING, "its worker came back");
    send_fence(core, run, true, claim->first);
    if (run->began_ms == 0) {
        run->began_ms = core->now.mono_ms;
    }
    brk_queue_wake(&core->queue, run,
                   run->began_ms + core->conf.run_timeout_ms);
    if (run->cancel != BRK_CANCEL_NONE) {
        brk_attempt_send_cancel(core, run);
    }
    core->busy_changed = true;
}

/* ---- what the worker says
 * --------------------------------------------------------- */

void brk_attempt_on_started(struct brk_core *core, struct brk_peer *worker,
                            const struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run != NULL && is_of(run, worker, in)) {
        run->started = true;
    }
}

/*
 * Only the attempt that holds the run may end it. One whose worker was thought
 * lost still may, as long as no other attempt has begun: its result stands.
 */
void brk_attempt_on_done(struct brk_core *core, struct brk_peer *worker,
                         struct link_in *in)
{
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run == NULL && idmap_get(&core->claims, &in->head.run) != NULL) {
        return; /* it says so again once its gateway has submitted it again */
    }
    bool mine = run != NULL && is_of(run, worker, in);
    bool free_still =
        run != NULL && brk_attempt_may_adopt(run, in->head.attempt);
    if (mine && (run->state == BRK_RUN_ENDING || run->wait_log)) {
        return; /* a repeat: RUN_KEPT follows the commit */
    }
    if (free_still) {
        struct brk_claim claim = {.attempt = in->head.attempt, .peer = worker};
        brk_attempt_adopt(core, run, &claim);
    } else if (!mine || run->state != BRK_RUN_RUNNING) {
        brk_attempt_send_kept(core, &in->from, &in->head.run, in->head.attempt);
        return;
    }
    brk_peer_free_slot(run);
    core->busy_changed = true;
    read_end(run, in);
    run->yield_to.len = 0;
    await_log(core, run, BRK_NOTE_ENDED, run->end.seq);
}

/*
 * The news of an end may be faster than the last events before it. As long as
 * these are with the worker alone, so is the end: were it written now and the
 * worker lost, nobody could ever say what is missing.
 */
static void await_log(struct brk_core *core, struct brk_run *run,
                      enum brk_note_type type, uint64_t seq)
{
    run->wait_log = true;
    run->executing = false;
    brk_queue_unwake(&core->queue, run);
    brk_queue_wake(&core->queue, run, core->now.mono_ms + LOG_MS);
    struct brk_note *note = brk_note_new(type, &run->id, &run->thread);
    note->attempt = run->attempt;
    note->seq = seq;
    brk_core_to_relay(core, note);
}

void brk_attempt_on_reached(struct brk_core *core, const struct brk_note *note)
{
    struct brk_run *run = idmap_get(&core->runs, &note->run);
    if (run != NULL && run->wait_log && run->state == BRK_RUN_RUNNING &&
        run->attempt == note->attempt) {
        end_attempt(core, run);
    }
}

static void end_attempt(struct brk_core *core, struct brk_run *run)
{
    run->wait_log = false;
    brk_queue_unwake(&core->queue, run);
    if (run->yield_to.len > 0) {
        give_back(core, run);
    } else if (run->cancel == BRK_CANCEL_ROLLBACK) {
        brk_finish_rollback(core, run, "rolled back");
    } else {
        brk_finish_settle(core, run, run->end.status);
    }
}

static void read_end(struct brk_run *run, const struct link_in *in)
{
    static const char *const statuses[] = {"success", "error", "interrupted"};
    static const char *const threads[] = {"idle", "interrupted", "error"};
    leat_view body = leat_view_of(in->body);
    struct brk_end *end = &run->end;
    brk_run_end_fini(end);
    (void)base_copy(end->status, sizeof end->status,
                    word_of(leat_get(body, "status"), statuses,
                            COUNT_OF(statuses), "error"));
    (void)base_copy(end->thread_status, sizeof end->thread_status,
                    word_of(leat_get(body, "thread_status"), threads,
                            COUNT_OF(threads), "idle"));
    end->seq = in->head.seq;
    end->values = leat_value_of(leat_get(body, "values"));
    if (leat_type_of(leat_get(body, "error")) == LEAT_OBJECT) {
        end->error = leat_value_of(leat_get(body, "error"));
    }
    if (leat_type_of(leat_get(body, "interrupts")) == LEAT_OBJECT) {
        end->interrupts = leat_value_of(leat_get(body, "interrupts"));
    }
}

static const char *word_of(leat_view v, const char *const words[], size_t n,
                           const char *otherwise)
{
    for (size_t i = 0; i < n; i++) {
        if (leat_is(v, words[i])) {
            return words[i];
        }
    }
    return otherwise;
}

void brk_attempt_on_yield(struct brk_core *core, struct brk_peer *worker,
                          const struct link_in *in)
{
    leat_view why = leat_get(leat_view_of(in->body), "why");
    struct brk_run *run = idmap_get(&core->runs, &in->head.run);
    if (run == NULL || !is_of(run, worker, in) ||
        run->state != BRK_RUN_RUNNING) {
        brk_attempt_send_kept(core, &in->from, &in->head.run, in->head.attempt);
        return;
    }
    if (run->wait_log) {
        return; /* a repeat */
    }
    if (leat_is(why, "drain") || leat_is(why, "replaced")) {
        worker->draining = true;
        core->graphs_changed = true;
    } else if (leat_is(why, "full")) {
        worker->pause_ms = core->now.mono_ms + FULL_MS;
    } else if (leat_is(why, "no graph")) {
        brk_peer_unserve(worker, run->graph);
        core->graphs_changed = true;
    }
    brk_peer_free_slot(run);
    core->busy_changed = true;
    run->yield_to = in->from;
    run->yield_seq = in->head.seq;
    await_log(core, run, BRK_NOTE_REACH, run->yield_seq);
}

static void give_back(struct brk_core *core, struct brk_run *run)
{
    take_back(core, run);
    if (run->stored) {
        struct brk_op *op = brk_core_op(core, BRK_OP_REQUEUE, run);
        op->seq = run->yield_seq;
        op->ack = run->yield_to;
    } else {
        brk_attempt_send_kept(core, &run->yield_to, &run->id, run->attempt);
    }
    hold(core, run, 0, "handed back");
}

void brk_attempt_on_busy(struct brk_core *core, struct brk_peer *worker,
                         const struct link_in *in)
{
    for (struct brk_run *run = worker->runs; run != NULL;
         run = run->peer_next) {
        /* One that was only just given may begin after this was written. */
        run->executing = run->executing && !run->started;
    }
    leat_view list = leat_get(leat_view_of(in->body), "runs");
    struct leat_iter it = leat_iter_of(list);
    while (leat_next(&it)) {
        leat_text text = leat_string(it.item);
        struct id id;
        if (text.ptr == NULL || !id_parse_n(text.ptr, text.len, &id)) {
            continue;
        }
        struct brk_run *run = idmap_get(&core->runs, &id);
        if (run != NULL && run->worker == worker) {
            run->executing = true;
        }
    }
}

static bool is_of(const struct brk_run *run, const struct brk_peer *worker,
                  const struct link_in *in)
{
    return run->worker == worker && run->attempt == in->head.attempt;
}

/* ---- to the worker
 * ------------------------------------------------------------------ */

void brk_attempt_send_cancel(struct brk_core *core, const struct brk_run *run)
{
    must(run->worker != NULL);
    struct wire_head head = brk_core_head(core, WIRE_RUN_CANCEL, run);
    brk_core_to_worker(
        core, &run->worker->route, &head,
        leat_pack("{s:s}", "action", brk_run_cancel_name(run->cancel)));
}

void brk_attempt_send_stop(struct brk_core *core, const struct brk_peer *worker,
                           const struct id *run, uint16_t attempt)
{
    struct wire_head head = brk_core_head(core, WIRE_RUN_STOP, NULL);
    head.run = *run;
    head.attempt = attempt;
    brk_core_to_worker(core, &worker->route, &head, NULL);
}

void brk_attempt_send_kept(struct brk_core *core,
                           const struct link_route *worker,
                           const struct id *run, uint16_t attempt)
{
    struct wire_head head = brk_core_head(core, WIRE_RUN_KEPT, NULL);
    head.run = *run;
    head.attempt = attempt;
    brk_core_to_worker(core, worker, &head, NULL);
}

/* ---- why
 * --------------------------------------------------------------------------------
 */

char *brk_attempt_why(const struct brk_core *core, const struct brk_run *run)
{
    char text[256] = "";
    int64_t now = core->now.mono_ms;
    const struct brk_run *head = brk_lane_head(run->lane);
    const struct brk_graph *graph = run->graph;
    if (run->state != BRK_RUN_PENDING && run->state != BRK_RUN_FENCING) {
        return NULL;
    }
    if (run->state == BRK_RUN_FENCING) {
        (void)snprintf(text, sizeof text, "being given to worker %.100s",
                       run->worker->id);
    } else if (run->due_ms > now) {
        (void)snprintf(text, sizeof text, "delayed for another %lld ms",
                       (long long)(run->due_ms - now));
    } else if (head != run) {
        (void)snprintf(text, sizeof text, "thread busy with run %s",
                       ID_TEXT(&head->id));
    } else if (run->hold_ms > now) {
        (void)snprintf(text, sizeof text, "the store refused its start");
    } else if (!brk_queue_has(run)) {
        (void)snprintf(text, sizeof text, "waiting for its reader");
    } else if (graph->peer_count == 0) {
        (void)snprintf(text, sizeof text, "no worker serves graph %.200s",
                       graph->name);
    } else if (run->in_last) {
        (void)snprintf(text, sizeof text,
                       "its last attempt waits for an idle worker");
    } else {
        (void)snprintf(text, sizeof text,
                       "no free slot on the %zu workers of graph %.150s",
                       graph->peer_count, graph->name);
    }
    return base_strdup(text);
}
