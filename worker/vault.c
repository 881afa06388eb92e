/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls are kept in the order they were made. A lost connection gets a new
 * socket: in the old one ZeroMQ may hold calls that would arrive before the
 * ones sent again. WHO means that the broker is another one than we believe:
 * it has done nothing of what we sent to the old one, and gets all of it.
 *
 * Waiting has no limit of its own: while the broker is away, a run that would
 * fail here would be lost, and one that waits is fenced or goes on.
 */
#include "worker/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link.h"
#include "common/log.h"
#include "common/stat.h"

#define WRK_VAULT_MAGIC LEAT_MAGIC(0x3a7e0011)
#define UNANSWERED_MAX 256
#define UNANSWERED_BYTES ((size_t)32 << 20)
#define POLL_MS 50       /* how soon stop is seen, and full queues pumped */
#define SILENCE_MS 10000 /* unanswered for so long: ask anew */

struct call {
    struct call *next; /* later */
    struct wire_head head;
    leat_value *body; /* packed */
    size_t bytes;
};

struct wrk_vault {
    uint32_t magic;
    const struct wrk_brokers *brokers;
    const char *base; /* of the one that the link goes to */
    size_t frame_bytes;
    link_t *link;
    char id[64];
    char host[256];
    uint32_t epoch; /* of the broker that answered last; 0: none did */
    uint32_t tag;
    struct id run;
    uint16_t attempt;
    struct call *first; /* unanswered, oldest first */
    struct call *last;
    size_t count;
    size_t bytes;
    int64_t heard_ms; /* last answer, or when the wait for one began */
    uint32_t wanted;  /* tag of the call that is waited for; 0: none */
    bool answered;    /* it was */
    leat_value *result;
    struct err wanted_err;
    struct err failed; /* the first failure of a call nobody waited for */
    const atomic_bool *stopped;
};

/* ---- opening --------------------------------------------------------------
 */

static bool open_link(wrk_vault_t *v, struct err *err)
{
    v->base = wrk_uplink_base(v->brokers);
    const struct link_spec spec = {.base = v->base,
                                   .port = WIRE_PORT_VAULT,
                                   .from = WIRE_V,
                                   .frame_bytes = v->frame_bytes};
    v->link = link_dealer(&spec, err);
    v->heard_ms = clock_mono_ms();
    return v->link != NULL;
}

wrk_vault_t *wrk_vault_new(const struct wrk_vault_conf *conf, struct err *err)
{
    must(conf->brokers != NULL && conf->stopped != NULL);
    wrk_vault_t *v = base_zalloc(sizeof *v);
    v->magic = WRK_VAULT_MAGIC;
    v->brokers = conf->brokers;
    v->frame_bytes = conf->frame_bytes;
    v->stopped = conf->stopped;
    struct id id = id_uuid4();
    (void)snprintf(v->id, sizeof v->id, "saver-%s", ID_TEXT(&id));
    if (gethostname(v->host, sizeof v->host - 1) != 0) {
        (void)base_copy(v->host, sizeof v->host, "?");
    }
    if (!open_link(v, err)) {
        wrk_vault_destroy(&v);
    }
    return v;
}

static void forget(wrk_vault_t *v, struct call **at)
{
    struct call *c = *at;
    *at = c->next;
    if (v->last == c) {
        v->last = NULL;
        for (struct call *k = v->first; k != NULL; k = k->next) {
            v->last = k;
        }
    }
    v->count--;
    v->bytes -= c->bytes;
    leat_drop(c->body);
    free(c);
}

static void forget_all(wrk_vault_t *v)
{
    while (v->first != NULL) {
        forget(v, &v->first);
    }
}

void wrk_vault_destroy(wrk_vault_t **p)
{
    wrk_vault_t *v = *p;
    if (v == NULL) {
        return;
    }
    check_magic(v, WRK_VAULT_MAGIC);
    forget_all(v);
    leat_drop(v->result);
    link_destroy(&v->link);
    v->magic = 0;
    free(v);
    *p = NULL;
}

void wrk_vault_bind(wrk_vault_t *v, const struct id *run, uint16_t attempt)
{
    check_magic(v, WRK_VAULT_MAGIC);
    forget_all(v);
    err_clear(&v->failed);
    v->run = *run;
    v->attempt = attempt;
}

/* ---- sending --------------------------------------------------------------
 */

static void say_hello(wrk_vault_t *v)
{
    const struct wire_head head = {.type = WIRE_HELLO, .epoch = v->epoch};
    (void)link_send(v->link, NULL, &head,
                    leat_pack("{s:s,s:s,s:I,s:s}", "kind", "worker", "id",
                              v->id, "pid", (int64_t)getpid(), "host",
                              v->host));
}

/* What the link has no room for is sent again after the silence. */
static void send_one(wrk_vault_t *v, struct call *c)
{
    c->head.epoch = v->epoch;
    (void)link_send(v->link, NULL, &c->head, leat_hold(c->body));
}

static void send_all(wrk_vault_t *v)
{
    say_hello(v);
    for (struct call *c = v->first; c != NULL; c = c->next) {
        send_one(v, c);
    }
    v->heard_ms = clock_mono_ms();
}

static void reconnect(wrk_vault_t *v)
{
    struct err err = ERR_INIT;
    link_destroy(&v->link);
    bool opened = open_link(v, &err);
    must(opened); /* the desk has opened the same address */
    log_debug("saver.reconnects", "unanswered=%zu", v->count);
    send_all(v);
}

static struct call *add(wrk_vault_t *v, const char *op, const leat_value *args)
{
    leat_value *body = leat_pack("{s:s,s:W}", "op", op, "args", args);
    struct call *c = base_zalloc(sizeof *c);
    c->body = value_packed(body);
    leat_drop(body);
    c->bytes = value_bytes_of(c->body).len;
    v->tag = v->tag == UINT32_MAX ? 1 : v->tag + 1;
    c->head = (struct wire_head){.type = WIRE_STORE_CALL,
                                 .tag = v->tag,
                                 .run = v->run,
                                 .attempt = v->attempt};
    if (v->last == NULL) {
        v->first = c;
        v->heard_ms = clock_mono_ms();
    } else {
        v->last->next = c;
    }
    v->last = c;
    v->count++;
    v->bytes += c->bytes;
    return c;
}

/* ---- answers --------------------------------------------------------------
 */

static enum err_code code_of(leat_view name)
{
    for (int i = 1; i < ERR_COUNT; i++) {
        if (leat_is(name, err_name(i))) {
            return (enum err_code)i;
        }
    }
    return ERR_INTERNAL;
}

static void refusal(const struct link_in *in, struct err *err)
{
    leat_view body = leat_view_of(in->body);
    char *text = value_strdup(leat_get(body, "text"));
    (void)err_set(err, code_of(leat_get(body, "code")), "%s",
                  text == NULL ? "refused" : text);
    free(text);
}

static void take_answer(wrk_vault_t *v, const struct link_in *in)
{
    struct call **at = &v->first;
    while (*at != NULL && (*at)->head.tag != in->head.tag) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return; /* a second answer, or to the run before */
    }
    struct err err = ERR_INIT;
    if (in->head.type == WIRE_REFUSED) {
        refusal(in, &err);
    }
    if (in->head.tag == v->wanted) {
        v->answered = true;
        v->wanted_err = err;
        v->result = leat_value_of(leat_get(leat_view_of(in->body), "result"));
    } else if (err.code != ERR_NONE && v->failed.code == ERR_NONE) {
        v->failed = err;
    }
    forget(v, at);
}

static void take(wrk_vault_t *v, const struct link_in *in)
{
    v->heard_ms = clock_mono_ms();
    switch (in->head.type) {
    case WIRE_STORE_DONE:
    case WIRE_REFUSED:
        v->epoch = in->head.epoch;
        take_answer(v, in);
        break;
    case WIRE_WHO:
        if (in->head.epoch != v->epoch) {
            v->epoch = in->head.epoch;
            send_all(v);
        }
        break;
    default:
        break;
    }
}

static void read_answers(wrk_vault_t *v)
{
    struct link_in in;
    link_in_init(&in);
    while (link_recv(v->link, &in)) {
        take(v, &in);
    }
    link_in_fini(&in);
    (void)link_pump(v->link);
}

/* One turn of a wait. */
static bool wait_turn(wrk_vault_t *v, struct err *err)
{
    if (atomic_load(v->stopped)) {
        return err_set(err, ERR_CANCELLED, "the worker stops");
    }
    zmq_pollitem_t items[2];
    link_items(v->link, items);
    (void)zmq_poll(items, 2, POLL_MS);
    bool lost = (link_changes(v->link) & LINK_WENT) != 0;
    read_answers(v);
    bool silent = v->count > 0 && clock_mono_ms() - v->heard_ms > SILENCE_MS;
    bool moved = wrk_uplink_base(v->brokers) != v->base;
    if (lost || silent || moved) {
        reconnect(v);
    }
    return true;
}

/* ---- calls ----------------------------------------------------------------
 */

bool wrk_vault_so_far(const wrk_vault_t *v, struct err *err)
{
    check_magic(v, WRK_VAULT_MAGIC);
    return v->failed.code == ERR_NONE ||
           err_set(err, v->failed.code, "%s", v->failed.text);
}

static bool wait_for_room(wrk_vault_t *v, struct err *err)
{
    read_answers(v);
    while (v->count >= UNANSWERED_MAX || v->bytes >= UNANSWERED_BYTES) {
        if (!wait_turn(v, err)) {
            return false;
        }
    }
    return wrk_vault_so_far(v, err);
}

static bool wait_for_result(wrk_vault_t *v, leat_value **result,
                            struct err *err)
{
    bool ok = true;
    while (ok && !v->answered) {
        ok = wait_turn(v, err);
    }
    if (ok && v->wanted_err.code != ERR_NONE) {
        ok = err_set(err, v->wanted_err.code, "%s", v->wanted_err.text);
    }
    if (ok) {
        *result = v->result;
    } else {
        leat_drop(v->result);
    }
    v->result = NULL;
    v->wanted = 0;
    v->answered = false;
    return ok;
}

bool wrk_vault_settled(wrk_vault_t *v)
{
    check_magic(v, WRK_VAULT_MAGIC);
    read_answers(v);
    return v->count == 0 && v->failed.code == ERR_NONE;
}

void wrk_vault_lend(wrk_vault_t *v, const atomic_bool *stopped)
{
    check_magic(v, WRK_VAULT_MAGIC);
    must(stopped != NULL);
    v->stopped = stopped;
}

bool wrk_vault_call(void *self, const char *op, const leat_value *args,
                    leat_value **result, struct err *err)
{
    wrk_vault_t *v = self;
    check_magic(v, WRK_VAULT_MAGIC);
    bool later = strncmp(op, "checkpoints_put", 15) == 0;
    if (later && !wait_for_room(v, err)) {
        return false;
    }
    struct call *c = add(v, op, args);
    if (!later) {
        v->wanted = c->head.tag;
    }
    send_one(v, c);
    *result = NULL;
    return later || wait_for_result(v, result, err);
}

void wrk_vault_push(wrk_vault_t *v, const char *op, const leat_value *args)
{
    check_magic(v, WRK_VAULT_MAGIC);
    send_one(v, add(v, op, args));
}

bool wrk_vault_flush(wrk_vault_t *v, struct err *err)
{
    check_magic(v, WRK_VAULT_MAGIC);
    while (v->count > 0) {
        if (!wait_turn(v, err)) {
            return false;
        }
    }
    return wrk_vault_so_far(v, err);
}
