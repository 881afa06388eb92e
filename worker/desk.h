/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desk.h: the worker's control loop: the DEALER to the broker, the jobs in
 * hand, heartbeats, cancels and the drain. Executes nothing itself and never
 * waits for what does.
 */
#ifndef LEAT_WORKER_DESK_H
#define LEAT_WORKER_DESK_H

#include "common/conf.h"
#include "worker/uplink.h"
#include "worker/load.h"

struct desk_conf {
    const conf_t *conf;
    const registry_t *registry;
    struct wrk_brokers *brokers;
    const char *worker_id;
};

/*
 * Serves until the process was asked to stop and everything in hand is done
 * or handed back. False when it could not start, or when it has to be
 * replaced because a node did not follow a cancel.
 */
MUST_USE bool wrk_desk_run(const struct desk_conf *conf, struct err *err);

#endif
