/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leat-broker: options, the store, and the five threads in their order. While
 * another broker holds the store this one stands by.
 */
#include <poll.h>
#include <stdlib.h>

#include "broker/desk.h"
#include "broker/journal.h"
#include "broker/ledger.h"
#include "broker/relay.h"
#include "broker/store.h"
#include "broker/vault.h"
#include "common/admin.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/stat.h"
#include "common/store/store.h"

#define STANDBY_MS 200 /* between tries to take the lock over */
#define CHECK_MS 1000  /* between looks whether the lock is still ours */

struct broker {
    struct brk_env env;
    admin_t *admin;
    store_t *store; /* holds the lock of the active broker */
    struct brk_open open;
    struct brk_vault *vault;
    struct brk_journal *journal;
    brk_relay_t *relay;
    struct brk_ledger *ledger;
    struct brk_desk *desk;
};

static int serve(const conf_t *conf);
static bool take_over(struct broker *b, struct err *err);
static bool wait_for_lock(struct broker *b, struct err *err);
static int watch(struct broker *b);
static bool start(struct broker *b, struct err *err);
static void stop(struct broker *b);
static bool asked_to_stop_within(int64_t ms);

int main(int argc, char **argv)
{
    static const struct proc_spec spec = {
        .name = "leat-broker",
        .proc = PROC_BROKER,
        .about = "Decides when runs run, and carries their events.",
    };
    int exit_code = 0;
    conf_t *conf = proc_start(&spec, argc, argv, &exit_code);
    if (conf == NULL) {
        return exit_code;
    }
    exit_code = serve(conf);
    conf_destroy(&conf);
    return exit_code;
}

static int serve(const conf_t *conf)
{
    struct err err = ERR_INIT;
    struct broker b = {
        .env = {.conf = conf, .base = conf_str(conf, CONF_LISTEN)},
    };
    stat_set(STAT_START_TIME, clock_wall_ms() / 1000);
    int exit_code = 0;
    if (admin_start(conf_str(conf, CONF_ADMIN_LISTEN), PROC_BROKER, &b.admin,
                    &err) &&
        take_over(&b, &err) && start(&b, &err)) {
        log_info("broker.ready", "listen=%s epoch=%u", b.env.base, b.env.epoch);
        proc_ready(b.env.base);
        exit_code = watch(&b);
        log_info("broker.stopping");
    } else if (err.code != ERR_NONE) {
        exit_code = proc_failed(&err);
    }
    stop(&b);
    return exit_code;
}

static bool set_thread_ttl(struct broker *b, struct err *err)
{
    const conf_t *c = b->env.conf;
    struct store_ttl ttl = {.ttl_us = conf_ms(c, CONF_THREAD_TTL) * 1000};
    if (ttl.ttl_us > 0) {
        must(base_copy(ttl.strategy, sizeof(ttl.strategy),
                       conf_is(c, CONF_THREAD_TTL_STRATEGY, "keep_latest")
                           ? "keep_latest"
                           : "delete"));
    }
    return store_threads_default_ttl(b->store, &ttl, err);
}

/* The store, migrated; its lock; the epoch; what was open. False without an
 * error: asked to stop while standing by. */
static bool take_over(struct broker *b, struct err *err)
{
    b->store = brk_store_open(&b->env, err);
    return b->store != NULL && wait_for_lock(b, err) &&
           store_epoch_raise(b->store, &b->env.epoch, err) &&
           set_thread_ttl(b, err) &&
           store_runs_load_open(b->store, &b->open.rows, &b->open.n, err);
}

static bool wait_for_lock(struct broker *b, struct err *err)
{
    bool told = false;
    for (;;) {
        bool got = false;
        if (!store_broker_lock(b->store, &got, err)) {
            return false;
        }
        if (got) {
            return true;
        }
        if (!told) {
            told = true;
            log_info("broker.standby", "listen=%s", b->env.base);
        }
        if (asked_to_stop_within(STANDBY_MS)) {
            return false;
        }
    }
}

/* Until the process is asked to stop, or another broker is the active one.
 * While the store is away nobody can be. */
static int watch(struct broker *b)
{
    bool away = false;
    while (!asked_to_stop_within(CHECK_MS)) {
        struct err err = ERR_INIT;
        bool active = false;
        bool known = store_broker_check(b->store, b->env.epoch, &active, &err);
        if (known && !active) {
            log_error("broker.superseded", "epoch=%u", b->env.epoch);
            return 1;
        }
        if (known == away) {
            away = !known;
            log_warn("broker.store", "away=%d error=%s", away, LOG_Q(err.text));
        }
    }
    return 0;
}

static bool start(struct broker *b, struct err *err)
{
    struct link_pipe *journal = NULL, *relay_journal = NULL;
    struct link_pipe *relay = NULL, *desk_relay = NULL;
    struct link_pipe *ledger = NULL, *desk_ledger = NULL;
    link_pipe_new(&journal, &relay_journal);
    link_pipe_new(&relay, &desk_relay);
    link_pipe_new(&ledger, &desk_ledger);
    b->vault = brk_vault_new(&b->env, err);
    if (b->vault != NULL) {
        b->journal = brk_journal_new(&b->env, &journal, err);
    }
    if (b->journal != NULL) {
        b->relay = brk_relay_new(&b->env, &relay, &relay_journal, err);
    }
    if (b->relay != NULL) {
        b->ledger = brk_ledger_new(&b->env, &ledger, err);
    }
    if (b->ledger != NULL) {
        b->desk =
            brk_desk_new(&b->env, &desk_relay, &desk_ledger, &b->open, err);
    }
    store_runs_free(&b->open.rows, b->open.n);
    struct link_pipe *rest[] = {journal,    relay_journal, relay,
                                desk_relay, ledger,        desk_ledger};
    for (size_t i = 0; i < COUNT_OF(rest); i++) { /* not taken over */
        link_pipe_destroy(&rest[i]);
    }
    return b->desk != NULL;
}

/* The opposite order: who asks goes before who answers. */
static void stop(struct broker *b)
{
    brk_desk_destroy(&b->desk);
    brk_ledger_destroy(&b->ledger);
    brk_relay_destroy(&b->relay);
    brk_journal_destroy(&b->journal);
    brk_vault_destroy(&b->vault);
    store_runs_free(&b->open.rows, b->open.n);
    store_destroy(&b->store);
    admin_stop(&b->admin);
}

static bool asked_to_stop_within(int64_t ms)
{
    struct pollfd fd = {.fd = proc_term_fd(), .events = POLLIN};
    (void)poll(&fd, 1, (int)ms);
    return proc_term_asked();
}
