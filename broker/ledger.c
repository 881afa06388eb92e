/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches into transactions. Two kinds of refusal: what the rows say (not
 * there, not this attempt any more) is the operation's own and does not touch
 * its neighbours; what the database says (full, away, broken) undoes the
 * group, and then each operation is tried alone, so that one cannot hold up
 * the others for ever. A run's end is tried for long; a new run is refused.
 */
#include "broker/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/recent.h"
#include "broker/store.h"
#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"

#define LEDGER_MAGIC LEAT_MAGIC(0xb0e70021)
#define GROUP_BATCHES 256 /* batches in one transaction */
#define GROUP_OPS 4096    /* operations in one transaction, about */
#define START_WITHIN 256  /* operations behind an insert */
#define EXPECTED_MAX 256  /* threads that are read ahead */
#define PAUSE_MS 50       /* between tries while the store does not answer */
#define PAUSE_MS_MAX 1000
#define TRIES 20 /* of what the store refuses without a reason */
#define REFUSED_MAX 65536
#define REFUSED_MS 60000

struct brk_ledger {
    uint32_t magic;
    const struct brk_env *env;
    struct link_pipe *desk;
    struct brk_actor *actor; /* the maker's; NULL: turns are, too */
    struct brk_actor *self;  /* the same for the thread */
    store_t *store;
    int64_t now_ms; /* when this turn began */
    struct brk_batch *group[GROUP_BATCHES];
    size_t n;
    /* The group could not be committed as one: its operations go alone. */
    bool alone;
    size_t at_batch, at_op; /* the one that is tried */
    int tries;
    int64_t pause_ms;
    int64_t again_ms; /* when it is tried next */
    struct brk_recent refused; /* runs whose insert did not make them */
    bool away;                 /* told that the store is away */
};

enum outcome {
    DONE,  /* committed, or refused for the operation's own reasons */
    AGAIN, /* the store cannot now */
};

static void ledger_main(struct brk_actor *actor, void *arg);
static void collect(struct brk_ledger *l);
static void give_back(struct brk_ledger *l);
static enum outcome try_group(struct brk_ledger *l, struct err *err);
static void begin_alone(struct brk_ledger *l);
static bool commit_alone(struct brk_ledger *l);
static bool settle_op(struct brk_ledger *l, struct brk_op *op);
static enum outcome try_op(struct brk_ledger *l, struct brk_op *op);
static bool is_own_fault(enum err_code code);
static void note_unsure(struct brk_op *op, const struct err *err);
static bool may_be_refused(const struct brk_op *op, const struct err *err,
                           int tries);
static void say_away(struct brk_ledger *l, const struct err *err);
static bool run_op(struct brk_ledger *l, struct brk_op *op,
                   struct brk_op *start);
static bool do_op(struct brk_ledger *l, struct brk_op *op,
                  struct brk_op *start);
static bool run_insert(struct brk_ledger *l, struct brk_op *op,
                       struct brk_op *start);
static bool run_finish(struct brk_ledger *l, struct brk_op *op);
static bool run_lookup(struct brk_ledger *l, struct brk_op *op);

struct brk_ledger *brk_ledger_make(const struct brk_env *env,
                                   struct link_pipe **desk)
{
    must(env != NULL && *desk != NULL);
    struct brk_ledger *l = base_zalloc(sizeof *l);
    l->magic = LEDGER_MAGIC;
    l->env = env;
    l->desk = *desk;
    *desk = NULL;
    brk_recent_init(&l->refused, REFUSED_MAX, REFUSED_MS,
                    (void (*)(struct brk_recent_entry *))free);
    return l;
}

struct brk_ledger *brk_ledger_new(const struct brk_env *env,
                                  struct link_pipe **desk, struct err *err)
{
    struct brk_ledger *l = brk_ledger_make(env, desk);
    l->actor = brk_actor_new("ledger", ledger_main, l, err);
    if (l->actor == NULL) {
        brk_ledger_destroy(&l);
    }
    return l;
}

void brk_ledger_destroy(struct brk_ledger **p)
{
    must(p != NULL);
    struct brk_ledger *l = *p;
    if (l == NULL) {
        return;
    }
    check_magic(l, LEDGER_MAGIC);
    brk_actor_destroy(&l->actor);
    for (size_t i = 0; i < l->n; i++) {
        brk_batch_destroy(&l->group[i]);
    }
    struct brk_batch *batch;
    while ((batch = link_pipe_recv(l->desk)) != NULL) {
        brk_batch_destroy(&batch);
    }
    link_pipe_destroy(&l->desk);
    store_destroy(&l->store); /* of a thread: it has done so */
    brk_recent_fini(&l->refused);
    l->magic = 0;
    free(l);
    *p = NULL;
}

/* ---- the thread
 * ------------------------------------------------------------------- */

static void ledger_main(struct brk_actor *actor, void *arg)
{
    struct brk_ledger *l = arg;
    check_magic(l, LEDGER_MAGIC);
    l->self = actor;
    struct err err = ERR_INIT;
    if (!brk_ledger_open(l, &err)) {
        brk_actor_failed(actor, &err);
        return;
    }
    brk_actor_ready(actor);
    while (!brk_actor_asked(actor)) {
        zmq_pollitem_t items[2];
        brk_actor_item(actor, &items[0]);
        link_pipe_item(l->desk, &items[1]);
        /* While it has something to try again nothing else is taken. */
        bool waits = l->n > 0;
        int64_t wait = brk_ledger_next_ms(l) - clock_mono_ms();
        (void)zmq_poll(items, waits ? 1 : 2,
                       waits ? (long)max_i64(wait, 0) : -1);
        brk_ledger_turn(l, clock_mono_ms());
    }
    store_destroy(&l->store);
}

bool brk_ledger_open(struct brk_ledger *l, struct err *err)
{
    check_magic(l, LEDGER_MAGIC);
    l->store = brk_store_open(l->env, err);
    return l->store != NULL;
}

int64_t brk_ledger_next_ms(const struct brk_ledger *l)
{
    check_magic(l, LEDGER_MAGIC);
    return l->alone ? l->again_ms : INT64_MAX;
}

void brk_ledger_turn(struct brk_ledger *l, int64_t now_ms)
{
    check_magic(l, LEDGER_MAGIC);
    must(now_ms >= l->now_ms);
    l->now_ms = now_ms;
    if (!l->alone) {
        collect(l);
    }
    if (l->n == 0 || (l->alone && now_ms < l->again_ms)) {
        return;
    }
    int64_t began = clock_mono_us();
    struct err err = ERR_INIT;
    if (!l->alone && try_group(l, &err) == AGAIN) {
        stat_inc(STAT_STORE_ERRORS);
        begin_alone(l);
    }
    if (!l->alone || commit_alone(l)) {
        give_back(l);
        stat_observe_us(STAT_COMMIT, clock_mono_us() - began);
    }
}

static void collect(struct brk_ledger *l)
{
    size_t ops = 0;
    for (size_t i = 0; i < l->n; i++) {
        ops += l->group[i]->n;
    }
    while (l->n < GROUP_BATCHES && ops < GROUP_OPS) {
        struct brk_batch *batch = link_pipe_recv(l->desk);
        if (batch == NULL) {
            return;
        }
        ops += batch->n;
        l->group[l->n++] = batch;
    }
}

/* Of each operation it is known now whether it is committed. */
static void give_back(struct brk_ledger *l)
{
    size_t ops = 0;
    for (size_t b = 0; b < l->n; b++) {
        ops += l->group[b]->n;
        if (!link_pipe_offer(l->desk, l->group[b])) {
            brk_batch_destroy(&l->group[b]); /* the desk has ended */
        }
    }
    l->n = 0;
    l->alone = false;
    stat_add(STAT_COMMIT_GROUP, (int64_t)ops);
}

/* The start of the run that `at` inserts, when it was decided right with it:
 * then both are one row that is written once. */
static struct brk_op *start_of(const struct brk_batch *batch, size_t at)
{
    const struct brk_op *insert = &batch->ops[at];
    size_t end = min_size(batch->n, at + 1 + START_WITHIN);
    for (size_t i = at + 1; i < end && insert->type == BRK_OP_INSERT; i++) {
        if (id_eq(&batch->ops[i].run, &insert->run)) {
            return batch->ops[i].type == BRK_OP_START ? &batch->ops[i] : NULL;
        }
    }
    return NULL;
}

static bool expect_threads(struct brk_ledger *l, struct err *err)
{
    struct id threads[EXPECTED_MAX];
    size_t n = 0;
    for (size_t b = 0; b < l->n; b++) {
        for (size_t i = 0; i < l->group[b]->n && n < EXPECTED_MAX; i++) {
            if (l->group[b]->ops[i].type == BRK_OP_INSERT) {
                threads[n++] = l->group[b]->ops[i].thread;
            }
        }
    }
    return store_runs_expect(l->store, threads, n, err);
}

static enum outcome try_group(struct brk_ledger *l, struct err *err)
{
    if (!store_begin_fast(l->store, err)) {
        return AGAIN;
    }
    if (!expect_threads(l, err)) {
        store_rollback(l->store);
        return AGAIN;
    }
    for (size_t b = 0; b < l->n; b++) {
        for (size_t i = 0; i < l->group[b]->n; i++) {
            struct brk_op *op = &l->group[b]->ops[i];
            struct brk_op *start = start_of(l->group[b], i);
            if (!run_op(l, op, start) && !is_own_fault(op->err.code)) {
                *err = op->err;
                store_rollback(l->store);
                return AGAIN;
            }
        }
    }
    (void)fault_at(FAULT_LEDGER_BEFORE);
    if (fault_at(FAULT_LEDGER_FULL)) {
        store_rollback(l->store);
        (void)fault_disk_full(err);
        return AGAIN;
    }
    if (store_commit(l->store, err)) {
        (void)fault_at(FAULT_LEDGER_AFTER);
        return DONE;
    }
    for (size_t b = 0; b < l->n; b++) {
        for (size_t i = 0; i < l->group[b]->n; i++) {
            note_unsure(&l->group[b]->ops[i], err);
        }
    }
    return AGAIN;
}

/* Whoever loses the connection at a commit does not know of it. */
static void note_unsure(struct brk_op *op, const struct err *err)
{
    op->unsure = op->unsure || err->code == ERR_UNAVAILABLE;
}

/* ---- when the store does not answer
 * ------------------------------------------- */

static void begin_alone(struct brk_ledger *l)
{
    l->alone = true;
    l->at_batch = l->at_op = 0;
    l->tries = 0;
    l->pause_ms = PAUSE_MS;
}

/* As many as can be; true when that is all of them. */
static bool commit_alone(struct brk_ledger *l)
{
    while (l->at_batch < l->n) {
        struct brk_batch *batch = l->group[l->at_batch];
        if (l->at_op == batch->n) {
            l->at_batch++;
            l->at_op = 0;
        } else if (settle_op(l, &batch->ops[l->at_op])) {
            l->at_op++;
            l->tries = 0;
            l->pause_ms = PAUSE_MS;
        } else {
            l->again_ms = l->now_ms + l->pause_ms;
            l->pause_ms = min_i64(l->pause_ms * 2, PAUSE_MS_MAX);
            return false;
        }
    }
    return true;
}

/* Committed or refused; false: it has to be tried again. */
static bool settle_op(struct brk_ledger *l, struct brk_op *op)
{
    if (try_op(l, op) == DONE) {
        l->away = false;
        return true;
    }
    stat_inc(STAT_STORE_ERRORS);
    if (may_be_refused(op, &op->err, ++l->tries)) {
        return true;
    }
    say_away(l, &op->err);
    return false;
}

static enum outcome try_op(struct brk_ledger *l, struct brk_op *op)
{
    struct err err = ERR_INIT;
    if (!store_begin(l->store, &err)) {
        op->err = err;
        return AGAIN;
    }
    op->with_insert = false; /* that was undone */
    if (!run_op(l, op, NULL)) { /* it has changed nothing */
        store_rollback(l->store);
        return is_own_fault(op->err.code) ? DONE : AGAIN;
    }
    if (!store_commit(l->store, &err)) {
        note_unsure(op, &err);
        op->err = err;
        return AGAIN;
    }
    return DONE;
}

static bool is_own_fault(enum err_code code)
{
    return code == ERR_NOT_FOUND || code == ERR_CONFLICT ||
           code == ERR_FENCED || code == ERR_INVALID;
}

/* May the desk be told that this did not happen? */
static bool may_be_refused(const struct brk_op *op, const struct err *err,
                           int tries)
{
    if (err->code == ERR_UNAVAILABLE) {
        return false; /* the gateways decide how long a submit may wait */
    }
    bool may_wait = op->type == BRK_OP_INSERT || op->type == BRK_OP_START ||
                    op->type == BRK_OP_LOOKUP;
    if (may_wait && !op->unsure) {
        return true;
    }
    return err->code != ERR_STORE_FULL && tries >= TRIES;
}

static void say_away(struct brk_ledger *l, const struct err *err)
{
    if (!l->away) {
        l->away = true;
        log_error("ledger.waits", "error=%s", LOG_Q(err->text));
    }
}

/* ---- operations
 * ------------------------------------------------------------------ */

struct refused {
    struct brk_recent_entry entry;
    bool still; /* false: a later try of its group made it */
};

/* Of an insert that is tried again the last word counts. */
static void note_refused(struct brk_ledger *l, const struct id *run, bool was)
{
    struct refused *known = brk_recent_get(&l->refused, run);
    if (known != NULL) {
        known->still = was;
    } else if (was) {
        struct refused *r = base_zalloc(sizeof *r);
        r->entry.id = *run;
        r->still = true;
        brk_recent_put(&l->refused, &r->entry, l->now_ms);
    }
}

static bool is_refused(const struct brk_ledger *l, const struct id *run)
{
    const struct refused *known = brk_recent_get(&l->refused, run);
    return known != NULL && known->still;
}

/* `start`: of the run that is inserted, may be done with it; or NULL. */
static bool run_op(struct brk_ledger *l, struct brk_op *op,
                   struct brk_op *start)
{
    err_clear(&op->err);
    if (!op->with_insert && !do_op(l, op, start)) {
        return false;
    }
    err_clear(&op->err); /* what was done before is done, for all it says */
    return true;
}

static bool do_op(struct brk_ledger *l, struct brk_op *op,
                  struct brk_op *start)
{
    if (op->type != BRK_OP_INSERT && op->type != BRK_OP_THREAD_DELETE &&
        is_refused(l, &op->run)) {
        return err_set(&op->err, ERR_CONFLICT, "the run was not inserted");
    }
    switch (op->type) {
    case BRK_OP_INSERT:
        return run_insert(l, op, start);
    case BRK_OP_START: {
        struct store_run_start begin = {.run_id = op->run,
                                        .attempt = op->attempt,
                                        .failures = op->failures,
                                        .ms = op->ms,
                                        .first_seq = op->seq};
        return store_runs_start(l->store, &begin, &op->err);
    }
    case BRK_OP_REQUEUE:
        return store_runs_requeue(l->store, &op->run, op->seq, &op->err);
    case BRK_OP_CANCEL:
        return store_runs_cancel(l->store, &op->run, op->status, &op->err);
    case BRK_OP_FINISH:
        return run_finish(l, op);
    case BRK_OP_ROLLBACK:
        return store_runs_rollback(l->store, &op->run, op->busy, &op->err);
    case BRK_OP_THREAD_DELETE:
        return store_threads_delete(l->store, &op->thread, &op->err);
    case BRK_OP_LOOKUP:
        return run_lookup(l, op);
    case BRK_OP_TORN: {
        struct store_run **rows = &op->rows;
        store_runs_free(rows, op->row_count); /* of a try before */
        return store_events_torn(l->store, op->due_us, rows, &op->row_count,
                                 &op->err);
    }
    }
    return err_set(&op->err, ERR_INTERNAL, "operation %d", (int)op->type);
}

/* What is written together with the run; `more` points into the others. */
struct more {
    struct store_run_more more;
    struct store_key key;
    struct store_tick tick;
    char *webhook;
    char *key_text;
};

static void read_more(leat_view body, const char *owner, struct more *m)
{
    leat_view tick = leat_get(body, "tick");
    leat_text cron = leat_string(leat_get(tick, "cron_id"));
    *m = (struct more){.webhook = value_strdup(leat_get(body, "webhook")),
                       .key_text = value_strdup(leat_get(body, "key"))};
    m->more.webhook = m->webhook;
    m->key = (struct store_key){.owner = owner, .key = m->key_text};
    m->more.key = m->key_text == NULL ? NULL : &m->key;
    m->tick.due_us = leat_int(leat_get(tick, "due_us"), 0);
    m->tick.next_us = leat_int(leat_get(tick, "next_us"), 0);
    if (cron.ptr != NULL && id_parse_n(cron.ptr, cron.len, &m->tick.cron_id)) {
        m->more.tick = &m->tick;
    }
}

static void put_start(struct store_run *row, const struct brk_op *start)
{
    (void)base_copy(row->status, sizeof row->status, "running");
    row->attempt = start->attempt;
    row->failures = start->failures;
    row->ms = start->ms;
    row->first_seq = start->seq;
    row->started_us = clock_wall_us();
}

/* What a submit says of the row; `assistant` is text still. */
struct submitted {
    struct store_run row;
    char *assistant;
    char *owner;
    struct more more;
};

static void read_submit(const struct brk_op *op, struct submitted *s)
{
    leat_view body = leat_view_of(op->submit);
    char *strategy = value_strdup(leat_get(body, "strategy"));
    char *created = value_strdup(leat_get(body, "created_at"));
    memset(s, 0, sizeof *s);
    s->assistant = value_strdup(leat_get(body, "assistant_id"));
    s->owner = value_strdup(leat_get(body, "owner"));
    s->row = (struct store_run){
        .run_id = op->run,
        .thread_id = op->thread,
        .temporary = leat_bool(leat_get(body, "temporary"), false),
        .due_us = op->due_us,
        .graph_id = value_strdup(leat_get(body, "graph_id")),
        .kwargs = leat_value_of(leat_get(body, "kwargs")),
        .metadata = leat_value_of(leat_get(body, "metadata")),
    };
    (void)base_copy(s->row.status, sizeof s->row.status, "pending");
    (void)base_copy(s->row.strategy, sizeof s->row.strategy, strategy);
    if (!clock_from_iso(created, &s->row.created_us)) {
        s->row.created_us = 0; /* the store takes the time it has */
    }
    read_more(body, s->owner, &s->more);
    free(strategy);
    free(created);
}

static void submitted_fini(struct submitted *s)
{
    free(s->assistant);
    free(s->owner);
    free(s->more.webhook);
    free(s->more.key_text);
    store_run_fini(&s->row);
}

static bool run_insert(struct brk_ledger *l, struct brk_op *op,
                       struct brk_op *start)
{
    leat_view body = leat_view_of(op->submit);
    struct submitted s;
    read_submit(op, &s);
    if (start != NULL) {
        put_start(&s.row, start);
    }
    const struct store_run_thread thread = {
        .make = leat_bool(leat_get(body, "thread_make"), false),
        .owner = s.owner,
        .config = leat_get(body, "thread_config"),
        .more = &s.more.more,
    };
    struct store_run_inserted made = {0};
    bool ok = id_parse(s.assistant, &s.row.assistant_id) &&
              store_runs_insert(l->store, &s.row, &thread, &made, &op->err);
    op->existed = ok && !made.inserted;
    if (start != NULL) {
        start->with_insert = made.inserted;
    }
    op->last_ms = made.thread_last_ms;
    op->seq = made.last_seq;
    (void)base_copy(op->status, sizeof op->status, made.status);
    bool over = op->existed && strcmp(made.status, "pending") != 0 &&
                strcmp(made.status, "running") != 0;
    /* Its start may wait behind this already. */
    note_refused(l, &op->run, over || !ok);
    submitted_fini(&s);
    return ok;
}

static bool run_finish(struct brk_ledger *l, struct brk_op *op)
{
    struct store_run_end end = {
        .run_id = op->run,
        .attempt = op->attempt,
        .status = op->status,
        .error = leat_view_of(op->error),
        .last_seq = op->seq,
        .ms = op->ms,
        .thread_status = op->thread_status,
        .values = leat_view_of(op->values),
        .interrupts = leat_view_of(op->interrupts),
        .no_webhook = op->no_webhook,
    };
    return store_runs_finish(l->store, &end, &op->err);
}

/* Only of the attempt that ended the run something may be missing. */
static bool run_lookup(struct brk_ledger *l, struct brk_op *op)
{
    struct store_run row = {0};
    struct store_log kept = {0};
    uint16_t asked = op->attempt;
    op->existed = false;
    op->seq = op->last = 0;
    if (!store_runs_get(l->store, &op->run, &row, &op->err)) {
        return false;
    }
    bool ok = store_events_extent(l->store, &op->run, &kept, &op->err);
    bool over = strcmp(row.status, "pending") != 0 &&
                strcmp(row.status, "running") != 0;
    op->existed = ok;
    op->ms = row.ms;
    op->thread = row.thread_id;
    op->last = over ? row.last_seq : 0;
    (void)base_copy(op->status, sizeof op->status, row.status);
    if (ok && over && row.attempt == asked && kept.last_seq < row.last_seq) {
        op->seq = row.last_seq;
    }
    store_run_fini(&row);
    return ok;
}
