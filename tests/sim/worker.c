/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers, as docs/protocol.md has them: say HELLO with the runs they hold,
 * beat, execute runs step by step with a checkpoint behind each, end them,
 * repeat that until it is kept, stop when told to, hand back when they drain.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/worker.h"

#define REPEAT_US SEC
#define TICK_US (50 * MS)

static struct worker workers[WORKERS_MAX];

static void go_on(void *arg, uint64_t life);

static struct sim_sock *desk_of(struct worker *w)
{
    return &w->node.socks[WIRE_PORT_WORKER];
}

/* ---- saying -------------------------------------------------------------- */

static void say(struct worker *w, enum wire_type type, const struct job *j,
                leat_value *body)
{
    struct wire_head head = {.type = (uint8_t)type, .epoch = desk_of(w)->epoch};
    if (j != NULL) {
        head.run = j->truth->id;
        head.thread = j->truth->thread_id;
        head.attempt = j->attempt;
        head.seq = j->next_seq - 1;
    }
    net_say(desk_of(w), &head, body, NULL);
}

static void say_end(struct worker *w, struct job *j)
{
    j->said_us = sim.now_us;
    if (j->yielded) {
        say(w, WIRE_RUN_YIELD, j, leat_pack("{s:s}", "why", "drain"));
        return;
    }
    say(w, WIRE_RUN_DONE, j,
        leat_pack("{s:s,s:s,s:{s:i}}", "status", j->status, "thread_status",
                  strcmp(j->status, "error") == 0 ? "error" : "idle", "values",
                  "step", j->step));
}

static leat_value *held_runs(const struct worker *w)
{
    leat_writer *out = leat_writer_new();
    leat_write_list(out);
    for (const struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->held) {
            leat_value *v = leat_pack(
                "{s:s,s:s,s:i,s:I,s:I}", "run", ID_TEXT(&j->truth->id),
                "thread", ID_TEXT(&j->truth->thread_id), "attempt",
                (int)j->attempt, "first", (int64_t)j->durable + 1, "last",
                (int64_t)j->next_seq - 1);
            leat_write_view(out, leat_view_of(v));
            leat_drop(v);
        }
    }
    leat_write_end(out);
    return leat_writer_finish(&out);
}

static void say_hello(struct worker *w)
{
    TRACE("%s says HELLO", node_name(&w->node));
    say(w, WIRE_HELLO, NULL,
        leat_pack("{s:s,s:s,s:i,s:s,s:i,s:[{s:s}],s:V}", "kind", "worker", "id",
                  node_name(&w->node), "pid",
                  w->node.number * 1000 + (int)w->node.life, "host", "here",
                  "slots", w->draining ? 0 : sim.plan.slots, "graphs", "id",
                  "g", "runs", held_runs(w)));
}

static void say_busy(struct worker *w)
{
    leat_writer *out = leat_writer_new();
    leat_write_list(out);
    for (const struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->held && j->executing) {
            leat_write_string(out, ID_TEXT(&j->truth->id));
        }
    }
    leat_write_end(out);
    say(w, WIRE_RUN_BUSY, NULL,
        leat_pack("{s:V}", "runs", leat_writer_finish(&out)));
}

/* ---- the store ----------------------------------------------------------- */

static void say_call(struct job *j)
{
    struct sim_sock *s = &j->worker->node.socks[WIRE_PORT_VAULT];
    const struct wire_head head = {.type = WIRE_STORE_CALL,
                                   .attempt = j->attempt,
                                   .epoch = s->epoch,
                                   .tag = j->call,
                                   .run = j->truth->id};
    if (j->loading) {
        net_say(s, &head,
                leat_pack("{s:s,s:{s:s,s:s}}", "op", "checkpoints_load", "args",
                          "thread_id", ID_TEXT(&j->truth->thread_id), "ns", ""),
                NULL);
        return;
    }
    net_say(s, &head,
            leat_pack("{s:s,s:{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:[i]},s:{s:i},s:{},"
                      "s:{s:i,s:i}}}",
                      "op", "checkpoints_put", "args", "thread_id",
                      ID_TEXT(&j->truth->thread_id), "ns", "", "id",
                      j->checkpoint, "parent_id", j->parent, "ts", "2026-01-01",
                      "run_id", ID_TEXT(&j->truth->id), "values", "step",
                      j->step, "versions", "step", j->step, "seen", "metadata",
                      "run", j->truth->number, "step", j->step),
            NULL);
}

static void call_store(struct job *j, bool loading)
{
    j->call = ++j->worker->tags;
    j->loading = loading;
    if (!loading) { /* said again it is the same one */
        memcpy(j->parent, j->checkpoint, sizeof j->parent);
        (void)snprintf(j->checkpoint, sizeof j->checkpoint, "%020lld-%04d-%05u",
                       (long long)sim.now_us, j->truth->number, j->attempt);
    }
    say_call(j);
}

/* ---- executing ----------------------------------------------------------- */

static void later(struct job *j, int64_t us)
{
    sim_in(us, go_on, j, j->worker->node.life);
}

static void fence(struct job *j)
{
    TRACE("%s gives up run %d attempt %u", node_name(&j->worker->node),
          j->truth->number, j->attempt);
    j->stop = STOP_FENCED;
    j->held = j->executing = false;
    j->call = 0;
    box_stop(j);
}

static void end_job(struct job *j, const char *status)
{
    (void)base_copy(j->status, sizeof j->status, status);
    j->ended = true;
    if (j->stop == STOP_YIELD) {
        j->yielded = true;
    } else {
        if (strcmp(status, "error") == 0) {
            box_put(j, KIND_ERROR);
        }
        box_put(j, KIND_END);
    }
    j->closed = true;
    j->kept = j->kept && j->durable + 1 < j->next_seq;
    TRACE("%s ends run %d attempt %u at %llu: %s", node_name(&j->worker->node),
          j->truth->number, j->attempt, (unsigned long long)j->next_seq - 1,
          j->yielded ? "handed back" : status);
    say_end(j->worker, j);
}

/* Between two steps. */
static void next_step(struct job *j)
{
    const struct truth *t = j->truth;
    if (j->stop == STOP_YIELD) {
        end_job(j, "pending");
    } else if (j->stop == STOP_CANCEL) {
        end_job(j, "interrupted");
    } else if (j->step >= t->steps) {
        end_job(j, t->fails ? "error" : "success");
    } else {
        j->executing = true;
        later(j, sim_chance(sim.plan.long_steps) ? sim_about(2 * SEC)
                                                 : sim_about(30 * MS));
    }
}

/* A node has returned. */
static void end_step(struct job *j)
{
    j->executing = false;
    for (uint32_t n = sim_dice(4); n > 0; n--) {
        box_put(j, KIND_VALUES);
    }
    j->step++;
    if (j->stored) {
        call_store(j, false);
    } else {
        next_step(j);
    }
}

static void go_on(void *arg, uint64_t life)
{
    struct job *j = arg;
    struct sim_node *n = &j->worker->node;
    if (n->life != life || !n->alive || j->ended || j->stop == STOP_FENCED) {
        return;
    }
    if (n->frozen_until_us > sim.now_us) {
        sim_at(n->frozen_until_us, go_on, arg, life);
    } else if (j->executing) {
        end_step(j);
    } else if (j->stored) {
        call_store(j, true);
    } else {
        box_put(j, KIND_METADATA);
        next_step(j);
    }
}

static void on_loaded(struct job *j, leat_view result)
{
    leat_view c = leat_get(result, "checkpoint");
    leat_view meta = leat_get(c, "metadata");
    leat_text id = leat_string(leat_get(c, "id"));
    j->checkpoint[0] = '\0';
    if (id.ptr != NULL) {
        (void)snprintf(j->checkpoint, sizeof j->checkpoint, "%.*s",
                       (int)id.len, id.ptr);
    }
    if (leat_int(leat_get(meta, "run"), 0) == j->truth->number) {
        j->step = (int)leat_int(leat_get(meta, "step"), 0);
    }
    TRACE("%s begins run %d attempt %u at step %d", node_name(&j->worker->node),
          j->truth->number, j->attempt, j->step);
    box_put(j, KIND_METADATA);
    next_step(j);
}

static void on_stored(struct worker *w, const struct link_in *in)
{
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->call == 0 || j->call != in->head.tag) {
            continue;
        }
        leat_view body = leat_view_of(in->body);
        bool loading = j->loading;
        if (in->head.type == WIRE_REFUSED) {
            if (leat_is(leat_get(body, "code"), "fenced") ||
                leat_is(leat_get(body, "code"), "not_found")) {
                fence(j);
            } else {
                say_call(j); /* the store could not */
            }
            return;
        }
        j->call = 0;
        if (loading) {
            on_loaded(j, leat_get(body, "result"));
        } else {
            box_put(j, KIND_VALUES);
            next_step(j);
        }
        return;
    }
}

/* ---- orders -------------------------------------------------------------- */

static struct job *find(struct worker *w, const struct wire_head *h)
{
    struct job *j = w->jobs;
    while (j != NULL && !(j->held && id_eq(&j->truth->id, &h->run) &&
                          j->attempt == h->attempt)) {
        j = j->next;
    }
    return j;
}

static int running(const struct worker *w)
{
    int n = 0;
    for (const struct job *j = w->jobs; j != NULL; j = j->next) {
        n += j->held && !j->ended;
    }
    return n;
}

static void refuse(struct worker *w, const struct wire_head *h)
{
    struct wire_head head = *h;
    head.type = WIRE_RUN_YIELD;
    head.seq = h->seq - 1;
    head.epoch = desk_of(w)->epoch;
    head.ms = 0;
    net_say(desk_of(w), &head,
            leat_pack("{s:s}", "why", w->draining ? "drain" : "full"), NULL);
}

static void on_start(struct worker *w, const struct link_in *in)
{
    const struct wire_head *h = &in->head;
    if (find(w, h) != NULL) {
        say(w, WIRE_RUN_STARTED, find(w, h), NULL);
        return;
    }
    if (w->draining || running(w) >= sim.plan.slots) {
        refuse(w, h);
        return;
    }
    struct job *j = base_zalloc(sizeof *j);
    j->worker = w;
    j->truth = truth_of(&h->run);
    j->attempt = h->attempt;
    j->ms = h->ms;
    j->first = j->next_seq = j->unsent = h->seq;
    j->durable = h->seq - 1;
    j->stored = leat_bool(leat_get(leat_view_of(in->body), "stored"), false);
    j->held = j->kept = true;
    j->next = w->jobs;
    w->jobs = j;
    if (sim_dice(2) == 0) {
        say(w, WIRE_RUN_STARTED, j, NULL);
    }
    later(j, sim_about(3 * MS));
}

static void on_order(struct worker *w, const struct link_in *in)
{
    struct job *j = find(w, &in->head);
    switch (in->head.type) {
    case WIRE_PING:
        say(w, WIRE_PONG, NULL, NULL);
        break;
    case WIRE_RUN_START:
        on_start(w, in);
        break;
    case WIRE_RUN_CANCEL:
        if (j != NULL && !j->ended && j->stop == GO) {
            j->stop = STOP_CANCEL;
        }
        break;
    case WIRE_RUN_STOP:
        if (j != NULL) {
            fence(j);
        }
        break;
    case WIRE_RUN_KEPT:
        if (j != NULL && j->ended) {
            j->held = false;
        }
        break;
    default:
        break;
    }
}

static void on_desk(struct worker *w, const struct link_in *in)
{
    if (in->head.type == WIRE_WELCOME) {
        for (struct job *j = w->jobs; j != NULL; j = j->next) {
            if (j->held && j->ended) {
                say_end(w, j);
            }
        }
    } else if (in->head.type == WIRE_WHO) {
        say_hello(w);
    } else {
        on_order(w, in);
    }
}

/* The vault does not know us, or is another one: what is open, again. */
static void say_calls(struct worker *w)
{
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->call != 0) {
            say_call(j);
        }
    }
}

static void on_message(struct sim_sock *s, struct link_in *in)
{
    struct worker *w = CONTAINER_OF(s->node, struct worker, node);
    if (in->head.epoch < s->epoch) {
        return; /* of a broker that was replaced */
    }
    s->epoch = in->head.epoch;
    if (s->port == WIRE_PORT_WORKER) {
        on_desk(w, in);
    } else if (s->port == WIRE_PORT_EVENTS) {
        box_on_message(w, &in->head);
    } else if (in->head.type == WIRE_WHO) {
        say_calls(w);
    } else {
        on_stored(w, in);
    }
}

static void on_connected(struct sim_sock *s)
{
    struct worker *w = CONTAINER_OF(s->node, struct worker, node);
    if (s->port == WIRE_PORT_WORKER) {
        say_hello(w);
    } else if (s->port == WIRE_PORT_EVENTS) {
        box_rewind_all(w);
    } else {
        say_calls(w);
    }
}

/* ---- time ---------------------------------------------------------------- */

static bool may_leave(const struct worker *w)
{
    for (const struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->held || j->kept) {
            return false;
        }
    }
    return true;
}

static void check_drain(struct worker *w)
{
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (sim.now_us >= w->drain_us && j->held && !j->ended &&
            j->stop == GO) {
            j->stop = STOP_YIELD;
        }
    }
    if (may_leave(w) || sim.now_us >= w->drain_us + 12 * SEC) {
        TRACE("%s has drained", node_name(&w->node));
        worker_kill(w->node.number, true);
    }
}

static void tick(void *arg, uint64_t life)
{
    struct worker *w = arg;
    if (w->node.life != life || !w->node.alive) {
        return;
    }
    sim_at(max_i64(sim.now_us + TICK_US, w->node.frozen_until_us), tick, w,
           life);
    if (w->node.frozen_until_us > sim.now_us) {
        return;
    }
    for (struct job *j = w->jobs; j != NULL; j = j->next) {
        if (j->held && j->ended && sim.now_us - j->said_us >= REPEAT_US) {
            say_end(w, j);
        }
    }
    if (sim.now_us >= w->beat_us) {
        w->beat_us = sim.now_us + min_i64(SEC, broker_lease_us() / 4);
        say(w, WIRE_HEARTBEAT, NULL, NULL);
        say_busy(w);
    }
    if (w->draining) {
        check_drain(w);
    }
}

void worker_start(void *arg, uint64_t number)
{
    (void)arg;
    struct worker *w = &workers[number - 1];
    uint32_t life = w->node.life + 1;
    if (w->node.alive) {
        return;
    }
    *w = (struct worker){.node = {.number = (int)number,
                                  .life = life,
                                  .alive = true,
                                  .on_message = on_message,
                                  .on_connected = on_connected}};
    TRACE("%s starts", node_name(&w->node));
    net_connect(&w->node, WIRE_PORT_WORKER);
    net_connect(&w->node, WIRE_PORT_EVENTS);
    net_connect(&w->node, WIRE_PORT_VAULT);
    tick(w, life);
}

void worker_setup(void)
{
    for (int i = 1; i <= sim.plan.workers; i++) {
        sim_in(sim_about(5 * MS), worker_start, NULL, (uint64_t)i);
    }
}

/* ---- what befalls it ----------------------------------------------------- */

struct sim_node *worker_node(int number)
{
    return &workers[number - 1].node;
}

void worker_kill(int number, bool at_once)
{
    struct worker *w = &workers[number - 1];
    if (!w->node.alive) {
        return;
    }
    TRACE("%s is killed", node_name(&w->node));
    check_blame(number);
    w->node.alive = false;
    check_died(number);
    net_node_died(&w->node, at_once);
    sim_in(sim_about(1500 * MS), worker_start, NULL, (uint64_t)number);
}

void worker_freeze(int number, int64_t until_us)
{
    struct worker *w = &workers[number - 1];
    if (w->node.alive) {
        TRACE("%s stands still for %lld ms", node_name(&w->node),
              (long long)(until_us - sim.now_us) / 1000);
        check_blame(number);
        w->node.frozen_until_us = until_us;
        net_frozen(&w->node, until_us);
    }
}

void worker_drain(int number)
{
    struct worker *w = &workers[number - 1];
    if (w->node.alive && !w->draining) {
        TRACE("%s drains", node_name(&w->node));
        w->draining = true;
        w->drain_us = sim.now_us + sim_about(500 * MS);
        say(w, WIRE_GOODBYE, NULL, NULL);
    }
}
