/* SPDX-License-Identifier: Apache-2.0 */
/* Desk and ledger with real sockets and a real store; the test is the relay,
 * the gateways and the workers. */
#include "broker/desk.h"
#include "broker/ledger.h"
#include "common/log.h"
#include "tests/unit/broker_rig.h"

struct world {
    struct broker_rig b;
    struct brk_ledger *ledger;
    struct brk_desk *desk;
    struct link_pipe *relay; /* the relay's end */
    link_t *gateway;
    link_t *workers[3];
    struct link_in in;
    struct id thread;
    struct id run;
};

static void start(struct world *w, const struct brk_open *open)
{
    struct link_pipe *desk_relay = NULL, *ledger = NULL, *desk_ledger = NULL;
    link_pipe_new(&w->relay, &desk_relay);
    link_pipe_new(&ledger, &desk_ledger);
    w->ledger = brk_ledger_new(&w->b.env, &ledger, &w->b.err);
    EXPECT_MSG(w->ledger != NULL, "%s", w->b.err.text);
    w->desk =
        brk_desk_new(&w->b.env, &desk_relay, &desk_ledger, open, &w->b.err);
    EXPECT_MSG(w->desk != NULL, "%s", w->b.err.text);
}

static void init(struct world *w)
{
    memset(w, 0, sizeof *w);
    broker_rig_init(&w->b);
    link_in_init(&w->in);
    w->thread = rig_thread(&w->b.store, 1);
    w->run = rig_id('r', 1);
}

static void stop_desk(struct world *w)
{
    brk_desk_destroy(&w->desk);
    brk_ledger_destroy(&w->ledger);
    struct brk_note *note;
    while (w->relay != NULL && (note = link_pipe_recv(w->relay)) != NULL) {
        brk_note_destroy(&note);
    }
    link_pipe_destroy(&w->relay);
}

static void fini(struct world *w)
{
    stop_desk(w);
    link_in_fini(&w->in);
    link_destroy(&w->gateway);
    for (size_t i = 0; i < COUNT_OF(w->workers); i++) {
        link_destroy(&w->workers[i]);
    }
    broker_rig_fini(&w->b);
}

/* ---- the relay, and hearing
 * ------------------------------------------------------- */

static void play_relay(struct world *w)
{
    struct brk_note *note;
    while ((note = link_pipe_recv(w->relay)) != NULL) {
        if (note->type == BRK_NOTE_FENCE) {
            note->type = BRK_NOTE_FENCED;
            note->seq = 1;
            link_pipe_send(w->relay, note);
        } else if (note->type == BRK_NOTE_ENDED) {
            note->type = BRK_NOTE_REACHED;
            link_pipe_send(w->relay, note);
        } else {
            brk_note_destroy(&note);
        }
    }
}

/* The next message of this type; GRAPHS, PING and their like are passed by. */
static bool heard(struct world *w, link_t *l, uint8_t type)
{
    play_relay(w);
    return link_recv(l, &w->in) && w->in.head.type == type;
}
#define HEAR(w, l, type) EXPECT_SOON(heard((w), (l), (type)))

static void say(struct world *w, link_t *l, uint8_t type, leat_value *body)
{
    struct wire_head head = {.type = type,
                             .epoch = w->b.env.epoch,
                             .tag = 5,
                             .attempt = 1,
                             .run = w->run,
                             .thread = w->thread};
    EXPECT_EQ(link_send(l, NULL, &head, body), LINK_SENT);
}

static link_t *dealer(struct world *w, enum wire_port port)
{
    struct link_spec spec = {.base = w->b.base,
                             .port = port,
                             .from = WIRE_D,
                             .frame_bytes = 1 << 20};
    link_t *l = link_dealer(&spec, &w->b.err);
    EXPECT_MSG(l != NULL, "%s", w->b.err.text);
    return l;
}

static void join_gateway(struct world *w)
{
    w->gateway = dealer(w, WIRE_PORT_GATEWAY);
    say(w, w->gateway, WIRE_HELLO,
        leat_pack("{s:s,s:s,s:i,s:s}", "kind", "gateway", "id", "g", "pid", 1,
                  "host", "h"));
    HEAR(w, w->gateway, WIRE_WELCOME);
}

static void join_worker(struct world *w, int n)
{
    w->workers[n] = dealer(w, WIRE_PORT_WORKER);
    say(w, w->workers[n], WIRE_HELLO,
        leat_pack("{s:s,s:V,s:i,s:s,s:i,s:[{s:s}],s:[]}", "kind", "worker",
                  "id", leat_new_format("w%d", n), "pid", 10 + n, "host", "h",
                  "slots", 4, "graphs", "id", "agent", "runs"));
    HEAR(w, w->workers[n], WIRE_WELCOME);
}

static void submit(struct world *w)
{
    say(w, w->gateway, WIRE_RUN_SUBMIT,
        leat_pack("{s:s,s:s,s:s,s:b,s:s,s:{s:s},s:{}}", "graph_id", "agent",
                  "assistant_id", "fe096781-5601-53d2-b2f6-0d3403f7e9ca",
                  "strategy", "enqueue", "stored", 1, "created_at",
                  "2026-01-02T03:04:05+00:00", "kwargs", "input", "hello",
                  "metadata"));
}

static void done(struct world *w, link_t *worker)
{
    say(w, worker, WIRE_RUN_DONE,
        leat_pack("{s:s,s:s,s:{s:i}}", "status", "success", "thread_status",
                  "idle", "values", "n", 1));
}

static void expect_status(struct world *w, const char *status)
{
    struct store_run row = {0};
    EXPECT_MSG(store_runs_get(w->b.store.owner, &w->run, &row, &w->b.err), "%s",
               w->b.err.text);
    EXPECT_STR(row.status, status);
    store_run_fini(&row);
}

static const struct brk_open nothing = {NULL, 0};

TEST(desk_takes_a_run_from_submit_to_end)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    join_gateway(&w);
    join_worker(&w, 0);
    submit(&w);
    HEAR(&w, w.gateway, WIRE_RUN_ACCEPTED);
    EXPECT_EQ(w.in.head.tag, 5);
    HEAR(&w, w.workers[0], WIRE_RUN_START);
    EXPECT_EQ(w.in.head.seq, 1);
    EXPECT(w.in.head.ms > 0);
    EXPECT(
        leat_is(leat_get(leat_get(leat_view_of(w.in.body), "kwargs"), "input"),
                "hello"));
    expect_status(&w, "running");
    done(&w, w.workers[0]);
    HEAR(&w, w.gateway, WIRE_RUN_ENDED);
    expect_status(&w, "success"); /* before it is told */
    HEAR(&w, w.workers[0], WIRE_RUN_KEPT);
    fini(&w);
}

TEST(desk_moves_the_run_of_a_worker_that_is_gone)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    join_gateway(&w);
    join_worker(&w, 0);
    submit(&w);
    HEAR(&w, w.workers[0], WIRE_RUN_START);
    join_worker(&w, 1);
    link_destroy(&w.workers[0]);
    HEAR(&w, w.workers[1], WIRE_RUN_START); /* well before its lease is over */
    EXPECT_EQ(w.in.head.attempt, 2);
    fini(&w);
}

TEST(desk_goes_on_after_a_restart)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    join_gateway(&w);
    submit(&w);
    HEAR(&w, w.gateway, WIRE_RUN_ACCEPTED);
    stop_desk(&w);
    struct brk_open open = {NULL, 0};
    EXPECT(
        store_runs_load_open(w.b.store.owner, &open.rows, &open.n, &w.b.err));
    EXPECT_EQ(open.n, 1);
    w.b.env.epoch++;
    start(&w, &open);
    store_runs_free(&open.rows, open.n);
    join_worker(&w, 0);
    HEAR(&w, w.workers[0], WIRE_RUN_START);
    done(&w, w.workers[0]);
    HEAR(&w, w.workers[0], WIRE_RUN_KEPT);
    expect_status(&w, "success");
    fini(&w);
}

TEST(desk_commits_what_it_took_in_before_it_ends)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    join_gateway(&w);
    submit(&w);
    HEAR(&w, w.gateway, WIRE_RUN_ACCEPTED);
    stop_desk(&w);
    expect_status(&w, "pending");
    fini(&w);
}

TEST(desk_asks_who_a_stranger_is)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    w.gateway = dealer(&w, WIRE_PORT_GATEWAY);
    submit(&w);
    HEAR(&w, w.gateway, WIRE_WHO);
    EXPECT_EQ(w.in.head.epoch, w.b.env.epoch);
    fini(&w);
}

TEST(desk_says_why_it_cannot_start)
{
    struct world w;
    init(&w);
    start(&w, &nothing);
    struct link_pipe *one[2], *two[2];
    link_pipe_new(&one[0], &one[1]);
    link_pipe_new(&two[0], &two[1]);
    struct brk_env env = w.b.env;
    env.base = "tcp://192.0.2.1:7410"; /* not an address of this host */
    EXPECT(brk_desk_new(&env, &one[0], &two[0], &nothing, &w.b.err) == NULL);
    EXPECT_HAS(w.b.err.text, "starting the desk");
    EXPECT_HAS(w.b.err.text, "192.0.2.1");
    link_pipe_destroy(&one[1]);
    link_pipe_destroy(&two[1]);
    fini(&w);
}
