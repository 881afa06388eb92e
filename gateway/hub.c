/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub.c: one turn of the hub: wait; look at clients that left or can be
 * written again; take what other threads put in the box and what the broker
 * sent; wake what is due; deal; write once per stream.
 */
#include "gateway/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mbox.h"
#include "common/stat.h"
#include "gateway/gate.h"
#include "gateway/hub_call.h"
#include "gateway/hub_inner.h"

/* Notes are few for each open connection, and of these there is a limit. */
#define BOX_LIMIT 10000000
#define BOX_MOST 1024 /* messages of other threads in one turn */
#define EPOLL_MOST 512
#define TICK_MS 1000
#define IDLE_MS 1000
#define PUMP_MS 2
/* A reader over its bytes that takes nothing for so long is not coming. */
#define FULL_STALL_MS 2000

/* ---- streams ----------------------------------------------------------- */

/* A client that only waits for a plain answer is no stream to count. */
static void count_stream(const struct gw_stream *s, int64_t n)
{
    if (s->kind != GW_STREAM_DONE) {
        stat_add(STAT_OPEN_STREAMS, n);
    }
}

static void retire(struct hub *hub, struct gw_stream *s)
{
    gw_timer_clear(&hub->timers, &s->timer);
    if (s->all_next != NULL) {
        s->all_next->all_prev = s->all_prev;
    }
    if (s->all_prev != NULL) {
        s->all_prev->all_next = s->all_next;
    } else if (hub->streams == s) {
        hub->streams = s->all_next;
    }
    if (s->fd >= 0) {
        count_stream(s, -1);
    }
    gw_stream_destroy(&s);
}

/* After a whole answer the client may ask again on the same connection. */
static void let_go(struct hub *hub, struct gw_stream *s)
{
    int fd = s->fd;
    s->fd = -1;
    if (s->keep_s > 0 && s->state == GW_STREAM_FINISHING && s->out == NULL &&
        epoll_ctl(hub->epoll, EPOLL_CTL_DEL, fd, NULL) == 0) {
        gw_gate_return(fd, GW_GATE_IDLE_MS(s->keep_s));
    } else {
        (void)close(fd);
    }
}

/* The stream is over. It goes at the end of the turn, or when the thread that
 * still knows it has said its last word. */
static void leave(struct hub *hub, struct gw_stream *s)
{
    if (s->state == GW_STREAM_LEFT) {
        return;
    }
    bool attached = s->fd >= 0;
    if (s->call_tag != 0) {
        gw_hub_call_reader_left(hub, s->call_tag);
    }
    gw_hub_run_leave(&hub->runs, s);
    if (s->follow != NULL && s->follow->begun) {
        gw_hub_follow_end(&hub->follows, s);
    }
    if (attached) {
        let_go(hub, s);
        count_stream(s, -1);
    }
    gw_stream_move(s, GW_STREAM_LEFT);
    gw_hub_mark_stream(hub, s);
}

void gw_hub_mark_stream(void *self, struct gw_stream *s)
{
    struct hub *hub = self;
    if (!s->dirty) {
        s->dirty = true;
        s->dirty_next = hub->dirty;
        hub->dirty = s;
    }
}

void gw_hub_cut_stream(void *self, struct gw_stream *s, const char *why)
{
    struct hub *hub = self;
    log_warn("stream.cut", "run=%s why=%s waiting_bytes=%zu", ID_TEXT(&s->run),
             LOG_Q(why), s->out_bytes);
    leave(hub, s);
}

/* A reader that has no socket is not wanted any more. */
static void drop_reader(struct hub *hub, struct gw_stream *s)
{
    must(s->fd < 0);
    s->handed = true;
    leave(hub, s);
    gw_hub_mark_stream(hub, s);
}

/* The client closed: cancels its run if it asked for that. */
static void reader_gone(struct hub *hub, struct gw_stream *s)
{
    if (s->state == GW_STREAM_LEFT) {
        return;
    }
    if (s->held && s->cancel_on_leave) {
        gw_hub_call_forget(hub, s->call_tag);
    } else if (s->cancel_on_leave && s->group != NULL &&
               !s->group->run->ended) {
        log_info("run.cancel", "run=%s why=\"its reader left\"",
                 ID_TEXT(&s->run));
        gw_hub_call_cancel(hub, &s->run);
    }
    leave(hub, s);
}

static void on_blocked(struct hub *hub, struct gw_stream *s)
{
    bool over = s->out_bytes > hub->runs.stream_bytes;
    int64_t limit = hub->stall_ms;
    if (over) {
        limit = min_i64(limit, FULL_STALL_MS);
    }
    int64_t due = s->moved_ms + limit;
    if (due <= hub->now_ms) {
        stat_inc(STAT_SLOW_READERS_CLOSED);
        gw_hub_cut_stream(hub, s,
                          over ? "too many bytes wait for its reader"
                               : "its reader takes nothing");
        return;
    }
    gw_timer_set(&hub->timers, &s->timer, due);
}

static void write_stream(struct hub *hub, struct gw_stream *s)
{
    if (s->fd < 0 || s->held) {
        return;
    }
    switch (gw_stream_flush(s, hub->now_ms)) {
    case GW_FLUSH_BROKEN:
        reader_gone(hub, s);
        return;
    case GW_FLUSH_BLOCKED:
        on_blocked(hub, s);
        break;
    case GW_FLUSH_DRAINED:
        if (s->state == GW_STREAM_FINISHING) {
            leave(hub, s);
            return;
        }
        if (s->timer.place == 0) {
            gw_timer_set(&hub->timers, &s->timer,
                         hub->now_ms + hub->heartbeat_ms);
        }
        break;
    }
    if (s->state != GW_STREAM_LEFT) {
        gw_hub_run_on_drained(&hub->runs, s);
    }
}

static void on_stream_timer(struct hub *hub, struct gw_stream *s)
{
    if (s->fd < 0) {
        return;
    }
    if (s->out != NULL) {
        on_blocked(hub, s);
        return;
    }
    int64_t due = s->moved_ms + hub->heartbeat_ms;
    if (due <= hub->now_ms) {
        struct gw_chunk *beat = gw_stream_heartbeat(s);
        if (beat != NULL) {
            gw_stream_push(s, beat);
            gw_hub_mark_stream(hub, s);
        }
        due = hub->now_ms + hub->heartbeat_ms;
    }
    gw_timer_set(&hub->timers, &s->timer, due);
}

static void write_streams(struct hub *hub)
{
    while (hub->dirty != NULL) {
        struct gw_stream *s = hub->dirty;
        hub->dirty = s->dirty_next;
        s->dirty = false;
        write_stream(hub, s);
        if (s->state == GW_STREAM_LEFT && s->handed && !s->asked_store &&
            !s->dirty) {
            retire(hub, s);
        }
    }
}

static void adopt(struct hub *hub, struct gw_stream *s)
{
    must(s->all_next == NULL && s->all_prev == NULL && hub->streams != s);
    s->timer.kind = GW_TIMER_STREAM;
    s->all_next = hub->streams;
    if (hub->streams != NULL) {
        hub->streams->all_prev = s;
    }
    hub->streams = s;
}

/* ---- messages of other threads ----------------------------------------- */

static void on_attach(struct hub *hub, struct gw_stream *s, int fd)
{
    if (s->state == GW_STREAM_LEFT) {
        (void)close(fd);
        drop_reader(hub, s);
        return;
    }
    s->handed = true;
    s->fd = fd;
    s->moved_ms = hub->now_ms;
    stat_add(STAT_STREAMS, s->kind != GW_STREAM_DONE);
    count_stream(s, 1);
    gw_stream_move(s, s->state == GW_STREAM_ENDED ? GW_STREAM_FINISHING
                                                  : GW_STREAM_OPEN);
    struct epoll_event e = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            .data.ptr = s};
    if (hub->draining || epoll_ctl(hub->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        leave(hub, s);
        return;
    }
    gw_hub_mark_stream(hub, s);
}

static void on_say(struct hub *hub, struct gw_stream *s, const struct note *n)
{
    must(s->asked_store > 0);
    s->asked_store--;
    if (s->state != GW_STREAM_LEFT && s->follow != NULL) {
        gw_hub_follow_say(&hub->follows, s, n->text, n->len);
    } else if (s->state != GW_STREAM_LEFT) {
        gw_hub_run_say(s, n->text, n->len);
    }
    gw_hub_mark_stream(hub, s);
}

static void on_listed(struct hub *hub, struct gw_stream *s,
                      struct gw_follow_list *list)
{
    must(s->asked_store > 0);
    s->asked_store--;
    if (s->follow != NULL) {
        gw_hub_follow_listed(&hub->follows, s, list);
    }
    free(list);
    gw_hub_mark_stream(hub, s);
}

static void on_drain(struct hub *hub)
{
    hub->draining = true;
    gw_hub_call_fail_all(hub, "the gateway is stopping");
    gw_hub_runs_flush(&hub->runs);
    write_streams(hub);
    for (struct gw_stream *s = hub->streams; s != NULL; s = s->all_next) {
        if (s->fd >= 0) {
            leave(hub, s);
        }
    }
    gw_uplink_goodbye(hub->uplink);
}

static void join(struct hub *hub, struct gw_stream *s)
{
    if (s->state == GW_STREAM_LEFT) {
        return;
    }
    if (s->follow != NULL) {
        gw_hub_follow_begin(&hub->follows, s);
        return;
    }
    struct gw_run *r = gw_hub_run_require(&hub->runs, &s->run, &s->thread);
    gw_hub_run_join(&hub->runs, r, s);
}

static void on_note(struct hub *hub, struct note *n)
{
    switch (n->kind) {
    case NOTE_ASK:
        gw_hub_call_on_ask(hub, n->ask, n->ticket);
        break;
    case NOTE_TELL:
        (void)gw_uplink_send(hub->uplink, GW_LINE_DESK, &n->head, NULL);
        break;
    case NOTE_SUBMIT:
        adopt(hub, n->stream);
        on_attach(hub, n->stream, n->fd);
        gw_hub_call_on_submit(hub, n->ask, n->stream);
        leat_drop((leat_value *)(uintptr_t)n->ask->body);
        free((void *)(uintptr_t)n->ask);
        break;
    case NOTE_JOIN:
        adopt(hub, n->stream);
        if (n->fd >= 0) {
            on_attach(hub, n->stream, n->fd);
        }
        join(hub, n->stream);
        break;
    case NOTE_ATTACH:
        on_attach(hub, n->stream, n->fd);
        break;
    case NOTE_ABANDON:
        drop_reader(hub, n->stream);
        break;
    case NOTE_SAY:
        on_say(hub, n->stream, n);
        break;
    case NOTE_LISTED:
        on_listed(hub, n->stream, n->list);
        break;
    case NOTE_DRAIN:
        on_drain(hub);
        gw_ticket_answer(n->ticket, &(struct wire_head){0}, NULL);
        break;
    case NOTE_STOP:
        hub->stopping = true;
        break;
    }
    free(n);
}

static bool take_notes(struct hub *hub)
{
    for (int i = 0; i < BOX_MOST; i++) {
        struct note *n = mbox_take(hub->box);
        if (n == NULL) {
            return false;
        }
        on_note(hub, n);
    }
    return true;
}

/* ---- the loop ---------------------------------------------------------- */

static void on_client(struct hub *hub, const struct epoll_event *e)
{
    if ((e->data.u64 & 1) != 0) { /* a line; pointers are even */
        *hub->marks[e->data.u64 >> 1] = true;
        return;
    }
    struct gw_stream *s = e->data.ptr;
    if (s == NULL || s->state == GW_STREAM_LEFT) {
        return; /* the box: looked at in every turn */
    }
    if ((e->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        reader_gone(hub, s);
    } else {
        gw_hub_mark_stream(hub, s);
    }
}

static void wake(struct hub *hub)
{
    struct gw_timer *t;
    while ((t = gw_timers_take(&hub->timers, hub->now_ms)) != NULL) {
        switch ((enum gw_timer_kind)t->kind) {
        case GW_TIMER_STREAM:
            on_stream_timer(hub, CONTAINER_OF(t, struct gw_stream, timer));
            break;
        case GW_TIMER_RUN:
            gw_hub_run_on_timer(&hub->runs, t);
            break;
        case GW_TIMER_FOLLOW:
            gw_hub_follow_on_timer(&hub->follows, t);
            break;
        case GW_TIMER_CALL:
            gw_hub_call_on_timer(hub, CONTAINER_OF(t, struct gw_call, timer));
            break;
        case GW_TIMER_HUB:
            gw_uplink_tick(hub->uplink);
            gw_timer_set(&hub->timers, t, hub->now_ms + TICK_MS);
            break;
        }
    }
}

static void turn(struct hub *hub, int64_t wait_ms)
{
    struct epoll_event events[EPOLL_MOST];
    int n = epoll_wait(hub->epoll, events, EPOLL_MOST, (int)wait_ms);
    hub->now_ms = clock_mono_ms();
    for (int i = 0; i < n; i++) {
        on_client(hub, &events[i]);
    }
    hub->more = n == EPOLL_MOST;
    hub->more = take_notes(hub) || hub->more;
    hub->more = gw_uplink_receive(hub->uplink) || hub->more;
    /* the graphs follow the welcome: before, their names mean nothing */
    atomic_store(&hub->connected,
                 gw_uplink_is_welcome(hub->uplink) && hub->graphs != NULL);
    wake(hub);
    do {
        gw_hub_runs_flush(&hub->runs);
        write_streams(hub);
    } while (hub->runs.dirty != NULL);
}

static void *hub_main(void *arg)
{
    struct hub *hub = arg;
    int64_t wait_ms = 0;
    log_ctx_set("thread=hub");
    while (!hub->stopping) {
        turn(hub, wait_ms);
        bool left = gw_uplink_pump(hub->uplink);
        wait_ms = gw_timers_wait_ms(&hub->timers, clock_mono_ms(), IDLE_MS);
        if (hub->more || gw_uplink_is_marked(hub->uplink)) {
            wait_ms = 0;
        } else if (left) {
            wait_ms = min_i64(wait_ms, PUMP_MS);
        }
    }
    return NULL;
}

/* ---- life -------------------------------------------------------------- */

static void watch_fd(struct hub *hub, int fd, uint64_t data)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = data};
    must(epoll_ctl(hub->epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

static void watch_fds(struct hub *hub)
{
    struct gw_uplink_fd fds[COUNT_OF(hub->marks)];
    size_t n = gw_uplink_fds(hub->uplink, fds, COUNT_OF(fds));
    for (size_t i = 0; i < n; i++) {
        hub->marks[i] = fds[i].mark;
        watch_fd(hub, fds[i].fd, i << 1 | 1);
    }
    watch_fd(hub, mbox_fd(hub->box), 0);
}

hub_t *gw_hub_new(const conf_t *conf, const struct gw_hub_notes *notes,
                  struct err *err)
{
    must(conf != NULL && notes != NULL);
    struct hub *hub = base_zalloc(sizeof(*hub));
    struct gw_uplink_io up = gw_hub_call_uplink_io(hub);
    struct gw_hub_io io = gw_hub_call_run_io(hub);
    hub->magic = HUB_MAGIC;
    hub->notes = *notes;
    hub->heartbeat_ms = conf_ms(conf, CONF_SSE_HEARTBEAT);
    hub->stall_ms = conf_ms(conf, CONF_STREAM_STALL);
    hub->now_ms = clock_mono_ms();
    must(pthread_mutex_init(&hub->graphs_lock, NULL) == 0);
    gw_timers_init(&hub->timers);
    gw_calls_init(&hub->calls);
    gw_hub_runs_init(&hub->runs, &io, &hub->timers,
                     (size_t)conf_bytes(conf, CONF_STREAM_BYTES));
    const struct gw_follow_io follow = gw_hub_call_follow_io(hub);
    gw_hub_follows_init(&hub->follows, &follow, &hub->runs, &hub->timers);
    hub->box = mbox_new(BOX_LIMIT);
    hub->epoll = epoll_create1(EPOLL_CLOEXEC);
    hub->uplink = gw_uplink_new(conf, &up, err);
    if (hub->uplink == NULL || hub->epoll < 0) {
        if (hub->uplink != NULL) {
            (void)err_set(err, ERR_IO, "epoll: %s", strerror(errno));
        }
        gw_hub_destroy(&hub);
        return NULL;
    }
    watch_fds(hub);
    hub->tick.kind = GW_TIMER_HUB;
    gw_timer_set(&hub->timers, &hub->tick, hub->now_ms + TICK_MS);
    must(pthread_create(&hub->thread, NULL, hub_main, hub) == 0);
    hub->started = true;
    return hub;
}

/* Streams that another thread still had when the hub stopped. */
static void destroy_streams(struct hub *hub)
{
    while (hub->streams != NULL) {
        gw_hub_run_leave(&hub->runs, hub->streams);
        retire(hub, hub->streams);
    }
}

static void stop_thread(struct hub *hub)
{
    gw_hub_put_note(hub, &(struct note){.kind = NOTE_STOP});
    must(pthread_join(hub->thread, NULL) == 0);
    destroy_streams(hub);
    gw_hub_call_fail_all(hub, "the gateway is stopping");
}

void gw_hub_destroy(hub_t **p)
{
    must(p != NULL);
    struct hub *hub = *p;
    *p = NULL;
    if (hub == NULL) {
        return;
    }
    check_magic(hub, HUB_MAGIC);
    if (hub->started) {
        stop_thread(hub);
    }
    gw_hub_follows_fini(&hub->follows);
    gw_hub_runs_fini(&hub->runs);
    gw_calls_fini(&hub->calls);
    gw_timers_fini(&hub->timers);
    gw_uplink_destroy(&hub->uplink);
    mbox_destroy(&hub->box, free);
    if (hub->epoll >= 0) {
        (void)close(hub->epoll);
    }
    leat_drop(hub->graphs);
    must(pthread_mutex_destroy(&hub->graphs_lock) == 0);
    hub->magic = 0;
    free(hub);
}
