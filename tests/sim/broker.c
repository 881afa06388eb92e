/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lives of the broker: its five threads as turns in one process. Each turn of
 * one comes some time after what it waits for, as a machine gives it the
 * processor. It may die at any turn, and within one at a commit; the next
 * life knows only what the store has, a little later or at once (a standby).
 */
#include <setjmp.h>
#include <stdio.h>

#include "broker/desk.h"
#include "broker/journal.h"
#include "broker/ledger.h"
#include "broker/relay.h"
#include "broker/vault.h"
#include "tests/sim/sim.h"

#define WALL_MS 1700000000000 /* when the world begins, by the calendar */

static struct broker {
    bool up;
    uint32_t life;
    struct brk_env *env; /* one per life: dead ones are left as they are */
    struct brk_desk *desk;
    brk_relay_t *relay;
    struct brk_journal *journal;
    struct brk_ledger *ledger;
    struct brk_vault *vault;
    int64_t wake_us[ACTORS];
    enum actor turn; /* whose it is */
    int64_t frozen_until_us;
    jmp_buf dead; /* where a turn goes that does not end */
} b;

static conf_t *conf;

static struct brk_now now(void)
{
    return (struct brk_now){sim.now_us / MS, WALL_MS + sim.now_us / MS};
}

bool broker_is_up(void) { return b.up; }

uint32_t broker_life(void) { return b.life; }

int64_t broker_lease_us(void) { return conf_ms(conf, CONF_LEASE) * MS; }

static void set(enum conf_id id, const char *text)
{
    struct err err = ERR_INIT;
    bool ok = conf_set(conf, id, text, CONF_FROM_FLAG, &err);
    must(ok);
}

void broker_setup(void)
{
    static const char *const leases[] = {"1s", "2s", "5s"};
    static const char *const flushes[] = {"2ms", "20ms", "100ms"};
    conf = conf_new(PROC_BROKER);
    set(CONF_STORE, "sqlite::memory:");
    set(CONF_LEASE, leases[sim_dice(COUNT_OF(leases))]);
    set(CONF_FLUSH, flushes[sim_dice(COUNT_OF(flushes))]);
    /* How long a watched run's end is told to who asks late; no shorter than
     * the world, in which nobody has a store to look at. */
    set(CONF_STATELESS_LOG_TTL, "10m");
}

/* ---- turns --------------------------------------------------------------- */

static int64_t pause_us(void)
{
    int64_t us = (int64_t)sim_dice((uint32_t)sim.plan.lazy_us + 1);
    return sim_chance(sim.plan.stalls) ? us + sim_about(150 * MS) : us;
}

void broker_wake(enum actor a)
{
    if (b.up) {
        b.wake_us[a] = min_i64(b.wake_us[a], sim.now_us + pause_us());
    }
}

enum actor broker_owner(enum wire_port port)
{
    static const enum actor owners[WIRE_PORTS] = {DESK,  DESK,  RELAY,
                                                  RELAY, RELAY, VAULT};
    return owners[port];
}

void broker_wake_port(enum wire_port port)
{
    broker_wake(broker_owner(port));
}

static enum actor next_actor(void)
{
    enum actor next = DESK;
    for (int a = 1; a < ACTORS; a++) {
        if (b.wake_us[a] < b.wake_us[next]) {
            next = (enum actor)a;
        }
    }
    return next;
}

int64_t broker_next_us(void)
{
    return b.up ? max_i64(b.wake_us[next_actor()], b.frozen_until_us)
                : INT64_MAX;
}

static int64_t take_turn(enum actor a)
{
    struct brk_now at = now();
    switch (a) {
    case DESK:
        brk_desk_turn(b.desk, at);
        return brk_desk_next_ms(b.desk);
    case RELAY:
        brk_relay_turn(b.relay, at.mono_ms);
        return brk_relay_next_ms(b.relay);
    case JOURNAL:
        brk_journal_turn(b.journal, at.mono_ms);
        return brk_journal_next_ms(b.journal);
    case LEDGER:
        brk_ledger_turn(b.ledger, at.mono_ms);
        return brk_ledger_next_ms(b.ledger);
    default:
        brk_vault_turn(b.vault, at.mono_ms);
        return brk_vault_next_ms(b.vault);
    }
}

static void take_and_plan(enum actor a)
{
    int64_t next = take_turn(a);
    if (net_waits_for(a)) {
        next = min_i64(next, sim.now_us / MS + 1);
    }
    if (next < INT64_MAX / MS) {
        b.wake_us[a] = min_i64(b.wake_us[a],
                               max_i64(next * MS, sim.now_us + MS / 4));
    }
}

void broker_step(void)
{
    must(b.up);
    sim.now_us = max_i64(sim.now_us, broker_next_us());
    b.turn = next_actor();
    b.wake_us[b.turn] = INT64_MAX;
    (void)disk_trust(false);
    if (setjmp(b.dead) == 0) {
        take_and_plan(b.turn);
    } else {
        broker_kill("at a commit");
    }
    (void)disk_trust(true);
}

/* ---- death, and what follows --------------------------------------------- */

void broker_crash(const char *why)
{
    TRACE("broker dies %s", why);
    longjmp(b.dead, 1);
}

void broker_kill(const char *why)
{
    if (!b.up) {
        return;
    }
    TRACE("broker is dead: %s", why);
    b.up = false;
    check_died(0);
    net_broker_died();
    bool standby = sim_dice(2) == 0;
    sim_in(standby ? sim_about(200 * MS) : sim_about(1500 * MS), broker_start,
           NULL, b.life);
}

void broker_freeze(int64_t until_us)
{
    if (b.up) {
        TRACE("broker stands still for %lld ms",
              (long long)(until_us - sim.now_us) / 1000);
        b.frozen_until_us = until_us;
        net_broker_froze(until_us);
    }
}

static void make(const struct brk_open *open)
{
    struct link_pipe *journal, *relay_journal, *relay, *desk_relay, *ledger,
        *desk_ledger;
    struct err err = ERR_INIT;
    link_pipe_new(&journal, &relay_journal);
    link_pipe_new(&relay, &desk_relay);
    link_pipe_new(&ledger, &desk_ledger);
    net_pipe_reader(journal, JOURNAL);
    net_pipe_reader(relay_journal, RELAY);
    net_pipe_reader(relay, RELAY);
    net_pipe_reader(desk_relay, DESK);
    net_pipe_reader(ledger, LEDGER);
    net_pipe_reader(desk_ledger, DESK);
    b.vault = brk_vault_make(b.env);
    b.journal = brk_journal_make(b.env, &journal);
    b.relay = brk_relay_make(b.env, &relay, &relay_journal);
    b.ledger = brk_ledger_make(b.env, &ledger);
    b.desk = brk_desk_make(b.env, &desk_relay, &desk_ledger, now());
    brk_desk_restore(b.desk, open);
    bool ok = brk_vault_open(b.vault, &err) &&
              brk_journal_open(b.journal, &err) &&
              brk_relay_open(b.relay, &err) &&
              brk_ledger_open(b.ledger, &err) && brk_desk_open(b.desk, &err);
    must(ok);
}

void broker_start(void *arg, uint64_t life)
{
    (void)arg;
    if (b.up || b.life != life) {
        return;
    }
    struct brk_open open = {0};
    struct err err = ERR_INIT;
    b.life++;
    b.frozen_until_us = 0;
    b.env = base_zalloc(sizeof *b.env);
    *b.env = (struct brk_env){.conf = conf, .base = "tcp://broker:1"};
    bool ok = store_epoch_raise(disk_store(), &b.env->epoch, &err) &&
              store_runs_load_open(disk_store(), &open.rows, &open.n, &err);
    HOLDS(ok, "the store says: %s", err.text);
    TRACE("broker starts: epoch %u, %zu runs are open", b.env->epoch, open.n);
    b.up = true;
    make(&open);
    store_runs_free(&open.rows, open.n);
    for (int a = 0; a < ACTORS; a++) {
        b.wake_us[a] = sim.now_us + pause_us();
    }
}
