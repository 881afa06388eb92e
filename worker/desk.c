/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.c: one turn: wait for the broker, an executor or a deadline; read what
 * came; act; send. A fact (RUN_DONE, RUN_YIELD) is repeated until the broker
 * says RUN_KEPT. A broker that does not know us says WHO and gets a HELLO with
 * all we hold, so that it can adopt what is still running.
 */
#include "worker/desk.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/link.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/stat.h"
#include "worker/call.h"
#include "worker/exec.h"
#include "worker/job.h"
#include "worker/pub.h"

#define TURN_MESSAGES 256
#define REPEAT_MS 1000
/* A run that ends sooner says so with its end, and stores what it has at
 * once: one message less of each, several less to the store. */
#define LONG_MS 20
#define LEAVE_MS 3000 /* to hear RUN_KEPT before the process ends */

struct desk {
    const struct desk_conf *conf;
    wrk_uplink_t *uplink;
    mbox_t *done; /* jobs that executors give back */
    mbox_t *answers; /* calls that were done */
    exec_t *exec;
    call_t *call;
    size_t calls; /* not answered yet */
    pub_t *pub;
    struct outbox_budget budget;
    struct job *jobs; /* all not yet kept by the broker */
    size_t running;   /* of them at an executor */
    size_t slots;
    uint32_t epoch;
    uint64_t window;
    bool ready;    /* WELCOME came once */
    bool draining; /* asked to stop */
    bool replaced; /* a node hangs: leave as soon as the broker knows */
    int64_t beat_ms;  /* next sign of life */
    int64_t long_ms;    /* when the next job has run for long */
    int64_t lease_ms; /* the broker's; 0 before WELCOME */
    int64_t drain_ms; /* then what runs is handed back */
    int64_t leave_ms; /* then the process ends in any case; 0: not set */
};

/* ---- saying ----------------------------------------------------------------- */

static void say(struct desk *d, enum wire_type type, const struct job *j,
                leat_value *body)
{
    struct wire_head head = {.type = (uint8_t)type, .epoch = d->epoch};
    if (j != NULL) {
        head.run = j->run;
        head.thread = j->thread;
        head.attempt = j->attempt;
        head.seq = wrk_outbox_last(j->outbox);
    }
    enum link_sent sent = link_send(wrk_uplink_active(d->uplink), NULL, &head, body);
    if (sent == LINK_FULL) {
        log_warn("desk.dropped", "message=%s", wire_name((uint8_t)type));
    }
}

static void say_end(struct desk *d, struct job *j)
{
    j->said_ms = clock_mono_ms();
    if (j->yielded) {
        const char *why = d->replaced ? "replaced" : "drain";
        say(d, WIRE_RUN_YIELD, j, leat_pack("{s:s}", "why", why));
        return;
    }
    must(j->done != NULL);
    say(d, WIRE_RUN_DONE, j, leat_hold(j->done));
    (void)fault_at(FAULT_WORKER_DONE);
}

static leat_value *graph_list(const struct desk *d)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (size_t i = 0; i < wrk_load_count(d->conf->registry); i++) {
        leat_write_object(w);
        leat_write_key(w, "id");
        leat_write_string(w, wrk_load_id(d->conf->registry, i));
        leat_write_end(w);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static leat_value *run_list(const struct desk *d)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (const struct job *j = d->jobs; j != NULL; j = j->next) {
        leat_value *v = leat_pack(
            "{s:s,s:s,s:i,s:I,s:I}", "run", ID_TEXT(&j->run), "thread",
            ID_TEXT(&j->thread), "attempt", (int)j->attempt, "first",
            (int64_t)wrk_outbox_first_kept(j->outbox), "last",
            (int64_t)wrk_outbox_last(j->outbox));
        leat_write_view(w, leat_view_of(v));
        leat_drop(v);
    }
    leat_write_end(w);
    return leat_writer_finish(&w);
}

static void say_hello(struct desk *d, size_t broker)
{
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    leat_value *body = leat_pack(
        "{s:s,s:s,s:i,s:s,s:I,s:V,s:V}", "kind", "worker", "id",
        d->conf->worker_id, "pid", (int)getpid(), "host", host, "slots",
        (int64_t)(d->draining ? 0 : d->slots), "graphs", graph_list(d),
        "runs", run_list(d));
    const struct wire_head head = {.type = WIRE_HELLO, .epoch = d->epoch};
    (void)link_send(wrk_uplink_to(d->uplink, broker), NULL, &head, body);
}

/* Which runs are inside a node now: only these count a crash. */
static void say_busy(struct desk *d)
{
    leat_writer *w = leat_writer_new();
    leat_write_list(w);
    for (const struct job *j = d->jobs; j != NULL; j = j->next) {
        if (!j->ended && atomic_load(&j->executing) > 0) {
            leat_write_string(w, ID_TEXT(&j->run));
        }
    }
    leat_write_end(w);
    say(d, WIRE_RUN_BUSY, NULL,
        leat_pack("{s:V}", "runs", leat_writer_finish(&w)));
}

/* ---- jobs --------------------------------------------------------------------- */

static struct job *find(const struct desk *d, const struct wire_head *h)
{
    struct job *j = d->jobs;
    while (j != NULL && !(id_eq(&j->run, &h->run) &&
                          j->attempt == h->attempt)) {
        j = j->next;
    }
    return j;
}

static void forget(struct desk *d, struct job *j)
{
    struct job **at = &d->jobs;
    while (*at != j) {
        must(*at != NULL);
        at = &(*at)->next;
    }
    *at = j->next;
    wrk_job_destroy(&j);
}

/* Not taken: nothing of it was begun, so it needs no job. */
static void refuse(struct desk *d, const struct wire_head *h, const char *why)
{
    const struct wire_head head = {.type = WIRE_RUN_YIELD,
                                   .epoch = d->epoch,
                                   .run = h->run,
                                   .thread = h->thread,
                                   .attempt = h->attempt,
                                   .seq = h->seq - 1};
    (void)link_send(wrk_uplink_active(d->uplink), NULL, &head,
                    leat_pack("{s:s}", "why", why));
    log_warn("run.refused", "run=%s why=%s", ID_TEXT(&h->run), LOG_Q(why));
}

static bool serves(const struct desk *d, leat_view graph_id)
{
    for (size_t i = 0; i < wrk_load_count(d->conf->registry); i++) {
        if (leat_is(graph_id, wrk_load_id(d->conf->registry, i))) {
            return true;
        }
    }
    return false;
}

static void on_start(struct desk *d, struct link_in *in)
{
    const struct wire_head *h = &in->head;
    struct job *known = find(d, h);
    if (known != NULL) { /* the broker repeats itself */
        known->started_ms = 0; /* said, and again */
        say(d, WIRE_RUN_STARTED, known, NULL);
        return;
    }
    (void)fault_at(FAULT_WORKER_START);
    if (h->seq == 0 || h->attempt == 0) {
        stat_inc(STAT_WIRE_MALFORMED);
        return;
    }
    if (d->draining || d->running >= d->slots) {
        refuse(d, h, d->draining ? "drain" : "full");
        return;
    }
    if (!serves(d, leat_get(leat_view_of(in->body), "graph_id"))) {
        refuse(d, h, "no graph");
        return;
    }
    struct job *j = wrk_job_new(h, in->body);
    in->body = NULL;
    const struct outbox_conf box = {.run = h->run,
                                    .thread = h->thread,
                                    .attempt = h->attempt,
                                    .ms = h->ms,
                                    .first_seq = h->seq,
                                    .window = d->window,
                                    .budget = &d->budget,
                                    .ready = wrk_pub_ready,
                                    .arg = d->pub};
    j->outbox = wrk_outbox_new(&box);
    j->next = d->jobs;
    d->jobs = j;
    d->running++;
    stat_set(STAT_WORKER_BUSY, (int64_t)d->running);
    j->started_ms = clock_mono_ms() + LONG_MS;
    j->hurry_ms = j->stored ? j->started_ms : 0;
    wrk_exec_put(d->exec, j);
}

static void on_cancel(struct desk *d, const struct wire_head *h)
{
    struct job *j = find(d, h);
    if (j == NULL || j->ended) {
        return;
    }
    const conf_t *c = d->conf->conf;
    wrk_job_stop(j, JOB_STOP_CANCEL);
    if (j->stop_deadline_ms == 0) {
        j->stop_deadline_ms =
            clock_mono_ms() + conf_ms(c, CONF_CANCEL_DEADLINE);
    }
}

static void on_stop(struct desk *d, const struct wire_head *h)
{
    struct job *j = find(d, h);
    if (j == NULL) {
        return;
    }
    log_warn("run.fenced", "run=%s attempt=%u", ID_TEXT(&j->run),
             (unsigned)j->attempt);
    wrk_job_stop(j, JOB_STOP_FENCED);
    if (j->ended) {
        forget(d, j);
    }
}

static void on_kept(struct desk *d, const struct wire_head *h)
{
    struct job *j = find(d, h);
    if (j == NULL || !j->ended) {
        return;
    }
    if (j->yielded) {
        /* Its next attempt goes on from what the relay has: nobody may tell
         * us of these events any more, and nobody wants them again. */
        wrk_outbox_stop(j->outbox);
        wrk_pub_ready(d->pub, wrk_outbox_hold(j->outbox));
    }
    forget(d, j);
}

/* An executor gave it back. */
static void on_done(struct desk *d, struct job *j)
{
    if (d->replaced) {
        return; /* its end was said for it */
    }
    must(!j->ended && d->running > 0);
    d->running--;
    j->ended = true;
    j->started_ms = 0;
    j->hurry_ms = 0;
    stat_set(STAT_WORKER_BUSY, (int64_t)d->running);
    if (atomic_load(&j->stop) == JOB_STOP_FENCED ||
        (j->done == NULL && !j->yielded)) {
        forget(d, j);
        return;
    }
    say_end(d, j);
}

/* ---- calls --------------------------------------------------------------- */

/* Takes the body. */
static void say_answer(struct desk *d, const struct wire_head *asked,
                       leat_value *body)
{
    const struct wire_head head = {.type = WIRE_CALL_DONE,
                                   .epoch = d->epoch,
                                   .tag = asked->tag,
                                   .thread = asked->thread};
    if (link_send(wrk_uplink_active(d->uplink), NULL, &head, body) == LINK_FULL) {
        log_warn("desk.dropped", "message=CALL_DONE");
    }
}

static void on_call(struct desk *d, struct link_in *in)
{
    if (d->calls < WRK_CALLS_MAX && wrk_call_put(d->call, &in->head,
                                                 &in->body)) {
        d->calls++;
        return;
    }
    say_answer(d, &in->head,
               leat_pack("{s:s,s:s}", "code", err_name(ERR_UNAVAILABLE),
                         "text", "The worker has too many calls."));
}

static void on_answer(struct desk *d, struct call_job *j)
{
    must(d->calls > 0);
    d->calls--;
    say_answer(d, &j->head, j->body);
    j->body = NULL;
    wrk_call_job_destroy(&j);
}

/* ---- the broker ------------------------------------------------------------------ */

/* Several signs of life in each lease, whatever was configured here. */
static int64_t beat_pause(const struct desk *d)
{
    int64_t pause = conf_ms(d->conf->conf, CONF_HEARTBEAT);
    return d->lease_ms > 0 ? min_i64(pause, max_i64(1, d->lease_ms / 4))
                           : pause;
}

static void on_welcome(struct desk *d, const struct link_in *in)
{
    leat_view body = leat_view_of(in->body);
    uint64_t window = leat_uint(leat_get(body, "window"), 0);
    if (window > 0 && window < d->window) {
        d->window = window; /* the option may only narrow it */
    }
    d->lease_ms = max_i64(0, leat_int(leat_get(body, "lease_ms"), 0));
    d->beat_ms = min_i64(d->beat_ms, clock_mono_ms() + beat_pause(d));
    for (struct job *j = d->jobs; j != NULL; j = j->next) {
        if (j->ended) {
            say_end(d, j);
        }
    }
    if (!d->ready) {
        d->ready = true;
        proc_ready(d->conf->worker_id);
    }
    log_info("broker.joined", "epoch=%u", (unsigned)in->head.epoch);
}

static void on_refused(const struct link_in *in)
{
    char *text = value_strdup(leat_get(leat_view_of(in->body), "text"));
    log_warn("broker.refused", "text=%s", LOG_Q(text));
    free(text);
}

static void on_order(struct desk *d, struct link_in *in)
{
    switch (in->head.type) {
    case WIRE_PING:
        say(d, WIRE_PONG, NULL, NULL);
        break;
    case WIRE_RUN_START:
        on_start(d, in);
        break;
    case WIRE_RUN_CANCEL:
        on_cancel(d, &in->head);
        break;
    case WIRE_RUN_STOP:
        on_stop(d, &in->head);
        break;
    case WIRE_RUN_KEPT:
        on_kept(d, &in->head);
        break;
    case WIRE_CALL:
        on_call(d, in);
        break;
    case WIRE_REFUSED:
        on_refused(in);
        break;
    default:
        break;
    }
}

/* Only the active broker gives orders; who welcomes us is it. */
static void on_message(struct desk *d, size_t broker, struct link_in *in)
{
    if (in->head.epoch < d->epoch) {
        return; /* from a broker that was replaced */
    }
    d->epoch = in->head.epoch;
    if (in->head.type == WIRE_WELCOME) {
        atomic_store(&d->conf->brokers->active, broker);
        on_welcome(d, in);
        return;
    }
    if (in->head.type == WIRE_WHO) {
        say_hello(d, broker);
        return;
    }
    if (broker == atomic_load(&d->conf->brokers->active)) {
        on_order(d, in);
    }
}

/* Only what is readable is read: asking a ZeroMQ socket costs a system call. */
static void receive(struct desk *d, const struct link_poll *poll)
{
    struct link_in in;
    link_in_init(&in);
    for (size_t b = 0; b < d->conf->brokers->n; b++) {
        if (wrk_uplink_came(d->uplink, poll, b)) {
            say_hello(d, b);
        }
        link_t *link = wrk_uplink_to(d->uplink, b);
        bool some = wrk_uplink_ready(d->uplink, poll, b);
        for (int i = 0; some && i < TURN_MESSAGES && link_recv(link, &in);
             i++) {
            on_message(d, b, &in);
        }
    }
    link_in_fini(&in);
    struct job *j;
    while ((j = mbox_take(d->done)) != NULL) {
        on_done(d, j);
    }
    struct call_job *call;
    while ((call = mbox_take(d->answers)) != NULL) {
        on_answer(d, call);
    }
}

/* ---- time --------------------------------------------------------------------------- */

/*
 * A node did not follow its cancel: its code may run for ever, so the process
 * must go. The run ends as cancelled; all others are handed back.
 */
static void replace(struct desk *d, struct job *hung)
{
    log_error("worker.replaced", "run=%s why=%s", ID_TEXT(&hung->run),
              LOG_Q("a node did not follow its cancel"));
    d->replaced = true;
    d->draining = true;
    d->leave_ms = clock_mono_ms() + LEAVE_MS;
    say(d, WIRE_GOODBYE, NULL, NULL);
    for (struct job *j = d->jobs; j != NULL; j = j->next) {
        if (j->ended) {
            continue;
        }
        j->ended = true;
        j->yielded = j != hung;
        if (j == hung) {
            leat_value *end = leat_pack("{s:s}", "status", "interrupted");
            (void)!wrk_outbox_put(j->outbox, "end", "", leat_view_of(end));
            leat_drop(end);
            j->done = leat_pack("{s:s,s:s}", "status", "interrupted",
                                "thread_status", "idle");
        }
        wrk_outbox_stop(j->outbox);
        say_end(d, j);
    }
}

/* It runs for long: what it has written must not wait for its end. */
static void hurry_saver(struct job *j, int64_t now)
{
    wrk_saver_t *saver = atomic_load(&j->saver);
    bool done = saver != NULL && wrk_saver_hurry(saver, &j->run);
    j->hurry_ms = done ? 0 : now + LONG_MS;
}

static void check_long(struct desk *d, struct job *j, int64_t now)
{
    if (j->started_ms != 0 && now >= j->started_ms) {
        j->started_ms = 0;
        say(d, WIRE_RUN_STARTED, j, NULL);
    }
    if (j->hurry_ms != 0 && now >= j->hurry_ms) {
        hurry_saver(j, now);
    }
    if (j->started_ms != 0 || j->hurry_ms != 0) {
        d->long_ms = min_i64(d->long_ms, max_i64(j->started_ms, j->hurry_ms));
    }
}

static void check_jobs(struct desk *d, int64_t now)
{
    d->long_ms = INT64_MAX;
    for (struct job *j = d->jobs; j != NULL; j = j->next) {
        check_long(d, j, now);
        if (j->ended && now - j->said_ms >= REPEAT_MS) {
            say_end(d, j);
        } else if (!j->ended && j->stop_deadline_ms != 0 &&
                   now >= j->stop_deadline_ms && !d->replaced) {
            replace(d, j);
        }
    }
}

static void check_drain(struct desk *d, int64_t now)
{
    const conf_t *c = d->conf->conf;
    if (!d->draining && proc_term_asked()) {
        d->draining = true;
        d->drain_ms = now + conf_ms(c, CONF_DRAIN);
        d->leave_ms =
            d->drain_ms + conf_ms(c, CONF_CANCEL_DEADLINE) + LEAVE_MS;
        log_info("worker.draining", "runs=%zu", d->running);
        say(d, WIRE_GOODBYE, NULL, NULL);
    }
    if (!d->draining || d->replaced || now < d->drain_ms) {
        return;
    }
    for (struct job *j = d->jobs; j != NULL; j = j->next) {
        if (!j->ended && atomic_load(&j->stop) == JOB_STOP_NONE) {
            wrk_job_stop(j, JOB_STOP_YIELD);
        }
    }
}

static void check_time(struct desk *d)
{
    int64_t now = clock_mono_ms();
    check_jobs(d, now); /* who has begun is told before who is busy */
    if (now >= d->beat_ms) {
        d->beat_ms = now + beat_pause(d);
        say(d, WIRE_HEARTBEAT, NULL, NULL);
        if (d->jobs != NULL) {
            say_busy(d);
        }
    }
    check_drain(d, now);
}

static bool may_leave(const struct desk *d)
{
    if (!d->draining) {
        return false;
    }
    bool empty = d->jobs == NULL && d->calls == 0 &&
                 wrk_pub_pending(d->pub) == 0;
    return empty || clock_mono_ms() >= d->leave_ms;
}

static int wait_ms(const struct desk *d, bool queued)
{
    int64_t now = clock_mono_ms();
    int64_t wait = max_i64(0, d->beat_ms - now);
    if (d->jobs != NULL) {
        wait = min_i64(wait, 100);
        wait = min_i64(wait, max_i64(0, d->long_ms - now));
    }
    if (d->draining || queued) {
        wait = min_i64(wait, 10);
    }
    return (int)wait;
}

/* ---- start and end --------------------------------------------------------------------- */

static void open_poll(const struct desk *d, struct link_poll *poll)
{
    const int fds[] = {mbox_fd(d->done), mbox_fd(d->answers), proc_term_fd()};
    wrk_pub_watch(d->pub, poll);
    wrk_uplink_watch(d->uplink, poll);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        const zmq_pollitem_t item = {.fd = fds[i], .events = ZMQ_POLLIN};
        (void)link_poll_item(poll, &item);
    }
}

static void loop(struct desk *d)
{
    struct link_poll poll = {0};
    open_poll(d, &poll);
    const size_t items = poll.n;
    while (!may_leave(d)) {
        bool queued = wrk_uplink_pump(d->uplink);
        if (d->draining && poll.n == items) {
            poll.n--; /* the sign to stop, which stays readable */
        }
        int64_t wait = min_i64(wait_ms(d, queued), wrk_pub_wait_ms(d->pub));
        link_poll_wait(&poll, wait);
        wrk_pub_turn(d->pub, &poll); /* its events before a run's end */
        receive(d, &poll);
        check_time(d);
    }
}

static bool open_all(struct desk *d, struct err *err)
{
    const conf_t *c = d->conf->conf;
    size_t frame_bytes = (size_t)conf_bytes(c, CONF_FRAME_BYTES);
    const struct wrk_uplink_conf up = {.brokers = d->conf->brokers,
                                       .port = WIRE_PORT_WORKER,
                                       .from = WIRE_D,
                                       .frame_bytes = frame_bytes};
    const struct pub_conf pub = {.brokers = d->conf->brokers,
                                 .frame_bytes = frame_bytes,
                                 .worker_id = d->conf->worker_id};
    const struct exec_conf exec = {.conf = c,
                                   .registry = d->conf->registry,
                                   .brokers = d->conf->brokers,
                                   .done = d->done};
    d->uplink = wrk_uplink_new(&up, err);
    d->pub = d->uplink != NULL ? wrk_pub_new(&pub, err) : NULL;
    if (d->pub == NULL) {
        return false;
    }
    d->exec = wrk_exec_new(&exec);
    const struct call_conf call = {
        .registry = d->conf->registry,
        .done = d->answers,
        .saver = {.store = conf_str(c, CONF_STORE),
                  .brokers = d->conf->brokers,
                  .frame_bytes = conf_bytes(c, CONF_FRAME_BYTES),
                  .connections = (unsigned)conf_int(c, CONF_STORE_CONNECTIONS),
                  .item_ttl_ms = conf_ms(c, CONF_ITEM_TTL),
                  .item_ttl_fixed = !conf_bool(c, CONF_ITEM_REFRESH)}};
    d->call = wrk_call_new(&call);
    return true;
}

static void close_all(struct desk *d)
{
    bool abandoned = d->calls > 0;
    for (struct job *j = d->jobs; j != NULL; j = j->next) {
        abandoned = abandoned || !j->ended || d->replaced;
    }
    if (abandoned || d->replaced) {
        /* Code of a run may still execute: nothing it uses may be freed. */
        log_warn("worker.abandons", "runs=%zu", d->running);
        _exit(3);
    }
    wrk_call_destroy(&d->call);
    wrk_exec_destroy(&d->exec);
    while (d->jobs != NULL) {
        forget(d, d->jobs);
    }
    wrk_pub_destroy(&d->pub);
    wrk_uplink_destroy(&d->uplink);
}

bool wrk_desk_run(const struct desk_conf *conf, struct err *err)
{
    must(conf != NULL && conf->registry != NULL && conf->worker_id != NULL);
    const conf_t *c = conf->conf;
    struct desk d = {
        .conf = conf,
        .slots = (size_t)conf_int(c, CONF_SLOTS),
        .window = (uint64_t)conf_int(c, CONF_EVENT_WINDOW),
        .budget = {.max = conf_bytes(c, CONF_UNCONFIRMED_BYTES)},
    };
    d.done = mbox_new(d.slots + 1);
    d.answers = mbox_new(WRK_CALLS_MAX);
    bool ok = open_all(&d, err);
    if (ok) {
        loop(&d);
    }
    close_all(&d);
    mbox_destroy(&d.done, NULL);
    mbox_destroy(&d.answers, NULL);
    return ok;
}
