/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn: read what calls wait, up to a bound; do them all in one
 * transaction; commit; answer. When that fails as a whole (a full disk, or a
 * call that failed half way), each call is tried once in a transaction of its
 * own, so that one that fails fails alone. A call may come twice, when its
 * answer got lost: calls are idempotent.
 *
 * A peer that believes in another epoch is answered WHO: its call is not
 * done, for it may be an old one that a newer has overtaken. It says HELLO and
 * sends everything that is unanswered again, in order.
 */
#include "broker/vault.h"

#include <stdlib.h>
#include <string.h>

#include "broker/actor.h"
#include "broker/store.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/stat.h"

#define VAULT_MAGIC LEAT_MAGIC(0xb0e70031)
#define GROUP_CALLS 512               /* in one transaction */
#define GROUP_BYTES ((size_t)8 << 20) /* about, of their arguments */
#define PUMP_MS 5                     /* while answers wait for room */
#define PAUSE_MS 50 /* between tries while the store does not answer */
#define PAUSE_MS_MAX 1000

struct call {
    struct link_route from;
    struct wire_head head;
    leat_value *body;
};

struct brk_vault {
    uint32_t magic;
    const struct brk_env *env;
    struct brk_actor *actor; /* the maker's; NULL: turns are, too */
    struct brk_actor *self;  /* the thread's: the same one */
    store_t *store;
    link_t *peers;
    bool behind;      /* some answer waits for room */
    bool troubled;    /* the last group failed as a whole */
    int64_t now_ms;   /* when this turn began */
    int64_t sweep_ms; /* when items that have expired are looked for */
    int64_t pause_ms; /* before the next try; 0: the store is well */
    int64_t again_ms; /* when that is */
    size_t n;
    struct call calls[GROUP_CALLS];
    struct store_call store_calls[GROUP_CALLS]; /* the same, for the store */
};

static void vault_main(struct brk_actor *actor, void *arg);
static void drop_calls(struct brk_vault *v);

struct brk_vault *brk_vault_make(const struct brk_env *env)
{
    must(env != NULL);
    struct brk_vault *v = base_zalloc(sizeof *v);
    v->magic = VAULT_MAGIC;
    v->env = env;
    return v;
}

struct brk_vault *brk_vault_new(const struct brk_env *env, struct err *err)
{
    must(err != NULL);
    struct brk_vault *v = brk_vault_make(env);
    v->actor = brk_actor_new("vault", vault_main, v, err);
    if (v->actor == NULL) {
        brk_vault_destroy(&v);
    }
    return v;
}

void brk_vault_destroy(struct brk_vault **p)
{
    must(p != NULL);
    struct brk_vault *v = *p;
    if (v == NULL) {
        return;
    }
    check_magic(v, VAULT_MAGIC);
    brk_actor_destroy(&v->actor);
    drop_calls(v);
    link_destroy(&v->peers); /* of a thread: it has done so, */
    store_destroy(&v->store); /* and so */
    v->magic = 0;
    free(v);
    *p = NULL;
}

/* ---- reading --------------------------------------------------------------
 */

/* What a call keeps in memory, about. */
static size_t take_call(struct brk_vault *v, struct link_in *in)
{
    struct call *c = &v->calls[v->n];
    *c = (struct call){.from = in->from, .head = in->head, .body = in->body};
    in->body = NULL;
    leat_view body = leat_view_of(c->body);
    v->store_calls[v->n++] = (struct store_call){
        .request = {.op = leat_string(leat_get(body, "op")),
                    .args = leat_get(body, "args"),
                    .fence = {c->head.run, c->head.attempt}}};
    return value_weight(c->body);
}

static void answer(struct brk_vault *v, const struct link_in *in,
                   enum wire_type type)
{
    const struct wire_head head = {.type = (uint8_t)type,
                                   .epoch = v->env->epoch,
                                   .tag = in->head.tag,
                                   .run = in->head.run};
    (void)link_send(v->peers, &in->from, &head, NULL);
}

static bool knows_us(const struct brk_vault *v, const struct link_in *in)
{
    return in->head.epoch == 0 || in->head.epoch == v->env->epoch;
}

static void collect(struct brk_vault *v)
{
    size_t bytes = 0;
    struct link_in in;
    link_in_init(&in);
    while (v->n < GROUP_CALLS && bytes < GROUP_BYTES &&
           link_recv(v->peers, &in)) {
        switch (in.head.type) {
        case WIRE_STORE_CALL:
            if (knows_us(v, &in)) {
                bytes += take_call(v, &in);
            } else {
                answer(v, &in, WIRE_WHO);
            }
            break;
        case WIRE_PING:
            answer(v, &in, WIRE_PONG);
            break;
        case WIRE_HELLO:
        case WIRE_PONG:
            break;
        default:
            stat_inc(STAT_WIRE_UNKNOWN);
            break;
        }
    }
    link_in_fini(&in);
}

/* ---- doing ----------------------------------------------------------------
 */

static void say_trouble(struct brk_vault *v, const struct err *err)
{
    stat_inc(STAT_STORE_ERRORS);
    if (!v->troubled) {
        v->troubled = true;
        log_error("vault.failed", "calls=%zu error=%s", v->n, LOG_Q(err->text));
    }
}

/* False while the database is away: calls wait for it here, longer each
 * time. */
static bool run_calls(struct brk_vault *v)
{
    struct err err = ERR_INIT;
    store_batch_run(v->store, v->store_calls, v->n, &err);
    if (err.code != ERR_NONE) {
        say_trouble(v, &err);
    } else if (v->troubled) {
        log_info("vault.recovered");
        v->troubled = false;
    }
    if (err.code != ERR_UNAVAILABLE) {
        v->pause_ms = 0;
        return true;
    }
    v->pause_ms =
        v->pause_ms == 0 ? PAUSE_MS : min_i64(v->pause_ms * 2, PAUSE_MS_MAX);
    v->again_ms = v->now_ms + v->pause_ms;
    return false;
}

/* ---- answering ------------------------------------------------------------
 */

static void finish_call(struct brk_vault *v, struct call *c,
                        struct store_call *did)
{
    struct wire_head head = {.type = WIRE_STORE_DONE,
                             .attempt = c->head.attempt,
                             .epoch = v->env->epoch,
                             .tag = c->head.tag,
                             .run = c->head.run};
    leat_value *body = NULL;
    if (did->err.code == ERR_NONE) {
        body = leat_pack("{s:?W}", "result", did->result);
    } else {
        head.type = WIRE_REFUSED;
        body = leat_pack("{s:s,s:s}", "code", err_name((int)did->err.code),
                         "text", did->err.text);
    }
    /* Nobody there or no room: the caller asks again. */
    (void)link_send(v->peers, &c->from, &head, body);
    leat_drop(did->result);
    leat_drop(c->body);
    memset(c, 0, sizeof *c);
    memset(did, 0, sizeof *did);
}

static void finish_calls(struct brk_vault *v, int64_t took_us)
{
    for (size_t i = 0; i < v->n; i++) {
        stat_inc(STAT_VAULT_CALLS);
        stat_observe_us(STAT_VAULT_CALL, took_us);
        finish_call(v, &v->calls[i], &v->store_calls[i]);
    }
    v->n = 0;
}

static void serve(struct brk_vault *v)
{
    int64_t began_us = clock_mono_us();
    if (run_calls(v)) {
        finish_calls(v, clock_mono_us() - began_us);
    }
}

static void drop_calls(struct brk_vault *v)
{
    for (size_t i = 0; i < v->n; i++) {
        leat_drop(v->store_calls[i].result);
        leat_drop(v->calls[i].body);
    }
    v->n = 0;
}

/* ---- the thread -----------------------------------------------------------
 */

bool brk_vault_open(struct brk_vault *v, struct err *err)
{
    check_magic(v, VAULT_MAGIC);
    const conf_t *c = v->env->conf;
    const struct link_spec spec = {
        .base = v->env->base,
        .port = WIRE_PORT_VAULT,
        .from = WIRE_G | WIRE_W,
        .frame_bytes = (size_t)conf_bytes(c, CONF_FRAME_BYTES),
    };
    v->store = brk_store_open(v->env, err);
    v->peers = v->store == NULL ? NULL : link_router(&spec, err);
    return v->peers != NULL;
}

/* One transaction of it at a time, between the calls of peers. */
static void sweep(struct brk_vault *v)
{
    size_t n = 0;
    struct err err = ERR_INIT;
    if (!store_items_sweep(v->store, clock_wall_us(), &n, &err)) {
        say_trouble(v, &err);
    }
    stat_add(STAT_ITEMS_EXPIRED, (int64_t)n);
    v->sweep_ms = v->now_ms;
    if (n == 0) { /* that was all */
        v->sweep_ms += conf_ms(v->env->conf, CONF_ITEM_SWEEP);
    }
}

int64_t brk_vault_next_ms(const struct brk_vault *v)
{
    check_magic(v, VAULT_MAGIC);
    int64_t next = v->behind ? min_i64(v->sweep_ms, v->now_ms + PUMP_MS)
                             : v->sweep_ms;
    return v->pause_ms > 0 ? min_i64(next, v->again_ms) : next;
}

void brk_vault_turn(struct brk_vault *v, int64_t now_ms)
{
    check_magic(v, VAULT_MAGIC);
    must(now_ms >= v->now_ms);
    v->now_ms = now_ms;
    (void)link_changes(v->peers);
    if (v->pause_ms == 0) {
        collect(v);
    }
    if (v->n > 0 && (v->pause_ms == 0 || now_ms >= v->again_ms)) {
        serve(v);
    }
    v->behind = link_pump(v->peers);
    if (now_ms >= v->sweep_ms) {
        sweep(v);
    }
}

static void loop(struct brk_vault *v)
{
    zmq_pollitem_t items[3];
    while (!brk_actor_asked(v->self)) {
        brk_actor_item(v->self, &items[0]);
        link_items(v->peers, &items[1]);
        int64_t wait = brk_vault_next_ms(v) - clock_mono_ms();
        wait = max_i64(min_i64(wait, INT32_MAX), 0);
        /* While calls wait for the store, nothing else is read. */
        (void)zmq_poll(items, v->pause_ms > 0 ? 1 : 3, (long)wait);
        brk_vault_turn(v, clock_mono_ms());
    }
    finish_calls(v, 0); /* they are told that it is away */
}

static void vault_main(struct brk_actor *actor, void *arg)
{
    struct brk_vault *v = arg;
    check_magic(v, VAULT_MAGIC);
    v->self = actor;
    struct err err = ERR_INIT;
    if (brk_vault_open(v, &err)) {
        brk_actor_ready(actor);
        loop(v);
    } else {
        brk_actor_failed(actor, &err);
    }
    link_destroy(&v->peers);
    store_destroy(&v->store);
}
