/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's thread, as the desk meets it: batches in, answers out. */
#include "broker/ledger.h"

#include <signal.h>
#include <sys/resource.h>

#include "common/log.h"
#include "tests/unit/broker_rig.h"

struct desk {
    struct broker_rig b;
    struct brk_ledger *ledger;
    struct link_pipe *pipe;
    struct brk_batch *batch; /* being made, or just answered */
    struct id thread;
};

static void start(struct desk *d)
{
    struct link_pipe *other = NULL;
    memset(d, 0, sizeof *d);
    broker_rig_init(&d->b);
    d->thread = rig_thread(&d->b.store, 1);
    link_pipe_new(&d->pipe, &other);
    d->ledger = brk_ledger_new(&d->b.env, &other, &d->b.err);
    EXPECT_MSG(d->ledger != NULL, "%s", d->b.err.text);
    d->batch = brk_batch_new();
}

static void stop(struct desk *d)
{
    brk_batch_destroy(&d->batch);
    brk_ledger_destroy(&d->ledger);
    link_pipe_destroy(&d->pipe);
    broker_rig_fini(&d->b);
}

static struct brk_op *add(struct desk *d, enum brk_op_type type, unsigned run)
{
    struct id id = rig_id('r', run);
    return brk_batch_add(d->batch, type, &id, &d->thread);
}

static struct brk_op *add_insert(struct desk *d, unsigned run)
{
    struct brk_op *op = add(d, BRK_OP_INSERT, run);
    op->submit = leat_pack(
        "{s:s,s:s,s:s,s:s,s:{s:i},s:{}}", "graph_id", "agent", "assistant_id",
        "fe096781-5601-53d2-b2f6-0d3403f7e9ca", "strategy", "enqueue",
        "created_at", "2026-01-02T03:04:05.000006+00:00", "kwargs", "input", 1,
        "metadata");
    return op;
}

static void add_start(struct desk *d, unsigned run, uint16_t attempt,
                      uint64_t ms)
{
    struct brk_op *op = add(d, BRK_OP_START, run);
    op->attempt = attempt;
    op->failures = 1;
    op->ms = ms;
    op->seq = 1;
}

static void add_finish(struct desk *d, unsigned run, uint16_t attempt)
{
    struct brk_op *op = add(d, BRK_OP_FINISH, run);
    op->attempt = attempt;
    op->seq = 12;
    (void)base_copy(op->status, sizeof op->status, "success");
    (void)base_copy(op->thread_status, sizeof op->thread_status, "idle");
    op->values = leat_pack("{s:i}", "n", 3);
}

static void pass_on(struct desk *d)
{
    link_pipe_send(d->pipe, d->batch);
    d->batch = NULL;
}

static void hear(struct desk *d)
{
    EXPECT_SOON((d->batch = link_pipe_recv(d->pipe)) != NULL);
}

/* Sends the batch and waits until it is back. */
static void commit(struct desk *d)
{
    pass_on(d);
    hear(d);
}

static void renew(struct desk *d)
{
    brk_batch_destroy(&d->batch);
    d->batch = brk_batch_new();
}

static void expect_run(struct desk *d, unsigned run, const char *status)
{
    struct store_run row = {0};
    struct id id = rig_id('r', run);
    bool there = store_runs_get(d->b.store.owner, &id, &row, &d->b.err);
    EXPECT_STR(there ? row.status : "none", status);
    store_run_fini(&row);
}

TEST(ledger_keeps_a_run_from_insert_to_end)
{
    struct desk d;
    start(&d);
    add_insert(&d, 1);
    add_start(&d, 1, 1, 5000);
    commit(&d);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    EXPECT(!d.batch->ops[0].existed);
    EXPECT_EQ(d.batch->ops[1].err.code, ERR_NONE);
    expect_run(&d, 1, "running");
    struct store_run row = {0};
    EXPECT(
        store_runs_get(d.b.store.owner, &d.batch->ops[0].run, &row, &d.b.err));
    EXPECT_STR(row.graph_id, "agent");
    EXPECT_STR(row.strategy, "enqueue");
    EXPECT_EQ(row.attempt, 1);
    EXPECT_EQ(row.failures, 1);
    EXPECT_EQ(leat_int(leat_get(leat_view_of(row.kwargs), "input"), 0), 1);
    store_run_fini(&row);
    renew(&d);
    add_finish(&d, 1, 1);
    add_insert(&d, 2);
    commit(&d);
    EXPECT_EQ(d.batch->ops[1].last_ms, 5000); /* the thread goes on from it */
    expect_run(&d, 1, "success");
    expect_run(&d, 2, "pending");
    renew(&d);
    add(&d, BRK_OP_ROLLBACK, 2);
    commit(&d);
    expect_run(&d, 2, "none");
    stop(&d);
}

/* Decided in one turn they are one row, written once; else not. */
TEST(ledger_starts_a_run_with_its_insert)
{
    struct desk d;
    struct store_run row = {0};
    struct id id = rig_id('r', 1);
    start(&d);
    (void)add_insert(&d, 1);
    (void)add_insert(&d, 2);
    add_start(&d, 1, 1, 500);
    commit(&d);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    EXPECT(!d.batch->ops[0].existed);
    EXPECT(d.batch->ops[2].with_insert);
    OK(&d.b, store_runs_get(d.b.store.owner, &id, &row, &d.b.err));
    EXPECT_STR(row.status, "running");
    EXPECT_EQ(row.attempt, 1);
    EXPECT_EQ(row.failures, 1);
    EXPECT_EQ(row.ms, 500);
    EXPECT_EQ(row.first_seq, 1);
    EXPECT(row.started_us > 0);
    EXPECT_EQ(row.thread_last_ms, 500);
    store_run_fini(&row);
    expect_run(&d, 2, "pending");
    renew(&d); /* the submit comes again, from a broker that forgot it */
    (void)add_insert(&d, 1);
    add_start(&d, 1, 2, 600);
    commit(&d);
    EXPECT(d.batch->ops[0].existed);
    EXPECT(!d.batch->ops[1].with_insert);
    EXPECT_EQ(d.batch->ops[1].err.code, ERR_NONE);
    OK(&d.b, store_runs_get(d.b.store.owner, &id, &row, &d.b.err));
    EXPECT_EQ(row.attempt, 2);
    EXPECT_EQ(row.ms, 600);
    store_run_fini(&row);
    stop(&d);
}

TEST(ledger_lets_one_bad_operation_fail_alone)
{
    struct desk d;
    start(&d);
    add_insert(&d, 1);
    add_start(&d, 9, 1, 5000); /* there is no such run */
    add_start(&d, 1, 1, 5000);
    add_finish(&d, 1, 7); /* not its attempt */
    commit(&d);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    EXPECT_EQ(d.batch->ops[1].err.code, ERR_NOT_FOUND);
    EXPECT_EQ(d.batch->ops[2].err.code, ERR_NONE);
    EXPECT_EQ(d.batch->ops[3].err.code, ERR_FENCED);
    expect_run(&d, 1, "running");
    stop(&d);
}

TEST(ledger_answers_in_the_order_of_the_batches)
{
    struct desk d;
    start(&d);
    for (unsigned i = 1; i <= 300; i++) {
        add_insert(&d, i);
        pass_on(&d);
        d.batch = brk_batch_new();
    }
    brk_batch_destroy(&d.batch);
    for (unsigned i = 1; i <= 300; i++) {
        struct id want = rig_id('r', i);
        hear(&d);
        EXPECT(id_eq(&d.batch->ops[0].run, &want));
        brk_batch_destroy(&d.batch);
    }
    stop(&d);
}

/* A submit of long ago, repeated: its start may wait behind it already. */
TEST(ledger_does_not_start_what_has_ended)
{
    struct desk d;
    start(&d);
    add_insert(&d, 1);
    add_start(&d, 1, 1, 5000);
    add_finish(&d, 1, 1);
    commit(&d);
    renew(&d);
    add_insert(&d, 1);
    pass_on(&d);
    d.batch = brk_batch_new();
    add_start(&d, 1, 2, 6000);
    struct brk_batch *second = d.batch;
    pass_on(&d);
    hear(&d);
    EXPECT(d.batch->ops[0].existed);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    EXPECT_STR(d.batch->ops[0].status, "success");
    brk_batch_destroy(&d.batch);
    hear(&d);
    EXPECT(d.batch == second);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_CONFLICT);
    expect_run(&d, 1, "success");
    stop(&d);
}

TEST(ledger_looks_up_a_log_that_is_short)
{
    struct desk d;
    start(&d);
    add_insert(&d, 1);
    add_start(&d, 1, 2, 5000);
    add_finish(&d, 1, 2);
    add(&d, BRK_OP_LOOKUP, 1)->attempt = 2;
    add(&d, BRK_OP_LOOKUP, 1)->attempt = 1; /* not the one that ended it */
    add(&d, BRK_OP_LOOKUP, 5);
    commit(&d);
    EXPECT_EQ(d.batch->ops[3].seq, 12);
    EXPECT_EQ(d.batch->ops[3].ms, 5000);
    EXPECT_EQ(d.batch->ops[4].seq, 0);
    EXPECT_EQ(d.batch->ops[5].err.code, ERR_NOT_FOUND);
    stop(&d);
}

/* ---- a store that cannot write
 * ----------------------------------------------------- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(ledger_refuses_new_runs_and_keeps_ends_while_the_store_cannot_write)
{
    store_kind_only_sqlite();
    struct desk d;
    start(&d);
    (void)signal(SIGXFSZ, SIG_IGN);
    add_insert(&d, 1);
    add_start(&d, 1, 1, 5000);
    commit(&d);
    renew(&d);
    limit_files(1);
    add_insert(&d, 2);
    commit(&d);
    EXPECT(d.batch->ops[0].err.code == ERR_STORE_FULL ||
           d.batch->ops[0].err.code == ERR_STORE);
    renew(&d);
    add_finish(&d, 1, 1);
    pass_on(&d);
    EXPECT(link_pipe_recv(d.pipe) == NULL); /* it is not lost */
    limit_files(RLIM_INFINITY);
    hear(&d);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    expect_run(&d, 1, "success");
    expect_run(&d, 2, "none");
    renew(&d);
    add_insert(&d, 2);
    commit(&d);
    EXPECT_EQ(d.batch->ops[0].err.code, ERR_NONE);
    stop(&d);
}

TEST(ledger_ends_while_the_store_cannot_write)
{
    store_kind_only_sqlite();
    struct desk d;
    start(&d);
    (void)signal(SIGXFSZ, SIG_IGN);
    add_insert(&d, 1);
    add_start(&d, 1, 1, 5000);
    commit(&d);
    renew(&d);
    limit_files(1);
    add_finish(&d, 1, 1);
    pass_on(&d);
    brk_ledger_destroy(&d.ledger); /* not told to be kept, and not leaked */
    EXPECT(link_pipe_recv(d.pipe) == NULL);
    limit_files(RLIM_INFINITY);
    stop(&d);
}
