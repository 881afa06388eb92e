/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is broken when. Each seed has a world of its own: some are calm but
 * for one kind of fault, some have all of them, so that every fault meets
 * every other one and also is alone.
 */
#include "tests/sim/sim.h"

static int pick(const int *of, size_t n)
{
    return of[sim_dice((uint32_t)n)];
}

#define PICK(...)                                                              \
    pick((const int[]){__VA_ARGS__},                                           \
         sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void throw_plan(struct plan *p)
{
    p->workers = 1 + (int)sim_dice(WORKERS_MAX);
    p->gateways = 1 + (int)sim_dice(GATEWAYS_MAX);
    p->slots = 1 + (int)sim_dice(4);
    p->threads = 1 + (int)sim_dice(THREADS_MAX);
    p->runs = PICK(6, 12, 20, 30);
    p->active_us = PICK(2, 4, 8) * SEC;
    p->delay_us = PICK(50, 300, 3000);
    p->slow = PICK(0, 0, 10, 50);
    p->lossy = PICK(0, 0, 20, 200);
    p->lazy_us = PICK(10, 200, 2000);
    p->stalls = PICK(0, 0, 2, 10);
    p->fault_ms = PICK(300, 1000, 3000);
    p->store_fails = PICK(0, 0, 5, 50);
    p->store_crashes = PICK(0, 0, 2, 10);
    p->stateless = PICK(0, 200);
    p->temporary = PICK(0, 100);
    p->delayed = PICK(0, 200);
    p->strategies = PICK(0, 0, 300, 600);
    p->cancels = PICK(0, 0, 200);
    p->forgets = PICK(0, 0, 100);
    p->deletes = PICK(0, 0, 50);
    p->long_steps = PICK(0, 50);
    p->late_readers = PICK(0, 500);
    p->faults = 0;
    for (int f = 0; f < FAULTS; f++) {
        p->faults |= sim_dice(3) == 0 ? 1u << f : 0;
    }
}

static int some_worker(void)
{
    return 1 + (int)sim_dice((uint32_t)sim.plan.workers);
}

static int some_gateway(void)
{
    return 1 + (int)sim_dice((uint32_t)sim.plan.gateways);
}

static void cut(struct sim_node *n, int64_t until_us)
{
    if (n->alive) {
        TRACE("%s is cut off for %lld ms", node_name(n),
              (long long)(until_us - sim.now_us) / 1000);
        if (!n->gateway) {
            check_blame(n->number);
        }
        net_cut(n, until_us);
    }
}

static void drop_link(void)
{
    static const enum wire_port of_worker[] = {
        WIRE_PORT_WORKER, WIRE_PORT_EVENTS, WIRE_PORT_VAULT};
    static const enum wire_port of_gateway[] = {
        WIRE_PORT_GATEWAY, WIRE_PORT_PUB, WIRE_PORT_REPLAY};
    bool gateway = sim_dice(3) == 0;
    struct sim_node *n = gateway ? gateway_node(some_gateway())
                                 : worker_node(some_worker());
    enum wire_port port = (gateway ? of_gateway : of_worker)[sim_dice(3)];
    if (n->alive) {
        TRACE("%s loses its connection %d", node_name(n), (int)port);
        if (port == WIRE_PORT_WORKER) {
            check_blame(n->number);
        }
        net_drop_one(n, port);
    }
}

static void do_fault(enum fault f)
{
    int64_t shortly = sim.now_us + 50 * MS + sim_dice(700) * MS;
    int64_t long_us = sim.now_us + sim_dice(12) * SEC / 2;
    int64_t until = sim_dice(2) == 0 ? shortly : long_us;
    switch (f) {
    case FAULT_WORKER_KILL:
        worker_kill(some_worker(), sim_dice(4) != 0);
        break;
    case FAULT_WORKER_FREEZE:
        worker_freeze(some_worker(), until);
        break;
    case FAULT_WORKER_CUT:
        cut(worker_node(some_worker()), until);
        break;
    case FAULT_WORKER_DRAIN:
        worker_drain(some_worker());
        break;
    case FAULT_GATEWAY_KILL:
        gateway_kill(some_gateway());
        break;
    case FAULT_GATEWAY_CUT:
        cut(gateway_node(some_gateway()), until);
        break;
    case FAULT_BROKER_KILL:
        broker_kill("killed");
        break;
    case FAULT_BROKER_FREEZE:
        for (int i = 1; i <= sim.plan.workers; i++) {
            check_blame(i);
        }
        broker_freeze(until);
        break;
    case FAULT_LINK_DROP:
        drop_link();
        break;
    case FAULT_DISK_AWAY:
        TRACE("disk   does not answer for %lld ms",
              (long long)(until - sim.now_us) / 1000);
        disk_away(until);
        break;
    default: /* worker and broker together */
        worker_kill(some_worker(), true);
        broker_kill("killed with a worker");
        break;
    }
}

static void next_fault(void *arg, uint64_t n)
{
    (void)arg;
    (void)n;
    if (sim.now_us >= sim.plan.active_us) {
        return;
    }
    enum fault f = (enum fault)sim_dice(FAULTS);
    if ((sim.plan.faults & 1u << f) != 0) {
        do_fault(f);
    }
    sim_in(sim_about(sim.plan.fault_ms * MS), next_fault, NULL, 0);
}

void faults_setup(void)
{
    throw_plan(&sim.plan);
    sim_in(sim_about(sim.plan.fault_ms * MS), next_fault, NULL, 0);
}
