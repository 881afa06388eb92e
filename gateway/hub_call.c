/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_call.c: calls to the broker. A run's submit is repeated until it is
 * answered, since a repeat is the same run; everything open is said again to
 * a broker that welcomes us anew.
 */
#include "gateway/hub_call.h"

#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/stat.h"
#include "gateway/reply.h"

#define SUBMIT_AGAIN_MS 1000
#define CANCEL_WAIT_MS 30000
#define REFUSAL_MAX ((size_t)256 << 10)
#define WATCH_TAG 1 /* of every RUN_WATCH; the answer's head names the run */

/* ---- calls ------------------------------------------------------------- */

static enum gw_line line_of(uint8_t type)
{
    switch (type) {
    case WIRE_STORE_CALL:
        return GW_LINE_VAULT;
    case WIRE_REPLAY_GET:
        return GW_LINE_REPLAY;
    default:
        return GW_LINE_DESK;
    }
}

static void say(struct hub *hub, struct gw_call *c)
{
    struct wire_head h = {.type = c->type,
                          .attempt = c->attempt,
                          .tag = c->tag,
                          .run = c->run,
                          .thread = c->thread,
                          .seq = c->seq};
    (void)gw_uplink_send(hub->uplink, line_of(c->type), &h, leat_hold(c->body));
    if (c->type == WIRE_RUN_SUBMIT) {
        (void)fault_at(FAULT_GATEWAY_SUBMIT);
    }
}

static void set_timer(struct hub *hub, struct gw_call *c)
{
    int64_t due = c->deadline_ms;
    if (c->type == WIRE_RUN_SUBMIT) {
        due = min_i64(due, hub->now_ms + SUBMIT_AGAIN_MS);
    }
    gw_timer_set(&hub->timers, &c->timer, due);
}

static void end_call(struct hub *hub, struct gw_call *c)
{
    struct gw_run *r = gw_hub_run_get(&hub->runs, &c->run);
    if (c->type == WIRE_RUN_SUBMIT && r != NULL) {
        r->submitting = false;
    }
    gw_timer_clear(&hub->timers, &c->timer);
    gw_call_free(&hub->calls, c);
}

static bool is_kept(const struct gw_call *c)
{
    return !leat_bool(leat_get(leat_view_of(c->body), "stored"), true);
}

/* A run that lives in memory only: this process holds its request. */
static void keep_submit(struct gw_run *r, const struct gw_call *c)
{
    if (r->submit == NULL) {
        r->submitting = true;
        r->submit =
            leat_with(leat_view_of(c->body), "again", leat_new_bool(true));
        gw_hub_run_hold(r);
    }
}

static void forget_submit(struct hub *hub, struct gw_run *r)
{
    if (r->submit != NULL) {
        leat_drop(r->submit);
        r->submit = NULL;
        gw_hub_run_release(&hub->runs, r);
    }
}

/* Before the submit goes out: whoever waits for the run listens already. */
static void begin_run(struct hub *hub, struct gw_call *c)
{
    bool listens = c->reader->kind != GW_STREAM_DONE;
    if (!listens && !is_kept(c)) {
        return;
    }
    struct gw_run *r = gw_hub_run_require(&hub->runs, &c->run, &c->thread);
    if (is_kept(c)) {
        keep_submit(r, c);
    }
    if (listens) {
        if (r->place == GW_RUN_IDLE && r->shown == 0) {
            gw_hub_run_begin(&hub->runs, r); /* else it was asked for before */
        }
        gw_hub_run_join(&hub->runs, r, c->reader);
    }
}

static void refuse_reader(struct hub *hub, struct gw_stream *s,
                          const struct err *err)
{
    struct buf text;
    buf_init(&text, REFUSAL_MAX);
    gw_hub_run_leave(&hub->runs, s);
    must(gw_reply_error(err, s->headers, s->keep_s, &text));
    struct gw_chunk *c = gw_chunk_of(false, text.data, text.len);
    gw_stream_refuse(s, c);
    gw_chunk_drop(&c);
    buf_fini(&text);
    int status = err_status((int)err->code);
    if (status >= 500) {
        log_error("submit.failed", "run=%s status=%d error=%s",
                  ID_TEXT(&s->run), status, LOG_Q(err->text));
    }
    stat_inc(status >= 500 ? STAT_HTTP_5XX : STAT_HTTP_4XX);
    gw_hub_mark_stream(hub, s);
}

static void accept_reader(struct hub *hub, struct gw_stream *s)
{
    stat_inc(STAT_HTTP_2XX);
    gw_stream_release(s);
    if (s->kind == GW_STREAM_DONE) {
        gw_stream_finish(s);
    }
    gw_hub_mark_stream(hub, s);
}

static void fail_call(struct hub *hub, struct gw_call *c, const struct err *err)
{
    if (c->reader != NULL) {
        refuse_reader(hub, c->reader, err);
    }
    struct gw_run *r = gw_hub_run_get(&hub->runs, &c->run);
    if (c->type == WIRE_RUN_SUBMIT && r != NULL) {
        r->ended = true; /* there is no run */
        forget_submit(hub, r);
    }
    leat_view body = leat_view_of(c->body);
    if (leat_type_of(leat_get(body, "key")) == LEAT_STRING) {
        hub->notes.refused(hub->notes.self, &c->run, body);
    }
    if (c->ticket != NULL) {
        gw_ticket_fail(c->ticket, err);
    }
    end_call(hub, c);
}

static void give_up(struct hub *hub, struct gw_call *c, const char *why)
{
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_UNAVAILABLE, "%s", why);
    /* Another gateway may have submitted the run of the same tick. */
    bool shared =
        leat_type_of(leat_get(leat_view_of(c->body), "tick")) == LEAT_OBJECT;
    if (c->type == WIRE_RUN_SUBMIT && !c->again && !shared) {
        struct wire_head h = {.type = WIRE_RUN_FORGET, .run = c->run};
        (void)gw_uplink_send(hub->uplink, GW_LINE_DESK, &h, NULL);
    }
    fail_call(hub, c, &err);
}

/* A run that is followed here is known without asking. */
static bool find_here(struct hub *hub, const struct gw_ask *ask,
                      struct gw_ticket *ticket)
{
    const struct gw_run *r = gw_hub_run_get(&hub->runs, &ask->run);
    if (ask->type != WIRE_REPLAY_GET || r == NULL || r->ended) {
        return false;
    }
    struct wire_head h = {
        .type = WIRE_REPLAY_END, .run = r->run, .thread = r->thread};
    gw_ticket_answer(ticket, &h, NULL);
    return true;
}

static struct gw_call *new_call(struct hub *hub, const struct gw_ask *ask,
                                struct gw_ticket *ticket, struct err *err)
{
    struct gw_call *c =
        hub->draining ? NULL : gw_call_new(&hub->calls, ask, ticket);
    if (c == NULL) {
        (void)err_set(err, ERR_UNAVAILABLE,
                      hub->draining
                          ? "the gateway is stopping"
                          : "too many questions to the broker are open");
        return NULL;
    }
    c->deadline_ms = hub->now_ms + ask->wait_ms;
    return c;
}

void gw_hub_call_on_ask(struct hub *hub, const struct gw_ask *ask,
                        struct gw_ticket *ticket)
{
    struct err err = ERR_INIT;
    if (find_here(hub, ask, ticket)) {
        return;
    }
    struct gw_call *c = new_call(hub, ask, ticket, &err);
    if (c == NULL) {
        gw_ticket_fail(ticket, &err);
        return;
    }
    say(hub, c);
    set_timer(hub, c);
}

void gw_hub_call_on_submit(struct hub *hub, const struct gw_ask *ask,
                           struct gw_stream *reader)
{
    struct err err = ERR_INIT;
    struct gw_call *c = new_call(hub, ask, NULL, &err);
    if (c == NULL || reader->state == GW_STREAM_LEFT) {
        if (c != NULL) {
            gw_call_free(&hub->calls, c);
        } else if (reader->state != GW_STREAM_LEFT) {
            refuse_reader(hub, reader, &err);
        }
        return;
    }
    c->reader = reader;
    reader->call_tag = c->tag;
    begin_run(hub, c);
    say(hub, c);
    set_timer(hub, c);
}

void gw_hub_call_reader_left(struct hub *hub, uint32_t tag)
{
    struct gw_call *c = gw_call_get(&hub->calls, tag);
    if (c != NULL) {
        c->reader = NULL;
    }
}

void gw_hub_call_forget(struct hub *hub, uint32_t tag)
{
    struct gw_call *c = gw_call_get(&hub->calls, tag);
    if (c != NULL) {
        c->reader = NULL;
        give_up(hub, c, "its reader left");
    }
}

void gw_hub_call_on_timer(struct hub *hub, struct gw_call *c)
{
    if (c->deadline_ms <= hub->now_ms) {
        give_up(hub, c, "the broker does not answer");
        return;
    }
    say(hub, c);
    set_timer(hub, c);
}

void gw_hub_call_cancel(struct hub *hub, const struct id *run)
{
    leat_value *body = leat_pack("{s:s}", "action", "interrupt");
    struct gw_ask ask = {.type = WIRE_RUN_CANCEL, .run = *run, .body = body};
    struct gw_call *c = gw_call_new(&hub->calls, &ask, NULL);
    leat_drop(body);
    if (c == NULL) {
        return;
    }
    c->deadline_ms = hub->now_ms + CANCEL_WAIT_MS;
    say(hub, c);
    set_timer(hub, c);
}

void gw_hub_call_fail_all(struct hub *hub, const char *why)
{
    struct gw_call *c;
    for (size_t at = 0; (c = gw_call_next(&hub->calls, &at)) != NULL;) {
        give_up(hub, c, why);
    }
}

/* ---- what runs need ---------------------------------------------------- */

static void subscribe(void *self, const struct gw_run *r, bool on)
{
    struct hub *hub = self;
    gw_uplink_subscribe(hub->uplink, &r->thread, &r->run, on);
}

static void watch(void *self, const struct gw_run *r, bool on)
{
    struct hub *hub = self;
    struct wire_head h = {
        .type = (uint8_t)(on ? WIRE_RUN_WATCH : WIRE_RUN_UNWATCH),
        .tag = WATCH_TAG,
        .run = r->run,
        .thread = r->thread,
    };
    (void)gw_uplink_send(hub->uplink, GW_LINE_DESK, &h, NULL);
}

static void replay(void *self, const struct gw_run *r,
                   const struct gw_replay_ask *ask)
{
    struct hub *hub = self;
    struct wire_head h = {.type = WIRE_REPLAY_GET,
                          .tag = ask->tag,
                          .run = r->run,
                          .thread = r->thread,
                          .seq = ask->seq,
                          .ms = ask->bytes};
    (void)gw_uplink_send(hub->uplink, GW_LINE_REPLAY, &h, NULL);
}

static void look_up(void *self, struct gw_stream *s)
{
    struct hub *hub = self;
    hub->notes.look_up(hub->notes.self, s);
}

static void heard(void *self, const struct wire_head *h, const void *bytes,
                  size_t len)
{
    struct hub *hub = self;
    struct wire_event event;
    const unsigned char *at = bytes;
    if (hub->follows.count == 0) {
        return;
    }
    /* A run that a worker had begins with `metadata`. */
    bool closed =
        h->seq == 1 && wire_event_next(&at, at + len, &event) &&
        (event.name.len != 8 || memcmp(event.name.ptr, "metadata", 8) != 0);
    gw_hub_follow_heard(&hub->follows, h, closed);
}

static void over(void *self, struct gw_stream *s, const struct gw_run *r)
{
    struct hub *hub = self;
    gw_hub_follow_over(&hub->follows, s, r);
}

struct gw_hub_io gw_hub_call_run_io(struct hub *hub)
{
    return (struct gw_hub_io){.self = hub,
                              .subscribe = subscribe,
                              .watch = watch,
                              .replay = replay,
                              .dirty = gw_hub_mark_stream,
                              .cut = gw_hub_cut_stream,
                              .look_up = look_up,
                              .heard = heard,
                              .over = over};
}

/* ---- what readers of threads need -------------------------------------- */

static void subscribe_thread(void *self, const struct id *thread, bool on)
{
    struct hub *hub = self;
    gw_uplink_subscribe_thread(hub->uplink, thread, on);
}

static void list_runs(void *self, struct gw_stream *s, uint64_t after_ms)
{
    struct hub *hub = self;
    s->asked_store++;
    hub->notes.list(hub->notes.self, s, after_ms);
}

static void get_state(void *self, struct gw_stream *s, const struct id *run,
                      struct sse_id id)
{
    struct hub *hub = self;
    s->asked_store++;
    hub->notes.state(hub->notes.self, s, run, id);
}

struct gw_follow_io gw_hub_call_follow_io(struct hub *hub)
{
    return (struct gw_follow_io){.self = hub,
                                 .subscribe = subscribe_thread,
                                 .list = list_runs,
                                 .state = get_state,
                                 .dirty = gw_hub_mark_stream};
}

/* ---- what the broker says ---------------------------------------------- */

static void on_refused(struct hub *hub, const struct link_in *in)
{
    struct gw_call *c = gw_call_get(&hub->calls, in->head.tag);
    if (in->head.tag == WATCH_TAG) {
        gw_hub_run_on_unknown(&hub->runs, &in->head.run);
    }
    if (c == NULL) {
        return;
    }
    struct err err = ERR_INIT;
    gw_call_refusal(leat_view_of(in->body), &err);
    if (c->again) {
        log_error("run.refused", "run=%s error=%s", ID_TEXT(&c->run),
                  LOG_Q(err.text));
        gw_hub_run_on_unknown(&hub->runs, &c->run);
        end_call(hub, c);
        return;
    }
    fail_call(hub, c, &err);
}

static void on_answer(struct hub *hub, struct link_in *in)
{
    struct gw_call *c = gw_call_get(&hub->calls, in->head.tag);
    if (c == NULL) {
        return; /* of a call that was given up, or said twice */
    }
    if (c->ticket != NULL) {
        gw_ticket_answer(c->ticket, &in->head, in->body);
        in->body = NULL;
    }
    if (c->reader != NULL) {
        accept_reader(hub, c->reader);
    }
    end_call(hub, c);
}

static void on_ended(struct hub *hub, const struct link_in *in)
{
    gw_hub_run_on_ended(&hub->runs, &in->head, leat_view_of(in->body));
    struct gw_run *r = gw_hub_run_get(&hub->runs, &in->head.run);
    if (r != NULL) {
        forget_submit(hub, r);
    }
}

static void on_replay_end(struct hub *hub, struct link_in *in)
{
    if (gw_call_get(&hub->calls, in->head.tag) != NULL) {
        on_answer(hub, in);
        return;
    }
    leat_view body = leat_view_of(in->body);
    struct gw_replay_end end = {
        .first = leat_uint(leat_get(body, "first"), 0),
        .ended = leat_bool(leat_get(body, "ended"), false),
        .known = leat_bool(leat_get(body, "known"), false),
    };
    gw_hub_run_on_replay_end(&hub->runs, &in->head, &end);
}

static void on_graphs(struct hub *hub, struct link_in *in)
{
    must(pthread_mutex_lock(&hub->graphs_lock) == 0);
    leat_drop(hub->graphs);
    hub->graphs = in->body;
    in->body = NULL;
    must(pthread_mutex_unlock(&hub->graphs_lock) == 0);
    hub->notes.graphs(hub->notes.self, hub->graphs);
}

static void pass_read(uint8_t type)
{
    if (type == WIRE_EVENTS) {
        (void)fault_at(FAULT_GATEWAY_EVENTS);
        (void)fault_at(FAULT_GATEWAY_STOP);
    } else if (type == WIRE_REPLAY_EVENTS) {
        (void)fault_at(FAULT_GATEWAY_REPLAY);
    } else if (type == WIRE_RUN_ACCEPTED) {
        (void)fault_at(FAULT_GATEWAY_ACCEPTED);
    }
}

static void on_message(void *self, enum gw_line line, struct link_in *in)
{
    struct hub *hub = self;
    (void)line;
    pass_read(in->head.type);
    switch (in->head.type) {
    case WIRE_EVENTS:
    case WIRE_REPLAY_EVENTS:
        gw_hub_run_on_events(&hub->runs, &in->head, zmq_msg_data(&in->raw),
                             zmq_msg_size(&in->raw));
        break;
    case WIRE_REPLAY_END:
        on_replay_end(hub, in);
        break;
    case WIRE_RUN_ENDED:
        on_ended(hub, in);
        on_answer(hub, in);
        break;
    case WIRE_REFUSED:
        on_refused(hub, in);
        break;
    case WIRE_RUN_ACCEPTED:
    case WIRE_RUN_STATE:
    case WIRE_CALL_DONE:
    case WIRE_DONE:
    case WIRE_STORE_DONE:
        on_answer(hub, in);
        break;
    case WIRE_GRAPHS:
        on_graphs(hub, in);
        break;
    default:
        break;
    }
}

static void say_all(struct hub *hub, enum gw_line line)
{
    struct gw_call *c;
    for (size_t at = 0; (c = gw_call_next(&hub->calls, &at)) != NULL;) {
        if (line_of(c->type) == line) {
            say(hub, c);
        }
    }
}

/* Runs that live in memory only are given to a restarted broker again. */
static void submit_again(struct hub *hub)
{
    struct gw_run *r;
    for (size_t at = 0; (r = idmap_next(&hub->runs.map, &at)) != NULL;) {
        if (r->submit == NULL || r->ended || r->submitting) {
            continue;
        }
        r->submitting = true;
        struct gw_ask ask = {.type = WIRE_RUN_SUBMIT,
                             .run = r->run,
                             .thread = r->thread,
                             .attempt = r->attempt,
                             .body = r->submit};
        struct gw_call *c = gw_call_new(&hub->calls, &ask, NULL);
        if (c != NULL) {
            c->again = true;
            c->deadline_ms = INT64_MAX;
            say(hub, c);
            set_timer(hub, c);
        }
    }
}

/* What must not be done twice and may have been: the broker that was asked is
 * gone with it. */
static void give_up_once_only(struct hub *hub)
{
    struct gw_call *c;
    for (size_t at = 0; (c = gw_call_next(&hub->calls, &at)) != NULL;) {
        leat_view repeat = leat_get(leat_view_of(c->body), "repeat");
        if (c->type == WIRE_CALL && !leat_bool(repeat, true)) {
            give_up(hub, c,
                    "the broker was restarted meanwhile; it may have "
                    "been done");
        }
    }
}

static void on_welcome(void *self)
{
    struct hub *hub = self;
    give_up_once_only(hub);
    for (int i = 0; i < GW_LINES; i++) {
        say_all(hub, (enum gw_line)i);
    }
    submit_again(hub);
    gw_hub_runs_on_restart(&hub->runs);
    gw_hub_follows_on_restart(&hub->follows);
}

static void on_back(void *self, enum gw_line line)
{
    struct hub *hub = self;
    say_all(hub, line);
    if (line == GW_LINE_EVENTS || line == GW_LINE_REPLAY) {
        gw_hub_runs_on_restart(&hub->runs);
        gw_hub_follows_on_restart(&hub->follows);
    }
}

struct gw_uplink_io gw_hub_call_uplink_io(struct hub *hub)
{
    return (struct gw_uplink_io){.self = hub,
                                 .message = on_message,
                                 .welcome = on_welcome,
                                 .back = on_back};
}
