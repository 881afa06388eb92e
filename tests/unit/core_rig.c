/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway, workers, relay and ledger around the core, in one thread. */
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/harness.h"

static void settle(struct core_rig *r);
static void answer_note(struct core_rig *r, struct brk_note **note);
static void answer_batch(struct core_rig *r, struct brk_batch **batch);
static void add_line(struct core_rig *r, const char *fmt, ...) PRINTF(2, 3);

void crig_init(struct core_rig *r)
{
    memset(r, 0, sizeof *r);
    r->conf = (struct brk_core_conf){.epoch = 7,
                                     .lease_ms = 5000,
                                     .run_timeout_ms = 3600 * 1000,
                                     .past_ms = 120000,
                                     .max_attempts = 3,
                                     .lane_runs = 100};
    r->now = (struct brk_now){1000000, 1700000000000};
}

void crig_start(struct core_rig *r)
{
    r->core = brk_core_new(&r->conf, r->now);
}

void crig_fini(struct core_rig *r)
{
    for (size_t i = 0; i < r->note_count; i++) {
        brk_note_destroy(&r->notes[i]);
    }
    for (size_t i = 0; i < r->batch_count; i++) {
        brk_batch_destroy(&r->batches[i]);
    }
    brk_core_destroy(&r->core);
}

struct id crig_run(int n)
{
    struct id id = {{0}};
    id.bytes[0] = 0xaa;
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

struct id crig_thread(int n)
{
    struct id id = crig_run(n);
    id.bytes[0] = 0xbb;
    return id;
}

int crig_number(const struct id *id)
{
    return id->bytes[14] << 8 | id->bytes[15];
}

struct link_route crig_route(char kind, int n)
{
    struct link_route route = {.len = 5};
    route.bytes[0] = (uint8_t)kind;
    route.bytes[3] = (uint8_t)(n >> 8);
    route.bytes[4] = (uint8_t)n;
    return route;
}

/* ---- what comes in
 * ----------------------------------------------------------------- */

static void deliver(struct core_rig *r, char kind, int peer,
                    const struct wire_head *head, leat_value *body)
{
    struct link_in in;
    struct err err = ERR_INIT;
    link_in_init(&in);
    in.from = crig_route(kind, peer);
    in.head = *head;
    in.body = body;
    if (body != NULL) { /* what the wire would have refused proves nothing */
        EXPECT_MSG(wire_body_check(head, body, &err) == WIRE_OK, "%s",
                   err.text);
    }
    brk_core_begin(r->core, r->now);
    if (kind == 'g') {
        brk_core_on_gateway(r->core, &in);
    } else {
        brk_core_on_worker(r->core, &in);
    }
    link_in_fini(&in);
    settle(r);
}

static void hello(struct core_rig *r, char kind, int peer, leat_value *body)
{
    struct wire_head head = {.type = WIRE_HELLO};
    deliver(r, kind, peer, &head, body);
}

void crig_gateway(struct core_rig *r, int gateway)
{
    hello(r, 'g', gateway,
          leat_pack("{s:s,s:V,s:i,s:s}", "kind", "gateway", "id",
                    leat_new_format("g%d", gateway), "pid", 100 + gateway,
                    "host", "here"));
}

static leat_value *worker_hello(int worker, int slots, const char *graph,
                                leat_value *runs)
{
    return leat_pack("{s:s,s:V,s:i,s:s,s:i,s:[{s:s}],s:V}", "kind", "worker",
                     "id", leat_new_format("w%d", worker), "pid", 200 + worker,
                     "host", "here", "slots", slots, "graphs", "id", graph,
                     "runs", runs);
}

void crig_worker(struct core_rig *r, int worker, int slots, const char *graph)
{
    hello(r, 'w', worker,
          worker_hello(worker, slots, graph, leat_new_list(0, NULL)));
}

void crig_worker_holding(struct core_rig *r, int worker, int run, int thread,
                         int attempt)
{
    struct id run_id = crig_run(run);
    struct id thread_id = crig_thread(thread);
    leat_value *runs = leat_pack(
        "[{s:s,s:s,s:i,s:i,s:i}]", "run", ID_TEXT(&run_id), "thread",
        ID_TEXT(&thread_id), "attempt", attempt, "first", 3, "last", 9);
    hello(r, 'w', worker, worker_hello(worker, 4, "g", runs));
}

void crig_submit(struct core_rig *r, int gateway, struct crig_submit s)
{
    struct wire_head head = {.type = WIRE_RUN_SUBMIT,
                             .epoch = r->conf.epoch,
                             .tag = (uint32_t)s.run,
                             .run = crig_run(s.run),
                             .thread = crig_thread(s.thread)};
    deliver(r, 'g', gateway, &head,
            leat_pack("{s:s,s:s,s:s,s:i,s:b,s:b,s:b,s:b,s:s,s:{},s:{}}",
                      "graph_id", s.graph == NULL ? "g" : s.graph,
                      "assistant_id", "fe096781-5601-53d2-b2f6-0d3403f7e9ca",
                      "strategy", s.strategy == NULL ? "enqueue" : s.strategy,
                      "after_ms", s.after_ms, "stored", !s.stateless,
                      "temporary", (int)s.temporary, "watched", (int)s.watched,
                      "again", (int)s.again, "created_at",
                      "2026-01-02T03:04:05.000000+00:00", "kwargs",
                      "metadata"));
}

void crig_from_gateway(struct core_rig *r, int gateway, uint8_t type, int run,
                       int thread, leat_value *body)
{
    struct wire_head head = {.type = type, .epoch = r->conf.epoch, .tag = 900};
    if (run != 0) {
        head.run = crig_run(run);
    }
    if (thread != 0) {
        head.thread = crig_thread(thread);
    }
    deliver(r, 'g', gateway, &head, body);
}

void crig_from_worker(struct core_rig *r, int worker, uint8_t type, int run,
                      int attempt, leat_value *body)
{
    struct wire_head head = {
        .type = type, .epoch = r->conf.epoch, .attempt = (uint16_t)attempt};
    if (run != 0) {
        head.run = crig_run(run);
        head.seq = r->log_last[run];
    }
    deliver(r, 'w', worker, &head, body);
}

void crig_done(struct core_rig *r, int worker, int run, int attempt,
               const char *status)
{
    r->log_last[run] += 5;
    crig_from_worker(r, worker, WIRE_RUN_DONE, run, attempt,
                     leat_pack("{s:s,s:s,s:{s:i}}", "status", status,
                               "thread_status", "idle", "values", "n", 1));
}

void crig_cancel(struct core_rig *r, int gateway, int run, const char *action)
{
    crig_from_gateway(r, gateway, WIRE_RUN_CANCEL, run, 0,
                      leat_pack("{s:s}", "action", action));
}

void crig_subscribed(struct core_rig *r, int run)
{
    struct id run_id = crig_run(run);
    struct id thread = crig_thread(1);
    struct brk_note *note = brk_note_new(BRK_NOTE_SUBSCRIBED, &run_id, &thread);
    brk_core_begin(r->core, r->now);
    brk_core_on_relay(r->core, &note);
    settle(r);
}

void crig_home(struct core_rig *r, int run, bool on)
{
    struct id none = {{0}};
    struct id home = {{0}};
    struct id run_id = crig_run(run);
    wire_home(&run_id, &home);
    struct brk_note *note = brk_note_new(BRK_NOTE_HOME, &none, &home);
    note->seq = on;
    brk_core_begin(r->core, r->now);
    brk_core_on_relay(r->core, &note);
    settle(r);
}

void crig_turn(struct core_rig *r, int64_t ms)
{
    r->now.mono_ms += ms;
    r->now.wall_ms += ms;
    brk_core_begin(r->core, r->now);
    settle(r);
}

void crig_pass(struct core_rig *r, int64_t ms)
{
    for (; ms > 0; ms -= 50) {
        crig_turn(r, min_i64(ms, 50));
    }
}

/* ---- what comes out
 * ---------------------------------------------------------------- */

static void add_line(struct core_rig *r, const char *fmt, ...)
{
    must(r->line_count < COUNT_OF(r->lines));
    char *line = r->lines[r->line_count++];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof r->lines[0], fmt, ap);
    va_end(ap);
}

static const char *text_of(leat_view body, const char *key, char out[64])
{
    leat_text text = leat_string(leat_get(body, key));
    if (text.ptr == NULL) {
        text = (leat_text){"-", 1};
    }
    (void)snprintf(out, 64, "%.*s", (int)min_size(text.len, 60), text.ptr);
    return out;
}

static void add_message(struct core_rig *r, const struct brk_out *out)
{
    char a[64], b[64];
    leat_view body = leat_view_of(out->body);
    const struct wire_head *h = &out->head;
    must(h->epoch == r->conf.epoch);
    struct err err = ERR_INIT;
    if (out->body != NULL) {
        EXPECT_MSG(wire_body_check(h, out->body, &err) == WIRE_OK, "%s",
                   err.text);
    } else {
        EXPECT_EQ(wire_body_kind(h->type), WIRE_NONE);
    }
    int n = out->route.bytes[3] << 8 | out->route.bytes[4];
    char who[8];
    (void)snprintf(who, sizeof who, "%c%d", out->route.bytes[0], n);
    switch (h->type) {
    case WIRE_RUN_START:
        add_line(r, "%s RUN_START run=%d attempt=%u seq=%llu last=%d", who,
                 crig_number(&h->run), h->attempt, (unsigned long long)h->seq,
                 leat_bool(leat_get(body, "last"), false));
        break;
    case WIRE_REFUSED:
        add_line(r, "%s REFUSED run=%d code=%s text=%s", who,
                 crig_number(&h->run), text_of(body, "code", a),
                 text_of(body, "text", b));
        break;
    case WIRE_RUN_STATE:
        add_line(r, "%s RUN_STATE run=%d status=%s why=%s", who,
                 crig_number(&h->run), text_of(body, "status", a),
                 text_of(body, "why", b));
        break;
    case WIRE_RUN_ACCEPTED:
    case WIRE_RUN_ENDED:
        add_line(r, "%s %s run=%d status=%s seq=%llu", who, wire_name(h->type),
                 crig_number(&h->run), text_of(body, "status", a),
                 (unsigned long long)h->seq);
        break;
    case WIRE_RUN_CANCEL:
        add_line(r, "%s RUN_CANCEL run=%d action=%s", who, crig_number(&h->run),
                 text_of(body, "action", a));
        break;
    case WIRE_CALL:
        add_line(r, "%s CALL tag=%u op=%s", who, h->tag,
                 text_of(body, "op", a));
        break;
    case WIRE_CALL_DONE:
        add_line(r, "%s CALL_DONE tag=%u result=%lld", who, h->tag,
                 (long long)leat_int(leat_get(body, "result"), -1));
        break;
    default:
        add_line(r, "%s %s run=%d attempt=%u", who, wire_name(h->type),
                 crig_number(&h->run), h->attempt);
        break;
    }
}

static void add_note(struct core_rig *r, const struct brk_note *note)
{
    static const char *const names[] = {"?",     "FENCE",   "CLOSE", "ENDED",
                                        "REACH", "UNFENCE", "FORGET"};
    must(note->type < COUNT_OF(names));
    add_line(r, "relay %s run=%d attempt=%u seq=%llu count=%u%s",
             names[note->type], crig_number(&note->run), note->attempt,
             (unsigned long long)note->seq, note->count,
             note->torn_ms != 0 ? " torn" : "");
}

static void add_op(struct core_rig *r, const struct brk_op *op)
{
    static const char *const names[] = {
        "?",      "INSERT",   "START",         "REQUEUE", "CANCEL",
        "FINISH", "ROLLBACK", "THREAD_DELETE", "LOOKUP",  "TORN"};
    must(op->type < COUNT_OF(names));
    add_line(r, "store %s run=%d thread=%d attempt=%u failures=%u status=%s",
             names[op->type], crig_number(&op->run), crig_number(&op->thread),
             op->attempt, op->failures, op->status);
}

/* Turns until nothing moves any more. */
static void settle(struct core_rig *r)
{
    for (bool moved = true; moved;) {
        moved = false;
        brk_core_end(r->core);
        struct brk_batch *batch = brk_core_take_batch(r->core);
        for (size_t i = 0; batch != NULL && i < batch->n; i++) {
            add_op(r, &batch->ops[i]);
        }
        if (batch != NULL) {
            must(r->batch_count < COUNT_OF(r->batches));
            r->batches[r->batch_count++] = batch;
        }
        struct brk_out out;
        while (brk_core_take_out(r->core, &out)) {
            if (out.to == BRK_OUT_RELAY) {
                add_note(r, out.note);
                must(r->note_count < COUNT_OF(r->notes));
                r->notes[r->note_count++] = out.note;
            } else {
                add_message(r, &out);
                leat_drop(out.body);
            }
        }
        if (!r->slow_ledger && r->batch_count > 0) {
            crig_ledger_answers(r);
            moved = true;
        }
        if (!r->slow_relay && r->note_count > 0) {
            crig_relay_answers(r);
            moved = true;
        }
    }
}

void crig_relay_answers(struct core_rig *r)
{
    struct brk_note *notes[COUNT_OF(r->notes)];
    size_t n = r->note_count;
    memcpy(notes, r->notes, n * sizeof notes[0]);
    r->note_count = 0;
    for (size_t i = 0; i < n; i++) {
        answer_note(r, &notes[i]);
    }
    if (r->slow_relay) {
        settle(r);
    }
}

static void answer_note(struct core_rig *r, struct brk_note **p)
{
    struct brk_note *note = *p;
    int run = crig_number(&note->run);
    if (note->type == BRK_NOTE_FENCE) {
        note->type = BRK_NOTE_FENCED;
        note->seq = r->log_last[run] + 1;
        brk_core_on_relay(r->core, p);
    } else if (note->type == BRK_NOTE_CLOSE) {
        EXPECT_EQ(wire_raw_count(note->body, note->body_len), note->count);
        r->log_last[run] += note->count;
        note->type = BRK_NOTE_CLOSED;
        note->seq = r->log_last[run];
        brk_core_on_relay(r->core, p);
    } else if (note->type == BRK_NOTE_ENDED || note->type == BRK_NOTE_REACH) {
        note->type = BRK_NOTE_REACHED;
        brk_core_on_relay(r->core, p);
    } else {
        brk_note_destroy(p);
    }
}

void crig_ledger_answers(struct core_rig *r)
{
    struct brk_batch *batches[COUNT_OF(r->batches)];
    size_t n = r->batch_count;
    memcpy(batches, r->batches, n * sizeof batches[0]);
    r->batch_count = 0;
    for (size_t i = 0; i < n; i++) {
        answer_batch(r, &batches[i]);
    }
    if (r->slow_ledger) {
        settle(r);
    }
}

static void answer_batch(struct core_rig *r, struct brk_batch **batch)
{
    for (size_t i = 0; i < (*batch)->n; i++) {
        struct brk_op *op = &(*batch)->ops[i];
        if (op->type == BRK_OP_LOOKUP) {
            op->existed = r->existed != NULL;
            op->seq = op->existed ? 9 : 0;
        } else if (r->refuse != ERR_NONE && op->type == r->refuse_op) {
            (void)err_set(&op->err, r->refuse, "refused by the test");
        } else if (op->type == BRK_OP_INSERT) {
            op->last_ms = r->thread_last_ms;
            op->existed = r->existed != NULL;
            (void)base_copy(op->status, sizeof op->status,
                            op->existed ? r->existed : "");
        }
    }
    brk_core_on_ledger(r->core, batch);
}

/* ---- looking
 * ------------------------------------------------------------------------ */

static size_t find_line(const struct core_rig *r, const char *begin)
{
    size_t at = r->seen;
    while (at < r->line_count &&
           strncmp(r->lines[at], begin, strlen(begin)) != 0) {
        at++;
    }
    return at;
}

void crig_expect(struct core_rig *r, const char *begin)
{
    size_t at = find_line(r, begin);
    if (at == r->line_count) {
        for (size_t i = r->seen; i < r->line_count; i++) {
            fprintf(stderr, "    %s\n", r->lines[i]);
        }
    }
    EXPECT_MSG(at < r->line_count, "no line \"%s\" among those above", begin);
    r->seen = at + 1;
}

void crig_expect_no(struct core_rig *r, const char *begin)
{
    size_t at = find_line(r, begin);
    EXPECT_MSG(at == r->line_count, "there is \"%s\"", r->lines[at]);
}

void crig_skip(struct core_rig *r)
{
    r->seen = r->line_count;
}

struct look {
    struct id id;
    const char *state;
};

static void look_at(void *arg, const struct brk_run *run)
{
    struct look *look = arg;
    if (id_eq(&run->id, &look->id)) {
        look->state = brk_run_state_name(run->state);
    }
}

const char *crig_state(struct core_rig *r, int run)
{
    struct look look = {crig_run(run), "gone"};
    brk_core_each(r->core, look_at, &look);
    return look.state;
}
