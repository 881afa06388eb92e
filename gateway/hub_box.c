/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub_box.c: the hub as other threads see it. Each call here puts a note in
 * the hub's box, and where it needs an answer sleeps until the hub gives it;
 * hub.c takes the notes out. Nothing here touches what is the hub's.
 */
#include "gateway/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/mbox.h"
#include "gateway/hub_inner.h"

void gw_hub_put_note(hub_t *hub, const struct note *like)
{
    check_magic(hub, HUB_MAGIC);
    struct note *n = base_memdup(like, sizeof(*like));
    must(mbox_put(hub->box, n));
}

static void ask(hub_t *hub, const struct gw_ask *q, struct gw_ticket *t)
{
    gw_ticket_init(t);
    gw_hub_put_note(hub,
                    &(struct note){.kind = NOTE_ASK, .ask = q, .ticket = t});
}

static bool read_ticket(struct gw_ticket *t, struct gw_answer *answer,
                        struct err *err)
{
    gw_ticket_wait(t);
    bool ok = t->ok;
    if (ok) {
        answer->head = t->head;
        answer->body = t->body;
        t->body = NULL;
    } else if (err != NULL) {
        *err = t->err;
    }
    gw_ticket_fini(t);
    return ok;
}

bool gw_hub_ask(hub_t *hub, const struct gw_ask *q, struct gw_answer *answer,
                struct err *err)
{
    check_magic(hub, HUB_MAGIC);
    struct gw_ticket t;
    ask(hub, q, &t);
    return read_ticket(&t, answer, err);
}

void gw_hub_ask_all(hub_t *hub, const struct gw_ask *asks, size_t n,
                    struct gw_asked *replies)
{
    check_magic(hub, HUB_MAGIC);
    struct gw_ticket *tickets = base_zalloc((n + 1) * sizeof(*tickets));
    for (size_t i = 0; i < n; i++) {
        ask(hub, &asks[i], &tickets[i]);
    }
    for (size_t i = 0; i < n; i++) {
        replies[i] = (struct gw_asked){.err = ERR_INIT};
        (void)read_ticket(&tickets[i], &replies[i].answer, &replies[i].err);
    }
    free(tickets);
}

void gw_hub_tell(hub_t *hub, enum wire_type type, const struct id *run)
{
    struct note n = {.kind = NOTE_TELL};
    n.head = (struct wire_head){.type = (uint8_t)type, .run = *run};
    gw_hub_put_note(hub, &n);
}

bool gw_hub_find(hub_t *hub, const struct id *run, struct id *thread,
                 struct err *err)
{
    struct gw_ask ask = {.type = WIRE_REPLAY_GET,
                         .run = *run,
                         .thread = *thread,
                         .seq = GW_SEQ_NONE,
                         .wait_ms = 5000};
    struct gw_answer answer;
    if (!gw_hub_ask(hub, &ask, &answer, err)) {
        return false;
    }
    leat_view body = leat_view_of(answer.body);
    bool known =
        answer.body == NULL || leat_bool(leat_get(body, "known"), false);
    *thread = answer.head.thread;
    leat_drop(answer.body);
    return known || err_set(err, ERR_NOT_FOUND, "Run not found");
}

void gw_hub_submit(hub_t *hub, const struct gw_ask *ask,
                   struct gw_stream *reader, int fd)
{
    must(ask->type == WIRE_RUN_SUBMIT && reader->held && fd >= 0);
    struct gw_ask *own = base_memdup(ask, sizeof(*ask));
    own->body = leat_hold(ask->body);
    gw_hub_put_note(
        hub, &(struct note){
                 .kind = NOTE_SUBMIT, .ask = own, .stream = reader, .fd = fd});
}

void gw_hub_join(hub_t *hub, struct gw_stream *reader, int fd)
{
    gw_hub_put_note(
        hub, &(struct note){.kind = NOTE_JOIN, .stream = reader, .fd = fd});
}

void gw_hub_attach(hub_t *hub, struct gw_stream *reader, int fd)
{
    must(fd >= 0);
    gw_hub_put_note(
        hub, &(struct note){.kind = NOTE_ATTACH, .stream = reader, .fd = fd});
}

void gw_hub_abandon(hub_t *hub, struct gw_stream *reader)
{
    gw_hub_put_note(hub,
                    &(struct note){.kind = NOTE_ABANDON, .stream = reader});
}

void gw_hub_say(hub_t *hub, struct gw_stream *reader, const char *text,
                size_t len)
{
    struct note *n = base_zalloc(sizeof(*n) + len);
    n->kind = NOTE_SAY;
    n->stream = reader;
    n->len = len;
    memcpy(n->text, text, len);
    must(mbox_put(hub->box, n));
}

struct id gw_hub_new_run_id(const hub_t *hub)
{
    check_magic(hub, HUB_MAGIC);
    return gw_uplink_new_run_id(hub->uplink);
}

void gw_hub_listed(hub_t *hub, struct gw_stream *reader,
                   struct gw_follow_list *list)
{
    gw_hub_put_note(
        hub,
        &(struct note){.kind = NOTE_LISTED, .stream = reader, .list = list});
}

bool gw_hub_is_connected(const hub_t *hub)
{
    check_magic(hub, HUB_MAGIC);
    return atomic_load(&hub->connected);
}

leat_value *gw_hub_graphs(hub_t *hub)
{
    check_magic(hub, HUB_MAGIC);
    must(pthread_mutex_lock(&hub->graphs_lock) == 0);
    leat_value *graphs = leat_hold(hub->graphs);
    must(pthread_mutex_unlock(&hub->graphs_lock) == 0);
    return graphs;
}

void gw_hub_drain(hub_t *hub)
{
    check_magic(hub, HUB_MAGIC);
    struct gw_ticket t;
    gw_ticket_init(&t);
    gw_hub_put_note(hub, &(struct note){.kind = NOTE_DRAIN, .ticket = &t});
    gw_ticket_wait(&t);
    gw_ticket_fini(&t);
}
